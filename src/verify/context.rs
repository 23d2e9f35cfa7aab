//! What rules look at and give: the survey of a world, and findings with the flows they explain.

use std::collections::BTreeSet;

use super::finding::Finding;
use super::questions::{Asked, Survey};
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

impl<'a> Context<'a> {
    /// Nothing is explained yet.
    pub(super) fn new(topology: &'a Topology, zones: &'a Zones, survey: Survey) -> Self {
        let claimed = vec![false; survey.asked.len()];
        Self {
            topology,
            zones,
            survey,
            claimed,
        }
    }

    /// Marks questions as explained.
    pub(super) fn claim(&mut self, claims: &[usize]) {
        for index in claims {
            self.claimed[*index] = true;
        }
    }

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
