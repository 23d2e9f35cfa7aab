//! A front end's question: whose mail is it, and in which direction does it run? (Exchange Online,
//! "Office 365 message attribution".)

use std::cmp::Reverse;
use std::net::IpAddr;

use super::item::{Admission, Connection, Taken};
use super::lookup;
use super::step::{Reason, Rejected, Step, Subject};
use crate::mail::{Directionality, Domain, Mailbox, NamePattern, ReversePath};
use crate::model::{
    DomainType, Matcher, OrganizationId, ReceiveConnector, ReceiveConnectorId, ServerId, Topology,
};

/// A front end: whose mail is it, and in which direction does it run?
pub(super) fn attribute(
    topology: &Topology,
    server: ServerId,
    endpoint: ReceiveConnectorId,
    connection: &Connection,
    reverse_path: &ReversePath,
    recipient: &Mailbox,
    step: &mut Step,
) -> Taken {
    let matched = matching_peer(topology, server, connection, reverse_path, recipient, step);
    let owner = owner(topology, server, &recipient.domain);
    if let Some((by, organization)) = matched {
        let admission = Admission {
            connector: endpoint,
            attributed_by: Some(by),
            organization,
            promote: topology.receive_connector(by).cloud_services_mail_enabled,
            directionality: Directionality::Originating,
        };
        step.chosen = Some(Subject::ReceiveConnector(by));
        return Ok((admission, Reason::Attributed));
    }
    let profile = topology
        .organization(topology.server(server).organization)
        .profile;
    let Some(organization) = owner else {
        return Err((profile.relay_denied.clone(), Reason::RelayDenied));
    };
    let accepted = topology.accepted_domain_for(organization, &recipient.domain);
    let kind = accepted.map_or(DomainType::Authoritative, |id| {
        topology.accepted_domain(id).kind
    });
    if lookup::is_blocked(topology, server, organization, kind, recipient) {
        return Err((profile.recipient_blocked.clone(), Reason::RecipientBlocked));
    }
    let admission = Admission {
        connector: endpoint,
        attributed_by: None,
        organization,
        promote: false,
        directionality: Directionality::Incoming,
    };
    Ok((admission, Reason::TenantOfRecipient))
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

/// The inbound connector that recognises a session most surely, by name among equals; the others go
/// into the step with their reasons.
fn matching_peer(
    topology: &Topology,
    server: ServerId,
    connection: &Connection,
    reverse_path: &ReversePath,
    recipient: &Mailbox,
    step: &mut Step,
) -> Option<(ReceiveConnectorId, OrganizationId)> {
    let mut found: Vec<(Recognition, &str, ReceiveConnectorId)> = Vec::new();
    for id in topology.receive_connectors_on(server) {
        let connector = topology.receive_connector(*id);
        match recognise(topology, connector, connection, reverse_path, recipient) {
            Some(Ok(recognition)) => found.push((recognition, connector.name.as_str(), *id)),
            Some(Err(reason)) => step.rejected.push(Rejected {
                candidate: Subject::ReceiveConnector(*id),
                reason,
            }),
            None => {}
        }
    }
    found.sort_unstable();
    let (best, _, winner) = found.first().copied()?;
    for (recognition, _, loser) in &found[1..] {
        step.rejected.push(Rejected {
            candidate: Subject::ReceiveConnector(*loser),
            reason: if *recognition == best {
                Reason::LaterName
            } else {
                Reason::LessSure
            },
        });
    }
    Some((winner, topology.receive_connector(winner).organization))
}

/// How surely an inbound connector recognises a session, or why not; `None` for one that listens.
fn recognise(
    topology: &Topology,
    connector: &ReceiveConnector,
    connection: &Connection,
    reverse_path: &ReversePath,
    recipient: &Mailbox,
) -> Option<Result<Recognition, Reason>> {
    let Matcher::Peer {
        tls_sender_certificate_name: wanted,
        sender_ip_addresses,
    } = &connector.matcher
    else {
        return None;
    };
    // Connectors of type Partner restrict sessions and attribute none.
    if connector.partner.is_some() {
        return None;
    }
    if !connector.enabled {
        return Some(Err(Reason::Disabled));
    }
    let names = matching_names(connection, wanted.as_ref());
    let contains = |address: IpAddr| {
        sender_ip_addresses
            .iter()
            .any(|range| range.contains(address))
    };
    if names.is_empty() && !connection.remote_address.is_some_and(contains) {
        return Some(Err(match wanted {
            Some(wanted) => Reason::CertificateDoesNotMatch(wanted.to_string()),
            None => Reason::AddressNotInRange,
        }));
    }
    let tenant = connector.organization;
    let accepted = |domain| topology.accepted_domain_for(tenant, domain).is_some();
    let recognition = Recognition {
        by_address: names.is_empty(),
        foreign_certificate: !names
            .iter()
            .any(|name| is_registered(topology, tenant, name)),
        foreign_sender: !reverse_path.domain().is_some_and(accepted),
        foreign_recipient: !accepted(&recipient.domain),
    };
    // An address alone, or a foreign name, lets nobody send for a domain that is not the tenant's.
    if recognition.foreign_certificate && recognition.foreign_sender {
        let shown = names.first().map(ToString::to_string);
        return Some(Err(Reason::CertificateDomainNotAccepted(
            shown.unwrap_or_else(|| reverse_path.to_string()),
        )));
    }
    Some(Ok(recognition))
}

/// The names of the client's certificate that satisfy a demand; none of one that is not trusted.
fn matching_names<'a>(
    connection: &'a Connection,
    wanted: Option<&NamePattern>,
) -> Vec<&'a NamePattern> {
    let trusted = connection
        .certificate
        .iter()
        .filter(|certificate| certificate.trusted && connection.tls);
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
