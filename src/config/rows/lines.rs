//! JSON lines: one object of JSON (RFC 8259) on each line. Lines without anything are passed over.

use std::io::{BufRead, Read as _};

use super::row::Row;
use super::sheet::{ROW_BYTES_MAX, Sheet};
use super::types;
use crate::config::file::Rows;
use crate::config::object::{Node, Object, Text as _, Value};
use crate::config::{json, reader};
use crate::diag::{Diagnostic, Location};

/// Reads every line.
pub(super) fn read(sheet: &mut Sheet<'_, '_>, mut rows: Rows) {
    let (mut line, mut offset) = (1, 0);
    let mut bytes = Vec::new();
    loop {
        bytes.clear();
        let limit = ROW_BYTES_MAX as u64 + 1;
        match rows
            .input
            .by_ref()
            .take(limit)
            .read_until(b'\n', &mut bytes)
        {
            Ok(0) if offset == 0 => return sheet.empty(),
            Ok(0) => return,
            Ok(_) if bytes.len() > ROW_BYTES_MAX => return sheet.too_long(line),
            Ok(_) => {}
            Err(error) => return sheet.broken(line, &error),
        }
        if !one(sheet, &bytes, line, offset) {
            return;
        }
        offset += bytes.len();
        line += 1;
    }
}

/// Reads one line; says whether reading goes on.
fn one(sheet: &mut Sheet<'_, '_>, bytes: &[u8], line: u32, offset: usize) -> bool {
    let Ok(text) = std::str::from_utf8(bytes) else {
        return sheet.not_utf8(bytes, line, offset);
    };
    // A byte order mark is no part of the text, but counts in offsets.
    let start = match offset {
        0 => text.len() - text.trim_start_matches('\u{feff}').len(),
        _ => 0,
    };
    let text = text[start..].trim_end_matches(['\r', '\n']);
    if text.trim().is_empty() {
        return true;
    }
    let file = sheet.file.clone();
    let row = Row {
        file: &file,
        text,
        line,
        offset: offset + start,
    };
    let (node, mut found) = json::parse(&row);
    let object = node.and_then(|node| object(sheet, node, &row, &mut found));
    sheet.row(object, found)
}

fn object(
    sheet: &Sheet<'_, '_>,
    mut node: Node,
    row: &Row<'_>,
    found: &mut Vec<Diagnostic>,
) -> Option<Object> {
    let Value::Table(entries) = &mut node.value else {
        let message = "a line is one object of JSON";
        let diagnostic = Diagnostic::new("wrong-type", Some(row.place()), message);
        found.push(diagnostic.help("write `{\"RecipientTypeDetails\": \"UserMailbox\", …}`"));
        return None;
    };
    let at = entries.iter().position(|entry| entry.key == types::TYPE);
    let Some(at) = at else {
        found.push(without_type(row.location(0..1)));
        return None;
    };
    let place = row.location(entries[at].node.span.clone());
    let text = match &entries[at].node.value {
        Value::Text(text) => text.clone(),
        _ => row.text[entries[at].node.span.clone()].to_owned(),
    };
    let Some(kind) = types::kind(sheet.organization, &text) else {
        found.push(types::unknown(sheet.organization, &text, place));
        return None;
    };
    if kind.key(types::TYPE).is_none() {
        entries.remove(at);
    }
    let (mut object, mistakes) = reader::read(kind, &node, row);
    found.extend(mistakes);
    types::note_guest(&mut object, &text, &place);
    Some(object)
}

fn without_type(place: Location) -> Diagnostic {
    let message = format!("the recipient has no `{}`", types::TYPE);
    Diagnostic::new("missing-key", Some(place), message)
        .help("add it: `UserMailbox`, `MailUser`, `GroupMailbox` and the like")
}
