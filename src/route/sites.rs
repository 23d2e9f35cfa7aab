//! Ways between servers of one organization (Exchange Server, "Mail routing in Exchange Server",
//! "Edge Subscriptions in Exchange Server").

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

/// An Edge server is reached from the site it is subscribed to: other sites send there first
/// (Exchange Server, "Edge Subscriptions in Exchange Server").
pub(super) fn by_way_of_the_site(
    topology: &Topology,
    server: ServerId,
    sources: Vec<ServerId>,
) -> Vec<ServerId> {
    let here = &topology.server(server).site;
    let Some(edge) = sources
        .first()
        .map(|id| topology.server(*id))
        .filter(|edge| !edge.directory && edge.site != *here)
    else {
        return sources;
    };
    let in_site: Vec<ServerId> = topology
        .servers()
        .filter(|(_, other)| {
            other.directory && other.organization == edge.organization && other.site == edge.site
        })
        .map(|(id, _)| id)
        .collect();
    if in_site.is_empty() {
        sources
    } else {
        nearest(topology, server, &in_site)
    }
}

/// The servers, nearest first: this site before others, then by name.
pub(super) fn nearest(
    topology: &Topology,
    server: ServerId,
    servers: &[ServerId],
) -> Vec<ServerId> {
    let site = &topology.server(server).site;
    let mut servers = servers.to_vec();
    // Choice: Exchange balances the load; a prediction takes the first by name.
    servers.sort_by_key(|id| {
        (
            topology.server(*id).site != *site,
            topology.server(*id).name.to_lowercase(),
        )
    });
    servers
}
