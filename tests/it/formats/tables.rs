//! What spreadsheets and Graphviz read: CSV, DOT.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};

use hybridmx::report::text::{self, Palette};
use hybridmx::report::{csv as tables, dot};
use hybridmx::verify;

use super::{all, forking, hostile};
use crate::files::golden;
use crate::testnet::{load, worlds};

#[test]
fn records_are_rows_whatever_the_names_are() {
    for (name, world) in all() {
        let rows = verify::flows(&world.topology, &world.zones);
        let text = tables::flows(&world.topology, &rows);
        // RFC 4180 §2: every record ends with CR LF, and no field here holds an end of line.
        assert_eq!(text.matches("\r\n").count(), rows.len() + 1, "{name}");
        assert_eq!(text.matches('\n').count(), rows.len() + 1, "{name}");
        let mut reader = csv::Reader::from_reader(text.as_bytes());
        let columns = reader.headers().expect("a header").clone();
        let at = |column: &str| {
            columns
                .iter()
                .position(|name| name == column)
                .expect("a column")
        };
        let records: Result<Vec<csv::StringRecord>, csv::Error> = reader.records().collect();
        let records = records.unwrap_or_else(|error| panic!("{name}: {error}"));
        assert_eq!(records.len(), rows.len(), "{name}");
        for (record, row) in records.iter().zip(&rows) {
            assert_eq!(&record[at("disposition")], row.fork.disposition.as_str());
            assert_eq!(record[at("addresses")], row.addresses.to_string());
            assert_eq!(record[at("recipient")], row.fork.recipient.to_string());
            let formula = record
                .iter()
                .find(|field| field.starts_with(['=', '+', '-', '@']));
            assert_eq!(formula, None, "{name}");
        }
    }
}

/// A terminal loses no row of the table, however wide it is.
#[test]
fn a_narrow_terminal_shows_every_row() {
    for path in [worlds("contoso"), worlds("fabrikam")].concat() {
        let (name, world) = (path.display(), load(&path));
        let rows = verify::flows(&world.topology, &world.zones);
        let wide = text::flows(&world.topology, &rows, Palette::Plain, None);
        let unlimited = text::flows(&world.topology, &rows, Palette::Plain, Some(10_000));
        assert_eq!(wide, unlimited, "{name}");
        let mut ends: BTreeMap<&str, usize> = BTreeMap::new();
        for row in &rows {
            *ends.entry(row.fork.disposition.as_str()).or_default() += 1;
        }
        for columns in [80, 200] {
            let narrow = text::flows(&world.topology, &rows, Palette::Plain, Some(columns));
            // The last line counts them again.
            let lines = narrow.lines().rev().skip(1);
            let mut shown: BTreeMap<&str, usize> = BTreeMap::new();
            for word in lines.flat_map(str::split_whitespace) {
                if let Some((end, _)) = ends.get_key_value(word) {
                    *shown.entry(end).or_default() += 1;
                }
            }
            assert_eq!(shown, ends, "{name} {columns}\n{narrow}");
        }
    }
}

#[test]
fn a_terminal_of_eighty_columns_is_wide_enough() {
    let world = load(Path::new("testnet/contoso"));
    let rows = verify::flows(&world.topology, &world.zones);
    let narrow = text::flows(&world.topology, &rows, Palette::Plain, Some(80));
    let folded = text::folded(&narrow, 80);
    let first: Vec<&str> = folded.lines().take(3).collect();
    assert_eq!(
        first,
        [
            "on-premises mailboxes at EX01 → cloud mailboxes",
            "  up to 10MB  Delivered             EX01 → EOP → EXO  Internal  2 addresses",
            "  over 10MB   Bounced    550 5.2.3  EX01              Internal  2 addresses",
        ]
    );
    let longest = folded.lines().map(|line| line.chars().count()).max();
    assert_eq!(longest.filter(|longest| *longest > 80), None, "{folded}");
}

/// The statements of a DOT file, without what is in its strings.
#[track_caller]
fn skeleton(about: &str, text: &str) -> String {
    let (mut skeleton, mut quoted, mut escaped) = (String::new(), false, false);
    for c in text.chars() {
        match (quoted, escaped, c) {
            (true, false, '\\') => escaped = true,
            (_, false, '"') => quoted = !quoted,
            (true, _, '\n') => panic!("{about}: a string over two lines\n{text}"),
            (true, ..) => escaped = false,
            (false, ..) => skeleton.push(c),
        }
    }
    assert!(!quoted, "{about}: a string without an end\n{text}");
    skeleton
}

#[test]
fn graphs_have_an_end_for_every_fork_whatever_the_names_are() {
    for (name, world) in all() {
        let flow = forking(&world);
        let text = dot::trace(&world.topology, &flow);
        let skeleton = skeleton(&name, &text);
        let ends = skeleton.lines().filter(|line| line.contains("shape=note"));
        assert_eq!(ends.count(), flow.forks.len(), "{name}");
        let nodes = skeleton
            .lines()
            .filter(|line| line.starts_with("  n") && line.contains("label="));
        let nodes = nodes.filter(|line| !line.contains("->")).count();
        let arrows = skeleton
            .lines()
            .filter(|line| line.contains(" -> "))
            .count();
        // A tree.
        assert_eq!(nodes, arrows + 1, "{name}\n{text}");
    }
}

/// A graph as Graphviz lays it out in its plain format; nothing where it is not installed.
#[expect(clippy::print_stderr, reason = "a test that is skipped says so")]
fn laid_out(text: &str) -> Option<String> {
    let mut command = Command::new("dot");
    let command = command.arg("-Tplain").stdin(Stdio::piped());
    let command = command.stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = match command.spawn() {
        Ok(child) => child,
        Err(error) => {
            eprintln!("skipped: dot cannot be run ({error})");
            return None;
        }
    };
    let mut input = child.stdin.take().expect("a pipe");
    input.write_all(text.as_bytes()).expect("dot reads");
    drop(input);
    let output = child.wait_with_output().expect("dot ends");
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{errors}\n{text}");
    Some(String::from_utf8_lossy(&output.stdout).into_owned())
}

#[test]
fn graphviz_reads_what_was_drawn() {
    let world = load(&worlds("contoso")[0]);
    for world in [hostile(&world), world] {
        let flow = forking(&world);
        let text = dot::trace(&world.topology, &flow);
        let Some(plain) = laid_out(&text) else { return };
        let count = |word: &str| plain.lines().filter(|line| line.starts_with(word)).count();
        let arrows = text.lines().filter(|line| line.contains(" -> ")).count();
        assert_eq!(
            (count("node "), count("edge ")),
            (arrows + 1, arrows),
            "{plain}"
        );
    }
}

#[test]
fn a_graph_is_as_it_was() {
    let world = load(&worlds("contoso")[0]);
    let drawn = dot::trace(&world.topology, &forking(&world));
    golden(
        &Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/formats/trace.dot"),
        &drawn,
    );
}
