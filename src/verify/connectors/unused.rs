//! Send connectors that no message ever takes, and those that only their name makes lose (Exchange Server,
//! "Connector selection in external message routing").

use std::collections::{BTreeMap, BTreeSet};

use super::crossing::{ORDINARY, users};
use crate::mail::{ByteSize, Domain, Limit};
use crate::model::{
    DomainPattern, OrganizationId, SendConnector, SendConnectorId, ServerId, Topology,
};
use crate::route::{self, Reason, Selection, Subject};
use crate::verify::context::{Context, Found};
use crate::verify::draft::Draft;
use crate::verify::edit;
use crate::verify::finding::{Finding, Side};
use crate::verify::hybrid;
use crate::verify::powershell;
use crate::verify::stage::{Rule, Stage};

/// The rules of this file.
pub(in crate::verify) const RULES: &[Rule] = &[Rule::new(Stage::Notes, check)];

/// What each connector of the world is good for.
fn check(context: &Context<'_>) -> Vec<Found> {
    let topology = context.topology;
    let mut found = Vec::new();
    for (organization, _) in topology.organizations() {
        let survey = Choices::of(topology, organization);
        found.extend(survey.findings(context));
    }
    found
}

/// How the connectors of an organization fare against each other.
#[derive(Default)]
struct Choices {
    /// Connectors with the spaces that they were looked at for, each with whether it wins there.
    spaces: BTreeMap<SendConnectorId, Vec<(String, bool)>>,
    /// Winner and loser by name.
    ties: BTreeSet<(SendConnectorId, SendConnectorId)>,
    /// Why connectors lost, in words, with the winner.
    losses: BTreeMap<SendConnectorId, (SendConnectorId, String)>,
}

impl Choices {
    fn of(topology: &Topology, organization: OrganizationId) -> Self {
        let connectors = topology.send_connectors_of(organization);
        let mut sources: Vec<ServerId> = routers(topology, organization);
        sources.extend(
            connectors
                .iter()
                .flat_map(|id| &topology.send_connector(*id).sources),
        );
        sources.sort_unstable();
        sources.dedup();
        let sizes = sizes(topology, connectors);
        let mut choices = Self::default();
        for id in connectors {
            let connector = topology.send_connector(*id);
            let written = connector.settings.object.is_some();
            if !written || !connector.enabled || connector.rule_scoped {
                continue;
            }
            for space in &connector.address_spaces {
                let Some(domain) = example(topology, organization, &space.pattern) else {
                    continue;
                };
                let wins = choices.wins(topology, *id, &domain, &sources, &sizes);
                let entry = choices.spaces.entry(*id).or_default();
                entry.push((space.pattern.to_string(), wins));
            }
        }
        choices
    }

    /// Whether a connector wins for a domain anywhere.
    fn wins(
        &mut self,
        topology: &Topology,
        id: SendConnectorId,
        domain: &Domain,
        sources: &[ServerId],
        sizes: &[ByteSize],
    ) -> bool {
        let mut wins = false;
        for server in sources {
            for size in sizes {
                let selection = route::select(topology, *server, domain, *size);
                wins |= selection.winner == Ok(id);
                self.note(id, &selection);
            }
        }
        wins
    }

    fn note(&mut self, id: SendConnectorId, selection: &Selection) {
        let Ok(winner) = selection.winner else {
            return;
        };
        for lost in &selection.rejected {
            if lost.candidate != Subject::SendConnector(id) {
                continue;
            }
            if lost.reason == Reason::LaterName {
                self.ties.insert((winner, id));
            }
            self.losses
                .entry(id)
                .or_insert_with(|| (winner, lost.reason.to_string()));
        }
    }

    fn findings(&self, context: &Context<'_>) -> Vec<Found> {
        let topology = context.topology;
        let mut found = Vec::new();
        let tied: BTreeSet<SendConnectorId> = self.ties.iter().map(|(_, loser)| *loser).collect();
        for (winner, loser) in &self.ties {
            let dead = self.spaces.get(loser).is_some_and(|all| never(all));
            // Renaming moves the mail of whoever has it go by the winner.
            let people = users(context, *winner);
            found.push(tie(topology, *winner, *loser, dead).claims_nothing(people, None));
        }
        for (id, spaces) in &self.spaces {
            if tied.contains(id) {
                continue;
            }
            let reason = self.losses.get(id);
            // What takes no mail concerns nobody's.
            if never(spaces) {
                found.push(dead(topology, *id, reason).claims_nothing(0, None));
                continue;
            }
            for (space, _) in spaces.iter().filter(|(_, wins)| !wins) {
                found.push(idle(topology, *id, space, reason).claims_nothing(0, None));
            }
        }
        found
    }
}

fn never(spaces: &[(String, bool)]) -> bool {
    spaces.iter().all(|(_, wins)| !wins)
}

/// The servers of an organization that route.
fn routers(topology: &Topology, organization: OrganizationId) -> Vec<ServerId> {
    let own = topology.servers().filter(|(_, server)| {
        server.organization == organization && server.directory && !server.is_front_end()
    });
    own.map(|(id, _)| id).collect()
}

