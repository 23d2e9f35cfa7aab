//! What Send connectors and the cloud's outbound connectors write alike: domains, next hops, TLS.

use super::build::Build;
use super::object::{Object, Word};
use crate::diag::Diagnostic;
use crate::mail::NamePattern;
use crate::model::{AddressSpace, Routing, SmartHost, TlsAuthLevel};

/// Address spaces with their places.
pub(super) fn address_spaces(words: &[Word]) -> Vec<AddressSpace> {
    let space = |word: &Word| {
        let space: AddressSpace = word.text.parse().ok()?;
        Some(AddressSpace {
            location: Some(word.location.clone()),
            ..space
        })
    };
    words.iter().filter_map(space).collect()
}

/// How a connector finds its next hop; `by_mx` is the key that says so.
///
/// Exchange PowerShell, "Set-SendConnector" and "Set-OutboundConnector": MX records and smart hosts
/// exclude each other.
pub(super) fn routing(build: &mut Build, object: &Object, by_mx: &str) -> Routing {
    let has_hosts = object.states("SmartHosts");
    match (object.has(by_mx), object.flag(by_mx), has_hosts) {
        (true, true, true) => conflict(
            build,
            object,
            by_mx,
            format!("`{by_mx}` is true, and there are `SmartHosts`"),
            format!("write `{by_mx} = false`, or remove `SmartHosts`"),
        ),
        (true, false, false) if !object.is_unusable(by_mx) => conflict(
            build,
            object,
            by_mx,
            format!("`{by_mx}` is false, and there are no `SmartHosts`"),
            format!("write `{by_mx} = true`, or name `SmartHosts`"),
        ),
        _ => {}
    }
    if has_hosts {
        Routing::SmartHosts(object.parse_list::<SmartHost>("SmartHosts"))
    } else {
        Routing::Dns
    }
}

/// The level of TLS that a key names.
pub(super) fn tls_auth_level(object: &Object, key: &str) -> Option<TlsAuthLevel> {
    let levels = [
        TlsAuthLevel::EncryptionOnly,
        TlsAuthLevel::CertificateValidation,
        TlsAuthLevel::DomainValidation,
    ];
    object.choose(key, &levels, TlsAuthLevel::as_str)
}

/// `TlsDomain`, which goes with DomainValidation and with nothing else, and which smart hosts need;
/// `level_key` is the key of the level.
pub(super) fn tls_domain(
    build: &mut Build,
    object: &Object,
    level_key: &str,
) -> Option<NamePattern> {
    let validates = tls_auth_level(object, level_key) == Some(TlsAuthLevel::DomainValidation);
    let known = !object.is_unusable(level_key);
    if object.has("TlsDomain") && !validates && known {
        conflict(
            build,
            object,
            "TlsDomain",
            format!("`TlsDomain` is written, and `{level_key}` is not DomainValidation"),
            format!("write `{level_key} = \"DomainValidation\"`, or remove `TlsDomain`"),
        );
    }
    if validates && object.states("SmartHosts") && !object.has("TlsDomain") {
        let message = "DomainValidation with `SmartHosts` needs `TlsDomain`";
        let place = Some(object.at(level_key).clone());
        build.diagnostics.push(
            Diagnostic::new("missing-key", place, message)
                .because("the recipient domain says nothing about the name of a smart host")
                .help("add `TlsDomain`: a name in the certificate of the smart hosts"),
        );
    }
    let text = object.text("TlsDomain")?;
    NamePattern::parse(text).ok()
}

/// Says that the value of a key goes with something else.
pub(super) fn conflict(
    build: &mut Build,
    object: &Object,
    key: &str,
    message: String,
    help: String,
) {
    build.report("conflicting-settings", object.at(key), message, help);
}
