//! The domain of Microsoft 365 Groups, seen from on premises (Exchange Server, "Configure Microsoft
//! 365 Groups with on-premises Exchange hybrid"): its MX record, its accepted domain, the connector
//! that carries it. For each domain the first fault in this order is the one reported.

use std::collections::BTreeSet;

use super::context::{Context, Found, in_words, is_troubled};
use super::edit;
use super::finding::{Edit, Finding, Fix, Side};
use super::hybrid::{self, Pair};
use crate::diag::{Diagnostic, Location, Severity};
use crate::dns::{self, Failure, Targets, View};
use crate::mail::{ByteSize, Domain, Limit};
use crate::model::{
    DnsView, DomainType, Routing, SendConnector, SendConnectorId, ServerId, TlsAuthLevel, Topology,
};
use crate::route;

/// Checks every group domain of every hybrid deployment.
pub(super) fn check(context: &Context<'_>) -> Vec<Found> {
    let topology = context.topology;
    let mut found = Vec::new();
    for pair in hybrid::pairs(topology) {
        let owned = topology
            .group_domains()
            .filter(|(_, owner)| *owner == pair.tenant);
        for (domain, _) in owned {
            let about = GroupDomain {
                context,
                pair,
                domain,
            };
            let fault = about
                .mx()
                .or_else(|| about.not_accepted())
                .or_else(|| about.not_internal_relay())
                .or_else(|| about.not_on_hybrid_connector())
                .or_else(|| about.sent_by_edge());
            found.extend(fault.map(|(diagnostic, fix)| about.found(diagnostic, fix)));
        }
    }
    found
}

type Fault = (Diagnostic, Vec<Fix>);

struct GroupDomain<'a> {
    context: &'a Context<'a>,
    pair: Pair,
    domain: &'a Domain,
}

