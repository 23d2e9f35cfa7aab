//! Members of groups that are nobody (Exchange Server, "Recipient resolution").

use std::collections::BTreeMap;

use super::unknown;
use crate::flow::Fork;
use crate::mail::Mailbox;
use crate::model::{Member, Recipient, RecipientKind, Topology};
use crate::verify::context::{Context, Found};
use crate::verify::edit;
use crate::verify::finding::{Edit, Finding, Side};
use crate::verify::hybrid;
use crate::verify::people::{self, MENDED_MAX};
use crate::verify::powershell;
use crate::verify::stage::{Rule, Stage};

/// The rules of this file.
pub(in crate::verify) const RULES: &[Rule] = &[Rule::new(Stage::Outcome, check)];

/// One finding for each address: whoever left is still in every group that he was in.
fn check(context: &Context<'_>) -> Vec<Found> {
    let topology = context.topology;
    let mut groups: BTreeMap<&Mailbox, Vec<&Recipient>> = BTreeMap::new();
    for (_, group) in topology.groups() {
        let members = match &group.kind {
            RecipientKind::Group { members, .. } => members,
            // What a query gives is the query's, and nobody can take a member out.
            RecipientKind::DistributionGroup(list) if !list.dynamic => &list.members,
            _ => continue,
        };
        for member in members {
            // Whom synchronization leaves out is another finding, and becomes a member when mended.
            if let Member::Nobody(address) = member
                && !unknown::is_unsynchronized(topology, group.organization, address)
            {
                groups.entry(address).or_default().push(group);
            }
        }
    }
    let found = groups.into_iter();
    found
        .filter_map(|(address, groups)| unknown_member(context, address, &groups))
        .collect()
}

/// A distribution group may name an address outside without an object that stands for it: that is a finding
/// where its mail fails. A Microsoft 365 Group cannot.
fn unknown_member(
    context: &Context<'_>,
    address: &Mailbox,
    groups: &[&Recipient],
) -> Option<Found> {
    let topology = context.topology;
    let lost = |fork: &Fork| fork.recipient == *address && fork.disposition.is_failure();
    // Mail to the address itself is another matter.
    let claims = context.open_where(|asked| {
        let flow = asked.ordinary();
        !flow.question.to.contains(address) && flow.forks.iter().any(lost)
    });
    let is_list = |group: &&&Recipient| matches!(group.kind, RecipientKind::DistributionGroup(_));
    if claims.is_empty() && groups.iter().all(|group| is_list(&group)) {
        return None;
    }
    // The same group on both sides is one.
    let mut named: Vec<&Recipient> = Vec::new();
    for group in groups {
        if !named.iter().any(|other| other.primary() == group.primary()) {
            named.push(group);
        }
    }
    let first = named.first()?;
    let message = format!(
        "`{address}` is a member of {} and no recipient of its organization",
        people::and_others(first.primary(), named.len())
    );
    let mut draft = Finding::of("unknown-member", first.settings.at("Members"), message)
        .help("remove the member, or synchronize the recipient");
    for side in [Side::OnPremises, Side::ExchangeOnline] {
        let own = |group: &&&Recipient| hybrid::side(topology, group.organization) == side;
        let scripts = named.iter().filter(own).take(MENDED_MAX);
        let scripts: Vec<String> = scripts.map(|group| removal(group, address)).collect();
        if scripts.is_empty() {
            continue;
        }
        let edits = groups.iter().filter(|group| {
            let mut named = named.iter().filter(own);
            named.any(|named| named.primary() == group.primary())
        });
        let edits = edits.flat_map(|group| {
            let keys = ["Members", "Subscribers"].into_iter();
            keys.filter_map(|key| without_member(topology, group, key, address))
        });
        draft = draft.fix(side, scripts.join("\n"), edits.collect::<Vec<_>>());
    }
    Some(draft.claims(context, claims))
}

/// The cmdlet that takes a member out of a group.
fn removal(group: &Recipient, address: &Mailbox) -> String {
    let (group_name, member) = (
        powershell::quoted(group.primary()),
        powershell::quoted(address),
    );
    match &group.kind {
        RecipientKind::Group { .. } => format!(
            "Remove-UnifiedGroupLinks -Identity {group_name} -LinkType Members -Links {member}"
        ),
        _ => format!("Remove-DistributionGroupMember -Identity {group_name} -Member {member}"),
    }
}

/// A list of members without one of them, where it is written.
fn without_member(
    topology: &Topology,
    group: &Recipient,
    key: &str,
    address: &Mailbox,
) -> Option<Edit> {
    let list = match (&group.kind, key) {
        (RecipientKind::Group { members, .. }, "Members") => members,
        (RecipientKind::Group { subscribers, .. }, _) => subscribers,
        (RecipientKind::DistributionGroup(list), "Members") => &list.members,
        _ => return None,
    };
    let written = list.iter().map(|member| match member {
        Member::Recipient(id) => topology.recipient(*id).primary(),
        Member::Nobody(address) => address,
    });
    let kept = written.filter(|other| *other != address);
    let at = group.settings.written(key)?;
    Some(edit::replace(at, edit::list(kept.map(ToString::to_string))))
}
