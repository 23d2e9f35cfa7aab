//! The way of a fork: its servers and connectors, and where it was heading at its end.

use std::sync::Arc;

use crate::flow::{Fork, Hop};
use crate::model::{SendConnectorId, ServerId};
use crate::route::{Event, Step, Subject};

/// The Send connectors on the way, in order: those that brought the message to a server, and the one
/// it was leaving by at its end. Servers that hand a message on to the source server of its connector
/// do not count as another use of it.
pub(super) fn connectors(fork: &Fork) -> Vec<SendConnectorId> {
    let mut connectors: Vec<_> = fork.hops.iter().filter_map(|hop| hop.connector).collect();
    connectors.extend(Onward::of(fork).connector);
    connectors.dedup();
    connectors
}

/// Where a message was heading that did not get to another server of the world.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Onward<'a> {
    /// By which connector.
    pub(super) connector: Option<SendConnectorId>,
    /// To which host or server.
    pub(super) to: Option<&'a Subject>,
}

impl<'a> Onward<'a> {
    /// What the steps at the last server say of it.
    pub(super) fn of(fork: &'a Fork) -> Self {
        let Some(last) = fork.hops.last() else {
            return Self::default();
        };
        let mut onward = Self::default();
        for step in last.steps.iter().filter(|step| leads_on(step)) {
            match &step.chosen {
                Some(Subject::SendConnector(id)) => onward.connector = Some(*id),
                Some(to @ (Subject::Host(_) | Subject::Server(_))) => onward.to = Some(to),
                Some(
                    Subject::AcceptedDomain(_)
                    | Subject::Certificate(_)
                    | Subject::Mx(_)
                    | Subject::ReceiveConnector(_)
                    | Subject::Recipient(_)
                    | Subject::Rule(_)
                    | Subject::UnreachableQueue,
                )
                | None => {}
            }
        }
        onward
    }
}

/// Whether a step is about the next hop.
fn leads_on(step: &Step) -> bool {
    match step.event {
        Event::Defer | Event::Fail | Event::Send | Event::SendExternal => true,
        Event::AgentInfo
        | Event::Deliver
        | Event::Drop
        | Event::Dsn
        | Event::DuplicateDeliver
        | Event::DuplicateExpand
        | Event::DuplicateRedirect
        | Event::Expand
        | Event::InitMessageCreated
        | Event::Receive
        | Event::Redirect
        | Event::Resolve
        | Event::Submit => false,
    }
}

/// The hops of a fork, with the laps of a loop after the first one folded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Laps<'a> {
    /// The hops up to the end of the first lap; all of them where nothing repeats.
    pub(super) first: &'a [Arc<Hop>],
    /// How many hops are folded.
    pub(super) folded: usize,
    /// The hop at which the loop ended; empty where nothing is folded.
    pub(super) last: &'a [Arc<Hop>],
    /// The hops of the first lap; empty where nothing is folded.
    pub(super) lap: &'a [Arc<Hop>],
}

impl<'a> Laps<'a> {
    /// Folds the hops of a fork.
    pub(super) fn of(fork: &'a Fork) -> Self {
        let hops = fork.hops.as_slice();
        let period = fork.cycle.servers().len();
        let whole = Self {
            first: hops,
            folded: 0,
            last: &[],
            lap: &[],
        };
        let Some(start) = lap_start(hops, period) else {
            return whole;
        };
        let shown = start + period;
        // One folded hop would take as many lines as it saves.
        let folded = hops.len().saturating_sub(shown + 1);
        if folded < 2 {
            return whole;
        }
        Self {
            first: &hops[..shown],
            folded,
            last: &hops[hops.len() - 1..],
            lap: &hops[start..shown],
        }
    }

    /// The servers of the lap, and the first of them again.
    pub(super) fn round(&self) -> Vec<ServerId> {
        let servers = self.lap.iter().chain(self.lap.first());
        servers.map(|hop| hop.server).collect()
    }
}

/// The first hop from which on every server comes again after `period` hops.
fn lap_start(hops: &[Arc<Hop>], period: usize) -> Option<usize> {
    let pairs = hops.len().checked_sub(period).filter(|_| period > 0)?;
    let again = |at: &usize| hops[*at].server == hops[at + period].server;
    let repeated = (0..pairs).rev().take_while(again).count();
    (repeated > 0).then(|| pairs - repeated)
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::flow::{Cycle, Disposition};
    use crate::mail::Mailbox;

    pub(in crate::report) fn fork(servers: &[usize], cycle: &[usize]) -> Fork {
        let hop = |index: &usize| Hop {
            server: ServerId::new(*index),
            connector: (*index > 0).then(|| SendConnectorId::new(*index)),
            tls: false,
            steps: Vec::new(),
        };
        Fork {
            recipient: Mailbox::parse("a@contoso.com").unwrap(),
            disposition: Disposition::Looped,
            status: None,
            final_status: None,
            trust: None,
            flags: Vec::new(),
            hops: servers.iter().map(hop).map(Arc::new).collect(),
            cycle: Cycle::Servers(cycle.iter().map(|index| ServerId::new(*index)).collect()),
            held_by: None,
            reported_by: None,
            report: None,
        }
    }

    #[track_caller]
    fn check(servers: &[usize], cycle: &[usize], first: usize, folded: usize, round: &[usize]) {
        let fork = fork(servers, cycle);
        let laps = Laps::of(&fork);
        let names: Vec<_> = laps.round().iter().map(|server| server.index()).collect();
        assert_eq!(
            (laps.first.len(), laps.folded, names.as_slice()),
            (first, folded, round)
        );
        assert_eq!(
            laps.first.len() + laps.folded + laps.last.len(),
            servers.len()
        );
    }

    #[test]
    fn laps_after_the_first_are_folded() {
        check(&[0, 1, 2, 1, 2, 1, 2], &[1, 2], 3, 3, &[1, 2, 1]);
        check(&[1, 2, 1, 2, 1], &[2, 1], 2, 2, &[1, 2, 1]);
        check(&[3, 0, 0, 0, 0], &[0], 2, 2, &[0, 0]);
    }

    #[test]
    fn what_does_not_repeat_is_shown_whole() {
        check(&[0, 1, 2], &[], 3, 0, &[]);
        check(&[0, 1, 2, 1], &[1, 2], 4, 0, &[]);
        check(&[], &[], 0, 0, &[]);
    }

    #[test]
    fn a_connector_is_counted_once_for_hop_and_exit() {
        let mut fork = fork(&[0, 1], &[]);
        let step = Step::new(Event::SendExternal, &fork.recipient);
        let step = step.chosen(Subject::SendConnector(SendConnectorId::new(1)));
        Arc::make_mut(&mut fork.hops[1]).steps.push(step);
        assert_eq!(connectors(&fork), [SendConnectorId::new(1)]);
    }
}
