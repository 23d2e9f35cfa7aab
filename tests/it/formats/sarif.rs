//! SARIF 2.1.0: what its schema and its prose ask of what we write. The schema itself is not here
//! because its licence is not among ours.

use std::collections::BTreeSet;
use std::path::Path;

use hybridmx::config;
use hybridmx::diag::{Severity, Source};
use hybridmx::report::sarif;
use hybridmx::verify::{self, Finding};
use serde_json::Value;

use super::{all, checked, sources};
use crate::files::{golden, now, read_text};
use crate::testnet::{load, worlds};

/// Objects of the schema: their name, what they must have, and what else they may have. All are
/// closed there.
const OBJECTS: &[(&str, &str, &str)] = &[
    ("log", "version runs", "$schema"),
    ("run", "tool", "columnKind results properties"),
    ("tool", "driver", ""),
    ("driver", "name", "semanticVersion shortDescription rules"),
    (
        "rule",
        "id",
        "shortDescription fullDescription help defaultConfiguration",
    ),
    ("configuration", "", "level"),
    ("message", "text", ""),
    (
        "result",
        "message",
        "ruleId ruleIndex level locations partialFingerprints codeFlows fixes properties",
    ),
    ("location", "", "physicalLocation logicalLocations message"),
    ("physicalLocation", "artifactLocation", "region"),
    ("artifactLocation", "", "uri"),
    ("region", "", "startLine startColumn endLine endColumn"),
    ("logicalLocation", "", "name kind"),
    ("codeFlow", "threadFlows", "message"),
    ("threadFlow", "locations", "id message"),
    ("threadFlowLocation", "", "location nestingLevel importance"),
    ("fix", "artifactChanges", "description"),
    ("artifactChange", "artifactLocation replacements", ""),
    ("replacement", "deletedRegion", "insertedContent"),
    ("content", "", "text"),
];

/// Which object stands behind a key, and whether the key holds a list that must not be empty.
const KEYS: &[(&str, &str, bool)] = &[
    ("runs", "run", true),
    ("tool", "tool", false),
    ("driver", "driver", false),
    ("rules", "rule", false),
    ("shortDescription", "message", false),
    ("fullDescription", "message", false),
    ("help", "message", false),
    ("description", "message", false),
    ("message", "message", false),
    ("defaultConfiguration", "configuration", false),
    ("results", "result", false),
    ("physicalLocation", "physicalLocation", false),
    ("artifactLocation", "artifactLocation", false),
    ("region", "region", false),
    ("deletedRegion", "region", false),
    ("logicalLocations", "logicalLocation", false),
    ("codeFlows", "codeFlow", false),
    ("threadFlows", "threadFlow", true),
    ("location", "location", false),
    ("fixes", "fix", false),
    ("artifactChanges", "artifactChange", true),
    ("replacements", "replacement", true),
    ("insertedContent", "content", false),
];

/// Holds a value against the table of objects.
#[track_caller]
fn conforms(about: &str, value: &Value, object: &str) {
    let (_, must, may) = OBJECTS
        .iter()
        .find(|row| row.0 == object)
        .expect("a known object");
    let fields = value
        .as_object()
        .unwrap_or_else(|| panic!("{about}: {object} is {value}"));
    for key in must.split_whitespace() {
        assert!(fields.contains_key(key), "{about}: {object} without {key}");
    }
    for (key, value) in fields {
        let mut known = must.split_whitespace().chain(may.split_whitespace());
        assert!(
            known.any(|word| word == key),
            "{about}: {object} with {key}"
        );
        let locations = match object {
            "threadFlow" => ("locations", "threadFlowLocation", true),
            _ => ("locations", "location", false),
        };
        let row = KEYS.iter().chain([&locations]).find(|row| row.0 == key);
        let Some((_, inner, filled)) = row else {
            continue;
        };
        match value.as_array() {
            Some(list) => {
                assert!(!filled || !list.is_empty(), "{about}: {key} is empty");
                list.iter().for_each(|each| conforms(about, each, inner));
            }
            None => conforms(about, value, inner),
        }
    }
}

/// Every region of a value.
fn regions<'a>(value: &'a Value, found: &mut Vec<&'a Value>) {
    match value {
        Value::Object(fields) => {
            for (key, value) in fields {
                if key == "region" || key == "deletedRegion" {
                    found.push(value);
                }
                regions(value, found);
            }
        }
        Value::Array(list) => list.iter().for_each(|each| regions(each, found)),
        _ => {}
    }
}

