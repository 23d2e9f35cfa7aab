//! The domain of Microsoft 365 Groups, seen from on premises (Exchange Server, "Configure Microsoft
//! 365 Groups with on-premises Exchange hybrid"): its MX record, its accepted domain, the connector
//! that carries it. Each is a setting of its own, so that one which is wrong hides no other.

use super::group_mx::GroupDomain;
use crate::diag::{Diagnostic, Severity};
use crate::flow::Fork;
use crate::mail::EnhancedStatus;
use crate::model::{AcceptedDomain, DomainType};
use crate::verify::connectors::carrier::{Carrier, Fault};
use crate::verify::context::{Context, Found, is_troubled};
use crate::verify::edit;
use crate::verify::finding::{Edit, Finding, Fix, Side};
use crate::verify::hybrid;
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
    of_every_domain(context, |about| about.not_in_tenant())
}

fn mx_records(context: &Context<'_>) -> Vec<Found> {
    of_every_domain(context, |about| about.mx())
}

fn accepted(context: &Context<'_>) -> Vec<Found> {
    of_every_domain(context, |about| about.not_accepted())
}

fn domain_type(context: &Context<'_>) -> Vec<Found> {
    of_every_domain(context, |about| about.not_internal_relay())
}

fn carried(context: &Context<'_>) -> Vec<Found> {
    of_every_domain(context, |about| about.not_carried())
}

fn sent_by_edge(context: &Context<'_>) -> Vec<Found> {
    of_every_domain(context, |about| about.carrier().sent_by_edge())
}

/// What a rule says about the group domains of every hybrid deployment.
fn of_every_domain(
    context: &Context<'_>,
    rule: fn(&GroupDomain<'_>) -> Option<Fault>,
) -> Vec<Found> {
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
            let fault = rule(&about);
            found.extend(fault.map(|(diagnostic, fix)| about.found(diagnostic, fix)));
        }
    }
    found
}

