//! The one place where a step or a flag is logged, counted and shown.

use crate::mail::{Mailbox, Status};
use crate::metrics::enhanced_label;
use crate::model::SendConnectorId;
use crate::route::{Event, Step};

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

/// The label for what no connector carries.
pub(super) const NO_CONNECTOR: &str = "none";

impl Shared {
    /// Logs steps and shows them to whoever watches.
    pub(super) fn track(&self, message: &str, steps: &[Step]) {
        for step in steps {
            let chosen = step
                .chosen
                .as_ref()
                .map(|subject| subject.name(&self.topology))
                .unwrap_or_default();
            let because = step
                .because
                .iter()
                .map(ToString::to_string)
                .collect::<Vec<_>>()
                .join("; ");
            let recipient = step
                .recipient
                .as_ref()
                .map(ToString::to_string)
                .unwrap_or_default();
            tracing::info!(
                server = self.name(),
                event = step.event.as_str(),
                message,
                recipient,
                chosen,
                because
            );
            if let Some(observer) = &self.observer {
                // Nobody watching any more is no fault.
                let _ = observer.send(Tracked {
                    server: self.server,
                    message: message.to_owned(),
                    step: step.clone(),
                });
            }
        }
    }

    /// Logs and counts a flag.
    pub(super) fn flag(&self, message: &str, recipient: &Mailbox, flagged: Flagged) {
        let server = self.name();
        tracing::warn!(server, message, %recipient, ?flagged, "flag");
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

    /// The label of a Send connector.
    pub(super) fn connector_label(&self, connector: Option<SendConnectorId>) -> String {
        connector.map_or_else(
            || NO_CONNECTOR.to_owned(),
            |id| self.topology.send_connector(id).name.clone(),
        )
    }

    /// A step that says only that something happened.
    pub(super) fn note(&self, message: &str, event: Event, recipient: &Mailbox) {
        self.track(message, &[Step::new(event, recipient)]);
    }
}
