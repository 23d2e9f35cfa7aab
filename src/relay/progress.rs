//! How far a message is: recipients that have it, that failed, or that are tried again. What is to be
//! done then goes back to the categorizer as [`Work`].
//!
//! A failure is recorded before it is reported, and over when its report is safe. The spool keeps the
//! order of its writes: after a crash a recipient that failed is reported (twice, where the crash came
//! between the two writes), and not tried again.

use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};

use super::lock::lock;
use super::queue::{Delivery, Pending, Work};
use super::record::Failure;
use super::shared::Shared;
use super::tracking::{Flagged, Noted};
use super::trouble::Trouble;
use crate::clock;
use crate::mail::{Action, Mailbox, ReversePath, Status};
use crate::route::{self, Event, Happened, Outcome};

/// The next hop did not take a delivery: its recipients fail, or are tried again.
pub(super) fn put_off(shared: &Arc<Shared>, mut delivery: Delivery, trouble: &Trouble) {
    let recipients = std::mem::take(&mut delivery.recipients);
    let alike = recipients.into_iter().map(|each| (each, trouble.clone()));
    put_off_each(shared, delivery, alike.collect());
}

/// The same with a reason for each recipient. Those that fail are reported together, and those that
/// are tried again stay together.
pub(super) fn put_off_each(
    shared: &Arc<Shared>,
    mut delivery: Delivery,
    each: Vec<(Mailbox, Trouble)>,
) {
    let now = clock::now();
    let waited = now.duration_since(delivery.pending.arrived);
    let age = shared.pace.passed(waited);
    let connector = delivery.copy.next_hop.connector();
    let (mut failed, mut waiting) = (Vec::new(), Vec::new());
    for (recipient, trouble) in each {
        if trouble.happened == Happened::BestMxIsSelf {
            let looped = Flagged::Loop("mx_self");
            shared.flag(&delivery.pending.message_id, &recipient, looped);
        }
        match outcome(shared, &delivery, &trouble, age) {
            Outcome::Delivered => {
                delivered(shared, &delivery, &recipient);
                shared.count("messages_relayed_total", connector, None);
            }
            Outcome::Fail(status) => {
                failed.push(give_up(shared, &delivery, recipient, &trouble, status, now));
            }
            Outcome::Defer { status, .. } => {
                let status = trouble.in_words(&status);
                note_defer(shared, &delivery, &recipient, &trouble, &status);
                waiting.push(failure(shared, &delivery, recipient, &trouble, status, now));
            }
        }
    }
    fail(shared, &delivery.pending, failed);
    if waiting.is_empty() {
        return;
    }
    delivery.recipients = waiting.iter().map(|each| each.recipient.clone()).collect();
    if age >= route::DELAY_NOTIFICATION {
        tell_of_delay(shared, &delivery.pending, waiting);
    }
    try_again(shared, delivery);
}

/// What an attempt means, after that time.
fn outcome(
    shared: &Shared,
    delivery: &Delivery,
    trouble: &Trouble,
    age: SignedDuration,
) -> Outcome {
    let connector = delivery.copy.next_hop.connector();
    let connector = connector.map(|id| shared.topology.send_connector(id));
    let policies = route::policies_at(connector, shared.server);
    route::outcome(shared.this(), policies, &trouble.happened, age)
}

/// A recipient is not tried any more.
fn give_up(
    shared: &Shared,
    delivery: &Delivery,
    recipient: Mailbox,
    trouble: &Trouble,
    status: Status,
    now: Timestamp,
) -> Failure {
    // What would be tried again if the message were younger.
    let fresh = outcome(shared, delivery, trouble, SignedDuration::ZERO);
    let last_error = match fresh {
        Outcome::Defer { status, .. } => Some(trouble.in_words(&status)),
        Outcome::Delivered | Outcome::Fail(_) => None,
    };
    let connector = delivery.copy.next_hop.connector();
    let noted = Noted::of(Event::Fail, &recipient).status(&status);
    let noted = noted.at(trouble.endpoint.as_ref()).connector(connector);
    let noted = noted.last_error(last_error.as_ref());
    shared.note(&delivery.pending.message_id, &noted);
    if last_error.is_some() {
        shared.count("messages_expired_total", connector, None);
    }
    let mut failure = failure(shared, delivery, recipient, trouble, status, now);
    failure.said_there &= last_error.is_none();
    failure.last_error = last_error.map(|status| status.to_string());
    failure
}

