//! The keys of an Exchange Online tenant.

use super::format::{
    ACCEPTED_DOMAIN, ADDRESS, ADDRESS_SPACE, DOMAIN, FOREIGN_ADDRESS, MOMENT, NAME, NAME_PATTERN,
    REMOTE_DOMAIN, SENDER_IP_ADDRESS, SMART_HOST,
};
use super::kind::{Key, Kind, boolean, choice, moment, object, objects, one_or_many, switch, text};
use super::recipient::{
    AUTHENTICATED, BROKEN, DELIVER_AND_FORWARD, EXTERNAL_ADDRESS, FORWARDING_ADDRESS,
    FORWARDING_SMTP_ADDRESS, GROUP_AUTHENTICATED, INBOX_RULE_KEYS, MAILBOX_TYPES, MANAGED_BY,
    MEMBERS, MOVED_AT, RECIPIENT_FILTER, RECIPIENT_LIMITS, RECIPIENTS_FILE, REPORT_TO_MANAGER,
    REPORT_TO_ORIGINATOR, SEND_AS_KEYS, recipient_keys,
};
use super::remote::{
    REMOTE_AUTO_FORWARD, REMOTE_DELIVERY_REPORT, REMOTE_IS_INTERNAL, REMOTE_NDR, REMOTE_OOF,
    REMOTE_TRUSTED_IN, REMOTE_TRUSTED_OUT,
};
use super::rule::RULE_KEYS;

/// `TlsAuthLevel` of a Send connector, `TlsSettings` of an outbound one.
pub(super) const TLS_AUTH_LEVELS: &[&str] = &[
    "EncryptionOnly",
    "CertificateValidation",
    "DomainValidation",
];

const CONNECTOR_TYPES: &[&str] = &["Partner", "OnPremises"];
const CONNECTOR_SOURCES: &[&str] = &["Default", "HybridWizard", "AdminUI", "Migrated"];

/// A tenant.
pub(super) static TENANT: Kind = Kind {
    path: "ExchangeOnline",
    says: "An Exchange Online tenant.",
    keys: &[
        text(
            "Name",
            &DOMAIN,
            "Its initial domain, which it accepts without saying so.",
        )
        .required(),
        objects(&ACCEPTED_DOMAINS, "AcceptedDomains"),
        objects(&INBOUND_CONNECTORS, "InboundConnectors"),
        objects(&OUTBOUND_CONNECTORS, "OutboundConnectors"),
        RECIPIENTS_FILE,
        objects(&MAILBOXES, "Mailboxes"),
        objects(&MAIL_USERS, "MailUsers"),
        objects(&UNIFIED_GROUPS, "UnifiedGroups"),
        objects(&MAIL_CONTACTS, "MailContacts"),
        objects(&DISTRIBUTION_GROUPS, "DistributionGroups"),
        objects(&DYNAMIC_DISTRIBUTION_GROUPS, "DynamicDistributionGroups"),
        objects(&REMOTE_DOMAINS, "RemoteDomains"),
        objects(&TRANSPORT_RULES, "TransportRules"),
        objects(&RECIPIENT_PERMISSIONS, "RecipientPermissions"),
        object(&ORGANIZATION_CONFIG, "OrganizationConfig"),
        object(&OUTBOUND_SPAM_POLICY, "HostedOutboundSpamFilterPolicy"),
    ],
};

static RECIPIENT_PERMISSIONS: Kind = Kind {
    path: "ExchangeOnline.RecipientPermissions",
    says: "That somebody may send as a recipient.",
    keys: SEND_AS_KEYS,
};

static ORGANIZATION_CONFIG: Kind = Kind {
    path: "ExchangeOnline.OrganizationConfig",
    says: "What holds for the whole tenant.",
    keys: &[
        boolean(
            "RejectDirectSend",
            "false",
            "Whether anonymous mail from an accepted domain is refused.",
        ),
        boolean(
            "HasMailLicense",
            "true",
            "Whether the tenant may receive mail.",
        ),
        text(
            "MailFlowRegion",
            &NAME,
            "The region whose endpoints serve it; absent: any.",
        ),
    ],
};

