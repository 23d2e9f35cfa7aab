//! The connectors between the two organizations themselves: enabled, carrying organization headers,
//! with certificates that can be used (Exchange hybrid, "Transport routing in Exchange hybrid
//! deployments" and "Certificate requirements for hybrid deployments").

use std::collections::BTreeSet;

use super::carrier::{self, Carrier};
use super::crossing::{left_for, seeks_way_out};
use crate::flow::{FlagKind, Fork, Hop, Submission};
use crate::mail::Domain;
use crate::model::{
    DomainPattern, OrganizationId, ReceiveConnectorId, SendConnector, ServerId, Settings, Topology,
};
use crate::route::{Event, Subject};
use crate::verify::context::{Context, Found, is_troubled};
use crate::verify::draft::Draft;
use crate::verify::edit;
use crate::verify::finding::{Finding, Side};
use crate::verify::hybrid::{self, Pair};
use crate::verify::people;
use crate::verify::powershell;
use crate::verify::questions::Asked;
use crate::verify::stage::{Rule, Stage};

/// The rules of this file.
pub(in crate::verify) const RULES: &[Rule] = &[
    Rule::new(Stage::AddressSpaces, disabled),
    Rule::new(Stage::AddressSpaces, target_domains),
    Rule::new(Stage::Certificates, without_headers),
    Rule::new(Stage::Certificates, without_capability),
];

/// Hybrid Send connectors that are switched off, with nothing in their place.
fn disabled(context: &Context<'_>) -> Vec<Found> {
    of_every_pair(context, disabled_of)
}

/// Connectors of either side that leave the organization headers behind.
fn without_headers(context: &Context<'_>) -> Vec<Found> {
    of_every_pair(context, without_headers_of)
}

/// Receive connectors that do not take the cloud's headers.
fn without_capability(context: &Context<'_>) -> Vec<Found> {
    of_every_pair(context, without_capability_of)
}

/// Domains of target addresses that no hybrid connector carries.
fn target_domains(context: &Context<'_>) -> Vec<Found> {
    of_every_pair(context, target_domains_of)
}

fn of_every_pair(context: &Context<'_>, rule: fn(&Context<'_>, Pair) -> Vec<Found>) -> Vec<Found> {
    hybrid::pairs(context.topology)
        .into_iter()
        .flat_map(|pair| rule(context, pair))
        .collect()
}

/// Whether a copy is for an address of the domain when it leaves the premises, and goes wrong then: whoever
/// wrote it, and whatever group or mailbox it was written to.
fn leaves_for(topology: &Topology, pair: Pair, domain: &Domain, fork: &Fork) -> bool {
    let mut left = left_for(topology, pair.on_premises, fork);
    goes_wrong(fork) && left.any(|to| to.domain == *domain)
}

fn goes_wrong(fork: &Fork) -> bool {
    fork.disposition.is_failure() || fork.flags.iter().any(|flag| !flag.expected)
}

/// Whether a copy for what a connector names goes wrong where it leaves the premises, or never leaves them.
fn carried(topology: &Topology, pair: Pair, connector: &SendConnector, fork: &Fork) -> bool {
    let own = |hop: &Hop| topology.server(hop.server).organization == pair.on_premises;
    let stays = |domain: &Domain| {
        let mut hops = fork.hops.iter();
        let sent = hops.any(|hop| own(hop) && hop.steps.iter().any(seeks_way_out));
        let stays = fork.hops.last().is_some_and(|hop| own(hop));
        goes_wrong(fork) && fork.recipient.domain == *domain && sent && stays
    };
    let mut spaces = connector.address_spaces.iter();
    spaces.any(|space| match &space.pattern {
        DomainPattern::Exact(domain) => leaves_for(topology, pair, domain, fork) || stays(domain),
        _ => false,
    })
}

/// Whether a question is about mail of an organization's users.
fn is_from(context: &Context<'_>, asked: &Asked, organization: OrganizationId) -> bool {
    match context.survey.senders[asked.from].submission {
        Submission::User(server) => context.topology.server(server).organization == organization,
        Submission::Anonymous { .. } | Submission::Host(_) => false,
    }
}

