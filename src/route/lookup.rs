//! Recipient validation at RCPT TO: the recipient filter of an Edge server, Directory-Based Edge
//! Blocking in the cloud.

use crate::mail::Mailbox;
use crate::model::{
    DomainType, OrganizationId, RecipientId, RecipientKind, RecipientValidation, ServerId, Topology,
};

/// Recipient validation at RCPT TO: an unknown address of an Authoritative domain.
pub(super) fn is_blocked(
    topology: &Topology,
    server: ServerId,
    organization: OrganizationId,
    kind: DomainType,
    recipient: &Mailbox,
) -> bool {
    match topology.server(server).recipient_validation {
        RecipientValidation::Off => false,
        RecipientValidation::Authoritative => {
            let holders = topology.recipients_at(organization, recipient);
            let known = holders.iter().any(|id| is_known(topology, server, *id));
            kind == DomainType::Authoritative && !known
        }
    }
}

/// Whether a server that validates recipients knows one. EdgeSync does not replicate recipients that
/// refuse mail from outside (Exchange Server, "EdgeSync replication data").
fn is_known(topology: &Topology, server: ServerId, id: RecipientId) -> bool {
    let recipient = topology.recipient(id);
    let replicated = topology.server(server).directory || !recipient.require_sender_authentication;
    match recipient.kind {
        RecipientKind::RemoteGroup { mail_enabled, .. } => replicated && mail_enabled,
        RecipientKind::Mailbox { .. }
        | RecipientKind::MailUser { .. }
        | RecipientKind::DistributionGroup(_)
        | RecipientKind::Group { .. } => replicated,
    }
}
