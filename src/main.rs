//! The program: reads what was asked, asks the library, prints what `report` makes of the answer.
//!
//! One function for each subcommand; [`tell`] is the one place that prints, but for `lab`, which says
//! where everything is and goes on.

use std::collections::{BTreeSet, HashMap};
use std::ffi::OsString;
use std::fmt::Display;
use std::io::{self, ErrorKind, IsTerminal, Write};
use std::net::SocketAddr;
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;

use clap::Parser;
use clap::error::{ContextKind, ContextValue};
use rustls::RootCertStore;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tracing_subscriber::filter::Targets;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;

use hybridmx::cli::{
    self, Arguments, CheckFormat, Command, Exit, FailOn, FlowsFormat, Format, Sizes, TraceFormat,
};
use hybridmx::config::{self, LogLevel, Settings, World};
use hybridmx::diag::{Diagnostic, Severity, Source, did_you_mean};
use hybridmx::dns::Zones;
use hybridmx::flow::{NoOrigin, Question, origin, walk};
use hybridmx::lab::agree::{self, AgreeOptions};
use hybridmx::lab::{self, Lab, LabOptions};
use hybridmx::mail::{ByteSize, Mailbox, MessageKind, ReversePath};
use hybridmx::metrics::Metrics;
use hybridmx::model::{CertificateId, Recipient, RecipientKind, ServerId, Topology};
use hybridmx::net::{self, Identity, Resolver};
use hybridmx::relay::{self, AddressBook, Pace, Recognition, Relay, SyncMeter, serve_metrics};
use hybridmx::report::text::Palette;
use hybridmx::report::{
    Running, Surroundings, csv, dot, every_code, html, json, junit, sarif, svg, text, topic,
};
use hybridmx::spool::Recovered;
use hybridmx::spool::disk::{Disk, Options};
use hybridmx::verify::Report;
use hybridmx::{clock, verify};

fn main() -> ExitCode {
    let words: Vec<OsString> = std::env::args_os().collect();
    let answer = match Arguments::try_parse_from(&words) {
        Ok(arguments) => run(&arguments.command),
        Err(error) => command_line(&error, cli::wants_json(&words)),
    };
    tell(&answer).into()
}

/// What a command has to say, and how the program ends.
struct Answer {
    stdout: String,
    stderr: String,
    exit: Exit,
}

/// An answer, or why the input cannot be used.
type Reply = Result<Answer, Vec<Diagnostic>>;

/// One thing that is wrong with an argument.
type Wrong = Box<Diagnostic>;

fn run(command: &Command) -> Answer {
    let plain = Format::Text;
    let (reply, format) = match command {
        Command::Check(arguments) => (check(arguments), arguments.format.plain()),
        Command::Completions(arguments) => (Ok(completions(arguments)), plain),
        Command::Explain(arguments) => (explain(arguments), arguments.format),
        Command::Flows(arguments) => (flows(arguments), arguments.format.plain()),
        Command::Lab(arguments) => (lab(arguments), arguments.format),
        Command::Relay(arguments) => (relay(arguments), plain),
        Command::Schema => (Ok(schema()), plain),
        Command::Test(arguments) => (test(arguments), arguments.format),
        Command::Trace(arguments) => (trace(arguments), arguments.format.plain()),
    };
    reply.unwrap_or_else(|diagnostics| unusable(&diagnostics, format))
}

fn check(arguments: &cli::Check) -> Reply {
    let (World { topology, zones }, stderr) = read(&arguments.world)?;
    let report = verify::check(&topology, &zones);
    let mildest = match arguments.fail_on {
        FailOn::Error => Severity::Error,
        FailOn::Warning => Severity::Warning,
    };
    let name = arguments.world.display().to_string();
    let stdout = match arguments.format {
        CheckFormat::Html => {
            let rows = verify::flows(&topology, &zones);
            html::check(&topology, &report, &rows, &name)
        }
        CheckFormat::Json => json::check(&topology, &report),
        CheckFormat::Junit => junit::check(&topology, &report, &name, mildest),
        CheckFormat::Sarif => sarif::check(&topology, &report, &sources(&topology, &report)),
        CheckFormat::Text => text::check(&topology, &report, palette(&io::stdout())),
    };
    let exit = if report.worst() >= Some(mildest) {
        Exit::Bad
    } else {
        Exit::Good
    };
    Ok(Answer {
        stdout,
        stderr,
        exit,
    })
}

