//! Exchange Online's dialect: the objects of tenants → the model.
//!
//! Not here: the spelling of keys and their defaults (`keys`), and DNS (`zones`).
//!
//! Implied, as soon as there is a tenant: one front end `EOP` (Exchange Online Protection) for all
//! of them, and for each a hub `EXO` that holds its mailboxes and routes; the certificate that both
//! present; the initial domain among the accepted domains.
//!
//! Inbound connectors of type OnPremises become Receive connectors of the front end that match by
//! peer; those of type Partner restrict sessions and attribute none. Outbound connectors become Send connectors of the hub.
//!
//! Sources: Exchange Online, "Configure mail flow using connectors in Exchange Online", "Accepted
//! domains in Exchange Online"; Exchange PowerShell, "New-InboundConnector",
//! "New-OutboundConnector", "Set-UnifiedGroup".

mod connectors;
mod recipients;
mod servers;

pub(super) use self::servers::FRONT_END;
use self::servers::Tenant;
use super::build::Build;
use super::object::Object;
use super::sending::conflict;
use super::{policy, remote, rules};
use crate::mail::Domain;
use crate::model::{
    AcceptedDomain, AutoForwarding, DomainType, EXCHANGE_ONLINE, Organization, OrganizationId,
    OrganizationKind, TenantPolicy, TransportConfig,
};

/// Adds the tenants of a world.
pub(super) fn lower(build: &mut Build, objects: &[Object]) {
    let names = objects.iter().filter_map(|object| object.word("Name"));
    build.refuse_duplicates("tenant", names);
    let organizations: Vec<(&Object, OrganizationId)> = objects
        .iter()
        .map(|object| (object, organization(build, object)))
        .collect();
    let Some((_, first)) = organizations.first() else {
        return;
    };
    let front_end = servers::front_end(build, *first);
    let several = organizations.len() > 1;
    for (object, organization) in organizations {
        let tenant = Tenant {
            object,
            organization,
            hub: servers::hub(build, organization, object, several),
        };
        let served = &mut build.parts.servers[front_end.index()].front_end_for;
        served.push((organization, tenant.hub));
        accepted_domains(build, &tenant);
        connectors::inbound(build, &tenant, front_end);
        connectors::outbound(build, &tenant);
        remote::lower(build, organization, object.objects("RemoteDomains"), true);
        let first = build.parts.recipients.len();
        recipients::lower(build, &tenant);
        policy::send_as(
            build,
            organization,
            first,
            object.objects("RecipientPermissions"),
        );
        rules::lower(build, organization, first, object.objects("TransportRules"));
    }
    servers::certificate(build, front_end);
}

fn organization(build: &mut Build, object: &Object) -> OrganizationId {
    let name = object.text("Name").unwrap_or_default();
    if !name.is_empty() && !name.contains('.') {
        build.report(
            "invalid-value",
            object.at("Name"),
            format!("`{name}` is no initial domain"),
            format!("write `{}.onmicrosoft.com`", name.to_lowercase()),
        );
    }
    build.organization(Organization {
        tenant: tenant_policy(object),
        transport: TransportConfig::of_tenant(),
        settings: object.settings(),
        ..Organization::new(name, OrganizationKind::ExchangeOnline, &EXCHANGE_ONLINE)
    })
}

/// What holds for the whole tenant.
fn tenant_policy(object: &Object) -> TenantPolicy {
    let config = object.objects("OrganizationConfig").first();
    let spam = object.objects("HostedOutboundSpamFilterPolicy").first();
    let region = config.and_then(|config| config.text("MailFlowRegion"));
    TenantPolicy {
        reject_direct_send: config.is_some_and(|config| config.flag("RejectDirectSend")),
        has_mail_license: config.is_none_or(|config| config.flag("HasMailLicense")),
        mail_flow_region: region.map(str::to_owned),
        auto_forwarding: match spam.and_then(|spam| spam.text("AutoForwardingMode")) {
            Some("On") => AutoForwarding::On,
            Some("Off") => AutoForwarding::Off,
            Some(_) | None => AutoForwarding::Automatic,
        },
    }
}

fn accepted_domains(build: &mut Build, tenant: &Tenant<'_>) {
    let objects = tenant.object.objects("AcceptedDomains");
    for object in objects {
        if object.text("DomainType") == Some("ExternalRelay") {
            build.report(
                "invalid-value",
                object.at("DomainType"),
                "`ExternalRelay` exists on premises only",
                "write `Authoritative` or `InternalRelay`",
            );
        }
        refuse_subdomains_of_authoritative(build, object);
    }
    build.accepted_domains(tenant.organization, objects);
    imply_initial_domain(build, tenant);
}

fn imply_initial_domain(build: &mut Build, tenant: &Tenant<'_>) {
    let Some(initial) = tenant.object.parse::<Domain>("Name") else {
        return;
    };
    let all = build.parts.accepted_domains.iter();
    let mut ours = all.filter(|domain| domain.organization == tenant.organization);
    if ours.clone().any(|domain| domain.domain == initial) {
        return;
    }
    let has_default = ours.any(|domain| domain.default);
    build.parts.accepted_domains.push(AcceptedDomain {
        default: !has_default,
        settings: tenant.object.settings(),
        ..AcceptedDomain::new(tenant.organization, initial, DomainType::Authoritative)
    });
}

/// Exchange Online, "Enable mail flow for subdomains in Exchange Online": the parent must be an
/// InternalRelay domain.
fn refuse_subdomains_of_authoritative(build: &mut Build, object: &Object) {
    let key = "MatchSubDomains";
    if object.flag(key) && object.text("DomainType") == Some("Authoritative") {
        let domain = object.text("DomainName").unwrap_or_default();
        conflict(
            build,
            object,
            key,
            format!("`{key}` is true, and `{domain}` is Authoritative"),
            "write `DomainType = \"InternalRelay\"`, or remove `MatchSubDomains`".to_owned(),
        );
    }
}
