//! Where the hosts of hybrid connectors lead: to the premises, and not back to the service, to nobody, or
//! to a third party (Exchange hybrid, "Transport routing in Exchange hybrid deployments"; "TLS
//! Certificates in Exchange Hybrid").

use super::carrier;
use super::crossing::{Crossing, Landing, crossings, is_sent_by, takes_cloud_mail};
use super::validation;
use crate::dns::{Answer, RecordType, View};
use crate::mail::NamePattern;
use crate::model::{
    Routing, SendConnector, SendConnectorId, ServerRole, Settings, SmartHost, TlsAuthLevel,
};
use crate::route;
use crate::verify::context::{Context, Found};
use crate::verify::draft::Draft;
use crate::verify::edit;
use crate::verify::finding::{Edit, Finding, Side};
use crate::verify::powershell;
use crate::verify::stage::{Rule, Stage};

/// The rules of this file.
pub(in crate::verify) const RULES: &[Rule] = &[
    Rule::new(Stage::AddressSpaces, of_the_cloud),
    Rule::new(Stage::AddressSpaces, of_the_premises),
];

/// The hosts of the tenant's connectors to its premises.
fn of_the_cloud(context: &Context<'_>) -> Vec<Found> {
    let mut found = Vec::new();
    for crossing in crossings(context) {
        for id in crossing.connectors() {
            let connector = crossing.topology.send_connector(id);
            let landings = crossing.landings(connector);
            let fault = landings
                .iter()
                .find_map(|landing| crossing.fault(connector, landing));
            let draft = match fault {
                Some(draft) => Some(draft),
                None => crossing.expects_another_name(context, id, landings.first()),
            };
            let claims = crossing.astray(context, |fork| is_sent_by(fork, id));
            // Without organization headers it may be for something else than hybrid mail.
            let hybrid = connector.cloud_services_mail_enabled || !claims.is_empty();
            let draft = draft.filter(|_| hybrid);
            found.extend(draft.map(|draft| draft.claims(context, claims)));
        }
    }
    found
}

