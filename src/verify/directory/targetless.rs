//! Recipients whose mailbox is elsewhere and that do not say where (Exchange Server, "Recipient
//! resolution").

use std::collections::HashSet;

use crate::mail::Mailbox;
use crate::model::{MailUserFlavour, OrganizationId, Recipient, RecipientKind, Topology};
use crate::verify::context::{Context, Found};
use crate::verify::edit;
use crate::verify::finding::{Edit, Finding, Side};
use crate::verify::hybrid::{self, Pair};
use crate::verify::people::{self, MENDED_MAX};
use crate::verify::powershell;
use crate::verify::stage::{Rule, Stage};

/// The rules of this file.
pub(in crate::verify) const RULES: &[Rule] = &[Rule::new(Stage::Outcome, check)];

/// One finding for each side of each deployment.
fn check(context: &Context<'_>) -> Vec<Found> {
    let pairs = hybrid::pairs(context.topology).into_iter();
    let found = pairs.flat_map(|pair| {
        let sides = [
            (pair.tenant, Side::ExchangeOnline),
            (pair.on_premises, Side::OnPremises),
        ];
        sides.map(|(organization, side)| found(context, pair, organization, side))
    });
    found.flatten().collect()
}

fn found(
    context: &Context<'_>,
    pair: Pair,
    organization: OrganizationId,
    side: Side,
) -> Option<Found> {
    let topology = context.topology;
    let holder = |address: &Mailbox| {
        let holders = topology.recipients_at(organization, address);
        holders.first().map(|id| topology.recipient(*id))
    };
    // What one address of a class lacks, all of it lack.
    let classes = context.survey.recipients.iter();
    let addresses: HashSet<&Mailbox> = classes
        .filter(|class| holder(class.members[0]).is_some_and(is_targetless))
        .flat_map(|class| class.members.iter().copied())
        .collect();
    let claims = people::failing_for(context, &addresses);
    let mut primary: Vec<&Recipient> = addresses.iter().filter_map(|each| holder(each)).collect();
    primary.sort_by_key(|recipient| recipient.primary());
    primary.dedup_by_key(|recipient| recipient.primary());
    let first = primary.first()?;
    let (kind, key) = words(first);
    let message = format!(
        "no {key} says where mail for the {kind} {} goes",
        people::and_others(first.primary(), primary.len())
    );
    let place = first.settings.object.as_ref();
    let draft = Finding::of("mail-user-without-target-address", place, message)
        .help(match (kind, side) {
            ("mail user", Side::ExchangeOnline) => "mend the synchronization of the user: the tenant takes the address from on premises",
            _ => "write the address under which the other side has the mailbox",
        });
    let mended = primary.iter().take(MENDED_MAX);
    let fixes = mended.filter_map(|recipient| with_target(topology, pair, side, recipient));
    let (scripts, edits): (Vec<String>, Vec<Option<Edit>>) = fixes.unzip();
    // A mail user of the tenant is what directory synchronization made of somebody on premises.
    let side = match kind {
        "mail user" => Side::OnPremises,
        _ => side,
    };
    let draft = match scripts.is_empty() {
        true => draft,
        false => draft.fix(side, scripts.join("\n"), edits.into_iter().flatten()),
    };
    (!claims.is_empty()).then(|| draft.claims(context, claims))
}

fn is_targetless(recipient: &Recipient) -> bool {
    let nowhere = matches!(
        recipient.kind,
        RecipientKind::MailUser {
            target_address: None,
            ..
        }
    );
    nowhere && recipient.policy().foreign_address.is_none()
}

/// What a recipient is called, and the key that it lacks.
fn words(recipient: &Recipient) -> (&'static str, &'static str) {
    match recipient.kind {
        RecipientKind::MailUser {
            flavour: MailUserFlavour::RemoteMailbox,
            ..
        } => ("remote mailbox", "RemoteRoutingAddress"),
        RecipientKind::MailUser {
            flavour: MailUserFlavour::Contact,
            ..
        } => ("mail contact", "ExternalEmailAddress"),
        _ => ("mail user", "ExternalEmailAddress"),
    }
}

/// The address under which the other side has the mailbox, if it has it.
fn target(topology: &Topology, pair: Pair, side: Side, recipient: &Recipient) -> Option<Mailbox> {
    let primary = recipient.primary();
    let other = match side {
        Side::ExchangeOnline => pair.on_premises,
        Side::OnPremises | Side::Dns => pair.tenant,
    };
    if !people::has_mailbox(topology, other, primary) {
        return None;
    }
    let holder = topology.recipients_at(other, primary).first()?;
    match side {
        Side::ExchangeOnline => Some(primary.clone()),
        Side::OnPremises | Side::Dns => {
            people::routing_address(topology, topology.recipient(*holder)).cloned()
        }
    }
}

/// `Set-RemoteMailbox -RemoteRoutingAddress` or the like; of a synchronized mail user, a synchronization
/// that carries the address over again, because the tenant's copy cannot be written (Microsoft 365, "You
/// can't manage or remove objects that were synchronized through the Azure Active Directory Sync tool").
fn with_target(
    topology: &Topology,
    pair: Pair,
    side: Side,
    recipient: &Recipient,
) -> Option<(String, Option<Edit>)> {
    let target = target(topology, pair, side, recipient)?;
    let (kind, key) = words(recipient);
    let primary = powershell::quoted(recipient.primary());
    let set = |cmdlet: &str| {
        let target = powershell::quoted(&target);
        format!("{cmdlet} -Identity {primary} -{key} {target}")
    };
    let script = match (kind, side) {
        ("remote mailbox", _) => set("Set-RemoteMailbox"),
        ("mail contact", _) => set("Set-MailContact"),
        (_, Side::ExchangeOnline) => {
            format!("Update-Recipient -Identity {primary}\nStart-ADSyncSyncCycle -PolicyType Delta")
        }
        (_, Side::OnPremises | Side::Dns) => set("Set-MailUser"),
    };
    let value = edit::quoted(&target.to_string());
    Some((script, edit::set_key(&recipient.settings, key, &value)))
}
