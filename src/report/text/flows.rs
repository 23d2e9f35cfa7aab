//! The flow table.

use std::collections::BTreeMap;

use super::palette::{Ink, Palette};
use super::path;
use super::table::{self, Cell, Column};
use crate::flow::{Disposition, Fork};
use crate::model::Topology;
use crate::report::words::{self, Arrows, codes, plural};
use crate::verify::Row;

const COLUMNS: [Column; 10] = [
    Column::Left("FROM"),
    Column::Left("TO"),
    Column::Left("COPY FOR"),
    Column::Left("SIZE"),
    Column::Left("END"),
    Column::Left("STATUS"),
    Column::Left("PATH"),
    Column::Left("TRUST"),
    Column::Left("FLAGS"),
    Column::Right("ADDRESSES"),
];

/// One line for each row, and how many end in which way.
#[must_use]
pub fn flows(topology: &Topology, rows: &[Row], palette: Palette) -> String {
    let cells = (0..rows.len()).map(|at| row(topology, &rows[at], has_siblings(rows, at)));
    let cells: Vec<Vec<Cell>> = cells.collect();
    let mut lines = Vec::new();
    if !rows.is_empty() {
        lines = table::lines(&COLUMNS, &cells, palette);
        lines.push(String::new());
    }
    lines.push(count(rows, palette));
    lines.into_iter().map(|line| line + "\n").collect()
}

/// Whether a row is one of several ends of its flow; they stand together, in the order of their
/// indexes.
fn has_siblings(rows: &[Row], at: usize) -> bool {
    rows[at].index > 0 || rows.get(at + 1).is_some_and(|next| next.index > 0)
}

fn row(topology: &Topology, row: &Row, siblings: bool) -> Vec<Cell> {
    let fork = &row.fork;
    let copy = siblings.then(|| fork.recipient.to_string());
    let trust = fork.trust.map(|trust| trust.to_string());
    vec![
        Cell::new(row.from_class.as_str()),
        Cell::new(row.to_class.as_str()),
        Cell::new(copy.unwrap_or_default()),
        Cell::new(row.size.to_string()),
        Cell::painted(path::ink(fork), fork.disposition.as_str()),
        Cell::new(codes(fork)),
        Cell::new(words::path(topology, fork, Arrows::Plain)),
        Cell::new(trust.unwrap_or_default()),
        flags(fork),
        Cell::new(row.addresses.to_string()),
    ]
}

/// The kinds of flag.
fn flags(fork: &Fork) -> Cell {
    let faulty = fork.flags.iter().any(|flag| !flag.expected);
    let ink = if faulty { Ink::Warning } else { Ink::Faint };
    Cell::painted(ink, words::flags(fork))
}

/// `84 rows: 70 Delivered, 8 LeftWorld, 6 Rejected`.
fn count(rows: &[Row], palette: Palette) -> String {
    let mut counts: BTreeMap<Disposition, usize> = BTreeMap::new();
    for row in rows {
        *counts.entry(row.fork.disposition).or_default() += 1;
    }
    let words: Vec<String> = counts
        .iter()
        .map(|(disposition, count)| {
            let ink = if disposition.is_failure() {
                Ink::Bad
            } else {
                Ink::Plain
            };
            palette.paint(ink, &format!("{count} {disposition}"))
        })
        .collect();
    let total = plural(rows.len(), "row");
    match words.as_slice() {
        [] => format!("{total}: the world has nobody to write, or nobody to write to"),
        words => format!("{total}: {}", words.join(", ")),
    }
}
