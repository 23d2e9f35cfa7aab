//! Inbound and outbound connectors (Exchange Online, "Configure mail flow using connectors in
//! Exchange Online").

use super::servers::{MAX_ATTRIBUTIONS, Tenant, endpoint};
use crate::config::build::Build;
use crate::config::object::Object;
use crate::config::sending::{self, conflict};
use crate::mail::{Limit, NamePattern};
use crate::model::{
    AddressSpace, DomainPattern, Matcher, PartnerRestriction, ReceiveConnector, SendConnector,
    ServerId, TransportRole,
};

/// Adds the inbound connectors of a tenant: those that attribute sessions to it, and those that
/// restrict the sessions of partners.
pub(super) fn inbound(build: &mut Build, tenant: &Tenant<'_>, front_end: ServerId) {
    let objects = tenant.object.objects("InboundConnectors");
    let names = objects.iter().filter_map(|object| object.word("Name"));
    build.refuse_duplicates("inbound connector", names);
    for object in objects {
        refuse_cloud_services(build, object);
        refuse_both_kinds_of_trust(build, object);
        refuse_restriction(build, object);
        if object.text("ConnectorType") == Some("OnPremises") {
            refuse_nobody(build, object);
        }
        let connector = inbound_connector(tenant, front_end, object);
        build.parts.receive_connectors.extend(connector);
    }
}

fn inbound_connector(
    tenant: &Tenant<'_>,
    front_end: ServerId,
    object: &Object,
) -> Option<ReceiveConnector> {
    let name = object.text("Name")?;
    let service = (TransportRole::HubTransport, 25);
    let certificate = object.text("TlsSenderCertificateName");
    Some(ReceiveConnector {
        enabled: object.flag("Enabled"),
        matcher: Matcher::Peer {
            tls_sender_certificate_name: certificate.and_then(|n| NamePattern::parse(n).ok()),
            sender_ip_addresses: object.parse_list("SenderIPAddresses"),
        },
        cloud_services_mail_enabled: object.flag("CloudServicesMailEnabled"),
        treat_as_internal: object.flag("TreatMessagesAsInternal"),
        associated_domains: object.parse_list("AssociatedAcceptedDomains"),
        blocked: object.flag("Blocked"),
        require_tls: object.flag("RequireTls"),
        max_attributions: Some(MAX_ATTRIBUTIONS),
        partner: partner(object),
        settings: object.settings(),
        ..endpoint(tenant.organization, front_end, name, service)
    })
}

/// What a connector of type Partner demands of its sender domains.
fn partner(object: &Object) -> Option<PartnerRestriction> {
    let domains = sending::address_spaces(object.list("SenderDomains"));
    let everybody = || vec![DomainPattern::Any];
    (object.text("ConnectorType") == Some("Partner")).then(|| PartnerRestriction {
        sender_domains: match object.has("SenderDomains") {
            true => domains.into_iter().map(|space| space.pattern).collect(),
            false => everybody(),
        },
        to_certificate: object.flag("RestrictDomainsToCertificate"),
        to_addresses: object.flag("RestrictDomainsToIPAddresses"),
    })
}

/// A restriction needs a partner, and what it restricts to.
fn refuse_restriction(build: &mut Build, object: &Object) {
    for (key, to) in [
        ("RestrictDomainsToCertificate", "TlsSenderCertificateName"),
        ("RestrictDomainsToIPAddresses", "SenderIPAddresses"),
    ] {
        if object.flag(key) && !object.states(to) {
            conflict(
                build,
                object,
                key,
                format!("`{key}` is true, and there is no `{to}`"),
                format!("add `{to}`, or remove `{key}`"),
            );
        }
    }
}

/// An inbound connector for the own organization needs something to know its peers by.
fn refuse_nobody(build: &mut Build, object: &Object) {
    let keys = ["TlsSenderCertificateName", "SenderIPAddresses"];
    if keys.iter().any(|key| object.states(key)) {
        return;
    }
    let name = object.text("Name").unwrap_or_default();
    build.report(
        "missing-key",
        &object.location,
        format!("`{name}` has neither `TlsSenderCertificateName` nor `SenderIPAddresses`"),
        "add `TlsSenderCertificateName`: a name in the certificate that the on-premises servers present",
    );
}

/// Exchange PowerShell, "Set-InboundConnector": the two ways of trusting exclude each other.
fn refuse_both_kinds_of_trust(build: &mut Build, object: &Object) {
    let key = "TreatMessagesAsInternal";
    if object.flag(key) && object.flag("CloudServicesMailEnabled") {
        conflict(
            build,
            object,
            key,
            format!("`{key}` is true, and so is `CloudServicesMailEnabled`"),
            "remove one of the two".to_owned(),
        );
    }
}

