//! The shipped worlds: healthy ones are clean, and single messages go where the documents say.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use hybridmx::config::{self, World};
use hybridmx::diag::Severity;
use hybridmx::flow::{Disposition, Fork, Question, origin, walk};
use hybridmx::mail::{ByteSize, Mailbox, MessageKind, ReversePath};
use hybridmx::verify::{self, Report};

use crate::files::{folders, is_file, now, read_text};

/// The folders below `testnet/` whose names begin so.
pub(crate) fn worlds(prefix: &str) -> Vec<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("testnet");
    let mut found: Vec<PathBuf> = folders(&root)
        .into_iter()
        .filter(|path| name_of(path).starts_with(prefix))
        .collect();
    found.sort();
    found
}

/// The names of the shipped worlds that begin so.
pub(crate) fn names(prefix: &str) -> Vec<String> {
    worlds(prefix).iter().map(|path| name_of(path)).collect()
}

/// The name of a world's folder.
pub(crate) fn name_of(path: &Path) -> String {
    let name = path.file_name().expect("a folder has a name");
    name.to_string_lossy().into_owned()
}

pub(crate) fn load(path: &Path) -> World {
    let (world, diagnostics) = config::load(path, now());
    assert!(
        diagnostics.is_empty(),
        "{}: {diagnostics:#?}",
        path.display()
    );
    world.expect("a world without diagnostics is loaded")
}

/// The codes of errors and warnings.
pub(crate) fn counted(report: &Report) -> Vec<&str> {
    let findings = report
        .findings
        .iter()
        .filter(|finding| finding.diagnostic.severity > Severity::Note);
    findings.map(|finding| finding.diagnostic.code).collect()
}

/// Findings as text, with places relative to the world's folder.
pub(crate) fn findings_text(report: &Report) -> String {
    let mut text = String::new();
    for finding in &report.findings {
        let diagnostic = &finding.diagnostic;
        let place = diagnostic
            .location
            .as_ref()
            .map_or_else(String::new, |at| format!("{}:{}", at.line, at.column));
        let _ = writeln!(
            text,
            "{}[{}] {place}: {}",
            diagnostic.severity, diagnostic.code, diagnostic.message
        );
        for reason in &diagnostic.because {
            let _ = writeln!(text, "  because: {reason}");
        }
        for line in finding.fix.iter().flat_map(|fix| fix.script.lines()) {
            let _ = writeln!(text, "  fix: {line}");
        }
    }
    text
}

#[test]
fn healthy_worlds_have_no_errors_and_no_warnings() {
    for path in worlds("")
        .into_iter()
        .filter(|path| !path.to_string_lossy().contains("broken-"))
    {
        let world = load(&path);
        let report = verify::check(&world.topology, &world.zones);
        assert_eq!(
            counted(&report),
            Vec::<&str>::new(),
            "{}:\n{}",
            path.display(),
            findings_text(&report)
        );
    }
}

/// One message of a `flows.toml`.
#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct Case {
    source: String,
    from: String,
    to: OneOrMany,
    #[serde(default)]
    at: Option<String>,
    /// Ten kilobytes where nothing is said.
    #[serde(default)]
    size: Option<String>,
    #[serde(default)]
    because: Vec<String>,
    forks: Vec<Expected>,
}

/// The recipients of one message: an address, or a list of them.
#[derive(serde::Deserialize)]
#[serde(untagged)]
enum OneOrMany {
    One(String),
    Many(Vec<String>),
}

impl OneOrMany {
    fn addresses(&self) -> &[String] {
        match self {
            Self::One(address) => std::slice::from_ref(address),
            Self::Many(addresses) => addresses,
        }
    }
}

#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct Expected {
    recipient: String,
    disposition: String,
    #[serde(default)]
    status: Option<String>,
    #[serde(default)]
    final_status: Option<String>,
    #[serde(default)]
    trust: Option<String>,
    path: Vec<String>,
    connectors: Vec<String>,
    #[serde(default)]
    flags: Vec<String>,
    #[serde(default)]
    cycle: Vec<String>,
    /// What becomes of the report, where that is said.
    #[serde(default)]
    report: Option<Reported>,
}

/// The report of a failure: a flow of its own, from the server that writes it.
#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct Reported {
    disposition: String,
    path: Vec<String>,
    connectors: Vec<String>,
}

#[test]
fn messages_go_where_the_documents_say() {
    let mut checked = 0;
    for path in worlds("") {
        let file = path.join("flows.toml");
        assert!(is_file(&file), "{} describes no message", path.display());
        checked += messages_of(&path);
    }
    assert!(checked >= 100, "only {checked} messages are described");
}

/// Follows every message of a `flows.toml`; how many there are.
pub(crate) fn check_flows(world: &World, file: &Path) -> usize {
    let cases: BTreeMap<String, Vec<Case>> =
        toml::from_str(&read_text(file)).expect("flows.toml is read");
    let cases: Vec<&Case> = cases.values().flatten().collect();
    for case in &cases {
        check(world, file, case);
    }
    cases.len()
}

