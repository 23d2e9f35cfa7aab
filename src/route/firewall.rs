//! The header firewall, and trust across premises (Exchange Server, "Header firewall"; Exchange
//! hybrid, "Transport routing in Exchange hybrid deployments").

use super::item::{Admission, Connection, Peer, Transfer};
use super::permissions::{self, Rights};
use super::step::Reason;
use crate::mail::{AuthAs, Domain};
use crate::model::{ExtendedRight, OrganizationId, SendConnector, Topology};

/// Whether organization headers cross with a message, or why they do not.
///
/// `CloudServicesMailEnabled` governs the headers of messages between the accepted domains of the
/// two organizations, so a recipient domain that the sender's organization does not accept is outside
/// its scope. With centralized mail transport every message of the tenant is in it, wherever it goes.
///
/// # Errors
/// The reason why they stay behind.
pub(super) fn carries(
    topology: &Topology,
    organization: OrganizationId,
    connector: Option<&SendConnector>,
    recipient_domain: &Domain,
) -> Result<(), Reason> {
    let Some(connector) = connector else {
        return Err(Reason::HeadersNotCarried(
            "no connector carries the message".to_owned(),
        ));
    };
    if !connector.cloud_services_mail_enabled {
        return Err(Reason::HeadersNotCarried(
            "CloudServicesMailEnabled is false".to_owned(),
        ));
    }
    let accepted = topology.accepted_domain_for(organization, recipient_domain);
    if accepted.is_none() && !connector.via_on_premises {
        return Err(Reason::HeadersNotCarried(format!(
            "`{recipient_domain}` is not an accepted domain of the sender's organization"
        )));
    }
    Ok(())
}

/// Who vouches for the sender of an arriving message, and why.
#[must_use]
pub(super) fn promote(
    topology: &Topology,
    connection: &Connection,
    admission: &Admission,
    transfer: &Transfer,
    rights: Rights,
) -> (AuthAs, Reason) {
    let (session, reason) = of_session(topology, connection, admission, transfer, rights);
    // The headers of the organization's own servers stand; where there are none, the session itself
    // vouches.
    let headers = rights.has(ExtendedRight::AcceptHeadersOrganization);
    (
        transfer.organization.filter(|_| headers).unwrap_or(session),
        reason,
    )
}

/// Who vouches for the sender where no header of the organization does.
fn of_session(
    topology: &Topology,
    connection: &Connection,
    admission: &Admission,
    transfer: &Transfer,
    rights: Rights,
) -> (AuthAs, Reason) {
    let connector = topology.receive_connector(admission.connector);
    let sender = &transfer.reverse_path;
    match connection.peer {
        Peer::ExchangeServer => (AuthAs::Internal, Reason::ExchangeServer),
        Peer::User => (AuthAs::Internal, Reason::AuthenticatedUser),
        Peer::Anonymous if connector.externally_secured => {
            (AuthAs::Internal, Reason::ExternallySecured)
        }
        Peer::Anonymous if rights.has(ExtendedRight::AcceptAuthenticationFlag) => {
            (AuthAs::Internal, Reason::AuthenticationFlag)
        }
        Peer::Anonymous if admission.treat_as_internal => {
            (AuthAs::Internal, Reason::TreatedAsInternal)
        }
        Peer::Anonymous => match (transfer.cross_premises, sender.domain()) {
            (Some(auth_as), _) if admission.promote => (auth_as, Reason::Promoted(auth_as)),
            (_, Some(domain))
                if permissions::is_partner(topology, connector, connection, sender) =>
            {
                (AuthAs::Partner, Reason::DomainProved(domain.clone()))
            }
            _ => (AuthAs::Anonymous, Reason::AnonymousSession),
        },
    }
}
