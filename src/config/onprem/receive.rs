//! Receive connectors: those that are written, and those that every server has (Exchange Server,
//! "Receive connectors", Default Receive connectors created during setup).

use std::collections::BTreeSet;
use std::net::SocketAddr;

use jiff::SignedDuration;

use crate::config::build::Build;
use crate::config::keys::{count, timespan};
use crate::config::object::{Object, Word};
use crate::diag::Diagnostic;
use crate::mail::NamePattern;
use crate::model::{
    AdPermission, ExtendedRight, IpRange, Matcher, OrganizationId, PermissionGroup,
    ReceiveConnector, RecipientDomainRules, Server, ServerId, ServerRole, SessionLimits,
    TlsDomainCapability, TransportRole, Trustee,
};

/// What a Receive connector has where nothing is written.
#[derive(Clone, Copy)]
struct Defaults {
    /// The name before that of the server; absent for a connector that setup does not create.
    prefix: Option<&'static str>,
    transport_role: TransportRole,
    port: u16,
    permission_groups: &'static [PermissionGroup],
    /// `MaxRecipientsPerMessage`.
    max_recipients: u32,
    /// `DomainSecureEnabled`.
    domain_secure: bool,
    sessions: SessionLimits,
    /// `TarpitInterval`, in seconds.
    tarpit: i64,
}

/// What the connectors of a server have in common.
const USUAL: Defaults = Defaults {
    prefix: None,
    transport_role: TransportRole::FrontendTransport,
    port: 25,
    permission_groups: &[],
    max_recipients: 200,
    domain_secure: false,
    // Exchange Server, "Message rate limits and throttling".
    sessions: SessionLimits {
        total: Some(5000),
        per_source: Some(20),
        percent_per_source: 2,
    },
    tarpit: 5,
};

const ON_MAILBOX_SERVERS: &[Defaults] = &[
    Defaults {
        prefix: Some("Default Frontend"),
        permission_groups: &[
            PermissionGroup::AnonymousUsers,
            PermissionGroup::ExchangeServers,
            PermissionGroup::ExchangeLegacyServers,
        ],
        domain_secure: true,
        ..USUAL
    },
    Defaults {
        prefix: Some("Client Frontend"),
        port: 587,
        permission_groups: &[PermissionGroup::ExchangeUsers],
        ..USUAL
    },
    Defaults {
        prefix: Some("Outbound Proxy Frontend"),
        port: 717,
        permission_groups: &[PermissionGroup::ExchangeServers],
        tarpit: 0,
        ..USUAL
    },
    Defaults {
        prefix: Some("Client Proxy"),
        transport_role: TransportRole::HubTransport,
        port: 465,
        permission_groups: &[
            PermissionGroup::ExchangeUsers,
            PermissionGroup::ExchangeServers,
        ],
        ..USUAL
    },
    Defaults {
        prefix: Some("Default"),
        transport_role: TransportRole::HubTransport,
        port: 2525,
        permission_groups: &[
            PermissionGroup::ExchangeUsers,
            PermissionGroup::ExchangeServers,
            PermissionGroup::ExchangeLegacyServers,
        ],
        max_recipients: 5000,
        sessions: SessionLimits {
            per_source: None,
            percent_per_source: 100,
            ..USUAL.sessions
        },
        ..USUAL
    },
];

const ON_EDGE_SERVERS: &[Defaults] = &[Defaults {
    prefix: Some("Default internal receive connector"),
    transport_role: TransportRole::HubTransport,
    permission_groups: &[
        PermissionGroup::AnonymousUsers,
        PermissionGroup::ExchangeServers,
        PermissionGroup::Partners,
    ],
    ..USUAL
}];

impl Defaults {
    fn name_on(&self, server: &Server) -> String {
        format!("{} {}", self.prefix.unwrap_or_default(), server.name)
    }

    /// The connectors that setup creates on a server.
    fn of_setup(server: &Server) -> &'static [Self] {
        if server.role == ServerRole::Edge {
            ON_EDGE_SERVERS
        } else {
            ON_MAILBOX_SERVERS
        }
    }

    /// The defaults of a connector that somebody makes (Exchange PowerShell,
    /// "New-ReceiveConnector").
    fn of_new(server: &Server, stated: Option<TransportRole>) -> Self {
        let transport_role = stated.unwrap_or(match server.role {
            ServerRole::Edge => TransportRole::HubTransport,
            _ => TransportRole::FrontendTransport,
        });
        let is_hub = transport_role == TransportRole::HubTransport;
        Self {
            transport_role,
            port: if is_hub && server.role != ServerRole::Edge {
                2525
            } else {
                25
            },
            ..USUAL
        }
    }
}

