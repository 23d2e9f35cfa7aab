//! Aligned columns.

use super::palette::{Ink, Palette};
use crate::report::printable::{one_line, width};

/// One cell.
#[derive(Clone, Debug)]
pub(super) struct Cell {
    text: String,
    ink: Ink,
}

impl Cell {
    /// A cell without colour.
    pub(super) fn new(text: impl Into<String>) -> Self {
        Self::painted(Ink::Plain, text)
    }

    /// A cell in a colour.
    pub(super) fn painted(ink: Ink, text: impl Into<String>) -> Self {
        Self {
            text: text.into(),
            ink,
        }
    }

    /// The text in its colour, filled up to a width on the side that the column does not lean to.
    fn fill(&self, column: Column, columns: usize, palette: Palette) -> String {
        let text = palette.paint(self.ink, &self.text);
        let gap = " ".repeat(columns.saturating_sub(width(&one_line(&self.text))));
        match column {
            Column::Left(_) => text + &gap,
            Column::Right(_) => gap + &text,
        }
    }
}

/// A column: its heading, and the side it leans to.
#[derive(Clone, Copy, Debug)]
pub(super) enum Column {
    /// Words.
    Left(&'static str),
    /// Numbers.
    Right(&'static str),
}

impl Column {
    const fn heading(self) -> &'static str {
        match self {
            Self::Left(heading) | Self::Right(heading) => heading,
        }
    }
}

/// The lines of a table: a heading, unless every heading is empty, then the rows. Columns are as wide
/// as their widest cell; those without anything in them are left out.
pub(super) fn lines(columns: &[Column], rows: &[Vec<Cell>], palette: Palette) -> Vec<String> {
    let widths: Vec<usize> = (0..columns.len()).map(|at| widest(rows, at)).collect();
    let heading: Vec<Cell> = columns
        .iter()
        .map(|column| Cell::painted(Ink::Faint, column.heading()))
        .collect();
    let titled = columns.iter().any(|column| !column.heading().is_empty());
    let heading = titled.then_some(&heading);
    let line = |cells: &Vec<Cell>| {
        let used = columns.iter().zip(cells).zip(&widths);
        let used = used.filter(|(_, width)| **width > 0);
        let cells: Vec<String> = used
            .map(|((column, cell), width)| {
                cell.fill(*column, (*width).max(column.heading().len()), palette)
            })
            .collect();
        cells.join("  ").trim_end().to_owned()
    };
    heading.into_iter().chain(rows).map(line).collect()
}

fn widest(rows: &[Vec<Cell>], column: usize) -> usize {
    let cells = rows.iter().filter_map(|row| row.get(column));
    cells
        .map(|cell| width(&one_line(&cell.text)))
        .max()
        .unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_as_wide_as_their_widest_cell_and_empty_ones_vanish() {
        let columns = [
            Column::Left("NAME"),
            Column::Left("FLAGS"),
            Column::Right("N"),
        ];
        let row = |name: &str, count: &str| vec![Cell::new(name), Cell::new(""), Cell::new(count)];
        let rows = [row("Zürich", "7"), row("東京", "12"), row("a", "3")];
        let lines = lines(&columns, &rows, Palette::Plain);
        assert_eq!(
            lines,
            ["NAME     N", "Zürich   7", "東京    12", "a        3"]
        );
    }

    #[test]
    fn a_table_without_headings_has_rows_only() {
        let rows = [vec![Cell::new("a"), Cell::new("b")]];
        let lines = lines(&[Column::Left(""), Column::Left("")], &rows, Palette::Plain);
        assert_eq!(lines, ["a  b"]);
    }
}