/// The texts of the files that findings are about. One that is gone by now has places without ends.
fn sources(topology: &Topology, report: &Report) -> Vec<Source> {
    let places = report.findings.iter().flat_map(|finding| {
        let edits = finding.fix.iter().flat_map(|fix| &fix.edits);
        let own = finding.diagnostic.location.iter();
        own.chain(edits.map(|edit| &edit.location))
    });
    let servers = topology.servers();
    let servers = servers.filter_map(|(_, server)| server.settings.object.as_ref());
    let files: BTreeSet<&str> = places.chain(servers).map(|place| &*place.file).collect();
    let sources = files.into_iter().map(config::source);
    sources.filter_map(Result::ok).collect()
}

fn completions(arguments: &cli::Completions) -> Answer {
    Answer::good(cli::completions(arguments.shell))
}

fn explain(arguments: &cli::Explain) -> Reply {
    let topic = match &*arguments.code {
        [] => every_code(),
        words => topic(&words.join(" ")).map_err(|unknown| vec![*unknown])?,
    };
    Ok(Answer::good(match arguments.format {
        Format::Json => json::explain(&topic),
        Format::Text => fitted(text::explain(&topic, palette(&io::stdout()))),
    }))
}

fn flows(arguments: &cli::Flows) -> Reply {
    let (World { topology, zones }, stderr) = read(&arguments.world)?;
    let rows = verify::flows(&topology, &zones);
    let answer = Answer::good(match arguments.format {
        FlowsFormat::Csv => csv::flows(&topology, &rows),
        FlowsFormat::Json => json::flows(&topology, &rows),
        FlowsFormat::Text => {
            let palette = palette(&io::stdout());
            fitted(text::flows(&topology, &rows, palette, columns()))
        }
    });
    Ok(Answer { stderr, ..answer })
}

/// The world that needs no file: the deployment of the Microsoft article.
const BUILT_IN: &str = include_str!("../testnet/contoso/world.toml");

fn lab(arguments: &cli::Lab) -> Reply {
    let (World { topology, zones }, stderr) = match &arguments.world {
        Some(path) => read(path)?,
        None => usable(config::read("contoso/world.toml", BUILT_IN, clock::now()))?,
    };
    let options = LabOptions {
        pace: Pace(arguments.pace),
        folder: arguments.folder.clone(),
    };
    let format = arguments.format;
    Ok(carried(async move {
        log_to_stderr(tracing::Level::WARN);
        let ending = Ending::new()?;
        let lab = Lab::start(Arc::new(topology), &zones, &options).await?;
        note_findings(lab.metrics(), lab.topology(), &zones);
        let surroundings = surroundings(&lab);
        let ready = match format {
            Format::Json => json::lab(&surroundings),
            Format::Text => text::lab(&surroundings, palette(&io::stdout())),
        };
        // A reader who has gone is no reason to end.
        let _ = print(&ready);
        ending.wait().await;
        lab.stop().await;
        Ok(Answer {
            stderr,
            ..Answer::good(String::new())
        })
    }))
}

fn test(arguments: &cli::Test) -> Reply {
    let (World { topology, zones }, stderr) = read(&arguments.world)?;
    let rows = verify::flows(&topology, &zones);
    let options = LabOptions {
        pace: Pace(arguments.pace),
        folder: None,
    };
    let agree = AgreeOptions::at(options.pace, arguments.sizes == Sizes::All);
    let format = arguments.format;
    Ok(carried(async move {
        let lab = Lab::start(Arc::new(topology), &zones, &options).await?;
        let agreement = agree::agree(&lab, &rows, &agree).await;
        lab.stop().await;
        let agreement = agreement?;
        let stdout = match format {
            Format::Json => json::agreement(&agreement),
            Format::Text => text::agreement(&agreement, palette(&io::stdout())),
        };
        let exit = if agreement.disagreements() > 0 {
            Exit::Bad
        } else {
            Exit::Good
        };
        Ok(Answer {
            stdout,
            stderr,
            exit,
        })
    }))
}

