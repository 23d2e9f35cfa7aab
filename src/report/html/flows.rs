//! The flow table: as a matrix of classes for the overview, and row by row.

use std::collections::{BTreeMap, BTreeSet};

use super::findings::{anchor, witnessed};
use super::parts::{scrolled, table};
use crate::model::Topology;
use crate::report::markup::{self, element};
use crate::report::words::{self, Arrows, Tone, codes};
use crate::verify::{Report, Row, SizeBucket};

/// Senders down, recipients across, and in each field the ways in which such mail ends.
pub(super) fn matrix(report: &Report, rows: &[Row]) -> String {
    if rows.is_empty() {
        return element(
            "p",
            &[],
            "The world has nobody to write, or nobody to write to.",
        );
    }
    let mut fields: BTreeMap<(&str, &str), Vec<&Row>> = BTreeMap::new();
    for row in rows {
        let field = fields.entry((&row.from_class, &row.to_class));
        field.or_default().push(row);
    }
    let columns = in_order(rows.iter().map(|row| row.to_class.as_str()));
    let lines = in_order(rows.iter().map(|row| row.from_class.as_str()));
    let corner = element("td", &[("class", "corner")], "from ↓ · to →");
    let heads = columns.iter().map(|to| heading("col", to));
    let head = element("tr", &[], &(corner + &heads.collect::<String>()));
    let body = lines.iter().map(|from| {
        let cells = columns
            .iter()
            .map(|to| cell(report, fields.get(&(*from, *to))));
        let cells: String = cells.collect();
        element("tr", &[], &(heading("row", from) + &cells)) + "\n"
    });
    let head = element("thead", &[], &head);
    let body = element("tbody", &[], &body.collect::<String>());
    let table = element("table", &[("class", "matrix")], &format!("{head}\n{body}"));
    let legend = "✓ delivered, or handed on · ⊘ refused or returned to its sender, which may be meant: \
                  unknown recipients, too large, not allowed, a device that cannot be told · ✗ lost, delayed, looped, or not on the \
                  path or with the trust it should have · – dropped by design · ? a fact is missing \
                  from the world. ×n: n copies. Empty: nobody is in both classes.";
    scrolled(&table) + &element("p", &[("class", "remark")], legend)
}

/// Names as they come first.
fn in_order<'a>(names: impl Iterator<Item = &'a str>) -> Vec<&'a str> {
    let mut seen = BTreeSet::new();
    names.filter(|name| seen.insert(*name)).collect()
}

fn heading(scope: &str, name: &str) -> String {
    element("th", &[("scope", scope)], &markup::text(name))
}

/// What becomes of the mail from one class to another: of ordinary messages, then of larger ones.
fn cell(report: &Report, rows: Option<&Vec<&Row>>) -> String {
    let Some(rows) = rows else {
        return element("td", &[("class", "none")], "");
    };
    let smallest = rows.iter().map(|row| row.size).min();
    let is_ordinary = |row: &&&Row| Some(row.size) == smallest;
    let tones = rows.iter().filter(is_ordinary);
    let worst = tones.map(|row| Tone::among_others(row)).min();
    let mut ends: BTreeMap<(SizeBucket, Tone, String), usize> = BTreeMap::new();
    for row in rows {
        let words = format!("{} {}", row.fork.disposition, codes(&row.fork));
        let tone = Tone::among_others(row);
        let key = (row.size, tone, words.trim_end().to_owned());
        *ends.entry(key).or_default() += 1;
    }
    let lines = ends.iter().map(|((size, tone, words), count)| {
        let times = (*count > 1).then(|| format!(" ×{count}"));
        let mut text = format!("{} {words}{}", tone.sign(), times.unwrap_or_default());
        let mut class = tone.class().to_owned();
        if Some(*size) != smallest {
            text = format!("{size}: {text}");
            class += " large";
        }
        element("div", &[("class", &class)], &markup::text(&text))
    });
    let mut inside: String = lines.collect();
    let witness = rows.iter().find_map(|row| witnessed(report, row));
    inside += &witness.map(link).unwrap_or_default();
    let class = worst.map_or("none", Tone::class);
    element("td", &[("class", class)], &inside)
}

/// The way to the finding that a field shows.
fn link(finding: usize) -> String {
    let target = format!("#{}", anchor(finding));
    let link = element(
        "a",
        &[("href", &target)],
        &format!("finding {}", finding + 1),
    );
    element("div", &[], &link)
}

/// Every row with its path, folded away until somebody asks.
pub(super) fn list(topology: &Topology, rows: &[Row]) -> String {
    let lines = rows.iter().map(|row| {
        let fork = &row.fork;
        let tone = Tone::among_others(row);
        let end = format!("{} {} {}", tone.sign(), fork.disposition, codes(fork));
        let end = element(
            "span",
            &[("class", tone.class())],
            &markup::text(end.trim_end()),
        );
        let trust = fork.trust.map(|trust| trust.to_string());
        vec![
            markup::text(&row.from_class),
            markup::text(&row.to_class),
            markup::text(&fork.recipient.to_string()),
            markup::text(&row.size.to_string()),
            end,
            markup::text(&words::path(topology, fork, Arrows::Plain)),
            trust.unwrap_or_default(),
            markup::text(&words::flags(fork)),
            row.addresses.to_string(),
        ]
    });
    let heads = [
        "from",
        "to",
        "copy for",
        "size",
        "end",
        "path",
        "trust",
        "flags",
        "addresses",
    ];
    let table = table(&heads, &lines.collect::<Vec<_>>());
    let summary = format!("Show {}", words::plural(rows.len(), "row"));
    let summary = element("summary", &[], &markup::text(&summary));
    element("details", &[], &(summary + &table))
}
