//! Which of a tenant's outbound connectors carries the domains of its premises (Exchange Online, "Set up
//! connectors to route mail between Microsoft 365 or Office 365 and your own email servers").

use std::collections::{BTreeMap, BTreeSet};

use crate::diag::Severity;
use crate::flow::Hop;
use crate::mail::Domain;
use crate::model::{DomainPattern, SendConnector, SendConnectorId};
use crate::route::{self, Reason, Selection, Subject};
use crate::verify::connectors::crossing::{
    Crossing, ORDINARY, crossings, is_sent_by, left_for, seeks_way_out,
};
use crate::verify::context::{Context, Found};
use crate::verify::draft::Draft;
use crate::verify::edit;
use crate::verify::finding::{Finding, Side};
use crate::verify::powershell;
use crate::verify::stage::{Rule, Stage};

/// The rules of this file.
pub(in crate::verify) const RULES: &[Rule] = &[
    Rule::new(Stage::AddressSpaces, carried),
    Rule::new(Stage::AddressSpaces, internet),
];

/// Domains of the premises that no hybrid outbound connector carries.
fn carried(context: &Context<'_>) -> Vec<Found> {
    let mut found = Vec::new();
    for crossing in crossings(context) {
        let mut causes: BTreeMap<Cause, BTreeSet<&Domain>> = BTreeMap::new();
        for domain in crossing.domains() {
            if let Some(cause) = crossing.cause(domain) {
                causes.entry(cause).or_default().insert(domain);
            }
        }
        for (cause, domains) in causes {
            found.push(crossing.found(context, cause, &domains));
        }
    }
    found
}

/// Why a domain is not carried as it should be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Cause {
    /// The connector for it is switched off.
    Disabled(SendConnectorId),
    /// Another one wins.
    Beaten {
        winner: SendConnectorId,
        loser: SendConnectorId,
    },
    /// The hybrid one wins by its name alone.
    Tied {
        winner: SendConnectorId,
        loser: SendConnectorId,
    },
    /// No connector has it; this one could.
    Missing(Option<SendConnectorId>),
}

impl Crossing<'_> {
    fn cause(&self, domain: &Domain) -> Option<Cause> {
        let selection = route::select(self.topology, self.hub, domain, ORDINARY);
        let hybrid = self.connectors();
        let winner = selection.winner.ok();
        if let Some(winner) = winner.filter(|id| hybrid.contains(id)) {
            let loser = self.tied(&selection)?;
            return Some(Cause::Tied { winner, loser });
        }
        let covers = |connector: &SendConnector| {
            let tenant = self.pair.tenant;
            let mut spaces = connector.address_spaces.iter();
            spaces.any(|space| route::covers(self.topology, tenant, &space.pattern, domain))
        };
        let loser = hybrid
            .iter()
            .find(|id| covers(self.topology.send_connector(**id)));
        if let Some((winner, loser)) = winner.zip(loser.copied()) {
            return Some(Cause::Beaten { winner, loser });
        }
        let off = self
            .to_premises()
            .filter(|(_, connector)| !connector.enabled && covers(connector));
        // What leaves the organization headers behind as well is the wizard's all the same.
        let off = off.max_by_key(|(_, connector)| connector.cloud_services_mail_enabled);
        Some(match off {
            Some((id, _)) => Cause::Disabled(id),
            None => Cause::Missing(hybrid.first().copied()),
        })
    }

    /// A connector to the premises that only its name keeps from winning.
    fn tied(&self, selection: &Selection) -> Option<SendConnectorId> {
        selection
            .rejected
            .iter()
            .find_map(|lost| match (&lost.candidate, &lost.reason) {
                (Subject::SendConnector(id), Reason::LaterName) => Some(*id),
                _ => None,
            })
    }

    fn found(&self, context: &Context<'_>, cause: Cause, domains: &BTreeSet<&Domain>) -> Found {
        let draft = match cause {
            Cause::Disabled(id) => self.disabled(id),
            Cause::Beaten { winner, loser } => self.compete(winner, loser, winner, domains),
            Cause::Tied { winner, loser } => self.compete(winner, loser, loser, domains),
            Cause::Missing(id) => self.missing(id, domains),
        };
        let claims = self.astray(context, |fork| {
            let mut left = left_for(self.topology, self.pair.tenant, fork);
            let is_sent = || fork.hops.iter().any(|hop| self.sends(hop));
            left.any(|to| domains.contains(&to.domain))
                || domains.contains(&fork.recipient.domain) && is_sent()
        });
        let mut found = draft.claims(context, claims);
        if let Cause::Tied { .. } = cause {
            found.finding.diagnostic.severity = Severity::Warning;
        }
        found
    }

    /// Whether the hub sends a copy on, or would if it knew how.
    fn sends(&self, hop: &Hop) -> bool {
        hop.server == self.hub && hop.steps.iter().any(seeks_way_out)
    }

    fn disabled(&self, id: SendConnectorId) -> Draft {
        let connector = self.topology.send_connector(id);
        let message = format!("the outbound connector `{}` is disabled", connector.name);
        let script = format!(
            "Set-OutboundConnector -Identity {} -Enabled $true",
            powershell::quoted(&connector.name)
        );
        let settings = &connector.settings;
        Finding::of("hybrid-connector-disabled", settings.at("Enabled"), message)
            .help("enable it, or run the wizard")
            .fix(
                Side::ExchangeOnline,
                script,
                edit::set_key(settings, "Enabled", "true"),
            )
    }

    /// Two connectors for one domain, one of which is not the hybrid one.
    fn compete(
        &self,
        winner: SendConnectorId,
        loser: SendConnectorId,
        stray: SendConnectorId,
        domains: &BTreeSet<&Domain>,
    ) -> Draft {
        let connector = |id| self.topology.send_connector(id);
        let stray = connector(stray);
        let message = format!(
            "the outbound connectors `{}` and `{}` both carry {}, and the first one wins",
            connector(winner).name,
            connector(loser).name,
            shown(domains)
        );
        let script = format!(
            "Set-OutboundConnector -Identity {} -Enabled $false",
            powershell::quoted(&stray.name)
        );
        let place = stray.settings.at("RecipientDomains");
        Finding::of("outbound-connectors-compete", place, message)
            .help(format!(
                "disable `{}`, or take the domain away from it",
                stray.name
            ))
            .fix(
                Side::ExchangeOnline,
                script,
                edit::set_key(&stray.settings, "Enabled", "false"),
            )
    }

    fn missing(&self, id: Option<SendConnectorId>, domains: &BTreeSet<&Domain>) -> Draft {
        const CODE: &str = "on-premises-domain-not-on-outbound-connector";
        let Some(connector) = id.map(|id| self.topology.send_connector(id)) else {
            let tenant = self.topology.organization(self.pair.tenant);
            let message = format!(
                "`{}` has no enabled outbound connector of type OnPremises for {}",
                tenant.name,
                shown(domains)
            );
            return Finding::of(CODE, tenant.settings.object.as_ref(), message)
                .help("run the Hybrid Configuration wizard");
        };
        let message = format!(
            "the outbound connector `{}` does not carry {}, which the premises have",
            connector.name,
            shown(domains)
        );
        let all = named(connector)
            .into_iter()
            .chain(domains.iter().map(ToString::to_string));
        self.set_domains(connector, CODE, message, all.collect())
            .help(format!("add {} to its RecipientDomains", shown(domains)))
    }

    /// A finding that `Set-OutboundConnector -RecipientDomains`, which replaces the list, mends.
    fn set_domains(
        &self,
        connector: &SendConnector,
        code: &'static str,
        message: String,
        domains: Vec<String>,
    ) -> Draft {
        let script = format!(
            "Set-OutboundConnector -Identity {} -RecipientDomains {}",
            powershell::quoted(&connector.name),
            powershell::list(&domains)
        );
        let settings = &connector.settings;
        Finding::of(code, settings.at("RecipientDomains"), message).fix(
            Side::ExchangeOnline,
            script,
            edit::set_key(settings, "RecipientDomains", &edit::list(domains)),
        )
    }
}

