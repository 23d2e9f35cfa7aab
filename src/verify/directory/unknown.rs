//! Recipients that one side of a hybrid deployment has and the other does not know, although it says
//! that it knows everybody in their domain (Exchange Online, "Use Directory-Based Edge Blocking to
//! reject messages sent to invalid recipients"; Exchange hybrid, "Transport routing in Exchange hybrid
//! deployments").

use std::collections::HashSet;

use crate::mail::{EnhancedStatus, Mailbox};
use crate::model::{
    DomainType, MailUserFlavour, OrganizationId, Recipient, RecipientKind, Topology,
};
use crate::verify::classes::written::is_routing_address;
use crate::verify::context::{Context, Found};
use crate::verify::edit;
use crate::verify::finding::{Edit, Finding, Side};
use crate::verify::hybrid::{self, Pair};
use crate::verify::people::{self, MENDED_MAX};
use crate::verify::powershell;
use crate::verify::questions::Asked;
use crate::verify::stage::{Rule, Stage};

/// The rules of this file.
pub(in crate::verify) const RULES: &[Rule] = &[
    Rule::new(Stage::Outcome, cloud_mailboxes),
    Rule::new(Stage::Outcome, on_premises_recipients),
    Rule::new(Stage::Outcome, on_premises_groups),
];

/// An address with the recipient that holds it on one side.
type Held<'a> = (&'a Mailbox, &'a Recipient);

/// The addresses that one side holds and the other, where their domain is Authoritative, does not.
/// What holds for one address of a class holds for all of it.
fn missing<'a>(
    context: &'a Context<'_>,
    held_by: OrganizationId,
    unknown_to: OrganizationId,
    kind: fn(&RecipientKind) -> bool,
) -> Vec<Held<'a>> {
    let topology = context.topology;
    let holder = |address: &Mailbox| {
        let holders = topology.recipients_at(held_by, address);
        holders.first().map(|id| topology.recipient(*id))
    };
    let is_missing = |address: &Mailbox| {
        let accepted = topology.accepted_domain_for(unknown_to, &address.domain);
        let authoritative = accepted
            .is_some_and(|id| topology.accepted_domain(id).kind == DomainType::Authoritative);
        authoritative
            && !is_routing_address(address)
            && topology.recipients_at(unknown_to, address).is_empty()
            && holder(address).is_some_and(|recipient| kind(&recipient.kind))
    };
    let classes = context.survey.recipients.iter();
    classes
        .filter(|class| is_missing(class.members[0]))
        .flat_map(|class| class.members.iter().copied())
        .filter_map(|address| Some((address, holder(address)?)))
        .collect()
}

/// A script, and the same change of the world.
type Mended = (String, Option<Edit>);

/// Whether an address is one that a partner of a tenant holds, and the tenant should know.
pub(super) fn is_unsynchronized(
    topology: &Topology,
    tenant: OrganizationId,
    address: &Mailbox,
) -> bool {
    let accepted = topology.accepted_domain_for(tenant, &address.domain);
    let authoritative =
        accepted.is_some_and(|id| topology.accepted_domain(id).kind == DomainType::Authoritative);
    let mut pairs = hybrid::pairs(topology).into_iter();
    authoritative
        && pairs.any(|pair| {
            let held = topology.recipients_at(pair.on_premises, address);
            pair.tenant == tenant && !held.is_empty()
        })
}

