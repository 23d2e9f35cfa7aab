//! A front end's question: whose mail is it, and in which direction does it run? (Exchange Online,
//! "Office 365 message attribution".)

use std::cmp::Reverse;
use std::net::IpAddr;

use super::item::{Admission, Connection, Envelope, Taken, Vouched};
use super::lookup;
use super::step::{Reason, Rejected, Step, Subject};
use crate::mail::{Directionality, Domain, NamePattern, ReversePath, Status};
use crate::model::{
    DomainPattern, Matcher, OrganizationId, PartnerRestriction, ReceiveConnector,
    ReceiveConnectorId, ServerId, Topology, replies,
};

/// A front end: whose mail is it, and in which direction does it run?
///
/// A client with a certificate of a private authority gets no channel at all (Exchange hybrid, "Mail flow
/// stops between your on-premises environment and Exchange Online", event 2004). One whose chain is not
/// whole is a stranger's (Exchange Online, "NDR error 550 5.7.64 TenantAttribution").
/// Choice: documents show a reply to STARTTLS; here it is one to RCPT TO. A certificate that a server
/// signed itself counts as none, because every new server of Exchange has one.
///
/// The order is that of Exchange Online: the connector of an own server; then, for mail from anybody
/// else to a tenant, what the tenant refuses: everything without a licence, strangers that a partner
/// connector shuts out, strangers who write as the tenant, addresses that nobody has.
pub(super) fn attribute(
    topology: &Topology,
    server: ServerId,
    endpoint: ReceiveConnectorId,
    connection: &Connection,
    envelope: Envelope<'_>,
    step: &mut Step,
) -> Taken {
    let shown = connection.certificate.as_ref().filter(|_| connection.tls);
    if shown.is_some_and(|certificate| certificate.vouched == Vouched::PrivateRoot) {
        return refuse(&replies::UNTRUSTED_ROOT, Reason::UntrustedClient);
    }
    let own = matching_peer(topology, server, connection, envelope, step);
    if let Some(by) = own.winner {
        step.chosen = Some(Subject::ReceiveConnector(by));
        let tenant = topology.receive_connector(by).organization;
        is_served(
            topology,
            server,
            connection,
            tenant,
            &envelope.recipient.domain,
        )?;
        return by_own_server(topology, endpoint, by, connection, envelope);
    }
    let owner = owner(topology, server, &envelope.recipient.domain);
    let stranger = owner.is_none_or(|owner| !own.refused.contains(&owner));
    if stranger && !own.refused.is_empty() {
        return refuse(&replies::RELAY_NOT_REGISTERED, Reason::RelayDenied);
    }
    let Some(organization) = owner else {
        return refuse(
            &topology.server(server).profile.relay_denied,
            Reason::RelayDenied,
        );
    };
    is_served(
        topology,
        server,
        connection,
        organization,
        &envelope.recipient.domain,
    )?;
    let attributed_by = partner(topology, server, organization, connection, envelope, step)?;
    may_receive(
        topology,
        server,
        organization,
        envelope,
        attributed_by.is_some(),
    )?;
    if let Some(by) = attributed_by {
        step.chosen = Some(Subject::ReceiveConnector(by));
    }
    let admission = Admission {
        connector: endpoint,
        attributed_by,
        organization,
        promote: false,
        treat_as_internal: false,
        directionality: Directionality::Incoming,
    };
    Ok((admission, Reason::TenantOfRecipient))
}