/// Adds the Receive connectors of an organization's servers: the written ones, then those that
/// setup creates and nobody wrote.
pub(super) fn lower(build: &mut Build, organization: OrganizationId, objects: &[Object]) {
    let mut written: Vec<(ServerId, Word)> = Vec::new();
    for object in objects {
        let ours = |server: &Server| server.organization == organization;
        let server = object.word("Server");
        let server = server.and_then(|word| build.server_named(&word, ours));
        if let (Some(server), Some(name)) = (server, object.word("Name")) {
            let connector = connector(build, server, name.text.clone(), object);
            build.parts.receive_connectors.push(connector);
            written.push((server, name));
        }
    }
    let servers: Vec<ServerId> = build.servers_of(organization).map(|(id, _)| id).collect();
    for server in servers {
        let here = written.iter().filter(|(id, _)| *id == server);
        let here: Vec<Word> = here.map(|(_, name)| name.clone()).collect();
        imply(build, organization, server, &here);
        build.refuse_duplicates("Receive connector of the server", here);
        refuse_same_sessions(build, server);
    }
}

/// Exchange Server, "Receive connectors": the combination of local binding and remote addresses is
/// unique on a server.
fn refuse_same_sessions(build: &mut Build, server: ServerId) {
    let listening = build
        .parts
        .receive_connectors
        .iter()
        .filter(|connector| connector.server == server);
    let listening: Vec<(&ReceiveConnector, &[SocketAddr], &[IpRange])> = listening
        .filter_map(|connector| match &connector.matcher {
            Matcher::Endpoint {
                bindings,
                remote_ip_ranges,
                ..
            } => Some((connector, bindings.as_slice(), remote_ip_ranges.as_slice())),
            Matcher::Peer { .. } => None,
        })
        .collect();
    let mut found = Vec::new();
    for (index, (connector, bindings, ranges)) in listening.iter().enumerate() {
        let same = |(_, others, other_ranges): &&(&ReceiveConnector, &[SocketAddr], &[IpRange])| {
            bindings.iter().any(|binding| others.contains(binding))
                && ranges.iter().any(|range| other_ranges.contains(range))
        };
        let written = |connector: &ReceiveConnector| connector.settings.object.is_some();
        let others = listening
            .iter()
            .enumerate()
            .filter(|(at, (other, ..))| *at < index || !written(other));
        let other = others
            .map(|(_, other)| other)
            .find(|other| !std::ptr::eq(other.0, *connector) && same(other));
        if let Some((other, ..)) = other.filter(|_| written(connector)) {
            let name = &connector.name;
            let place = connector.settings.at("RemoteIPRanges").cloned();
            let message = format!(
                "`{name}` and `{}` serve the same addresses at the same port",
                other.name
            );
            found.push(
                Diagnostic::new("conflicting-settings", place, message)
                    .because("the combination of Bindings and RemoteIPRanges is unique on a server")
                    .help("name the clients that it is for in RemoteIPRanges"),
            );
        }
    }
    build.diagnostics.extend(found);
}

/// Adds the connectors of a server that setup creates, but for those whose names are written.
fn imply(build: &mut Build, organization: OrganizationId, id: ServerId, written: &[Word]) {
    let server = &build.parts.servers[id.index()];
    let is_written = |name: &str| {
        written
            .iter()
            .any(|word| word.text.eq_ignore_ascii_case(name))
    };
    let implied = Defaults::of_setup(server)
        .iter()
        .map(|defaults| (defaults, defaults.name_on(server)))
        .filter(|(_, name)| !is_written(name));
    let implied: Vec<ReceiveConnector> = implied
        .map(|(defaults, name)| implied_connector(organization, id, name, defaults))
        .collect();
    build.parts.receive_connectors.extend(implied);
}

fn implied_connector(
    organization: OrganizationId,
    server: ServerId,
    name: String,
    defaults: &Defaults,
) -> ReceiveConnector {
    let matcher = Matcher::Endpoint {
        transport_role: defaults.transport_role,
        bindings: Matcher::everywhere(&[defaults.port]),
        remote_ip_ranges: vec![IpRange::ALL_V4, IpRange::ALL_V6],
    };
    ReceiveConnector {
        permission_groups: defaults.permission_groups.iter().copied().collect(),
        max_recipients: defaults.max_recipients,
        domain_secure: defaults.domain_secure,
        sessions: defaults.sessions,
        tarpit: SignedDuration::from_secs(defaults.tarpit),
        ..ReceiveConnector::new(organization, server, name, matcher)
    }
}

