//! Which Send connector carries a recipient (Exchange Server, "Connector selection in external
//! message routing"; Exchange Online, "Set up connectors to route mail").
//!
//! In order, and each step only breaks the ties of the one before: connectors that are too small are
//! dropped; then those that are disabled, out of scope, or have no matching address space; the most
//! specific address space wins; the lowest aggregate cost; the nearest source server; the connector's
//! rank; the lowest name. Cost never outweighs specificity.

use std::cmp::{Ordering, Reverse};

use super::foreign;
use super::item::{Arrival, MailItem};
use super::sites::{Distance, distance};
use super::step::{Reason, Rejected, Subject};
use crate::mail::{ByteSize, Domain};
use crate::model::{
    AddressSpace, DomainPattern, DomainType, ForeignAddress, OrganizationId, SendConnector,
    SendConnectorId, ServerId, Topology,
};

/// What selection gives for one recipient domain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Selection {
    /// The winner and its address space, or why there is none.
    pub winner: Result<SendConnectorId, NoWinner>,
    /// Why it won.
    pub because: Reason,
    /// What lost.
    pub rejected: Vec<Rejected>,
}

/// Why no connector carries a recipient.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NoWinner {
    /// Every connector that covers the domain is too small.
    TooLarge,
    /// No connector covers the domain.
    Uncovered,
}

/// What a candidate is compared by, best last.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Merit<'a> {
    specificity: (u8, usize),
    cost: Reverse<u32>,
    distance: Reverse<u8>,
    rank: Reverse<u8>,
    name: Reverse<Name<'a>>,
}

/// A name as it is sorted: case does not matter, but where nothing else tells two apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Name<'a>(&'a str);

impl Ord for Name<'_> {
    fn cmp(&self, other: &Self) -> Ordering {
        let lower = |text: &'_ str| {
            text.chars()
                .flat_map(char::to_lowercase)
                .collect::<String>()
        };
        lower(self.0)
            .cmp(&lower(other.0))
            .then_with(|| self.0.cmp(other.0))
    }
}

impl PartialOrd for Name<'_> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

struct Candidate<'a> {
    id: SendConnectorId,
    merit: Merit<'a>,
    space: &'a AddressSpace,
}

/// Chooses the connector for a recipient domain at a server.
#[must_use]
pub fn select(topology: &Topology, server: ServerId, domain: &Domain, size: ByteSize) -> Selection {
    select_among(topology, server, Target::Domain(domain), size, Past::Fresh)
}

/// Chooses the connector for a message: what has been on premises does not go there again by
/// centralized mail transport.
#[must_use]
pub(super) fn select_for(
    topology: &Topology,
    server: ServerId,
    item: &MailItem,
    domain: &Domain,
) -> Selection {
    let past = if item.has_been_on_premises() {
        Past::OnPremises
    } else {
        Past::Fresh
    };
    select_among(
        topology,
        server,
        Target::Domain(domain),
        item.limited_size(),
        past,
    )
}

/// Chooses the connector for an address that is not of type SMTP.
#[must_use]
pub(super) fn select_foreign(
    topology: &Topology,
    server: ServerId,
    address: &ForeignAddress,
    size: ByteSize,
) -> Selection {
    let target = Target::Foreign(address);
    // No connector of centralized mail transport covers such an address.
    select_among(topology, server, target, size, Past::Fresh)
}

/// Where a message has been.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Past {
    Fresh,
    OnPremises,
}

/// What a connector is looked for.
#[derive(Clone, Copy)]
enum Target<'a> {
    Domain(&'a Domain),
    Foreign(&'a ForeignAddress),
}

impl Target<'_> {
    fn is_covered(
        self,
        topology: &Topology,
        organization: OrganizationId,
        pattern: &DomainPattern,
    ) -> bool {
        match (self, pattern) {
            (Self::Domain(domain), _) => covers(topology, organization, pattern, domain),
            (Self::Foreign(address), DomainPattern::Foreign { kind, space }) => {
                foreign::is_covered(kind, space, address)
            }
            (Self::Foreign(_), _) => false,
        }
    }
}

