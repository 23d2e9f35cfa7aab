//! Mail of own servers and devices that a tenant refuses (Exchange Online, "Configure mail flow using
//! connectors in Exchange Online" and "Email non-delivery reports in Exchange Online").

use std::collections::{BTreeMap, BTreeSet};

use crate::flow::{Flow, Fork, Submission};
use crate::mail::Domain;
use crate::model::{OrganizationId, ReceiveConnector, ReceiveConnectorId, ServerId, Topology};
use crate::route::{Reason, Rejected, Step, Subject};
use crate::verify::context::{Context, Found};
use crate::verify::draft::Draft;
use crate::verify::edit;
use crate::verify::finding::{Edit, Finding, Side};
use crate::verify::hybrid;
use crate::verify::powershell;
use crate::verify::questions::Asked;
use crate::verify::stage::{Rule, Stage};

/// The rules of this file.
pub(in crate::verify) const RULES: &[Rule] = &[
    Rule::new(Stage::Certificates, blocked),
    Rule::new(Stage::Certificates, shut_out),
    Rule::new(Stage::Certificates, direct_send),
];

/// Connectors of own servers that the service has blocked.
fn blocked(context: &Context<'_>) -> Vec<Found> {
    let topology = context.topology;
    let own = topology
        .receive_connectors()
        .map(|(_, connector)| connector);
    let blocked = own.filter(|connector| connector.blocked && connector.enabled);
    blocked
        .map(|connector| {
            let message = format!(
                "the service has blocked the inbound connector `{}`: it takes nothing from the servers behind it",
                connector.name
            );
            let settings = &connector.settings;
            Finding::of(
                "inbound-connector-blocked",
                settings.at("Blocked"),
                message,
            )
            .help("find out which of your servers sent spam, then release the connector")
            .fix(
                Side::ExchangeOnline,
                release(connector),
                edit::set_key(settings, "Blocked", "false"),
            )
            .explains(context, |asked| {
                refused_for(asked.ordinary(), |reason| *reason == Reason::ConnectorBlocked)
                    .next()
                    .is_some()
            })
        })
        .collect()
}

/// Releases one connector: the cmdlet takes a GUID, and nothing from a pipeline (Exchange PowerShell,
/// "Remove-BlockedConnector").
fn release(connector: &ReceiveConnector) -> String {
    format!(
        "Get-BlockedConnector\nRemove-BlockedConnector -ConnectorId <the ConnectorId listed for {}> -Reason \"<what was done>\"",
        powershell::quoted(&connector.name)
    )
}

/// The forks that were refused for a reason, with the step that says so.
pub(super) fn refused_for<'a>(
    flow: &'a Flow,
    is: impl Fn(&Reason) -> bool + 'a,
) -> impl Iterator<Item = (&'a Fork, &'a Step)> {
    let failed = flow
        .forks
        .iter()
        .filter(|fork| fork.disposition.is_failure());
    failed.filter_map(move |fork| {
        let mut steps = fork.hops.iter().flat_map(|hop| &hop.steps);
        let step = steps.find(|step| step.because.iter().any(&is))?;
        Some((fork, step))
    })
}

/// Mail of the premises that a connector for partners shuts out.
fn shut_out(context: &Context<'_>) -> Vec<Found> {
    let topology = context.topology;
    let mut found = Vec::new();
    for pair in hybrid::pairs(topology) {
        let mut partners: BTreeMap<ReceiveConnectorId, Vec<usize>> = BTreeMap::new();
        let mut unassociated: BTreeSet<(ReceiveConnectorId, Domain)> = BTreeSet::new();
        for (index, asked) in context.open() {
            if !is_from(context, asked, pair.on_premises) {
                continue;
            }
            let restricted = |reason: &Reason| matches!(reason, Reason::PartnerRestricted(_));
            for (_, step) in refused_for(asked.ordinary(), restricted) {
                if let Some(Subject::ReceiveConnector(by)) = step.chosen {
                    partners.entry(by).or_default().push(index);
                    unassociated.extend(step.rejected.iter().filter_map(not_associated));
                }
            }
        }
        for (by, claims) in partners {
            let draft = shuts_out(topology, by, &unassociated);
            found.push(draft.claims(context, claims));
        }
    }
    found
}

/// A connector of own servers that is not for a domain.
fn not_associated(lost: &Rejected) -> Option<(ReceiveConnectorId, Domain)> {
    match (&lost.candidate, &lost.reason) {
        (Subject::ReceiveConnector(id), Reason::DomainNotAssociated(domain)) => {
            Some((*id, domain.clone()))
        }
        _ => None,
    }
}

