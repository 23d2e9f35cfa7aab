//! Organizations, their accepted and remote domains, and the replies their servers give.

use jiff::SignedDuration;

use super::id::{OrganizationId, RecipientId};
use super::place::Settings;
use super::space::DomainPattern;
use super::transport::{TenantPolicy, TransportConfig};
use crate::mail::{Domain, Mailbox, Status};

/// Which product an organization runs. Routing never asks; the data below says what differs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum OrganizationKind {
    /// Exchange Server in an Active Directory forest.
    OnPremises,
    /// An Exchange Online tenant.
    ExchangeOnline,
    /// Everyone else.
    Internet,
}

/// One organization: peers in the model, whatever they run.
#[derive(Clone, Debug)]
pub struct Organization {
    /// Its name.
    pub name: String,
    /// What it runs, for the reader's benefit only.
    pub kind: OrganizationKind,
    /// What happens to a recipient that no Send connector covers.
    pub fallback: Fallback,
    /// The organizations it forms a hybrid deployment with.
    pub partners: Vec<OrganizationId>,
    /// The replies and limits of its servers.
    pub profile: &'static Profile,
    /// What holds for all of its servers.
    pub transport: TransportConfig,
    /// What holds for it where it is a tenant.
    pub tenant: TenantPolicy,
    /// Where it is described.
    pub settings: Settings,
}

impl Organization {
    /// An organization without limits, partners and policies.
    #[must_use]
    pub fn new(name: impl Into<String>, kind: OrganizationKind, profile: &'static Profile) -> Self {
        Self {
            name: name.into(),
            kind,
            fallback: match kind {
                OrganizationKind::OnPremises => Fallback::Unreachable,
                OrganizationKind::ExchangeOnline | OrganizationKind::Internet => Fallback::Mx,
            },
            partners: Vec::new(),
            profile,
            transport: TransportConfig::unlimited(),
            tenant: TenantPolicy::default(),
            settings: Settings::default(),
        }
    }
}

/// What an organization does with a recipient that no Send connector covers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fallback {
    /// It resolves the MX record of the recipient domain.
    Mx,
    /// The recipient goes to the Unreachable queue (Exchange Server, "Queues").
    Unreachable,
}

/// `DomainType` of an accepted domain (Exchange Server, "Accepted domains").
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum DomainType {
    /// Every recipient is in this organization's directory.
    Authoritative,
    /// No recipient is in this organization.
    ExternalRelay,
    /// Some recipients are here, some elsewhere under the same control.
    InternalRelay,
}

impl DomainType {
    /// The value as Exchange spells it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Authoritative => "Authoritative",
            Self::ExternalRelay => "ExternalRelay",
            Self::InternalRelay => "InternalRelay",
        }
    }
}

/// An accepted domain of one organization.
#[derive(Clone, Debug)]
pub struct AcceptedDomain {
    /// Whose it is.
    pub organization: OrganizationId,
    /// Its name, which need not be the domain.
    pub name: String,
    /// The domain, without a wildcard.
    pub domain: Domain,
    /// Whether `*.domain`, or `MatchSubDomains`, was said.
    pub subdomains: bool,
    /// Who holds its recipients.
    pub kind: DomainType,
    /// Whether `*` was said: every domain is accepted. `domain` then stands for none.
    pub everything: bool,
    /// Whether it is the organization's default domain.
    pub default: bool,
    /// `AddressBookEnabled`: whether recipients are looked up for it at RCPT TO.
    pub address_book: bool,
    /// What only domains of a tenant have.
    pub cloud: CloudDomain,
    /// Where it is described.
    pub settings: Settings,
}

impl AcceptedDomain {
    /// A domain as it is where nothing else is said of it.
    #[must_use]
    pub fn new(organization: OrganizationId, domain: Domain, kind: DomainType) -> Self {
        Self {
            organization,
            name: domain.to_string(),
            domain,
            subdomains: false,
            everything: false,
            kind,
            default: false,
            address_book: kind == DomainType::Authoritative,
            cloud: CloudDomain::default(),
            settings: Settings::default(),
        }
    }
}

