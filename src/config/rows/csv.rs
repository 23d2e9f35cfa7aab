//! CSV (RFC 4180): a header with the names of keys, then one recipient on each row. An empty cell is
//! a key that is not written; a cell of a key that takes a list holds its entries with `;` between
//! them.

use std::ops::Range;

use csv::{ByteRecord, ReaderBuilder};

use super::row::Row;
use super::sheet::Sheet;
use super::types;
use super::window::Window;
use crate::config::file::Rows;
use crate::config::keys::{Key, Kind, Takes};
use crate::config::object::{Node, Object, Text as _, Value, listed, shown};
use crate::config::reader;
use crate::diag::{Diagnostic, did_you_mean};

/// How much of the file is read at once, in bytes.
const READ_BYTES: usize = 64 << 10;

/// Reads every row.
pub(super) fn read(sheet: &mut Sheet<'_, '_>, rows: Rows) {
    let mut reader = ReaderBuilder::new()
        .has_headers(false)
        .flexible(true)
        .buffer_capacity(READ_BYTES)
        .from_reader(Window::new(rows.input));
    let file = sheet.file.clone();
    let mut record = ByteRecord::new();
    let mut columns = None;
    loop {
        let line = line(reader.position());
        match reader.read_byte_record(&mut record) {
            Ok(true) => {}
            Ok(false) if columns.is_none() => return sheet.empty(),
            Ok(false) => return,
            Err(error) => return stopped(sheet, line, &error),
        }
        let begin = record.position().map_or(0, offset);
        let end = offset(reader.position());
        let bytes = reader.get_ref().slice(begin, end);
        let Some((row, spans)) = split(sheet, &file, bytes, line, begin, record.len()) else {
            return;
        };
        let cells = Cells {
            row: &row,
            record: &record,
            spans,
        };
        let goes_on = match &columns {
            None => {
                let (found, mistakes) = Columns::of(sheet.organization, &cells);
                columns = found;
                sheet.report(mistakes) && columns.is_some()
            }
            Some(columns) => {
                let mut found = Vec::new();
                let object = columns.object(sheet.organization, &cells, &mut found);
                sheet.row(object, found)
            }
        };
        if !goes_on {
            return;
        }
        reader.get_mut().release(end);
    }
}

fn offset(position: &csv::Position) -> usize {
    usize::try_from(position.byte()).unwrap_or(usize::MAX)
}

fn line(position: &csv::Position) -> u32 {
    u32::try_from(position.line()).unwrap_or(u32::MAX)
}

fn stopped(sheet: &mut Sheet<'_, '_>, line: u32, error: &csv::Error) {
    match error.kind() {
        csv::ErrorKind::Io(error) if error.kind() == std::io::ErrorKind::FileTooLarge => {
            sheet.too_long(line);
        }
        csv::ErrorKind::Io(error) => sheet.broken(line, error),
        _ => sheet.too_long(line),
    }
}

/// The text of a row without its line break, and where its cells stand; reports what is no row.
fn split<'a>(
    sheet: &mut Sheet<'_, '_>,
    file: &'a std::sync::Arc<str>,
    bytes: &'a [u8],
    line: u32,
    begin: usize,
    cells: usize,
) -> Option<(Row<'a>, Vec<Range<usize>>)> {
    let Ok(text) = std::str::from_utf8(bytes) else {
        sheet.not_utf8(bytes, line, begin);
        return None;
    };
    // The line break of the row before may still be ahead, and a byte order mark.
    let trimmed = text.trim_start_matches(['\r', '\n', '\u{feff}']);
    let start = text.len() - trimmed.len();
    let breaks = text[..start].matches('\n').count();
    let row = Row {
        file,
        text: trimmed.trim_end_matches(['\r', '\n']),
        line: line.saturating_add(u32::try_from(breaks).unwrap_or(u32::MAX)),
        offset: begin + start,
    };
    match spans(row.text, cells) {
        Ok(spans) => Some((row, spans)),
        Err(at) => {
            let message = "the text that begins here is never closed";
            let place = Some(row.location(at..at + 1));
            let diagnostic = Diagnostic::new("invalid-syntax", place, message);
            sheet.report(vec![
                diagnostic.help("close it with `\"`; write `\"\"` for a quote in it"),
            ]);
            None
        }
    }
}

