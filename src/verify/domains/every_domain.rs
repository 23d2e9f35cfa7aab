//! Organizations that accept every domain (Exchange Server, "Accepted domains in Exchange Server"): what
//! that does depends on the type of the entry and on the build.

use super::relay;
use crate::model::{
    AcceptedDomain, DomainType, IpRange, Matcher, PermissionGroup, ReceiveConnector, Server,
    ServerRole, Topology,
};
use crate::verify::context::{Context, Found};
use crate::verify::draft::Draft;
use crate::verify::edit;
use crate::verify::finding::{Finding, Side};
use crate::verify::people;
use crate::verify::powershell;
use crate::verify::servers::builds::{self, Build};
use crate::verify::stage::{Rule, Stage};

/// The rules of this file.
pub(in crate::verify) const RULES: &[Rule] = &[Rule::new(Stage::Notes, check)];

/// The first builds, of each version number, whose transport service ends on `*` as InternalRelay: Exchange
/// Server 2016 CU22 and 2019 CU11 (Exchange Health Checker, "Open Relay Wildcard Domain").
const STOPPING: [Build; 2] = [[15, 1, 2375, 7], [15, 2, 986, 5]];

/// One finding for each entry.
fn check(context: &Context<'_>) -> Vec<Found> {
    let all = context.topology.accepted_domains();
    let everything = all
        .map(|(_, accepted)| accepted)
        .filter(|accepted| accepted.everything);
    let found = everything.filter_map(|accepted| match accepted.kind {
        DomainType::Authoritative => None,
        DomainType::InternalRelay => stops(context, accepted).or_else(|| opens(context, accepted)),
        DomainType::ExternalRelay => opens(context, accepted),
    });
    found.collect()
}

/// Servers that carry no mail at all.
///
/// Choice: predictions go on as if the service ran, because they say what the settings lead to, and this
/// finding says that nobody reads them. A server that does not say its build is taken for an older one.
fn stops(context: &Context<'_>, accepted: &AcceptedDomain) -> Option<Found> {
    let topology = context.topology;
    let servers = topology.servers().map(|(_, server)| server);
    let stopping: Vec<&Server> = servers
        .filter(|server| server.organization == accepted.organization)
        .filter(|server| server.role == ServerRole::Mailbox && is_stopping(server))
        .collect();
    let first = stopping.first()?;
    let message = format!(
        "the transport service of {} does not run, because every domain is accepted as InternalRelay: no mail flows",
        people::and_others(&first.name, stopping.len())
    );
    let draft = Finding::of(
        "accepted-domain-stops-transport",
        accepted.settings.at("DomainName"),
        message,
    )
    .because("from Exchange 2016 CU22 and Exchange 2019 CU11 on it ends with a System.FormatException in AcceptedDomainTable")
    .help("name the domains that are relayed");
    let draft = without(draft, accepted);
    Some(draft.claims_nothing(concerned(topology, accepted), None))
}

fn is_stopping(server: &Server) -> bool {
    builds::build_of(server).is_some_and(ends_with_it)
}

/// Whether the transport service of a build ends on `*` as InternalRelay.
fn ends_with_it(build: Build) -> bool {
    let mut same = STOPPING.iter().filter(|first| first[..2] == build[..2]);
    same.any(|first| build >= *first)
}

/// How many addresses an organization has.
fn concerned(topology: &Topology, accepted: &AcceptedDomain) -> usize {
    let recipients = topology.recipients().map(|(_, recipient)| recipient);
    let own = recipients.filter(|recipient| recipient.organization == accepted.organization);
    own.map(|recipient| recipient.addresses.len()).sum()
}

/// Where strangers may write to what is accepted, an organization that relays all domains relays for
/// everybody.
fn opens(context: &Context<'_>, accepted: &AcceptedDomain) -> Option<Found> {
    let topology = context.topology;
    let mut doors = topology.receive_connectors().map(|(_, door)| door);
    let door = doors
        .find(|door| door.organization == accepted.organization && takes_from_strangers(door))?;
    let server = &topology.server(door.server).name;
    let draft = Finding::of(
        "open-relay",
        accepted.settings.at("DomainName"),
        "anyone on the Internet may relay, because every domain is accepted".to_owned(),
    )
    .because(format!(
        "`{server}\\{}` takes mail for accepted domains from everybody, and `*` is {}",
        door.name,
        accepted.kind.as_str()
    ))
    .help("name the domains that are relayed");
    let draft = without(draft, accepted);
    let people = people::count(topology, door.organization);
    Some(draft.claims_nothing(people, relay::stranger_to_stranger(context, door)))
}

/// `Remove-AcceptedDomain`.
fn without(draft: Draft, accepted: &AcceptedDomain) -> Draft {
    let script = format!(
        "Remove-AcceptedDomain -Identity {}",
        powershell::quoted(&accepted.name)
    );
    let edit = edit::remove_object(&accepted.settings, []);
    draft.fix(Side::OnPremises, script, edit)
}

/// Whether a connector takes mail for accepted domains from everybody.
fn takes_from_strangers(connector: &ReceiveConnector) -> bool {
    let Matcher::Endpoint {
        remote_ip_ranges, ..
    } = &connector.matcher
    else {
        return false;
    };
    let groups = &connector.permission_groups;
    connector.enabled
        && IpRange::are_for_everyone(remote_ip_ranges)
        && groups.contains(&PermissionGroup::AnonymousUsers)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn older_builds_relay_and_later_ones_stop() {
        for (build, ends) in [
            ([15, 0, 1497, 48], false),
            ([15, 1, 2308, 27], false),
            ([15, 1, 2375, 7], true),
            ([15, 2, 922, 7], false),
            ([15, 2, 986, 5], true),
            ([15, 2, 2562, 17], true),
        ] {
            assert_eq!(ends_with_it(build), ends, "{build:?}");
        }
    }
}
