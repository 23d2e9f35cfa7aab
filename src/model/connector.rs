//! Send and Receive connectors; the cloud's outbound and inbound connectors are the same things.

use std::collections::BTreeSet;
use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

use super::id::{OrganizationId, ServerId};
use super::place::Settings;
use super::server::TransportRole;
use crate::diag::Location;
use crate::mail::{ByteSize, Domain, Limit, NamePattern};

/// Which recipient domains an address space covers (Exchange Server, "Send connectors").
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum DomainPattern {
    /// `contoso.com`: this domain only.
    Exact(Domain),
    /// `*.contoso.com`: this domain and every domain below it.
    WithSubdomains(Domain),
    /// Every accepted domain of the organization (the cloud's `AllAcceptedDomains`).
    AllAcceptedDomains,
    /// `--`: every Authoritative and InternalRelay domain, on a subscribed Edge server.
    InternalDomains,
    /// `*`: every domain.
    Any,
}

impl fmt::Display for DomainPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Exact(domain) => write!(f, "{domain}"),
            Self::WithSubdomains(domain) => write!(f, "*.{domain}"),
            Self::AllAcceptedDomains => f.write_str("all accepted domains"),
            Self::InternalDomains => f.write_str("--"),
            Self::Any => f.write_str("*"),
        }
    }
}

/// One entry of `AddressSpaces`: type, space and cost.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AddressSpace {
    /// Which domains it covers.
    pub pattern: DomainPattern,
    /// 1 to 100; the lower one wins between equally specific spaces.
    pub cost: u8,
    /// Where it is written.
    pub location: Option<Location>,
}

/// Why a text is not an address space.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AddressSpaceError {
    /// The cost is not a number from 1 to 100.
    #[error("the cost `{0}` is not a whole number from 1 to 100")]
    Cost(String),
    /// The space is not a domain, `*`, `*.domain` or `--`.
    #[error("`{0}` is not a domain, `*.domain`, `*` or `--`")]
    Space(String),
    /// `*contoso.com`.
    #[error("`{0}`: a wildcard must be a whole label, as in `*.{1}`")]
    PartialWildcard(String, String),
    /// Only SMTP address spaces route mail here.
    #[error("address spaces of type `{0}` are not supported, only `SMTP`")]
    Type(String),
}

impl FromStr for DomainPattern {
    type Err = AddressSpaceError;
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let bad = || AddressSpaceError::Space(text.to_owned());
        match text {
            "*" => Ok(Self::Any),
            "--" => Ok(Self::InternalDomains),
            _ => match text.strip_prefix('*') {
                None => Domain::parse(text).map(Self::Exact).map_err(|_| bad()),
                Some(rest) => match rest.strip_prefix('.') {
                    Some(parent) => Domain::parse(parent)
                        .map(Self::WithSubdomains)
                        .map_err(|_| bad()),
                    None => Err(AddressSpaceError::PartialWildcard(
                        text.to_owned(),
                        rest.to_owned(),
                    )),
                },
            },
        }
    }
}

impl FromStr for AddressSpace {
    type Err = AddressSpaceError;
    /// Reads `[Type:]Space[;Cost]`.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (space, cost) = match text.split_once(';') {
            Some((space, cost)) => (space, cost.trim()),
            None => (text, "1"),
        };
        let number: u8 = cost
            .parse()
            .map_err(|_| AddressSpaceError::Cost(cost.to_owned()))?;
        if !(1..=100).contains(&number) {
            return Err(AddressSpaceError::Cost(cost.to_owned()));
        }
        let space = match space.split_once(':') {
            Some((kind, space)) if kind.trim().eq_ignore_ascii_case("smtp") => space,
            Some((kind, _)) => return Err(AddressSpaceError::Type(kind.trim().to_owned())),
            None => space,
        };
        Ok(Self {
            pattern: space.trim().parse()?,
            cost: number,
            location: None,
        })
    }
}

/// A next hop given by name or address.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum SmartHost {
    /// `[192.0.2.10]`.
    Address(IpAddr),
    /// A name, resolved as MX first, then as A and AAAA.
    Name(Domain),
}

impl fmt::Display for SmartHost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Address(address) => write!(f, "[{address}]"),
            Self::Name(name) => write!(f, "{name}"),
        }
    }
}

impl FromStr for SmartHost {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        let bare = text
            .strip_prefix('[')
            .and_then(|rest| rest.strip_suffix(']'))
            .unwrap_or(text);
        if let Ok(address) = bare.parse() {
            return Ok(Self::Address(address));
        }
        Domain::parse(text)
            .map(Self::Name)
            .map_err(|_| format!("`{text}` is neither a host name nor an address"))
    }
}

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
    /// Where it is described.
    pub settings: Settings,
}

/// A range of addresses, both ends included.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct IpRange {
    first: IpAddr,
    last: IpAddr,
}

impl IpRange {
    /// Every IPv4 address.
    pub const ALL_V4: Self = Self {
        first: IpAddr::V4(Ipv4Addr::UNSPECIFIED),
        last: IpAddr::V4(Ipv4Addr::BROADCAST),
    };
    /// Every IPv6 address.
    pub const ALL_V6: Self = Self {
        first: IpAddr::V6(Ipv6Addr::UNSPECIFIED),
        last: IpAddr::V6(Ipv6Addr::new(
            0xffff, 0xffff, 0xffff, 0xffff, 0xffff, 0xffff, 0xffff, 0xffff,
        )),
    };

