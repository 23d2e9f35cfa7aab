//! What rules look at and give: the survey of a world, and findings with the flows they explain.

use std::collections::BTreeSet;

use super::finding::{Finding, Fix};
use super::questions::{Asked, Survey};
use crate::diag::Diagnostic;
use crate::dns::Zones;
use crate::flow::{Disposition, FlagKind, Flow, Fork, Submission};
use crate::mail::EnhancedStatus;
use crate::model::{OrganizationId, RecipientId, RecipientKind, Topology};

/// What a rule looks at.
pub(super) struct Context<'a> {
    pub(super) topology: &'a Topology,
    pub(super) zones: &'a Zones,
    pub(super) survey: Survey<'a>,
    /// Which questions some finding explains.
    claimed: Vec<bool>,
}

/// A finding with the questions it explains, as indexes into the survey.
pub(super) struct Found {
    pub(super) finding: Finding,
    pub(super) claims: Vec<usize>,
}

impl<'a> Context<'a> {
    /// Nothing is explained yet.
    pub(super) fn new(topology: &'a Topology, zones: &'a Zones, survey: Survey<'a>) -> Self {
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

    /// The questions that satisfy a condition, whether a finding explains them or not.
    pub(super) fn all_where(&self, condition: impl Fn(&Asked) -> bool) -> Vec<usize> {
        let all = self.survey.asked.iter().enumerate();
        all.filter(|(_, asked)| condition(asked))
            .map(|(index, _)| index)
            .collect()
    }

    /// Whether a flow of ordinary size fails although nobody wants it to, or has a flag that nobody
    /// asked for.
    pub(super) fn is_amiss(&self, asked: &Asked) -> bool {
        let flow = asked.ordinary();
        is_flagged(flow)
            || flow.forks.iter().any(|fork| {
                let fails = fork.disposition.is_failure()
                    || fork.disposition == Disposition::Unknown
                    || self.is_astray(fork);
                fails && !self.is_wanted(asked, fork)
            })
    }

    /// Whether a copy leaves the world although somebody in it has its address.
    pub(super) fn is_astray(&self, fork: &Fork) -> bool {
        let has_it = |organization: OrganizationId| {
            let holders = self.topology.recipients_at(organization, &fork.recipient);
            let elsewhere = |id: &RecipientId| {
                let kind = &self.topology.recipient(*id).kind;
                matches!(kind, RecipientKind::MailUser { .. })
            };
            holders.iter().any(|id| !elsewhere(id))
        };
        fork.disposition == Disposition::LeftWorld
            && self.topology.organizations().any(|(id, _)| has_it(id))
    }

    /// How many addresses the questions that go amiss stand for; all of them where none does.
    pub(super) fn affected(&self, claims: &[usize]) -> usize {
        let all = || claims.iter().map(|index| &self.survey.asked[*index]);
        let any = all().any(|asked| self.is_amiss(asked));
        let counted = || all().filter(|asked| !any || self.is_amiss(asked));
        // Each class once: it may be asked about a thousand times.
        let senders: BTreeSet<usize> = counted().map(|asked| asked.from).collect();
        let recipients: BTreeSet<usize> = counted().map(|asked| asked.to).collect();
        self.survey
            .count(senders.into_iter(), recipients.into_iter())
    }

    /// Ends a finding: it explains these questions, and the flow that shows it best is its witness.
    pub(super) fn conclude(
        &self,
        diagnostic: Diagnostic,
        fix: Vec<Fix>,
        claims: Vec<usize>,
    ) -> Found {
        let witness = self.witness(&claims);
        self.conclude_with(diagnostic, fix, claims, witness)
    }

    /// The same with a witness that the rule has chosen.
    pub(super) fn conclude_with(
        &self,
        diagnostic: Diagnostic,
        fix: Vec<Fix>,
        claims: Vec<usize>,
        witness: Option<Flow>,
    ) -> Found {
        let troubled = witness.as_ref().filter(|flow| is_troubled(flow));
        let diagnostic = self.because(diagnostic, troubled);
        let affected = self.affected(&claims);
        Found {
            finding: Finding {
                diagnostic,
                affected,
                witness,
                fix,
            },
            claims,
        }
    }

    /// Says of a finding how a flow ends.
    pub(super) fn because(&self, diagnostic: Diagnostic, flow: Option<&Flow>) -> Diagnostic {
        match flow.and_then(|flow| in_words(self.topology, flow)) {
            Some(words) => diagnostic.because(words),
            None => diagnostic,
        }
    }

    /// The flow that shows best what is wrong: one that is not meant to end as it does, of a mailbox
    /// user before an outside sender before a device.
    pub(super) fn witness(&self, claims: &[usize]) -> Option<Flow> {
        let best = claims
            .iter()
            .map(|index| &self.survey.asked[*index])
            .max_by_key(|asked| {
                let flow = asked.ordinary();
                let sender = self.survey.senders[asked.from].kind;
                let fails = flow.forks.iter().any(|fork| {
                    let fails = fork.disposition.is_failure() || self.is_astray(fork);
                    fails && !self.is_wanted(asked, fork)
                });
                let rank = match sender {
                    "on-premises mailboxes" => 3,
                    "cloud mailboxes" => 2,
                    "external senders" => 1,
                    _ => 0,
                };
                let order = std::cmp::Reverse((asked.from, asked.to));
                (
                    fails && rank > 0,
                    is_flagged(flow) && rank > 0,
                    fails,
                    rank,
                    order,
                )
            });
        best.map(|asked| asked.ordinary().clone())
    }

    /// Whether a fork is refused because the recipient's owner wants it so: outsiders, devices and
    /// users of foreign organizations may not write to whom only authenticated senders may.
    pub(super) fn is_wanted(&self, asked: &Asked, fork: &Fork) -> bool {
        !self.is_family(asked) && is_restriction(fork)
    }

    /// Whether a question is about mail of a user to somebody whom the user's own organization, or one
    /// that it forms a hybrid deployment with, knows.
    pub(super) fn is_family(&self, asked: &Asked) -> bool {
        let Submission::User(server) = self.survey.senders[asked.from].submission else {
            return false;
        };
        let own = self.topology.server(server).organization;
        let partners = &self.topology.organization(own).partners;
        let address = &self.survey.recipients[asked.to].members[0];
        let knows = |id: &OrganizationId| !self.topology.recipients_at(*id, address).is_empty();
        partners.iter().chain([&own]).any(knows)
    }
}

/// Whether a fork ends in the refusal of a recipient that wants authenticated senders.
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

/// Whether a flow has a flag that nobody asked for.
fn is_flagged(flow: &Flow) -> bool {
    flow.forks.iter().any(|fork| {
        fork.flags
            .iter()
            .any(|flag| !flag.expected && flag.kind != FlagKind::EchoBack)
    })
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
    let fails = |fork: &&Fork| fork.disposition.is_failure();
    let flagged = |fork: &&Fork| fork.flags.iter().any(|flag| !flag.expected);
    let outside = |fork: &&Fork| {
        matches!(
            fork.disposition,
            Disposition::LeftWorld | Disposition::Unknown
        )
    };
    let mut forks = flow.forks.iter();
    let fork = forks
        .find(fails)
        .or_else(|| flow.forks.iter().find(flagged))
        .or_else(|| flow.forks.iter().find(outside))
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
    let addressed = flow.question.to.contains(&fork.recipient);
    let copy = if addressed || fork.disposition.is_failure() {
        String::new()
    } else {
        format!(" for `{}`", fork.recipient)
    };
    let to = flow
        .question
        .to
        .iter()
        .map(ToString::to_string)
        .collect::<Vec<_>>()
        .join(", ");
    let servers = fork.cycle.servers().iter();
    let servers = servers.map(|id| topology.server(*id).name.clone());
    let recipients = fork.cycle.recipients().iter();
    let recipients = recipients.map(|address| format!("`{address}`"));
    let cycle: Vec<String> = servers.chain(recipients).collect();
    let cycle = match cycle.first() {
        Some(first) => format!("; the cycle is {} → {first}", cycle.join(" → ")),
        None => String::new(),
    };
    let status = match (fork.trust, fork.disposition.is_failure()) {
        (Some(trust), false) => format!(" as {trust}"),
        _ => status.unwrap_or_default(),
    };
    Some(format!(
        "mail from `{}` to `{to}` ends {} at {last}{copy}{status}{then}{cycle}",
        flow.question.from, fork.disposition
    ))
}
