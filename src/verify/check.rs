//! The registry of rules, and their run.
//!
//! Rules run in the order of their stages, because one failure masks another: what DNS and accepted
//! domains get wrong shows again in connectors, and all of it shows in how flows end. A finding claims
//! the flows it explains; later rules look at the others only.

use super::context::Context;
use super::finding::{Finding, Report, Summary};
use super::questions::survey;
use super::stage::Rule;
use super::{
    addresses, ambiguous, attribution, autodiscover, builds, centralized, chain, directory, edge,
    edge_servers, edit, every_domain, exposure, forwarding, group_domain, hops, hybrid_connectors,
    inbound, intent, limits, mail_flow_rules, members, moderation, mx, one_sided, outbound,
    outcomes, presented, reach, reception, refused, relay, relayed, send_as, shared_domain, sizes,
    smart_host, targetless, targets, unknown, unused, unused_receive, validation, wildcard,
    writeback, written_back,
};
use crate::diag::Severity;
use crate::dns::Zones;
use crate::model::Topology;

/// Every file with rules. Within a stage this order holds: the connectors themselves before the domains
/// that they carry, what concerns many recipients before what concerns one.
const RULES: &[&[Rule]] = &[
    outbound::RULES,
    smart_host::RULES,
    reception::RULES,
    presented::RULES,
    validation::RULES,
    chain::RULES,
    hybrid_connectors::RULES,
    group_domain::RULES,
    inbound::RULES,
    refused::RULES,
    attribution::RULES,
    exposure::RULES,
    edge_servers::RULES,
    edge::RULES,
    wildcard::RULES,
    ambiguous::RULES,
    directory::RULES,
    targets::RULES,
    relayed::RULES,
    hops::RULES,
    relay::RULES,
    every_domain::RULES,
    one_sided::RULES,
    shared_domain::RULES,
    addresses::RULES,
    mx::RULES,
    unknown::RULES,
    targetless::RULES,
    written_back::RULES,
    send_as::RULES,
    reach::RULES,
    moderation::RULES,
    autodiscover::RULES,
    builds::RULES,
    writeback::RULES,
    members::RULES,
    unused::RULES,
    unused_receive::RULES,
    mail_flow_rules::RULES,
    forwarding::RULES,
    limits::RULES,
    sizes::RULES,
    centralized::RULES,
    outcomes::RULES,
    intent::RULES,
];

/// The rules in the order in which they run.
fn rules() -> Vec<Rule> {
    let mut rules = RULES.concat();
    rules.sort_by_key(|rule| rule.stage);
    rules
}

/// Applies every rule to every class of flow.
#[must_use]
pub fn check(topology: &Topology, zones: &Zones) -> Report {
    let survey = survey(topology, zones);
    let mut context = Context::new(topology, zones, survey);
    let mut findings = Vec::new();
    for rule in rules() {
        for mut found in (rule.check)(&context) {
            for fix in &mut found.finding.fix {
                fix.edits.retain(|edit| edit::is_in_world(&edit.location));
            }
            context.claim(&found.claims);
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
