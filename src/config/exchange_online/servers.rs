//! The servers of the cloud: implied, as nobody administers them.

use std::collections::BTreeSet;
use std::net::Ipv4Addr;

use crate::config::build::Build;
use crate::config::object::Object;
use crate::mail::{ByteSize, Domain, NamePattern};
use crate::model::{
    Certificate, EXCHANGE_ONLINE, IpRange, Matcher, OrganizationId, PermissionGroup,
    ReceiveConnector, RecipientValidation, Server, ServerId, ServerRole, Service, Settings,
    TransportRole,
};

/// The name under which Exchange Online Protection serves every tenant.
const PROTECTION: &str = "mail.protection.outlook.com";

/// The largest message that Exchange Online takes from anybody; mailboxes have limits of their own
/// (Exchange Online, "Exchange Online limits").
const MAX_MESSAGE_SIZE: ByteSize = ByteSize(150 << 20);

/// The first address at which the service answers. It lies in the ranges that the service sends from and
/// firewalls and Receive connectors are given (Microsoft 365, "Microsoft 365 URLs and IP address ranges"), so
/// that RemoteIPRanges with these say the same here as at home.
///
/// Choice: one address of `40.107.0.0/16` stands for all ranges.
pub(in crate::config) const FRONT_END: Ipv4Addr = Ipv4Addr::new(40, 107, 0, 25);

/// The first address from which a tenant's hub sends, in the same range.
const HUB: Ipv4Addr = Ipv4Addr::new(40, 107, 1, 1);

/// Choice: the fourth attribution of a message to one tenant is a loop, because the text of 5.4.14
/// names attribution and no document its limit.
pub(super) const MAX_ATTRIBUTIONS: u32 = 3;

/// A tenant, and the server that stands for its transport and mailboxes.
pub(super) struct Tenant<'a> {
    pub(super) object: &'a Object,
    pub(super) organization: OrganizationId,
    pub(super) hub: ServerId,
}

/// Adds Exchange Online Protection, which the first tenant owns in name.
pub(super) fn front_end(build: &mut Build, organization: OrganizationId) -> ServerId {
    let fqdn = host(&format!("eop.{PROTECTION}"));
    let role = ServerRole::FrontEnd;
    let server = Server {
        addresses: vec![build.free_address(FRONT_END)],
        recipient_validation: RecipientValidation::Authoritative,
        ..Server::new(organization, "EOP", fqdn, role, &EXCHANGE_ONLINE)
    };
    let id = build.server(server);
    build.parts.receive_connectors.push(ReceiveConnector {
        permission_groups: BTreeSet::from([PermissionGroup::AnonymousUsers]),
        max_attributions: Some(MAX_ATTRIBUTIONS),
        ..endpoint(organization, id, "EOP", (TransportRole::HubTransport, 25))
    });
    id
}

/// Adds the server that stands for a tenant's transport and mailboxes.
pub(super) fn hub(
    build: &mut Build,
    organization: OrganizationId,
    object: &Object,
    several: bool,
) -> ServerId {
    let tenant = object.text("Name").unwrap_or_default();
    let first_label = tenant.split('.').next().unwrap_or_default();
    let fqdn = host(&format!("{first_label}.prod.outlook.com"));
    let service = |transport_role| Service {
        transport_role,
        received_by: fqdn.clone(),
    };
    let roles = [
        TransportRole::FrontendTransport,
        TransportRole::HubTransport,
    ];
    let name = match several {
        true => format!("EXO {tenant}"),
        false => "EXO".to_owned(),
    };
    let server = Server {
        addresses: vec![build.free_address(HUB)],
        services: roles.map(service).into(),
        settings: object.settings(),
        ..Server::new(
            organization,
            name,
            fqdn.clone(),
            ServerRole::Hub,
            &EXCHANGE_ONLINE,
        )
    };
    let id = build.server(server);
    // Users submit at 587, with a password.
    for (role, ports) in [(roles[0], &[25, 587][..]), (roles[1], &[2525])] {
        let name = format!("EXO {}", role.as_str());
        build.parts.receive_connectors.push(ReceiveConnector {
            matcher: anyone(role, ports),
            permission_groups: BTreeSet::from([
                PermissionGroup::ExchangeServers,
                PermissionGroup::ExchangeUsers,
            ]),
            ..endpoint(organization, id, &name, (role, 25))
        });
    }
    id
}

/// Whoever connects to one of these ports.
fn anyone(transport_role: TransportRole, ports: &[u16]) -> Matcher {
    let remote_ip_ranges = vec![IpRange::ALL_V4, IpRange::ALL_V6];
    Matcher::Endpoint {
        transport_role,
        bindings: Matcher::everywhere(ports),
        remote_ip_ranges,
    }
}

/// A Receive connector of the cloud that listens for everyone and lets nobody submit.
pub(super) fn endpoint(
    organization: OrganizationId,
    server: ServerId,
    name: &str,
    (transport_role, port): (TransportRole, u16),
) -> ReceiveConnector {
    let matcher = anyone(transport_role, &[port]);
    ReceiveConnector {
        max_message_size: MAX_MESSAGE_SIZE,
        max_local_hop_count: 0,
        ..ReceiveConnector::new(organization, server, name, matcher)
    }
}

/// A name that is a host name, because its parts are; of a tenant whose own name is broken, some.
fn host(name: &str) -> Domain {
    let fallback = || Domain::parse(PROTECTION).expect("the constant is a domain name");
    Domain::parse(name).unwrap_or_else(|_| fallback())
}

/// The certificate of the cloud's servers, whose dates are Microsoft's affair.
pub(super) fn certificate(build: &mut Build, front_end: ServerId) {
    let hubs = build.parts.servers[front_end.index()].front_end_for.iter();
    let servers = std::iter::once(front_end).chain(hubs.map(|(_, hub)| *hub));
    let servers = servers.collect();
    // The hub shows the certificate of the service whichever way it sends, so it covers its name too.
    let names = [
        PROTECTION.to_owned(),
        format!("*.{PROTECTION}"),
        "*.prod.outlook.com".to_owned(),
    ];
    build.parts.certificates.push(Certificate {
        subject: format!("CN={PROTECTION}"),
        issuer: "CN=Public CA".to_owned(),
        names: names
            .iter()
            .filter_map(|name| NamePattern::parse(name).ok())
            .collect(),
        not_before: None,
        not_after: None,
        trusted: true,
        chain_complete: true,
        servers,
        settings: Settings::default(),
    });
}