/// A hybrid Send connector that is switched off, with nothing in its place.
fn disabled_of(context: &Context<'_>, pair: Pair) -> Vec<Found> {
    let topology = context.topology;
    let off = pair
        .wizard_connectors(topology)
        .filter(|connector| !connector.enabled);
    let replaced = |connector: &&SendConnector| {
        pair.hybrid_send_connectors(topology).iter().any(|id| {
            let other = topology.send_connector(*id);
            connector.address_spaces.iter().any(|space| {
                other
                    .address_spaces
                    .iter()
                    .any(|o| o.pattern == space.pattern)
            })
        })
    };
    off.filter(|connector| !replaced(connector))
        .map(|connector| {
            let message = format!("the hybrid Send connector `{}` is disabled", connector.name);
            let script = carrier::script(topology, connector, "-Enabled $true");
            let edits = connector
                .settings
                .written("Enabled")
                .map(|at| edit::replace(at, "true".to_owned()));
            let place = connector.settings.at("Enabled");
            Finding::of("hybrid-connector-disabled", place, message)
                .help("enable it, or run the wizard")
                .fix(Side::OnPremises, script, edits)
                .explains(context, |asked| {
                    let mut forks = asked.ordinary().forks.iter();
                    forks.any(|fork| carried(topology, pair, connector, fork))
                })
        })
        .collect()
}

/// Connectors of either side that leave the organization headers behind.
fn without_headers_of(context: &Context<'_>, pair: Pair) -> Vec<Found> {
    let topology = context.topology;
    let wizard = pair
        .wizard_connectors(topology)
        .filter(|connector| connector.enabled);
    let send = wizard.map(|connector| Leaving {
        kind: "Send connector",
        cmdlet: "Set-SendConnector",
        name: &connector.name,
        carries: connector.cloud_services_mail_enabled,
        sources: &connector.sources,
        settings: &connector.settings,
        side: Side::OnPremises,
        sender: pair.on_premises,
        receiver: pair.tenant,
        alone: true,
    });
    let inbound = pair.inbound_connectors(topology);
    let alone = inbound.len() == 1;
    let inbound = inbound.into_iter().map(|id| topology.receive_connector(id));
    let inbound = inbound.map(|connector| Leaving {
        kind: "inbound connector",
        cmdlet: "Set-InboundConnector",
        name: &connector.name,
        carries: connector.cloud_services_mail_enabled,
        sources: &[],
        settings: &connector.settings,
        side: Side::ExchangeOnline,
        sender: pair.on_premises,
        receiver: pair.tenant,
        alone,
    });
    let outbound = topology
        .send_connectors_of(pair.tenant)
        .iter()
        .map(|id| topology.send_connector(*id));
    // Connectors of type OnPremises rank first; the others lead elsewhere.
    let outbound = outbound.filter(|connector| connector.enabled && connector.rank == 0);
    let alone = outbound.clone().count() == 1;
    let outbound = outbound.map(|connector| Leaving {
        kind: "outbound connector",
        cmdlet: "Set-OutboundConnector",
        name: &connector.name,
        carries: connector.cloud_services_mail_enabled,
        sources: &connector.sources,
        settings: &connector.settings,
        side: Side::ExchangeOnline,
        sender: pair.tenant,
        receiver: pair.on_premises,
        alone,
    });
    let all = send.chain(inbound).chain(outbound);
    all.filter(|leaving| !leaving.carries)
        .filter_map(|leaving| headers_left(context, &leaving))
        .collect()
}

/// A connector of either side, as far as it carries organization headers.
struct Leaving<'a> {
    kind: &'a str,
    cmdlet: &'a str,
    name: &'a str,
    carries: bool,
    /// The servers that send by it.
    sources: &'a [ServerId],
    settings: &'a Settings,
    side: Side,
    /// Whose mail it carries.
    sender: OrganizationId,
    /// To whom.
    receiver: OrganizationId,
    /// Whether no other of its kind could be meant for hybrid mail.
    alone: bool,
}

