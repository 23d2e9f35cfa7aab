//! Least-cost ways between Active Directory sites, worked out once for a world (Exchange Server,
//! "Mail routing in Exchange Server").
//!
//! The cost of a way is the sum of its site links' costs, and `ExchangeCost` replaces the cost that
//! Active Directory gives a link. Of equally cheap ways the one with fewer links is taken, then the
//! one whose site nearest the destination has the lowest name.
//!
//! Choice: two sites that no chain of links joins are one link of the default cost apart, because a
//! new forest has a link that joins every site, and a world may leave it out.

use std::collections::{BTreeMap, BTreeSet};

use super::id::{OrganizationId, ServerId};
use super::server::Server;
use super::site::{Site, SiteLink};
use crate::mail::Limit;

/// The cost of `DEFAULTIPSITELINK`.
const DEFAULT_COST: u32 = 100;

/// The least-cost way from one site to another.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Way {
    /// The sum of the costs of its links; 0 within a site.
    pub cost: u32,
    /// How many links it has.
    pub links: u32,
    /// The first hub site strictly between the two, where it has servers: its number.
    pub(super) hub: Option<usize>,
    /// The link with the lowest size limit, by its position among the site links.
    pub(super) narrowest: Option<usize>,
}

impl Way {
    const HERE: Self = Self {
        cost: 0,
        links: 0,
        hub: None,
        narrowest: None,
    };
    const UNJOINED: Self = Self {
        cost: DEFAULT_COST,
        links: 1,
        hub: None,
        narrowest: None,
    };
}

/// A site of one organization, with its transport servers that have the directory.
#[derive(Clone, Debug, Default)]
struct Stop {
    name: String,
    hub: bool,
    servers: Vec<ServerId>,
}

/// Every way of a world.
#[derive(Clone, Debug)]
pub(super) struct Ways {
    stops: Vec<Stop>,
    /// The number of the site that each server is in.
    stop_of: Vec<usize>,
    /// From each site to each site of the same organization, by number.
    ways: Vec<BTreeMap<usize, Way>>,
}

/// A link between two sites: its cost, and its position among the site links.
#[derive(Clone, Copy)]
struct Edge {
    cost: u32,
    link: usize,
}

/// Sites by organization and name in lower case, with their numbers.
type Numbers = BTreeMap<(OrganizationId, String), usize>;

impl Ways {
    pub(super) fn new(servers: &[Server], sites: &[Site], links: &[SiteLink]) -> Self {
        let numbers = numbers(servers, sites, links);
        let mut stops = vec![Stop::default(); numbers.len()];
        for ((_, name), number) in &numbers {
            stops[*number].name.clone_from(name);
        }
        for site in sites {
            stops[numbers[&(site.organization, site.name.to_lowercase())]].hub |= site.hub;
        }
        let mut stop_of = Vec::with_capacity(servers.len());
        for (index, server) in servers.iter().enumerate() {
            let number = numbers[&(server.organization, server.site.to_lowercase())];
            stop_of.push(number);
            if server.directory && !server.is_front_end() {
                stops[number].servers.push(ServerId::new(index));
            }
        }
        let mut found = Self {
            ways: vec![BTreeMap::new(); stops.len()],
            stops,
            stop_of,
        };
        let organizations: BTreeSet<OrganizationId> = numbers
            .keys()
            .map(|(organization, _)| *organization)
            .collect();
        for organization in organizations {
            found.join(links, &numbers, organization);
        }
        found
    }

    pub(super) fn between(&self, from: ServerId, to: ServerId) -> &Way {
        let (from, to) = (self.stop_of[from.index()], self.stop_of[to.index()]);
        self.ways[from].get(&to).unwrap_or(&Way::UNJOINED)
    }

    pub(super) fn are_together(&self, one: ServerId, other: ServerId) -> bool {
        self.stop_of[one.index()] == self.stop_of[other.index()]
    }

    pub(super) fn beside(&self, server: ServerId) -> &[ServerId] {
        &self.stops[self.stop_of[server.index()]].servers
    }

    pub(super) fn at(&self, stop: usize) -> &[ServerId] {
        &self.stops[stop].servers
    }

    /// Works out the ways between the sites of one organization.
    fn join(&mut self, links: &[SiteLink], numbers: &Numbers, organization: OrganizationId) {
        let own = |((owner, _), number): (&(OrganizationId, String), &usize)| {
            (*owner == organization).then_some(*number)
        };
        // In the order of their names, so that a lower position is a lower name.
        let sites: Vec<usize> = numbers.iter().filter_map(own).collect();
        let position = |name: &String| {
            let number = numbers.get(&(organization, name.to_lowercase()))?;
            sites.iter().position(|site| site == number)
        };
        let mut edges = vec![vec![None; sites.len()]; sites.len()];
        for (index, link) in links.iter().enumerate() {
            if link.organization == organization {
                let ends: Vec<usize> = link.sites.iter().filter_map(position).collect();
                span(&mut edges, links, index, &ends);
            }
        }
        for (from, number) in sites.iter().enumerate() {
            let reached = reach(&edges, from);
            for (to, other) in sites.iter().enumerate() {
                let way = self.way(links, &sites, &edges, &reached, from, to);
                self.ways[*number].insert(*other, way);
            }
        }
    }

