//! Send and Receive connectors; the cloud's outbound and inbound connectors are the same things.

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use jiff::SignedDuration;

use super::id::{OrganizationId, ServerId};
use super::place::Settings;
use super::range::IpRange;
use super::server::TransportRole;
use super::space::{AddressSpace, DomainPattern, SmartHost};
use crate::mail::{ByteSize, Domain, Limit, NamePattern};

/// How a Send connector finds its next hop.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Routing {
    /// The MX record of the recipient domain (`DNSRoutingEnabled`).
    Dns,
    /// These hosts, load balanced.
    SmartHosts(Vec<SmartHost>),
    /// These servers of the organization: the `--` smart hosts of an Edge subscription.
    Servers(Vec<ServerId>),
}

/// `TlsAuthLevel`: what is asked of the next hop's certificate.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum TlsAuthLevel {
    /// Any certificate will do.
    EncryptionOnly,
    /// The chain must be trusted and in date.
    CertificateValidation,
    /// And the name must match.
    DomainValidation,
}

impl TlsAuthLevel {
    /// The value as Exchange spells it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::EncryptionOnly => "EncryptionOnly",
            Self::CertificateValidation => "CertificateValidation",
            Self::DomainValidation => "DomainValidation",
        }
    }
}

/// A Send connector, or the cloud's outbound connector.
#[derive(Clone, Debug)]
pub struct SendConnector {
    /// Whose it is.
    pub organization: OrganizationId,
    /// Its name.
    pub name: String,
    /// Disabled connectors are never chosen.
    pub enabled: bool,
    /// The domains it carries.
    pub address_spaces: Vec<AddressSpace>,
    /// Whether only servers of its source servers' sites see it.
    pub scoped: bool,
    /// The servers that may send through it.
    pub sources: Vec<ServerId>,
    /// Names among `SourceTransportServers` that no server has: dead sources.
    pub missing_sources: Vec<String>,
    /// How it finds the next hop.
    pub routing: Routing,
    /// Whether it asks the external resolvers.
    pub use_external_dns: bool,
    /// Whether TLS must be had.
    pub require_tls: bool,
    /// What is asked of the certificate.
    pub tls_auth_level: Option<TlsAuthLevel>,
    /// The name the certificate must have; absent: the recipient domain.
    pub tls_domain: Option<NamePattern>,
    /// Which certificate is presented, as `<I>issuer<S>subject`; absent: chosen by `Fqdn`.
    pub tls_certificate_name: Option<String>,
    /// The name said in EHLO; absent: the server's.
    pub fqdn: Option<Domain>,
    /// Larger messages do not choose it.
    pub max_message_size: Limit,
    /// Whether organization headers cross with the message.
    pub cloud_services_mail_enabled: bool,
    /// Ties after cost and hops: the lower rank first, then the name.
    pub rank: u8,
    /// `Port`: where the next hop listens.
    pub port: u16,
    /// `IgnoreSTARTTLS`: whether TLS is not even tried.
    pub ignore_starttls: bool,
    /// `ForceHELO`: whether HELO is said instead of EHLO, which forgoes TLS.
    pub force_helo: bool,
    /// `DomainSecureEnabled`: whether domains of `TLSSendDomainSecureList` get mutual TLS.
    pub domain_secure: bool,
    /// `ErrorPolicies`.
    pub error_policies: BTreeSet<ErrorPolicy>,
    /// `FrontendProxyEnabled`: whether sessions pass the front end on their way out.
    pub front_end_proxy: bool,
    /// `RouteAllMessagesViaOnPremises`: whether it carries what leaves the tenant for anywhere.
    pub via_on_premises: bool,
    /// `IsTransportRuleScoped`: whether only a mail-flow rule may choose it.
    pub rule_scoped: bool,
    /// `TestMode`.
    pub test_mode: bool,
    /// Where it is described.
    pub settings: Settings,
}

impl SendConnector {
    /// A connector as `New-SendConnector` makes it, without address spaces and sources.
    #[must_use]
    pub fn new(organization: OrganizationId, name: impl Into<String>) -> Self {
        Self {
            organization,
            name: name.into(),
            enabled: true,
            address_spaces: Vec::new(),
            scoped: false,
            sources: Vec::new(),
            missing_sources: Vec::new(),
            routing: Routing::Dns,
            use_external_dns: false,
            require_tls: false,
            tls_auth_level: None,
            tls_domain: None,
            tls_certificate_name: None,
            fqdn: None,
            max_message_size: Limit::megabytes(35),
            cloud_services_mail_enabled: false,
            rank: 0,
            port: 25,
            ignore_starttls: false,
            force_helo: false,
            domain_secure: false,
            error_policies: BTreeSet::new(),
            front_end_proxy: false,
            via_on_premises: false,
            rule_scoped: false,
            test_mode: false,
            settings: Settings::default(),
        }
    }
}

