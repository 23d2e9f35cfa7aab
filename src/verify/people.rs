//! Recipients as findings speak of them: one of many by name, the flows that fail for them, where a
//! new one is written, what its keys are.

use std::collections::{BTreeSet, HashSet};

use super::context::Context;
use super::edit;
use super::finding::Edit;
use super::questions::Asked;
use crate::diag::Location;
use crate::flow::Fork;
use crate::mail::Mailbox;
use crate::model::{
    MailUserFlavour, Member, OrganizationId, Recipient, RecipientId, RecipientKind, Topology,
};

/// For how many recipients a fix is written out. Choice: nobody reads a longer script, and the next
/// run finds what it leaves.
pub(super) const MENDED_MAX: usize = 50;

/// The first of several, and how many more there are.
pub(super) fn and_others(first: impl std::fmt::Display, count: usize) -> String {
    match count.saturating_sub(1) {
        0 => format!("`{first}`"),
        1 => format!("`{first}` and one more"),
        others => format!("`{first}` and {others} more"),
    }
}

/// The open questions in which a copy for one of these addresses fails.
pub(super) fn failing_for(context: &Context<'_>, addresses: &HashSet<&Mailbox>) -> Vec<usize> {
    let fails = |fork: &Fork| {
        let failure = fork.disposition.is_failure();
        failure && addresses.contains(&fork.recipient)
    };
    context.open_where(|asked| {
        let mut flows = asked.answers.iter().map(|(_, flow)| flow);
        context.is_amiss(asked) && flows.any(|flow| flow.forks.iter().any(fails))
    })
}

/// Whether mail that should arrive does not.
pub(super) fn is_lost(context: &Context<'_>, asked: &Asked) -> bool {
    let mut forks = asked.ordinary().forks.iter();
    forks.any(|fork| fork.disposition.is_failure() && !context.is_wanted(asked, fork))
}

/// Inserts a recipient into the file of its organization: before the first of its kind there, or as
/// the first. `path` is the name of its list in TOML.
pub(super) fn insert(
    topology: &Topology,
    organization: OrganizationId,
    path: &str,
    details: &str,
    keys: &[(&str, String)],
) -> Option<Edit> {
    let settings = &topology.organization(organization).settings;
    let file = settings.object.as_ref().map(|at| &at.file);
    // A directory that has a file of its own has no room for objects.
    let here = |at: &&Location| Some(&at.file) == file;
    let sibling = topology
        .recipients()
        .filter(|(_, other)| other.organization == organization)
        .filter(|(_, other)| other.type_details() == details)
        .find_map(|(_, other)| other.settings.object.as_ref().filter(here));
    edit::add_object(settings, sibling, path, keys)
}

/// The keys that name a recipient and its addresses.
pub(super) fn named(recipient: &Recipient) -> Vec<(&'static str, String)> {
    let primary = recipient.primary();
    let mut keys = vec![
        ("Name", edit::quoted(&recipient.name)),
        ("PrimarySmtpAddress", edit::quoted(&primary.to_string())),
    ];
    if recipient.addresses.len() > 1 {
        let all = edit::addresses(&recipient.addresses, primary);
        keys.push(("EmailAddresses", all));
    }
    keys
}

/// The address by which a recipient of a tenant is reached from on premises: the one in the domain
/// that the hybrid wizard made.
pub(super) fn routing_address<'a>(
    topology: &Topology,
    recipient: &'a Recipient,
) -> Option<&'a Mailbox> {
    let coexistence = |address: &&Mailbox| {
        let accepted = topology.accepted_domain_for(recipient.organization, &address.domain);
        accepted.is_some_and(|id| topology.accepted_domain(id).cloud.coexistence)
    };
    recipient.addresses.iter().find(coexistence)
}

/// Whether an organization has the mailbox of an address.
pub(super) fn has_mailbox(
    topology: &Topology,
    organization: OrganizationId,
    address: &Mailbox,
) -> bool {
    any_mailbox(topology, topology.recipients_at(organization, address))
}

/// Whether a mailbox is among recipients.
pub(super) fn any_mailbox(topology: &Topology, recipients: &[RecipientId]) -> bool {
    let mut kinds = recipients.iter().map(|id| &topology.recipient(*id).kind);
    kinds.any(|kind| matches!(kind, RecipientKind::Mailbox { .. }))
}

/// The Microsoft 365 Groups of a tenant, in the order of the world.
pub(super) fn groups<'a>(context: &Context<'a>, tenant: OrganizationId) -> Vec<&'a Recipient> {
    let topology = context.topology;
    let classes = context.survey.recipients.iter();
    let ids: BTreeSet<RecipientId> = classes.flat_map(|class| class.groups(topology)).collect();
    let groups = ids.into_iter().map(|id| topology.recipient(id));
    groups
        .filter(|group| group.organization == tenant)
        .filter(|group| matches!(group.kind, RecipientKind::Group { .. }))
        .collect()
}

/// How many recipients an organization has.
pub(super) fn count(topology: &Topology, organization: OrganizationId) -> usize {
    let all = topology.recipients();
    all.filter(|(_, recipient)| recipient.organization == organization)
        .count()
}

/// The recipients among members.
pub(super) fn known<'a>(
    topology: &'a Topology,
    members: &'a [Member],
) -> impl Iterator<Item = (RecipientId, &'a Recipient)> {
    members.iter().filter_map(|member| match member {
        Member::Recipient(id) => Some((*id, topology.recipient(*id))),
        Member::Nobody(_) => None,
    })
}

/// The noun of the cmdlets for a recipient; none for what another system writes.
pub(super) fn cmdlet(recipient: &Recipient) -> Option<&'static str> {
    Some(match &recipient.kind {
        RecipientKind::Mailbox { .. } => "Mailbox",
        RecipientKind::MailUser { flavour, .. } => match flavour {
            MailUserFlavour::Contact => "MailContact",
            MailUserFlavour::MailUser => "MailUser",
            MailUserFlavour::RemoteMailbox => "RemoteMailbox",
        },
        RecipientKind::Group { .. } => "UnifiedGroup",
        RecipientKind::DistributionGroup(group) if group.dynamic => "DynamicDistributionGroup",
        RecipientKind::DistributionGroup(_) => "DistributionGroup",
        RecipientKind::RemoteGroup { .. } => return None,
    })
}
