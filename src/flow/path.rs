//! What a fork has behind it while it is walked, and how it ends.

use std::sync::Arc;

use super::flag::{Flag, FlagKind};
use super::fork::{Cycle, Disposition, Hop};
use crate::mail::{AuthAs, Directionality, Mailbox, ReversePath, Status};
use crate::model::{RecipientId, SendConnectorId, ServerId};
use crate::route::{Event, Reason, Step};

/// What a fork has behind it.
#[derive(Clone)]
pub(super) struct Path {
    /// Forks of one message share the servers that it was at before.
    pub(super) hops: Vec<Arc<Hop>>,
    /// The last server that took responsibility: it tells the sender of a failure.
    pub(super) holder: Option<ServerId>,
    pub(super) trust: Option<AuthAs>,
    pub(super) flags: Vec<Flag>,
    /// Whether a mail-flow rule did something to it.
    pub(super) ruled: bool,
    /// Every group it was expanded from, the outermost first.
    pub(super) expanded: Vec<RecipientId>,
    /// The connector by which the holder sent it on.
    pub(super) leaving: Option<SendConnectorId>,
    /// Who is told of a failure.
    pub(super) told: ReversePath,
    /// Whether the sender asked not to be told.
    pub(super) notify_never: bool,
    /// For whom, and in which direction, each server on the way had it.
    states: Vec<State>,
}

/// What makes two visits to a server the same: the recipient, and the direction of the message.
type State = (ServerId, Mailbox, Directionality);

impl Path {
    /// A message of this sender at its first server.
    pub(super) fn begin(server: ServerId, told: ReversePath) -> Self {
        let hop = Hop {
            server,
            connector: None,
            tls: false,
            steps: Vec::new(),
        };
        Self {
            hops: vec![Arc::new(hop)],
            holder: None,
            trust: None,
            flags: Vec::new(),
            ruled: false,
            expanded: Vec::new(),
            leaving: None,
            told,
            notify_never: false,
            states: Vec::new(),
        }
    }

    /// Notes that a server has it for a recipient in a direction; whether the very same was so before,
    /// so that the message goes round.
    pub(super) fn comes_again(
        &mut self,
        server: ServerId,
        recipient: &Mailbox,
        directionality: Directionality,
    ) -> bool {
        let state = (server, recipient.clone(), directionality);
        let again = self.states.contains(&state);
        self.states.push(state);
        again
    }

    /// The server the message is at.
    pub(super) fn server(&self) -> ServerId {
        self.last().server
    }

    pub(super) fn last(&self) -> &Hop {
        self.hops
            .last()
            .unwrap_or_else(|| unreachable!("a path has a first hop"))
    }

    pub(super) fn record(&mut self, steps: impl IntoIterator<Item = Step>) {
        let hop = self
            .hops
            .last_mut()
            .unwrap_or_else(|| unreachable!("a path has a first hop"));
        Arc::make_mut(hop).steps.extend(steps);
    }

    /// The mailbox has the message already: what would have been a delivery is none.
    pub(super) fn drop_duplicate(&mut self) {
        let hop = self
            .hops
            .last_mut()
            .unwrap_or_else(|| unreachable!("a path has a first hop"));
        let delivery = |step: &&mut Step| step.event == Event::Deliver;
        if let Some(step) = Arc::make_mut(hop).steps.iter_mut().rev().find(delivery) {
            step.event = Event::DuplicateDeliver;
            step.because = vec![Reason::AlreadyDelivered];
        }
    }

    pub(super) fn raise(
        &mut self,
        kind: FlagKind,
        expected: bool,
        server: ServerId,
        reason: &'static str,
    ) {
        if !self
            .flags
            .iter()
            .any(|flag| flag.kind == kind && flag.reason == reason)
        {
            self.flags.push(Flag {
                kind,
                expected,
                server,
                reason,
            });
        }
    }
}

/// How a fork ends.
pub(super) struct End {
    pub(super) recipient: Mailbox,
    pub(super) disposition: Disposition,
    pub(super) status: Option<Status>,
    pub(super) final_status: Option<Status>,
}

impl End {
    pub(super) fn new(
        recipient: Mailbox,
        disposition: Disposition,
        status: Option<Status>,
    ) -> Self {
        Self {
            recipient,
            disposition,
            status,
            final_status: None,
        }
    }
}

/// The servers that repeat at the end of a path: the shortest run that stands there twice, else from
/// the last server's earlier visit on.
pub(super) fn minimal_cycle(hops: &[Arc<Hop>]) -> Cycle {
    let servers: Vec<ServerId> = hops.iter().map(|hop| hop.server).collect();
    let count = servers.len();
    for period in 1..=count / 2 {
        if servers[count - period..] == servers[count - 2 * period..count - period] {
            return Cycle::Servers(servers[count - period..].to_vec());
        }
    }
    let last = servers.last().copied();
    let earlier = servers[..count.saturating_sub(1)]
        .iter()
        .rposition(|server| Some(*server) == last);
    earlier.map_or(Cycle::NONE, |at| {
        Cycle::Servers(servers[at..count - 1].to_vec())
    })
}