/// Whether the endpoint that a client came to serves a tenant: not where the world gives both of them a
/// region, and another one (Exchange Online, "ATTR35 response code when mail is sent to EOP/EXO").
///
/// Choice: a tenant with several regions is served where the recipient's domain is, and where the tenant
/// is.
fn is_served(
    topology: &Topology,
    server: ServerId,
    connection: &Connection,
    tenant: OrganizationId,
    domain: &Domain,
) -> Result<(), (Status, Reason)> {
    let regions = &topology.server(server).regions;
    let endpoint = connection.local_address.and_then(|at| regions.get(&at));
    let own = topology
        .organization(tenant)
        .tenant
        .mail_flow_region
        .as_ref();
    let of_domain = topology
        .accepted_domain_for(tenant, domain)
        .and_then(|id| topology.accepted_domain(id).cloud.mail_flow_region.as_ref());
    match (endpoint, of_domain.or(own)) {
        (Some(endpoint), Some(region)) if endpoint != region && Some(endpoint) != own => refuse(
            &replies::WRONG_REGION,
            Reason::RegionOther(endpoint.clone(), region.clone()),
        ),
        _ => Ok(()),
    }
}

/// What the connector of an own server makes of the session that it recognises.
fn by_own_server(
    topology: &Topology,
    endpoint: ReceiveConnectorId,
    by: ReceiveConnectorId,
    connection: &Connection,
    envelope: Envelope<'_>,
) -> Taken {
    let connector = topology.receive_connector(by);
    let admission = Admission {
        connector: endpoint,
        attributed_by: Some(by),
        organization: connector.organization,
        promote: connector.cloud_services_mail_enabled,
        treat_as_internal: connector.treat_as_internal
            && !connector.cloud_services_mail_enabled
            && is_own(topology, connector.organization, envelope.reverse_path),
        directionality: Directionality::Originating,
    };
    if connector.blocked {
        return refuse(&replies::CONNECTOR_BLOCKED, Reason::ConnectorBlocked);
    }
    // Choice: as for a partner; a connector that goes by addresses can meet a session without TLS.
    if connector.require_tls && !connection.tls {
        return refuse(&replies::MUST_STARTTLS, Reason::TlsRequired);
    }
    may_send_from(topology, connector.organization, envelope.reverse_path)?;
    Ok((admission, Reason::Attributed))
}

fn refuse<T>(status: &Status, reason: Reason) -> Result<T, (Status, Reason)> {
    Err((status.clone(), reason))
}

/// Whether a sender's domain is an accepted domain of a tenant.
fn is_own(topology: &Topology, tenant: OrganizationId, reverse_path: &ReversePath) -> bool {
    let domain = reverse_path.domain();
    domain.is_some_and(|domain| topology.accepted_domain_for(tenant, domain).is_some())
}

/// Whether a tenant lets mail out in the name of this sender.
///
/// Choice: the reply of a sender whom the session may not name, because that of
/// `SendingFromDomainDisabled` is not documented.
fn may_send_from(
    topology: &Topology,
    tenant: OrganizationId,
    reverse_path: &ReversePath,
) -> Result<(), (Status, Reason)> {
    let accepted = reverse_path
        .domain()
        .and_then(|domain| topology.accepted_domain_for(tenant, domain));
    let disabled = accepted.is_some_and(|id| {
        let domain = topology.accepted_domain(id);
        domain.cloud.sending_from_disabled
    });
    if disabled {
        let reason = Reason::DomainSwitchedOff("SendingFromDomainDisabled");
        return refuse(&replies::SENDER_REFUSED, reason);
    }
    Ok(())
}

/// Whether a tenant takes mail for a recipient from somebody who is not its own.
fn may_receive(
    topology: &Topology,
    server: ServerId,
    tenant: OrganizationId,
    envelope: Envelope<'_>,
    by_partner: bool,
) -> Result<(), (Status, Reason)> {
    let policy = &topology.organization(tenant).tenant;
    if policy.reject_direct_send && !by_partner && is_own(topology, tenant, envelope.reverse_path) {
        return refuse(&replies::DIRECT_SEND, Reason::DirectSendRejected);
    }
    let this = topology.server(server);
    let blocked = &this.profile.recipient_blocked;
    let Some(accepted) = topology.accepted_domain_for(tenant, &envelope.recipient.domain) else {
        return Ok(());
    };
    let accepted = topology.accepted_domain(accepted);
    // Choice: an address of a domain that takes no mail is as one that nobody has, because the reply
    // is not documented.
    if accepted.cloud.sending_to_disabled {
        return refuse(
            blocked,
            Reason::DomainSwitchedOff("SendingToDomainDisabled"),
        );
    }
    if accepted.cloud.outbound_only {
        return refuse(blocked, Reason::DomainSwitchedOff("OutboundOnly"));
    }
    if lookup::is_unknown(topology, this, accepted, envelope.recipient) {
        return refuse(blocked, Reason::RecipientBlocked);
    }
    Ok(())
}