/// What is wrong with addresses that a side does not know: the parts of its one finding.
struct Fault {
    code: &'static str,
    message: String,
    help: &'static str,
    side: Side,
    /// How one of them is mended.
    mend: fn(&Topology, Pair, Held<'_>) -> Option<Mended>,
}

/// One finding for all of them, if mail for them fails: they have one cause.
fn found(context: &Context<'_>, pair: Pair, held: &[Held<'_>], fault: Fault) -> Option<Found> {
    let addresses: HashSet<&Mailbox> = held.iter().map(|(address, _)| *address).collect();
    let claims = people::failing_for(context, &addresses);
    let (_, first) = held.first()?;
    let place = first.settings.at("PrimarySmtpAddress");
    let mended = held.iter().take(MENDED_MAX);
    let fixes = mended.filter_map(|each| (fault.mend)(context.topology, pair, *each));
    let (scripts, edits): (Vec<String>, Vec<Option<Edit>>) = fixes.unzip();
    let mut draft = Finding::of(fault.code, place, fault.message).help(fault.help);
    if !scripts.is_empty() {
        draft = draft.fix(fault.side, scripts.join("\n"), edits.into_iter().flatten());
    }
    // A refusal of the sender shows nothing about the address.
    let is_unknown = |index: &usize| is_refused_as_unknown(&context.survey.asked[*index]);
    let telling: Vec<usize> = claims.iter().copied().filter(is_unknown).collect();
    let witness = context.witness(if telling.is_empty() {
        &claims
    } else {
        &telling
    });
    (!claims.is_empty()).then(|| draft.shown_by(context, claims, witness))
}

/// Whether somebody is told that a recipient does not exist.
fn is_refused_as_unknown(asked: &Asked) -> bool {
    const UNKNOWN: [EnhancedStatus; 3] = [
        EnhancedStatus::new(5, 1, 10),
        EnhancedStatus::new(5, 1, 1),
        EnhancedStatus::new(5, 4, 1),
    ];
    let mut forks = asked.ordinary().forks.iter();
    forks.any(|fork| {
        let status = fork.status.as_ref().map(|status| status.enhanced);
        status.is_some_and(|status| UNKNOWN.contains(&status))
    })
}

