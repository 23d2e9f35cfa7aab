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

use std::net::SocketAddr;

use super::attribute;
use super::firewall;
use super::item::{
    Admission, Arrival, ClientCertificate, Connection, Copy, Envelope, MailItem, Peer, Properties,
    Refusal, Taken, Trace, Transfer, Verdict,
};
use super::lookup;
use super::loops;
use super::outcome::Happened;
use super::permissions::{self, Rights};
use super::step::{Event, Reason, Rejected, Step, Subject};
use super::tls;
use crate::mail::{Directionality, Domain, Limit, Mailbox, ReversePath, Status};
use crate::model::{
    ExtendedRight, IpRange, Matcher, PermissionGroup, ReceiveConnector, ReceiveConnectorId,
    RecipientDomainRules, ServerId, Topology, TransportRole, replies,
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
    let envelope = Envelope {
        reverse_path,
        recipient,
    };
    let rights = permissions::may_submit(topology, connector, connection, reverse_path);
    let result = rights.and_then(|rights| {
        can_be(connector.recipient_domains, &recipient.domain)?;
        if topology.server(server).is_front_end() {
            attribute::attribute(topology, server, id, connection, envelope, &mut step)
        } else {
            take(topology, id, connection, envelope, rights, &mut step)
        }
    });
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
///
/// Choice: of equal ranges the connector wins that is bound to the very address, as a socket that is bound
/// to it does; names decide last. Documents forbid only that both are the same.
#[must_use]
pub fn endpoint(
    topology: &Topology,
    server: ServerId,
    connection: &Connection,
) -> (Option<ReceiveConnectorId>, Vec<Rejected>) {
    let mut best: Option<((u128, bool, String), ReceiveConnectorId)> = None;
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
        let wide = !is_bound_here(connector, connection);
        let key = (breadth, wide, connector.name.to_lowercase());
        let lost = |loser: &(u128, bool, String), winner: &(u128, bool, String)| {
            if loser.0 != winner.0 {
                Reason::WiderRange
            } else if loser.1 != winner.1 {
                Reason::WiderBinding
            } else {
                Reason::LaterName
            }
        };
        match best {
            Some((old, winner)) if old <= key => {
                lose(*id, lost(&key, &old));
                best = Some((old, winner));
            }
            Some((old, loser)) => {
                lose(loser, lost(&old, &key));
                best = Some((key, *id));
            }
            None => best = Some((key, *id)),
        }
    }
    (best.map(|(_, id)| id), losers)
}

/// Who a sending server is to the next one, over a connection without TLS and logon yet.
///
/// # Errors
/// Where the copy stays inside the organization and the next server does not let ours log on: it is
/// not handed over at all.
pub fn peer(
    topology: &Topology,
    copy: &Copy,
    from: ServerId,
    to: ServerId,
    connection: &Connection,
) -> Result<Peer, Happened> {
    if recognises(topology, from, to, connection) {
        Ok(Peer::ExchangeServer)
    } else if copy.exchange_authenticated {
        Err(Happened::ExchangeAuthentication)
    } else {
        Ok(Peer::Anonymous)
    }
}

/// Whether a server takes another one for a server of its own organization: both log on to each
/// other, and the Receive connector that serves the session has `ExchangeServer` among its
/// `AuthMechanism` and the permission group `ExchangeServers`. An Edge server without a subscription
/// knows nobody and is known to nobody (Exchange Server, "Edge Subscriptions").
///
/// Choice: servers of one organization authenticate to each other whichever connector leads there; a
/// connector without the permission group is as one without the mechanism.
#[must_use]
pub fn recognises(
    topology: &Topology,
    from: ServerId,
    to: ServerId,
    connection: &Connection,
) -> bool {
    let (endpoint, _) = endpoint(topology, to, connection);
    is_own(topology, from, to)
        && endpoint.is_some_and(|id| {
            let connector = topology.receive_connector(id);
            connector.exchange_authentication
                && connector
                    .permission_groups
                    .contains(&PermissionGroup::ExchangeServers)
        })
}

