//! The findings, each with its witness and its fix.

use super::parts::{scrolled, section};
use crate::diag::{Severity, lookup};
use crate::flow::Flow;
use crate::model::Topology;
use crate::report::markup::{self, element};
use crate::report::svg;
use crate::report::words::{self, plural};
use crate::verify::{Finding, Report, Row};

/// All findings: those that need somebody, then the notes.
pub(super) fn findings(topology: &Topology, report: &Report) -> String {
    let all = report.findings.iter().enumerate();
    let (notes, others): (Vec<Numbered<'_>>, Vec<Numbered<'_>>) =
        all.partition(|(_, finding)| finding.diagnostic.severity == Severity::Note);
    let articles = |findings: &[Numbered<'_>]| {
        let articles = findings.iter();
        let articles = articles.map(|(at, each)| finding(topology, *at, each));
        articles.collect::<Vec<String>>().join("\n")
    };
    let sound = "Nothing found: no rule is broken.";
    let main = match others.is_empty() {
        true => element("p", &[], sound),
        false => articles(&others),
    };
    let mut text = section("findings", "What is wrong", &main);
    if !notes.is_empty() {
        text += "\n";
        text += &section("notes", "Worth knowing", &articles(&notes));
    }
    text
}

/// A finding and its position among all.
type Numbered<'a> = (usize, &'a Finding);

/// The anchor of a finding, by its position.
pub(super) fn anchor(at: usize) -> String {
    format!("finding-{}", at + 1)
}

/// The finding that a row is the witness of, as its position among all.
pub(super) fn witnessed(report: &Report, row: &Row) -> Option<usize> {
    let shows = |finding: &Finding| {
        let counts = finding.diagnostic.severity > Severity::Note;
        let flow = finding.witness.as_ref().filter(|_| counts);
        flow.is_some_and(|flow| flow.question == row.example)
    };
    report.findings.iter().position(shows)
}

fn finding(topology: &Topology, at: usize, finding: &Finding) -> String {
    let diagnostic = &finding.diagnostic;
    let severity = diagnostic.severity.to_string();
    let class = match diagnostic.severity {
        Severity::Error => "bad",
        Severity::Note => "note",
        Severity::Warning => "warning",
    };
    let badge = format!("badge {class}");
    let code = element("code", &[], &markup::text(diagnostic.code));
    let badge = element("span", &[("class", &badge)], &markup::text(&severity));
    let mut parts = vec![
        element("p", &[("class", "rule")], &format!("{badge} {code}")),
        element("h3", &[], &quoted(&diagnostic.message)),
    ];
    parts.extend(facts(finding));
    let flow = finding.witness.as_ref();
    parts.extend(flow.map(|flow| witness(topology, flow)));
    parts.extend(fixes(finding));
    let class = format!("finding {class}");
    let id = anchor(at);
    element(
        "article",
        &[("id", &id), ("class", &class)],
        &parts.join("\n"),
    )
}

/// Place, reasons, reach, help and source, as far as there are any.
fn facts(finding: &Finding) -> Option<String> {
    let diagnostic = &finding.diagnostic;
    let row = lookup(diagnostic.code);
    let mut facts: Vec<(&str, String)> = Vec::new();
    let mut fact = |name, text: Option<String>| {
        facts.extend(
            text.filter(|text| !text.is_empty())
                .map(|text| (name, text)),
        );
    };
    let matters = row.map(|row| row.matters);
    fact("why it matters", matters.map(quoted));
    for reason in &diagnostic.because {
        fact("because", Some(quoted(reason)));
    }
    let affected = (finding.affected > 0).then(|| plural(finding.affected, "address"));
    fact("concerns", affected);
    let place = diagnostic.location.as_ref().map(ToString::to_string);
    let place = place.map(|place| element("code", &[], &markup::text(&place)));
    fact("where", place);
    fact("help", diagnostic.help.as_deref().map(quoted));
    fact("see", row.map(|row| markup::text(row.source)));
    let lines = facts
        .into_iter()
        .map(|(name, text)| element("dt", &[], name) + &element("dd", &[], &text));
    let lines: String = lines.collect();
    (!lines.is_empty()).then(|| element("dl", &[], &lines))
}

/// The message that shows it, drawn, and told for those who cannot see the drawing.
fn witness(topology: &Topology, flow: &Flow) -> String {
    let told = flow.forks.iter().map(|fork| {
        let path = words::path(topology, fork, words::Arrows::Named);
        let end = words::end(fork).join(" ");
        element("li", &[], &markup::text(&format!("{path}: {end}")))
    });
    let told = element("ul", &[], &told.collect::<String>());
    let summary = element("summary", &[], "The same in words");
    let told = element("details", &[], &(summary + &told));
    let caption = element("figcaption", &[], "A message that shows it");
    let drawing = scrolled(&svg::trace_figure(topology, flow));
    element("figure", &[], &format!("{caption}{drawing}{told}"))
}

/// What to change, as it is typed.
fn fixes(finding: &Finding) -> Vec<String> {
    let fixes = finding.fix.iter().map(|fix| {
        let heading = format!("Change {}", words::side(fix.side));
        let script = element("code", &[], &markup::lines(&fix.script));
        element("h4", &[], &markup::text(&heading)) + &element("pre", &[("tabindex", "0")], &script)
    });
    fixes.collect()
}

/// What stands in back-ticks is what somebody wrote, and is shown as such.
fn quoted(text: &str) -> String {
    let parts: Vec<&str> = text.split('`').collect();
    // An odd back-tick is one of the text.
    if parts.len().is_multiple_of(2) {
        return markup::text(text);
    }
    let parts = parts.iter().enumerate();
    let parts = parts.map(|(at, part)| match at % 2 {
        0 => markup::text(part),
        _ => element("code", &[], &markup::text(part)),
    });
    parts.collect()
}
