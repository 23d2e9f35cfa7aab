//! Connector choice, step by step as it is documented (Exchange Server, "Connector selection in
//! external message routing"; Exchange Online, "Set up connectors to route mail").

use hybridmx::mail::{ByteSize, Domain};
use hybridmx::model::{
    DomainPattern, DomainType, ForeignAddress, OrganizationId, Parts, SendConnector, ServerId,
    ServerRole,
};

use super::names::{accepted, within};
use super::sites;

/// What the documents give for one recipient domain.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Choice<'a> {
    /// This connector.
    Connector(&'a SendConnector),
    /// Connectors cover the domain, and every one of them is too small.
    TooLarge,
    /// None covers the domain.
    Nothing,
}

impl Choice<'_> {
    /// The answer in words.
    pub(crate) fn name(self) -> String {
        match self {
            Self::Connector(connector) => connector.name.clone(),
            Self::TooLarge => "(too large)".to_owned(),
            Self::Nothing => "(none)".to_owned(),
        }
    }
}

/// The key that connectors are sorted by: how unspecific, how dear, how far, rank, name in any case,
/// name.
type Key = ((u8, usize), u32, u8, u8, String, String);

/// Chooses among all connectors of the server's organization.
pub(crate) fn choose<'a>(
    parts: &'a Parts,
    server: ServerId,
    domain: &Domain,
    size: ByteSize,
) -> Choice<'a> {
    choose_among(parts, server, domain, size, |_| true)
}

/// Chooses among the connectors that satisfy a condition.
pub(crate) fn choose_among<'a>(
    parts: &'a Parts,
    server: ServerId,
    domain: &Domain,
    size: ByteSize,
    condition: impl Fn(&SendConnector) -> bool,
) -> Choice<'a> {
    let mut covering: Vec<(Key, &SendConnector)> = Vec::new();
    for connector in &parts.send_connectors {
        if connector.organization == parts.servers[server.index()].organization
            && connector.enabled
            // That one is for mail-flow rules.
            && !connector.rule_scoped
            && visible(parts, server, connector)
            && condition(connector)
            && let Some(key) = best_key(parts, server, connector, domain)
        {
            covering.push((key, connector));
        }
    }
    if covering.is_empty() {
        return Choice::Nothing;
    }
    covering.retain(|(_, connector)| connector.max_message_size.admits(size));
    covering.sort_by(|(left, _), (right, _)| left.cmp(right));
    match covering.first() {
        Some((_, connector)) => Choice::Connector(connector),
        None => Choice::TooLarge,
    }
}

/// An Edge server has the connectors it is a source of; other servers see unscoped ones, and those
/// with a source server in their site.
fn visible(parts: &Parts, server: ServerId, connector: &SendConnector) -> bool {
    let here = &parts.servers[server.index()];
    if here.role == ServerRole::Edge {
        return connector.sources.contains(&server);
    }
    let site = sites::site(parts, server);
    !connector.scoped
        || connector
            .sources
            .iter()
            .any(|source| sites::site(parts, *source) == site)
}

/// The cost of the way to the nearest source, and how near it is: 0 if it is the server itself, 1 if
/// it is in its site, 2 if it is elsewhere or nobody knows where.
fn nearness(parts: &Parts, server: ServerId, connector: &SendConnector) -> (u32, u8) {
    let mut ways: Vec<(u32, u8)> = Vec::new();
    for source in &connector.sources {
        let (cost, _) = sites::distance(parts, server, *source);
        let near = match sites::site(parts, *source) == sites::site(parts, server) {
            true if *source == server => 0,
            true => 1,
            false => 2,
        };
        ways.push((cost, near));
    }
    ways.sort_unstable();
    match ways.first() {
        Some(way) => *way,
        None => (100, 2),
    }
}

/// Chooses the connector for an address of another type than SMTP.
pub(crate) fn choose_foreign<'a>(
    parts: &'a Parts,
    server: ServerId,
    address: &ForeignAddress,
    size: ByteSize,
) -> Choice<'a> {
    let mut covering: Vec<(Key, &SendConnector)> = Vec::new();
    for connector in &parts.send_connectors {
        let own = connector.organization == parts.servers[server.index()].organization;
        if !own || !connector.enabled || connector.rule_scoped || !visible(parts, server, connector)
        {
            continue;
        }
        let (links, distance) = nearness(parts, server, connector);
        for space in &connector.address_spaces {
            let DomainPattern::Foreign { kind, space: text } = &space.pattern else {
                continue;
            };
            let whole = address.address.to_lowercase();
            if kind != &address.kind || text != "*" && !whole.starts_with(&text.to_lowercase()) {
                continue;
            }
            let vagueness = match text.as_str() {
                "*" => (1, 0),
                _ => (0, usize::MAX - text.len()),
            };
            let key = (
                vagueness,
                u32::from(space.cost) + links,
                distance,
                connector.rank,
                connector.name.to_lowercase(),
                connector.name.clone(),
            );
            covering.push((key, connector));
        }
    }
    if covering.is_empty() {
        return Choice::Nothing;
    }
    covering.retain(|(_, connector)| connector.max_message_size.admits(size));
    covering.sort_by(|(left, _), (right, _)| left.cmp(right));
    match covering.first() {
        Some((_, connector)) => Choice::Connector(connector),
        None => Choice::TooLarge,
    }
}

