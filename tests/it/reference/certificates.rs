//! TLS with the next hop (Exchange Server, "Send connectors in Exchange Server"; New-SendConnector):
//! which certificate is shown, and whether one that is shown will do.

use hybridmx::model::{Certificate, Parts, SendConnector, ServerId, ServerRole, TlsAuthLevel};
use hybridmx::route::TlsDemand;
use jiff::Timestamp;

use super::names::certificate_name_fits;

/// Whether TLS is used with a next hop; nothing if the message has to wait.
pub(crate) fn judge(
    demand: &TlsDemand,
    offered: bool,
    certificate: Option<&Certificate>,
    now: Timestamp,
) -> Option<bool> {
    if !offered || demand.avoided {
        return (!demand.required).then_some(false);
    }
    let valid =
        certificate.is_some_and(|certificate| certificate.trusted && in_date(certificate, now));
    let named = match (certificate, &demand.name) {
        (Some(certificate), Some(wanted)) => certificate
            .names
            .iter()
            .any(|name| certificate_name_fits(&wanted.to_string(), &name.to_string())),
        (Some(_), None) => true,
        (None, _) => false,
    };
    let satisfied = match demand.level {
        None | Some(TlsAuthLevel::EncryptionOnly) => true,
        Some(TlsAuthLevel::CertificateValidation) => valid,
        Some(TlsAuthLevel::DomainValidation) => valid && named,
    };
    satisfied.then_some(true)
}

fn in_date(certificate: &Certificate, now: Timestamp) -> bool {
    let begun = match certificate.not_before {
        Some(start) => start <= now,
        None => true,
    };
    let over = match certificate.not_after {
        Some(end) => end < now,
        None => false,
    };
    begun && !over
}

/// What a server shows the next hop: `missing`, `self-signed`, or the names of the newest certificate
/// that `TlsCertificateName` names, or else that covers `Fqdn` and is in date.
pub(crate) fn presented(parts: &Parts, server: ServerId, connector: &SendConnector) -> String {
    let here = &parts.servers[server.index()];
    let mut suitable: Vec<&Certificate> = Vec::new();
    for certificate in &parts.certificates {
        if !certificate.servers.contains(&server) {
            continue;
        }
        // A name that EdgeSync could not take is none to an Edge server.
        let known = here.role != ServerRole::Edge;
        let name = connector.tls_certificate_name.as_ref();
        let suits = match name.filter(|name| known || name.len() <= 256) {
            Some(wanted) => {
                in_date(certificate, parts.as_of)
                    && *wanted == format!("<I>{}<S>{}", certificate.issuer, certificate.subject)
            }
            None => {
                let fqdn = connector.fqdn.as_ref().unwrap_or(&here.fqdn).to_string();
                in_date(certificate, parts.as_of)
                    && certificate
                        .names
                        .iter()
                        .any(|name| certificate_name_fits(&fqdn, &name.to_string()))
            }
        };
        if suits {
            suitable.push(certificate);
        }
    }
    suitable.sort_by_key(|certificate| certificate.not_before);
    let name = connector.tls_certificate_name.as_ref();
    let name = name.filter(|name| here.role != ServerRole::Edge || name.len() <= 256);
    match (suitable.last(), name) {
        (Some(newest), _) => format!(
            "{:?} trusted {}",
            newest.names,
            trusted(newest, parts.as_of)
        ),
        (None, Some(_)) => "missing".to_owned(),
        (None, None) => "self-signed".to_owned(),
    }
}

/// Whether the other side believes it.
fn trusted(certificate: &Certificate, now: Timestamp) -> bool {
    certificate.trusted && in_date(certificate, now)
}