impl GroupDomain<'_> {
    /// The finding with its witness; it explains every flow to the domain.
    fn found(&self, mut diagnostic: Diagnostic, fix: Vec<Fix>) -> Found {
        let recipients = &self.context.survey.recipients;
        let claims = self
            .context
            .open_where(|asked| recipients[asked.to].members[0].domain == *self.domain);
        let witness = self.context.witness(&claims);
        if let Some(words) = witness
            .as_ref()
            .filter(|flow| is_troubled(flow))
            .and_then(|flow| in_words(self.topology(), flow))
        {
            diagnostic = diagnostic.because(words);
        }
        let affected = self.context.affected(&claims);
        Found {
            finding: Finding {
                diagnostic,
                affected,
                witness,
                fix,
            },
            claims,
        }
    }

    fn topology(&self) -> &Topology {
        self.context.topology
    }

    /// The views in which somebody looks for the domain: the on-premises servers', and the Internet's.
    fn views(&self) -> BTreeSet<View> {
        let servers = self.pair.mailbox_servers(self.topology());
        let internal = servers
            .iter()
            .any(|id| self.topology().server(*id).dns_view == DnsView::Internal);
        if internal {
            BTreeSet::from([View::Internal, View::Public])
        } else {
            BTreeSet::from([View::Public])
        }
    }

    /// The MX record: there, and not on premises, in every view.
    fn mx(&self) -> Option<Fault> {
        self.mx_missing().or_else(|| self.mx_on_premises())
    }

    fn mx_missing(&self) -> Option<Fault> {
        let missing = |view: &View| match dns::targets(self.context.zones, *view, self.domain) {
            Targets::Failed(Failure::NameError | Failure::NoData | Failure::AliasLoop)
            | Targets::NullMx => true,
            Targets::Failed(Failure::Unknown(_)) | Targets::Hosts(_) => false,
        };
        let views: Vec<View> = self.views().into_iter().filter(missing).collect();
        let place = self
            .context
            .zones
            .zone_of(*views.first()?, self.domain)
            .and_then(|zone| zone.location.clone());
        let seen = views
            .iter()
            .map(|view| view.as_str())
            .collect::<Vec<_>>()
            .join(" and ");
        let message = format!(
            "the group domain `{}` has no MX record in the view {seen}",
            self.domain
        );
        let diagnostic = Diagnostic::new("group-domain-mx-missing", place, message);
        let mut zones = BTreeSet::new();
        let mut fixes = Vec::new();
        for view in views {
            let Some(zone) = self.context.zones.zone_of(view, self.domain) else {
                continue;
            };
            if zones.insert((zone.name.clone(), zone.view)) {
                let edits = zone
                    .location
                    .iter()
                    .filter_map(|at| Some(edit::insert_record(at, &self.mx_record()?)));
                fixes.push(self.dns_fix(zone.view, edits.collect()));
            }
        }
        Some((self.with_mx_help(diagnostic), fixes))
    }

    fn mx_on_premises(&self) -> Option<Fault> {
        let mut fixes = Vec::new();
        let mut diagnostic = None;
        let mut mended = BTreeSet::new();
        for view in self.views() {
            let Targets::Hosts(hosts) = dns::targets(self.context.zones, view, self.domain) else {
                continue;
            };
            let Some(best) = hosts.first() else { continue };
            let here = best
                .addresses
                .iter()
                .find_map(|address| self.topology().server_at(*address));
            let Some(here) =
                here.filter(|id| self.topology().server(*id).organization == self.pair.on_premises)
            else {
                continue;
            };
            let zone = self.context.zones.zone_of(view, self.domain);
            let place = best
                .location
                .clone()
                .or_else(|| zone.and_then(|zone| zone.location.clone()));
            diagnostic.get_or_insert_with(|| {
                let message = format!(
                    "the MX record of the group domain `{}` points to `{}`, which is {} on premises",
                    self.domain,
                    best.host,
                    self.topology().server(here).name
                );
                Diagnostic::new("group-domain-mx-on-premises", place.clone(), message)
            });
            if mended.insert(place.clone()) {
                let edits =
                    self.mx_record()
                        .zip(place)
                        .map(|(record, place)| match &best.location {
                            Some(record_place) => edit::replace(record_place, record),
                            None => edit::insert_record(&place, &record),
                        });
                fixes.push(self.dns_fix(
                    zone.map_or(view, |zone| zone.view),
                    edits.into_iter().collect(),
                ));
            }
        }
        diagnostic.map(|diagnostic| (self.with_mx_help(diagnostic), fixes))
    }

    /// The record that the domain should have, where its host can be computed.
    fn mx_record(&self) -> Option<String> {
        Some(format!(
            "{}. MX 0 {}.",
            self.domain,
            dns::protection_host(self.domain)?
        ))
    }

    fn with_mx_help(&self, diagnostic: Diagnostic) -> Diagnostic {
        match self.mx_record() {
            Some(record) => diagnostic.help(format!(
                "publish `{record}`; the admin center shows the exact host"
            )),
            None => {
                diagnostic.help("publish the MX record that the admin center shows for the domain")
            }
        }
    }

    fn dns_fix(&self, view: View, edits: Vec<Edit>) -> Fix {
        let record = self
            .mx_record()
            .unwrap_or_else(|| format!("{}. MX 0 <host from the admin center>", self.domain));
        Fix {
            side: Side::Dns,
            script: format!("; {} view\n{record}", view.as_str()),
            edits,
        }
    }

    /// The accepted domain: there.
    fn not_accepted(&self) -> Option<Fault> {
        let organization = self.pair.on_premises;
        if self
            .topology()
            .accepted_domain_for(organization, self.domain)
            .is_some()
        {
            return None;
        }
        let name = &self.topology().organization(organization).name;
        let sibling = self
            .topology()
            .accepted_domains()
            .find(|(_, accepted)| accepted.organization == organization);
        let sibling = sibling.and_then(|(_, accepted)| accepted.settings.object.clone());
        let place = sibling.clone().or_else(|| {
            self.topology()
                .organization(organization)
                .settings
                .object
                .clone()
        });
        let message = format!(
            "the group domain `{}` is not an accepted domain of `{name}`",
            self.domain
        );
        let diagnostic = Diagnostic::new("group-domain-not-accepted", place, message).help(
            format!("accept `{}` on premises as InternalRelay", self.domain),
        );
        let keys = [
            ("Name", edit::quoted(self.domain.as_str())),
            ("DomainName", edit::quoted(self.domain.as_str())),
            ("DomainType", edit::quoted("InternalRelay")),
        ];
        let edits = sibling.map(|at| edit::insert_object(&at, "OnPremises.AcceptedDomains", &keys));
        let script = format!(
            "New-AcceptedDomain -Name \"{0}\" -DomainName {0} -DomainType InternalRelay",
            self.domain
        );
        Some((
            diagnostic,
            vec![Fix {
                side: Side::OnPremises,
                script,
                edits: edits.into_iter().collect(),
            }],
        ))
    }

    /// The accepted domain: InternalRelay.
    fn not_internal_relay(&self) -> Option<Fault> {
        let id = self
            .topology()
            .accepted_domain_for(self.pair.on_premises, self.domain)?;
        let accepted = self.topology().accepted_domain(id);
        if accepted.kind == DomainType::InternalRelay {
            return None;
        }
        let place = accepted.settings.at("DomainType").cloned();
        let message = format!(
            "the group domain `{}` is {} on premises",
            self.domain,
            accepted.kind.as_str()
        );
        let mut diagnostic = Diagnostic::new("group-domain-not-internal-relay", place, message)
            .help("set DomainType to InternalRelay");
        if !self.fails_from_on_premises() {
            // Works while every group is written back; the next new one will bounce.
            diagnostic.severity = Severity::Warning;
        }
        let written = accepted.settings.written("DomainType");
        let edits = match (written, accepted.settings.written("DomainName")) {
            (Some(at), _) => vec![edit::replace(at, edit::quoted("InternalRelay"))],
            (None, Some(at)) => {
                let value = edit::quoted(accepted.domain.as_str());
                vec![edit::insert_key(
                    at,
                    &value,
                    "DomainType",
                    &edit::quoted("InternalRelay"),
                )]
            }
            (None, None) => Vec::new(),
        };
        let script = format!(
            "Set-AcceptedDomain -Identity \"{}\" -DomainType InternalRelay",
            accepted.name
        );
        Some((
            diagnostic,
            vec![Fix {
                side: Side::OnPremises,
                script,
                edits,
            }],
        ))
    }

    fn fails_from_on_premises(&self) -> bool {
        let survey = &self.context.survey;
        survey.asked.iter().any(|asked| {
            survey.recipients[asked.to].members[0].domain == *self.domain
                && survey.senders[asked.from].kind == "on-premises mailboxes"
                && asked
                    .ordinary()
                    .forks
                    .iter()
                    .any(|fork| fork.disposition.is_failure())
        })
    }

    /// The connector that carries the domain at each Mailbox server.
    fn winners(&self) -> Vec<Option<SendConnectorId>> {
        let servers = self.pair.mailbox_servers(self.topology());
        let ordinary = ByteSize(10 * 1024);
        servers
            .iter()
            .map(|id| {
                route::select(self.topology(), *id, self.domain, ordinary)
                    .winner
                    .ok()
            })
            .collect()
    }

    /// The connector: one that carries organization headers.
    fn not_on_hybrid_connector(&self) -> Option<Fault> {
        let hybrid = self.pair.hybrid_send_connectors(self.topology());
        let winners = self.winners();
        let wrong = winners
            .iter()
            .find(|winner| winner.is_none_or(|id| !hybrid.contains(&id)))?;
        let covering = |id: &&SendConnectorId| {
            let spaces = &self.topology().send_connector(**id).address_spaces;
            spaces.iter().any(|space| {
                route::covers(
                    self.topology(),
                    self.pair.on_premises,
                    &space.pattern,
                    self.domain,
                )
            })
        };
        let message = match wrong {
            Some(id) => {
                let name = &self.topology().send_connector(*id).name;
                format!(
                    "mail for the group domain `{}` leaves by `{name}`, not by a hybrid Send connector",
                    self.domain
                )
            }
            None => format!(
                "no Send connector covers the group domain `{}`",
                self.domain
            ),
        };
        let code = "group-domain-not-on-hybrid-connector";
        if let (Some(rival), Some(_)) = (wrong, hybrid.iter().find(covering)) {
            let rival = self.topology().send_connector(*rival);
            let place = rival.settings.at("AddressSpaces").cloned();
            let help = format!(
                "`{}` wins the connector selection: take the domain out of its AddressSpaces, or raise its cost",
                rival.name
            );
            return Some((Diagnostic::new(code, place, message).help(help), Vec::new()));
        }
        let Some(connector) = hybrid.first().map(|id| self.topology().send_connector(*id)) else {
            let help = "no enabled Send connector has CloudServicesMailEnabled: run the Hybrid Configuration wizard";
            return Some((Diagnostic::new(code, None, message).help(help), Vec::new()));
        };
        let place = connector.settings.at("AddressSpaces").cloned();
        let diagnostic = Diagnostic::new(code, place, message).help(format!(
            "add `{}` to the AddressSpaces of `{}`",
            self.domain, connector.name
        ));
        let spaces: Vec<String> = spaces_of(connector)
            .chain([self.domain.to_string()])
            .collect();
        Some((diagnostic, vec![set_address_spaces(connector, spaces)]))
    }

    /// The source servers: Mailbox servers.
    fn sent_by_edge(&self) -> Option<Fault> {
        let topology = self.topology();
        let is_edge = |id: &ServerId| !topology.server(*id).directory;
        let winner = self
            .winners()
            .into_iter()
            .flatten()
            .find(|id| topology.send_connector(*id).sources.iter().any(is_edge));
        let connector = topology.send_connector(winner?);
        let edge = connector.sources.iter().copied().find(is_edge)?;
        let place = connector.settings.at("SourceTransportServers").cloned();
        let message = format!(
            "the Edge server {} is a source of `{}`, which carries the group domain `{}`",
            topology.server(edge).name,
            connector.name,
            self.domain
        );
        let diagnostic = Diagnostic::new("group-domain-sent-by-edge", place, message).help(
            "carry the group domain on a Send connector of its own, with Mailbox servers as sources (Mailbox and Edge servers cannot be mixed)",
        );
        let site = &topology.server(edge).site;
        let servers = self.pair.mailbox_servers(topology);
        let sources: Vec<String> = servers
            .iter()
            .map(|id| topology.server(*id))
            .filter(|server| server.site == *site)
            .map(|server| server.name.clone())
            .collect();
        let rest: Vec<String> = spaces_of(connector)
            .filter(|space| *space != self.domain.to_string())
            .collect();
        let mut fixes = Vec::new();
        if rest.is_empty() {
            let at = connector.settings.written("SourceTransportServers");
            let edits = at.map(|at| edit::replace(at, edit::list(sources.clone())));
            let script = format!(
                "Set-SendConnector -Identity \"{}\" -SourceTransportServers {}",
                connector.name,
                comma_list(&sources)
            );
            fixes.push(Fix {
                side: Side::OnPremises,
                script,
                edits: edits.into_iter().collect(),
            });
        } else {
            fixes.push(set_address_spaces(connector, rest));
            fixes.push(self.separate_connector(connector, &sources));
        }
        Some((diagnostic, fixes))
    }

    /// A connector like the given one for the group domain alone, sourced on Mailbox servers.
    fn separate_connector(&self, like: &SendConnector, sources: &[String]) -> Fix {
        let name = format!("{} - groups", like.name);
        let mut keys = vec![
            ("Name", edit::quoted(&name)),
            ("AddressSpaces", edit::list([self.domain.to_string()])),
            ("SourceTransportServers", edit::list(sources.to_vec())),
            ("RequireTLS", like.require_tls.to_string()),
            ("CloudServicesMailEnabled", "true".to_owned()),
        ];
        if let Some(level) = like.tls_auth_level {
            keys.push(("TlsAuthLevel", edit::quoted(level.as_str())));
        }
        if let Some(domain) = like
            .tls_domain
            .as_ref()
            .filter(|_| like.tls_auth_level == Some(TlsAuthLevel::DomainValidation))
        {
            keys.push(("TlsDomain", edit::quoted(&domain.to_string())));
        }
        if let Some(certificate) = &like.tls_certificate_name {
            keys.push(("TlsCertificateName", edit::quoted(certificate)));
        }
        if let Some(fqdn) = &like.fqdn {
            keys.push(("Fqdn", edit::quoted(fqdn.as_str())));
        }
        if let Routing::SmartHosts(hosts) = &like.routing {
            keys.push((
                "SmartHosts",
                edit::list(hosts.iter().map(ToString::to_string)),
            ));
        }
        if let Limit::Bytes(size) = like.max_message_size {
            keys.push(("MaxMessageSize", edit::quoted(&size.to_string())));
        }
        let parameters = keys
            .iter()
            .map(|(key, value)| format!("-{key} {}", parameter(value)));
        let script = format!(
            "New-SendConnector {}",
            parameters.collect::<Vec<_>>().join(" ")
        );
        let edits = like
            .settings
            .object
            .iter()
            .map(|at| edit::insert_object(at, "OnPremises.SendConnectors", &keys));
        Fix {
            side: Side::OnPremises,
            script,
            edits: edits.collect(),
        }
    }
}

