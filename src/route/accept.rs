//! May this peer hand this server this recipient, and then this message?
//!
//! The door has two moments. [`accept`] answers at RCPT TO: which Receive connector serves the
//! session, whether it may submit, to which organization a front end attributes it, and whether it
//! may name this recipient. [`admit`] answers at the end of DATA, when size and header section are
//! known: limits, loop detectors, and who vouches for the sender.
//!
//! Sources: Exchange Server, "Receive connectors" and "Accepted domains in Exchange Server";
//! Exchange Online, "Configure a certificate-based connector to relay email messages through
//! Microsoft 365" and "Use Directory-Based Edge Blocking to reject messages sent to invalid
//! recipients".

use std::net::{IpAddr, SocketAddr};

use super::attribute;
use super::firewall;
use super::item::{
    Admission, Arrival, Connection, Copy, MailItem, Peer, Properties, Refusal, Taken, Transfer,
    Verdict,
};
use super::lookup;
use super::loops;
use super::permissions;
use super::step::{Event, Reason, Rejected, Step, Subject};
use crate::mail::{Directionality, Limit, Mailbox, ReversePath, Status};
use crate::model::{
    IpRange, Matcher, PermissionGroup, ReceiveConnector, ReceiveConnectorId, ServerId, Topology,
    TransportRole, replies,
};

/// Answers RCPT TO.
#[must_use]
pub fn accept(
    topology: &Topology,
    server: ServerId,
    connection: &Connection,
    reverse_path: &ReversePath,
    recipient: &Mailbox,
) -> Verdict {
    let (chosen, losers) = endpoint(topology, server, connection);
    let mut step = Step::new(Event::Receive, recipient).rejected(losers);
    let Some(id) = chosen else {
        let step = step.because(Reason::NoReceiveConnector);
        return Verdict {
            decision: Err(replies::NOT_ACTIVE.clone()),
            step,
        };
    };
    step = step
        .chosen(Subject::ReceiveConnector(id))
        .because(Reason::NarrowestRange);
    let connector = topology.receive_connector(id);
    if let Err((status, reason)) = permissions::may_submit(connector, connection) {
        return Verdict {
            decision: Err(status),
            step: step.because(reason),
        };
    }
    let result = if topology.server(server).is_front_end() {
        attribute::attribute(
            topology,
            server,
            id,
            connection,
            reverse_path,
            recipient,
            &mut step,
        )
    } else {
        take(topology, server, id, connection, recipient)
    };
    match result {
        Ok((admission, reason)) => Verdict {
            decision: Ok(admission),
            step: step.because(reason),
        },
        Err((status, reason)) => Verdict {
            decision: Err(status),
            step: step.because(reason),
        },
    }
}

/// The Receive connector that serves a session: of those that listen on the port and whose ranges
/// contain the client, the one whose containing range is the narrowest; the others with the reason
/// why they lost.
#[must_use]
pub fn endpoint(
    topology: &Topology,
    server: ServerId,
    connection: &Connection,
) -> (Option<ReceiveConnectorId>, Vec<Rejected>) {
    let mut best: Option<(u128, &str, ReceiveConnectorId)> = None;
    let mut losers = Vec::new();
    let mut lose = |id, reason| {
        losers.push(Rejected {
            candidate: Subject::ReceiveConnector(id),
            reason,
        })
    };
    for id in topology.receive_connectors_on(server) {
        let connector = topology.receive_connector(*id);
        let breadth = match serves(connector, connection) {
            Some(Ok(breadth)) => breadth,
            Some(Err(reason)) => {
                lose(*id, reason);
                continue;
            }
            None => continue,
        };
        let key = (breadth, connector.name.as_str(), *id);
        match best {
            Some(old) if (old.0, old.1) <= (key.0, key.1) => lose(*id, Reason::WiderRange),
            Some(old) => {
                lose(old.2, Reason::WiderRange);
                best = Some(key);
            }
            None => best = Some(key),
        }
    }
    (best.map(|(_, _, id)| id), losers)
}

/// Who a sending server is to the next one.
///
/// Choice: servers of one organization authenticate to each other whichever connector leads there,
/// if the Receive connector that serves the session has the permission group ExchangeServers.
#[must_use]
pub fn peer(
    topology: &Topology,
    copy: &Copy,
    from: ServerId,
    to: ServerId,
    remote_address: Option<IpAddr>,
    port: u16,
) -> Peer {
    let known = copy.exchange_authenticated || recognises(topology, from, to, remote_address, port);
    if known {
        Peer::ExchangeServer
    } else {
        Peer::Anonymous
    }
}

