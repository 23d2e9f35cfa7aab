//! Addresses that recipients should not have, or should not have first: in domains that the tenant has
//! not verified, and in the domain that is for routing.

use std::collections::HashSet;

use crate::diag::Severity;
use crate::flow::Disposition;
use crate::mail::Mailbox;
use crate::model::{MailUserFlavour, OrganizationId, Recipient, RecipientKind, Topology};
use crate::verify::classes::written::is_routing_address;
use crate::verify::context::{Context, Found};
use crate::verify::edit;
use crate::verify::finding::{Edit, Finding, Side};
use crate::verify::hybrid::{self, Pair};
use crate::verify::people::{self, MENDED_MAX};
use crate::verify::powershell;
use crate::verify::stage::{Rule, Stage};

/// The rules of this file.
pub(in crate::verify) const RULES: &[Rule] = &[
    Rule::new(Stage::DomainType, unverified),
    Rule::new(Stage::Notes, routing_address_first),
];

/// The recipient of an organization that holds an address.
fn holder<'a>(
    topology: &'a Topology,
    organization: OrganizationId,
    address: &Mailbox,
) -> Option<&'a Recipient> {
    let holders = topology.recipients_at(organization, address);
    holders.first().map(|id| topology.recipient(*id))
}

/// Whether it has a mailbox somewhere in the deployment, and its addresses are the administrator's.
fn is_mailbox(recipient: &Recipient) -> bool {
    matches!(
        recipient.kind,
        RecipientKind::Mailbox { .. }
            | RecipientKind::MailUser {
                flavour: MailUserFlavour::RemoteMailbox,
                ..
            }
    )
}

/// The noun of the cmdlet for it.
fn noun(recipient: &Recipient) -> &'static str {
    match recipient.kind {
        RecipientKind::Mailbox { .. } => "Mailbox",
        _ => "RemoteMailbox",
    }
}

/// Addresses on premises in domains that the tenant does not have: they are not synchronized. One
/// finding for each domain.
fn unverified(context: &Context<'_>) -> Vec<Found> {
    let topology = context.topology;
    let mut found = Vec::new();
    for pair in hybrid::pairs(topology) {
        // What one side accepts and the other does not is another finding.
        let is_unverified = |address: &Mailbox| {
            let mut sides = [pair.tenant, pair.on_premises].into_iter();
            let accepts = |side| {
                topology
                    .accepted_domain_for(side, &address.domain)
                    .is_some()
            };
            let here = holder(topology, pair.on_premises, address);
            !sides.any(accepts) && !is_routing_address(address) && here.is_some_and(is_mailbox)
        };
        let classes = context.survey.recipients.iter();
        let mut addresses: Vec<&Mailbox> = classes
            .filter(|class| is_unverified(class.members[0]))
            .flat_map(|class| class.members.iter().copied())
            .collect();
        addresses.sort_by_key(|address| (&address.domain, *address));
        for same in addresses.chunk_by(|one, other| one.domain == other.domain) {
            found.extend(unverified_found(context, pair, same));
        }
    }
    found
}

fn unverified_found(context: &Context<'_>, pair: Pair, addresses: &[&Mailbox]) -> Option<Found> {
    let topology = context.topology;
    let first = addresses.first()?;
    let recipient = holder(topology, pair.on_premises, first)?;
    let settings = &recipient.settings;
    let place = settings.written("EmailAddresses");
    let message = format!(
        "the tenant has not verified the domain of the address {}: directory synchronization leaves it out",
        people::and_others(first, addresses.len())
    );
    let all: HashSet<&Mailbox> = addresses.iter().copied().collect();
    // Where others send mail for such a domain is not the question, known or not.
    let claims = people::failing_for(context, &all);
    let unknown = context.open_where(|asked| {
        let mut forks = asked.ordinary().forks.iter();
        forks.any(|fork| fork.disposition == Disposition::Unknown && all.contains(&fork.recipient))
    });
    let mut draft = Finding::of(
        "address-in-unverified-domain",
        place.or(settings.object.as_ref()),
        message,
    )
    .help(format!(
        "take the address away, or verify `{}` in the tenant",
        first.domain
    ));
    let mended = addresses.iter().take(MENDED_MAX).filter_map(|address| {
        let recipient = holder(topology, pair.on_premises, address)?;
        without(recipient, address)
    });
    let (scripts, edits): (Vec<String>, Vec<Edit>) = mended.unzip();
    if !scripts.is_empty() {
        draft = draft.fix(Side::OnPremises, scripts.join("\n"), edits);
    }
    let is_lost = !claims.is_empty();
    let mut found = match is_lost {
        true => draft.claims(context, claims),
        false => draft.claims_nothing(addresses.len(), None),
    };
    found.claims.extend(unknown);
    if !is_lost {
        found.finding.diagnostic.severity = Severity::Warning;
    }
    Some(found)
}

