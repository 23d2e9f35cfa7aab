//! Where a sender's mail enters the world.

use super::fork::Submission;
use crate::mail::{Mailbox, ReversePath};
use crate::model::{RecipientKind, ServerId, ServerRole, Topology};

/// Why a sender has no place to send from.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NoOrigin {
    /// The address belongs to an organization of the world, and to no mailbox.
    #[error(
        "no mailbox has the address `{0}`, and its domain belongs to an organization of this world"
    )]
    NoMailbox(Mailbox),
    /// Nobody outside is described.
    #[error("the world has no host on the Internet to send from")]
    NoHost,
}

/// Where mail from this reverse-path enters: with `at` by a client without a password at that server;
/// otherwise a mailbox user at the server that holds the mailbox, and anybody else at a host of the
/// Internet.
///
/// # Errors
/// When an internal address is nobody's mailbox.
pub fn origin(
    topology: &Topology,
    from: &ReversePath,
    at: Option<ServerId>,
) -> Result<Submission, NoOrigin> {
    if let Some(server) = at {
        let host = from
            .mailbox()
            .and_then(|sender| outside_host(topology, sender));
        let address = host.and_then(|host| topology.server(host).addresses.first().copied());
        return Ok(Submission::Anonymous { server, address });
    }
    let Some(sender) = from.mailbox() else {
        return stranger(topology).ok_or(NoOrigin::NoHost);
    };
    if let Some(server) = mailbox_server(topology, sender) {
        return Ok(Submission::User(server));
    }
    if let Some(host) = outside_host(topology, sender) {
        return Ok(Submission::Host(host));
    }
    let internal = topology.accepted_domains().any(|(_, accepted)| {
        let kept = topology
            .servers()
            .any(|(_, s)| s.organization == accepted.organization && s.role != ServerRole::Host);
        kept && (accepted.domain == sender.domain
            || accepted.subdomains && sender.domain.is_below(&accepted.domain))
    });
    if internal {
        Err(NoOrigin::NoMailbox(sender.clone()))
    } else {
        stranger(topology).ok_or(NoOrigin::NoHost)
    }
}

/// The server that holds the sender's mailbox, in whichever organization.
fn mailbox_server(topology: &Topology, sender: &Mailbox) -> Option<ServerId> {
    topology.organizations().find_map(|(organization, _)| {
        topology
            .recipients_at(organization, sender)
            .iter()
            .find_map(|id| match topology.recipient(*id).kind {
                RecipientKind::Mailbox { server, .. } => Some(server),
                RecipientKind::MailUser { .. }
                | RecipientKind::DistributionGroup(_)
                | RecipientKind::Group { .. }
                | RecipientKind::RemoteGroup { .. } => None,
            })
    })
}

/// The host a described outside sender uses, or the one that takes mail for the sender's domain.
fn outside_host(topology: &Topology, sender: &Mailbox) -> Option<ServerId> {
    let described = topology
        .parts()
        .outside_senders
        .iter()
        .find(|(address, _)| address == sender);
    described.map(|(_, host)| *host).or_else(|| {
        let takes = |server: &crate::model::Server| {
            server.role == ServerRole::Host
                && topology
                    .accepted_domain_for(server.organization, &sender.domain)
                    .is_some()
        };
        topology
            .servers()
            .find(|(_, server)| takes(server))
            .map(|(id, _)| id)
    })
}

/// A host of which nothing is known but that it is on the Internet.
fn stranger(topology: &Topology) -> Option<Submission> {
    let nobody = |server: &crate::model::Server| {
        server.role == ServerRole::Host
            && !topology
                .accepted_domains()
                .any(|(_, accepted)| accepted.organization == server.organization)
    };
    topology
        .servers()
        .filter(|(_, server)| nobody(server))
        .map(|(id, _)| Submission::Host(id))
        .next()
}
