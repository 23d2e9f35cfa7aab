//! A fork in few words: its path, its end, its flags.

use super::palette::{Ink, Palette};
use crate::flow::{Disposition, Flag, FlagKind, Fork, Question};
use crate::mail::Status;
use crate::model::{SendConnectorId, ServerId, Topology};
use crate::report::course::{Laps, Onward};

/// `david@contoso.com → engineering@groups.contoso.com  10KB`.
pub(super) fn question(question: &Question) -> String {
    let to: Vec<String> = question.to.iter().map(ToString::to_string).collect();
    format!("{} → {}  {}", question.from, to.join(", "), question.size)
}

/// Servers with arrows between them, connectors in the arrows where they are wanted, and where the
/// message was heading at its end.
pub(super) fn path(topology: &Topology, fork: &Fork, arrows: Arrows) -> String {
    let laps = Laps::of(fork);
    // Of a loop the way back to its beginning is shown, and how long it goes on.
    let back = usize::from(laps.folded > 0);
    let shown = &fork.hops[..laps.first.len() + back];
    let mut text = String::new();
    for (at, hop) in shown.iter().enumerate() {
        if at > 0 {
            text += &arrows.arrow(topology, hop.connector);
        }
        text += name(topology, hop.server);
    }
    if laps.folded > 0 {
        return format!("{text} … {} hops", fork.hops.len());
    }
    text + &onward(topology, fork, arrows)
}

/// ` ─[Internet]→ mail.fabrikam.com`, for a message that left, or did not get there.
fn onward(topology: &Topology, fork: &Fork, arrows: Arrows) -> String {
    let onward = Onward::of(fork);
    if onward == Onward::default() {
        return String::new();
    }
    let to = onward.to.map(|subject| subject.name(topology));
    let arrow = arrows.arrow(topology, onward.connector);
    match (to, arrows) {
        (Some(to), _) => arrow + &to,
        (None, Arrows::Named) => arrow + "nowhere",
        (None, Arrows::Plain) => String::new(),
    }
}

/// What stands between two servers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Arrows {
    /// The name of the Send connector, where there is one.
    Named,
    /// An arrow.
    Plain,
}

impl Arrows {
    fn arrow(self, topology: &Topology, connector: Option<SendConnectorId>) -> String {
        match (self, connector) {
            (Self::Named, Some(id)) => format!(" ─[{}]→ ", topology.send_connector(id).name),
            (Self::Named, None) | (Self::Plain, _) => " → ".to_owned(),
        }
    }
}

/// Servers with arrows between them.
pub(super) fn round(topology: &Topology, servers: &[ServerId]) -> String {
    let names: Vec<&str> = servers.iter().map(|id| name(topology, *id)).collect();
    names.join(" → ")
}

/// `cycle ann@contoso.com → bob@contoso.com → ann@contoso.com`, where recipients lead to each other.
pub(super) fn recipients(fork: &Fork) -> Option<String> {
    let cycle = fork.cycle.recipients();
    let round = cycle.iter().chain(cycle.first()).map(ToString::to_string);
    let round: Vec<String> = round.collect();
    (!round.is_empty()).then(|| format!("cycle {}", round.join(" → ")))
}

/// The name of a server.
pub(super) fn name(topology: &Topology, server: ServerId) -> &str {
    &topology.server(server).name
}

/// `454 4.7.5, then 550 4.4.7`: what the queue says, then what the sender is told; empty for success,
/// so that the eye finds the others.
pub(super) fn codes(fork: &Fork) -> String {
    let first = fork
        .status
        .iter()
        .filter(|status| status.enhanced.class != 2);
    let statuses = first.chain(later(fork));
    let words = statuses.map(|status| format!("{} {}", status.code, status.enhanced));
    words.collect::<Vec<String>>().join(", then ")
}

/// What the sender is told in the end, where that is something else than the status.
pub(super) fn later(fork: &Fork) -> Option<&Status> {
    let last = fork.final_status.as_ref();
    last.filter(|status| Some(*status) != fork.status.as_ref())
}

/// Disposition, status and trust.
pub(super) fn end(fork: &Fork, palette: Palette) -> Vec<String> {
    let mut words = vec![palette.paint(ink(fork), fork.disposition.as_str())];
    let status = fork.status.as_ref().map(ToString::to_string);
    words.extend(status.map(|status| palette.paint(Ink::Plain, &status)));
    words.extend(fork.trust.map(|trust| format!("trust {trust}")));
    words
}

/// A flag in the colour of a fault, unless somebody asked for it.
pub(super) fn painted_flag(topology: &Topology, each: &Flag, palette: Palette) -> String {
    let ink = if each.expected {
        Ink::Faint
    } else {
        Ink::Warning
    };
    palette.paint(ink, &flag(topology, each))
}

/// Where a sender is told something later: who says it, and what.
pub(super) fn told(topology: &Topology, fork: &Fork) -> Option<String> {
    let server = name(topology, fork.reported_by?);
    Some(match later(fork) {
        Some(status) => format!("{server} gives up in the end and tells the sender: {status}"),
        None => format!("{server} tells the sender"),
    })
}

/// A notification on its way: `report from postmaster@contoso.com: EX01 ─[Internet]→ MAIL  Delivered`,
/// a line for each of its ends.
pub(super) fn report(topology: &Topology, fork: &Fork, palette: Palette) -> Vec<String> {
    let Some(report) = &fork.report else {
        return Vec::new();
    };
    let line = |each: &Fork| {
        let path = path(topology, each, Arrows::Named);
        let from = &report.from;
        let mut words = vec![format!("report from {from} to {}: {path}", each.recipient)];
        words.extend(end(each, palette));
        words.join(" · ")
    };
    report.forks.iter().map(line).collect()
}

/// `Misrouted at EX01: not by the hybrid connector`.
fn flag(topology: &Topology, flag: &Flag) -> String {
    let expected = if flag.expected { ", as asked for" } else { "" };
    let place = name(topology, flag.server);
    let reason = match words(flag) {
        "" => String::new(),
        words => format!(": {words}"),
    };
    format!("{}{expected} at {place}{reason}", flag.kind)
}

/// The closed word of a flag's reason, for people; a word that is not known stands for itself.
fn words(flag: &Flag) -> &str {
    match flag.reason {
        "anonymous_expected_internal" => "arrives as Anonymous, and should as Internal",
        "attribution" => "entered the same tenant too often",
        "group_domain_not_eop" => "mail for a group domain, to a host that is not EOP",
        "hop_count" => "more Received fields than MaxHopCount",
        "internal_expected_anonymous" => "arrives as Internal, and should as Anonymous",
        "local_hop_count" => "more Received fields of this server than MaxLocalHopCount",
        "mx_self" => "the best MX host is the sending server",
        "forwarding" => "recipients whose mail goes to each other",
        "report" => "the sender is not told: the report fails itself",
        "not_hybrid_connector" => "to the other organization, not by a hybrid connector",
        "third_party" => "through a third party",
        "false" | "true" if flag.kind == FlagKind::EchoBack => "",
        reason => reason,
    }
}

/// The colour of an end.
pub(super) fn ink(fork: &Fork) -> Ink {
    match fork.disposition {
        _ if fork.flags.iter().any(|flag| !flag.expected) => Ink::Bad,
        Disposition::Delivered | Disposition::LeftWorld => Ink::Good,
        Disposition::Suppressed => Ink::Faint,
        Disposition::Unknown => Ink::Warning,
        Disposition::Bounced
        | Disposition::Deferred
        | Disposition::Looped
        | Disposition::Rejected
        | Disposition::Unreachable => Ink::Bad,
    }
}
