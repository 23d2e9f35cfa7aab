//! Target addresses that lead to no mailbox (Exchange Server, "Recipient resolution"): back into the
//! tenant that they are written in, or round in a circle.

use std::collections::BTreeSet;

use rayon::prelude::*;

use crate::diag::Diagnostic;
use crate::flow::Fork;
use crate::mail::{ByteSize, Mailbox};
use crate::model::{
    MailUserFlavour, OrganizationId, Recipient, RecipientId, RecipientKind, Topology,
};
use crate::route;
use crate::verify::context::{Context, Found};
use crate::verify::edit;
use crate::verify::finding::{Fix, Side};
use crate::verify::hybrid::{self, Pair};
use crate::verify::powershell;
use crate::verify::questions::Asked;
use crate::verify::stage::{Rule, Stage};

/// The rules of this file.
pub(in crate::verify) const RULES: &[Rule] = &[
    Rule::new(Stage::Outcome, own_tenant),
    Rule::new(Stage::Outcome, loops),
];

/// Mail users of a tenant whose target address lies in the tenant itself, where no mailbox has it.
fn own_tenant(context: &Context<'_>) -> Vec<Found> {
    let mut found = Vec::new();
    for pair in hybrid::pairs(context.topology) {
        let own = context.topology.parts().recipients.par_iter().enumerate();
        let own = own.filter_map(|(index, recipient)| {
            let id = RecipientId::new(index);
            let target = target_of(recipient).filter(|_| recipient.organization == pair.tenant)?;
            stays_in_tenant(context.topology, pair, id, target).then_some((recipient, target))
        });
        let own: Vec<(&Recipient, &Mailbox)> = own.collect();
        for (recipient, target) in own {
            found.extend(own_tenant_found(context, pair, recipient, target));
        }
    }
    found
}

/// Target addresses that lead from one recipient to the next and back to the first.
fn loops(context: &Context<'_>) -> Vec<Found> {
    let topology = context.topology;
    let all = (0..topology.parts().recipients.len()).into_par_iter();
    let rings = all.filter_map(|index| ring_from(topology, RecipientId::new(index)));
    let rings: BTreeSet<Vec<RecipientId>> = rings.collect();
    rings
        .into_iter()
        .filter_map(|ring| ring_found(context, &ring))
        .collect()
}

fn target_of(recipient: &Recipient) -> Option<&Mailbox> {
    match &recipient.kind {
        RecipientKind::MailUser { target_address, .. } => target_address.as_ref(),
        RecipientKind::Mailbox { .. }
        | RecipientKind::DistributionGroup(_)
        | RecipientKind::Group { .. }
        | RecipientKind::RemoteGroup { .. } => None,
    }
}

/// Whether mail for a target address stays in the tenant: it accepts the domain, no outbound connector
/// takes it, and nobody else has the address.
fn stays_in_tenant(topology: &Topology, pair: Pair, id: RecipientId, target: &Mailbox) -> bool {
    let organization = |id: &RecipientId| topology.recipient(*id).organization;
    let elsewhere = |other: &RecipientId| {
        let premises = organization(other) == pair.on_premises;
        let ends_there = || target_of(topology.recipient(*other)).is_none();
        organization(other) == pair.tenant && *other != id || premises && ends_there()
    };
    let accepted = || topology.accepted_domain_for(pair.tenant, &target.domain);
    let held = topology.target_id(id);
    let holders = held.map_or(&[][..], |target| topology.held_by(target));
    if holders.iter().any(elsewhere) || accepted().is_none() {
        return false;
    }
    pair.hub(topology).is_some_and(|hub| {
        let ordinary = ByteSize(10 * 1024);
        route::select(topology, hub, &target.domain, ordinary)
            .winner
            .is_err()
    })
}

