//! The keys of mail-flow rules, which both dialects have (Exchange PowerShell, "New-TransportRule").

use super::format::{ADDRESS, BYTES, DOMAIN, NAME, STATUS, TEXT};
use super::kind::{Key, boolean, choice, number, one_or_many, size_without_default, text};

/// Conditions that need the content of a message: a world does not say whether they hold.
pub(in crate::config) const CONTENT_CONDITIONS: &[&str] = &[
    "SubjectContainsWords",
    "SubjectOrBodyContainsWords",
    "HeaderContainsMessageHeader",
    "HasClassification",
    "AttachmentNameMatchesPatterns",
    "SCLOver",
];

const fn people(name: &'static str, says: &'static str) -> Key {
    one_or_many(name, &ADDRESS, says)
}

const fn content(name: &'static str) -> Key {
    one_or_many(
        name,
        &TEXT,
        "A condition on the content: routing that depends on it is unknown.",
    )
}

const SCOPES: &[&str] = &["InOrganization", "NotInOrganization"];

/// What a rule has in both dialects.
pub(super) const RULE_KEYS: &[Key] = &[
    text("Name", &NAME, "Its name.").required(),
    number(
        "Priority",
        (0, 10_000),
        "Lower ones run first; absent: the place in the list.",
    ),
    choice("State", &["Enabled", "Disabled"], "Whether it is in use.").default("Enabled"),
    choice(
        "Mode",
        &["Enforce", "Audit", "AuditAndNotify"],
        "Whether it changes anything.",
    )
    .default("Enforce"),
    boolean(
        "StopRuleProcessing",
        "false",
        "Whether no further rule runs where it applies.",
    ),
    people("From", "Senders."),
    people("FromMemberOf", "Groups that the sender is a member of."),
    choice("FromScope", SCOPES, "Where the sender is."),
    one_or_many("SenderDomainIs", &DOMAIN, "Domains of the sender."),
    people("SentTo", "Recipients."),
    people("SentToMemberOf", "Groups that a recipient is a member of."),
    choice("SentToScope", SCOPES, "Where a recipient is."),
    one_or_many("RecipientDomainIs", &DOMAIN, "Domains of a recipient."),
    size_without_default(
        "MessageSizeOver",
        &BYTES,
        "The size from which on it applies.",
    ),
    content("SubjectContainsWords"),
    content("SubjectOrBodyContainsWords"),
    content("HeaderContainsMessageHeader"),
    content("HasClassification"),
    content("AttachmentNameMatchesPatterns"),
    content("SCLOver"),
    people("ExceptIfFrom", "Senders whom it spares."),
    people(
        "ExceptIfFromMemberOf",
        "Groups whose members it spares as senders.",
    ),
    choice(
        "ExceptIfFromScope",
        SCOPES,
        "Where senders are whom it spares.",
    ),
    one_or_many(
        "ExceptIfSenderDomainIs",
        &DOMAIN,
        "Domains of senders whom it spares.",
    ),
    people("ExceptIfSentTo", "Recipients whom it spares."),
    people(
        "ExceptIfSentToMemberOf",
        "Groups whose members it spares as recipients.",
    ),
    choice(
        "ExceptIfSentToScope",
        SCOPES,
        "Where recipients are whom it spares.",
    ),
    one_or_many(
        "ExceptIfRecipientDomainIs",
        &DOMAIN,
        "Domains of recipients whom it spares.",
    ),
    people(
        "RedirectMessageTo",
        "Who gets the message instead of its recipients.",
    ),
    people("AddToRecipients", "Who gets the message as well, as To."),
    people("CopyTo", "Who gets the message as well, as Cc."),
    people("BlindCopyTo", "Who gets the message as well, as Bcc."),
    text(
        "RejectMessageReasonText",
        &TEXT,
        "The text with which it is refused.",
    ),
    text(
        "RejectMessageEnhancedStatusCode",
        &STATUS,
        "The status with which it is refused: 5.7.1, or 5.7.900 to 5.7.999.",
    ),
    boolean("DeleteMessage", "false", "Whether it is dropped."),
    boolean(
        "RouteMessageOutboundRequireTls",
        "false",
        "Whether it leaves under TLS only.",
    ),
    text(
        "RouteMessageOutboundConnector",
        &NAME,
        "The outbound connector that it takes; in the cloud only.",
    ),
];
