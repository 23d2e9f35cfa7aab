//! From the Submission queue to copies in their queues; and what a recipient's end means for the
//! message.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use jiff::Timestamp;

use super::message::Message;
use super::queue::{Delivery, Key, Pending, Progress, lock};
use super::record::Record;
use super::shared::Shared;
use super::tracking::Flagged;
use super::{bounce, deliver, send};
use crate::clock;
use crate::mail::{Mailbox, Status};
use crate::route::{self, Categorized, Copy, Happened, MailItem, NextHop, Outcome};
use crate::spool::MessageId;

/// Puts a message that is in the spool on its way. Recipients that are over are left alone.
pub(super) fn dispatch(
    shared: &Arc<Shared>,
    id: MessageId,
    item: &MailItem,
    message: Arc<Message>,
    record: Record,
    categorized: Categorized,
) {
    let done = |recipient: &Mailbox| record.done.contains(&recipient.to_string());
    let copies: Vec<Copy> = categorized.copies.into_iter().filter(|copy| !done(&copy.transfer.recipients[0])).collect();
    let failures: Vec<_> = categorized.failures.into_iter().filter(|failure| !done(&failure.recipient)).collect();
    let message_id = message.headers.get("Message-ID").unwrap_or_default();
    for suppressed in &categorized.suppressed {
        shared.track(&message_id, &suppressed.steps);
    }
    let left = copies.len() + failures.len();
    let arrived = record.arrived;
    let state = Mutex::new(Progress { record, left, failures: Vec::new() });
    let pending = Arc::new(Pending { id, message_id, message, arrived, state });
    if left == 0 {
        shared.store.remove(id);
        return;
    }
    for failure in failures {
        shared.track(&pending.message_id, &failure.steps);
        shared.count("messages_bounced_total", None, Some(&failure.status));
        over(shared, &pending, &failure.recipient, Some((failure.status, None)));
    }
    for delivery in bundle(&pending, copies) {
        shared.track(&pending.message_id, &delivery.copy.steps);
        enqueue(shared, delivery);
    }
    let _ = item;
}

/// Joins copies that differ in nothing but the recipient, so that one transaction carries them.
fn bundle(pending: &Arc<Pending>, copies: Vec<Copy>) -> Vec<Delivery> {
    let mut places: HashMap<(Key, Option<crate::mail::AuthAs>), usize> = HashMap::new();
    let mut deliveries: Vec<Delivery> = Vec::new();
    for copy in copies {
        let recipient = copy.transfer.recipients[0].clone();
        // Each mailbox is a place of its own.
        let mailbox = matches!(copy.next_hop, NextHop::Mailbox(_));
        let key = (Key::of(&copy), copy.transfer.cross_premises);
        match places.get(&key).filter(|_| !mailbox) {
            Some(index) => deliveries[*index].recipients.push(recipient),
            None => {
                places.insert(key, deliveries.len());
                let copy = Arc::new(copy);
                deliveries.push(Delivery { pending: pending.clone(), recipients: vec![recipient], copy, attempts: 0 });
            }
        }
    }
    deliveries
}

/// Starts a delivery, or puts it into its queue.
pub(super) fn enqueue(shared: &Arc<Shared>, delivery: Delivery) {
    match delivery.copy.next_hop {
        NextHop::Mailbox(id) => {
            let shared = shared.clone();
            tokio::spawn(async move { deliver::deliver(&shared, delivery, id).await });
        }
        NextHop::Unreachable => put_off(shared, delivery, &Happened::Unreachable, None),
        NextHop::Dns { .. } | NextHop::Servers { .. } | NextHop::SmartHosts { .. } => {
            let queue = shared.queues.of(&delivery.copy);
            if queue.push(delivery) {
                send::open(shared, &queue);
            }
        }
    }
}

