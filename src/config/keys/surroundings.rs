//! The keys of a world, and of what lies around its organizations.

use super::exchange_online::TENANT;
use super::format::{
    ADDRESS, DISTINGUISHED_NAME, DOMAIN, HOST, IP_ADDRESS, MOMENT, NAME, NAME_PATTERN, SMART_HOST,
    STATUS, TEXT,
};
use super::kind::{
    Key, Kind, Presence, Takes, boolean, choice, moment, object, objects, one_or_many, text, words,
};
use super::onprem::ORGANIZATION;

/// The whole file.
pub(in crate::config) static WORLD: Kind = Kind {
    path: "World",
    says: "The mail flow of an Exchange hybrid deployment, and what its owner expects of it.",
    keys: &[
        moment(
            "AsOf",
            &MOMENT,
            "When everything that depends on time is judged; absent: now.",
        ),
        objects(&ORGANIZATION, "OnPremises"),
        objects(&TENANT, "ExchangeOnline"),
        object(&INTERNET, "Internet"),
        objects(&GATEWAYS, "Gateways"),
        objects(&ENTRA_CONNECT, "EntraConnect"),
        object(&DNS, "Dns"),
        objects(&CERTIFICATES, "Certificates"),
        objects(&EXPECT, "Expect"),
    ],
};

static INTERNET: Kind = Kind {
    path: "Internet",
    says: "Foreign hosts and the people who write from them.",
    keys: &[objects(&HOSTS, "Hosts"), objects(&SENDERS, "Senders")],
};

static HOSTS: Kind = Kind {
    path: "Internet.Hosts",
    says: "A foreign mail host.",
    keys: &[
        text("Name", &NAME, "Its name.").required(),
        text("Fqdn", &HOST, "The name it says in EHLO; absent: its name."),
        one_or_many("IPAddress", &IP_ADDRESS, "Its addresses.").required(),
        one_or_many("Domains", &DOMAIN, "The domains it takes mail for."),
        one_or_many(
            "Mailboxes",
            &ADDRESS,
            "Addresses there that somebody writes to; those of senders are known without it.",
        ),
        STARTTLS,
    ],
};

const STARTTLS: Key = boolean("StartTls", "true", "Whether it offers STARTTLS.");

static SENDERS: Kind = Kind {
    path: "Internet.Senders",
    says: "Somebody who writes from outside.",
    keys: &[
        text("Address", &ADDRESS, "The sender's address.").required(),
        text(
            "Host",
            &NAME,
            "The host that sends; absent: the one that takes mail for the address's domain.",
        ),
    ],
};

static DNS: Kind = Kind {
    path: "Dns",
    says: "What DNS says.",
    keys: &[objects(&ZONES, "Zones"), objects(&FAULTS, "Faults")],
};

static FAULTS: Kind = Kind {
    path: "Dns.Faults",
    says: "A query that goes wrong, whatever the zones say.",
    keys: &[
        text("Name", &DOMAIN, "The name that is asked for.").required(),
        choice(
            "Type",
            &["MX", "A", "AAAA", "CNAME", "*"],
            "The type of record that is asked for; `*`: every type.",
        )
        .default("*"),
        choice(
            "View",
            &["Public", "Internal"],
            "Who asks; absent: everybody.",
        ),
        choice(
            "Fault",
            &["SERVFAIL", "Timeout", "Refused"],
            "What comes back.",
        )
        .required(),
    ],
};

static GATEWAYS: Kind = Kind {
    path: "Gateways",
    says: "A mail gateway of a third party, which passes on what it takes.",
    keys: &[
        text("Name", &NAME, "Its name.").required(),
        text("Fqdn", &HOST, "The name it says in EHLO; absent: its name."),
        one_or_many("IPAddress", &IP_ADDRESS, "Its addresses.").required(),
        one_or_many(
            "RelaysTo",
            &SMART_HOST,
            "The hosts it sends to; absent: it follows MX records.",
        ),
        boolean(
            "StripsHeaders",
            "true",
            "Whether it takes the organization's headers off.",
        ),
        STARTTLS,
    ],
};

