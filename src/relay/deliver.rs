//! Delivery into mailboxes: Maildir folders, one for each mailbox, each message once.

use std::path::Path;
use std::sync::Arc;

use super::duplicates::{Entry, Mark};
use super::health::Part;
use super::maildir::{self, names_aside, write_aside};
use super::progress;
use super::queue::Delivery;
use super::shared::Shared;
use super::tracking::{Flagged, Noted};
use super::trouble::Trouble;
use crate::clock;
use crate::mail::{CROSS_PREMISES_PREFIX, Mailbox, ReversePath};
use crate::model::{RecipientId, RecipientKind};
use crate::route::{Event, Happened};

/// Writes a message into a mailbox, unless it has it already. A host that takes every address has no
/// mailboxes that would know (`id` is absent).
pub(super) async fn deliver(shared: &Arc<Shared>, delivery: Delivery, id: Option<RecipientId>) {
    let _held = shared.ending.hold();
    if shared.ending.is_wanted() {
        return;
    }
    let recipient = delivery.recipients[0].clone();
    let folder = maildir::folder(&shared.mail_directory, &shared.this().name, &recipient);
    let mark = Mark::of(&delivery.pending.message.headers);
    let Some(entry) = id.zip(mark) else {
        let written = write_aside(folder.clone(), shared.unique(), text(&delivery)).await;
        return conclude(shared, delivery, id, &folder, written);
    };
    let _turn = shared.duplicates.turn(entry.1).await;
    if has_already(shared, entry, &folder).await {
        return drop_duplicate(shared, &delivery, &recipient);
    }
    let now = clock::now();
    let name = entry.1.name(&shared.unique(), now);
    let written = write_aside(folder.clone(), name, text(&delivery)).await;
    match written {
        Ok(()) => shared.duplicates.delivered(entry, now),
        // It may be there all the same.
        Err(_) => shared.duplicates.doubt(entry.0),
    }
    conclude(shared, delivery, id, &folder, written);
}

/// Whether the mailbox has had the message lately, by this process or an earlier one.
async fn has_already(shared: &Shared, entry: Entry, folder: &Path) -> bool {
    if !shared.duplicates.has_read(entry.0) {
        match names_aside(folder.to_owned()).await {
            Ok(names) => shared.duplicates.read(entry.0, &names, clock::now()),
            Err(error) => {
                tracing::warn!(server = shared.name(), path = %folder.display(), %error, "a mailbox cannot be read: what it has is not known");
            }
        }
    }
    shared.duplicates.has(entry, clock::now())
}

/// The mailbox has the message: this copy is over, and nobody is told.
fn drop_duplicate(shared: &Arc<Shared>, delivery: &Delivery, recipient: &Mailbox) {
    let noted = Noted::of(Event::DuplicateDeliver, recipient);
    shared.note(&delivery.pending.message_id, &noted);
    shared
        .metrics
        .count("duplicate_deliveries_total", &[shared.name()]);
    progress::delivered(shared, &delivery.pending, recipient);
}

/// What came of writing.
fn conclude(
    shared: &Arc<Shared>,
    delivery: Delivery,
    id: Option<RecipientId>,
    folder: &Path,
    written: std::io::Result<()>,
) {
    let recipient = &delivery.recipients[0];
    if let Err(error) = written {
        tracing::error!(
            server = shared.name(), mailbox = %recipient, path = %folder.display(), %error,
            "a mailbox cannot be written"
        );
        shared.health.failed(Part::Mailboxes);
        let trouble = Trouble::nowhere(Happened::StorageFailed);
        return progress::put_off(shared, delivery, &trouble);
    }
    shared.health.works(Part::Mailboxes);
    flag_echo(shared, &delivery, recipient, id);
    let noted = Noted::of(Event::Deliver, recipient);
    shared.note(&delivery.pending.message_id, &noted);
    shared.count("messages_delivered_total", None, None);
    shared.observe_latency(delivery.pending.arrived, None);
    if let Some(RecipientKind::Group { .. }) = id.map(|id| &shared.topology.recipient(id).kind) {
        shared
            .metrics
            .count("group_messages_total", &[shared.name(), "delivered"]);
    }
    progress::delivered(shared, &delivery.pending, recipient);
}

/// The message as the mailbox keeps it, with the reverse-path on top (RFC 5321 §4.4).
fn text(delivery: &Delivery) -> Vec<u8> {
    let message = &delivery.pending.message;
    let mut headers = message.headers.clone();
    headers.remove_prefix(CROSS_PREMISES_PREFIX);
    let reverse_path = match &delivery.copy.transfer.reverse_path {
        ReversePath::Null => "<>".to_owned(),
        ReversePath::Mailbox(sender) => format!("<{sender}>"),
    };
    headers.prepend("Delivered-To", &delivery.recipients[0].to_string());
    headers.prepend("Return-Path", &reverse_path);
    let mut text = headers.to_bytes().to_vec();
    text.extend_from_slice(&message.body);
    text
}

/// A sender's own message that comes back by way of a group.
fn flag_echo(
    shared: &Arc<Shared>,
    delivery: &Delivery,
    recipient: &Mailbox,
    id: Option<RecipientId>,
) {
    let Some(sender) = delivery.copy.transfer.reverse_path.mailbox() else {
        return;
    };
    let Some(id) = id.filter(|id| shared.topology.recipient(*id).addresses.contains(sender)) else {
        return;
    };
    // Mail to oneself is no echo: the message must have been elsewhere, or come out of a group here.
    let travelled = delivery.pending.message.headers.all("Received").count() > 2;
    // A distribution group always sends its members their own posts.
    let topology = &shared.topology;
    let group = delivery
        .copy
        .expanded_from
        .is_some_and(|group| matches!(topology.recipient(group).kind, RecipientKind::Group { .. }));
    if !group && !travelled {
        return;
    }
    let _ = id;
    let asked = topology.organizations().any(|(organization, _)| {
        topology
            .recipients_at(organization, sender)
            .iter()
            .any(|id| match topology.recipient(*id).kind {
                RecipientKind::Mailbox { echo, .. } | RecipientKind::MailUser { echo, .. } => echo,
                RecipientKind::DistributionGroup(_)
                | RecipientKind::Group { .. }
                | RecipientKind::RemoteGroup { .. } => false,
            })
    });
    shared.flag(
        &delivery.pending.message_id,
        recipient,
        Flagged::EchoBack(asked),
    );
}
