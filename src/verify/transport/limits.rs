//! Limits that stop inside an organization what the organization itself lets through (Exchange Server,
//! "Message size and recipient limits in Exchange Server").

use std::collections::BTreeMap;

use crate::flow::{Flow, Fork};
use crate::mail::Limit;
use crate::model::{OrganizationId, SiteLink};
use crate::route::Reason;
use crate::verify::context::{Context, Found};
use crate::verify::edit;
use crate::verify::finding::{Finding, Side};
use crate::verify::powershell;
use crate::verify::stage::{Rule, Stage};

/// The rules of this file.
pub(in crate::verify) const RULES: &[Rule] = &[Rule::new(Stage::Outcome, check)];

/// What fails at a site link: the questions, and the first flow that shows it.
struct Failing<'a> {
    limit: Limit,
    claims: Vec<usize>,
    witness: &'a Flow,
}

/// Site links that messages within the organization's limits do not pass: one finding for each.
fn check(context: &Context<'_>) -> Vec<Found> {
    let mut links: BTreeMap<(OrganizationId, String), Failing<'_>> = BTreeMap::new();
    for (index, asked) in context.open() {
        let flows = asked.answers.iter().map(|(_, flow)| flow);
        let failing = flows.flat_map(|flow| flow.forks.iter().map(move |fork| (flow, fork)));
        for (flow, fork) in failing {
            let Some((owner, link, limit)) = stopped_at(context, fork) else {
                continue;
            };
            let failing = links.entry((owner, link)).or_insert_with(|| Failing {
                limit,
                claims: Vec::new(),
                witness: flow,
            });
            if failing.claims.last() != Some(&index) {
                failing.claims.push(index);
            }
        }
    }
    let found = links
        .into_iter()
        .filter_map(|((owner, name), failing)| found(context, owner, &name, failing));
    found.collect()
}

/// The site link at which a fork fails for its size, and the link's limit.
fn stopped_at(context: &Context<'_>, fork: &Fork) -> Option<(OrganizationId, String, Limit)> {
    let last = fork.hops.last().filter(|_| fork.disposition.is_failure())?;
    let reasons = last.steps.iter().flat_map(|step| &step.because);
    let (link, limit) = reasons.into_iter().find_map(|reason| match reason {
        Reason::SiteLinkTooSmall { link, limit, .. } => Some((link.clone(), *limit)),
        _ => None,
    })?;
    let owner = context.topology.server(last.server).organization;
    Some((owner, link, limit))
}

fn found(
    context: &Context<'_>,
    owner: OrganizationId,
    name: &str,
    failing: Failing<'_>,
) -> Option<Found> {
    const KEY: &str = "MaxMessageSize";
    let mut links = context.topology.parts().site_links.iter();
    let link: &SiteLink = links.find(|link| link.organization == owner && link.name == name)?;
    let message = format!(
        "the site link `{name}` lets messages up to {} through, and the organization larger ones",
        failing.limit
    );
    let identity = powershell::quoted(name);
    let unlimited = edit::quoted("Unlimited");
    let draft = Finding::of("site-link-too-small", link.settings.at(KEY), message)
        .help("let the link pass what the organization does")
        .fix(
            Side::OnPremises,
            format!("Set-AdSiteLink -Identity {identity} -{KEY} Unlimited"),
            edit::set_key(&link.settings, KEY, &unlimited),
        );
    Some(draft.shown_by(context, failing.claims, Some(failing.witness.clone())))
}
