//! Prediction beside observation: the words in which both can be said, and what was compared.

use std::fmt;

use crate::flow::Disposition;
use crate::mail::EnhancedStatus;

/// How one fork of a flow ended, in words that somebody outside could say.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Ending {
    /// Who it was for, in the end, in lower case.
    pub recipient: String,
    /// How it ended. From outside an NDR is an NDR: what looped, expired or was unreachable is
    /// `Bounced` here.
    pub disposition: Disposition,
    /// The servers it was at, as far as what arrived tells.
    pub path: Vec<String>,
    /// The status its sender was told, where one was.
    pub status: Option<EnhancedStatus>,
    /// The AuthAs it arrived with.
    pub trust: Option<String>,
    /// Whether it is the sender's own message.
    pub echo: bool,
}

impl fmt::Display for Ending {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.recipient, self.disposition)?;
        if let Some(status) = self.status {
            write!(f, " {status}")?;
        }
        if !self.path.is_empty() {
            write!(f, " by {}", self.path.join(" → "))?;
        }
        if let Some(trust) = &self.trust {
            write!(f, ", {trust}")?;
        }
        if self.echo {
            f.write_str(", echo")
        } else {
            Ok(())
        }
    }
}

/// One flow that was sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Comparison {
    /// The classes and the sizes it stands for.
    pub flow: String,
    /// The sender of the message.
    pub from: String,
    /// Its recipient.
    pub to: String,
    /// What was predicted, sorted.
    pub predicted: Vec<Ending>,
    /// What happened, sorted.
    pub observed: Vec<Ending>,
}

impl Comparison {
    /// Whether they are the same.
    #[must_use]
    pub fn agree(&self) -> bool {
        self.predicted == self.observed
    }
}

/// A flow that cannot be sent, or whose end cannot be seen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Untestable {
    /// The classes and the sizes it stands for.
    pub flow: String,
    /// Why not.
    pub reason: String,
}

/// Every flow of a world: compared, or why not.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Agreement {
    /// What was sent.
    pub results: Vec<Comparison>,
    /// What was not.
    pub untestable: Vec<Untestable>,
}

impl Agreement {
    /// How many flows did not do what was predicted.
    #[must_use]
    pub fn disagreements(&self) -> usize {
        self.results.iter().filter(|each| !each.agree()).count()
    }
}