/// A finding about `CloudServicesMailEnabled`, if mail of the sending organization loses its trust.
fn headers_left(context: &Context<'_>, leaving: &Leaving<'_>) -> Option<Found> {
    const KEY: &str = "CloudServicesMailEnabled";
    let explains = |asked: &Asked| {
        let mut forks = asked.ordinary().forks.iter();
        forks.any(|fork| leaves_trust(context.topology, leaving.sender, fork))
    };
    let hidden = context.open_where(explains).is_empty();
    // Where nothing gets as far, for another fault, the wizard's own setting is wrong all the same.
    if hidden && !(leaving.alone && is_cut_off(context, leaving.sender, leaving.receiver)) {
        return None;
    }
    let Leaving {
        kind,
        cmdlet,
        name,
        settings,
        side,
        ..
    } = leaving;
    let message =
        format!("the {kind} `{name}` leaves the organization headers behind: {KEY} is false");
    let script = format!(
        "{cmdlet} -Identity {} -{KEY} $true{}",
        powershell::quoted(name),
        carrier::to_edge(context.topology, leaving.sources)
    );
    let draft = Finding::of("cloud-services-mail-disabled", settings.at(KEY), message)
        .help(format!("set {KEY} to true"))
        .fix(*side, script, edit::set_key(settings, KEY, "true"));
    if hidden {
        let people = people::count(context.topology, leaving.sender);
        return Some(draft.claims_nothing(people, None));
    }
    Some(draft.explains(context, explains))
}

/// Whether no mail of an organization reaches the other one.
fn is_cut_off(context: &Context<'_>, from: OrganizationId, to: OrganizationId) -> bool {
    let organization = |hop: &Hop| context.topology.server(hop.server).organization;
    let is_front_end = |hop: &Hop| context.topology.server(hop.server).is_front_end();
    let arrives = |fork: &Fork| {
        let mut crossings = fork.hops.windows(2);
        crossings.any(|hops| {
            let leaves = organization(&hops[0]) == from && !is_front_end(&hops[0]);
            leaves && organization(&hops[1]) == to && !fork.disposition.is_failure()
        })
    };
    let mut flows = context.survey.asked.iter().map(Asked::ordinary);
    !flows.any(|flow| flow.forks.iter().any(arrives))
}

/// Whether a fork loses its trust where it leaves an organization, whoever sent it: a post to a group
/// crosses twice, and only the last crossing before the loss is to blame.
fn leaves_trust(topology: &Topology, sender: OrganizationId, fork: &Fork) -> bool {
    let Some(flag) = fork
        .flags
        .iter()
        .find(|flag| flag.kind == FlagKind::WrongTrust)
    else {
        return false;
    };
    let organization = |hop: &Hop| topology.server(hop.server).organization;
    let seen = fork.hops.iter().rposition(|hop| hop.server == flag.server);
    let before = &fork.hops[..seen.map_or(fork.hops.len(), |at| at + 1)];
    let mut crossings = before.windows(2).rev();
    let last = crossings.find(|hops| organization(&hops[0]) != organization(&hops[1]));
    // Without a crossing the sender's own organization does not know him.
    last.is_some_and(|hops| organization(&hops[0]) == sender)
}

/// Receive connectors that do not take the cloud's headers.
fn without_capability_of(context: &Context<'_>, pair: Pair) -> Vec<Found> {
    let topology = context.topology;
    let losing = |asked: &Asked| -> BTreeSet<ReceiveConnectorId> {
        let forks = asked.ordinary().forks.iter();
        forks
            .filter_map(|fork| loses_trust_at(topology, pair, fork))
            .collect()
    };
    let open = context.open();
    let connectors: BTreeSet<_> = open.flat_map(|(_, asked)| losing(asked)).collect();
    connectors
        .into_iter()
        .map(|id| {
            let draft = lacks_capability(topology, id);
            draft.explains(context, |asked| losing(asked).contains(&id))
        })
        .collect()
}

