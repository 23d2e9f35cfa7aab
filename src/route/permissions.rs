//! What a session may do at a Receive connector (Exchange Server, "Receive connectors": permission
//! groups, and the extended rights that they stand for).

use super::item::{Connection, Peer};
use super::step::Reason;
use crate::mail::{Domain, NamePattern, ReversePath, Status};
use crate::model::{
    DomainType, ExtendedRight, PermissionGroup, ReceiveConnector, Topology, Trustee, replies,
};

/// A set of extended rights.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Rights(u16);

impl Rights {
    const NONE: Self = Self(0);

    fn of(rights: &[ExtendedRight]) -> Self {
        Self(rights.iter().fold(0, |set, right| set | Self::bit(*right)))
    }

    const fn bit(right: ExtendedRight) -> u16 {
        1 << right as u16
    }

    fn with(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    fn without(self, other: Self) -> Self {
        Self(self.0 & !other.0)
    }

    /// Whether a right is in the set.
    pub(super) fn has(self, right: ExtendedRight) -> bool {
        self.0 & Self::bit(right) != 0
    }
}

/// What a connector lets a session do: what the groups of its principals stand for, with the rights
/// that are given beside them, less those that are denied.
pub(super) fn rights(
    topology: &Topology,
    connector: &ReceiveConnector,
    connection: &Connection,
    reverse_path: &ReversePath,
) -> Rights {
    let principals = principals(topology, connector, connection, reverse_path);
    let mut rights = Rights::NONE;
    for (group, trustee) in &principals {
        if connector.permission_groups.contains(group) {
            rights = rights.with(of_group(trustee));
        }
        if connector.anonymous_relay && *trustee == Trustee::Anonymous {
            rights = rights.with(Rights::of(&[ExtendedRight::AcceptAnyRecipient]));
        }
    }
    let written = |deny: bool| {
        connector
            .ad_permissions
            .iter()
            .filter(move |permission| permission.deny == deny)
            .filter(|permission| principals.iter().any(|(_, who)| *who == permission.trustee))
            .fold(Rights::NONE, |set, permission| {
                set.with(Rights::of(&permission.rights))
            })
    };
    rights.with(written(false)).without(written(true))
}

/// The security principals of a session, each with the permission group it is in.
///
/// Choice: a partner who proved its domain is still anyone, because the connector that a server has
/// for the Internet demands the proof and lacks the group Partners.
fn principals(
    topology: &Topology,
    connector: &ReceiveConnector,
    connection: &Connection,
    reverse_path: &ReversePath,
) -> Vec<(PermissionGroup, Trustee)> {
    let one = match connection.peer {
        Peer::ExchangeServer => (PermissionGroup::ExchangeServers, Trustee::ExchangeServers),
        Peer::User => (PermissionGroup::ExchangeUsers, Trustee::AuthenticatedUsers),
        Peer::Anonymous if connector.externally_secured => (
            PermissionGroup::ExchangeServers,
            Trustee::ExternallySecuredServers,
        ),
        Peer::Anonymous => (PermissionGroup::AnonymousUsers, Trustee::Anonymous),
    };
    let mut all = vec![one];
    if is_partner(topology, connector, connection, reverse_path) {
        all.push((PermissionGroup::Partners, Trustee::Partners));
    }
    all
}

/// The rights that a permission group gives to one of its principals.
fn of_group(trustee: &Trustee) -> Rights {
    use ExtendedRight::{
        AcceptAnyRecipient, AcceptAnySender, AcceptAuthoritativeDomainSender, AcceptHeadersForest,
        AcceptHeadersOrganization, AcceptHeadersRouting, BypassAntiSpam, Submit,
    };
    let all = Rights::of(&ExtendedRight::ALL);
    match trustee {
        Trustee::Anonymous => Rights::of(&[
            Submit,
            AcceptAnySender,
            AcceptAuthoritativeDomainSender,
            AcceptHeadersRouting,
        ]),
        Trustee::AuthenticatedUsers => Rights::of(&[
            Submit,
            AcceptAnyRecipient,
            BypassAntiSpam,
            AcceptHeadersRouting,
        ]),
        Trustee::ExchangeServers => all,
        Trustee::ExternallySecuredServers => all.without(Rights::of(&[
            AcceptHeadersForest,
            AcceptHeadersOrganization,
        ])),
        Trustee::Partners => Rights::of(&[Submit, AcceptHeadersRouting]),
        Trustee::Other(_) => Rights::NONE,
    }
}

/// The domain of a sender that has to prove itself by mutual TLS (Exchange Server, "Domain Security":
/// `DomainSecureEnabled`, `TLSReceiveDomainSecureList`).
fn secured_domain<'a>(
    topology: &Topology,
    connector: &ReceiveConnector,
    connection: &Connection,
    reverse_path: &'a ReversePath,
) -> Option<&'a Domain> {
    let list = &topology
        .organization(connector.organization)
        .transport
        .receive_domain_secure;
    let concerned = connector.domain_secure
        && connection.peer == Peer::Anonymous
        && !connector.externally_secured;
    reverse_path
        .domain()
        .filter(|domain| concerned && list.contains(domain))
}

