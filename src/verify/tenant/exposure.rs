//! Tenants that take mail from everybody although their MX records lead elsewhere (Exchange Online,
//! "Manage mail flow using a third-party cloud service with Exchange Online").

use std::collections::BTreeSet;
use std::net::IpAddr;

use crate::dns::{self, Targets, View};
use crate::flow::{Flow, Question, origin, walk};
use crate::mail::{ByteSize, Domain, Mailbox, MessageKind, ReversePath};
use crate::model::{AcceptedDomain, DomainPattern, ReceiveConnector, ServerId, Topology};
use crate::verify::classes::written::is_routing_domain;
use crate::verify::context::{Context, Found};
use crate::verify::edit;
use crate::verify::finding::{Finding, Side};
use crate::verify::hybrid::{self, Pair};
use crate::verify::powershell;
use crate::verify::stage::{Rule, Stage};

/// The rules of this file.
pub(in crate::verify) const RULES: &[Rule] = &[Rule::new(Stage::Mx, check)];

/// A domain of a tenant, and where its mail is meant to come from.
struct Elsewhere<'a> {
    accepted: &'a AcceptedDomain,
    hosts: Vec<IpAddr>,
}

/// One finding for each tenant.
fn check(context: &Context<'_>) -> Vec<Found> {
    hybrid::pairs(context.topology)
        .into_iter()
        .filter_map(|pair| open_beside(context, pair))
        .collect()
}

fn open_beside(context: &Context<'_>, pair: Pair) -> Option<Found> {
    let topology = context.topology;
    // Where the records of group domains lead is another finding.
    let open: Vec<Elsewhere<'_>> = topology
        .accepted_domains()
        .filter(|(_, accepted)| accepted.organization == pair.tenant)
        .filter(|(_, accepted)| !is_routing_domain(&accepted.domain))
        .filter(|(_, accepted)| topology.group_domain_owner(&accepted.domain).is_none())
        .filter(|(_, accepted)| !is_locked(topology, pair, &accepted.domain))
        .filter_map(|(_, accepted)| elsewhere(context, pair, accepted))
        .collect();
    let first = open.first()?;
    let names: Vec<String> = open
        .iter()
        .map(|one| format!("`{}`", one.accepted.domain))
        .collect();
    let message = format!(
        "the MX records of {} lead elsewhere, and Exchange Online Protection takes their mail from everybody all the same",
        names.join(", ")
    );
    let (script, keys) = lock(&open);
    let mut inbound = topology
        .receive_connectors()
        .map(|(_, connector)| connector);
    let sibling = inbound
        .find(|connector| connector.organization == pair.tenant && is_written(connector))
        .and_then(|connector| connector.settings.object.as_ref());
    let keys: Vec<(&str, String)> = keys
        .iter()
        .map(|(key, value)| (*key, value.clone()))
        .collect();
    let tenant = &topology.organization(pair.tenant).settings;
    let edit = edit::add_object(tenant, sibling, "ExchangeOnline.InboundConnectors", &keys);
    let domains: BTreeSet<&Domain> = open.iter().map(|one| &one.accepted.domain).collect();
    let concerned: Vec<&Mailbox> = topology
        .recipients()
        .filter(|(_, recipient)| recipient.organization == pair.tenant)
        .map(|(_, recipient)| recipient.primary())
        .filter(|address| domains.contains(&address.domain))
        .collect();
    let witness = concerned
        .iter()
        .min()
        .and_then(|to| past_the_mx(context, pair, to));
    let draft = Finding::of(
        "cloud-open-beside-the-mx",
        first.accepted.settings.at("DomainName"),
        message,
    )
    .help("restrict mail for these domains to the hosts that their MX records name, with an inbound connector of type Partner")
    .fix(Side::ExchangeOnline, script, edit);
    Some(draft.claims_nothing(concerned.len(), witness))
}

fn is_written(connector: &ReceiveConnector) -> bool {
    connector.settings.written("ConnectorType").is_some()
}