/// What is wrong with a Receive connector that does not take the cloud's headers, and how it is
/// mended.
fn lacks_capability(topology: &Topology, id: ReceiveConnectorId) -> Draft {
    const KEY: &str = "TlsDomainCapabilities";
    const VALUE: &str = "mail.protection.outlook.com:AcceptCloudServicesMail";
    let connector = topology.receive_connector(id);
    let server = topology.server(connector.server);
    let name = format!("{}\\{}", server.name, connector.name);
    let settings = &connector.settings;
    let place = settings.at(KEY).or(server.settings.object.as_ref());
    let message = format!(
        "the Receive connector `{name}` does not take the organization headers of the cloud"
    );
    let edits = edit::set_key(settings, KEY, &edit::list([VALUE.to_owned()]));
    let name = powershell::quoted(name);
    let script = format!("Set-ReceiveConnector -Identity {name} -TlsDomainCapabilities {VALUE}");
    Finding::of("receive-connector-lacks-capability", place, message)
        .help(format!("add `{VALUE}` to its {KEY}"))
        .fix(Side::OnPremises, script, edits)
}

/// The on-premises Receive connector at which a message from the cloud loses its trust, for want of a
/// capability.
fn loses_trust_at(topology: &Topology, pair: Pair, fork: &Fork) -> Option<ReceiveConnectorId> {
    let flag = fork
        .flags
        .iter()
        .find(|flag| flag.kind == FlagKind::WrongTrust)?;
    let organization = |hop: &Hop| topology.server(hop.server).organization;
    let at = fork.hops.windows(2).position(|hops| {
        hops[1].server == flag.server
            && organization(&hops[0]) == pair.tenant
            && organization(&hops[1]) == pair.on_premises
    });
    let at = at? + 1;
    let by_hybrid = fork.hops[at]
        .connector
        .is_some_and(|id| topology.send_connector(id).cloud_services_mail_enabled);
    if !by_hybrid {
        return None;
    }
    let received = fork.hops[at]
        .steps
        .iter()
        .find(|step| step.event == Event::Receive)?;
    match received.chosen {
        Some(Subject::ReceiveConnector(id)) => {
            let entries = &topology.receive_connector(id).tls_domain_capabilities;
            let service = |name: &str| name == "mail.protection.outlook.com";
            let able = entries.iter().any(|e| {
                e.accept_cloud_services_mail
                    && e.domain
                        .as_ref()
                        .is_some_and(|d| service(d.domain().as_str()))
            });
            (!able).then_some(id)
        }
        _ => None,
    }
}

/// Domains of target addresses that no hybrid connector carries.
fn target_domains_of(context: &Context<'_>, pair: Pair) -> Vec<Found> {
    let topology = context.topology;
    let accepted = |domain: &&Domain| topology.accepted_domain_for(pair.tenant, domain).is_some();
    let domains = topology.target_domains(pair.on_premises).iter();
    let mut found = Vec::new();
    for domain in domains.filter(accepted) {
        let open = context.open_where(|asked| is_from(context, asked, pair.on_premises));
        let carrier = Carrier {
            topology,
            pair,
            domain,
        };
        let fault = carrier.not_on_hybrid_connector(
            "target-domain-not-on-hybrid-connector",
            "domain of target addresses",
        );
        // Without any hybrid connector nothing leaves as it should.
        let none = pair.carriers(topology).is_empty();
        // One that is switched off is another finding.
        let is_said = none && carrier.is_switched_off();
        if let Some((diagnostic, fix)) = fault.filter(|_| !open.is_empty() && !is_said) {
            let explains = |asked: &Asked| {
                let mut forks = asked.ordinary().forks.iter();
                let is_troubled = is_troubled(asked.ordinary());
                is_troubled
                    && (none && is_from(context, asked, pair.on_premises)
                        || forks.any(|fork| leaves_for(topology, pair, domain, fork)))
            };
            let claims = context.open_where(explains);
            if !claims.is_empty() {
                found.push(context.conclude(diagnostic, fix, claims));
            }
        }
    }
    found
}
