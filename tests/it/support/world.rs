//! Random topologies, built as the lists of objects they consist of.

use std::collections::BTreeSet;
use std::net::{IpAddr, SocketAddr};
use std::ops::Range;
use std::sync::LazyLock;

use hybridmx::mail::{ByteSize, Domain, Limit, LocalPart, Mailbox, NamePattern};
use hybridmx::model::{
    AcceptedDomain, Action, AdPermission, AddressSpace, AutoForwarding, Certificate, CloudDomain,
    Condition, DistributionGroup, DomainPattern, DomainType, EXCHANGE_2013, EXCHANGE_ONLINE,
    EXCHANGE_SERVER, ExtendedRight, Fallback, ForeignAddress, Forwarding, INTERNET, InboxRule,
    IpRange, MailUserFlavour, Matcher, Member, Moderation, Organization, OrganizationId,
    OrganizationKind, PartnerRestriction, Parts, PermissionGroup, Policy, ReceiveConnector,
    Recipient, RecipientDomainRules, RecipientFilter, RecipientId, RecipientKind,
    RecipientValidation, RemoteDomain, Routing, Scope, SendConnector, SendConnectorId, Server,
    ServerId, ServerRole, Service, Settings, Site, SiteLink, SizesBind, SmartHost, TlsAuthLevel,
    TlsDomainCapability, TransportRole, TransportRule, Trustee, UnifiedGroup,
};
use jiff::{SignedDuration, Timestamp};

use super::Dice;

/// Domains that contain each other, and one that only looks as if it did.
pub(crate) static DOMAINS: LazyLock<Vec<Domain>> = LazyLock::new(|| {
    [
        "com",
        "contoso.com",
        "eu.contoso.com",
        "mail.eu.contoso.com",
        "groups.contoso.com",
        "xcontoso.com",
        "fabrikam.com",
        "eu.fabrikam.com",
        "example.com",
        "lab.test",
    ]
    .map(|name| Domain::parse(name).expect("a domain"))
    .to_vec()
});

/// Names that certificates have and connectors demand.
static CERTIFICATE_NAMES: LazyLock<Vec<NamePattern>> = LazyLock::new(|| {
    [
        "contoso.com",
        "*.contoso.com",
        "eu.contoso.com",
        "mail.contoso.com",
        "mail.eu.contoso.com",
        "*.eu.contoso.com",
        "fabrikam.com",
        "*.fabrikam.com",
        "mail.protection.outlook.com",
        "*.protection.outlook.com",
    ]
    .map(|name| NamePattern::parse(name).expect("a name"))
    .to_vec()
});

/// Addresses that clients and servers have.
pub(crate) static ADDRESSES: LazyLock<Vec<IpAddr>> = LazyLock::new(|| {
    [
        "192.0.2.1",
        "192.0.2.2",
        "192.0.2.9",
        "192.0.2.130",
        "198.51.100.7",
        "2001:db8::1",
        "2001:db8:1::1",
    ]
    .map(|text| text.parse().expect("an address"))
    .to_vec()
});

static RANGES: LazyLock<Vec<IpRange>> = LazyLock::new(|| {
    [
        "0.0.0.0-255.255.255.255",
        "192.0.2.0/24",
        "192.0.2.0/25",
        "192.0.2.1-192.0.2.2",
        "192.0.2.2-192.0.2.9",
        "192.0.2.1",
        "192.0.2.9",
        "198.51.100.0/24",
        "0.0.0.0/1",
        "128.0.0.0/1",
        "::/0",
        "2001:db8::/32",
        "2001:db8::1",
    ]
    .map(|text| text.parse().expect("a range"))
    .to_vec()
});

/// The two ranges that are everyone together.
const HALVES: std::ops::Range<usize> = 8..10;

/// Sizes at, above and below the limits that connectors have.
pub(crate) const SIZES: [u64; 4] = [1, 1000, 1001, 5001];

static LOCAL_PARTS: LazyLock<Vec<LocalPart>> = LazyLock::new(|| {
    ["ann", "Ann", "bob", "team"]
        .map(|text| LocalPart::parse(text).expect("a local-part"))
        .to_vec()
});

/// The FQDN of each server, and the name its inner service gives where that is another.
static SERVER_NAMES: LazyLock<Vec<(Domain, Domain)>> = LazyLock::new(|| {
    let name = |text: String| Domain::parse(&text).expect("a domain");
    (0..SERVERS_MAX)
        .map(|index| {
            let fqdn = name(format!("server{index}.contoso.com"));
            (fqdn, name(format!("inner{index}.contoso.com")))
        })
        .collect()
});

/// Four Mailbox and two Edge servers, two hubs, a host and a front end.
const SERVERS_MAX: usize = 10;

const CONNECTOR_NAMES: [&str; 8] = [
    "alpha", "bravo", "charlie", "delta", "echo", "foxtrot", "golf", "hotel",
];

/// Names of Send connectors, in an order that case would upset.
const SEND_NAMES: [&str; 8] = [
    "alpha", "Bravo", "charlie", "Delta", "echo", "Foxtrot", "golf", "Hotel",
];