static ENTRA_CONNECT: Kind = Kind {
    path: "EntraConnect",
    says: "Microsoft Entra Connect, as far as group writeback depends on it.",
    keys: &[
        text("Version", &NAME, "Its version, as `2.4.131.0`."),
        one_or_many("Licenses", &NAME, "Licences of the tenant, such as `P1`."),
        choice(
            "SignInMethod",
            &["PHS", "PTA", "ADFS", "None"],
            "How users log on: password hash synchronization, pass-through authentication, federation, or not with their account on premises.",
        ),
        words(
            "Features",
            &["ExchangeHybrid", "GroupWriteback", "PasswordHashSync"],
            "The optional features that are on.",
        ),
        text(
            "GroupWritebackOU",
            &NAME,
            "The organizational unit that groups are written to.",
        ),
        text("GroupWritebackForest", &DOMAIN, "The forest of that unit."),
        boolean(
            "WritebackPermissions",
            "true",
            "Whether its account may write there.",
        ),
        moment("LastSync", &MOMENT, "When it last ran."),
        boolean(
            "SelfServiceGroupManagement",
            "false",
            "Whether users manage groups themselves.",
        ),
    ],
};

static ZONES: Kind = Kind {
    path: "Dns.Zones",
    says: "A zone: a name in it that has no record does not exist.",
    keys: &[
        text("Name", &DOMAIN, "Its apex.").required(),
        choice(
            "View",
            &["Public", "Internal"],
            "Who sees it; an Internal zone replaces the Public one of its name for the servers inside.",
        )
        .default("Public"),
        text(
            "Records",
            &TEXT,
            "Its records, as in a master file (RFC 1035 §5); or File.",
        ),
        text(
            "File",
            &NAME,
            "A master file with its records, relative to the world's file; or Records.",
        ),
    ],
};

static CERTIFICATES: Kind = Kind {
    path: "Certificates",
    says: "A certificate that servers hold with its private key.",
    keys: &[
        text(
            "Subject",
            &DISTINGUISHED_NAME,
            "Its subject, such as `CN=mail.contoso.com`.",
        )
        .required(),
        text("Issuer", &DISTINGUISHED_NAME, "Its issuer.").default("CN=Public CA"),
        one_or_many(
            "CertificateDomains",
            &NAME_PATTERN,
            "Its names; the CN of the subject is added where it is a host name.",
        ),
        moment("NotBefore", &MOMENT, "The start of its validity."),
        moment("NotAfter", &MOMENT, "The end of its validity."),
        choice(
            "RootCAType",
            &[
                "ThirdParty",
                "Enterprise",
                "GroupPolicy",
                "None",
                "Registry",
                "Unknown",
            ],
            "Where its root comes from; others trust it only where that is ThirdParty.",
        )
        .default("ThirdParty"),
        boolean(
            "ChainComplete",
            "true",
            "Whether its servers send the certificates between it and its root.",
        ),
        boolean(
            "HasPrivateKey",
            "true",
            "Whether its servers hold the private key.",
        ),
        text("Thumbprint", &NAME, "Its hash; routing does not ask."),
        one_or_many("Servers", &NAME, "The servers that hold it."),
    ],
};

static EXPECT: Kind = Kind {
    path: "Expect",
    says: "What the owner of the world wants to be true of every flow from From to To.",
    keys: &[
        one_or_many(
            "From",
            &NAME,
            "Whose mail: addresses, `*@domain`, classes as `flows` prints them, or words such as `on-premises mailboxes`.",
        )
        .required(),
        one_or_many("To", &NAME, "To whom, in the same words.").required(),
        choice(
            "Disposition",
            &[
                "Delivered",
                "LeftWorld",
                "Rejected",
                "Bounced",
                "Unreachable",
                "Deferred",
                "Looped",
                "Suppressed",
                "Unknown",
            ],
            "How it ends.",
        ),
        text(
            "Status",
            &STATUS,
            "The status it ends with, as `5.7.193` or `550 5.7.193`.",
        ),
        one_or_many("Through", &NAME, "Connectors that it uses."),
        one_or_many("NotThrough", &NAME, "Connectors that it does not use."),
        choice(
            "Trust",
            &["Internal", "Anonymous"],
            "How it arrives.",
        ),
        words(
            "Flags",
            &[
                "Loop",
                "Misrouted",
                "WrongTrust",
                "EchoBack",
                "Duplicate",
                "Lost",
            ],
            "The only flags it may have; absent: any.",
        ),
        Key {
            name: "Tls",
            says: "Whether every hop between organizations uses TLS; absent: not asked.",
            takes: Takes::Boolean,
            presence: Presence::Optional,
        },
    ],
};
