//! Exchange Online's dialect: the objects of tenants → the model.
//!
//! Not here: the spelling of keys and their defaults (`keys`), and DNS (`zones`).
//!
//! Implied, as soon as there is a tenant: one front end `EOP` (Exchange Online Protection) for all
//! of them, and for each a hub `EXO` that holds its mailboxes and routes; the certificate that both
//! present; the initial domain among the accepted domains.
//!
//! Inbound connectors of type OnPremises become Receive connectors of the front end that match by
//! peer; those of type Partner restrict sessions and attribute none, so they have no place in the
//! model. Outbound connectors become Send connectors of the hub.
//!
//! Sources: Exchange Online, "Configure mail flow using connectors in Exchange Online", "Accepted
//! domains in Exchange Online"; Exchange PowerShell, "New-InboundConnector",
//! "New-OutboundConnector", "Set-UnifiedGroup".

use std::collections::{BTreeSet, HashMap};
use std::net::Ipv4Addr;

use super::build::Build;
use super::directory::{self, target_address};
use super::object::{Object, Word};
use super::sending::{self, conflict};
use crate::diag::Diagnostic;
use crate::mail::{ByteSize, Domain, Limit, Mailbox, NamePattern};
use crate::model::{
    AcceptedDomain, AddressSpace, Certificate, DnsView, DomainPattern, DomainType, EXCHANGE_ONLINE,
    Fallback, IpRange, MailUserFlavour, Matcher, Member, Organization, OrganizationId,
    OrganizationKind, PermissionGroup, ReceiveConnector, RecipientId, RecipientKind,
    RecipientValidation, SendConnector, Server, ServerId, ServerRole, Service, Settings,
    TransportRole,
};

/// The name under which Exchange Online Protection serves every tenant.
const PROTECTION: &str = "mail.protection.outlook.com";

/// Choice: the default MaxReceiveSize of a cloud mailbox.
const MAX_RECEIVE_SIZE: ByteSize = ByteSize(36 << 20);

/// Choice: a message that has been attributed to a tenant three times is in a loop, as observed
/// 5.4.14 replies show; the figure is not documented.
const MAX_ATTRIBUTIONS: u32 = 3;

/// What every tenant is made of.
struct Tenant<'a> {
    object: &'a Object,
    organization: OrganizationId,
    hub: ServerId,
}

/// Adds the tenants of a world.
pub(super) fn lower(build: &mut Build, objects: &[Object]) {
    let names = objects.iter().filter_map(|object| object.word("Name"));
    build.refuse_duplicates("tenant", names);
    let organizations: Vec<(&Object, OrganizationId)> = objects
        .iter()
        .map(|object| (object, organization(build, object)))
        .collect();
    let Some((_, first)) = organizations.first() else {
        return;
    };
    let front_end = front_end(build, *first);
    let several = organizations.len() > 1;
    for (object, organization) in organizations {
        let tenant = Tenant {
            object,
            organization,
            hub: hub(build, organization, object, several),
        };
        let served = &mut build.parts.servers[front_end.index()].front_end_for;
        served.push((organization, tenant.hub));
        accepted_domains(build, &tenant);
        inbound_connectors(build, &tenant, front_end);
        outbound_connectors(build, &tenant);
        recipients(build, &tenant);
    }
    certificate(build, front_end);
}

fn organization(build: &mut Build, object: &Object) -> OrganizationId {
    build.organization(Organization {
        name: object.text("Name").unwrap_or_default().to_owned(),
        kind: OrganizationKind::ExchangeOnline,
        fallback: Fallback::Mx,
        partners: Vec::new(),
        profile: &EXCHANGE_ONLINE,
        settings: object.settings(),
    })
}