/// The addresses that the public MX records of a domain lead to, where none of them is the service.
fn elsewhere<'a>(
    context: &Context<'a>,
    pair: Pair,
    accepted: &'a AcceptedDomain,
) -> Option<Elsewhere<'a>> {
    let Targets::Hosts(hosts) = dns::targets(context.zones, View::Public, &accepted.domain) else {
        return None;
    };
    let serves = |address: &IpAddr| {
        let server = context.topology.server_at(*address);
        server.is_some_and(|id| is_front_end(context.topology, pair, id))
    };
    let mut addresses: Vec<IpAddr> = Vec::new();
    for host in &hosts {
        if dns::is_protection_host(&host.host) || host.addresses.iter().any(serves) {
            return None;
        }
        addresses.extend(&host.addresses);
    }
    addresses.sort_unstable();
    addresses.dedup();
    (!addresses.is_empty()).then_some(Elsewhere {
        accepted,
        hosts: addresses,
    })
}

fn is_front_end(topology: &Topology, pair: Pair, id: ServerId) -> bool {
    let tenants = &topology.server(id).front_end_for;
    tenants.iter().any(|(tenant, _)| *tenant == pair.tenant)
}

/// Whether some connector shuts strangers out of a domain.
fn is_locked(topology: &Topology, pair: Pair, domain: &Domain) -> bool {
    topology.receive_connectors().any(|(_, connector)| {
        let associated = &connector.associated_domains;
        let restricts = connector.partner.as_ref().is_some_and(|restriction| {
            let everybody = restriction.sender_domains.contains(&DomainPattern::Any);
            everybody && (restriction.to_certificate || restriction.to_addresses)
        });
        connector.organization == pair.tenant
            && connector.enabled
            && restricts
            && (associated.is_empty() || associated.contains(domain))
    })
}

/// `New-InboundConnector` of type Partner for the domains, and the keys of the connector.
fn lock(open: &[Elsewhere<'_>]) -> (String, Vec<(&'static str, String)>) {
    const NAME: &str = "Only by the MX record";
    let domains: Vec<String> = open
        .iter()
        .map(|one| one.accepted.domain.to_string())
        .collect();
    let mut hosts: Vec<IpAddr> = open.iter().flat_map(|one| one.hosts.clone()).collect();
    hosts.sort_unstable();
    hosts.dedup();
    let hosts: Vec<String> = hosts.iter().map(ToString::to_string).collect();
    let script = format!(
        "New-InboundConnector -Name {} -ConnectorType Partner -SenderDomains \"*\" -RestrictDomainsToIPAddresses $true -SenderIPAddresses {} -AssociatedAcceptedDomains {}",
        powershell::quoted(NAME),
        powershell::list(&hosts),
        powershell::list(&domains)
    );
    let keys = vec![
        ("Name", edit::quoted(NAME)),
        ("ConnectorType", edit::quoted("Partner")),
        ("SenderDomains", edit::list(["*".to_owned()])),
        ("RestrictDomainsToIPAddresses", "true".to_owned()),
        ("SenderIPAddresses", edit::list(hosts)),
        ("AssociatedAcceptedDomains", edit::list(domains)),
    ];
    (script, keys)
}

/// A stranger's message that is handed to the service straight away.
fn past_the_mx(context: &Context<'_>, pair: Pair, to: &Mailbox) -> Option<Flow> {
    let topology = context.topology;
    let (from, _) = topology.parts().outside_senders.first()?;
    let from = ReversePath::Mailbox(from.clone());
    let mut servers = topology.servers().map(|(id, _)| id);
    let front_end = servers.find(|id| is_front_end(topology, pair, *id))?;
    let submission = origin(topology, &from, Some(front_end)).ok()?;
    let question = Question {
        from,
        to: vec![to.clone()],
        size: ByteSize(10 * 1024),
        kind: MessageKind::Message,
        submission,
    };
    Some(walk(topology, context.zones, &question))
}