fn relay(arguments: &cli::Relay) -> Reply {
    let (World { topology, zones }, mut remarks) = read(&arguments.world)?;
    let server = server(&topology, &arguments.server).map_err(|wrong| vec![*wrong])?;
    let (settings, diagnostics) =
        config::load_settings(&arguments.settings, &topology, server, clock::now());
    let Some(settings) = settings else {
        return Err(diagnostics);
    };
    remarks += &text::diagnostics(&diagnostics, palette(&io::stderr()));
    Ok(carried(async move {
        // Who starts a relay reads them now, and not when it ends.
        let _ = io::stderr().lock().write_all(remarks.as_bytes());
        log_to_stderr(level(settings.log_level));
        let ending = Ending::new()?;
        let metrics = Arc::new(Metrics::new());
        let errors = note_findings(&metrics, &topology, &zones);
        if errors > 0 {
            tracing::warn!(
                errors,
                "this world is broken, and mail goes as it says: see `hybridmx check`"
            );
        }
        let listeners = listeners(&settings)?;
        let door = settings.metrics_listen;
        let door = door
            .map(|address| bound("MetricsListen", address))
            .transpose()?;
        let (config, recovered) = relay_config(Arc::new(topology), server, &settings, &metrics)?;
        let name = config.topology.server(server).name.clone();
        let relay = Relay::start(config, recovered, listeners).await?;
        let health = relay.health();
        let door = door.map(|listener| tokio::spawn(serve_metrics(listener, metrics, health)));
        let said = print(&ready(&name, &settings, relay.recovered()));
        // A reader who has gone is no reason to end; whoever waits for the line must not wait for ever.
        let failed = said
            .err()
            .filter(|error| error.kind() != ErrorKind::BrokenPipe);
        if failed.is_none() {
            ending.wait().await;
        }
        relay.stop().await;
        if let Some(door) = door {
            door.abort();
        }
        match failed {
            None => Ok(Answer::good(String::new())),
            Some(error) => Err(format!("cannot write to standard output: {error}").into()),
        }
    }))
}

/// What a relay says when it takes mail.
fn ready(name: &str, settings: &Settings, recovered: usize) -> String {
    let listed = |places: &[SocketAddr]| {
        let places: Vec<String> = places.iter().map(ToString::to_string).collect();
        places.join(", ")
    };
    let mut parts = vec![format!("{name} takes mail at {}", listed(&settings.listen))];
    if !settings.submission_listen.is_empty() {
        parts.push(format!(
            "submission at {}",
            listed(&settings.submission_listen)
        ));
    }
    if let Some(address) = settings.metrics_listen {
        parts.push(format!("metrics at {address}"));
    }
    parts.push(format!("messages in the spool: {recovered}"));
    parts.join("; ") + "\n"
}

/// The sockets of a relay, each with the port of the world that it stands for.
fn listeners(settings: &Settings) -> Result<Vec<(u16, tokio::net::TcpListener)>, OutsideError> {
    let smtp = settings.listen.iter();
    let smtp = smtp.map(|address| (25, "Listen", address));
    let submission = settings.submission_listen.iter();
    let submission = submission.map(|address| (587, "SubmissionListen", address));
    smtp.chain(submission)
        .map(|(port, key, address)| Ok((port, bound(key, *address)?)))
        .collect()
}

/// A socket that a key of the settings asks for.
fn bound(key: &str, address: SocketAddr) -> Result<tokio::net::TcpListener, OutsideError> {
    net::listen(address).map_err(|error| {
        let help = match error.kind() {
            ErrorKind::AddrInUse => {
                let port = address.port();
                format!("another process has it: `ss -ltnp 'sport = :{port}'` says which; or give another port")
            }
            ErrorKind::AddrNotAvailable => {
                "the address is not this machine's: `ip address` lists those that are".to_owned()
            }
            ErrorKind::PermissionDenied => {
                "ports below 1024 need privileges: give another, or the capability CAP_NET_BIND_SERVICE"
                    .to_owned()
            }
            _ => "check the address".to_owned(),
        };
        format!("cannot listen on {address}, the `{key}` of the settings: {error}\n  help: {help}").into()
    })
}

