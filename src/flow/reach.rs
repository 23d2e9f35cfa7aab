//! Where a next hop is: DNS as the sending server sees it, and the server behind an address.

use std::net::IpAddr;

use crate::dns::{self, Failure, NoHost, Target, Targets, View, Zones};
use crate::mail::Domain;
use crate::model::{DnsView, Matcher, SendConnectorId, ServerId, SmartHost, Topology};
use crate::route::{Happened, Reason};

/// A next hop with an address.
pub(super) struct Reached {
    /// The server there; `None` outside the world.
    pub(super) server: Option<ServerId>,
    /// Its name, for the reader.
    pub(super) name: String,
    pub(super) address: Option<IpAddr>,
}

/// Why no next hop was found.
pub(super) enum Miss {
    Happened(Happened),
    /// DNS gives no usable answer, and why.
    NoAnswer(Failure),
    /// The world does not describe this name.
    Unknown(Domain),
}

/// Why a name leads nowhere.
pub(super) fn why(name: &Domain, miss: &Miss) -> Reason {
    match miss {
        Miss::Happened(Happened::BestMxIsSelf) => Reason::MxIsSelf(name.clone()),
        Miss::Happened(Happened::NullMx) => Reason::NullMx(name.clone()),
        Miss::Happened(_) => Reason::Dns(format!("`{name}` does not exist (NXDOMAIN)")),
        Miss::NoAnswer(Failure::AliasLoop) => Reason::Dns(format!(
            "the CNAME records of `{name}` lead round in a ring"
        )),
        Miss::NoAnswer(Failure::ServerFailure(fault)) => {
            let fault = fault.as_str();
            Reason::Dns(format!("the query for `{name}` ends with {fault}"))
        }
        Miss::NoAnswer(Failure::NameError | Failure::NoData | Failure::Unknown(_)) => {
            Reason::Dns(format!("`{name}` has no MX record and no address"))
        }
        Miss::Unknown(unknown) => Reason::UnknownFact(format!(
            "the world does not describe the DNS zone of `{unknown}`"
        )),
    }
}

/// The DNS that a server asks for a connector.
pub(super) fn view(
    topology: &Topology,
    server: ServerId,
    connector: Option<SendConnectorId>,
) -> View {
    let external = connector.is_some_and(|id| topology.send_connector(id).use_external_dns);
    match topology.server(server).dns_view {
        DnsView::Internal if !external => View::Internal,
        DnsView::Internal | DnsView::Public => View::Public,
    }
}

/// Whether any Receive connector of a server listens on a port.
pub(super) fn listens(topology: &Topology, server: ServerId, port: u16) -> bool {
    topology.receive_connectors_on(server).iter().any(|id| {
        match &topology.receive_connector(*id).matcher {
            Matcher::Endpoint { bindings, .. } => bindings.iter().any(|at| at.port() == port),
            Matcher::Peer { .. } => false,
        }
    })
}

/// The first host that has an address, unless it is the sending server itself.
pub(super) fn best(
    topology: &Topology,
    server: ServerId,
    targets: Targets,
    name: &Domain,
    smart_host: bool,
) -> Result<Reached, Miss> {
    let own = |host: &Target| {
        host.addresses
            .iter()
            .any(|address| topology.server_at(*address) == Some(server))
    };
    let hosts = targets.usable(own, smart_host).map_err(|why| match why {
        NoHost::BestIsSelf => Miss::Happened(Happened::BestMxIsSelf),
        NoHost::NameError => Miss::Happened(Happened::DomainNotFound {
            name: name.clone(),
            smart_host,
        }),
        NoHost::NoAnswer(why) => Miss::NoAnswer(why),
        NoHost::NullMx => Miss::Happened(Happened::NullMx),
        NoHost::Unknown(name) => Miss::Unknown(name),
    })?;
    let host = &hosts[0];
    let address = host.addresses[0];
    let server = topology.server_at(address);
    Ok(Reached {
        server,
        name: host.host.to_string(),
        address: Some(address),
    })
}

/// The first smart host that can be found.
///
/// Choice: Exchange balances the load; a prediction takes them in the order of the setting.
pub(super) fn smart_host(
    topology: &Topology,
    zones: &Zones,
    server: ServerId,
    hosts: &[SmartHost],
    connector: Option<SendConnectorId>,
) -> Result<Reached, (Domain, Miss)> {
    let mut miss = None;
    for host in hosts {
        match host {
            SmartHost::Address(address) => {
                let server = topology.server_at(*address);
                return Ok(Reached {
                    server,
                    name: format!("[{address}]"),
                    address: Some(*address),
                });
            }
            SmartHost::Name(name) => {
                let targets = dns::targets(zones, view(topology, server, connector), name);
                match best(topology, server, targets, name, true) {
                    Ok(reached) => return Ok(reached),
                    Err(why @ Miss::Unknown(_)) => return Err((name.clone(), why)),
                    Err(why) => miss = miss.or(Some((name.clone(), why))),
                }
            }
        }
    }
    Err(miss.unwrap_or_else(|| unreachable!("a connector with smart hosts has at least one")))
}
