//! Something that is said about an input.

use super::codes::lookup;
use super::place::Location;
use super::severity::Severity;

/// Something about the input.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Diagnostic {
    /// The code, one of [`codes`](super::codes()).
    pub code: &'static str,
    /// How bad it is.
    pub severity: Severity,
    /// What is wrong, in one line; user input in back-ticks.
    pub message: String,
    /// Where.
    pub location: Option<Location>,
    /// Why that is so, a line each.
    pub because: Vec<String>,
    /// What to do.
    pub help: Option<String>,
}

impl Diagnostic {
    /// A diagnostic with the severity its code has.
    ///
    /// # Panics
    /// When the code is not in the table: a mistake of the program.
    #[must_use]
    pub fn new(code: &'static str, location: Option<Location>, message: impl Into<String>) -> Self {
        let row =
            lookup(code).unwrap_or_else(|| unreachable!("the code `{code}` stands in the table"));
        Self {
            code,
            severity: row.severity,
            message: message.into(),
            location,
            because: Vec::new(),
            help: None,
        }
    }

    /// Adds a reason.
    #[must_use]
    pub fn because(mut self, reason: impl Into<String>) -> Self {
        self.because.push(reason.into());
        self
    }

    /// Says what to do.
    #[must_use]
    pub fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }
}
