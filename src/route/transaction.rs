//! Which copies of a message go over the wire together: a server says a message once to a next hop,
//! with every recipient whose copy differs in nothing else (RFC 5321 §4.5.4.1). What is said together is
//! resolved together there.

use std::collections::{HashMap, HashSet};
use std::hash::{Hash, Hasher};

use super::item::{Categorized, Copy, NextHop, Properties, Suppressed, Transfer};
use super::step::{Event, Reason, Step};
use crate::mail::Mailbox;

/// Joins the copies that one transaction carries, in the order of the first of each. Each mailbox is a
/// place of its own. A copy may have something with it, so `copy` finds it.
#[must_use]
pub fn transactions<T>(parts: Vec<T>, copy: impl Fn(&T) -> &Copy) -> Vec<Vec<T>> {
    let mut numbers: HashMap<Common<'_>, usize> = HashMap::new();
    let mut count = 0;
    let mut next = || {
        count += 1;
        count - 1
    };
    let number = |part| {
        let copy = copy(part);
        match is_queued(copy) {
            true => *numbers.entry(Common(copy)).or_insert_with(&mut next),
            false => next(),
        }
    };
    let places: Vec<usize> = parts.iter().map(number).collect();
    let mut joined: Vec<Vec<T>> = (0..count).map(|_| Vec::new()).collect();
    for (part, place) in parts.into_iter().zip(places) {
        joined[place].push(part);
    }
    joined
}

/// Leaves one of the copies that would name a recipient twice in a transaction.
///
/// Choice: a mailbox sees to that itself, and a host outside has no store that would (Exchange Server,
/// "Message tracking", DUPLICATEEXPAND and DUPLICATEDELIVER); a rule that adds somebody who has the
/// message anyway would else send it twice.
pub(super) fn name_each_once(categorized: &mut Categorized) {
    let mut met: HashSet<&Mailbox> = HashSet::new();
    let recipients = categorized.copies.iter().filter(|copy| is_queued(copy));
    let mut recipients = recipients.filter_map(|copy| copy.transfer.recipients.first());
    if recipients.all(|recipient| met.insert(recipient)) {
        return;
    }
    let mut once: HashSet<(Common<'_>, Option<&Mailbox>)> = HashSet::new();
    let is_first =
        |copy| !is_queued(copy) || once.insert((Common(copy), copy.transfer.recipients.first()));
    let first: Vec<bool> = categorized.copies.iter().map(is_first).collect();
    let mut first = first.into_iter();
    let again = |_: &mut Copy| !first.next().unwrap_or(true);
    let again: Vec<Copy> = categorized.copies.extract_if(.., again).collect();
    categorized
        .suppressed
        .extend(again.into_iter().filter_map(dropped));
}

/// A copy that is not sent, because another one names its recipient.
fn dropped(copy: Copy) -> Option<Suppressed> {
    let recipient = copy.transfer.recipients.into_iter().next()?;
    let step = Step::new(Event::DuplicateExpand, &recipient).because(Reason::AlreadyNamed);
    let mut steps = copy.steps;
    steps.push(step);
    Some(Suppressed {
        recipient,
        envelope_recipient: copy.envelope_recipient,
        steps,
    })
}

/// Whether a copy waits in a queue for its next hop.
fn is_queued(copy: &Copy) -> bool {
    !matches!(copy.next_hop, NextHop::Mailbox(_))
}

/// What the copies of a transaction have in common: all but the recipient and what belongs to it.
struct Common<'a>(&'a Copy);

impl Hash for Common<'_> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        let transfer = &self.0.transfer;
        (&self.0.next_hop, &self.0.tls, &transfer.reverse_path).hash(state);
    }
}

impl PartialEq for Common<'_> {
    fn eq(&self, other: &Self) -> bool {
        let (one, two) = (self.0, other.0);
        one.next_hop == two.next_hop
            && one.tls == two.tls
            && one.presented == two.presented
            && one.sent_anew == two.sent_anew
            && are_alike(&one.transfer, &two.transfer)
    }
}

impl Eq for Common<'_> {}

/// Whether two say the same, each for its own recipients.
fn are_alike(one: &Transfer, two: &Transfer) -> bool {
    let Transfer {
        reverse_path,
        recipients: _,
        size,
        organization,
        cross_premises,
        directionality,
        resolved,
        properties,
        trace,
    } = one;
    *reverse_path == two.reverse_path
        && *size == two.size
        && *organization == two.organization
        && *cross_premises == two.cross_premises
        && *directionality == two.directionality
        && *resolved == two.resolved
        && have_alike(properties, &two.properties)
        && *trace == two.trace
}

fn have_alike(one: &Properties, two: &Properties) -> bool {
    let Properties {
        kind,
        orcpt: _,
        original_size,
        envelope,
        notify_never,
        require_tls,
        passing,
    } = one;
    *kind == two.kind
        && *original_size == two.original_size
        && *envelope == two.envelope
        && *notify_never == two.notify_never
        && *require_tls == two.require_tls
        && *passing == two.passing
}

impl Transfer {
    /// Takes the recipients of another one into the same transaction, with what belongs to them.
    pub fn join(&mut self, other: &Self) {
        self.recipients.extend(other.recipients.iter().cloned());
        let first = other.properties.orcpt.iter();
        let first = first.map(|(to, first)| (to.clone(), first.clone()));
        self.properties.orcpt.extend(first);
    }
}
