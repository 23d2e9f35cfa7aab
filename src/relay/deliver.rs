//! Delivery into mailboxes: Maildir folders, one for each mailbox, each message once.

use std::path::Path;
use std::sync::Arc;

use super::duplicates::{Entry, Mark};
use super::health::Part;
use super::maildir::{self, names_aside, write_aside};
use super::message::{name_anew, vouch};
use super::progress;
use super::queue::Delivery;
use super::shared::Shared;
use super::tracking::{Flagged, Noted};
use super::trouble::Trouble;
use crate::clock;
use crate::mail::{CROSS_PREMISES_PREFIX, Domain, HeaderSection, Mailbox, ReversePath};
use crate::model::{OrganizationId, RecipientId, RecipientKind, Topology};
use crate::route::{Event, Happened, Step, Subject};

/// Writes a message into a mailbox, unless it has it already. A host that takes every address has no
/// mailboxes that would know (`id` is absent).
pub(super) async fn deliver(shared: &Arc<Shared>, delivery: Delivery, id: Option<RecipientId>) {
    let _held = shared.ending.hold();
    if shared.ending.is_wanted() {
        return;
    }
    let recipient = delivery.recipients[0].clone();
    let folder = maildir::folder(&shared.mail_directory, &shared.this().name, &recipient);
    let headers = headers(&delivery);
    let mark = Mark::of(&headers);
    let text = text(headers, &delivery);
    let Some(entry) = id.zip(mark) else {
        let written = write_aside(folder.clone(), shared.unique(), text).await;
        return conclude(shared, delivery, id, &folder, written);
    };
    let _turn = shared.duplicates.turn(entry.1).await;
    if has_already(shared, entry, &folder).await {
        return drop_duplicate(shared, &delivery, &recipient);
    }
    let now = clock::now();
    let name = entry.1.name(&shared.unique(), now);
    let written = write_aside(folder.clone(), name, text).await;
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
    progress::delivered(shared, delivery, recipient);
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
    progress::delivered(shared, &delivery, recipient);
}

/// The header section as the mailbox keeps it.
fn headers(delivery: &Delivery) -> HeaderSection {
    let mut headers = delivery.pending.message.headers.clone();
    headers.remove_prefix(CROSS_PREMISES_PREFIX);
    vouch(&mut headers, &delivery.copy.transfer);
    name_anew(&mut headers, &delivery.copy);
    headers
}

/// The message as the mailbox keeps it, with the reverse-path on top (RFC 5321 §4.4).
fn text(mut headers: HeaderSection, delivery: &Delivery) -> Vec<u8> {
    let reverse_path = match &delivery.copy.transfer.reverse_path {
        ReversePath::Null => "<>".to_owned(),
        ReversePath::Mailbox(sender) => format!("<{sender}>"),
    };
    headers.prepend("Delivered-To", &delivery.recipients[0].to_string());
    headers.prepend("Return-Path", &reverse_path);
    let mut text = headers.to_bytes().to_vec();
    text.extend_from_slice(&delivery.pending.message.body);
    text
}

/// A sender's own message that comes back, by way of a group or of a mail-flow rule.
///
/// The message says to whom it was written. A copy that comes out of something else, a distribution group or
/// a mailbox that forwards, is no echo.
fn flag_echo(
    shared: &Arc<Shared>,
    delivery: &Delivery,
    recipient: &Mailbox,
    id: Option<RecipientId>,
) {
    let topology = &shared.topology;
    let Some(sender) = delivery.copy.transfer.reverse_path.mailbox() else {
        return;
    };
    let addresses = id.map(|id| &topology.recipient(id).addresses);
    let Some(addresses) = addresses.filter(|addresses| addresses.contains(sender)) else {
        return;
    };
    let addressed = addressed(&delivery.pending.message.headers);
    let trace = &delivery.copy.transfer.trace;
    let group = match delivery.copy.expanded_from {
        Some(id) => is_group(&topology.recipient(id).kind),
        None => comes_from_group(topology, &addressed, &trace.received_by),
    };
    let by_rule = |step: &Step| matches!(step.chosen, Some(Subject::Rule(_)));
    let ruled = trace.rules_loop > 0 || delivery.copy.steps.iter().any(by_rule);
    let to_oneself = addressed.iter().any(|to| addresses.contains(to));
    let expected = match group {
        true => asked_for_echo(topology, sender),
        // Choice: the administrator who wrote the rule asked for it.
        false if ruled && !to_oneself => true,
        false => return,
    };
    shared.flag(
        &delivery.pending.message_id,
        recipient,
        Flagged::EchoBack(expected),
    );
}

fn is_group(kind: &RecipientKind) -> bool {
    matches!(
        kind,
        RecipientKind::Group { .. } | RecipientKind::RemoteGroup { .. }
    )
}

/// Whether a message for these addresses came through a group: one of them, or one in the distribution
/// groups among them, at a server of whose organization it has been.
///
/// Choice: a message does not say which group made a copy of it.
fn comes_from_group(topology: &Topology, addressed: &[Mailbox], been_at: &[Domain]) -> bool {
    let has_been = |organization: OrganizationId| {
        topology.servers().any(|(_, server)| {
            let own = server.organization == organization;
            let mut services = server.services.iter();
            own && services.any(|service| been_at.contains(&service.received_by))
        })
    };
    let mut met: Vec<Mailbox> = addressed.to_vec();
    let mut next = 0;
    while let Some(address) = met.get(next).cloned() {
        next += 1;
        for (organization, _) in topology.organizations() {
            for id in topology.recipients_at(organization, &address) {
                match &topology.recipient(*id).kind {
                    RecipientKind::Group { .. } if has_been(organization) => return true,
                    RecipientKind::DistributionGroup(group) => {
                        let members = group
                            .members
                            .iter()
                            .map(|member| topology.address_of(member));
                        let news: Vec<_> =
                            members.filter(|one| !met.contains(one)).cloned().collect();
                        met.extend(news);
                    }
                    RecipientKind::Group { .. }
                    | RecipientKind::RemoteGroup { .. }
                    | RecipientKind::Mailbox { .. }
                    | RecipientKind::MailUser { .. } => {}
                }
            }
        }
    }
    false
}

/// Whether a sender wants its own posts to groups back.
fn asked_for_echo(topology: &Topology, sender: &Mailbox) -> bool {
    topology.organizations().any(|(organization, _)| {
        topology
            .recipients_at(organization, sender)
            .iter()
            .any(|id| match topology.recipient(*id).kind {
                RecipientKind::Mailbox { echo, .. } | RecipientKind::MailUser { echo, .. } => echo,
                RecipientKind::DistributionGroup(_)
                | RecipientKind::Group { .. }
                | RecipientKind::RemoteGroup { .. } => false,
            })
    })
}

/// The addresses in a message's To and Cc fields.
fn addressed(headers: &HeaderSection) -> Vec<Mailbox> {
    let fields = ["To", "Cc"].into_iter().flat_map(|name| headers.all(name));
    let mut found = Vec::new();
    for field in fields {
        let addresses = field.split(',').filter_map(|part| {
            let bare = part.rsplit_once('<').map_or(part, |(_, rest)| rest);
            Mailbox::parse(bare.trim().trim_end_matches('>')).ok()
        });
        found.extend(addresses);
    }
    found
}