/// The next hop did not take a delivery: its recipients fail, or are tried again.
pub(super) fn put_off(shared: &Arc<Shared>, mut delivery: Delivery, happened: &Happened, remote: Option<&str>) {
    let age = shared.pace.passed(clock::now().duration_since(delivery.pending.arrived));
    let profile = shared.topology.organization(shared.this().organization).profile;
    let connector = delivery.copy.next_hop.connector();
    if *happened == Happened::BestMxIsSelf {
        shared.flag(&delivery.pending.message_id, &delivery.recipients[0], Flagged::Loop("mx_self"));
    }
    match route::outcome(profile, happened, age) {
        Outcome::Delivered => {
            for recipient in std::mem::take(&mut delivery.recipients) {
                delivered(shared, &delivery.pending, &recipient);
                shared.count("messages_relayed_total", connector, None);
            }
        }
        Outcome::Fail(status) => {
            for recipient in std::mem::take(&mut delivery.recipients) {
                shared.count("messages_bounced_total", connector, Some(&status));
                over(shared, &delivery.pending, &recipient, Some((status.clone(), remote.map(str::to_owned))));
            }
        }
        Outcome::Defer { status, .. } => {
            for recipient in &delivery.recipients {
                shared.count("messages_deferred_total", connector, Some(&status));
                shared.note(&delivery.pending.message_id, route::Event::Defer, recipient);
            }
            tracing::info!(server = shared.name(), message = delivery.pending.message_id, %status, "deferred");
            let wait = shared.pace.real(route::retry_after(delivery.attempts));
            delivery.attempts += 1;
            let shared = shared.clone();
            tokio::spawn(async move {
                tokio::time::sleep(wait).await;
                enqueue(&shared, delivery);
            });
        }
    }
}

/// A recipient has its copy.
pub(super) fn delivered(shared: &Arc<Shared>, pending: &Arc<Pending>, recipient: &Mailbox) {
    over(shared, pending, recipient, None);
}

/// A recipient is over. When it was the last, failures are reported and the message is forgotten.
fn over(
    shared: &Arc<Shared>,
    pending: &Arc<Pending>,
    recipient: &Mailbox,
    failure: Option<(Status, Option<String>)>,
) {
    let mut state = lock(&pending.state);
    state.left -= 1;
    if let Some((status, remote)) = failure {
        state.failures.push((recipient.clone(), status, remote));
    }
    if state.left > 0 {
        // A failure that is not reported yet is found again after a crash, so it is not done.
        if !state.failures.iter().any(|(failed, ..)| failed == recipient) {
            state.record.done.push(recipient.to_string());
            shared.store.update(pending.id, state.record.to_bytes());
        }
        return;
    }
    let failures = std::mem::take(&mut state.failures);
    drop(state);
    if failures.is_empty() {
        shared.store.remove(pending.id);
        return;
    }
    let (shared, pending) = (shared.clone(), pending.clone());
    tokio::spawn(async move { bounce::report(&shared, &pending, failures).await });
}

/// Takes up a message that was found in the spool at the start.
pub(super) fn resume(shared: &Arc<Shared>, id: MessageId, record: Record, body: &bytes::Bytes) -> bool {
    let Some(item) = record.item(&shared.topology) else { return false };
    let message = Arc::new(Message::split(body));
    let categorized = route::categorize(&shared.topology, shared.server, &item);
    dispatch(shared, id, &item, message, record, categorized);
    true
}

/// A message that the server itself makes: it goes through spool and categorizer as any other.
///
/// # Errors
/// When the spool does not take it.
pub(super) async fn originate(
    shared: &Arc<Shared>,
    item: MailItem,
    message: Message,
    now: Timestamp,
) -> Result<(), crate::spool::Error> {
    let record = Record::new(&shared.topology, &item, now);
    let body = vec![message.headers.to_bytes(), message.body.clone()];
    let id = shared.store.accept(crate::spool::NewMessage { envelope: record.to_bytes(), body }).await?;
    let categorized = route::categorize(&shared.topology, shared.server, &item);
    dispatch(shared, id, &item, Arc::new(message), record, categorized);
    Ok(())
}