/// Whether a server takes another one for a server of its own organization.
#[must_use]
pub fn recognises(
    topology: &Topology,
    from: ServerId,
    to: ServerId,
    remote_address: Option<IpAddr>,
    port: u16,
) -> bool {
    let organization = topology.server(to).organization;
    let from = topology.server(from);
    let own = from.organization == organization
        || from.front_end_for.iter().any(|(id, _)| *id == organization);
    let plain = Connection {
        remote_address,
        local_address: None,
        port,
        peer: Peer::Anonymous,
        tls: false,
        certificate: None,
    };
    let (endpoint, _) = endpoint(topology, to, &plain);
    own && endpoint.is_some_and(|id| {
        topology
            .receive_connector(id)
            .permission_groups
            .contains(&PermissionGroup::ExchangeServers)
    })
}

/// Whether a session may begin a mail transaction (the answer to MAIL FROM), and by which connector.
///
/// # Errors
/// The reply that refuses.
pub fn may_begin(
    topology: &Topology,
    server: ServerId,
    connection: &Connection,
) -> Result<ReceiveConnectorId, Status> {
    let (chosen, _) = endpoint(topology, server, connection);
    let id = chosen.ok_or_else(|| replies::NOT_ACTIVE.clone())?;
    permissions::may_submit(topology.receive_connector(id), connection)
        .map_err(|(status, _)| status)?;
    Ok(id)
}

/// How narrowly a connector that listens serves a session, or why not; `None` for one that does not
/// listen.
fn serves(connector: &ReceiveConnector, connection: &Connection) -> Option<Result<u128, Reason>> {
    let Matcher::Endpoint {
        bindings,
        remote_ip_ranges,
        ..
    } = &connector.matcher
    else {
        return None;
    };
    if !connector.enabled {
        return Some(Err(Reason::Disabled));
    }
    if !bindings.iter().any(|own| is_bound(own, connection)) {
        return Some(Err(Reason::OtherPort));
    }
    let Some(address) = connection.remote_address else {
        // Of a stranger nothing is known, so only a connector for everyone can be relied on.
        let everyone = IpRange::are_for_everyone(remote_ip_ranges);
        let breadth = everyone.then(|| IpRange::ALL_V4.breadth());
        return Some(breadth.ok_or(Reason::AddressUnknown));
    };
    let narrowest = remote_ip_ranges
        .iter()
        .filter(|range| range.contains(address))
        .map(IpRange::breadth)
        .min();
    Some(narrowest.ok_or(Reason::AddressNotInRange))
}

/// Whether a connector that listens here serves the local end of a session.
fn is_bound(binding: &SocketAddr, connection: &Connection) -> bool {
    let here = binding.ip();
    binding.port() == connection.port
        && connection.local_address.is_none_or(|local| {
            here == local || here.is_unspecified() && here.is_ipv4() == local.is_ipv4()
        })
}

/// A server that routes for itself: accepted domains, and the permission to relay.
fn take(
    topology: &Topology,
    server: ServerId,
    id: ReceiveConnectorId,
    connection: &Connection,
    recipient: &Mailbox,
) -> Taken {
    let this = topology.server(server);
    let connector = topology.receive_connector(id);
    let promote = permissions::capability(connector, connection);
    let trusted = connection.peer != Peer::Anonymous || connector.externally_secured;
    let directionality = if trusted {
        Directionality::Originating
    } else {
        Directionality::Incoming
    };
    let admission = Admission {
        connector: id,
        attributed_by: None,
        organization: this.organization,
        promote,
        directionality,
    };
    match topology.accepted_domain_for(this.organization, &recipient.domain) {
        Some(accepted) => {
            let kind = topology.accepted_domain(accepted).kind;
            let blocked = !trusted
                && lookup::is_blocked(topology, server, this.organization, kind, recipient);
            if blocked {
                let profile = topology.organization(this.organization).profile;
                return Err((profile.recipient_blocked.clone(), Reason::RecipientBlocked));
            }
            Ok((admission, Reason::DomainIs(recipient.domain.clone(), kind)))
        }
        // Accept-Any-Recipient: authenticated users and servers, externally secured hosts, anonymous
        // sessions with the extended right, and the cloud where it may bring its headers.
        None if trusted || connector.anonymous_relay || promote => Ok((
            admission,
            Reason::DomainNotAccepted(recipient.domain.clone()),
        )),
        None => {
            let profile = topology.organization(this.organization).profile;
            Err((profile.relay_denied.clone(), Reason::RelayDenied))
        }
    }
}