/// Active Directory sites, as servers and links spell them.
const SITES: [&str; 6] = ["east", "East", "west", "north", "South", "south"];

/// The ports that Receive connectors listen on.
pub(crate) const PORTS: [u16; 3] = [25, 587, 2525];

/// The organizations of a random world, in the order of their ids.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Shape {
    /// Mailbox and Edge servers, in sites.
    Forest,
    /// A hub behind the common front end.
    Tenant,
    /// A host that takes every address of its domains.
    Outside,
}

/// What a world gets from chance while it is built.
struct Builder<'a> {
    dice: &'a mut Dice,
    parts: Parts,
}

/// A random world: a forest, one or two tenants behind one front end, and a host outside.
pub(crate) fn world(dice: &mut Dice) -> Parts {
    let mut builder = Builder {
        dice,
        parts: Parts {
            as_of: moment(0),
            ..Parts::default()
        },
    };
    let mut shapes = vec![Shape::Forest, Shape::Tenant, Shape::Outside];
    if builder.dice.percent(50) {
        shapes.push(Shape::Tenant);
    }
    builder.organizations(&shapes);
    builder.servers(&shapes);
    builder.sites();
    builder.certificates();
    for (index, shape) in shapes.iter().enumerate() {
        builder.domains(OrganizationId::new(index), *shape);
    }
    for (index, shape) in shapes.iter().enumerate() {
        let organization = OrganizationId::new(index);
        builder.receive_connectors(organization, *shape);
        builder.send_connectors(organization, *shape);
        builder.recipients(organization, *shape);
        if *shape != Shape::Outside && builder.dice.percent(40) {
            builder.rules(organization, *shape);
        }
    }
    builder.parts
}

/// A random mailbox of the alphabet.
pub(crate) fn mailbox(dice: &mut Dice) -> Mailbox {
    Mailbox {
        local_part: dice.pick(&LOCAL_PARTS).clone(),
        domain: dice.pick(&DOMAINS).clone(),
    }
}

/// A random name of a certificate.
pub(crate) fn certificate_name(dice: &mut Dice) -> NamePattern {
    dice.pick(&CERTIFICATE_NAMES).clone()
}

fn moment(days: i64) -> Timestamp {
    Timestamp::UNIX_EPOCH + SignedDuration::from_hours(24 * (20_000 + days))
}

fn size_limit(dice: &mut Dice) -> ByteSize {
    ByteSize(*dice.pick(&[1000, 1000, 5000, 9000]))
}

