//! The broken worlds: each gives exactly its finding, of the severity that its code has; the finding's
//! edits mend it; it differs from a healthy world by its fault alone; and every rule has one.
//!
//! What cannot be so stands in the tables of `exempt`, with the reason.

mod exempt;

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::process::{Command, Stdio};

use hybridmx::config;
use hybridmx::diag::{self, Severity};
use hybridmx::flow::Fork;
use hybridmx::verify::{self, Edit, Finding, Report};

use crate::broken::exempt::{EDITS, LARGE, MILDER, WORLD};
use crate::files::{golden, now, read_text};
use crate::testnet::{counted, findings_text, load, name_of, names, worlds};

/// How many lines that are no comments a broken world and its base may have for themselves.
const LINES_MAX: usize = 9;

/// The code that a world is named after, and its severity there. A fault with several outcomes has a
/// world for each: `broken-<code>-<outcome>`.
fn named_after(world: &str) -> (&'static str, Severity) {
    let own = world.strip_prefix("broken-").expect("the folders begin so");
    let fits = |code: &str| own == code || own.starts_with(&format!("{code}-"));
    let rule = diag::rules()
        .filter(|rule| fits(rule.code))
        .max_by_key(|rule| rule.code.len());
    let rule = rule.unwrap_or_else(|| panic!("{world} is named after no rule"));
    let milder = MILDER.iter().find(|row| row.world == world);
    (rule.code, milder.map_or(rule.severity, |row| row.severity))
}

/// What of a code a report says, if it says that once.
fn only<'a>(report: &'a Report, code: &str) -> Option<&'a Finding> {
    let mut of_code = report
        .findings
        .iter()
        .filter(|finding| finding.diagnostic.code == code);
    of_code.next().filter(|_| of_code.next().is_none())
}

fn check(path: &Path) -> Report {
    let world = load(path);
    verify::check(&world.topology, &world.zones)
}

#[test]
fn every_broken_world_gives_exactly_its_finding() {
    let broken = worlds("broken-");
    assert!(broken.len() >= 10, "{broken:?}");
    for path in broken {
        let name = name_of(&path);
        let (code, severity) = named_after(&name);
        let report = check(&path);
        let text = findings_text(&report);
        let finding = only(&report, code).unwrap_or_else(|| panic!("{name}:\n{text}"));
        assert_eq!(finding.diagnostic.severity, severity, "{name}");
        let others = counted(&report).into_iter().filter(|other| *other != code);
        assert_eq!(others.count(), 0, "{name}:\n{text}");
        let shows = |fork: &Fork| {
            fork.disposition.is_failure() || fork.flags.iter().any(|flag| !flag.expected)
        };
        let witness = finding.witness.as_ref();
        let shown = witness.is_some_and(|flow| flow.forks.iter().any(shows));
        // A warning may be about what works today; where an error loses no mail, its code says why.
        let silent = severity < Severity::Error
            || diag::lookup(code).is_some_and(|row| !row.live.is_empty());
        assert!(shown || silent, "{name} has no witness that fails");
        golden(&path.join("findings.txt"), &text);
    }
}

#[test]
fn the_edits_of_a_finding_mend_its_world() {
    for path in worlds("broken-") {
        let name = name_of(&path);
        let (code, _) = named_after(&name);
        let report = check(&path);
        let finding = only(&report, code).unwrap_or_else(|| panic!("{name}"));
        let edits: Vec<&Edit> = finding.fix.iter().flat_map(|fix| &fix.edits).collect();
        let exempt = EDITS.iter().any(|row| row.code == code);
        assert_eq!(edits.is_empty(), exempt, "{name}: edits, or a reason");
        if exempt {
            continue;
        }
        let file = path.join("world.toml");
        let text = apply(&read_text(&file), &file, &edits);
        let (mended, diagnostics) = config::read(&file.to_string_lossy(), &text, now());
        assert!(diagnostics.is_empty(), "{name}: {diagnostics:#?}");
        let mended = mended.expect("a world without diagnostics is loaded");
        let report = verify::check(&mended.topology, &mended.zones);
        let left = findings_text(&report);
        assert!(counted(&report).is_empty(), "{name}:\n{left}");
        assert!(only(&report, code).is_none(), "{name}:\n{left}");
    }
}