/// A connector that is written: its keys over the defaults of its name.
fn connector(
    build: &mut Build,
    server: ServerId,
    name: String,
    object: &Object,
) -> ReceiveConnector {
    refuse_mixed_mechanisms(build, object);
    refuse_front_end_on_edge(build, server, object);
    let on = &build.parts.servers[server.index()];
    let defaults = defaults(on, &name, object);
    let implied = implied_connector(on.organization, server, name, &defaults);
    ReceiveConnector {
        enabled: object.flag("Enabled"),
        matcher: matcher(object, &defaults),
        permission_groups: permission_groups(object).unwrap_or(implied.permission_groups),
        externally_secured: has_word(object, "AuthMechanism", "ExternalAuthoritative"),
        anonymous_relay: anonymous_relay(object),
        tls_domain_capabilities: capabilities(object),
        offers_tls: !object.has("AuthMechanism") || has_word(object, "AuthMechanism", "Tls"),
        require_tls: object.flag("RequireTLS"),
        tls_certificate_name: object.text("TlsCertificateName").map(str::to_owned),
        fqdn: object.parse("Fqdn"),
        max_message_size: object
            .parse("MaxMessageSize")
            .unwrap_or(implied.max_message_size),
        max_hop_count: object.parse("MaxHopCount").unwrap_or(implied.max_hop_count),
        max_local_hop_count: object
            .parse("MaxLocalHopCount")
            .unwrap_or(implied.max_local_hop_count),
        max_recipients: object
            .parse("MaxRecipientsPerMessage")
            .unwrap_or(implied.max_recipients),
        sessions: sessions(object, implied.sessions),
        tarpit: object
            .has("TarpitInterval")
            .then(|| object.text("TarpitInterval").and_then(timespan))
            .flatten()
            .unwrap_or(implied.tarpit),
        max_header_size: object
            .parse("MaxHeaderSize")
            .unwrap_or(implied.max_header_size),
        recipient_domains: RecipientDomainRules {
            reject_single_label: object.flag("RejectSingleLabelRecipientDomains"),
            reject_reserved_top_level: object.flag("RejectReservedTopLevelRecipientDomains"),
            reject_reserved_second_level: object.flag("RejectReservedSecondLevelRecipientDomains"),
        },
        domain_secure: match object.has("DomainSecureEnabled") {
            true => object.flag("DomainSecureEnabled"),
            false => implied.domain_secure,
        },
        exchange_authentication: !object.has("AuthMechanism")
            || has_word(object, "AuthMechanism", "ExchangeServer"),
        ad_permissions: object
            .objects("ADPermissions")
            .iter()
            .filter_map(ad_permission)
            .collect(),
        settings: object.settings(),
        ..implied
    }
}

/// How many sessions a connector takes; what is not written is as it is implied.
fn sessions(object: &Object, implied: SessionLimits) -> SessionLimits {
    let limit = |key, implied| match object.text(key).filter(|_| object.has(key)) {
        Some(text) => count(text).unwrap_or(implied),
        None => implied,
    };
    SessionLimits {
        total: limit("MaxInboundConnection", implied.total),
        per_source: limit("MaxInboundConnectionPerSource", implied.per_source),
        percent_per_source: object
            .parse("MaxInboundConnectionPercentagePerSource")
            .unwrap_or(implied.percent_per_source),
    }
}

fn defaults(server: &Server, name: &str, object: &Object) -> Defaults {
    let of_setup = Defaults::of_setup(server)
        .iter()
        .find(|defaults| defaults.name_on(server).eq_ignore_ascii_case(name));
    let roles = [
        TransportRole::FrontendTransport,
        TransportRole::HubTransport,
    ];
    let stated = object.choose("TransportRole", &roles, TransportRole::as_str);
    match of_setup {
        Some(defaults) => Defaults {
            transport_role: stated.unwrap_or(defaults.transport_role),
            ..*defaults
        },
        None => Defaults::of_new(server, stated),
    }
}

fn matcher(object: &Object, defaults: &Defaults) -> Matcher {
    let mut bindings: Vec<SocketAddr> = object.parse_list("Bindings");
    bindings.sort_unstable();
    bindings.dedup();
    if bindings.is_empty() {
        bindings = Matcher::everywhere(&[defaults.port]);
    }
    let mut remote_ip_ranges: Vec<IpRange> = object.parse_list("RemoteIPRanges");
    if remote_ip_ranges.is_empty() {
        remote_ip_ranges = vec![IpRange::ALL_V4, IpRange::ALL_V6];
    }
    Matcher::Endpoint {
        transport_role: defaults.transport_role,
        bindings,
        remote_ip_ranges,
    }
}

