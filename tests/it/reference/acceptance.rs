//! Acceptance, from the tables of the documents (Exchange Server, "Receive connectors" and "Accepted
//! domains in Exchange Server"; Exchange Online, "Office 365 message attribution" and "Use
//! Directory-Based Edge Blocking to reject messages sent to invalid recipients").

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use hybridmx::mail::{AuthAs, Directionality, Domain, Mailbox, ReversePath, Status};
use hybridmx::model::{
    DomainType, IpRange, Matcher, OrganizationId, Parts, PermissionGroup, ReceiveConnector,
    RecipientKind, RecipientValidation, Server, ServerId, ServerRole, replies,
};
use hybridmx::route::{Connection, Peer, Transfer};

use super::names::{accepted, certificate_name_fits, domain_type};

/// The answer to RCPT TO.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Accepted<'a> {
    /// The Receive connector that serves the session.
    pub(crate) connector: &'a str,
    /// The inbound connector that attributes it.
    pub(crate) attributed_by: Option<&'a str>,
    /// The organization whose mail it is.
    pub(crate) organization: OrganizationId,
    /// Whether cross-premises headers are believed.
    pub(crate) promote: bool,
    /// In which direction the message runs.
    pub(crate) directionality: Directionality,
}

/// Who the client is to the connector that serves it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Standing {
    Anonymous,
    ExternallySecured,
    Server,
    User,
}

/// Answers RCPT TO.
pub(crate) fn accept<'a>(
    parts: &'a Parts,
    server: ServerId,
    connection: &Connection,
    reverse_path: &ReversePath,
    recipient: &Mailbox,
) -> Result<Accepted<'a>, Status> {
    let connector = serving(parts, server, connection).ok_or(replies::NOT_ACTIVE.clone())?;
    if connector.require_tls && !connection.tls {
        return Err(replies::MUST_STARTTLS.clone());
    }
    let standing = standing(connector, connection).ok_or(replies::NOT_AUTHENTICATED.clone())?;
    let here = &parts.servers[server.index()];
    if here.front_end_for.is_empty() {
        routing_server(parts, here, connector, connection, standing, recipient)
    } else {
        front_end(
            parts,
            server,
            connector,
            connection,
            reverse_path,
            recipient,
        )
    }
}

/// The connector bound to the port whose narrowest range around the client is the narrowest of all.
pub(crate) fn serving<'a>(
    parts: &'a Parts,
    server: ServerId,
    connection: &Connection,
) -> Option<&'a ReceiveConnector> {
    let mut serving: Vec<(u128, &str, &ReceiveConnector)> = Vec::new();
    for connector in &parts.receive_connectors {
        let Matcher::Endpoint {
            bindings,
            remote_ip_ranges,
            ..
        } = &connector.matcher
        else {
            continue;
        };
        let listens = bindings.iter().any(|at| at.port() == connection.port);
        if connector.server != server || !connector.enabled || !listens {
            continue;
        }
        let size = match connection.remote_address {
            Some(client) => remote_ip_ranges
                .iter()
                .filter(|range| holds(range, client))
                .map(|range| ordinal(ends(range).1) - ordinal(ends(range).0))
                .min(),
            // Of a client without an address only this is known: it is somebody.
            None => is_for_everyone(remote_ip_ranges).then_some(0),
        };
        if let Some(size) = size {
            serving.push((size, &connector.name, connector));
        }
    }
    serving.sort_by_key(|(size, name, _)| (*size, *name));
    serving.first().map(|(_, _, connector)| *connector)
}

/// The two ends of a range.
fn ends(range: &IpRange) -> (IpAddr, IpAddr) {
    let text = range.to_string();
    let (first, last) = text.split_once('-').unwrap_or((&text, &text));
    (
        first.parse().expect("an address"),
        last.parse().expect("an address"),
    )
}

fn holds(range: &IpRange, client: IpAddr) -> bool {
    let (first, last) = ends(range);
    client.is_ipv4() == first.is_ipv4()
        && ordinal(first) <= ordinal(client)
        && ordinal(client) <= ordinal(last)
}

