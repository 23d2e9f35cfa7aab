//! The session with a next hop, as far as it gets before the first transaction.

use std::net::IpAddr;

use super::reach::{self, Reached};
use crate::mail::Domain;
use crate::model::{ServerId, Topology, replies};
use crate::route::{
    self, Connection, Copy, Event, Happened, Peer, Presented, Reason, Step, Subject,
};

/// Why no transaction comes about.
pub(super) struct Short {
    pub(super) happened: Happened,
    event: Event,
    reason: Reason,
    /// The server that was reached, where one was.
    server: Option<ServerId>,
    /// Whether it got as far as TLS.
    pub(super) far: bool,
}

impl Short {
    fn defer(happened: Happened, reason: Reason) -> Self {
        Self {
            happened,
            event: Event::Defer,
            reason,
            server: None,
            far: false,
        }
    }

    fn at(self, server: ServerId) -> Self {
        Self {
            server: Some(server),
            ..self
        }
    }

    /// What it is for a recipient.
    pub(super) fn step(&self, recipient: &crate::mail::Mailbox) -> Step {
        let step = Step::new(self.event, recipient).because(self.reason.clone());
        match self.server {
            Some(server) => step.chosen(Subject::Server(server)),
            None => step,
        }
    }
}

/// Connects a server to the next one for a copy, says hello, and begins TLS.
///
/// # Errors
/// Where nobody listens, where no Receive connector takes the session, and where the demanded TLS or
/// logon cannot be had.
pub(super) fn open(
    topology: &Topology,
    copy: &Copy,
    (from, next): (ServerId, ServerId),
    hop: &Reached,
    port: u16,
) -> Result<Connection, Short> {
    if !reach::listens(topology, next, port) {
        let why = Reason::NoConnection(format!("port {port} of {}", hop.name));
        return Err(Short::defer(Happened::NoConnection, why).at(next));
    }
    let mut connection = plain(topology, from, next, hop.address, port);
    let (endpoint, _) = route::endpoint(topology, next, &connection);
    if endpoint.is_none() {
        let closed = Happened::Greeting(replies::NOT_ACTIVE.clone());
        return Err(Short::defer(closed, Reason::NoReceiveConnector).at(next));
    }
    if let Some(name) = own_greeting(topology, from, next, &connection) {
        return Err(Short {
            event: Event::Fail,
            ..Short::defer(Happened::OwnGreeting, Reason::OwnGreeting(name)).at(next)
        });
    }
    let log_on = route::peer(topology, copy, from, next, &connection);
    connection.peer = log_on.map_err(|happened| {
        Short::defer(happened, Reason::ExchangeAuthenticationMissing).at(next)
    })?;
    connection.tls = secure(topology, copy, next, &connection).map_err(|what| Short {
        far: true,
        ..Short::defer(
            Happened::Tls(what.clone()),
            Reason::CertificateRejected(what),
        )
        .at(next)
    })?;
    if let (true, Presented::Certificate(certificate)) = (connection.tls, &copy.presented) {
        connection.certificate = Some(certificate.clone());
    }
    Ok(connection)
}

/// The certificate that the connector of a copy names is not on its server.
pub(super) fn without_certificate(topology: &Topology, from: ServerId, name: &str) -> Short {
    let why = route::why_missing(topology, from, name);
    Short::defer(
        Happened::CertificateMissing,
        Reason::CertificateRejected(why),
    )
}

/// The session before anybody proves anything.
fn plain(
    topology: &Topology,
    from: ServerId,
    to: ServerId,
    address: Option<IpAddr>,
    port: u16,
) -> Connection {
    let addresses = &topology.server(from).addresses;
    let own = &topology.server(to).addresses;
    let v4 = own.iter().any(IpAddr::is_ipv4);
    let remote_address = addresses
        .iter()
        .find(|address| address.is_ipv4() == v4)
        .or(addresses.first())
        .copied();
    Connection {
        remote_address,
        local_address: address.or_else(|| own.iter().find(|own| own.is_ipv4() == v4).copied()),
        port,
        peer: Peer::Anonymous,
        tls: false,
        certificate: None,
    }
}

/// The name by which the next hop greets, where it is the sending server's own.
fn own_greeting(
    topology: &Topology,
    from: ServerId,
    next: ServerId,
    connection: &Connection,
) -> Option<Domain> {
    let (id, _) = route::endpoint(topology, next, connection);
    let connector = topology.receive_connector(id?);
    let name = connector
        .fqdn
        .as_ref()
        .unwrap_or(&topology.server(next).fqdn);
    (*name == topology.server(from).fqdn).then(|| name.clone())
}

/// Whether the session has TLS, or what is wrong with the next hop's.
fn secure(
    topology: &Topology,
    copy: &Copy,
    next: ServerId,
    connection: &Connection,
) -> Result<bool, String> {
    let (id, _) = route::endpoint(topology, next, connection);
    let connector = id.map(|id| topology.receive_connector(id));
    let offered = connector.is_some_and(|connector| connector.offers_tls);
    let certificate = connector
        .and_then(|connector| route::served(topology, connector))
        .map(|id| topology.certificate(id));
    route::judge(&copy.tls, offered, certificate, topology.as_of())
}
