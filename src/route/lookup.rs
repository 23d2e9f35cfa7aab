//! Recipients at RCPT TO: the recipient filter of an Edge server, Directory-Based Edge Blocking in the
//! cloud.

use super::item::Envelope;
use super::step::{Reason, Step};
use crate::mail::{Mailbox, Status};
use crate::model::{
    AcceptedDomain, OrganizationId, RecipientId, RecipientKind, RecipientValidation, Server,
    Topology,
};

/// The recipient filter of a server that routes for itself (Exchange PowerShell,
/// "Set-RecipientFilterConfig"): its block list for every domain, and the lookup of recipients where
/// the accepted domain asks for it.
///
/// Choice: a session with `AcceptCloudServicesMail` is not an authenticated one, because the filter
/// runs before the headers are promoted.
pub(super) fn filter(
    topology: &Topology,
    server: &Server,
    envelope: Envelope<'_>,
    accepted: Option<&AcceptedDomain>,
    authenticated: bool,
    step: &mut Step,
) -> Result<(), (Status, Reason)> {
    let filter = &server.recipient_filter;
    let applies = match authenticated {
        true => filter.internal,
        false => filter.external,
    };
    if !(filter.enabled && applies) {
        return Ok(());
    }
    let blocked = || Err(server.profile.recipient_blocked.clone());
    let refusal = if filter.block_list && filter.blocked.contains(envelope.recipient) {
        blocked().map_err(|status| (status, Reason::RecipientOnBlockList))
    } else if accepted
        .is_some_and(|accepted| is_unknown(topology, server, accepted, envelope.recipient))
    {
        blocked().map_err(|status| (status, Reason::RecipientBlocked))
    } else {
        Ok(())
    };
    match refusal {
        Err(_) if is_trusted(topology, server.organization, envelope, step) => Ok(()),
        refusal => refusal,
    }
}

/// Whether the filter is switched off for a sender (Exchange PowerShell, "Set-RemoteDomain",
/// TrustedMailInboundEnabled).
fn is_trusted(
    topology: &Topology,
    organization: OrganizationId,
    envelope: Envelope<'_>,
    step: &mut Step,
) -> bool {
    let domain = envelope.reverse_path.domain();
    let remote = domain.and_then(|domain| topology.remote_domain_for(organization, domain));
    let Some(remote) = remote.filter(|remote| remote.trusted_inbound) else {
        return false;
    };
    step.because
        .push(Reason::SenderDomainTrusted(remote.pattern.to_string()));
    true
}

/// Whether a server that looks recipients up refuses one: an address that nobody has, of a domain
/// whose recipients are looked up (`AddressBookEnabled`; in the cloud, Authoritative domains).
pub(super) fn is_unknown(
    topology: &Topology,
    server: &Server,
    accepted: &AcceptedDomain,
    recipient: &Mailbox,
) -> bool {
    match server.recipient_validation {
        RecipientValidation::Off => false,
        RecipientValidation::Authoritative => {
            let holders = topology.recipients_at(accepted.organization, recipient);
            let known = holders.iter().any(|id| is_known(topology, server, *id));
            accepted.address_book && !known
        }
    }
}

/// Whether a server that validates recipients knows one. EdgeSync does not replicate recipients that
/// refuse mail from outside (Exchange Server, "EdgeSync replication data").
fn is_known(topology: &Topology, server: &Server, id: RecipientId) -> bool {
    let recipient = topology.recipient(id);
    let replicated = server.directory || !recipient.require_sender_authentication;
    match recipient.kind {
        RecipientKind::RemoteGroup { mail_enabled, .. } => replicated && mail_enabled,
        RecipientKind::Mailbox { .. }
        | RecipientKind::MailUser { .. }
        | RecipientKind::DistributionGroup(_)
        | RecipientKind::Group { .. } => replicated,
    }
}
