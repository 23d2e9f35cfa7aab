//! What must hold for all flows, whatever the cause: mail between the users and groups of a world
//! arrives, goes round nowhere, and keeps its trust across premises.

use std::collections::BTreeMap;

use super::context::{Context, Found, in_words};
use super::finding::Finding;
use super::questions::Asked;
use crate::diag::{Diagnostic, Location};
use crate::flow::{Disposition, FlagKind, Flow, Fork};
use crate::mail::EnhancedStatus;
use crate::route::Subject;

/// The built-in intents, on the flows that no other rule explains.
pub(super) fn check(context: &Context<'_>) -> Vec<Found> {
    let mut troubles: BTreeMap<(&'static str, String), Vec<usize>> = BTreeMap::new();
    for (index, asked) in context.open() {
        if let Some((code, symptom)) = trouble(context, asked) {
            troubles.entry((code, symptom)).or_default().push(index);
        }
    }
    troubles
        .into_iter()
        .map(|((code, symptom), claims)| found(context, code, &symptom, claims))
        .collect()
}

/// What is wrong with a flow that somebody relies on: a code, and what tells it from other troubles.
fn trouble(context: &Context<'_>, asked: &Asked) -> Option<(&'static str, String)> {
    let from = context.survey.senders[asked.from].kind;
    let to = context.survey.recipients[asked.to].kind;
    let inside = from.ends_with("mailboxes");
    let relied_on = (inside || from == "external senders")
        && (to.ends_with("mailboxes") || to.starts_with("groups"));
    if !relied_on {
        return None;
    }
    let flow = asked.ordinary();
    for fork in &flow.forks {
        let code = match fork.disposition {
            Disposition::Looped => "mail-loops",
            Disposition::Bounced
            | Disposition::Deferred
            | Disposition::Rejected
            | Disposition::Unreachable => {
                if !inside && is_restriction(fork) {
                    continue;
                }
                "mail-not-delivered"
            }
            Disposition::Unknown => "unknown-fact",
            Disposition::Delivered | Disposition::LeftWorld | Disposition::Suppressed => continue,
        };
        return Some((code, symptom(fork)));
    }
    let lost = |fork: &Fork| {
        fork.flags
            .iter()
            .any(|flag| flag.kind == FlagKind::WrongTrust)
    };
    flow.forks
        .iter()
        .any(lost)
        .then(|| ("trust-lost", format!("{from} {to}")))
}

/// Whether a refusal is one that the recipient's owner asked for.
fn is_restriction(fork: &Fork) -> bool {
    const RESTRICTIONS: [EnhancedStatus; 4] = [
        EnhancedStatus::new(5, 7, 133),
        EnhancedStatus::new(5, 7, 134),
        EnhancedStatus::new(5, 7, 136),
        EnhancedStatus::new(5, 7, 193),
    ];
    fork.status
        .as_ref()
        .is_some_and(|status| RESTRICTIONS.contains(&status.enhanced))
}

fn symptom(fork: &Fork) -> String {
    let status = fork
        .status
        .as_ref()
        .map(|status| status.enhanced.to_string())
        .unwrap_or_default();
    let last = fork
        .hops
        .last()
        .map(|hop| hop.server.index())
        .unwrap_or_default();
    format!("{} {status} {last}", fork.disposition)
}

fn found(context: &Context<'_>, code: &'static str, _symptom: &str, claims: Vec<usize>) -> Found {
    let first = &context.survey.asked[claims[0]];
    let witness = context.witness(&claims);
    let flow = witness.as_ref().unwrap_or_else(|| first.ordinary());
    let words = in_words(context.topology, flow).unwrap_or_default();
    let others = match claims.len() - 1 {
        0 => String::new(),
        1 => ", and one more class of flow like it".to_owned(),
        count => format!(", and {count} more classes of flow like it"),
    };
    let message = match code {
        "trust-lost" => {
            let to = flow
                .question
                .to
                .first()
                .map(ToString::to_string)
                .unwrap_or_default();
            format!(
                "mail from `{}` to `{to}` arrives as Anonymous{others}",
                flow.question.from
            )
        }
        _ => format!("{words}{others}"),
    };
    let mut diagnostic = Diagnostic::new(code, place(context, flow), message);
    for reason in last_reasons(flow) {
        diagnostic = diagnostic.because(reason);
    }
    let affected = context.affected(&claims);
    Found {
        finding: Finding {
            diagnostic,
            affected,
            witness,
            fix: Vec::new(),
        },
        claims,
    }
}

/// The setting of the last decision before the end.
fn place(context: &Context<'_>, flow: &Flow) -> Option<Location> {
    let fork = flow
        .forks
        .iter()
        .find(|fork| fork.disposition.is_failure())
        .or_else(|| flow.forks.first())?;
    let steps = fork
        .hops
        .iter()
        .rev()
        .flat_map(|hop| hop.steps.iter().rev());
    let topology = context.topology;
    steps
        .filter_map(|step| step.chosen.as_ref())
        .find_map(|subject| match subject {
            Subject::SendConnector(id) => topology
                .send_connector(*id)
                .settings
                .at("AddressSpaces")
                .cloned(),
            Subject::AcceptedDomain(id) => topology
                .accepted_domain(*id)
                .settings
                .at("DomainType")
                .cloned(),
            Subject::ReceiveConnector(id) => {
                topology.receive_connector(*id).settings.object.clone()
            }
            Subject::Recipient(id) => topology.recipient(*id).settings.object.clone(),
            Subject::Host(_) | Subject::Mx(_) | Subject::Server(_) | Subject::UnreachableQueue => {
                None
            }
        })
}

/// The reasons of the step that decided the end.
fn last_reasons(flow: &Flow) -> Vec<String> {
    let fork = flow
        .forks
        .iter()
        .find(|fork| fork.disposition.is_failure())
        .or_else(|| flow.forks.first());
    let steps = fork.into_iter().flat_map(|fork| {
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