impl Builder<'_> {
    fn organizations(&mut self, shapes: &[Shape]) {
        for (index, shape) in shapes.iter().enumerate() {
            let (kind, fallback, profile) = match shape {
                Shape::Forest => (
                    OrganizationKind::OnPremises,
                    Fallback::Unreachable,
                    &EXCHANGE_SERVER,
                ),
                Shape::Tenant => (
                    OrganizationKind::ExchangeOnline,
                    Fallback::Mx,
                    &EXCHANGE_ONLINE,
                ),
                Shape::Outside => (OrganizationKind::Internet, Fallback::Mx, &INTERNET),
            };
            let partners = match shape {
                Shape::Forest => vec![OrganizationId::new(1)],
                Shape::Tenant => vec![OrganizationId::new(0)],
                Shape::Outside => Vec::new(),
            };
            let mut organization = Organization::new(format!("organization{index}"), kind, profile);
            let limits = &mut organization.transport;
            limits.max_send_size = some_limit(self.dice, 25);
            limits.max_receive_size = some_limit(self.dice, 25);
            limits.sizes_bind = match shape {
                Shape::Tenant => SizesBind::Recipients,
                Shape::Forest | Shape::Outside => SizesBind::Messages,
            };
            limits.max_recipients = self.dice.maybe(15, |_| 2);
            limits.external_postmaster = self.dice.maybe(20, mailbox);
            organization.tenant.auto_forwarding = *self.dice.pick(&[
                AutoForwarding::Automatic,
                AutoForwarding::Off,
                AutoForwarding::On,
                AutoForwarding::On,
            ]);
            organization.tenant.reject_direct_send = self.dice.percent(30);
            organization.tenant.has_mail_license = self.dice.percent(90);
            organization.transport.receive_domain_secure = self.dice.subset(&DOMAINS, 0, 3);
            organization.transport.send_domain_secure = self.dice.subset(&DOMAINS, 0, 4);
            self.parts.organizations.push(Organization {
                fallback,
                partners,
                ..organization
            });
        }
    }

    fn servers(&mut self, shapes: &[Shape]) {
        let mut tenants = Vec::new();
        for (index, shape) in shapes.iter().enumerate() {
            let organization = OrganizationId::new(index);
            match shape {
                Shape::Forest => {
                    for _ in 0..self.dice.between(1, 4) {
                        self.server(organization, ServerRole::Mailbox);
                    }
                    for _ in 0..self.dice.below(3) {
                        self.server(organization, ServerRole::Edge);
                    }
                }
                Shape::Tenant => {
                    let hub = self.server(organization, ServerRole::Hub);
                    tenants.push((organization, hub));
                }
                Shape::Outside => {
                    self.server(organization, ServerRole::Host);
                }
            }
        }
        let front_end = self.server(OrganizationId::new(1), ServerRole::FrontEnd);
        self.parts.servers[front_end.index()].front_end_for = tenants;
    }

    fn server(&mut self, organization: OrganizationId, role: ServerRole) -> ServerId {
        let index = self.parts.servers.len();
        let name = format!("server{index}");
        let (fqdn, inner) = SERVER_NAMES[index].clone();
        let front = Service {
            transport_role: TransportRole::FrontendTransport,
            received_by: fqdn.clone(),
        };
        let hub = |received_by: &Domain| Service {
            transport_role: TransportRole::HubTransport,
            received_by: received_by.clone(),
        };
        let services = match role {
            ServerRole::Mailbox => vec![front, hub(&fqdn)],
            ServerRole::FrontEnd => vec![front, hub(&inner)],
            ServerRole::Edge | ServerRole::Host | ServerRole::Hub => vec![hub(&fqdn)],
        };
        let site = match role {
            ServerRole::Mailbox | ServerRole::Edge => *self.dice.pick(&SITES),
            ServerRole::FrontEnd | ServerRole::Host | ServerRole::Hub => "",
        };
        let recipient_validation = if self.dice.percent(50) {
            RecipientValidation::Authoritative
        } else {
            RecipientValidation::Off
        };
        let profile = match self.parts.organizations[organization.index()].profile {
            newer if std::ptr::eq(newer, &raw const EXCHANGE_SERVER) && self.dice.percent(15) => {
                &EXCHANGE_2013
            }
            profile => profile,
        };
        let gateway = role == ServerRole::Host && self.dice.percent(40);
        let relays_to = match gateway {
            true => vec![SmartHost::Name(self.dice.pick(&DOMAINS).clone())],
            false => Vec::new(),
        };
        self.parts.servers.push(Server {
            strips_headers: gateway && self.dice.percent(50),
            relays_to,
            site: site.to_owned(),
            directory: matches!(
                role,
                ServerRole::Mailbox | ServerRole::Hub | ServerRole::FrontEnd
            ),
            recipient_validation,
            recipient_filter: RecipientFilter {
                enabled: self.dice.percent(90),
                external: self.dice.percent(85),
                internal: self.dice.percent(30),
                block_list: self.dice.percent(40),
                blocked: self.dice.list(0, 3, mailbox),
            },
            services,
            ..Server::new(organization, name, fqdn, role, profile)
        });
        ServerId::new(index)
    }

    /// Sites of the forest, and links that often make several ways of one cost.
    fn sites(&mut self) {
        let organization = OrganizationId::new(0);
        for name in ["EAST", "west", "north", "south"] {
            let hub = self.dice.percent(25);
            self.parts.sites.push(Site {
                organization,
                name: name.to_owned(),
                hub,
                settings: Settings::default(),
            });
        }
        for index in 0..self.dice.below(6) {
            let dice = &mut *self.dice;
            let sites = dice.subset(&SITES, 2, 3);
            let link = SiteLink {
                organization,
                name: format!("{}{index}", dice.pick(&["link", "Link"])),
                sites: sites.iter().map(ToString::to_string).collect(),
                cost: *dice.pick(&[1, 9, 10, 100]),
                exchange_cost: dice.maybe(30, |dice| *dice.pick(&[1, 10, 90])),
                max_message_size: match dice.below(4) {
                    0 => Limit::Bytes(size_limit(dice)),
                    _ => Limit::Unlimited,
                },
                settings: Settings::default(),
            };
            self.parts.site_links.push(link);
        }
    }

    fn certificates(&mut self) {
        let servers: Vec<ServerId> = (0..self.parts.servers.len()).map(ServerId::new).collect();
        for index in 0..self.dice.below(5) {
            let names = self.dice.list(1, 2, certificate_name);
            // No two begin on the same day, so that one of them is the newest.
            let begin = i64::try_from(index).expect("small") * 2 - 7;
            let holders = self.dice.subset(&servers, 1, 4);
            let stated = if index == 0 { 60 } else { 100 };
            let not_before = self.dice.maybe(stated, |_| moment(begin));
            let not_after = self.dice.maybe(60, |dice| {
                moment(begin + 2 + i64::try_from(dice.below(12)).expect("small"))
            });
            let trusted = self.dice.percent(70);
            self.parts.certificates.push(Certificate {
                subject: format!("CN=subject{}", self.dice.below(2)),
                issuer: "CN=issuer".to_owned(),
                names,
                not_before,
                not_after,
                trusted,
                chain_complete: true,
                servers: holders,
                settings: Settings::default(),
            });
        }
    }

    fn domains(&mut self, organization: OrganizationId, shape: Shape) {
        let chosen = self.dice.subset(&DOMAINS, 1, 5);
        for (index, domain) in chosen.into_iter().enumerate() {
            // The very domain, everything below it, or one entry for each.
            let forms: &[bool] = match self.dice.below(10) {
                0..6 => &[false],
                6..9 => &[true],
                _ => &[false, true],
            };
            for subdomains in forms {
                let kind = match shape {
                    Shape::Forest => *self.dice.pick(&[
                        DomainType::Authoritative,
                        DomainType::ExternalRelay,
                        DomainType::InternalRelay,
                    ]),
                    Shape::Tenant | Shape::Outside => *self
                        .dice
                        .pick(&[DomainType::Authoritative, DomainType::InternalRelay]),
                };
                let mut off = |shape_has: bool| shape_has && self.dice.percent(8);
                let cloud = CloudDomain {
                    outbound_only: off(shape == Shape::Tenant),
                    sending_from_disabled: off(shape == Shape::Tenant),
                    sending_to_disabled: off(shape == Shape::Tenant),
                    ..CloudDomain::default()
                };
                let address_book = (kind == DomainType::Authoritative) != self.dice.percent(15);
                self.parts.accepted_domains.push(AcceptedDomain {
                    cloud,
                    address_book,
                    name: format!("{}/{domain}/{subdomains}", organization.index()),
                    subdomains: *subdomains,
                    default: index == 0,
                    ..AcceptedDomain::new(organization, domain.clone(), kind)
                });
            }
        }
        for domain in self.dice.subset(&DOMAINS, 2, 6) {
            let target_delivery_domain = self.dice.percent(80);
            let auto_forward = self.dice.percent(60);
            let pattern = if self.dice.percent(75) {
                DomainPattern::Exact(domain)
            } else {
                DomainPattern::WithSubdomains(domain)
            };
            self.parts.remote_domains.push(RemoteDomain {
                name: format!("{}/{pattern}", organization.index()),
                target_delivery_domain,
                auto_forward,
                trusted_inbound: self.dice.percent(25),
                is_internal: self.dice.percent(20),
                ..RemoteDomain::new(organization, pattern)
            });
        }
        if self.dice.percent(40) {
            let auto_forward = self.dice.percent(50);
            self.parts.remote_domains.push(RemoteDomain {
                auto_forward,
                is_internal: self.dice.percent(20),
                ..RemoteDomain::new(organization, DomainPattern::Any)
            });
        }
    }

    fn servers_of(&self, organization: OrganizationId, role: ServerRole) -> Vec<ServerId> {
        (0..self.parts.servers.len())
            .filter(|index| {
                let server = &self.parts.servers[*index];
                server.organization == organization && server.role == role
            })
            .map(ServerId::new)
            .collect()
    }

    fn send_connectors(&mut self, organization: OrganizationId, shape: Shape) {
        let (inside, edges) = match shape {
            Shape::Forest => (
                self.servers_of(organization, ServerRole::Mailbox),
                self.servers_of(organization, ServerRole::Edge),
            ),
            Shape::Tenant => (self.servers_of(organization, ServerRole::Hub), Vec::new()),
            Shape::Outside => (self.servers_of(organization, ServerRole::Host), Vec::new()),
        };
        for name in self.dice.subset(&SEND_NAMES, 0, 6) {
            let pool = if !edges.is_empty() && self.dice.percent(40) {
                &edges
            } else {
                &inside
            };
            let mut sources = self.dice.subset(pool, 1, 2);
            let dead = shape == Shape::Forest && self.dice.percent(8);
            if dead {
                sources.clear();
            }
            let mut connector = self.send_connector(organization, shape, name, sources);
            if dead || self.dice.percent(5) {
                connector.missing_sources = vec!["gone".to_owned()];
            }
            connector.rule_scoped = shape == Shape::Tenant && self.dice.percent(20);
            self.parts.send_connectors.push(connector);
        }
        if shape == Shape::Forest && self.dice.percent(60) {
            let sources = self.dice.subset(&inside, 1, 4);
            let mut connector = self.send_connector(organization, shape, "Other types", sources);
            let whole = |kind: &str| DomainPattern::Foreign {
                kind: kind.to_owned(),
                space: "*".to_owned(),
            };
            connector.address_spaces = vec![space(whole("FAX"), 1), space(whole("X400"), 1)];
            self.parts.send_connectors.push(connector);
        }
        if self.dice.percent(80) && !edges.is_empty() {
            let sources = self.dice.subset(&edges, 1, 2);
            let mut connector = self.send_connector(organization, shape, "EdgeSync", sources);
            connector.address_spaces = vec![space(DomainPattern::InternalDomains, 1)];
            connector.routing = Routing::Servers(self.dice.subset(&inside, 1, 3));
            self.parts.send_connectors.push(connector);
        }
    }

    fn send_connector(
        &mut self,
        organization: OrganizationId,
        shape: Shape,
        name: &str,
        sources: Vec<ServerId>,
    ) -> SendConnector {
        let dice = &mut *self.dice;
        let routing = if dice.percent(60) {
            Routing::Dns
        } else {
            Routing::SmartHosts(
                dice.list(1, 2, |dice| SmartHost::Name(dice.pick(&DOMAINS).clone())),
            )
        };
        let level = *dice.pick(&[
            None,
            Some(TlsAuthLevel::EncryptionOnly),
            Some(TlsAuthLevel::CertificateValidation),
            Some(TlsAuthLevel::DomainValidation),
        ]);
        SendConnector {
            enabled: dice.percent(85),
            address_spaces: dice.list(1, 3, |dice| {
                let cost = *dice.pick(&[1, 1, 10, 100]);
                space(pattern(dice, shape), cost)
            }),
            scoped: dice.percent(25),
            sources,
            routing,
            use_external_dns: dice.percent(50),
            require_tls: dice.percent(50),
            tls_auth_level: level,
            tls_domain: dice.maybe(60, certificate_name),
            port: *dice.pick(&[25, 25, 2525]),
            ignore_starttls: dice.percent(5),
            force_helo: dice.percent(5),
            domain_secure: dice.percent(30),
            tls_certificate_name: dice.maybe(40, |dice| {
                let long = if dice.percent(20) { 250 } else { 0 };
                format!(
                    "<I>CN=issuer<S>CN={}{}",
                    "subject".repeat(1 + long / 7),
                    dice.below(3)
                )
            }),
            fqdn: dice.maybe(40, |dice| certificate_name(dice).domain().clone()),
            max_message_size: match dice.below(3) {
                0 => Limit::Unlimited,
                _ => Limit::Bytes(size_limit(dice)),
            },
            cloud_services_mail_enabled: dice.percent(50),
            rank: match shape {
                Shape::Tenant => u8::try_from(dice.below(2)).expect("small"),
                Shape::Forest | Shape::Outside => 0,
            },
            via_on_premises: shape == Shape::Tenant && dice.percent(30),
            ..SendConnector::new(organization, name)
        }
    }

    fn receive_connectors(&mut self, organization: OrganizationId, shape: Shape) {
        let servers: Vec<ServerId> = (0..self.parts.servers.len())
            .filter(|index| self.parts.servers[*index].organization == organization)
            .map(ServerId::new)
            .collect();
        for server in servers {
            let roles: Vec<TransportRole> = self.parts.servers[server.index()]
                .services
                .iter()
                .map(|service| service.transport_role)
                .collect();
            for name in self.dice.subset(&CONNECTOR_NAMES, 1, 4) {
                let matcher = self.endpoint(&roles);
                let connector = self.receive_connector(organization, server, name, matcher);
                self.parts.receive_connectors.push(connector);
            }
        }
        if shape == Shape::Tenant {
            let front_end = (0..self.parts.servers.len())
                .find(|index| self.parts.servers[*index].is_front_end())
                .map(ServerId::new)
                .expect("every world has a front end");
            // Names of both tenants' connectors come from one list, so that only a name decides.
            let names: Vec<String> = self
                .dice
                .subset(&CONNECTOR_NAMES, 0, 3)
                .iter()
                .map(|name| format!("{name}{}", organization.index()))
                .collect();
            for name in names {
                let matcher = Matcher::Peer {
                    tls_sender_certificate_name: self.dice.maybe(70, certificate_name),
                    sender_ip_addresses: self.dice.list(0, 2, |dice| *dice.pick(&RANGES)),
                };
                let connector = self.receive_connector(organization, front_end, &name, matcher);
                let connector = inbound(self.dice, connector);
                self.parts.receive_connectors.push(connector);
            }
        }
    }

    fn endpoint(&mut self, roles: &[TransportRole]) -> Matcher {
        // Two services of one server do not share a port.
        let transport_role = *self.dice.pick(roles);
        let ports = match transport_role {
            TransportRole::FrontendTransport => self.dice.subset(&PORTS[..2], 1, 2),
            TransportRole::HubTransport if roles.len() == 1 => self.dice.subset(&PORTS, 1, 2),
            TransportRole::HubTransport => vec![PORTS[2]],
        };
        let mut remote_ip_ranges = self.dice.list(1, 2, |dice| *dice.pick(&RANGES));
        match self.dice.below(10) {
            0..4 => remote_ip_ranges = vec![IpRange::ALL_V4, IpRange::ALL_V6],
            // Everyone in two halves, or nearly.
            4 => remote_ip_ranges = self.dice.subset(&RANGES[HALVES], 1, 2),
            _ => {}
        }
        let mut bindings = Matcher::everywhere(&ports);
        if self.dice.percent(15) {
            let address = *self.dice.pick(&ADDRESSES);
            bindings = ports
                .iter()
                .map(|port| SocketAddr::new(address, *port))
                .collect();
        }
        Matcher::Endpoint {
            transport_role,
            bindings,
            remote_ip_ranges,
        }
    }

    fn receive_connector(
        &mut self,
        organization: OrganizationId,
        server: ServerId,
        name: &str,
        matcher: Matcher,
    ) -> ReceiveConnector {
        let dice = &mut *self.dice;
        let groups = [
            PermissionGroup::AnonymousUsers,
            PermissionGroup::AnonymousUsers,
            PermissionGroup::ExchangeServers,
            PermissionGroup::ExchangeServers,
            PermissionGroup::ExchangeUsers,
            PermissionGroup::ExchangeLegacyServers,
            PermissionGroup::Partners,
        ];
        let mut permission_groups: BTreeSet<PermissionGroup> =
            dice.subset(&groups, 1, 6).into_iter().collect();
        let externally_secured = dice.percent(15);
        if externally_secured {
            // New-ReceiveConnector refuses `ExternalAuthoritative` without this group.
            permission_groups.insert(PermissionGroup::ExchangeServers);
        }
        ReceiveConnector {
            enabled: dice.percent(85),
            permission_groups,
            externally_secured,
            anonymous_relay: dice.percent(20),
            tls_domain_capabilities: dice.list(0, 2, |dice| TlsDomainCapability {
                domain: dice.maybe(85, certificate_name),
                accept_cloud_services_mail: dice.percent(75),
            }),
            cloud_services_mail_enabled: dice.percent(50),
            offers_tls: dice.percent(80),
            require_tls: dice.percent(15),
            max_message_size: size_limit(dice),
            max_hop_count: u32::try_from(dice.between(1, 5)).expect("small"),
            max_local_hop_count: u32::try_from(dice.below(4)).expect("small"),
            max_attributions: dice
                .maybe(50, |dice| u32::try_from(dice.between(1, 3)).expect("small")),
            recipient_domains: RecipientDomainRules {
                reject_single_label: dice.percent(20),
                reject_reserved_top_level: dice.percent(20),
                reject_reserved_second_level: dice.percent(20),
            },
            domain_secure: dice.percent(50),
            exchange_authentication: dice.percent(80),
            ad_permissions: dice.list(0, 2, ad_permission),
            ..ReceiveConnector::new(organization, server, name, matcher)
        }
    }

    fn rules(&mut self, organization: OrganizationId, shape: Shape) {
        let own = |owner: OrganizationId| owner == organization;
        let people: Vec<RecipientId> = (0..self.parts.recipients.len())
            .filter(|index| own(self.parts.recipients[*index].organization))
            .map(RecipientId::new)
            .collect();
        let connectors: Vec<SendConnectorId> = (0..self.parts.send_connectors.len())
            .filter(|index| own(self.parts.send_connectors[*index].organization))
            .filter(|index| self.parts.send_connectors[*index].enabled)
            .map(SendConnectorId::new)
            .collect();
        for index in 0..self.dice.between(1, 3) {
            let dice = &mut *self.dice;
            let mut actions = dice.list(1, 2, |dice| action(dice, &people));
            if shape == Shape::Tenant && !connectors.is_empty() && dice.percent(30) {
                actions.push(Action::Route(*dice.pick(&connectors)));
            }
            self.parts.rules.push(TransportRule {
                organization,
                name: format!("{}{index}", dice.pick(&["rule", "Rule"])),
                priority: u32::try_from(dice.below(2)).expect("small"),
                enabled: dice.percent(90),
                enforced: dice.percent(90),
                conditions: dice.list(0, 2, |dice| condition(dice, &people)),
                exceptions: match dice.percent(30) {
                    true => vec![condition(dice, &people)],
                    false => Vec::new(),
                },
                actions,
                stops: dice.percent(20),
                settings: Settings::default(),
            });
        }
    }

    fn recipients(&mut self, organization: OrganizationId, shape: Shape) {
        let first = self.parts.recipients.len();
        let count = match shape {
            Shape::Forest | Shape::Tenant => self.dice.between(2, 9),
            Shape::Outside => 0,
        };
        for index in 0..count {
            let kind = self.kind(organization, shape, first, count);
            let mut drawn = self.dice.list(1, 3, mailbox);
            if shape == Shape::Tenant {
                self.admit(organization, &mut drawn);
            }
            let mut addresses: Vec<Mailbox> = Vec::new();
            for address in drawn {
                if !addresses.contains(&address) {
                    addresses.push(address);
                }
            }
            let require = matches!(kind, RecipientKind::RemoteGroup { .. });
            let mut exceptions = self.dice.maybe(45, |dice| {
                Box::new(policy(dice, &(first..first + count), index))
            });
            let nowhere = matches!(
                kind,
                RecipientKind::MailUser {
                    target_address: None,
                    ..
                }
            );
            if nowhere && self.dice.percent(80) {
                let policy = exceptions.get_or_insert_with(|| Box::new(Policy::PLAIN));
                policy.foreign_address = Some(ForeignAddress {
                    kind: (*self.dice.pick(&["FAX", "X400"])).to_owned(),
                    address: (*self.dice.pick(&["/O=a/S=b c", "/O=x/S=y"])).to_owned(),
                });
            }
            self.parts.recipients.push(Recipient {
                name: format!("recipient{}.{index}", organization.index()),
                require_sender_authentication: require || self.dice.percent(30),
                exceptions,
                ..Recipient::new(organization, addresses, kind)
            });
        }
        self.connect(first);
    }

    /// Gives most addresses a domain that their tenant accepts: mailboxes and groups answer in no other.
    fn admit(&mut self, tenant: OrganizationId, addresses: &mut [Mailbox]) {
        let accepted = self.parts.accepted_domains.iter();
        let own: Vec<Domain> = accepted
            .filter(|entry| entry.organization == tenant)
            .map(|entry| entry.domain.clone())
            .collect();
        for address in addresses {
            if !own.is_empty() && self.dice.percent(90) {
                address.domain = self.dice.pick(&own).clone();
            }
        }
    }

    /// Leads target addresses to other recipients, and leaves to nobody what nobody holds.
    fn connect(&mut self, first: usize) {
        let recipients = &mut self.parts.recipients[first..];
        let held: Vec<Mailbox> = recipients
            .iter()
            .flat_map(|recipient| recipient.addresses.clone())
            .collect();
        for recipient in recipients {
            match &mut recipient.kind {
                RecipientKind::MailUser { target_address, .. }
                | RecipientKind::RemoteGroup { target_address, .. } => {
                    if target_address.is_some() && self.dice.percent(60) {
                        *target_address = Some(self.dice.pick(&held).clone());
                    }
                }
                RecipientKind::Group {
                    members,
                    subscribers,
                    details,
                } => {
                    let exists = |member: &Member| match member {
                        Member::Nobody(address) => !held.contains(address),
                        Member::Recipient(_) => true,
                    };
                    members.retain(exists);
                    subscribers.retain(exists);
                    if let Some(events) = &mut details.event_subscribers {
                        events.retain(exists);
                    }
                }
                RecipientKind::DistributionGroup(_) | RecipientKind::Mailbox { .. } => {}
            }
        }
    }

    fn kind(
        &mut self,
        organization: OrganizationId,
        shape: Shape,
        first: usize,
        count: usize,
    ) -> RecipientKind {
        let homes = match shape {
            Shape::Forest | Shape::Outside => self.servers_of(organization, ServerRole::Mailbox),
            Shape::Tenant => self.servers_of(organization, ServerRole::Hub),
        };
        let dice = &mut *self.dice;
        let all = first..first + count;
        match (dice.below(12), shape) {
            (10.., _) => {
                RecipientKind::DistributionGroup(Box::new(distribution_group(dice, &all, &homes)))
            }
            (0..3, _) => RecipientKind::Mailbox {
                server: *dice.pick(&homes),
                echo: dice.percent(40),
            },
            (3..6, _) => RecipientKind::MailUser {
                flavour: *dice.pick(&[
                    MailUserFlavour::Contact,
                    MailUserFlavour::MailUser,
                    MailUserFlavour::RemoteMailbox,
                ]),
                target_address: dice.maybe(75, mailbox),
                echo: dice.percent(40),
            },
            (6.., Shape::Tenant) => {
                let members = members(dice, &all, 5);
                let subscribers = members_again(dice, &all, &members);
                let details = UnifiedGroup {
                    owners: self::members(dice, &all, 2),
                    event_subscribers: dice.maybe(40, |dice| self::members(dice, &all, 4)),
                    ..UnifiedGroup::default()
                };
                RecipientKind::Group {
                    members,
                    subscribers,
                    details: Box::new(details),
                }
            }
            (6.., Shape::Forest | Shape::Outside) => RecipientKind::RemoteGroup {
                target_address: dice.maybe(40, mailbox),
                mail_enabled: dice.percent(65),
                members: members(dice, &all, 3),
            },
        }
    }
}

