//! Exchange Server's dialect: the objects of an on-premises organization → the model.
//!
//! Not here: the spelling of keys and their defaults (`keys`). Checked objects go in; parts of a
//! topology come out.
//!
//! Implied, unless the world writes an object of the name:
//! - on every Mailbox server the Receive connectors `Default Frontend <server>` (25),
//!   `Client Frontend <server>` (587), `Outbound Proxy Frontend <server>` (717),
//!   `Client Proxy <server>` (465) and `Default <server>` (2525), on every Edge server
//!   `Default internal receive connector <server>` (25);
//! - the remote domain `Default` for `*`, and a site for every name that a server gives;
//! - for every Edge subscription the Send connectors `EdgeSync - Inbound to <site>` and
//!   `EdgeSync - <site> to Internet`.
//!
//! A Receive connector that is written under one of these names has that connector's defaults.
//!
//! Sources: Exchange Server, "Receive connectors", "Send connectors", "Edge Subscriptions",
//! "Accepted domains".

mod edge;
mod hybrid;
mod organization;
mod receive;
mod recipients;
mod send;

use super::build::Build;
use super::keys::{timespan, timestamp};
use super::object::Object;
use super::{policy, remote, rules};
use crate::model::{
    DnsView, EXCHANGE_2013, EXCHANGE_SERVER, Organization, OrganizationId, OrganizationKind,
    Profile, RecipientFilter, RecipientValidation, Server, ServerRole, Service, TransportRole,
};

/// Adds an on-premises organization.
pub(super) fn lower(build: &mut Build, object: &Object) {
    let name = object.text("Name").unwrap_or_default();
    let config = object.objects("TransportConfig").first();
    let organization = build.organization(Organization {
        transport: organization::transport_config(config),
        settings: object.settings(),
        ..Organization::new(name, OrganizationKind::OnPremises, &EXCHANGE_SERVER)
    });
    servers(build, organization, object);
    edge::sites(build, organization, object.objects("EdgeSubscriptions"));
    organization::sites(build, organization, object);
    build.accepted_domains(organization, object.objects("AcceptedDomains"));
    remote::lower(build, organization, object.objects("RemoteDomains"), false);
    receive::lower(build, organization, object.objects("ReceiveConnectors"));
    send::lower(build, organization, object.objects("SendConnectors"));
    edge::connectors(build, organization, object.objects("EdgeSubscriptions"));
    let first = build.parts.recipients.len();
    recipients::lower(build, organization, object);
    policy::send_as(
        build,
        organization,
        first,
        object.objects("SendAsPermissions"),
    );
    hybrid::lower(build, organization, object);
    rules::lower(build, organization, first, object.objects("TransportRules"));
}

fn servers(build: &mut Build, organization: OrganizationId, object: &Object) {
    let objects = object.objects("Servers");
    build.refuse_duplicates("server", objects.iter().filter_map(|o| o.word("Name")));
    for object in objects {
        let Some(server) = server(organization, object) else {
            continue;
        };
        if object.flag("RecipientValidationEnabled") && server.role != ServerRole::Edge {
            build.report(
                "conflicting-settings",
                object.at("RecipientValidationEnabled"),
                format!(
                    "`{}` is a Mailbox server, and validates no recipients",
                    server.name
                ),
                "remove `RecipientValidationEnabled`, or write `ServerRole = \"Edge\"`",
            );
        }
        refuse_filter_on_mailbox_server(build, object, &server);
        build.server(server);
    }
}

fn refuse_filter_on_mailbox_server(build: &mut Build, object: &Object, server: &Server) {
    let key = "RecipientFilterConfig";
    if object.has(key) && server.role != ServerRole::Edge {
        let message = format!(
            "`{}` is a Mailbox server, and filters no recipients",
            server.name
        );
        build.report(
            "conflicting-settings",
            object.at(key),
            message,
            "remove `RecipientFilterConfig`, or write `ServerRole = \"Edge\"`",
        );
    }
}

fn server(organization: OrganizationId, object: &Object) -> Option<Server> {
    let fqdn: crate::mail::Domain = object.parse("Fqdn")?;
    let role = match object.text("ServerRole") {
        Some("Edge") => ServerRole::Edge,
        _ => ServerRole::Mailbox,
    };
    let service = |transport_role| Service {
        transport_role,
        received_by: fqdn.clone(),
    };
    let (services, dns_view) = if role == ServerRole::Edge {
        (vec![service(TransportRole::HubTransport)], DnsView::Public)
    } else {
        let front_end = service(TransportRole::FrontendTransport);
        let hub = service(TransportRole::HubTransport);
        (vec![front_end, hub], DnsView::Internal)
    };
    let version = object
        .text("AdminDisplayVersion")
        .and_then(super::keys::version);
    Some(Server {
        site: object.text("Site").unwrap_or_default().to_owned(),
        addresses: object.parse_list("IPAddress"),
        dns_view,
        directory: role != ServerRole::Edge,
        recipient_validation: match validates(object) {
            true => RecipientValidation::Authoritative,
            false => RecipientValidation::Off,
        },
        recipient_filter: recipient_filter(object),
        // An Edge server is one of the organization's once it is subscribed.
        subscribed: role != ServerRole::Edge,
        message_expiration: object
            .has("MessageExpirationTimeout")
            .then(|| object.text("MessageExpirationTimeout").and_then(timespan))
            .flatten(),
        external_address: object.parse("ExternalIPAddress"),
        synchronized_at: object.text("LastEdgeSynchronization").and_then(timestamp),
        wizard_ran: object.text("LastHybridConfiguration").and_then(timestamp),
        services,
        version: version.clone(),
        settings: object.settings(),
        ..Server::new(
            organization,
            object.text("Name")?,
            fqdn,
            role,
            profile(version.as_deref()),
        )
    })
}

/// The replies of a version: those of Exchange 2013 (15.0) are older.
fn profile(version: Option<&str>) -> &'static Profile {
    match version {
        Some(version) if version.starts_with("Version 15.0 ") => &EXCHANGE_2013,
        Some(_) | None => &EXCHANGE_SERVER,
    }
}

/// Whether an Edge server looks recipients up: by its filter, or by the key that is short for it.
fn validates(object: &Object) -> bool {
    let filter = object.objects("RecipientFilterConfig").first();
    object.flag("RecipientValidationEnabled")
        || filter.is_some_and(|filter| {
            filter.flag("Enabled") && filter.flag("RecipientValidationEnabled")
        })
}

fn recipient_filter(object: &Object) -> RecipientFilter {
    let Some(filter) = object.objects("RecipientFilterConfig").first() else {
        return RecipientFilter::default();
    };
    RecipientFilter {
        enabled: filter.flag("Enabled"),
        external: filter.flag("ExternalMailEnabled"),
        internal: filter.flag("InternalMailEnabled"),
        block_list: filter.flag("BlockListEnabled"),
        blocked: filter.parse_list("BlockedRecipients"),
    }
}