/// What a relay is made of, and what its spool holds.
fn relay_config(
    topology: Arc<Topology>,
    server: ServerId,
    settings: &Settings,
    metrics: &Arc<Metrics>,
) -> Result<(relay::Config, Recovered), OutsideError> {
    let resolver = match settings.name_server {
        Some(address) => Resolver::at(address)?,
        None => Resolver::of_this_machine()?,
    };
    let name = &topology.server(server).name;
    let options = Options {
        observer: Arc::new(SyncMeter::new(metrics.clone(), name)),
        ..Options::default()
    };
    let (store, recovered) = Disk::open(&settings.spool_directory, &options)?;
    claim(&settings.spool_directory, name)?;
    let users = settings.users.iter();
    let users = users.map(|(user, password)| {
        (
            user.to_string().to_lowercase(),
            password.reveal().to_owned(),
        )
    });
    let config = relay::Config {
        self_signed: Identity::self_signed(topology.server(server).fqdn.as_str())?,
        topology,
        server,
        addresses: Arc::new(AddressBook::identity(
            settings.host_overrides.iter().cloned().collect(),
        )),
        recognition: Recognition::ByCertificate,
        local_address: None,
        external_resolver: resolver.clone(),
        resolver,
        certificates_at: None,
        roots: roots(settings),
        identities: identities(settings),
        store: Arc::new(store),
        mail_directory: settings.mail_directory.clone(),
        users: Arc::new(users.collect()),
        metrics: metrics.clone(),
        pace: Pace(1),
        observer: None,
    };
    Ok((config, recovered))
}

/// Makes a spool that of a server, unless it is another one's: its messages would be sent as that of
/// the wrong server, or not understood.
#[expect(clippy::disallowed_methods, reason = "the spool is a folder of files")]
fn claim(spool: &Path, server: &str) -> Result<(), OutsideError> {
    let path = spool.join("server");
    let cannot = |error: io::Error| format!("cannot use `{}`: {error}", path.display());
    let absent = |error: io::Error| match error.kind() {
        ErrorKind::NotFound => Ok(String::new()),
        _ => Err(cannot(error)),
    };
    match std::fs::read_to_string(&path).or_else(absent) {
        // Nor is it anybody's where a full disk had no room for the name.
        Ok(owner) if owner.trim_end().is_empty() => {
            // It can be said at the next start as well.
            let _ = std::fs::write(&path, format!("{server}\n"));
            Ok(())
        }
        Ok(owner) if owner.trim_end().eq_ignore_ascii_case(server) => Ok(()),
        Ok(owner) => {
            let (owner, spool) = (owner.trim_end(), spool.display());
            let help = format!(
                "give `{server}` a SpoolDirectory of its own, or remove `{}` where the server was renamed",
                path.display()
            );
            Err(format!("the spool `{spool}` is that of `{owner}`\n  help: {help}").into())
        }
        Err(error) => Err(error.into()),
    }
}

/// Shows among the metrics what is wrong with the world; how many errors there are.
fn note_findings(metrics: &Metrics, topology: &Topology, zones: &Zones) -> usize {
    let report = verify::check(topology, zones);
    for severity in [Severity::Error, Severity::Warning, Severity::Note] {
        let found = report.findings.iter();
        let found = found
            .filter(|finding| finding.diagnostic.severity == severity)
            .count();
        let found = i64::try_from(found).unwrap_or(i64::MAX);
        metrics.set("world_findings", &[&severity.to_string()], found);
    }
    report.summary.errors
}

/// Whom a relay trusts.
fn roots(settings: &Settings) -> RootCertStore {
    if let Some(roots) = &settings.trusted_roots {
        return roots.clone();
    }
    let (roots, problems) = net::system_roots();
    for problem in problems {
        tracing::warn!(%problem, "not all roots that this machine trusts can be read");
    }
    if roots.is_empty() {
        tracing::warn!("this machine trusts no root, so no certificate is valid: set TrustedRoots");
    }
    roots
}

/// The certificates that a relay can show.
fn identities(settings: &Settings) -> HashMap<CertificateId, Identity> {
    let held = settings.certificates.iter();
    held.map(|certificate| {
        let chain = certificate.chain.clone();
        let key = certificate.key.clone_key();
        (certificate.id, Identity { chain, key })
    })
    .collect()
}

fn level(level: LogLevel) -> tracing::Level {
    match level {
        LogLevel::Error => tracing::Level::ERROR,
        LogLevel::Warn => tracing::Level::WARN,
        LogLevel::Info => tracing::Level::INFO,
        LogLevel::Debug => tracing::Level::DEBUG,
    }
}

