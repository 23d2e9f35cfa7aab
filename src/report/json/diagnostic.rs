//! Diagnostics and explanations.

use serde::Serialize;

use super::location::Location;
use crate::diag::{self, Code};
use crate::mail::Explanation;
use crate::report::topic::Topic;

#[derive(Serialize)]
pub(super) struct Diagnostics<'a> {
    diagnostics: Vec<Diagnostic<'a>>,
}

impl<'a> Diagnostics<'a> {
    pub(super) fn new(diagnostics: &'a [diag::Diagnostic]) -> Self {
        Self {
            diagnostics: diagnostics.iter().map(Diagnostic::new).collect(),
        }
    }
}

#[derive(Serialize)]
struct Diagnostic<'a> {
    code: &'a str,
    severity: String,
    message: &'a str,
    location: Option<Location<'a>>,
    because: &'a [String],
    help: Option<&'a str>,
}

impl<'a> Diagnostic<'a> {
    fn new(diagnostic: &'a diag::Diagnostic) -> Self {
        Self {
            code: diagnostic.code,
            severity: diagnostic.severity.to_string(),
            message: &diagnostic.message,
            location: diagnostic.location.as_ref().map(Location::new),
            because: &diagnostic.because,
            help: diagnostic.help.as_deref(),
        }
    }
}

/// Rules and replies; one of the two lists is empty.
#[derive(Serialize)]
pub(super) struct Explain {
    rules: Vec<Rule>,
    replies: Vec<Reply>,
}

impl Explain {
    pub(super) fn new(topic: &Topic) -> Self {
        match topic {
            Topic::Rule(row) => Self {
                rules: vec![Rule::new(row)],
                replies: Vec::new(),
            },
            Topic::Codes(rows) => Self {
                rules: rows.iter().map(|row| Rule::new(row)).collect(),
                replies: Vec::new(),
            },
            Topic::Replies(rows) => Self {
                rules: Vec::new(),
                replies: rows.iter().map(|row| Reply::new(row)).collect(),
            },
        }
    }
}

#[derive(Serialize)]
struct Rule {
    code: &'static str,
    severity: String,
    summary: &'static str,
    matters: &'static str,
    fix: &'static str,
    /// Why no live run can show it; empty where mail shows it.
    live: &'static str,
    source: &'static str,
}

impl Rule {
    fn new(row: &Code) -> Self {
        Self {
            code: row.code,
            severity: row.severity.to_string(),
            summary: row.summary,
            matters: row.matters,
            fix: row.fix,
            live: row.live,
            source: row.source,
        }
    }
}

#[derive(Serialize)]
struct Reply {
    enhanced: String,
    reply: &'static str,
    said_by: &'static str,
    meaning: &'static str,
    look_at: &'static str,
    source: &'static str,
}

impl Reply {
    fn new(row: &Explanation) -> Self {
        Self {
            enhanced: row.enhanced.to_string(),
            reply: row.reply,
            said_by: row.said_by,
            meaning: row.meaning,
            look_at: row.look_at,
            source: row.source,
        }
    }
}