#[test]
fn logs_have_the_shape_of_the_schema_whatever_the_names_are() {
    for (name, world) in all() {
        let report = checked(&world);
        let text = sarif::check(&world.topology, &report, &sources(&report));
        let log: Value = serde_json::from_str(&text).expect("JSON");
        conforms(&name, &log, "log");
        assert_eq!(log["version"], "2.1.0", "{name}");
        let run = &log["runs"][0];
        let mut prints = BTreeSet::new();
        for result in run["results"].as_array().expect("results") {
            let index = usize::try_from(result["ruleIndex"].as_u64().expect("a rule"));
            let rule = &run["tool"]["driver"]["rules"][index.expect("small")];
            assert_eq!(rule["id"], result["ruleId"], "{name}");
            assert!(!rule["help"]["text"].as_str().expect("a help").is_empty());
            assert!(
                prints.insert(result["partialFingerprints"].to_string()),
                "{name}"
            );
        }
        let mut found = Vec::new();
        regions(&log, &mut found);
        for region in found {
            let at = |key: &str| region[key].as_u64();
            assert!(
                at("startLine") >= Some(1) && at("startColumn") >= Some(1),
                "{region}"
            );
            let start = (at("startLine"), at("startColumn"));
            assert!(start <= (at("endLine"), at("endColumn")), "{region}");
        }
    }
}

/// The byte at a line and column, both from 1, columns in characters.
fn offset(text: &str, line: &Value, column: &Value) -> usize {
    let number = |value: &Value| usize::try_from(value.as_u64().expect("a number")).expect("small");
    let before = text.split_inclusive('\n').take(number(line) - 1);
    let start: usize = before.map(str::len).sum();
    let characters = text[start..].char_indices().map(|(at, _)| at);
    start
        + characters
            .chain([text.len() - start])
            .nth(number(column) - 1)
            .expect("a column")
}

/// A consumer that knows SARIF and nothing of our edits applies the fixes.
#[test]
fn the_fixes_mend_their_worlds() {
    for path in worlds("broken-") {
        let name = path.display().to_string();
        let world = load(&path);
        let report = checked(&world);
        let log = sarif::check(&world.topology, &report, &sources(&report));
        let log: Value = serde_json::from_str(&log).expect("JSON");
        let file = path.join("world.toml");
        let mut text = read_text(&file);
        let fix = &log["runs"][0]["results"][0]["fixes"][0];
        let edits = |finding: &Finding| finding.fix.iter().any(|fix| !fix.edits.is_empty());
        let Some(changes) = fix["artifactChanges"].as_array() else {
            assert!(!edits(&report.findings[0]), "{name}: its edits are no fix");
            continue;
        };
        let replacements = changes.iter().flat_map(|change| {
            let uri = change["artifactLocation"]["uri"].as_str().expect("a file");
            assert!(uri.ends_with("/world.toml"), "{name}: {uri}");
            change["replacements"].as_array().expect("replacements")
        });
        let mut edits: Vec<(usize, usize, &str)> = replacements
            .map(|each| {
                let region = &each["deletedRegion"];
                let start = offset(&text, &region["startLine"], &region["startColumn"]);
                let end = offset(&text, &region["endLine"], &region["endColumn"]);
                let set = each["insertedContent"]["text"].as_str().expect("a text");
                (start, end, set)
            })
            .collect();
        edits.sort_by_key(|(start, ..)| std::cmp::Reverse(*start));
        for (start, end, set) in edits {
            text.replace_range(start..end, set);
        }
        let (mended, diagnostics) = config::read(&file.to_string_lossy(), &text, now());
        assert!(diagnostics.is_empty(), "{name}: {diagnostics:#?}");
        let mended = mended.expect("a world without diagnostics is loaded");
        assert!(checked(&mended).worst() <= Some(Severity::Note), "{name}");
    }
}

#[test]
fn fingerprints_stay_when_lines_move() {
    let prints = |text: &str| {
        let (world, _) = config::read("world.toml", text, now());
        let world = world.expect("a world");
        let report = verify::check(&world.topology, &world.zones);
        let log = sarif::check(&world.topology, &report, &[Source::new("world.toml", text)]);
        let log: Value = serde_json::from_str(&log).expect("JSON");
        let results = log["runs"][0]["results"]
            .as_array()
            .expect("results")
            .clone();
        let part = |key: &'static str| -> Vec<Value> {
            results.iter().map(|result| result[key].clone()).collect()
        };
        (part("partialFingerprints"), part("locations"))
    };
    let path = worlds("broken-group-domain-not-accepted");
    let text = read_text(&path[0].join("world.toml"));
    let (before, places) = prints(&text);
    let (after, moved) = prints(&format!("# A line.\n\n{text}"));
    assert_eq!(before, after);
    assert_ne!(places, moved);
}

#[test]
fn a_result_is_as_it_was() {
    let path = &worlds("broken-group-domain-not-on-hybrid-connector")[0];
    let world = load(path);
    let report = checked(&world);
    let log = sarif::check(&world.topology, &report, &sources(&report));
    // The golden file is the same wherever the repository lies.
    let root = format!("file://{}", env!("CARGO_MANIFEST_DIR"));
    let mut log: Value = serde_json::from_str(&log.replace(&root, "")).expect("JSON");
    // How many rules stand before this one is no property of the result.
    let result = &mut log["runs"][0]["results"][0];
    result
        .as_object_mut()
        .expect("an object")
        .remove("ruleIndex");
    let result = serde_json::to_string_pretty(result).expect("JSON");
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/formats/result.sarif");
    golden(&file, &(result + "\n"));
}
