//! Whom a tenant takes for its own servers, and what it refuses to them by mistake (Exchange Online,
//! "Office 365 Message Attribution").

use std::collections::BTreeSet;

use super::inbound::presented_names;
use super::refused::refused_for;
use crate::diag::Severity;
use crate::flow::{self, Flow, Question, Submission};
use crate::mail::{Domain, Mailbox, MessageKind, NamePattern, ReversePath};
use crate::model::{Matcher, OrganizationId, ReceiveConnector, ReceiveConnectorId, Topology};
use crate::route::{ClientCertificate, Reason, Rejected, Subject};
use crate::verify::connectors::crossing::ORDINARY;
use crate::verify::context::{Context, Found};
use crate::verify::draft::Draft;
use crate::verify::edit;
use crate::verify::finding::{Finding, Side};
use crate::verify::hybrid::{self, Pair};
use crate::verify::people;
use crate::verify::powershell;
use crate::verify::stage::{Rule, Stage};

/// The rules of this file.
pub(in crate::verify) const RULES: &[Rule] = &[
    Rule::new(Stage::Certificates, shared),
    Rule::new(Stage::Certificates, null_sender),
];

/// Inbound connectors of several tenants that wait for one certificate.
fn shared(context: &Context<'_>) -> Vec<Found> {
    let topology = context.topology;
    let mut waiting: Vec<(&NamePattern, &ReceiveConnector)> = Vec::new();
    for (_, connector) in topology.receive_connectors() {
        if let Matcher::Peer {
            tls_sender_certificate_name: Some(name),
            ..
        } = &connector.matcher
            && connector.enabled
            && connector.partner.is_none()
        {
            waiting.push((name, connector));
        }
    }
    let owned = |name: &NamePattern, connector: &ReceiveConnector| {
        is_registered(topology, connector.organization, name)
    };
    let mut found = Vec::new();
    for (at, (name, owner)) in waiting.iter().enumerate() {
        if !owned(name, owner) {
            continue;
        }
        for (index, (wanted, other)) in waiting.iter().enumerate() {
            // One certificate satisfies both, by a wildcard of either.
            let overlap = name.accepts(wanted) || wanted.accepts(name);
            // Of two owners the first one speaks.
            let said = index < at && owned(wanted, other);
            if other.organization != owner.organization && overlap && !said {
                found.push(shares(context, name, owner, other));
            }
        }
    }
    found
}

fn shares(
    context: &Context<'_>,
    name: &NamePattern,
    owner: &ReceiveConnector,
    other: &ReceiveConnector,
) -> Found {
    let topology = context.topology;
    let tenant = |connector: &ReceiveConnector| &topology.organization(connector.organization).name;
    let message = format!(
        "the inbound connectors `{}` of `{}` and `{}` of `{}` wait for one certificate, `{name}`",
        owner.name,
        tenant(owner),
        other.name,
        tenant(other)
    );
    let own = topology
        .accepted_domains()
        .map(|(_, domain)| domain)
        .filter(|domain| domain.organization == other.organization)
        .max_by_key(|domain| {
            let initial = domain.domain.as_str().ends_with(".onmicrosoft.com");
            (domain.default, !initial)
        })
        .map(|domain| format!("*.{}", domain.domain));
    let identity = powershell::quoted(&other.name);
    let settings = &other.settings;
    let draft = Finding::of(
        "tenants-share-certificate",
        settings.at("TlsSenderCertificateName"),
        message,
    )
    .because(format!(
        "a session that shows it belongs to `{}`, which owns the domain of the certificate",
        tenant(owner)
    ))
    .help("give each tenant's servers a certificate of their own");
    let draft = match own {
        Some(own) => draft.fix(
            Side::ExchangeOnline,
            format!(
                "Set-InboundConnector -Identity {identity} -TlsSenderCertificateName {}",
                powershell::quoted(&own)
            ),
            edit::set_key(settings, "TlsSenderCertificateName", &edit::quoted(&own)),
        ),
        None => draft.fix(
            Side::ExchangeOnline,
            format!("Set-InboundConnector -Identity {identity} -TlsSenderCertificateName <name>"),
            None,
        ),
    };
    draft.claims_nothing(people::count(topology, other.organization), None)
}

/// Tenants that let their own servers send to others in the name of the tenant's domains only: reports,
/// which have no sender, and what is forwarded for others do not get through.
fn null_sender(context: &Context<'_>) -> Vec<Found> {
    let topology = context.topology;
    let mut found = Vec::new();
    for pair in hybrid::pairs(topology) {
        let names = presented(topology, pair);
        for id in pair.inbound_connectors(topology) {
            let connector = topology.receive_connector(id);
            let Matcher::Peer {
                tls_sender_certificate_name: wanted,
                ..
            } = &connector.matcher
            else {
                continue;
            };
            let shown: Vec<&NamePattern> = names
                .iter()
                .filter(|name| wanted.as_ref().is_some_and(|wanted| wanted.accepts(name)))
                .collect();
            let registered = |name: &&&NamePattern| is_registered(topology, pair.tenant, name);
            if shown.iter().any(|name| registered(&name)) {
                continue;
            }
            let witness = report_abroad(context, pair);
            let draft = match shown.first() {
                Some(name) => unregistered(connector, name),
                None if wanted.is_none() && witness.is_some() => by_address(connector),
                None => continue,
            };
            let own = names
                .iter()
                .find(|name| is_registered(topology, pair.tenant, name));
            let draft = with_name(draft, connector, own);
            found.push(foreign_refused(context, pair, id, draft, witness));
        }
    }
    found
}

