//! The table of codes, a file for each part of the product that they are about.
//!
//! Invariant: every code that any part of the program uses stands here once.

mod certificates;
mod connectors;
mod directory;
mod domains;
mod edge;
mod groups;
mod outcomes;
mod relay;
mod row;
mod world;

pub use row::Code;

/// Mistakes in files.
const MISTAKES: &[&[Code]] = &[relay::CODES, world::CODES];

/// Rules about mail flow.
const RULES: &[&[Code]] = &[
    certificates::CODES,
    connectors::CODES,
    directory::CODES,
    domains::CODES,
    edge::CODES,
    groups::CODES,
    outcomes::CODES,
];

/// Every code: mistakes in files first, then the rules about mail flow; each in alphabetical order.
pub fn codes() -> impl Iterator<Item = &'static Code> {
    sorted(MISTAKES).into_iter().chain(rules())
}

/// The rules about mail flow, in alphabetical order.
pub fn rules() -> impl Iterator<Item = &'static Code> {
    sorted(RULES).into_iter()
}

fn sorted(tables: &[&'static [Code]]) -> Vec<&'static Code> {
    let mut rows: Vec<&Code> = tables.iter().copied().flatten().collect();
    rows.sort_by_key(|row| row.code);
    rows
}

/// The row of a code.
#[must_use]
pub fn lookup(code: &str) -> Option<&'static Code> {
    let mut rows = MISTAKES.iter().chain(RULES).copied().flatten();
    rows.find(|row| row.code == code)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn rules_are_what_is_no_mistake_in_a_file() {
        let rules: Vec<&str> = rules().map(|row| row.code).collect();
        assert!(rules.contains(&"open-relay"), "{rules:?}");
        assert!(!rules.contains(&"wrong-type"), "{rules:?}");
        assert!(rules.is_sorted(), "{rules:?}");
    }

    #[test]
    fn codes_are_kebab_case_and_unique() {
        let mut seen = BTreeSet::new();
        for row in codes() {
            let kebab = |byte: u8| byte.is_ascii_lowercase() || byte == b'-';
            assert!(row.code.bytes().all(kebab), "{}", row.code);
            assert!(seen.insert(row.code), "{} twice", row.code);
        }
    }

    #[test]
    fn every_rule_says_what_why_how_and_where_it_is_written() {
        for row in rules() {
            let texts = [row.summary, row.matters, row.fix];
            assert!(texts.iter().all(|text| text.len() > 10), "{}", row.code);
            let intent = row.code.starts_with("expectation-") || row.code == "unknown-fact";
            assert!(
                intent || row.source.contains('"') || row.source.contains("RFC"),
                "{}",
                row.code
            );
        }
    }
}
