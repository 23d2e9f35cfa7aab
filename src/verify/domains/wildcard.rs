//! Domains that are accepted through the wildcard of their subdomains alone (Exchange Server, "Accepted
//! domains in Exchange Server").

use crate::model::{AcceptedDomain, Topology};
use crate::verify::context::{Context, Found};
use crate::verify::edit;
use crate::verify::finding::{Finding, Side};
use crate::verify::hybrid;
use crate::verify::powershell;
use crate::verify::stage::{Rule, Stage};

/// The rules of this file.
pub(in crate::verify) const RULES: &[Rule] = &[Rule::new(Stage::AcceptedDomain, check)];

/// Wildcard entries whose parent has addresses and no entry of its own.
fn check(context: &Context<'_>) -> Vec<Found> {
    let topology = context.topology;
    let alone = topology.accepted_domains().map(|(_, accepted)| accepted);
    let alone = alone.filter(|accepted| is_alone(topology, accepted));
    let used = alone.map(|accepted| (accepted, users(topology, accepted)));
    used.filter(|(_, users)| *users > 0)
        .map(|(accepted, users)| parent_missing(topology, accepted, users))
        .collect()
}

/// Whether an entry says `*.domain`, and no other says `domain`. `MatchSubDomains` is about both.
fn is_alone(topology: &Topology, accepted: &AcceptedDomain) -> bool {
    let mut entries = topology.accepted_domains().map(|(_, other)| other);
    accepted.subdomains
        && !accepted.everything
        && accepted.settings.written("MatchSubDomains").is_none()
        && !entries.any(|other| {
            other.organization == accepted.organization
                && other.domain == accepted.domain
                && !other.subdomains
        })
}

/// How many recipients of the organization, or of a partner, have an address in the parent domain.
fn users(topology: &Topology, accepted: &AcceptedDomain) -> usize {
    let partners = &topology.organization(accepted.organization).partners;
    let users = topology.recipients().filter(|(_, recipient)| {
        let known = recipient.organization == accepted.organization
            || partners.contains(&recipient.organization);
        let mut addresses = recipient.addresses.iter();
        known && addresses.any(|address| address.domain == accepted.domain)
    });
    users.count()
}

/// A name for the parent's entry that no accepted domain of the organization has: names are unique there,
/// and the wildcard's entry may be called as the parent is.
fn free_name(topology: &Topology, wildcard: &AcceptedDomain) -> String {
    let domain = wildcard.domain.as_str();
    let is_free = |name: &String| {
        topology.accepted_domains().all(|(_, other)| {
            other.organization != wildcard.organization || !other.name.eq_ignore_ascii_case(name)
        })
    };
    let second = format!("{domain} itself");
    let numbered = (2u32..).map(|number| format!("{second} {number}"));
    let mut names = [domain.to_owned(), second.clone()]
        .into_iter()
        .chain(numbered);
    names.find(is_free).unwrap_or_else(|| domain.to_owned())
}

fn parent_missing(topology: &Topology, accepted: &AcceptedDomain, users: usize) -> Found {
    let (domain, kind) = (&accepted.domain, accepted.kind.as_str());
    let organization = topology.organization(accepted.organization);
    let pairs = hybrid::pairs(topology);
    let in_tenant = pairs
        .iter()
        .any(|pair| pair.tenant == accepted.organization);
    let name = free_name(topology, accepted);
    let keys = [
        ("Name", edit::quoted(&name)),
        ("DomainName", edit::quoted(domain.as_str())),
        ("DomainType", edit::quoted(kind)),
    ];
    let (side, path, script) = if in_tenant {
        let script = format!("Set-AcceptedDomain -Identity {domain} -MatchSubDomains $true");
        (
            Side::ExchangeOnline,
            "ExchangeOnline.AcceptedDomains",
            script,
        )
    } else {
        let script = format!(
            "New-AcceptedDomain -Name {} -DomainName {domain} -DomainType {kind}",
            powershell::quoted(&name)
        );
        (Side::OnPremises, "OnPremises.AcceptedDomains", script)
    };
    let sibling = accepted.settings.object.as_ref();
    let message = format!(
        "`{domain}` is accepted by `{}` through `*.{domain}` alone, and has addresses",
        organization.name
    );
    let place = accepted.settings.at("DomainName");
    Finding::of("accepted-domain-parent-only-by-wildcard", place, message)
        .help(format!("accept `{domain}` by its own name"))
        .fix(
            side,
            script,
            edit::add_object(&organization.settings, sibling, path, &keys),
        )
        .claims_nothing(users, None)
}
