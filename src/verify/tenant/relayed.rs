//! Domains that the tenant relays (Exchange Online, "Manage accepted domains in Exchange Online"): what
//! nobody has must end somewhere.

use std::collections::BTreeMap;

use crate::diag::Diagnostic;
use crate::flow::{FlagKind, Fork};
use crate::mail::{ByteSize, Domain};
use crate::model::{
    AcceptedDomain, AcceptedDomainId, DomainType, OrganizationId, ServerId, Topology,
};
use crate::route::{self, Reason};
use crate::verify::context::{Context, Found};
use crate::verify::edit;
use crate::verify::finding::{Edit, Fix, Side};
use crate::verify::hybrid::{self, Pair};
use crate::verify::powershell;
use crate::verify::questions::Asked;
use crate::verify::stage::{Rule, Stage};

/// The rules of this file.
pub(in crate::verify) const RULES: &[Rule] = &[
    Rule::new(Stage::DomainType, check),
    Rule::new(Stage::DomainType, leads_nowhere),
];

/// Relayed domains whose unknown recipients go round.
fn check(context: &Context<'_>) -> Vec<Found> {
    let mut found = Vec::new();
    for pair in hybrid::pairs(context.topology) {
        let relayed = context.topology.accepted_domains().filter(|(_, accepted)| {
            accepted.organization == pair.tenant && accepted.kind == DomainType::InternalRelay
        });
        for (_, accepted) in relayed {
            let about = Relayed {
                context,
                pair,
                accepted,
            };
            found.extend(about.nowhere().or_else(|| about.by_both()));
        }
    }
    found
}

struct Relayed<'a> {
    context: &'a Context<'a>,
    pair: Pair,
    accepted: &'a AcceptedDomain,
}

impl Relayed<'_> {
    fn topology(&self) -> &Topology {
        self.context.topology
    }

    /// No outbound connector takes the domain: its MX record leads back into the tenant.
    fn nowhere(&self) -> Option<Found> {
        let ordinary = ByteSize(10 * 1024);
        let hub = self.pair.hub(self.topology())?;
        let domain = &self.accepted.domain;
        if route::select(self.topology(), hub, domain, ordinary)
            .winner
            .is_ok()
        {
            return None;
        }
        let claims = self.going_round(false);
        let message =
            format!("the tenant relays `{domain}`, and no outbound connector takes it anywhere");
        let place = self.accepted.settings.at("DomainType").cloned();
        let diagnostic = Diagnostic::new("cloud-domain-relayed-nowhere", place, message)
            .help("make it Authoritative where the tenant knows all its recipients, or add an outbound connector");
        let fix = authoritative(self.accepted, Side::ExchangeOnline);
        (!claims.is_empty()).then(|| self.context.conclude(diagnostic, vec![fix], claims))
    }

    /// Each side sends what it does not know to the other.
    fn by_both(&self) -> Option<Found> {
        let topology = self.topology();
        let domain = &self.accepted.domain;
        let other = topology.accepted_domain_for(self.pair.on_premises, domain)?;
        let other = topology.accepted_domain(other);
        if other.kind != DomainType::InternalRelay {
            return None;
        }
        let claims = self.going_round(true);
        let message = format!(
            "`{domain}` is InternalRelay on both sides, and each sends what it does not know to the other"
        );
        let (knows, side) = if self.knows_all(self.pair.tenant, self.pair.on_premises) {
            (self.accepted, Side::ExchangeOnline)
        } else {
            (other, Side::OnPremises)
        };
        let place = knows.settings.at("DomainType").cloned();
        let diagnostic = Diagnostic::new("domain-relayed-by-both-sides", place, message)
            .help("make it Authoritative on the side that knows all its recipients");
        let known =
            side == Side::ExchangeOnline || self.knows_all(self.pair.on_premises, self.pair.tenant);
        let fix = known.then(|| authoritative(knows, side));
        (!claims.is_empty()).then(|| {
            self.context
                .conclude(diagnostic, fix.into_iter().collect(), claims)
        })
    }

    /// The open questions whose mail, for an address of the domain that nobody has, goes round: by way
    /// of the premises, or in the cloud alone.
    fn going_round(&self, by_premises: bool) -> Vec<usize> {
        let goes_round = |fork: &Fork| {
            let owner = |id: &ServerId| self.topology().server(*id).organization;
            let looped = fork.flags.iter().any(|flag| flag.kind == FlagKind::Loop);
            let inside = fork
                .cycle
                .servers()
                .iter()
                .any(|id| owner(id) == self.pair.on_premises);
            looped && inside == by_premises
        };
        self.context.open_where(|asked| {
            let address = &self.context.survey.recipients[asked.to].members[0];
            self.covers(&address.domain)
                && self.is_unknown(asked)
                && asked
                    .answers
                    .iter()
                    .any(|(_, flow)| flow.forks.iter().any(&goes_round))
        })
    }

    fn covers(&self, domain: &Domain) -> bool {
        let covering = self
            .topology()
            .accepted_domain_for(self.pair.tenant, domain);
        covering
            .is_some_and(|id| self.topology().accepted_domain(id).domain == self.accepted.domain)
    }

    fn is_unknown(&self, asked: &Asked) -> bool {
        let address = &self.context.survey.recipients[asked.to].members[0];
        let sides = [self.pair.on_premises, self.pair.tenant];
        sides
            .iter()
            .all(|side| self.topology().recipients_at(*side, address).is_empty())
    }

    /// Whether one side knows every address of the domain that the other knows.
    fn knows_all(&self, side: OrganizationId, other: OrganizationId) -> bool {
        let theirs = self
            .topology()
            .recipients()
            .filter(|(_, recipient)| recipient.organization == other);
        let mut addresses = theirs.flat_map(|(_, recipient)| &recipient.addresses);
        addresses.all(|address| {
            !self.covers(&address.domain)
                || !self.topology().recipients_at(side, address).is_empty()
        })
    }
}