/// Applies edits from the end of the file to its start, so that places stay right.
fn apply(text: &str, file: &Path, edits: &[&Edit]) -> String {
    let mut text = text.to_owned();
    let mut edits = edits.to_vec();
    edits.sort_by_key(|edit| std::cmp::Reverse(edit.location.offset));
    for edit in edits {
        let of = Path::new(&*edit.location.file);
        assert_eq!(of, file, "an edit of another file");
        let end = edit.location.offset + edit.location.length;
        text.replace_range(edit.location.offset..end, &edit.set);
    }
    text
}

/// Errors give 1, warnings where they are asked to, notes never.
#[test]
fn exit_codes_follow_the_severity() {
    for path in worlds("") {
        let name = name_of(&path);
        let worst = match name.strip_prefix("broken-") {
            Some(_) => named_after(&name).1,
            None => Severity::Note,
        };
        let strict = i32::from(worst >= Severity::Warning);
        for (words, expected) in [
            (&[][..], i32::from(worst == Severity::Error)),
            (&["--fail-on", "warning"][..], strict),
        ] {
            let output = Command::new(env!("CARGO_BIN_EXE_hybridmx"))
                .arg("check")
                .arg(&path)
                .args(words)
                .stdin(Stdio::null())
                .output()
                .expect("the program runs");
            assert_eq!(output.status.code(), Some(expected), "{name} {words:?}");
        }
    }
}

/// The lines of a world that are no comments, each with how often it is there.
fn settings(path: &Path) -> BTreeMap<String, usize> {
    let mut lines = BTreeMap::new();
    let text = read_text(&path.join("world.toml"));
    let said = |line: &str| {
        line.split(" #")
            .next()
            .unwrap_or(line)
            .trim_end()
            .to_owned()
    };
    for line in text.lines().map(said) {
        if !line.is_empty() && !line.starts_with('#') {
            *lines.entry(line).or_default() += 1;
        }
    }
    lines
}

/// How many lines only one of two worlds has.
fn apart(one: &BTreeMap<String, usize>, other: &BTreeMap<String, usize>) -> usize {
    let all: BTreeSet<&String> = one.keys().chain(other.keys()).collect();
    let count = |lines: &BTreeMap<String, usize>, line| lines.get(line).copied().unwrap_or(0);
    all.into_iter()
        .map(|line| count(one, line).abs_diff(count(other, line)))
        .sum()
}

/// A broken world is a healthy one with a fault: what else is in it could be a second one.
#[test]
fn a_broken_world_differs_from_a_healthy_one_by_its_fault() {
    let (broken, healthy): (Vec<_>, Vec<_>) = worlds("")
        .into_iter()
        .partition(|path| name_of(path).starts_with("broken-"));
    let healthy: Vec<_> = healthy.iter().map(|path| settings(path)).collect();
    for path in broken {
        let (name, own) = (name_of(&path), settings(&path));
        let nearest = healthy.iter().map(|base| apart(base, &own)).min();
        let nearest = nearest.expect("there are healthy worlds");
        let large = LARGE.iter().find(|row| row.world == name);
        let allowed = large.map_or(LINES_MAX, |row| row.lines);
        assert!(
            (1..=allowed).contains(&nearest),
            "{name}: {nearest} lines differ"
        );
        let needless = large.is_some() && nearest <= LINES_MAX;
        assert!(!needless, "{name} needs no exception");
    }
}

#[test]
fn every_rule_has_a_broken_world_or_a_reason() {
    let shown: BTreeSet<&str> = names("broken-")
        .iter()
        .map(|name| named_after(name).0)
        .collect();
    for rule in diag::rules() {
        let exempt = WORLD.iter().any(|row| row.code == rule.code);
        let has = shown.contains(rule.code);
        assert!(
            has != exempt,
            "{}: a broken world or a reason, one of them",
            rule.code
        );
    }
}

/// Exceptions are about what exists, and say why.
#[test]
fn every_exception_is_about_something_and_has_a_reason() {
    let codes = WORLD.iter().chain(EDITS);
    for row in codes {
        let rule = diag::rules().any(|rule| rule.code == row.code);
        assert!(rule && row.why.len() > 20, "{}", row.code);
    }
    let worlds = MILDER.iter().map(|row| (row.world, row.why));
    let broken = names("broken-");
    for (world, why) in worlds.chain(LARGE.iter().map(|row| (row.world, row.why))) {
        let there = broken.iter().any(|name| name == world);
        assert!(there && why.len() > 20, "{world}");
    }
}
