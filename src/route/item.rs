//! A message at one server, and what becomes of it there.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use super::step::{Reason, Step};
use crate::mail::{
    AuthAs, ByteSize, Directionality, Domain, Mailbox, MessageKind, NamePattern, ReversePath,
    Status,
};
use crate::model::{
    OrganizationId, ReceiveConnectorId, RecipientId, SendConnectorId, ServerId, SmartHost,
    TlsAuthLevel, Topology,
};

/// Who is at the other end of a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Peer {
    /// Nobody who proved anything but, perhaps, a certificate.
    Anonymous,
    /// A server of the same organization, or the front end of a hub.
    ExchangeServer,
    /// A user who gave a password.
    User,
}

/// The certificate a client showed.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ClientCertificate {
    /// Its names.
    pub names: Vec<NamePattern>,
    /// Who vouches for it.
    pub vouched: Vouched,
}

impl ClientCertificate {
    /// Whether its chain is trusted and in date.
    #[must_use]
    pub fn is_trusted(&self) -> bool {
        self.vouched == Vouched::Trusted
    }
}

/// Who vouches for the certificate that a client showed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Vouched {
    /// Nobody: it is out of date, self-signed, or came without the certificates between it and its
    /// root.
    Nobody,
    /// An authority that only its owner trusts.
    PrivateRoot,
    /// An authority that everybody trusts; it is in date.
    Trusted,
}

/// A session as the receiving server sees it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Connection {
    /// The client's address; `None` for a stranger of whom nothing is known.
    pub remote_address: Option<IpAddr>,
    /// The server's own address in this session; `None` where it does not matter.
    pub local_address: Option<IpAddr>,
    /// The local port.
    pub port: u16,
    /// Who the client proved to be.
    pub peer: Peer,
    /// Whether TLS is in use.
    pub tls: bool,
    /// The certificate the client showed, under TLS.
    pub certificate: Option<ClientCertificate>,
}

/// What goes with a message through every server that passes it on, unchanged unless a stage says
/// so.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Properties {
    /// What sort of message it is.
    pub kind: MessageKind,
    /// The address under which a recipient was first known, where it was rewritten since (RFC 3461
    /// §4.2): recipient → original recipient.
    pub orcpt: BTreeMap<Mailbox, Mailbox>,
    /// Its size when it entered the organization, where it grew since.
    pub original_size: Option<ByteSize>,
    /// How many recipients its envelope had when it entered the organization, where this part of it
    /// has fewer.
    pub envelope: Option<usize>,
    /// Whether nobody is told of failures (NOTIFY=NEVER, RFC 3461 §4.1).
    pub notify_never: bool,
    /// Whether a mail-flow rule demands TLS on the way out of the organization.
    pub require_tls: bool,
    /// The cross-premises headers that a gateway passes on as it found them.
    pub passing: Option<AuthAs>,
}

impl Properties {
    /// What is left of it outside the organization: what the content says.
    #[must_use]
    pub fn outside(&self) -> Self {
        Self {
            kind: self.kind,
            ..Self::default()
        }
    }
}

/// What a message carries of its past when it arrives.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Trace {
    /// The servers that its Received fields name after `by`, oldest first.
    pub received_by: Vec<Domain>,
    /// How often it entered each organization that counts (`X-EOPTenantAttributedMessage`).
    pub attributions: Vec<(OrganizationId, u32)>,
    /// How often each tenant forwarded it to others (`X-LD-Processed`).
    pub external_forwards: Vec<(OrganizationId, u32)>,
    /// How often mail-flow rules redirected it or added recipients.
    pub rules_loop: u32,
    /// The mailboxes that forwarded it already: they deliver it without forwarding it again.
    pub forwarded_for: Vec<Mailbox>,
    /// The mailboxes whose Inbox rules sent it on (`X-MS-Exchange-Inbox-Rules-Loop`).
    pub redirected_by: Vec<Mailbox>,
}

/// A message on the wire: envelope, size, and the headers that a receiver may trust.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Transfer {
    /// MAIL FROM.
    pub reverse_path: ReversePath,
    /// RCPT TO.
    pub recipients: Vec<Mailbox>,
    /// Its size.
    pub size: ByteSize,
    /// Organization headers, if the sending server's header firewall left them in.
    pub organization: Option<AuthAs>,
    /// Cross-premises headers, if the sending server made them.
    pub cross_premises: Option<AuthAs>,
    /// Direction, known only between servers of one organization.
    pub directionality: Option<Directionality>,
    /// Whether a server of the organization resolved the recipients already.
    pub resolved: bool,
    /// What goes with it.
    pub properties: Properties,
    /// Its past.
    pub trace: Trace,
}

/// How a message got to the server that holds it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Arrival {
    /// Over SMTP from somebody else.
    External,
    /// Over SMTP from a server of the same organization.
    Internal,
    /// From one of the server's own users.
    Submission,
}

