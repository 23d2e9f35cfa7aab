//! A fork in few words: its path, its codes, its flags; in every output the same.

use super::course::{Laps, Onward};
use crate::flow::{Disposition, Flag, FlagKind, Fork, Question, Submission};
use crate::mail::Status;
use crate::model::{SendConnectorId, ServerId, Topology};
use crate::verify::{Row, Side};

/// `david@contoso.com → engineering@groups.contoso.com  10KB`.
pub(super) fn question(question: &Question) -> String {
    let to: Vec<String> = question.to.iter().map(ToString::to_string).collect();
    format!("{} → {}  {}", question.from, to.join(", "), question.size)
}

/// The same over a drawing, which shows every recipient: of many the first are named, so that the
/// heading is not wider than what it heads.
pub(super) fn heading(question: &Question) -> String {
    const NAMED: usize = 3;
    let named = question.to.iter().take(NAMED).map(ToString::to_string);
    let mut to = named.collect::<Vec<String>>().join(", ");
    if let more @ 1.. = question.to.len().saturating_sub(NAMED) {
        to += &format!(" and {more} more");
    }
    format!("{} → {to}  {}", question.from, question.size)
}

/// How the message enters the world.
pub(super) fn submission(topology: &Topology, submission: &Submission) -> String {
    let server = name(topology, submission.server());
    match submission {
        Submission::Anonymous { address, .. } => {
            let client = address.map_or_else(String::new, |address| format!(" at {address}"));
            format!("handed to {server} by a client{client} without authentication")
        }
        Submission::Host(_) => format!("sent from outside, by {server}"),
        Submission::User(_) => format!("submitted by an authenticated user of {server}"),
    }
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
    let first = fork.status.iter().filter(|status| !status.is_success());
    let statuses = first.chain(later(fork));
    let words = statuses.map(|status| format!("{} {}", status.code, status.enhanced));
    words.collect::<Vec<String>>().join(", then ")
}

/// What the sender is told in the end, where that is something else than the status.
pub(super) fn later(fork: &Fork) -> Option<&Status> {
    let last = fork.final_status.as_ref();
    last.filter(|status| Some(*status) != fork.status.as_ref())
}

/// The kinds of flag; one that somebody asked for stands in parentheses.
pub(super) fn flags(fork: &Fork) -> String {
    let flags = fork.flags.iter().map(|flag| match flag.expected {
        true => format!("({})", flag.kind),
        false => flag.kind.to_string(),
    });
    flags.collect::<Vec<String>>().join(", ")
}

/// Where a change is made.
pub(super) const fn side(side: Side) -> &'static str {
    match side {
        Side::Dns => "in DNS",
        Side::ExchangeOnline => "in Exchange Online",
        Side::OnPremises => "on premises",
    }
}

/// Where a sender is told something later: who says it, and what.
pub(super) fn told(topology: &Topology, fork: &Fork) -> Option<String> {
    let server = name(topology, fork.reported_by?);
    Some(match later(fork) {
        Some(status) => format!("{server} gives up in the end and tells the sender: {status}"),
        None => format!("{server} tells the sender"),
    })
}

/// `Misrouted at EX01: not by the hybrid connector`.
pub(super) fn flag(topology: &Topology, flag: &Flag) -> String {
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

/// Whose copy it is, how it ends and as what; its flags, where it has any.
pub(super) fn end(fork: &Fork) -> Vec<String> {
    let mut ending = vec![fork.disposition.to_string()];
    ending.extend(Some(codes(fork)).filter(|codes| !codes.is_empty()));
    ending.extend(fork.trust.map(|trust| format!("· {trust}")));
    let mut lines = vec![
        fork.recipient.to_string(),
        format!("{} {}", Tone::of(fork).sign(), ending.join(" ")),
    ];
    lines.extend(Some(flags(fork)).filter(|flags| !flags.is_empty()));
    lines
}

/// What the eye is to make of an end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Tone {
    /// Somebody does not get what was meant for them, or not as it should be.
    Bad,
    /// A fact is missing.
    Warning,
    /// Refused or returned by a rule, as it may well be meant.
    Refused,
    /// As it should be.
    Good,
    /// Dropped by design.
    Faint,
}

impl Tone {
    /// The tone of an end.
    pub(super) fn of(fork: &Fork) -> Self {
        match fork.disposition {
            _ if fork.flags.iter().any(|flag| !flag.expected) => Self::Bad,
            Disposition::Delivered | Disposition::LeftWorld => Self::Good,
            Disposition::Suppressed => Self::Faint,
            Disposition::Unknown => Self::Warning,
            Disposition::Bounced
            | Disposition::Deferred
            | Disposition::Looped
            | Disposition::Rejected
            | Disposition::Unreachable => Self::Bad,
        }
    }

