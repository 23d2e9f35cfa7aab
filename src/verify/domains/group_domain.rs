//! The domain of Microsoft 365 Groups, seen from on premises (Exchange Server, "Configure Microsoft
//! 365 Groups with on-premises Exchange hybrid"): its MX record, its accepted domain, the connector
//! that carries it. For each domain the first fault in this order is the one reported.

use std::collections::BTreeSet;

use crate::diag::{Diagnostic, Location, Severity};
use crate::dns::{self, Failure, Targets, View};
use crate::mail::Domain;
use crate::model::{DnsView, DomainPattern, DomainType, Topology};
use crate::verify::connectors::carrier::{self, Carrier, Fault};
use crate::verify::connectors::validation;
use crate::verify::context::{Context, Found, in_words, is_troubled};
use crate::verify::edit;
use crate::verify::finding::{Edit, Finding, Fix, Side};
use crate::verify::hybrid::{self, Pair};
use crate::verify::powershell;
use crate::verify::questions::Asked;
use crate::verify::stage::{Rule, Stage};

/// The rules of this file.
pub(in crate::verify) const RULES: &[Rule] = &[
    Rule::new(Stage::TenantDomain, in_tenant),
    Rule::new(Stage::Mx, mx_records),
    Rule::new(Stage::AcceptedDomain, accepted),
    Rule::new(Stage::DomainType, domain_type),
    Rule::new(Stage::AddressSpaces, carried),
    Rule::new(Stage::EdgeSource, sent_by_edge),
];

fn in_tenant(context: &Context<'_>) -> Vec<Found> {
    of_every_domain(context, Stage::TenantDomain)
}

fn mx_records(context: &Context<'_>) -> Vec<Found> {
    of_every_domain(context, Stage::Mx)
}

fn accepted(context: &Context<'_>) -> Vec<Found> {
    of_every_domain(context, Stage::AcceptedDomain)
}

fn domain_type(context: &Context<'_>) -> Vec<Found> {
    of_every_domain(context, Stage::DomainType)
}

fn carried(context: &Context<'_>) -> Vec<Found> {
    of_every_domain(context, Stage::AddressSpaces)
}

fn sent_by_edge(context: &Context<'_>) -> Vec<Found> {
    of_every_domain(context, Stage::EdgeSource)
}

/// The group domains of every hybrid deployment whose first fault belongs to a stage.
fn of_every_domain(context: &Context<'_>, stage: Stage) -> Vec<Found> {
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
            let first = about.first_fault().filter(|(at, _)| *at == stage);
            found.extend(first.map(|(_, (diagnostic, fix))| about.found(diagnostic, fix)));
        }
    }
    found
}

struct GroupDomain<'a> {
    context: &'a Context<'a>,
    pair: Pair,
    domain: &'a Domain,
}

