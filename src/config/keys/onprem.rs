//! The keys of an on-premises Exchange organization.

use super::format::{
    ACCEPTED_DOMAIN, ADDRESS, ADDRESS_SPACE, BINDING, BYTES, CERTIFICATE_NAME, HOST, IP_ADDRESS,
    IP_RANGE, LIMIT, NAME, NAME_PATTERN, PROXY_ADDRESS, REMOTE_DOMAIN, SMART_HOST_OR_SITE,
    TARGET_ADDRESS, TEXT, TLS_DOMAIN_CAPABILITY, VERSION,
};
use super::kind::{
    Key, Kind, boolean, choice, list, objects, one_or_many, size, text, whole, words,
};

/// An organization that runs Exchange Server.
pub(super) static ORGANIZATION: Kind = Kind {
    path: "OnPremises",
    says: "An on-premises Exchange organization.",
    keys: &[
        text("Name", &NAME, "Name of the organization.").required(),
        objects(&SERVERS, "Servers"),
        objects(&EDGE_SUBSCRIPTIONS, "EdgeSubscriptions"),
        objects(&ACCEPTED_DOMAINS, "AcceptedDomains"),
        objects(&REMOTE_DOMAINS, "RemoteDomains"),
        objects(&RECEIVE_CONNECTORS, "ReceiveConnectors"),
        objects(&SEND_CONNECTORS, "SendConnectors"),
        objects(&MAILBOXES, "Mailboxes"),
        objects(&REMOTE_MAILBOXES, "RemoteMailboxes"),
        objects(&MAIL_USERS, "MailUsers"),
        objects(&WRITTEN_BACK_GROUPS, "WrittenBackGroups"),
    ],
};

static SERVERS: Kind = Kind {
    path: "OnPremises.Servers",
    says: "A Mailbox or Edge Transport server.",
    keys: &[
        text("Name", &NAME, "Short name of the server.").required(),
        text(
            "Fqdn",
            &HOST,
            "The name it says in EHLO and in Received fields.",
        )
        .required(),
        choice("ServerRole", &["Mailbox", "Edge"], "Its role.").default("Mailbox"),
        text(
            "Site",
            &TEXT,
            "Its Active Directory site; an Edge server takes the site of its subscription.",
        )
        .default(""),
        text(
            "AdminDisplayVersion",
            &VERSION,
            "Its version, as `Version 15.2 (Build 1748.10)` or `15.2.1748.10`.",
        ),
        one_or_many(
            "IPAddress",
            &IP_ADDRESS,
            "Its addresses; a server without one cannot be reached.",
        ),
        boolean(
            "RecipientValidationEnabled",
            "false",
            "On an Edge server: whether it refuses unknown recipients of Authoritative domains.",
        ),
    ],
};

static EDGE_SUBSCRIPTIONS: Kind = Kind {
    path: "OnPremises.EdgeSubscriptions",
    says: "The subscription of an Edge Transport server to an Active Directory site.",
    keys: &[
        text("Name", &NAME, "Name of the Edge server.").required(),
        text("Site", &NAME, "The site it is subscribed to.").required(),
        boolean(
            "CreateInternetSendConnector",
            "true",
            "Whether `EdgeSync - <site> to Internet` was created.",
        ),
        boolean(
            "CreateInboundSendConnector",
            "true",
            "Whether `EdgeSync - Inbound to <site>` was created.",
        ),
    ],
};