fn shuts_out(
    topology: &Topology,
    by: ReceiveConnectorId,
    unassociated: &BTreeSet<(ReceiveConnectorId, Domain)>,
) -> Draft {
    const KEY: &str = "AssociatedAcceptedDomains";
    let partner = topology.receive_connector(by);
    let message = format!(
        "the inbound connector `{}`, which is for partners, shuts mail from the premises out",
        partner.name
    );
    let draft = Finding::of(
        "partner-restriction-catches-own-mail",
        partner.settings.at("SenderDomains"),
        message,
    );
    let own = unassociated
        .iter()
        .map(|(id, _)| *id)
        .find(|id| topology.receive_connector(*id).partner.is_none());
    let Some(own) = own else {
        return lifted(draft, partner);
    };
    let connector = topology.receive_connector(own);
    let missing = unassociated.iter().filter(|(id, _)| *id == own);
    let domains: BTreeSet<String> = connector
        .associated_domains
        .iter()
        .chain(missing.map(|(_, domain)| domain))
        .map(ToString::to_string)
        .collect();
    let script = format!(
        "Set-InboundConnector -Identity {} -{KEY} {}",
        powershell::quoted(&connector.name),
        powershell::list(&domains)
    );
    draft
        .because(format!(
            "`{}`, which recognises the servers, is for other recipient domains: {KEY}",
            connector.name
        ))
        .help(format!("add the domains to {KEY} of `{}`", connector.name))
        .fix(
            Side::ExchangeOnline,
            script,
            edit::set_key(&connector.settings, KEY, &edit::list(domains)),
        )
}

/// No connector knows the sessions at all: the restriction itself has to go.
fn lifted(draft: Draft, partner: &ReceiveConnector) -> Draft {
    let script = format!(
        "Set-InboundConnector -Identity {} -RestrictDomainsToCertificate $false -RestrictDomainsToIPAddresses $false",
        powershell::quoted(&partner.name)
    );
    let keys = [
        "RestrictDomainsToCertificate",
        "RestrictDomainsToIPAddresses",
    ];
    let written = keys.iter().filter_map(|key| partner.settings.written(key));
    let edits: Vec<Edit> = written
        .map(|at| edit::replace(at, "false".to_owned()))
        .collect();
    draft
        .because("no connector of type OnPremises recognises these sessions")
        .help("recognise the servers by a connector of type OnPremises, or lift the restriction")
        .fix(Side::ExchangeOnline, script, edits)
}

/// Whether a question is about mail of an organization's users.
fn is_from(context: &Context<'_>, asked: &Asked, organization: OrganizationId) -> bool {
    match context.survey.senders[asked.from].submission {
        Submission::User(server) => context.topology.server(server).organization == organization,
        Submission::Anonymous { .. } | Submission::Host(_) => false,
    }
}

/// Own devices outside that a tenant refuses because they write as its users.
fn direct_send(context: &Context<'_>) -> Vec<Found> {
    let topology = context.topology;
    let mut hosts: BTreeMap<(OrganizationId, ServerId), Vec<usize>> = BTreeMap::new();
    for (index, asked) in context.open() {
        let host = context.survey.senders[asked.from].submission.server();
        let direct = |reason: &Reason| *reason == Reason::DirectSendRejected;
        for (fork, _) in refused_for(asked.ordinary(), direct) {
            let mut tenants = topology.organizations().filter(|(id, organization)| {
                let accepted = topology.accepted_domain_for(*id, &fork.recipient.domain);
                organization.tenant.reject_direct_send && accepted.is_some()
            });
            if let Some((tenant, _)) = tenants.next() {
                hosts.entry((tenant, host)).or_default().push(index);
            }
        }
    }
    let found = hosts.into_iter().map(|((tenant, host), mut claims)| {
        claims.dedup();
        rejects(topology, tenant, host).claims(context, claims)
    });
    found.collect()
}

fn rejects(topology: &Topology, tenant: OrganizationId, host: ServerId) -> Draft {
    let organization = topology.organization(tenant);
    let server = topology.server(host);
    let message = format!(
        "`{}` takes nothing from `{}`, which sends in the name of its users: RejectDirectSend is true",
        organization.name, server.name
    );
    let draft = Finding::of(
        "direct-send-rejected",
        organization.settings.object.as_ref(),
        message,
    )
    .help("give the device a connector by its address or certificate");
    let name = format!("Inbound from {}", server.name);
    let addresses = server.addresses.iter().map(ToString::to_string);
    let addresses: Vec<String> = addresses.collect();
    let script = format!(
        "New-InboundConnector -Name {} -ConnectorType Partner -SenderDomains \"*\" -SenderIPAddresses {}",
        powershell::quoted(&name),
        powershell::list(&addresses)
    );
    let keys = [
        ("Name", edit::quoted(&name)),
        ("ConnectorType", edit::quoted("Partner")),
        ("SenderDomains", edit::list(["*".to_owned()])),
        ("SenderIPAddresses", edit::list(addresses)),
    ];
    let mut siblings = topology.receive_connectors().filter_map(|(_, connector)| {
        let at = connector.settings.object.as_ref();
        at.filter(|_| connector.organization == tenant)
    });
    let edits = edit::add_object(
        &organization.settings,
        siblings.next(),
        "ExchangeOnline.InboundConnectors",
        &keys,
    );
    draft.fix(Side::ExchangeOnline, script, edits)
}
