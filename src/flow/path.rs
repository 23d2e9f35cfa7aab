//! What a fork has behind it while it is walked, and how it ends.

use std::sync::Arc;

use super::flag::{Flag, FlagKind};
use super::fork::{Cycle, Disposition, Hop};
use crate::mail::{AuthAs, Directionality, Mailbox, ReversePath, Status};
use crate::model::{RecipientId, SendConnectorId, ServerId};
use crate::route::{Reason, Step};

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
    /// Whether somebody who is trusted sent it, or sent it on as a message of their own.
    pub(super) sent_anew: bool,
    /// Whose rules made a message of their own of it, one after the other.
    pub(super) anew: Vec<Mailbox>,
    /// Every group it was expanded from, the outermost first.
    pub(super) expanded: Vec<RecipientId>,
    /// The connector by which the holder sent it on.
    pub(super) leaving: Option<SendConnectorId>,
    /// Who is told of a failure.
    pub(super) told: ReversePath,
    /// Whether the sender asked not to be told.
    pub(super) notify_never: bool,
    /// Whether the present server had it before, for the same recipient in the same direction.
    pub(super) repeats: bool,
    /// Whether that was so of any server on the way: the message goes round, whoever leaves the round.
    pub(super) rounds: bool,
    /// Its place in the order of the walk: at each server, which of the copies made there it is.
    pub(super) order: Vec<usize>,
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
            sent_anew: false,
            anew: Vec::new(),
            expanded: Vec::new(),
            leaving: None,
            told,
            notify_never: false,
            repeats: false,
            rounds: false,
            order: Vec::new(),
            states: Vec::new(),
        }
    }

    /// Notes that a server has it for a recipient in a direction.
    pub(super) fn comes_to(
        &mut self,
        server: ServerId,
        recipient: &Mailbox,
        directionality: Directionality,
    ) {
        let state = (server, recipient.clone(), directionality);
        self.repeats = self.states.contains(&state);
        self.rounds |= self.repeats;
        self.states.push(state);
    }

    /// As whose copy it left the present server before, where it was there.
    pub(super) fn went_before(&self) -> Option<&Mailbox> {
        let server = self.server();
        let came = self.states.len().checked_sub(1)?;
        let earlier = self.states[..came]
            .iter()
            .rposition(|(at, ..)| *at == server);
        let first = (self.hops[0].server == server).then_some(0);
        let next = earlier.map(|at| at + 1).or(first)?;
        self.states.get(next).map(|(_, recipient, _)| recipient)
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

    /// Says more about the last step.
    pub(super) fn explain(&mut self, because: &[Reason]) {
        let hop = self.hops.last_mut().map(Arc::make_mut);
        if let Some(step) = hop.and_then(|hop| hop.steps.last_mut()) {
            step.because.extend_from_slice(because);
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
