//! Mail-flow rules, as far as they change where a message goes (Exchange Server, "Mail flow rules in
//! Exchange Server"; Exchange PowerShell, "New-TransportRule").
//!
//! They run where recipients are resolved, after that and before a connector is chosen, in the order
//! of their priorities. Recipients that a rule brings in are resolved like any other; the rules after
//! that one see them, the ones before do not. A rule whose conditions ask for the content of a message
//! is noted as an unknown fact and does nothing.
//!
//! Choice: a rule is asked for each recipient on its own, as if the message were split where its
//! recipients differ; documents tell that messages are split, but not by which conditions.
//! Choice: rules run once in an organization, at the server that resolves the recipients. Rules of
//! Edge servers are not modelled. A group that another server expands meets the rules there, as its
//! members.

use super::item::{Failure, MailItem, Suppressed};
use super::resolve::{self, Place, Resolution, Resolved};
use super::scope::{self, Holds, Party};
use super::step::{Event, Reason, Rejected, Step, Subject};
use crate::mail::{EnhancedStatus, Status};
use crate::model::{
    Action, Member, RuleId, SendConnectorId, ServerId, Topology, TransportRule, replies,
};

/// What rules ordered for a recipient.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Orders {
    /// TLS on the way out.
    pub(super) require_tls: bool,
    /// The connector, with the rule that chose it.
    pub(super) connector: Option<(RuleId, SendConnectorId)>,
    /// Whether recipients were changed where that is counted.
    pub(super) counted: bool,
}

/// What the rules leave of a resolution.
#[derive(Clone, Debug, Default)]
pub(super) struct Ruling {
    /// What goes on.
    pub(super) ruled: Vec<(Resolved, Orders)>,
    /// What fails.
    pub(super) failures: Vec<Failure>,
    /// What is dropped.
    pub(super) suppressed: Vec<Suppressed>,
}

/// Asks the rules of a server's organization for everything that was resolved.
#[must_use]
pub(super) fn apply(
    topology: &Topology,
    server: ServerId,
    item: &MailItem,
    resolution: Resolution,
) -> Ruling {
    let mut run = Run {
        topology,
        server,
        item,
        rules: topology.rules_of(item.organization),
        ruling: Ruling {
            ruled: Vec::new(),
            failures: resolution.failures,
            suppressed: resolution.suppressed,
        },
    };
    if !topology.server(server).directory || item.resolved {
        run.rules = &[];
    }
    for resolved in resolution.resolved {
        run.judge(resolved, 0, Orders::default());
    }
    run.ruling
}

struct Run<'a> {
    topology: &'a Topology,
    server: ServerId,
    item: &'a MailItem,
    /// By priority.
    rules: &'a [RuleId],
    ruling: Ruling,
}

