//! What a session may do at a Receive connector (Exchange Server, "Receive connectors", permission
//! groups).

use super::item::{Connection, Peer};
use super::step::Reason;
use crate::mail::Status;
use crate::model::{PermissionGroup, ReceiveConnector, replies};

/// Permission groups and the demand for TLS.
pub(super) fn may_submit(
    connector: &ReceiveConnector,
    connection: &Connection,
) -> Result<(), (Status, Reason)> {
    if connector.require_tls && !connection.tls {
        return Err((replies::MUST_STARTTLS.clone(), Reason::TlsMissing));
    }
    let group = match connection.peer {
        Peer::Anonymous if connector.externally_secured => PermissionGroup::ExchangeServers,
        Peer::Anonymous => PermissionGroup::AnonymousUsers,
        Peer::ExchangeServer => PermissionGroup::ExchangeServers,
        Peer::User => PermissionGroup::ExchangeUsers,
    };
    if connector.permission_groups.contains(&group) {
        return Ok(());
    }
    Err((
        replies::NOT_AUTHENTICATED.clone(),
        Reason::PermissionMissing(group.as_str()),
    ))
}

/// Whether a session has `AcceptCloudServicesMail` (`TlsDomainCapabilities`): by a name in the peer's
/// trusted certificate, or without TLS by `NO-TLS`.
pub(super) fn capability(connector: &ReceiveConnector, connection: &Connection) -> bool {
    let certificate = connection.certificate.as_ref().filter(|c| c.trusted);
    let names = certificate.map_or(&[][..], |certificate| &certificate.names);
    connector
        .tls_domain_capabilities
        .iter()
        .filter(|entry| entry.accept_cloud_services_mail)
        .any(|entry| match &entry.domain {
            Some(wanted) => connection.tls && names.iter().any(|name| wanted.accepts(name)),
            None => !connection.tls,
        })
}