/// Somebody of the organization, or an address.
fn member(dice: &mut Dice, all: &Range<usize>) -> Member {
    if dice.percent(20) {
        Member::Nobody(mailbox(dice))
    } else {
        Member::Recipient(RecipientId::new(all.start + dice.below(all.len())))
    }
}

fn members(dice: &mut Dice, all: &Range<usize>, most: usize) -> Vec<Member> {
    dice.list(0, most, |dice| member(dice, all))
}

/// A list that often has in it who is in another one.
fn members_again(dice: &mut Dice, all: &Range<usize>, others: &[Member]) -> Vec<Member> {
    dice.list(0, 5, |dice| {
        if others.is_empty() || dice.percent(40) {
            member(dice, all)
        } else {
            dice.pick(others).clone()
        }
    })
}

fn some_limit(dice: &mut Dice, percent: usize) -> Limit {
    dice.maybe(percent, size_limit)
        .map_or(Limit::Unlimited, Limit::Bytes)
}

/// A group without restrictions, with what it says of its members and of reports.
fn distribution_group(
    dice: &mut Dice,
    all: &Range<usize>,
    homes: &[ServerId],
) -> DistributionGroup {
    let (report_to_originator, report_to_manager) =
        *dice.pick(&[(true, false), (true, false), (false, true), (false, false)]);
    DistributionGroup {
        members: members(dice, all, 4),
        dynamic: dice.percent(30),
        broken: dice.percent(10),
        expansion_server: dice.maybe(20, |dice| *dice.pick(homes)),
        report_to_originator,
        report_to_manager,
        managed_by: members(dice, all, 2),
    }
}

