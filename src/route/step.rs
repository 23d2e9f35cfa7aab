//! Evidence: what a server decided, by which rule, and what lost against it.

use std::fmt;

use crate::mail::{ByteSize, Domain, Limit, Mailbox};
use crate::model::{
    AcceptedDomainId, CertificateId, DomainType, ReceiveConnectorId, RecipientId, RuleId,
    SendConnectorId, ServerId, Topology,
};

/// What happened, in the words of Exchange's message tracking log (Exchange Server, "Message
/// tracking").
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Event {
    /// A mail-flow rule did something to the message.
    AgentInfo,
    /// Delayed: to be tried again.
    Defer,
    /// Put into a local mailbox.
    Deliver,
    /// Dropped without a report, by design.
    Drop,
    /// A delivery status notification was made.
    Dsn,
    /// In the mailbox already, and dropped.
    DuplicateDeliver,
    /// Met again in one expansion, and dropped.
    DuplicateExpand,
    /// Met again where mail was forwarded, and dropped.
    DuplicateRedirect,
    /// A group became its recipients.
    Expand,
    /// A recipient failed for good.
    Fail,
    /// Kept until a moderator approves it.
    InitMessageCreated,
    /// Taken over from a client or another server.
    Receive,
    /// Sent to another address than the one used.
    Redirect,
    /// The address used became the primary one.
    Resolve,
    /// Handed to another server of the organization.
    Send,
    /// Handed out through a Send connector.
    SendExternal,
    /// Submitted by a user of this server.
    Submit,
}

impl Event {
    /// The word of the tracking log.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::AgentInfo => "AGENTINFO",
            Self::Defer => "DEFER",
            Self::Deliver => "DELIVER",
            Self::Drop => "DROP",
            Self::Dsn => "DSN",
            Self::DuplicateDeliver => "DUPLICATEDELIVER",
            Self::DuplicateExpand => "DUPLICATEEXPAND",
            Self::DuplicateRedirect => "DUPLICATEREDIRECT",
            Self::Expand => "EXPAND",
            Self::Fail => "FAIL",
            Self::InitMessageCreated => "INITMESSAGECREATED",
            Self::Receive => "RECEIVE",
            Self::Redirect => "REDIRECT",
            Self::Resolve => "RESOLVE",
            Self::Send => "SEND",
            Self::SendExternal => "SENDEXTERNAL",
            Self::Submit => "SUBMIT",
        }
    }
}

/// Something a decision can choose or pass over.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Subject {
    /// An accepted domain.
    AcceptedDomain(AcceptedDomainId),
    /// A certificate.
    Certificate(CertificateId),
    /// A host that is no server of the world.
    Host(String),
    /// The MX record of a domain, where no connector is needed.
    Mx(Domain),
    /// A Receive connector.
    ReceiveConnector(ReceiveConnectorId),
    /// A recipient.
    Recipient(RecipientId),
    /// A mail-flow rule.
    Rule(RuleId),
    /// A Send connector.
    SendConnector(SendConnectorId),
    /// A server.
    Server(ServerId),
    /// The Unreachable queue.
    UnreachableQueue,
}

impl Subject {
    /// Its name as the reader knows it.
    #[must_use]
    pub fn name(&self, topology: &Topology) -> String {
        match self {
            Self::AcceptedDomain(id) => topology.accepted_domain(*id).name.clone(),
            Self::Certificate(id) => topology.certificate(*id).subject.clone(),
            Self::Host(name) => name.clone(),
            Self::Mx(domain) => format!("MX of {domain}"),
            Self::ReceiveConnector(id) => {
                let connector = topology.receive_connector(*id);
                format!(
                    "{}\\{}",
                    topology.server(connector.server).name,
                    connector.name
                )
            }
            Self::Recipient(id) => topology.recipient(*id).primary().to_string(),
            Self::Rule(id) => topology.rule(*id).name.clone(),
            Self::SendConnector(id) => topology.send_connector(*id).name.clone(),
            Self::Server(id) => topology.server(*id).name.clone(),
            Self::UnreachableQueue => "Unreachable queue".to_owned(),
        }
    }
}