impl GroupDomain<'_> {
    /// The finding with its witness; it explains every flow to the domain that goes amiss and that none
    /// explains yet.
    fn found(&self, diagnostic: Diagnostic, fix: Vec<Fix>) -> Found {
        let context = self.context;
        let survey = &context.survey;
        let is_meant = |asked: &Asked| self.is_to_domain(asked) && context.is_amiss(asked);
        let amiss = context.open_where(is_meant);
        // What is well today has no flow that shows it, and what fails in good health as well shows
        // nothing, such as an address that nobody has.
        let loses = diagnostic.severity == Severity::Error;
        let is_known = |index: &&usize| {
            survey.recipients[survey.asked[**index].to].kind != "unknown recipients"
        };
        let known: Vec<usize> = amiss.iter().filter(is_known).copied().collect();
        let telling = if known.is_empty() { &amiss } else { &known };
        let witness = context.witness(telling).filter(|_| loses);
        let troubled = witness.as_ref().filter(|flow| is_troubled(flow));
        let diagnostic = context.because(diagnostic, troubled);
        // Whom it concerns it concerns beside another fault as well.
        let failing = context.all_where(is_meant);
        let concerned = match loses && !failing.is_empty() {
            true => failing,
            false => context.all_where(|asked| self.is_to_domain(asked)),
        };
        let affected = context.affected(&concerned);
        Found {
            finding: Finding {
                diagnostic,
                affected,
                witness,
                fix,
            },
            claims: if loses { amiss } else { Vec::new() },
        }
    }

    /// The tenant: the domain is one of its accepted domains.
    fn not_in_tenant(&self) -> Option<Fault> {
        let tenant = self.pair.tenant;
        if self.is_in_tenant() {
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
        let keys = self.entry("Authoritative");
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
        let carrier = self.carrier();
        let is_said = self.pair.carriers(self.topology()).is_empty() || carrier.is_switched_off();
        if open.is_empty() && is_said {
            return None;
        }
        carrier.not_on_hybrid_connector("group-domain-not-on-hybrid-connector", "group domain")
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
        let keys = self.entry("InternalRelay");
        let path = "OnPremises.AcceptedDomains";
        let organization = &self.topology().organization(organization).settings;
        let edit = edit::add_object(organization, sibling.as_ref(), path, &keys);
        Some((diagnostic, vec![self.new_entry(edit)]))
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
        let own = accepted.domain == *self.domain && !accepted.everything;
        let place = accepted.settings.at("DomainType").cloned();
        let through = match own {
            true => String::new(),
            false => format!(", through the entry `{}`", accepted.name),
        };
        let message = format!(
            "the group domain `{}` is {} on premises{through}",
            self.domain,
            accepted.kind.as_str()
        );
        let mut diagnostic = Diagnostic::new("group-domain-not-internal-relay", place, message);
        if !self.fails_from_on_premises() {
            diagnostic.severity = Severity::Warning;
            diagnostic = diagnostic.because(match accepted.kind {
                DomainType::Authoritative => "every group of the domain is written back; mail for the next one is refused with `550 5.1.10` until it is, too",
                DomainType::ExternalRelay | DomainType::InternalRelay => "mail for the groups leaves as mail for strangers: rules, limits and automatic replies for outside apply to it",
            });
        }
        if own {
            let diagnostic = diagnostic.help("set DomainType to InternalRelay");
            return Some((diagnostic, vec![internal_relay(accepted)]));
        }
        // The entry that covers it is for others, too.
        let diagnostic = diagnostic.help("accept it by an entry of its own, as InternalRelay");
        let path = "OnPremises.AcceptedDomains";
        let organization = &self.topology().organization(self.pair.on_premises).settings;
        let sibling = accepted.settings.object.as_ref();
        let edit = edit::add_object(organization, sibling, path, &self.entry("InternalRelay"));
        let fix = self.new_entry(edit);
        Some((diagnostic, vec![fix]))
    }

    /// The keys of an accepted domain of this type.
    fn entry(&self, kind: &str) -> [(&'static str, String); 3] {
        let name = edit::quoted(self.domain.as_str());
        [
            ("Name", name.clone()),
            ("DomainName", name),
            ("DomainType", edit::quoted(kind)),
        ]
    }

    /// An accepted domain on premises for it.
    fn new_entry(&self, edit: Option<Edit>) -> Fix {
        let script = format!(
            "New-AcceptedDomain -Name \"{0}\" -DomainName {0} -DomainType InternalRelay",
            self.domain
        );
        Fix {
            side: Side::OnPremises,
            script,
            edits: edit.into_iter().collect(),
        }
    }

    /// Whether somebody on premises is told there that a group does not exist.
    fn fails_from_on_premises(&self) -> bool {
        const UNKNOWN: [EnhancedStatus; 2] =
            [EnhancedStatus::new(5, 1, 10), EnhancedStatus::new(5, 1, 1)];
        let topology = self.topology();
        let survey = &self.context.survey;
        let refused = |fork: &Fork| {
            let status = fork.status.as_ref().map(|status| status.enhanced);
            let last = fork.hops.last().map(|hop| topology.server(hop.server));
            status.is_some_and(|status| UNKNOWN.contains(&status))
                && last.is_some_and(|server| server.organization == self.pair.on_premises)
        };
        survey.asked.iter().any(|asked| {
            self.is_to_domain(asked)
                && survey.senders[asked.from].kind == "on-premises mailboxes"
                && asked.ordinary().forks.iter().any(refused)
        })
    }
}

/// Makes an accepted domain InternalRelay.
fn internal_relay(accepted: &AcceptedDomain) -> Fix {
    let settings = &accepted.settings;
    let value = edit::quoted("InternalRelay");
    let script = format!(
        "Set-AcceptedDomain -Identity {} -DomainType InternalRelay",
        powershell::quoted(&accepted.name)
    );
    Fix {
        side: Side::OnPremises,
        script,
        edits: edit::set_key(settings, "DomainType", &value)
            .into_iter()
            .collect(),
    }
}
