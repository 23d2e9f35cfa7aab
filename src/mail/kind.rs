//! What sort of message it is, as far as that changes its way.

use std::fmt;
use std::str::FromStr;

/// The kinds of message that groups treat differently.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum MessageKind {
    /// A calendar invitation (RFC 5546, method REQUEST).
    Invitation,
    /// Anything else.
    #[default]
    Message,
}

impl MessageKind {
    /// The word, as every output spells it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Invitation => "invitation",
            Self::Message => "message",
        }
    }
}

impl fmt::Display for MessageKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for MessageKind {
    type Err = ();
    fn from_str(text: &str) -> Result<Self, ()> {
        [Self::Invitation, Self::Message]
            .into_iter()
            .find(|kind| kind.as_str() == text)
            .ok_or(())
    }
}