/// What only accepted domains of a tenant have (Exchange PowerShell, "Set-AcceptedDomain").
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CloudDomain {
    /// `OutboundOnly`.
    pub outbound_only: bool,
    /// `SendingFromDomainDisabled`.
    pub sending_from_disabled: bool,
    /// `SendingToDomainDisabled`.
    pub sending_to_disabled: bool,
    /// `IsCoexistenceDomain`.
    pub coexistence: bool,
    /// `InitialDomain`.
    pub initial: bool,
    /// `MailFlowRegion`, where the world says so.
    pub mail_flow_region: Option<String>,
}

/// A remote domain (Exchange Server, "Remote domains").
#[derive(Clone, Debug)]
pub struct RemoteDomain {
    /// Whose it is.
    pub organization: OrganizationId,
    /// Its name.
    pub name: String,
    /// Which domains it is for: one, one with those below it, or every domain.
    pub pattern: DomainPattern,
    /// `TargetDeliveryDomain`: whether the hybrid wizard marked it as the domain of target addresses.
    pub target_delivery_domain: bool,
    /// `IsInternal`: whether its recipients count as the organization's own.
    pub is_internal: bool,
    /// `TrustedMailInboundEnabled`: whether mail from it passes the recipient filter.
    pub trusted_inbound: bool,
    /// `TrustedMailOutboundEnabled`.
    pub trusted_outbound: bool,
    /// `AutoForwardEnabled`: whether users' mail is forwarded to it automatically.
    pub auto_forward: bool,
    /// `NDREnabled`: whether NDRs go to it.
    pub reports_failures: bool,
    /// `DeliveryReportEnabled`.
    pub reports_delivery: bool,
    /// Where it is described.
    pub settings: Settings,
}

impl RemoteDomain {
    /// A remote domain as `New-RemoteDomain` makes it.
    #[must_use]
    pub fn new(organization: OrganizationId, pattern: DomainPattern) -> Self {
        Self {
            organization,
            name: pattern.to_string(),
            pattern,
            target_delivery_domain: false,
            is_internal: false,
            trusted_inbound: false,
            trusted_outbound: false,
            auto_forward: true,
            reports_failures: true,
            reports_delivery: true,
            settings: Settings::default(),
        }
    }
}

/// The replies and limits that differ between products: data, so that routing need not ask.
#[derive(Debug)]
pub struct Profile {
    /// The categorizer finds no recipient in an Authoritative domain; `<recipient>` in its text stands
    /// for the address ([`Profile::not_found`]).
    pub recipient_not_found: Status,
    /// Recipient validation at RCPT TO finds no recipient.
    pub recipient_blocked: Status,
    /// The session may not relay to this recipient.
    pub relay_denied: Status,
    /// The session may not submit.
    pub not_authenticated: Status,
    /// A user writes as somebody whom it may not write as.
    pub cannot_send_as: Status,
    /// The message has been here too often.
    pub hop_count_exceeded: Status,
    /// A group that wants authenticated senders.
    pub group_refuses: Status,
    /// The same where it is a Microsoft 365 Group, and the sender of a foreign domain.
    pub unified_group_refuses_foreign: Status,
    /// A group whose lists do not let the sender write.
    pub group_restricted: Status,
    /// A mailbox that wants authenticated senders.
    pub mailbox_refuses: Status,
    /// A mail user that wants authenticated senders.
    pub mail_user_refuses: Status,
    /// A contact that wants authenticated senders.
    pub contact_refuses: Status,
    /// Whether a restriction is answered at the end of DATA while the session is open; otherwise
    /// the message is accepted and an NDR follows.
    pub restrictions_in_dialogue: bool,
    /// The recipient domain does not exist; `<domain>` in its text stands for it
    /// ([`Profile::no_domain`]).
    pub domain_not_found: Status,
    /// A next hop's name gives no answer now.
    pub dns_failed: Status,
    /// What the sender is told when [`Profile::dns_failed`] lasted until expiry.
    pub dns_expired: Status,
    /// The demanded TLS cannot be had from the next hop; `<what>` in its text stands for what is wrong
    /// ([`Profile::saying`]).
    pub tls_failed: Status,
    /// What the sender is told when [`Profile::tls_failed`] lasted until expiry.
    pub tls_expired: Status,
    /// The next hop refuses the session for now; `<what>` in its text stands for what it said, and `None`
    /// for nothing more than that.
    pub session_refused: Option<Status>,
    /// Nothing listens at the next hop.
    pub no_connection: Status,
    /// What the sender is told when [`Profile::no_connection`] lasted until expiry.
    pub connection_expired: Status,
    /// What the sender is told when any other transient failure lasted until expiry.
    pub expired: Status,
    /// How long a message is tried: `MessageExpirationTimeout` on premises.
    pub message_expiration: SignedDuration,
    /// What the sender is told where the organization's policy does not let mail be forwarded to
    /// others automatically; `None` where there is no such policy.
    pub forwarding_refused: Option<Status>,
    /// Whether mail is forwarded automatically to domains that no remote domain describes.
    pub forwards_to_undescribed: bool,
    /// Whether a mailbox that forwarded a message before does not forward it again.
    pub stops_forwarding_again: bool,
    /// How often mail-flow rules may change the recipients of a message
    /// (`X-MS-Exchange-Transport-Rules-Loop`); `None`: not counted.
    pub rules_loops_max: Option<u32>,
    /// How many Inbox rules may send a message on, one after the other
    /// (`X-MS-Exchange-Inbox-Rules-Loop`); `None`: not counted.
    pub inbox_rules_max: Option<usize>,
    /// Whether mailboxes and groups are found by addresses in accepted domains only: Exchange Online gives
    /// nobody another one, and a domain goes when nobody has an address in it.
    pub found_in_accepted_domains: bool,
}