/// Adds Exchange Online Protection, which the first tenant owns in name.
fn front_end(build: &mut Build, organization: OrganizationId) -> ServerId {
    let fqdn = host(&format!("eop.{PROTECTION}"));
    let server = Server {
        organization,
        name: "EOP".to_owned(),
        role: ServerRole::FrontEnd,
        site: String::new(),
        addresses: vec![build.free_address(Ipv4Addr::new(198, 18, 0, 25))],
        dns_view: DnsView::Public,
        directory: true,
        recipient_validation: RecipientValidation::Authoritative,
        services: vec![Service {
            transport_role: TransportRole::HubTransport,
            received_by: fqdn.clone(),
        }],
        version: None,
        front_end_for: Vec::new(),
        settings: Settings::default(),
        fqdn,
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
fn hub(
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
    let server = Server {
        organization,
        name: match several {
            true => format!("EXO {tenant}"),
            false => "EXO".to_owned(),
        },
        role: ServerRole::Hub,
        site: String::new(),
        addresses: vec![build.free_address(Ipv4Addr::new(198, 18, 1, 1))],
        dns_view: DnsView::Public,
        directory: true,
        recipient_validation: RecipientValidation::Off,
        services: roles.map(service).into(),
        version: None,
        front_end_for: Vec::new(),
        settings: object.settings(),
        fqdn: fqdn.clone(),
    };
    let id = build.server(server);
    for (role, port) in [(roles[0], 25), (roles[1], 2525)] {
        let name = format!("EXO {}", role.as_str());
        build.parts.receive_connectors.push(ReceiveConnector {
            permission_groups: BTreeSet::from([
                PermissionGroup::ExchangeServers,
                PermissionGroup::ExchangeUsers,
            ]),
            ..endpoint(organization, id, &name, (role, port))
        });
    }
    id
}

/// A Receive connector of the cloud that listens for everyone and lets nobody submit.
fn endpoint(
    organization: OrganizationId,
    server: ServerId,
    name: &str,
    (transport_role, port): (TransportRole, u16),
) -> ReceiveConnector {
    ReceiveConnector {
        organization,
        server,
        name: name.to_owned(),
        enabled: true,
        matcher: Matcher::Endpoint {
            transport_role,
            ports: vec![port],
            remote_ip_ranges: vec![IpRange::ALL_V4, IpRange::ALL_V6],
        },
        permission_groups: BTreeSet::new(),
        externally_secured: false,
        anonymous_relay: false,
        tls_domain_capabilities: Vec::new(),
        cloud_services_mail_enabled: false,
        offers_tls: true,
        require_tls: false,
        tls_certificate_name: None,
        fqdn: None,
        max_message_size: MAX_RECEIVE_SIZE,
        max_hop_count: 60,
        max_local_hop_count: 0,
        max_attributions: None,
        settings: Settings::default(),
    }
}

/// A name that is a host name, because its parts are; of a tenant whose own name is broken, some.
fn host(name: &str) -> Domain {
    let fallback = || Domain::parse(PROTECTION).expect("the constant is a domain name");
    Domain::parse(name).unwrap_or_else(|_| fallback())
}

/// The certificate of the cloud's servers, whose dates are Microsoft's affair.
fn certificate(build: &mut Build, front_end: ServerId) {
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
        servers,
        settings: Settings::default(),
    });
}

fn accepted_domains(build: &mut Build, tenant: &Tenant<'_>) {
    let objects = tenant.object.objects("AcceptedDomains");
    for object in objects {
        if object.text("DomainType") == Some("ExternalRelay") {
            build.report(
                "invalid-value",
                object.at("DomainType"),
                "`ExternalRelay` exists on premises only",
                "write `Authoritative` or `InternalRelay`",
            );
        }
    }
    build.accepted_domains(tenant.organization, objects);
    imply_initial_domain(build, tenant);
}

fn imply_initial_domain(build: &mut Build, tenant: &Tenant<'_>) {
    let Some(initial) = tenant.object.parse::<Domain>("Name") else {
        return;
    };
    let ours = |domain: &&AcceptedDomain| domain.organization == tenant.organization;
    let mut listed = build.parts.accepted_domains.iter().filter(ours);
    if listed.any(|domain| domain.domain == initial) {
        return;
    }
    let has_default = build
        .parts
        .accepted_domains
        .iter()
        .filter(ours)
        .any(|d| d.default);
    build.parts.accepted_domains.push(AcceptedDomain {
        organization: tenant.organization,
        name: initial.to_string(),
        domain: initial,
        subdomains: false,
        kind: DomainType::Authoritative,
        default: !has_default,
        settings: tenant.object.settings(),
    });
}

fn inbound_connectors(build: &mut Build, tenant: &Tenant<'_>, front_end: ServerId) {
    let objects = tenant.object.objects("InboundConnectors");
    let names = objects.iter().filter_map(|object| object.word("Name"));
    build.refuse_duplicates("inbound connector", names);
    for object in objects {
        refuse_cloud_services(build, object);
        if object.text("ConnectorType") == Some("OnPremises") {
            refuse_nobody(build, object);
            let connector = inbound_connector(tenant, front_end, object);
            build.parts.receive_connectors.extend(connector);
        }
    }
}

