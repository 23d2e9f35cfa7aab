//! What `test` found.

use super::palette::{Ink, Palette};
use crate::report::words::plural;
use crate::verify::{Agreement, Comparison, Ending, Untestable};

/// One line for each flow, both sides where they differ, and the count.
#[must_use]
pub fn agreement(agreement: &Agreement, palette: Palette) -> String {
    let mut lines: Vec<String> = agreement
        .results
        .iter()
        .flat_map(|each| comparison(each, palette))
        .collect();
    lines.extend(
        agreement
            .untestable
            .iter()
            .map(|each| untestable(each, palette)),
    );
    lines.push(String::new());
    lines.push(count(agreement, palette));
    lines.into_iter().map(|line| line + "\n").collect()
}

fn comparison(comparison: &Comparison, palette: Palette) -> Vec<String> {
    let title = format!(
        "{}: {} to {}",
        comparison.flow, comparison.from, comparison.to
    );
    if comparison.agree() {
        let ends: Vec<String> = comparison
            .observed
            .iter()
            .map(ToString::to_string)
            .collect();
        let ends = palette.paint(Ink::Faint, &format!("({})", ends.join("; ")));
        return vec![format!(
            "{}        {} {ends}",
            palette.paint(Ink::Good, "ok"),
            palette.paint(Ink::Plain, &title)
        )];
    }
    let mut lines = vec![format!(
        "{}  {}",
        palette.paint(Ink::Bad, "DISAGREE"),
        palette.paint(Ink::Plain, &title)
    )];
    lines.extend(side("predicted", &comparison.predicted, palette));
    lines.extend(side("observed ", &comparison.observed, palette));
    lines
}

fn side(label: &str, endings: &[Ending], palette: Palette) -> Vec<String> {
    let label = palette.paint(Ink::Note, label);
    if endings.is_empty() {
        return vec![format!("          {label} nothing")];
    }
    endings
        .iter()
        .map(|each| {
            format!(
                "          {label} {}",
                palette.paint(Ink::Plain, &each.to_string())
            )
        })
        .collect()
}

fn untestable(untestable: &Untestable, palette: Palette) -> String {
    let text = format!("not sent  {}: {}", untestable.flow, untestable.reason);
    palette.paint(Ink::Faint, &text)
}

/// `84 flows sent: 84 agree, 0 disagree; 6 not testable`.
fn count(agreement: &Agreement, palette: Palette) -> String {
    let sent = agreement.results.len();
    let disagree = agreement.disagreements();
    let ink = if disagree > 0 { Ink::Bad } else { Ink::Good };
    let text = format!(
        "{} sent: {} agree, {disagree} disagree; {} not testable",
        plural(sent, "flow"),
        sent - disagree,
        agreement.untestable.len()
    );
    palette.paint(ink, &text)
}