/// The key of the best of a connector's address spaces that cover the domain.
fn best_key(
    parts: &Parts,
    server: ServerId,
    connector: &SendConnector,
    domain: &Domain,
) -> Option<Key> {
    let (links, distance) = nearness(parts, server, connector);
    let mut keys: Vec<Key> = connector
        .address_spaces
        .iter()
        .filter(|space| {
            covers(
                parts,
                connector.organization,
                server,
                &space.pattern,
                domain,
            )
        })
        .map(|space| {
            (
                vagueness(&space.pattern),
                u32::from(space.cost) + links,
                distance,
                connector.rank,
                connector.name.to_lowercase(),
                connector.name.clone(),
            )
        })
        .collect();
    keys.sort();
    keys.into_iter().next()
}

/// The less specific, the greater: exact, longer suffix, shorter suffix, accepted domains, all.
fn vagueness(pattern: &DomainPattern) -> (u8, usize) {
    match pattern {
        DomainPattern::Exact(_) => (0, 0),
        DomainPattern::WithSubdomains(parent) => (1, usize::MAX - parent.as_str().len()),
        DomainPattern::AllAcceptedDomains => (2, 0),
        DomainPattern::InternalDomains => (3, 0),
        DomainPattern::Any | DomainPattern::Foreign { .. } => (4, 0),
    }
}

fn covers(
    parts: &Parts,
    organization: OrganizationId,
    server: ServerId,
    pattern: &DomainPattern,
    domain: &Domain,
) -> bool {
    match pattern {
        DomainPattern::Exact(exact) => exact.as_str() == domain.as_str(),
        DomainPattern::WithSubdomains(parent) => within(domain.as_str(), parent.as_str()),
        DomainPattern::AllAcceptedDomains => accepted(parts, organization, domain).is_some(),
        // `--` means something to Edge servers only.
        DomainPattern::InternalDomains => {
            parts.servers[server.index()].role == ServerRole::Edge
                && is_internal(parts, organization, domain)
        }
        DomainPattern::Any => true,
        DomainPattern::Foreign { .. } => false,
    }
}

/// Whether `--` stands for a domain: an Authoritative or InternalRelay entry of that very name.
pub(crate) fn is_internal(parts: &Parts, organization: OrganizationId, domain: &Domain) -> bool {
    accepted(parts, organization, domain)
        .is_some_and(|entry| entry.domain == *domain && entry.kind != DomainType::ExternalRelay)
}

/// Chooses on an Edge server (Exchange Server, "Accepted domains in Exchange Server", the note on
/// internal relay domains): accepted domains go back inside, but for target addresses in mail from
/// inside.
pub(crate) fn choose_on_edge<'a>(
    parts: &'a Parts,
    server: ServerId,
    domain: &Domain,
    size: ByteSize,
    from_inside: bool,
) -> Choice<'a> {
    let organization = parts.servers[server.index()].organization;
    let takes_inside = |connector: &SendConnector| {
        connector
            .address_spaces
            .iter()
            .any(|space| space.pattern == DomainPattern::InternalDomains)
    };
    let explicit = |connector: &SendConnector| {
        connector.address_spaces.iter().any(|space| {
            matches!(
                space.pattern,
                DomainPattern::Exact(_) | DomainPattern::WithSubdomains(_)
            ) && covers(parts, organization, server, &space.pattern, domain)
        })
    };
    let inside = choose_among(parts, server, domain, size, takes_inside);
    if matches!(inside, Choice::Nothing) {
        return choose(parts, server, domain, size);
    }
    let target_delivery = is_target_delivery(parts, organization, domain);
    match choose_among(parts, server, domain, size, explicit) {
        Choice::Connector(connector) if target_delivery && from_inside => {
            Choice::Connector(connector)
        }
        _ => inside,
    }
}

/// Whether the remote domain that describes a domain most closely is for target addresses.
fn is_target_delivery(parts: &Parts, organization: OrganizationId, domain: &Domain) -> bool {
    let mut best: Vec<((u8, usize), bool)> = Vec::new();
    for remote in &parts.remote_domains {
        let vague = match &remote.pattern {
            DomainPattern::Exact(exact) if exact == domain => (0, 0),
            DomainPattern::WithSubdomains(parent) if within(domain.as_str(), parent.as_str()) => {
                (1, usize::MAX - parent.as_str().len())
            }
            DomainPattern::Any => (2, 0),
            _ => continue,
        };
        if remote.organization == organization {
            best.push((vague, remote.target_delivery_domain));
        }
    }
    best.sort_unstable();
    best.first().is_some_and(|(_, yes)| *yes)
}
