//! Send connectors (Exchange Server, "Send connectors").

use std::collections::BTreeSet;

use super::edge::mailbox_servers;
use crate::config::build::Build;
use crate::config::object::Object;
use crate::config::sending::{self, conflict};
use crate::mail::Limit;
use crate::model::{
    AddressSpace, DomainPattern, ErrorPolicy, OrganizationId, Routing, SendConnector, Server,
    ServerId, ServerRole,
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
    let (sources, missing_sources) = sources(build, organization, object);
    let address_spaces = sending::address_spaces(object.list("AddressSpaces"));
    let routing = routing(build, organization, object, &sources);
    refuse_internal_domains(build, object, &sources);
    refuse_level_without_tls(build, object);
    refuse_tls_never_and_always(build, object);
    refuse_foreign_by_mx(build, object, &address_spaces);
    Some(SendConnector {
        enabled: object.flag("Enabled"),
        scoped: object.flag("IsScopedConnector") || address_spaces.iter().any(|space| space.local),
        address_spaces,
        routing,
        use_external_dns: object.flag("UseExternalDNSServersEnabled"),
        require_tls: object.flag("RequireTLS"),
        tls_auth_level: sending::tls_auth_level(object, "TlsAuthLevel"),
        tls_domain: sending::tls_domain(build, object, "TlsAuthLevel"),
        tls_certificate_name: object.text("TlsCertificateName").map(str::to_owned),
        fqdn: object.parse("Fqdn"),
        max_message_size: object.parse("MaxMessageSize").unwrap_or(Limit::Unlimited),
        cloud_services_mail_enabled: object.flag("CloudServicesMailEnabled"),
        port: object.parse("Port").unwrap_or(25),
        ignore_starttls: object.flag("IgnoreSTARTTLS"),
        force_helo: object.flag("ForceHELO"),
        domain_secure: object.flag("DomainSecureEnabled"),
        error_policies: error_policies(object),
        front_end_proxy: object.flag("FrontendProxyEnabled"),
        settings: object.settings(),
        sources,
        missing_sources,
        ..SendConnector::new(organization, object.text("Name")?)
    })
}

fn error_policies(object: &Object) -> BTreeSet<ErrorPolicy> {
    let policies = [
        ErrorPolicy::DowngradeCustomFailures,
        ErrorPolicy::DowngradeDnsFailures,
        ErrorPolicy::UpgradeCustomFailures,
    ];
    let written = object.list("ErrorPolicies");
    let is_written = |policy: &ErrorPolicy| written.iter().any(|w| w.text == policy.as_str());
    policies.into_iter().filter(is_written).collect()
}

/// The servers that send through a connector, and the names of those that are gone: a server that
/// was removed stays in the list.
fn sources(
    build: &mut Build,
    organization: OrganizationId,
    object: &Object,
) -> (Vec<ServerId>, Vec<String>) {
    let ours = |server: &Server| server.organization == organization;
    let (sources, missing) = build.servers_or_names(object.list("SourceTransportServers"), ours);
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
    (sources, missing)
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

/// Exchange PowerShell, "Set-SendConnector": `IgnoreSTARTTLS` and `RequireTLS` exclude each other; so
/// does `ForceHELO`, because STARTTLS is an answer to EHLO (RFC 3207 §4).
fn refuse_tls_never_and_always(build: &mut Build, object: &Object) {
    for key in ["IgnoreSTARTTLS", "ForceHELO"] {
        if object.flag(key) && object.flag("RequireTLS") {
            conflict(
                build,
                object,
                key,
                format!("`{key}` is true, and so is `RequireTLS`"),
                "remove one of the two".to_owned(),
            );
        }
    }
}

/// Exchange Server, "Send connectors": addresses that are no domains have no MX records.
fn refuse_foreign_by_mx(build: &mut Build, object: &Object, spaces: &[AddressSpace]) {
    let is_foreign = |space: &&AddressSpace| matches!(space.pattern, DomainPattern::Foreign { .. });
    let foreign = spaces.iter().find(is_foreign);
    if let Some(foreign) = foreign.filter(|_| !object.states("SmartHosts")) {
        let place = foreign.location.clone();
        build.report(
            "conflicting-settings",
            place.as_ref().unwrap_or(&object.location),
            format!(
                "`{}` is no domain, and the connector follows MX records",
                foreign.pattern
            ),
            "name `SmartHosts`",
        );
    }
}