fn select_among(
    topology: &Topology,
    server: ServerId,
    target: Target<'_>,
    size: ByteSize,
    past: Past,
) -> Selection {
    let organization = topology.server(server).organization;
    let mut rejected = Vec::new();
    let mut best: Option<Candidate<'_>> = None;
    let mut too_small = false;
    let mut lose = |id, reason| {
        rejected.push(Rejected {
            candidate: Subject::SendConnector(id),
            reason,
        })
    };
    for id in topology.send_connectors_of(organization) {
        let connector = topology.send_connector(*id);
        let eligible = |size| eligible(topology, server, *id, target, size, past);
        let space = match eligible(size) {
            Ok(space) => space,
            Err(reason) => {
                too_small |=
                    matches!(reason, Reason::TooLarge { .. }) && eligible(ByteSize(0)).is_ok();
                lose(*id, reason);
                continue;
            }
        };
        let candidate = Candidate {
            id: *id,
            merit: merit(topology, server, connector, space),
            space,
        };
        best = Some(match best {
            None => candidate,
            Some(old) if old.merit >= candidate.merit => {
                lose(*id, why_lost(&candidate, &old));
                old
            }
            Some(old) => {
                lose(old.id, why_lost(&old, &candidate));
                candidate
            }
        });
    }
    let (winner, because) = match best {
        Some(Candidate { id, space, .. }) => {
            (Ok(id), Reason::AddressSpace(space.pattern.to_string()))
        }
        None if too_small => (Err(NoWinner::TooLarge), Reason::ConnectorsTooSmall),
        None => (Err(NoWinner::Uncovered), Reason::NoConnector),
    };
    Selection {
        winner,
        because,
        rejected,
    }
}

/// The most specific address space by which a connector may carry a domain from a server.
fn eligible<'a>(
    topology: &'a Topology,
    server: ServerId,
    id: SendConnectorId,
    target: Target<'_>,
    size: ByteSize,
    past: Past,
) -> Result<&'a AddressSpace, Reason> {
    let connector = topology.send_connector(id);
    // An Edge server knows only the connectors that EdgeSync gave it as a source.
    let edge = !topology.server(server).directory;
    if edge && !connector.sources.contains(&server) {
        return Err(Reason::NotASource);
    }
    if !connector.max_message_size.admits(size) {
        return Err(Reason::TooLarge {
            size,
            limit: connector.max_message_size,
            setting: "MaxMessageSize",
        });
    }
    if !connector.enabled {
        return Err(Reason::Disabled);
    }
    if connector.rule_scoped {
        return Err(Reason::RuleScoped);
    }
    if connector.via_on_premises && past == Past::OnPremises {
        return Err(Reason::AlreadyOnPremises);
    }
    let beside = |source: &ServerId| topology.are_in_one_site(server, *source);
    if connector.scoped && !connector.sources.iter().any(beside) {
        return Err(Reason::OutOfScope);
    }
    if let Target::Domain(domain) = target
        && let Some(space) = topology.exact_space(id, domain)
    {
        // Nothing is more specific.
        return Ok(space);
    }
    connector
        .address_spaces
        .iter()
        .filter(|space| !matches!(space.pattern, DomainPattern::Exact(_)))
        // `--` is for Edge servers: a Mailbox server never sends accepted domains out to come back.
        .filter(|space| edge || space.pattern != DomainPattern::InternalDomains)
        .filter(|space| target.is_covered(topology, connector.organization, &space.pattern))
        .max_by_key(|space| (specificity(&space.pattern), Reverse(space.cost)))
        .ok_or(Reason::NoAddressSpace)
}

/// Whether a pattern covers a domain; `*.contoso.com` covers `contoso.com` too.
#[must_use]
pub fn covers(
    topology: &Topology,
    organization: OrganizationId,
    pattern: &DomainPattern,
    domain: &Domain,
) -> bool {
    match pattern {
        DomainPattern::Exact(own) => own == domain,
        DomainPattern::WithSubdomains(own) => domain.is_within(own),
        DomainPattern::AllAcceptedDomains => {
            topology.accepted_domain_for(organization, domain).is_some()
        }
        DomainPattern::InternalDomains => taken_inside(topology, organization, domain),
        DomainPattern::Any => true,
        DomainPattern::Foreign { .. } => false,
    }
}

/// Whether `--` covers a domain on a subscribed Edge server.
///
/// Choice: only the names of Authoritative and InternalRelay entries themselves. A subdomain that is
/// accepted through its parent alone is external to an Edge server: mail for one was seen to loop
/// until it had an entry of its own.
fn taken_inside(topology: &Topology, organization: OrganizationId, domain: &Domain) -> bool {
    topology
        .accepted_domain_for(organization, domain)
        .map(|id| topology.accepted_domain(id))
        .is_some_and(|accepted| {
            accepted.domain == *domain
                && match accepted.kind {
                    DomainType::Authoritative | DomainType::InternalRelay => true,
                    DomainType::ExternalRelay => false,
                }
        })
}

/// Exact before wildcard, longer wildcards before shorter ones, then the open-ended spaces.
fn specificity(pattern: &DomainPattern) -> (u8, usize) {
    match pattern {
        DomainPattern::Exact(_) => (3, 0),
        DomainPattern::WithSubdomains(domain) => (2, domain.labels().count()),
        DomainPattern::AllAcceptedDomains | DomainPattern::InternalDomains => (1, 0),
        DomainPattern::Foreign { space, .. } if space != "*" => (1, space.len()),
        DomainPattern::Any | DomainPattern::Foreign { .. } => (0, 0),
    }
}