/// Whether a session proved a domain of `TLSReceiveDomainSecureList`.
///
/// Choice: a name of its certificate must be the domain, by the rule for `TlsDomain`.
pub(super) fn is_partner(
    topology: &Topology,
    connector: &ReceiveConnector,
    connection: &Connection,
    reverse_path: &ReversePath,
) -> bool {
    secured_domain(topology, connector, connection, reverse_path)
        .is_some_and(|domain| proves(connection, domain))
}

fn proves(connection: &Connection, domain: &Domain) -> bool {
    let Ok(wanted) = NamePattern::parse(domain.as_str()) else {
        return false;
    };
    let certificate = connection.certificate.as_ref();
    certificate
        .filter(|shown| shown.is_trusted() && connection.tls)
        .is_some_and(|shown| shown.names.iter().any(|name| wanted.accepts(name)))
}

/// The answer to MAIL FROM: the demand for TLS, the right to submit, and the sender's domain.
pub(super) fn may_submit(
    topology: &Topology,
    connector: &ReceiveConnector,
    connection: &Connection,
    reverse_path: &ReversePath,
) -> Result<Rights, (Status, Reason)> {
    if connector.require_tls && !connection.tls {
        return Err((replies::MUST_STARTTLS.clone(), Reason::TlsMissing));
    }
    if let Some(domain) = secured_domain(topology, connector, connection, reverse_path)
        && !proves(connection, domain)
    {
        // Choice: the replies of a session without TLS and of a certificate that does not fit; those
        // of Domain Security are not documented.
        let status = match connection.tls {
            true => &replies::CERTIFICATE_INVALID,
            false => &replies::MUST_STARTTLS,
        };
        return Err((status.clone(), Reason::DomainNotProved(domain.clone())));
    }
    let rights = rights(topology, connector, connection, reverse_path);
    if !rights.has(ExtendedRight::Submit) {
        let (group, _) = principals(topology, connector, connection, reverse_path)[0].clone();
        let reason = if connector.permission_groups.contains(&group) {
            Reason::RightMissing(ExtendedRight::Submit.as_str())
        } else {
            Reason::PermissionMissing(group.as_str())
        };
        let profile = topology.server(connector.server).profile;
        return Err((profile.not_authenticated.clone(), reason));
    }
    may_write_as(topology, connector, connection, reverse_path, rights)?;
    Ok(rights)
}

/// Whether a session may name a sender of an own domain. Users are held to their own addresses
/// instead ([`super::sender`]).
///
/// Choice: `Ms-Exch-SMTP-Accept-Any-Sender` changes nothing here, because a session without an
/// account has no addresses of its own that a sender could be compared with.
fn may_write_as(
    topology: &Topology,
    connector: &ReceiveConnector,
    connection: &Connection,
    reverse_path: &ReversePath,
    rights: Rights,
) -> Result<(), (Status, Reason)> {
    let right = ExtendedRight::AcceptAuthoritativeDomainSender;
    let own = reverse_path
        .domain()
        .and_then(|domain| topology.accepted_domain_at(connector.server, domain))
        .is_some_and(|id| topology.accepted_domain(id).kind == DomainType::Authoritative);
    if own && connection.peer != Peer::User && !rights.has(right) {
        let reason = Reason::RightMissing(right.as_str());
        return Err((replies::SENDER_REFUSED.clone(), reason));
    }
    Ok(())
}

/// Whether a session counts as authenticated: a user's, a server's, one of a host that the connector
/// trusts, or one with the right to say so.
pub(super) fn is_authenticated(
    connector: &ReceiveConnector,
    connection: &Connection,
    rights: Rights,
) -> bool {
    connection.peer != Peer::Anonymous
        || connector.externally_secured
        || rights.has(ExtendedRight::AcceptAuthenticationFlag)
}

/// Whether a peer gets `AcceptCloudServicesMail` (`TlsDomainCapabilities`): by a name in its validated
/// certificate, or without TLS where the entry says `NO-TLS`.
pub(super) fn capability(connector: &ReceiveConnector, connection: &Connection) -> bool {
    let certificate = connection.certificate.as_ref();
    let certificate = certificate.filter(|shown| connection.tls && shown.is_trusted());
    connector
        .tls_domain_capabilities
        .iter()
        .filter(|entry| entry.accept_cloud_services_mail)
        .any(|entry| match &entry.domain {
            Some(wanted) => {
                certificate.is_some_and(|shown| shown.names.iter().any(|name| wanted.accepts(name)))
            }
            None => !connection.tls,
        })
}
