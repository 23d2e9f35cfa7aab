//! The seeded faults of `tests/faults/list.txt` still fit the source they change.
//!
//! That tests catch them is shown by `tests/faults/run`, which takes minutes.

use std::collections::BTreeSet;
use std::path::Path;

use super::files::read_text;

/// A change within one line that some test must catch.
struct Fault<'a> {
    file: &'a str,
    find: &'a str,
    put: &'a str,
    breaks: &'a str,
}

/// Reads the list: four lines for each fault, in this order; blank lines and comments between.
fn parse(text: &str) -> Vec<Fault<'_>> {
    let mut lines = text
        .lines()
        .filter(|line| !line.is_empty() && !line.starts_with('#'));
    let mut faults = Vec::new();
    while let Some(first) = lines.next() {
        faults.push(Fault {
            file: after("file: ", Some(first)),
            find: after("find: ", lines.next()),
            put: after("put: ", lines.next()),
            breaks: after("breaks: ", lines.next()),
        });
    }
    faults
}

/// What follows the key of a line.
fn after<'a>(key: &str, line: Option<&'a str>) -> &'a str {
    line.and_then(|line| line.strip_prefix(key))
        .unwrap_or_else(|| panic!("expected `{key}…`, found {line:?}"))
}

#[test]
fn every_fault_fits_the_source() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let text = read_text(&root.join("tests/faults/list.txt"));
    let faults = parse(&text);
    assert!(faults.len() >= 14, "{} faults", faults.len());
    let mut misfits = Vec::new();
    for (index, fault) in faults.iter().enumerate() {
        let source = read_text(&root.join(fault.file));
        let count = source.matches(fault.find).count();
        if count != 1 || fault.find == fault.put {
            misfits.push(format!(
                "{} ({}): `{}` occurs {count} times in {}",
                index + 1,
                fault.breaks,
                fault.find,
                fault.file
            ));
        }
    }
    assert!(misfits.is_empty(), "{}", misfits.join("\n"));
}

#[test]
fn every_fault_is_another_one() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let text = read_text(&root.join("tests/faults/list.txt"));
    let faults = parse(&text);
    let different: BTreeSet<(&str, &str)> =
        faults.iter().map(|fault| (fault.file, fault.put)).collect();
    assert_eq!(different.len(), faults.len());
}