/// Whether some ranges leave out no IPv4 address, or no IPv6 address. If one is left out, then one
/// that is the first of all or comes right after the end of a range.
fn is_for_everyone(ranges: &[IpRange]) -> bool {
    let held = |address: IpAddr| ranges.iter().any(|range| holds(range, address));
    let mut v4 = vec![IpAddr::V4(Ipv4Addr::UNSPECIFIED)];
    let mut v6 = vec![IpAddr::V6(Ipv6Addr::UNSPECIFIED)];
    for range in ranges {
        match ends(range).1 {
            IpAddr::V4(last) => v4.extend(
                last.to_bits()
                    .checked_add(1)
                    .map(|next| IpAddr::V4(Ipv4Addr::from_bits(next))),
            ),
            IpAddr::V6(last) => v6.extend(
                last.to_bits()
                    .checked_add(1)
                    .map(|next| IpAddr::V6(Ipv6Addr::from_bits(next))),
            ),
        }
    }
    v4.into_iter().all(held) || v6.into_iter().all(held)
}

fn ordinal(address: IpAddr) -> u128 {
    match address {
        IpAddr::V4(v4) => u128::from(v4.to_bits()),
        IpAddr::V6(v6) => v6.to_bits(),
    }
}

/// Which permission group lets the client submit; nothing if none does.
fn standing(connector: &ReceiveConnector, connection: &Connection) -> Option<Standing> {
    let has = |group| connector.permission_groups.contains(&group);
    match connection.peer {
        Peer::ExchangeServer if has(PermissionGroup::ExchangeServers) => Some(Standing::Server),
        Peer::User if has(PermissionGroup::ExchangeUsers) => Some(Standing::User),
        Peer::Anonymous
            if connector.externally_secured && has(PermissionGroup::ExchangeServers) =>
        {
            Some(Standing::ExternallySecured)
        }
        Peer::Anonymous if has(PermissionGroup::AnonymousUsers) => Some(Standing::Anonymous),
        Peer::Anonymous | Peer::ExchangeServer | Peer::User => None,
    }
}

/// A server that routes for itself: any recipient of an accepted domain; others for those who may
/// relay.
fn routing_server<'a>(
    parts: &'a Parts,
    here: &Server,
    connector: &'a ReceiveConnector,
    connection: &Connection,
    standing: Standing,
    recipient: &Mailbox,
) -> Result<Accepted<'a>, Status> {
    let profile = parts.organizations[here.organization.index()].profile;
    let promote = cloud_capability(connector, connection);
    let kind = domain_type(parts, here.organization, &recipient.domain);
    let may_relay = standing != Standing::Anonymous || connector.anonymous_relay || promote;
    if kind.is_none() && !may_relay {
        return Err(profile.relay_denied.clone());
    }
    if kind == Some(DomainType::Authoritative)
        && standing == Standing::Anonymous
        && here.recipient_validation == RecipientValidation::Authoritative
        && !known(parts, here, here.organization, recipient)
    {
        return Err(profile.recipient_blocked.clone());
    }
    Ok(Accepted {
        connector: &connector.name,
        attributed_by: None,
        organization: here.organization,
        promote,
        directionality: match standing {
            Standing::Anonymous => Directionality::Incoming,
            Standing::ExternallySecured | Standing::Server | Standing::User => {
                Directionality::Originating
            }
        },
    })
}

/// Whether the peer's validated certificate has a name with `AcceptCloudServicesMail`.
fn cloud_capability(connector: &ReceiveConnector, connection: &Connection) -> bool {
    connector.tls_domain_capabilities.iter().any(|capability| {
        let fits = |name: &String| {
            let wanted = capability.domain.as_ref();
            wanted.is_some_and(|wanted| certificate_name_fits(&wanted.to_string(), name))
        };
        capability.accept_cloud_services_mail && trusted_names(connection).iter().any(fits)
    })
}

/// The names of the client's certificate, if its chain is good.
fn trusted_names(connection: &Connection) -> Vec<String> {
    match &connection.certificate {
        Some(certificate) if connection.tls && certificate.trusted => {
            certificate.names.iter().map(ToString::to_string).collect()
        }
        Some(_) | None => Vec::new(),
    }
}

/// Whether recipient validation finds the address. EdgeSync does not replicate recipients that
/// refuse mail from outside, so an Edge server does not know them.
fn known(parts: &Parts, here: &Server, organization: OrganizationId, address: &Mailbox) -> bool {
    parts.recipients.iter().any(|recipient| {
        let is_recipient = !matches!(
            recipient.kind,
            RecipientKind::RemoteGroup {
                mail_enabled: false,
                ..
            }
        );
        let replicated = here.role != ServerRole::Edge || !recipient.require_sender_authentication;
        recipient.organization == organization
            && is_recipient
            && replicated
            && recipient.addresses.contains(address)
    })
}