fn inbound_connector(
    tenant: &Tenant<'_>,
    front_end: ServerId,
    object: &Object,
) -> Option<ReceiveConnector> {
    let name = object.text("Name")?;
    let service = (TransportRole::HubTransport, 25);
    let certificate = object.text("TlsSenderCertificateName");
    Some(ReceiveConnector {
        enabled: object.flag("Enabled"),
        matcher: Matcher::Peer {
            tls_sender_certificate_name: certificate.and_then(|n| NamePattern::parse(n).ok()),
            sender_ip_addresses: object.parse_list("SenderIPAddresses"),
        },
        cloud_services_mail_enabled: object.flag("CloudServicesMailEnabled"),
        require_tls: object.flag("RequireTls"),
        max_attributions: Some(MAX_ATTRIBUTIONS),
        settings: object.settings(),
        ..endpoint(tenant.organization, front_end, name, service)
    })
}

/// An inbound connector for the own organization needs something to know its peers by.
fn refuse_nobody(build: &mut Build, object: &Object) {
    let keys = ["TlsSenderCertificateName", "SenderIPAddresses"];
    if keys.iter().any(|key| object.states(key)) {
        return;
    }
    let name = object.text("Name").unwrap_or_default();
    build.report(
        "missing-key",
        object.location(),
        format!("`{name}` has neither `TlsSenderCertificateName` nor `SenderIPAddresses`"),
        "add `TlsSenderCertificateName`: a name in the certificate that the on-premises servers present",
    );
}

fn refuse_cloud_services(build: &mut Build, object: &Object) {
    let key = "CloudServicesMailEnabled";
    let is_partner = object.text("ConnectorType") == Some("Partner");
    if object.flag(key) && is_partner && !object.is_unusable("ConnectorType") {
        conflict(
            build,
            object,
            key,
            format!("`{key}` is true, and `ConnectorType` is Partner"),
            format!("write `ConnectorType = \"OnPremises\"`, or remove `{key}`"),
        );
    }
}

fn outbound_connectors(build: &mut Build, tenant: &Tenant<'_>) {
    let objects = tenant.object.objects("OutboundConnectors");
    let names = objects.iter().filter_map(|object| object.word("Name"));
    build.refuse_duplicates("outbound connector", names);
    for object in objects {
        refuse_cloud_services(build, object);
        let connector = outbound_connector(build, tenant, object);
        build.parts.send_connectors.extend(connector);
    }
}

fn outbound_connector(
    build: &mut Build,
    tenant: &Tenant<'_>,
    object: &Object,
) -> Option<SendConnector> {
    let address_spaces = recipient_domains(build, object);
    let routing = sending::routing(build, object, "UseMXRecord");
    let level = sending::tls_auth_level(object, "TlsSettings");
    Some(SendConnector {
        organization: tenant.organization,
        name: object.text("Name")?.to_owned(),
        enabled: object.flag("Enabled"),
        address_spaces,
        scoped: false,
        sources: vec![tenant.hub],
        routing,
        use_external_dns: false,
        require_tls: level.is_some(),
        tls_auth_level: level,
        tls_domain: sending::tls_domain(build, object, "TlsSettings"),
        tls_certificate_name: None,
        fqdn: None,
        max_message_size: Limit::Unlimited,
        cloud_services_mail_enabled: object.flag("CloudServicesMailEnabled"),
        // Between equals, the connector to the own organization goes before one to a partner.
        rank: u8::from(object.text("ConnectorType") != Some("OnPremises")),
        settings: object.settings(),
    })
}

/// The domains of an outbound connector, which must name some or take all of the tenant's own.
fn recipient_domains(build: &mut Build, object: &Object) -> Vec<AddressSpace> {
    let mut spaces = sending::address_spaces(object.list("RecipientDomains"));
    let all = object.flag("AllAcceptedDomains");
    if all && object.text("ConnectorType") == Some("Partner") {
        conflict(
            build,
            object,
            "AllAcceptedDomains",
            "`AllAcceptedDomains` is true, and `ConnectorType` is Partner".to_owned(),
            "write `ConnectorType = \"OnPremises\"`, or name `RecipientDomains`".to_owned(),
        );
    }
    if !all && !object.states("RecipientDomains") {
        let name = object.text("Name").unwrap_or_default();
        build.report(
            "missing-key",
            object.location(),
            format!("`{name}` has no `RecipientDomains`"),
            "add `RecipientDomains`, as in `[\"contoso.com\"]`, or `AllAcceptedDomains = true`",
        );
    }
    if all {
        spaces.push(AddressSpace {
            pattern: DomainPattern::AllAcceptedDomains,
            cost: 1,
            location: Some(object.at("AllAcceptedDomains").clone()),
        });
    }
    spaces
}