/// What is particular about a recipient: little, mostly.
fn policy(dice: &mut Dice, all: &Range<usize>, index: usize) -> Policy {
    let forwarding = Forwarding {
        address: dice.maybe(20, |dice| member(dice, all)),
        smtp_address: dice.maybe(20, mailbox),
        deliver_too: dice.percent(50),
        inbox_rules: dice.list(0, 1, |dice| InboxRule {
            target: mailbox(dice),
            redirects: dice.percent(50),
        }),
    };
    let moderation = dice.maybe(15, |dice| Moderation {
        moderators: members(dice, all, 2),
        bypass: members(dice, all, 2),
        arbitration_mailbox: dice.maybe(60, mailbox),
    });
    Policy {
        forwarding,
        moderation,
        max_send_size: some_limit(dice, 15),
        max_receive_size: some_limit(dice, 15),
        recipient_limit: dice.maybe(15, |dice| u32::try_from(dice.between(1, 3)).expect("small")),
        accept_only_from: if dice.percent(20) {
            members(dice, all, 3)
        } else {
            Vec::new()
        },
        reject_from: if dice.percent(15) {
            members(dice, all, 3)
        } else {
            Vec::new()
        },
        legacy_dn: dice.maybe(30, |_| format!("/o=org/cn={index}")),
        x500: if dice.percent(30) {
            vec![format!("/o=old/cn={}", index / 2)]
        } else {
            Vec::new()
        },
        guest: dice.percent(20),
        has_database: dice.percent(85),
        ..Policy::PLAIN
    }
}

