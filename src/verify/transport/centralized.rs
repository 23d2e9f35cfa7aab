//! Centralized mail transport (Exchange hybrid, "Transport routing in Exchange hybrid deployments"):
//! what it does not go together with, and where it is switched on by half.

use std::collections::BTreeSet;

use super::passing;
use crate::flow::{Flow, Fork, Question, Submission, walk};
use crate::mail::{ByteSize, Domain, EnhancedStatus, Mailbox, MessageKind, ReversePath};
use crate::model::{DomainPattern, Recipient, RecipientId, RecipientKind, SendConnector, Topology};
use crate::route;
use crate::verify::context::{Context, Found};
use crate::verify::edit;
use crate::verify::finding::{Finding, Side};
use crate::verify::hybrid::{self, Pair};
use crate::verify::powershell;
use crate::verify::stage::{Rule, Stage};

/// The rules of this file.
pub(in crate::verify) const RULES: &[Rule] = &[
    Rule::new(Stage::Centralized, scoped),
    Rule::new(Stage::Centralized, not_in_force),
    Rule::new(Stage::Centralized, open_groups),
];

const SWITCH: &str = "RouteAllMessagesViaOnPremises";

/// The enabled outbound connector by which everything of a tenant passes the premises, if there is one.
pub(in crate::verify) fn connector(topology: &Topology, pair: Pair) -> Option<&SendConnector> {
    let mut enabled = outbound(topology, pair);
    enabled.find(|connector| connector.via_on_premises)
}

/// The enabled outbound connectors of type OnPremises.
fn outbound(topology: &Topology, pair: Pair) -> impl Iterator<Item = &SendConnector> {
    let own = topology.send_connectors_of(pair.tenant).iter();
    own.map(|id| topology.send_connector(*id))
        .filter(|connector| connector.enabled && connector.rank == 0)
}

fn is_for_everything(connector: &SendConnector) -> bool {
    let mut spaces = connector.address_spaces.iter();
    spaces.any(|space| space.pattern == DomainPattern::Any)
}