/// Domains that the premises relay, and that lead nowhere from there.
fn leads_nowhere(context: &Context<'_>) -> Vec<Found> {
    let mut ends: BTreeMap<AcceptedDomainId, Vec<usize>> = BTreeMap::new();
    for (index, asked) in context.open() {
        let class = &context.survey.recipients[asked.to];
        if class.kind != "unknown recipients" {
            continue;
        }
        let domain = &class.members[0].domain;
        let mut forks = asked.ordinary().forks.iter();
        if let Some(id) = forks.find_map(|fork| dead_end(context.topology, domain, fork)) {
            ends.entry(id).or_default().push(index);
        }
    }
    let found = ends.into_iter().map(|(id, claims)| {
        let accepted = context.topology.accepted_domain(id);
        leads_nowhere_found(context, accepted, claims)
    });
    found.collect()
}

/// The relayed domain of the premises, not one of groups, at whose servers a fork finds no way on.
fn dead_end(topology: &Topology, domain: &Domain, fork: &Fork) -> Option<AcceptedDomainId> {
    let last = fork.hops.last().filter(|_| fork.disposition.is_failure())?;
    let mut reasons = last.steps.iter().flat_map(|step| &step.because);
    reasons.find(|reason| {
        matches!(
            reason,
            Reason::Dns(_) | Reason::NoConnector | Reason::WithoutConnectors
        )
    })?;
    let server = topology.server(last.server);
    let owner = server.organization;
    let id = topology.accepted_domain_for(owner, domain)?;
    let accepted = topology.accepted_domain(id);
    let groups = topology.group_domain_owner(&accepted.domain).is_some();
    // What an Edge server does not know says nothing about the organization.
    (server.directory
        && hybrid::side(topology, owner) == Side::OnPremises
        && accepted.kind == DomainType::InternalRelay
        && !groups)
        .then_some(id)
}

fn leads_nowhere_found(
    context: &Context<'_>,
    accepted: &AcceptedDomain,
    claims: Vec<usize>,
) -> Found {
    let message = format!(
        "the premises relay `{}`, and what they do not know of it leads nowhere",
        accepted.domain
    );
    let place = accepted.settings.at("DomainType").cloned();
    let diagnostic = Diagnostic::new("relayed-domain-leads-nowhere", place, message)
        .help("add a Send connector to where its other recipients are, or make it Authoritative where there are none");
    let fix = authoritative(accepted, Side::OnPremises);
    context.conclude(diagnostic, vec![fix], claims)
}

/// `Set-AcceptedDomain -DomainType Authoritative`; with subdomains the type cannot be changed alone.
fn authoritative(accepted: &AcceptedDomain, side: Side) -> Fix {
    const KEY: &str = "DomainType";
    let settings = &accepted.settings;
    let to = || edit::quoted(DomainType::Authoritative.as_str());
    let edit: Option<Edit> = match (settings.written(KEY), settings.written("DomainName")) {
        _ if accepted.subdomains => None,
        (Some(at), _) => Some(edit::replace(at, to())),
        (None, Some(after)) => Some(edit::add_key(after, KEY, &to())),
        (None, None) => None,
    };
    Fix {
        side,
        script: format!(
            "Set-AcceptedDomain -Identity {} -DomainType Authoritative",
            powershell::quoted(&accepted.name)
        ),
        edits: edit.into_iter().collect(),
    }
}
