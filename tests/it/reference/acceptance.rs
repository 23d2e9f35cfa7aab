//! Acceptance, from the tables of the documents (Exchange Server, "Receive connectors" and "Accepted
//! domains in Exchange Server"; Exchange Online, "Office 365 message attribution" and "Use
//! Directory-Based Edge Blocking to reject messages sent to invalid recipients").

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use hybridmx::mail::{AuthAs, Directionality, Domain, Mailbox, ReversePath, Status};
use hybridmx::model::{
    ExtendedRight, IpRange, Matcher, OrganizationId, Parts, ReceiveConnector, RecipientKind,
    RecipientValidation, Server, ServerId, ServerRole, replies,
};
use hybridmx::route::{Connection, Peer, Transfer};

use super::names::{accepted, certificate_name_fits, remote_domain};
use super::{sessions, tenants};

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
    /// Whether the tenant's connector makes senders of the tenant internal.
    pub(crate) internal: bool,
    /// In which direction the message runs.
    pub(crate) directionality: Directionality,
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
    sessions::mail_from(parts, connector, connection, reverse_path)?;
    cannot_be(connector, recipient)?;
    let here = &parts.servers[server.index()];
    let session = Session {
        connector,
        connection,
        reverse_path,
        recipient,
    };
    if here.front_end_for.is_empty() {
        routing_server(parts, here, &session)
    } else {
        tenants::front_end(parts, server, &session)
    }
}

/// A session with its envelope.
pub(super) struct Session<'a, 'q> {
    pub(super) connector: &'a ReceiveConnector,
    pub(super) connection: &'q Connection,
    pub(super) reverse_path: &'q ReversePath,
    pub(super) recipient: &'q Mailbox,
}

/// Domains that no recipient has (RFC 2606; Exchange PowerShell, "Set-ReceiveConnector").
fn cannot_be(connector: &ReceiveConnector, recipient: &Mailbox) -> Result<(), Status> {
    let rules = connector.recipient_domains;
    let name = format!(".{}", recipient.domain);
    let ends_in = |tails: &[&str]| tails.iter().any(|tail| name.ends_with(tail));
    if rules.reject_reserved_top_level && ends_in(&[".test", ".example", ".invalid", ".localhost"])
    {
        return Err(Status::new(
            550,
            (5, 1, 4),
            "Recipient address reserved by RFC 2606",
        ));
    }
    if rules.reject_reserved_second_level
        && ends_in(&[".example.com", ".example.net", ".example.org"])
    {
        return Err(Status::new(
            550,
            (5, 1, 5),
            "Recipient address reserved by RFC 2606",
        ));
    }
    if rules.reject_single_label && name.matches('.').count() == 1 {
        return Err(Status::new(
            550,
            (5, 1, 6),
            "Recipient addresses in single label domains not accepted",
        ));
    }
    Ok(())
}

/// The connector bound to the port whose narrowest range around the client is the narrowest of all.
pub(crate) fn serving<'a>(
    parts: &'a Parts,
    server: ServerId,
    connection: &Connection,
) -> Option<&'a ReceiveConnector> {
    let mut serving: Vec<(u128, bool, String, &ReceiveConnector)> = Vec::new();
    for connector in &parts.receive_connectors {
        let Matcher::Endpoint {
            bindings,
            remote_ip_ranges,
            ..
        } = &connector.matcher
        else {
            continue;
        };
        let listens = bindings.iter().any(|at| {
            let everywhere = ["0.0.0.0", "::"].contains(&at.ip().to_string().as_str());
            let here = match connection.local_address {
                Some(local) if everywhere => local.is_ipv4() == at.is_ipv4(),
                Some(local) => at.ip() == local,
                None => true,
            };
            here && at.port() == connection.port
        });
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
            let named = |at: &SocketAddr| {
                at.port() == connection.port && Some(at.ip()) == connection.local_address
            };
            let anywhere = !bindings.iter().any(named);
            serving.push((size, anywhere, connector.name.to_lowercase(), connector));
        }
    }
    serving.sort_by_key(|(size, anywhere, name, _)| (*size, *anywhere, name.clone()));
    serving.first().map(|(.., connector)| *connector)
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

