//! The end of a fork in colour.

use super::palette::{Ink, Palette};
use super::table::Cell;
use crate::flow::{Flag, Fork};
use crate::model::Topology;
use crate::report::words::{self, Arrows, Tone};

/// Disposition, status and trust.
pub(super) fn end(fork: &Fork, palette: Palette) -> Vec<String> {
    let mut parts = vec![palette.paint(ink(fork), fork.disposition.as_str())];
    let status = fork.status.as_ref().map(ToString::to_string);
    parts.extend(status.map(|status| palette.paint(Ink::Plain, &status)));
    parts.extend(fork.trust.map(|trust| format!("trust {trust}")));
    parts
}

/// A flag in the colour of a fault, unless somebody asked for it.
pub(super) fn painted_flag(topology: &Topology, each: &Flag, palette: Palette) -> String {
    let ink = if each.expected {
        Ink::Faint
    } else {
        Ink::Warning
    };
    palette.paint(ink, &words::flag(topology, each))
}

/// The kinds of flag, for a table; those that somebody asked for stand in parentheses.
pub(super) fn flags(fork: &Fork) -> Cell {
    let faulty = fork.flags.iter().any(|flag| !flag.expected);
    let ink = if faulty { Ink::Warning } else { Ink::Faint };
    Cell::painted(ink, words::flags(fork))
}

/// A notification on its way: `report from postmaster@contoso.com: EX01 ─[Internet]→ MAIL  Delivered`,
/// a line for each of its ends.
pub(super) fn report(topology: &Topology, fork: &Fork, palette: Palette) -> Vec<String> {
    let Some(report) = &fork.report else {
        return Vec::new();
    };
    let line = |each: &Fork| {
        let path = words::path(topology, each, Arrows::Named);
        let from = &report.from;
        let mut words = vec![format!("report from {from} to {}: {path}", each.recipient)];
        words.extend(end(each, palette));
        words.join(" · ")
    };
    report.forks.iter().map(line).collect()
}

/// The colour of an end.
pub(super) fn ink(fork: &Fork) -> Ink {
    match Tone::of(fork) {
        Tone::Bad | Tone::Refused => Ink::Bad,
        Tone::Warning => Ink::Warning,
        Tone::Faint => Ink::Faint,
        Tone::Good => Ink::Good,
    }
}
