//! What a subscribed Edge server takes for inside and outside (Exchange Server, "Edge Subscriptions in
//! Exchange Server"): it knows accepted domains by their own entries, and the domain of target addresses
//! by its remote domain.

use std::collections::BTreeSet;

use crate::diag::{Diagnostic, Location};
use crate::flow::{FlagKind, Fork};
use crate::mail::Domain;
use crate::model::{
    DomainPattern, DomainType, OrganizationId, RemoteDomain, SendConnector, ServerId, ServerRole,
    Topology,
};
use crate::verify::context::{Context, Found};
use crate::verify::edit;
use crate::verify::finding::{Edit, Fix, Side};
use crate::verify::powershell;
use crate::verify::questions::Asked;
use crate::verify::stage::{Rule, Stage};

/// The rules of this file.
pub(in crate::verify) const RULES: &[Rule] = &[
    Rule::new(Stage::AcceptedDomain, subdomains),
    Rule::new(Stage::EdgeSource, target_addresses),
];

/// Subdomains that an Edge server sends out, so that their mail goes round.
fn subdomains(context: &Context<'_>) -> Vec<Found> {
    of_every_domain(context, |about| about.external())
}

/// Domains of target addresses that an Edge server sends inside, so that their mail goes round.
fn target_addresses(context: &Context<'_>) -> Vec<Found> {
    of_every_domain(context, |about| about.internal())
}

fn of_every_domain(
    context: &Context<'_>,
    rule: fn(&EdgeDomain<'_>) -> Option<Found>,
) -> Vec<Found> {
    let mut found = Vec::new();
    for (organization, domain) in going_round(context) {
        found.extend(rule(&EdgeDomain {
            context,
            organization,
            domain: &domain,
        }));
    }
    found
}

/// The domains whose mail goes round by way of an Edge server of an organization.
fn going_round(context: &Context<'_>) -> BTreeSet<(OrganizationId, Domain)> {
    let forks = context.open().flat_map(|(_, asked)| looping(asked));
    let by_edge = forks.filter_map(|fork| {
        let edge = edge_of(context.topology, fork)?;
        let organization = context.topology.server(edge).organization;
        Some((organization, fork.recipient.domain.clone()))
    });
    by_edge.collect()
}

fn looping(asked: &Asked) -> impl Iterator<Item = &Fork> {
    let forks = asked.answers.iter().flat_map(|(_, flow)| &flow.forks);
    forks.filter(|fork| fork.flags.iter().any(|flag| flag.kind == FlagKind::Loop))
}

/// The Edge server in the cycle of a fork.
fn edge_of(topology: &Topology, fork: &Fork) -> Option<ServerId> {
    let is_edge = |id: &&ServerId| topology.server(**id).role == ServerRole::Edge;
    fork.cycle.servers().iter().find(is_edge).copied()
}

struct EdgeDomain<'a> {
    context: &'a Context<'a>,
    organization: OrganizationId,
    domain: &'a Domain,
}

