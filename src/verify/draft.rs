//! A finding in the making: what is wrong, how it is mended, and then which flows it explains.

use super::context::{Context, Found};
use super::finding::{Edit, Finding, Fix, Side};
use super::questions::Asked;
use crate::diag::{Diagnostic, Location};
use crate::flow::Flow;

impl Finding {
    /// Begins a finding about a place.
    pub(super) fn of(
        code: &'static str,
        place: Option<&Location>,
        message: impl Into<String>,
    ) -> Draft {
        Draft {
            diagnostic: Diagnostic::new(code, place.cloned(), message),
            fix: Vec::new(),
        }
    }
}

/// A finding without flows yet.
pub(super) struct Draft {
    diagnostic: Diagnostic,
    fix: Vec<Fix>,
}

impl Draft {
    /// Adds a reason.
    pub(super) fn because(mut self, reason: impl Into<String>) -> Self {
        self.diagnostic = self.diagnostic.because(reason);
        self
    }

    /// Says what to do.
    pub(super) fn help(mut self, help: impl Into<String>) -> Self {
        self.diagnostic = self.diagnostic.help(help);
        self
    }

    /// Adds a change: as an administrator makes it, and as edits of the world.
    pub(super) fn fix(
        mut self,
        side: Side,
        script: impl Into<String>,
        edits: impl IntoIterator<Item = Edit>,
    ) -> Self {
        self.fix.push(Fix {
            side,
            script: script.into(),
            edits: edits.into_iter().collect(),
        });
        self
    }

    /// Ends it: it explains the open questions that satisfy the condition.
    pub(super) fn explains(
        self,
        context: &Context<'_>,
        condition: impl Fn(&Asked) -> bool,
    ) -> Found {
        let claims = context.open_where(condition);
        self.claims(context, claims)
    }

    /// Ends it: it explains these questions, and the one that shows it best is its witness.
    pub(super) fn claims(self, context: &Context<'_>, claims: Vec<usize>) -> Found {
        context.conclude(self.diagnostic, self.fix, claims)
    }

    /// Ends it: no flow of the survey goes amiss for it. It concerns so many addresses, and a flow that
    /// was asked for it alone may show it.
    pub(super) fn claims_nothing(self, affected: usize, witness: Option<Flow>) -> Found {
        Found {
            finding: Finding {
                diagnostic: self.diagnostic,
                affected,
                witness,
                fix: self.fix,
            },
            claims: Vec::new(),
        }
    }
}
