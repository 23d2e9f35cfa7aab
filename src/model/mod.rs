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

mod addresses;
mod certificate;
mod connector;
mod directory;
mod entra;
mod hybrid;
mod id;
mod intent;
mod organization;
mod place;
mod policy;
mod range;
mod roll;
mod rule;
mod server;
mod site;
mod space;
mod targets;
mod topology;
mod transport;
mod ways;

pub use addresses::AddressIndex;
pub use certificate::Certificate;
pub use connector::{
    AdPermission, ErrorPolicy, ExtendedRight, Matcher, PartnerRestriction, PermissionGroup,
    ReceiveConnector, RecipientDomainRules, Routing, SendConnector, SessionLimits, TlsAuthLevel,
    TlsDomainCapability, Trustee,
};
pub use directory::{MailUserFlavour, Recipient, RecipientKind};
pub use entra::{EntraConnect, SignInMethod};
pub use hybrid::{EmailAddressPolicy, HybridConfiguration, SendAsPermission};
pub use id::{
    AcceptedDomainId, AddressId, CertificateId, OrganizationId, ReceiveConnectorId, RecipientId,
    RuleId, SendConnectorId, ServerId,
};
pub use intent::Expectation;
pub use organization::{
    AcceptedDomain, CloudDomain, DomainType, EXCHANGE_2013, EXCHANGE_ONLINE, EXCHANGE_SERVER,
    Fallback, INTERNET, Member, Organization, OrganizationKind, Profile, RemoteDomain, replies,
};
pub use place::Settings;
pub use policy::{
    DistributionGroup, ForeignAddress, Forwarding, InboxRule, MailboxType, MemberSince, Moderation,
    Policy, UnifiedGroup,
};
pub use range::IpRange;
pub use rule::{Action, Condition, Scope, TransportRule};
pub use server::{
    DnsView, RecipientFilter, RecipientValidation, Server, ServerRole, Service, TransportRole,
};
pub use site::{Site, SiteLink};
pub use space::{AddressSpace, AddressSpaceError, DomainPattern, SmartHost};
pub use topology::{Parts, Topology};
pub use transport::{AutoForwarding, SizesBind, TenantPolicy, TransportConfig};
pub use ways::Way;