/// A message that a server has taken.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct MailItem {
    /// Who gets failure reports.
    pub reverse_path: ReversePath,
    /// Whom it is for.
    pub recipients: Vec<Mailbox>,
    /// Its size.
    pub size: ByteSize,
    /// Who vouched for the sender.
    pub auth_as: AuthAs,
    /// In which direction it runs.
    pub directionality: Directionality,
    /// How it got here.
    pub arrival: Arrival,
    /// The organization it was attributed to: the server's own, or a front end's tenant.
    pub organization: OrganizationId,
    /// Whether a server of the organization resolved the recipients already: they are not resolved
    /// a second time.
    pub resolved: bool,
    /// What goes with it.
    pub properties: Properties,
    /// Its past, this server's Received fields included.
    pub trace: Trace,
}

impl MailItem {
    /// How many recipients its envelope has, or had before it was split.
    #[must_use]
    pub fn envelope(&self) -> usize {
        let different: BTreeSet<&Mailbox> = self.recipients.iter().collect();
        different.len().max(self.properties.envelope.unwrap_or(0))
    }

    /// The size that limits are held against: the smaller of what it was when it came into the
    /// organization and what it is (Exchange Server, "Message size and recipient limits").
    #[must_use]
    pub fn limited_size(&self) -> ByteSize {
        let original = self.properties.original_size;
        original.map_or(self.size, |original| original.min(self.size))
    }

    /// Whether it came from a server of the organization, whose headers are its own.
    #[must_use]
    pub fn is_from_inside(&self) -> bool {
        self.arrival == Arrival::Internal
    }

    /// Whether a front end handed it on and knew its sender for the organization's own: then it comes
    /// from the on-premises organization.
    #[must_use]
    pub fn has_been_on_premises(&self) -> bool {
        self.arrival == Arrival::Internal && self.directionality == Directionality::Originating
    }

    /// Whether it is for a domain of the organization that has it. Headers cross between the accepted
    /// domains of two organizations only, so nobody vouches for a message that passes on its way out.
    #[must_use]
    pub fn is_for_own(&self, topology: &Topology) -> bool {
        self.recipients.iter().any(|recipient| {
            topology
                .accepted_domain_for(self.organization, &recipient.domain)
                .is_some()
        })
    }
}

/// TLS as a Send connector demands it of the next hop.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct TlsDemand {
    /// Whether the message waits rather than go without TLS.
    pub required: bool,
    /// What is asked of the certificate.
    pub level: Option<TlsAuthLevel>,
    /// The name it must have under domain validation.
    pub name: Option<NamePattern>,
    /// Whether TLS is not even tried (`IgnoreSTARTTLS`, `ForceHELO`).
    pub avoided: bool,
}

impl TlsDemand {
    /// TLS where it is offered, with any certificate.
    pub const OPPORTUNISTIC: Self = Self {
        required: false,
        level: None,
        name: None,
        avoided: false,
    };
}

/// The certificate a server shows as a client.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Presented {
    /// This one.
    Certificate(ClientCertificate),
    /// Its own self-signed one, which proves nothing.
    SelfSigned,
    /// The one that the connector names is not there: nothing can be sent.
    Missing(String),
}

/// Where a copy goes next.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum NextHop {
    /// The hosts that take mail for a domain, by its MX record.
    Dns {
        /// The domain that is asked for.
        domain: Domain,
        /// The connector; `None` where an organization sends without one.
        connector: Option<SendConnectorId>,
        /// The port of the hosts.
        port: u16,
    },
    /// A mailbox of this server; `None` where the host takes every address.
    Mailbox(Option<RecipientId>),
    /// One of these servers of the organization, best first.
    Servers {
        /// The servers.
        servers: Vec<ServerId>,
        /// The port they are reached at.
        port: u16,
        /// The connector whose sources they are, or that leads to them.
        connector: Option<SendConnectorId>,
    },
    /// Hosts by name or address.
    SmartHosts {
        /// The hosts.
        hosts: Vec<SmartHost>,
        /// The connector; `None` where a gateway sends without one.
        connector: Option<SendConnectorId>,
        /// The port of the hosts.
        port: u16,
    },
    /// A mailbox without a database: the recipient waits for one.
    NoDatabase,
    /// The Unreachable queue.
    Unreachable,
}

impl NextHop {
    /// The Send connector it uses.
    #[must_use]
    pub fn connector(&self) -> Option<SendConnectorId> {
        match self {
            Self::Dns { connector, .. }
            | Self::Servers { connector, .. }
            | Self::SmartHosts { connector, .. } => *connector,
            Self::Mailbox(_) | Self::NoDatabase | Self::Unreachable => None,
        }
    }
}

/// A copy of a message with everything that sending it needs.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Copy {
    /// Where it goes.
    pub next_hop: NextHop,
    /// What goes over the wire.
    pub transfer: Transfer,
    /// TLS demanded of the next hop.
    pub tls: TlsDemand,
    /// The certificate shown to it.
    pub presented: Presented,
    /// Whether the next hop is a server of the organization by the engine's own choice.
    pub exchange_authenticated: bool,
    /// The recipient of the message that it is for, before anything was resolved.
    pub envelope_recipient: Mailbox,
    /// The group it was expanded from.
    pub expanded_from: Option<RecipientId>,
    /// Whether it is a message of its own, which a user's rule made of the one that came: its mailboxes may
    /// have that one already.
    pub sent_anew: bool,
    /// What was decided about this copy and no other.
    pub steps: Vec<Step>,
}