impl GroupDomain<'_> {
    /// The first fault on the way of mail to the domain, and the stage it belongs to.
    fn first_fault(&self) -> Option<(Stage, Fault)> {
        let at = |stage: Stage| move |fault: Fault| (stage, fault);
        let in_tenant = self.not_in_tenant().map(at(Stage::TenantDomain));
        in_tenant
            .or_else(|| self.mx().map(at(Stage::Mx)))
            .or_else(|| self.not_accepted().map(at(Stage::AcceptedDomain)))
            .or_else(|| self.not_internal_relay().map(at(Stage::DomainType)))
            .or_else(|| self.not_carried().map(at(Stage::AddressSpaces)))
            .or_else(|| self.carrier().sent_by_edge().map(at(Stage::EdgeSource)))
    }

    /// The finding with its witness; it explains every flow to the domain that goes amiss.
    fn found(&self, mut diagnostic: Diagnostic, fix: Vec<Fix>) -> Found {
        let concerned = self.context.open_where(|asked| self.is_to_domain(asked));
        let amiss = self
            .context
            .open_where(|asked| self.is_to_domain(asked) && self.context.is_amiss(asked));
        // What is well today has no flow that shows it, and what fails in good health as well shows
        // nothing, such as an address that nobody has.
        let loses = diagnostic.severity == Severity::Error && !amiss.is_empty();
        let shown = if loses { &amiss } else { &concerned };
        let survey = &self.context.survey;
        let is_known = |index: &&usize| {
            survey.recipients[survey.asked[**index].to].kind != "unknown recipients"
        };
        let known: Vec<usize> = shown.iter().filter(is_known).copied().collect();
        let telling = if known.is_empty() { shown } else { &known };
        let witness = self.context.witness(telling).filter(|_| loses);
        if let Some(words) = witness
            .as_ref()
            .filter(|flow| is_troubled(flow))
            .and_then(|flow| in_words(self.topology(), flow))
        {
            diagnostic = diagnostic.because(words);
        }
        let affected = self.context.affected(shown);
        Found {
            finding: Finding {
                diagnostic,
                affected,
                witness,
                fix,
            },
            claims: amiss,
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

    /// The tenant: the domain is one of its accepted domains.
    fn not_in_tenant(&self) -> Option<Fault> {
        let tenant = self.pair.tenant;
        if self
            .topology()
            .accepted_domain_for(tenant, self.domain)
            .is_some()
        {
            return None;
        }
        let name = &self.topology().organization(tenant).name;
        let sibling = self.topology().accepted_domains().find(|(_, accepted)| {
            accepted.organization == tenant && !accepted.settings.values.is_empty()
        });
        let sibling = sibling.and_then(|(_, accepted)| accepted.settings.object.clone());
        let place = sibling
            .clone()
            .or_else(|| self.topology().organization(tenant).settings.object.clone());
        let message = format!(
            "the group domain `{}` is not an accepted domain of `{name}`",
            self.domain
        );
        let diagnostic = Diagnostic::new("group-domain-not-in-tenant", place, message).help(
            format!("add and verify `{}` in the admin center", self.domain),
        );
        let keys = [
            ("Name", edit::quoted(self.domain.as_str())),
            ("DomainName", edit::quoted(self.domain.as_str())),
            ("DomainType", edit::quoted("Authoritative")),
        ];
        let path = "ExchangeOnline.AcceptedDomains";
        let organization = &self.topology().organization(tenant).settings;
        let edits = edit::add_object(organization, sibling.as_ref(), path, &keys);
        let script = powershell::new_domain(self.domain);
        let fix = Fix {
            side: Side::ExchangeOnline,
            script,
            edits: edits.into_iter().collect(),
        };
        Some((diagnostic, vec![fix]))
    }

    /// The connector: a hybrid one.
    fn not_carried(&self) -> Option<Fault> {
        // Where the connectors themselves are the trouble, that was said before.
        let open = self.context.open_where(|asked| {
            self.is_to_domain(asked)
                && self.context.survey.senders[asked.from].kind == "on-premises mailboxes"
        });
        if open.is_empty() {
            return None;
        }
        let code = "group-domain-not-on-hybrid-connector";
        self.carrier().not_on_hybrid_connector(code, "group domain")
    }

    fn carrier(&self) -> Carrier<'_> {
        Carrier {
            topology: self.topology(),
            pair: self.pair,
            domain: self.domain,
        }
    }

    fn is_to_domain(&self, asked: &Asked) -> bool {
        self.context.survey.recipients[asked.to].members[0].domain == *self.domain
    }

    /// The MX record: there, and to Exchange Online Protection, in every view.
    fn mx(&self) -> Option<Fault> {
        self.mx_missing()
            .or_else(|| self.mx_on_premises())
            .or_else(|| self.mx_elsewhere())
    }

    /// The exchange of the best MX record in a view, with its place, whatever its address.
    fn best_exchange(&self, view: View) -> Option<(Domain, Option<Location>)> {
        let dns::Answer::Records(records) =
            self.context
                .zones
                .query(view, self.domain, dns::RecordType::Mx)
        else {
            return None;
        };
        let exchanges = records.into_iter().filter_map(|record| match &record.data {
            dns::RecordData::Mx {
                preference,
                exchange: Some(host),
            } => Some((*preference, host.clone(), record.location.clone())),
            _ => None,
        });
        exchanges
            .min_by_key(|(preference, host, _)| (*preference, host.clone()))
            .map(|(_, host, at)| (host, at))
    }

    /// The MX record points to a third party.
    fn mx_elsewhere(&self) -> Option<Fault> {
        let mut fixes = Vec::new();
        let mut diagnostic = None;
        let mut mended = BTreeSet::new();
        for view in self.views() {
            let Some((host, place)) = self.best_exchange(view) else {
                continue;
            };
            let resolved = dns::addresses_of(self.context.zones, view, &host).unwrap_or_default();
            let server = resolved
                .iter()
                .find_map(|address| self.topology().server_at(*address));
            let serves = server.is_some_and(|id| {
                let tenants = &self.topology().server(id).front_end_for;
                tenants
                    .iter()
                    .any(|(tenant, _)| *tenant == self.pair.tenant)
            });
            if serves
                || (server.is_none() && dns::is_protection_host(&host) && !resolved.is_empty())
            {
                continue;
            }
            diagnostic.get_or_insert_with(|| {
                let message = format!(
                    "the MX record of the group domain `{}` points to `{host}`, which is not Exchange Online Protection for the tenant",
                    self.domain
                );
                Diagnostic::new("group-domain-mx-elsewhere", place.clone(), message)
            });
            if mended.insert(place.clone()) {
                let edits = place
                    .zip(self.mx_record())
                    .map(|(at, record)| edit::replace(&at, record));
                let zone = self.context.zones.zone_of(view, self.domain);
                fixes.push(self.dns_fix(
                    zone.map_or(view, |zone| zone.view),
                    edits.into_iter().collect(),
                ));
            }
        }
        diagnostic.map(|diagnostic| (self.with_mx_help(diagnostic), fixes))
    }

    fn mx_missing(&self) -> Option<Fault> {
        let missing = |view: &View| {
            use dns::{Answer, RecordType};
            match self.context.zones.query(*view, self.domain, RecordType::Mx) {
                Answer::Failed(Failure::NameError | Failure::NoData | Failure::AliasLoop) => {
                    // An address of the domain itself stands for an MX record (RFC 5321 §5.1).
                    dns::addresses_of(self.context.zones, *view, self.domain).is_err()
                }
                Answer::Failed(Failure::Unknown(_) | Failure::ServerFailure(_)) => false,
                Answer::Records(_) => self.best_exchange(*view).is_none(),
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
        let kind = dns::RecordType::Mx;
        match self.context.zones.query(view, self.domain, kind) {
            dns::Answer::Records(records) if self.best_exchange(view).is_none() => {
                records.iter().find_map(|one| one.location.clone())
            }
            dns::Answer::Records(_) | dns::Answer::Failed(_) => None,
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
        let path = "OnPremises.AcceptedDomains";
        let organization = &self.topology().organization(organization).settings;
        let edits = edit::add_object(organization, sibling.as_ref(), path, &keys);
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
            diagnostic.severity = Severity::Warning;
            diagnostic = diagnostic.because(match accepted.kind {
                DomainType::Authoritative => "every group of the domain is written back; mail for the next one is refused with `550 5.1.10` until it is, too",
                DomainType::ExternalRelay | DomainType::InternalRelay => "mail for the groups leaves as mail for strangers: rules, limits and automatic replies for outside apply to it",
            });
        }
        let written = accepted.settings.written("DomainType");
        let edits = match (written, accepted.settings.written("DomainName")) {
            (Some(at), _) => vec![edit::replace(at, edit::quoted("InternalRelay"))],
            (None, Some(at)) => vec![edit::add_key(
                at,
                "DomainType",
                &edit::quoted("InternalRelay"),
            )],
            (None, None) => Vec::new(),
        };
        let script = format!(
            "Set-AcceptedDomain -Identity {} -DomainType InternalRelay",
            powershell::quoted(&accepted.name)
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
}
