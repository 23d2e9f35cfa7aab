//! The connectors between the two organizations themselves: enabled, carrying organization headers,
//! with certificates that can be used (Exchange hybrid, "Transport routing in Exchange hybrid
//! deployments" and "Certificate requirements for hybrid deployments").

use std::collections::{BTreeMap, BTreeSet};

use jiff::SignedDuration;

use super::carrier::{self, Carrier};
use super::crossing::{left_for, seeks_way_out};
use crate::diag::{Diagnostic, Location};
use crate::flow::{FlagKind, Flow, Fork, Hop, Submission};
use crate::mail::{Domain, EnhancedStatus};
use crate::model::{
    Certificate, DomainPattern, OrganizationId, ReceiveConnectorId, SendConnector, ServerId,
    Settings, Topology,
};
use crate::route::{Event, Subject};
use crate::verify::context::{Context, Found, is_troubled};
use crate::verify::draft::Draft;
use crate::verify::edit;
use crate::verify::finding::{Finding, Fix, Side};
use crate::verify::hybrid::{self, Pair};
use crate::verify::people;
use crate::verify::powershell;
use crate::verify::questions::Asked;
use crate::verify::stage::{Rule, Stage};

/// The rules of this file.
pub(in crate::verify) const RULES: &[Rule] = &[
    Rule::new(Stage::AddressSpaces, disabled),
    Rule::new(Stage::AddressSpaces, target_domains),
    Rule::new(Stage::Certificates, certificates),
    Rule::new(Stage::Certificates, without_headers),
    Rule::new(Stage::Certificates, without_capability),
];

/// Certificates that the hybrid connectors name and that cannot be used: one finding for each.
fn certificates(context: &Context<'_>) -> Vec<Found> {
    of_every_pair(context, certificates_of)
}

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
        let last = fork.hops.last();
        let sent = last.is_some_and(|hop| own(hop) && hop.steps.iter().any(seeks_way_out));
        goes_wrong(fork) && fork.recipient.domain == *domain && sent
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

fn loses_trust(flow: &Flow) -> bool {
    flow.forks.iter().any(|fork| {
        fork.flags
            .iter()
            .any(|flag| flag.kind == FlagKind::WrongTrust)
    })
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

/// Where a certificate is named: place of the setting, and the server that must hold it.
type Use<'a> = (&'a str, Option<Location>, ServerId);

/// Certificates that the hybrid connectors name and that cannot be used: one finding for each.
fn certificates_of(context: &Context<'_>, pair: Pair) -> Vec<Found> {
    let topology = context.topology;
    let mut troubles: BTreeMap<String, Unusable> = BTreeMap::new();
    for (name, place, server) in uses(topology, pair) {
        if let Some(trouble) = unusable(topology, name, place, server) {
            troubles.entry(trouble.message.clone()).or_insert(trouble);
        }
    }
    let found = troubles.into_values().map(|trouble| {
        let claims = context.open_where(|asked| {
            let flow = asked.ordinary();
            let status = |fork: &Fork| fork.status.as_ref().is_some_and(|status| is_tls(status.enhanced));
            loses_trust(flow) || flow.forks.iter().any(status)
        });
        let diagnostic = Diagnostic::new("hybrid-certificate-unusable", trouble.place, trouble.message)
            .help("install a valid certificate of a public authority on every hybrid server, and name it in the connectors");
        context.conclude(diagnostic, trouble.fix.into_iter().collect(), claims)
    });
    found.collect()
}

/// What is wrong with a named certificate on a server.
struct Unusable {
    place: Option<Location>,
    message: String,
    fix: Option<Fix>,
}

fn is_tls(status: EnhancedStatus) -> bool {
    const REPLIES: [EnhancedStatus; 3] = [
        EnhancedStatus::new(4, 4, 317),
        EnhancedStatus::new(4, 7, 0),
        EnhancedStatus::new(4, 7, 5),
    ];
    REPLIES.contains(&status)
}

