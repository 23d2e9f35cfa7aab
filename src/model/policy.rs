//! What few recipients have: forwarding, limits, restrictions, moderation, old addresses.

use jiff::Timestamp;

use super::organization::Member;
use super::place::Settings;
use crate::mail::{Limit, Mailbox};

/// What a recipient has beside its addresses, in the words of `Set-Mailbox` and
/// `Set-DistributionGroup`; [`Policy::PLAIN`] where nothing of it is set.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Policy {
    /// Which sort of mailbox it is.
    pub mailbox_type: MailboxType,
    /// Where mail for it goes as well, or instead.
    pub forwarding: Forwarding,
    /// `MaxSendSize`: larger messages of this sender fail at the first server.
    pub max_send_size: Limit,
    /// `MaxReceiveSize`: larger messages for this recipient fail.
    pub max_receive_size: Limit,
    /// `RecipientLimits`: how many recipients a message of this sender may have; `None`: as many as
    /// the organization allows.
    pub recipient_limit: Option<u32>,
    /// `AcceptMessagesOnlyFromSendersOrMembers`, with its two parts: who alone may write; empty:
    /// everybody.
    pub accept_only_from: Vec<Member>,
    /// `RejectMessagesFromSendersOrMembers`, with its two parts: who may not write.
    pub reject_from: Vec<Member>,
    /// Who must approve mail for it.
    pub moderation: Option<Moderation>,
    /// `GrantSendOnBehalfTo`.
    pub send_on_behalf: Vec<Member>,
    /// `LegacyExchangeDN`.
    pub legacy_dn: Option<String>,
    /// The proxy addresses of type X500, without the type.
    pub x500: Vec<String>,
    /// An `ExternalEmailAddress` that is not of type SMTP.
    pub foreign_address: Option<ForeignAddress>,
    /// `HiddenFromAddressListsEnabled`.
    pub hidden: bool,
    /// Whether it is a guest of the tenant (`#EXT#`): nobody in the forest.
    pub guest: bool,
    /// Whether a mailbox has a database; one without was moved away badly.
    pub has_database: bool,
    /// Whether a cloud mailbox has a licence.
    pub licensed: bool,
    /// When the mailbox was moved to where it is.
    pub moved_at: Option<Timestamp>,
}

impl Policy {
    /// A recipient of which nothing particular is said.
    pub const PLAIN: Self = Self {
        mailbox_type: MailboxType::User,
        forwarding: Forwarding::NONE,
        max_send_size: Limit::Unlimited,
        max_receive_size: Limit::Unlimited,
        recipient_limit: None,
        accept_only_from: Vec::new(),
        reject_from: Vec::new(),
        moderation: None,
        send_on_behalf: Vec::new(),
        legacy_dn: None,
        x500: Vec::new(),
        foreign_address: None,
        hidden: false,
        guest: false,
        has_database: true,
        licensed: true,
        moved_at: None,
    };
}

impl Default for Policy {
    fn default() -> Self {
        Self::PLAIN
    }
}

/// `RecipientTypeDetails` of mailboxes and remote mailboxes, without the part that says where.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum MailboxType {
    /// Equipment.
    Equipment,
    /// A room, which answers invitations.
    Room,
    /// A mailbox that several people use.
    Shared,
    /// Somebody's.
    #[default]
    User,
}

/// Forwarding of a mailbox, by an administrator or by the user (Exchange Server, "Configure email
/// forwarding for a mailbox").
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Forwarding {
    /// `ForwardingAddress`: a recipient of the organization; it goes before `smtp_address`.
    pub address: Option<Member>,
    /// `ForwardingSmtpAddress`.
    pub smtp_address: Option<Mailbox>,
    /// `DeliverToMailboxAndForward`: whether the mailbox gets the message too.
    pub deliver_too: bool,
    /// What the user's Inbox rules send on.
    pub inbox_rules: Vec<InboxRule>,
}

impl Forwarding {
    /// Nothing is forwarded.
    pub const NONE: Self = Self {
        address: None,
        smtp_address: None,
        deliver_too: false,
        inbox_rules: Vec::new(),
    };
}

/// An Inbox rule that sends every message on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InboxRule {
    /// To whom.
    pub target: Mailbox,
    /// Whether the message keeps its sender (`RedirectTo`) instead of getting a new one
    /// (`ForwardTo`).
    pub redirects: bool,
}

/// `ModerationEnabled` and what goes with it (Exchange Server, "Manage message approval").
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Moderation {
    /// `ModeratedBy`; empty: the owners of the group.
    pub moderators: Vec<Member>,
    /// `BypassModerationFromSendersOrMembers`.
    pub bypass: Vec<Member>,
    /// `ArbitrationMailbox`: where messages wait; `None`: the organization's.
    pub arbitration_mailbox: Option<Mailbox>,
}

/// An address that is not of type SMTP.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ForeignAddress {
    /// Its type in upper case, such as `X400`.
    pub kind: String,
    /// What follows the type.
    pub address: String,
}

/// A distribution group, or a dynamic one, whose members the world states all the same.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DistributionGroup {
    /// Everyone in it; groups may be among them.
    pub members: Vec<Member>,
    /// Whether a query gives its members.
    pub dynamic: bool,
    /// Whether that query cannot be run.
    pub broken: bool,
    /// `ExpansionServer`: where alone it is expanded.
    pub expansion_server: Option<super::id::ServerId>,
    /// `ReportToOriginatorEnabled`: whether the sender is told of failures.
    pub report_to_originator: bool,
    /// `ReportToManagerEnabled`: whether the first of `managed_by` is told instead.
    pub report_to_manager: bool,
    /// `ManagedBy`.
    pub managed_by: Vec<Member>,
}

impl Default for DistributionGroup {
    fn default() -> Self {
        Self {
            members: Vec::new(),
            dynamic: false,
            broken: false,
            expansion_server: None,
            report_to_originator: true,
            report_to_manager: false,
            managed_by: Vec::new(),
        }
    }
}

/// What a Microsoft 365 Group has beside members and subscribers (Exchange PowerShell,
/// "Set-UnifiedGroup").
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnifiedGroup {
    /// Who manages it.
    pub owners: Vec<Member>,
    /// Who gets invitations; `None`: the subscribers.
    pub event_subscribers: Option<Vec<Member>>,
    /// `AlwaysSubscribeMembersToCalendarEvents`.
    pub always_subscribe_to_events: bool,
    /// `SubscriptionEnabled`: whether members may subscribe.
    pub subscription_enabled: bool,
    /// `HiddenFromExchangeClientsEnabled`.
    pub hidden_from_clients: bool,
    /// Since when a member is in it, where the world says so.
    pub member_since: Vec<MemberSince>,
    /// `WhenCreated`, where the world says it.
    pub created_at: Option<Timestamp>,
}

/// Since when somebody is a member of a group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MemberSince {
    /// Who.
    pub member: Member,
    /// Since when.
    pub since: Timestamp,
    /// Where it is described.
    pub settings: Settings,
}

impl Default for UnifiedGroup {
    fn default() -> Self {
        Self {
            owners: Vec::new(),
            event_subscribers: None,
            always_subscribe_to_events: false,
            subscription_enabled: true,
            hidden_from_clients: false,
            member_since: Vec::new(),
            created_at: None,
        }
    }
}
