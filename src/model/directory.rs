//! Recipients: what a directory knows about an address.

use super::id::{OrganizationId, ServerId};
use super::organization::Member;
use super::place::Settings;
use super::policy::{DistributionGroup, MailboxType, Policy, UnifiedGroup};
use crate::mail::Mailbox;

/// A recipient object of one organization.
#[derive(Clone, Debug)]
pub struct Recipient {
    /// Whose directory it is in.
    pub organization: OrganizationId,
    /// Its display name or identity.
    pub name: String,
    /// Its addresses: the first is the primary one.
    pub addresses: Vec<Mailbox>,
    /// What it is.
    pub kind: RecipientKind,
    /// Whether only authenticated senders may write to it.
    pub require_sender_authentication: bool,
    /// What few recipients have; `None` where nothing of it is set. See [`Recipient::policy`].
    pub exceptions: Option<Box<Policy>>,
    /// Where it is described.
    pub settings: Settings,
}

static PLAIN: Policy = Policy::PLAIN;

impl Recipient {
    /// A recipient that anybody may write to, with nothing particular about it.
    #[must_use]
    pub fn new(organization: OrganizationId, addresses: Vec<Mailbox>, kind: RecipientKind) -> Self {
        Self {
            organization,
            name: addresses
                .first()
                .map(ToString::to_string)
                .unwrap_or_default(),
            addresses,
            kind,
            require_sender_authentication: false,
            exceptions: None,
            settings: Settings::default(),
        }
    }

    /// What is set on it beside its addresses and its kind.
    #[must_use]
    pub fn policy(&self) -> &Policy {
        self.exceptions.as_deref().unwrap_or(&PLAIN)
    }

    /// `RecipientTypeDetails` as Exchange spells it.
    #[must_use]
    pub fn type_details(&self) -> &'static str {
        match (&self.kind, self.policy().mailbox_type) {
            (RecipientKind::Mailbox { .. }, MailboxType::Equipment) => "EquipmentMailbox",
            (RecipientKind::Mailbox { .. }, MailboxType::Room) => "RoomMailbox",
            (RecipientKind::Mailbox { .. }, MailboxType::Shared) => "SharedMailbox",
            (
                RecipientKind::MailUser {
                    flavour: MailUserFlavour::RemoteMailbox,
                    ..
                },
                kind,
            ) => match kind {
                MailboxType::Equipment => "RemoteEquipmentMailbox",
                MailboxType::Room => "RemoteRoomMailbox",
                MailboxType::Shared => "RemoteSharedMailbox",
                MailboxType::User => "RemoteUserMailbox",
            },
            (
                RecipientKind::MailUser {
                    flavour: MailUserFlavour::MailUser,
                    ..
                },
                _,
            ) if self.policy().guest => "GuestMailUser",
            (kind, _) => kind.type_details(),
        }
    }

    /// The primary address.
    ///
    /// # Panics
    /// Never: a recipient without an address is not made.
    #[must_use]
    pub fn primary(&self) -> &Mailbox {
        &self.addresses[0]
    }

    /// Where mail for it goes instead: the attribute `targetAddress`.
    #[must_use]
    pub fn target_address(&self) -> Option<&Mailbox> {
        match &self.kind {
            RecipientKind::MailUser { target_address, .. }
            | RecipientKind::RemoteGroup { target_address, .. } => target_address.as_ref(),
            RecipientKind::DistributionGroup(_)
            | RecipientKind::Group { .. }
            | RecipientKind::Mailbox { .. } => None,
        }
    }
}

/// What a recipient is, with what only that kind has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RecipientKind {
    /// A mailbox of this organization.
    Mailbox {
        /// The server that holds it.
        server: ServerId,
        /// Whether the user's own posts to groups come back (`EchoGroupMessageBackToSubscribedSender`).
        echo: bool,
    },
    /// Somebody whose mailbox is elsewhere: mail user or remote mailbox.
    MailUser {
        /// Which of the two it is.
        flavour: MailUserFlavour,
        /// `ExternalEmailAddress`, `RemoteRoutingAddress`: the attribute `targetAddress`.
        target_address: Option<Mailbox>,
        /// Whether the user's own posts to groups come back.
        echo: bool,
    },
    /// A Microsoft 365 Group.
    Group {
        /// Everyone in it.
        members: Vec<Member>,
        /// Members who get a copy in their own mailbox.
        subscribers: Vec<Member>,
        /// What else is set on it.
        details: Box<UnifiedGroup>,
    },
    /// A distribution group or a mail-enabled security group, dynamic or not.
    DistributionGroup(Box<DistributionGroup>),
    /// A Microsoft 365 Group as it is written back to Active Directory.
    RemoteGroup {
        /// Where to send it instead of its primary address, where an import found that.
        target_address: Option<Mailbox>,
        /// Whether `Update-Recipient` made it a recipient.
        mail_enabled: bool,
        /// Its members as they were written back; routing never asks.
        members: Vec<Member>,
    },
}

/// Kinds of recipient whose mail goes elsewhere.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum MailUserFlavour {
    /// `MailContact`.
    Contact,
    /// `MailUser`.
    MailUser,
    /// `RemoteUserMailbox`.
    RemoteMailbox,
}

impl RecipientKind {
    /// `RecipientTypeDetails` as Exchange spells it.
    #[must_use]
    pub fn type_details(&self) -> &'static str {
        match self {
            Self::Mailbox { .. } => "UserMailbox",
            Self::MailUser {
                flavour: MailUserFlavour::Contact,
                ..
            } => "MailContact",
            Self::MailUser {
                flavour: MailUserFlavour::MailUser,
                ..
            } => "MailUser",
            Self::MailUser {
                flavour: MailUserFlavour::RemoteMailbox,
                ..
            } => "RemoteUserMailbox",
            Self::Group { .. } => "GroupMailbox",
            Self::DistributionGroup(group) if group.dynamic => "DynamicDistributionGroup",
            Self::DistributionGroup(_) => "MailUniversalDistributionGroup",
            Self::RemoteGroup { .. } => "RemoteGroupMailbox",
        }
    }
}