/// Where the cells of a row stand, quotes included; the offset of a quote that is never closed.
fn spans(text: &str, cells: usize) -> Result<Vec<Range<usize>>, usize> {
    let bytes = text.as_bytes();
    let mut spans = Vec::with_capacity(cells);
    let mut start = 0;
    loop {
        let quoted = bytes.get(start) == Some(&b'"');
        let from = match quoted {
            true => closing(bytes, start).ok_or(start)?,
            false => start,
        };
        let end = memchr::memchr(b',', &bytes[from..]).map_or(bytes.len(), |at| from + at);
        spans.push(start..end);
        if end == bytes.len() {
            return Ok(spans);
        }
        start = end + 1;
    }
}

/// The offset behind the quote that closes a text; doubled ones are part of it.
fn closing(bytes: &[u8], start: usize) -> Option<usize> {
    let mut at = start + 1;
    loop {
        at += memchr::memchr(b'"', &bytes[at..])? + 1;
        match bytes.get(at) {
            Some(b'"') => at += 1,
            _ => return Some(at),
        }
    }
}

/// One row, cell by cell.
struct Cells<'a> {
    row: &'a Row<'a>,
    record: &'a ByteRecord,
    spans: Vec<Range<usize>>,
}

impl Cells<'_> {
    /// The text of a cell without its quotes.
    fn text(&self, index: usize) -> &str {
        let bytes = self.record.get(index).unwrap_or_default();
        std::str::from_utf8(bytes).unwrap_or_default().trim()
    }

    fn span(&self, index: usize) -> Range<usize> {
        self.spans.get(index).cloned().unwrap_or(0..0)
    }

    /// A cell as a value of a key.
    fn node(&self, index: usize, takes: Takes) -> Node {
        let (text, span) = (self.text(index), self.span(index));
        let value = match takes {
            Takes::Boolean => match text.to_ascii_lowercase().as_str() {
                "true" => Value::Boolean(true),
                "false" => Value::Boolean(false),
                _ => Value::Text(text.to_owned()),
            },
            Takes::Whole(..) if text.bytes().all(|byte| byte.is_ascii_digit()) => {
                Value::Number(text.to_owned())
            }
            Takes::List(_) | Takes::OneOrMany(_) | Takes::Words(_) => {
                Value::List(self.entries(text, &span))
            }
            Takes::Choice(_)
            | Takes::Moment(_)
            | Takes::Object(_)
            | Takes::Objects(_)
            | Takes::Size(_)
            | Takes::Text(_)
            | Takes::Whole(..) => Value::Text(text.to_owned()),
        };
        Node { value, span }
    }

    /// The entries of a list, with their own places where the cell shows the text as it is.
    fn entries(&self, text: &str, span: &Range<usize>) -> Vec<Node> {
        let base = self.row.text[span.clone()]
            .find(text)
            .map(|at| span.start + at);
        let mut start = 0;
        let mut entries = Vec::new();
        for entry in text.split(';') {
            let trimmed = entry.trim();
            let skipped = entry.len() - entry.trim_start().len();
            let own = base.map(|base| base + start + skipped);
            start += entry.len() + 1;
            if !trimmed.is_empty() {
                let own = own.map(|own| own..own + trimmed.len());
                entries.push(Node {
                    value: Value::Text(trimmed.to_owned()),
                    span: own.unwrap_or_else(|| span.clone()),
                });
            }
        }
        entries
    }
}

/// The header: which key each column is for, in each kind of object.
struct Columns {
    names: Vec<String>,
    /// The column that says what a row is.
    type_at: usize,
    keys: Vec<(&'static Kind, Vec<Option<&'static Key>>)>,
}

