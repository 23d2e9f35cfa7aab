//! Open relays: strangers who may send anywhere (Exchange Server, "Allow anonymous relay on Exchange
//! servers").

use super::context::{Context, Found};
use super::finding::{Finding, Side};
use super::powershell;
use super::stage::{Rule, Stage};
use crate::model::{IpRange, Matcher, PermissionGroup, ReceiveConnector, ServerRole};

/// The rules of this file.
pub(super) const RULES: &[Rule] = &[Rule::new(Stage::Notes, check)];

/// Receive connectors that serve everyone and let everyone relay. A gateway of somebody else's does so by
/// nature, and is nobody's to mend.
fn check(context: &Context<'_>) -> Vec<Found> {
    let topology = context.topology;
    let open = topology
        .receive_connectors()
        .map(|(_, connector)| connector)
        .filter(|c| is_open(c) && topology.server(c.server).role != ServerRole::Host);
    open.map(|connector| {
        let server = &context.topology.server(connector.server).name;
        let name = format!("{server}\\{}", connector.name);
        let place = connector.settings.at("RemoteIPRanges");
        let why = if connector.externally_secured {
            "AuthMechanism ExternalAuthoritative takes every client as authenticated"
        } else {
            "anonymous clients have Ms-Exch-SMTP-Accept-Any-Recipient"
        };
        let message = format!("anyone on the Internet may relay through `{name}`");
        let script = format!(
            "Set-ReceiveConnector -Identity {} -RemoteIPRanges <addresses of the devices>",
            powershell::quoted(name)
        );
        Finding::of("open-relay", place, message)
            .because(why)
            .because("its RemoteIPRanges contain every IPv4 or IPv6 address")
            .help("name the hosts that need it in RemoteIPRanges")
            .fix(Side::OnPremises, script, None)
            .claims_nothing(0, None)
    })
    .collect()
}

fn is_open(connector: &ReceiveConnector) -> bool {
    let Matcher::Endpoint {
        remote_ip_ranges, ..
    } = &connector.matcher
    else {
        return false;
    };
    let everyone = IpRange::are_for_everyone(remote_ip_ranges);
    let anonymous = connector.anonymous_relay
        && connector
            .permission_groups
            .contains(&PermissionGroup::AnonymousUsers);
    connector.enabled && everyone && (anonymous || connector.externally_secured)
}
