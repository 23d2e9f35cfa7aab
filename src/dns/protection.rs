//! The host names of Exchange Online Protection (Microsoft 365, "External Domain Name System
//! records for Microsoft 365").

use crate::mail::Domain;

const PROTECTION: &str = "mail.protection.outlook.com";

/// The host that takes mail for an accepted domain of a tenant: `contoso.com` gives
/// `contoso-com.mail.protection.outlook.com`.
///
/// The admin center shows the real one; this computes it. Dots become hyphens. A hyphen of the
/// domain is dropped, and its place is encoded at the end; for several hyphens the encoding is not
/// known, so they are kept: `None`.
#[must_use]
pub fn protection_host(domain: &Domain) -> Option<Domain> {
    let name = domain.as_str();
    let mut hyphens = name.match_indices('-').map(|(at, _)| at);
    let suffix = match (hyphens.next(), hyphens.next()) {
        (None, _) => String::new(),
        (Some(at), None) => {
            let group = if at >= 4 {
                (at / 4).to_string()
            } else {
                String::new()
            };
            let letter = ['b', 'c', 'e', 'i'][at % 4];
            format!("0{group}{letter}")
        }
        (Some(_), Some(_)) => return None,
    };
    // `contoso.onmicrosoft.com` itself is served under the bare tenant name.
    let key = match name.strip_suffix(".onmicrosoft.com") {
        Some(tenant) if !tenant.contains('.') => format!("{}{suffix}", tenant.replace('-', "")),
        _ => format!("{}{suffix}", name.replace('-', "").replace('.', "-")),
    };
    Domain::parse(&format!("{key}.{PROTECTION}")).ok()
}

/// Whether a host name is one of Exchange Online Protection's.
#[must_use]
pub fn is_protection_host(host: &Domain) -> bool {
    let name = host.as_str();
    let under = |suffix: &str| {
        name.strip_suffix(suffix)
            .is_some_and(|rest| !rest.is_empty())
    };
    under(".mail.protection.outlook.com") || secured_key(host).is_some()
}

/// The key of the domain that a host of Exchange Online Protection in a signed zone is for:
/// `contoso-com` of `contoso-com.o-v1.mx.microsoft` (Exchange PowerShell,
/// "Enable-DnssecForVerifiedDomain": `DnssecMxValue`). The label between is the service's to choose.
#[must_use]
pub fn secured_key(host: &Domain) -> Option<&str> {
    let (key, partition) = host
        .as_str()
        .strip_suffix(".mx.microsoft")?
        .split_once('.')?;
    let (letter, version) = partition.split_once("-v")?;
    let is_letter = letter.len() == 1 && letter.bytes().all(|byte| byte.is_ascii_lowercase());
    let is_number = !version.is_empty() && version.bytes().all(|byte| byte.is_ascii_digit());
    (is_letter && is_number).then_some(key)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_in_a_signed_zone_says_whose_it_is() {
        for (host, key) in [
            (
                "groups-contoso-com.o-v1.mx.microsoft",
                Some("groups-contoso-com"),
            ),
            ("contoso-com.p-v12.mx.microsoft", Some("contoso-com")),
            ("contoso-com.mx.microsoft", None),
            ("contoso-com.ov1.mx.microsoft", None),
            ("contoso-com.o-v.mx.microsoft", None),
            ("a.b.o-v1.mx.microsoft", None),
            ("contoso-com.mail.protection.outlook.com", None),
        ] {
            let name = Domain::parse(host).expect("a host name");
            assert_eq!(secured_key(&name), key, "{host}");
        }
    }

    #[test]
    fn the_place_of_one_hyphen_is_encoded() {
        for (domain, key) in [
            ("groups.contoso.com", "groups-contoso-com"),
            (
                "contoso.mail.onmicrosoft.com",
                "contoso-mail-onmicrosoft-com",
            ),
            ("contoso.onmicrosoft.com", "contoso"),
            ("1-2.co.uk", "12-co-uk0c"),
            ("pi-hf.com", "pihf-com0e"),
            ("mcc-hvac.com", "mcchvac-com0i"),
            ("octo-bot.io", "octobot-io01b"),
            ("arkham-advisory.com", "arkhamadvisory-com01e"),
            (
                "czechowice-dziedzice.zhp.pl",
                "czechowicedziedzice-zhp-pl02e",
            ),
        ] {
            let host = Domain::parse(domain).ok().and_then(|d| protection_host(&d));
            assert_eq!(
                host.map(|h| h.to_string()),
                Some(format!("{key}.mail.protection.outlook.com"))
            );
        }
        let two = Domain::parse("a-b-c.com").expect("a domain");
        assert_eq!(protection_host(&two), None);
    }
}