/// Says what this program does down to a level, and of its libraries what is wrong.
fn log_to_stderr(level: tracing::Level) {
    let wanted = Targets::new()
        .with_default(level.min(tracing::Level::WARN))
        .with_target("hybridmx", level);
    let lines = tracing_subscriber::fmt::layer()
        .with_writer(io::stderr)
        .with_target(false);
    let subscriber = tracing_subscriber::registry().with(lines).with(wanted);
    // There is one subscriber in a process, and this is the first.
    let _ = subscriber.try_init();
}

/// Whatever the outside did not give.
type OutsideError = Box<dyn std::error::Error>;

/// Runs what needs the network; its failure is one of the outside.
fn carried(work: impl Future<Output = Result<Answer, OutsideError>>) -> Answer {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build();
    let failed = |error: &dyn Display| Answer {
        stdout: String::new(),
        stderr: format!("error: {error}\n"),
        exit: Exit::Outside,
    };
    match runtime {
        Ok(runtime) => runtime
            .block_on(work)
            .unwrap_or_else(|error| failed(&error)),
        Err(error) => failed(&error),
    }
}

/// Ctrl-C and SIGTERM, heeded from its making on.
struct Ending {
    interrupt: Signal,
    terminate: Signal,
}

impl Ending {
    fn new() -> io::Result<Self> {
        Ok(Self {
            interrupt: signal(SignalKind::interrupt())?,
            terminate: signal(SignalKind::terminate())?,
        })
    }

    /// Resolves when somebody wants an end.
    async fn wait(mut self) {
        tokio::select! {
            biased;
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
        }
    }
}

/// What a running lab has to show, in plain values.
fn surroundings(lab: &Lab) -> Surroundings {
    let topology = lab.topology();
    let has_mailbox = |kind: &RecipientKind| matches!(kind, RecipientKind::Mailbox { .. });
    let user = topology
        .recipients()
        .find(|(_, recipient)| has_mailbox(&recipient.kind));
    let group = topology
        .recipients()
        .find(|(_, recipient)| matches!(recipient.kind, RecipientKind::Group { .. }));
    let home = user.and_then(|(_, user)| match user.kind {
        RecipientKind::Mailbox { server, .. } => Some(topology.server(server).name.clone()),
        RecipientKind::MailUser { .. }
        | RecipientKind::DistributionGroup(_)
        | RecipientKind::Group { .. }
        | RecipientKind::RemoteGroup { .. } => None,
    });
    let submission = lab
        .servers()
        .iter()
        .find(|server| Some(&server.name) == home.as_ref())
        .and_then(|s| s.submission);
    Surroundings {
        dns: lab.dns(),
        dns_internal: lab.internal_dns(),
        http: lab.http(),
        servers: lab
            .servers()
            .iter()
            .map(|server| Running {
                name: server.name.clone(),
                role: server.role.as_str(),
                smtp: server.smtp,
                submission: server.submission,
            })
            .collect(),
        user: user.map(|(_, user)| user.primary().clone()).zip(submission),
        group: group.map(|(_, group)| group.primary().clone()),
        password: lab::PASSWORD,
    }
}

fn schema() -> Answer {
    Answer::good(json::value(&config::schema()))
}

fn trace(arguments: &cli::Trace) -> Reply {
    let (World { topology, zones }, stderr) = read(&arguments.world)?;
    let question = question(&topology, arguments)?;
    let flow = walk(&topology, &zones, &question);
    let answer = Answer::good(match arguments.format {
        TraceFormat::Dot => dot::trace(&topology, &flow),
        TraceFormat::Json => json::trace(&topology, &flow),
        TraceFormat::Svg => svg::trace(&topology, &flow),
        TraceFormat::Text => fitted(text::trace(&topology, &flow, palette(&io::stdout()))),
    });
    Ok(Answer { stderr, ..answer })
}

impl Answer {
    fn good(stdout: String) -> Self {
        Self {
            stdout,
            stderr: String::new(),
            exit: Exit::Good,
        }
    }
}

/// The world, and as text what else there is to say about its files.
fn read(path: &Path) -> Result<(World, String), Vec<Diagnostic>> {
    usable(config::load(path, clock::now()))
}

