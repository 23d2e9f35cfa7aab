//! Settings of a relay: files, addresses and users on this machine. What it decides is the world's.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use rustls::RootCertStore;

use super::certificates::{self, HeldCertificate, Holder};
use super::file;
use super::object::Object;
use super::{keys, reader, toml};
use crate::diag::{Diagnostic, Location, Severity, Source};
use crate::mail::Mailbox;
use crate::model::{RecipientKind, ServerId, Topology};

/// Where a relay takes mail if nothing is said: on this machine only.
const LISTEN: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 2525);

/// How a relay runs on this machine.
#[derive(Debug)]
pub struct Settings {
    /// Where it takes mail, as port 25 of the world.
    pub listen: Vec<SocketAddr>,
    /// Where users submit, as port 587 of the world.
    pub submission_listen: Vec<SocketAddr>,
    /// The name server it asks; without, those of this machine.
    pub name_server: Option<SocketAddr>,
    /// Names and addresses of hosts, and where they really are.
    pub host_overrides: Vec<(String, SocketAddr)>,
    /// Where messages survive.
    pub spool_directory: PathBuf,
    /// Where mailboxes are.
    pub mail_directory: PathBuf,
    /// Where metrics are shown.
    pub metrics_listen: Option<SocketAddr>,
    /// Who may submit.
    pub users: Vec<(Mailbox, Password)>,
    /// The certificates that the world gives the server, as far as there are files for them.
    pub certificates: Vec<HeldCertificate>,
    /// Whom it trusts; without, whom this machine trusts.
    pub trusted_roots: Option<RootCertStore>,
    /// How much it says.
    pub log_level: LogLevel,
}

/// How much a relay says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogLevel {
    /// What it could not do.
    Error,
    /// And what somebody should look at, such as a loop.
    Warn,
    /// And every event of a message.
    Info,
    /// And the reasons.
    Debug,
}

impl LogLevel {
    const ALL: [Self; 4] = [Self::Error, Self::Warn, Self::Info, Self::Debug];

    const fn as_str(self) -> &'static str {
        match self {
            Self::Error => "Error",
            Self::Warn => "Warn",
            Self::Info => "Info",
            Self::Debug => "Debug",
        }
    }
}

/// A password, which no `Debug` text shows.
#[derive(Clone, PartialEq, Eq)]
pub struct Password(String);

impl Password {
    /// The password itself.
    #[must_use]
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Password {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Password(..)")
    }
}

/// Reads the settings of one server of a world; the files and folders that they name are relative to
/// their own folder. Certificates are to be in date at `now`.
///
/// The settings are absent where a diagnostic is an error.
#[must_use]
pub fn load_settings(
    path: &Path,
    topology: &Topology,
    server: ServerId,
    now: Timestamp,
) -> (Option<Settings>, Vec<Diagnostic>) {
    let source = match file::read(path, file::Wanted::Settings) {
        Ok(source) => source,
        Err(diagnostic) => return (None, vec![*diagnostic]),
    };
    let (node, mut diagnostics) = toml::parse(&source);
    let folder = path.parent().unwrap_or(Path::new(""));
    let settings = node.and_then(|node| {
        let (object, found) = reader::read(&keys::SETTINGS, &node, &source);
        diagnostics.extend(found);
        let holder = Holder {
            topology,
            server,
            now,
        };
        lower(&object, folder, holder, &mut diagnostics)
    });
    let usable = diagnostics
        .iter()
        .all(|diagnostic| diagnostic.severity != Severity::Error);
    (settings.filter(|_| usable), diagnostics)
}

fn lower(
    object: &Object,
    folder: &Path,
    holder: Holder<'_>,
    diagnostics: &mut Vec<Diagnostic>,
) -> Option<Settings> {
    let mut listen: Vec<SocketAddr> = object.parse_list("Listen");
    if !object.has("Listen") {
        listen.push(LISTEN);
    }
    check_places(object, &listen, diagnostics);
    check_folders(object, folder, diagnostics);
    let overrides = object.list("HostOverrides").iter().filter_map(|word| {
        let (host, at) = word.text.split_once('=')?;
        Some((host.trim().to_ascii_lowercase(), at.trim().parse().ok()?))
    });
    Some(Settings {
        listen,
        submission_listen: object.parse_list("SubmissionListen"),
        name_server: object.parse("NameServer"),
        host_overrides: overrides.collect(),
        spool_directory: folder.join(object.text("SpoolDirectory")?),
        mail_directory: folder.join(object.text("MailDirectory")?),
        metrics_listen: object.parse("MetricsListen"),
        users: users(object, folder, holder, diagnostics),
        certificates: certificates::held(object, folder, holder, diagnostics),
        trusted_roots: certificates::trusted_roots(object, folder, diagnostics),
        log_level: object
            .choose("LogLevel", &LogLevel::ALL, LogLevel::as_str)
            .unwrap_or(LogLevel::Info),
    })
}

