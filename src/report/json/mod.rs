//! Answers for programs: one JSON document each, with `format_version` first.
//!
//! Not here: what is said (`verify`, `flow`, `diag`).
//! Keys come in the order in which they are declared here; absent values are `null`, never left out.
//! Sizes are bytes; lines and columns count from 1, and are 0 where a whole file is meant.
//!
//! Invariant: fields are added, never renamed, within one `format_version`.

mod agreement;
mod diagnostic;
mod finding;
mod flow;
mod lab;
mod location;

use serde::Serialize;

use crate::diag::Diagnostic;
use crate::flow::Flow;
use crate::model::Topology;
use crate::report::surroundings::Surroundings;
use crate::report::topic::Topic;
use crate::verify::{Agreement, Report, Row};

/// The version of every document.
pub const FORMAT_VERSION: &str = "1.0";

/// A document: the version, then its own fields.
#[derive(Serialize)]
struct Document<T> {
    format_version: &'static str,
    #[serde(flatten)]
    content: T,
}

/// What `test` found.
#[must_use]
pub fn agreement(agreement: &Agreement) -> String {
    document(agreement::Agreement::new(agreement))
}

/// The findings of `check` and their count.
#[must_use]
pub fn check(topology: &Topology, report: &Report) -> String {
    document(finding::Check::new(topology, report))
}

/// The diagnostics of an input that cannot be used.
#[must_use]
pub fn diagnostics(diagnostics: &[Diagnostic]) -> String {
    document(diagnostic::Diagnostics::new(diagnostics))
}

/// A rule, or the meanings of a reply.
#[must_use]
pub fn explain(topic: &Topic) -> String {
    document(diagnostic::Explain::new(topic))
}

/// The flow table.
#[must_use]
pub fn flows(topology: &Topology, rows: &[Row]) -> String {
    document(flow::Flows::new(topology, rows))
}

/// Where everything of a lab is, on one line.
#[must_use]
pub fn lab(surroundings: &Surroundings) -> String {
    let format_version = FORMAT_VERSION;
    let content = lab::Lab::new(surroundings);
    let line = serde_json::to_string(&Document {
        format_version,
        content,
    });
    line.expect("texts and lists of them are JSON") + "\n"
}

/// One message with every fork, hop and step.
#[must_use]
pub fn trace(topology: &Topology, flow: &Flow) -> String {
    document(flow::Trace::new(topology, flow))
}

/// A JSON value as it is printed.
#[must_use]
pub fn value(value: &serde_json::Value) -> String {
    pretty(value)
}

fn document(content: impl Serialize) -> String {
    let format_version = FORMAT_VERSION;
    pretty(&Document {
        format_version,
        content,
    })
}

fn pretty(value: &impl Serialize) -> String {
    let text = serde_json::to_string_pretty(value);
    // The keys are field names, and nothing here implements `Serialize` by hand.
    text.expect("texts, numbers and lists of them are JSON") + "\n"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_ready_line_is_one_line_with_its_version() {
        let at = "127.0.0.1:53".parse().unwrap();
        let line = lab(&Surroundings {
            dns: at,
            dns_internal: at,
            http: at,
            servers: Vec::new(),
            user: None,
            group: None,
            password: "",
        });
        assert!(
            line.starts_with("{\"format_version\":\"1.0\",\"dns\":"),
            "{line}"
        );
        assert_eq!(line.lines().count(), 1);
    }
}
