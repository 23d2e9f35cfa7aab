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
    ambiguous, directory, edge, group_domain, hybrid_connectors, inbound, intent, outcomes, relay,
    relayed, targets, wildcard,
};
use crate::diag::Severity;
use crate::dns::Zones;
use crate::model::Topology;

/// Every file with rules. Within a stage this order holds: the connectors themselves before the domains
/// that they carry, what concerns many recipients before what concerns one.
const RULES: &[&[Rule]] = &[
    hybrid_connectors::RULES,
    group_domain::RULES,
    inbound::RULES,
    edge::RULES,
    wildcard::RULES,
    ambiguous::RULES,
    directory::RULES,
    targets::RULES,
    relayed::RULES,
    relay::RULES,
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
        for found in (rule.check)(&context) {
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
