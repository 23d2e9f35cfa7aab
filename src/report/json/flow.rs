//! Flows: questions, forks, hops, steps; and the rows of the flow table.

use serde::Serialize;

use super::location::Location;
use crate::flow;
use crate::mail;
use crate::model::{SendConnectorId, ServerId, Topology};
use crate::report::{course, place};
use crate::route;
use crate::verify;

/// A question with its answer.
#[derive(Serialize)]
pub(super) struct Trace<'a> {
    from: String,
    to: Vec<String>,
    size: u64,
    forks: Vec<Fork<'a>>,
}

impl<'a> Trace<'a> {
    pub(super) fn new(topology: &'a Topology, flow: &'a flow::Flow) -> Self {
        let question = &flow.question;
        let forks = flow.forks.iter();
        Self {
            from: question.from.to_string(),
            to: question.to.iter().map(ToString::to_string).collect(),
            size: question.size.0,
            forks: forks.map(|fork| Fork::new(topology, fork)).collect(),
        }
    }
}

/// How a fork ends: what traces and rows have in common.
#[derive(Serialize)]
struct End<'a> {
    disposition: &'static str,
    status: Option<Status<'a>>,
    final_status: Option<Status<'a>>,
    trust: Option<String>,
    flags: Vec<Flag<'a>>,
}

impl<'a> End<'a> {
    fn new(topology: &'a Topology, fork: &'a flow::Fork) -> Self {
        let flags = fork.flags.iter();
        Self {
            disposition: fork.disposition.as_str(),
            status: fork.status.as_ref().map(Status::new),
            final_status: fork.final_status.as_ref().map(Status::new),
            trust: fork.trust.map(|trust| trust.to_string()),
            flags: flags.map(|flag| Flag::new(topology, flag)).collect(),
        }
    }
}

#[derive(Serialize)]
struct Status<'a> {
    code: u16,
    enhanced: String,
    text: &'a str,
}

impl<'a> Status<'a> {
    fn new(status: &'a mail::Status) -> Self {
        Self {
            code: status.code,
            enhanced: status.enhanced.to_string(),
            text: &status.text,
        }
    }
}

#[derive(Serialize)]
struct Flag<'a> {
    flag: &'static str,
    expected: bool,
    server: &'a str,
    reason: &'static str,
}

impl<'a> Flag<'a> {
    fn new(topology: &'a Topology, flag: &flow::Flag) -> Self {
        Self {
            flag: flag.kind.as_str(),
            expected: flag.expected,
            server: server(topology, flag.server),
            reason: flag.reason,
        }
    }
}

#[derive(Serialize)]
struct Fork<'a> {
    recipient: String,
    #[serde(flatten)]
    end: End<'a>,
    /// The servers that repeat, where it loops.
    cycle: Vec<&'a str>,
    /// The recipients that lead to each other, where that is the loop.
    recipient_cycle: Vec<String>,
    /// The server that tells the sender of a failure.
    reported_by: Option<&'a str>,
    /// What becomes of what it writes.
    report: Option<Report<'a>>,
    hops: Vec<Hop<'a>>,
}

impl<'a> Fork<'a> {
    fn new(topology: &'a Topology, fork: &'a flow::Fork) -> Self {
        let hops = fork.hops.iter();
        Self {
            recipient: fork.recipient.to_string(),
            end: End::new(topology, fork),
            cycle: fork
                .cycle
                .servers()
                .iter()
                .map(|id| server(topology, *id))
                .collect(),
            recipient_cycle: fork
                .cycle
                .recipients()
                .iter()
                .map(ToString::to_string)
                .collect(),
            reported_by: fork.reported_by.map(|id| server(topology, id)),
            report: fork
                .report
                .as_ref()
                .map(|report| Report::new(topology, report)),
            hops: hops.map(|hop| Hop::new(topology, hop)).collect(),
        }
    }
}

/// A notification of failure: a message of its own.
#[derive(Serialize)]
struct Report<'a> {
    server: &'a str,
    from: String,
    to: String,
    status: Status<'a>,
    forks: Vec<Fork<'a>>,
}

impl<'a> Report<'a> {
    fn new(topology: &'a Topology, report: &'a flow::Report) -> Self {
        let forks = report.forks.iter();
        Self {
            server: server(topology, report.server),
            from: report.from.to_string(),
            to: report.to.to_string(),
            status: Status::new(&report.status),
            forks: forks.map(|fork| Fork::new(topology, fork)).collect(),
        }
    }
}

