//! Whom mail-flow rules tell apart: part of what makes a class of addresses.

use std::collections::{BTreeSet, HashMap};

use crate::mail::{ByteSize, Mailbox};
use crate::model::{Condition, Member, RecipientId, RecipientKind, Topology, TransportRule};

/// The conditions that name each address, in words that are equal for addresses that every rule
/// treats alike.
#[derive(Clone, Debug, Default)]
pub(super) struct Marks(HashMap<Mailbox, String>);

impl Marks {
    pub(super) fn new(topology: &Topology) -> Self {
        let mut marks = Self::default();
        for rule in &topology.parts().rules {
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
                    let mark = marks.0.entry(address).or_default();
                    mark.push_str(&format!("|{}.{index}", rule.name));
                }
            }
        }
        marks
    }

    /// What the rules have against an address.
    pub(super) fn of(&self, address: &Mailbox) -> &str {
        self.0.get(address).map_or("", String::as_str)
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
