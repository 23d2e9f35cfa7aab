//! The front door of Exchange Online: whose mail it is, and what a tenant refuses (Exchange Online,
//! "Office 365 message attribution", "Configure mail flow using connectors in Exchange Online" and
//! "Use Directory-Based Edge Blocking to reject messages sent to invalid recipients").

use hybridmx::mail::{Directionality, Domain, Status};
use hybridmx::model::{
    DomainPattern, Matcher, OrganizationId, Parts, ReceiveConnector, RecipientValidation, Server,
    ServerId, replies,
};
use hybridmx::route::Vouched;

use super::acceptance::{Accepted, Session, known, trusted_names};
use super::names::{accepted, certificate_name_fits, within};

/// A front end: the tenant that the client's certificate or address names, else the recipient's.
pub(super) fn front_end<'a>(
    parts: &'a Parts,
    server: ServerId,
    session: &Session<'a, '_>,
) -> Result<Accepted<'a>, Status> {
    let here = &parts.servers[server.index()];
    let recipient = session.recipient;
    let certificate = session.connection.certificate.as_ref();
    if session.connection.tls
        && certificate.is_some_and(|shown| shown.vouched == Vouched::PrivateRoot)
    {
        return Err(replies::UNTRUSTED_ROOT.clone());
    }
    let sender_entry = |tenant| {
        let domain = session.reverse_path.domain();
        domain.and_then(|domain| accepted(parts, tenant, domain))
    };
    let (known_by, refused_by) = inbound(parts, server, session);
    if let Some(inbound) = known_by {
        let sender = sender_entry(inbound.organization);
        if inbound.blocked {
            return Err(reply(
                550,
                (5, 7, 711),
                "Access denied, bad inbound connector. AS(2204).",
            ));
        }
        if inbound.require_tls && !session.connection.tls {
            return Err(replies::MUST_STARTTLS.clone());
        }
        if sender.is_some_and(|entry| entry.cloud.sending_from_disabled) {
            return Err(replies::SENDER_REFUSED.clone());
        }
        let cloud = inbound.cloud_services_mail_enabled;
        return Ok(Accepted {
            connector: &session.connector.name,
            attributed_by: Some(&inbound.name),
            organization: inbound.organization,
            promote: cloud,
            internal: inbound.treat_as_internal && !cloud && sender.is_some(),
            directionality: Directionality::Originating,
        });
    }
    let tenant = owner(parts, here, &recipient.domain);
    // A connector knew the session, but its tenant does not register it: it may reach that tenant's
    // recipients and nobody else.
    if !refused_by.is_empty() && !tenant.is_some_and(|tenant| refused_by.contains(&tenant)) {
        return Err(reply(
            550,
            (5, 7, 64),
            "Relay Access Denied ATTR36. For more details please refer to KB 3169958",
        ));
    }
    let tenant = tenant.ok_or(here.profile.relay_denied.clone())?;
    let policy = &parts.organizations[tenant.index()].tenant;
    if !policy.has_mail_license {
        return Err(replies::NO_MAIL_LICENSE.clone());
    }
    let partner = partner(parts, server, tenant, session)?;
    if partner.is_none() && policy.reject_direct_send && sender_entry(tenant).is_some() {
        return Err(replies::DIRECT_SEND.clone());
    }
    let entry = accepted(parts, tenant, &recipient.domain).expect("the tenant owns the domain");
    let validates = here.recipient_validation == RecipientValidation::Authoritative;
    if entry.cloud.outbound_only
        || entry.cloud.sending_to_disabled
        || entry.address_book && validates && !known(parts, here, tenant, recipient)
    {
        return Err(here.profile.recipient_blocked.clone());
    }
    Ok(Accepted {
        connector: &session.connector.name,
        attributed_by: partner.map(|connector| connector.name.as_str()),
        organization: tenant,
        promote: false,
        internal: false,
        directionality: Directionality::Incoming,
    })
}

fn reply(code: u16, enhanced: (u8, u16, u16), text: &'static str) -> Status {
    Status::new(code, enhanced, text)
}

/// The tenant that a domain belongs to: the one with the closest accepted domain.
fn owner(parts: &Parts, here: &Server, domain: &Domain) -> Option<OrganizationId> {
    let mut owners = Vec::new();
    for (tenant, _) in &here.front_end_for {
        if let Some(entry) = accepted(parts, *tenant, domain) {
            let name = &parts.organizations[tenant.index()].name;
            let length = entry.domain.as_str().len();
            owners.push((usize::MAX - length, entry.subdomains, name, *tenant));
        }
    }
    owners.sort();
    owners.first().map(|(_, _, _, tenant)| *tenant)
}

/// The names of the client's certificate that a connector asks for, and whether it asks for the
/// client's address.
fn known_by(connector: &ReceiveConnector, session: &Session<'_, '_>) -> (Vec<String>, bool) {
    let Matcher::Peer {
        tls_sender_certificate_name,
        sender_ip_addresses,
    } = &connector.matcher
    else {
        return (Vec::new(), false);
    };
    let mut names = trusted_names(session.connection);
    names.retain(|name| {
        tls_sender_certificate_name
            .as_ref()
            .is_some_and(|wanted| certificate_name_fits(&wanted.to_string(), name))
    });
    let client = session.connection.remote_address;
    let by_address =
        client.is_some_and(|client| sender_ip_addresses.iter().any(|r| r.contains(client)));
    (names, by_address)
}