impl EdgeDomain<'_> {
    fn topology(&self) -> &Topology {
        self.context.topology
    }

    /// An accepted domain without an entry of its own, which Edge servers send out.
    fn external(&self) -> Option<Found> {
        let topology = self.topology();
        let Some(id) = topology.accepted_domain_for(self.organization, self.domain) else {
            return self.not_accepted();
        };
        let parent = topology.accepted_domain(id);
        if parent.domain == *self.domain || parent.kind == DomainType::ExternalRelay {
            return None;
        }
        let message = format!(
            "Edge servers send mail for `{}` out: it is accepted through `*.{}` alone",
            self.domain, parent.domain
        );
        let place = parent.settings.at("DomainName").cloned();
        let diagnostic =
            Diagnostic::new("edge-treats-subdomain-as-external", place, message).help(format!(
                "accept `{}` by its own name, and let EdgeSync run",
                self.domain
            ));
        // Whom nobody on premises is, others have.
        let kind = match self.has_recipients() {
            true => parent.kind,
            false => DomainType::InternalRelay,
        };
        let fix = self.own_entry(kind, parent.settings.object.as_ref());
        Some(self.found(diagnostic, fix))
    }

    /// Whether a recipient of the organization has an address in the domain.
    fn has_recipients(&self) -> bool {
        let mut classes = self.context.survey.recipients.iter();
        classes.any(|class| {
            let address = &class.members[0];
            let held = self.topology().recipients_at(self.organization, address);
            address.domain == *self.domain && !held.is_empty()
        })
    }

    /// A domain that the tenant relays to the premises, which do not accept it at all.
    fn not_accepted(&self) -> Option<Found> {
        let topology = self.topology();
        let partners = &topology.organization(self.organization).partners;
        let relayed = partners.iter().find_map(|partner| {
            let id = topology.accepted_domain_for(*partner, self.domain)?;
            let accepted = topology.accepted_domain(id);
            (accepted.kind == DomainType::InternalRelay).then_some(accepted)
        })?;
        let mut own = topology.accepted_domains().map(|(_, accepted)| accepted);
        let sibling = own
            .find(|accepted| accepted.organization == self.organization)
            .and_then(|accepted| accepted.settings.object.as_ref());
        let message = format!(
            "Edge servers send mail for `{}` out: the tenant relays it to the premises, which do not accept it",
            self.domain
        );
        let place = relayed.settings.at("DomainType").cloned();
        let diagnostic =
            Diagnostic::new("edge-treats-subdomain-as-external", place, message).help(format!(
                "accept `{}` on premises as InternalRelay, and let EdgeSync run",
                self.domain
            ));
        Some(self.found(
            diagnostic,
            self.own_entry(DomainType::InternalRelay, sibling),
        ))
    }

    /// `New-AcceptedDomain` of a type, beside another accepted domain.
    fn own_entry(&self, kind: DomainType, sibling: Option<&Location>) -> Fix {
        let kind = kind.as_str();
        let keys = [
            ("Name", edit::quoted(self.domain.as_str())),
            ("DomainName", edit::quoted(self.domain.as_str())),
            ("DomainType", edit::quoted(kind)),
        ];
        let edit = sibling.map(|at| edit::insert_object(at, "OnPremises.AcceptedDomains", &keys));
        Fix {
            side: Side::OnPremises,
            script: format!(
                "New-AcceptedDomain -Name \"{0}\" -DomainName \"{0}\" -DomainType {kind}\nStart-EdgeSynchronization",
                self.domain
            ),
            edits: edit.into_iter().collect(),
        }
    }

    /// A domain of target addresses that no remote domain marks, which Edge servers send inside.
    fn internal(&self) -> Option<Found> {
        let topology = self.topology();
        let connector = self.hybrid_connector()?;
        let marked = |remote: &&RemoteDomain| {
            remote.organization == self.organization
                && remote.pattern == DomainPattern::Exact(self.domain.clone())
        };
        let remote = topology.parts().remote_domains.iter().find(marked);
        if !self.has_target_addresses() || remote.is_some_and(|own| own.target_delivery_domain) {
            return None;
        }
        let message = format!(
            "Edge servers send mail for the target addresses in `{}` back inside: no remote domain marks it as TargetDeliveryDomain",
            self.domain
        );
        let place = match remote {
            Some(remote) => remote.settings.at("TargetDeliveryDomain").cloned(),
            None => connector.settings.at("AddressSpaces").cloned(),
        };
        let diagnostic = Diagnostic::new("target-delivery-domain-missing", place, message)
            .help("set TargetDeliveryDomain of the remote domain to true, and let EdgeSync run");
        Some(self.found(diagnostic, self.mark(remote)))
    }

    /// The hybrid Send connector with an Edge server as its source that names the domain.
    fn hybrid_connector(&self) -> Option<&SendConnector> {
        let topology = self.topology();
        let connectors = topology.send_connectors_of(self.organization).iter();
        connectors
            .map(|id| topology.send_connector(*id))
            .find(|connector| {
                let names = |pattern: &DomainPattern| match pattern {
                    DomainPattern::Exact(own) => own == self.domain,
                    DomainPattern::WithSubdomains(own) => self.domain.is_within(own),
                    _ => false,
                };
                let edge = |id: &ServerId| topology.server(*id).role == ServerRole::Edge;
                connector.enabled
                    && connector.cloud_services_mail_enabled
                    && connector.sources.iter().any(edge)
                    && connector
                        .address_spaces
                        .iter()
                        .any(|space| names(&space.pattern))
            })
    }

    /// Whether target addresses of the organization's own recipients lie in the domain.
    fn has_target_addresses(&self) -> bool {
        let domains = self.topology().target_domains(self.organization);
        domains.contains(self.domain)
    }

    /// `Set-RemoteDomain -TargetDeliveryDomain`, after `New-RemoteDomain` where there is none.
    fn mark(&self, remote: Option<&RemoteDomain>) -> Fix {
        const KEY: &str = "TargetDeliveryDomain";
        let name = remote.map_or_else(
            || format!("Hybrid Domain - {}", self.domain),
            |remote| remote.name.clone(),
        );
        let name = powershell::quoted(name);
        let set =
            format!("Set-RemoteDomain -Identity {name} -{KEY} $true\nStart-EdgeSynchronization");
        let edit: Option<Edit> = remote.and_then(|remote| {
            let settings = &remote.settings;
            match (settings.written(KEY), settings.written("DomainName")) {
                (Some(at), _) => Some(edit::replace(at, "true".to_owned())),
                (None, Some(after)) => Some(edit::add_key(after, KEY, "true")),
                (None, None) => None,
            }
        });
        let script = match remote {
            Some(_) => set,
            None => format!(
                "New-RemoteDomain -Name {name} -DomainName \"{}\"\n{set}",
                self.domain
            ),
        };
        Fix {
            side: Side::OnPremises,
            script,
            edits: edit.into_iter().collect(),
        }
    }

    /// The finding: it explains what goes round by an Edge server to the domain.
    fn found(&self, diagnostic: Diagnostic, fix: Fix) -> Found {
        let claims = self.context.open_where(|asked| {
            looping(asked).any(|fork| {
                fork.recipient.domain == *self.domain && edge_of(self.topology(), fork).is_some()
            })
        });
        self.context.conclude(diagnostic, vec![fix], claims)
    }
}
