//! Delivery status notifications: who is told of a failure, and by whom (Exchange Server, "DSNs and
//! NDRs in Exchange Server"; "Remote domains").

use crate::mail::{AuthAs, ByteSize, Directionality, Domain, Mailbox, ReversePath};
use crate::model::{DomainType, ServerId, ServerRole, Topology};

use super::item::{Arrival, MailItem, Properties, Trace};

/// The local-part of the Microsoft Exchange recipient, who writes to the organization's own users.
const MICROSOFT_EXCHANGE: &str = "MicrosoftExchange329e71ec88ae4615bbc36ab6ce41109e";

/// Whether failures are reported to an address: `NDREnabled` of the remote domain it is in.
#[must_use]
pub fn reports_to(topology: &Topology, server: ServerId, sender: &Mailbox) -> bool {
    topology
        .remote_domain_for(topology.server(server).organization, &sender.domain)
        .is_none_or(|remote| remote.reports_failures)
}

/// Whom a report to this sender comes from: the Microsoft Exchange recipient for senders of the
/// organization, the external postmaster for others.
#[must_use]
pub fn reporter(topology: &Topology, server: ServerId, sender: &Mailbox) -> Mailbox {
    let this = topology.server(server);
    let organization = this.organization;
    let at = |local: &str, domain: &Domain| {
        Mailbox::parse(&format!("{local}@{domain}"))
            .unwrap_or_else(|_| unreachable!("a domain makes an address"))
    };
    if this.role == ServerRole::Edge && !this.subscribed {
        return at("postmaster", &this.fqdn);
    }
    let domain = default_domain(topology, server);
    let accepted = topology.accepted_domain_for(organization, &sender.domain);
    let own = accepted.is_some_and(|id| match topology.accepted_domain(id).kind {
        DomainType::Authoritative | DomainType::InternalRelay => true,
        DomainType::ExternalRelay => false,
    });
    if own && this.role != ServerRole::Host {
        return at(MICROSOFT_EXCHANGE, domain);
    }
    let configured = &topology
        .organization(organization)
        .transport
        .external_postmaster;
    configured
        .clone()
        .unwrap_or_else(|| at("postmaster", domain))
}

/// The default accepted domain of a server's organization; the server's own name where it has none.
#[must_use]
pub fn default_domain(topology: &Topology, server: ServerId) -> &Domain {
    let this = topology.server(server);
    let own = topology
        .accepted_domains()
        .map(|(_, accepted)| accepted)
        .filter(|accepted| accepted.organization == this.organization);
    own.min_by_key(|accepted| !accepted.default)
        .map_or(&this.fqdn, |accepted| &accepted.domain)
}

/// A report as the server that writes it has it: a message of its own, with the null reverse-path, so
/// that nobody is told of its own failure (RFC 5321 §6.1).
#[must_use]
pub fn report(topology: &Topology, server: ServerId, to: &Mailbox, size: ByteSize) -> MailItem {
    MailItem {
        reverse_path: ReversePath::Null,
        recipients: vec![to.clone()],
        size,
        auth_as: AuthAs::Internal,
        directionality: Directionality::Originating,
        arrival: Arrival::Submission,
        organization: topology.server(server).organization,
        resolved: false,
        properties: Properties::default(),
        trace: Trace::default(),
    }
}
