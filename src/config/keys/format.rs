//! What the texts of a world look like, and what is said of those that do not.

use std::fmt::Display;
use std::net::{IpAddr, SocketAddr};
use std::str::FromStr;

use jiff::{SignedDuration, Timestamp};

use super::kind::{Format, Mistake};
use crate::diag::did_you_mean;
use crate::mail::{AddressError, ByteSize, Domain, EnhancedStatus, Limit, Mailbox, NamePattern};
use crate::model::{AddressSpace, DomainPattern, ExtendedRight, IpRange, SmartHost};

/// Any text, the empty one too.
pub(super) static TEXT: Format = Format {
    noun: "text",
    example: "text",
    check: |_| Ok(()),
};

/// A name: any text but the empty one.
pub(super) static NAME: Format = Format {
    noun: "text",
    example: "EX01",
    check: |text| {
        let blank = || Mistake::new("the text is empty").help("write a name, as in `EX01`");
        (!text.trim().is_empty()).then_some(()).ok_or_else(blank)
    },
};

/// `david@contoso.com`.
pub(super) static ADDRESS: Format = Format {
    noun: "an address",
    example: "david@contoso.com",
    check: |text| address(text),
};

/// An address with or without `SMTP:` before it, or an address of another kind.
pub(super) static PROXY_ADDRESS: Format = Format {
    noun: "an address",
    example: "smtp:david@contoso.com",
    check: |text| smtp_address(text).map_or(Ok(()), address),
};

/// A target address: SMTP only.
pub(super) static TARGET_ADDRESS: Format = Format {
    noun: "an address",
    example: "david@contoso.mail.onmicrosoft.com",
    check: |text| match smtp_address(text) {
        Some(bare) => address(bare),
        None => Err(Mistake::new(format!("`{text}` is not an SMTP address"))),
    },
};

/// `contoso.com`.
pub(super) static DOMAIN: Format = Format {
    noun: "a domain name",
    example: "contoso.com",
    check: |text| domain(text),
};

/// `mail.contoso.com`.
pub(super) static HOST: Format = Format {
    noun: "a host name",
    example: "mail.contoso.com",
    check: |text| {
        Domain::parse(text)
            .map(drop)
            .map_err(|_| Mistake::new(format!("`{text}` is not a host name")))
    },
};

/// `contoso.com` or `*.contoso.com`.
pub(super) static ACCEPTED_DOMAIN: Format = Format {
    noun: "a domain name",
    example: "contoso.com",
    check: |text| match text {
        "*" => Ok(()),
        _ => domain_or_wildcard(text),
    },
};

/// `contoso.com`, `*.contoso.com` or `*`.
pub(super) static REMOTE_DOMAIN: Format = Format {
    noun: "a domain name",
    example: "contoso.mail.onmicrosoft.com",
    check: |text| match text {
        "*" => Ok(()),
        _ => domain_or_wildcard(text),
    },
};

/// `mail.contoso.com` or `*.contoso.com`, as in certificates.
pub(super) static NAME_PATTERN: Format = Format {
    noun: "a host name",
    example: "mail.contoso.com",
    check: |text| match NamePattern::parse(text) {
        Ok(_) => Ok(()),
        Err(error @ AddressError::Wildcard(_)) => Err(Mistake::new(error.to_string())),
        Err(_) => Err(Mistake::new(format!("`{text}` is not a host name"))),
    },
};

/// `SMTP:contoso.com;1`.
pub(super) static ADDRESS_SPACE: Format = Format {
    noun: "an address space",
    example: "contoso.com;10",
    check: |text| parsed::<AddressSpace>(text),
};

/// A host name or an address in brackets.
pub(super) static SMART_HOST: Format = Format {
    noun: "a smart host",
    example: "mail.contoso.com",
    check: |text| parsed::<SmartHost>(text),
};

/// A smart host, or `--` for the Mailbox servers of an Edge server's site.
pub(super) static SMART_HOST_OR_SITE: Format = Format {
    noun: "a smart host",
    example: "mail.contoso.com",
    check: |text| match text {
        "--" => Ok(()),
        _ => parsed::<SmartHost>(text),
    },
};

