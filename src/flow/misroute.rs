//! Copies that leave the path their premises prescribe.

use crate::mail::Domain;
use crate::model::{
    DomainType, OrganizationId, SendConnector, Server, ServerId, ServerRole, TlsAuthLevel, Topology,
};
use crate::route::{self, Copy};

/// Whose mail for a domain a server takes: a front end's is the tenant's that has the domain.
fn serving(topology: &Topology, server: &Server, domain: &Domain) -> OrganizationId {
    let tenants = server.front_end_for.iter().map(|(tenant, _)| *tenant);
    let owner = tenants
        .into_iter()
        .find(|tenant| topology.accepted_domain_for(*tenant, domain).is_some());
    owner.unwrap_or(server.organization)
}

/// Whether a server is an organization's, or takes its mail for it.
fn is_of(server: &Server, owner: OrganizationId) -> bool {
    let mut tenants = server.front_end_for.iter();
    server.organization == owner || tenants.any(|(tenant, _)| *tenant == owner)
}

/// Whether a connector is one of the hybrid pair: it carries organization headers, or holds the other
/// side to the name in its certificate, as the wizard's do. One that leaves the headers behind loses
/// trust, and not its way.
fn is_hybrid(connector: &SendConnector) -> bool {
    let validates = connector.tls_auth_level == Some(TlsAuthLevel::DomainValidation);
    connector.cloud_services_mail_enabled || validates && connector.tls_domain.is_some()
}

/// Why a copy that a server sends out leaves the path its premises prescribe, in the words that
/// metrics use; `next` is absent where the host is no server of the world.
#[must_use]
pub fn misroutes(
    topology: &Topology,
    server: ServerId,
    next: Option<ServerId>,
    copy: &Copy,
) -> Vec<&'static str> {
    if copy.exchange_authenticated {
        return Vec::new();
    }
    let mut reasons = Vec::new();
    let from = topology.server(server).organization;
    let partners = &topology.organization(from).partners;
    let hybrid = copy
        .next_hop
        .connector()
        .is_some_and(|id| is_hybrid(topology.send_connector(id)));
    let recipient = &copy.transfer.recipients[0];
    let domain = &recipient.domain;
    let next = next.map(|id| topology.server(id));
    let to = next.map(|next| serving(topology, next, domain));
    // Mail for the Internet that passes the partner on its way is none of the hybrid pair's.
    let accepted = |id| topology.accepted_domain_for(id, domain);
    let across = to.is_some_and(|to| partners.contains(&to) && accepted(to).is_some());
    if across && !hybrid {
        reasons.push("not_hybrid_connector");
    }
    // A message between the two organizations that goes to a third. What neither of them has in a
    // domain that it relays is the third's own; so is a guest's domain, and an address of another type.
    let ours = |id| {
        let kind = accepted(id).map(|id| topology.accepted_domain(id).kind);
        match kind {
            None => false,
            Some(DomainType::Authoritative) => !route::is_encapsulated(topology, id, recipient),
            Some(_) => !topology.recipients_at(id, recipient).is_empty(),
        }
    };
    let foreign = next.is_some_and(|next| next.role == ServerRole::Host);
    if foreign && !partners.is_empty() && partners.iter().chain([&from]).any(|id| ours(*id)) {
        reasons.push("third_party");
    }
    let serves = |owner| next.is_some_and(|next| is_of(next, owner));
    // Centralized mail transport prescribes the way through the own premises for groups as well.
    let centralized = copy
        .next_hop
        .connector()
        .is_some_and(|id| topology.send_connector(id).via_on_premises);
    if topology
        .group_domain_owner(domain)
        .is_some_and(|owner| !serves(owner) && !centralized)
    {
        reasons.push("group_domain_not_eop");
    }
    reasons
}
