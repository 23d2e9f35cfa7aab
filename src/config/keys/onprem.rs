//! The keys of an on-premises Exchange organization.

use super::format::{
    ACCEPTED_DOMAIN, ADDRESS, ADDRESS_SPACE, ADDRESS_TEMPLATE, BINDING, BYTES, CERTIFICATE_NAME,
    COUNT, DOMAIN, EXTENDED_RIGHT, FOREIGN_ADDRESS, HOST, HYBRID_DOMAIN, IP_ADDRESS, IP_RANGE,
    LIMIT, MOMENT, NAME, NAME_PATTERN, REMOTE_DOMAIN, SMART_HOST_OR_SITE, STATUS, TARGET_ADDRESS,
    TEXT, TIMESPAN, TLS_DOMAIN_CAPABILITY, VERSION,
};
use super::kind::{
    Key, Kind, boolean, choice, list, moment, number, object, objects, one_or_many, size,
    size_without_default, switch, text, whole, words,
};
use super::recipient::{
    AUTHENTICATED, BROKEN, DELIVER_AND_FORWARD, EXPANSION_SERVER, EXTERNAL_ADDRESS,
    FORWARDING_ADDRESS, FORWARDING_SMTP_ADDRESS, GROUP_AUTHENTICATED, INBOX_RULE_KEYS,
    MAILBOX_TYPES, MANAGED_BY, MEMBERS, MOVED_AT, RECIPIENT_FILTER, RECIPIENT_LIMITS,
    RECIPIENT_NAME, RECIPIENTS_FILE, REPORT_TO_MANAGER, REPORT_TO_ORIGINATOR, SEND_AS_KEYS,
    recipient_keys,
};
use super::remote::{
    REMOTE_AUTO_FORWARD, REMOTE_DELIVERY_REPORT, REMOTE_IS_INTERNAL, REMOTE_NDR, REMOTE_OOF,
    REMOTE_TRUSTED_IN, REMOTE_TRUSTED_OUT,
};
use super::rule::RULE_KEYS;

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
        RECIPIENTS_FILE,
        objects(&MAILBOXES, "Mailboxes"),
        objects(&REMOTE_MAILBOXES, "RemoteMailboxes"),
        objects(&MAIL_USERS, "MailUsers"),
        objects(&MAIL_CONTACTS, "MailContacts"),
        objects(&DISTRIBUTION_GROUPS, "DistributionGroups"),
        objects(&DYNAMIC_DISTRIBUTION_GROUPS, "DynamicDistributionGroups"),
        objects(&WRITTEN_BACK_GROUPS, "WrittenBackGroups"),
        object(&TRANSPORT_CONFIG, "TransportConfig"),
        objects(&SITES, "Sites"),
        objects(&SITE_LINKS, "SiteLinks"),
        objects(&TRANSPORT_RULES, "TransportRules"),
        objects(&EMAIL_ADDRESS_POLICIES, "EmailAddressPolicies"),
        object(&HYBRID_CONFIGURATION, "HybridConfiguration"),
        objects(&SEND_AS_PERMISSIONS, "SendAsPermissions"),
    ],
};

static EMAIL_ADDRESS_POLICIES: Kind = Kind {
    path: "OnPremises.EmailAddressPolicies",
    says: "A policy that gives recipients their addresses.",
    keys: &[
        text("Name", &NAME, "Its name.").required(),
        number(
            "Priority",
            (1, 10_000),
            "Lower ones go first; absent: after all others.",
        ),
        list(
            "EnabledEmailAddressTemplates",
            &ADDRESS_TEMPLATE,
            "The addresses it gives, `SMTP:` before the primary one.",
        )
        .required(),
        choice(
            "IncludedRecipients",
            &[
                "AllRecipients",
                "MailboxUsers",
                "MailUsers",
                "MailContacts",
                "MailGroups",
                "Resources",
                "None",
            ],
            "The recipients it is for; absent: what RecipientFilter says.",
        ),
        RECIPIENT_FILTER_TEXT,
    ],
};

const RECIPIENT_FILTER_TEXT: Key = text(
    "RecipientFilter",
    &TEXT,
    "The query that gives the recipients it is for; read, and not run.",
);