impl Profile {
    /// What the categorizer says of an address that nobody has in an Authoritative domain.
    #[must_use]
    pub fn not_found(&self, recipient: &Mailbox) -> Status {
        let text = &self.recipient_not_found.text;
        let named = text.replace("<recipient>", &recipient.to_string());
        self.recipient_not_found.with_text(named)
    }

    /// A reply with what is wrong in the place of `<what>`.
    #[must_use]
    pub fn saying(status: &Status, what: &str) -> Status {
        status.with_text(status.text.replace("<what>", what))
    }

    /// What is said of a recipient domain that does not exist.
    #[must_use]
    pub fn no_domain(&self, domain: &Domain) -> Status {
        let text = &self.domain_not_found.text;
        let named = text.replace("<domain>", domain.as_str());
        self.domain_not_found.with_text(named)
    }
}

/// Exchange Server 2016 and later (Exchange Server, "DSNs and NDRs in Exchange Server").
pub static EXCHANGE_SERVER: Profile = Profile {
    recipient_not_found: Status::new(
        550,
        (5, 1, 10),
        "RESOLVER.ADR.RecipientNotFound; Recipient not found by SMTP address lookup",
    ),
    recipient_blocked: Status::new(
        550,
        (5, 1, 10),
        "RESOLVER.ADR.RecipientNotFound; Recipient not found by SMTP address lookup",
    ),
    relay_denied: Status::new(
        550,
        (5, 7, 54),
        "SMTP; Unable to relay recipient in non-accepted domain",
    ),
    not_authenticated: NOT_AUTHENTICATED,
    cannot_send_as: CANNOT_SEND_AS,
    hop_count_exceeded: Status::new(554, (5, 4, 6), "Hop count exceeded - possible mail loop"),
    group_refuses: SENDER_NOT_AUTHENTICATED_FOR_GROUP,
    unified_group_refuses_foreign: SENDER_NOT_AUTHENTICATED_FOR_GROUP,
    group_restricted: GROUP_RESTRICTED,
    mailbox_refuses: MAILBOX_REFUSES,
    mail_user_refuses: MAIL_USER_REFUSES,
    contact_refuses: CONTACT_REFUSES,
    restrictions_in_dialogue: false,
    domain_not_found: Status::new(
        554,
        (5, 4, 4),
        "SMTPSEND.DNS.NonExistentDomain; nonexistent domain",
    ),
    dns_failed: Status::new(451, (4, 4, 0), "DNS query failed"),
    dns_expired: QUEUE_EXPIRED,
    // Choice: the words of this LastError are not documented; the status is.
    tls_failed: Status::new(454, (4, 7, 5), "Certificate validation failure, <what>"),
    tls_expired: QUEUE_EXPIRED,
    session_refused: None,
    no_connection: NO_CONNECTION,
    connection_expired: QUEUE_EXPIRED,
    expired: QUEUE_EXPIRED,
    message_expiration: SignedDuration::from_hours(48),
    forwarding_refused: None,
    // Exchange PowerShell, "Set-RemoteDomain": AutoForwardEnabled of `Default` is false.
    forwards_to_undescribed: false,
    stops_forwarding_again: false,
    rules_loops_max: None,
    inbox_rules_max: Some(3),
    found_in_accepted_domains: false,
};

