//! Does the tenant recognise the on-premises servers? (Exchange Online, "Configure a certificate-based
//! connector to relay email messages through Microsoft 365".)

use crate::diag::Diagnostic;
use crate::flow::{FlagKind, Fork};
use crate::mail::NamePattern;
use crate::model::{
    Matcher, ReceiveConnector, ReceiveConnectorId, SendConnectorId, ServerId, Topology,
};
use crate::route::{self, ClientCertificate, Presented};
use crate::verify::context::{Context, Found, in_words, is_troubled};
use crate::verify::edit;
use crate::verify::finding::{Finding, Fix, Side};
use crate::verify::hybrid::{self, Pair};
use crate::verify::powershell;
use crate::verify::questions::Asked;
use crate::verify::stage::{Rule, Stage};

/// The rules of this file.
pub(in crate::verify) const RULES: &[Rule] = &[Rule::new(Stage::Certificates, check)];

/// The inbound connectors of each tenant against the certificates and addresses of its on-premises
/// servers.
fn check(context: &Context<'_>) -> Vec<Found> {
    hybrid::pairs(context.topology)
        .into_iter()
        .filter_map(|pair| unmatched(context, pair))
        .collect()
}

fn unmatched(context: &Context<'_>, pair: Pair) -> Option<Found> {
    let topology = context.topology;
    let hybrid = pair.carriers(topology);
    let names = presented_names(topology, hybrid.clone(), |_| true);
    let inbound = pair.inbound_connectors(topology);
    // Where there is no certificate, or nobody to show one, that is another finding.
    let unsent = |id: &SendConnectorId| topology.send_connector(*id).sources.is_empty();
    if hybrid.iter().all(unsent)
        || (names.is_empty() && shows_none(topology, pair))
        || inbound
            .iter()
            .any(|id| matches(topology, pair, *id, &names))
    {
        return None;
    }
    let acceptable = names
        .iter()
        .find(|name| is_acceptable(topology, pair, name));
    let mut diagnostic = nothing_matches(topology, pair, inbound.first().copied()).because(
        format!("the hybrid Send connectors present {}", shown(&names)),
    );
    if let Some(help) = help(topology, pair, inbound.first().copied(), acceptable) {
        diagnostic = diagnostic.help(help);
    }
    let claims = context.open_where(|asked| suffers(context, pair, asked));
    let witness = context.witness(&claims);
    if let Some(words) = witness
        .as_ref()
        .filter(|flow| is_troubled(flow))
        .and_then(|flow| in_words(topology, flow))
    {
        diagnostic = diagnostic.because(words);
    }
    let fix = match (inbound.first(), switched_off(topology, pair)) {
        (Some(id), _) => acceptable.map(|name| set_name(topology, *id, name)),
        (None, Some(connector)) => Some(switch_on(connector)),
        (None, None) => acceptable.map(|name| new_connector(topology, pair, name)),
    };
    // Whom it concerns it concerns beside another fault as well.
    let concerned = context.all_where(|asked| suffers(context, pair, asked));
    let affected = context.affected(&concerned);
    Some(Found {
        finding: Finding {
            diagnostic,
            affected,
            witness,
            fix: fix.into_iter().collect(),
        },
        claims,
    })
}

/// What to do about the connector that should match, the one that is switched off, or the one that is
/// not there.
fn help(
    topology: &Topology,
    pair: Pair,
    connector: Option<ReceiveConnectorId>,
    acceptable: Option<&NamePattern>,
) -> Option<String> {
    match (connector, switched_off(topology, pair)) {
        (Some(_), _) => Some(format!("set TlsSenderCertificateName to `{}`", acceptable?)),
        (None, Some(connector)) => Some(format!("enable `{}`", connector.name)),
        (None, None) => Some(
            "run the Hybrid Configuration Wizard, or make the connector that it makes".to_owned(),
        ),
    }
}

/// What is wrong, at the connector that should match; at the tenant where there is none.
fn nothing_matches(
    topology: &Topology,
    pair: Pair,
    connector: Option<ReceiveConnectorId>,
) -> Diagnostic {
    let tenant = topology.organization(pair.tenant);
    let (place, message) = match connector.map(|id| topology.receive_connector(id)) {
        Some(connector) => (
            connector.settings.at("TlsSenderCertificateName").cloned(),
            format!(
                "the inbound connector `{}` of `{}` matches no certificate that the on-premises servers present",
                connector.name, tenant.name
            ),
        ),
        None => (
            switched_off(topology, pair)
                .and_then(|connector| connector.settings.at("Enabled").cloned())
                .or_else(|| tenant.settings.object.clone()),
            format!(
                "`{}` has no enabled inbound connector of type OnPremises",
                tenant.name
            ),
        ),
    };
    Diagnostic::new("inbound-connector-matches-no-certificate", place, message)
}

/// The names of certificates, for the reader.
fn shown(names: &[NamePattern]) -> String {
    if names.is_empty() {
        return "no certificate at all".to_owned();
    }
    let names: Vec<String> = names.iter().map(|name| format!("`{name}`")).collect();
    names.join(", ")
}

/// Whether mail, whoever sends it, ends or arrives otherwise than it should after the on-premises servers
/// handed it to the tenant as strangers: untrusted, refused at the door, or sent round.
fn suffers(context: &Context<'_>, pair: Pair, asked: &Asked) -> bool {
    let topology = context.topology;
    let goes_up = |fork: &Fork| {
        fork.hops.windows(2).any(|hops| {
            let from = topology.server(hops[0].server).organization;
            from == pair.on_premises && topology.server(hops[1].server).is_front_end()
        })
    };
    let at_the_door = |fork: &Fork| {
        let last = fork.hops.last();
        fork.disposition.is_failure()
            && last.is_some_and(|hop| topology.server(hop.server).is_front_end())
    };
    let flagged = |fork: &Fork| {
        fork.flags
            .iter()
            .any(|flag| !flag.expected && flag.kind != FlagKind::Misrouted)
    };
    let mut forks = asked.ordinary().forks.iter();
    forks.any(|fork| goes_up(fork) && (flagged(fork) || at_the_door(fork)))
}

