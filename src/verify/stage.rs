//! In which order rules speak. An earlier failure masks later symptoms, so a rule runs after the rules
//! about everything that a message passes before.

use super::context::{Context, Found};

/// What a rule is about, in the order of masking: the findings of an earlier stage claim the flows
/// that they explain, and later stages look at the others.
///
/// The order is that of a message to a group on its way from the premises (Exchange Server, "Configure
/// Microsoft 365 Groups with on-premises Exchange hybrid"); rules about other mail stand where their
/// cause would. What is about no single cause comes last.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Stage {
    /// What the tenant accepts.
    TenantDomain,
    /// The MX records that everybody sees.
    Mx,
    /// The MX records that the servers on premises see instead.
    InternalView,
    /// What the organization on premises accepts.
    AcceptedDomain,
    /// Which type accepted domains have, on either side.
    DomainType,
    /// Which connector carries a domain.
    AddressSpaces,
    /// Edge servers as sources, and what they take for inside.
    EdgeSource,
    /// TLS, certificates, attribution and organization headers: the connectors themselves.
    Certificates,
    /// Recipients and groups, and whom they trust.
    Outcome,
    /// Centralized mail transport.
    Centralized,
    /// Groups' second addresses.
    SecondaryAddress,
    /// Autodiscover.
    Autodiscover,
    /// What is dangerous, will break or is worth knowing, though mail flows.
    Notes,
    /// Flows that go wrong without a known cause.
    CatchAll,
    /// What the owner of the world expects.
    Expectations,
}

/// One rule: each file of this folder that has some exports them as `RULES`.
#[derive(Clone, Copy)]
pub(super) struct Rule {
    /// When it runs.
    pub(super) stage: Stage,
    /// What it finds.
    pub(super) check: fn(&Context<'_>) -> Vec<Found>,
}

impl Rule {
    pub(super) const fn new(stage: Stage, check: fn(&Context<'_>) -> Vec<Found>) -> Self {
        Self { stage, check }
    }
}