fn usable(
    (world, diagnostics): (Option<World>, Vec<Diagnostic>),
) -> Result<(World, String), Vec<Diagnostic>> {
    let wrong = |each: &Diagnostic| each.severity == Severity::Error;
    match world {
        Some(world) if !diagnostics.iter().any(wrong) => {
            let remarks = text::diagnostics(&diagnostics, palette(&io::stderr()));
            Ok((world, remarks))
        }
        Some(_) | None => Err(diagnostics),
    }
}

/// What `trace` asks; everything that is wrong with it, if something is.
fn question(topology: &Topology, arguments: &cli::Trace) -> Result<Question, Vec<Diagnostic>> {
    let mut wrong = Vec::new();
    let at = arguments.at.as_deref();
    let at = noted(
        at.map(|name| server(topology, name)).transpose(),
        &mut wrong,
    );
    let from = noted(sender(topology, &arguments.from), &mut wrong);
    let to = arguments.to.iter();
    let to = to.filter_map(|written| noted(recipient(topology, written), &mut wrong));
    let to: Vec<Mailbox> = to.collect();
    let size = noted(size(&arguments.size), &mut wrong);
    let (Some(at), Some(from), Some(size), []) = (at, from, size, wrong.as_slice()) else {
        return Err(wrong);
    };
    let submission = origin(topology, &from, at).map_err(|why| vec![no_origin(topology, &why)])?;
    Ok(Question {
        from,
        to,
        size,
        kind: match arguments.kind {
            cli::Kind::Invitation => MessageKind::Invitation,
            cli::Kind::Message => MessageKind::Message,
        },
        submission,
    })
}

/// The value, or nothing after its diagnostic is noted.
fn noted<T>(result: Result<T, Wrong>, wrong: &mut Vec<Diagnostic>) -> Option<T> {
    result.map_err(|diagnostic| wrong.push(*diagnostic)).ok()
}

fn sender(topology: &Topology, written: &str) -> Result<ReversePath, Wrong> {
    if written == "<>" {
        return Ok(ReversePath::Null);
    }
    let mailboxes = topology.recipients().map(|(_, recipient)| recipient);
    let mailboxes = mailboxes.filter(|recipient| is_mailbox(recipient));
    address("--from", written, mailboxes)
        .map(ReversePath::Mailbox)
        .map_err(|diagnostic| match written {
            "" => Box::new(diagnostic.because("the null reverse-path is written `<>`")),
            _ => diagnostic,
        })
}

fn recipient(topology: &Topology, written: &str) -> Result<Mailbox, Wrong> {
    let recipients = topology.recipients().map(|(_, recipient)| recipient);
    address("--to", written, recipients)
}

/// Reads an address, as it is or as mail clients and Exchange print it: `David <david@contoso.com>`,
/// `SMTP:david@contoso.com`, `mailto:david@contoso.com`.
fn address<'a>(
    option: &str,
    written: &str,
    known: impl Iterator<Item = &'a Recipient>,
) -> Result<Mailbox, Wrong> {
    let bare = bare(written);
    Mailbox::parse(bare).map_err(|why| {
        let message = format!("`{written}` after {option} is not an address: {why}");
        let are_several = bare.matches('@').count() > 1 && bare.contains([',', ';']);
        let help = match meant(bare, known) {
            _ if are_several && option == "--to" => "repeat --to for each recipient".to_owned(),
            _ if are_several => format!("give one address after {option}"),
            Some(close) => format!("did you mean `{close}`?"),
            None => format!("write {option} david@contoso.com"),
        };
        Box::new(Diagnostic::new("invalid-value", None, message).help(help))
    })
}

/// An address without what may be printed around it.
fn bare(written: &str) -> &str {
    let written = written.trim();
    let bare = written
        .strip_suffix('>')
        .and_then(|rest| rest.rsplit_once('<'))
        .map_or(written, |(_, address)| address);
    match bare.split_once(':') {
        Some((kind, rest)) if ["smtp", "mailto"].contains(&&*kind.to_ascii_lowercase()) => rest,
        Some(_) | None => bare,
    }
}

