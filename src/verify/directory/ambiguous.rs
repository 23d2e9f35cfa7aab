//! Addresses that several recipients of one organization hold (Exchange Server, "Recipient resolution").

use std::collections::BTreeMap;

use crate::flow::Fork;
use crate::mail::{EnhancedStatus, Mailbox};
use crate::model::{
    MailUserFlavour, OrganizationId, Recipient, RecipientId, RecipientKind, Topology,
};
use crate::verify::context::{Context, Found};
use crate::verify::edit;
use crate::verify::finding::{Edit, Finding};
use crate::verify::hybrid;
use crate::verify::people;
use crate::verify::powershell;
use crate::verify::questions::Asked;
use crate::verify::stage::{Rule, Stage};

/// The rules of this file.
pub(in crate::verify) const RULES: &[Rule] = &[Rule::new(Stage::Outcome, check)];

/// One finding for each address that is held twice.
fn check(context: &Context<'_>) -> Vec<Found> {
    let topology = context.topology;
    let mut shared: BTreeMap<(OrganizationId, &Mailbox), &[RecipientId]> = BTreeMap::new();
    let organization = |id: &RecipientId| topology.recipient(*id).organization;
    for address in &context.survey.shared {
        let holders = topology.holders(address);
        let by_organization = holders.chunk_by(|a, b| organization(a) == organization(b));
        for holders in by_organization.filter(|holders| holders.len() > 1) {
            shared.insert((organization(&holders[0]), address), holders);
        }
    }
    let found = shared
        .into_iter()
        .map(|((_, address), holders)| ambiguous(context, address, holders));
    found.collect()
}

fn ambiguous(context: &Context<'_>, address: &Mailbox, holders: &[RecipientId]) -> Found {
    let topology = context.topology;
    let mut holders: Vec<&Recipient> = holders.iter().map(|id| topology.recipient(*id)).collect();
    // Which of them should lose it: one that has it beside another, then one that only leads elsewhere.
    holders.sort_by_key(|recipient| (recipient.primary() == address, !leads_elsewhere(recipient)));
    let names: Vec<String> = holders
        .iter()
        .map(|recipient| format!("`{}`", recipient.name))
        .collect();
    let loser = holders[0];
    let organization = &topology.organization(loser.organization).name;
    let message = format!(
        "the address `{address}` belongs to several recipients of `{organization}`: {}",
        names.join(", ")
    );
    let settings = &loser.settings;
    let place = settings.written("EmailAddresses");
    let place = place.or_else(|| settings.at("PrimarySmtpAddress"));
    let mut draft = Finding::of("ambiguous-address", place, message)
        .help("take the address from all but one of them");
    if let Some((script, edits)) = taken_from(topology, loser, address) {
        draft = draft.fix(hybrid::side(topology, loser.organization), script, edits);
    }
    let class = context.survey.recipient_class(address);
    draft.explains(context, |asked| {
        Some(asked.to) == class || is_refused_as_ambiguous(asked)
    })
}

/// The change that leaves a recipient without an address, where one is obvious.
fn taken_from(
    topology: &Topology,
    recipient: &Recipient,
    address: &Mailbox,
) -> Option<(String, Option<Edit>)> {
    let cmdlet = people::cmdlet(recipient)?;
    let identity = powershell::quoted(&recipient.name);
    if recipient.primary() != address {
        let kept = recipient.addresses.iter().filter(|other| *other != address);
        let at = recipient.settings.written("EmailAddresses");
        let edit = at.map(|at| edit::replace(at, edit::addresses(kept, recipient.primary())));
        let remove = powershell::quoted(address);
        let script =
            format!("Set-{cmdlet} -Identity {identity} -EmailAddresses @{{Remove={remove}}}");
        return Some((script, edit));
    }
    leads_elsewhere(recipient).then(|| {
        let siblings = topology.recipients().map(|(_, other)| other);
        let siblings = siblings.filter(|other| other.organization == recipient.organization);
        let siblings = siblings.filter(|other| other.type_details() == recipient.type_details());
        let edit = edit::remove_object(&recipient.settings, siblings.map(|other| &other.settings));
        (format!("Remove-{cmdlet} -Identity {identity}"), edit)
    })
}

/// Whether a recipient is a contact or a mail user: without it, no mailbox is lost.
fn leads_elsewhere(recipient: &Recipient) -> bool {
    matches!(
        recipient.kind,
        RecipientKind::MailUser {
            flavour: MailUserFlavour::Contact | MailUserFlavour::MailUser,
            ..
        }
    )
}

/// Whether a copy of a group, or the message itself, fails because an address is ambiguous.
fn is_refused_as_ambiguous(asked: &Asked) -> bool {
    let ambiguous = EnhancedStatus::new(5, 1, 4);
    let status = |fork: &Fork| fork.status.as_ref().map(|status| status.enhanced);
    let forks = asked.ordinary().forks.iter();
    forks
        .into_iter()
        .any(|fork| status(fork) == Some(ambiguous))
}