/// The connector from a partner that a session satisfies, if any; and whether the tenant takes it at
/// all (Exchange Online, "Configure mail flow using connectors in Exchange Online": partners).
///
/// Connectors whose certificate or addresses the session has go first, by name among equals; where
/// there is none, one that restricts the sender's domain shuts the session out.
fn partner(
    topology: &Topology,
    server: ServerId,
    tenant: OrganizationId,
    connection: &Connection,
    envelope: Envelope<'_>,
    step: &mut Step,
) -> Result<Option<ReceiveConnectorId>, (Status, Reason)> {
    if !topology.organization(tenant).tenant.has_mail_license {
        return refuse(&replies::NO_MAIL_LICENSE, Reason::NoMailLicense);
    }
    let mut candidates: Vec<(Standing, String, ReceiveConnectorId)> = Vec::new();
    for id in topology.receive_connectors_on(server) {
        let connector = topology.receive_connector(*id);
        let Some(restriction) = &connector.partner else {
            continue;
        };
        if connector.organization != tenant {
            continue;
        }
        match concerns(topology, connector, restriction, envelope) {
            Err(reason) => lose(step, *id, reason),
            Ok(()) => {
                let standing = standing(connector, restriction, connection);
                candidates.push((standing, connector.name.to_lowercase(), *id));
            }
        }
    }
    candidates.sort_unstable();
    let Some((standing, _, id)) = candidates.first() else {
        return Ok(None);
    };
    if let Standing::ShutOut(setting) = standing {
        step.chosen = Some(Subject::ReceiveConnector(*id));
        return refuse(
            &replies::PARTNER_RESTRICTED,
            Reason::PartnerRestricted(setting),
        );
    }
    let connector = topology.receive_connector(*id);
    // Choice: the reply of a Receive connector that demands TLS; that of a partner connector is not
    // documented.
    if connector.require_tls && !connection.tls {
        step.chosen = Some(Subject::ReceiveConnector(*id));
        return refuse(
            &replies::MUST_STARTTLS,
            Reason::PartnerRestricted("RequireTls"),
        );
    }
    Ok((*standing == Standing::Recognised).then_some(*id))
}

/// What a connector from a partner says of a session; the least goes first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Standing {
    /// It is the partner's.
    Recognised,
    /// It may not be: the setting that says so.
    ShutOut(&'static str),
    /// It may be.
    Open,
}

fn standing(
    connector: &ReceiveConnector,
    restriction: &PartnerRestriction,
    connection: &Connection,
) -> Standing {
    let evidence = evidence(connector, connection);
    if restriction.to_certificate && evidence.as_ref().is_none_or(|e| e.names.is_empty()) {
        return Standing::ShutOut("RestrictDomainsToCertificate");
    }
    if restriction.to_addresses && evidence.as_ref().is_none_or(|e| !e.by_address) {
        return Standing::ShutOut("RestrictDomainsToIPAddresses");
    }
    match evidence {
        Some(_) => Standing::Recognised,
        None => Standing::Open,
    }
}