#[derive(Serialize)]
struct Hop<'a> {
    server: &'a str,
    role: &'static str,
    /// The Send connector by which the message came here.
    connector: Option<&'a str>,
    tls: bool,
    steps: Vec<Step<'a>>,
}

impl<'a> Hop<'a> {
    fn new(topology: &'a Topology, hop: &'a flow::Hop) -> Self {
        let steps = hop.steps.iter();
        Self {
            server: server(topology, hop.server),
            role: topology.server(hop.server).role.as_str(),
            connector: hop.connector.map(|id| connector(topology, id)),
            tls: hop.tls,
            steps: steps.map(|step| Step::new(topology, step)).collect(),
        }
    }
}

#[derive(Serialize)]
struct Step<'a> {
    event: &'static str,
    recipient: Option<String>,
    chosen: Option<String>,
    /// The setting that decided.
    chosen_location: Option<Location<'a>>,
    because: String,
    rejected: Vec<Rejected<'a>>,
}

impl<'a> Step<'a> {
    fn new(topology: &'a Topology, step: &'a route::Step) -> Self {
        let chosen = step.chosen.as_ref();
        let place =
            chosen.and_then(|subject| verify::deciding_place(topology, subject, &step.because));
        let rejected = step.rejected.iter();
        Self {
            event: step.event.as_str(),
            recipient: step.recipient.as_ref().map(ToString::to_string),
            chosen: chosen.map(|subject| subject.name(topology)),
            chosen_location: place.map(Location::new),
            because: place::because(&step.because),
            rejected: rejected.map(|each| Rejected::new(topology, each)).collect(),
        }
    }
}

#[derive(Serialize)]
struct Rejected<'a> {
    candidate: String,
    reason: String,
    location: Option<Location<'a>>,
}

impl<'a> Rejected<'a> {
    fn new(topology: &'a Topology, rejected: &'a route::Rejected) -> Self {
        let reasons = std::slice::from_ref(&rejected.reason);
        let place = verify::deciding_place(topology, &rejected.candidate, reasons);
        Self {
            candidate: rejected.candidate.name(topology),
            reason: rejected.reason.to_string(),
            location: place.map(Location::new),
        }
    }
}

/// The flow table.
#[derive(Serialize)]
pub(super) struct Flows<'a> {
    flows: Vec<Row<'a>>,
}

impl<'a> Flows<'a> {
    pub(super) fn new(topology: &'a Topology, rows: &'a [verify::Row]) -> Self {
        Self {
            flows: rows.iter().map(|row| Row::new(topology, row)).collect(),
        }
    }
}

#[derive(Serialize)]
struct Row<'a> {
    origin: &'a str,
    from_class: &'a str,
    to_class: &'a str,
    fork: usize,
    recipient: String,
    size: Size,
    example: Example,
    addresses: usize,
    path: Vec<&'a str>,
    connectors: Vec<&'a str>,
    #[serde(flatten)]
    end: End<'a>,
}

impl<'a> Row<'a> {
    fn new(topology: &'a Topology, row: &'a verify::Row) -> Self {
        let hops = row.fork.hops.iter();
        let connectors = course::connectors(&row.fork).into_iter();
        Self {
            origin: &row.origin,
            from_class: &row.from_class,
            to_class: &row.to_class,
            fork: row.index,
            recipient: row.fork.recipient.to_string(),
            size: Size::new(row.size),
            example: Example::new(&row.example),
            addresses: row.addresses,
            path: hops.map(|hop| server(topology, hop.server)).collect(),
            connectors: connectors.map(|id| connector(topology, id)).collect(),
            end: End::new(topology, &row.fork),
        }
    }
}

#[derive(Serialize)]
struct Size {
    min: u64,
    max: Option<u64>,
}

impl Size {
    fn new(bucket: verify::SizeBucket) -> Self {
        Self {
            min: bucket.min.0,
            max: bucket.max.map(|max| max.0),
        }
    }
}

/// A sender and a recipient of the class.
#[derive(Serialize)]
struct Example {
    from: String,
    to: String,
}

impl Example {
    fn new(question: &flow::Question) -> Self {
        let to: Vec<String> = question.to.iter().map(ToString::to_string).collect();
        Self {
            from: question.from.to_string(),
            to: to.join(", "),
        }
    }
}

fn server(topology: &Topology, id: ServerId) -> &str {
    &topology.server(id).name
}

fn connector(topology: &Topology, id: SendConnectorId) -> &str {
    &topology.send_connector(id).name
}