    /// Whether the address lies in the range.
    #[must_use]
    pub fn contains(&self, address: IpAddr) -> bool {
        self.first.is_ipv4() == address.is_ipv4() && (self.first..=self.last).contains(&address)
    }

    /// Whether some ranges together contain every address of this one.
    #[must_use]
    pub fn is_covered_by(&self, ranges: &[Self]) -> bool {
        let mut own: Vec<&Self> = ranges
            .iter()
            .filter(|range| range.first.is_ipv4() == self.first.is_ipv4())
            .collect();
        own.sort();
        let mut wanted = number(self.first);
        for range in own {
            if number(range.first) > wanted {
                return false;
            }
            if number(range.last) >= number(self.last) {
                return true;
            }
            wanted = wanted.max(number(range.last) + 1);
        }
        false
    }

    /// Whether some ranges leave out no IPv4 address, or no IPv6 address.
    #[must_use]
    pub fn are_for_everyone(ranges: &[Self]) -> bool {
        [Self::ALL_V4, Self::ALL_V6]
            .iter()
            .any(|all| all.is_covered_by(ranges))
    }

    /// The number of addresses, less one, so that every IPv6 address can be counted.
    #[must_use]
    pub fn breadth(&self) -> u128 {
        number(self.last) - number(self.first)
    }
}

fn number(address: IpAddr) -> u128 {
    match address {
        IpAddr::V4(v4) => u128::from(u32::from(v4)),
        IpAddr::V6(v6) => u128::from(v6),
    }
}

impl fmt::Display for IpRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.first == self.last {
            write!(f, "{}", self.first)
        } else {
            write!(f, "{}-{}", self.first, self.last)
        }
    }
}

impl FromStr for IpRange {
    type Err = String;
    /// Reads an address, `first-last`, or `address/prefix`.
    fn from_str(text: &str) -> Result<Self, String> {
        let bad = || {
            format!(
                "`{text}` is not an address, a range `192.0.2.1-192.0.2.9` or a network `192.0.2.0/24`"
            )
        };
        let address = |part: &str| part.trim().parse::<IpAddr>().map_err(|_| bad());
        if let Some((first, last)) = text.split_once('-') {
            let (first, last) = (address(first)?, address(last)?);
            return if first.is_ipv4() == last.is_ipv4() && first <= last {
                Ok(Self { first, last })
            } else {
                Err(bad())
            };
        }
        let Some((network, prefix)) = text.split_once('/') else {
            let only = address(text)?;
            return Ok(Self {
                first: only,
                last: only,
            });
        };
        let prefix: u32 = prefix.trim().parse().map_err(|_| bad())?;
        match address(network)? {
            IpAddr::V4(v4) if prefix <= 32 => {
                let host = u32::MAX.checked_shr(prefix).unwrap_or(0);
                let base = u32::from(v4) & !host;
                Ok(Self {
                    first: IpAddr::V4(base.into()),
                    last: IpAddr::V4((base | host).into()),
                })
            }
            IpAddr::V6(v6) if prefix <= 128 => {
                let host = u128::MAX.checked_shr(prefix).unwrap_or(0);
                let base = u128::from(v6) & !host;
                Ok(Self {
                    first: IpAddr::V6(base.into()),
                    last: IpAddr::V6((base | host).into()),
                })
            }
            IpAddr::V4(_) | IpAddr::V6(_) => Err(bad()),
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
    /// The name in the peer's certificate.
    pub domain: NamePattern,
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
        /// The local ports.
        ports: Vec<u16>,
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
    /// Where it is described.
    pub settings: Settings,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn address_spaces_are_read_in_every_form() {
        for (text, pattern, cost) in [
            ("contoso.com", "contoso.com", 1),
            ("SMTP:*.contoso.com;20", "*.contoso.com", 20),
            ("smtp:*;100", "*", 100),
            ("SMTP:--;1", "--", 1),
            ("Bücher.example", "xn--bcher-kva.example", 1),
        ] {
            let space: AddressSpace = text.parse().expect(text);
            assert_eq!(
                (space.pattern.to_string().as_str(), space.cost),
                (pattern, cost),
                "{text}"
            );
        }
        for bad in [
            "smtp:contoso.com;x",
            "contoso.com;0",
            "contoso.com;101",
            "*contoso.com",
            "X400:c=us",
            "",
            "a b",
        ] {
            assert!(bad.parse::<AddressSpace>().is_err(), "{bad}");
        }
    }

    #[test]
    fn ip_ranges_contain_and_compare() {
        let range = |text: &str| text.parse::<IpRange>().expect(text);
        let address = |text: &str| text.parse::<IpAddr>().expect(text);
        assert!(range("192.0.2.0/24").contains(address("192.0.2.255")));
        assert!(!range("192.0.2.0/24").contains(address("192.0.3.0")));
        assert!(range("192.0.2.5-192.0.2.9").contains(address("192.0.2.5")));
        assert!(range("0.0.0.0/0").breadth() > range("192.0.2.0/24").breadth());
        assert_eq!(range("0.0.0.0-255.255.255.255"), IpRange::ALL_V4);
        assert!(!IpRange::ALL_V4.contains(address("::1")));
        for bad in [
            "",
            "192.0.2",
            "192.0.2.0/33",
            "192.0.2.9-192.0.2.5",
            "::1-192.0.2.1",
        ] {
            assert!(bad.parse::<IpRange>().is_err(), "{bad}");
        }
    }
}