/// `ErrorPolicies` of a Send connector; `Default` is none of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum ErrorPolicy {
    /// Permanent replies of a next hop count as transient.
    DowngradeCustomFailures,
    /// DNS failures that would be permanent count as transient.
    DowngradeDnsFailures,
    /// Transient replies of a next hop count as permanent.
    UpgradeCustomFailures,
}

impl ErrorPolicy {
    /// The value as Exchange spells it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::DowngradeCustomFailures => "DowngradeCustomFailures",
            Self::DowngradeDnsFailures => "DowngradeDnsFailures",
            Self::UpgradeCustomFailures => "UpgradeCustomFailures",
        }
    }
}

/// `PermissionGroups` of a Receive connector.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum PermissionGroup {
    /// Anyone.
    AnonymousUsers,
    /// Exchange 2003 and 2007 bridgeheads.
    ExchangeLegacyServers,
    /// Exchange servers of the organization, and externally secured hosts.
    ExchangeServers,
    /// Authenticated users.
    ExchangeUsers,
    /// Partner servers.
    Partners,
}

impl PermissionGroup {
    /// The value as Exchange spells it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::AnonymousUsers => "AnonymousUsers",
            Self::ExchangeLegacyServers => "ExchangeLegacyServers",
            Self::ExchangeServers => "ExchangeServers",
            Self::ExchangeUsers => "ExchangeUsers",
            Self::Partners => "Partners",
        }
    }
}

/// One entry of `TlsDomainCapabilities`: a certificate name and whether cross-premises headers from
/// a peer that shows it are promoted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TlsDomainCapability {
    /// The name in the peer's certificate; `None` for `NO-TLS`: sessions without TLS.
    pub domain: Option<NamePattern>,
    /// Whether `AcceptCloudServicesMail` is among the capabilities.
    pub accept_cloud_services_mail: bool,
}

/// What makes a Receive connector apply to a session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Matcher {
    /// It listens: local port and the peer's address (Exchange Server, "Receive connectors").
    Endpoint {
        /// The service it belongs to.
        transport_role: TransportRole,
        /// The local addresses and ports; an unspecified address stands for every one of its
        /// family.
        bindings: Vec<SocketAddr>,
        /// The peers it serves.
        remote_ip_ranges: Vec<IpRange>,
    },
    /// It recognises the sending organization, and attributes the message to its own (Exchange
    /// Online, "Configure mail flow using connectors").
    Peer {
        /// A name in the peer's certificate.
        tls_sender_certificate_name: Option<NamePattern>,
        /// The peer's addresses.
        sender_ip_addresses: Vec<IpRange>,
    },
}

impl Matcher {
    /// Bindings to ports at every address.
    #[must_use]
    pub fn everywhere(ports: &[u16]) -> Vec<SocketAddr> {
        let any = [
            IpAddr::V4(Ipv4Addr::UNSPECIFIED),
            IpAddr::V6(Ipv6Addr::UNSPECIFIED),
        ];
        let at = |port: &u16| any.map(|address| SocketAddr::new(address, *port));
        ports.iter().flat_map(at).collect()
    }
}