static HYBRID_CONFIGURATION: Kind = Kind {
    path: "OnPremises.HybridConfiguration",
    says: "What the hybrid wizard was last told.",
    keys: &[
        words(
            "Features",
            &[
                "FreeBusy",
                "MoveMailbox",
                "Mailtips",
                "MessageTracking",
                "OwaRedirection",
                "OnlineArchive",
                "SecureMail",
                "Photos",
                "Centralized",
                "CentralizedTransport",
            ],
            "The features that are on.",
        ),
        text(
            "TlsCertificateName",
            &CERTIFICATE_NAME,
            "The certificate of hybrid mail, as `<I>issuer<S>subject`.",
        ),
        one_or_many(
            "SendingTransportServers",
            &NAME,
            "Mailbox servers that send to the cloud; not with EdgeTransportServers.",
        ),
        one_or_many(
            "ReceivingTransportServers",
            &NAME,
            "Mailbox servers that take mail from the cloud; not with EdgeTransportServers.",
        ),
        one_or_many(
            "EdgeTransportServers",
            &NAME,
            "Edge servers between the two organizations.",
        ),
        text(
            "OnPremisesSmartHost",
            &HOST,
            "The host to which the cloud sends.",
        ),
        one_or_many(
            "Domains",
            &HYBRID_DOMAIN,
            "The shared domains; `autod:` before the one of autodiscover.",
        ),
    ],
};

static SEND_AS_PERMISSIONS: Kind = Kind {
    path: "OnPremises.SendAsPermissions",
    says: "That somebody may send as a recipient.",
    keys: SEND_AS_KEYS,
};

static TRANSPORT_CONFIG: Kind = Kind {
    path: "OnPremises.TransportConfig",
    says: "What holds for every server of the organization.",
    keys: &[
        size(
            "MaxSendSize",
            &LIMIT,
            "10MB",
            "The largest message that senders inside may send.",
        ),
        size(
            "MaxReceiveSize",
            &LIMIT,
            "10MB",
            "The largest message for recipients inside.",
        ),
        size(
            "MaxRecipientEnvelopeLimit",
            &COUNT,
            "500",
            "How many recipients a message may have; a group counts as one.",
        ),
        one_or_many(
            "TLSSendDomainSecureList",
            &DOMAIN,
            "Domains that get mail under mutual TLS only.",
        ),
        one_or_many(
            "TLSReceiveDomainSecureList",
            &DOMAIN,
            "Domains whose mail is taken under mutual TLS only.",
        ),
        one_or_many(
            "InternalSMTPServers",
            &IP_RANGE,
            "Addresses of own hosts that are no Exchange servers.",
        ),
        text(
            "ExternalPostmasterAddress",
            &ADDRESS,
            "Who reports failures to senders outside; absent: postmaster of the default domain.",
        ),
        one_or_many(
            "GenerateCopyOfDSNFor",
            &STATUS,
            "Statuses of which the administrator gets a copy.",
        ),
        size(
            "InternalDsnMaxMessageAttachSize",
            &BYTES,
            "10MB",
            "The largest message that a report returns.",
        ),
    ],
};

static SITES: Kind = Kind {
    path: "OnPremises.Sites",
    says: "An Active Directory site; those that servers name exist without it.",
    keys: &[
        text("Name", &NAME, "Its name.").required(),
        boolean(
            "HubSiteEnabled",
            "false",
            "Whether messages whose least-cost path leads through it stop there.",
        ),
    ],
};

static SITE_LINKS: Kind = Kind {
    path: "OnPremises.SiteLinks",
    says: "An IP site link; without any, one link joins every two sites.",
    keys: &[
        text("Name", &NAME, "Its name.").required(),
        list("Sites", &NAME, "The sites that it joins.").required(),
        whole(
            "ADCost",
            (1, 99_999),
            "100",
            "Its cost in Active Directory.",
        ),
        number(
            "ExchangeCost",
            (1, 99_999),
            "Its cost for mail; absent: ADCost.",
        ),
        size(
            "MaxMessageSize",
            &LIMIT,
            "Unlimited",
            "Larger messages do not pass.",
        ),
    ],
};

static TRANSPORT_RULES: Kind = Kind {
    path: "OnPremises.TransportRules",
    says: "A mail-flow rule.",
    keys: RULE_KEYS,
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
            "Its version, as `Version 15.2 (Build 2562.46)` or `15.2.2562.46`.",
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
        object(&RECIPIENT_FILTER_CONFIG, "RecipientFilterConfig"),
        text(
            "MessageExpirationTimeout",
            &TIMESPAN,
            "How long it tries to deliver a message.",
        )
        .default("2.00:00:00"),
        text(
            "ExternalIPAddress",
            &IP_ADDRESS,
            "The address it shows to the Internet; absent: the first of IPAddress.",
        ),
        moment(
            "LastEdgeSynchronization",
            &MOMENT,
            "On an Edge server: when EdgeSync last ran.",
        ),
        moment(
            "LastHybridConfiguration",
            &MOMENT,
            "On an Edge server: when the hybrid wizard last wrote its settings.",
        ),
    ],
};

