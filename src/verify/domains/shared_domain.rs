//! Groups in a domain that people on premises have mailboxes in (Exchange Server, "Configure Microsoft
//! 365 Groups with on-premises Exchange hybrid": a domain of their own is recommended).

use std::collections::BTreeMap;

use crate::diag::Severity;
use crate::mail::{Domain, Mailbox};
use crate::model::{Recipient, RecipientKind, Topology};
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
pub(in crate::verify) const RULES: &[Rule] = &[Rule::new(Stage::DomainType, check)];

/// One finding for each domain.
fn check(context: &Context<'_>) -> Vec<Found> {
    let mut found = Vec::new();
    for pair in hybrid::pairs(context.topology) {
        let mut shared: BTreeMap<&Domain, Vec<&Recipient>> = BTreeMap::new();
        for group in people::groups(context, pair.tenant) {
            let domain = &group.primary().domain;
            if has_mailboxes(context, pair, domain) && !is_routing_address(group.primary()) {
                shared.entry(domain).or_default().push(group);
            }
        }
        let shared = shared.into_iter();
        found.extend(
            shared.filter_map(|(domain, groups)| shared_found(context, pair, domain, &groups)),
        );
    }
    found
}

/// Whether somebody on premises has a mailbox in a domain.
fn has_mailboxes(context: &Context<'_>, pair: Pair, domain: &Domain) -> bool {
    let classes = context.survey.recipients.iter();
    let mut first = classes.map(|class| &class.members[0]);
    first.any(|address| {
        address.domain == *domain
            && people::has_mailbox(context.topology, pair.on_premises, address)
    })
}

fn shared_found(
    context: &Context<'_>,
    pair: Pair,
    domain: &Domain,
    groups: &[&Recipient],
) -> Option<Found> {
    let first = groups.first()?;
    let is_one = |address: &Mailbox| groups.iter().any(|group| group.primary() == address);
    let to_one = |asked: &Asked| {
        let class = &context.survey.recipients[asked.to];
        let mut members = class.members.iter().copied();
        context.is_amiss(asked) && members.any(is_one)
    };
    let claims = context.open_where(to_one);
    let place = first.settings.at("PrimarySmtpAddress");
    let message = format!(
        "the hybrid connector cannot carry `{domain}`, where people have mailboxes on premises, and it is the domain of the group {}",
        people::and_others(first.primary(), groups.len())
    );
    let mut draft = Finding::of("groups-share-domain-with-mailboxes", place, message)
        .help("give the groups a domain of their own, and an email address policy that says so");
    let own = context.topology.group_domains();
    let mut own = own.filter(|(_, owner)| *owner == pair.tenant);
    if let Some((to, _)) = own.next() {
        let moved = groups.iter().take(MENDED_MAX).map(|group| {
            let address = group.primary().at(to);
            renamed(context.topology, pair, group, &address)
        });
        let (scripts, edits): (Vec<String>, Vec<Vec<Edit>>) = moved.unzip();
        draft = draft.fix(Side::ExchangeOnline, scripts.join("\n"), edits.concat());
    }
    let lost = claims
        .iter()
        .any(|index| people::is_lost(context, &context.survey.asked[*index]));
    let mut found = match claims.is_empty() {
        true => draft.claims_nothing(groups.len(), None),
        false => draft.claims(context, claims),
    };
    if lost {
        found.finding.diagnostic.severity = Severity::Error;
    }
    Some(found)
}

/// `Set-UnifiedGroup -PrimarySmtpAddress`; synchronization carries it to the object on premises.
fn renamed(
    topology: &Topology,
    pair: Pair,
    group: &Recipient,
    address: &Mailbox,
) -> (String, Vec<Edit>) {
    let script = format!(
        "Set-UnifiedGroup -Identity {} -PrimarySmtpAddress {}",
        powershell::quoted(group.primary()),
        powershell::quoted(address)
    );
    let holders = topology.recipients_at(pair.on_premises, group.primary());
    let written = holders.iter().map(|id| topology.recipient(*id));
    let written = written.filter(|object| matches!(object.kind, RecipientKind::RemoteGroup { .. }));
    let both = [group].into_iter().chain(written);
    let edits = both.filter_map(|object| {
        let at = object.settings.written("PrimarySmtpAddress")?;
        Some(edit::replace(at, edit::quoted(&address.to_string())))
    });
    (script, edits.collect())
}
