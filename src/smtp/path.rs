//! Paths and host names as commands write them (RFC 5321 §4.1.2, §4.1.3).

use std::fmt;
use std::net::{Ipv4Addr, Ipv6Addr};

use crate::mail::{Domain, Mailbox, ReversePath};

/// The argument of RCPT TO.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum ForwardPath {
    /// An address.
    Mailbox(Mailbox),
    /// `<postmaster>` without a domain: whoever is in charge of this server (RFC 5321 §4.5.1).
    Postmaster,
}

impl fmt::Display for ForwardPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Mailbox(mailbox) => write!(f, "<{mailbox}>"),
            Self::Postmaster => f.write_str("<postmaster>"),
        }
    }
}

/// The name a client gives itself: a domain or an address literal, as written.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct HelloName(String);

impl HelloName {
    /// Reads the argument of EHLO or HELO; `None` when it is neither a domain nor an address literal.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let well_formed = match text.strip_prefix('[') {
            Some(rest) => rest.strip_suffix(']').is_some_and(is_address),
            None => text.is_ascii() && Domain::parse(text).is_ok(),
        };
        well_formed.then(|| Self(text.to_owned()))
    }

    /// The name as written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for HelloName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for HelloName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

impl From<&Domain> for HelloName {
    fn from(domain: &Domain) -> Self {
        Self(domain.as_str().to_owned())
    }
}

/// What an address literal has between its brackets (RFC 5321 §4.1.3). General literals, of which
/// none is registered, are not accepted.
fn is_address(text: &str) -> bool {
    let v6 = text
        .get(..5)
        .filter(|tag| tag.eq_ignore_ascii_case("IPv6:"));
    match v6 {
        Some(tag) => text[tag.len()..].parse::<Ipv6Addr>().is_ok(),
        None => text.parse::<Ipv4Addr>().is_ok(),
    }
}

/// Splits `<path>` from what follows it; the path comes without its angle brackets.
///
/// A `>` inside a quoted local-part does not end the path.
pub(super) fn split_path(text: &str) -> Option<(&str, &str)> {
    let inner = text.strip_prefix('<')?;
    let (mut quoted, mut escaped) = (false, false);
    for (at, octet) in inner.bytes().enumerate() {
        match octet {
            _ if escaped => escaped = false,
            b'\\' if quoted => escaped = true,
            b'"' => quoted = !quoted,
            b'>' if !quoted => return Some((&inner[..at], &inner[at + 1..])),
            _ => {}
        }
    }
    None
}

/// Reads the content of a reverse-path.
pub(super) fn reverse_path(inner: &str) -> Option<ReversePath> {
    if inner.is_empty() {
        return Some(ReversePath::Null);
    }
    mailbox(inner).map(ReversePath::Mailbox)
}

/// Reads the content of a forward-path.
pub(super) fn forward_path(inner: &str) -> Option<ForwardPath> {
    // RFC 5321 §4.5.1: compared without regard to case.
    if inner.eq_ignore_ascii_case("postmaster") {
        return Some(ForwardPath::Postmaster);
    }
    mailbox(inner).map(ForwardPath::Mailbox)
}

/// An address after an optional source route, which is dropped (RFC 5321 §4.1.1.3, appendix C).
///
/// Only ASCII: RFC 6531 §3.4 wants SMTPUTF8 for anything else, which is not offered.
fn mailbox(inner: &str) -> Option<Mailbox> {
    let address = match inner.strip_prefix('@') {
        Some(route) => route.split_once(':').and_then(|(hosts, address)| {
            let known = hosts.split(',').all(|host| {
                let domain = host.strip_prefix('@').unwrap_or(host);
                Domain::parse(domain).is_ok()
            });
            known.then_some(address)
        })?,
        None => inner,
    };
    // Choice: `user@[192.0.2.1]` is not accepted, because mail is routed by domain.
    address.is_ascii().then(|| Mailbox::parse(address).ok())?
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_ends_at_its_own_bracket() {
        assert_eq!(split_path("<a@b> SIZE=1"), Some(("a@b", " SIZE=1")));
        assert_eq!(split_path("<>"), Some(("", "")));
        assert_eq!(split_path(r#"<"a>\"b"@c>x"#), Some((r#""a>\"b"@c"#, "x")));
        for bad in ["", "a@b", "<a@b", r#"<"a>@b"#] {
            assert_eq!(split_path(bad), None, "{bad}");
        }
    }

    #[test]
    fn paths_keep_quotes_and_lose_routes() {
        let read = |inner| forward_path(inner).map(|path| path.to_string());
        for (inner, path) in [
            ("ann@contoso.com", "<ann@contoso.com>"),
            (r#""ann b"@contoso.com"#, r#"<"ann b"@contoso.com>"#),
            ("@a.example,@b.example:ann@contoso.com", "<ann@contoso.com>"),
            ("POSTMASTER", "<postmaster>"),
        ] {
            assert_eq!(read(inner).as_deref(), Some(path));
        }
        for bad in [
            "",
            "ann",
            "ann@[192.0.2.1]",
            "ann@bücher.example",
            "änn@contoso.com",
            "@a:",
        ] {
            assert_eq!(read(bad), None, "{bad}");
        }
        assert_eq!(reverse_path(""), Some(ReversePath::Null));
        assert_eq!(reverse_path("postmaster"), None);
    }

    #[test]
    fn a_client_is_a_domain_or_an_address() {
        for good in [
            "localhost",
            "a_b.example",
            "[192.0.2.1]",
            "[IPv6:2001:db8::1]",
            "X.",
        ] {
            assert!(HelloName::parse(good).is_some(), "{good}");
        }
        for bad in [
            "",
            "[]",
            "[192.0.2]",
            "[2001:db8::1]",
            "a b",
            "bücher.example",
            "-a",
            "a@b",
        ] {
            assert!(HelloName::parse(bad).is_none(), "{bad}");
        }
    }
}