static ACCEPTED_DOMAINS: Kind = Kind {
    path: "OnPremises.AcceptedDomains",
    says: "A domain that the organization takes mail for.",
    keys: &[
        text("Name", &NAME, "Its name; absent: the domain."),
        text(
            "DomainName",
            &ACCEPTED_DOMAIN,
            "The domain, or `*.domain` with its subdomains.",
        )
        .required(),
        choice(
            "DomainType",
            &["Authoritative", "InternalRelay", "ExternalRelay"],
            "Who holds its recipients.",
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

static REMOTE_DOMAINS: Kind = Kind {
    path: "OnPremises.RemoteDomains",
    says: "A foreign domain with settings of its own.",
    keys: &[
        text("Name", &NAME, "Its name; absent: the domain."),
        text(
            "DomainName",
            &REMOTE_DOMAIN,
            "The domain, `*.domain`, or `*`.",
        )
        .required(),
        boolean(
            "TargetDeliveryDomain",
            "false",
            "Whether the hybrid wizard uses it for the target addresses of moved mailboxes.",
        ),
    ],
};

static AD_PERMISSIONS: Kind = Kind {
    path: "OnPremises.ReceiveConnectors.ADPermissions",
    says: "Rights on the connector that were granted with Add-ADPermission.",
    keys: &[
        text(
            "User",
            &NAME,
            "To whom, as `NT AUTHORITY\\ANONYMOUS LOGON`.",
        )
        .required(),
        one_or_many(
            "ExtendedRights",
            &NAME,
            "Which, as `Ms-Exch-SMTP-Accept-Any-Recipient`.",
        )
        .required(),
    ],
};

const PERMISSION_GROUPS: &[&str] = &[
    "None",
    "AnonymousUsers",
    "ExchangeUsers",
    "ExchangeServers",
    "ExchangeLegacyServers",
    "Partners",
    "Custom",
];

const AUTH_MECHANISMS: &[&str] = &[
    "None",
    "Tls",
    "Integrated",
    "BasicAuth",
    "BasicAuthRequireTLS",
    "ExchangeServer",
    "ExternalAuthoritative",
];

static RECEIVE_CONNECTORS: Kind = Kind {
    path: "OnPremises.ReceiveConnectors",
    says: "A Receive connector; those that every server has are implied, and keys written for one of their names change that one.",
    keys: &[
        text("Server", &NAME, "The server it listens on.").required(),
        text("Name", &NAME, "Its name, without the server.").required(),
        boolean("Enabled", "true", "Whether it serves anybody."),
        choice(
            "TransportRole",
            &["FrontendTransport", "HubTransport"],
            "The service it belongs to; absent: FrontendTransport, on an Edge server HubTransport.",
        ),
        one_or_many(
            "Bindings",
            &BINDING,
            "Local addresses and ports; absent: port 25, for HubTransport of a Mailbox server 2525.",
        ),
        one_or_many(
            "RemoteIPRanges",
            &IP_RANGE,
            "The peers it serves; absent: all.",
        ),
        words(
            "PermissionGroups",
            PERMISSION_GROUPS,
            "Who may submit; absent: nobody, for an implied connector its own.",
        ),
        words(
            "AuthMechanism",
            AUTH_MECHANISMS,
            "What it offers; absent: Tls, for an implied connector its own.",
        ),
        objects(&AD_PERMISSIONS, "ADPermissions"),
        one_or_many(
            "TlsDomainCapabilities",
            &TLS_DOMAIN_CAPABILITY,
            "Names in a peer's certificate, and what such a peer may do.",
        ),
        text(
            "TlsCertificateName",
            &CERTIFICATE_NAME,
            "The certificate it presents, as `<I>issuer<S>subject`; absent: chosen by Fqdn.",
        ),
        boolean("RequireTLS", "false", "Whether a session must use TLS."),
        text(
            "Fqdn",
            &HOST,
            "The name in its banner; absent: the server's.",
        ),
        size(
            "MaxMessageSize",
            &BYTES,
            "36MB",
            "Larger messages are refused.",
        ),
        whole(
            "MaxHopCount",
            (1, 500),
            "60",
            "Limit on the Received fields of a message.",
        ),
        whole(
            "MaxLocalHopCount",
            (0, 50),
            "5",
            "Limit on the Received fields that name this server; 0: none.",
        ),
    ],
};

static SEND_CONNECTORS: Kind = Kind {
    path: "OnPremises.SendConnectors",
    says: "A Send connector.",
    keys: &[
        text("Name", &NAME, "Its name.").required(),
        boolean("Enabled", "true", "Whether it carries anything."),
        list(
            "AddressSpaces",
            &ADDRESS_SPACE,
            "The domains it carries, each as `domain`, `*.domain`, `*` or `--`, with `;cost` from 1 to 100.",
        )
        .required(),
        boolean(
            "IsScopedConnector",
            "false",
            "Whether only servers in the sites of its source servers see it.",
        ),
        list(
            "SourceTransportServers",
            &NAME,
            "The servers that send through it: Mailbox servers or Edge servers, never both.",
        )
        .required(),
        boolean(
            "DNSRoutingEnabled",
            "true",
            "Whether it follows MX records; false where SmartHosts are written.",
        ),
        one_or_many(
            "SmartHosts",
            &SMART_HOST_OR_SITE,
            "The hosts it sends to; `--` from an Edge server: the Mailbox servers of its site.",
        ),
        boolean(
            "UseExternalDNSServersEnabled",
            "false",
            "Whether it asks the external resolvers.",
        ),
        boolean("RequireTLS", "false", "Whether a session must use TLS."),
        choice(
            "TlsAuthLevel",
            super::exchange_online::TLS_AUTH_LEVELS,
            "What is asked of the next hop's certificate; only with RequireTLS.",
        ),
        text(
            "TlsDomain",
            &NAME_PATTERN,
            "The name that certificate must have; only with DomainValidation; absent: the recipient domain.",
        ),
        text(
            "TlsCertificateName",
            &CERTIFICATE_NAME,
            "The certificate it presents, as `<I>issuer<S>subject`; absent: chosen by Fqdn.",
        ),
        text(
            "Fqdn",
            &HOST,
            "The name it says in EHLO; absent: the server's.",
        ),
        size(
            "MaxMessageSize",
            &LIMIT,
            "35MB",
            "Larger messages do not choose it.",
        ),
        boolean(
            "CloudServicesMailEnabled",
            "false",
            "Whether the organization's headers cross with the message.",
        ),
    ],
};

/// What every recipient has; kept in one place by hand, because tables cannot be joined at compile
/// time.
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

static MAILBOXES: Kind = Kind {
    path: "OnPremises.Mailboxes",
    says: "A mailbox on a server of the organization.",
    keys: &[
        RECIPIENT_NAME,
        PRIMARY,
        ADDRESSES,
        text(
            "ServerName",
            &NAME,
            "The server that holds it; absent: the first Mailbox server.",
        ),
        AUTHENTICATED,
    ],
};

static REMOTE_MAILBOXES: Kind = Kind {
    path: "OnPremises.RemoteMailboxes",
    says: "A user of the organization whose mailbox is in the cloud.",
    keys: &[
        RECIPIENT_NAME,
        PRIMARY,
        ADDRESSES,
        text(
            "RemoteRoutingAddress",
            &TARGET_ADDRESS,
            "The address its mail is sent on to.",
        ),
        AUTHENTICATED,
    ],
};

static MAIL_USERS: Kind = Kind {
    path: "OnPremises.MailUsers",
    says: "A user of the organization whose mail goes elsewhere.",
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
    ],
};

static WRITTEN_BACK_GROUPS: Kind = Kind {
    path: "OnPremises.WrittenBackGroups",
    says: "A Microsoft 365 Group as directory synchronization writes it back.",
    keys: &[
        RECIPIENT_NAME,
        text("PrimarySmtpAddress", &ADDRESS, "Its address.").required(),
        boolean(
            "MailEnabled",
            "true",
            "Whether Update-Recipient made it a recipient.",
        ),
        one_or_many(
            "Members",
            &ADDRESS,
            "Its members; the cloud expands the group, so routing here does not ask.",
        ),
    ],
};