impl Crossing<'_> {
    /// What is wrong with the host of a connector to the premises.
    fn fault(&self, connector: &SendConnector, landing: &Landing) -> Option<Draft> {
        let (name, host) = (&connector.name, &landing.host);
        let (code, message) = if self.is_in_the_cloud(landing) {
            (
                "outbound-connector-points-to-cloud",
                format!(
                    "the outbound connector `{name}` leads to `{host}`, which is Exchange Online Protection itself"
                ),
            )
        } else if self.is_on_premises(landing) {
            return None;
        } else if landing.address.is_none() {
            (
                "smart-host-unusable",
                format!("the smart host `{host}` of `{name}` does not exist"),
            )
        } else if let Some(server) = landing.server.filter(|id| self.is_gateway(*id)) {
            let server = &self.topology.server(server).name;
            (
                "third-party-between-premises",
                format!(
                    "`{name}` sends mail for the premises through `{server}`, a gateway of a third party"
                ),
            )
        } else {
            (
                "smart-host-unusable",
                format!("the smart host `{host}` of `{name}` is no server of the premises"),
            )
        };
        let place = connector.settings.at(host_key(connector));
        let draft = Finding::of(code, place, message).help(
            "name the host of the servers on premises whose certificate the connector expects",
        );
        Some(self.with_host(connector, draft))
    }

    /// Whether a server is a host of somebody else that passes mail on.
    fn is_gateway(&self, id: crate::model::ServerId) -> bool {
        let server = self.topology.server(id);
        server.role == ServerRole::Host && (server.strips_headers || !server.relays_to.is_empty())
    }

    /// `Set-OutboundConnector -SmartHosts` with the host of the premises.
    fn with_host(&self, connector: &SendConnector, draft: Draft) -> Draft {
        let identity = powershell::quoted(&connector.name);
        let Some(host) = self.premises_host(connector) else {
            if let Some((script, edit)) = self.address_record(connector) {
                return draft.fix(Side::Dns, script, edit);
            }
            let script = format!(
                "Set-OutboundConnector -Identity {identity} -SmartHosts $hostOnPremises   # a name in its certificate"
            );
            return draft.fix(Side::ExchangeOnline, script, None);
        };
        let settings = &connector.settings;
        let value = edit::list([host.to_string()]);
        let (mx, edits) = match connector.routing {
            Routing::Dns => (
                " -UseMXRecord $false",
                vec![
                    edit::set_key(settings, "UseMXRecord", "false"),
                    edit::set_key(settings, "SmartHosts", &value),
                ],
            ),
            Routing::SmartHosts(_) | Routing::Servers(_) => {
                ("", vec![edit::set_key(settings, "SmartHosts", &value)])
            }
        };
        let script = format!(
            "Set-OutboundConnector -Identity {identity}{mx} -SmartHosts {}",
            powershell::quoted(&host)
        );
        draft.fix(Side::ExchangeOnline, script, edits.into_iter().flatten())
    }

    /// The address record of a host that is right but leads elsewhere: a server on premises shows the cloud a
    /// certificate with its name.
    fn address_record(&self, connector: &SendConnector) -> Option<(String, Option<Edit>)> {
        let Routing::SmartHosts(hosts) = &connector.routing else {
            return None;
        };
        let host = hosts.iter().find_map(|host| match host {
            SmartHost::Name(name) => Some(name),
            SmartHost::Address(_) => None,
        })?;
        let name = NamePattern::parse(host.as_str()).ok()?;
        let receiving = self.topology.receive_connectors().map(|(_, each)| each);
        let mut receiving = receiving.filter(|each| {
            each.organization == self.pair.on_premises && each.enabled && takes_cloud_mail(each)
        });
        let shows = receiving.find(|each| {
            let served = route::served(self.topology, each);
            let names = served.map(|id| &self.topology.certificate(id).names);
            names.is_some_and(|names| names.iter().any(|own| name.accepts(own)))
        })?;
        let mut addresses = self.topology.server(shows.server).addresses.iter();
        let address = addresses.find(|address| address.is_ipv4())?;
        let record = format!("{host}. A {address}");
        let edit = match self.zones.query(View::Public, host, RecordType::A) {
            Answer::Records(records) => {
                let at = records.first().and_then(|one| one.location.as_ref());
                at.map(|at| edit::replace(at, record.clone()))
            }
            Answer::Failed(_) => {
                let zone = self.zones.zone_of(View::Public, host)?;
                let at = zone.location.as_ref();
                at.map(|at| edit::insert_record(at, &record))
            }
        };
        Some((
            format!("; Public view, or the address that leads there\n{record}"),
            edit,
        ))
    }

    /// A connector that expects another name than the certificate at its host has, where nothing else
    /// is wrong with it.
    fn expects_another_name(
        &self,
        context: &Context<'_>,
        id: SendConnectorId,
        landing: Option<&Landing>,
    ) -> Option<Draft> {
        let connector = self.topology.send_connector(id);
        let wanted = connector.tls_domain.as_ref()?;
        let (receive, _) = self.reception(connector, landing?)?;
        let served = route::served(self.topology, self.topology.receive_connector(receive?))?;
        let certificate = self.topology.certificate(served);
        let usable = certificate.trusted && certificate.is_valid_at(self.topology.as_of());
        let fits = certificate.names.iter().any(|name| wanted.accepts(name));
        let validates = connector.tls_auth_level == Some(TlsAuthLevel::DomainValidation);
        let claims = self.astray(context, |fork| is_sent_by(fork, id));
        if !usable || fits || !validates || claims.is_empty() {
            return None;
        }
        let plain = |name: &&NamePattern| !name.is_wildcard();
        let own = certificate.names.iter().find(plain);
        let own = own.or(certificate.names.first())?;
        let message = format!(
            "the outbound connector `{}` expects the name `{wanted}`, and the certificate at its smart host has another",
            connector.name
        );
        let script = format!(
            "Set-OutboundConnector -Identity {} -TlsDomain {}",
            powershell::quoted(&connector.name),
            powershell::quoted(own)
        );
        let settings = &connector.settings;
        let value = edit::quoted(&own.to_string());
        Some(
            Finding::of("smart-host-unusable", settings.at("TlsDomain"), message)
                .because(format!(
                    "the servers on premises show `{}`",
                    certificate.subject
                ))
                .help("set TlsDomain to a name of that certificate")
                .fix(
                    Side::ExchangeOnline,
                    script,
                    edit::set_key(settings, "TlsDomain", &value),
                ),
        )
    }
}

fn host_key(connector: &SendConnector) -> &'static str {
    match connector.routing {
        Routing::Dns => "UseMXRecord",
        Routing::SmartHosts(_) | Routing::Servers(_) => "SmartHosts",
    }
}