/// Whether a connector from a partner is for this envelope. The null reverse-path has no domain, so
/// that only `*` is for it.
fn concerns(
    topology: &Topology,
    connector: &ReceiveConnector,
    restriction: &PartnerRestriction,
    envelope: Envelope<'_>,
) -> Result<(), Reason> {
    if !connector.enabled {
        return Err(Reason::Disabled);
    }
    let covers = |pattern: &DomainPattern| match (pattern, envelope.reverse_path.domain()) {
        (DomainPattern::Any, _) => true,
        (DomainPattern::Exact(own), Some(domain)) => own == domain,
        (DomainPattern::WithSubdomains(parent), Some(domain)) => domain.is_within(parent),
        _ => false,
    };
    if !restriction.sender_domains.iter().any(covers) {
        return Err(Reason::SenderDomainOther);
    }
    is_associated(topology, connector, &envelope.recipient.domain)
}

/// Whether a connector is for a recipient domain.
///
/// Choice: `AssociatedAcceptedDomains` are domains of recipients, though the cmdlet's page speaks of
/// the source of messages, because the reply of a restricted partner names the recipient's domain; an
/// accepted domain with subdomains stands for these too.
fn is_associated(
    topology: &Topology,
    connector: &ReceiveConnector,
    domain: &Domain,
) -> Result<(), Reason> {
    let listed = |domain: &Domain| connector.associated_domains.contains(domain);
    let accepted = topology.accepted_domain_for(connector.organization, domain);
    let covered = accepted.is_some_and(|id| listed(&topology.accepted_domain(id).domain));
    if connector.associated_domains.is_empty() || listed(domain) || covered {
        return Ok(());
    }
    Err(Reason::DomainNotAssociated(domain.clone()))
}

/// The tenant of a front end that a domain belongs to: the one whose accepted domain covers it most
/// closely, by name among equals.
fn owner(topology: &Topology, server: ServerId, domain: &Domain) -> Option<OrganizationId> {
    let tenants = &topology.server(server).front_end_for;
    tenants
        .iter()
        .filter_map(|(tenant, _)| {
            let accepted = topology.accepted_domain(topology.accepted_domain_for(*tenant, domain)?);
            let breadth = Reverse((accepted.domain.labels().count(), !accepted.subdomains));
            Some((
                breadth,
                topology.organization(*tenant).name.as_str(),
                *tenant,
            ))
        })
        .min()
        .map(|(_, _, tenant)| tenant)
}

/// How surely an inbound connector recognises a session; the least is the surest.
///
/// Choice: where connectors of two tenants recognise one session, which is a mistake of theirs, the
/// owner of the certificate's domain goes first, then the sender's, then the recipient's (Exchange
/// Online, "Office 365 message attribution").
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Recognition {
    by_address: bool,
    foreign_certificate: bool,
    foreign_sender: bool,
    foreign_recipient: bool,
}

/// What the connectors for own servers say of a session.
struct Recognised {
    /// The one that recognises it most surely.
    winner: Option<ReceiveConnectorId>,
    /// The tenants whose connectors recognise it, but do not let it send in this name.
    refused: Vec<OrganizationId>,
}

/// The inbound connector that recognises a session most surely, by name among equals; the others go
/// into the step with their reasons.
fn matching_peer(
    topology: &Topology,
    server: ServerId,
    connection: &Connection,
    envelope: Envelope<'_>,
    step: &mut Step,
) -> Recognised {
    let mut found: Vec<(Recognition, &str, ReceiveConnectorId)> = Vec::new();
    let mut refused = Vec::new();
    for id in topology.receive_connectors_on(server) {
        let connector = topology.receive_connector(*id);
        match recognise(topology, connector, connection, envelope) {
            Some(Ok(recognition)) => found.push((recognition, connector.name.as_str(), *id)),
            Some(Err(reason)) => {
                if let Reason::CertificateDomainNotAccepted(_) = reason {
                    refused.push(connector.organization);
                }
                lose(step, *id, reason);
            }
            None => {}
        }
    }
    found.sort_unstable();
    let best = found.first().map(|(recognition, ..)| *recognition);
    for (recognition, _, loser) in found.iter().skip(1) {
        let equal = best == Some(*recognition);
        let reason = if equal {
            Reason::LaterName
        } else {
            Reason::LessSure
        };
        lose(step, *loser, reason);
    }
    Recognised {
        winner: found.first().map(|(_, _, id)| *id),
        refused,
    }
}