/// Takes a second address from a recipient.
fn without(recipient: &Recipient, address: &Mailbox) -> Option<(String, Edit)> {
    let at = recipient.settings.written("EmailAddresses")?;
    if recipient.primary() == address {
        return None;
    }
    let kept = recipient.addresses.iter().filter(|other| *other != address);
    let script = format!(
        "Set-{} -Identity {} -EmailAddresses @{{Remove={}}}",
        noun(recipient),
        powershell::quoted(recipient.primary()),
        powershell::quoted(address)
    );
    let edit = edit::replace(at, edit::addresses(kept, recipient.primary()));
    Some((script, edit))
}

/// Mailboxes whose primary address lies in the domain that the hybrid wizard made for routing: an
/// email address policy put it first.
fn routing_address_first(context: &Context<'_>) -> Vec<Found> {
    let topology = context.topology;
    let pairs = hybrid::pairs(topology).into_iter();
    let found = pairs.filter_map(|pair| {
        let is_first = |address: &&Mailbox| {
            let here = holder(topology, pair.on_premises, address);
            here.is_some_and(|recipient| {
                recipient.primary() == *address
                    && is_mailbox(recipient)
                    && is_coexistence(topology, pair, address)
            })
        };
        let classes = context.survey.recipients.iter();
        let classes = classes.filter(|class| is_routing_address(class.members[0]));
        let addresses: Vec<&Mailbox> = classes
            .flat_map(|class| class.members.iter().copied())
            .filter(is_first)
            .collect();
        routing_found(topology, pair, &addresses)
    });
    found.collect()
}

fn is_coexistence(topology: &Topology, pair: Pair, address: &Mailbox) -> bool {
    let accepted = topology.accepted_domain_for(pair.tenant, &address.domain);
    accepted.is_some_and(|id| topology.accepted_domain(id).cloud.coexistence)
}

fn routing_found(topology: &Topology, pair: Pair, addresses: &[&Mailbox]) -> Option<Found> {
    let first = addresses.first()?;
    let recipient = holder(topology, pair.on_premises, first)?;
    let message = format!(
        "the primary address of {} lies in the domain for routing: people see it, and answer to it",
        people::and_others(&recipient.name, addresses.len())
    );
    let place = recipient.settings.at("PrimarySmtpAddress");
    let mut draft = Finding::of("routing-address-is-primary", place, message)
        .help("put the address that people know first, and take the domain from the template of the primary address in the email address policy");
    let mut scripts = Vec::new();
    let mut edits = Vec::new();
    for address in addresses.iter().take(MENDED_MAX) {
        let sides = [pair.on_premises, pair.tenant];
        let holders = sides.map(|side| holder(topology, side, address));
        let Some(known) = holders[0].and_then(known_address) else {
            continue;
        };
        if let Some(recipient) = holders[0] {
            scripts.push(format!(
                "Set-{} -Identity {} -EmailAddressPolicyEnabled $false -PrimarySmtpAddress {}",
                noun(recipient),
                powershell::quoted(&recipient.name),
                powershell::quoted(known)
            ));
        }
        let both = holders.into_iter().flatten();
        edits.extend(both.flat_map(|recipient| with_primary(recipient, known)));
    }
    if !scripts.is_empty() {
        draft = draft.fix(Side::OnPremises, scripts.join("\n"), edits);
    }
    Some(draft.claims_nothing(addresses.len(), None))
}

/// The first address of a recipient that is not for routing.
fn known_address(recipient: &Recipient) -> Option<&Mailbox> {
    let mut addresses = recipient.addresses.iter();
    addresses.find(|address| !is_routing_address(address))
}

/// Makes another address of a recipient its primary one.
fn with_primary(recipient: &Recipient, primary: &Mailbox) -> Vec<Edit> {
    let settings = &recipient.settings;
    if recipient.primary() == primary || !recipient.addresses.contains(primary) {
        return Vec::new();
    }
    let list = edit::addresses(&recipient.addresses, primary);
    let primary = edit::quoted(&primary.to_string());
    let first = settings.written("PrimarySmtpAddress");
    let edits = [
        first.map(|at| edit::replace(at, primary)),
        settings
            .written("EmailAddresses")
            .map(|at| edit::replace(at, list)),
    ];
    edits.into_iter().flatten().collect()
}