fn of_every_pair(
    context: &Context<'_>,
    rule: fn(&Context<'_>, Pair) -> Option<Found>,
) -> Vec<Found> {
    hybrid::pairs(context.topology)
        .into_iter()
        .filter_map(|pair| rule(context, pair))
        .collect()
}

/// Connectors with the switch that are not for every domain.
fn scoped(context: &Context<'_>) -> Vec<Found> {
    of_every_pair(context, scoped_of)
}

fn scoped_of(context: &Context<'_>, pair: Pair) -> Option<Found> {
    let topology = context.topology;
    let by = connector(topology, pair).filter(|by| !is_for_everything(by))?;
    let message = format!(
        "the outbound connector `{}` is to take everything through the premises, and is not for every domain",
        by.name
    );
    let identity = powershell::quoted(&by.name);
    let everything = edit::list(["*".to_owned()]);
    let draft = Finding::of(
        "centralized-transport-without-connector",
        by.settings.at("RecipientDomains"),
        message,
    )
    .help("let its RecipientDomains be `*`, as the hybrid wizard does")
    .fix(
        Side::ExchangeOnline,
        format!("Set-OutboundConnector -Identity {identity} -RecipientDomains \"*\""),
        edit::set_key(&by.settings, "RecipientDomains", &everything),
    );
    let claims = context.open_where(|asked| {
        let mut forks = asked.ordinary().forks.iter();
        forks.any(|fork| {
            passing::leaves_by_mx(topology, pair, fork)
                || passing::circles_in(topology, pair.tenant, fork)
        })
    });
    let witness = in_uncovered_domain(context, pair, by).or_else(|| context.witness(&claims));
    Some(draft.shown_by(context, claims, witness))
}

/// A message from outside to somebody of the tenant in a domain that the connector is not for.
fn in_uncovered_domain(context: &Context<'_>, pair: Pair, by: &SendConnector) -> Option<Flow> {
    let topology = context.topology;
    let (from, host) = topology.parts().outside_senders.first()?;
    let covered = |domain: &Domain| {
        let mut spaces = by.address_spaces.iter();
        spaces.any(|space| route::covers(topology, pair.tenant, &space.pattern, domain))
    };
    let own = topology
        .accepted_domains()
        .filter(|(_, accepted)| accepted.organization == pair.tenant);
    let uncovered: BTreeSet<&Domain> = own
        .map(|(_, accepted)| &accepted.domain)
        .filter(|domain| !covered(domain))
        .collect();
    let own = topology
        .recipients()
        .filter(|(_, recipient)| recipient.organization == pair.tenant);
    let to = own
        .flat_map(|(_, recipient)| &recipient.addresses)
        .find(|address| uncovered.contains(&address.domain))?;
    let question = Question {
        from: ReversePath::Mailbox(from.clone()),
        to: vec![to.clone()],
        size: ByteSize(10 * 1024),
        kind: MessageKind::Message,
        submission: Submission::Host(*host),
    };
    Some(walk(topology, context.zones, &question))
}

/// The hybrid wizard was told to centralize, and no outbound connector does.
fn not_in_force(context: &Context<'_>) -> Vec<Found> {
    of_every_pair(context, not_in_force_of)
}

fn not_in_force_of(context: &Context<'_>, pair: Pair) -> Option<Found> {
    let topology = context.topology;
    let mut told = topology.parts().hybrid_configurations.iter();
    told.find(|told| told.organization == pair.on_premises && told.centralized)?;
    if connector(topology, pair).is_some() {
        return None;
    }
    let by = outbound(topology, pair)
        .find(|by| is_for_everything(by))
        .or_else(|| outbound(topology, pair).next())?;
    let message = format!(
        "the hybrid wizard was told to centralize mail transport, and `{}` does not take everything through the premises: {SWITCH} is false",
        by.name
    );
    let identity = powershell::quoted(&by.name);
    let mut script = format!("Set-OutboundConnector -Identity {identity} -{SWITCH} $true");
    let mut edits: Vec<_> = edit::set_key(&by.settings, SWITCH, "true")
        .into_iter()
        .collect();
    if !is_for_everything(by) {
        script.push_str(" -RecipientDomains \"*\"");
        let everything = edit::list(["*".to_owned()]);
        edits.extend(edit::set_key(&by.settings, "RecipientDomains", &everything));
    }
    let draft = Finding::of(
        "centralized-transport-not-in-force",
        by.settings.at(SWITCH),
        message,
    )
    .help("switch it on at the connector, or run the wizard without centralized mail transport")
    .fix(Side::ExchangeOnline, script, edits);
    Some(draft.explains(context, |asked| {
        let outside = matches!(
            context.survey.senders[asked.from].submission,
            Submission::Host(_)
        );
        let mut forks = asked.ordinary().forks.iter();
        forks.any(|fork| {
            passing::leaves_by_mx(topology, pair, fork)
                || outside && passing::stays_in(topology, pair.tenant, fork)
        })
    }))
}

/// Groups that take mail from outside, which comes to them by way of the premises.
fn open_groups(context: &Context<'_>) -> Vec<Found> {
    of_every_pair(context, open_groups_of)
}

fn open_groups_of(context: &Context<'_>, pair: Pair) -> Option<Found> {
    const KEY: &str = "RequireSenderAuthenticationEnabled";
    let topology = context.topology;
    let by = connector(topology, pair)?;
    let groups: BTreeSet<RecipientId> = topology
        .groups()
        .filter(|(_, group)| group.organization == pair.tenant && is_open(group))
        .filter(|(_, group)| is_written_back(topology, pair, group))
        .map(|(id, _)| id)
        .collect();
    let addresses: BTreeSet<&Mailbox> = groups
        .iter()
        .flat_map(|id| &topology.recipient(*id).addresses)
        .collect();
    let claims = context.open_where(|asked| {
        // Whatever holds for one of a class holds for all.
        let meant = addresses.contains(&context.survey.recipients[asked.to].members[0]);
        let mut forks = asked.ordinary().forks.iter();
        meant && forks.any(|fork| is_refused_there(topology, pair, fork))
    });
    let open: Vec<&Recipient> = groups.iter().map(|id| topology.recipient(*id)).collect();
    let first = open.first().filter(|_| !claims.is_empty())?;
    let others = match open.len() - 1 {
        0 => String::new(),
        1 => ", and so does one more group".to_owned(),
        count => format!(", and so do {count} more groups"),
    };
    let message = format!(
        "the group `{}` takes mail from outside{others}; `{}` takes that through the premises, where groups take mail of authenticated senders only",
        first.primary(),
        by.name
    );
    let script: Vec<String> = open
        .iter()
        .map(|group| {
            let identity = powershell::quoted(group.primary());
            format!("Set-UnifiedGroup -Identity {identity} -{KEY} $true")
        })
        .collect();
    let edits = open
        .iter()
        .filter_map(|group| edit::set_key(&group.settings, KEY, "true"));
    let draft = Finding::of("groups-with-centralized-transport", first.settings.at(KEY), message)
        .help("let groups take mail of internal senders only, or do without centralized mail transport: the two are not supported together")
        .fix(Side::ExchangeOnline, script.join("\n"), edits);
    Some(draft.claims(context, claims))
}

fn is_open(recipient: &Recipient) -> bool {
    matches!(recipient.kind, RecipientKind::Group { .. })
        && !recipient.require_sender_authentication
}

fn is_written_back(topology: &Topology, pair: Pair, group: &Recipient) -> bool {
    let holders = topology.recipients_at(pair.on_premises, group.primary());
    holders.iter().any(|id| {
        matches!(
            topology.recipient(*id).kind,
            RecipientKind::RemoteGroup {
                mail_enabled: true,
                ..
            }
        )
    })
}

/// Whether a message came to the premises from the tenant, and the group as it is written back did not
/// take it.
fn is_refused_there(topology: &Topology, pair: Pair, fork: &Fork) -> bool {
    const REFUSED: [EnhancedStatus; 2] =
        [EnhancedStatus::new(5, 7, 133), EnhancedStatus::new(5, 7, 1)];
    let owner = |index: usize| topology.server(fork.hops[index].server).organization;
    let refused = fork
        .status
        .as_ref()
        .is_some_and(|status| REFUSED.contains(&status.enhanced));
    let last = fork.hops.len().saturating_sub(1);
    refused
        && last > 0
        && owner(last) == pair.on_premises
        && (0..last).any(|index| owner(index) == pair.tenant)
}
