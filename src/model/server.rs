//! Servers: everything that speaks SMTP, from a Mailbox server to a host on the Internet.

use std::net::IpAddr;

use super::id::OrganizationId;
use super::place::Settings;
use crate::mail::Domain;

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
    /// The tenants it is the front end of, with their hubs; empty for servers that route themselves.
    pub front_end_for: Vec<(OrganizationId, super::id::ServerId)>,
    /// Where it is described.
    pub settings: Settings,
}

impl Server {
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
