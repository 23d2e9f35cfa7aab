//! What the directories hold: groups' second addresses, and members who get no copy of their own posts.

use std::collections::BTreeMap;

use crate::diag::Diagnostic;
use crate::mail::Mailbox;
use crate::model::{DomainType, Member, Recipient, RecipientId, RecipientKind, Topology};
use crate::verify::classes::written::is_routing_address;
use crate::verify::context::{Context, Found};
use crate::verify::edit;
use crate::verify::finding::{Finding, Fix, Side};
use crate::verify::hybrid::{self, Pair};
use crate::verify::powershell;
use crate::verify::stage::{Rule, Stage};

/// The rules of this file.
pub(in crate::verify) const RULES: &[Rule] = &[
    Rule::new(Stage::SecondaryAddress, secondary_group_addresses),
    Rule::new(Stage::Notes, echo_off),
];

fn address_place(recipient: &Recipient) -> Option<crate::diag::Location> {
    recipient
        .settings
        .written("EmailAddresses")
        .or_else(|| recipient.settings.at("PrimarySmtpAddress"))
        .cloned()
}

/// Second addresses of groups, which are never written back (Exchange Server, "Configure Microsoft
/// 365 Groups with on-premises Exchange hybrid").
fn secondary_group_addresses(context: &Context<'_>) -> Vec<Found> {
    let topology = context.topology;
    let mut found = Vec::new();
    for pair in hybrid::pairs(topology) {
        for (_, group) in topology.groups() {
            if group.organization != pair.tenant
                || !matches!(group.kind, RecipientKind::Group { .. })
            {
                continue;
            }
            let secondary = group.addresses[1..]
                .iter()
                .filter(|address| !is_routing_address(address));
            let unknown = secondary
                .filter(|address| topology.recipients_at(pair.on_premises, address).is_empty());
            found.extend(unknown.map(|address| secondary_address(context, pair, group, address)));
        }
    }
    found
}

fn secondary_address(
    context: &Context<'_>,
    pair: Pair,
    group: &Recipient,
    address: &Mailbox,
) -> Found {
    let topology = context.topology;
    let class = context.survey.recipient_class(address);
    let claims = context.open_where(|asked| Some(asked.to) == class);
    let fails = claims
        .iter()
        .map(|index| &context.survey.asked[*index])
        .any(|asked| {
            context.survey.senders[asked.from].kind == "on-premises mailboxes"
                && asked
                    .ordinary()
                    .forks
                    .iter()
                    .any(|fork| fork.disposition.is_failure())
        });
    let accepted = topology.accepted_domain_for(pair.on_premises, &address.domain);
    let kind = accepted.map(|id| topology.accepted_domain(id).kind);
    let lost = fails || kind == Some(DomainType::Authoritative);
    let code = if lost {
        "group-secondary-address"
    } else {
        "group-secondary-address-relayed"
    };
    let where_it_lies = kind.map_or("which is not accepted on premises".to_owned(), |kind| {
        format!("which is {} on premises", kind.as_str())
    });
    let message = format!(
        "the group `{}` has the secondary address `{address}` in `{}`, {where_it_lies}",
        group.primary(),
        address.domain
    );
    let diagnostic = Diagnostic::new(code, address_place(group), message)
        .help("keep one address per group, or make a mail contact on premises for the second");
    let witness = context.witness(&claims);
    let diagnostic = context.because(diagnostic, witness.as_ref().filter(|_| lost));
    let fix = vec![without_address(group, address)];
    let affected = context.affected(&claims).max(1);
    Found {
        finding: Finding {
            diagnostic,
            affected,
            witness,
            fix,
        },
        claims,
    }
}

/// Takes a second address from a group.
fn without_address(group: &Recipient, address: &Mailbox) -> Fix {
    let kept = group.addresses.iter().filter(|other| *other != address);
    let at = group.settings.written("EmailAddresses");
    let edits = at.map(|at| edit::replace(at, edit::addresses(kept, group.primary())));
    let script = format!(
        "Set-UnifiedGroup -Identity {} -EmailAddresses @{{Remove={}}}",
        powershell::quoted(group.primary()),
        powershell::quoted(address)
    );
    Fix {
        side: Side::ExchangeOnline,
        script,
        edits: edits.into_iter().collect(),
    }
}

/// Subscribers who do not get back what they post: the default, and a frequent surprise.
fn echo_off(context: &Context<'_>) -> Vec<Found> {
    let topology = context.topology;
    let pairs = hybrid::pairs(topology);
    let found = pairs.iter().filter_map(|pair| {
        let silent = silent_subscribers(topology, *pair);
        let (first, count) = (silent.values().next()?, silent.len());
        let plural = if count == 1 { "member gets" } else { "members get" };
        let message = format!("{count} on-premises {plural} no copy of their own posts to groups, `{}` for one", first.primary());
        let place = first.settings.at("EchoGroupMessageBackToSubscribedSender");
        let script = format!(
            "Get-MailUser {} | Set-MailboxMessageConfiguration -EchoGroupMessageBackToSubscribedSender $true",
            powershell::quoted(first.primary())
        );
        let key = "EchoGroupMessageBackToSubscribedSender";
        let edits = silent.values().filter_map(|each| edit::set_key(&each.settings, key, "true"));
        let draft = Finding::of("group-echo-off", place, message)
            .help("switch the echo on for those who want a copy; it is off by default")
            .fix(Side::ExchangeOnline, script, edits);
        Some(draft.claims_nothing(count, None))
    });
    found.collect()
}

/// Subscribers of the tenant's groups with a mailbox on premises and without echo.
fn silent_subscribers(topology: &Topology, pair: Pair) -> BTreeMap<RecipientId, &Recipient> {
    let mut silent = BTreeMap::new();
    for (_, group) in topology
        .groups()
        .filter(|(_, group)| group.organization == pair.tenant)
    {
        let RecipientKind::Group { subscribers, .. } = &group.kind else {
            continue;
        };
        for member in subscribers {
            let Member::Recipient(id) = member else {
                continue;
            };
            let recipient = topology.recipient(*id);
            let RecipientKind::MailUser { echo: false, .. } = recipient.kind else {
                continue;
            };
            if !topology.namesakes(pair.on_premises, *id).is_empty() {
                silent.insert(*id, recipient);
            }
        }
    }
    silent
}