/// What the tenant does not take for its own mail because others sent it goes wrong: where that comes
/// back from the premises, it goes round. An error where that happens, and a warning where reports and
/// forwarded mail alone are refused.
fn foreign_refused(
    context: &Context<'_>,
    pair: Pair,
    id: ReceiveConnectorId,
    draft: Draft,
    witness: Option<Flow>,
) -> Found {
    let refused = |lost: &Rejected| {
        lost.candidate == Subject::ReceiveConnector(id)
            && matches!(lost.reason, Reason::CertificateDomainNotAccepted(_))
    };
    let claims = context.open_where(|asked| {
        let mut hops = asked.ordinary().forks.iter().flat_map(|fork| &fork.hops);
        let meets = hops.any(|hop| {
            hop.steps
                .iter()
                .any(|step| step.rejected.iter().any(refused))
        });
        meets && context.is_amiss(asked)
    });
    if !claims.is_empty() {
        return draft.claims(context, claims);
    }
    // Reports to others of what any of its users do not get.
    let people = people::count(context.topology, pair.on_premises);
    let mut found = draft.claims_nothing(people, witness);
    found.finding.diagnostic.severity = Severity::Warning;
    found
}

fn by_address(connector: &ReceiveConnector) -> Draft {
    let message = format!(
        "the inbound connector `{}` knows the premises by their addresses alone: reports, and what others sent, are not taken for the tenant's own mail",
        connector.name
    );
    Finding::of(
        "null-sender-may-not-relay",
        connector.settings.at("SenderIPAddresses"),
        message,
    )
    .because("an address lets nobody send for a domain that is not the tenant's")
    .help("recognise the servers by their certificate")
}

fn unregistered(connector: &ReceiveConnector, name: &NamePattern) -> Draft {
    let message = format!(
        "the inbound connector `{}` waits for `{name}`, which no accepted domain stands for",
        connector.name
    );
    Finding::of(
        "inbound-certificate-name-unregistered",
        connector.settings.at("TlsSenderCertificateName"),
        message,
    )
    .because(
        "neither it nor its immediate parent is an accepted domain, so what others sent is not taken for the tenant's own mail",
    )
    .help("wait for a name of the certificate that is an accepted domain or lies right below one")
}

/// `Set-InboundConnector -TlsSenderCertificateName` with a name that the servers show.
fn with_name(draft: Draft, connector: &ReceiveConnector, name: Option<&NamePattern>) -> Draft {
    const KEY: &str = "TlsSenderCertificateName";
    let identity = powershell::quoted(&connector.name);
    let Some(name) = name else {
        let script = format!("Set-InboundConnector -Identity {identity} -{KEY} <name>");
        return draft.fix(Side::ExchangeOnline, script, None);
    };
    let settings = &connector.settings;
    let by_address = settings.written("SenderIPAddresses").is_some();
    let addresses = if by_address {
        " -SenderIPAddresses $null"
    } else {
        ""
    };
    let script = format!(
        "Set-InboundConnector -Identity {identity}{addresses} -{KEY} {}",
        powershell::quoted(name)
    );
    let edits = edit::remove_key(settings, "SenderIPAddresses")
        .into_iter()
        .chain(edit::set_key(
            settings,
            KEY,
            &edit::quoted(&name.to_string()),
        ));
    draft.fix(Side::ExchangeOnline, script, edits.collect::<Vec<_>>())
}

/// The names in the trusted certificates that the hybrid Send connectors show.
fn presented(topology: &Topology, pair: Pair) -> Vec<NamePattern> {
    presented_names(
        topology,
        pair.carriers(topology),
        ClientCertificate::is_trusted,
    )
}

/// Whether a certificate's name, or its immediate parent, is an accepted domain of the tenant.
fn is_registered(topology: &Topology, tenant: OrganizationId, name: &NamePattern) -> bool {
    let accepted = |domain: &Domain| topology.accepted_domain_for(tenant, domain).is_some();
    let parent = name.domain().parent().filter(|_| !name.is_wildcard());
    accepted(name.domain()) || parent.as_ref().is_some_and(accepted)
}

/// A report from the premises to somebody outside that the service refuses to pass on.
fn report_abroad(context: &Context<'_>, pair: Pair) -> Option<Flow> {
    let topology = context.topology;
    let server = pair.mailbox_servers(topology).into_iter().next()?;
    let parts = topology.parts();
    let senders = parts.outside_senders.iter().map(|(address, _)| address);
    let mut domains = BTreeSet::new();
    let outside: Vec<&Mailbox> = senders
        .chain(&parts.outside_recipients)
        .filter(|address| domains.insert(&address.domain))
        .collect();
    outside.into_iter().find_map(|address| {
        let question = Question {
            from: ReversePath::Null,
            to: vec![address.clone()],
            size: ORDINARY,
            kind: MessageKind::default(),
            submission: Submission::User(server),
        };
        let flow = flow::walk(topology, context.zones, &question);
        let denied = |reason: &Reason| *reason == Reason::RelayDenied;
        let refused = refused_for(&flow, denied).next().is_some();
        refused.then_some(flow)
    })
}
