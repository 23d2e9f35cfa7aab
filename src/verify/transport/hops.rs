//! Limits on hops that mail exceeds without going round (Exchange PowerShell, "Set-ReceiveConnector").

use std::collections::BTreeMap;

use crate::flow::{Disposition, Fork};
use crate::model::{ReceiveConnectorId, Topology};
use crate::route::{Reason, Subject};
use crate::verify::context::{Context, Found};
use crate::verify::draft::Draft;
use crate::verify::edit;
use crate::verify::finding::{Finding, Side};
use crate::verify::powershell;
use crate::verify::stage::{Rule, Stage};

/// The rules of this file.
pub(in crate::verify) const RULES: &[Rule] = &[Rule::new(Stage::Outcome, too_low)];

/// Receive connectors that refuse a message for its hops, although it has been nowhere twice.
fn too_low(context: &Context<'_>) -> Vec<Found> {
    let mut limits: BTreeMap<(ReceiveConnectorId, bool), Vec<usize>> = BTreeMap::new();
    for (index, asked) in context.open() {
        let forks = asked.ordinary().forks.iter();
        for limit in forks.filter_map(|fork| exceeded(context.topology, fork)) {
            limits.entry(limit).or_default().push(index);
        }
    }
    let found = limits.into_iter().map(|((id, local), mut claims)| {
        claims.dedup();
        low(context.topology, id, local).claims(context, claims)
    });
    found.collect()
}

/// The connector whose limit a copy is over, and whether that is the one on the server's own fields;
/// nothing where the copy goes round.
fn exceeded(topology: &Topology, fork: &Fork) -> Option<(ReceiveConnectorId, bool)> {
    if fork.disposition == Disposition::Looped || !fork.cycle.servers().is_empty() {
        return None;
    }
    let steps = &fork.hops.last()?.steps;
    steps.iter().find_map(|step| {
        let (limit, local) = step.because.iter().find_map(|reason| match reason {
            Reason::HopCount { limit, local, .. } => Some((*limit, *local)),
            _ => None,
        })?;
        let Some(Subject::ReceiveConnector(served)) = step.chosen else {
            return None;
        };
        // Each service of the server has its own connector, which counts.
        let server = topology.receive_connector(served).server;
        let sets = |id: &&ReceiveConnectorId| {
            let connector = topology.receive_connector(**id);
            match local {
                true => connector.max_local_hop_count == limit,
                false => connector.max_hop_count == limit,
            }
        };
        let others = topology.receive_connectors_on(server);
        let by = [served].iter().chain(others).find(sets).copied();
        Some((by.unwrap_or(served), local))
    })
}

fn low(topology: &Topology, id: ReceiveConnectorId, local: bool) -> Draft {
    let connector = topology.receive_connector(id);
    let server = &topology.server(connector.server).name;
    let (key, default, value) = match local {
        true => ("MaxLocalHopCount", 5, connector.max_local_hop_count),
        false => ("MaxHopCount", 60, connector.max_hop_count),
    };
    let name = format!("{server}\\{}", connector.name);
    let message = format!(
        "{key} of the Receive connector `{name}` is {value}, and mail that goes nowhere twice has more hops"
    );
    let script = format!(
        "Set-ReceiveConnector -Identity {} -{key} {default}",
        powershell::quoted(&name)
    );
    let settings = &connector.settings;
    Finding::of("hop-limit-too-low", settings.at(key), message)
        .because("each service of each server on the way adds a Received field")
        .help(format!("set it back to {default}"))
        .fix(
            Side::OnPremises,
            script,
            edit::set_key(settings, key, &default.to_string()),
        )
}