/// What only the cloud's inbound connectors have.
fn inbound(dice: &mut Dice, connector: ReceiveConnector) -> ReceiveConnector {
    let partner = dice.maybe(45, |dice| PartnerRestriction {
        sender_domains: dice.list(1, 2, |dice| pattern(dice, Shape::Outside)),
        to_certificate: dice.percent(50),
        to_addresses: dice.percent(40),
    });
    ReceiveConnector {
        partner,
        treat_as_internal: dice.percent(60),
        associated_domains: match dice.percent(25) {
            true => dice.subset(&DOMAINS, 1, 4),
            false => Vec::new(),
        },
        blocked: dice.percent(20),
        ..connector
    }
}

/// A right given or denied beside the permission groups.
fn ad_permission(dice: &mut Dice) -> AdPermission {
    AdPermission {
        trustee: dice
            .pick(&[
                Trustee::Anonymous,
                Trustee::Anonymous,
                Trustee::AuthenticatedUsers,
                Trustee::ExternallySecuredServers,
                Trustee::ExchangeServers,
                Trustee::Partners,
            ])
            .clone(),
        rights: dice.subset(&ExtendedRight::ALL, 1, 3),
        deny: dice.percent(50),
        settings: Settings::default(),
    }
}

/// Somebody of the organization, or of none.
fn somebody(dice: &mut Dice, people: &[RecipientId]) -> Member {
    if people.is_empty() || dice.percent(30) {
        Member::Nobody(mailbox(dice))
    } else {
        Member::Recipient(*dice.pick(people))
    }
}