    /// The tone of an end among all the others of a world: there a refusal without a flag is one of the
    /// answers that a healthy world gives, to unknown recipients and to messages that are too large. Nor
    /// is it a fault of the world that a device cannot be told: the address it writes from is often
    /// nobody's, and no rule of `check` asks for more.
    pub(super) fn among_others(row: &Row) -> Self {
        let fork = &row.fork;
        let is_device = matches!(row.example.submission, Submission::Anonymous { .. });
        let is_usual = |flag: &Flag| flag.expected || (is_device && flag.kind == FlagKind::Lost);
        match (Self::of(fork), fork.disposition) {
            (Self::Bad, Disposition::Bounced | Disposition::Rejected)
                if fork.flags.iter().all(is_usual) =>
            {
                Self::Refused
            }
            (tone, _) => tone,
        }
    }

    /// The word by which style sheets know it.
    pub(super) const fn class(self) -> &'static str {
        match self {
            Self::Bad => "bad",
            Self::Warning => "warning",
            Self::Refused => "refused",
            Self::Faint => "faint",
            Self::Good => "good",
        }
    }

    /// A sign for those who cannot see its colour.
    pub(super) const fn sign(self) -> &'static str {
        match self {
            Self::Bad => "✗",
            Self::Warning => "?",
            Self::Refused => "⊘",
            Self::Faint => "–",
            Self::Good => "✓",
        }
    }
}

/// Whether a fork is one of those that somebody has to look at.
pub(super) fn went_wrong(fork: &Fork) -> bool {
    fork.disposition.is_failure() || fork.flags.iter().any(|flag| !flag.expected)
}

/// The forks of a flow, those that went wrong first, then those that end outside or who knows where.
pub(super) fn worst_first(forks: &[Fork]) -> Vec<&Fork> {
    let mut forks: Vec<&Fork> = forks.iter().collect();
    let strays = |fork: &Fork| {
        matches!(
            fork.disposition,
            Disposition::LeftWorld | Disposition::Unknown
        )
    };
    forks.sort_by_key(|fork| (!went_wrong(fork), !strays(fork)));
    forks
}

/// `no errors`, `1 error`, `2 errors`.
pub(super) fn plural(count: usize, noun: &str) -> String {
    let (stem, ending) = match noun.strip_suffix("ss") {
        Some(_) => (noun, "es"),
        None => (noun, "s"),
    };
    match count {
        0 => format!("no {stem}{ending}"),
        1 => format!("1 {stem}"),
        _ => format!("{count} {stem}{ending}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mail::{ByteSize, Mailbox, MessageKind, ReversePath};
    use crate::report::course::tests::fork;

    #[test]
    fn a_heading_names_the_first_of_many_recipients() {
        let to = |count: usize| Question {
            from: ReversePath::Null,
            to: (1..=count)
                .map(|n| Mailbox::parse(&format!("{n}@contoso.com")).expect("an address"))
                .collect(),
            size: ByteSize(10),
            kind: MessageKind::Message,
            submission: Submission::Host(ServerId::new(0)),
        };
        assert_eq!(heading(&to(1)), question(&to(1)));
        assert_eq!(heading(&to(3)), question(&to(3)));
        let five = "<> → 1@contoso.com, 2@contoso.com, 3@contoso.com and 2 more  10";
        assert_eq!(heading(&to(5)), five);
    }

    #[test]
    fn what_went_wrong_stands_first_and_what_left_before_what_arrived() {
        let ends = [
            Disposition::Delivered,
            Disposition::LeftWorld,
            Disposition::Bounced,
            Disposition::Unknown,
        ];
        let forks = ends.map(|disposition| Fork {
            disposition,
            ..fork(&[0], &[])
        });
        let shown = worst_first(&forks).into_iter().map(|fork| fork.disposition);
        assert_eq!(
            shown.collect::<Vec<_>>(),
            [
                Disposition::Bounced,
                Disposition::LeftWorld,
                Disposition::Unknown,
                Disposition::Delivered,
            ]
        );
    }

    #[test]
    fn counts_are_words() {
        assert_eq!(plural(0, "address"), "no addresses");
        assert_eq!(plural(1, "address"), "1 address");
        assert_eq!(plural(2, "note"), "2 notes");
        assert_eq!(plural(3, "class"), "3 classes");
    }
}
