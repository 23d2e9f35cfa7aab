//! What the hybrid wizard was told, and the policies that give recipients their addresses.

use crate::config::build::Build;
use crate::config::object::{Object, Word};
use crate::config::sending::conflict;
use crate::mail::Domain;
use crate::model::{
    EmailAddressPolicy, HybridConfiguration, OrganizationId, Server, ServerId, ServerRole,
};

/// Adds both.
pub(super) fn lower(build: &mut Build, organization: OrganizationId, object: &Object) {
    address_policies(build, organization, object.objects("EmailAddressPolicies"));
    for object in object.objects("HybridConfiguration") {
        configuration(build, organization, object);
    }
}

fn address_policies(build: &mut Build, organization: OrganizationId, objects: &[Object]) {
    let names = objects.iter().filter_map(|object| object.word("Name"));
    build.refuse_duplicates("email address policy", names);
    for object in objects {
        let Some(name) = object.text("Name") else {
            continue;
        };
        let templates = object.list("EnabledEmailAddressTemplates").iter();
        build.parts.address_policies.push(EmailAddressPolicy {
            organization,
            name: name.to_owned(),
            priority: object.parse("Priority"),
            templates: templates.map(|word| word.text.clone()).collect(),
            filter: object.text("RecipientFilter").map(str::to_owned),
            settings: object.settings(),
        });
    }
}

fn configuration(build: &mut Build, organization: OrganizationId, object: &Object) {
    refuse_edge_and_mailbox(build, object);
    let features = object.list("Features").iter();
    let features: Vec<String> = features.map(|word| word.text.clone()).collect();
    let domain = |word: &Word| -> Option<Domain> {
        let text = word.text.strip_prefix("autod:").unwrap_or(&word.text);
        text.parse().ok()
    };
    let mut servers = |key: &str, role: ServerRole| -> Vec<ServerId> {
        let ours = |server: &Server| server.organization == organization && server.role == role;
        build.servers_named(object.list(key), ours)
    };
    let sending = servers("SendingTransportServers", ServerRole::Mailbox);
    let receiving = servers("ReceivingTransportServers", ServerRole::Mailbox);
    let edge = servers("EdgeTransportServers", ServerRole::Edge);
    build.parts.hybrid_configurations.push(HybridConfiguration {
        organization,
        centralized: features.iter().any(|name| name.starts_with("Centralized")),
        features,
        tls_certificate_name: object.text("TlsCertificateName").map(str::to_owned),
        sending,
        receiving,
        edge,
        smart_host: object.parse("OnPremisesSmartHost"),
        domains: object.list("Domains").iter().filter_map(domain).collect(),
        settings: object.settings(),
    });
}

/// Exchange PowerShell, "Set-HybridConfiguration": Edge servers and Mailbox servers exclude each
/// other.
fn refuse_edge_and_mailbox(build: &mut Build, object: &Object) {
    let key = "EdgeTransportServers";
    let others = ["SendingTransportServers", "ReceivingTransportServers"];
    let other = others.into_iter().find(|other| object.states(other));
    if let Some(other) = other.filter(|_| object.states(key)) {
        conflict(
            build,
            object,
            key,
            format!("there are `{key}`, and there are `{other}`"),
            "keep the servers that exchange mail with the cloud".to_owned(),
        );
    }
}
