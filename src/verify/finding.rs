//! A diagnostic together with the flow that proves it and the change that mends it.

use crate::diag::{Diagnostic, Location, Severity};
use crate::flow::Flow;

/// Where a change is made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Side {
    /// In a DNS zone.
    Dns,
    /// In Exchange Online PowerShell.
    ExchangeOnline,
    /// In the Exchange Management Shell.
    OnPremises,
}

impl Side {
    /// The word, as every output spells it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Dns => "dns",
            Self::ExchangeOnline => "exchange online",
            Self::OnPremises => "on premises",
        }
    }
}

/// A change of a world's file: what stands at the location, all `length` bytes of it, becomes `set`.
/// A length of 0 inserts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Edit {
    /// What is replaced.
    pub location: Location,
    /// By what.
    pub set: String,
}

/// One way to mend a finding.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fix {
    /// Where the change is made.
    pub side: Side,
    /// The PowerShell or DNS change as an administrator would make it.
    pub script: String,
    /// The same change of the world's files; empty where only people can make it.
    pub edits: Vec<Edit>,
}

/// A rule that a world breaks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// What is wrong, where and why.
    pub diagnostic: Diagnostic,
    /// How many addresses it concerns.
    pub affected: usize,
    /// A flow that shows it.
    pub witness: Option<Flow>,
    /// How it is mended: all of these together.
    pub fix: Vec<Fix>,
}

/// How much was found and asked.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Summary {
    /// Findings of severity error.
    pub errors: usize,
    /// Findings of severity warning.
    pub warnings: usize,
    /// Findings of severity note.
    pub notes: usize,
    /// Pairs of sender class and recipient class.
    pub classes: usize,
    /// Addresses that the classes stand for.
    pub addresses: usize,
}

/// Everything `check` has to say.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// What was found: errors first, then warnings, then notes.
    pub findings: Vec<Finding>,
    /// The counts.
    pub summary: Summary,
}

impl Report {
    /// The worst severity there is.
    #[must_use]
    pub fn worst(&self) -> Option<Severity> {
        self.findings
            .iter()
            .map(|finding| finding.diagnostic.severity)
            .max()
    }
}