/// Every naming of a certificate by the connectors of the on-premises side.
fn uses(topology: &Topology, pair: Pair) -> Vec<Use<'_>> {
    let mut uses = Vec::new();
    for connector in pair
        .wizard_connectors(topology)
        .filter(|connector| connector.enabled)
    {
        if let Some(name) = &connector.tls_certificate_name {
            let place = connector.settings.at("TlsCertificateName");
            uses.extend(
                connector
                    .sources
                    .iter()
                    .map(|server| (name.as_str(), place.cloned(), *server)),
            );
        }
    }
    for (_, connector) in topology.receive_connectors() {
        let hybrid = connector.organization == pair.on_premises
            && !connector.tls_domain_capabilities.is_empty();
        if let Some(name) = connector
            .tls_certificate_name
            .as_ref()
            .filter(|_| hybrid && connector.enabled)
        {
            uses.push((
                name.as_str(),
                connector.settings.at("TlsCertificateName").cloned(),
                connector.server,
            ));
        }
    }
    uses
}

/// What is wrong with a certificate that a connector names on a server.
fn unusable(
    topology: &Topology,
    name: &str,
    place: Option<Location>,
    server: ServerId,
) -> Option<Unusable> {
    let called = |certificate: &&Certificate| {
        certificate
            .tls_certificate_name()
            .eq_ignore_ascii_case(name)
    };
    let known: Vec<&Certificate> = topology
        .certificates()
        .map(|(_, each)| each)
        .filter(called)
        .collect();
    let held: Vec<&&Certificate> = known
        .iter()
        .filter(|each| each.servers.contains(&server))
        .collect();
    let now = topology.as_of();
    let Some(first) = held.first() else {
        let message = format!(
            "the certificate `{name}` is not on {}",
            topology.server(server).name
        );
        let fix = known
            .first()
            .map(|certificate| install(topology, certificate, server));
        return Some(Unusable {
            place,
            message,
            fix,
        });
    };
    if held
        .iter()
        .any(|held| (held.trusted || !held.chain_complete) && held.is_valid_at(now))
    {
        return None;
    }
    let subject = &first.subject;
    let (key, message) = if first.is_valid_at(now) {
        (
            "RootCAType",
            format!("the certificate `{subject}` is not from an authority that others trust"),
        )
    } else {
        (
            "NotAfter",
            format!("the certificate `{subject}` is out of date"),
        )
    };
    Some(Unusable {
        place: first.settings.at(key).cloned(),
        message,
        fix: Some(renew(topology, first, key)),
    })
}

/// A new certificate with the names of the old one, from an authority that others trust.
fn renew(topology: &Topology, certificate: &Certificate, key: &str) -> Fix {
    const YEAR: SignedDuration = SignedDuration::from_hours(24 * 365);
    let subject = powershell::quoted(&certificate.subject);
    let names: Vec<String> = certificate.names.iter().map(ToString::to_string).collect();
    let script = format!(
        "New-ExchangeCertificate -GenerateRequest -SubjectName {subject} -DomainName {} -PrivateKeyExportable $true\n# have a public authority sign it, import it on every hybrid server, name it in the connectors",
        powershell::list(&names)
    );
    let value = match key {
        "NotAfter" => topology
            .as_of()
            .checked_add(YEAR)
            .ok()
            .map(|end| end.to_string()),
        _ => Some(edit::quoted("ThirdParty")),
    };
    let edit = value.and_then(|value| edit::set_key(&certificate.settings, key, &value));
    Fix {
        side: Side::OnPremises,
        script,
        edits: edit.into_iter().collect(),
    }
}

/// Brings a certificate to one more server.
fn install(topology: &Topology, certificate: &Certificate, server: ServerId) -> Fix {
    let name = |id: &ServerId| topology.server(*id).name.clone();
    let from = certificate.servers.first().map(name).unwrap_or_default();
    let from = powershell::in_comment(from);
    let script = format!(
        "# export `{}` with its key from {from}, then on {}:\nImport-ExchangeCertificate -Server {} -FileData (...) -Password (...)",
        powershell::in_comment(&certificate.subject),
        powershell::in_comment(name(&server)),
        powershell::quoted(name(&server))
    );
    let all = certificate.servers.iter().chain([&server]).map(name);
    let edits = certificate
        .settings
        .written("Servers")
        .map(|at| edit::replace(at, edit::list(all)));
    Fix {
        side: Side::OnPremises,
        script,
        edits: edits.into_iter().collect(),
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
