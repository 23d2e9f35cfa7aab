//! A world's directories as a graph: its points are addresses and recipients; its edges are what
//! routing may go along. From an address to whoever holds it, in every organization; from a recipient to
//! its target address, to where it is forwarded, to those who get copies of what a group gets, to the
//! manager who gets its reports, to the mailbox where messages wait for a moderator.

use std::hash::{Hash, Hasher};

use super::domains::Domains;
use super::spot::Spot;
use crate::mail::Mailbox;
use crate::model::{Member, Moderation, Recipient, RecipientId, RecipientKind, Topology};

/// A point of the graph.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Point<'a> {
    /// An address, whoever has it.
    Address(Spot<'a>),
    /// A recipient that is named as an object.
    Recipient(RecipientId),
}

impl<'a> Point<'a> {
    /// The point that a member of a list is.
    pub(super) fn of(topology: &Topology, member: &'a Member) -> Self {
        match member {
            Member::Nobody(address) => Self::Address(Spot::find(topology, address)),
            Member::Recipient(id) => Self::Recipient(*id),
        }
    }
}

/// What leads from a point to the next.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(in crate::verify) enum Way {
    /// Whoever holds the address, as the primary one.
    Holder,
    /// Whoever holds it, as another one.
    SecondaryHolder,
    /// The primary address, where it is looked up again.
    Primary,
    /// `ExternalEmailAddress` or the like.
    Target,
    /// Forwarding by an administrator or a user.
    Forwarding,
    /// An Inbox rule that keeps the sender.
    Redirecting,
    /// An Inbox rule that writes in the name of the mailbox.
    ForwardingAnew,
    /// A copy for a subscriber of a Microsoft 365 Group.
    Copy,
    /// A copy for a member of a distribution group.
    Member,
    /// The manager who gets the reports.
    Manager,
    /// Where messages wait for a moderator.
    Arbitration,
}

/// One way on from a point.
#[derive(Clone, Copy, Debug)]
pub(in crate::verify) struct Edge<'a> {
    /// What leads on.
    pub(in crate::verify) way: Way,
    /// Where to.
    pub(super) to: Point<'a>,
}

/// A point that was met on the way from an address.
#[derive(Clone, Copy, Debug)]
pub(super) struct Met<'a> {
    /// The point.
    pub(super) point: Point<'a>,
    /// The number of the point it was met from; `None`: it is where the way begins.
    pub(in crate::verify) from: Option<u32>,
    /// How it was met.
    pub(in crate::verify) way: Option<Way>,
    /// Whether nobody is like it where it was met.
    pub(in crate::verify) alone: bool,
}

/// Which list of senders a recipient has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) enum ListKind {
    /// `AcceptMessagesOnlyFromSendersOrMembers`.
    Accepted,
    /// `RejectMessagesFromSendersOrMembers`.
    Rejected,
    /// `ModeratedBy`, or the owners in place of nobody.
    Moderators,
    /// `BypassModerationFromSendersOrMembers`.
    Bypass,
}

/// A list of senders that was met.
#[derive(Clone, Copy, Debug)]
pub(super) struct List<'a> {
    /// The number of the recipient that has it.
    pub(in crate::verify) at: u32,
    /// Which of its lists.
    pub(in crate::verify) kind: ListKind,
    /// Who is on it.
    pub(in crate::verify) members: &'a [Member],
}

/// The recipients that hold an address, in every organization.
pub(in crate::verify) fn holders<'a>(
    topology: &'a Topology,
    address: &'a Mailbox,
) -> impl Iterator<Item = RecipientId> + 'a {
    topology.holders(address).iter().copied()
}

/// Whether a user's own posts to groups come back.
pub(super) fn wants_echo(recipient: &Recipient) -> bool {
    match recipient.kind {
        RecipientKind::Mailbox { echo, .. } | RecipientKind::MailUser { echo, .. } => echo,
        RecipientKind::DistributionGroup(_)
        | RecipientKind::Group { .. }
        | RecipientKind::RemoteGroup { .. } => false,
    }
}

/// What routing reads of a recipient, but for those it names and for what it is to a sender.
pub(in crate::verify) fn describe(
    recipient: &Recipient,
    alike: &Domains,
    hasher: &mut impl Hasher,
) {
    recipient.organization.index().hash(hasher);
    recipient.type_details().hash(hasher);
    alike.write(&recipient.primary().domain, hasher);
    recipient.require_sender_authentication.hash(hasher);
    if let Some(policy) = recipient.exceptions.as_deref() {
        let text = format!(
            "{:?}:{}:{:?}:{:?}:{:?}:{}:{}:{:?}:{}:{}:{}",
            policy.mailbox_type,
            policy.forwarding.deliver_too,
            policy.max_send_size,
            policy.max_receive_size,
            policy.recipient_limit,
            policy.accept_only_from.is_empty(),
            policy.moderation.is_some(),
            policy.foreign_address,
            policy.guest,
            policy.has_database,
            policy.licensed,
        );
        text.hash(hasher);
    }
    match &recipient.kind {
        RecipientKind::Mailbox { server, .. } => server.index().hash(hasher),
        RecipientKind::RemoteGroup { mail_enabled, .. } => mail_enabled.hash(hasher),
        RecipientKind::DistributionGroup(group) => {
            let expansion = group.expansion_server.map(|server| server.index());
            let reports = (group.report_to_originator, group.report_to_manager);
            (format!("{:?}", group.broken), expansion, reports).hash(hasher);
        }
        RecipientKind::Group { .. } | RecipientKind::MailUser { .. } => {}
    }
}