/// The server of its own organization that a server takes a client for, by the client's certificate.
///
/// Choice: Exchange's servers prove to each other with Kerberos who they are, which needs their Active
/// Directory. A certificate that a trusted root vouches for, with the Fqdn of one of the servers, stands
/// for that, because such a certificate is given to nobody else.
#[must_use]
pub fn certified(
    topology: &Topology,
    certificate: &ClientCertificate,
    to: ServerId,
) -> Option<ServerId> {
    if !certificate.is_trusted() {
        return None;
    }
    topology
        .servers()
        .filter(|(from, server)| {
            *from != to
                && is_own(topology, *from, to)
                && tls::covers(&certificate.names, &server.fqdn)
        })
        .map(|(from, _)| from)
        .next()
}

/// Whether a server is one of another one's organization, or the front end of that. Edge servers are
/// where a subscription makes them known.
#[must_use]
pub fn is_own(topology: &Topology, from: ServerId, to: ServerId) -> bool {
    let to = topology.server(to);
    let from = topology.server(from);
    let own = from.organization == to.organization && from.subscribed && to.subscribed;
    let mut fronts = from.front_end_for.iter();
    own || fronts.any(|(id, _)| *id == to.organization)
}

/// Whether a session may begin a mail transaction (the answer to MAIL FROM), and by which connector.
///
/// # Errors
/// The reply that refuses.
pub fn may_begin(
    topology: &Topology,
    server: ServerId,
    connection: &Connection,
    reverse_path: &ReversePath,
) -> Result<ReceiveConnectorId, Status> {
    let (chosen, _) = endpoint(topology, server, connection);
    let id = chosen.ok_or_else(|| replies::NOT_ACTIVE.clone())?;
    let connector = topology.receive_connector(id);
    permissions::may_submit(topology, connector, connection, reverse_path)
        .map_err(|(status, _)| status)?;
    Ok(id)
}

