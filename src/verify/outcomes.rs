//! What must hold for all flows, whatever the cause: mail between the users and groups of a world
//! arrives, goes round nowhere, and keeps its trust across premises.

use std::collections::{BTreeMap, BTreeSet};

use super::cause::{self, Cause};
use super::connectors::carrier;
use super::context::{Context, Found, in_words};
use super::edit;
use super::finding::{Finding, Fix};
use super::place::deciding_place;
use super::questions::Asked;
use super::stage::{Rule, Stage};
use crate::diag::{Diagnostic, Location};
use crate::flow::{Disposition, FlagKind, Flow, Fork, Submission};
use crate::model::Topology;
use crate::route::{Event, Reason, Subject};

/// The rules of this file.
pub(super) const RULES: &[Rule] = &[Rule::new(Stage::CatchAll, check)];

/// The built-in intents, on the flows that no other rule explains.
fn check(context: &Context<'_>) -> Vec<Found> {
    let mut troubles: BTreeMap<(&'static str, String), Vec<usize>> = BTreeMap::new();
    for (index, asked) in context.open() {
        if let Some((code, symptom)) = trouble(context, asked) {
            troubles.entry((code, symptom)).or_default().push(index);
        }
    }
    troubles
        .into_iter()
        .map(|((code, _), claims)| found(context, code, claims))
        .collect()
}

/// What is wrong with a flow: a code, and what tells it from other troubles.
fn trouble(context: &Context<'_>, asked: &Asked) -> Option<(&'static str, String)> {
    let from = context.survey.senders[asked.from].kind;
    let to = context.survey.recipients[asked.to].kind;
    // Nothing may go round, whoever sends it and whatever its size.
    let all = || asked.answers.iter().flat_map(|(_, flow)| &flow.forks);
    if let Some(fork) = all().find(|fork| has(fork, FlagKind::Loop)) {
        return Some(("mail-loops", cycle(fork)));
    }
    let inside = context.is_family(asked);
    let outsider =
        from == "external senders" && (to.ends_with("mailboxes") || to.starts_with("groups"));
    let relied_on = (inside || outsider) && to != "unknown recipients";
    let flow = asked.ordinary();
    if !relied_on {
        // Mail for somebody outside that does not even leave.
        let stuck = |fork: &&Fork| {
            matches!(
                fork.disposition,
                Disposition::Deferred | Disposition::Unreachable
            )
        };
        let stuck = flow
            .forks
            .iter()
            .find(stuck)
            .filter(|_| from.ends_with("mailboxes"));
        return stuck.map(|fork| ("mail-not-delivered", symptom(fork)));
    }
    for fork in &flow.forks {
        let code = match fork.disposition {
            Disposition::Unknown => "unknown-fact",
            Disposition::LeftWorld if context.is_astray(fork) => "mail-not-delivered",
            _ if fork.disposition.is_failure()
                && !context.is_wanted(asked, fork)
                && !is_on_purpose(fork) =>
            {
                "mail-not-delivered"
            }
            _ => continue,
        };
        return Some((code, symptom(fork)));
    }
    let lost = flow.forks.iter().find(|f| has(f, FlagKind::WrongTrust));
    if let Some(fork) = lost.filter(|_| !is_initial(context, asked)) {
        // One setting is one cause, whomever it concerns.
        let cause = cause::of_lost_trust(context.topology, fork);
        let place = cause.and_then(|cause| cause.place);
        let symptom = place.map_or(format!("{from} {to}"), |place| format!("{place:?}"));
        return Some(("trust-lost", symptom));
    }
    let larger = asked.answers[1..].iter().flat_map(|(_, flow)| &flow.forks);
    let astray = |fork: &Fork| has(fork, FlagKind::Misrouted);
    // What strays at every size has another cause.
    let by_size = larger.clone().any(astray) && !flow.forks.iter().any(astray);
    by_size.then(|| ("mail-misrouted-by-size", String::new()))
}

/// Whether a question is about an address in the initial domain of a tenant, of a user whose organization does
/// not accept that domain.
///
/// Choice: that such mail arrives as Anonymous is no finding. The hybrid wizard puts the domain on no
/// connector, and whoever is reached by it alone (guests, accounts of administrators) has no object on
/// premises, so every deployment would have one (Exchange hybrid, "Transport routing in Exchange hybrid
/// deployments").
fn is_initial(context: &Context<'_>, asked: &Asked) -> bool {
    let domain = &context.survey.recipients[asked.to].members[0].domain;
    let Submission::User(server) = context.survey.senders[asked.from].submission else {
        return false;
    };
    let topology = context.topology;
    let own = topology.server(server).organization;
    let tenant = domain.as_str().strip_suffix(".onmicrosoft.com");
    tenant.is_some_and(|tenant| !tenant.contains('.'))
        && topology.accepted_domain_for(own, domain).is_none()
}

/// Whether somebody set a policy that says exactly this: a list of senders, or no forwarding to others.
fn is_on_purpose(fork: &Fork) -> bool {
    let steps = fork.hops.last().map(|hop| hop.steps.as_slice());
    let last = steps.and_then(|steps| steps.iter().rfind(|step| step.event == Event::Fail));
    last.is_some_and(|step| {
        step.because.iter().any(|reason| {
            matches!(
                reason,
                Reason::SenderNotAllowed | Reason::SenderRejected | Reason::AutoForwardingOff
            )
        })
    })
}

fn has(fork: &Fork, kind: FlagKind) -> bool {
    fork.flags
        .iter()
        .any(|flag| flag.kind == kind && !flag.expected)
}

/// Who goes round in a loop: one cycle is one cause, wherever mail enters it and whichever detector ends
/// it.
fn cycle(fork: &Fork) -> String {
    let servers: BTreeSet<_> = fork.cycle.servers().iter().collect();
    let recipients: BTreeSet<_> = fork.cycle.recipients().iter().collect();
    if servers.is_empty() && recipients.is_empty() {
        return symptom(fork);
    }
    format!("{servers:?} {recipients:?}")
}

/// What two flows with the same cause have in common: how they end, and the decision that ended them.
fn symptom(fork: &Fork) -> String {
    let status = fork
        .status
        .as_ref()
        .map(|status| status.enhanced.to_string())
        .unwrap_or_default();
    let steps = fork
        .hops
        .iter()
        .rev()
        .flat_map(|hop| hop.steps.iter().rev());
    let decided = steps
        .filter_map(|step| step.chosen.as_ref())
        .find(|chosen| {
            matches!(
                chosen,
                Subject::AcceptedDomain(_)
                    | Subject::SendConnector(_)
                    | Subject::ReceiveConnector(_)
            )
        });
    format!("{} {status} {decided:?}", fork.disposition)
}

fn found(context: &Context<'_>, code: &'static str, claims: Vec<usize>) -> Found {
    let first = &context.survey.asked[claims[0]];
    let witness = match code {
        "mail-misrouted-by-size" => by_size(first),
        "mail-loops" => looping(context, &claims),
        _ => context.witness(&claims),
    };
    let flow = witness.as_ref().unwrap_or_else(|| first.ordinary());
    let message = message(context, code, (first, flow), claims.len() - 1);
    let topology = context.topology;
    let cause = match code {
        "mail-misrouted-by-size" => cause::of_size(topology, flow),
        "trust-lost" => {
            let mut forks = flow.forks.iter();
            let fork = forks.find(|fork| has(fork, FlagKind::WrongTrust));
            fork.and_then(|fork| cause::of_lost_trust(topology, fork))
        }
        _ => None,
    };
    let cause = cause.unwrap_or_else(|| Cause {
        place: place(context, flow),
        // The message names the fact that is missing.
        because: match code {
            "unknown-fact" => Vec::new(),
            _ => last_reasons(flow),
        },
    });
    let mut diagnostic = Diagnostic::new(code, cause.place, message);
    let because = cause.because.into_iter();
    diagnostic = because.fold(diagnostic, Diagnostic::because);
    if code == "unknown-fact" {
        diagnostic = diagnostic.help("add to the world what it does not describe");
    }
    let affected = context.affected(&claims);
    let fix = match code {
        "mail-misrouted-by-size" => as_large(context.topology, flow),
        _ => None,
    };
    Found {
        finding: Finding {
            diagnostic,
            affected,
            fix: fix.into_iter().collect(),
            witness,
        },
        claims,
    }
}

/// What a finding says: its first question, the flow that shows it, and how many more are like it.
fn message(
    context: &Context<'_>,
    code: &str,
    (first, flow): (&Asked, &Flow),
    more: usize,
) -> String {
    let others = match more {
        0 => String::new(),
        1 => ", and one more class of flow like it".to_owned(),
        count => format!(", and {count} more classes of flow like it"),
    };
    let from = &flow.question.from;
    let to = flow.question.to.first();
    let to = to.map(ToString::to_string).unwrap_or_default();
    match code {
        "unknown-fact" => {
            let fact =
                missing_fact(flow).unwrap_or_else(|| "a fact is not in the world".to_owned());
            format!("where mail from `{from}` to `{to}` goes cannot be said, as {fact}{others}")
        }
        "trust-lost" => format!("mail from `{from}` to `{to}` arrives as Anonymous{others}"),
        "mail-misrouted-by-size" => {
            let mut answers = first.answers.iter();
            let size = answers.find(|(_, other)| other == flow);
            let size = size.map(|(size, _)| size.to_string()).unwrap_or_default();
            format!("mail {size} from `{from}` to `{to}` leaves its prescribed path{others}")
        }
        _ => {
            let words = in_words(context.topology, flow).unwrap_or_default();
            format!("{words}{others}")
        }
    }
}

/// What the world would have to say so that the end of a flow were known.
fn missing_fact(flow: &Flow) -> Option<String> {
    let unknown = |fork: &&Fork| fork.disposition == Disposition::Unknown;
    let hops = flow
        .forks
        .iter()
        .filter(unknown)
        .flat_map(|fork| &fork.hops);
    let mut reasons = hops
        .flat_map(|hop| &hop.steps)
        .flat_map(|step| &step.because);
    reasons.find_map(|reason| match reason {
        Reason::UnknownFact(fact) => Some(fact.clone()),
        _ => None,
    })
}

/// The fork that a finding about a flow is about: one that fails, else one whose end is not known, else
/// the first.
fn telling(flow: &Flow) -> Option<&Fork> {
    let ends = |is: fn(&Disposition) -> bool| flow.forks.iter().find(|fork| is(&fork.disposition));
    ends(|disposition| disposition.is_failure())
        .or_else(|| ends(|disposition| *disposition == Disposition::Unknown))
        .or_else(|| flow.forks.first())
}

/// The connector that is too small for a message takes as much as the one that was chosen instead.
fn as_large(topology: &Topology, flow: &Flow) -> Option<Fix> {
    let hops = flow.forks.iter().flat_map(|fork| &fork.hops);
    let mut steps = hops.flat_map(|hop| &hop.steps);
    steps.find_map(|step| {
        let Some(Subject::SendConnector(chosen)) = step.chosen else {
            return None;
        };
        let too_small =
            step.rejected
                .iter()
                .find_map(|loser| match (&loser.candidate, &loser.reason) {
                    (Subject::SendConnector(id), Reason::TooLarge { .. }) => Some(*id),
                    _ => None,
                });
        let too_small = topology.send_connector(too_small?);
        let size = topology.send_connector(chosen).max_message_size.to_string();
        Some(carrier::set(
            topology,
            too_small,
            "MaxMessageSize",
            &size,
            &edit::quoted(&size),
        ))
    })
}

/// The first larger message that leaves its path.
fn by_size(asked: &Asked) -> Option<Flow> {
    let strays = |flow: &&Flow| flow.forks.iter().any(|fork| has(fork, FlagKind::Misrouted));
    asked.answers[1..]
        .iter()
        .map(|(_, flow)| flow)
        .find(strays)
        .cloned()
}

/// The first flow that goes round, of an ordinary size if there is one.
fn looping(context: &Context<'_>, claims: &[usize]) -> Option<Flow> {
    let rounds = |flow: &&Flow| flow.forks.iter().any(|fork| has(fork, FlagKind::Loop));
    let asked = || claims.iter().map(|index| &context.survey.asked[*index]);
    let ordinary = asked().map(Asked::ordinary).find(rounds);
    let larger = || {
        asked()
            .flat_map(|asked| asked.answers.iter().map(|(_, flow)| flow))
            .find(rounds)
    };
    ordinary.or_else(larger).cloned()
}

/// The setting of the last decision before the end.
fn place(context: &Context<'_>, flow: &Flow) -> Option<Location> {
    let fork = telling(flow)?;
    let steps = fork
        .hops
        .iter()
        .rev()
        .flat_map(|hop| hop.steps.iter().rev());
    steps
        .filter_map(|step| Some((step.chosen.as_ref()?, &step.because)))
        .find_map(|(subject, because)| deciding_place(context.topology, subject, because))
        .cloned()
}

/// The reasons of the step that decided the end.
fn last_reasons(flow: &Flow) -> Vec<String> {
    let steps = telling(flow).into_iter().flat_map(|fork| {
        fork.hops
            .iter()
            .rev()
            .flat_map(|hop| hop.steps.iter().rev())
    });
    steps
        .map(|step| &step.because)
        .find(|because| !because.is_empty())
        .into_iter()
        .flatten()
        .map(ToString::to_string)
        .collect()
}