/// A Receive connector, or the cloud's inbound connector.
#[derive(Clone, Debug)]
pub struct ReceiveConnector {
    /// The organization it belongs to.
    pub organization: OrganizationId,
    /// The server it listens on.
    pub server: ServerId,
    /// Its name, without the server.
    pub name: String,
    /// Disabled connectors serve nobody.
    pub enabled: bool,
    /// Which sessions it applies to.
    pub matcher: Matcher,
    /// Who may do what.
    pub permission_groups: BTreeSet<PermissionGroup>,
    /// Whether hosts in its ranges count as authenticated (`AuthMechanism` `ExternalAuthoritative`).
    pub externally_secured: bool,
    /// Whether anonymous sessions may relay (`Ms-Exch-SMTP-Accept-Any-Recipient` for ANONYMOUS LOGON).
    pub anonymous_relay: bool,
    /// Whose cross-premises headers are promoted.
    pub tls_domain_capabilities: Vec<TlsDomainCapability>,
    /// Whether the cross-premises headers of every attributed session are promoted (the cloud's
    /// `CloudServicesMailEnabled`).
    pub cloud_services_mail_enabled: bool,
    /// Whether STARTTLS is offered.
    pub offers_tls: bool,
    /// Whether STARTTLS is demanded.
    pub require_tls: bool,
    /// Which certificate is presented, as `<I>issuer<S>subject`; absent: chosen by `fqdn`.
    pub tls_certificate_name: Option<String>,
    /// The name in the banner; absent: the server's.
    pub fqdn: Option<Domain>,
    /// Larger messages are refused.
    pub max_message_size: ByteSize,
    /// Limit on Received fields.
    pub max_hop_count: u32,
    /// Limit on Received fields that name this server; 0 switches the test off.
    pub max_local_hop_count: u32,
    /// Limit on earlier attributions of the message to the same organization; `None`: not counted.
    pub max_attributions: Option<u32>,
    /// `MaxRecipientsPerMessage`: recipients of one transaction.
    pub max_recipients: u32,
    /// How many sessions it takes at a time.
    pub sessions: SessionLimits,
    /// `TarpitInterval`: how long a stranger waits for a refusal.
    pub tarpit: SignedDuration,
    /// `MaxHeaderSize`.
    pub max_header_size: ByteSize,
    /// What it says of recipients whose domains cannot be.
    pub recipient_domains: RecipientDomainRules,
    /// `DomainSecureEnabled`: whether domains of `TLSReceiveDomainSecureList` must show a
    /// certificate, and count as partners.
    pub domain_secure: bool,
    /// Whether `ExchangeServer` is among its `AuthMechanism`: servers of the organization log on.
    pub exchange_authentication: bool,
    /// `ADPermissions` that are written, beside those of the permission groups.
    pub ad_permissions: Vec<AdPermission>,
    /// What an inbound connector of type Partner demands; `None` for other connectors.
    pub partner: Option<PartnerRestriction>,
    /// `TreatMessagesAsInternal`.
    pub treat_as_internal: bool,
    /// `AssociatedAcceptedDomains`: the recipient domains it is for; empty: all.
    pub associated_domains: Vec<Domain>,
    /// Whether the sending addresses are on the service's block list.
    pub blocked: bool,
    /// Where it is described.
    pub settings: Settings,
}

impl ReceiveConnector {
    /// A connector as `New-ReceiveConnector` makes it, without permission groups.
    #[must_use]
    pub fn new(
        organization: OrganizationId,
        server: ServerId,
        name: impl Into<String>,
        matcher: Matcher,
    ) -> Self {
        Self {
            organization,
            server,
            name: name.into(),
            enabled: true,
            matcher,
            permission_groups: BTreeSet::new(),
            externally_secured: false,
            anonymous_relay: false,
            tls_domain_capabilities: Vec::new(),
            cloud_services_mail_enabled: false,
            offers_tls: true,
            require_tls: false,
            tls_certificate_name: None,
            fqdn: None,
            max_message_size: ByteSize(36 << 20),
            max_hop_count: 60,
            max_local_hop_count: 5,
            max_attributions: None,
            max_recipients: 200,
            sessions: SessionLimits::UNLIMITED,
            tarpit: SignedDuration::from_secs(5),
            max_header_size: ByteSize(256 << 10),
            recipient_domains: RecipientDomainRules::default(),
            domain_secure: false,
            exchange_authentication: true,
            ad_permissions: Vec::new(),
            partner: None,
            treat_as_internal: false,
            associated_domains: Vec::new(),
            blocked: false,
            settings: Settings::default(),
        }
    }
}

/// How many sessions a Receive connector takes at a time (Exchange PowerShell,
/// "Set-ReceiveConnector").
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SessionLimits {
    /// `MaxInboundConnection`; `None`: any number.
    pub total: Option<u32>,
    /// `MaxInboundConnectionPerSource`; `None`: any number.
    pub per_source: Option<u32>,
    /// `MaxInboundConnectionPercentagePerSource`: of those that are left.
    pub percent_per_source: u32,
}

impl SessionLimits {
    /// No limit: servers that nobody administers.
    pub const UNLIMITED: Self = Self {
        total: None,
        per_source: None,
        percent_per_source: 100,
    };

    /// Whether there is room for one more, where so many are open in all and from the source.
    #[must_use]
    pub fn admit(&self, open: u32, of_source: u32) -> bool {
        let below = |limit: Option<u32>, count| limit.is_none_or(|limit| count < limit);
        let share = self.total.filter(|_| self.percent_per_source < 100);
        let share = share.map(|total| {
            // Rounded up: the last place that is left is anybody's.
            let left = u64::from(total.saturating_sub(open));
            let share = (left * u64::from(self.percent_per_source)).div_ceil(100);
            u32::try_from(share).unwrap_or(u32::MAX)
        });
        below(self.total, open) && below(self.per_source, of_source) && below(share, of_source)
    }
}

