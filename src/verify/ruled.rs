//! Whom mail-flow rules, and recipients' policies about senders, tell apart: part of what makes a class
//! of addresses.

use std::collections::{BTreeSet, HashMap};
use std::fmt::Write as _;

use crate::mail::{ByteSize, Mailbox};
use crate::model::{
    Action, Condition, MailUserFlavour, Member, Recipient, RecipientId, RecipientKind, Topology,
    TransportRule,
};

/// The conditions that name each address, in words that are equal for addresses that every rule
/// treats alike.
#[derive(Clone, Debug, Default)]
pub(super) struct Marks {
    named: HashMap<Mailbox, String>,
    /// What matters of an address as a sender alone.
    senders: HashMap<Mailbox, String>,
    /// Whether any rule asks who a sender is.
    asks: bool,
}

impl Marks {
    pub(super) fn new(topology: &Topology) -> Self {
        let mut marks = Self::default();
        for rule in &topology.parts().rules {
            marks.brought_in(topology, rule);
            marks.asks |= conditions(rule).any(|condition| {
                matches!(
                    condition,
                    Condition::FromScope(_) | Condition::SenderDomainIs(_)
                )
            });
            for (index, condition) in conditions(rule).enumerate() {
                let mut named = BTreeSet::new();
                let (people, groups): (&[Member], &[Member]) = match condition {
                    Condition::From(members) | Condition::SentTo(members) => (members, &[]),
                    Condition::FromMemberOf(groups) | Condition::SentToMemberOf(groups) => {
                        (&[], groups)
                    }
                    Condition::Content(_)
                    | Condition::FromScope(_)
                    | Condition::MessageSizeOver(_)
                    | Condition::RecipientDomainIs(_)
                    | Condition::SenderDomainIs(_)
                    | Condition::SentToScope(_) => continue,
                };
                people.iter().for_each(|who| add(topology, who, &mut named));
                groups
                    .iter()
                    .for_each(|group| members(topology, group, &mut named, &mut Vec::new()));
                for address in named {
                    let mark = marks.named.entry(address).or_default();
                    mark.push_str(&format!("|{}.{index}", name(rule)));
                }
            }
        }
        marks.listed(topology);
        marks
    }

    /// Who reads what a rule brings in: their own messages come back to them, or are held back; and what
    /// is written to them, they get twice.
    fn brought_in(&mut self, topology: &Topology, rule: &TransportRule) {
        let members = rule.actions.iter().flat_map(|action| match action {
            Action::Add(members) | Action::Redirect(members) => members.as_slice(),
            Action::Delete | Action::Reject { .. } | Action::RequireTls | Action::Route(_) => &[],
        });
        for (index, member) in members.enumerate() {
            let mut named = BTreeSet::new();
            readers(topology, member, &mut named, &mut Vec::new());
            for address in named {
                let echo = wants_echo(topology, &address);
                let mark = self.named.entry(address).or_default();
                mark.push_str(&format!("|{}+{index}{echo}", name(rule)));
            }
        }
    }

    /// Who is in the lists of senders that recipients have, and what senders' own limits are.
    fn listed(&mut self, topology: &Topology) {
        for (id, recipient) in topology.recipients() {
            let Some(policy) = recipient.exceptions.as_deref() else {
                continue;
            };
            let own = format!("|{:?}{:?}", policy.max_send_size, policy.recipient_limit);
            for address in &recipient.addresses {
                *self.senders.entry(address.clone()).or_default() += &own;
            }
            let moderation = policy.moderation.as_ref();
            let owners = match &recipient.kind {
                RecipientKind::DistributionGroup(group) => group.managed_by.as_slice(),
                _ => &[],
            };
            let moderators = moderation.map_or(&[][..], |moderation| &moderation.moderators);
            let passing = moderation.map_or(&[][..], |moderation| &moderation.bypass);
            let owners = if moderation.is_some() { owners } else { &[] };
            let (accepted, rejected) = (&policy.accept_only_from, &policy.reject_from);
            let lists = [accepted, rejected, moderators, passing, owners];
            for (index, list) in lists.into_iter().enumerate() {
                let mut named = BTreeSet::new();
                for member in list {
                    add(topology, member, &mut named);
                    members(topology, member, &mut named, &mut Vec::new());
                }
                for address in named {
                    let mark = self.senders.entry(address).or_default();
                    mark.push_str(&format!("|{}:{index}", id.index()));
                }
            }
        }
    }

    /// What the rules see of a sender: who it is in each organization, too.
    pub(super) fn of_sender(&self, topology: &Topology, address: &Mailbox) -> String {
        let listed = self.senders.get(address).map_or("", String::as_str);
        let mut text = format!("{}{listed}", self.of(address));
        for (organization, _) in topology.organizations().filter(|_| self.asks) {
            for id in topology.recipients_at(organization, address) {
                let recipient = topology.recipient(*id);
                let contact = matches!(
                    recipient.kind,
                    RecipientKind::MailUser {
                        flavour: MailUserFlavour::Contact,
                        ..
                    }
                );
                let domain = &recipient.primary().domain;
                let _ = write!(text, "|{}:{contact}:{domain}", organization.index());
            }
        }
        text
    }