/// Checks every message of a world's `flows.toml`; says how many there are.
pub(crate) fn messages_of(folder: &Path) -> usize {
    check_flows(&load(folder), &folder.join("flows.toml"))
}

fn check(world: &World, file: &Path, case: &Case) {
    let topology = &world.topology;
    assert!(
        !case.source.is_empty(),
        "{}: a case names its source",
        file.display()
    );
    let from: ReversePath = case.from.parse().expect("an address");
    let at = case
        .at
        .as_ref()
        .map(|name| topology.server_named(name).expect("a server"));
    let submission = origin(topology, &from, at).expect("a sender");
    let size = case.size.as_ref();
    let size = size.map(|text| text.parse().expect("a size"));
    let to = case.to.addresses().iter();
    let to = to.map(|address| Mailbox::parse(address).expect("an address"));
    let to = to.collect();
    let flow = walk(
        topology,
        &world.zones,
        &Question {
            from,
            to,
            size: size.unwrap_or(ByteSize(10_240)),
            kind: MessageKind::Message,
            submission,
        },
    );
    let about = format!(
        "{}: {} → {} ({})",
        file.display(),
        case.from,
        case.to.addresses().join(", "),
        case.source
    );
    assert_eq!(
        flow.forks.len(),
        case.forks.len(),
        "{about}\n{}",
        said(world, &flow.forks)
    );
    for (fork, expected) in flow.forks.iter().zip(&case.forks) {
        check_fork(world, &about, fork, expected);
    }
    let said = said(world, &flow.forks);
    for line in &case.because {
        assert!(
            said.lines().any(|other| other.contains(line)),
            "{about}\nexpected: {line}\n{said}"
        );
    }
}

fn check_fork(world: &World, about: &str, fork: &Fork, expected: &Expected) {
    let topology = &world.topology;
    let name = |id| topology.server(id).name.clone();
    let about = format!("{about}, fork {}", fork.recipient);
    assert_eq!(fork.recipient.to_string(), expected.recipient, "{about}");
    assert_eq!(fork.disposition.as_str(), expected.disposition, "{about}");
    let status = |status: &hybridmx::mail::Status| format!("{} {}", status.code, status.enhanced);
    if fork.disposition.is_failure() {
        assert_eq!(fork.status.as_ref().map(status), expected.status, "{about}");
    }
    if let Disposition::Deferred | Disposition::Unreachable | Disposition::Looped = fork.disposition
    {
        assert_eq!(
            fork.final_status.as_ref().map(status),
            expected.final_status,
            "{about}"
        );
    }
    assert_eq!(
        fork.trust.map(|trust| trust.to_string()),
        expected.trust,
        "{about}"
    );
    check_way(world, &about, fork, &expected.path, &expected.connectors);
    if let Some(expected) = &expected.report {
        let report = fork.report.as_ref().expect("the sender is told");
        let [end] = &report.forks[..] else {
            panic!("{about}: a report has one recipient");
        };
        let about = format!("{about}, its report");
        assert_eq!(end.disposition.as_str(), expected.disposition, "{about}");
        check_way(world, &about, end, &expected.path, &expected.connectors);
    }
    let flags = fork.flags.iter().map(|flag| {
        let expected = if flag.expected {
            "expected"
        } else {
            flag.reason
        };
        format!("{} {expected}", flag.kind)
    });
    assert_eq!(flags.collect::<Vec<_>>(), expected.flags, "{about}");
    assert_eq!(
        fork.cycle
            .servers()
            .iter()
            .map(|id| name(*id))
            .collect::<Vec<_>>(),
        expected.cycle,
        "{about}"
    );
}

/// Server by server, connector by connector.
fn check_way(world: &World, about: &str, fork: &Fork, path: &[String], connectors: &[String]) {
    let topology = &world.topology;
    let servers = fork.hops.iter().map(|hop| topology.server(hop.server));
    let servers: Vec<&str> = servers.map(|server| server.name.as_str()).collect();
    assert_eq!(servers, path, "{about}");
    let used = fork.hops.iter().filter_map(|hop| hop.connector);
    let used: Vec<&str> = used
        .map(|id| topology.send_connector(id).name.as_str())
        .collect();
    assert_eq!(used, connectors, "{about}");
}

/// Every decision of every fork, a line each.
fn said(world: &World, forks: &[Fork]) -> String {
    let mut text = String::new();
    for hop in forks.iter().flat_map(|fork| &fork.hops) {
        let server = &world.topology.server(hop.server).name;
        for step in &hop.steps {
            let subject = step
                .chosen
                .as_ref()
                .map(|subject| subject.name(&world.topology))
                .unwrap_or_default();
            for reason in &step.because {
                let _ = writeln!(
                    text,
                    "{server}: {} {subject}: {reason}",
                    step.event.as_str()
                );
            }
            for loser in &step.rejected {
                let _ = writeln!(
                    text,
                    "{server}: not {}: {}",
                    loser.candidate.name(&world.topology),
                    loser.reason
                );
            }
        }
    }
    text
}