/// An address of the Internet protocol.
pub(super) static IP_ADDRESS: Format = Format {
    noun: "an IP address",
    example: "192.0.2.10",
    check: |text| {
        text.parse::<IpAddr>()
            .map(drop)
            .map_err(|_| Mistake::new(format!("`{text}` is not an IP address")))
    },
};

/// An address, a range, or a network.
pub(super) static IP_RANGE: Format = Format {
    noun: "a range of IP addresses",
    example: "192.0.2.0/24",
    check: |text| parsed::<IpRange>(text),
};

/// What the cloud takes as the address of a sending host.
pub(super) static SENDER_IP_ADDRESS: Format = Format {
    noun: "an IPv4 address or network",
    example: "192.0.2.10",
    check: |text| sender_ip_address(text),
};

/// `0.0.0.0:25`.
pub(super) static BINDING: Format = Format {
    noun: "an address with a port",
    example: "0.0.0.0:25",
    check: |text| {
        text.parse::<SocketAddr>()
            .map(drop)
            .map_err(|_| Mistake::new(format!("`{text}` is not an address with a port")))
    },
};

/// `Version 15.2 (Build 2562.46)`.
pub(super) static VERSION: Format = Format {
    noun: "a version of Exchange Server",
    example: "Version 15.2 (Build 2562.46)",
    check: |text| {
        let bad = || Mistake::new(format!("`{text}` is not a version of Exchange Server"));
        version(text).map(drop).ok_or_else(bad)
    },
};

/// `<I>issuer<S>subject`.
pub(super) static CERTIFICATE_NAME: Format = Format {
    noun: "the name of a certificate",
    example: "<I>CN=Public CA<S>CN=mail.contoso.com",
    check: |text| {
        let parts = text
            .strip_prefix("<I>")
            .and_then(|rest| rest.split_once("<S>"));
        match parts {
            Some((issuer, subject)) if !issuer.is_empty() && !subject.is_empty() => Ok(()),
            _ => Err(Mistake::new(format!(
                "`{text}` does not have the form `<I>issuer<S>subject`"
            ))),
        }
    },
};

/// `CN=mail.contoso.com, O=Contoso`.
pub(super) static DISTINGUISHED_NAME: Format = Format {
    noun: "a distinguished name",
    example: "CN=mail.contoso.com, O=Contoso",
    check: |text| {
        let bad = || Mistake::new(format!("`{text}` is not a distinguished name"));
        let pairs = text.split(',').filter(|part| part.contains('=')).count();
        (pairs > 0).then_some(()).ok_or_else(bad)
    },
};

/// `SMTP:%g.%s@contoso.com`, or a template of another type.
pub(super) static ADDRESS_TEMPLATE: Format = Format {
    noun: "a template of addresses",
    example: "SMTP:@contoso.com",
    check: |text| {
        let Some(bare) = smtp_address(text) else {
            return Ok(());
        };
        let bad = || Mistake::new(format!("`{text}` is not a template of addresses"));
        let (_, template_domain) = bare.rsplit_once('@').ok_or_else(bad)?;
        domain(template_domain)
    },
};

/// `contoso.com`, or `autod:contoso.com`.
pub(super) static HYBRID_DOMAIN: Format = Format {
    noun: "a domain name",
    example: "contoso.com",
    check: |text| domain(text.strip_prefix("autod:").unwrap_or(text)),
};

/// `Ms-Exch-SMTP-Accept-Any-Recipient`.
pub(super) static EXTENDED_RIGHT: Format = Format {
    noun: "an extended right",
    example: "Ms-Exch-SMTP-Accept-Any-Recipient",
    check: |text| {
        let names = || ExtendedRight::ALL.iter().map(|right| right.as_str());
        if names().any(|name| name.eq_ignore_ascii_case(text)) {
            return Ok(());
        }
        // Rights that change nothing here are many; a misspelled one is a mistake.
        match did_you_mean(text, names()) {
            Some(meant) => Err(Mistake::new(format!("`{text}` is not an extended right"))
                .help(format!("did you mean `{meant}`?"))),
            None => Ok(()),
        }
    },
};

