//! Exchange Server's dialect: the objects of an on-premises organization → the model.
//!
//! Not here: the spelling of keys and their defaults (`keys`). Checked objects go in; parts of a
//! topology come out.
//!
//! Implied, unless the world writes an object of the name:
//! - on every Mailbox server the Receive connectors `Default Frontend <server>` (25),
//!   `Client Frontend <server>` (587) and `Default <server>` (2525), on every Edge server
//!   `Default internal receive connector <server>` (25);
//! - for every Edge subscription the Send connectors `EdgeSync - Inbound to <site>` and
//!   `EdgeSync - <site> to Internet`.
//!
//! A Receive connector that is written under one of these names has that connector's defaults.
//!
//! Sources: Exchange Server, "Receive connectors", "Send connectors", "Edge Subscriptions",
//! "Accepted domains".

mod edge;
mod receive;
mod send;

use super::build::Build;
use super::directory::{self, target_address};
use super::object::Object;
use crate::model::{
    DnsView, EXCHANGE_SERVER, MailUserFlavour, Organization, OrganizationId, OrganizationKind,
    RecipientKind, RecipientValidation, RemoteDomain, Server, ServerId, ServerRole, Service,
    TransportConfig, TransportRole,
};

/// Adds an on-premises organization.
pub(super) fn lower(build: &mut Build, object: &Object) {
    let name = object.text("Name").unwrap_or_default();
    let organization = build.organization(Organization {
        transport: TransportConfig::default(),
        settings: object.settings(),
        ..Organization::new(name, OrganizationKind::OnPremises, &EXCHANGE_SERVER)
    });
    servers(build, organization, object);
    edge::sites(build, organization, object.objects("EdgeSubscriptions"));
    build.accepted_domains(organization, object.objects("AcceptedDomains"));
    remote_domains(build, organization, object.objects("RemoteDomains"));
    receive::lower(build, organization, object.objects("ReceiveConnectors"));
    send::lower(build, organization, object.objects("SendConnectors"));
    edge::connectors(build, organization, object.objects("EdgeSubscriptions"));
    mailboxes(build, organization, object.objects("Mailboxes"));
    let remote = object.objects("RemoteMailboxes");
    mail_users(build, organization, remote, MailUserFlavour::RemoteMailbox);
    let users = object.objects("MailUsers");
    mail_users(build, organization, users, MailUserFlavour::MailUser);
    written_back_groups(build, organization, object.objects("WrittenBackGroups"));
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
        build.server(server);
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
    Some(Server {
        site: object.text("Site").unwrap_or_default().to_owned(),
        addresses: object.parse_list("IPAddress"),
        dns_view,
        directory: role != ServerRole::Edge,
        recipient_validation: match object.flag("RecipientValidationEnabled") {
            true => RecipientValidation::Authoritative,
            false => RecipientValidation::Off,
        },
        services,
        version: object
            .text("AdminDisplayVersion")
            .and_then(super::keys::version),
        settings: object.settings(),
        ..Server::new(
            organization,
            object.text("Name")?,
            fqdn,
            role,
            &EXCHANGE_SERVER,
        )
    })
}

fn remote_domains(build: &mut Build, organization: OrganizationId, objects: &[Object]) {
    for object in objects {
        let Some(pattern) = object.parse("DomainName") else {
            continue;
        };
        let name = object.text("Name").or_else(|| object.text("DomainName"));
        build.parts.remote_domains.push(RemoteDomain {
            name: name.unwrap_or_default().to_owned(),
            target_delivery_domain: object.flag("TargetDeliveryDomain"),
            settings: object.settings(),
            ..RemoteDomain::new(organization, pattern)
        });
    }
}

fn mailboxes(build: &mut Build, organization: OrganizationId, objects: &[Object]) {
    for object in objects {
        let Some(server) = mailbox_server(build, organization, object) else {
            continue;
        };
        let kind = RecipientKind::Mailbox {
            server,
            echo: false,
        };
        let authenticated = object.flag("RequireSenderAuthenticationEnabled");
        directory::lower(build, organization, object, kind, authenticated);
    }
}

/// The server that holds a mailbox.
fn mailbox_server(
    build: &mut Build,
    organization: OrganizationId,
    object: &Object,
) -> Option<ServerId> {
    let holds =
        |server: &Server| server.organization == organization && server.role == ServerRole::Mailbox;
    if let Some(word) = object.word("ServerName") {
        return build.server_named(&word, holds);
    }
    let first = build
        .servers_of(organization)
        .find(|(_, server)| holds(server));
    let first = first.map(|(id, _)| id);
    if first.is_none() {
        build.report(
            "missing-key",
            &object.location,
            "the mailbox is on no server: the organization has no Mailbox server",
            "add a server with `[[OnPremises.Servers]]`",
        );
    }
    first
}

fn mail_users(
    build: &mut Build,
    organization: OrganizationId,
    objects: &[Object],
    flavour: MailUserFlavour,
) {
    let key = match flavour {
        MailUserFlavour::Contact | MailUserFlavour::MailUser => "ExternalEmailAddress",
        MailUserFlavour::RemoteMailbox => "RemoteRoutingAddress",
    };
    for object in objects {
        let kind = RecipientKind::MailUser {
            flavour,
            target_address: target_address(object, key),
            echo: false,
        };
        let authenticated = object.flag("RequireSenderAuthenticationEnabled");
        directory::lower(build, organization, object, kind, authenticated);
    }
}

fn written_back_groups(build: &mut Build, organization: OrganizationId, objects: &[Object]) {
    for object in objects {
        let kind = RecipientKind::RemoteGroup {
            target_address: None,
            mail_enabled: object.flag("MailEnabled"),
            members: Vec::new(),
        };
        // Choice: a group that is written back takes mail from authenticated senders only, as the
        // object of directory synchronization says.
        directory::lower(build, organization, object, kind, true);
    }
}