/// A front end: the tenant that the client's certificate or address names, else the recipient's.
fn front_end<'a>(
    parts: &'a Parts,
    server: ServerId,
    connector: &'a ReceiveConnector,
    connection: &Connection,
    reverse_path: &ReversePath,
    recipient: &Mailbox,
) -> Result<Accepted<'a>, Status> {
    let here = &parts.servers[server.index()];
    if let Some(inbound) = inbound(parts, server, connection, reverse_path, recipient) {
        return Ok(Accepted {
            connector: &connector.name,
            attributed_by: Some(&inbound.name),
            organization: inbound.organization,
            promote: inbound.cloud_services_mail_enabled,
            directionality: Directionality::Originating,
        });
    }
    let Some(tenant) = owner(parts, here, &recipient.domain) else {
        let profile = parts.organizations[here.organization.index()].profile;
        return Err(profile.relay_denied.clone());
    };
    if domain_type(parts, tenant, &recipient.domain) == Some(DomainType::Authoritative)
        && here.recipient_validation == RecipientValidation::Authoritative
        && !known(parts, here, tenant, recipient)
    {
        let profile = parts.organizations[tenant.index()].profile;
        return Err(profile.recipient_blocked.clone());
    }
    Ok(Accepted {
        connector: &connector.name,
        attributed_by: None,
        organization: tenant,
        promote: false,
        directionality: Directionality::Incoming,
    })
}

/// The tenant that a domain belongs to: the one with the closest accepted domain.
fn owner(parts: &Parts, here: &Server, domain: &Domain) -> Option<OrganizationId> {
    let mut owners = Vec::new();
    for (tenant, _) in &here.front_end_for {
        if let Some(entry) = accepted(parts, *tenant, domain) {
            let name = &parts.organizations[tenant.index()].name;
            let length = entry.domain.as_str().len();
            owners.push((usize::MAX - length, entry.subdomains, name, *tenant));
        }
    }
    owners.sort();
    owners.first().map(|(_, _, _, tenant)| *tenant)
}

/// The inbound connector that recognises the client, and whose tenant owns the certificate's domain or
/// the sender's: those that match by certificate before those that match by address; among equals the
/// tenant that owns the certificate's domain, the sender's, the recipient's, and at last the lowest
/// name.
fn inbound<'a>(
    parts: &'a Parts,
    server: ServerId,
    connection: &Connection,
    reverse_path: &ReversePath,
    recipient: &Mailbox,
) -> Option<&'a ReceiveConnector> {
    let mut found = Vec::new();
    for connector in &parts.receive_connectors {
        let Matcher::Peer {
            tls_sender_certificate_name,
            sender_ip_addresses,
        } = &connector.matcher
        else {
            continue;
        };
        if connector.server != server || !connector.enabled {
            continue;
        }
        let names: Vec<String> = match tls_sender_certificate_name {
            Some(wanted) => trusted_names(connection)
                .into_iter()
                .filter(|name| certificate_name_fits(&wanted.to_string(), name))
                .collect(),
            None => Vec::new(),
        };
        let by_address = connection
            .remote_address
            .is_some_and(|client| sender_ip_addresses.iter().any(|r| r.contains(client)));
        if names.is_empty() && !by_address {
            continue;
        }
        let tenant = connector.organization;
        let owns_name = names.iter().any(|name| registered(parts, tenant, name));
        let owns_sender = reverse_path
            .domain()
            .is_some_and(|domain| accepted(parts, tenant, domain).is_some());
        let owns_recipient = accepted(parts, tenant, &recipient.domain).is_some();
        if owns_name || owns_sender {
            let key = (names.is_empty(), !owns_name, !owns_sender, !owns_recipient);
            found.push((key, &connector.name, connector));
        }
    }
    found.sort_by_key(|(key, name, _)| (*key, *name));
    found.first().map(|(_, _, connector)| *connector)
}

/// Whether a certificate's name, or what is left without its first label, is an accepted domain.
fn registered(parts: &Parts, tenant: OrganizationId, name: &str) -> bool {
    let parent = name.split_once('.').map(|(_, parent)| parent);
    [Some(name), parent]
        .into_iter()
        .flatten()
        .filter_map(|name| Domain::parse(name).ok())
        .any(|domain| accepted(parts, tenant, &domain).is_some())
}