/// A relay that listens nowhere takes no mail, and no two of its doors can be in one place.
fn check_places(object: &Object, listen: &[SocketAddr], diagnostics: &mut Vec<Diagnostic>) {
    if listen.is_empty()
        && !object.is_unusable("Listen")
        && object.list("SubmissionListen").is_empty()
    {
        let place = Some(object.at("Listen").clone());
        let message = "the relay listens nowhere, so it takes no mail";
        let diagnostic = Diagnostic::new("invalid-value", place, message);
        diagnostics.push(diagnostic.help(format!("write `Listen = \"{LISTEN}\"`")));
    }
    let mut taken: Vec<(SocketAddr, &str)> = Vec::new();
    let metrics = object.word("MetricsListen");
    let keys = ["Listen", "SubmissionListen"];
    let words = keys
        .iter()
        .flat_map(|key| object.list(key).iter().map(|word| (*key, word.clone())));
    for (key, word) in words.chain(metrics.map(|word| ("MetricsListen", word))) {
        let Ok(address) = word.text.parse::<SocketAddr>() else {
            continue;
        };
        let overlaps = |(other, _): &&(SocketAddr, &str)| {
            let everywhere = other.ip().is_unspecified() || address.ip().is_unspecified();
            address.port() != 0
                && other.port() == address.port()
                && (other.ip() == address.ip()
                    || everywhere && other.is_ipv4() == address.is_ipv4())
        };
        if let Some((other, by)) = taken.iter().find(overlaps) {
            let message = format!("`{address}` of `{key}` is taken by `{other}` of `{by}`");
            let place = Some(word.location.clone());
            let diagnostic = Diagnostic::new("duplicate-name", place, message);
            diagnostics.push(diagnostic.help("give each door a port of its own"));
        }
        taken.push((address, key));
    }
}

/// Messages and mailboxes in one folder would be taken for each other.
fn check_folders(object: &Object, folder: &Path, diagnostics: &mut Vec<Diagnostic>) {
    let path = |key| {
        Some(
            folder
                .join(object.text(key)?)
                .components()
                .collect::<PathBuf>(),
        )
    };
    let (spool, mail) = (path("SpoolDirectory"), path("MailDirectory"));
    if spool.is_some() && spool == mail {
        let place = Some(object.at("MailDirectory").clone());
        let message = "`MailDirectory` is the folder of the spool";
        let diagnostic = Diagnostic::new("conflicting-settings", place, message);
        diagnostics
            .push(diagnostic.help("give mailboxes a folder of their own, such as `../mail`"));
    }
}

fn users(
    object: &Object,
    folder: &Path,
    holder: Holder<'_>,
    diagnostics: &mut Vec<Diagnostic>,
) -> Vec<(Mailbox, Password)> {
    let Some(word) = object.word("Users") else {
        return Vec::new();
    };
    let path = folder.join(&word.text);
    let source = match file::read(&path, file::Wanted::Users) {
        Ok(source) => source,
        Err(mut diagnostic) => {
            diagnostic.location = Some(word.location.clone());
            diagnostics.push(*diagnostic);
            return Vec::new();
        }
    };
    diagnostics.extend(file::readable_by_others(&path, &word.location));
    let users = users_in(&source, holder, diagnostics);
    if users.is_empty() {
        let message = format!("nobody is in `{}`, so nobody can submit", word.text);
        let diagnostic = Diagnostic::new("users-cannot-submit", Some(word.location), message);
        diagnostics.push(diagnostic.help("write `david@contoso.com:password` into it"));
    } else if object.list("SubmissionListen").is_empty() {
        let message = "there are users, and the relay has no place where they submit";
        let diagnostic = Diagnostic::new("users-cannot-submit", Some(word.location), message);
        diagnostics.push(diagnostic.help("write `SubmissionListen = \"127.0.0.1:2587\"`"));
    }
    users
}

/// A user who is there twice, or has no mailbox whose server this is: the relay would take his mail, and
/// Exchange would not.
fn odd_user(
    address: &Mailbox,
    twice: bool,
    holder: Holder<'_>,
    place: Location,
) -> Option<Diagnostic> {
    if twice {
        let message = format!("`{address}` has a password already");
        let diagnostic = Diagnostic::new("duplicate-name", Some(place), message);
        return Some(diagnostic.help("keep one line for each user"));
    }
    let topology = holder.topology;
    let organization = topology.server(holder.server).organization;
    let known = topology.recipients_at(organization, address);
    let has_mailbox = known
        .iter()
        .any(|id| matches!(topology.recipient(*id).kind, RecipientKind::Mailbox { .. }));
    let name = &topology.organization(organization).name;
    let message = format!("`{address}` is no mailbox of `{name}` in the world");
    let diagnostic = Diagnostic::new("user-without-mailbox", Some(place), message);
    (!has_mailbox).then(|| diagnostic.help("correct the address, or take the line out"))
}

/// One user on each line; empty lines and those that begin with `#` say nothing. What is wrong is
/// reported without the line itself, which may hold a password.
fn users_in(
    source: &Source,
    holder: Holder<'_>,
    diagnostics: &mut Vec<Diagnostic>,
) -> Vec<(Mailbox, Password)> {
    let mut users: Vec<(Mailbox, Password)> = Vec::new();
    let mut offset = 0;
    for line in source.text().split_inclusive('\n') {
        let span = offset..offset + line.trim_end().len();
        offset += line.len();
        let text = line.trim();
        if text.is_empty() || text.starts_with('#') {
            continue;
        }
        let user = text
            .split_once(':')
            .filter(|(_, password)| !password.is_empty());
        match user.and_then(|(address, password)| Some((Mailbox::parse(address).ok()?, password))) {
            Some((address, password)) => {
                let twice = users.iter().any(|(other, _)| *other == address);
                let place = source.location(span);
                diagnostics.extend(odd_user(&address, twice, holder, place));
                users.push((address, Password(password.to_owned())));
            }
            None => {
                let place = source.location(span);
                let diagnostic =
                    Diagnostic::new("invalid-value", Some(place), "the line is not a user");
                diagnostics.push(diagnostic.help("write `david@contoso.com:password`"));
            }
        }
    }
    users
}