/// Exchange Server 2013 and earlier, whose replies are older.
pub static EXCHANGE_2013: Profile = Profile {
    recipient_not_found: Status::new(550, (5, 1, 1), "RESOLVER.ADR.RecipNotFound; not found"),
    recipient_blocked: Status::new(550, (5, 1, 1), "User unknown"),
    relay_denied: Status::new(550, (5, 7, 1), "Unable to relay"),
    not_authenticated: Status::new(530, (5, 7, 1), "Client was not authenticated"),
    cannot_send_as: Status::new(
        550,
        (5, 7, 1),
        "Client does not have permissions to send as this sender",
    ),
    hop_count_exceeded: Status::new(554, (5, 4, 6), "Hop count exceeded - possible mail loop"),
    group_refuses: AUTHENTICATION_REQUIRED,
    unified_group_refuses_foreign: AUTHENTICATION_REQUIRED,
    // Choice: the documents of that version name one reply for groups and mailboxes; mail users and
    // contacts get it as well.
    group_restricted: Status::new(550, (5, 7, 1), "RESOLVER.RST.NotAuthorized; not authorized"),
    mailbox_refuses: AUTHENTICATION_REQUIRED,
    mail_user_refuses: AUTHENTICATION_REQUIRED,
    contact_refuses: AUTHENTICATION_REQUIRED,
    restrictions_in_dialogue: false,
    domain_not_found: Status::new(
        554,
        (5, 4, 4),
        "SMTPSEND.DNS.NonExistentDomain; nonexistent domain",
    ),
    dns_failed: Status::new(451, (4, 4, 0), "DNS query failed"),
    dns_expired: QUEUE_EXPIRED,
    tls_failed: Status::new(454, (4, 7, 5), "Certificate validation failure, <what>"),
    tls_expired: QUEUE_EXPIRED,
    session_refused: None,
    no_connection: NO_CONNECTION,
    connection_expired: QUEUE_EXPIRED,
    expired: QUEUE_EXPIRED,
    message_expiration: SignedDuration::from_hours(48),
    forwarding_refused: None,
    forwards_to_undescribed: false,
    stops_forwarding_again: false,
    rules_loops_max: None,
    inbox_rules_max: Some(3),
    found_in_accepted_domains: false,
};

const AUTHENTICATION_REQUIRED: Status = Status::new(
    550,
    (5, 7, 1),
    "RESOLVER.RST.AuthRequired; authentication required",
);