/// A message of ordinary size, and one above each limit.
fn sizes(topology: &Topology, connectors: &[SendConnectorId]) -> Vec<ByteSize> {
    let limits =
        connectors
            .iter()
            .filter_map(|id| match topology.send_connector(*id).max_message_size {
                Limit::Bytes(limit) => Some(ByteSize(limit.0.saturating_add(1))),
                Limit::Unlimited => None,
            });
    let sizes: BTreeSet<ByteSize> = limits.chain([ORDINARY]).collect();
    sizes.into_iter().collect()
}

/// A domain that an address space alone stands for: nobody's name below it. `None` for the domains that
/// the organization or its partners accept: other rules say how these have to be carried.
fn example(
    topology: &Topology,
    organization: OrganizationId,
    pattern: &DomainPattern,
) -> Option<Domain> {
    let partners = &topology.organization(organization).partners;
    let accepted = |domain: &Domain| {
        let mut all = partners.iter().chain([&organization]);
        all.any(|id| topology.accepted_domain_for(*id, domain).is_some())
    };
    let domain = match pattern {
        DomainPattern::Exact(domain) => Some(domain.clone()),
        DomainPattern::WithSubdomains(domain) => Domain::parse(&format!("any.{domain}")).ok(),
        DomainPattern::Any => Domain::parse("any.invalid").ok(),
        DomainPattern::AllAcceptedDomains
        | DomainPattern::InternalDomains
        | DomainPattern::Foreign { .. } => None,
    };
    domain.filter(|domain| !accepted(domain))
}

/// Which cmdlet changes a connector, and on which side.
fn cmdlet(topology: &Topology, connector: &SendConnector) -> (&'static str, Side, &'static str) {
    if hybrid::is_tenant(topology, connector.organization) {
        (
            "Set-OutboundConnector",
            Side::ExchangeOnline,
            "RecipientDomains",
        )
    } else {
        ("Set-SendConnector", Side::OnPremises, "AddressSpaces")
    }
}

fn disable(topology: &Topology, connector: &SendConnector, draft: Draft) -> Draft {
    let (cmdlet, side, _) = cmdlet(topology, connector);
    let script = format!(
        "{cmdlet} -Identity {} -Enabled $false",
        powershell::quoted(&connector.name)
    );
    let edits = edit::set_key(&connector.settings, "Enabled", "false");
    draft.fix(side, script, edits)
}

/// A connector that loses by its name alone.
fn tie(topology: &Topology, winner: SendConnectorId, loser: SendConnectorId, dead: bool) -> Draft {
    let (winner, loser) = (
        topology.send_connector(winner),
        topology.send_connector(loser),
    );
    let (_, _, key) = cmdlet(topology, loser);
    let message = format!(
        "only its name makes `{}` win over `{}`",
        winner.name, loser.name
    );
    let draft = Finding::of(
        "connector-tie-decided-by-name",
        loser.settings.at(key),
        message,
    )
    .because("address space, cost and distance are the same");
    if dead {
        let draft = draft.help(format!("disable `{}`: it is never chosen", loser.name));
        disable(topology, loser, draft)
    } else {
        draft.help(format!(
            "give `{}` a higher cost, or other sources",
            loser.name
        ))
    }
}

/// The connector that wins instead, and why, in words.
fn wins(topology: &Topology, reason: Option<&(SendConnectorId, String)>) -> Option<String> {
    let (winner, why) = reason?;
    let winner = topology.send_connector(*winner);
    Some(format!("`{}` wins: {why}", winner.name))
}

/// A connector that never wins.
fn dead(
    topology: &Topology,
    id: SendConnectorId,
    reason: Option<&(SendConnectorId, String)>,
) -> Draft {
    let connector = topology.send_connector(id);
    let (_, _, key) = cmdlet(topology, connector);
    let message = format!(
        "no message ever leaves by the connector `{}`",
        connector.name
    );
    let draft = Finding::of(
        "connector-never-chosen",
        connector.settings.at(key),
        message,
    );
    let draft = match wins(topology, reason) {
        Some(why) => draft.because(why),
        None => draft.because("no server can use it"),
    };
    let draft = draft.help("disable it, or give it what makes it win");
    disable(topology, connector, draft)
}

/// An address space for which another connector always wins.
fn idle(
    topology: &Topology,
    id: SendConnectorId,
    space: &str,
    reason: Option<&(SendConnectorId, String)>,
) -> Draft {
    let connector = topology.send_connector(id);
    let (cmdlet, side, key) = cmdlet(topology, connector);
    let message = format!(
        "no message ever leaves by the connector `{}` for its address space `{space}`",
        connector.name
    );
    let draft = Finding::of(
        "address-space-never-used",
        connector.settings.at(key),
        message,
    );
    let draft = match wins(topology, reason) {
        Some(why) => draft.because(why),
        None => draft,
    };
    let rest = connector
        .address_spaces
        .iter()
        .filter(|other| other.pattern.to_string() != space)
        .map(|other| match other.cost {
            1 => other.pattern.to_string(),
            cost => format!("SMTP:{};{cost}", other.pattern),
        });
    let rest: Vec<String> = rest.collect();
    let script = format!(
        "{cmdlet} -Identity {} -{key} {}",
        powershell::quoted(&connector.name),
        powershell::list(&rest)
    );
    let edits = edit::set_key(&connector.settings, key, &edit::list(rest));
    draft
        .help("take the space away, or make the connector win for it")
        .fix(side, script, edits)
}