fn in_words(held: &[Held<'_>]) -> String {
    let first = held.first().map(|(address, _)| address.to_string());
    people::and_others(first.unwrap_or_default(), held.len())
}

/// Mailboxes of the tenant without a remote mailbox.
fn cloud_mailboxes(context: &Context<'_>) -> Vec<Found> {
    let mailbox = |kind: &RecipientKind| matches!(kind, RecipientKind::Mailbox { .. });
    let pairs = hybrid::pairs(context.topology).into_iter();
    let found = pairs.filter_map(|pair| {
        let held = missing(context, pair.tenant, pair.on_premises, mailbox);
        let fault = Fault {
            code: "cloud-mailbox-unknown-on-premises",
            message: format!(
                "nobody on premises has {}, which a mailbox of the tenant has, and the domain is Authoritative there",
                in_words(&held)
            ),
            help: "make the remote mailbox that stands for the mailbox on premises",
            side: Side::OnPremises,
            mend: remote_mailbox,
        };
        found(context, pair, &held, fault)
    });
    found.collect()
}

/// `Enable-RemoteMailbox`, or one more address for the remote mailbox that there is.
fn remote_mailbox(topology: &Topology, pair: Pair, (address, mailbox): Held<'_>) -> Option<Mended> {
    let primary = mailbox.primary();
    if let Some(id) = topology.recipients_at(pair.on_premises, primary).first() {
        let here = topology.recipient(*id);
        let all = here.addresses.iter().chain([address]);
        let list = edit::addresses(all, here.primary());
        let script = format!(
            "Set-RemoteMailbox -Identity {} -EmailAddresses @{{Add={}}}",
            powershell::quoted(here.primary()),
            powershell::quoted(address)
        );
        return Some((
            script,
            edit::set_key(&here.settings, "EmailAddresses", &list),
        ));
    }
    let route = people::routing_address(topology, mailbox)?;
    let script = format!(
        "Enable-RemoteMailbox -Identity {} -PrimarySmtpAddress {} -RemoteRoutingAddress {}",
        powershell::quoted(&mailbox.name),
        powershell::quoted(primary),
        powershell::quoted(route)
    );
    let mut keys = people::named(mailbox);
    keys.push(("RemoteRoutingAddress", edit::quoted(&route.to_string())));
    let path = "OnPremises.RemoteMailboxes";
    let edit = people::insert(topology, pair.on_premises, path, "RemoteUserMailbox", &keys);
    Some((script, edit))
}

/// Mailboxes and mail users on premises that directory synchronization does not show to the tenant.
fn on_premises_recipients(context: &Context<'_>) -> Vec<Found> {
    let user = |kind: &RecipientKind| {
        matches!(
            kind,
            RecipientKind::Mailbox { .. } | RecipientKind::MailUser { .. }
        )
    };
    let pairs = hybrid::pairs(context.topology).into_iter();
    let found = pairs.filter_map(|pair| {
        let held = missing(context, pair.on_premises, pair.tenant, user);
        let fault = Fault {
            code: "on-premises-recipient-not-synchronized",
            message: format!(
                "the tenant does not know {}, which a recipient on premises has, and the domain is Authoritative there",
                in_words(&held)
            ),
            help: "bring the recipient into the scope of directory synchronization",
            side: Side::OnPremises,
            mend: synchronized,
        };
        found(context, pair, &held, fault)
    });
    found.collect()
}

/// What synchronization would make of a recipient: a mail user, or a mailbox where the mailbox is in
/// the cloud.
fn synchronized(topology: &Topology, pair: Pair, (address, recipient): Held<'_>) -> Option<Mended> {
    let script = format!(
        "# with the organizational unit of {} in the scope of Entra Connect\nStart-ADSyncSyncCycle -PolicyType Delta",
        powershell::in_comment(recipient.primary())
    );
    let known = topology.recipients_at(pair.tenant, recipient.primary());
    if let Some(id) = known.first() {
        let there = topology.recipient(*id);
        let all = there.addresses.iter().chain([address]);
        let list = edit::addresses(all, there.primary());
        return Some((
            script,
            edit::set_key(&there.settings, "EmailAddresses", &list),
        ));
    }
    let mut keys = people::named(recipient);
    let remote = matches!(
        recipient.kind,
        RecipientKind::MailUser {
            flavour: MailUserFlavour::RemoteMailbox,
            ..
        }
    );
    let (path, details) = if remote {
        ("ExchangeOnline.Mailboxes", "UserMailbox")
    } else {
        let target = recipient.primary().to_string();
        keys.push(("ExternalEmailAddress", edit::quoted(&target)));
        ("ExchangeOnline.MailUsers", "MailUser")
    };
    let edit = people::insert(topology, pair.tenant, path, details, &keys);
    Some((script, edit))
}

/// Distribution groups on premises; dynamic ones are never synchronized.
fn on_premises_groups(context: &Context<'_>) -> Vec<Found> {
    let group = |kind: &RecipientKind| matches!(kind, RecipientKind::DistributionGroup(_));
    let pairs = hybrid::pairs(context.topology).into_iter();
    let found = pairs.filter_map(|pair| {
        let held = missing(context, pair.on_premises, pair.tenant, group);
        let fault = Fault {
            code: "on-premises-group-unknown-in-cloud",
            message: format!(
                "the tenant does not know {}, which a distribution group on premises has, and the domain is Authoritative there",
                in_words(&held)
            ),
            help: "make a mail contact in the tenant that stands for the group; synchronize a group that is not dynamic",
            side: Side::ExchangeOnline,
            mend: contact,
        };
        found(context, pair, &held, fault)
    });
    found.collect()
}

/// `New-MailContact` in the tenant.
fn contact(topology: &Topology, pair: Pair, (address, group): Held<'_>) -> Option<Mended> {
    let script = format!(
        "New-MailContact -Name {} -ExternalEmailAddress {}",
        powershell::quoted(&group.name),
        powershell::quoted(address)
    );
    let target = edit::quoted(&address.to_string());
    let keys = [
        ("Name", edit::quoted(&group.name)),
        ("PrimarySmtpAddress", target.clone()),
        ("ExternalEmailAddress", target),
    ];
    let path = "ExchangeOnline.MailContacts";
    let edit = people::insert(topology, pair.tenant, path, "MailContact", &keys);
    Some((script, edit))
}
