//! One message as a story: hop after hop, what was decided there, what lost and why.

use std::sync::Arc;

use super::palette::{Ink, Palette};
use super::path;
use super::table::{self, Cell, Column};
use crate::diag::Location;
use crate::flow::{Flow, Fork, Hop};
use crate::mail::Mailbox;
use crate::model::Topology;
use crate::report::course::Laps;
use crate::report::place;
use crate::report::words::{self, Arrows, codes, name, plural, question, submission};
use crate::route::{Rejected, Step};
use crate::verify::deciding_place;

/// Columns before a step's event, and before what it says.
const EVENT: &str = "    ";
const BODY: &str = "                  ";

/// A flow from its submission to every one of its ends.
#[must_use]
pub fn trace(topology: &Topology, flow: &Flow, palette: Palette) -> String {
    let mut lines = vec![
        palette.paint(Ink::Strong, &question(&flow.question)),
        submission(topology, &flow.question.submission),
    ];
    if flow.forks.len() > 1 {
        lines.push(String::new());
        lines.extend(overview(topology, flow, palette));
    }
    let story = Story { topology, palette };
    let mut told: &[Arc<Hop>] = &[];
    for (at, fork) in flow.forks.iter().enumerate() {
        lines.push(String::new());
        if flow.forks.len() > 1 {
            let title = format!("[{}] {}", at + 1, fork.recipient);
            lines.push(palette.paint(Ink::Strong, &title));
        }
        lines.extend(story.fork(fork, told));
        told = &fork.hops;
    }
    lines.into_iter().map(|line| line + "\n").collect()
}

/// The ends of a flow that has several, one line each.
fn overview(topology: &Topology, flow: &Flow, palette: Palette) -> Vec<String> {
    let row = |(at, fork): (usize, &Fork)| {
        let trust = fork.trust.map(|trust| trust.to_string());
        vec![
            Cell::new(format!("[{}]", at + 1)),
            Cell::new(fork.recipient.to_string()),
            Cell::painted(path::ink(fork), fork.disposition.as_str()),
            Cell::new(codes(fork)),
            Cell::new(words::path(topology, fork, Arrows::Plain)),
            Cell::new(trust.unwrap_or_default()),
            path::flags(fork),
        ]
    };
    let rows: Vec<Vec<Cell>> = flow.forks.iter().enumerate().map(row).collect();
    table::lines(&[Column::Left(""); 7], &rows, palette)
}

/// What the lines of a story need.
#[derive(Clone, Copy)]
struct Story<'a> {
    topology: &'a Topology,
    palette: Palette,
}

