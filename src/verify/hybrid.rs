//! Do two organizations fit together? The only place in this folder that knows which product an
//! organization runs.

use crate::model::{
    Matcher, OrganizationId, OrganizationKind, ReceiveConnectorId, SendConnectorId, ServerId,
    ServerRole, Topology,
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

/// The documented word for the mailboxes of an organization.
pub(super) fn mailboxes_word(topology: &Topology, organization: OrganizationId) -> &'static str {
    match topology.organization(organization).kind {
        OrganizationKind::OnPremises => "on-premises mailboxes",
        OrganizationKind::ExchangeOnline => "cloud mailboxes",
        OrganizationKind::Internet => "external recipients",
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
