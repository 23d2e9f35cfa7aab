//! The one place where a step or a flag is logged, counted and shown.

use std::net::IpAddr;

use crate::mail::{ByteSize, Mailbox, ReversePath, Status};
use crate::metrics::enhanced_label;
use crate::model::SendConnectorId;
use crate::route::{Event, NextHop, Step, Subject};

use super::record::{Endpoint, Failure};
use super::shared::Shared;
use super::tracked::Tracked;

/// Something wrong or notable that a server saw.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flagged {
    /// The sender's own message came back; whether it was asked for.
    EchoBack(bool),
    /// The message goes round: what found out.
    Loop(&'static str),
    /// It leaves the path its premises prescribe.
    Misrouted(&'static str),
    /// It arrives with another trust than its path gives.
    WrongTrust(&'static str),
}

/// What Exchange's tracking log says of a message when it is taken (Exchange Server, "Message tracking").
#[derive(Clone, Copy, Debug)]
pub(super) struct Taken<'a> {
    pub(super) sender: &'a ReversePath,
    pub(super) recipients: &'a [Mailbox],
    pub(super) size: ByteSize,
    pub(super) client: IpAddr,
}

/// Something that happened to a message, and to which recipient.
#[derive(Clone, Copy, Debug)]
pub(super) struct Noted<'a> {
    event: Event,
    recipient: &'a Mailbox,
    taken: Option<Taken<'a>>,
    via: Option<&'a Subject>,
    status: Option<&'a Status>,
    last_error: Option<&'a Status>,
    next_hop: Option<&'a str>,
    endpoint: Option<&'a Endpoint>,
    connector: Option<SendConnectorId>,
}

impl<'a> Noted<'a> {
    /// That, and nothing more.
    pub(super) fn of(event: Event, recipient: &'a Mailbox) -> Self {
        Self {
            event,
            recipient,
            taken: None,
            via: None,
            status: None,
            last_error: None,
            next_hop: None,
            endpoint: None,
            connector: None,
        }
    }

    /// Where the attempt went.
    pub(super) fn at(mut self, endpoint: Option<&'a Endpoint>) -> Self {
        self.endpoint = endpoint;
        self
    }

    /// By which connector.
    pub(super) fn connector(mut self, connector: Option<SendConnectorId>) -> Self {
        self.connector = connector;
        self
    }

    /// What the last attempt met.
    pub(super) fn last_error(mut self, status: Option<&'a Status>) -> Self {
        self.last_error = status;
        self
    }

    /// The next hop as the queue is called.
    pub(super) fn towards(mut self, next_hop: Option<&'a str>) -> Self {
        self.next_hop = next_hop;
        self
    }

    /// That it was taken: from whom, and for whom else.
    pub(super) fn taken(mut self, taken: Taken<'a>) -> Self {
        self.taken = Some(taken);
        self
    }

    /// All whom it concerns, as Exchange's tracking log lists them.
    fn recipients(&self) -> String {
        let all = self
            .taken
            .map_or(std::slice::from_ref(self.recipient), |taken| {
                taken.recipients
            });
        let all: Vec<String> = all.iter().map(ToString::to_string).collect();
        all.join(";")
    }

    /// From whom it came, or who has it now.
    pub(super) fn via(mut self, via: &'a Subject) -> Self {
        self.via = Some(via);
        self
    }

    /// What was said about it.
    pub(super) fn status(mut self, status: &'a Status) -> Self {
        self.status = Some(status);
        self
    }
}

/// The label for what no connector carries.
pub(super) const NO_CONNECTOR: &str = "none";

impl Shared {
    /// One line about what happened to a message, where Exchange's tracking log would have one.
    pub(super) fn note(&self, message: &str, noted: &Noted<'_>) {
        // What is built here is built only where somebody reads it.
        tracing::info!(
            server = self.name(),
            event = noted.event.as_str(),
            message_id = message,
            recipient = noted.recipients(),
            recipient_count = noted.taken.map(|taken| taken.recipients.len()),
            sender = noted
                .taken
                .map(|taken| tracing::field::display(taken.sender)),
            total_bytes = noted.taken.map(|taken| taken.size.0),
            client_ip = noted
                .taken
                .map(|taken| tracing::field::display(taken.client)),
            via = noted.via.map(|via| via.name(&self.topology)),
            status = noted.status.map(tracing::field::display),
            last_error = noted.last_error.map(tracing::field::display),
            next_hop = noted.next_hop,
            host = noted.endpoint.map(|endpoint| endpoint.host.as_str()),
            address = noted
                .endpoint
                .map(|endpoint| tracing::field::display(endpoint.address)),
            connector = noted
                .connector
                .map(|id| self.topology.send_connector(id).name.as_str()),
        );
        if self.observer.is_some() {
            let mut step = Step::new(noted.event, noted.recipient);
            step.chosen = noted.via.cloned();
            self.show(message, &step);
        }
    }

