//! A question about one message, and its answer.

use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;

use super::flag::Flag;
use crate::mail::{AuthAs, ByteSize, Mailbox, MessageKind, ReversePath, Status};
use crate::model::{SendConnectorId, ServerId};
use crate::route::Step;

/// How a message enters the world.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Submission {
    /// A client without a password hands it to this server.
    Anonymous {
        /// The server.
        server: ServerId,
        /// The client's address, where it is known.
        address: Option<IpAddr>,
    },
    /// An outside sender sends it from this host, which finds its way by MX.
    Host(ServerId),
    /// A user of this server submits it.
    User(ServerId),
}

impl Submission {
    /// The server or host at which the flow begins.
    #[must_use]
    pub fn server(&self) -> ServerId {
        match self {
            Self::Anonymous { server, .. } | Self::Host(server) | Self::User(server) => *server,
        }
    }
}

/// One message to follow.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Question {
    /// MAIL FROM.
    pub from: ReversePath,
    /// RCPT TO.
    pub to: Vec<Mailbox>,
    /// Its size.
    pub size: ByteSize,
    /// What sort of message it is.
    pub kind: MessageKind,
    /// How it enters the world.
    pub submission: Submission,
}

/// What happened at one server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hop {
    /// The server.
    pub server: ServerId,
    /// The Send connector by which the message came here.
    pub connector: Option<SendConnectorId>,
    /// Whether TLS was in use on the way here.
    pub tls: bool,
    /// What was decided, in order.
    pub steps: Vec<Step>,
}

/// How one fork of a flow ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Disposition {
    /// In a mailbox.
    Delivered,
    /// Handed to a host outside the described world.
    LeftWorld,
    /// Refused in the SMTP dialogue with the first submitter.
    Rejected,
    /// Failed later: the sender gets an NDR.
    Bounced,
    /// No connector: in the Unreachable queue until it expires.
    Unreachable,
    /// Tried again until it expires.
    Deferred,
    /// Round and round, until a loop detector ends it.
    Looped,
    /// Dropped by design.
    Suppressed,
    /// A needed fact is not in the world.
    Unknown,
}

impl Disposition {
    /// Every disposition.
    pub const ALL: [Self; 9] = [
        Self::Delivered,
        Self::LeftWorld,
        Self::Rejected,
        Self::Bounced,
        Self::Unreachable,
        Self::Deferred,
        Self::Looped,
        Self::Suppressed,
        Self::Unknown,
    ];

    /// The word, as every output spells it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Delivered => "Delivered",
            Self::LeftWorld => "LeftWorld",
            Self::Rejected => "Rejected",
            Self::Bounced => "Bounced",
            Self::Unreachable => "Unreachable",
            Self::Deferred => "Deferred",
            Self::Looped => "Looped",
            Self::Suppressed => "Suppressed",
            Self::Unknown => "Unknown",
        }
    }

    /// Whether somebody does not get what was meant for them.
    #[must_use]
    pub const fn is_failure(self) -> bool {
        match self {
            Self::Delivered | Self::LeftWorld | Self::Suppressed | Self::Unknown => false,
            Self::Rejected | Self::Bounced | Self::Unreachable | Self::Deferred | Self::Looped => {
                true
            }
        }
    }
}

impl fmt::Display for Disposition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// One end of a flow.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fork {
    /// The recipient that ends here, as rewritten so far.
    pub recipient: Mailbox,
    /// How it ends.
    pub disposition: Disposition,
    /// The status as the last server or queue has it; `None` where a fact is missing.
    pub status: Option<Status>,
    /// What the sender is told in the end, where that comes later.
    pub final_status: Option<Status>,
    /// Who vouches for the sender at the last server.
    pub trust: Option<AuthAs>,
    /// What is wrong or notable.
    pub flags: Vec<Flag>,
    /// The servers, from the origin on.
    pub hops: Vec<Arc<Hop>>,
    /// What repeats, where it loops.
    pub cycle: Cycle,
    /// The last server that took responsibility; `None` where the submitter has it still.
    pub held_by: Option<ServerId>,
    /// The server that tells the sender, where one does.
    pub reported_by: Option<ServerId>,
    /// The notification, where one was followed.
    pub report: Option<Box<Report>>,
}

/// What repeats in a loop: the shortest such run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Cycle {
    /// Recipients that lead to each other; the message need not leave a server.
    Recipients(Vec<Mailbox>),
    /// Servers; empty where nothing repeats.
    Servers(Vec<ServerId>),
}

impl Cycle {
    /// Nothing repeats.
    pub const NONE: Self = Self::Servers(Vec::new());

    /// The servers that repeat.
    #[must_use]
    pub fn servers(&self) -> &[ServerId] {
        match self {
            Self::Recipients(_) => &[],
            Self::Servers(servers) => servers,
        }
    }

    /// The recipients that lead to each other.
    #[must_use]
    pub fn recipients(&self) -> &[Mailbox] {
        match self {
            Self::Recipients(recipients) => recipients,
            Self::Servers(_) => &[],
        }
    }
}

/// A delivery status notification on its way to the sender.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Report {
    /// The server that writes it.
    pub server: ServerId,
    /// Its author.
    pub from: Mailbox,
    /// Who is told.
    pub to: Mailbox,
    /// What it says.
    pub status: Status,
    /// How it ends.
    pub forks: Vec<Fork>,
}

impl Report {
    /// Whether somebody gets it.
    #[must_use]
    pub fn arrives(&self) -> bool {
        let there = |fork: &Fork| fork.disposition == Disposition::Delivered;
        self.forks.iter().any(there)
    }
}

/// The answer to a question.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Flow {
    /// What was asked.
    pub question: Question,
    /// How it ends, in the order of the walk.
    pub forks: Vec<Fork>,
}
