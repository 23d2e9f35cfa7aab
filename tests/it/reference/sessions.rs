//! What a session may do, from the table of permission groups (Exchange Server, "Receive connectors").

use std::collections::BTreeSet;

use hybridmx::mail::{ReversePath, Status};
use hybridmx::model::{
    DomainType, ExtendedRight, Parts, PermissionGroup, ReceiveConnector, Trustee, replies,
};
use hybridmx::route::{Connection, Peer};

use super::acceptance::trusted_names;
use super::names::{certificate_name_fits, domain_type};

/// A row of the table: a group, one of the principals in it, and what that may do, in words.
const TABLE: [(PermissionGroup, Trustee, &str); 5] = [
    (
        PermissionGroup::AnonymousUsers,
        Trustee::Anonymous,
        "Submit Accept-Any-Sender Accept-Authoritative-Domain-Sender Accept-Headers-Routing",
    ),
    (
        PermissionGroup::ExchangeUsers,
        Trustee::AuthenticatedUsers,
        "Submit Accept-Any-Recipient Bypass-Anti-Spam Accept-Headers-Routing",
    ),
    (
        PermissionGroup::ExchangeServers,
        Trustee::ExchangeServers,
        "Submit Accept-Any-Sender Accept-Authoritative-Domain-Sender Accept-Any-Recipient \
         Accept-Authentication-Flag Accept-Headers-Routing Accept-Headers-Organization \
         Accept-Headers-Forest Bypass-Anti-Spam Bypass-Message-Size-Limit",
    ),
    (
        PermissionGroup::ExchangeServers,
        Trustee::ExternallySecuredServers,
        "Submit Accept-Any-Sender Accept-Authoritative-Domain-Sender Accept-Any-Recipient \
         Accept-Authentication-Flag Accept-Headers-Routing Bypass-Anti-Spam \
         Bypass-Message-Size-Limit",
    ),
    (
        PermissionGroup::Partners,
        Trustee::Partners,
        "Submit Accept-Headers-Routing",
    ),
];

/// Who a session is: every principal that it stands for.
fn principals(
    parts: &Parts,
    connector: &ReceiveConnector,
    connection: &Connection,
    reverse_path: &ReversePath,
) -> Vec<Trustee> {
    let mut all = vec![match connection.peer {
        Peer::User => Trustee::AuthenticatedUsers,
        Peer::ExchangeServer => Trustee::ExchangeServers,
        Peer::Anonymous if connector.externally_secured => Trustee::ExternallySecuredServers,
        Peer::Anonymous => Trustee::Anonymous,
    }];
    if has_proved_domain(parts, connector, connection, reverse_path) {
        all.push(Trustee::Partners);
    }
    all
}

/// What a session may do.
pub(super) fn rights(
    parts: &Parts,
    connector: &ReceiveConnector,
    connection: &Connection,
    reverse_path: &ReversePath,
) -> BTreeSet<ExtendedRight> {
    let mut given = BTreeSet::new();
    let mut denied = BTreeSet::new();
    for who in principals(parts, connector, connection, reverse_path) {
        for (group, trustee, words) in TABLE {
            if trustee == who && connector.permission_groups.contains(&group) {
                for right in ExtendedRight::ALL {
                    let name = right.as_str().replace("-SMTP", "").replace("Ms-Exch-", "");
                    if words.split_whitespace().any(|word| word == name) {
                        given.insert(right);
                    }
                }
            }
        }
        if who == Trustee::Anonymous && connector.anonymous_relay {
            given.insert(ExtendedRight::AcceptAnyRecipient);
        }
        for entry in &connector.ad_permissions {
            if entry.trustee == who {
                let list = if entry.deny { &mut denied } else { &mut given };
                list.extend(entry.rights.iter().copied());
            }
        }
    }
    &given - &denied
}

/// Whether the sender's domain has to be proved (Exchange Server, "Domain Security").
fn must_prove(
    parts: &Parts,
    connector: &ReceiveConnector,
    connection: &Connection,
    reverse_path: &ReversePath,
) -> bool {
    let transport = &parts.organizations[connector.organization.index()].transport;
    let stranger = connection.peer == Peer::Anonymous && !connector.externally_secured;
    connector.domain_secure
        && stranger
        && reverse_path
            .domain()
            .is_some_and(|domain| transport.receive_domain_secure.contains(domain))
}

/// Whether the sender's domain had to be proved and is.
pub(super) fn has_proved_domain(
    parts: &Parts,
    connector: &ReceiveConnector,
    connection: &Connection,
    reverse_path: &ReversePath,
) -> bool {
    let shown = trusted_names(connection);
    must_prove(parts, connector, connection, reverse_path)
        && reverse_path.domain().is_some_and(|domain| {
            shown
                .iter()
                .any(|name| certificate_name_fits(domain.as_str(), name))
        })
}

/// Answers MAIL FROM.
pub(super) fn mail_from(
    parts: &Parts,
    connector: &ReceiveConnector,
    connection: &Connection,
    reverse_path: &ReversePath,
) -> Result<(), Status> {
    if connector.require_tls && !connection.tls {
        return Err(replies::MUST_STARTTLS.clone());
    }
    if must_prove(parts, connector, connection, reverse_path)
        && !has_proved_domain(parts, connector, connection, reverse_path)
    {
        return Err(match connection.tls {
            true => Status::new(454, (4, 7, 5), "Certificate validation failure"),
            false => replies::MUST_STARTTLS.clone(),
        });
    }
    let rights = rights(parts, connector, connection, reverse_path);
    if !rights.contains(&ExtendedRight::Submit) {
        let server = &parts.servers[connector.server.index()];
        return Err(server.profile.not_authenticated.clone());
    }
    let here = &parts.servers[connector.server.index()];
    let own = reverse_path.domain().is_some_and(|domain| {
        let kind = domain_type(parts, connector.organization, domain);
        here.subscribed && kind == Some(DomainType::Authoritative)
    });
    let may = rights.contains(&ExtendedRight::AcceptAuthoritativeDomainSender);
    if own && !may && connection.peer != Peer::User {
        return Err(Status::new(
            550,
            (5, 7, 1),
            "Client does not have permissions to send as this sender",
        ));
    }
    Ok(())
}