/// A server that routes for itself: any recipient of an accepted domain; others for those who may
/// relay.
fn routing_server<'a>(
    parts: &'a Parts,
    here: &Server,
    session: &Session<'a, '_>,
) -> Result<Accepted<'a>, Status> {
    let Session {
        connector,
        connection,
        reverse_path,
        recipient,
    } = *session;
    let rights = sessions::rights(parts, connector, connection, reverse_path);
    let promote = here.subscribed && cloud_capability(connector, connection);
    let entry = accepted(parts, here.organization, &recipient.domain).filter(|_| here.subscribed);
    let may_relay = rights.contains(&ExtendedRight::AcceptAnyRecipient) || promote;
    if entry.is_none() && !may_relay {
        return Err(here.profile.relay_denied.clone());
    }
    let authenticated = connection.peer != Peer::Anonymous
        || connector.externally_secured
        || rights.contains(&ExtendedRight::AcceptAuthenticationFlag);
    if filters(parts, here, reverse_path, authenticated) {
        let filter = &here.recipient_filter;
        let on_list = filter.block_list && filter.blocked.contains(recipient);
        let looked_up = here.recipient_validation == RecipientValidation::Authoritative
            && entry.is_some_and(|entry| entry.address_book);
        if on_list || looked_up && !known(parts, here, here.organization, recipient) {
            return Err(here.profile.recipient_blocked.clone());
        }
    }
    Ok(Accepted {
        connector: &connector.name,
        attributed_by: None,
        organization: here.organization,
        promote,
        internal: false,
        directionality: if authenticated {
            Directionality::Originating
        } else {
            Directionality::Incoming
        },
    })
}

/// Whether the recipient filter runs (Exchange Server, "Recipient filtering on Edge Transport
/// servers"; Exchange PowerShell, "Set-RemoteDomain").
fn filters(parts: &Parts, here: &Server, reverse_path: &ReversePath, authenticated: bool) -> bool {
    let filter = &here.recipient_filter;
    let on =
        filter.enabled && (authenticated && filter.internal || !authenticated && filter.external);
    let remote = reverse_path
        .domain()
        .and_then(|domain| remote_domain(parts, here.organization, domain));
    on && !remote.is_some_and(|remote| remote.trusted_inbound)
}

/// Whether the peer's validated certificate has a name with `AcceptCloudServicesMail`, or there is no
/// TLS and `NO-TLS` has it.
fn cloud_capability(connector: &ReceiveConnector, connection: &Connection) -> bool {
    for capability in &connector.tls_domain_capabilities {
        let fits = match &capability.domain {
            Some(wanted) => trusted_names(connection)
                .iter()
                .any(|name| certificate_name_fits(&wanted.to_string(), name)),
            None => !connection.tls,
        };
        if fits && capability.accept_cloud_services_mail {
            return true;
        }
    }
    false
}

/// The names of the client's certificate, if its chain is good.
pub(super) fn trusted_names(connection: &Connection) -> Vec<String> {
    match &connection.certificate {
        Some(certificate) if connection.tls && certificate.is_trusted() => {
            certificate.names.iter().map(ToString::to_string).collect()
        }
        Some(_) | None => Vec::new(),
    }
}

/// Whether recipient validation finds the address. EdgeSync does not replicate recipients that
/// refuse mail from outside, so an Edge server does not know them.
pub(super) fn known(
    parts: &Parts,
    here: &Server,
    organization: OrganizationId,
    address: &Mailbox,
) -> bool {
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
    let profile = here.profile;
    let connector = serving(parts, server, connection).expect("the session was accepted");
    let rights = sessions::rights(parts, connector, connection, &transfer.reverse_path);
    let bypass = rights.contains(&ExtendedRight::BypassMessageSizeLimit);
    if transfer.size > connector.max_message_size && !bypass {
        return Err(replies::TOO_LARGE.clone());
    }
    let mut received_by = match rights.contains(&ExtendedRight::AcceptHeadersRouting) {
        true => transfer.trace.received_by.clone(),
        false => Vec::new(),
    };
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
        auth_as: match transfer.organization {
            Some(header) if rights.contains(&ExtendedRight::AcceptHeadersOrganization) => header,
            Some(_) | None => auth_as(parts, connector, connection, accepted, transfer),
        },
        received_by,
        entries,
        resolved: transfer.resolved && connection.peer == Peer::ExchangeServer,
    })
}

/// Who vouches for the sender (Exchange Server, "Header firewall in Exchange Server"; Exchange Online,
/// New-InboundConnector).
fn auth_as(
    parts: &Parts,
    connector: &ReceiveConnector,
    connection: &Connection,
    accepted: &Accepted<'_>,
    transfer: &Transfer,
) -> AuthAs {
    let sender = &transfer.reverse_path;
    let rights = sessions::rights(parts, connector, connection, sender);
    let flag = rights.contains(&ExtendedRight::AcceptAuthenticationFlag);
    if connection.peer != Peer::Anonymous || connector.externally_secured || flag {
        return AuthAs::Internal;
    }
    match transfer.cross_premises {
        _ if accepted.internal => AuthAs::Internal,
        Some(header) if accepted.promote => header,
        _ if sessions::has_proved_domain(parts, connector, connection, sender) => AuthAs::Partner,
        _ => AuthAs::Anonymous,
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
