//! Do two organizations fit together? The only place in this folder that knows which product an
//! organization runs.

use super::finding::Side;
use crate::model::{
    DomainPattern, Matcher, OrganizationId, OrganizationKind, ReceiveConnectorId, SendConnector,
    SendConnectorId, ServerId, ServerRole, Topology,
};

/// An on-premises organization and the tenant it forms a hybrid deployment with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Pair {
    /// The on-premises organization.
    pub(super) on_premises: OrganizationId,
    /// The tenant.
    pub(super) tenant: OrganizationId,
}

/// Every hybrid deployment of the world.
pub(super) fn pairs(topology: &Topology) -> Vec<Pair> {
    let mut pairs = Vec::new();
    for (on_premises, organization) in topology.organizations() {
        if organization.kind != OrganizationKind::OnPremises {
            continue;
        }
        for tenant in &organization.partners {
            if topology.organization(*tenant).kind == OrganizationKind::ExchangeOnline {
                pairs.push(Pair {
                    on_premises,
                    tenant: *tenant,
                });
            }
        }
    }
    pairs
}

/// The hybrid Send connectors of every deployment.
pub(super) fn carriers(topology: &Topology) -> Vec<(Pair, SendConnectorId)> {
    let mut found = Vec::new();
    for pair in pairs(topology) {
        let own = pair.carriers(topology);
        found.extend(own.into_iter().map(|id| (pair, id)));
    }
    found
}

/// The documented word for the mailboxes of an organization.
pub(super) fn mailboxes_word(topology: &Topology, organization: OrganizationId) -> &'static str {
    match topology.organization(organization).kind {
        OrganizationKind::OnPremises => "on-premises mailboxes",
        OrganizationKind::ExchangeOnline => "cloud mailboxes",
        OrganizationKind::Internet => "external recipients",
    }
}

/// Whether a Send connector leads to Exchange Online for a hybrid deployment, by its marks.
fn is_the_wizards(connector: &SendConnector) -> bool {
    let tls_domain = connector.tls_domain.as_ref();
    let coexistence = connector
        .address_spaces
        .iter()
        .any(|space| match &space.pattern {
            DomainPattern::Exact(domain) => domain.as_str().ends_with(".mail.onmicrosoft.com"),
            _ => false,
        });
    connector.cloud_services_mail_enabled
        || coexistence
        || tls_domain.is_some_and(|name| name.domain().as_str() == "mail.protection.outlook.com")
}

/// Whether an organization is a tenant of the cloud, whose cmdlets have other names.
pub(super) fn is_tenant(topology: &Topology, organization: OrganizationId) -> bool {
    topology.organization(organization).kind == OrganizationKind::ExchangeOnline
}

/// The side whose directory and settings an organization's are.
pub(super) fn side(topology: &Topology, organization: OrganizationId) -> Side {
    match topology.organization(organization).kind {
        OrganizationKind::ExchangeOnline => Side::ExchangeOnline,
        OrganizationKind::OnPremises | OrganizationKind::Internet => Side::OnPremises,
    }
}

impl Pair {
    /// The on-premises servers that hold mailboxes and route.
    pub(super) fn mailbox_servers(self, topology: &Topology) -> Vec<ServerId> {
        let own = |server: &crate::model::Server| {
            server.organization == self.on_premises && server.role == ServerRole::Mailbox
        };
        topology
            .servers()
            .filter(|(_, server)| own(server))
            .map(|(id, _)| id)
            .collect()
    }

    /// The tenant's hub, which routes what its front ends take.
    pub(super) fn hub(self, topology: &Topology) -> Option<ServerId> {
        topology
            .servers()
            .flat_map(|(_, server)| &server.front_end_for)
            .find(|(tenant, _)| *tenant == self.tenant)
            .map(|(_, hub)| *hub)
    }

    /// The enabled Send connectors of the hybrid wizard. One that leaves the organization headers behind
    /// is among them: that is a fault of its own.
    pub(super) fn carriers(self, topology: &Topology) -> Vec<SendConnectorId> {
        let own = topology
            .send_connectors_of(self.on_premises)
            .iter()
            .copied();
        own.filter(|id| {
            let connector = topology.send_connector(*id);
            connector.enabled && is_the_wizards(connector)
        })
        .collect()
    }

    /// The enabled Send connectors that carry organization headers to the cloud.
    pub(super) fn hybrid_send_connectors(self, topology: &Topology) -> Vec<SendConnectorId> {
        let carries = |id: &&SendConnectorId| {
            let connector = topology.send_connector(**id);
            connector.enabled && connector.cloud_services_mail_enabled
        };
        topology
            .send_connectors_of(self.on_premises)
            .iter()
            .filter(carries)
            .copied()
            .collect()
    }

    /// The Send connectors that the hybrid wizard made, or that look like it: whether enabled or not,
    /// and with organization headers or without.
    pub(super) fn wizard_connectors(
        self,
        topology: &Topology,
    ) -> impl Iterator<Item = &SendConnector> {
        let own = topology.send_connectors_of(self.on_premises).iter();
        own.map(|id| topology.send_connector(*id))
            .filter(|connector| is_the_wizards(connector))
    }

    /// The tenant's inbound connectors that recognise servers, enabled ones.
    pub(super) fn inbound_connectors(self, topology: &Topology) -> Vec<ReceiveConnectorId> {
        topology
            .receive_connectors()
            .filter(|(_, connector)| {
                connector.organization == self.tenant
                    && connector.enabled
                    && connector.partner.is_none()
                    && matches!(connector.matcher, Matcher::Peer { .. })
            })
            .map(|(id, _)| id)
            .collect()
    }
}
