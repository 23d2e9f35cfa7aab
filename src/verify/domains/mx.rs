//! MX records of the tenant's domains beside those that lose mail of groups: two services in one set,
//! and the key of another domain.

use std::net::IpAddr;

use crate::diag::Location;
use crate::dns::{self, Answer, RecordData, RecordType, View};
use crate::mail::Domain;
use crate::model::{AcceptedDomain, Topology};
use crate::verify::context::{Context, Found};
use crate::verify::edit;
use crate::verify::finding::{Edit, Finding, Side};
use crate::verify::hybrid::{self, Pair};
use crate::verify::stage::{Rule, Stage};

/// The rules of this file.
pub(in crate::verify) const RULES: &[Rule] = &[
    Rule::new(Stage::Mx, key_differs),
    Rule::new(Stage::Mx, mixed),
];

/// One MX record: its host, its preference, its place.
struct Exchange<'a> {
    host: &'a Domain,
    preference: u16,
    place: Option<&'a Location>,
}

fn exchanges<'a>(context: &'a Context<'_>, view: View, domain: &Domain) -> Vec<Exchange<'a>> {
    let Answer::Records(records) = context.zones.query(view, domain, RecordType::Mx) else {
        return Vec::new();
    };
    let hosts = records.into_iter().filter_map(|record| match &record.data {
        RecordData::Mx {
            preference,
            exchange: Some(host),
        } => Some(Exchange {
            host,
            preference: *preference,
            place: record.location.as_ref(),
        }),
        _ => None,
    });
    hosts.collect()
}

/// The domains of a tenant that have MX records of an administrator's.
fn domains(topology: &Topology, pair: Pair) -> impl Iterator<Item = &AcceptedDomain> {
    let all = topology.accepted_domains().map(|(_, accepted)| accepted);
    all.filter(move |accepted| {
        let own = accepted.organization == pair.tenant && !accepted.everything;
        own && !accepted.domain.as_str().ends_with(".onmicrosoft.com")
    })
}

/// Group domains whose MX record names Exchange Online Protection, under the key of another domain.
fn key_differs(context: &Context<'_>) -> Vec<Found> {
    let topology = context.topology;
    let mut found = Vec::new();
    for pair in hybrid::pairs(topology) {
        for (domain, owner) in topology.group_domains() {
            if owner == pair.tenant {
                found.extend(other_key(context, domain));
            }
        }
    }
    found
}

fn other_key(context: &Context<'_>, domain: &Domain) -> Option<Found> {
    let expected = dns::protection_host(domain)?;
    let resolves = |view, host| {
        dns::addresses_of(context.zones, view, host).is_ok_and(|all: Vec<IpAddr>| !all.is_empty())
    };
    let mut places: Vec<(View, &Domain, Option<&Location>)> = Vec::new();
    for view in [View::Public, View::Internal] {
        let zone = context.zones.zone_of(view, domain);
        if zone.is_none_or(|zone| zone.view != view) {
            continue;
        }
        for exchange in exchanges(context, view, domain) {
            // One that does not exist loses mail: that is another finding.
            if exchange
                .host
                .as_str()
                .ends_with(".mail.protection.outlook.com")
                && *exchange.host != expected
                && resolves(view, exchange.host)
            {
                places.push((view, exchange.host, exchange.place));
            }
        }
    }
    let (_, host, place) = places.first()?;
    let message = format!(
        "the MX record of the group domain `{domain}` names `{host}`, and the host of the domain is `{expected}`"
    );
    let record = format!("{domain}. MX 0 {expected}.");
    let draft = Finding::of("group-domain-mx-key-differs", *place, message)
        .help(format!("publish `{record}`, if the admin center shows it"));
    let fixed = places.into_iter().fold(draft, |draft, (view, _, place)| {
        let edit: Option<Edit> = place.map(|at| edit::replace(at, record.clone()));
        draft.fix(
            Side::Dns,
            format!("; {} view\n{record}", view.as_str()),
            edit,
        )
    });
    Some(fixed.claims_nothing(1, None))
}

/// Domains with an MX record for Exchange Online Protection and one for somebody else.
fn mixed(context: &Context<'_>) -> Vec<Found> {
    let topology = context.topology;
    let mut found = Vec::new();
    for pair in hybrid::pairs(topology) {
        found.extend(
            domains(topology, pair).filter_map(|accepted| mixed_found(context, &accepted.domain)),
        );
    }
    found
}

fn mixed_found(context: &Context<'_>, domain: &Domain) -> Option<Found> {
    let views = [View::Public, View::Internal].into_iter();
    let mixed: Vec<_> = views
        .filter_map(|view| other_service(context, view, domain))
        .collect();
    let (_, best, others) = mixed.first()?;
    let first = others.first()?;
    let message = format!(
        "the MX records of `{domain}` name Exchange Online Protection and another service: `{best}` and `{}`",
        first.host
    );
    let draft = Finding::of("mx-mixes-services", first.place, message)
        .help("leave the records of one service: senders choose among all that answer");
    let draft = mixed.iter().fold(draft, |draft, (view, _, others)| {
        let gone = others
            .iter()
            .map(|other| format!("{domain}. MX {} {}.", other.preference, other.host));
        let script = format!(
            "; {} view, delete\n{}",
            view.as_str(),
            gone.collect::<Vec<_>>().join("\n")
        );
        let edits = others
            .iter()
            .filter_map(|other| Some(edit::replace(other.place?, String::new())));
        draft.fix(Side::Dns, script, edits)
    });
    // A prediction follows the best record, which answers.
    let addresses = context.survey.recipients.iter();
    let addresses = addresses.filter(|class| class.members[0].domain == *domain);
    let affected = addresses.map(|class| class.members.len()).sum();
    Some(draft.claims_nothing(affected, None))
}

/// The records of a view's own zone that name another service than the best one does.
///
/// Choice: the service of the best record is the one that is meant.
fn other_service<'a>(
    context: &'a Context<'_>,
    view: View,
    domain: &Domain,
) -> Option<(View, &'a Domain, Vec<Exchange<'a>>)> {
    // A view without a zone of its own is the public one.
    let zone = context.zones.zone_of(view, domain);
    if zone.is_none_or(|zone| zone.view != view) {
        return None;
    }
    let mut all = exchanges(context, view, domain);
    all.sort_by_key(|exchange| (exchange.preference, exchange.host.clone()));
    let best = all.first()?.host;
    let cloud = dns::is_protection_host(best);
    all.retain(|exchange| dns::is_protection_host(exchange.host) != cloud);
    (!all.is_empty()).then_some((view, best, all))
}