fn failure(
    shared: &Shared,
    delivery: &Delivery,
    recipient: Mailbox,
    trouble: &Trouble,
    status: Status,
    at: Timestamp,
) -> Failure {
    let transfer = &delivery.copy.transfer;
    Failure {
        mark: delivery.mark(&recipient),
        recipient,
        told: Some(match transfer.properties.notify_never {
            true => ReversePath::Null.to_string(),
            false => transfer.reverse_path.to_string(),
        }),
        status,
        last_error: None,
        endpoint: trouble.endpoint.clone(),
        said_there: trouble.said_there(),
        connector: shared.connector_label(delivery.copy.next_hop.connector()),
        at,
    }
}

fn note_defer(
    shared: &Shared,
    delivery: &Delivery,
    recipient: &Mailbox,
    trouble: &Trouble,
    status: &Status,
) {
    let connector = delivery.copy.next_hop.connector();
    shared.count("messages_deferred_total", connector, Some(status));
    let next_hop = shared.next_hop_name(&delivery.copy.next_hop);
    let noted = Noted::of(Event::Defer, recipient).status(status);
    let noted = noted.at(trouble.endpoint.as_ref()).connector(connector);
    shared.note(
        &delivery.pending.message_id,
        &noted.towards(next_hop.as_deref()),
    );
}

/// Hands a delivery back when it is time.
fn try_again(shared: &Arc<Shared>, mut delivery: Delivery) {
    let wait = shared.pace.real(route::retry_after(delivery.attempts));
    delivery.attempts += 1;
    let shared = shared.clone();
    tokio::spawn(async move {
        tokio::time::sleep(wait).await;
        shared.hand_back(Work::Retry(delivery));
    });
}

/// A recipient has its copy. When it was the last, the message is forgotten.
pub(super) fn delivered(shared: &Arc<Shared>, delivery: &Delivery, recipient: &Mailbox) {
    over(shared, &delivery.pending, vec![delivery.mark(recipient)]);
}

/// Recipients that failed together are reported together, at once.
pub(super) fn fail(shared: &Arc<Shared>, pending: &Arc<Pending>, failures: Vec<Failure>) {
    if failures.is_empty() {
        return;
    }
    let mut state = lock(&pending.state);
    state.record.failed.extend(failures.iter().cloned());
    shared.store.update(pending.id, state.record.to_bytes());
    drop(state);
    shared.hand_back(Work::Report(pending.clone(), Action::Failed, failures));
}

/// The copies with these marks are delivered, or their failure is reported or nobody's business.
pub(super) fn over(shared: &Shared, pending: &Pending, marks: Vec<String>) {
    let mut state = lock(&pending.state);
    state.left = state.left.saturating_sub(marks.len());
    if state.left == 0 {
        return shared.forget(pending.id);
    }
    let record = &mut state.record;
    record
        .failed
        .retain(|failure| !marks.iter().any(|mark| failure.mark() == *mark));
    record.done.extend(marks);
    shared.store.update(pending.id, record.to_bytes());
}

/// Tells the sender of recipients that wait long, of each once.
///
/// Choice: that they were told of is recorded first, so a crash may lose this notification; the
/// message is still on its way, and two notifications would say less than one.
fn tell_of_delay(shared: &Arc<Shared>, pending: &Arc<Pending>, waiting: Vec<Failure>) {
    let mut state = lock(&pending.state);
    let told = |failure: &Failure| {
        let recipient = failure.recipient.to_string();
        state.record.delayed.contains(&recipient)
    };
    let news: Vec<Failure> = waiting
        .into_iter()
        .filter(|failure| !told(failure))
        .map(|failure| Failure {
            last_error: Some(failure.status.to_string()),
            status: route::DELAYED.clone(),
            said_there: false,
            ..failure
        })
        .collect();
    if news.is_empty() {
        return;
    }
    let names = news.iter().map(|failure| failure.recipient.to_string());
    state.record.delayed.extend(names);
    shared.store.update(pending.id, state.record.to_bytes());
    drop(state);
    shared.hand_back(Work::Report(pending.clone(), Action::Delayed, news));
}
