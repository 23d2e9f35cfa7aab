//! The registry of rules, and their run.
//!
//! Rules run in the order of their stages, because one failure masks another: what DNS and accepted
//! domains get wrong shows again in connectors, and all of it shows in how flows end. A finding claims
//! the flows it explains; later rules look at the others only.

use rayon::prelude::*;

use super::classes::MadeUp;
use super::context::{Context, Found};
use super::finding::{Finding, Report, Summary};
use super::questions::survey;
use super::stage::Rule;
use super::{connectors, directory, domains, edit, intent, outcomes, servers, tenant, transport};
use crate::diag::Severity;
use crate::dns::Zones;
use crate::model::Topology;

/// Every file with rules. Within a stage this order holds: the connectors themselves before the domains
/// that they carry, what concerns many recipients before what concerns one.
const RULES: &[&[Rule]] = &[
    tenant::outbound::RULES,
    connectors::smart_host::RULES,
    connectors::reception::RULES,
    connectors::presented::RULES,
    connectors::validation::RULES,
    connectors::chain::RULES,
    connectors::named_certificates::RULES,
    connectors::hybrid_connectors::RULES,
    domains::group_domain::RULES,
    tenant::inbound::RULES,
    tenant::refused::RULES,
    tenant::attribution::RULES,
    tenant::exposure::RULES,
    servers::edge_servers::RULES,
    servers::edge::RULES,
    domains::wildcard::RULES,
    directory::ambiguous::RULES,
    directory::groups::RULES,
    directory::unknown_members::RULES,
    directory::targets::RULES,
    tenant::relayed::RULES,
    transport::hops::RULES,
    domains::relay::RULES,
    domains::every_domain::RULES,
    domains::one_sided::RULES,
    domains::shared_domain::RULES,
    directory::addresses::RULES,
    domains::mx::RULES,
    directory::unknown::RULES,
    directory::targetless::RULES,
    directory::written_back::RULES,
    directory::send_as::RULES,
    directory::reach::RULES,
    directory::moderation::RULES,
    domains::autodiscover::RULES,
    servers::builds::RULES,
    directory::writeback::RULES,
    directory::members::RULES,
    connectors::unused::RULES,
    connectors::unused_receive::RULES,
    transport::mail_flow_rules::RULES,
    transport::forwarding::RULES,
    transport::limits::RULES,
    transport::sizes::RULES,
    transport::centralized::RULES,
    outcomes::RULES,
    intent::RULES,
];

/// The rules in the order in which they run.
fn rules() -> Vec<Rule> {
    let mut rules = RULES.concat();
    rules.sort_by_key(|rule| rule.stage);
    rules
}

/// So many rules look at once. Choice: enough for a few cores, and few enough that a world with many
/// faults has not each rule look many times.
const TOGETHER: usize = 8;

/// What rules find that look at the same flows, in their order.
fn look(context: &Context<'_>, rules: &[Rule]) -> Vec<Vec<Found>> {
    let rules = rules.par_iter().with_max_len(1);
    rules.map(|rule| (rule.check)(context)).collect()
}

/// Applies every rule to every class of flow.
#[must_use]
pub fn check(topology: &Topology, zones: &Zones) -> Report {
    let made_up = MadeUp::new(topology);
    let survey = survey(topology, zones, &made_up);
    let mut context = Context::new(topology, zones, survey);
    let mut findings = Vec::new();
    let rules = rules();
    let mut done = 0;
    while done < rules.len() {
        let next = &rules[done..rules.len().min(done + TOGETHER)];
        for found in look(&context, next) {
            done += 1;
            let claims = found.iter().any(|found| !found.claims.is_empty());
            for mut found in found {
                for fix in &mut found.finding.fix {
                    fix.edits.retain(|edit| edit::is_in_world(&edit.location));
                }
                context.claim(&found.claims);
                findings.push(found.finding);
            }
            if claims {
                // Those behind it have seen too much: they look again.
                break;
            }
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
        addresses: context.survey.addresses(),
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