fn own_tenant_found(
    context: &Context<'_>,
    pair: Pair,
    recipient: &Recipient,
    target: &Mailbox,
) -> Option<Found> {
    let topology = context.topology;
    let claims = concerned(context, &[recipient]);
    let message = format!(
        "the mail user `{}` has the target address `{target}` of its own tenant, and no mailbox has it",
        recipient.primary()
    );
    let place = recipient.settings.at("ExternalEmailAddress").cloned();
    let mut diagnostic = Diagnostic::new("mail-user-targets-own-tenant", place, message);
    let holders = topology.recipients_at(pair.on_premises, recipient.primary());
    let on_premises = holders
        .iter()
        .any(|id| matches!(topology.recipient(*id).kind, RecipientKind::Mailbox { .. }));
    let fix = if on_premises {
        diagnostic =
            diagnostic.help("the mailbox is on premises: let the target address lead there");
        lead_home(recipient)
    } else {
        diagnostic = diagnostic
            .help("give the user a mailbox in the tenant, or a target address where one is");
        become_mailbox(recipient, Side::ExchangeOnline)
    };
    (!claims.is_empty()).then(|| conclude(context, diagnostic, fix, claims, &[recipient]))
}

/// Ends a finding with a witness that is addressed to one of the recipients, if there is one.
fn conclude(
    context: &Context<'_>,
    diagnostic: Diagnostic,
    fix: Fix,
    claims: Vec<usize>,
    members: &[&Recipient],
) -> Found {
    let addressed = |index: &usize| {
        let class = &context.survey.recipients[context.survey.asked[*index].to];
        let is_theirs = |recipient: &&Recipient| recipient.addresses.contains(class.members[0]);
        members.iter().any(is_theirs)
    };
    let direct: Vec<usize> = claims.iter().copied().filter(addressed).collect();
    let shown = if direct.is_empty() { &claims } else { &direct };
    let witness = context.witness(shown);
    context.conclude_with(diagnostic, vec![fix], claims, witness)
}

/// Makes the tenant's copy of a user lead to the mailbox on premises.
///
/// Nobody writes in the tenant what directory synchronization writes there (Microsoft 365, "You can't
/// manage or remove objects that were synchronized through the Azure Active Directory Sync tool"); a
/// user with a mailbox on premises has no `targetAddress`, and so the primary address becomes the target.
fn lead_home(recipient: &Recipient) -> Fix {
    let primary = recipient.primary();
    let at = recipient.settings.written("ExternalEmailAddress");
    let edits = at.map(|at| edit::replace(at, edit::quoted(&primary.to_string())));
    Fix {
        side: Side::OnPremises,
        script: format!(
            "Set-ADUser -Identity (Get-Mailbox -Identity {}).DistinguishedName -Clear targetAddress\nStart-ADSyncSyncCycle -PolicyType Delta",
            powershell::quoted(primary)
        ),
        edits: edits.into_iter().collect(),
    }
}

/// The recipient that a target address leads to, where somebody leads on from there: another one of
/// the same organization, else one of an organization that it forms a hybrid deployment with. A contact
/// whom both sides list leads to neither: mail for a domain that nobody accepts leaves for good.
fn next(topology: &Topology, id: RecipientId) -> Option<RecipientId> {
    let recipient = topology.recipient(id);
    let target = target_of(recipient)?;
    let own = recipient.organization;
    let holders = topology.held_by(topology.target_id(id)?);
    let leads_on = |other: &RecipientId| target_of(topology.recipient(*other)).is_some();
    // Where nobody leads on, there is no ring: nearly always.
    holders
        .iter()
        .find(|other| **other != id && leads_on(other))?;
    let at = |organization: OrganizationId| {
        let mut others = holders.iter().copied().filter(|other| *other != id);
        others.find(|other| topology.recipient(*other).organization == organization)
    };
    let partners = &topology.organization(own).partners;
    let accepts = |partner: &&OrganizationId| {
        topology
            .accepted_domain_for(**partner, &target.domain)
            .is_some()
    };
    let mut partners = partners.iter().filter(accepts);
    at(own).or_else(|| partners.find_map(|partner| at(*partner)))
}

/// The ring that a recipient is in, from its first member on.
fn ring_from(topology: &Topology, start: RecipientId) -> Option<Vec<RecipientId>> {
    let mut ring = vec![start];
    loop {
        let following = next(topology, *ring.last()?)?;
        if following == start {
            break;
        }
        if ring.contains(&following) {
            return None;
        }
        ring.push(following);
    }
    let first = (0..ring.len()).min_by_key(|index| ring[*index])?;
    ring.rotate_left(first);
    Some(ring)
}

