//! The MX record of a domain of Microsoft 365 Groups (Exchange Server, "Configure Microsoft 365 Groups with
//! on-premises Exchange hybrid"): there, and to Exchange Online Protection, in every view.

use std::collections::BTreeSet;

use crate::diag::{Diagnostic, Location};
use crate::dns::{self, Answer, Failure, FaultKind, RecordType, Targets, View};
use crate::mail::Domain;
use crate::model::{DnsView, DomainPattern, Topology};
use crate::verify::connectors::carrier::{self, Fault};
use crate::verify::connectors::validation;
use crate::verify::context::Context;
use crate::verify::edit;
use crate::verify::finding::{Edit, Fix, Side};
use crate::verify::hybrid::Pair;

/// Where mail for the domain goes by a view, whatever the address of the host.
struct Best {
    host: Domain,
    /// The record that says so.
    place: Option<Location>,
    /// Whether there is no MX record, so that the domain's own address stands for one (RFC 5321 §5.1).
    implicit: bool,
}

/// A domain of groups, and the deployment that it belongs to.
pub(super) struct GroupDomain<'a> {
    pub(super) context: &'a Context<'a>,
    pub(super) pair: Pair,
    pub(super) domain: &'a Domain,
}

impl GroupDomain<'_> {
    pub(super) fn topology(&self) -> &Topology {
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

    /// The MX record: there, and to Exchange Online Protection, in every view.
    pub(super) fn mx(&self) -> Option<Fault> {
        self.mx_unanswered()
            .or_else(|| self.mx_missing())
            .or_else(|| self.mx_on_premises())
            .or_else(|| self.mx_elsewhere())
    }

    /// The exchange of the best MX record in a view, whatever its address; else the domain itself, if it has
    /// an address.
    fn best(&self, view: View) -> Option<Best> {
        match self.context.zones.query(view, self.domain, RecordType::Mx) {
            Answer::Records(records) => {
                let exchanges = records.into_iter().filter_map(|record| match &record.data {
                    dns::RecordData::Mx {
                        preference,
                        exchange: Some(host),
                    } => Some((*preference, host.clone(), record.location.clone())),
                    _ => None,
                });
                let best =
                    exchanges.min_by_key(|(preference, host, _)| (*preference, host.clone()));
                best.map(|(_, host, place)| Best {
                    host,
                    place,
                    implicit: false,
                })
            }
            Answer::Failed(Failure::NoData) => {
                let zones = self.context.zones;
                let known = dns::addresses_of(zones, view, self.domain).is_ok();
                known.then(|| Best {
                    host: self.domain.clone(),
                    place: self.alias(view),
                    implicit: true,
                })
            }
            Answer::Failed(_) => None,
        }
    }

    /// Where a record stands that makes the domain an alias, beside which there is no other (RFC 1034 §3.6.2).
    fn alias(&self, view: View) -> Option<Location> {
        match self
            .context
            .zones
            .query(view, self.domain, RecordType::Cname)
        {
            Answer::Records(records) => records.first().and_then(|one| one.location.clone()),
            Answer::Failed(_) => None,
        }
    }

    /// Whether a host is Exchange Online Protection, or may be for all that the world says.
    fn is_the_service(&self, view: View, host: &Domain) -> bool {
        let resolved = dns::addresses_of(self.context.zones, view, host).unwrap_or_default();
        let mut addresses = resolved.iter();
        match addresses.find_map(|address| self.topology().server_at(*address)) {
            Some(server) => {
                let mut tenants = self.topology().server(server).front_end_for.iter();
                tenants.any(|(tenant, _)| *tenant == self.pair.tenant)
            }
            // The record is right before the domain is in the tenant, too.
            None if self.mx_host().as_ref() == Some(host) => !self.is_in_tenant(),
            None => dns::is_protection_host(host) && !resolved.is_empty(),
        }
    }

    /// The MX record, or the address that stands for one, is a third party's.
    fn mx_elsewhere(&self) -> Option<Fault> {
        let mut fixes = Vec::new();
        let mut diagnostic = None;
        let mut mended = BTreeSet::new();
        for view in self.views() {
            let best = self.best(view);
            let Some(best) = best.filter(|best| !self.is_the_service(view, &best.host)) else {
                continue;
            };
            let zone = self.context.zones.zone_of(view, self.domain);
            let begin = zone.and_then(|zone| zone.location.clone());
            let place = best.place.clone().or_else(|| begin.clone());
            diagnostic.get_or_insert_with(|| {
                let (domain, host) = (self.domain, &best.host);
                let message = match best.implicit {
                    false => format!("the MX record of the group domain `{domain}` points to `{host}`, which is not Exchange Online Protection for the tenant"),
                    true => format!("the group domain `{domain}` has no MX record, so its mail goes to its own address, which is not Exchange Online Protection for the tenant"),
                };
                Diagnostic::new("group-domain-mx-elsewhere", place.clone(), message)
            });
            if mended.insert(place.clone()) {
                let edit = self.mx_record().and_then(|record| match &best.place {
                    Some(at) => Some(edit::replace(at, record)),
                    None => Some(edit::insert_record(begin.as_ref()?, &record)),
                });
                let seen = zone.map_or(view, |zone| zone.view);
                fixes.push(self.dns_fix(seen, edit.into_iter().collect()));
            }
        }
        diagnostic.map(|diagnostic| (self.with_mx_help(diagnostic), fixes))
    }

    /// No view's name servers may fail to answer for the MX record.
    fn mx_unanswered(&self) -> Option<Fault> {
        let kind = RecordType::Mx;
        let fault = |view: &View| self.context.zones.fault(*view, self.domain, kind);
        let fails = |view: View| fault(&view).map(|fault| (view, fault));
        let failing: Vec<(View, FaultKind)> = self.views().into_iter().filter_map(fails).collect();
        let (first, fault) = failing.first()?;
        let stated = self.context.zones.faults().iter().find(|stated| {
            let seen = stated.view.is_none_or(|view| view == *first);
            stated.name == *self.domain && stated.fault == *fault && seen
        });
        let views = failing.iter().map(|(view, _)| view.as_str());
        let views = views.collect::<Vec<_>>().join(" and ");
        let message = format!(
            "nobody learns the MX record of the group domain `{}`: the query ends in {} in the view {views}",
            self.domain,
            fault.as_str()
        );
        let place = stated.and_then(|stated| stated.location.clone());
        let diagnostic = Diagnostic::new("group-domain-mx-missing", place, message).help(
            "mend the name servers of the zone, or let transport servers ask others (Set-TransportService -ExternalDNSServers, Set-SendConnector -UseExternalDNSServersEnabled $true)",
        );
        let script = format!(
            "; {views} view: this has to answer\n; Resolve-DnsName -Name {} -Type MX",
            self.domain
        );
        let fix = Fix {
            side: Side::Dns,
            script,
            edits: Vec::new(),
        };
        Some((diagnostic, vec![fix]))
    }

    fn mx_missing(&self) -> Option<Fault> {
        let missing = |view: &View| {
            match self.context.zones.query(*view, self.domain, RecordType::Mx) {
                Answer::Failed(Failure::NameError | Failure::NoData | Failure::AliasLoop) => {
                    // An address of the domain itself stands for an MX record (RFC 5321 §5.1).
                    dns::addresses_of(self.context.zones, *view, self.domain).is_err()
                }
                Answer::Failed(Failure::Unknown(_) | Failure::ServerFailure(_)) => false,
                Answer::Records(_) => self.best(*view).is_none(),
            }
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
        let null = views.iter().any(|view| self.null_mx(*view).is_some());
        let has = if null {
            "a null MX record, which says that it takes no mail,"
        } else {
            "no MX record"
        };
        let message = format!(
            "the group domain `{}` has {has} in the view {seen}",
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
                let edits = self.mx_written(view, zone.location.as_ref());
                let mut fix = self.dns_fix(zone.view, edits);
                if self.null_mx(view).is_some() {
                    // RFC 7505 §3: a null MX record stands alone.
                    fix.script = format!(
                        "{}   ; in the place of `{}. MX 0 .`",
                        fix.script, self.domain
                    );
                }
                fixes.push(fix);
            }
        }
        Some((self.with_mx_help(diagnostic), fixes))
    }

    /// Writes the record into a zone: in the place of one that says that there is no mail (RFC 7505),
    /// else where records begin.
    fn mx_written(&self, view: View, begin: Option<&Location>) -> Vec<Edit> {
        let edit = self
            .mx_record()
            .and_then(|record| match self.null_mx(view) {
                Some(at) => Some(edit::replace(&at, record)),
                None => Some(edit::insert_record(begin?, &record)),
            });
        edit.into_iter().collect()
    }

    /// Where a record stands that says that there is no mail, in a domain that lacks another.
    fn null_mx(&self, view: View) -> Option<Location> {
        match self.context.zones.query(view, self.domain, RecordType::Mx) {
            Answer::Records(records) if self.best(view).is_none() => {
                records.iter().find_map(|one| one.location.clone())
            }
            Answer::Records(_) | Answer::Failed(_) => None,
        }
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
        if diagnostic.is_some() {
            fixes.extend(self.validate());
        }
        diagnostic.map(|diagnostic| (self.with_mx_help(diagnostic), fixes))
    }

    /// Lets the hybrid connectors of the domain look at certificates: one that does would have found out
    /// that the host is not the service, and mail would not have gone round.
    fn validate(&self) -> Vec<Fix> {
        let topology = self.topology();
        let carriers = self.pair.carriers(topology).into_iter();
        let connectors = carriers.map(|id| topology.send_connector(id));
        let careless = connectors.filter(|connector| {
            let mut spaces = connector.address_spaces.iter();
            let carries =
                spaces.any(|space| space.pattern == DomainPattern::Exact(self.domain.clone()));
            carries && connector.require_tls && !validation::validates(connector)
        });
        let fixes = careless.map(|connector| Fix {
            side: Side::OnPremises,
            script: carrier::script(topology, connector, validation::PARAMETERS),
            edits: validation::edits(connector).collect(),
        });
        fixes.collect()
    }

    /// Whether the tenant accepts the domain.
    pub(super) fn is_in_tenant(&self) -> bool {
        let accepted = self
            .topology()
            .accepted_domain_for(self.pair.tenant, self.domain);
        accepted.is_some()
    }

    /// The host that the record should name, where it can be computed.
    fn mx_host(&self) -> Option<Domain> {
        dns::protection_host(self.domain)
    }

    /// The record that the domain should have, where its host can be computed.
    fn mx_record(&self) -> Option<String> {
        Some(format!("{}. MX 0 {}.", self.domain, self.mx_host()?))
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
}