fn condition(dice: &mut Dice, people: &[RecipientId]) -> Condition {
    let scope = *dice.pick(&[Scope::Inside, Scope::Outside]);
    let members = dice.list(1, 2, |dice| somebody(dice, people));
    let domains = dice.subset(&DOMAINS, 1, 2);
    match dice.below(11) {
        0 => Condition::From(members),
        1 => Condition::FromMemberOf(members),
        2 | 3 => Condition::FromScope(scope),
        4 => Condition::SenderDomainIs(domains),
        5 => Condition::SentTo(members),
        6 => Condition::SentToMemberOf(members),
        7 => Condition::SentToScope(scope),
        8 => Condition::RecipientDomainIs(domains),
        9 => Condition::MessageSizeOver(ByteSize(*dice.pick(&SIZES))),
        _ => Condition::Content("SubjectContainsWords"),
    }
}

fn action(dice: &mut Dice, people: &[RecipientId]) -> Action {
    let members = dice.list(1, 2, |dice| somebody(dice, people));
    match dice.below(8) {
        0..2 => Action::Add(members),
        2..4 => Action::Redirect(members),
        4 => Action::Delete,
        5 => Action::Reject {
            status: "5.7.900".to_owned(),
            text: "no".to_owned(),
        },
        _ => Action::RequireTls,
    }
}
fn space(pattern: DomainPattern, cost: u8) -> AddressSpace {
    AddressSpace::new(pattern, cost)
}

/// A random address space of an organization; only the cloud has one for all accepted domains.
fn pattern(dice: &mut Dice, shape: Shape) -> DomainPattern {
    let domain = dice.pick(&DOMAINS).clone();
    match (dice.below(8), shape) {
        (0..3, _) => DomainPattern::Exact(domain),
        (3..6, _) => DomainPattern::WithSubdomains(domain),
        (6, Shape::Tenant) => DomainPattern::AllAcceptedDomains,
        (6, Shape::Forest) => DomainPattern::Foreign {
            kind: (*dice.pick(&["FAX", "X400"])).to_owned(),
            space: (*dice.pick(&["*", "/o=A", "/O=a/S=b", "/O=x"])).to_owned(),
        },
        (6.., _) => DomainPattern::Any,
    }
}