    /// What the rules have against an address.
    pub(super) fn of(&self, address: &Mailbox) -> &str {
        self.named.get(address).map_or("", String::as_str)
    }
}

/// The sizes above which rules do something else.
pub(super) fn sizes(topology: &Topology) -> impl Iterator<Item = ByteSize> {
    let all = topology.parts().rules.iter().flat_map(conditions);
    all.filter_map(|condition| match condition {
        Condition::MessageSizeOver(size) => Some(ByteSize(size.0.saturating_sub(1))),
        _ => None,
    })
}

/// A rule's name, apart from the same one of another organization.
fn name(rule: &TransportRule) -> String {
    format!("{}/{}", rule.organization.index(), rule.name)
}

fn conditions(rule: &TransportRule) -> impl Iterator<Item = &Condition> {
    rule.conditions.iter().chain(&rule.exceptions)
}

fn add(topology: &Topology, who: &Member, named: &mut BTreeSet<Mailbox>) {
    match who {
        Member::Nobody(address) => {
            named.insert(address.clone());
        }
        Member::Recipient(id) => named.extend(topology.recipient(*id).addresses.iter().cloned()),
    }
}

/// Everybody in a group, and in the groups in it.
fn members(
    topology: &Topology,
    group: &Member,
    named: &mut BTreeSet<Mailbox>,
    seen: &mut Vec<RecipientId>,
) {
    let Member::Recipient(id) = group else {
        return;
    };
    if seen.contains(id) {
        return;
    }
    seen.push(*id);
    let inside = match &topology.recipient(*id).kind {
        RecipientKind::DistributionGroup(group) => &group.members,
        RecipientKind::Group { members, .. } | RecipientKind::RemoteGroup { members, .. } => {
            members
        }
        RecipientKind::Mailbox { .. } | RecipientKind::MailUser { .. } => return,
    };
    for member in inside {
        add(topology, member, named);
        members(topology, member, named, seen);
    }
}

/// Everybody who gets what is sent to somebody, by way of groups, target addresses and forwarding.
fn readers(
    topology: &Topology,
    who: &Member,
    named: &mut BTreeSet<Mailbox>,
    seen: &mut Vec<RecipientId>,
) {
    add(topology, who, named);
    let holders = match who {
        Member::Recipient(id) => vec![*id],
        Member::Nobody(address) => holders(topology, address),
    };
    for id in holders {
        if seen.contains(&id) {
            continue;
        }
        seen.push(id);
        named.extend(topology.recipient(id).addresses.iter().cloned());
        for member in onward(topology, id) {
            readers(topology, &member, named, seen);
        }
    }
}

/// To whom mail for a recipient goes on.
fn onward(topology: &Topology, id: RecipientId) -> Vec<Member> {
    let recipient = topology.recipient(id);
    let mut members = forwarded_to(recipient);
    match &recipient.kind {
        RecipientKind::DistributionGroup(group) => members.extend(group.members.iter().cloned()),
        RecipientKind::Group { subscribers, .. } => members.extend(subscribers.iter().cloned()),
        RecipientKind::MailUser { target_address, .. }
        | RecipientKind::RemoteGroup { target_address, .. } => {
            members.extend(target_address.iter().cloned().map(Member::Nobody));
        }
        RecipientKind::Mailbox { .. } => {}
    }
    members
}

/// To whom a mailbox forwards.
pub(super) fn forwarded_to(recipient: &Recipient) -> Vec<Member> {
    let forwarding = &recipient.policy().forwarding;
    let rules = forwarding.inbox_rules.iter().map(|rule| &rule.target);
    let addresses = forwarding.smtp_address.iter().chain(rules).cloned();
    let mut members: Vec<Member> = forwarding.address.iter().cloned().collect();
    members.extend(addresses.map(Member::Nobody));
    members
}

fn holders(topology: &Topology, address: &Mailbox) -> Vec<RecipientId> {
    topology
        .organizations()
        .flat_map(|(organization, _)| topology.recipients_at(organization, address))
        .copied()
        .collect()
}

fn wants_echo(topology: &Topology, address: &Mailbox) -> bool {
    holders(topology, address)
        .iter()
        .any(|id| match topology.recipient(*id).kind {
            RecipientKind::Mailbox { echo, .. } | RecipientKind::MailUser { echo, .. } => echo,
            RecipientKind::DistributionGroup(_)
            | RecipientKind::Group { .. }
            | RecipientKind::RemoteGroup { .. } => false,
        })
}