static RECIPIENT_FILTER_CONFIG: Kind = Kind {
    path: "OnPremises.Servers.RecipientFilterConfig",
    says: "The recipient filter of an Edge server.",
    keys: &[
        boolean("Enabled", "true", "Whether it filters at all."),
        boolean(
            "ExternalMailEnabled",
            "true",
            "Whether it filters mail from sessions without authentication.",
        ),
        boolean(
            "InternalMailEnabled",
            "false",
            "Whether it filters mail from authenticated sessions.",
        ),
        boolean(
            "RecipientValidationEnabled",
            "false",
            "Whether it refuses unknown recipients.",
        ),
        boolean(
            "BlockListEnabled",
            "false",
            "Whether it refuses BlockedRecipients.",
        ),
        one_or_many("BlockedRecipients", &ADDRESS, "Recipients that it refuses."),
    ],
};

static EDGE_SUBSCRIPTIONS: Kind = Kind {
    path: "OnPremises.EdgeSubscriptions",
    says: "The subscription of an Edge Transport server to an Active Directory site.",
    keys: &[
        text("Name", &NAME, "Name of the Edge server.").required(),
        text("Site", &NAME, "The site it is subscribed to.").required(),
        moment("WhenCreated", &MOMENT, "When the subscription was made."),
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
        switch(
            "AddressBookEnabled",
            "Whether the recipient filter looks its recipients up; absent: true for Authoritative.",
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
        REMOTE_IS_INTERNAL,
        REMOTE_AUTO_FORWARD,
        REMOTE_TRUSTED_IN,
        REMOTE_TRUSTED_OUT,
        REMOTE_NDR,
        REMOTE_DELIVERY_REPORT,
        REMOTE_OOF,
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
            &EXTENDED_RIGHT,
            "Which, as `Ms-Exch-SMTP-Accept-Any-Recipient`.",
        )
        .required(),
        boolean(
            "Deny",
            "false",
            "Whether they are denied instead of granted.",
        ),
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
        number(
            "MaxRecipientsPerMessage",
            (1, 512_000),
            "Limit on the recipients of a transaction; absent: 200, for `Default <server>` 5000.",
        ),
        size(
            "MaxHeaderSize",
            &BYTES,
            "256KB",
            "Limit on the header section.",
        ),
        boolean(
            "RejectSingleLabelRecipientDomains",
            "false",
            "Whether it refuses recipients such as `ann@contoso`.",
        ),
        boolean(
            "RejectReservedTopLevelRecipientDomains",
            "false",
            "Whether it refuses recipients in `.test`, `.example`, `.invalid` and `.localhost`.",
        ),
        boolean(
            "RejectReservedSecondLevelRecipientDomains",
            "false",
            "Whether it refuses recipients in `example.com`, `example.net` and `example.org`.",
        ),
        switch(
            "DomainSecureEnabled",
            "Whether domains of TLSReceiveDomainSecureList must show a certificate; absent: true for `Default Frontend <server>`.",
        ),
        choice(
            "SizeEnabled",
            &["Enabled", "Disabled", "EnabledWithoutValue"],
            "Whether it announces its limit.",
        )
        .default("Enabled"),
        text(
            "TarpitInterval",
            &TIMESPAN,
            "How long a stranger waits for a refusal; absent: five seconds, for `Outbound Proxy Frontend <server>` none.",
        ),
        size_without_default(
            "MaxInboundConnection",
            &COUNT,
            "How many sessions it takes at a time; absent: 5000.",
        ),
        size_without_default(
            "MaxInboundConnectionPerSource",
            &COUNT,
            "How many of one address; absent: 20, for `Default <server>` any number.",
        ),
        number(
            "MaxInboundConnectionPercentagePerSource",
            (1, 100),
            "How many of one address, in percent of those that are left; absent: 2, for `Default <server>` 100.",
        ),
        text("Banner", &TEXT, "Its greeting; absent: Exchange's."),
        size(
            "MessageRateLimit",
            &COUNT,
            "Unlimited",
            "How many messages a minute it takes from a source; not modelled.",
        ),
    ],
};