/// `mail.protection.outlook.com:AcceptCloudServicesMail`.
pub(super) static TLS_DOMAIN_CAPABILITY: Format = Format {
    noun: "a host name with capabilities",
    example: "mail.protection.outlook.com:AcceptCloudServicesMail",
    check: |text| tls_domain_capability(text),
};

/// `5.7.193`, or `550 5.7.193`.
pub(super) static STATUS: Format = Format {
    noun: "an enhanced status",
    example: "5.7.193",
    check: |text| {
        let bad = || Mistake::new(format!("`{text}` is not an enhanced status (RFC 3463)"));
        let enhanced = match text.split_once(' ') {
            Some((code, rest)) if code.len() == 3 && code.bytes().all(|b| b.is_ascii_digit()) => {
                rest
            }
            Some(_) => return Err(bad()),
            None => text,
        };
        enhanced
            .parse::<EnhancedStatus>()
            .map(drop)
            .map_err(|()| bad())
    },
};

/// A size that is a number.
pub(super) static BYTES: Format = Format {
    noun: "a size",
    example: "36MB",
    check: |text| {
        text.parse::<ByteSize>()
            .map(drop)
            .map_err(|_| Mistake::new(format!("`{text}` is not a size with an end")))
    },
};

/// A size, or `Unlimited`.
pub(super) static LIMIT: Format = Format {
    noun: "a size",
    example: "35MB",
    check: |text| parsed::<Limit>(text),
};

/// A number, or `Unlimited`.
pub(super) static COUNT: Format = Format {
    noun: "a number",
    example: "500",
    check: |text| {
        let bad = || {
            Mistake::new(format!(
                "`{text}` is neither a whole number nor `Unlimited`"
            ))
        };
        count(text).map(drop).ok_or_else(bad)
    },
};

/// `2.00:00:00`.
pub(super) static TIMESPAN: Format = Format {
    noun: "a span of time",
    example: "2.00:00:00",
    check: |text| {
        let bad = || {
            Mistake::new(format!("`{text}` is not a span of time"))
                .help("as in `2.00:00:00` for two days, `00:30:00` for half an hour")
        };
        timespan(text).map(drop).ok_or_else(bad)
    },
};

/// `SMTP:ann@fabrikam.com`, or `X400:c=us;…`.
pub(super) static FOREIGN_ADDRESS: Format = Format {
    noun: "an address",
    example: "ann@fabrikam.com",
    check: |text| match smtp_address(text) {
        Some(bare) => address(bare),
        None => Ok(()),
    },
};

/// A moment (RFC 3339), or a date, which means its first moment in UTC.
pub(super) static MOMENT: Format = Format {
    noun: "a moment",
    example: "2026-11-22T00:00:00Z",
    check: |text| {
        let bad = || {
            Mistake::new(format!(
                "`{text}` is not a date, or not a time with its offset"
            ))
            .help("as in `2026-11-22T00:00:00Z`; `Z` is UTC")
        };
        timestamp(text).map(drop).ok_or_else(bad)
    },
};

/// Reads a number or `Unlimited`, which is `None`.
pub(in crate::config) fn count(text: &str) -> Option<Option<u32>> {
    if text.trim().eq_ignore_ascii_case("Unlimited") {
        return Some(None);
    }
    text.trim().parse().ok().map(Some)
}

/// Reads `[d.]hh:mm:ss`.
pub(in crate::config) fn timespan(text: &str) -> Option<SignedDuration> {
    let (days, clock) = match text.trim().split_once('.') {
        Some((days, clock)) => (days.parse::<u32>().ok()?, clock),
        None => (0, text.trim()),
    };
    let parts: Vec<u32> = clock
        .split(':')
        .map(|part| part.parse().ok())
        .collect::<Option<_>>()?;
    let [hours @ 0..24, minutes @ 0..60, seconds @ 0..60] = parts[..] else {
        return None;
    };
    let seconds = i64::from(hours) * 3600 + i64::from(minutes) * 60 + i64::from(seconds);
    Some(SignedDuration::from_secs(
        i64::from(days) * 86_400 + seconds,
    ))
}

