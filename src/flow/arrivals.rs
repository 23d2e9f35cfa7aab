//! Copies of a message that meet: in a mailbox, which keeps one of them, or at a host, which keeps all.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use super::flag::{Flag, FlagKind};
use super::fork::{Disposition, Fork};
use crate::mail::Mailbox;
use crate::model::RecipientId;
use crate::route::{Event, Reason, Step};

/// The end of a copy.
pub(super) struct Ended {
    /// Its place in the order of the walk.
    pub(super) order: Vec<usize>,
    /// Whose rules made a message of their own of it, one after the other.
    pub(super) anew: Vec<Mailbox>,
    pub(super) fork: Fork,
}

/// Leaves each mailbox the copy of each message that comes first. `arrivals` are the copies that come to a
/// mailbox, by their place among the forks.
///
/// Exchange Server 2007, "How to Configure Duplicate Message Detection": a mailbox takes a message once.
/// A host outside has no store that would see to it.
///
/// Choice: which copy that is, time decides; a prediction takes the one of the fewest servers, and among
/// those the order of the walk.
pub(super) fn take_first(forks: &mut [Ended], arrivals: &[(RecipientId, usize)]) {
    let mut first: HashMap<(RecipientId, &[Mailbox]), usize> = HashMap::new();
    for (mailbox, at) in arrivals {
        let key = |at: usize| (forks[at].fork.hops.len(), &forks[at].order);
        let best = first.entry((*mailbox, &forks[*at].anew)).or_insert(*at);
        if key(*at) < key(*best) {
            *best = *at;
        }
    }
    let is_later = |(mailbox, at): &&(RecipientId, usize)| {
        first.get(&(*mailbox, &*forks[*at].anew)) != Some(at)
    };
    let later: Vec<usize> = arrivals
        .iter()
        .filter(is_later)
        .map(|(_, at)| *at)
        .collect();
    for at in later {
        forks[at].fork.drop_duplicate();
    }
}

/// Flags a recipient that gets the same message twice although it was addressed once: on a host outside,
/// because mailboxes drop the second copy. Somebody who was written to besides others has one copy
/// for that, and another from a group.
pub(super) fn flag_duplicates(forks: &mut [Ended], addressed: &[Mailbox]) {
    let mut delivered = HashSet::new();
    let besides = |to: &Mailbox| addressed.len() > 1 && addressed.contains(to);
    for Ended { anew, fork, .. } in forks {
        if besides(&fork.recipient) {
            continue;
        }
        let Some(hop) = fork.hops.last() else {
            continue;
        };
        let here = (fork.recipient.clone(), hop.server, &*anew);
        if fork.disposition == Disposition::Delivered && !delivered.insert(here) {
            let server = hop.server;
            fork.flags.push(Flag {
                kind: FlagKind::Duplicate,
                expected: false,
                server,
                reason: "",
            });
        }
    }
}

impl Fork {
    /// The mailbox has the message already: what would have been a delivery is none.
    fn drop_duplicate(&mut self) {
        self.disposition = Disposition::Suppressed;
        self.flags.retain(|flag| flag.kind != FlagKind::EchoBack);
        let hop = self.hops.last_mut().map(Arc::make_mut);
        let steps = hop.map(|hop| hop.steps.iter_mut());
        let delivery = |step: &&mut Step| step.event == Event::Deliver;
        if let Some(step) = steps.and_then(|steps| steps.rev().find(delivery)) {
            step.event = Event::DuplicateDeliver;
            step.because = vec![Reason::AlreadyDelivered];
        }
    }
}