impl Story<'_> {
    /// The hops and the end of a fork; hops that it shares with the fork told before are not told again.
    fn fork(self, fork: &Fork, before: &[Arc<Hop>]) -> Vec<String> {
        let laps = Laps::of(fork);
        let shared = laps.first.iter().zip(before);
        let shared = shared.take_while(|(own, told)| own == told).count();
        let mut lines = Vec::new();
        if let Some(last) = shared.checked_sub(1).map(|at| laps.first[at].server) {
            let same = format!("… as above, to {}", name(self.topology, last));
            lines.push(self.palette.paint(Ink::Faint, &same));
        }
        for (at, hop) in laps.first.iter().enumerate().skip(shared) {
            let same = before.get(at).filter(|_| at == shared);
            lines.extend(self.hop(hop, same.map_or(0, |same| common_steps(hop, same))));
        }
        if laps.folded > 0 {
            let round = words::round(self.topology, &laps.round());
            let more = format!("… {}, cycle {round}", plural(laps.folded, "more hop"));
            lines.push(self.palette.paint(Ink::Bad, &more));
        }
        for hop in laps.last {
            lines.extend(self.hop(hop, 0));
        }
        lines.extend(self.end(fork));
        lines
    }

    /// `EX01 (Mailbox), by Outbound to Office 365, TLS`, and its steps but the first ones, which were
    /// told before.
    fn hop(self, hop: &Hop, told: usize) -> Vec<String> {
        let server = self.topology.server(hop.server);
        let mut title = self.palette.paint(Ink::Strong, &server.name);
        title += &format!(" ({})", server.role.as_str());
        if let Some(id) = hop.connector {
            let connector = &self.topology.send_connector(id).name;
            title += &format!(", by {}", self.palette.paint(Ink::Plain, connector));
        }
        title += if hop.tls { ", TLS" } else { "" };
        let mut lines = vec![title];
        let (before, steps) = hop.steps.split_at(told);
        if !before.is_empty() {
            let events: Vec<&str> = before.iter().map(|step| step.event.as_str()).collect();
            let same = format!("… {} as above", events.join(", "));
            lines.push(format!("{EVENT}{}", self.palette.paint(Ink::Faint, &same)));
        }
        let mut shown = None;
        for step in steps {
            let news = step.recipient.as_ref().filter(|own| shown != Some(*own));
            lines.extend(self.step(step, news));
            shown = step.recipient.as_ref().or(shown);
        }
        lines
    }

    /// The event with the recipient, where it is another one than before; what won; why; what lost.
    fn step(self, step: &Step, recipient: Option<&Mailbox>) -> Vec<String> {
        let paint = |ink, text: &str| self.palette.paint(ink, text);
        let mut parts: Vec<String> = Vec::new();
        let chosen = step
            .chosen
            .as_ref()
            .map(|subject| subject.name(self.topology));
        let recipient = recipient.map(ToString::to_string);
        let recipient = recipient.filter(|recipient| chosen.as_ref() != Some(recipient));
        parts.extend(recipient.map(|recipient| paint(Ink::Plain, &recipient)));
        parts.extend(self.chosen(step));
        if !step.because.is_empty() {
            parts.push(paint(Ink::Plain, &place::because(&step.because)));
        }
        parts.extend(self.losers(&step.rejected));
        let event = format!("{:<12}", step.event.as_str());
        let mut lines: Vec<String> = parts.iter().map(|part| format!("{BODY}{part}")).collect();
        let first = lines.first_mut();
        match (first, parts.first()) {
            (Some(first), Some(part)) => *first = format!("{EVENT}{event}  {part}"),
            _ => lines.push(format!("{EVENT}{}", event.trim_end())),
        }
        lines
    }

    /// `Send connector Outbound to Office 365  world.toml:41:17`.
    fn chosen(self, step: &Step) -> Option<String> {
        let subject = step.chosen.as_ref()?;
        let name = self
            .palette
            .paint(Ink::Strong, &subject.name(self.topology));
        let name = match place::kind(self.topology, subject) {
            "" => name,
            kind => format!("{kind} {name}"),
        };
        let place = deciding_place(self.topology, subject, &step.because);
        Some(name + &self.place(place))
    }

    /// `  not Internet: address space `*` is less specific  world.toml:55:3`. What nobody wrote down
    /// and what lost for the same reason shares a line.
    fn losers(self, rejected: &[Rejected]) -> Vec<String> {
        let mut lines: Vec<(Vec<String>, String, Option<&Location>)> = Vec::new();
        for each in rejected {
            let name = each.candidate.name(self.topology);
            let reasons = std::slice::from_ref(&each.reason);
            let place = deciding_place(self.topology, &each.candidate, reasons);
            let reason = each.reason.to_string();
            let same = lines
                .iter_mut()
                .find(|line| place.is_none() && line.2.is_none() && line.1 == reason);
            match same {
                Some(line) => line.0.push(name),
                None => lines.push((vec![name], reason, place)),
            }
        }
        let line = |(names, reason, place): (Vec<String>, String, Option<&Location>)| {
            let text = format!("not {}: {reason}", names.join(", "));
            format!(
                "  {}{}",
                self.palette.paint(Ink::Faint, &text),
                self.place(place)
            )
        };
        lines.into_iter().map(line).collect()
    }

    fn place(self, place: Option<&Location>) -> String {
        let paint = |place: &Location| self.palette.paint(Ink::Faint, &place.to_string());
        place.map_or_else(String::new, |place| format!("  {}", paint(place)))
    }

    /// How it ends, with which status, trust and flags; and what the sender hears of it.
    fn end(self, fork: &Fork) -> Vec<String> {
        let mut parts = path::end(fork, self.palette);
        let flags = fork.flags.iter();
        parts.extend(flags.map(|flag| path::painted_flag(self.topology, flag, self.palette)));
        let mut lines = vec![format!("=> {}", parts.join(" · "))];
        let told = words::told(self.topology, fork);
        lines.extend(told.map(|told| format!("   {}", self.palette.paint(Ink::Plain, &told))));
        let report = path::report(self.topology, fork, self.palette);
        lines.extend(report.into_iter().map(|line| format!("   {line}")));
        let round = words::recipients(fork);
        lines.extend(round.map(|round| format!("   {}", self.palette.paint(Ink::Bad, &round))));
        lines
    }
}

/// How many of the first steps of two visits to a server are the same.
fn common_steps(hop: &Hop, other: &Hop) -> usize {
    let title = |hop: &Hop| (hop.server, hop.connector, hop.tls);
    let same = title(hop) == title(other);
    let steps = hop.steps.iter().zip(&other.steps).filter(|_| same);
    steps.take_while(|(own, other)| own == other).count()
}
