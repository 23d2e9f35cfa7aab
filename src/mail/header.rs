//! The organization headers that decide trust: who vouched for the sender, and in which direction
//! the message runs (Exchange Server, "Header firewall").

use std::fmt;

/// Value of `X-MS-Exchange-Organization-AuthAs`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum AuthAs {
    /// Nobody vouched for the sender.
    Anonymous,
    /// An authenticated member of the organization, or a trusted server, sent it.
    Internal,
    /// A partner proved its domain with mutual TLS.
    Partner,
}

impl fmt::Display for AuthAs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Anonymous => "Anonymous",
            Self::Internal => "Internal",
            Self::Partner => "Partner",
        })
    }
}

/// Value of `X-MS-Exchange-Organization-MessageDirectionality`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Directionality {
    /// From somewhere else to the organization.
    Incoming,
    /// Sent by the organization itself, from either premises.
    Originating,
}

impl fmt::Display for Directionality {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Incoming => "Incoming",
            Self::Originating => "Originating",
        })
    }
}
