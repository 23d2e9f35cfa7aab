//! What an X.509 certificate says of itself (RFC 5280). Whether anybody vouches for it is for `net` to
//! find out, and whether it will do for `route`.

use x509_parser::prelude::{FromDer, GeneralName, X509Certificate};

/// The parts of a certificate that mail flow depends on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Description {
    /// Distinguished name of the subject, such as `CN=mail.contoso.com`.
    pub subject: String,
    /// Distinguished name of the issuer.
    pub issuer: String,
    /// Alternative names that are host names; the CN where there are none (RFC 6125 §6.4.4).
    pub names: Vec<String>,
    /// Seconds since 1970 from which it is valid.
    pub not_before: i64,
    /// Seconds since 1970 until which it is valid.
    pub not_after: i64,
}

impl Description {
    /// Reads a certificate in DER; `None` where it is none.
    #[must_use]
    pub fn read(der: &[u8]) -> Option<Self> {
        let (_, certificate) = X509Certificate::from_der(der).ok()?;
        let alternative = certificate.subject_alternative_name().ok().flatten();
        let mut names: Vec<String> = alternative
            .iter()
            .flat_map(|extension| &extension.value.general_names)
            .filter_map(|name| match name {
                GeneralName::DNSName(name) => Some((*name).to_owned()),
                _ => None,
            })
            .collect();
        if names.is_empty() {
            let common = certificate
                .subject()
                .iter_common_name()
                .filter_map(|name| name.as_str().ok());
            names.extend(common.map(str::to_owned));
        }
        Some(Self {
            subject: certificate.subject().to_string(),
            issuer: certificate.issuer().to_string(),
            names,
            not_before: certificate.validity().not_before.timestamp(),
            not_after: certificate.validity().not_after.timestamp(),
        })
    }
}

/// Whether two distinguished names say the same: programs print their parts in either order, and
/// disagree about quotes and about the letters of a state.
#[must_use]
pub fn is_same_name(one: &str, other: &str) -> bool {
    parts(one) == parts(other)
}

fn parts(name: &str) -> Vec<String> {
    let plain = name.replace('"', "").to_lowercase();
    let mut parts: Vec<String> = plain
        .split(',')
        .map(|part| match part.trim().split_once('=') {
            Some(("st", value)) => format!("s={}", value.trim()),
            Some((kind, value)) => format!("{}={}", kind.trim(), value.trim()),
            None => part.trim().to_owned(),
        })
        .collect();
    parts.sort();
    parts
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distinguished_names_are_the_same_in_either_order() {
        let exchange = "CN=mail.contoso.com, O=\"Contoso, Ltd.\", S=Washington, C=US";
        let x509 = "C=US, ST=Washington, O=Contoso, Ltd., CN=mail.contoso.com";
        assert!(is_same_name(exchange, x509));
        assert!(!is_same_name(exchange, "CN=mail.contoso.com"));
    }

    #[test]
    fn what_is_no_certificate_says_nothing() {
        assert_eq!(Description::read(b"certificate"), None);
    }
}
