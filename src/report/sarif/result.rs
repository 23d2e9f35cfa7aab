//! A finding as a SARIF result: its message, its place, its witness and its fix.

use std::collections::BTreeMap;

use serde::Serialize;

use super::message::{Message, level};
use super::place::{Artifact, PhysicalLocation, Places, Region};
use super::walk::CodeFlow;
use crate::model::Topology;
use crate::report::words;
use crate::verify;

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Finding<'a> {
    rule_id: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    rule_index: Option<usize>,
    level: &'static str,
    message: Message,
    locations: Vec<Location>,
    partial_fingerprints: Fingerprints,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    code_flows: Vec<CodeFlow>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    fixes: Vec<Fix>,
    properties: Properties<'a>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Location {
    physical_location: PhysicalLocation,
}

#[derive(Serialize)]
struct Fingerprints {
    #[serde(rename = "ruleAndNames/v1")]
    rule_and_names: String,
}

/// What SARIF has no word for; the scripts as they are to be typed.
#[derive(Serialize)]
struct Properties<'a> {
    affected: usize,
    scripts: Vec<Script<'a>>,
}

#[derive(Serialize)]
struct Script<'a> {
    side: &'static str,
    script: &'a str,
}

impl<'a> Finding<'a> {
    pub(super) fn new(
        topology: &'a Topology,
        places: Places<'_>,
        finding: &'a verify::Finding,
        rule: Option<usize>,
        fingerprint: String,
    ) -> Self {
        let diagnostic = &finding.diagnostic;
        let place = diagnostic.location.iter();
        let witness = finding.witness.iter();
        let scripts = finding.fix.iter().map(|fix| Script {
            side: fix.side.as_str(),
            script: &fix.script,
        });
        Self {
            rule_id: diagnostic.code,
            rule_index: rule,
            level: level(diagnostic.severity),
            message: message(finding),
            locations: place
                .map(|place| Location {
                    physical_location: places.physical(place),
                })
                .collect(),
            partial_fingerprints: Fingerprints {
                rule_and_names: fingerprint,
            },
            code_flows: witness
                .filter_map(|flow| CodeFlow::new(topology, places, flow))
                .collect(),
            fixes: Fix::new(places, finding).into_iter().collect(),
            properties: Properties {
                affected: finding.affected,
                scripts: scripts.collect(),
            },
        }
    }
}

/// What is wrong, why, and what to do: what a reader sees without opening anything.
fn message(finding: &verify::Finding) -> Message {
    let diagnostic = &finding.diagnostic;
    let mut text = diagnostic.message.clone();
    for reason in &diagnostic.because {
        text += &format!("\nbecause: {reason}");
    }
    if let Some(help) = &diagnostic.help {
        text += &format!("\nhelp: {help}");
    }
    Message::new(&text)
}

/// All changes of a finding together, because they belong together.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Fix {
    description: Message,
    artifact_changes: Vec<Change>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Change {
    artifact_location: Artifact,
    replacements: Vec<Replacement>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Replacement {
    deleted_region: Region,
    inserted_content: Content,
}

#[derive(Serialize)]
struct Content {
    text: String,
}

impl Fix {
    /// The fix, unless only people can make it or a file is not at hand.
    fn new(places: Places<'_>, finding: &verify::Finding) -> Option<Self> {
        let mut files: BTreeMap<&str, Vec<Replacement>> = BTreeMap::new();
        for edit in finding.fix.iter().flat_map(|fix| &fix.edits) {
            let replacement = Replacement {
                deleted_region: places.whole(&edit.location)?,
                inserted_content: Content {
                    text: edit.set.clone(),
                },
            };
            let file = files.entry(&edit.location.file).or_default();
            file.push(replacement);
        }
        if files.is_empty() {
            return None;
        }
        let scripts = finding.fix.iter().map(|fix| {
            let side = words::side(fix.side);
            format!("{side}:\n{}", fix.script)
        });
        let scripts: Vec<String> = scripts.collect();
        let changes = files.into_iter().map(|(file, replacements)| Change {
            artifact_location: Artifact::new(file),
            replacements,
        });
        Some(Self {
            description: Message::new(&scripts.join("\n")),
            artifact_changes: changes.collect(),
        })
    }
}
