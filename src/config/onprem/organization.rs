//! What holds for a whole organization: TransportConfig, sites and the links between them.

use std::collections::BTreeSet;

use crate::config::build::{Build, unknown};
use crate::config::keys::count;
use crate::config::object::Object;
use crate::mail::{ByteSize, EnhancedStatus, Limit};
use crate::model::{
    OrganizationId, ServerRole, Settings, Site, SiteLink, SizesBind, TransportConfig,
};

/// Exchange PowerShell, "Set-TransportConfig": `GenerateCopyOfDSNFor` as setup leaves it.
const COPIED_REPORTS: [&str; 6] = ["5.4.8", "5.4.6", "5.4.4", "5.2.4", "5.2.0", "5.1.4"];

/// The configuration that is written, or what setup leaves.
pub(super) fn transport_config(object: Option<&Object>) -> TransportConfig {
    let status = |text: &str| text.rsplit(' ').next()?.parse::<EnhancedStatus>().ok();
    let usual = || COPIED_REPORTS.into_iter().filter_map(status).collect();
    let Some(object) = object else {
        return TransportConfig {
            copy_reports_of: usual(),
            ..TransportConfig::default()
        };
    };
    let limit = |key| object.parse(key).unwrap_or(Limit::Unlimited);
    let written = object.list("GenerateCopyOfDSNFor").iter();
    TransportConfig {
        max_send_size: limit("MaxSendSize"),
        max_receive_size: limit("MaxReceiveSize"),
        sizes_bind: SizesBind::Messages,
        max_recipients: object
            .text("MaxRecipientEnvelopeLimit")
            .and_then(count)
            .flatten(),
        send_domain_secure: object.parse_list("TLSSendDomainSecureList"),
        receive_domain_secure: object.parse_list("TLSReceiveDomainSecureList"),
        internal_servers: object.parse_list("InternalSMTPServers"),
        external_postmaster: object.parse("ExternalPostmasterAddress"),
        copy_reports_of: match object.has("GenerateCopyOfDSNFor") {
            true => written.filter_map(|word| status(&word.text)).collect(),
            false => usual(),
        },
        report_attachment_max: object
            .parse("InternalDsnMaxMessageAttachSize")
            .unwrap_or(ByteSize(10 << 20)),
        settings: object.settings(),
    }
}

/// Adds the sites that are written and those that servers name, then the links.
pub(super) fn sites(build: &mut Build, organization: OrganizationId, object: &Object) {
    let objects = object.objects("Sites");
    let names = objects.iter().filter_map(|object| object.word("Name"));
    build.refuse_duplicates("site", names);
    for object in objects {
        if let Some(name) = object.text("Name") {
            build.parts.sites.push(Site {
                organization,
                name: name.to_owned(),
                hub: object.flag("HubSiteEnabled"),
                settings: object.settings(),
            });
        }
    }
    imply(build, organization);
    links(build, organization, object.objects("SiteLinks"));
}

/// The sites of Mailbox servers, where nobody describes them.
fn imply(build: &mut Build, organization: OrganizationId) {
    let servers = build.servers_of(organization);
    let named: BTreeSet<String> = servers
        .filter(|(_, server)| server.role == ServerRole::Mailbox && !server.site.is_empty())
        .map(|(_, server)| server.site.clone())
        .collect();
    for name in named {
        let is_known = |site: &Site| {
            site.organization == organization && site.name.eq_ignore_ascii_case(&name)
        };
        if !build.parts.sites.iter().any(is_known) {
            build.parts.sites.push(Site {
                organization,
                name,
                hub: false,
                settings: Settings::default(),
            });
        }
    }
}

fn links(build: &mut Build, organization: OrganizationId, objects: &[Object]) {
    let names = objects.iter().filter_map(|object| object.word("Name"));
    build.refuse_duplicates("site link", names);
    let ours = |site: &&Site| site.organization == organization;
    let known: Vec<String> = build
        .parts
        .sites
        .iter()
        .filter(ours)
        .map(|site| site.name.clone())
        .collect();
    for object in objects {
        let mut sites = Vec::new();
        for word in object.list("Sites") {
            let found = known
                .iter()
                .find(|name| name.eq_ignore_ascii_case(&word.text));
            match found {
                Some(name) if sites.contains(name) => {}
                Some(name) => sites.push(name.clone()),
                None => {
                    let names: Vec<&str> = known.iter().map(String::as_str).collect();
                    let add = "write it as the `Site` of a server, or describe it in `Sites`";
                    let diagnostic = unknown("site", word, &names, add);
                    build.diagnostics.push(diagnostic);
                }
            }
        }
        let Some(name) = object.text("Name") else {
            continue;
        };
        build.parts.site_links.push(SiteLink {
            organization,
            name: name.to_owned(),
            sites,
            cost: object.parse("ADCost").unwrap_or(100),
            exchange_cost: object.parse("ExchangeCost"),
            max_message_size: object.parse("MaxMessageSize").unwrap_or(Limit::Unlimited),
            settings: object.settings(),
        });
    }
}
