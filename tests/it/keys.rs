//! Every key that a world can have: what it cannot be is refused where it stands, and with a way out.

use std::fmt::Write as _;

use hybridmx::config;
use hybridmx::diag::Diagnostic;
use serde_json::Value;

/// A world with one key that cannot be what it is, and the line of that key.
fn with_key(schema: &Value, table: &str, key: &str, value: &str) -> (String, u32) {
    let mut text = String::new();
    let parts: Vec<&str> = table.split('.').collect();
    for depth in 1..=parts.len() {
        let (outer, own) = (parts[..depth - 1].join("."), parts[depth - 1]);
        let properties = match outer.as_str() {
            "" => &schema["properties"],
            outer => &schema["$defs"][outer]["properties"],
        };
        let path = parts[..depth].join(".");
        let header = match properties[own]["type"].as_str() {
            Some("array") => format!("[[{path}]]"),
            _ => format!("[{path}]"),
        };
        let _ = writeln!(text, "{header}");
    }
    let _ = writeln!(text, "{key} = {value}");
    let line = u32::try_from(text.lines().count()).expect("a short world");
    (text, line)
}

fn here(found: &[Diagnostic], line: u32) -> Option<&Diagnostic> {
    let is_here = |found: &&Diagnostic| found.location.as_ref().is_some_and(|at| at.line == line);
    found.iter().find(is_here)
}

#[test]
fn every_key_says_what_it_takes() {
    let schema = config::schema();
    let tables = schema["$defs"].as_object().expect("tables");
    let mut keys = 0;
    for (table, about) in tables {
        for (key, property) in about["properties"].as_object().expect("keys") {
            let holds_tables =
                property.get("$ref").is_some() || property["items"].get("$ref").is_some();
            let wrong = if holds_tables { "1" } else { "{ x = 1 }" };
            let (text, line) = with_key(&schema, table, key, wrong);
            let (world, found) = config::read("world.toml", &text, jiff::Timestamp::UNIX_EPOCH);
            assert!(world.is_none(), "{text}");
            let said = here(&found, line).unwrap_or_else(|| panic!("{text}{found:#?}"));
            assert_eq!(said.code, "wrong-type", "{text}{said:#?}");
            assert!(
                said.message.contains(&format!("`{key}`")),
                "{text}{said:#?}"
            );
            assert!(found.iter().all(|each| each.help.is_some()), "{found:#?}");
            keys += 1;
        }
    }
    assert!(keys > 500, "{keys}");
}

#[test]
fn a_world_without_organizations_is_none() {
    for text in [
        "OnPremises = []\n",
        "OnPremises = []\nExchangeOnline = []\n",
        "AsOf = 2026-11-22\n",
    ] {
        let (world, found) = config::read("world.toml", text, jiff::Timestamp::UNIX_EPOCH);
        let said: Vec<&str> = found.iter().map(|each| each.message.as_str()).collect();
        assert_eq!(said, ["the world describes no organization"], "{text}");
        assert!(world.is_none());
    }
    let (_, found) = config::read(
        "world.toml",
        "[OnPremises]\nName = \"x\"\n",
        jiff::Timestamp::UNIX_EPOCH,
    );
    let codes: Vec<&str> = found.iter().map(|each| each.code).collect();
    assert_eq!(codes, ["wrong-type"]);
}

#[test]
fn a_document_that_is_no_table_has_one_mistake() {
    for text in [
        "[]",
        "12",
        "null",
        "\"Contoso\"",
        "[{\"Name\": \"Contoso\"}]",
    ] {
        let (_, found) = config::read("world.json", text, jiff::Timestamp::UNIX_EPOCH);
        let codes: Vec<&str> = found.iter().map(|each| each.code).collect();
        assert_eq!(codes, ["wrong-type"], "{text}");
    }
}
