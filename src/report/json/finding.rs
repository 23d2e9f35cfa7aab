//! Findings of `check`, with witness flows and fixes.

use serde::Serialize;

use super::flow::Trace;
use super::location::{Location, Span};
use crate::diag;
use crate::model::Topology;
use crate::verify;

/// What `check` found, and how much it asked.
#[derive(Serialize)]
pub(super) struct Check<'a> {
    findings: Vec<Finding<'a>>,
    summary: Summary,
}

impl<'a> Check<'a> {
    pub(super) fn new(topology: &'a Topology, report: &'a verify::Report) -> Self {
        let findings = report.findings.iter();
        Self {
            findings: findings.map(|each| Finding::new(topology, each)).collect(),
            summary: Summary::new(&report.summary),
        }
    }
}

#[derive(Serialize)]
struct Finding<'a> {
    rule: &'a str,
    severity: String,
    message: &'a str,
    location: Option<Location<'a>>,
    because: &'a [String],
    help: Option<&'a str>,
    affected: usize,
    witness: Option<Trace<'a>>,
    fix: Vec<Fix<'a>>,
    source: &'a str,
}

impl<'a> Finding<'a> {
    fn new(topology: &'a Topology, finding: &'a verify::Finding) -> Self {
        let diagnostic = &finding.diagnostic;
        let witness = finding.witness.as_ref();
        Self {
            rule: diagnostic.code,
            severity: diagnostic.severity.to_string(),
            message: &diagnostic.message,
            location: diagnostic.location.as_ref().map(Location::new),
            because: &diagnostic.because,
            help: diagnostic.help.as_deref(),
            affected: finding.affected,
            witness: witness.map(|flow| Trace::new(topology, flow)),
            fix: finding.fix.iter().map(Fix::new).collect(),
            source: diag::lookup(diagnostic.code).map_or("", |row| row.source),
        }
    }
}

#[derive(Serialize)]
struct Fix<'a> {
    script: &'a str,
    side: &'static str,
    edits: Vec<Edit<'a>>,
}

impl<'a> Fix<'a> {
    fn new(fix: &'a verify::Fix) -> Self {
        Self {
            script: &fix.script,
            side: fix.side.as_str(),
            edits: fix.edits.iter().map(Edit::new).collect(),
        }
    }
}

/// What stands at the location, all of its `length` bytes from `offset` on, becomes `set`.
#[derive(Serialize)]
struct Edit<'a> {
    location: Span<'a>,
    set: &'a str,
}

impl<'a> Edit<'a> {
    fn new(edit: &'a verify::Edit) -> Self {
        Self {
            location: Span::new(&edit.location),
            set: &edit.set,
        }
    }
}

#[derive(Serialize)]
struct Summary {
    errors: usize,
    warnings: usize,
    notes: usize,
    classes: usize,
    addresses: usize,
}

impl Summary {
    fn new(summary: &verify::Summary) -> Self {
        Self {
            errors: summary.errors,
            warnings: summary.warnings,
            notes: summary.notes,
            classes: summary.classes,
            addresses: summary.addresses,
        }
    }
}