/// Why something won or lost. `Display` gives the words.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Reason {
    /// The peer's address is not in the connector's `RemoteIPRanges`.
    AddressNotInRange,
    /// The peer's address is not known, and the connector is not for everyone.
    AddressUnknown,
    /// The connector attributes sessions of this certificate or address.
    Attributed,
    /// The address space covers the domain.
    AddressSpace(String),
    /// The mailbox has this message: the same Message-ID and the same date.
    AlreadyDelivered,
    /// The expansion met the recipient before.
    AlreadyExpanded,
    /// Another copy goes the same way to this recipient.
    AlreadyNamed,
    /// The message has been on premises: centralized mail transport does not send it there again.
    AlreadyOnPremises,
    /// Several recipients hold the address.
    AmbiguousAddress(usize),
    /// A distribution group of so many members.
    MembersExpanded(usize),
    /// An Inbox rule sends it on.
    InboxRule(Mailbox),
    /// The mailbox has no database.
    NoDatabase,
    /// A report that came to a group, which hides those of its members.
    ReportToGroup,
    /// Failures of members are reported to this one; `None`: to nobody.
    ReportsTo(Option<Mailbox>),
    /// Mail goes round between these recipients.
    RecipientLoop(Vec<Mailbox>),
    /// The sender is not among those who alone may write.
    SenderNotAllowed,
    /// The sender is among those who may not write.
    SenderRejected,
    /// More Inbox rules sent the message on than may.
    TooManyInboxRules {
        /// How many did.
        count: usize,
        /// How many may.
        limit: usize,
    },
    /// More recipients than a limit allows.
    TooManyRecipients {
        /// In the message.
        count: usize,
        /// The limit.
        limit: u32,
    },
    /// The remote domain that this one falls under does not take what is forwarded automatically.
    AutoForwardDisabled(Domain),
    /// The outbound spam policy does not allow automatic forwarding to others.
    AutoForwardingOff,
    /// A moderator has to approve it first.
    AwaitsApproval,
    /// The query of the dynamic group cannot be run.
    BrokenFilter,
    /// No certificate of the peer has a name that satisfies the connector.
    CertificateDoesNotMatch(String),
    /// The certificate matches, but neither its domain nor the sender's is an accepted domain.
    CertificateDomainNotAccepted(String),
    /// The connector takes sessions under TLS alone.
    TlsRequired,
    /// The endpoint serves another region than the tenant's: the endpoint's, then the tenant's.
    RegionOther(String, String),
    /// The client's certificate is from a private authority.
    UntrustedClient,
    /// The next hop's certificate, and what is wrong with it.
    CertificateRejected(String),
    /// The connector is disabled.
    Disabled,
    /// Centralized mail transport takes it through the on-premises organization first.
    Centralized,
    /// DNS has no usable answer.
    Dns(String),
    /// The recipient domain has this type here.
    DomainIs(Domain, DomainType),
    /// The recipient domain is not accepted here.
    DomainNotAccepted(Domain),
    /// The message is its sender's own, and the sender does not want it back.
    EchoOff,
    /// A subscriber who wants the own posts back.
    EchoOn,
    /// A subscribed Edge server takes accepted domains back inside.
    EdgeTakesInside(Domain),
    /// The route of target addresses out of an Edge server.
    EdgeTargetDelivery(Domain),
    /// An address of another type in the form of an SMTP address: type and address.
    Encapsulated(String, String),
    /// Only this server expands the group.
    ExpansionServer,
    /// `ForwardingAddress` or `ForwardingSmtpAddress`.
    ForwardingAddress(Mailbox),
    /// The mailbox forwarded this message before.
    ForwardedBefore,
    /// A front end hands the session on.
    FrontEnd,
    /// A group and how many get copies.
    GroupExpanded {
        /// Subscribers who get a copy.
        copies: usize,
        /// Members without a subscription.
        unsubscribed: usize,
    },
    /// Costs more.
    HigherCost {
        /// Its cost.
        cost: u32,
        /// The winner's.
        best: u32,
    },
    /// Ranks after the winner.
    HigherRank,
    /// Too many Received fields.
    HopCount {
        /// Fields in the message as submitted.
        count: usize,
        /// The limit.
        limit: u32,
        /// Whether only those that name this server were counted.
        local: bool,
    },
    /// Entered the same organization too often.
    TooManyAttributions {
        /// Earlier entries.
        count: u32,
        /// The limit.
        limit: u32,
    },
    /// The address space is less specific.
    LessSpecific(String),
    /// Another connector recognises the client by something stronger.
    LessSure,
    /// Its sources are farther away.
    FartherAway,
    /// Sorts after the winner by name.
    LaterName,
    /// A mailbox of this server.
    LocalMailbox,
    /// A mailbox of another server.
    MailboxElsewhere,
    /// The recipient is reached at another address.
    TargetAddress(Mailbox),
    /// The best MX host is this server.
    MxIsSelf(Domain),
    /// The domain takes no mail.
    NullMx(Domain),
    /// A Receive connector whose range is the narrowest.
    NarrowestRange,
    /// Its range is wider.
    WiderRange,
    /// Listens on every address of the server, and the winner on the one that the client chose.
    WiderBinding,
    /// No address space covers the domain.
    NoAddressSpace,
    /// No connector serves the session.
    NoReceiveConnector,
    /// No connector covers the domain.
    NoConnector,
    /// Every connector that covers the domain is for smaller messages.
    ConnectorsTooSmall,
    /// The organization has no connectors to choose from.
    WithoutConnectors,
    /// Nothing answers at the address.
    NoConnection(String),
    /// No recipient holds the address.
    NotFound,
    /// The written-back group is not mail-enabled yet.
    NotMailEnabled,
    /// This Edge server is not among its sources.
    NotASource,
    /// A server of the organization sent it.
    ExchangeServer,
    /// An authenticated user sent it.
    AuthenticatedUser,
    /// Nobody vouches for the sender.
    AnonymousSession,
    /// Hosts of this connector are taken as authenticated.
    ExternallySecured,
    /// The newest of the certificates that fit.
    NewestCertificate,
    /// A newer certificate fits.
    OlderCertificate,
    /// The certificate is not valid at the moment.
    CertificateOutOfDate,
    /// The session has the right to call itself authenticated.
    AuthenticationFlag,
    /// The sender's domain, proved by mutual TLS.
    DomainProved(Domain),
    /// The sender's domain has to be proved by mutual TLS, and is not.
    DomainNotProved(Domain),
    /// The extended right that the session lacks.
    RightMissing(&'static str),
    /// The next server does not take ours for one of its organization.
    ExchangeAuthenticationMissing,
    /// A connector is bound to another address of the server.
    OtherAddress,
    /// The setting that refuses recipients of such domains.
    DomainCannotBe(&'static str),
    /// The recipient is on the block list of the server.
    RecipientOnBlockList,
    /// `TreatMessagesAsInternal`, and the sender's domain is the tenant's.
    TreatedAsInternal,
    /// The setting of the connector from a partner that the session does not satisfy.
    PartnerRestricted(&'static str),
    /// The connector is from a partner that does not write as this sender.
    SenderDomainOther,
    /// `AssociatedAcceptedDomains` do not contain the recipient's domain.
    DomainNotAssociated(Domain),
    /// The client is on the service's block list.
    ConnectorBlocked,
    /// `RejectDirectSend`, and the sender's domain is the tenant's.
    DirectSendRejected,
    /// The tenant may not receive mail.
    NoMailLicense,
    /// The setting of an accepted domain that forbids it.
    DomainSwitchedOff(&'static str),
    /// The remote domain of the sender is trusted, so that recipients are not filtered.
    SenderDomainTrusted(String),
    /// A connector listens on another port.
    OtherPort,
    /// Not visible from this server's site.
    OutOfScope,
    /// Organization headers were promoted, with the AuthAs they carry.
    Promoted(crate::mail::AuthAs),
    /// The session may not submit: the group it lacks.
    PermissionMissing(&'static str),
    /// The address used is not the primary one.
    PrimaryAddress(Mailbox),
    /// The organization headers were not carried across, and why.
    HeadersNotCarried(String),
    /// The session may not relay.
    RelayDenied,
    /// The recipient is not in the directory (edge blocking).
    RecipientBlocked,
    /// The recipient takes mail from authenticated senders only.
    SenderNotAuthenticated,
    /// The peer said so.
    Reply(String),
    /// TLS is demanded and not there.
    TlsMissing,
    /// The tenant that owns the recipient's domain.
    TenantOfRecipient,
    /// Too large for a limit.
    TooLarge {
        /// The message.
        size: ByteSize,
        /// The limit.
        limit: Limit,
        /// The setting that the limit is, such as `MaxMessageSize`.
        setting: &'static str,
    },
    /// A host outside the world takes it.
    OutsideWorld(String),
    /// A fact is missing from the world.
    UnknownFact(String),
    /// Everyone in the domain has a mailbox on this host.
    AnyoneHere,
    /// The source server of the chosen connector.
    SourceServer,
    /// The next hop greets by the name of the sending server.
    OwnGreeting(Domain),
    /// Names among its `SourceTransportServers` that no server has.
    DeadSources(String),
    /// A hub site on the least-cost way.
    HubSite(String),
    /// The site that the Edge server is subscribed to.
    SubscribedSite(String),
    /// A site link of the least-cost way does not let the message through.
    SiteLinkTooSmall {
        /// The link.
        link: String,
        /// The message.
        size: ByteSize,
        /// Its limit.
        limit: Limit,
    },
    /// Only a mail-flow rule may choose the connector.
    RuleScoped,
    /// All conditions of the rule hold, and no exception.
    RuleApplies,
    /// An exception of the rule holds, by its key.
    RuleExcepted(&'static str),
    /// A condition of the rule does not hold, by its key.
    RuleNotMet(&'static str),
    /// The rule is switched off, by this key.
    RuleOff(&'static str),
    /// A mail-flow rule names the connector.
    RuleRoutes(String),
    /// A gateway passes everything on.
    GatewayRelays,
    /// The recipient's address is of another type than SMTP.
    ForeignAddress(String),
}

impl fmt::Display for Reason {
    #[expect(clippy::too_many_lines, reason = "one line for each reason")]
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::AddressNotInRange => {
                f.write_str("its RemoteIPRanges do not contain the client's address")
            }
            Self::AddressUnknown => f.write_str(
                "the client's address is not known, and its RemoteIPRanges are not for everyone",
            ),
            Self::Attributed => f.write_str("it recognises the sending organization"),
            Self::AddressSpace(space) => write!(f, "address space `{space}`"),
            Self::AlreadyDelivered => f.write_str("the mailbox has this message already"),
            Self::AlreadyExpanded => f.write_str("the expansion met this recipient before"),
            Self::AlreadyNamed => f.write_str("the message goes there for this recipient already"),
            Self::AlreadyOnPremises => f.write_str(
                "RouteAllMessagesViaOnPremises, and the message came from the on-premises organization",
            ),
            Self::AmbiguousAddress(count) => write!(f, "{count} recipients hold the address"),
            Self::AutoForwardDisabled(domain) => {
                write!(f, "AutoForwardEnabled is false for `{domain}`")
            }
            Self::AutoForwardingOff => {
                f.write_str("AutoForwardingMode does not allow automatic forwarding to others")
            }
            Self::AwaitsApproval => f.write_str("waits until a moderator approves it"),
            Self::BrokenFilter => f.write_str("its RecipientFilter cannot be run"),
            Self::Encapsulated(kind, address) => {
                write!(f, "encapsulated address `{kind}:{address}`")
            }
            Self::ExpansionServer => f.write_str("the expansion server of the group"),
            Self::ForwardingAddress(target) => write!(f, "forwarded to `{target}`"),
            Self::ForwardedBefore => f.write_str("the mailbox forwarded this message before"),
            Self::InboxRule(target) => write!(f, "an Inbox rule sends it on to `{target}`"),
            Self::NoDatabase => f.write_str("the mailbox has no database"),
            Self::ReportToGroup => {
                f.write_str("a report sent to a group, which keeps reports from its members")
            }
            Self::ReportsTo(Some(manager)) => write!(f, "failures are reported to `{manager}`"),
            Self::ReportsTo(None) => f.write_str("failures are reported to nobody"),
            Self::RecipientLoop(cycle) => {
                let round: Vec<String> = cycle
                    .iter()
                    .chain(cycle.first())
                    .map(|each| format!("`{each}`"))
                    .collect();
                write!(f, "mail goes round: {}", round.join(" to "))
            }
            Self::SenderNotAllowed => {
                f.write_str("AcceptMessagesOnlyFromSendersOrMembers does not name the sender")
            }
            Self::SenderRejected => {
                f.write_str("RejectMessagesFromSendersOrMembers names the sender")
            }
            Self::TooManyInboxRules { count, limit } => write!(
                f,
                "{count} Inbox rules sent it on before, and {limit} may"
            ),
            Self::TooManyRecipients { count, limit } => {
                write!(f, "{count} recipients, and {limit} are allowed")
            }
            Self::CertificateDoesNotMatch(wanted) => {
                write!(
                    f,
                    "the client's certificate has no name that matches `{wanted}`"
                )
            }
            Self::CertificateDomainNotAccepted(name) => {
                write!(
                    f,
                    "neither `{name}`, its parent nor the sender's domain is an accepted domain of the tenant"
                )
            }
            Self::TlsRequired => f.write_str("the connector demands TLS, and the session has none"),
            Self::RegionOther(endpoint, tenant) => write!(
                f,
                "the endpoint is of the region {endpoint}, and the tenant of {tenant}"
            ),
            Self::UntrustedClient => {
                f.write_str("the client's certificate is from an authority that only its owner trusts")
            }
            Self::CertificateRejected(what) => f.write_str(what),
            Self::Disabled => f.write_str("disabled"),
            Self::Centralized => f.write_str(
                "RouteAllMessagesViaOnPremises: mail from outside goes through the on-premises organization first",
            ),
            Self::Dns(what) => f.write_str(what),
            Self::DomainIs(domain, kind) => write!(f, "`{domain}` is {} here", kind.as_str()),
            Self::DomainNotAccepted(domain) => {
                write!(f, "`{domain}` is not an accepted domain here")
            }
            Self::EchoOff => {
                f.write_str("own message, and EchoGroupMessageBackToSubscribedSender is false")
            }
            Self::EchoOn => {
                f.write_str("own message, and EchoGroupMessageBackToSubscribedSender is true")
            }
            Self::EdgeTakesInside(domain) => {
                write!(
                    f,
                    "`{domain}` is accepted, so a subscribed Edge server sends it inside by address space `--`"
                )
            }
            Self::EdgeTargetDelivery(domain) => write!(
                f,
                "`{domain}` is the target delivery domain of a remote domain, and the message comes from inside"
            ),
            Self::FrontEnd => f.write_str("the front end hands the session to the tenant's hub"),
            Self::GroupExpanded {
                copies,
                unsubscribed,
            } => {
                let plural = |count: usize| if count == 1 { "" } else { "s" };
                write!(
                    f,
                    "group mailbox and {copies} subscriber{}; {unsubscribed} member{} without a subscription",
                    plural(*copies),
                    plural(*unsubscribed)
                )
            }
            Self::MembersExpanded(count) => {
                let plural = if *count == 1 { "" } else { "s" };
                write!(f, "{count} member{plural}")
            }
            Self::HigherCost { cost, best } => write!(f, "cost {cost} is above {best}"),
            Self::HigherRank => f.write_str("connectors of type OnPremises go first"),
            Self::HopCount {
                count,
                limit,
                local: false,
            } => {
                write!(f, "{count} Received fields, and MaxHopCount is {limit}")
            }
            Self::HopCount {
                count,
                limit,
                local: true,
            } => {
                write!(
                    f,
                    "{count} Received fields name this server, and MaxLocalHopCount is {limit}"
                )
            }
            Self::TooManyAttributions { count, limit } => {
                write!(
                    f,
                    "attributed to the same tenant {count} times before, and {limit} are allowed"
                )
            }
            Self::LessSpecific(space) => write!(f, "address space `{space}` is less specific"),
            Self::LessSure => {
                f.write_str("another connector recognises the client by something stronger")
            }
            Self::FartherAway => f.write_str("its source servers are farther away"),
            Self::LaterName => f.write_str("its name sorts after the winner's"),
            Self::LocalMailbox => f.write_str("mailbox on this server"),
            Self::MailboxElsewhere => f.write_str("mailbox on another server"),
            Self::TargetAddress(address) => write!(f, "target address `{address}`"),
            Self::MxIsSelf(domain) => write!(f, "the best MX host of `{domain}` is this server"),
            Self::NullMx(domain) => write!(f, "`{domain}` has a null MX (RFC 7505)"),
            Self::NarrowestRange => {
                f.write_str("the narrowest RemoteIPRanges that contain the client")
            }
            Self::WiderRange => f.write_str("its RemoteIPRanges are wider"),
            Self::WiderBinding => {
                f.write_str("it listens on every address, and the winner on this one")
            }
            Self::NoAddressSpace => f.write_str("no address space covers the domain"),
            Self::NoReceiveConnector => {
                f.write_str("no enabled Receive connector serves this client")
            }
            Self::NoConnector => f.write_str("no enabled Send connector covers the domain"),
            Self::ConnectorsTooSmall => {
                f.write_str("every Send connector that covers the domain is for smaller messages")
            }
            Self::WithoutConnectors => f.write_str("the MX record decides, for want of connectors"),
            Self::NoConnection(host) => write!(f, "nothing answers at {host}"),
            Self::NotFound => f.write_str("no recipient of this organization has the address"),
            Self::NotMailEnabled => {
                f.write_str("written back, but not mail-enabled yet (Update-Recipient)")
            }
            Self::NotASource => f.write_str("this Edge server is not among its source servers"),
            Self::ExchangeServer => f.write_str("an Exchange server of the organization"),
            Self::AuthenticatedUser => f.write_str("authenticated user"),
            Self::AnonymousSession => f.write_str("anonymous session"),
            Self::ExternallySecured => f.write_str("externally secured"),
            Self::NewestCertificate => {
                f.write_str("the newest certificate in date that the connector can show")
            }
            Self::OlderCertificate => f.write_str("a newer one fits as well"),
            Self::CertificateOutOfDate => f.write_str("out of date"),
            Self::AuthenticationFlag => {
                f.write_str("the session has `Ms-Exch-SMTP-Accept-Authentication-Flag`")
            }
            Self::DomainProved(domain) => {
                write!(f, "`{domain}` is proved by mutual TLS (Domain Security)")
            }
            Self::DomainNotProved(domain) => write!(
                f,
                "`{domain}` is in TLSReceiveDomainSecureList, and the session does not prove it by its certificate"
            ),
            Self::RightMissing(right) => write!(f, "the session does not have `{right}`"),
            Self::ExchangeAuthenticationMissing => f.write_str(
                "its Receive connector lacks ExchangeServer in AuthMechanism, or the group ExchangeServers, or an Edge server is not subscribed",
            ),
            Self::OtherAddress => f.write_str("bound to another address of the server"),
            Self::DomainCannotBe(setting) => write!(f, "{setting} is true"),
            Self::RecipientOnBlockList => {
                f.write_str("BlockedRecipients contains the recipient")
            }
            Self::TreatedAsInternal => f.write_str(
                "TreatMessagesAsInternal is true, and the sender's domain is an accepted domain",
            ),
            Self::PartnerRestricted(setting) => {
                write!(f, "{setting} is true, and the session does not satisfy it")
            }
            Self::SenderDomainOther => {
                f.write_str("its SenderDomains do not contain the sender's domain")
            }
            Self::DomainNotAssociated(domain) => {
                write!(f, "its AssociatedAcceptedDomains do not contain `{domain}`")
            }
            Self::ConnectorBlocked => f.write_str("the service has blocked it"),
            Self::DirectSendRejected => f.write_str(
                "RejectDirectSend is true, the sender's domain is an accepted domain, and no connector recognises the session",
            ),
            Self::NoMailLicense => f.write_str("the tenant has no subscription with mail"),
            Self::DomainSwitchedOff(setting) => {
                write!(f, "{setting} of the accepted domain is true")
            }
            Self::SenderDomainTrusted(domain) => write!(
                f,
                "TrustedMailInboundEnabled of remote domain `{domain}` switches the recipient filter off"
            ),
            Self::OtherPort => f.write_str("listens on another port"),
            Self::OutOfScope => f.write_str("scoped to another site"),
            Self::Promoted(auth_as) => {
                write!(f, "cross-premises headers promoted: AuthAs {auth_as}")
            }
            Self::PermissionMissing(group) => {
                write!(f, "its PermissionGroups do not contain {group}")
            }
            Self::PrimaryAddress(primary) => write!(f, "primary address `{primary}`"),
            Self::HeadersNotCarried(why) => write!(f, "organization headers stay behind: {why}"),
            Self::RelayDenied => f.write_str("the session may not relay"),
            Self::RecipientBlocked => {
                f.write_str("the domain is Authoritative and no recipient has the address")
            }
            Self::SenderNotAuthenticated => {
                f.write_str("requires authenticated senders, and AuthAs is not Internal")
            }
            Self::Reply(reply) => write!(f, "the server said `{reply}`"),
            Self::TlsMissing => f.write_str("TLS is demanded and not in use"),
            Self::TenantOfRecipient => f.write_str("the recipient's domain belongs to the tenant"),
            Self::TooLarge {
                size,
                limit,
                setting,
            } => write!(f, "{size} is above {setting}, {limit}"),
            Self::OutsideWorld(host) => write!(f, "{host} is outside the described world"),
            Self::UnknownFact(fact) => f.write_str(fact),
            Self::AnyoneHere => f.write_str("this host takes every address of its domains"),
            Self::OwnGreeting(name) => {
                write!(f, "the next hop greets as `{name}`, which is this server's own name")
            }
            Self::SourceServer => f.write_str("source server of the chosen connector"),
            Self::DeadSources(names) => {
                write!(f, "no server has the name of its source servers: {names}")
            }
            Self::HubSite(site) => write!(f, "hub site `{site}` is on the least-cost way"),
            Self::SubscribedSite(site) => {
                write!(f, "the Edge server is subscribed to site `{site}`")
            }
            Self::SiteLinkTooSmall { link, size, limit } => write!(
                f,
                "{size} is above the limit of {limit} of site link `{link}` on the least-cost way"
            ),
            Self::RuleApplies => f.write_str("its conditions hold"),
            Self::RuleExcepted(key) => write!(f, "its exception `{key}` holds"),
            Self::RuleNotMet(key) => write!(f, "its condition `{key}` does not hold"),
            Self::RuleOff(key) => write!(f, "switched off by `{key}`"),
            Self::RuleRoutes(rule) => write!(f, "the mail-flow rule `{rule}` names it"),
            Self::ForeignAddress(kind) => write!(f, "its address is of type `{kind}`"),
            Self::GatewayRelays => f.write_str("a gateway sends on what it takes for others"),
            Self::RuleScoped => {
                f.write_str("IsTransportRuleScoped: only a mail-flow rule may choose it")
            }
        }
    }
}

/// A candidate that lost.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Rejected {
    /// What lost.
    pub candidate: Subject,
    /// Why.
    pub reason: Reason,
}

/// One thing the transport did at one server, with its reason.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Step {
    /// What happened.
    pub event: Event,
    /// To which recipient; `None` where the whole message is meant.
    pub recipient: Option<Mailbox>,
    /// What won.
    pub chosen: Option<Subject>,
    /// Why it won, or why nothing did.
    pub because: Vec<Reason>,
    /// What lost, and why each lost.
    pub rejected: Vec<Rejected>,
}

impl Step {
    /// A step that concerns one recipient.
    #[must_use]
    pub fn new(event: Event, recipient: &Mailbox) -> Self {
        Self {
            event,
            recipient: Some(recipient.clone()),
            chosen: None,
            because: Vec::new(),
            rejected: Vec::new(),
        }
    }

    /// Names the winner.
    #[must_use]
    pub fn chosen(mut self, subject: Subject) -> Self {
        self.chosen = Some(subject);
        self
    }

    /// Adds a reason.
    #[must_use]
    pub fn because(mut self, reason: Reason) -> Self {
        self.because.push(reason);
        self
    }

    /// Adds the losers.
    #[must_use]
    pub fn rejected(mut self, losers: Vec<Rejected>) -> Self {
        self.rejected = losers;
        self
    }
}
