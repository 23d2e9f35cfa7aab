//! Ways between servers of one organization (Exchange Server, "Mail routing in Exchange Server",
//! "Edge Subscriptions in Exchange Server").

use super::step::Reason;
use crate::mail::ByteSize;
use crate::model::{ServerId, Topology};

pub(super) const SMTP_PORT: u16 = 25;
/// The transport service of a Mailbox server listens here for other servers of the organization.
const TRANSPORT_PORT: u16 = 2525;

/// Servers of one organization reach a Mailbox server's transport service, an Edge server's port 25.
pub(super) fn port_between(topology: &Topology, to: ServerId) -> u16 {
    let behind_front_end = topology.server(to).services.len() > 1;
    if behind_front_end {
        TRANSPORT_PORT
    } else {
        SMTP_PORT
    }
}

/// The next servers on the way to one of several, and why it is not one of these at once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Towards {
    /// The servers, best first.
    pub(super) servers: Vec<ServerId>,
    /// Why the message stops on its way.
    pub(super) stop: Option<Reason>,
}

/// The way from a server to the nearest of several.
///
/// An Edge server is reached from the site it is subscribed to: other sites send there first. A hub
/// site on the least-cost way is a stop, and nowhere else.
///
/// # Errors
/// The reason, where a link of the least-cost way does not let a message of this size through. No
/// other way is tried.
pub(super) fn towards(
    topology: &Topology,
    server: ServerId,
    destinations: &[ServerId],
    size: ByteSize,
) -> Result<Towards, Reason> {
    let servers = nearest(topology, server, destinations);
    let Some(first) = servers.first().copied() else {
        return Ok(Towards {
            servers,
            stop: None,
        });
    };
    let way = topology.way(server, first);
    if let Some(link) = topology.narrowest_link(way)
        && !link.max_message_size.admits(size)
    {
        return Err(Reason::SiteLinkTooSmall {
            link: link.name.clone(),
            size,
            limit: link.max_message_size,
        });
    }
    let hub = topology.hub_on(way);
    if let Some(stop) = hub.first() {
        return Ok(Towards {
            servers: nearest(topology, server, hub),
            stop: Some(Reason::HubSite(topology.server(*stop).site.clone())),
        });
    }
    let edge = !topology.server(first).directory && !topology.are_in_one_site(server, first);
    let beside = topology.servers_beside(first);
    if edge && !beside.is_empty() {
        return Ok(Towards {
            servers: nearest(topology, server, beside),
            stop: Some(Reason::SubscribedSite(topology.server(first).site.clone())),
        });
    }
    // Edge servers that are subscribed to other sites do not take part.
    let one_site = servers
        .iter()
        .copied()
        .filter(|id| topology.server(first).directory || topology.are_in_one_site(*id, first));
    Ok(Towards {
        servers: one_site.collect(),
        stop: None,
    })
}

/// The servers, nearest first: by the cost of the way, then its length, then by name.
pub(super) fn nearest(
    topology: &Topology,
    server: ServerId,
    servers: &[ServerId],
) -> Vec<ServerId> {
    let mut servers = servers.to_vec();
    // Choice: Exchange balances the load; a prediction takes the first by name.
    servers.sort_by_key(|id| {
        let way = topology.way(server, *id);
        let name = topology.server(*id).name.to_lowercase();
        (way.cost, way.links, name)
    });
    servers
}

/// How far the nearest of a connector's sources is, and what the way there costs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Distance {
    /// The cost of the site links.
    pub(super) cost: u32,
    /// 0 this server, 1 its site, 2 another site.
    pub(super) proximity: u8,
}

impl Distance {
    /// Choice: of a source that no server has, nobody knows the site; it counts as one in another site,
    /// a link of the default cost away.
    const UNKNOWN: Self = Self {
        cost: 100,
        proximity: 2,
    };
}

/// The distance of the nearest source: the least cost of a way first, then proximity.
pub(super) fn distance(topology: &Topology, server: ServerId, sources: &[ServerId]) -> Distance {
    let of = |source: &ServerId| Distance {
        cost: topology.way(server, *source).cost,
        proximity: match () {
            () if *source == server => 0,
            () if topology.are_in_one_site(server, *source) => 1,
            () => 2,
        },
    };
    sources.iter().map(of).min().unwrap_or(Distance::UNKNOWN)
}