/// The entries of `RecipientDomains`.
fn named(connector: &SendConnector) -> Vec<String> {
    let spaces = connector.address_spaces.iter().map(|space| &space.pattern);
    spaces
        .filter(|pattern| **pattern != DomainPattern::AllAcceptedDomains)
        .map(ToString::to_string)
        .collect()
}

fn shown(domains: &BTreeSet<&Domain>) -> String {
    let names: Vec<String> = domains.iter().map(|domain| format!("`{domain}`")).collect();
    names.join(", ")
}

/// Connectors to the premises that take mail for the Internet too, without centralized mail transport.
fn internet(context: &Context<'_>) -> Vec<Found> {
    let mut found = Vec::new();
    for crossing in crossings(context) {
        for (id, connector) in crossing.to_premises() {
            let spaces = &connector.address_spaces;
            let open = spaces
                .iter()
                .any(|space| space.pattern == DomainPattern::Any);
            if open && connector.enabled && !connector.via_on_premises {
                found.push(crossing.takes_all(context, id, connector));
            }
        }
    }
    found
}

impl Crossing<'_> {
    fn takes_all(
        &self,
        context: &Context<'_>,
        id: SendConnectorId,
        connector: &SendConnector,
    ) -> Found {
        let message = format!(
            "the outbound connector `{}` carries `*`: what cloud users send to the Internet leaves through the premises",
            connector.name
        );
        let own = self.domains();
        let rest = named(connector).into_iter().filter(|name| name != "*");
        let domains: BTreeSet<String> = rest.chain(own.iter().map(ToString::to_string)).collect();
        let draft = self
            .set_domains(
                connector,
                "outbound-connector-takes-internet-mail",
                message,
                domains.into_iter().collect(),
            )
            .because(
                "RouteAllMessagesViaOnPremises is false, so this is not centralized mail transport",
            )
            .help("name the domains of the premises in its RecipientDomains");
        let claims = context.open_where(|asked| {
            asked.ordinary().forks.iter().any(|fork| {
                let domain = &fork.recipient.domain;
                let inside = |organization| {
                    self.topology
                        .accepted_domain_for(organization, domain)
                        .is_some()
                };
                is_sent_by(fork, id) && !inside(self.pair.on_premises) && !inside(self.pair.tenant)
            })
        });
        draft.claims(context, claims)
    }
}