/// A connector that would recognise servers if it were enabled.
fn switched_off(topology: &Topology, pair: Pair) -> Option<&ReceiveConnector> {
    let mut all = topology
        .receive_connectors()
        .map(|(_, connector)| connector);
    all.find(|connector| {
        connector.organization == pair.tenant
            && !connector.enabled
            && connector.partner.is_none()
            && matches!(connector.matcher, Matcher::Peer { .. })
    })
}

fn switch_on(connector: &ReceiveConnector) -> Fix {
    let name = powershell::quoted(&connector.name);
    let edit = edit::set_key(&connector.settings, "Enabled", "true");
    Fix {
        side: Side::ExchangeOnline,
        script: format!("Set-InboundConnector -Identity {name} -Enabled $true"),
        edits: edit.into_iter().collect(),
    }
}

/// The connector that the hybrid wizard would make.
fn new_connector(topology: &Topology, pair: Pair, name: &NamePattern) -> Fix {
    let on_premises = &topology.organization(pair.on_premises).name;
    let called = format!("Inbound from {on_premises}");
    let keys = [
        ("Name", edit::quoted(&called)),
        ("ConnectorType", edit::quoted("OnPremises")),
        ("SenderDomains", edit::list(["*".to_owned()])),
        ("TlsSenderCertificateName", edit::quoted(&name.to_string())),
        ("RequireTls", "true".to_owned()),
        ("CloudServicesMailEnabled", "true".to_owned()),
    ];
    let tenant = &topology.organization(pair.tenant).settings;
    let edit = edit::add_object(tenant, None, "ExchangeOnline.InboundConnectors", &keys);
    let script = format!(
        "New-InboundConnector -Name {} -ConnectorType OnPremises -SenderDomains * -TlsSenderCertificateName {} -RequireTls $true -CloudServicesMailEnabled $true",
        powershell::quoted(&called),
        powershell::quoted(name)
    );
    Fix {
        side: Side::ExchangeOnline,
        script,
        edits: edit.into_iter().collect(),
    }
}

fn set_name(topology: &Topology, id: ReceiveConnectorId, name: &NamePattern) -> Fix {
    let connector = topology.receive_connector(id);
    let script = format!(
        "Set-InboundConnector -Identity {} -TlsSenderCertificateName {}",
        powershell::quoted(&connector.name),
        powershell::quoted(name)
    );
    let at = connector.settings.written("TlsSenderCertificateName");
    let edits = at.map(|at| edit::replace(at, edit::quoted(&name.to_string())));
    Fix {
        side: Side::ExchangeOnline,
        script,
        edits: edits.into_iter().collect(),
    }
}

/// The names in the certificates that Send connectors present and that count: a connector's own Fqdn
/// first, then in the order of the certificate, whose subject stands before its other names.
pub(super) fn presented_names(
    topology: &Topology,
    connectors: Vec<SendConnectorId>,
    counts: fn(&ClientCertificate) -> bool,
) -> Vec<NamePattern> {
    let mut names: Vec<NamePattern> = Vec::new();
    for id in connectors {
        let connector = topology.send_connector(id);
        for source in &connector.sources {
            if let Presented::Certificate(certificate) =
                route::presented(topology, *source, Some(connector))
            {
                if !counts(&certificate) {
                    continue;
                }
                let own = connector.fqdn.as_ref().map(ToString::to_string);
                let mut shown = certificate.names;
                shown.sort_by_key(|name| own.as_deref() != Some(name.to_string().as_str()));
                shown.retain(|name| !names.contains(name));
                names.append(&mut shown);
            }
        }
    }
    names
}

/// Whether some hybrid connector names a certificate that its source does not hold.
fn shows_none(topology: &Topology, pair: Pair) -> bool {
    pair.carriers(topology).into_iter().any(|id| {
        let connector = topology.send_connector(id);
        let missing = |source: &ServerId| {
            matches!(
                route::presented(topology, *source, Some(connector)),
                Presented::Missing(_)
            )
        };
        connector.sources.iter().any(missing)
    })
}

fn matches(topology: &Topology, pair: Pair, id: ReceiveConnectorId, names: &[NamePattern]) -> bool {
    let Matcher::Peer {
        tls_sender_certificate_name,
        sender_ip_addresses,
    } = &topology.receive_connector(id).matcher
    else {
        return false;
    };
    if let Some(wanted) = tls_sender_certificate_name {
        return names.iter().any(|name| wanted.accepts(name));
    }
    let sources = pair.hybrid_send_connectors(topology).into_iter();
    sources
        .flat_map(|id| topology.send_connector(id).sources.clone())
        .any(|source| {
            let addresses = &topology.server(source).addresses;
            addresses.iter().any(|address| {
                sender_ip_addresses
                    .iter()
                    .any(|range| range.contains(*address))
            })
        })
}

/// A name that Exchange Online Protection takes: it, or its immediate parent, is an accepted domain.
fn is_acceptable(topology: &Topology, pair: Pair, name: &NamePattern) -> bool {
    let accepted = |domain| topology.accepted_domain_for(pair.tenant, domain).is_some();
    let parent = name.domain().parent().filter(|_| !name.is_wildcard());
    accepted(name.domain()) || parent.as_ref().is_some_and(accepted)
}
