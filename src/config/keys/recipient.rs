//! The keys that recipients of both dialects have: what `Set-Mailbox`, `Set-MailUser`,
//! `Set-MailContact` and `Set-DistributionGroup` have in common.

use super::format::{ADDRESS, COUNT, LIMIT, MOMENT, NAME, PROXY_ADDRESS, TARGET_ADDRESS, TEXT};
use super::kind::{Key, boolean, moment, one_or_many, size, text};

/// The keys of a recipient: those that all have, then its own.
macro_rules! recipient_keys {
    ($($own:expr),* $(,)?) => {
        &[
            $crate::config::keys::recipient::RECIPIENT_NAME,
            $crate::config::keys::recipient::PRIMARY,
            $crate::config::keys::recipient::ADDRESSES,
            $($own,)*
            $crate::config::keys::recipient::MAX_SEND_SIZE,
            $crate::config::keys::recipient::MAX_RECEIVE_SIZE,
            $crate::config::keys::recipient::ACCEPT_FROM_ANY,
            $crate::config::keys::recipient::ACCEPT_FROM,
            $crate::config::keys::recipient::ACCEPT_FROM_MEMBERS,
            $crate::config::keys::recipient::REJECT_FROM_ANY,
            $crate::config::keys::recipient::REJECT_FROM,
            $crate::config::keys::recipient::REJECT_FROM_MEMBERS,
            $crate::config::keys::recipient::MODERATION,
            $crate::config::keys::recipient::MODERATED_BY,
            $crate::config::keys::recipient::BYPASS_MODERATION,
            $crate::config::keys::recipient::ARBITRATION_MAILBOX,
            $crate::config::keys::recipient::SEND_ON_BEHALF,
            $crate::config::keys::recipient::LEGACY_DN,
            $crate::config::keys::recipient::HIDDEN,
        ]
    };
}

pub(super) use recipient_keys;

pub(super) const RECIPIENT_NAME: Key =
    text("Name", &NAME, "Its name; absent: the primary address.");
pub(super) const PRIMARY: Key = text(
    "PrimarySmtpAddress",
    &ADDRESS,
    "Its primary address; absent: the one that EmailAddresses marks with `SMTP:`, or the first.",
);
pub(super) const ADDRESSES: Key = one_or_many(
    "EmailAddresses",
    &PROXY_ADDRESS,
    "Its addresses: `SMTP:` before the primary one, `smtp:` or nothing before others, `X500:` before legacy names; other kinds are passed over.",
);
pub(super) const AUTHENTICATED: Key = boolean(
    "RequireSenderAuthenticationEnabled",
    "false",
    "Whether only authenticated senders may write to it.",
);
pub(super) const GROUP_AUTHENTICATED: Key = boolean(
    "RequireSenderAuthenticationEnabled",
    "true",
    "Whether only authenticated senders may write to it.",
);
pub(super) const EXTERNAL_ADDRESS: Key = text(
    "ExternalEmailAddress",
    &TARGET_ADDRESS,
    "The address its mail is sent on to.",
);
pub(super) const MAX_SEND_SIZE: Key = size(
    "MaxSendSize",
    &LIMIT,
    "Unlimited",
    "The largest message it may send.",
);
pub(super) const MAX_RECEIVE_SIZE: Key = size(
    "MaxReceiveSize",
    &LIMIT,
    "Unlimited",
    "The largest message it takes.",
);
pub(super) const RECIPIENT_LIMITS: Key = size(
    "RecipientLimits",
    &COUNT,
    "Unlimited",
    "How many recipients a message of this sender may have.",
);
pub(super) const ACCEPT_FROM_ANY: Key = one_or_many(
    "AcceptMessagesOnlyFromSendersOrMembers",
    &ADDRESS,
    "Who alone may write to it: senders, and groups whose members may.",
);
pub(super) const ACCEPT_FROM: Key = one_or_many(
    "AcceptMessagesOnlyFrom",
    &ADDRESS,
    "Senders who alone may write to it.",
);
pub(super) const ACCEPT_FROM_MEMBERS: Key = one_or_many(
    "AcceptMessagesOnlyFromDLMembers",
    &ADDRESS,
    "Groups whose members alone may write to it.",
);
pub(super) const REJECT_FROM_ANY: Key = one_or_many(
    "RejectMessagesFromSendersOrMembers",
    &ADDRESS,
    "Who may not write to it: senders, and groups whose members may not.",
);
pub(super) const REJECT_FROM: Key = one_or_many(
    "RejectMessagesFrom",
    &ADDRESS,
    "Senders who may not write to it.",
);
pub(super) const REJECT_FROM_MEMBERS: Key = one_or_many(
    "RejectMessagesFromDLMembers",
    &ADDRESS,
    "Groups whose members may not write to it.",
);
pub(super) const MODERATION: Key = boolean(
    "ModerationEnabled",
    "false",
    "Whether somebody must approve mail for it.",
);
pub(super) const MODERATED_BY: Key =
    one_or_many("ModeratedBy", &ADDRESS, "Who approves mail for it.");
