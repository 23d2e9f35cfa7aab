//! The registry of rules, and their run.
//!
//! Rules stand in the order in which one failure masks another: what DNS and accepted domains get
//! wrong shows again in connectors, and all of it shows in how flows end. A finding claims the flows
//! it explains; later rules look at the others only.

use std::collections::BTreeSet;

use super::finding::{Finding, Report, Summary};
use super::questions::{Asked, Survey, survey};
use super::{directory, group_domain, inbound, intent, outcomes, relay};
use crate::diag::Severity;
use crate::dns::Zones;
use crate::flow::{FlagKind, Flow};
use crate::mail::Mailbox;
use crate::model::Topology;

/// What a rule looks at.
pub(super) struct Context<'a> {
    pub(super) topology: &'a Topology,
    pub(super) zones: &'a Zones,
    pub(super) survey: Survey,
    /// The questions that some finding explains.
    claimed: Vec<bool>,
}

/// A finding with the questions it explains, as indexes into the survey.
pub(super) struct Found {
    pub(super) finding: Finding,
    pub(super) claims: Vec<usize>,
}

type Rule = fn(&Context<'_>) -> Vec<Found>;

const RULES: &[Rule] = &[
    group_domain::check,
    inbound::check,
    directory::ambiguous_addresses,
    directory::secondary_group_addresses,
    outcomes::check,
    relay::check,
    directory::unknown_members,
    directory::echo_off,
    intent::check,
];

/// Applies every rule to every class of flow.
#[must_use]
pub fn check(topology: &Topology, zones: &Zones) -> Report {
    let survey = survey(topology, zones);
    let claimed = vec![false; survey.asked.len()];
    let mut context = Context {
        topology,
        zones,
        survey,
        claimed,
    };
    let mut findings = Vec::new();
    for rule in RULES {
        for found in rule(&context) {
            for index in found.claims {
                context.claimed[index] = true;
            }
            findings.push(found.finding);
        }
    }
    findings.sort_by(|a, b| order(a).cmp(&order(b)));
    let count = |severity| {
        findings
            .iter()
            .filter(|finding| finding.diagnostic.severity == severity)
            .count()
    };
    let summary = Summary {
        errors: count(Severity::Error),
        warnings: count(Severity::Warning),
        notes: count(Severity::Note),
        classes: context.survey.asked.len(),
        addresses: context.survey.addresses().len(),
    };
    Report { findings, summary }
}

/// Errors first; within a severity by code and place, so that the order of the world decides nothing.
fn order(finding: &Finding) -> impl Ord + '_ {
    let diagnostic = &finding.diagnostic;
    (
        std::cmp::Reverse(diagnostic.severity),
        diagnostic.code,
        &diagnostic.location,
        &diagnostic.message,
    )
}

impl Context<'_> {
    /// The questions that no finding explains yet, with their indexes.
    pub(super) fn open(&self) -> impl Iterator<Item = (usize, &Asked)> {
        self.survey
            .asked
            .iter()
            .enumerate()
            .filter(|(index, _)| !self.claimed[*index])
    }

    /// The open questions that satisfy a condition.
    pub(super) fn open_where(&self, condition: impl Fn(&Asked) -> bool) -> Vec<usize> {
        self.open()
            .filter(|(_, asked)| condition(asked))
            .map(|(index, _)| index)
            .collect()
    }

    /// How many addresses the troubled ones among these questions stand for.
    pub(super) fn affected(&self, claims: &[usize]) -> usize {
        let troubled: Vec<&Asked> = claims
            .iter()
            .map(|index| &self.survey.asked[*index])
            .filter(|asked| is_troubled(asked.ordinary()))
            .collect();
        let addresses = troubled.iter().flat_map(|asked| {
            self.senders(asked)
                .iter()
                .chain(&self.survey.recipients[asked.to].members)
        });
        addresses.collect::<BTreeSet<&Mailbox>>().len()
    }

    fn senders(&self, asked: &Asked) -> &[Mailbox] {
        &self.survey.senders[asked.from].members
    }

    /// The flow that shows best what is wrong: a troubled one, of a mailbox user before anybody else.
    pub(super) fn witness(&self, claims: &[usize]) -> Option<Flow> {
        let best = claims
            .iter()
            .map(|index| &self.survey.asked[*index])
            .max_by_key(|asked| {
                let flow = asked.ordinary();
                let fails = flow.forks.iter().any(|fork| fork.disposition.is_failure());
                let user = self.survey.senders[asked.from].kind.ends_with("mailboxes");
                let on_premises = self.survey.senders[asked.from]
                    .kind
                    .starts_with("on-premises");
                (
                    fails && user,
                    fails,
                    is_troubled(flow),
                    on_premises,
                    std::cmp::Reverse((asked.from, asked.to)),
                )
            });
        best.map(|asked| asked.ordinary().clone())
    }
}

/// Whether a flow fails, loses its trust, or leaves its path.
pub(super) fn is_troubled(flow: &Flow) -> bool {
    flow.forks.iter().any(|fork| {
        fork.disposition.is_failure()
            || fork
                .flags
                .iter()
                .any(|flag| !flag.expected && flag.kind != FlagKind::EchoBack)
    })
}

/// One line that says how a flow goes wrong, for a finding's reasons.
pub(super) fn in_words(topology: &Topology, flow: &Flow) -> Option<String> {
    let troubled = |fork: &&crate::flow::Fork| fork.disposition.is_failure();
    let fork = flow
        .forks
        .iter()
        .find(troubled)
        .or_else(|| flow.forks.first())?;
    let last = fork
        .hops
        .last()
        .map(|hop| topology.server(hop.server).name.as_str())
        .unwrap_or_default();
    let status = fork
        .status
        .as_ref()
        .map(|status| format!(" with `{} {}`", status.code, status.enhanced));
    let then = match (&fork.status, &fork.final_status) {
        (Some(status), Some(last)) if status != last => {
            format!(", in the end `{} {}`", last.code, last.enhanced)
        }
        _ => String::new(),
    };
    let to = flow
        .question
        .to
        .iter()
        .map(ToString::to_string)
        .collect::<Vec<_>>()
        .join(", ");
    let cycle: Vec<&str> = fork
        .cycle
        .iter()
        .map(|id| topology.server(*id).name.as_str())
        .collect();
    let cycle = match cycle.first() {
        Some(first) => format!("; the cycle is {} → {first}", cycle.join(" → ")),
        None => String::new(),
    };
    let status = status.unwrap_or_default();
    Some(format!(
        "mail from `{}` to `{to}` ends {} at {last}{status}{then}{cycle}",
        flow.question.from, fork.disposition
    ))
}
