//! Names as text: what covers what, label by label.

use hybridmx::mail::Domain;
use hybridmx::model::{AcceptedDomain, DomainType, OrganizationId, Parts, RemoteDomain};

/// Whether `domain` is `parent` or ends in `.parent`.
pub(crate) fn within(domain: &str, parent: &str) -> bool {
    domain == parent || domain.ends_with(&format!(".{parent}"))
}

/// Whether a name in a certificate satisfies a demand for a name. A wildcard, on either side, stands
/// for one label and not for the domain itself.
pub(crate) fn certificate_name_fits(demand: &str, presented: &str) -> bool {
    demand == presented || stands_for(demand, presented) || stands_for(presented, demand)
}

fn stands_for(wildcard: &str, host: &str) -> bool {
    match (wildcard.strip_prefix("*."), host.split_once('.')) {
        (Some(parent), Some((label, rest))) => label != "*" && rest == parent,
        _ => false,
    }
}

/// The accepted domain that a domain falls under (Exchange Server, "Accepted domains in Exchange
/// Server"): its own entry, else the longest entry with subdomains.
pub(crate) fn accepted<'a>(
    parts: &'a Parts,
    organization: OrganizationId,
    domain: &Domain,
) -> Option<&'a AcceptedDomain> {
    let mut covering: Vec<&AcceptedDomain> = parts
        .accepted_domains
        .iter()
        .filter(|entry| entry.organization == organization)
        .filter(|entry| {
            entry.domain == *domain
                || entry.subdomains && within(domain.as_str(), entry.domain.as_str())
        })
        .collect();
    covering.sort_by_key(|entry| (usize::MAX - entry.domain.as_str().len(), entry.subdomains));
    covering.first().copied()
}

/// The remote domain that a domain falls under: its own entry, else the longest with subdomains, else
/// the one for everybody.
pub(crate) fn remote_domain<'a>(
    parts: &'a Parts,
    organization: OrganizationId,
    domain: &Domain,
) -> Option<&'a RemoteDomain> {
    let mut covering = Vec::new();
    for remote in &parts.remote_domains {
        let text = remote.pattern.to_string();
        let length = match text.strip_prefix("*.") {
            _ if text == domain.as_str() => Some(usize::MAX),
            _ if text == "*" => Some(0),
            Some(parent) if within(domain.as_str(), parent) => Some(parent.len()),
            Some(_) | None => None,
        };
        if let Some(length) = length.filter(|_| remote.organization == organization) {
            covering.push((length, remote));
        }
    }
    // The first of equals.
    covering.reverse();
    covering.sort_by_key(|(length, _)| *length);
    covering.last().map(|(_, remote)| *remote)
}

/// The type of the accepted domain that a domain falls under.
pub(crate) fn domain_type(
    parts: &Parts,
    organization: OrganizationId,
    domain: &Domain,
) -> Option<DomainType> {
    accepted(parts, organization, domain).map(|entry| entry.kind)
}
