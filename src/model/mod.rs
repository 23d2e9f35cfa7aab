//! What exists: organizations, servers, connectors, directories, certificates. Immutable.
//!
//! Not here: how any of it was written down (`config`), and what follows from it (`route`).
//! Objects go in as [`Parts`]; a [`Topology`] with its indexes comes out and never changes.
//!
//! Invariant: every id in a topology is an index into one of its lists.
//! Invariant: a recipient has at least one address.
//!
//! Sources: Exchange Server, "Accepted domains", "Send connectors", "Receive connectors",
//! "Recipients"; Exchange Online, "Configure mail flow using connectors".

mod certificate;
mod connector;
mod directory;
mod id;
mod intent;
mod organization;
mod place;
mod server;
mod topology;

pub use certificate::Certificate;
pub use connector::{
    AddressSpace, AddressSpaceError, DomainPattern, IpRange, Matcher, PermissionGroup,
    ReceiveConnector, Routing, SendConnector, SmartHost, TlsAuthLevel, TlsDomainCapability,
};
pub use directory::{MailUserFlavour, Recipient, RecipientKind};
pub use id::{
    AcceptedDomainId, CertificateId, OrganizationId, ReceiveConnectorId, RecipientId,
    SendConnectorId, ServerId,
};
pub use intent::Expectation;
pub use organization::{
    AcceptedDomain, DomainType, EXCHANGE_ONLINE, EXCHANGE_SERVER, Fallback, INTERNET, Member,
    Organization, OrganizationKind, Profile, RemoteDomain, replies,
};
pub use place::Settings;
pub use server::{DnsView, RecipientValidation, Server, ServerRole, Service, TransportRole};
pub use topology::{Parts, Topology};
