//! How far a message is: recipients that have it, that failed, or that are tried again. What is to be
//! done then goes back to the categorizer as [`Work`].

use std::sync::Arc;

use jiff::SignedDuration;

use super::lock::lock;
use super::queue::{Delivery, Pending, Work};
use super::shared::Shared;
use super::tracking::{Flagged, Noted};
use crate::clock;
use crate::mail::{Mailbox, Status};
use crate::route::{self, Event, Happened, Outcome};

/// The next hop did not take a delivery: its recipients fail, or are tried again.
pub(super) fn put_off(
    shared: &Arc<Shared>,
    mut delivery: Delivery,
    happened: &Happened,
    remote: Option<&str>,
) {
    let age = shared
        .pace
        .passed(clock::now().duration_since(delivery.pending.arrived));
    let profile = shared
        .topology
        .organization(shared.this().organization)
        .profile;
    let connector = delivery.copy.next_hop.connector();
    if *happened == Happened::BestMxIsSelf {
        shared.flag(
            &delivery.pending.message_id,
            &delivery.recipients[0],
            Flagged::Loop("mx_self"),
        );
    }
    match route::outcome(profile, happened, age) {
        Outcome::Delivered => {
            for recipient in std::mem::take(&mut delivery.recipients) {
                delivered(shared, &delivery.pending, &recipient);
                shared.count("messages_relayed_total", connector, None);
            }
        }
        Outcome::Fail(status) => {
            // What would be tried again if the message were younger.
            let fresh = route::outcome(profile, happened, SignedDuration::ZERO);
            let expired = matches!(fresh, Outcome::Defer { .. });
            for recipient in std::mem::take(&mut delivery.recipients) {
                shared.count("messages_bounced_total", connector, Some(&status));
                let noted = Noted::of(Event::Fail, &recipient).status(&status);
                shared.note(&delivery.pending.message_id, &noted);
                if expired {
                    shared.count("messages_expired_total", connector, None);
                }
                over(
                    shared,
                    &delivery.pending,
                    &recipient,
                    Some((status.clone(), remote.map(str::to_owned))),
                );
            }
        }
        Outcome::Defer { status, .. } => {
            for recipient in &delivery.recipients {
                shared.count("messages_deferred_total", connector, Some(&status));
                let noted = Noted::of(Event::Defer, recipient).status(&status);
                shared.note(&delivery.pending.message_id, &noted);
            }
            let wait = shared.pace.real(route::retry_after(delivery.attempts));
            delivery.attempts += 1;
            let shared = shared.clone();
            tokio::spawn(async move {
                tokio::time::sleep(wait).await;
                shared.hand_back(Work::Retry(delivery));
            });
        }
    }
}

/// A recipient has its copy.
pub(super) fn delivered(shared: &Arc<Shared>, pending: &Arc<Pending>, recipient: &Mailbox) {
    over(shared, pending, recipient, None);
}

/// A recipient is over. When it was the last, failures are reported and the message is forgotten.
pub(super) fn over(
    shared: &Arc<Shared>,
    pending: &Arc<Pending>,
    recipient: &Mailbox,
    failure: Option<(Status, Option<String>)>,
) {
    let mut state = lock(&pending.state);
    state.left -= 1;
    let is_last = state.left == 0;
    match failure {
        // A failure that is not reported yet is found again after a crash, so it is not done.
        Some((status, remote)) => state.failures.push((recipient.clone(), status, remote)),
        // Nor is a message to be delivered again while a failure of it is being reported.
        None if !is_last || !state.failures.is_empty() => {
            state.record.done.push(recipient.to_string());
            shared.store.update(pending.id, state.record.to_bytes());
        }
        None => {}
    }
    if !is_last {
        return;
    }
    let failures = std::mem::take(&mut state.failures);
    drop(state);
    if failures.is_empty() {
        shared.forget(pending.id);
        return;
    }
    let (shared, pending) = (shared.clone(), pending.clone());
    shared.hand_back(Work::Report(pending, failures));
}
