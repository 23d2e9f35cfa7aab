//! Remote domains: what both dialects write alike (Exchange Server, "Remote domains").

use super::build::Build;
use super::object::Object;
use crate::model::{DomainPattern, OrganizationId, RemoteDomain};

/// Adds the remote domains of an organization; `forwards` says whether the built-in one lets mail be
/// forwarded automatically.
pub(super) fn lower(
    build: &mut Build,
    organization: OrganizationId,
    objects: &[Object],
    forwards: bool,
) {
    let names = objects
        .iter()
        .filter_map(|object| object.word("DomainName"));
    build.refuse_duplicates("remote domain", names);
    for object in objects {
        let Some(pattern) = object.parse::<DomainPattern>("DomainName") else {
            continue;
        };
        let name = object.text("Name").or_else(|| object.text("DomainName"));
        let built_in = pattern == DomainPattern::Any;
        build.parts.remote_domains.push(RemoteDomain {
            name: name.unwrap_or_default().to_owned(),
            target_delivery_domain: object.knows("TargetDeliveryDomain")
                && object.flag("TargetDeliveryDomain"),
            is_internal: object.flag("IsInternal"),
            trusted_inbound: object.flag("TrustedMailInboundEnabled"),
            trusted_outbound: object.flag("TrustedMailOutboundEnabled"),
            auto_forward: match object.has("AutoForwardEnabled") {
                true => object.flag("AutoForwardEnabled"),
                false => forwards || !built_in,
            },
            reports_failures: object.flag("NDREnabled"),
            reports_delivery: object.flag("DeliveryReportEnabled"),
            settings: object.settings(),
            ..RemoteDomain::new(organization, pattern)
        });
    }
    imply_default(build, organization, forwards);
}

/// The remote domain `*` that every organization has.
fn imply_default(build: &mut Build, organization: OrganizationId, forwards: bool) {
    let all = &build.parts.remote_domains;
    let is_default = |remote: &RemoteDomain| {
        remote.organization == organization && remote.pattern == DomainPattern::Any
    };
    if !all.iter().any(is_default) {
        build.parts.remote_domains.push(RemoteDomain {
            name: "Default".to_owned(),
            auto_forward: forwards,
            ..RemoteDomain::new(organization, DomainPattern::Any)
        });
    }
}
