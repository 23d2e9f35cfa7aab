//! Findings, each with its proof and its remedy, and the count.

use super::diagnostic::{head, ink, part};
use super::palette::{Ink, Palette};
use super::path;
use crate::diag::{Severity, lookup};
use crate::flow::{Flow, Fork};
use crate::mail::Mailbox;
use crate::model::Topology;
use crate::report::words::{self, Arrows, plural, question, went_wrong, worst_first};
use crate::verify::{Finding, Fix, Report, Summary};

/// How many forks of a witness are shown.
const FORKS_SHOWN: usize = 3;

/// Everything `check` found, and how much it asked.
#[must_use]
pub fn check(topology: &Topology, report: &Report, palette: Palette) -> String {
    let mut lines = Vec::new();
    for each in &report.findings {
        lines.extend(finding(topology, each, palette));
        lines.push(String::new());
    }
    if report.findings.is_empty() {
        let sound = "nothing found: no rule is broken";
        lines.push(palette.paint(Ink::Good, sound));
    }
    lines.push(summary(&report.summary, palette));
    lines.into_iter().map(|line| line + "\n").collect()
}

/// One finding, a line for each part.
pub(in crate::report) fn finding(
    topology: &Topology,
    finding: &Finding,
    palette: Palette,
) -> Vec<String> {
    let diagnostic = &finding.diagnostic;
    let mut lines = head(diagnostic, palette);
    let affected = (finding.affected > 0).then(|| plural(finding.affected, "address"));
    lines.extend(part(palette, "concerns", affected.as_deref()));
    if let Some(flow) = &finding.witness {
        lines.extend(witness(topology, flow, palette));
    }
    lines.extend(part(palette, "help", diagnostic.help.as_deref()));
    lines.extend(finding.fix.iter().flat_map(|each| fix(each, palette)));
    let source = lookup(diagnostic.code).map(|row| row.source);
    lines.extend(part(palette, "see", source));
    lines
}

/// The message that shows it: the forks that went wrong first, and how many there are beside.
fn witness(topology: &Topology, flow: &Flow, palette: Palette) -> Vec<String> {
    let mut lines = Vec::new();
    lines.extend(part(palette, "flow", Some(&question(&flow.question))));
    let forks = worst_first(&flow.forks);
    let wrong = forks.iter().filter(|fork| went_wrong(fork)).count();
    let shown = wrong.clamp(1, FORKS_SHOWN).min(forks.len());
    for fork in &forks[..shown] {
        lines.extend(end(topology, &flow.question.to, fork, palette));
    }
    if let more @ 1.. = forks.len() - shown {
        lines.push(format!("        and {more} more of its copies"));
    }
    lines
}

/// Path, recipient where it is not the one addressed, end and flags.
fn end(topology: &Topology, to: &[Mailbox], fork: &Fork, palette: Palette) -> Vec<String> {
    let mut lines = vec![palette.paint(Ink::Plain, &words::path(topology, fork, Arrows::Named))];
    let mut parts = path::end(fork, palette);
    if !to.contains(&fork.recipient) {
        parts[0] += &format!(" for {}", fork.recipient);
    }
    let later = words::later(fork).map(|status| format!("in the end {status}"));
    parts.extend(later.map(|later| palette.paint(Ink::Plain, &later)));
    lines.push(parts.join(" · "));
    let flags = fork.flags.iter();
    lines.extend(flags.map(|flag| path::painted_flag(topology, flag, palette)));
    let indented = lines.into_iter().map(|line| format!("        {line}"));
    indented.collect()
}

/// `  fix on premises:`, and the script below it.
fn fix(fix: &Fix, palette: Palette) -> Vec<String> {
    let label = format!("fix {}:", words::side(fix.side));
    let mut lines = vec![format!("  {}", palette.paint(Ink::Faint, &label))];
    let script = fix.script.lines();
    lines.extend(script.map(|line| format!("      {}", palette.paint(Ink::Strong, line))));
    lines
}

/// `2 errors, 1 warning, no notes · 84 classes of flow, 23 addresses`.
fn summary(summary: &Summary, palette: Palette) -> String {
    let found = [
        (summary.errors, Severity::Error),
        (summary.warnings, Severity::Warning),
        (summary.notes, Severity::Note),
    ];
    let found = found.map(|(count, severity)| {
        let ink = if count > 0 { ink(severity) } else { Ink::Plain };
        palette.paint(ink, &plural(count, &severity.to_string()))
    });
    let classes = plural(summary.classes, "class");
    let addresses = plural(summary.addresses, "address");
    format!("{} · {classes} of flow, {addresses}", found.join(", "))
}
