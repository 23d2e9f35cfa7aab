//! From the Submission queue to copies in their queues; and what a recipient's end means for the
//! message.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use jiff::Timestamp;
use tokio::sync::mpsc::UnboundedReceiver;

use super::message::Message;
use super::queue::{Delivery, Key, Pending, Progress, Work};
use super::record::Record;
use super::shared::Shared;
use super::tally::Queued;
use super::tracking::{Flagged, Noted};
use super::{bounce, deliver, progress, send};
use crate::clock;
use crate::mail::{AuthAs, Mailbox, Status};
use crate::route::{self, Categorized, Copy, Event, Happened, MailItem, NextHop};
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
    shared.take_up();
    let done = |recipient: &Mailbox| record.done.contains(&recipient.to_string());
    let copies: Vec<Copy> = categorized
        .copies
        .into_iter()
        .filter(|copy| !done(&copy.transfer.recipients[0]))
        .collect();
    let failures: Vec<_> = categorized
        .failures
        .into_iter()
        .filter(|failure| !done(&failure.recipient))
        .collect();
    let message_id = message.headers.get("Message-ID").unwrap_or_default();
    for suppressed in &categorized.suppressed {
        shared.track(&message_id, &suppressed.steps);
    }
    let left = copies.len() + failures.len();
    let arrived = record.arrived;
    let state = Mutex::new(Progress {
        record,
        left,
        failures: Vec::new(),
    });
    let pending = Arc::new(Pending {
        id,
        message_id,
        message,
        arrived,
        state,
    });
    if left == 0 {
        shared.forget(id);
        return;
    }
    for failure in failures {
        if failure.is_forwarding_loop() {
            let loops = Flagged::Loop("forwarding");
            shared.flag(&pending.message_id, &failure.recipient, loops);
        }
        shared.track(&pending.message_id, &failure.steps);
        shared.note(
            &pending.message_id,
            &Noted::of(Event::Fail, &failure.recipient).status(&failure.status),
        );
        shared.count("messages_bounced_total", None, Some(&failure.status));
        progress::over(
            shared,
            &pending,
            &failure.recipient,
            Some((failure.status, None)),
        );
    }
    for delivery in bundle(shared, &pending, copies) {
        shared.track(&pending.message_id, &delivery.copy.steps);
        enqueue(shared, delivery);
    }
    let _ = item;
}

/// Joins copies that differ in nothing but the recipient, so that one transaction carries them.
fn bundle(shared: &Shared, pending: &Arc<Pending>, copies: Vec<Copy>) -> Vec<Delivery> {
    // What goes over the wire is the same for all that share a place.
    let mut places: HashMap<(Key, Option<AuthAs>, u32, bool), usize> = HashMap::new();
    let mut deliveries: Vec<Delivery> = Vec::new();
    for copy in copies {
        let recipient = copy.transfer.recipients[0].clone();
        // Each mailbox is a place of its own.
        let mailbox = matches!(copy.next_hop, NextHop::Mailbox(_));
        let transfer = &copy.transfer;
        let key = (
            Key::of(&copy),
            transfer.cross_premises,
            transfer.trace.rules_loop,
            transfer.properties.require_tls,
        );
        match places.get(&key).filter(|_| !mailbox) {
            Some(index) => deliveries[*index].recipients.push(recipient),
            None => {
                places.insert(key, deliveries.len());
                let queue = match copy.next_hop {
                    NextHop::Unreachable => Queued::Unreachable,
                    _ => Queued::Delivery,
                };
                let connector = copy.next_hop.connector();
                let place = shared.tally.enter(queue, connector, pending.arrived);
                deliveries.push(Delivery {
                    pending: pending.clone(),
                    recipients: vec![recipient],
                    copy: Arc::new(copy),
                    attempts: 0,
                    place: Arc::new(place),
                });
            }
        }
    }
    deliveries
}

/// Does what comes back from the queues, as long as the relay runs.
pub(super) async fn run(shared: Arc<Shared>, mut work: UnboundedReceiver<Work>) {
    while let Some(work) = work.recv().await {
        match work {
            Work::Retry(delivery) => enqueue(&shared, delivery),
            Work::Report(pending, failures) => {
                let shared = shared.clone();
                tokio::spawn(async move { report(&shared, &pending, failures).await });
            }
        }
    }
}

/// Starts a delivery, or puts it into its queue.
fn enqueue(shared: &Arc<Shared>, delivery: Delivery) {
    match delivery.copy.next_hop {
        NextHop::Mailbox(id) => {
            let shared = shared.clone();
            tokio::spawn(async move { deliver::deliver(&shared, delivery, id).await });
        }
        NextHop::Unreachable => progress::put_off(shared, delivery, &Happened::Unreachable, None),
        NextHop::Dns { .. } | NextHop::Servers { .. } | NextHop::SmartHosts { .. } => {
            let queue = shared.queues.of(&delivery.copy);
            if queue.push(delivery) {
                send::open(shared, &queue);
            }
        }
    }
}

/// Tells the sender of a message which recipients failed, then forgets the message.
async fn report(
    shared: &Arc<Shared>,
    pending: &Pending,
    failures: Vec<(Mailbox, Status, Option<String>)>,
) {
    let now = clock::now();
    let place = shared
        .tally
        .enter(Queued::Submission, None, pending.arrived);
    let Some((item, message)) = bounce::compose(shared, pending, failures, now) else {
        return shared.forget(pending.id);
    };
    // The message itself is forgotten only when its report is safe.
    match originate(shared, item, message, now).await {
        Ok(()) => shared.forget(pending.id),
        Err(error) => {
            place.stay();
            tracing::error!(
                server = shared.name(), %error,
                "a report could not be kept; the message stays in the spool"
            );
        }
    }
}

/// Takes up a message that was found in the spool at the start.
pub(super) fn resume(
    shared: &Arc<Shared>,
    id: MessageId,
    record: Record,
    body: &bytes::Bytes,
) -> bool {
    let Some(item) = record.item(&shared.topology) else {
        return false;
    };
    let message = Arc::new(Message::split(body));
    let categorized = route::categorize(&shared.topology, shared.server, &item);
    dispatch(shared, id, &item, message, record, categorized);
    true
}

/// A message that the server itself makes: it goes through spool and categorizer as any other.
///
/// # Errors
/// When the spool does not take it.
async fn originate(
    shared: &Arc<Shared>,
    item: MailItem,
    message: Message,
    now: Timestamp,
) -> Result<(), crate::spool::Error> {
    let record = Record::new(&shared.topology, &item, now);
    let body = vec![message.headers.to_bytes(), message.body.clone()];
    let id = shared
        .store
        .accept(crate::spool::NewMessage {
            envelope: record.to_bytes(),
            body,
        })
        .await?;
    let categorized = route::categorize(&shared.topology, shared.server, &item);
    dispatch(shared, id, &item, Arc::new(message), record, categorized);
    Ok(())
}