pub(super) const BYPASS_MODERATION: Key = one_or_many(
    "BypassModerationFromSendersOrMembers",
    &ADDRESS,
    "Whose mail needs no approval.",
);
pub(super) const ARBITRATION_MAILBOX: Key = text(
    "ArbitrationMailbox",
    &ADDRESS,
    "The mailbox in which messages wait for approval; absent: the organization's.",
);
pub(super) const SEND_ON_BEHALF: Key = one_or_many(
    "GrantSendOnBehalfTo",
    &ADDRESS,
    "Who may send on its behalf.",
);
pub(super) const LEGACY_DN: Key = text(
    "LegacyExchangeDN",
    &TEXT,
    "Its name in the old directory, under which replies to old mail look for it.",
);
pub(super) const HIDDEN: Key = boolean(
    "HiddenFromAddressListsEnabled",
    "false",
    "Whether address lists leave it out.",
);
pub(super) const FORWARDING_ADDRESS: Key = text(
    "ForwardingAddress",
    &ADDRESS,
    "The recipient of the organization to whom its mail is forwarded; goes before ForwardingSmtpAddress.",
);
pub(super) const FORWARDING_SMTP_ADDRESS: Key = text(
    "ForwardingSmtpAddress",
    &TARGET_ADDRESS,
    "The address to which its mail is forwarded.",
);
pub(super) const DELIVER_AND_FORWARD: Key = boolean(
    "DeliverToMailboxAndForward",
    "false",
    "Whether the mailbox gets what is forwarded, too.",
);
pub(super) const MOVED_AT: Key = moment(
    "MovedAt",
    &MOMENT,
    "When the mailbox was moved to where it is.",
);
pub(super) const RECIPIENT_FILTER: Key = text(
    "RecipientFilter",
    &TEXT,
    "The query that gives its members; Members says what it gives.",
);

/// The key of an organization that names its side files.
pub(super) const RECIPIENTS_FILE: Key = one_or_many(
    "RecipientsFile",
    &NAME,
    "Files with more recipients, beside the world's own: CSV, or JSON lines, with a column RecipientTypeDetails.",
);

/// The keys of an Inbox rule.
pub(super) const INBOX_RULE_KEYS: &[Key] = &[
    one_or_many(
        "ForwardTo",
        &TARGET_ADDRESS,
        "To whom every message is forwarded, from the user.",
    ),
    one_or_many(
        "RedirectTo",
        &TARGET_ADDRESS,
        "To whom every message is redirected, with its sender.",
    ),
];

/// The keys of a distribution group beside those of every recipient.
pub(super) const MEMBERS: Key = one_or_many(
    "Members",
    &ADDRESS,
    "Everyone in it: recipients, groups, or addresses that nobody has.",
);
pub(super) const EXPANSION_SERVER: Key = text(
    "ExpansionServer",
    &NAME,
    "The server that alone expands it; absent: any.",
);
pub(super) const REPORT_TO_ORIGINATOR: Key = boolean(
    "ReportToOriginatorEnabled",
    "true",
    "Whether the sender is told of members who cannot be reached.",
);
pub(super) const REPORT_TO_MANAGER: Key = boolean(
    "ReportToManagerEnabled",
    "false",
    "Whether the group's manager is told of them.",
);
pub(super) const MANAGED_BY: Key = one_or_many("ManagedBy", &ADDRESS, "Its owners.");
pub(super) const BROKEN: Key = boolean("Broken", "false", "Whether its query cannot be run.");

/// `RecipientTypeDetails` of mailboxes.
pub(super) const MAILBOX_TYPES: &[&str] = &[
    "UserMailbox",
    "SharedMailbox",
    "RoomMailbox",
    "EquipmentMailbox",
];

/// The keys of a permission to send as a recipient.
pub(super) const SEND_AS_KEYS: &[Key] = &[
    text("Identity", &ADDRESS, "The recipient.").required(),
    text("Trustee", &ADDRESS, "Who may send as it.").required(),
    one_or_many(
        "AccessRights",
        &NAME,
        "The rights, of which SendAs is the only one.",
    )
    .default("SendAs"),
];
