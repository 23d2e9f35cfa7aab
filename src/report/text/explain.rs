//! Rules and replies in full.

use super::diagnostic::{ink, part};
use super::palette::{Ink, Palette};
use super::table::{self, Cell, Column};
use crate::diag::Code;
use crate::mail::Explanation;
use crate::report::topic::Topic;

/// What a code stands for, why it matters, what to do.
#[must_use]
pub fn explain(topic: &Topic, palette: Palette) -> String {
    let lines = match topic {
        Topic::Rule(row) => rule(row, palette),
        Topic::Codes(rows) => codes(rows, palette),
        Topic::Replies(rows) if several(rows) => list(rows, palette),
        Topic::Replies(rows) => {
            let replies: Vec<Vec<String>> = rows.iter().map(|row| reply(row, palette)).collect();
            replies.join(&String::new())
        }
    };
    lines.into_iter().map(|line| line + "\n").collect()
}

/// Whether the replies have more than one enhanced status: then they are listed, not told.
fn several(rows: &[&Explanation]) -> bool {
    rows.windows(2)
        .any(|pair| pair[0].enhanced != pair[1].enhanced)
}

fn list(rows: &[&Explanation], palette: Palette) -> Vec<String> {
    let row = |row: &&Explanation| {
        vec![
            Cell::painted(Ink::Strong, row.enhanced.to_string()),
            Cell::new(row.meaning),
        ]
    };
    let rows: Vec<Vec<Cell>> = rows.iter().map(row).collect();
    let mut lines = table::lines(&[Column::Left(""); 2], &rows, palette);
    lines.push(String::new());
    lines.push("`hybridmx explain` with one of these says who says it and what to look at".into());
    lines
}

/// Every code with its severity and what it says.
fn codes(rows: &[&Code], palette: Palette) -> Vec<String> {
    let row = |row: &&Code| {
        vec![
            Cell::painted(ink(row.severity), row.severity.to_string()),
            Cell::painted(Ink::Strong, row.code),
            Cell::new(row.summary),
        ]
    };
    let rows: Vec<Vec<Cell>> = rows.iter().map(row).collect();
    let mut lines = table::lines(&[Column::Left(""); 3], &rows, palette);
    lines.push(String::new());
    lines.push("`hybridmx explain CODE` says why it matters and how it is mended".into());
    lines
}

fn rule(row: &Code, palette: Palette) -> Vec<String> {
    let title = format!("{}[{}]", row.severity, row.code);
    let title = palette.paint(ink(row.severity), &title);
    let summary = palette.paint(Ink::Strong, row.summary);
    let parts = [
        ("matters", row.matters),
        ("fix", row.fix),
        ("not live", row.live),
        ("see", row.source),
    ];
    let parts = parts.map(|(label, text)| part(palette, label, Some(text)));
    let title = format!("{title}: {summary}");
    std::iter::once(title)
        .chain(parts.into_iter().flatten())
        .collect()
}

fn reply(row: &Explanation, palette: Palette) -> Vec<String> {
    let parts = [
        ("said by", row.said_by),
        ("means", row.meaning),
        ("look at", row.look_at),
        ("see", row.source),
    ];
    let parts = parts.map(|(label, text)| part(palette, label, Some(text)));
    let title = palette.paint(Ink::Strong, row.reply);
    std::iter::once(title)
        .chain(parts.into_iter().flatten())
        .collect()
}