/// A value of a world's file as a PowerShell parameter.
fn parameter(value: &str) -> String {
    match value {
        "true" => "$true".to_owned(),
        "false" => "$false".to_owned(),
        _ => value
            .trim_start_matches('[')
            .trim_end_matches(']')
            .replace("\", \"", "\",\""),
    }
}

/// The address spaces of a connector as its list has them.
fn spaces_of(connector: &SendConnector) -> impl Iterator<Item = String> {
    connector
        .address_spaces
        .iter()
        .map(|space| match space.cost {
            1 => space.pattern.to_string(),
            cost => format!("SMTP:{};{cost}", space.pattern),
        })
}

/// `Set-SendConnector -AddressSpaces`, which replaces the list.
fn set_address_spaces(connector: &SendConnector, spaces: Vec<String>) -> Fix {
    let script = format!(
        "Set-SendConnector -Identity \"{}\" -AddressSpaces {}",
        connector.name,
        comma_list(&spaces)
    );
    let at: Option<&Location> = connector.settings.written("AddressSpaces");
    let edits = at.map(|at| edit::replace(at, edit::list(spaces)));
    Fix {
        side: Side::OnPremises,
        script,
        edits: edits.into_iter().collect(),
    }
}

/// A PowerShell list of quoted texts.
fn comma_list(items: &[String]) -> String {
    items
        .iter()
        .map(|item| format!("\"{item}\""))
        .collect::<Vec<_>>()
        .join(",")
}