    /// The reasons of what was decided about a message: for those who ask for details.
    pub(super) fn track(&self, message: &str, steps: &[Step]) {
        if tracing::enabled!(tracing::Level::DEBUG) {
            steps.iter().for_each(|step| self.explain(message, step));
        }
        steps.iter().for_each(|step| self.show(message, step));
    }

    fn explain(&self, message: &str, step: &Step) {
        let because: Vec<String> = step.because.iter().map(ToString::to_string).collect();
        let chosen = step.chosen.as_ref();
        tracing::debug!(
            server = self.name(),
            decided = step.event.as_str(),
            message_id = message,
            recipient = step.recipient.as_ref().map(tracing::field::display),
            chosen = chosen.map(|subject| subject.name(&self.topology)),
            because = because.join("; "),
        );
    }

    /// Gives a step to whoever watches.
    fn show(&self, message: &str, step: &Step) {
        if let Some(observer) = &self.observer {
            // Nobody watching any more is no fault.
            let _ = observer.send(Tracked {
                server: self.server,
                message: message.to_owned(),
                step: step.clone(),
            });
        }
    }

    /// Logs and counts a flag.
    pub(super) fn flag(&self, message: &str, recipient: &Mailbox, flagged: Flagged) {
        let server = self.name();
        match flagged {
            // As the receiver wishes.
            Flagged::EchoBack(true) => {
                tracing::info!(server, message_id = message, %recipient, ?flagged, "flag");
            }
            Flagged::EchoBack(false)
            | Flagged::Loop(_)
            | Flagged::Misrouted(_)
            | Flagged::WrongTrust(_) => {
                tracing::warn!(server, message_id = message, %recipient, ?flagged, "flag");
            }
        }
        match flagged {
            Flagged::EchoBack(expected) => {
                self.metrics.count(
                    "echo_back_total",
                    &[server, if expected { "true" } else { "false" }],
                );
            }
            Flagged::Loop(kind) => self.metrics.count("loops_total", &[server, kind]),
            Flagged::Misrouted(reason) => self.metrics.count("misrouted_total", &[server, reason]),
            Flagged::WrongTrust(direction) => self
                .metrics
                .count("wrong_trust_total", &[server, direction]),
        }
    }

    /// Counts a recipient that ended or was put off.
    pub(super) fn count(
        &self,
        metric: &str,
        connector: Option<SendConnectorId>,
        status: Option<&Status>,
    ) {
        let connector = self.connector_label(connector);
        match status {
            Some(status) => {
                let enhanced = enhanced_label(&status.enhanced.to_string());
                self.metrics
                    .count(metric, &[self.name(), &connector, enhanced]);
            }
            None => self.metrics.count(metric, &[self.name(), &connector]),
        }
    }

    /// Counts a recipient that failed and whose sender was told.
    pub(super) fn count_bounce(&self, failure: &Failure) {
        let enhanced = enhanced_label(&failure.status.enhanced.to_string());
        let labels = [self.name(), &failure.connector, enhanced];
        self.metrics.count("messages_bounced_total", &labels);
    }

    /// What a queue is called by; mailboxes have none.
    pub(super) fn next_hop_name(&self, next_hop: &NextHop) -> Option<String> {
        let joined = |names: Vec<String>| names.join(",");
        match next_hop {
            NextHop::Dns { domain, .. } => Some(domain.to_string()),
            NextHop::Servers { servers, .. } => {
                let names = servers
                    .iter()
                    .map(|id| self.topology.server(*id).fqdn.to_string());
                Some(joined(names.collect()))
            }
            NextHop::SmartHosts { hosts, .. } => {
                Some(joined(hosts.iter().map(ToString::to_string).collect()))
            }
            NextHop::Mailbox(_) | NextHop::NoDatabase | NextHop::Unreachable => None,
        }
    }

    /// The label of a Send connector.
    pub(super) fn connector_label(&self, connector: Option<SendConnectorId>) -> String {
        connector.map_or_else(
            || NO_CONNECTOR.to_owned(),
            |id| self.topology.send_connector(id).name.clone(),
        )
    }
}
