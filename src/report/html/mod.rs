//! Findings as one page for people who were not there: what is wrong, who suffers, what to change,
//! a drawing of the world, and where all of its mail goes.
//!
//! Not here: what is found (`verify`). Names of the world are texts on the page, never markup.
//!
//! Invariant: the page is one file. It asks for nothing from elsewhere, holds no script, and its
//! Content-Security-Policy forbids both.
//! Invariant: nothing is said by colour alone.

mod findings;
mod flows;
mod parts;

use self::findings::witnessed;
use self::parts::{scrolled, section, table};
use super::expectation;
use super::markup::{self, element, empty};
use super::svg;
use super::words::{Tone, plural, went_wrong};
use crate::model::Topology;
use crate::verify::{Report, Row};

const PAGE_STYLE: &str = include_str!("page.css");

/// No requests, no scripts; styles stand on the page.
const POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'";

/// Everything `check` found in a world, and the flow table of the world, as a page.
#[must_use]
pub fn check(topology: &Topology, report: &Report, rows: &[Row], world: &str) -> String {
    let body = [
        header(topology, report, world),
        element("main", &[], &content(topology, report, rows)),
        footer(),
    ];
    let title = format!("{world}: mail flow");
    let head = [
        empty("meta", &[("charset", "utf-8")]),
        meta("viewport", "width=device-width, initial-scale=1"),
        meta("color-scheme", "light dark"),
        empty(
            "meta",
            &[
                ("http-equiv", "Content-Security-Policy"),
                ("content", POLICY),
            ],
        ),
        element("title", &[], &markup::text(&title)),
        element("style", &[], &format!("\n{PAGE_STYLE}{}", svg::STYLE)),
    ];
    let head = element("head", &[], &format!("\n{}\n", head.join("\n")));
    let body = element("body", &[], &format!("\n{}\n", body.join("\n")));
    let html = element("html", &[("lang", "en")], &format!("\n{head}\n{body}\n"));
    format!("<!DOCTYPE html>\n{html}\n")
}

fn meta(name: &str, content: &str) -> String {
    empty("meta", &[("name", name), ("content", content)])
}

/// The world, the verdict, and how much was asked.
fn header(topology: &Topology, report: &Report, world: &str) -> String {
    let summary = &report.summary;
    let (class, sign, verdict) = match (summary.errors, summary.warnings) {
        (0, 0) => ("good", "✓", "No errors, no warnings".to_owned()),
        (0, warnings) => ("warning", "!", capital(&plural(warnings, "warning"))),
        (errors, 0) => ("bad", "✗", capital(&plural(errors, "error"))),
        (errors, warnings) => {
            let both = format!(
                "{}, {}",
                plural(errors, "error"),
                plural(warnings, "warning")
            );
            ("bad", "✗", capital(&both))
        }
    };
    let notes = match summary.notes {
        0 => String::new(),
        notes => format!(", {}", plural(notes, "note")),
    };
    let asked = format!(
        "{} of flow between {} were followed, as of {}.",
        capital(&plural(summary.classes, "class")),
        plural(summary.addresses, "address"),
        topology.as_of().strftime("%Y-%m-%d %H:%M UTC"),
    );
    let class = format!("verdict {class}");
    let sign = element("span", &[("class", "sign"), ("aria-hidden", "true")], sign);
    let verdict = format!("{sign} {verdict}{notes}");
    let lines = [
        element("p", &[("class", "kind")], "Exchange hybrid mail flow"),
        element("h1", &[], &markup::text(world)),
        element("p", &[("class", &class)], &verdict),
        element("p", &[], &markup::text(&asked)),
    ];
    element("header", &[], &lines.concat())
}

fn capital(text: &str) -> String {
    let mut characters = text.chars();
    let first = characters.next().map(|c| c.to_ascii_uppercase());
    first.into_iter().chain(characters).collect()
}

fn content(topology: &Topology, report: &Report, rows: &[Row]) -> String {
    let mut sections = vec![findings::findings(topology, report)];
    let expectations = expectations(topology, report);
    if !expectations.is_empty() {
        sections.push(section("expectations", "What is expected", &expectations));
    }
    let drawing = drawing(topology, report, rows);
    sections.push(section(
        "topology",
        "Servers and the mail between them",
        &drawing,
    ));
    sections.push(section(
        "flows",
        "Where mail goes",
        &flows::matrix(report, rows),
    ));
    sections.push(section("all", "Every flow", &flows::list(topology, rows)));
    sections.join("\n")
}

/// The `[[Expect]]`s, and whether each holds. What an error explains is not held against one, so none
/// is known to hold as long as there are errors.
fn expectations(topology: &Topology, report: &Report) -> String {
    let judged = expectation::judged(topology, report);
    if judged.is_empty() {
        return String::new();
    }
    let rows = judged.iter().map(|each| {
        let (class, word) = match each.holds(report) {
            Some(true) => ("good", "✓ holds"),
            Some(false) => ("bad", "✗ does not hold"),
            None => ("faint", "– open until the errors are mended"),
        };
        let word = element("span", &[("class", class)], word);
        vec![markup::text(&each.title()), word]
    });
    table(&["expectation", "judgement"], &rows.collect::<Vec<_>>())
}

fn drawing(topology: &Topology, report: &Report, rows: &[Row]) -> String {
    let map = svg::world(topology, rows, |row| {
        let shown = witnessed(report, row).is_some() && went_wrong(&row.fork);
        shown || Tone::among_others(row) == Tone::Bad
    });
    let mut remark =
        "A red broken line carries mail that goes wrong, there or later; a red server \
                      is where it ends."
            .to_owned();
    if map.left_out > 0 {
        remark += &format!(
            " Between {} of servers of large organizations there is mail, and no line.",
            plural(map.left_out, "pair"),
        );
    }
    let rows = map.legend.iter().map(|each| {
        let wrong = match each.wrong {
            0 => String::new(),
            wrong => element("span", &[("class", "bad")], &format!("✗ {wrong}")),
        };
        vec![
            each.number.to_string(),
            markup::text(&each.between.join(" → ")),
            markup::text(&each.connectors.join(", ")),
            each.rows.to_string(),
            wrong,
        ]
    });
    let heads = [
        "no.",
        "between",
        "by connector",
        "flows",
        "of these go wrong",
    ];
    let table = table(&heads, &rows.collect::<Vec<_>>());
    let figure = element("figure", &[], &scrolled(&map.figure));
    figure + &element("p", &[("class", "remark")], &markup::text(&remark)) + &table
}

fn footer() -> String {
    let text = format!(
        "hybridmx {}. Predicted from the description of the world; no server was asked.",
        env!("CARGO_PKG_VERSION")
    );
    element("footer", &[], &markup::text(&text))
}
