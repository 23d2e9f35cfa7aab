//! The registry of rules, and their run.
//!
//! Rules stand in the order in which one failure masks another: what DNS and accepted domains get
//! wrong shows again in connectors, and all of it shows in how flows end. A finding claims the flows
//! it explains; later rules look at the others only.

use super::context::{Context, Found};
use super::finding::{Finding, Report, Summary};
use super::questions::survey;
use super::{
    directory, edge, edit, group_domain, hybrid_connectors, inbound, intent, outcomes, relay,
    relayed, targets,
};
use crate::diag::Severity;
use crate::dns::Zones;
use crate::model::Topology;

type Rule = fn(&Context<'_>) -> Vec<Found>;

const RULES: &[Rule] = &[
    hybrid_connectors::certificates,
    hybrid_connectors::disabled,
    hybrid_connectors::without_headers,
    hybrid_connectors::without_capability,
    hybrid_connectors::target_domains,
    group_domain::check,
    inbound::check,
    directory::ambiguous_addresses,
    edge::check,
    targets::own_tenant,
    targets::loops,
    relayed::check,
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
    let mut context = Context::new(topology, zones, survey);
    let mut findings = Vec::new();
    for rule in RULES {
        for mut found in rule(&context) {
            for fix in &mut found.finding.fix {
                fix.edits.retain(|edit| edit::is_in_world(&edit.location));
            }
            context.claim(&found.claims, found.finding.diagnostic.severity);
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
