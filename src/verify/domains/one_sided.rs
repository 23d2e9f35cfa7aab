//! Domains that only one side of a hybrid deployment accepts (Exchange Online, "Manage accepted domains
//! in Exchange Online"; Exchange Server, "Accepted domains in Exchange Server").

use crate::diag::Severity;
use crate::mail::Mailbox;
use crate::model::{AcceptedDomain, DomainType, OrganizationId, Topology};
use crate::verify::connectors::carrier::Carrier;
use crate::verify::context::{Context, Found};
use crate::verify::edit;
use crate::verify::finding::{Edit, Finding, Side};
use crate::verify::hybrid::{self, Pair};
use crate::verify::people;
use crate::verify::powershell;
use crate::verify::questions::Asked;
use crate::verify::stage::{Rule, Stage};

/// The rules of this file.
pub(in crate::verify) const RULES: &[Rule] = &[Rule::new(Stage::AddressSpaces, check)];

/// One finding for each domain. It waits until what relays a domain, or takes it for outside, has been
/// judged: mail that such a fault explains is no second one.
fn check(context: &Context<'_>) -> Vec<Found> {
    let topology = context.topology;
    let mut found = Vec::new();
    for pair in hybrid::pairs(topology) {
        for (_, accepted) in topology.accepted_domains() {
            let other = if accepted.organization == pair.on_premises {
                pair.tenant
            } else if accepted.organization == pair.tenant {
                pair.on_premises
            } else {
                continue;
            };
            if is_for_both(topology, accepted)
                && topology
                    .accepted_domain_for(other, &accepted.domain)
                    .is_none()
                && !is_of_groups(context, pair, accepted)
                && !is_explained(context, accepted)
            {
                found.push(missing(context, pair, accepted, other));
            }
        }
    }
    found
}

/// Whether an earlier finding explains what becomes of the domain's mail.
fn is_explained(context: &Context<'_>, accepted: &AcceptedDomain) -> bool {
    let meant = |asked: &Asked| {
        context.survey.recipients[asked.to].members[0].domain == accepted.domain
            && context.is_amiss(asked)
    };
    let all = context.survey.asked.iter().filter(|asked| meant(asked));
    all.count() > context.open_where(meant).len()
}

/// Whether a domain is one that both sides should have: not for routing, for groups, for everything,
/// or for somebody else.
fn is_for_both(topology: &Topology, accepted: &AcceptedDomain) -> bool {
    let routing = accepted.domain.as_str().ends_with(".onmicrosoft.com");
    let groups = topology.group_domain_owner(&accepted.domain).is_some();
    let elsewhere = accepted.kind == DomainType::ExternalRelay;
    !routing && !groups && !elsewhere && !accepted.everything
}

/// Whether a domain of the tenant is for groups' other addresses, or for nobody: those on premises
/// need not know it.
fn is_of_groups(context: &Context<'_>, pair: Pair, accepted: &AcceptedDomain) -> bool {
    let classes = context.survey.recipients.iter();
    let mut inside = classes.filter(|class| class.members[0].domain == accepted.domain);
    accepted.organization == pair.tenant
        && inside.all(|class| class.groups(context.topology).next().is_some())
}

fn missing(
    context: &Context<'_>,
    pair: Pair,
    accepted: &AcceptedDomain,
    other: OrganizationId,
) -> Found {
    let topology = context.topology;
    let domain = &accepted.domain;
    let here = &topology.organization(accepted.organization).name;
    let there = topology.organization(other);
    let message = format!(
        "`{here}` accepts the domain `{domain}`, and `{}` does not",
        there.name
    );
    let kind = type_for(context, pair, accepted, other);
    let (side, script, edit) = accepted_too(topology, pair, (accepted, kind), other);
    let place = accepted.settings.at("DomainName");
    let draft = Finding::of("domain-accepted-on-one-side", place, message)
        .help("accept it on both sides, or take it out where nobody has an address in it")
        .fix(side, script, edit);
    // What is relayed to the tenant goes there by a hybrid connector.
    let carrier = Carrier {
        topology,
        pair,
        domain,
    };
    let relayed = (kind == DomainType::InternalRelay)
        .then(|| carrier.not_on_hybrid_connector("domain-accepted-on-one-side", "domain"));
    let fixes = relayed
        .flatten()
        .map(|(_, fixes)| fixes)
        .unwrap_or_default();
    let draft = fixes.into_iter().fold(draft, |draft, fix| {
        draft.fix(fix.side, fix.script, fix.edits)
    });
    let to_domain = |asked: &Asked| {
        let class = &context.survey.recipients[asked.to];
        class.members[0].domain == *domain && context.is_amiss(asked)
    };
    let claims = context.open_where(to_domain);
    let addresses = context.survey.recipients.iter();
    let addresses = addresses.filter(|class| class.members[0].domain == *domain);
    let lost = claims
        .iter()
        .any(|index| people::is_lost(context, &context.survey.asked[*index]));
    let mut found = match claims.is_empty() {
        true => draft.claims_nothing(addresses.map(|class| class.members.len()).sum(), None),
        false => draft.claims(context, claims),
    };
    if lost {
        found.finding.diagnostic.severity = Severity::Error;
    }
    found
}

/// Which type the domain has on the side that lacks it: Authoritative where that side knows its recipients, or
/// will once they are synchronized; on premises InternalRelay where nothing stands for some of them.
fn type_for(
    context: &Context<'_>,
    pair: Pair,
    accepted: &AcceptedDomain,
    other: OrganizationId,
) -> DomainType {
    let topology = context.topology;
    let mut classes = context.survey.recipients.iter();
    let is_unknown = |address: &Mailbox| {
        address.domain == accepted.domain
            && !topology.recipients_at(pair.tenant, address).is_empty()
            && topology.recipients_at(pair.on_premises, address).is_empty()
    };
    match other == pair.on_premises && classes.any(|class| is_unknown(class.members[0])) {
        true => DomainType::InternalRelay,
        false => DomainType::Authoritative,
    }
}

/// The same domain as one of the other side's, of this type.
fn accepted_too(
    topology: &Topology,
    pair: Pair,
    (accepted, kind): (&AcceptedDomain, DomainType),
    other: OrganizationId,
) -> (Side, String, Option<Edit>) {
    let domain = &accepted.domain;
    let (side, path, script) = if other == pair.tenant {
        let script = powershell::new_domain(domain);
        (
            Side::ExchangeOnline,
            "ExchangeOnline.AcceptedDomains",
            script,
        )
    } else {
        let script = format!(
            "New-AcceptedDomain -Name {0} -DomainName {0} -DomainType {1}",
            powershell::quoted(domain),
            kind.as_str()
        );
        (Side::OnPremises, "OnPremises.AcceptedDomains", script)
    };
    let name = edit::quoted(domain.as_str());
    let keys = [
        ("Name", name.clone()),
        ("DomainName", name),
        ("DomainType", edit::quoted(kind.as_str())),
    ];
    let all = topology.accepted_domains().map(|(_, accepted)| accepted);
    let mut written = all
        .filter(|accepted| accepted.organization == other && !accepted.settings.values.is_empty());
    let sibling = written
        .next()
        .and_then(|accepted| accepted.settings.object.as_ref());
    let edit = edit::add_object(&topology.organization(other).settings, sibling, path, &keys);
    (side, script, edit)
}