/// Host names under which the service took mail once.
const FORMER: [&str; 4] = [
    ".mail.messaging.microsoft.com",
    "mail.global.frontbridge.com",
    ".mail.eo.outlook.com",
    ".mail.protection.outlook.de",
];

/// The hosts of the premises' connectors to the tenant.
fn of_the_premises(context: &Context<'_>) -> Vec<Found> {
    let mut found = Vec::new();
    for crossing in crossings(context) {
        for id in crossing.pair.carriers(crossing.topology) {
            let connector = crossing.topology.send_connector(id);
            let Routing::SmartHosts(hosts) = &connector.routing else {
                continue;
            };
            let draft = hosts
                .iter()
                .find_map(|host| crossing.detour(connector, host));
            let claims = || {
                context.open_where(|asked| {
                    let mut forks = asked.ordinary().forks.iter();
                    context.is_amiss(asked) && forks.any(|fork| is_sent_by(fork, id))
                })
            };
            found.extend(draft.map(|draft| draft.claims(context, claims())));
        }
    }
    found
}

impl Crossing<'_> {
    /// A smart host of a connector to the tenant that is not the tenant's.
    fn detour(&self, connector: &SendConnector, host: &SmartHost) -> Option<Draft> {
        let (code, message) = match host {
            SmartHost::Name(name) if FORMER.iter().any(|end| ends(name.as_str(), end)) => (
                "smart-host-of-another-region",
                format!(
                    "`{}` sends to `{name}`, a host that the service has given up",
                    connector.name
                ),
            ),
            _ => {
                let landings = match host {
                    SmartHost::Name(name) => self.resolve(name),
                    SmartHost::Address(address) => vec![self.landing(host, *address)],
                };
                let landing = landings.first()?;
                if let Some((there, own)) = self.regions(landing) {
                    return Some(self.by_mx(
                        connector,
                        Finding::of(
                            "smart-host-of-another-region",
                            connector.settings.at("SmartHosts"),
                            format!(
                                "`{}` sends to `{host}`, which serves the region {there}, and the tenant is in {own}",
                                connector.name
                            ),
                        ),
                    ));
                }
                let server = landing.server.filter(|id| self.is_gateway(*id))?;
                let server = &self.topology.server(server).name;
                (
                    "third-party-between-premises",
                    format!(
                        "`{}` sends mail for Exchange Online through `{server}`, a gateway of a third party",
                        connector.name
                    ),
                )
            }
        };
        let draft = Finding::of(code, connector.settings.at("SmartHosts"), message);
        Some(self.by_mx(connector, draft))
    }

    /// The region of the endpoint where a smart host lands, and the tenant's, where they differ.
    fn regions(&self, landing: &Landing) -> Option<(&str, &str)> {
        let server = self.topology.server(landing.server?);
        let there = server.regions.get(&landing.address?)?;
        let tenant = &self.topology.organization(self.pair.tenant).tenant;
        let own = tenant.mail_flow_region.as_ref()?;
        (there != own).then_some((there.as_str(), own.as_str()))
    }

    /// `Set-SendConnector -DNSRoutingEnabled` in the place of smart hosts.
    fn by_mx(&self, connector: &SendConnector, draft: Draft) -> Draft {
        let settings = &connector.settings;
        let (mut parameters, mut edits) = (BY_DNS.to_owned(), by_dns(settings));
        // A gateway has another certificate than the service, which is to be looked at from now on.
        if !validation::expects_the_service(connector) {
            parameters = format!("{BY_DNS} {}", validation::PARAMETERS);
            edits.extend(validation::edits(connector));
        }
        let script = carrier::script(self.topology, connector, &parameters);
        draft
            .help("let the connector follow the MX records of the tenant's domains")
            .fix(Side::OnPremises, script, edits)
    }
}

fn ends(name: &str, end: &str) -> bool {
    name == end.trim_start_matches('.') || name.ends_with(end)
}

/// What lets a Send connector follow the MX records.
const BY_DNS: &str = "-SmartHosts $null -DNSRoutingEnabled $true";

/// `DNSRoutingEnabled` in the place of `SmartHosts`.
fn by_dns(settings: &Settings) -> Vec<Edit> {
    const KEY: &str = "DNSRoutingEnabled";
    let hosts = edit::remove_key(settings, "SmartHosts");
    let by_dns = settings.written(KEY);
    let by_dns = by_dns.map(|at| edit::replace(at, "true".to_owned()));
    hosts.into_iter().chain(by_dns).collect()
}