/// The groups that are written; `None` and `Custom` stand for none of them.
fn permission_groups(object: &Object) -> Option<BTreeSet<PermissionGroup>> {
    let groups = [
        PermissionGroup::AnonymousUsers,
        PermissionGroup::ExchangeLegacyServers,
        PermissionGroup::ExchangeServers,
        PermissionGroup::ExchangeUsers,
        PermissionGroup::Partners,
    ];
    let is_written = |group: &PermissionGroup| has_word(object, "PermissionGroups", group.as_str());
    object
        .has("PermissionGroups")
        .then(|| groups.into_iter().filter(is_written).collect())
}

fn has_word(object: &Object, key: &str, word: &str) -> bool {
    object.list(key).iter().any(|each| each.text == word)
}

/// Exchange Server, "Allow anonymous relay on Exchange servers".
fn anonymous_relay(object: &Object) -> bool {
    let permissions = object.objects("ADPermissions").iter();
    let ours = permissions
        .filter_map(ad_permission)
        .filter(|permission| permission.trustee == Trustee::Anonymous)
        .filter(|permission| {
            permission
                .rights
                .contains(&ExtendedRight::AcceptAnyRecipient)
        });
    let (denied, granted): (Vec<_>, Vec<_>) = ours.partition(|permission| permission.deny);
    denied.is_empty() && !granted.is_empty()
}

/// What an entry of `ADPermissions` grants or denies; rights that change nothing are left out.
fn ad_permission(object: &Object) -> Option<AdPermission> {
    let right = |word: &Word| {
        let mut all = ExtendedRight::ALL.into_iter();
        all.find(|right| right.as_str().eq_ignore_ascii_case(&word.text))
    };
    Some(AdPermission {
        trustee: trustee(object.text("User")?),
        rights: object
            .list("ExtendedRights")
            .iter()
            .filter_map(right)
            .collect(),
        deny: object.flag("Deny"),
        settings: object.settings(),
    })
}

/// Whom an account stands for, with or without its domain.
fn trustee(user: &str) -> Trustee {
    let name = user.rsplit('\\').next().unwrap_or_default();
    match name.to_ascii_lowercase().as_str() {
        "anonymous logon" => Trustee::Anonymous,
        "authenticated users" => Trustee::AuthenticatedUsers,
        "externally secured servers" => Trustee::ExternallySecuredServers,
        "edge transport servers" | "exchange servers" | "hub transport servers" => {
            Trustee::ExchangeServers
        }
        "partner servers" => Trustee::Partners,
        _ => Trustee::Other(user.to_owned()),
    }
}

fn capabilities(object: &Object) -> Vec<TlsDomainCapability> {
    let capability = |word: &Word| {
        let (domain, capabilities) = word.text.rsplit_once(':')?;
        let mut capabilities = capabilities.split(',').map(str::trim);
        let no_tls = domain.eq_ignore_ascii_case("NO-TLS");
        Some(TlsDomainCapability {
            domain: match no_tls {
                true => None,
                // Choice: an entry with issuer and subject, as early wizards wrote it, gives nothing to
                // anybody, because it names a certificate that the service has replaced since.
                false => Some(NamePattern::parse(domain).ok()?),
            },
            accept_cloud_services_mail: capabilities
                .any(|each| each.eq_ignore_ascii_case("AcceptCloudServicesMail")),
        })
    };
    let words = object.list("TlsDomainCapabilities").iter();
    words.filter_map(capability).collect()
}

/// Exchange PowerShell, "Set-ReceiveConnector": ExternalAuthoritative may stand beside Tls only.
fn refuse_mixed_mechanisms(build: &mut Build, object: &Object) {
    let mechanisms = object.list("AuthMechanism");
    let other = mechanisms
        .iter()
        .find(|word| !["ExternalAuthoritative", "Tls"].contains(&word.text.as_str()));
    if let (true, Some(other)) = (
        has_word(object, "AuthMechanism", "ExternalAuthoritative"),
        other,
    ) {
        build.report(
            "conflicting-settings",
            &other.location,
            format!(
                "`ExternalAuthoritative` goes with `Tls` only, not with `{}`",
                other.text
            ),
            format!("remove `{}`, or `ExternalAuthoritative`", other.text),
        );
    }
}

fn refuse_front_end_on_edge(build: &mut Build, server: ServerId, object: &Object) {
    let server = &build.parts.servers[server.index()];
    if server.role == ServerRole::Edge && object.text("TransportRole") == Some("FrontendTransport")
    {
        let message = format!("`{}` is an Edge server, and has no front end", server.name);
        build.report(
            "conflicting-settings",
            object.at("TransportRole"),
            message,
            "remove `TransportRole`",
        );
    }
}
