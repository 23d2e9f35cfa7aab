//! Least-cost routing between sites (Exchange Server, "Mail routing in Exchange Server"): every way
//! there is, tried out and sorted.

use hybridmx::mail::{ByteSize, Limit};
use hybridmx::model::{Parts, ServerId, ServerRole, SiteLink};

/// A way between two sites: the sites on it, its first and last included, and its links.
#[derive(Clone, Debug, Default)]
struct Way<'a> {
    sites: Vec<String>,
    links: Vec<&'a SiteLink>,
}

/// What a way is sorted by: cost, number of links, the sites from the destination backwards, the
/// links.
type Key = (u32, usize, Vec<String>, Vec<String>);

impl Way<'_> {
    fn key(&self) -> Key {
        let cost = |link: &&SiteLink| match link.exchange_cost {
            Some(cost) => cost,
            None => link.cost,
        };
        let mut backwards = self.sites.clone();
        backwards.reverse();
        let names = self.links.iter().map(|link| link.name.to_lowercase());
        (
            self.links.iter().map(cost).sum(),
            self.links.len(),
            backwards,
            names.collect(),
        )
    }
}

/// The site of a server, in lower case.
pub(crate) fn site(parts: &Parts, server: ServerId) -> String {
    parts.servers[server.index()].site.to_lowercase()
}

/// The cost and the number of links of the least-cost way between two servers.
pub(crate) fn distance(parts: &Parts, from: ServerId, to: ServerId) -> (u32, usize) {
    match least_cost_way(parts, from, to) {
        Some(way) => {
            let (cost, links, _, _) = way.key();
            (cost, links)
        }
        // One link of the default cost joins what nothing else joins.
        None => (100, 1),
    }
}

/// Servers sorted by the way to them, then by name.
pub(crate) fn nearest_first(parts: &Parts, from: ServerId, servers: &[ServerId]) -> Vec<ServerId> {
    let mut keyed: Vec<((u32, usize), String, ServerId)> = Vec::new();
    for server in servers {
        let name = parts.servers[server.index()].name.to_lowercase();
        keyed.push((distance(parts, from, *server), name, *server));
    }
    keyed.sort();
    keyed.into_iter().map(|(_, _, server)| server).collect()
}

/// The servers a message goes to next on its way to the nearest of several; nothing where it is too
/// large for a link.
pub(crate) fn next_servers(
    parts: &Parts,
    from: ServerId,
    destinations: &[ServerId],
    size: ByteSize,
) -> Option<Vec<ServerId>> {
    let sorted = nearest_first(parts, from, destinations);
    let Some(first) = sorted.first().copied() else {
        return Some(sorted);
    };
    let way = least_cost_way(parts, from, first).unwrap_or_default();
    for link in &way.links {
        match link.max_message_size {
            Limit::Bytes(limit) if size > limit => return None,
            Limit::Bytes(_) | Limit::Unlimited => {}
        }
    }
    for stop in way.sites.iter().skip(1) {
        let is_hub = parts.sites.iter().any(|site| {
            site.organization == parts.servers[from.index()].organization
                && site.name.to_lowercase() == *stop
                && site.hub
        });
        let servers = transport_servers(parts, from, stop);
        if is_hub && *stop != site(parts, first) && !servers.is_empty() {
            return Some(nearest_first(parts, from, &servers));
        }
    }
    if parts.servers[first.index()].role != ServerRole::Edge {
        return Some(sorted);
    }
    let subscribed = site(parts, first);
    let beside = transport_servers(parts, from, &subscribed);
    if subscribed == site(parts, from) || beside.is_empty() {
        let stays = |id: &ServerId| site(parts, *id) == subscribed;
        return Some(sorted.into_iter().filter(stays).collect());
    }
    Some(nearest_first(parts, from, &beside))
}

/// The servers of a site that are no Edge servers.
fn transport_servers(parts: &Parts, from: ServerId, name: &str) -> Vec<ServerId> {
    let mut servers = Vec::new();
    for (index, server) in parts.servers.iter().enumerate() {
        if server.organization == parts.servers[from.index()].organization
            && server.site.to_lowercase() == name
            && matches!(server.role, ServerRole::Mailbox | ServerRole::Hub)
        {
            servers.push(ServerId::new(index));
        }
    }
    servers
}

fn least_cost_way(parts: &Parts, from: ServerId, to: ServerId) -> Option<Way<'_>> {
    let begin = Way {
        sites: vec![site(parts, from)],
        links: Vec::new(),
    };
    let mut ways = Vec::new();
    let organization = parts.servers[from.index()].organization;
    let links: Vec<&SiteLink> = parts
        .site_links
        .iter()
        .filter(|link| link.organization == organization)
        .collect();
    try_out(&links, begin, &site(parts, to), &mut ways);
    ways.into_iter().min_by_key(Way::key)
}

/// Every way that visits no site twice.
fn try_out<'a>(links: &[&'a SiteLink], way: Way<'a>, to: &str, ways: &mut Vec<Way<'a>>) {
    let here = way.sites.last().expect("a way begins somewhere").clone();
    if here == to {
        ways.push(way);
        return;
    }
    for link in links {
        let ends: Vec<String> = link.sites.iter().map(|name| name.to_lowercase()).collect();
        for end in &ends {
            if ends.contains(&here) && !way.sites.contains(end) {
                let mut further = way.clone();
                further.sites.push(end.clone());
                further.links.push(link);
                try_out(links, further, to, ways);
            }
        }
    }
}
