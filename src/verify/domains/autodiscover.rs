//! How Outlook finds the mailboxes of groups (Exchange Server, "Configure Microsoft 365 Groups with
//! on-premises Exchange hybrid"): by the autodiscover name of their domain.

use crate::diag::Location;
use crate::dns::{Answer, Failure, Record, RecordData, RecordType, View, Zone};
use crate::mail::Domain;
use crate::model::RecipientKind;
use crate::verify::context::{Context, Found};
use crate::verify::edit;
use crate::verify::finding::{Edit, Finding, Side};
use crate::verify::hybrid;
use crate::verify::stage::{Rule, Stage};

/// The rules of this file.
pub(in crate::verify) const RULES: &[Rule] = &[Rule::new(Stage::Autodiscover, check)];

/// Where the name leads.
const TARGET: &str = "autodiscover.outlook.com";

/// One finding for each domain of groups.
fn check(context: &Context<'_>) -> Vec<Found> {
    let topology = context.topology;
    let mut found = Vec::new();
    for pair in hybrid::pairs(topology) {
        let owned = topology.group_domains();
        let owned = owned.filter(|(_, owner)| *owner == pair.tenant);
        found.extend(owned.filter_map(|(domain, _)| missing(context, domain)));
    }
    found
}

fn missing(context: &Context<'_>, domain: &Domain) -> Option<Found> {
    let name = Domain::parse(&format!("autodiscover.{domain}")).ok()?;
    let views = [View::Public, View::Internal];
    let mut wrong: Vec<(View, Option<&Location>, Vec<Edit>)> = Vec::new();
    for view in views {
        // A view without a zone of its own is the public one.
        let Some(zone) = context.zones.zone_of(view, &name) else {
            continue;
        };
        if zone.view != view {
            continue;
        }
        let record = format!("{name}. CNAME {TARGET}.");
        match context.zones.query(view, &name, RecordType::Cname) {
            Answer::Records(records) => {
                let right = |data: &RecordData| matches!(data, RecordData::Cname(to) if to.as_str() == TARGET);
                let Some(other) = records.into_iter().find(|record| !right(&record.data)) else {
                    continue;
                };
                let at = other.location.as_ref();
                let edit = at.map(|at| edit::replace(at, record));
                wrong.push((view, at, edit.into_iter().collect()));
            }
            // Nobody knows what a server that does not answer, or a zone that is not described, says.
            Answer::Failed(Failure::ServerFailure(_) | Failure::Unknown(_)) => {}
            Answer::Failed(Failure::NameError | Failure::NoData | Failure::AliasLoop) => {
                let at = zone.location.as_ref();
                wrong.push((view, at, alias_alone(context, view, zone, &name)));
            }
        }
    }
    let (_, place, _) = wrong.first()?;
    let seen: Vec<&str> = wrong.iter().map(|(view, ..)| view.as_str()).collect();
    let message = format!(
        "`{name}` is no alias of `{TARGET}` in the view {}",
        seen.join(" and ")
    );
    let draft = Finding::of("group-domain-autodiscover-missing", *place, message)
        .help("publish the CNAME record that the admin center shows");
    let fixed = wrong.into_iter().fold(draft, |draft, (view, _, edits)| {
        let others = match beside(context, view, &name).next().is_some() {
            true => "   ; in the place of all other records of the name",
            false => "",
        };
        let script = format!("; {} view\n{name}. CNAME {TARGET}.{others}", view.as_str());
        draft.fix(Side::Dns, script, edits)
    });
    let groups = context.topology.groups().filter(|(_, group)| {
        group.primary().domain == *domain && matches!(group.kind, RecipientKind::Group { .. })
    });
    Some(fixed.claims_nothing(groups.count(), None))
}

/// The records of a name in a view's zone that are no alias.
fn beside<'a>(
    context: &'a Context<'_>,
    view: View,
    name: &'a Domain,
) -> impl Iterator<Item = &'a Record> {
    let zone = context.zones.zone_of(view, name).into_iter();
    let records = zone.flat_map(|zone| &zone.records);
    let is_alias = |record: &Record| matches!(record.data, RecordData::Cname(_));
    records.filter(move |record| {
        !record.owner.wildcard && record.owner.domain == *name && !is_alias(record)
    })
}

/// Writes the alias, in the place of whatever else the name has: nothing may stand beside it
/// (RFC 1034 §3.6.2).
fn alias_alone(context: &Context<'_>, view: View, zone: &Zone, name: &Domain) -> Vec<Edit> {
    let record = format!("{name}. CNAME {TARGET}.");
    let mut others = beside(context, view, name).filter_map(|record| record.location.as_ref());
    let Some(first) = others.next() else {
        let at = zone.location.as_ref();
        let edit = at.map(|at| edit::insert_record(at, &record));
        return edit.into_iter().collect();
    };
    let rest = others.map(|at| edit::replace(at, String::new()));
    [edit::replace(first, record)]
        .into_iter()
        .chain(rest)
        .collect()
}
