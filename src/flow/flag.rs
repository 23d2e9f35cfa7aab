//! What is wrong with a flow, or notable about it.

use std::fmt;

use crate::model::ServerId;

/// The kinds of flag.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum FlagKind {
    /// The message goes round.
    Loop,
    /// It left the path that its premises prescribe.
    Misrouted,
    /// It arrives as Anonymous where the path should make it Internal, or the reverse.
    WrongTrust,
    /// A sender's own message comes back.
    EchoBack,
    /// The same recipient gets it twice.
    Duplicate,
    /// Acknowledged, then gone.
    Lost,
}

impl FlagKind {
    /// Every kind.
    pub const ALL: [Self; 6] = [
        Self::Loop,
        Self::Misrouted,
        Self::WrongTrust,
        Self::EchoBack,
        Self::Duplicate,
        Self::Lost,
    ];

    /// The word, as every output spells it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Loop => "Loop",
            Self::Misrouted => "Misrouted",
            Self::WrongTrust => "WrongTrust",
            Self::EchoBack => "EchoBack",
            Self::Duplicate => "Duplicate",
            Self::Lost => "Lost",
        }
    }
}

impl fmt::Display for FlagKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A flag with its evidence.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Flag {
    /// What it says.
    pub kind: FlagKind,
    /// Whether somebody asked for it.
    pub expected: bool,
    /// Where it was seen.
    pub server: ServerId,
    /// The closed word that metrics use, such as `not_hybrid_connector`.
    pub reason: &'static str,
}