    /// The way that a search found, walked back from its end.
    fn way(
        &self,
        links: &[SiteLink],
        sites: &[usize],
        edges: &[Vec<Option<Edge>>],
        reached: &[Option<Reached>],
        from: usize,
        to: usize,
    ) -> Way {
        let Some(end) = reached[to] else {
            return Way::UNJOINED;
        };
        let mut way = Way {
            cost: end.cost,
            links: end.links,
            ..Way::HERE
        };
        let mut at = to;
        while let Some(Reached { before, .. }) = reached[at].filter(|_| at != from) {
            if at != to {
                let stop = &self.stops[sites[at]];
                // The nearest to the start is met last.
                way.hub = (stop.hub && !stop.servers.is_empty())
                    .then_some(sites[at])
                    .or(way.hub);
            }
            if let Some(edge) = edges[before][at] {
                way.narrowest = narrower(links, way.narrowest, edge.link);
            }
            at = before;
        }
        way
    }
}

/// A number for every site that is named anywhere: by a server, by a link, or of its own.
fn numbers(servers: &[Server], sites: &[Site], links: &[SiteLink]) -> Numbers {
    let of_servers = servers.iter().map(|s| (s.organization, &s.site));
    let of_sites = sites.iter().map(|s| (s.organization, &s.name));
    let of_links = links
        .iter()
        .flat_map(|link| link.sites.iter().map(|name| (link.organization, name)));
    let mut numbers: Numbers = of_servers
        .chain(of_sites)
        .chain(of_links)
        .map(|(organization, name)| ((organization, name.to_lowercase()), 0))
        .collect();
    for (index, number) in numbers.values_mut().enumerate() {
        *number = index;
    }
    numbers
}

/// A link joins each of its sites with each; of several links between two sites the cheapest counts,
/// and of equally cheap ones that with the lowest name.
fn span(edges: &mut [Vec<Option<Edge>>], links: &[SiteLink], index: usize, ends: &[usize]) {
    let link = &links[index];
    let cost = link.exchange_cost.unwrap_or(link.cost);
    let key = |edge: &Edge| (edge.cost, links[edge.link].name.to_lowercase());
    let edge = Edge { cost, link: index };
    for one in ends {
        for other in ends {
            let old = &mut edges[*one][*other];
            if one != other && old.as_ref().is_none_or(|old| key(&edge) < key(old)) {
                *old = Some(edge);
            }
        }
    }
}

/// A site that a search came to.
#[derive(Clone, Copy)]
struct Reached {
    cost: u32,
    links: u32,
    /// The site before it on the way.
    before: usize,
}

/// Dijkstra's search from one site.
fn reach(edges: &[Vec<Option<Edge>>], from: usize) -> Vec<Option<Reached>> {
    let mut reached: Vec<Option<Reached>> = vec![None; edges.len()];
    reached[from] = Some(Reached {
        cost: 0,
        links: 0,
        before: from,
    });
    let mut settled = vec![false; edges.len()];
    loop {
        let open = (0..edges.len())
            .filter(|site| !settled[*site])
            .filter_map(|site| reached[site].map(|r| (r.cost, r.links, site)))
            .min();
        let Some((cost, links, site)) = open else {
            return reached;
        };
        settled[site] = true;
        for (next, edge) in edges[site].iter().enumerate() {
            let Some(edge) = edge.filter(|_| !settled[next]) else {
                continue;
            };
            let new = Reached {
                cost: cost.saturating_add(edge.cost),
                links: links + 1,
                before: site,
            };
            let key = |r: &Reached| (r.cost, r.links, r.before);
            if reached[next].is_none_or(|old| key(&new) < key(&old)) {
                reached[next] = Some(new);
            }
        }
    }
}

/// Whichever of two links has the lower size limit; a link without one is never it.
fn narrower(links: &[SiteLink], old: Option<usize>, new: usize) -> Option<usize> {
    let limit = |index: usize| match links[index].max_message_size {
        Limit::Bytes(size) => Some((size, links[index].name.to_lowercase())),
        Limit::Unlimited => None,
    };
    match (old.and_then(limit), limit(new)) {
        (_, None) => old,
        (None, Some(_)) => Some(new),
        (Some(before), Some(after)) if after < before => Some(new),
        (Some(_), Some(_)) => old,
    }
}
