//! Findings in the Static Analysis Results Interchange Format (OASIS SARIF 2.1.0), for code hosts,
//! editors and dashboards.
//!
//! Not here: what is found (`verify`). Findings and the texts of the world's files go in; the texts
//! are needed because SARIF counts in lines and columns where an edit counts in bytes.
//!
//! Invariant: a fingerprint stays when lines move and when the wording of a rule changes.
//! Invariant: an edit becomes a fix only where the file it changes is at hand.

mod fingerprint;
mod message;
mod place;
mod result;
mod walk;

use serde::Serialize;

use self::message::{Message, level};
use crate::diag::{Code, Source, rules};
use crate::model::Topology;
use crate::verify::{self, Report};

const SCHEMA: &str =
    "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json";

/// Everything `check` found, as one run of one tool.
#[must_use]
pub fn check(topology: &Topology, report: &Report, sources: &[Source]) -> String {
    let log = Log {
        schema: SCHEMA,
        version: "2.1.0",
        runs: [Run::new(topology, report, sources)],
    };
    let text = serde_json::to_string_pretty(&log);
    text.expect("texts, numbers and lists of them are JSON") + "\n"
}

#[derive(Serialize)]
struct Log<'a> {
    #[serde(rename = "$schema")]
    schema: &'static str,
    version: &'static str,
    runs: [Run<'a>; 1],
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Run<'a> {
    tool: Tool,
    column_kind: &'static str,
    results: Vec<result::Finding<'a>>,
    properties: Summary,
}

impl<'a> Run<'a> {
    fn new(topology: &'a Topology, report: &'a Report, sources: &'a [Source]) -> Self {
        let fingerprints = fingerprint::all(&report.findings);
        let findings = report.findings.iter().zip(fingerprints);
        let places = place::Places { sources };
        let results = findings.map(|(finding, fingerprint)| {
            let code = finding.diagnostic.code;
            let rule = rules().position(|rule| rule.code == code);
            result::Finding::new(topology, places, finding, rule, fingerprint)
        });
        Self {
            tool: Tool::new(),
            column_kind: "unicodeCodePoints",
            results: results.collect(),
            properties: Summary::new(&report.summary),
        }
    }
}

#[derive(Serialize)]
struct Tool {
    driver: Driver,
}

impl Tool {
    fn new() -> Self {
        Self {
            driver: Driver {
                name: "hybridmx",
                semantic_version: env!("CARGO_PKG_VERSION"),
                short_description: Message::new(env!("CARGO_PKG_DESCRIPTION")),
                rules: rules().map(Rule::new).collect(),
            },
        }
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Driver {
    name: &'static str,
    semantic_version: &'static str,
    short_description: Message,
    rules: Vec<Rule>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Rule {
    id: &'static str,
    short_description: Message,
    full_description: Message,
    help: Message,
    default_configuration: Configuration,
}

impl Rule {
    fn new(row: &Code) -> Self {
        let mut help = format!("{}.\n\nTo mend it: {}.", row.matters, row.fix);
        if !row.source.is_empty() {
            help += &format!("\n\nSee {}.", row.source);
        }
        Self {
            id: row.code,
            short_description: Message::new(row.summary),
            full_description: Message::new(&format!("{}: {}", row.summary, row.matters)),
            help: Message::new(&help),
            default_configuration: Configuration {
                level: level(row.severity),
            },
        }
    }
}

#[derive(Serialize)]
struct Configuration {
    level: &'static str,
}

#[derive(Serialize)]
struct Summary {
    classes: usize,
    addresses: usize,
}

impl Summary {
    fn new(summary: &verify::Summary) -> Self {
        Self {
            classes: summary.classes,
            addresses: summary.addresses,
        }
    }
}