/// Exchange Online and its protection front end (Exchange Online, "Email non-delivery reports and
/// SMTP errors in Exchange Online").
pub static EXCHANGE_ONLINE: Profile = Profile {
    recipient_not_found: Status::new(
        550,
        (5, 1, 10),
        "RESOLVER.ADR.RecipientNotFound; Recipient <recipient> not found by SMTP address lookup",
    ),
    recipient_blocked: Status::new(550, (5, 4, 1), "Recipient address rejected: Access denied"),
    relay_denied: Status::new(550, (5, 7, 64), "TenantAttribution; Relay Access Denied"),
    not_authenticated: NOT_AUTHENTICATED,
    cannot_send_as: CANNOT_SEND_AS,
    hop_count_exceeded: Status::new(
        554,
        (5, 4, 14),
        "Hop count exceeded - possible mail loop ATTR34",
    ),
    // Choice: documents show 5.7.133 for senders of the organization whose mail arrived as
    // Anonymous, and 5.7.193 for external senders; the agent that says so knows no other groups.
    group_refuses: SENDER_NOT_AUTHENTICATED_FOR_GROUP,
    unified_group_refuses_foreign: Status::new(
        550,
        (5, 7, 193),
        "UnifiedGroupAgent; Delivery failed because the sender isn't a group member or external senders aren't permitted to send to this group",
    ),
    group_restricted: GROUP_RESTRICTED,
    mailbox_refuses: MAILBOX_REFUSES,
    mail_user_refuses: MAIL_USER_REFUSES,
    contact_refuses: CONTACT_REFUSES,
    // Choice: the front end proxies the session, so the refusal reaches the peer after DATA.
    restrictions_in_dialogue: true,
    domain_not_found: Status::new(550, (5, 4, 310), "DNS domain <domain> does not exist"),
    dns_failed: Status::new(450, (4, 4, 312), "DNS query failed [Message=InfoNoRecords]"),
    dns_expired: Status::new(
        550,
        (5, 4, 312),
        "Message expired, DNS query failed(InfoNoRecords)",
    ),
    tls_failed: Status::new(
        450,
        (4, 4, 317),
        "Cannot connect to remote server [Message=<what>]",
    ),
    tls_expired: Status::new(
        550,
        (5, 4, 317),
        "Message expired, cannot connect to remote server",
    ),
    // Choice: documented for a next hop that offers no STARTTLS and says so; one that takes no session at
    // all is no better connected.
    session_refused: Some(Status::new(
        450,
        (4, 4, 317),
        "Cannot connect to remote server [Message=<what>]",
    )),
    no_connection: Status::new(
        450,
        (4, 4, 316),
        "Connection refused [Message=Socket error code 10061]",
    ),
    connection_expired: Status::new(
        550,
        (5, 4, 316),
        "Message expired, connection refused(Socket error code 10061)",
    ),
    expired: Status::new(550, (5, 4, 300), "Message expired"),
    // Choice: a day; headers with two days were seen as well.
    message_expiration: SignedDuration::from_hours(24),
    forwarding_refused: Some(Status::new(
        550,
        (5, 7, 520),
        "Access denied, Your organization does not allow external forwarding",
    )),
    forwards_to_undescribed: true,
    // Exchange Online, "Loop detection": X-MS-Exchange-ForwardingLoop.
    stops_forwarding_again: true,
    rules_loops_max: Some(1),
    inbox_rules_max: Some(1),
    found_in_accepted_domains: true,
};

/// A mail host somewhere on the Internet, with plain RFC 5321 manners.
pub static INTERNET: Profile = Profile {
    recipient_not_found: Status::new(550, (5, 1, 1), "Bad destination mailbox address"),
    recipient_blocked: Status::new(550, (5, 1, 1), "Bad destination mailbox address"),
    relay_denied: Status::new(550, (5, 7, 1), "Relaying denied"),
    not_authenticated: NOT_AUTHENTICATED,
    cannot_send_as: CANNOT_SEND_AS,
    hop_count_exceeded: Status::new(554, (5, 4, 6), "Too many hops"),
    group_refuses: NOT_AUTHORIZED,
    unified_group_refuses_foreign: NOT_AUTHORIZED,
    group_restricted: NOT_AUTHORIZED,
    mailbox_refuses: NOT_AUTHORIZED,
    mail_user_refuses: NOT_AUTHORIZED,
    contact_refuses: NOT_AUTHORIZED,
    restrictions_in_dialogue: true,
    domain_not_found: Status::new(550, (5, 1, 2), "Bad destination system address"),
    dns_failed: Status::new(451, (4, 4, 3), "Directory server failure"),
    dns_expired: Status::new(550, (4, 4, 7), "Delivery time expired"),
    tls_failed: Status::new(454, (4, 7, 0), "TLS not available, <what>"),
    tls_expired: Status::new(550, (4, 4, 7), "Delivery time expired"),
    session_refused: None,
    no_connection: NO_CONNECTION,
    connection_expired: Status::new(550, (4, 4, 7), "Delivery time expired"),
    expired: Status::new(550, (4, 4, 7), "Delivery time expired"),
    // RFC 5321 §4.5.4.1: generally at least four to five days.
    message_expiration: SignedDuration::from_hours(120),
    forwarding_refused: None,
    forwards_to_undescribed: true,
    stops_forwarding_again: false,
    rules_loops_max: None,
    inbox_rules_max: None,
    found_in_accepted_domains: false,
};