static OUTBOUND_SPAM_POLICY: Kind = Kind {
    path: "ExchangeOnline.HostedOutboundSpamFilterPolicy",
    says: "The policy on outbound mail.",
    keys: &[choice(
        "AutoForwardingMode",
        &["Automatic", "On", "Off"],
        "Whether mail is forwarded to others automatically; Automatic is Off.",
    )
    .default("Automatic")],
};

static REMOTE_DOMAINS: Kind = Kind {
    path: "ExchangeOnline.RemoteDomains",
    says: "A foreign domain with settings of its own.",
    keys: &[
        text("Name", &NAME, "Its name; absent: the domain."),
        text(
            "DomainName",
            &REMOTE_DOMAIN,
            "The domain, `*.domain`, or `*`.",
        )
        .required(),
        REMOTE_IS_INTERNAL,
        REMOTE_AUTO_FORWARD,
        REMOTE_TRUSTED_IN,
        REMOTE_TRUSTED_OUT,
        REMOTE_NDR,
        REMOTE_DELIVERY_REPORT,
        REMOTE_OOF,
    ],
};

static TRANSPORT_RULES: Kind = Kind {
    path: "ExchangeOnline.TransportRules",
    says: "A mail-flow rule.",
    keys: RULE_KEYS,
};

static ACCEPTED_DOMAINS: Kind = Kind {
    path: "ExchangeOnline.AcceptedDomains",
    says: "A domain that the tenant takes mail for.",
    keys: &[
        text("Name", &NAME, "Its name; absent: the domain."),
        text(
            "DomainName",
            &ACCEPTED_DOMAIN,
            "The domain, or `*.domain` with its subdomains.",
        )
        .required(),
        // ExternalRelay is read so that its absence can be explained.
        choice(
            "DomainType",
            &["Authoritative", "InternalRelay", "ExternalRelay"],
            "Who holds its recipients; ExternalRelay exists on premises only.",
        )
        .default("Authoritative"),
        boolean(
            "MatchSubDomains",
            "false",
            "Whether subdomains are accepted too.",
        ),
        boolean(
            "Default",
            "false",
            "Whether it is the default domain; absent everywhere: the first Authoritative one is.",
        ),
        boolean("OutboundOnly", "false", "Whether it only sends."),
        boolean(
            "SendingFromDomainDisabled",
            "false",
            "Whether nobody sends from it.",
        ),
        boolean(
            "SendingToDomainDisabled",
            "false",
            "Whether nobody sends to it.",
        ),
        switch(
            "IsCoexistenceDomain",
            "Whether the hybrid wizard made it; absent: `*.mail.onmicrosoft.com`.",
        ),
        switch(
            "InitialDomain",
            "Whether it came with the tenant; absent: the one that is the tenant's name.",
        ),
        text(
            "MailFlowRegion",
            &NAME,
            "The region whose endpoints serve it; absent: the tenant's.",
        ),
    ],
};

const ENABLED: Key = boolean("Enabled", "true", "Whether it is in use.");
const CONNECTOR_TYPE: Key = choice(
    "ConnectorType",
    CONNECTOR_TYPES,
    "Whether the other side is the same organization or a partner.",
)
.default("Partner");
const CONNECTOR_SOURCE: Key =
    choice("ConnectorSource", CONNECTOR_SOURCES, "Who made it.").default("Default");
const CLOUD_SERVICES: Key = boolean(
    "CloudServicesMailEnabled",
    "false",
    "Whether the organization's headers cross with the message; only for OnPremises.",
);

