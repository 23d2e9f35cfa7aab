//! Addresses that a world names one by one: in the conditions of mail-flow rules, in block lists, as a
//! postmaster's. Whoever is named is apart from those who are not.

use std::collections::{BTreeSet, HashMap};
use std::hash::{Hash, Hasher};

use crate::mail::{ByteSize, Mailbox};
use crate::model::{
    Action, Condition, Member, RecipientId, RecipientKind, Topology, TransportRule,
};

/// What names each address, in words that are equal for addresses that the same things name.
#[derive(Clone, Debug, Default)]
pub(in crate::verify) struct Marks {
    named: HashMap<Mailbox, String>,
}

impl Marks {
    pub(in crate::verify) fn new(topology: &Topology) -> Self {
        let mut marks = Self::default();
        for (number, rule) in topology.parts().rules.iter().enumerate() {
            for (index, condition) in conditions(rule).enumerate() {
                for address in named_by(topology, condition) {
                    marks.add(address, &format!("|rule{number}.{index}"));
                }
            }
        }
        for (id, server) in topology.servers() {
            let filter = &server.recipient_filter;
            let blocked: BTreeSet<&Mailbox> = filter.blocked.iter().collect();
            for address in blocked.into_iter().filter(|_| filter.block_list) {
                marks.add(address.clone(), &format!("|blocked{}", id.index()));
            }
        }
        for (id, organization) in topology.organizations() {
            if let Some(postmaster) = &organization.transport.external_postmaster {
                marks.add(postmaster.clone(), &format!("|postmaster{}", id.index()));
            }
        }
        marks
    }

    fn add(&mut self, address: Mailbox, mark: &str) {
        self.named.entry(address).or_default().push_str(mark);
    }

    /// Writes what sets an address apart from others of its domain.
    pub(in crate::verify) fn write(&self, address: &Mailbox, hasher: &mut impl Hasher) {
        let local = address.local_part.as_str();
        // Routing reads these local-parts: reports of the organization, addresses of other types.
        let read = ["imcea", "microsoftexchange"]
            .iter()
            .any(|prefix| starts_with(local, prefix));
        if read {
            local.hash(hasher);
        }
        if self.named.is_empty() {
            return;
        }
        if let Some(mark) = self.named.get(address) {
            mark.hash(hasher);
        }
    }
}

fn starts_with(text: &str, prefix: &str) -> bool {
    text.get(..prefix.len())
        .is_some_and(|start| start.eq_ignore_ascii_case(prefix))
}

/// Everybody whom rules bring into a message, each once, in the order of the rules.
pub(super) fn brought_in(topology: &Topology) -> Vec<&Member> {
    let rules = topology.parts().rules.iter();
    let actions = rules
        .filter(|rule| rule.enabled && rule.enforced)
        .flat_map(|rule| &rule.actions);
    let mut found: Vec<&Member> = Vec::new();
    for action in actions {
        let members = match action {
            Action::Add(members) | Action::Redirect(members) => members,
            Action::Delete | Action::Reject { .. } | Action::RequireTls | Action::Route(_) => {
                continue;
            }
        };
        for member in members {
            if !found.contains(&member) {
                found.push(member);
            }
        }
    }
    found
}

/// The sizes above which rules do something else.
pub(in crate::verify) fn sizes(topology: &Topology) -> impl Iterator<Item = ByteSize> {
    let all = topology.parts().rules.iter().flat_map(conditions);
    all.filter_map(|condition| match condition {
        Condition::MessageSizeOver(size) => Some(ByteSize(size.0.saturating_sub(1))),
        _ => None,
    })
}

fn conditions(rule: &TransportRule) -> impl Iterator<Item = &Condition> {
    rule.conditions.iter().chain(&rule.exceptions)
}

/// The addresses that a condition is about.
fn named_by(topology: &Topology, condition: &Condition) -> BTreeSet<Mailbox> {
    let mut named = BTreeSet::new();
    match condition {
        Condition::From(people) | Condition::SentTo(people) => {
            people.iter().for_each(|who| add(topology, who, &mut named));
        }
        Condition::FromMemberOf(groups) | Condition::SentToMemberOf(groups) => {
            for member in within(topology, groups) {
                add(topology, member, &mut named);
            }
        }
        Condition::Content(_)
        | Condition::FromScope(_)
        | Condition::MessageSizeOver(_)
        | Condition::RecipientDomainIs(_)
        | Condition::SenderDomainIs(_)
        | Condition::SentToScope(_) => {}
    }
    named
}

fn add(topology: &Topology, who: &Member, named: &mut BTreeSet<Mailbox>) {
    match who {
        Member::Nobody(address) => {
            named.insert(address.clone());
        }
        Member::Recipient(id) => named.extend(topology.recipient(*id).addresses.iter().cloned()),
    }
}

/// Everybody in these groups, and in the groups in them.
pub(in crate::verify) fn within<'a>(topology: &'a Topology, groups: &[Member]) -> Vec<&'a Member> {
    let id = |member: &Member| match member {
        Member::Recipient(id) => Some(*id),
        Member::Nobody(_) => None,
    };
    let mut found = Vec::new();
    let mut open: Vec<RecipientId> = groups.iter().filter_map(id).collect();
    let mut seen: BTreeSet<RecipientId> = open.iter().copied().collect();
    while let Some(group) = open.pop() {
        for member in members(topology, group) {
            found.push(member);
            open.extend(id(member).filter(|id| seen.insert(*id)));
        }
    }
    found
}

/// The members of a group; nobody where it is none.
fn members(topology: &Topology, group: RecipientId) -> &[Member] {
    match &topology.recipient(group).kind {
        RecipientKind::DistributionGroup(group) => &group.members,
        RecipientKind::Group { members, .. } | RecipientKind::RemoteGroup { members, .. } => {
            members
        }
        RecipientKind::Mailbox { .. } | RecipientKind::MailUser { .. } => &[],
    }
}
