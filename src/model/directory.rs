//! Recipients: what a directory knows about an address.

use super::id::{OrganizationId, ServerId};
use super::organization::Member;
use super::place::Settings;
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
    /// Where it is described.
    pub settings: Settings,
}

impl Recipient {
    /// The primary address.
    ///
    /// # Panics
    /// Never: a recipient without an address is not made.
    #[must_use]
    pub fn primary(&self) -> &Mailbox {
        &self.addresses[0]
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
    },
    /// A Microsoft 365 Group as it is written back to Active Directory.
    RemoteGroup {
        /// Where to send it instead of its primary address, where an import found that.
        target_address: Option<Mailbox>,
        /// Whether `Update-Recipient` made it a recipient.
        mail_enabled: bool,
    },
}

/// Kinds of recipient whose mail goes elsewhere.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum MailUserFlavour {
    /// `MailUser`.
    MailUser,
    /// `RemoteUserMailbox`.
    RemoteMailbox,
}

impl RecipientKind {
    /// `RecipientTypeDetails` as Exchange spells it.
    #[must_use]
    pub const fn type_details(&self) -> &'static str {
        match self {
            Self::Mailbox { .. } => "UserMailbox",
            Self::MailUser {
                flavour: MailUserFlavour::MailUser,
                ..
            } => "MailUser",
            Self::MailUser {
                flavour: MailUserFlavour::RemoteMailbox,
                ..
            } => "RemoteUserMailbox",
            Self::Group { .. } => "GroupMailbox",
            Self::RemoteGroup { .. } => "RemoteGroupMailbox",
        }
    }
}
