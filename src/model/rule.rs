//! Mail-flow rules, as far as they change where a message goes (Exchange Server, "Mail flow rules";
//! Exchange PowerShell, "New-TransportRule").

use super::id::{OrganizationId, SendConnectorId};
use super::organization::Member;
use super::place::Settings;
use crate::mail::{ByteSize, Domain};

/// A mail-flow rule.
#[derive(Clone, Debug)]
pub struct TransportRule {
    /// Whose it is.
    pub organization: OrganizationId,
    /// Its name.
    pub name: String,
    /// Lower ones run first.
    pub priority: u32,
    /// `State`.
    pub enabled: bool,
    /// `Mode` Enforce; a rule that is only audited changes nothing.
    pub enforced: bool,
    /// All must hold; none: every message.
    pub conditions: Vec<Condition>,
    /// None may hold.
    pub exceptions: Vec<Condition>,
    /// What it does, in the order of the keys.
    pub actions: Vec<Action>,
    /// `StopRuleProcessing`.
    pub stops: bool,
    /// Where it is described.
    pub settings: Settings,
}

/// Whether somebody is in the organization.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Scope {
    /// `InOrganization`.
    Inside,
    /// `NotInOrganization`.
    Outside,
}

/// A condition, or an exception, of a rule. A list holds if one of it does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Condition {
    /// `From`.
    From(Vec<Member>),
    /// `FromMemberOf`.
    FromMemberOf(Vec<Member>),
    /// `FromScope`.
    FromScope(Scope),
    /// `SenderDomainIs`: the domain or one below it.
    SenderDomainIs(Vec<Domain>),
    /// `SentTo`.
    SentTo(Vec<Member>),
    /// `SentToMemberOf`.
    SentToMemberOf(Vec<Member>),
    /// `SentToScope`.
    SentToScope(Scope),
    /// `RecipientDomainIs`: the domain or one below it.
    RecipientDomainIs(Vec<Domain>),
    /// `MessageSizeOver`.
    MessageSizeOver(ByteSize),
    /// One that needs the content of a message, by its key: a world does not say whether it holds.
    Content(&'static str),
}

/// What a rule does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// `AddToRecipients`, `CopyTo` and `BlindCopyTo`, which differ in headers only.
    Add(Vec<Member>),
    /// `DeleteMessage`.
    Delete,
    /// `RedirectMessageTo`.
    Redirect(Vec<Member>),
    /// `RejectMessageEnhancedStatusCode` and `RejectMessageReasonText`.
    Reject {
        /// The status, such as `5.7.1`.
        status: String,
        /// The text.
        text: String,
    },
    /// `RouteMessageOutboundRequireTls`.
    RequireTls,
    /// `RouteMessageOutboundConnector`; in the cloud only.
    Route(SendConnectorId),
}
