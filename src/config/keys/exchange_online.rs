//! The keys of an Exchange Online tenant.

use super::format::{
    ACCEPTED_DOMAIN, ADDRESS, ADDRESS_SPACE, DOMAIN, NAME, NAME_PATTERN, PROXY_ADDRESS,
    SENDER_IP_ADDRESS, SMART_HOST, TARGET_ADDRESS,
};
use super::kind::{Key, Kind, boolean, choice, objects, one_or_many, text};

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
        objects(&MAILBOXES, "Mailboxes"),
        objects(&MAIL_USERS, "MailUsers"),
        objects(&UNIFIED_GROUPS, "UnifiedGroups"),
    ],
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
    ],
};

const RECIPIENT_NAME: Key = text("Name", &NAME, "Its name; absent: the primary address.");
const PRIMARY: Key = text(
    "PrimarySmtpAddress",
    &ADDRESS,
    "Its primary address; absent: the one that EmailAddresses marks with `SMTP:`, or the first.",
);
const ADDRESSES: Key = one_or_many(
    "EmailAddresses",
    &PROXY_ADDRESS,
    "Its addresses: `SMTP:` before the primary one, `smtp:` or nothing before others; other kinds are passed over.",
);
const AUTHENTICATED: Key = boolean(
    "RequireSenderAuthenticationEnabled",
    "false",
    "Whether only authenticated senders may write to it.",
);
const ECHO: Key = boolean(
    "EchoGroupMessageBackToSubscribedSender",
    "false",
    "Whether the user's own posts to groups come back to the user.",
);

static MAILBOXES: Kind = Kind {
    path: "ExchangeOnline.Mailboxes",
    says: "A mailbox of the tenant.",
    keys: &[RECIPIENT_NAME, PRIMARY, ADDRESSES, AUTHENTICATED, ECHO],
};

static MAIL_USERS: Kind = Kind {
    path: "ExchangeOnline.MailUsers",
    says: "A user whose mailbox is elsewhere, such as an on-premises user or a guest.",
    keys: &[
        RECIPIENT_NAME,
        PRIMARY,
        ADDRESSES,
        text(
            "ExternalEmailAddress",
            &TARGET_ADDRESS,
            "The address its mail is sent on to.",
        ),
        AUTHENTICATED,
        ECHO,
    ],
};

static UNIFIED_GROUPS: Kind = Kind {
    path: "ExchangeOnline.UnifiedGroups",
    says: "A Microsoft 365 Group.",
    keys: &[
        RECIPIENT_NAME,
        PRIMARY,
        ADDRESSES,
        boolean(
            "RequireSenderAuthenticationEnabled",
            "true",
            "Whether only authenticated senders may write to it.",
        ),
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
    ],
};