/// Whether the connector's `MaxMessageSize` holds for a session
/// (`Ms-Exch-Bypass-Message-Size-Limit`).
#[must_use]
pub fn is_size_limited(
    topology: &Topology,
    connector: &ReceiveConnector,
    connection: &Connection,
) -> bool {
    let rights = permissions::rights(topology, connector, connection, &ReversePath::Null);
    !rights.has(ExtendedRight::BypassMessageSizeLimit)
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
    if !bindings.iter().any(|own| own.port() == connection.port) {
        return Some(Err(Reason::OtherPort));
    }
    if !bindings.iter().any(|own| is_bound(own, connection)) {
        return Some(Err(Reason::OtherAddress));
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

/// Whether a connector is bound to the local end of a session by its address.
fn is_bound_here(connector: &ReceiveConnector, connection: &Connection) -> bool {
    let Matcher::Endpoint { bindings, .. } = &connector.matcher else {
        return false;
    };
    let mut bindings = bindings.iter().filter(|own| own.port() == connection.port);
    bindings.any(|own| Some(own.ip()) == connection.local_address)
}

/// Whether a connector that listens here serves the local end of a session.
fn is_bound(binding: &SocketAddr, connection: &Connection) -> bool {
    let here = binding.ip();
    binding.port() == connection.port
        && connection.local_address.is_none_or(|local| {
            here == local || here.is_unspecified() && here.is_ipv4() == local.is_ipv4()
        })
}

/// Whether a connector takes recipients of such a domain at all (Exchange PowerShell,
/// "Set-ReceiveConnector").
fn can_be(rules: RecipientDomainRules, domain: &Domain) -> Result<(), (Status, Reason)> {
    let labels: Vec<&str> = domain.labels().collect();
    let refuse = |status: &Status, setting| Err((status.clone(), Reason::DomainCannotBe(setting)));
    // RFC 2606 §2 and §3.
    let top_level = labels.last().copied().unwrap_or_default();
    let top_level_reserved = ["test", "example", "invalid", "localhost"].contains(&top_level);
    let second_level_reserved = labels.len() > 1
        && labels[labels.len() - 2] == "example"
        && ["com", "net", "org"].contains(&top_level);
    if rules.reject_reserved_top_level && top_level_reserved {
        return refuse(
            &replies::RESERVED_TOP_LEVEL,
            "RejectReservedTopLevelRecipientDomains",
        );
    }
    if rules.reject_reserved_second_level && second_level_reserved {
        return refuse(
            &replies::RESERVED_SECOND_LEVEL,
            "RejectReservedSecondLevelRecipientDomains",
        );
    }
    if rules.reject_single_label && labels.len() == 1 {
        return refuse(&replies::SINGLE_LABEL, "RejectSingleLabelRecipientDomains");
    }
    Ok(())
}

/// A server that routes for itself: accepted domains, and the permission to relay.
fn take(
    topology: &Topology,
    id: ReceiveConnectorId,
    connection: &Connection,
    envelope: Envelope<'_>,
    rights: Rights,
    step: &mut Step,
) -> Taken {
    let connector = topology.receive_connector(id);
    let recipient = envelope.recipient;
    let this = topology.server(connector.server);
    // An Edge server takes organization headers in as a subscribed one only (Exchange hybrid, "Edge
    // Transport servers with hybrid deployments").
    let promote = this.subscribed && permissions::capability(connector, connection);
    let authenticated = permissions::is_authenticated(connector, connection, rights);
    let admission = Admission {
        connector: id,
        attributed_by: None,
        organization: this.organization,
        promote,
        treat_as_internal: false,
        directionality: if authenticated {
            Directionality::Originating
        } else {
            Directionality::Incoming
        },
    };
    let accepted = topology.accepted_domain_at(connector.server, &recipient.domain);
    let accepted = accepted.map(|id| topology.accepted_domain(id));
    // Accept-Any-Recipient; and the cloud where it may bring its headers.
    if accepted.is_none() && !rights.has(ExtendedRight::AcceptAnyRecipient) && !promote {
        return Err((this.profile.relay_denied.clone(), Reason::RelayDenied));
    }
    lookup::filter(topology, this, envelope, accepted, authenticated, step)?;
    let reason = match accepted {
        Some(accepted) => Reason::DomainIs(recipient.domain.clone(), accepted.kind),
        None => Reason::DomainNotAccepted(recipient.domain.clone()),
    };
    Ok((admission, reason))
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
    let profile = this.profile;
    let first = &transfer.recipients[0];
    let step =
        Step::new(Event::Receive, first).chosen(Subject::ReceiveConnector(admission.connector));
    let connector = topology.receive_connector(admission.connector);
    let rights = permissions::rights(topology, connector, connection, &transfer.reverse_path);
    let bypass = rights.has(ExtendedRight::BypassMessageSizeLimit);
    let limit = Limit::Bytes(connector.max_message_size);
    if !bypass && !limit.admits(transfer.size) {
        let step = step.because(Reason::TooLarge {
            size: transfer.size,
            limit,
            setting: "MaxMessageSize",
        });
        return Err(refusal(&replies::TOO_LARGE, step));
    }
    let counts = rights.has(ExtendedRight::AcceptHeadersRouting);
    let trace = match count_hops(topology, server, admission, transfer, counts) {
        Ok(trace) => trace,
        Err(reason) => return Err(refusal(&profile.hop_count_exceeded, step.because(*reason))),
    };
    let (auth_as, why) = firewall::promote(topology, connection, admission, transfer, rights);
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

/// The loop detectors of every service that a message comes through, and of the tenant that it is
/// attributed to; gives the trace with their own marks.
fn count_hops(
    topology: &Topology,
    server: ServerId,
    admission: &Admission,
    transfer: &Transfer,
    counts: bool,
) -> Result<Trace, Box<Reason>> {
    let this = topology.server(server);
    let connector = topology.receive_connector(admission.connector);
    let mut trace = transfer.trace.clone();
    if !counts {
        // Exchange Server, "Header firewall": without the right the fields that loop detectors count
        // are taken off before anybody counts them.
        trace.received_by.clear();
    }
    let entry = entry_service(topology, server, connector);
    for service in &this.services[entry..] {
        let checked = service_connector(topology, server, connector, service.transport_role);
        loops::check_hops(checked, &service.received_by, &trace)?;
        trace.received_by.push(service.received_by.clone());
    }
    if this.is_front_end() {
        loops::check_attributions(connector, admission.organization, &trace)?;
        loops::count_attribution(&mut trace, admission.organization);
    }
    Ok(trace)
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