/// `Reject…RecipientDomains` of a Receive connector.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RecipientDomainRules {
    /// `RejectSingleLabelRecipientDomains`: `ann@contoso`.
    pub reject_single_label: bool,
    /// `RejectReservedTopLevelRecipientDomains`: `.test`, `.example`, `.invalid`, `.localhost`.
    pub reject_reserved_top_level: bool,
    /// `RejectReservedSecondLevelRecipientDomains`: `example.com` and its like.
    pub reject_reserved_second_level: bool,
}

/// Which sessions an inbound connector of type Partner restricts (Exchange Online, "Configure mail
/// flow using connectors in Exchange Online").
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PartnerRestriction {
    /// `SenderDomains`: the domains of MAIL FROM that it is for.
    pub sender_domains: Vec<DomainPattern>,
    /// `RestrictDomainsToCertificate`.
    pub to_certificate: bool,
    /// `RestrictDomainsToIPAddresses`.
    pub to_addresses: bool,
}

/// An extended right on a Receive connector, given to somebody or denied.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AdPermission {
    /// To whom.
    pub trustee: Trustee,
    /// Which rights.
    pub rights: Vec<ExtendedRight>,
    /// Whether they are denied, which goes before giving.
    pub deny: bool,
    /// Where it is described.
    pub settings: Settings,
}

/// Whom rights are given to (Exchange Server, "Receive connectors", permission groups).
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Trustee {
    /// `NT AUTHORITY\ANONYMOUS LOGON`.
    Anonymous,
    /// `NT AUTHORITY\Authenticated Users`.
    AuthenticatedUsers,
    /// `MS Exchange\Externally Secured Servers`.
    ExternallySecuredServers,
    /// `MS Exchange\Hub Transport Servers` and its like, or `Exchange Servers`.
    ExchangeServers,
    /// `MS Exchange\Partner Servers`.
    Partners,
    /// An account, as it is written.
    Other(String),
}

/// The extended rights that change what a session may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum ExtendedRight {
    /// `Ms-Exch-Accept-Headers-Forest`.
    AcceptHeadersForest,
    /// `Ms-Exch-Accept-Headers-Organization`.
    AcceptHeadersOrganization,
    /// `Ms-Exch-Accept-Headers-Routing`.
    AcceptHeadersRouting,
    /// `Ms-Exch-Bypass-Anti-Spam`.
    BypassAntiSpam,
    /// `Ms-Exch-Bypass-Message-Size-Limit`.
    BypassMessageSizeLimit,
    /// `Ms-Exch-SMTP-Accept-Any-Recipient`.
    AcceptAnyRecipient,
    /// `Ms-Exch-SMTP-Accept-Any-Sender`.
    AcceptAnySender,
    /// `Ms-Exch-SMTP-Accept-Authentication-Flag`.
    AcceptAuthenticationFlag,
    /// `Ms-Exch-SMTP-Accept-Authoritative-Domain-Sender`.
    AcceptAuthoritativeDomainSender,
    /// `Ms-Exch-SMTP-Submit`.
    Submit,
}

impl ExtendedRight {
    /// Every right.
    pub const ALL: [Self; 10] = [
        Self::AcceptHeadersForest,
        Self::AcceptHeadersOrganization,
        Self::AcceptHeadersRouting,
        Self::BypassAntiSpam,
        Self::BypassMessageSizeLimit,
        Self::AcceptAnyRecipient,
        Self::AcceptAnySender,
        Self::AcceptAuthenticationFlag,
        Self::AcceptAuthoritativeDomainSender,
        Self::Submit,
    ];

    /// The right as Exchange spells it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::AcceptHeadersForest => "Ms-Exch-Accept-Headers-Forest",
            Self::AcceptHeadersOrganization => "Ms-Exch-Accept-Headers-Organization",
            Self::AcceptHeadersRouting => "Ms-Exch-Accept-Headers-Routing",
            Self::BypassAntiSpam => "Ms-Exch-Bypass-Anti-Spam",
            Self::BypassMessageSizeLimit => "Ms-Exch-Bypass-Message-Size-Limit",
            Self::AcceptAnyRecipient => "Ms-Exch-SMTP-Accept-Any-Recipient",
            Self::AcceptAnySender => "Ms-Exch-SMTP-Accept-Any-Sender",
            Self::AcceptAuthenticationFlag => "Ms-Exch-SMTP-Accept-Authentication-Flag",
            Self::AcceptAuthoritativeDomainSender => {
                "Ms-Exch-SMTP-Accept-Authoritative-Domain-Sender"
            }
            Self::Submit => "Ms-Exch-SMTP-Submit",
        }
    }
}