const NOT_AUTHORIZED: Status = Status::new(550, (5, 7, 1), "Not authorized");
const NO_CONNECTION: Status = Status::new(
    441,
    (4, 4, 1),
    "Error encountered while communicating with primary target IP address",
);
const NOT_AUTHENTICATED: Status = Status::new(
    530,
    (5, 7, 57),
    "SMTP; Client was not authenticated to send anonymous mail during MAIL FROM",
);

const CANNOT_SEND_AS: Status = Status::new(
    550,
    (5, 7, 60),
    "SMTP; Client does not have permissions to send as this sender",
);

const QUEUE_EXPIRED: Status = Status::new(550, (4, 4, 7), "QUEUE.Expired; message expired");

const SENDER_NOT_AUTHENTICATED_FOR_GROUP: Status = Status::new(
    550,
    (5, 7, 133),
    "RESOLVER.RST.SenderNotAuthenticatedForGroup; authentication required; Delivery restriction check failed because the sender was not authenticated when sending to this group",
);

const GROUP_RESTRICTED: Status =
    Status::new(550, (5, 7, 124), "Sender not in allowed-senders list");

const CONTACT_REFUSES: Status = Status::new(
    550,
    (5, 7, 12),
    "RESOLVER.RST.SenderAuthenticated; Delivery restriction check failed as sender not authenticated",
);

const MAILBOX_REFUSES: Status = Status::new(
    550,
    (5, 7, 134),
    "RESOLVER.RST.SenderNotAuthenticatedForMailbox; authentication required; Delivery restriction check failed because the sender was not authenticated when sending to this mailbox",
);

// Choice: the tail of the text is not documented.
const MAIL_USER_REFUSES: Status = Status::new(
    550,
    (5, 7, 136),
    "RESOLVER.RST.SenderNotAuthenticatedForMailUser; authentication required",
);

/// Replies that both products give in the same words.
pub mod replies {
    use crate::mail::Status;