fn ring_found(context: &Context<'_>, ring: &[RecipientId]) -> Option<Found> {
    let topology = context.topology;
    let members: Vec<&Recipient> = ring.iter().map(|id| topology.recipient(*id)).collect();
    let claims = concerned(context, &members);
    let message = format!(
        "target addresses lead in a circle: {}",
        in_words(topology, &members)
    );
    // Where one side says that the mailbox is in the cloud, it is missing there.
    let chosen = members
        .iter()
        .find(|recipient| side(topology, recipient) == Side::ExchangeOnline)
        .or(members.first())?;
    let place = chosen.settings.at(key(chosen)).cloned();
    let diagnostic = Diagnostic::new("target-addresses-form-a-loop", place, message)
        .help("decide where the mailbox is, and give that side a mailbox");
    let fix = become_mailbox(chosen, side(topology, chosen));
    (!claims.is_empty()).then(|| conclude(context, diagnostic, fix, claims, &members))
}

/// The side whose directory a recipient is in.
fn side(topology: &Topology, recipient: &Recipient) -> Side {
    let pairs = hybrid::pairs(topology);
    let in_tenant = pairs
        .iter()
        .any(|pair| pair.tenant == recipient.organization);
    if in_tenant {
        Side::ExchangeOnline
    } else {
        Side::OnPremises
    }
}

/// Each member of a ring with its target address.
fn in_words(topology: &Topology, members: &[&Recipient]) -> String {
    let words = members.iter().map(|recipient| {
        let target = target_of(recipient).map(ToString::to_string);
        let where_it_is = match side(topology, recipient) {
            Side::ExchangeOnline => "in the tenant",
            Side::OnPremises | Side::Dns => "on premises",
        };
        format!(
            "`{}` {where_it_is} → `{}`",
            recipient.primary(),
            target.unwrap_or_default()
        )
    });
    words.collect::<Vec<_>>().join(", ")
}

/// The key that holds a recipient's target address.
fn key(recipient: &Recipient) -> &'static str {
    match recipient.kind {
        RecipientKind::MailUser {
            flavour: MailUserFlavour::RemoteMailbox,
            ..
        } => "RemoteRoutingAddress",
        _ => "ExternalEmailAddress",
    }
}

/// A mailbox in the place of a recipient whose mail goes elsewhere.
fn become_mailbox(recipient: &Recipient, side: Side) -> Fix {
    let primary = powershell::quoted(recipient.primary());
    let (path, script) = match side {
        Side::ExchangeOnline => (
            "ExchangeOnline.Mailboxes",
            format!(
                "Set-MgUserLicense -UserId {primary} -AddLicenses @{{SkuId = $sku}} -RemoveLicenses @()"
            ),
        ),
        Side::OnPremises | Side::Dns => (
            "OnPremises.Mailboxes",
            format!(
                "Disable-MailUser -Identity {primary}\nEnable-Mailbox -Identity {} -PrimarySmtpAddress {primary}",
                powershell::quoted(&recipient.name)
            ),
        ),
    };
    let kind = edit::move_object(&recipient.settings, path);
    let target = edit::remove_key(&recipient.settings, key(recipient));
    Fix {
        side,
        script,
        edits: kind
            .zip(target)
            .map(|(a, b)| vec![a, b])
            .unwrap_or_default(),
    }
}

/// The open questions in which a copy for one of these recipients fails.
fn concerned(context: &Context<'_>, members: &[&Recipient]) -> Vec<usize> {
    let is_theirs = |address: &Mailbox| {
        members.iter().any(|recipient| {
            recipient.addresses.contains(address) || target_of(recipient) == Some(address)
        })
    };
    let fails = |fork: &Fork| fork.disposition.is_failure() && is_theirs(&fork.recipient);
    let concerns = |asked: &Asked| {
        let mut answers = asked.answers.iter();
        answers.any(|(_, flow)| flow.forks.iter().any(fails))
    };
    context.open_where(|asked| context.is_amiss(asked) && concerns(asked))
}
