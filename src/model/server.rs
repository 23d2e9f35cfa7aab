//! Servers: everything that speaks SMTP, from a Mailbox server to a host on the Internet.

use std::collections::BTreeMap;
use std::net::IpAddr;

use jiff::{SignedDuration, Timestamp};

use super::id::OrganizationId;
use super::organization::Profile;
use super::place::Settings;
use super::space::SmartHost;
use crate::mail::{Domain, Mailbox};

/// What a server is for. Routing asks [`Server::directory`], [`Server::services`] and the like; the
/// role is for the reader, and for defaults where a world is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum ServerRole {
    /// Edge Transport server.
    Edge,
    /// Exchange Online Protection: takes mail for tenants and hands it to their hubs.
    FrontEnd,
    /// A mail host on the Internet.
    Host,
    /// The transport and mailboxes of an Exchange Online tenant.
    Hub,
    /// Mailbox server.
    Mailbox,
}

impl ServerRole {
    /// The role as people write it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Edge => "Edge",
            Self::FrontEnd => "EOP",
            Self::Host => "Internet host",
            Self::Hub => "Exchange Online",
            Self::Mailbox => "Mailbox",
        }
    }
}

/// Which answers of DNS a server sees.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum DnsView {
    /// The organization's own resolvers.
    Internal,
    /// What the Internet sees.
    Public,
}

/// One SMTP service of a server: it takes a message, checks its hop counts against its own Receive
/// connector, and adds one Received field.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Service {
    /// The role of the Receive connectors that listen for it.
    pub transport_role: TransportRole,
    /// The name after `by` in its Received field.
    pub received_by: Domain,
}

/// `TransportRole` of a Receive connector, and what stands for it elsewhere.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum TransportRole {
    /// The front end: a stateless proxy on ports 25 and 587.
    FrontendTransport,
    /// The transport service; on an Edge server and on Internet hosts the only one.
    HubTransport,
}

impl TransportRole {
    /// The value as Exchange spells it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::FrontendTransport => "FrontendTransport",
            Self::HubTransport => "HubTransport",
        }
    }
}

/// When a server looks recipients up at RCPT TO.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RecipientValidation {
    /// In Authoritative domains, for mail that no trusted connector brought: the recipient filter of
    /// an Edge server, Directory Based Edge Blocking in the cloud.
    Authoritative,
    /// Never: the categorizer finds out.
    Off,
}

/// A server of the world.
#[derive(Clone, Debug)]
pub struct Server {
    /// Whose it is.
    pub organization: OrganizationId,
    /// Its short name.
    pub name: String,
    /// The name it says in EHLO and in Received fields.
    pub fqdn: Domain,
    /// What it is for.
    pub role: ServerRole,
    /// Its Active Directory site; servers of one organization without sites share the empty name.
    pub site: String,
    /// Its addresses.
    pub addresses: Vec<IpAddr>,
    /// The region that serves at an address of it, where the world says so: a front end has one address
    /// for each region.
    pub regions: BTreeMap<IpAddr, String>,
    /// Which DNS it asks.
    pub dns_view: DnsView,
    /// Whether it can look recipients up; an Edge server cannot.
    pub directory: bool,
    /// What it does at RCPT TO.
    pub recipient_validation: RecipientValidation,
    /// The services a message from outside passes here, in their order.
    pub services: Vec<Service>,
    /// Exchange Server's version as printed, where it is one.
    pub version: Option<String>,
    /// The replies of its version.
    pub profile: &'static Profile,
    /// Whether it authenticates to the servers of its organization: an Edge server does when it is
    /// subscribed.
    pub subscribed: bool,
    /// When an Edge server was subscribed, where the world says so.
    pub subscribed_at: Option<Timestamp>,
    /// When EdgeSync last wrote to an Edge server, where the world says so.
    pub synchronized_at: Option<Timestamp>,
    /// When the hybrid wizard last wrote the settings of an Edge server, where the world says so.
    pub wizard_ran: Option<Timestamp>,
    /// The recipient filter of an Edge server.
    pub recipient_filter: RecipientFilter,
    /// `MessageExpirationTimeout`, where it is not the profile's.
    pub message_expiration: Option<SignedDuration>,
    /// `ExternalIPAddress`: the address it shows to the Internet.
    pub external_address: Option<IpAddr>,
    /// Where a gateway of a third party sends what it takes for domains that are not its own; empty:
    /// nowhere.
    pub relays_to: Vec<SmartHost>,
    /// Whether it takes organization headers off what passes it.
    pub strips_headers: bool,
    /// The tenants it is the front end of, with their hubs; empty for servers that route themselves.
    pub front_end_for: Vec<(OrganizationId, super::id::ServerId)>,
    /// Where it is described.
    pub settings: Settings,
}

/// `RecipientFilterConfig` of an Edge server (Exchange PowerShell, "Set-RecipientFilterConfig").
/// Whether recipients are looked up is [`Server::recipient_validation`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RecipientFilter {
    /// `Enabled`.
    pub enabled: bool,
    /// `ExternalMailEnabled`: whether it holds for sessions without authentication.
    pub external: bool,
    /// `InternalMailEnabled`: whether it holds for authenticated ones.
    pub internal: bool,
    /// `BlockListEnabled`.
    pub block_list: bool,
    /// `BlockedRecipients`.
    pub blocked: Vec<Mailbox>,
}

impl Default for RecipientFilter {
    fn default() -> Self {
        Self {
            enabled: true,
            external: true,
            internal: false,
            block_list: false,
            blocked: Vec::new(),
        }
    }
}

impl Server {
    /// How long it tries a message.
    #[must_use]
    pub fn expiration(&self) -> SignedDuration {
        let own = self.message_expiration;
        own.unwrap_or(self.profile.message_expiration)
    }

    /// A server with a directory and one service, that sees the public DNS and validates nobody.
    #[must_use]
    pub fn new(
        organization: OrganizationId,
        name: impl Into<String>,
        fqdn: Domain,
        role: ServerRole,
        profile: &'static Profile,
    ) -> Self {
        Self {
            organization,
            name: name.into(),
            role,
            site: String::new(),
            addresses: Vec::new(),
            regions: BTreeMap::new(),
            dns_view: DnsView::Public,
            directory: true,
            recipient_validation: RecipientValidation::Off,
            services: vec![Service {
                transport_role: TransportRole::HubTransport,
                received_by: fqdn.clone(),
            }],
            version: None,
            profile,
            subscribed: true,
            subscribed_at: None,
            synchronized_at: None,
            wizard_ran: None,
            recipient_filter: RecipientFilter::default(),
            message_expiration: None,
            external_address: None,
            relays_to: Vec::new(),
            strips_headers: false,
            front_end_for: Vec::new(),
            settings: Settings::default(),
            fqdn,
        }
    }

    /// Whether the server hands sessions on instead of routing messages.
    #[must_use]
    pub fn is_front_end(&self) -> bool {
        !self.front_end_for.is_empty()
    }

    /// Whether it delivers to any address of its domains: what the world says of an Internet host is
    /// its domains, not its mailboxes.
    #[must_use]
    pub fn takes_every_address(&self) -> bool {
        self.role == ServerRole::Host
    }
}