impl Columns {
    fn of(organization: &'static Kind, cells: &Cells<'_>) -> (Option<Self>, Vec<Diagnostic>) {
        let kinds = types::kinds(organization);
        let mut mistakes = Vec::new();
        let mut names: Vec<String> = Vec::new();
        for index in 0..cells.record.len() {
            let text = cells.text(index);
            let place = || Some(cells.row.location(cells.span(index)));
            let known = find(&kinds, text);
            if !is_known(&kinds, text) {
                let (message, help) = unknown_column(&kinds, text, cells.record.len());
                mistakes.push(Diagnostic::new("unknown-key", place(), message).help(help));
            } else if known.is_some_and(|key| is_table(key.takes)) {
                let message = format!("`{text}` takes tables, which no cell can hold");
                mistakes.push(
                    Diagnostic::new("wrong-type", place(), message)
                        .help("write these recipients as JSON lines"),
                );
            } else if names.iter().any(|name| name == text) {
                let message = format!("`{text}` stands here twice");
                mistakes.push(
                    Diagnostic::new("invalid-syntax", place(), message)
                        .help("remove one of the two columns"),
                );
            }
            names.push(text.to_owned());
        }
        let type_at = names.iter().position(|name| name == types::TYPE);
        if type_at.is_none() && mistakes.is_empty() {
            let message = format!("`{}` has no column `{}`", cells.row.file, types::TYPE);
            let help = "add the column: it says which recipients are mailboxes, mail users, groups";
            let place = Some(cells.row.place());
            mistakes.push(Diagnostic::new("missing-key", place, message).help(help));
        }
        let of_kind = |kind: &&'static Kind| {
            let keys = names.iter().map(|name| kind.key(name));
            (*kind, keys.collect())
        };
        let keys = kinds.iter().map(of_kind).collect();
        let columns = type_at.map(|type_at| Self {
            names,
            type_at,
            keys,
        });
        (columns.filter(|_| mistakes.is_empty()), mistakes)
    }

    /// The recipient of a row.
    fn object(
        &self,
        organization: &'static Kind,
        cells: &Cells<'_>,
        found: &mut Vec<Diagnostic>,
    ) -> Option<Object> {
        if cells.record.len() != self.names.len() {
            let (have, want) = (cells.record.len(), self.names.len());
            let noun = if have == 1 { "cell" } else { "cells" };
            let message = format!("the row has {have} {noun}, and the header has {want}");
            let diagnostic = Diagnostic::new("invalid-syntax", Some(cells.row.place()), message);
            found.push(
                diagnostic.help("write a comma for every empty cell, and quotes around commas"),
            );
            return None;
        }
        let details = cells.text(self.type_at);
        let place = || cells.row.location(cells.span(self.type_at));
        let kind = types::kind(organization, details);
        let keys =
            kind.and_then(|kind| self.keys.iter().find(|(other, _)| other.path == kind.path));
        let Some((kind, keys)) = keys else {
            found.push(types::unknown(organization, details, place()));
            return None;
        };
        let mut written = Vec::with_capacity(keys.len());
        for (index, key) in keys.iter().enumerate() {
            let is_empty = cells.record.get(index).is_none_or(<[u8]>::is_empty);
            match key {
                _ if is_empty => {}
                Some(key) => written.push((*key, cells.node(index, key.takes))),
                None if index == self.type_at => {}
                None => {
                    let name = &self.names[index];
                    let message = format!("`{name}` is not a key of `{}`", kind.name());
                    let place = Some(cells.row.location(cells.span(index)));
                    let diagnostic = Diagnostic::new("unknown-key", place, message);
                    found.push(diagnostic.help("leave the cell empty"));
                }
            }
        }
        let (mut object, mistakes) = reader::cells(kind, written, cells.row);
        found.extend(mistakes);
        types::note_guest(&mut object, details, &place());
        Some(object)
    }
}

fn find(kinds: &[&'static Kind], name: &str) -> Option<&'static Key> {
    kinds.iter().find_map(|kind| kind.key(name))
}

fn is_known(kinds: &[&'static Kind], name: &str) -> bool {
    name == types::TYPE || find(kinds, name).is_some()
}

fn is_table(takes: Takes) -> bool {
    matches!(takes, Takes::Object(_) | Takes::Objects(_))
}

/// What to say of a column that no recipient has.
fn unknown_column(kinds: &[&'static Kind], name: &str, columns: usize) -> (String, String) {
    let mut names: Vec<&str> = vec![types::TYPE];
    for kind in kinds {
        let own = kind.keys.iter().filter(|key| !is_table(key.takes));
        names.extend(own.map(|key| key.name));
    }
    names.sort_unstable();
    names.dedup();
    let message = format!("`{}` is not a column of recipients", shown(name));
    let help = match did_you_mean(name, names.iter().copied()) {
        Some(meant) => format!("did you mean `{meant}`?"),
        None if name.starts_with("#TYPE") => "export with `-NoTypeInformation`".to_owned(),
        None if columns == 1 && name.contains([';', '\t']) => {
            "put commas between columns".to_owned()
        }
        None => format!("columns are {}", listed(names)),
    };
    (message, help)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cells_are_where_they_stand() {
        let of = |text: &str| -> Vec<String> {
            let spans = spans(text, 0).expect("cells");
            spans
                .into_iter()
                .map(|span| text[span].to_owned())
                .collect()
        };
        assert_eq!(of("a,b,"), ["a", "b", ""]);
        assert_eq!(of("\"a,\"\"b\",c"), ["\"a,\"\"b\"", "c"]);
        assert_eq!(of("a,\"b\nc\""), ["a", "\"b\nc\""]);
        assert_eq!(spans("a,\"b", 0), Err(2));
    }
}
