//! Delivery into mailboxes: Maildir folders, one for each mailbox, each message once.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::duplicates::{Entry, Mark};
use super::progress;
use super::queue::Delivery;
use super::shared::Shared;
use super::tracking::{Flagged, Noted};
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
    let folder = folder(&shared.mail_directory, &shared.this().name, &recipient);
    let mark = Mark::of(&delivery.pending.message.headers);
    let Some(entry) = id.zip(mark) else {
        let written = write_aside(folder, shared.unique(), text(&delivery)).await;
        return conclude(shared, delivery, id, written);
    };
    let _turn = shared.duplicates.turn(entry.1).await;
    if has_already(shared, entry, &folder).await {
        return drop_duplicate(shared, &delivery, &recipient);
    }
    let now = clock::now();
    let name = entry.1.name(&shared.unique(), now);
    let written = write_aside(folder, name, text(&delivery)).await;
    match written {
        Ok(()) => shared.duplicates.delivered(entry, now),
        // It may be there all the same.
        Err(_) => shared.duplicates.doubt(entry.0),
    }
    conclude(shared, delivery, id, written);
}

/// Whether the mailbox has had the message lately, by this process or an earlier one.
async fn has_already(shared: &Shared, entry: Entry, folder: &Path) -> bool {
    if !shared.duplicates.has_read(entry.0) {
        match names_aside(folder.to_owned()).await {
            Ok(names) => shared.duplicates.read(entry.0, &names, clock::now()),
            Err(error) => {
                tracing::warn!(server = shared.name(), %error, "a mailbox cannot be read: what it has is not known");
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
    written: std::io::Result<()>,
) {
    if let Err(error) = written {
        tracing::error!(server = shared.name(), %error, "a mailbox cannot be written");
        return progress::put_off(shared, delivery, &Happened::NoConnection, None);
    }
    let recipient = &delivery.recipients[0];
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

/// The Maildir of a mailbox: `<mail directory>/<server>/<address>`.
pub(super) fn folder(root: &Path, server: &str, recipient: &Mailbox) -> PathBuf {
    let safe = |text: &str| -> String {
        let keep = |c: char| {
            if c.is_alphanumeric() || "@.+_=-".contains(c) {
                c
            } else {
                '_'
            }
        };
        text.chars().map(keep).collect::<String>().to_lowercase()
    };
    root.join(safe(server)).join(safe(&recipient.to_string()))
}

/// Does what blocks without holding up the tasks of this thread.
#[expect(
    clippy::disallowed_methods,
    reason = "the real twin of mailboxes blocks"
)]
async fn aside<T: Send + 'static>(
    work: impl FnOnce() -> std::io::Result<T> + Send + 'static,
) -> std::io::Result<T> {
    // Work that panicked, or that a stopping runtime gave up, was not done.
    tokio::task::spawn_blocking(work)
        .await
        .unwrap_or_else(|error| Err(std::io::Error::other(error)))
}

async fn write_aside(folder: PathBuf, name: String, text: Vec<u8>) -> std::io::Result<()> {
    aside(move || write(&folder, &name, &text)).await
}

async fn names_aside(folder: PathBuf) -> std::io::Result<Vec<String>> {
    aside(move || names(&folder)).await
}

/// The names of the messages of a mailbox, read or not; a mailbox without a folder has none.
#[expect(clippy::disallowed_methods, reason = "mailboxes are files")]
fn names(folder: &Path) -> std::io::Result<Vec<String>> {
    let mut names = Vec::new();
    for part in ["new", "cur"] {
        match std::fs::read_dir(folder.join(part)) {
            Ok(entries) => {
                for entry in entries {
                    names.extend(entry?.file_name().into_string());
                }
            }
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
    }
    Ok(names)
}

/// Writes a file into `tmp`, makes it durable, and moves it into `new`.
#[expect(clippy::disallowed_methods, reason = "mailboxes are files")]
fn write(folder: &Path, name: &str, text: &[u8]) -> std::io::Result<()> {
    use std::io::Write as _;
    for part in ["tmp", "new", "cur"] {
        std::fs::create_dir_all(folder.join(part))?;
    }
    let temporary = folder.join("tmp").join(name);
    let mut file = std::fs::File::create(&temporary)?;
    file.write_all(text)?;
    file.sync_all()?;
    std::fs::rename(&temporary, folder.join("new").join(name))?;
    std::fs::File::open(folder.join("new"))?.sync_all()
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
    if delivery.copy.expanded_from.is_none() && !travelled {
        return;
    }
    let _ = id;
    let topology = &shared.topology;
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