/// The address that somebody meant: one that begins so, else the closest, both parts close.
fn meant<'a>(written: &str, known: impl Iterator<Item = &'a Recipient>) -> Option<String> {
    let addresses = known.flat_map(|recipient| recipient.addresses.iter());
    let addresses: Vec<String> = addresses.map(ToString::to_string).collect();
    let (local_part, domain) = written.split_once('@').unwrap_or((written, ""));
    let close = |address: &&str| {
        let (own, at) = address.split_once('@').unwrap_or((address, ""));
        did_you_mean(local_part, [own]).is_some()
            && (domain.is_empty() || did_you_mean(domain, [at]).is_some())
    };
    let addresses = || addresses.iter().map(String::as_str);
    // Without an `@` the domain is either missing, or runs on.
    let whole = domain
        .is_empty()
        .then(|| did_you_mean(written, addresses()));
    let parts = || did_you_mean(local_part, addresses().filter(close)).or(addresses().find(close));
    whole.flatten().or_else(parts).map(str::to_owned)
}

fn size(written: &str) -> Result<ByteSize, Wrong> {
    written.parse().map_err(|_| {
        let message = format!("`{written}` after --size is not a size");
        let help = "write `10MB`, `35840KB` or a number of bytes";
        Box::new(Diagnostic::new("invalid-value", None, message).help(help))
    })
}

fn server(topology: &Topology, written: &str) -> Result<ServerId, Wrong> {
    let unknown = || {
        let known = topology.servers().flat_map(|(_, server)| {
            let names = [server.name.as_str(), server.fqdn.as_str()];
            names.into_iter()
        });
        let help = match did_you_mean(written, known) {
            Some(close) => format!("did you mean `{close}`?"),
            None => format!("the servers are {}", listed(servers(topology))),
        };
        let message = format!("the world has no server `{written}`");
        Box::new(Diagnostic::new("unknown-reference", None, message).help(help))
    };
    topology.server_named(written).ok_or_else(unknown)
}

fn servers(topology: &Topology) -> impl Iterator<Item = &str> {
    topology.servers().map(|(_, server)| server.name.as_str())
}

/// The first names of a list, and how many there are beside.
fn listed<T: Display>(names: impl Iterator<Item = T>) -> String {
    const SHOWN: usize = 8;
    let names: Vec<String> = names.map(|name| format!("`{name}`")).collect();
    let shown = names[..names.len().min(SHOWN)].join(", ");
    match names.len().saturating_sub(SHOWN) {
        0 => shown,
        more => format!("{shown} and {more} more"),
    }
}

fn is_mailbox(recipient: &Recipient) -> bool {
    matches!(recipient.kind, RecipientKind::Mailbox { .. })
}

/// Why there is no place to send from, and how to give one.
fn no_origin(topology: &Topology, why: &NoOrigin) -> Diagnostic {
    let diagnostic = Diagnostic::new("unknown-reference", None, why.to_string());
    match why {
        NoOrigin::NoHost => diagnostic
            .help("describe a host under [[Internet.Hosts]], or name a server with --at SERVER"),
        NoOrigin::NoMailbox(sender) => no_mailbox(topology, diagnostic, sender),
    }
}

fn no_mailbox(topology: &Topology, diagnostic: Diagnostic, sender: &Mailbox) -> Diagnostic {
    let all = || topology.recipients().map(|(_, recipient)| recipient);
    let holder = all().find(|recipient| recipient.addresses.contains(sender));
    let diagnostic = match holder {
        Some(holder) => {
            let kind = holder.kind.type_details();
            diagnostic.because(format!(
                "the address is that of a {kind}, which cannot send"
            ))
        }
        None => diagnostic,
    };
    let device = "for a device that submits without authentication add --at SERVER";
    let mailboxes = all().filter(|recipient| is_mailbox(recipient));
    match meant(&sender.to_string(), mailboxes) {
        Some(close) => diagnostic.help(format!("did you mean `{close}`? {device}")),
        None => diagnostic.help(device),
    }
}

/// An input that cannot be used.
fn unusable(diagnostics: &[Diagnostic], format: Format) -> Answer {
    let (stdout, stderr) = match format {
        Format::Json => (json::diagnostics(diagnostics), String::new()),
        Format::Text => {
            let said = text::diagnostics(diagnostics, palette(&io::stderr()));
            (String::new(), said)
        }
    };
    Answer {
        stdout,
        stderr,
        exit: Exit::Unusable,
    }
}

