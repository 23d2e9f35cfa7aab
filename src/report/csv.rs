//! The flow table for spreadsheets (RFC 4180).

use super::course;
use super::printable::one_line;
use super::words;
use crate::mail::Status;
use crate::model::Topology;
use crate::verify::Row;

/// The columns, named as the fields of the JSON answer are.
const COLUMNS: [&str; 19] = [
    "origin",
    "from_class",
    "to_class",
    "fork",
    "recipient",
    "size_min",
    "size_max",
    "example_from",
    "example_to",
    "addresses",
    "path",
    "connectors",
    "disposition",
    "status",
    "status_text",
    "final_status",
    "final_status_text",
    "trust",
    "flags",
];

/// One record for each row, after a record with the names of the columns. Lists are separated by
/// ` > ` where they are a way, and by `, ` elsewhere; what is absent is empty.
#[must_use]
pub fn flows(topology: &Topology, rows: &[Row]) -> String {
    let mut writer = csv::WriterBuilder::new()
        .terminator(csv::Terminator::CRLF)
        .from_writer(Vec::new());
    let records = rows.iter().map(|row| record(topology, row));
    let columns = COLUMNS.map(str::to_owned);
    for record in std::iter::once(columns).chain(records) {
        let written = writer.write_record(record.iter().map(|field| safe(field)));
        written.expect("memory takes every record, and all have the same length");
    }
    let bytes = writer.into_inner().expect("memory takes every record");
    String::from_utf8(bytes).expect("fields are UTF-8, and so is what separates them")
}

fn record(topology: &Topology, row: &Row) -> [String; COLUMNS.len()] {
    let fork = &row.fork;
    let hops = fork.hops.iter();
    let path: Vec<&str> = hops.map(|hop| words::name(topology, hop.server)).collect();
    let connectors = course::connectors(fork).into_iter();
    let connectors: Vec<&str> = connectors
        .map(|id| topology.send_connector(id).name.as_str())
        .collect();
    let to: Vec<String> = row.example.to.iter().map(ToString::to_string).collect();
    let (status, status_text) = split(fork.status.as_ref());
    let (last, last_text) = split(fork.final_status.as_ref());
    [
        row.origin.clone(),
        row.from_class.clone(),
        row.to_class.clone(),
        row.index.to_string(),
        fork.recipient.to_string(),
        row.size.min.0.to_string(),
        row.size
            .max
            .map_or_else(String::new, |max| max.0.to_string()),
        row.example.from.to_string(),
        to.join(", "),
        row.addresses.to_string(),
        path.join(" > "),
        connectors.join(" > "),
        fork.disposition.to_string(),
        status,
        status_text,
        last,
        last_text,
        fork.trust
            .map_or_else(String::new, |trust| trust.to_string()),
        words::flags(fork),
    ]
}

/// `550 5.7.133`, and the words.
fn split(status: Option<&Status>) -> (String, String) {
    let code = |status: &Status| format!("{} {}", status.code, status.enhanced);
    let codes = status.map(code).unwrap_or_default();
    let text = status.map(|status| status.text.to_string());
    (codes, text.unwrap_or_default())
}

/// A field on one line that no spreadsheet takes for a formula: where it begins as one does, an
/// apostrophe goes before it, as people do it by hand.
fn safe(field: &str) -> String {
    let field = one_line(field);
    match field.starts_with(['=', '+', '-', '@']) {
        true => format!("'{field}"),
        false => field,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_field_is_a_formula_or_breaks_a_line() {
        assert_eq!(safe("=HYPERLINK(1)"), "'=HYPERLINK(1)");
        assert_eq!(safe("a\r\nb"), "a\\r\\nb");
        assert_eq!(safe("5"), "5");
    }

    #[test]
    fn a_table_without_rows_has_its_columns() {
        let topology = Topology::new(crate::model::Parts::default());
        let text = flows(&topology, &[]);
        assert_eq!(text.matches("\r\n").count(), 1);
        assert!(text.starts_with("origin,from_class,"), "{text}");
    }
}