static INBOUND_CONNECTORS: Kind = Kind {
    path: "ExchangeOnline.InboundConnectors",
    says: "An inbound connector: which sessions are attributed to the tenant.",
    keys: &[
        text("Name", &NAME, "Its name.").required(),
        ENABLED,
        CONNECTOR_TYPE,
        CONNECTOR_SOURCE,
        one_or_many(
            "SenderDomains",
            &ADDRESS_SPACE,
            "The sender domains it is for.",
        )
        .default("*"),
        one_or_many(
            "SenderIPAddresses",
            &SENDER_IP_ADDRESS,
            "The peer's addresses: IPv4, single or networks of /24 to /32.",
        ),
        text(
            "TlsSenderCertificateName",
            &NAME_PATTERN,
            "A name in the peer's certificate.",
        ),
        boolean("RequireTls", "false", "Whether a session must use TLS."),
        CLOUD_SERVICES,
        boolean(
            "TreatMessagesAsInternal",
            "false",
            "Whether mail from accepted domains counts as the organization's own; not with CloudServicesMailEnabled.",
        ),
        boolean(
            "RestrictDomainsToCertificate",
            "false",
            "Whether sender domains must show the certificate; only for Partner.",
        ),
        boolean(
            "RestrictDomainsToIPAddresses",
            "false",
            "Whether sender domains must come from the addresses; only for Partner.",
        ),
        one_or_many(
            "AssociatedAcceptedDomains",
            &DOMAIN,
            "The recipient domains it is for; absent: all.",
        ),
        one_or_many(
            "TrustedOrganizations",
            &DOMAIN,
            "Tenants that may send as well; routing does not ask.",
        ),
        boolean(
            "EFSkipLastIP",
            "false",
            "Enhanced filtering; routing does not ask.",
        ),
        boolean(
            "Blocked",
            "false",
            "Whether the service blocks its addresses.",
        ),
    ],
};

static OUTBOUND_CONNECTORS: Kind = Kind {
    path: "ExchangeOnline.OutboundConnectors",
    says: "An outbound connector.",
    keys: &[
        text("Name", &NAME, "Its name.").required(),
        ENABLED,
        CONNECTOR_TYPE,
        CONNECTOR_SOURCE,
        one_or_many(
            "RecipientDomains",
            &ADDRESS_SPACE,
            "The domains it carries, each as `domain`, `*.domain` or `*`.",
        ),
        boolean(
            "AllAcceptedDomains",
            "false",
            "Whether it carries every accepted domain of the tenant; only for OnPremises.",
        ),
        boolean(
            "UseMXRecord",
            "true",
            "Whether it follows MX records; false where SmartHosts are written.",
        ),
        one_or_many("SmartHosts", &SMART_HOST, "The hosts it sends to."),
        choice(
            "TlsSettings",
            TLS_AUTH_LEVELS,
            "What is asked of the next hop; absent: TLS where it is offered.",
        ),
        text(
            "TlsDomain",
            &NAME_PATTERN,
            "The name its certificate must have; only with DomainValidation.",
        ),
        CLOUD_SERVICES,
        boolean(
            "RouteAllMessagesViaOnPremises",
            "false",
            "Whether everything that leaves the tenant takes it; only for OnPremises.",
        ),
        boolean(
            "IsTransportRuleScoped",
            "false",
            "Whether only a mail-flow rule chooses it.",
        ),
        boolean("TestMode", "false", "Whether it is being tried out."),
        boolean(
            "SenderRewritingEnabled",
            "false",
            "Whether senders are rewritten; not modelled.",
        ),
        choice(
            "SmtpDaneMode",
            &["Opportunistic", "Mandatory", "None"],
            "Whether DANE is asked for; not modelled.",
        )
        .default("Opportunistic"),
        choice(
            "MtaStsMode",
            &["Opportunistic", "None"],
            "Whether MTA-STS is asked for; not modelled.",
        )
        .default("Opportunistic"),
        switch("IsValidated", "Whether it was validated."),
    ],
};

const ECHO: Key = boolean(
    "EchoGroupMessageBackToSubscribedSender",
    "false",
    "Whether the user's own posts to groups come back to the user.",
);

static INBOX_RULES: Kind = Kind {
    path: "ExchangeOnline.Mailboxes.InboxRules",
    says: "An Inbox rule that sends every message on.",
    keys: INBOX_RULE_KEYS,
};