/// A command line that asks for help, or cannot be read.
fn command_line(error: &clap::Error, json: bool) -> Answer {
    if !error.use_stderr() {
        return Answer::good(rendered(error, palette(&io::stdout())));
    }
    if json {
        return unusable(&[mistyped(error)], Format::Json);
    }
    Answer {
        stdout: String::new(),
        stderr: rendered(error, palette(&io::stderr())),
        exit: Exit::Unusable,
    }
}

fn rendered(error: &clap::Error, palette: Palette) -> String {
    let text = error.render();
    match palette {
        Palette::Coloured => text.ansi().to_string(),
        Palette::Plain => text.to_string(),
    }
}

/// The first paragraph of a complaint about the command line, and what may have been meant.
fn mistyped(error: &clap::Error) -> Diagnostic {
    let text = error.render().to_string();
    let mut lines = text
        .lines()
        .map(str::trim)
        .take_while(|line| !line.is_empty());
    let message = lines.next().unwrap_or_default();
    let message = message.strip_prefix("error: ").unwrap_or(message);
    let rest: Vec<&str> = lines.collect();
    let diagnostic = match rest.join(", ") {
        rest if rest.is_empty() => Diagnostic::new("invalid-value", None, message),
        // `… were not provided:`, and their names below.
        rest if message.ends_with(':') => {
            Diagnostic::new("invalid-value", None, format!("{message} {rest}"))
        }
        rest => Diagnostic::new("invalid-value", None, message)
            .because(rest.trim_matches(['[', ']']).to_owned()),
    };
    let suggestions = [
        ContextKind::SuggestedSubcommand,
        ContextKind::SuggestedArg,
        ContextKind::SuggestedValue,
    ];
    let suggestion = suggestions
        .into_iter()
        .find_map(|kind| match error.get(kind) {
            Some(ContextValue::String(word)) => Some(word.clone()),
            // The closest comes last.
            Some(ContextValue::Strings(words)) => words.last().cloned(),
            _ => None,
        });
    match suggestion {
        Some(word) => diagnostic.help(format!("did you mean `{word}`?")),
        None => match error.get(ContextKind::Usage) {
            Some(ContextValue::StyledStr(usage)) => {
                let usage = usage.to_string();
                let usage = usage.strip_prefix("Usage: ").unwrap_or(&usage);
                diagnostic.help(format!("write `{usage}`"))
            }
            _ => diagnostic.help("`hybridmx --help` lists the commands and their options"),
        },
    }
}

/// Colours for a terminal that can show them, unless the user wants none.
#[expect(
    clippy::disallowed_methods,
    reason = "NO_COLOR and TERM are the conventions of terminals, not settings of ours"
)]
fn palette(stream: &impl IsTerminal) -> Palette {
    let unwanted = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
    let dumb = std::env::var_os("TERM").is_none_or(|value| value == "dumb");
    if stream.is_terminal() && !unwanted && !dumb {
        Palette::Coloured
    } else {
        Palette::Plain
    }
}

/// How many columns the terminal has that standard output is; absent for files and pipes.
fn columns() -> Option<usize> {
    let (width, _) = terminal_size::terminal_size_of(io::stdout())?;
    Some(usize::from(width.0))
}

/// A text that nobody copies commands from, with lines as long as the terminal is wide.
fn fitted(text: String) -> String {
    match columns() {
        Some(columns) => text::folded(&text, columns),
        None => text,
    }
}

/// Prints an answer. A reader who has gone (`| head`) has all it wanted; any other failure to print
/// ends the program as one of the outside.
fn tell(answer: &Answer) -> Exit {
    // Nobody can be told that the place for complaints is closed.
    let _ = io::stderr().lock().write_all(answer.stderr.as_bytes());
    match print(&answer.stdout) {
        Ok(()) => answer.exit,
        Err(error) if error.kind() == ErrorKind::BrokenPipe => answer.exit,
        Err(error) => {
            let complaint = format!("error: cannot write to standard output: {error}\n");
            let _ = io::stderr().lock().write_all(complaint.as_bytes());
            Exit::Outside
        }
    }
}

fn print(text: &str) -> io::Result<()> {
    let mut stdout = io::stdout().lock();
    stdout.write_all(text.as_bytes())?;
    stdout.flush()
}
