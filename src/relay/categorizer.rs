//! From the Submission queue to copies in their queues; and what a recipient's end means for the
//! message.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use jiff::Timestamp;
use tokio::sync::mpsc::UnboundedReceiver;

use super::message::Message;
use super::queue::{Delivery, Pending, Progress, Work};
use super::record::{Failure, Record};
use super::shared::Shared;
use super::tally::Queued;
use super::tracking::{Flagged, NO_CONNECTOR, Noted};
use super::trouble::Trouble;
use super::{bounce, deliver, progress, send};
use crate::clock;
use crate::mail::{Action, Mailbox, ReversePath};
use crate::model::replies;
use crate::route::{self, Categorized, Copy, Event, Happened, MailItem, NextHop};
use crate::spool::MessageId;

/// How long to wait where the spool does not take a report.
const REPORT_AGAIN: Duration = Duration::from_secs(10);

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
    let unreported = record.failed.clone();
    let over = |to: &Mailbox, told: &ReversePath, anew| record.is_over(to, told, anew);
    let mut copies = categorized.copies;
    copies.retain(|copy| {
        let transfer = &copy.transfer;
        !over(
            &transfer.recipients[0],
            &transfer.reverse_path,
            copy.sent_anew,
        )
    });
    let mut failures = categorized.failures;
    failures.retain(|failure| {
        let told = failure.told.as_deref().unwrap_or(&item.reverse_path);
        !over(&failure.recipient, told, false)
    });
    let message_id = message.headers.get("Message-ID").unwrap_or_default();
    for suppressed in &categorized.suppressed {
        shared.track(&message_id, &suppressed.steps);
    }
    let originals = copies
        .iter()
        .flat_map(|copy| copy.transfer.properties.orcpt.clone())
        .collect();
    let left = copies.len() + failures.len() + unreported.len();
    let arrived = record.arrived;
    let state = Mutex::new(Progress {
        record,
        left,
        originals,
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
    if !unreported.is_empty() {
        shared.hand_back(Work::Report(pending.clone(), Action::Failed, unreported));
    }
    fail_at_once(shared, &pending, item, failures);
    for delivery in bundle(shared, &pending, copies) {
        shared.track(&pending.message_id, &delivery.copy.steps);
        enqueue(shared, delivery);
    }
}

/// Recipients for which the categorizer found no way.
fn fail_at_once(
    shared: &Arc<Shared>,
    pending: &Arc<Pending>,
    item: &MailItem,
    failures: Vec<route::Failure>,
) {
    let mut failed = Vec::new();
    for failure in failures {
        if let Some(looped) = &failure.looped {
            let loops = Flagged::Loop(looped.kind.as_str());
            shared.flag(&pending.message_id, &failure.recipient, loops);
        }
        shared.track(&pending.message_id, &failure.steps);
        shared.note(
            &pending.message_id,
            &Noted::of(Event::Fail, &failure.recipient).status(&failure.status),
        );
        let reverse_path = failure.told.as_deref().unwrap_or(&item.reverse_path);
        let mark = pending.mark(&failure.recipient, reverse_path, false);
        let told = match failure.notify_never || item.properties.notify_never {
            true => Some(ReversePath::Null.to_string()),
            false => failure.told.map(|told| told.to_string()),
        };
        failed.push(Failure {
            recipient: failure.recipient,
            mark,
            told,
            status: failure.status,
            last_error: None,
            endpoint: None,
            said_there: false,
            connector: NO_CONNECTOR.to_owned(),
            at: clock::now(),
        });
    }
    progress::fail(shared, pending, failed);
}

/// Each transaction as a delivery of its own.
fn bundle(shared: &Shared, pending: &Arc<Pending>, copies: Vec<Copy>) -> Vec<Delivery> {
    let joined = route::transactions(copies, |copy| copy).into_iter();
    joined
        .filter_map(|copies| {
            let mut copies = copies.into_iter();
            let mut copy = copies.next()?;
            copies.for_each(|other| copy.transfer.join(&other.transfer));
            let queue = match copy.next_hop {
                NextHop::Unreachable => Queued::Unreachable,
                _ => Queued::Delivery,
            };
            let connector = copy.next_hop.connector();
            let place = shared.tally.enter(queue, connector, pending.arrived);
            Some(Delivery {
                pending: pending.clone(),
                recipients: copy.transfer.recipients.clone(),
                copy: Arc::new(copy),
                attempts: 0,
                place,
            })
        })
        .collect()
}

/// Does what comes back from the queues, as long as the relay runs.
pub(super) async fn run(shared: Arc<Shared>, mut work: UnboundedReceiver<Work>) {
    while let Some(work) = work.recv().await {
        match work {
            Work::Retry(delivery) => enqueue(&shared, delivery),
            Work::Report(pending, action, failures) => {
                let shared = shared.clone();
                let held = shared.ending.hold();
                tokio::spawn(async move {
                    report(&shared, &pending, action, &failures).await;
                    drop(held);
                });
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
        NextHop::NoDatabase => {
            let waits = Happened::Reply(replies::NO_DATABASE.clone());
            progress::put_off(shared, delivery, &Trouble::nowhere(waits));
        }
        NextHop::Unreachable => {
            let trouble = Trouble::nowhere(Happened::Unreachable);
            progress::put_off(shared, delivery, &trouble);
        }
        NextHop::Dns { .. } | NextHop::Servers { .. } | NextHop::SmartHosts { .. } => {
            let queue = shared.queues.of(&delivery.copy);
            if queue.push(delivery) {
                send::open(shared, &queue);
            }
        }
    }
}

/// Tells the sender of a message, or whoever is told instead, which recipients failed or wait. Those that
/// failed are over when that is safe.
async fn report(shared: &Arc<Shared>, pending: &Pending, action: Action, failures: &[Failure]) {
    let now = clock::now();
    let _place = shared
        .tally
        .enter(Queued::Submission, None, pending.arrived);
    let mut told: Vec<Vec<&Failure>> = Vec::new();
    for failure in failures {
        match told.iter_mut().find(|each| each[0].told == failure.told) {
            Some(same) => same.push(failure),
            None => told.push(vec![failure]),
        }
    }
    for failures in told {
        let composed = bounce::compose(shared, pending, action, &failures, now);
        let Some((item, message)) = composed else {
            continue;
        };
        while let Err(error) = originate(shared, item.clone(), message.clone(), now).await {
            tracing::error!(
                server = shared.name(), %error,
                "a report could not be kept; the message stays in the spool"
            );
            tokio::time::sleep(REPORT_AGAIN).await;
        }
        for failure in failures.into_iter().filter(|_| action == Action::Failed) {
            shared.count_bounce(failure);
        }
    }
    if action == Action::Failed {
        let marks = failures.iter().map(|each| each.mark().into_owned());
        progress::over(shared, pending, marks.collect());
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