/// Whether a connector is for the recipient's domain (`AssociatedAcceptedDomains`).
fn is_for_recipient(
    parts: &Parts,
    connector: &ReceiveConnector,
    session: &Session<'_, '_>,
) -> bool {
    let listed = &connector.associated_domains;
    let domain = &session.recipient.domain;
    let entry = accepted(parts, connector.organization, domain);
    listed.is_empty()
        || listed.contains(domain)
        || entry.is_some_and(|entry| listed.contains(&entry.domain))
}

/// The connector of type OnPremises that recognises the client, and whose tenant owns the certificate's
/// domain or the sender's: those that match by certificate before those that match by address; among
/// equals the tenant that owns the certificate's domain, the sender's, the recipient's, and at last the
/// lowest name. Beside it the tenants whose connectors recognise it but own neither.
fn inbound<'a>(
    parts: &'a Parts,
    server: ServerId,
    session: &Session<'_, '_>,
) -> (Option<&'a ReceiveConnector>, Vec<OrganizationId>) {
    let mut found = Vec::new();
    let mut refused = Vec::new();
    for connector in &parts.receive_connectors {
        let here = connector.server == server && connector.enabled;
        let (names, by_address) = known_by(connector, session);
        let known = by_address || !names.is_empty();
        if !here || !known || connector.partner.is_some() {
            continue;
        }
        if !is_for_recipient(parts, connector, session) {
            continue;
        }
        let tenant = connector.organization;
        let owns = |domain: &Domain| accepted(parts, tenant, domain).is_some();
        let owns_name = names.iter().any(|name| registered(parts, tenant, name));
        let owns_sender = session.reverse_path.domain().is_some_and(owns);
        let owns_recipient = owns(&session.recipient.domain);
        if owns_name || owns_sender {
            let key = (names.is_empty(), !owns_name, !owns_sender, !owns_recipient);
            found.push((key, &connector.name, connector));
        } else {
            refused.push(tenant);
        }
    }
    found.sort_by_key(|(key, name, _)| (*key, *name));
    (found.first().map(|(_, _, connector)| *connector), refused)
}

/// Whether a certificate's name, or what is left without its first label, is an accepted domain.
fn registered(parts: &Parts, tenant: OrganizationId, name: &str) -> bool {
    let parent = name.split_once('.').map(|(_, parent)| parent);
    [Some(name), parent]
        .into_iter()
        .flatten()
        .filter_map(|name| Domain::parse(name).ok())
        .any(|domain| accepted(parts, tenant, &domain).is_some())
}

/// The connector of type Partner that the client satisfies; the refusal, where some restrict the
/// sender's domain and the client satisfies none.
fn partner<'a>(
    parts: &'a Parts,
    server: ServerId,
    tenant: OrganizationId,
    session: &Session<'_, '_>,
) -> Result<Option<&'a ReceiveConnector>, Status> {
    let mut all: Vec<&ReceiveConnector> = parts
        .receive_connectors
        .iter()
        .filter(|each| each.server == server && each.organization == tenant && each.enabled)
        .filter(|each| each.partner.is_some() && is_for_recipient(parts, each, session))
        .filter(|each| is_for_sender(each, session))
        .collect();
    all.sort_by_key(|connector| connector.name.to_lowercase());
    let shut_out = |connector: &ReceiveConnector| {
        let (names, by_address) = known_by(connector, session);
        let restriction = connector.partner.as_ref().expect("a partner's");
        restriction.to_certificate && names.is_empty() || restriction.to_addresses && !by_address
    };
    let knows = |connector: &ReceiveConnector| {
        let (names, by_address) = known_by(connector, session);
        by_address || !names.is_empty()
    };
    let satisfied = all.iter().find(|each| !shut_out(each) && knows(each));
    if satisfied.is_none() && all.iter().any(|each| shut_out(each)) {
        return Err(replies::PARTNER_RESTRICTED.clone());
    }
    let concerned = satisfied.or(all.first());
    if concerned.is_some_and(|each| each.require_tls) && !session.connection.tls {
        return Err(replies::MUST_STARTTLS.clone());
    }
    Ok(satisfied.copied())
}

/// Whether `SenderDomains` of a connector from a partner contain the sender's.
fn is_for_sender(connector: &ReceiveConnector, session: &Session<'_, '_>) -> bool {
    let domains = &connector
        .partner
        .as_ref()
        .expect("a partner's")
        .sender_domains;
    domains.iter().any(|pattern| {
        let text = pattern.to_string();
        match (session.reverse_path.domain(), text.strip_prefix("*.")) {
            _ if *pattern == DomainPattern::Any => true,
            (Some(domain), Some(parent)) => within(domain.as_str(), parent),
            (Some(domain), None) => text == domain.as_str(),
            (None, _) => false,
        }
    })
}