const ERROR_POLICIES: &[&str] = &[
    "Default",
    "DowngradeDnsFailures",
    "DowngradeCustomFailures",
    "UpgradeCustomFailures",
];

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
        whole("Port", (1, 65_535), "25", "Where the next hop listens."),
        choice(
            "SmartHostAuthMechanism",
            &["None", "BasicAuth", "BasicAuthRequireTLS", "ExchangeServer", "ExternalAuthoritative"],
            "How it logs on to its smart hosts.",
        )
        .default("None"),
        boolean("IgnoreSTARTTLS", "false", "Whether it never uses TLS."),
        boolean("ForceHELO", "false", "Whether it says HELO, which forgoes TLS."),
        boolean(
            "DomainSecureEnabled",
            "false",
            "Whether domains of TLSSendDomainSecureList get mail under mutual TLS only.",
        ),
        words(
            "ErrorPolicies",
            ERROR_POLICIES,
            "Which failures count as other than they are; absent: none.",
        ),
        boolean(
            "FrontendProxyEnabled",
            "false",
            "Whether its sessions pass the front end of a Mailbox server.",
        ),
        switch("RequireOorg", "Whether the next hop must take XOORG; routing does not ask."),
        choice(
            "ConnectorType",
            &["Default", "XPremises"],
            "What sort it is; routing does not ask.",
        )
        .default("Default"),
        text(
            "LinkedReceiveConnector",
            &NAME,
            "A Receive connector of Exchange 2010 that leads to it; later versions do not ask.",
        ),
        text("SourceIPAddress", &IP_ADDRESS, "The address it sends from; on Edge servers only."),
        boolean(
            "CloudServicesMailEnabled",
            "false",
            "Whether the organization's headers cross with the message.",
        ),
    ],
};

static INBOX_RULES: Kind = Kind {
    path: "OnPremises.Mailboxes.InboxRules",
    says: "An Inbox rule that sends every message on.",
    keys: INBOX_RULE_KEYS,
};

static MAILBOXES: Kind = Kind {
    path: "OnPremises.Mailboxes",
    says: "A mailbox on a server of the organization.",
    keys: recipient_keys![
        text(
            "ServerName",
            &NAME,
            "The server that holds it; absent: the first Mailbox server.",
        ),
        AUTHENTICATED,
        choice(
            "RecipientTypeDetails",
            MAILBOX_TYPES,
            "What sort of mailbox it is."
        )
        .default("UserMailbox"),
        text(
            "Database",
            &TEXT,
            "The database that holds it; absent: some; empty: none, as after a broken move.",
        ),
        FORWARDING_ADDRESS,
        FORWARDING_SMTP_ADDRESS,
        DELIVER_AND_FORWARD,
        objects(&INBOX_RULES, "InboxRules"),
        RECIPIENT_LIMITS,
        MOVED_AT,
    ],
};

static REMOTE_MAILBOXES: Kind = Kind {
    path: "OnPremises.RemoteMailboxes",
    says: "A user of the organization whose mailbox is in the cloud.",
    keys: recipient_keys![
        text(
            "RemoteRoutingAddress",
            &TARGET_ADDRESS,
            "The address its mail is sent on to.",
        ),
        AUTHENTICATED,
        choice(
            "RecipientTypeDetails",
            &[
                "RemoteUserMailbox",
                "RemoteSharedMailbox",
                "RemoteRoomMailbox",
                "RemoteEquipmentMailbox",
            ],
            "What sort of mailbox it is.",
        )
        .default("RemoteUserMailbox"),
        MOVED_AT,
    ],
};

static MAIL_USERS: Kind = Kind {
    path: "OnPremises.MailUsers",
    says: "A user of the organization whose mail goes elsewhere.",
    keys: recipient_keys![EXTERNAL_ADDRESS, AUTHENTICATED],
};

static MAIL_CONTACTS: Kind = Kind {
    path: "OnPremises.MailContacts",
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
    path: "OnPremises.DistributionGroups",
    says: "A distribution group or a mail-enabled security group.",
    keys: recipient_keys![
        MEMBERS,
        GROUP_AUTHENTICATED,
        EXPANSION_SERVER,
        REPORT_TO_ORIGINATOR,
        REPORT_TO_MANAGER,
        MANAGED_BY,
    ],
};

static DYNAMIC_DISTRIBUTION_GROUPS: Kind = Kind {
    path: "OnPremises.DynamicDistributionGroups",
    says: "A distribution group whose members a query gives.",
    keys: recipient_keys![
        MEMBERS,
        RECIPIENT_FILTER,
        BROKEN,
        GROUP_AUTHENTICATED,
        EXPANSION_SERVER,
        REPORT_TO_ORIGINATOR,
        REPORT_TO_MANAGER,
        MANAGED_BY,
    ],
};

static WRITTEN_BACK_GROUPS: Kind = Kind {
    path: "OnPremises.WrittenBackGroups",
    says: "A Microsoft 365 Group as directory synchronization writes it back.",
    keys: &[
        RECIPIENT_NAME,
        text("PrimarySmtpAddress", &ADDRESS, "Its address.").required(),
        EXTERNAL_ADDRESS,
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