    /// Two recipients share the address.
    pub static AMBIGUOUS: Status =
        Status::new(550, (5, 1, 4), "RESOLVER.ADR.Ambiguous; ambiguous address");
    /// Recipients whose mail goes to each other and to nobody else. Choice: the text is not
    /// documented.
    pub static FORWARDING_LOOP: Status = Status::new(
        550,
        (5, 4, 6),
        "RESOLVER.FWD.Loop; recipient forwarding loop",
    );
    /// A mailbox whose forwarding address is nobody's any more. Choice: status and tail are not
    /// documented.
    pub static FORWARDING_NOT_FOUND: Status = Status::new(
        550,
        (5, 1, 1),
        "RESOLVER.FWD.NotFound; misconfigured forwarding address",
    );
    /// The query of a dynamic distribution group cannot be run. Choice: the text is not documented.
    pub static BROKEN_FILTER: Status = Status::new(
        550,
        (5, 2, 4),
        "RESOLVER.GRP.FilterInvalid; misconfigured dynamic distribution group",
    );
    /// An encapsulated address of a type that may not be encapsulated.
    pub static INVALID_IN_SMTP: Status = Status::new(
        550,
        (5, 1, 0),
        "RESOLVER.ADR.InvalidInSmtp; invalid address",
    );
    /// An encapsulated X.500 name that no recipient has.
    pub static EX_NOT_FOUND: Status =
        Status::new(550, (5, 1, 1), "RESOLVER.ADR.ExRecipNotFound; not found");
    /// A mailbox without a database.
    pub static NO_DATABASE: Status =
        Status::new(420, (4, 2, 0), "Recipient deferred because there is no Mdb");
    /// Anybody else whose lists do not let the sender write. Choice: the tail is not documented.
    pub static RECIPIENT_RESTRICTED: Status = Status::new(
        550,
        (5, 7, 129),
        "RESOLVER.RST.RestrictedToRecipientsPermission; not authorized to send to recipient because the sender isn't on the recipient's allowed senders list",
    );
    /// Above the recipient's size limit, or the organization's for it.
    pub static RECIPIENT_SIZE: Status = Status::new(
        550,
        (5, 2, 3),
        "RESOLVER.RST.RecipSizeLimit; message too large for this recipient",
    );
    /// Above the sender's size limit. Choice: the tail is not documented.
    pub static SENDER_SIZE: Status = Status::new(
        550,
        (5, 2, 3),
        "RESOLVER.RST.SendSizeLimit.Sender; message too large for this sender",
    );
    /// Above the organization's size limit. Choice: the text is not documented.
    pub static ORGANIZATION_SIZE: Status = Status::new(
        550,
        (5, 2, 3),
        "RESOLVER.RST.SendSizeLimit.Org; message too large for this organization",
    );
    /// More recipients than the sender, or the organization, allows.
    pub static RECIPIENT_COUNT: Status = Status::new(
        550,
        (5, 5, 3),
        "RESOLVER.ADR.RecipLimit; too many recipients",
    );
    /// No connector carries addresses of the recipient's type.
    pub static NO_CONNECTOR_FOR_TYPE: Status = Status::new(
        550,
        (5, 4, 4),
        "ROUTING.NoConnectorForAddressType; unable to route for address type",
    );
    /// A mail-flow rule rejects a message; a rule may give another status and text.
    pub static RULE_REJECTS: Status = Status::new(550, (5, 7, 1), "TRANSPORT.RULES.RejectMessage");
    /// Mail-flow rules changed the recipients of a message too often.
    pub static RULES_LOOP: Status = Status::new(
        550,
        (5, 7, 128),
        "TRANSPORT.RULES.RejectMessage; Transport rules loop count exceeded and message rejected.",
    );
    /// More recipients in one transaction than the Receive connector takes.
    pub static TOO_MANY_RECIPIENTS: Status = Status::new(452, (4, 5, 3), "Too many recipients");
    /// A size above the limit.
    pub static TOO_LARGE: Status = Status::new(
        552,
        (5, 3, 4),
        "Message size exceeds fixed maximum message size",
    );
    /// The connector demands TLS. Choice: the text of Exchange 2013 and later, as it is reported.
    pub static MUST_STARTTLS: Status =
        Status::new(451, (5, 7, 3), "STARTTLS is required to send mail");
    /// The certificate that a client showed is from an authority that nobody else trusts.
    pub static UNTRUSTED_ROOT: Status = Status::new(
        454,
        (4, 7, 0),
        "Failed to establish appropriate TLS channel: UntrustedRoot: Access Denied",
    );
    /// The certificate that a client showed does not prove what it has to.
    pub static CERTIFICATE_INVALID: Status =
        Status::new(454, (4, 7, 5), "Certificate validation failure");
    /// The session may not name a sender of an own domain.
    pub static SENDER_REFUSED: Status = Status::new(
        550,
        (5, 7, 1),
        "Client does not have permissions to send as this sender",
    );
    /// A connector recognises the session, but it may not relay (Exchange Online, "Relay Access
    /// Denied ATTR36").
    pub static RELAY_NOT_REGISTERED: Status = Status::new(
        550,
        (5, 7, 64),
        "Relay Access Denied ATTR36. For more details please refer to KB 3169958",
    );
    /// A connector from a partner restricts the sender's domain to others.
    pub static PARTNER_RESTRICTED: Status = Status::new(
        550,
        (5, 7, 51),
        "TenantInboundAttribution; There is a partner connector configured that matched the message's recipient domain. The connector had either the RestrictDomainsToIPAddresses or RestrictDomainsToCertificate set",
    );
    /// A stranger writes as somebody of the tenant (`RejectDirectSend`).
    pub static DIRECT_SEND: Status = Status::new(
        550,
        (5, 7, 68),
        "TenantInboundAttribution; Direct Send not allowed for this organization from unauthorized sources",
    );
    /// The tenant of the recipient has no subscription with mail. Choice: transient, as it is seen,
    /// and not 550, as it is documented.
    pub static NO_MAIL_LICENSE: Status = Status::new(
        451,
        (4, 4, 4),
        "Mail received as unauthenticated, incoming to a recipient domain configured in a hosted tenant which has no mail-enabled subscriptions. ATTR5",
    );
    /// The endpoint serves another region than that of the tenant (Exchange Online, "ATTR35 response code
    /// when mail is sent to EOP/EXO").
    pub static WRONG_REGION: Status = Status::new(
        451,
        (4, 4, 62),
        "Mail sent to the wrong Office 365 region. ATTR35. For more information please go to https://go.microsoft.com/fwlink/p/?linkid=865268",
    );
    /// The service has blocked the connector that recognises the session.
    pub static CONNECTOR_BLOCKED: Status = Status::new(
        550,
        (5, 7, 711),
        "Access denied, bad inbound connector. AS(2204).",
    );
    /// The recipient domain is one of those that are never in use (RFC 2606 §2).
    pub static RESERVED_TOP_LEVEL: Status =
        Status::new(550, (5, 1, 4), "Recipient address reserved by RFC 2606");
    /// The same for a second-level domain (RFC 2606 §3).
    pub static RESERVED_SECOND_LEVEL: Status =
        Status::new(550, (5, 1, 5), "Recipient address reserved by RFC 2606");
    /// The recipient domain has one label.
    pub static SINGLE_LABEL: Status = Status::new(
        550,
        (5, 1, 6),
        "Recipient addresses in single label domains not accepted",
    );
    /// The next hop does not take a server of its own organization for one.
    pub static EXCHANGE_AUTHENTICATION: Status = Status::new(
        451,
        (5, 7, 3),
        "Cannot achieve Exchange Server authentication",
    );
    /// No enabled Receive connector serves the connection.
    pub static NOT_ACTIVE: Status = Status::new(421, (4, 3, 2), "Service not active");
    /// The disk is full, or cannot be written.
    pub static NO_RESOURCES: Status = Status::new(452, (4, 3, 1), "Insufficient system resources");
    /// The best MX host is the sending server.
    pub static MX_LOOPBACK: Status = Status::new(
        554,
        (5, 4, 4),
        "SMTPSEND.DNS.MxLoopback; DNS records for this domain are configured in a loop",
    );
    /// The next hop greets by the sending server's own name (Exchange Server, "DSNs and NDRs in
    /// Exchange Server", 5.3.5).
    pub static OWN_GREETING: Status = Status::new(550, (5, 3, 5), "System incorrectly configured");
    /// The domain takes no mail (RFC 7505). Choice: Exchange's own words are not documented.
    pub static NULL_MX: Status = Status::new(556, (5, 1, 10), "Recipient address has null MX");
    /// No Send connector covers the recipient.
    pub static UNREACHABLE: Status = Status::new(
        451,
        (4, 4, 0),
        "A matching connector cannot be found to route the external recipient",
    );
    /// The certificate that the Send connector names is not on the server.
    pub static CERTIFICATE_MISSING: Status = Status::new(
        454,
        (4, 7, 5),
        "The certificate specified in TlsCertificateName of the SendConnector could not be found",
    );
    /// An object has no address to send to.
    pub static BAD_PRIMARY: Status = Status::new(550, (5, 2, 0), "RESOLVER.ADR.BadPrimary");
    /// The message was taken.
    pub static QUEUED: Status = Status::new(250, (2, 6, 0), "Queued mail for delivery");
}

/// Somebody a group names: an object of the directory, or an address that belongs to nobody.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Member {
    /// A recipient of the same organization.
    Recipient(RecipientId),
    /// An address that no recipient has.
    Nobody(crate::mail::Mailbox),
}
