//! Which way a message goes that meets a group again.

use std::collections::HashSet;

use super::leg::Leg;
use crate::mail::Mailbox;
use crate::route::NextHop;

/// The transactions to follow. A group that a message meets again on its way makes the same copies again,
/// and each of those meets it once more: the way that it went before, with all that go it, is enough to see
/// how the round ends. What else comes of a recipient is followed where it is met for the first time.
pub(super) fn once_around(mut transactions: Vec<Vec<Leg>>) -> Vec<Vec<Leg>> {
    let again = || transactions.iter().flatten().filter(|leg| leg.again);
    let round: HashSet<Mailbox> = again()
        .map(|leg| leg.copy.envelope_recipient.clone())
        .collect();
    if round.is_empty() {
        return transactions;
    }
    let onward = |leg: &Leg| leg.again && !matches!(leg.copy.next_hop, NextHop::Mailbox(_));
    let before = |leg: &Leg| onward(leg) && leg.path.went_before() == Some(leg.recipient());
    let by = |way: &dyn Fn(&Leg) -> bool| transactions.iter().position(|legs| legs.iter().any(way));
    let onward = by(&before).or_else(|| by(&onward));
    for (index, legs) in transactions.iter_mut().enumerate() {
        let first = |leg: &Leg| !leg.again && !leg.path.repeats;
        if onward != Some(index) {
            legs.retain(|leg| !round.contains(&leg.copy.envelope_recipient) || first(leg));
        }
    }
    transactions
}