impl Copy {
    /// What goes over the wire to this peer: the header firewall lets organization headers out to
    /// servers of the organization only (Exchange Server, "Header firewall").
    #[must_use]
    pub fn transfer_to(&self, peer: Peer) -> Transfer {
        let transfer = self.transfer.clone();
        match peer {
            Peer::ExchangeServer => transfer,
            Peer::Anonymous | Peer::User => Transfer {
                organization: None,
                directionality: None,
                resolved: false,
                properties: transfer.properties.outside(),
                ..transfer
            },
        }
    }
}

/// A recipient that ends here without being delivered.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Failure {
    /// Which recipient.
    pub recipient: Mailbox,
    /// The recipient of the message that it came from, before anything was resolved.
    pub envelope_recipient: Box<Mailbox>,
    /// With what status.
    pub status: Status,
    /// Whether the peer can be told in the open session instead of by an NDR.
    pub in_dialogue: bool,
    /// What goes round, where that is why.
    pub looped: Option<Box<Looped>>,
    /// Who is told, where that is not the sender of the message.
    pub told: Option<Box<ReversePath>>,
    /// Whether nobody is told.
    pub notify_never: bool,
    /// Why.
    pub steps: Vec<Step>,
}

impl Failure {
    /// A recipient that fails, of which the sender is told by an NDR.
    #[must_use]
    pub fn new(recipient: Mailbox, status: Status) -> Self {
        Self {
            envelope_recipient: Box::new(recipient.clone()),
            recipient,
            status,
            in_dialogue: false,
            looped: None,
            told: None,
            notify_never: false,
            steps: Vec::new(),
        }
    }

    /// Whether the recipient's mail goes round in the directory, by target addresses or forwarding
    /// that lead to each other (Exchange Server, "Recipient resolution", broken recipient loops).
    #[must_use]
    pub fn is_forwarding_loop(&self) -> bool {
        self.looped.is_some()
    }
}

/// Recipients of one organization whose mail goes to each other and to nobody else.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Looped {
    /// By what it goes round.
    pub kind: LoopKind,
    /// The primary addresses, each once, in the order of the round.
    pub cycle: Vec<Mailbox>,
}

/// By what the mail of recipients goes round.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum LoopKind {
    /// Forwarding of mailboxes; target addresses may take part.
    Forwarding,
    /// Target addresses alone.
    Recipient,
}

impl LoopKind {
    /// The word, as metrics and flags spell it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Forwarding => "forwarding",
            Self::Recipient => "recipient",
        }
    }
}

/// A recipient that gets nothing, by design.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Suppressed {
    /// Which recipient.
    pub recipient: Mailbox,
    /// The recipient of the message that it came from, before anything was resolved.
    pub envelope_recipient: Mailbox,
    /// Why.
    pub steps: Vec<Step>,
}

/// What a server makes of a message.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Categorized {
    /// What it sends on or delivers, one copy for each recipient.
    pub copies: Vec<Copy>,
    /// What fails.
    pub failures: Vec<Failure>,
    /// What is dropped by design.
    pub suppressed: Vec<Suppressed>,
}

impl Categorized {
    /// The reply to the end of DATA, where every recipient fails and the peer can still be told:
    /// then the message is refused instead of accepted and returned.
    #[must_use]
    pub fn refusal(&self, arrival: Arrival) -> Option<&Status> {
        let all = arrival != Arrival::Submission
            && self.copies.is_empty()
            && self.suppressed.is_empty()
            && self.failures.iter().all(|failure| failure.in_dialogue);
        self.failures
            .first()
            .filter(|_| all)
            .map(|failure| &failure.status)
    }
}

/// What a session that may hand over a recipient is allowed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Admission {
    /// The Receive connector that serves it.
    pub connector: ReceiveConnectorId,
    /// The connector that attributes it to an organization, where one does.
    pub attributed_by: Option<ReceiveConnectorId>,
    /// The organization whose mail this is.
    pub organization: OrganizationId,
    /// Whether its cross-premises headers are to be believed.
    pub promote: bool,
    /// Whether its senders count as internal without such headers (`TreatMessagesAsInternal`).
    pub treat_as_internal: bool,
    /// In which direction the message runs.
    pub directionality: Directionality,
}

/// The envelope at RCPT TO.
#[derive(Clone, Copy, Debug)]
pub(super) struct Envelope<'a> {
    pub(super) reverse_path: &'a ReversePath,
    pub(super) recipient: &'a Mailbox,
}

/// An admission or a reply that refuses, each with its reason.
pub(super) type Taken = Result<(Admission, Reason), (Status, Reason)>;

/// The answer to RCPT TO.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verdict {
    /// The admission, or the reply that refuses.
    pub decision: Result<Admission, Status>,
    /// Why.
    pub step: Step,
}

/// A message refused at the end of DATA.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// The reply.
    pub status: Status,
    /// Why.
    pub step: Step,
}