/// Adds the recipients of a tenant, then the members of its groups.
fn recipients(build: &mut Build, tenant: &Tenant<'_>) {
    let first = build.parts.recipients.len();
    let mut add = |object: &Object, kind| {
        let authenticated = object.flag("RequireSenderAuthenticationEnabled");
        directory::lower(build, tenant.organization, object, kind, authenticated)
    };
    for object in tenant.object.objects("Mailboxes") {
        let kind = RecipientKind::Mailbox {
            server: tenant.hub,
            echo: object.flag("EchoGroupMessageBackToSubscribedSender"),
        };
        add(object, kind);
    }
    for object in tenant.object.objects("MailUsers") {
        let kind = RecipientKind::MailUser {
            flavour: MailUserFlavour::MailUser,
            target_address: target_address(object, "ExternalEmailAddress"),
            echo: object.flag("EchoGroupMessageBackToSubscribedSender"),
        };
        add(object, kind);
    }
    let mut groups = Vec::new();
    for object in tenant.object.objects("UnifiedGroups") {
        let kind = RecipientKind::Group {
            members: Vec::new(),
            subscribers: Vec::new(),
        };
        groups.extend(add(object, kind).map(|id| (object, id)));
    }
    let directory = Directory::of(build, first);
    for (object, group) in groups {
        let (kind, diagnostics) = directory.group(build, object);
        build.parts.recipients[group.index()].kind = kind;
        build.diagnostics.extend(diagnostics);
    }
}

/// Who holds which address of a tenant.
struct Directory(HashMap<Mailbox, RecipientId>);

impl Directory {
    /// The directory of the recipients from an index on; the first holder of an address counts.
    fn of(build: &Build, first: usize) -> Self {
        let mut holders = HashMap::new();
        for (index, recipient) in build.parts.recipients.iter().enumerate().skip(first) {
            for address in &recipient.addresses {
                holders
                    .entry(address.clone())
                    .or_insert(RecipientId::new(index));
            }
        }
        Self(holders)
    }

    /// A group with its members and subscribers.
    fn group(&self, build: &Build, object: &Object) -> (RecipientKind, Vec<Diagnostic>) {
        let members = self.members(object.list("Members"));
        let (subscribers, diagnostics) = if object.has("Subscribers") {
            let words = object.list("Subscribers");
            (self.members(words), self.strangers(words, &members))
        } else {
            let cloud = object.flag("AutoSubscribeNewMembers");
            let subscribes = |member: &&Member| is_subscribed(build, member, cloud);
            (
                members.iter().filter(subscribes).cloned().collect(),
                Vec::new(),
            )
        };
        let kind = RecipientKind::Group {
            members,
            subscribers,
        };
        (kind, diagnostics)
    }

    /// Whom addresses stand for, each once.
    fn members(&self, words: &[Word]) -> Vec<Member> {
        let mut members = Vec::new();
        for word in words {
            let member = self.member(word);
            members.extend(member.filter(|member| !members.contains(member)));
        }
        members
    }

    fn member(&self, word: &Word) -> Option<Member> {
        let address: Mailbox = word.text.parse().ok()?;
        Some(match self.0.get(&address) {
            Some(recipient) => Member::Recipient(*recipient),
            None => Member::Nobody(address),
        })
    }

    /// Says of every subscriber that is no member.
    fn strangers(&self, subscribers: &[Word], members: &[Member]) -> Vec<Diagnostic> {
        let is_stranger = |word: &&Word| self.member(word).is_some_and(|m| !members.contains(&m));
        let strangers = subscribers.iter().filter(is_stranger);
        let report = |word: &Word| {
            let message = format!("the subscriber `{}` is no member of the group", word.text);
            Diagnostic::new("invalid-value", Some(word.location.clone()), message)
                .help("add the address to `Members`, or remove it here")
        };
        strangers.map(report).collect()
    }
}

/// Whether a member gets copies where the group names no subscribers: on-premises users and guests
/// always, mailboxes of the tenant where the group subscribes new members (Exchange Server,
/// "Configure Microsoft 365 Groups with on-premises Exchange hybrid").
fn is_subscribed(build: &Build, member: &Member, cloud: bool) -> bool {
    let Member::Recipient(id) = member else {
        return false;
    };
    match build.parts.recipients[id.index()].kind {
        RecipientKind::MailUser { .. } => true,
        RecipientKind::Mailbox { .. } => cloud,
        RecipientKind::Group { .. } | RecipientKind::RemoteGroup { .. } => false,
    }
}