/// The type in upper case and the address of one that is not of SMTP.
pub(in crate::config) fn address_of_kind(text: &str) -> Option<(String, &str)> {
    if smtp_address(text).is_some() {
        return None;
    }
    let (kind, address) = text.split_once(':')?;
    Some((kind.to_ascii_uppercase(), address))
}

/// Reads a moment; the end of time is the last one there is.
pub(in crate::config) fn timestamp(text: &str) -> Option<Timestamp> {
    if is_end_of_time(text) {
        return Some(Timestamp::MAX);
    }
    let midnight = |date: jiff::civil::Date| date.to_zoned(jiff::tz::TimeZone::UTC).ok();
    match text.parse::<Timestamp>() {
        Ok(moment) => Some(moment),
        Err(_) if text.contains(':') => None,
        Err(_) => Some(midnight(text.parse().ok()?)?.timestamp()),
    }
}

/// Whether a text is what certificates without an end have as their end (RFC 5280 §4.1.2.5), and .NET as
/// its last moment: later than a [`Timestamp`] can be.
fn is_end_of_time(text: &str) -> bool {
    let zone = |c: char| c.is_ascii_digit() || ".:+-Zz".contains(c);
    match text.trim().strip_prefix("9999-12-31") {
        Some("") => true,
        Some(clock) => clock
            .strip_prefix(['T', 't', ' '])
            .and_then(|clock| clock.strip_prefix("23:59:59"))
            .is_some_and(|rest| {
                rest.ends_with(|c: char| c.is_ascii_digit() || "Zz".contains(c))
                    && rest.chars().all(zone)
            }),
        None => false,
    }
}

/// The address of a proxy address, if it is one of SMTP.
pub(in crate::config) fn smtp_address(text: &str) -> Option<&str> {
    match text.split_once(':') {
        Some((kind, address)) if kind.eq_ignore_ascii_case("smtp") => Some(address),
        // A colon in quotes belongs to the local-part.
        Some((kind, _)) if !kind.contains(['@', '"']) => None,
        Some(_) | None => Some(text),
    }
}

/// The version in the form that Exchange prints, from that form or from the bare numbers.
pub(in crate::config) fn version(text: &str) -> Option<String> {
    let numbers = |text: &str| {
        text.split('.')
            .map(str::parse)
            .collect::<Result<Vec<u32>, _>>()
    };
    let parts = match text.strip_prefix("Version ") {
        Some(rest) => {
            let (version, build) = rest.strip_suffix(')')?.split_once(" (Build ")?;
            let (version, build) = (numbers(version).ok()?, numbers(build).ok()?);
            (version.len() == 2).then_some([version, build].concat())?
        }
        None => numbers(text).ok()?,
    };
    match parts[..] {
        [major, minor, build, revision] => Some(format!(
            "Version {major}.{minor} (Build {build}.{revision})"
        )),
        _ => None,
    }
}

/// The capabilities that an entry of `TlsDomainCapabilities` may name.
const CAPABILITIES: &[&str] = &[
    "AcceptCloudServicesMail",
    "AcceptOorgHeader",
    "AcceptOorgProtocol",
];

fn tls_domain_capability(text: &str) -> Result<(), Mistake> {
    let Some((domain, capabilities)) = text.rsplit_once(':') else {
        return Err(Mistake::new(format!("`{text}` names no capability")));
    };
    let is_name = NamePattern::parse(domain).is_ok();
    let is_certificate = (CERTIFICATE_NAME.check)(domain).is_ok();
    if !domain.eq_ignore_ascii_case("NO-TLS") && !is_name && !is_certificate {
        return Err(Mistake::new(format!("`{domain}` is not a host name")));
    }
    let known = |word: &&str| CAPABILITIES.iter().any(|c| c.eq_ignore_ascii_case(word));
    match capabilities
        .split(',')
        .map(str::trim)
        .find(|word| !known(word))
    {
        None => Ok(()),
        Some(unknown) => {
            let help = match did_you_mean(unknown, CAPABILITIES.iter().copied()) {
                Some(meant) => format!("did you mean `{meant}`?"),
                None => format!("known capabilities: `{}`", CAPABILITIES.join("`, `")),
            };
            Err(Mistake::new(format!("`{unknown}` is not a capability")).help(help))
        }
    }
}

