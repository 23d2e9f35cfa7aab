//! How many recipients of a message go in one transaction where a stranger hands it to the first
//! server: limits count them, though a walk follows each recipient on its own.

use std::collections::BTreeSet;

use crate::mail::{Mailbox, ReversePath, Status};
use crate::model::{ReceiveConnectorId, ServerId, Topology, replies};
use crate::route::{self, Connection, Reason};

/// Who is at the other end, as far as splitting a message goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Client {
    /// A mail host, which sends one message for each domain, and again for what is left over.
    Host,
    /// Somebody in one session, who names every recipient and does what the replies say.
    Session,
}

/// A session that a stranger opens.
pub(super) struct Transaction<'a> {
    pub(super) topology: &'a Topology,
    pub(super) server: ServerId,
    pub(super) connection: &'a Connection,
    pub(super) reverse_path: &'a ReversePath,
    /// Whom the sender wrote to.
    pub(super) addressed: &'a [Mailbox],
}

impl Transaction<'_> {
    /// How many recipients the server takes in the transaction that this one is in; the refusal,
    /// where the connector's limit is reached before it (Exchange PowerShell, "Set-ReceiveConnector",
    /// MaxRecipientsPerMessage).
    ///
    /// Choice: a host sends what is left over in a transaction of its own (RFC 5321 §4.5.3.1.10), so
    /// that no recipient of it waits.
    pub(super) fn share(
        &self,
        recipient: &Mailbox,
        connector: ReceiveConnectorId,
        client: Client,
    ) -> Result<usize, (Status, Reason)> {
        let limit = self.topology.receive_connector(connector).max_recipients;
        let most = usize::try_from(limit).unwrap_or(usize::MAX);
        let mut met = BTreeSet::new();
        let together = |other: &&Mailbox| match client {
            Client::Host => other.domain == recipient.domain,
            Client::Session => true,
        };
        let taken: Vec<&Mailbox> = self
            .addressed
            .iter()
            .filter(together)
            .filter(|other| met.insert(*other) && self.takes(other))
            .collect();
        let before = taken.iter().position(|other| *other == recipient);
        if client == Client::Session && before.is_some_and(|before| before >= most) {
            let count = taken.len();
            let reason = Reason::TooManyRecipients { count, limit };
            return Err((replies::TOO_MANY_RECIPIENTS.clone(), reason));
        }
        Ok(taken.len().min(most))
    }

    fn takes(&self, recipient: &Mailbox) -> bool {
        let verdict = route::accept(
            self.topology,
            self.server,
            self.connection,
            self.reverse_path,
            recipient,
        );
        verdict.decision.is_ok()
    }
}