fn refuse_cloud_services(build: &mut Build, object: &Object) {
    let key = "CloudServicesMailEnabled";
    let is_partner = object.text("ConnectorType") == Some("Partner");
    if object.flag(key) && is_partner && !object.is_unusable("ConnectorType") {
        conflict(
            build,
            object,
            key,
            format!("`{key}` is true, and `ConnectorType` is Partner"),
            format!("write `ConnectorType = \"OnPremises\"`, or remove `{key}`"),
        );
    }
}

/// Adds the outbound connectors of a tenant.
pub(super) fn outbound(build: &mut Build, tenant: &Tenant<'_>) {
    let objects = tenant.object.objects("OutboundConnectors");
    let names = objects.iter().filter_map(|object| object.word("Name"));
    build.refuse_duplicates("outbound connector", names);
    for object in objects {
        refuse_cloud_services(build, object);
        let connector = outbound_connector(build, tenant, object);
        build.parts.send_connectors.extend(connector);
    }
}

fn outbound_connector(
    build: &mut Build,
    tenant: &Tenant<'_>,
    object: &Object,
) -> Option<SendConnector> {
    let address_spaces = recipient_domains(build, object);
    let routing = sending::routing(build, object, "UseMXRecord");
    let level = sending::tls_auth_level(object, "TlsSettings");
    Some(SendConnector {
        enabled: object.flag("Enabled"),
        address_spaces,
        sources: vec![tenant.hub],
        routing,
        require_tls: level.is_some(),
        tls_auth_level: level,
        tls_domain: sending::tls_domain(build, object, "TlsSettings"),
        max_message_size: Limit::Unlimited,
        cloud_services_mail_enabled: object.flag("CloudServicesMailEnabled"),
        // Between equals, the connector to the own organization goes before one to a partner.
        rank: u8::from(object.text("ConnectorType") != Some("OnPremises")),
        via_on_premises: via_on_premises(build, object),
        rule_scoped: object.flag("IsTransportRuleScoped"),
        test_mode: object.flag("TestMode"),
        settings: object.settings(),
        ..SendConnector::new(tenant.organization, object.text("Name")?)
    })
}

/// Exchange PowerShell, "Set-OutboundConnector": centralized mail transport is for the own
/// organization.
fn via_on_premises(build: &mut Build, object: &Object) -> bool {
    let key = "RouteAllMessagesViaOnPremises";
    let is_partner = object.text("ConnectorType") == Some("Partner");
    if object.flag(key) && is_partner && !object.is_unusable("ConnectorType") {
        conflict(
            build,
            object,
            key,
            format!("`{key}` is true, and `ConnectorType` is Partner"),
            format!("write `ConnectorType = \"OnPremises\"`, or remove `{key}`"),
        );
    }
    object.flag(key)
}

/// The domains of an outbound connector, which must name some or take all of the tenant's own.
fn recipient_domains(build: &mut Build, object: &Object) -> Vec<AddressSpace> {
    let mut spaces = sending::address_spaces(object.list("RecipientDomains"));
    // Exports write `smtp:contoso.com;1`, but outbound connectors have no cost.
    for space in &mut spaces {
        space.cost = 1;
    }
    let all = object.flag("AllAcceptedDomains");
    if all && object.text("ConnectorType") == Some("Partner") {
        conflict(
            build,
            object,
            "AllAcceptedDomains",
            "`AllAcceptedDomains` is true, and `ConnectorType` is Partner".to_owned(),
            "write `ConnectorType = \"OnPremises\"`, or name `RecipientDomains`".to_owned(),
        );
    }
    // A connector that rules choose, or that takes everything, needs no domains.
    let unbound =
        object.flag("IsTransportRuleScoped") || object.flag("RouteAllMessagesViaOnPremises");
    if !all && !unbound && !object.states("RecipientDomains") {
        let name = object.text("Name").unwrap_or_default();
        build.report(
            "missing-key",
            &object.location,
            format!("`{name}` has no `RecipientDomains`"),
            "add `RecipientDomains`, as in `[\"contoso.com\"]`, or `AllAcceptedDomains = true`",
        );
    }
    if all {
        spaces.push(AddressSpace {
            location: Some(object.at("AllAcceptedDomains").clone()),
            ..AddressSpace::new(DomainPattern::AllAcceptedDomains, 1)
        });
    }
    spaces
}
