//! Delivery into mailboxes: Maildir folders, one for each mailbox.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::progress;
use super::queue::Delivery;
use super::shared::Shared;
use super::tracking::Flagged;
use crate::clock;
use crate::mail::{CROSS_PREMISES_PREFIX, Mailbox, ReversePath};
use crate::model::{RecipientId, RecipientKind};
use crate::route::{Event, Happened};

/// Writes a message into the mailbox of each recipient.
pub(super) async fn deliver(shared: &Arc<Shared>, mut delivery: Delivery, id: Option<RecipientId>) {
    let recipient = delivery.recipients[0].clone();
    flag_echo(shared, &delivery, &recipient, id);
    let text = text(&delivery);
    let folder = folder(&shared.mail_directory, &shared.this().name, &recipient);
    let written = write_aside(folder, shared.unique(), text).await;
    match written {
        Ok(Ok(())) => {
            shared.note(&delivery.pending.message_id, Event::Deliver, &recipient);
            shared.count("messages_delivered_total", None, None);
            let latency = clock::now()
                .duration_since(delivery.pending.arrived)
                .as_secs_f64();
            shared.metrics.observe(
                "delivery_latency_seconds",
                &[shared.name(), super::tracking::NO_CONNECTOR],
                latency,
            );
            if let Some(RecipientKind::Group { .. }) =
                id.map(|id| &shared.topology.recipient(id).kind)
            {
                shared
                    .metrics
                    .count("group_messages_total", &[shared.name(), "delivered"]);
            }
            progress::delivered(shared, &delivery.pending, &recipient);
        }
        Ok(Err(error)) => {
            tracing::error!(server = shared.name(), %error, "a mailbox cannot be written");
            delivery.recipients = vec![recipient];
            progress::put_off(shared, delivery, &Happened::NoConnection, None);
        }
        Err(_) => progress::put_off(shared, delivery, &Happened::NoConnection, None),
    }
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

/// Writes without holding up the tasks of this thread.
#[expect(
    clippy::disallowed_methods,
    reason = "the real twin of mailboxes blocks"
)]
async fn write_aside(
    folder: PathBuf,
    name: String,
    text: Vec<u8>,
) -> Result<std::io::Result<()>, tokio::task::JoinError> {
    tokio::task::spawn_blocking(move || write(&folder, &name, &text)).await
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
