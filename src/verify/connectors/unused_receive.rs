//! Receive connectors that serve nobody, because narrower ones serve all of their clients (Exchange
//! Server, "Receive connectors").

use crate::model::{IpRange, Matcher, ReceiveConnector};
use crate::verify::context::{Context, Found};
use crate::verify::edit;
use crate::verify::finding::{Finding, Side};
use crate::verify::powershell;
use crate::verify::stage::{Rule, Stage};

/// The rules of this file.
pub(in crate::verify) const RULES: &[Rule] = &[Rule::new(Stage::Notes, covered)];

fn covered(context: &Context<'_>) -> Vec<Found> {
    let topology = context.topology;
    let mut found = Vec::new();
    for (id, connector) in topology.receive_connectors() {
        let written = connector.settings.object.is_some();
        if !connector.enabled || !written {
            continue;
        }
        let others = topology.receive_connectors_on(connector.server).iter();
        let others: Vec<&ReceiveConnector> = others
            .filter(|other| **other != id)
            .map(|other| topology.receive_connector(*other))
            .collect();
        if is_covered(connector, &others) {
            found.push(never(context, connector));
        }
    }
    found
}

/// Whether connectors that listen where one does win every client that it could serve.
fn is_covered(connector: &ReceiveConnector, others: &[&ReceiveConnector]) -> bool {
    let Matcher::Endpoint {
        bindings,
        remote_ip_ranges,
        ..
    } = &connector.matcher
    else {
        return false;
    };
    let winning = |range: &IpRange| -> Vec<IpRange> {
        let beside = others.iter().filter(|other| other.enabled);
        let ranges = beside.filter_map(|other| match &other.matcher {
            Matcher::Endpoint {
                bindings: own,
                remote_ip_ranges: ranges,
                ..
            } if bindings.iter().all(|at| own.contains(at)) => Some((*other, ranges)),
            Matcher::Endpoint { .. } | Matcher::Peer { .. } => None,
        });
        let rank = |name: &str, range: &IpRange| (range.breadth(), name.to_lowercase());
        let wins = |name: &str, other: &IpRange| rank(name, other) < rank(&connector.name, range);
        ranges
            .flat_map(|(other, ranges)| ranges.iter().map(move |range| (other, *range)))
            .filter(|(other, theirs)| wins(&other.name, theirs))
            .map(|(_, theirs)| theirs)
            .collect()
    };
    !remote_ip_ranges.is_empty()
        && remote_ip_ranges
            .iter()
            .all(|range| range.is_covered_by(&winning(range)))
}

fn never(context: &Context<'_>, connector: &ReceiveConnector) -> Found {
    let server = &context.topology.server(connector.server).name;
    let name = format!("{server}\\{}", connector.name);
    let settings = &connector.settings;
    let script = format!(
        "Set-ReceiveConnector -Identity {} -Enabled $false",
        powershell::quoted(&name)
    );
    Finding::of(
        "connector-never-chosen",
        settings.at("RemoteIPRanges"),
        format!("no client is ever served by the Receive connector `{name}`"),
    )
    .because(
        "connectors with narrower RemoteIPRanges, or of an earlier name, serve all of its clients",
    )
    .help("disable it, or give it clients of its own")
    .fix(
        Side::OnPremises,
        script,
        edit::set_key(settings, "Enabled", "false"),
    )
    // Whom it would serve is served by others.
    .claims_nothing(0, None)
}