fn sender_ip_address(text: &str) -> Result<(), Mistake> {
    let range = text.parse::<IpRange>().map_err(Mistake::new)?;
    let is_v4 = text
        .split('/')
        .next()
        .is_some_and(|first| first.trim().parse::<std::net::Ipv4Addr>().is_ok());
    // Exchange Online, "New-InboundConnector": an address, or a network of /24 to /32.
    if is_v4 && range.breadth() < 256 {
        Ok(())
    } else {
        Err(Mistake::new(format!(
            "`{text}` is not an IPv4 address or a network from /24 to /32"
        )))
    }
}

fn address(text: &str) -> Result<(), Mistake> {
    Mailbox::parse(text)
        .map(drop)
        .map_err(|error| Mistake::new(format!("`{text}` is not an address: {error}")))
}

fn domain(text: &str) -> Result<(), Mistake> {
    Domain::parse(text)
        .map(drop)
        .map_err(|_| Mistake::new(format!("`{text}` is not a domain name")))
}

fn domain_or_wildcard(text: &str) -> Result<(), Mistake> {
    match text.parse::<DomainPattern>() {
        Ok(DomainPattern::Exact(_) | DomainPattern::WithSubdomains(_)) => Ok(()),
        _ if text.starts_with('*') && !text.starts_with("*.") => Err(Mistake::new(format!(
            "`{text}`: a wildcard must be a whole label"
        ))
        .help("as in `*.contoso.com`")),
        _ => domain(text),
    }
}

/// Reads a text with its own parser, whose error is a whole sentence.
fn parsed<T: FromStr<Err: Display>>(text: &str) -> Result<(), Mistake> {
    text.parse::<T>()
        .map(drop)
        .map_err(|error| Mistake::new(error.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_read_in_both_forms() {
        let printed = Some("Version 15.2 (Build 2562.46)".to_owned());
        assert_eq!(version("15.2.2562.46"), printed);
        assert_eq!(version("Version 15.2 (Build 2562.46)"), printed);
        for bad in [
            "",
            "15.2",
            "Version 15.2",
            "15.2.x.1",
            "Version 15.2.1 (Build 10)",
        ] {
            assert_eq!(version(bad), None, "{bad}");
        }
    }

    #[test]
    fn spans_and_counts_are_read_as_exchange_prints_them() {
        let hours = |hours| Some(SignedDuration::from_hours(hours));
        assert_eq!(timespan("2.00:00:00"), hours(48));
        assert_eq!(timespan("12:00:00"), hours(12));
        for bad in ["", "2", "2.00:00", "24:00:00", "1.0:60:00", "x.00:00:00"] {
            assert_eq!(timespan(bad), None, "{bad}");
        }
        assert_eq!(count("unlimited"), Some(None));
        assert_eq!(count("500"), Some(Some(500)));
        assert_eq!(count("many"), None);
    }

    #[test]
    fn moments_have_an_offset_or_are_dates() {
        let start = timestamp("2026-11-22T00:00:00Z");
        assert!(start.is_some());
        assert_eq!(timestamp("2026-11-22"), start);
        assert_eq!(timestamp("2026-11-22T01:00:00+01:00"), start);
        assert_eq!(timestamp("2026-11-22T00:00:00"), None);
        let end = Some(Timestamp::MAX);
        for text in [
            "9999-12-31",
            "9999-12-31T23:59:59Z",
            "9999-12-31T23:59:59.9999999Z",
            "9999-12-31 23:59:59+00:00",
        ] {
            assert_eq!(timestamp(text), end, "{text}");
        }
        assert_eq!(timestamp("9999-12-31T23:59:59"), None);
        assert_eq!(timestamp("9999-12-31T25:00:00Z"), None);
    }

    #[test]
    fn proxy_addresses_of_other_kinds_are_none_of_ours() {
        assert_eq!(smtp_address("SMTP:a@b.example"), Some("a@b.example"));
        assert_eq!(smtp_address("a@b.example"), Some("a@b.example"));
        assert_eq!(smtp_address("X500:/o=Contoso"), None);
        assert_eq!(smtp_address("\"a:b\"@c.example"), Some("\"a:b\"@c.example"));
    }
}