impl Run<'_> {
    /// Asks the rules from a position on for one recipient.
    fn judge(&mut self, mut resolved: Resolved, from: usize, mut orders: Orders) {
        if matches!(resolved.place, Place::ExpansionServer(..)) {
            return self.ruling.ruled.push((resolved, orders));
        }
        // Before any rule adds a step of its own.
        let party = Party::of(&resolved);
        let mut passed_over = Vec::new();
        for (index, id) in self.rules.iter().enumerate().skip(from) {
            let rule = self.topology.rule(*id);
            let candidate = Subject::Rule(*id);
            let reason = match scope::holds(self.topology, self.item, rule, &party) {
                Holds::No(reason) => {
                    passed_over.push(Rejected { candidate, reason });
                    continue;
                }
                Holds::Unknown(fact) => {
                    resolved.steps.push(
                        Step::new(Event::AgentInfo, &resolved.recipient)
                            .chosen(candidate)
                            .because(Reason::UnknownFact(fact)),
                    );
                    continue;
                }
                Holds::Yes => Reason::RuleApplies,
            };
            let step = Step::new(event(rule), &resolved.recipient)
                .chosen(candidate)
                .because(reason)
                .rejected(std::mem::take(&mut passed_over));
            let next = if rule.stops {
                self.rules.len()
            } else {
                index + 1
            };
            match self.act(*id, resolved, step, next, &mut orders) {
                Some(left) => resolved = left,
                None => return,
            }
            if rule.stops {
                break;
            }
        }
        self.ruling.ruled.push((resolved, orders));
    }

    /// Does what a rule says; gives back the recipient, where it stays.
    fn act(
        &mut self,
        id: RuleId,
        mut resolved: Resolved,
        step: Step,
        next: usize,
        orders: &mut Orders,
    ) -> Option<Resolved> {
        let rule = self.topology.rule(id);
        resolved.steps.push(step);
        if let Some(status) = self.rejection(rule) {
            let failure = Failure {
                told: resolved.changes.reverse_path.map(Box::new),
                notify_never: resolved.changes.notify_never,
                steps: resolved.steps,
                envelope_recipient: Box::new(resolved.envelope_recipient),
                ..Failure::new(resolved.recipient, status)
            };
            self.ruling.failures.push(failure);
            return None;
        }
        if rule.actions.contains(&Action::Delete) {
            self.ruling.suppressed.push(Suppressed {
                recipient: resolved.recipient,
                envelope_recipient: resolved.envelope_recipient,
                steps: resolved.steps,
            });
            return None;
        }
        let changes = changes_recipients(rule);
        orders.counted |= changes && self.counts();
        for action in &rule.actions {
            match action {
                Action::RequireTls => orders.require_tls = true,
                Action::Route(connector) => orders.connector = Some((id, *connector)),
                Action::Add(_) | Action::Delete | Action::Redirect(_) | Action::Reject { .. } => {}
            }
        }
        let mut stays = true;
        for action in &rule.actions {
            if let Action::Add(members) | Action::Redirect(members) = action {
                stays &= matches!(action, Action::Add(_));
                for member in members {
                    self.bring_in(member, &resolved, next, *orders);
                }
            }
        }
        stays.then_some(resolved)
    }

    /// The reply of a rule that rejects, or that would change recipients once too often.
    fn rejection(&self, rule: &TransportRule) -> Option<Status> {
        let said = rule.actions.iter().find_map(|action| match action {
            Action::Reject { status, text } => Some((status, text)),
            _ => None,
        });
        if let Some((enhanced, text)) = said {
            let status =
                replies::RULE_REJECTS.with_text(format!("TRANSPORT.RULES.RejectMessage; {text}"));
            let enhanced: EnhancedStatus = enhanced.parse().unwrap_or(status.enhanced);
            return Some(Status { enhanced, ..status });
        }
        let limit = self.profile_limit()?;
        (changes_recipients(rule) && self.item.trace.rules_loop >= limit)
            .then(|| replies::RULES_LOOP.clone())
    }

    /// How often rules may change the recipients of a message, where that is counted.
    fn profile_limit(&self) -> Option<u32> {
        let organization = self.topology.organization(self.item.organization);
        organization.profile.rules_loops_max
    }

    fn counts(&self) -> bool {
        self.profile_limit().is_some()
    }

    /// A recipient that a rule brings in: resolved like any other.
    fn bring_in(&mut self, member: &Member, cause: &Resolved, next: usize, orders: Orders) {
        let address = self.topology.address_of(member);
        let before = |mut steps: Vec<Step>| {
            let mut all = cause.steps.clone();
            all.append(&mut steps);
            all
        };
        let resolution =
            resolve::resolve_added(self.topology, self.server, self.item, address, cause);
        for failure in resolution.failures {
            self.ruling.failures.push(Failure {
                steps: before(failure.steps),
                ..failure
            });
        }
        for suppressed in resolution.suppressed {
            self.ruling.suppressed.push(Suppressed {
                steps: before(suppressed.steps),
                ..suppressed
            });
        }
        for resolved in resolution.resolved {
            let resolved = Resolved {
                steps: before(resolved.steps),
                ..resolved
            };
            self.judge(resolved, next, orders);
        }
    }
}

fn changes_recipients(rule: &TransportRule) -> bool {
    rule.actions
        .iter()
        .any(|action| matches!(action, Action::Add(_) | Action::Redirect(_)))
}

/// What the tracking log calls what a rule does.
fn event(rule: &TransportRule) -> Event {
    let has = |wanted: fn(&Action) -> bool| rule.actions.iter().any(wanted);
    match () {
        () if has(|action| matches!(action, Action::Reject { .. })) => Event::Fail,
        () if has(|action| matches!(action, Action::Delete)) => Event::Drop,
        () if has(|action| matches!(action, Action::Redirect(_))) => Event::Redirect,
        () => Event::AgentInfo,
    }
}