static MAILBOXES: Kind = Kind {
    path: "ExchangeOnline.Mailboxes",
    says: "A mailbox of the tenant.",
    keys: recipient_keys![
        AUTHENTICATED,
        ECHO,
        choice(
            "RecipientTypeDetails",
            MAILBOX_TYPES,
            "What sort of mailbox it is."
        )
        .default("UserMailbox"),
        FORWARDING_ADDRESS,
        FORWARDING_SMTP_ADDRESS,
        DELIVER_AND_FORWARD,
        objects(&INBOX_RULES, "InboxRules"),
        RECIPIENT_LIMITS,
        boolean("Licensed", "true", "Whether it has a licence."),
        MOVED_AT,
    ],
};

static MAIL_USERS: Kind = Kind {
    path: "ExchangeOnline.MailUsers",
    says: "A user whose mailbox is elsewhere, such as an on-premises user or a guest.",
    keys: recipient_keys![
        EXTERNAL_ADDRESS,
        AUTHENTICATED,
        ECHO,
        text(
            "UserPrincipalName",
            &NAME,
            "Its name for logging on; one with `#EXT#` is a guest's.",
        ),
        switch(
            "Guest",
            "Whether it is a guest; absent: what UserPrincipalName says.",
        ),
    ],
};

static MAIL_CONTACTS: Kind = Kind {
    path: "ExchangeOnline.MailContacts",
    says: "Somebody outside whom the address book lists.",
    keys: recipient_keys![
        text(
            "ExternalEmailAddress",
            &FOREIGN_ADDRESS,
            "The address its mail is sent on to, and its primary address where none is written.",
        )
        .required(),
        AUTHENTICATED,
    ],
};

static DISTRIBUTION_GROUPS: Kind = Kind {
    path: "ExchangeOnline.DistributionGroups",
    says: "A distribution group or a mail-enabled security group.",
    keys: recipient_keys![
        MEMBERS,
        GROUP_AUTHENTICATED,
        REPORT_TO_ORIGINATOR,
        REPORT_TO_MANAGER,
        MANAGED_BY,
    ],
};

static DYNAMIC_DISTRIBUTION_GROUPS: Kind = Kind {
    path: "ExchangeOnline.DynamicDistributionGroups",
    says: "A distribution group whose members a query gives.",
    keys: recipient_keys![
        MEMBERS,
        RECIPIENT_FILTER,
        BROKEN,
        GROUP_AUTHENTICATED,
        REPORT_TO_ORIGINATOR,
        REPORT_TO_MANAGER,
        MANAGED_BY,
    ],
};

static MEMBER_SINCE: Kind = Kind {
    path: "ExchangeOnline.UnifiedGroups.MemberSince",
    says: "Since when somebody is a member.",
    keys: &[
        text("Member", &ADDRESS, "Who.").required(),
        moment("Since", &MOMENT, "Since when.").required(),
    ],
};

static UNIFIED_GROUPS: Kind = Kind {
    path: "ExchangeOnline.UnifiedGroups",
    says: "A Microsoft 365 Group.",
    keys: recipient_keys![
        GROUP_AUTHENTICATED,
        boolean(
            "AutoSubscribeNewMembers",
            "false",
            "Whether members with a mailbox in the tenant are subscribed.",
        ),
        one_or_many("Members", &ADDRESS, "Everyone in it."),
        one_or_many(
            "Subscribers",
            &ADDRESS,
            "The members who get copies; absent: mail users, and mailboxes with AutoSubscribeNewMembers.",
        ),
        one_or_many("Owners", &ADDRESS, "Who manages it."),
        one_or_many(
            "EventSubscribers",
            &ADDRESS,
            "The members who get invitations; absent: the subscribers.",
        ),
        boolean(
            "AlwaysSubscribeMembersToCalendarEvents",
            "false",
            "Whether new members get invitations.",
        ),
        boolean(
            "SubscriptionEnabled",
            "true",
            "Whether members may subscribe.",
        ),
        boolean(
            "HiddenFromExchangeClientsEnabled",
            "false",
            "Whether Outlook leaves it out.",
        ),
        moment("WhenCreated", &MOMENT, "When it was made."),
        objects(&MEMBER_SINCE, "MemberSince"),
    ],
};
