//! The flow table; where a terminal is too narrow for it, the same under a line for each pair of
//! classes.

use std::collections::BTreeMap;

use super::palette::{Ink, Palette};
use super::path;
use super::table::{self, Cell, Column};
use crate::flow::Disposition;
use crate::model::Topology;
use crate::report::printable::width;
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

/// Where in a row the addresses are counted.
const ADDRESSES: usize = COLUMNS.len() - 1;
/// Columns under the line that names the classes. None has a heading.
const SHORT: [Column; 8] = [Column::Left(""); 8];

/// One line for each row, and how many end in which way. Where the lines are longer than `columns`, the
/// width of a terminal, senders and recipients stand in a line above; `None`: there is no such limit.
#[must_use]
pub fn flows(
    topology: &Topology,
    rows: &[Row],
    palette: Palette,
    columns: Option<usize>,
) -> String {
    let cells = (0..rows.len()).map(|at| row(topology, &rows[at], has_siblings(rows, at)));
    let cells: Vec<Vec<Cell>> = cells.collect();
    let mut lines = Vec::new();
    if !rows.is_empty() {
        let fits = |columns| widest(&table::lines(&COLUMNS, &cells, Palette::Plain)) <= columns;
        lines = match columns.filter(|columns| !fits(*columns)) {
            Some(columns) => grouped(rows, &cells, palette, columns),
            None => table::lines(&COLUMNS, &cells, palette),
        };
        lines.push(String::new());
    }
    lines.push(count(rows, palette));
    lines.into_iter().map(|line| line + "\n").collect()
}

/// The rows of each pair of classes under a line that names both; `cells` are those of the rows.
fn grouped(rows: &[Row], cells: &[Vec<Cell>], palette: Palette, columns: usize) -> Vec<String> {
    let mut lines = Vec::new();
    let mut start = 0;
    let same = |a: &Row, b: &Row| a.from_class == b.from_class && a.to_class == b.to_class;
    for group in rows.chunk_by(same) {
        let mut cells = cells[start..start + group.len()].to_vec();
        start += group.len();
        // Without a heading the number says what it counts.
        for (row, cells) in group.iter().zip(&mut cells) {
            let counted = Cell::new(plural(row.addresses, "address"));
            cells.splice(ADDRESSES.., [counted]);
        }
        let classes = format!("{} → {}", group[0].from_class, group[0].to_class);
        lines.push(palette.paint(Ink::Strong, &classes));
        if widest(&short(&cells, Palette::Plain)) <= columns {
            lines.extend(short(&cells, palette));
        } else {
            lines.extend(halved(&cells, palette));
        }
    }
    lines
}

/// Lines of one group: size, copy, end, status, path, trust, flags, addresses.
fn short(cells: &[Vec<Cell>], palette: Palette) -> Vec<String> {
    let order = |row: &Vec<Cell>| [3, 2, 4, 5, 6, 7, 8, 9].map(|at| row[at].clone()).to_vec();
    let cells: Vec<Vec<Cell>> = cells.iter().map(order).collect();
    indented(table::lines(&SHORT, &cells, palette), "  ")
}

/// Two lines for each row of a group: how it ends, then for whom the copy is, and its path.
fn halved(cells: &[Vec<Cell>], palette: Palette) -> Vec<String> {
    let pick = |row: &Vec<Cell>, which: &[usize]| -> Vec<Cell> {
        which.iter().map(|at| row[*at].clone()).collect()
    };
    let ends: Vec<Vec<Cell>> = cells
        .iter()
        .map(|row| pick(row, &[3, 4, 5, 7, 8, 9]))
        .collect();
    let ends = indented(table::lines(&SHORT[..6], &ends, palette), "  ");
    let paths = cells.iter().flat_map(|row| {
        let parts = table::lines(&SHORT[..2], &[pick(row, &[2, 6])], palette);
        indented(parts, "      ")
    });
    let both = ends.into_iter().zip(paths);
    both.flat_map(|(end, path)| [end, path]).collect()
}

fn indented(lines: Vec<String>, indent: &str) -> Vec<String> {
    lines
        .into_iter()
        .map(|line| format!("{indent}{line}"))
        .collect()
}

/// How many columns the longest of some lines without colours takes.
fn widest(lines: &[String]) -> usize {
    lines
        .iter()
        .map(|line| width(line))
        .max()
        .unwrap_or_default()
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
        path::flags(fork),
        Cell::new(row.addresses.to_string()),
    ]
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