/// The lists of senders that a recipient has.
pub(super) fn lists<'a>(recipient: &'a Recipient, at: u32, found: &mut Vec<List<'a>>) {
    let Some(policy) = recipient.exceptions.as_deref() else {
        return;
    };
    let moderation = policy.moderation.as_ref();
    let moderators = moderation.map_or(&[][..], |moderation| moderators(recipient, moderation));
    let bypass = moderation.map_or(&[][..], |moderation| &moderation.bypass);
    let all = [
        (ListKind::Accepted, policy.accept_only_from.as_slice()),
        (ListKind::Rejected, policy.reject_from.as_slice()),
        (ListKind::Moderators, moderators),
        (ListKind::Bypass, bypass),
    ];
    for (kind, members) in all {
        if !members.is_empty() {
            found.push(List { at, kind, members });
        }
    }
}

/// Who approves; the owners where nobody is named.
fn moderators<'a>(recipient: &'a Recipient, moderation: &'a Moderation) -> &'a [Member] {
    if !moderation.moderators.is_empty() {
        return &moderation.moderators;
    }
    match &recipient.kind {
        RecipientKind::DistributionGroup(group) => &group.managed_by,
        RecipientKind::Group { details, .. } => &details.owners,
        RecipientKind::Mailbox { .. }
        | RecipientKind::MailUser { .. }
        | RecipientKind::RemoteGroup { .. } => &[],
    }
}

/// The ways on from a point, in the order in which routing goes them.
pub(super) fn edges<'a>(topology: &'a Topology, point: Point<'a>) -> Vec<Edge<'a>> {
    match point {
        Point::Address(spot) => spot
            .holders(topology)
            .iter()
            .map(|id| {
                let id = *id;
                let primary = Some(topology.address_at(id, 0)) == spot.id;
                let way = if primary {
                    Way::Holder
                } else {
                    Way::SecondaryHolder
                };
                Edge {
                    way,
                    to: Point::Recipient(id),
                }
            })
            .collect(),
        Point::Recipient(id) => {
            let mut edges = Vec::new();
            of_policy(topology, id, &mut edges);
            of_kind(topology, id, &mut edges);
            edges
        }
    }
}

/// Where a recipient's mail goes because of what is set on it.
fn of_policy<'a>(topology: &'a Topology, id: RecipientId, edges: &mut Vec<Edge<'a>>) {
    let Some(policy) = topology.recipient(id).exceptions.as_deref() else {
        return;
    };
    let find = |address| Point::Address(Spot::find(topology, address));
    let mut lead = |way, to| edges.push(Edge { way, to });
    let forwarding = &policy.forwarding;
    match (&forwarding.address, &forwarding.smtp_address) {
        (Some(member), _) => lead(Way::Forwarding, Point::of(topology, member)),
        (None, Some(address)) => lead(Way::Forwarding, find(address)),
        (None, None) => {}
    }
    for rule in &forwarding.inbox_rules {
        let way = if rule.redirects {
            Way::Redirecting
        } else {
            Way::ForwardingAnew
        };
        lead(way, find(&rule.target));
    }
    if forwarding.inbox_rules.iter().any(|rule| !rule.redirects) {
        lead(Way::Primary, Point::Address(Spot::primary(topology, id)));
    }
    let moderation = policy.moderation.as_ref();
    if let Some(mailbox) = moderation.and_then(|each| each.arbitration_mailbox.as_ref()) {
        lead(Way::Arbitration, find(mailbox));
    }
}

/// Where a recipient's mail goes because of what it is.
fn of_kind<'a>(topology: &'a Topology, id: RecipientId, edges: &mut Vec<Edge<'a>>) {
    let recipient = topology.recipient(id);
    let primary = Spot::primary(topology, id);
    let mut lead = |way, to| edges.push(Edge { way, to });
    match &recipient.kind {
        RecipientKind::MailUser { .. } | RecipientKind::RemoteGroup { .. } => {
            match Spot::target(topology, id) {
                Some(target) => lead(Way::Target, Point::Address(target)),
                None => lead(Way::Primary, Point::Address(primary)),
            }
        }
        RecipientKind::Group { subscribers, .. } => {
            for member in subscribers {
                lead(Way::Copy, Point::of(topology, member));
            }
        }
        RecipientKind::DistributionGroup(group) => {
            for member in &group.members {
                lead(Way::Member, Point::of(topology, member));
            }
            if let Some(manager) = group.managed_by.first().filter(|_| group.report_to_manager) {
                let manager = match manager {
                    Member::Nobody(address) => Spot::find(topology, address),
                    Member::Recipient(id) => Spot::primary(topology, *id),
                };
                lead(Way::Manager, Point::Address(manager));
            }
        }
        RecipientKind::Mailbox { .. } => {}
    }
    // An address that others hold too is nobody's, where it is looked up again.
    let own = recipient.organization;
    let of_own = |id: &&RecipientId| topology.recipient(**id).organization == own;
    if primary.holders(topology).iter().filter(of_own).count() > 1 {
        lead(Way::Primary, Point::Address(primary));
    }
}