fn merit<'a>(
    topology: &Topology,
    server: ServerId,
    connector: &'a SendConnector,
    space: &AddressSpace,
) -> Merit<'a> {
    let Distance { cost, proximity } = distance(topology, server, &connector.sources);
    Merit {
        specificity: specificity(&space.pattern),
        cost: Reverse(u32::from(space.cost).saturating_add(cost)),
        distance: Reverse(proximity),
        rank: Reverse(connector.rank),
        name: Reverse(Name(&connector.name)),
    }
}

fn why_lost(loser: &Candidate<'_>, winner: &Candidate<'_>) -> Reason {
    let (own, best) = (&loser.merit, &winner.merit);
    if own.specificity != best.specificity {
        Reason::LessSpecific(loser.space.pattern.to_string())
    } else if own.cost != best.cost {
        Reason::HigherCost {
            cost: own.cost.0,
            best: best.cost.0,
        }
    } else if own.distance != best.distance {
        Reason::FartherAway
    } else if own.rank != best.rank {
        Reason::HigherRank
    } else {
        Reason::LaterName
    }
}

/// Chooses the connector on a subscribed Edge server, where accepted domains go back inside.
///
/// Documents state two outcomes: target addresses leave a subscribed Edge server by the hybrid
/// connector, and InternalRelay domains return inside and loop. Choice: what separates them is that
/// the first are in a remote domain with `TargetDeliveryDomain`, in mail that comes from inside.
/// `CloudServicesMailEnabled` is no part of it: without it the mail leaves, and arrives as a stranger's
/// (Exchange hybrid, "Email sent from an Edge Transport server appears as mail from external contacts").
#[must_use]
pub(super) fn select_on_edge(
    topology: &Topology,
    server: ServerId,
    item: &MailItem,
    domain: &Domain,
) -> Selection {
    let organization = topology.server(server).organization;
    let mut selection = select(topology, server, domain, item.limited_size());
    let inside = topology
        .send_connectors_of(organization)
        .iter()
        .copied()
        .filter(|id| {
            let connector = topology.send_connector(*id);
            connector.enabled
                && connector.sources.contains(&server)
                && connector
                    .address_spaces
                    .iter()
                    .any(|space| space.pattern == DomainPattern::InternalDomains)
        })
        .min_by_key(|id| topology.send_connector(*id).name.as_str());
    let Some(inside) = inside.filter(|_| taken_inside(topology, organization, domain)) else {
        return selection;
    };
    let explicit = selection.winner.ok().filter(|id| {
        let connector = topology.send_connector(*id);
        *id != inside
            && names(topology, connector, domain)
            && item.arrival == Arrival::Internal
            && is_target_delivery_domain(topology, organization, domain)
    });
    if explicit.is_some() {
        selection.because = Reason::EdgeTargetDelivery(domain.clone());
    } else {
        take_inside(
            topology,
            &mut selection,
            inside,
            domain,
            item.limited_size(),
        );
    }
    selection
}

/// Replaces what won by the connector that leads inside. Size comes first here too: what is too large
/// to go inside goes nowhere.
fn take_inside(
    topology: &Topology,
    selection: &mut Selection,
    inside: SendConnectorId,
    domain: &Domain,
    size: ByteSize,
) {
    let because = Reason::EdgeTakesInside(domain.clone());
    if let Ok(loser) = selection.winner
        && loser != inside
    {
        selection.rejected.push(Rejected {
            candidate: Subject::SendConnector(loser),
            reason: because.clone(),
        });
    }
    selection.because = because;
    if topology
        .send_connector(inside)
        .max_message_size
        .admits(size)
    {
        selection
            .rejected
            .retain(|loser| loser.candidate != Subject::SendConnector(inside));
        selection.winner = Ok(inside);
    } else {
        selection.winner = Err(NoWinner::TooLarge);
    }
}

/// Whether a connector covers a domain by an address space that says so, and not by one for the rest.
fn names(topology: &Topology, connector: &SendConnector, domain: &Domain) -> bool {
    connector
        .address_spaces
        .iter()
        .any(|space| match space.pattern {
            DomainPattern::Exact(_) | DomainPattern::WithSubdomains(_) => {
                covers(topology, connector.organization, &space.pattern, domain)
            }
            DomainPattern::AllAcceptedDomains
            | DomainPattern::InternalDomains
            | DomainPattern::Any
            | DomainPattern::Foreign { .. } => false,
        })
}

fn is_target_delivery_domain(
    topology: &Topology,
    organization: OrganizationId,
    domain: &Domain,
) -> bool {
    topology
        .remote_domain_for(organization, domain)
        .is_some_and(|remote| remote.target_delivery_domain)
}
