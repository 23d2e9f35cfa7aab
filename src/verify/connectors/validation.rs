//! Hybrid connectors that do not look at the other side's certificate (Exchange hybrid, "TLS Certificates in
//! Exchange Hybrid"): the wizard makes both demand TLS and a certificate with the other side's name.

use super::carrier;
use super::crossing::{SERVICE, crossings, users};
use crate::dns::{self, Targets, View};
use crate::mail::{Domain, NamePattern};
use crate::model::{DomainPattern, Routing, SendConnector, SmartHost, TlsAuthLevel};
use crate::verify::context::{Context, Found};
use crate::verify::edit;
use crate::verify::finding::{Edit, Finding, Side};
use crate::verify::hybrid::{self, Pair};
use crate::verify::powershell;
use crate::verify::stage::{Rule, Stage};

/// The rules of this file.
pub(in crate::verify) const RULES: &[Rule] = &[
    Rule::new(Stage::Notes, send_connectors),
    Rule::new(Stage::Notes, outbound_connectors),
];

const CODE: &str = "hybrid-connector-does-not-validate";

/// The parameters that make a Send connector look at the certificate of the service.
pub(in crate::verify) const PARAMETERS: &str =
    "-RequireTLS $true -TlsAuthLevel DomainValidation -TlsDomain mail.protection.outlook.com";

/// The same in a world.
pub(in crate::verify) fn edits(connector: &SendConnector) -> impl Iterator<Item = Edit> {
    let settings = &connector.settings;
    let level = edit::quoted(TlsAuthLevel::DomainValidation.as_str());
    let edits = [
        edit::set_key(settings, "TlsDomain", &edit::quoted(SERVICE)),
        edit::set_key(settings, "TlsAuthLevel", &level),
        edit::set_key(settings, "RequireTLS", "true"),
    ];
    edits.into_iter().flatten()
}

/// Whether a connector looks at certificates at all.
pub(in crate::verify) fn validates(connector: &SendConnector) -> bool {
    let level = connector.tls_auth_level;
    connector.require_tls && !matches!(level, None | Some(TlsAuthLevel::EncryptionOnly))
}

/// Whether it looks for the name of the service in them.
pub(super) fn expects_the_service(connector: &SendConnector) -> bool {
    let wanted = connector.tls_domain.as_ref();
    let service = |name: &NamePattern| name.domain().as_str() == SERVICE;
    validates(connector) && wanted.is_some_and(service)
}

/// Send connectors that send whether TLS is offered or not, or whoever answers.
fn send_connectors(context: &Context<'_>) -> Vec<Found> {
    let topology = context.topology;
    let carriers = hybrid::carriers(topology).into_iter();
    let found = carriers.filter_map(|(pair, id)| {
        let connector = topology.send_connector(id);
        let (key, message) = match connector.require_tls {
            false => ("RequireTLS", format!(
                "the hybrid Send connector `{}` does not demand TLS, so mail may cross in the clear and without a certificate",
                connector.name
            )),
            // What its host is, and where the MX record leads, are findings whose fixes include this.
            true if validates(connector) || leads_elsewhere(context, pair, connector) => return None,
            true => ("TlsAuthLevel", format!(
                "the hybrid Send connector `{}` takes any certificate for that of Exchange Online Protection",
                connector.name
            )),
        };
        let draft = Finding::of(CODE, connector.settings.at(key), message)
            .help("set RequireTLS, TlsAuthLevel and TlsDomain as the wizard does")
            .fix(
                Side::OnPremises,
                carrier::script(topology, connector, PARAMETERS),
                edits(connector),
            );
        Some(draft.claims_nothing(users(context, id), None))
    });
    found.collect()
}

/// Whether a connector has hosts of its own, or carries a domain whose mail leads back to its premises.
fn leads_elsewhere(context: &Context<'_>, pair: Pair, connector: &SendConnector) -> bool {
    let leads_home = |domain: &Domain| {
        [View::Internal, View::Public].into_iter().any(|view| {
            let Targets::Hosts(hosts) = dns::targets(context.zones, view, domain) else {
                return false;
            };
            let mut addresses = hosts.iter().flat_map(|host| &host.addresses);
            addresses.any(|address| {
                let server = context.topology.server_at(*address);
                server
                    .is_some_and(|id| context.topology.server(id).organization == pair.on_premises)
            })
        })
    };
    let mut spaces = connector.address_spaces.iter();
    matches!(connector.routing, Routing::SmartHosts(_))
        || spaces.any(|space| match &space.pattern {
            DomainPattern::Exact(domain) => leads_home(domain),
            _ => false,
        })
}

/// Outbound connectors to the premises that send in the clear where no TLS is offered.
///
/// Choice: `EncryptionOnly` is no finding on this side, because the admin center offers it for own servers,
/// whose certificate may be self-signed.
fn outbound_connectors(context: &Context<'_>) -> Vec<Found> {
    let mut found = Vec::new();
    for crossing in crossings(context) {
        for id in crossing.connectors() {
            let connector = crossing.topology.send_connector(id);
            let Some(host) = named_host(connector).filter(|_| !connector.require_tls) else {
                continue;
            };
            let message = format!(
                "the outbound connector `{}` does not demand TLS, so mail may cross in the clear and to anybody",
                connector.name
            );
            let script = format!(
                "Set-OutboundConnector -Identity {} -TlsSettings DomainValidation -TlsDomain {host}",
                powershell::quoted(&connector.name)
            );
            let settings = &connector.settings;
            let edits = [
                edit::set_key(settings, "TlsDomain", &edit::quoted(host.as_str())),
                edit::set_key(settings, "TlsSettings", &edit::quoted("DomainValidation")),
            ];
            let draft = Finding::of(CODE, settings.at("TlsSettings"), message)
                .help("set TlsSettings and TlsDomain as the wizard does")
                .fix(Side::ExchangeOnline, script, edits.into_iter().flatten());
            found.push(draft.claims_nothing(users(context, id), None));
        }
    }
    found
}

/// The first host of a connector that has a name, which the certificate there may have.
fn named_host(connector: &SendConnector) -> Option<&Domain> {
    let Routing::SmartHosts(hosts) = &connector.routing else {
        return None;
    };
    hosts.iter().find_map(|host| match host {
        SmartHost::Name(name) => Some(name),
        SmartHost::Address(_) => None,
    })
}