fn lose(step: &mut Step, id: ReceiveConnectorId, reason: Reason) {
    step.rejected.push(Rejected {
        candidate: Subject::ReceiveConnector(id),
        reason,
    });
}

/// How surely an inbound connector recognises a session, or why not; `None` for one that listens, and
/// for one that is for a partner's mail.
fn recognise(
    topology: &Topology,
    connector: &ReceiveConnector,
    connection: &Connection,
    envelope: Envelope<'_>,
) -> Option<Result<Recognition, Reason>> {
    let Matcher::Peer {
        tls_sender_certificate_name: wanted,
        ..
    } = &connector.matcher
    else {
        return None;
    };
    if connector.partner.is_some() {
        return None;
    }
    if !connector.enabled {
        return Some(Err(Reason::Disabled));
    }
    let Some(Evidence { names, .. }) = evidence(connector, connection) else {
        return Some(Err(match wanted {
            Some(wanted) => Reason::CertificateDoesNotMatch(wanted.to_string()),
            None => Reason::AddressNotInRange,
        }));
    };
    if let Err(reason) = is_associated(topology, connector, &envelope.recipient.domain) {
        return Some(Err(reason));
    }
    let tenant = connector.organization;
    let recipient_domain = &envelope.recipient.domain;
    let recognition = Recognition {
        by_address: names.is_empty(),
        foreign_certificate: !names
            .iter()
            .any(|name| is_registered(topology, tenant, name)),
        foreign_sender: !is_own(topology, tenant, envelope.reverse_path),
        foreign_recipient: topology
            .accepted_domain_for(tenant, recipient_domain)
            .is_none(),
    };
    // An address alone, or a foreign name, lets nobody send for a domain that is not the tenant's.
    if recognition.foreign_certificate && recognition.foreign_sender {
        let shown = names.first().map(ToString::to_string);
        return Some(Err(Reason::CertificateDomainNotAccepted(
            shown.unwrap_or_else(|| envelope.reverse_path.to_string()),
        )));
    }
    Some(Ok(recognition))
}

/// By what an inbound connector recognises a client.
struct Evidence<'a> {
    /// The names of its certificate that the connector asks for.
    names: Vec<&'a NamePattern>,
    /// Whether its address is one of the connector's.
    by_address: bool,
}

/// What a connector knows a client by; `None` where it does not know it.
fn evidence<'a>(connector: &ReceiveConnector, connection: &'a Connection) -> Option<Evidence<'a>> {
    let Matcher::Peer {
        tls_sender_certificate_name: wanted,
        sender_ip_addresses,
    } = &connector.matcher
    else {
        return None;
    };
    let names = matching_names(connection, wanted.as_ref());
    let contains = |address: IpAddr| {
        sender_ip_addresses
            .iter()
            .any(|range| range.contains(address))
    };
    let by_address = connection.remote_address.is_some_and(contains);
    (by_address || !names.is_empty()).then_some(Evidence { names, by_address })
}

/// The names of the client's certificate that satisfy a demand; none of one that is not trusted.
fn matching_names<'a>(
    connection: &'a Connection,
    wanted: Option<&NamePattern>,
) -> Vec<&'a NamePattern> {
    let trusted = connection
        .certificate
        .iter()
        .filter(|certificate| certificate.is_trusted() && connection.tls);
    trusted
        .flat_map(|certificate| &certificate.names)
        .filter(|name| wanted.is_some_and(|wanted| wanted.accepts(name)))
        .collect()
}

/// Whether a certificate's name, or its immediate parent, is an accepted domain.
fn is_registered(topology: &Topology, tenant: OrganizationId, name: &NamePattern) -> bool {
    let accepted = |domain: &Domain| topology.accepted_domain_for(tenant, domain).is_some();
    let parent = name.domain().parent().filter(|_| !name.is_wildcard());
    accepted(name.domain()) || parent.as_ref().is_some_and(accepted)
}