/// What a server takes over at the end of DATA.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Admitted {
    /// Who vouches for the sender.
    pub(crate) auth_as: AuthAs,
    /// The names in the Received fields, this server's own at the end.
    pub(crate) received_by: Vec<Domain>,
    /// How often it entered the organization it is for, this time included where that is counted.
    pub(crate) entries: u32,
    /// Whether its recipients need not be resolved again.
    pub(crate) resolved: bool,
}

/// Answers the end of DATA on a session that `accept` let in: sizes, hops, earlier entries.
pub(crate) fn admit(
    parts: &Parts,
    server: ServerId,
    connection: &Connection,
    accepted: &Accepted<'_>,
    transfer: &Transfer,
) -> Result<Admitted, Status> {
    let here = &parts.servers[server.index()];
    let profile = parts.organizations[here.organization.index()].profile;
    let connector = serving(parts, server, connection).expect("the session was accepted");
    let standing = standing(connector, connection).expect("the session was accepted");
    let bypass = matches!(standing, Standing::Server | Standing::ExternallySecured);
    if transfer.size > connector.max_message_size && !bypass {
        return Err(replies::TOO_LARGE.clone());
    }
    let mut received_by = transfer.trace.received_by.clone();
    for (limits, own) in services(parts, server, connector) {
        let total = received_by.len();
        let local = received_by.iter().filter(|by| *by == own).count();
        let local_test = limits.max_local_hop_count > 0;
        if total > limits.max_hop_count as usize
            || local_test && local > limits.max_local_hop_count as usize
        {
            return Err(profile.hop_count_exceeded.clone());
        }
        received_by.push(own.clone());
    }
    let entries = entries(here, connector, accepted.organization, transfer)
        .ok_or(profile.hop_count_exceeded.clone())?;
    Ok(Admitted {
        auth_as: auth_as(standing, accepted.promote, transfer),
        received_by,
        entries,
        resolved: transfer.resolved && standing == Standing::Server,
    })
}

/// Who vouches for the sender (Exchange Server, "Header firewall in Exchange Server"; Exchange Online,
/// New-InboundConnector).
fn auth_as(standing: Standing, promote: bool, transfer: &Transfer) -> AuthAs {
    match standing {
        Standing::Server => transfer.organization.unwrap_or(AuthAs::Internal),
        Standing::User | Standing::ExternallySecured => AuthAs::Internal,
        Standing::Anonymous if promote => transfer.cross_premises.unwrap_or(AuthAs::Anonymous),
        Standing::Anonymous => AuthAs::Anonymous,
    }
}

/// How often the message entered the tenant, if not too often. Only Exchange Online Protection counts.
fn entries(
    here: &Server,
    connector: &ReceiveConnector,
    tenant: OrganizationId,
    transfer: &Transfer,
) -> Option<u32> {
    let mut earlier = 0;
    for (organization, count) in &transfer.trace.attributions {
        if *organization == tenant {
            earlier += count;
        }
    }
    match connector.max_attributions {
        _ if here.front_end_for.is_empty() => Some(earlier),
        Some(limit) if earlier >= limit => None,
        Some(_) | None => Some(earlier + 1),
    }
}

/// The services that a session passes, each with the connector whose limits hold for it.
fn services<'a>(
    parts: &'a Parts,
    server: ServerId,
    connector: &'a ReceiveConnector,
) -> Vec<(&'a ReceiveConnector, &'a Domain)> {
    let here = &parts.servers[server.index()];
    let Matcher::Endpoint {
        transport_role: entered,
        ..
    } = &connector.matcher
    else {
        panic!("a session is served by an endpoint");
    };
    let mut passed = Vec::new();
    for service in &here.services {
        if service.transport_role == *entered {
            passed.push((connector, &service.received_by));
        } else if !passed.is_empty() {
            passed.push((behind(parts, server, connector), &service.received_by));
        }
    }
    passed
}

/// The connector of the transport service behind the front end.
fn behind<'a>(
    parts: &'a Parts,
    server: ServerId,
    front: &'a ReceiveConnector,
) -> &'a ReceiveConnector {
    let mut hub: Vec<&ReceiveConnector> = parts
        .receive_connectors
        .iter()
        .filter(|connector| {
            connector.server == server
                && connector.enabled
                && matches!(
                    connector.matcher,
                    Matcher::Endpoint {
                        transport_role: hybridmx::model::TransportRole::HubTransport,
                        ..
                    }
                )
        })
        .collect();
    hub.sort_by_key(|connector| connector.name.clone());
    hub.first().copied().unwrap_or(front)
}
