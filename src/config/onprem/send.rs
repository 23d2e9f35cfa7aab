//! Send connectors (Exchange Server, "Send connectors").

use super::edge::mailbox_servers;
use crate::config::build::Build;
use crate::config::object::Object;
use crate::config::sending::{self, conflict};
use crate::mail::Limit;
use crate::model::{
    DomainPattern, OrganizationId, Routing, SendConnector, Server, ServerId, ServerRole,
};

/// Adds the Send connectors of an organization.
pub(super) fn lower(build: &mut Build, organization: OrganizationId, objects: &[Object]) {
    let names = objects.iter().filter_map(|object| object.word("Name"));
    build.refuse_duplicates("Send connector", names);
    for object in objects {
        if let Some(connector) = connector(build, organization, object) {
            build.parts.send_connectors.push(connector);
        }
    }
}

fn connector(
    build: &mut Build,
    organization: OrganizationId,
    object: &Object,
) -> Option<SendConnector> {
    let sources = sources(build, organization, object);
    let routing = routing(build, organization, object, &sources);
    refuse_internal_domains(build, object, &sources);
    refuse_level_without_tls(build, object);
    Some(SendConnector {
        enabled: object.flag("Enabled"),
        address_spaces: sending::address_spaces(object.list("AddressSpaces")),
        scoped: object.flag("IsScopedConnector"),
        routing,
        use_external_dns: object.flag("UseExternalDNSServersEnabled"),
        require_tls: object.flag("RequireTLS"),
        tls_auth_level: sending::tls_auth_level(object, "TlsAuthLevel"),
        tls_domain: sending::tls_domain(build, object, "TlsAuthLevel"),
        tls_certificate_name: object.text("TlsCertificateName").map(str::to_owned),
        fqdn: object.parse("Fqdn"),
        max_message_size: object.parse("MaxMessageSize").unwrap_or(Limit::Unlimited),
        cloud_services_mail_enabled: object.flag("CloudServicesMailEnabled"),
        settings: object.settings(),
        sources,
        ..SendConnector::new(organization, object.text("Name")?)
    })
}

fn sources(build: &mut Build, organization: OrganizationId, object: &Object) -> Vec<ServerId> {
    let ours = |server: &Server| server.organization == organization;
    let sources = build.servers_named(object.list("SourceTransportServers"), ours);
    let edges = sources.iter().filter(|id| is_edge(build, **id)).count();
    if edges > 0 && edges < sources.len() {
        conflict(
            build,
            object,
            "SourceTransportServers",
            "`SourceTransportServers` holds Mailbox servers and Edge servers".to_owned(),
            "make two connectors: one for the Mailbox servers, one for the Edge servers".to_owned(),
        );
    }
    sources
}

fn is_edge(build: &Build, id: ServerId) -> bool {
    build.parts.servers[id.index()].role == ServerRole::Edge
}

/// How the connector finds its next hop; `--` among the smart hosts stands for the Mailbox servers
/// of the site that the sending Edge servers are subscribed to.
fn routing(
    build: &mut Build,
    organization: OrganizationId,
    object: &Object,
    sources: &[ServerId],
) -> Routing {
    let routing = sending::routing(build, object, "DNSRoutingEnabled");
    let Some(placeholder) = object
        .list("SmartHosts")
        .iter()
        .find(|word| word.text == "--")
    else {
        return routing;
    };
    let edge = sources.first().filter(|id| is_edge(build, **id));
    let Some(edge) = edge else {
        build.report(
            "conflicting-settings",
            &placeholder.location,
            "the smart host `--` is for Edge servers, and a Mailbox server is the source",
            "name the hosts",
        );
        return routing;
    };
    let site = build.parts.servers[edge.index()].site.clone();
    Routing::Servers(mailbox_servers(build, organization, &site))
}

/// Exchange Server, "Edge Subscriptions": the space `--` exists on Edge servers only.
fn refuse_internal_domains(build: &mut Build, object: &Object, sources: &[ServerId]) {
    if sources.iter().all(|id| is_edge(build, *id)) {
        return;
    }
    let spaces = sending::address_spaces(object.list("AddressSpaces"));
    let internal = spaces
        .into_iter()
        .find(|space| space.pattern == DomainPattern::InternalDomains);
    if let Some(place) = internal.and_then(|space| space.location) {
        build.report(
            "conflicting-settings",
            &place,
            "the address space `--` is for Edge servers, and a Mailbox server is the source",
            "name the domains",
        );
    }
}

/// Exchange PowerShell, "Set-SendConnector": `TlsAuthLevel` needs `RequireTLS`.
fn refuse_level_without_tls(build: &mut Build, object: &Object) {
    if object.has("TlsAuthLevel") && !object.flag("RequireTLS") && !object.is_unusable("RequireTLS")
    {
        conflict(
            build,
            object,
            "TlsAuthLevel",
            "`TlsAuthLevel` is written, and `RequireTLS` is false".to_owned(),
            "write `RequireTLS = true`, or remove `TlsAuthLevel`".to_owned(),
        );
    }
}