/// Answers the end of DATA: the message as this server takes it, or the reply that refuses.
///
/// # Errors
/// The refusal.
pub fn admit(
    topology: &Topology,
    server: ServerId,
    connection: &Connection,
    admission: &Admission,
    transfer: &Transfer,
) -> Result<(MailItem, Step), Box<Refusal>> {
    let this = topology.server(server);
    let profile = topology.organization(this.organization).profile;
    let first = &transfer.recipients[0];
    let step =
        Step::new(Event::Receive, first).chosen(Subject::ReceiveConnector(admission.connector));
    let connector = topology.receive_connector(admission.connector);
    // Exchange servers and externally secured hosts may bypass the size limit
    // (Ms-Exch-Bypass-Message-Size-Limit).
    let bypass = match connection.peer {
        Peer::ExchangeServer => true,
        Peer::Anonymous => connector.externally_secured,
        Peer::User => false,
    };
    let limit = Limit::Bytes(connector.max_message_size);
    if !bypass && !limit.admits(transfer.size) {
        let step = step.because(Reason::TooLarge {
            size: transfer.size,
            limit,
        });
        return Err(refusal(&replies::TOO_LARGE, step));
    }
    let mut trace = transfer.trace.clone();
    let entry = entry_service(topology, server, connector);
    for service in &this.services[entry..] {
        let checked = service_connector(topology, server, connector, service.transport_role);
        if let Err(reason) = loops::check_hops(checked, &service.received_by, &trace) {
            return Err(refusal(&profile.hop_count_exceeded, step.because(reason)));
        }
        trace.received_by.push(service.received_by.clone());
    }
    if this.is_front_end() {
        if let Err(reason) = loops::check_attributions(connector, admission.organization, &trace) {
            return Err(refusal(&profile.hop_count_exceeded, step.because(reason)));
        }
        loops::count_attribution(&mut trace, admission.organization);
    }
    let (auth_as, why) = firewall::promote(topology, connection, admission, transfer);
    let item = MailItem {
        reverse_path: transfer.reverse_path.clone(),
        recipients: transfer.recipients.clone(),
        size: transfer.size,
        auth_as,
        directionality: transfer.directionality.unwrap_or(admission.directionality),
        arrival: if connection.peer == Peer::ExchangeServer {
            Arrival::Internal
        } else {
            Arrival::External
        },
        organization: admission.organization,
        resolved: transfer.resolved && connection.peer == Peer::ExchangeServer,
        properties: Properties {
            // A host that is not Exchange's knows nothing of such headers.
            passing: transfer
                .cross_premises
                .filter(|_| this.takes_every_address() && !this.strips_headers),
            ..match connection.peer {
                Peer::ExchangeServer => transfer.properties.clone(),
                Peer::Anonymous | Peer::User => transfer.properties.outside(),
            }
        },
        trace,
    };
    Ok((item, step.because(why)))
}

fn refusal(status: &Status, step: Step) -> Box<Refusal> {
    Box::new(Refusal {
        status: status.clone(),
        step,
    })
}

/// The first service of a server that a session on this connector passes.
fn entry_service(topology: &Topology, server: ServerId, connector: &ReceiveConnector) -> usize {
    let Matcher::Endpoint { transport_role, .. } = &connector.matcher else {
        return 0;
    };
    let services = &topology.server(server).services;
    services
        .iter()
        .position(|service| service.transport_role == *transport_role)
        .unwrap_or(0)
}

/// The connector whose limits a service applies: the session's own, or for the transport service
/// behind a front end the one it listens with.
fn service_connector<'a>(
    topology: &'a Topology,
    server: ServerId,
    own: &'a ReceiveConnector,
    role: TransportRole,
) -> &'a ReceiveConnector {
    let listens = |connector: &&ReceiveConnector| match &connector.matcher {
        Matcher::Endpoint { transport_role, .. } => *transport_role == role && connector.enabled,
        Matcher::Peer { .. } => false,
    };
    if listens(&own) {
        return own;
    }
    topology
        .receive_connectors_on(server)
        .iter()
        .map(|id| topology.receive_connector(*id))
        .filter(listens)
        // Where several listen, the front end hands sessions to the one at port 2525.
        .min_by_key(|connector| {
            (
                !listens_at(connector, TRANSPORT_PORT),
                connector.name.as_str(),
            )
        })
        .unwrap_or(own)
}

/// The transport service listens here for the front end.
const TRANSPORT_PORT: u16 = 2525;

fn listens_at(connector: &ReceiveConnector, port: u16) -> bool {
    match &connector.matcher {
        Matcher::Endpoint { bindings, .. } => bindings.iter().any(|own| own.port() == port),
        Matcher::Peer { .. } => false,
    }
}
