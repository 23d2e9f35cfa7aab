//! Edge subscriptions: the site of each Edge server, and the connectors that a subscription makes
//! (Exchange Server, "Edge Subscriptions").

use crate::config::build::{Build, unknown};
use crate::config::keys::timestamp;
use crate::config::object::Object;
use crate::model::{
    AddressSpace, DomainPattern, OrganizationId, Routing, SendConnector, Server, ServerId,
    ServerRole, Settings,
};

/// Gives every subscribed Edge server the site of its subscription.
pub(super) fn sites(build: &mut Build, organization: OrganizationId, subscriptions: &[Object]) {
    let names = subscriptions
        .iter()
        .filter_map(|object| object.word("Name"));
    build.refuse_duplicates("Edge subscription", names);
    for subscription in subscriptions {
        let edge = edge_server(build, organization, subscription);
        let site = site(build, organization, subscription);
        if let (Some(edge), Some(site)) = (edge, site) {
            let server = &mut build.parts.servers[edge.index()];
            server.site = site;
            server.subscribed = true;
            server.subscribed_at = subscription.text("WhenCreated").and_then(timestamp);
        }
    }
}

fn edge_server(
    build: &mut Build,
    organization: OrganizationId,
    subscription: &Object,
) -> Option<ServerId> {
    let is_edge =
        |server: &Server| server.organization == organization && server.role == ServerRole::Edge;
    build.server_named(&subscription.word("Name")?, is_edge)
}

/// The site of a subscription, in the spelling of the Mailbox servers that are in it.
fn site(build: &mut Build, organization: OrganizationId, subscription: &Object) -> Option<String> {
    let word = subscription.word("Site")?;
    let mailbox_servers = build
        .servers_of(organization)
        .filter(|(_, server)| server.role == ServerRole::Mailbox);
    let mut sites: Vec<&str> = mailbox_servers
        .map(|(_, server)| server.site.as_str())
        .filter(|site| !site.is_empty())
        .collect();
    sites.sort_unstable();
    sites.dedup();
    let found = sites
        .iter()
        .find(|site| site.eq_ignore_ascii_case(&word.text));
    let found = found.map(|site| (*site).to_owned());
    if found.is_none() {
        let add = "write it as the `Site` of a Mailbox server";
        let diagnostic = unknown("site", &word, &sites, add);
        build.diagnostics.push(diagnostic);
    }
    found
}

/// Adds the connectors of the subscriptions, one of each kind per site, unless the world writes a
/// connector of the name.
///
/// Choice: several Edge servers of a site share one pair of connectors.
pub(super) fn connectors(
    build: &mut Build,
    organization: OrganizationId,
    subscriptions: &[Object],
) {
    for subscription in subscriptions {
        let Some(edge) = subscribed(build, organization, subscription) else {
            continue;
        };
        let site = build.parts.servers[edge.index()].site.clone();
        let pair = [
            (
                "CreateInboundSendConnector",
                inbound(build, organization, &site),
            ),
            ("CreateInternetSendConnector", internet(organization, &site)),
        ];
        for (key, connector) in pair {
            if subscription.flag(key) {
                let settings = Settings {
                    object: Some(subscription.location.clone()),
                    values: Vec::new(),
                };
                add(
                    build,
                    edge,
                    SendConnector {
                        settings,
                        ..connector
                    },
                );
            }
        }
    }
}

/// The Edge server of a subscription whose site is known.
fn subscribed(
    build: &Build,
    organization: OrganizationId,
    subscription: &Object,
) -> Option<ServerId> {
    let (name, site) = (subscription.text("Name")?, subscription.text("Site")?);
    let mut servers = build.servers_of(organization);
    let found = servers.find(|(_, server)| {
        server.role == ServerRole::Edge
            && server.site.eq_ignore_ascii_case(site)
            && (server.name.eq_ignore_ascii_case(name)
                || server.fqdn.as_str().eq_ignore_ascii_case(name))
    });
    found.map(|(id, _)| id)
}

/// Adds a connector, or the Edge server to the sources of the one that another subscription made.
fn add(build: &mut Build, edge: ServerId, connector: SendConnector) {
    let existing = build.parts.send_connectors.iter_mut().find(|other| {
        other.organization == connector.organization
            && other.name.eq_ignore_ascii_case(&connector.name)
    });
    match existing {
        None => build.parts.send_connectors.push(SendConnector {
            sources: vec![edge],
            ..connector
        }),
        // What was written has values; what a subscription made has none.
        Some(made) if made.settings.values.is_empty() => {
            if !made.sources.contains(&edge) {
                made.sources.push(edge);
            }
        }
        Some(_) => {}
    }
}

fn inbound(build: &Build, organization: OrganizationId, site: &str) -> SendConnector {
    let name = format!("EdgeSync - Inbound to {site}");
    let routing = Routing::Servers(mailbox_servers(build, organization, site));
    connector(
        organization,
        name,
        (DomainPattern::InternalDomains, 1),
        routing,
    )
}

fn internet(organization: OrganizationId, site: &str) -> SendConnector {
    let name = format!("EdgeSync - {site} to Internet");
    SendConnector {
        domain_secure: true,
        ..connector(organization, name, (DomainPattern::Any, 100), Routing::Dns)
    }
}

/// The Mailbox servers of a site: what the smart host `--` stands for.
pub(super) fn mailbox_servers(
    build: &Build,
    organization: OrganizationId,
    site: &str,
) -> Vec<ServerId> {
    let servers = build.servers_of(organization);
    let inside = servers.filter(|(_, server)| {
        server.role == ServerRole::Mailbox && server.site.eq_ignore_ascii_case(site)
    });
    inside.map(|(id, _)| id).collect()
}

fn connector(
    organization: OrganizationId,
    name: String,
    (pattern, cost): (DomainPattern, u8),
    routing: Routing,
) -> SendConnector {
    SendConnector {
        address_spaces: vec![AddressSpace::new(pattern, cost)],
        routing,
        ..SendConnector::new(organization, name)
    }
}
