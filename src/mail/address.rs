//! Domains, mailboxes and reverse-paths (RFC 5321 §4.1.2).

use std::fmt;
use std::hash::{Hash, Hasher};
use std::str::FromStr;
use std::sync::Arc;

/// Why a text is not an address or a domain.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AddressError {
    /// Nothing was given.
    #[error("it is empty")]
    Empty,
    /// A mailbox needs an `@`.
    #[error("it has no `@`")]
    NoAt,
    /// Nothing stands before the `@`.
    #[error("nothing stands before its `@`")]
    NoLocalPart,
    /// Nothing stands behind the `@`.
    #[error("nothing stands behind its `@`")]
    NoDomain,
    /// The part before the `@` is not a local-part.
    #[error("`{0}` is not a local-part (RFC 5321 §4.1.2)")]
    LocalPart(String),
    /// The part after the `@` is not a domain.
    #[error("`{0}` is not a domain name")]
    Domain(String),
    /// A local-part has at most 315 octets, a domain 255.
    #[error("it is too long")]
    TooLong,
    /// A wildcard stands for whole labels at the left end only.
    #[error("`{0}`: a wildcard must be the whole first label, as in `*.contoso.com`")]
    Wildcard(String),
}

/// A domain name in A-label form, lower case, so that equality is what DNS calls equality.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Domain(Arc<str>);

impl Domain {
    /// Reads a domain; U-labels become A-labels (RFC 5891), case and a final dot are dropped.
    ///
    /// # Errors
    /// When a label is empty, too long, or has characters that no host name has.
    pub fn parse(text: &str) -> Result<Self, AddressError> {
        let trimmed = text.strip_suffix('.').unwrap_or(text);
        if trimmed.is_empty() {
            return Err(AddressError::Empty);
        }
        if is_plain(trimmed) {
            return Ok(Self(trimmed.into()));
        }
        let bad = || AddressError::Domain(text.to_owned());
        // Underscores occur in DNS names of real organizations, so STD3 rules are not applied.
        let ascii = idna::domain_to_ascii(trimmed).map_err(|_| bad())?;
        if ascii.len() > 255 {
            return Err(AddressError::TooLong);
        }
        let well_formed = ascii.split('.').all(|label| {
            !label.is_empty()
                && label.len() <= 63
                && !label.starts_with('-')
                && !label.ends_with('-')
                && label
                    .bytes()
                    .all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
        });
        if well_formed {
            Ok(Self(ascii.into()))
        } else {
            Err(bad())
        }
    }

    /// The name as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The labels from the most specific to the top-level domain.
    pub fn labels(&self) -> impl DoubleEndedIterator<Item = &str> {
        self.0.split('.')
    }

    /// The domain without its first label; `None` for a top-level domain.
    #[must_use]
    pub fn parent(&self) -> Option<Self> {
        self.0.split_once('.').map(|(_, rest)| Self(rest.into()))
    }

    /// Whether this is `other` or lies below it.
    #[must_use]
    pub fn is_within(&self, other: &Self) -> bool {
        self.0
            .strip_suffix(other.as_str())
            .is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
    }

    /// Whether this lies below `other` and is not `other` itself.
    #[must_use]
    pub fn is_below(&self, other: &Self) -> bool {
        self != other && self.is_within(other)
    }
}

/// Whether a name is in A-label form already, so that nothing has to be converted or looked into.
fn is_plain(name: &str) -> bool {
    let plain = |byte: u8| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_');
    name.len() <= 255
        && name.split('.').all(|label| {
            !label.is_empty()
                && label.len() <= 63
                && !label.starts_with('-')
                && !label.ends_with('-')
                // Labels such as `xn--…` have to be valid ones.
                && label.as_bytes().get(2..4) != Some(b"--")
                && label.bytes().all(plain)
        })
}

impl fmt::Display for Domain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Domain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

impl FromStr for Domain {
    type Err = AddressError;
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::parse(text)
    }
}

/// The part of an address before the `@`, as written, with quotes where it needs them.
///
/// Exchange compares addresses without regard to case, so equality here does too.
#[derive(Clone)]
pub struct LocalPart(Arc<str>);

impl LocalPart {
    /// Reads a dot-string or a quoted-string (RFC 5321 §4.1.2; RFC 6531 allows non-ASCII). Quotes around
    /// a dot-string are dropped: both forms are one address, and the shorter is to be passed on.
    ///
    /// # Errors
    /// When the text is neither.
    pub fn parse(text: &str) -> Result<Self, AddressError> {
        let bad = || AddressError::LocalPart(text.to_owned());
        if text.is_empty() {
            return Err(bad());
        }
        if text.len() > 315 {
            // Exchange "Recipient resolution": 315 octets, more than RFC 5321 §4.5.3.1.1 asks for.
            return Err(AddressError::TooLong);
        }
        let inner = text
            .strip_prefix('"')
            .and_then(|rest| rest.strip_suffix('"'));
        match inner {
            Some(inner) if is_dot_string(inner) => Ok(Self(inner.into())),
            Some(inner) if quoted_content(inner) => Ok(Self(text.into())),
            None if is_dot_string(text) => Ok(Self(text.into())),
            Some(_) | None => Err(bad()),
        }
    }

    /// The local-part, with quotes where it needs them.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

fn is_dot_string(text: &str) -> bool {
    text.split('.')
        .all(|atom| !atom.is_empty() && atom.chars().all(is_atext))
}

fn quoted_content(inner: &str) -> bool {
    let mut escaped = false;
    for c in inner.chars() {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '"' => return false,
            c if c.is_control() => return false,
            _ => {}
        }
    }
    !escaped
}

fn is_atext(c: char) -> bool {
    match c {
        '!' | '#'..='\'' | '*' | '+' | '-' | '/' | '=' | '?' | '^'..='`' | '{'..='~' => true,
        c if c.is_ascii() => c.is_ascii_alphanumeric(),
        c => !c.is_control(),
    }
}

impl PartialEq for LocalPart {
    fn eq(&self, other: &Self) -> bool {
        self.0.eq_ignore_ascii_case(&other.0)
    }
}

impl Eq for LocalPart {}

impl Hash for LocalPart {
    fn hash<H: Hasher>(&self, state: &mut H) {
        // In blocks, because a hasher takes as long for one byte as for eight.
        for block in self.0.as_bytes().chunks(32) {
            let mut lower = [0; 32];
            let lower = &mut lower[..block.len()];
            lower.copy_from_slice(block);
            lower.make_ascii_lowercase();
            state.write(lower);
        }
        state.write_u8(0xff);
    }
}

impl PartialOrd for LocalPart {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for LocalPart {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        let (ours, theirs) = (self.0.bytes(), other.0.bytes());
        let lower = |b: u8| b.to_ascii_lowercase();
        ours.map(lower).cmp(theirs.map(lower))
    }
}

/// An address: local-part and domain (RFC 5321 `Mailbox`).
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Mailbox {
    /// The part after the `@`.
    pub domain: Domain,
    /// The part before the `@`.
    pub local_part: LocalPart,
}

impl Mailbox {
    /// Reads `local-part@domain`.
    ///
    /// # Errors
    /// When one of the two parts is not what RFC 5321 §4.1.2 calls it.
    pub fn parse(text: &str) -> Result<Self, AddressError> {
        if text.is_empty() {
            return Err(AddressError::Empty);
        }
        let (local, domain) = text.rsplit_once('@').ok_or(AddressError::NoAt)?;
        if local.is_empty() {
            return Err(AddressError::NoLocalPart);
        }
        if domain.is_empty() {
            return Err(AddressError::NoDomain);
        }
        Ok(Self {
            local_part: LocalPart::parse(local)?,
            domain: Domain::parse(domain)?,
        })
    }

    /// The same local-part in another domain.
    #[must_use]
    pub fn at(&self, domain: &Domain) -> Self {
        Self {
            local_part: self.local_part.clone(),
            domain: domain.clone(),
        }
    }
}

impl fmt::Display for Mailbox {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}@{}", self.local_part.as_str(), self.domain)
    }
}

impl fmt::Debug for Mailbox {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

impl FromStr for Mailbox {
    type Err = AddressError;
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::parse(text)
    }
}

/// The argument of MAIL FROM: an address, or nothing for notifications (RFC 5321 §4.5.5).
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum ReversePath {
    /// `<>`: nobody is to be told of a failure.
    Null,
    /// An address.
    Mailbox(Mailbox),
}

impl ReversePath {
    /// The address, where there is one.
    #[must_use]
    pub fn mailbox(&self) -> Option<&Mailbox> {
        match self {
            Self::Null => None,
            Self::Mailbox(mailbox) => Some(mailbox),
        }
    }

    /// The domain of the address, where there is one.
    #[must_use]
    pub fn domain(&self) -> Option<&Domain> {
        self.mailbox().map(|mailbox| &mailbox.domain)
    }
}

impl fmt::Display for ReversePath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Null => f.write_str("<>"),
            Self::Mailbox(mailbox) => write!(f, "{mailbox}"),
        }
    }
}

impl FromStr for ReversePath {
    type Err = AddressError;
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "<>" => Ok(Self::Null),
            _ => Mailbox::parse(text).map(Self::Mailbox),
        }
    }
}

/// A host name in a certificate or a TLS setting, with or without a wildcard first label.
///
/// Choice: `*.contoso.com` stands for exactly one label and not for `contoso.com` itself, as in
/// certificates (RFC 6125 §6.4.3).
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct NamePattern {
    wildcard: bool,
    domain: Domain,
}

impl NamePattern {
    /// Reads a host name or `*.domain`.
    ///
    /// # Errors
    /// When it is neither.
    pub fn parse(text: &str) -> Result<Self, AddressError> {
        match text.strip_prefix("*.") {
            Some(rest) => Ok(Self {
                wildcard: true,
                domain: Domain::parse(rest)?,
            }),
            None if text.contains('*') => Err(AddressError::Wildcard(text.to_owned())),
            None => Ok(Self {
                wildcard: false,
                domain: Domain::parse(text)?,
            }),
        }
    }

    /// Whether a certificate with the name `presented` satisfies this demand.
    ///
    /// A demand for `*.contoso.com` is met by the very same wildcard and by one label below; a
    /// demand for a host by that host, or by a wildcard certificate that covers it.
    #[must_use]
    pub fn accepts(&self, presented: &Self) -> bool {
        self == presented || self.covers(presented) || presented.covers(self)
    }

    /// Whether this wildcard stands for the plain name `other`.
    #[must_use]
    pub fn covers(&self, other: &Self) -> bool {
        self.wildcard && !other.wildcard && other.domain.parent().as_ref() == Some(&self.domain)
    }

    /// The name without its wildcard.
    #[must_use]
    pub fn domain(&self) -> &Domain {
        &self.domain
    }

    /// Whether the first label is `*`.
    #[must_use]
    pub fn is_wildcard(&self) -> bool {
        self.wildcard
    }
}

impl fmt::Display for NamePattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.wildcard {
            write!(f, "*.{}", self.domain)
        } else {
            write!(f, "{}", self.domain)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn domains_compare_as_dns_compares() {
        let domain = |text| Domain::parse(text).expect("a domain");
        assert_eq!(domain("Contoso.COM."), domain("contoso.com"));
        assert_eq!(domain("bücher.example").as_str(), "xn--bcher-kva.example");
        assert!(domain("a.contoso.com").is_within(&domain("contoso.com")));
        assert!(domain("contoso.com").is_within(&domain("contoso.com")));
        assert!(!domain("xcontoso.com").is_within(&domain("contoso.com")));
        assert!(!domain("contoso.com").is_below(&domain("contoso.com")));
        for bad in ["", ".", "a..b", "-a.com", "a b.com", "a/b", "*.contoso.com"] {
            assert!(Domain::parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn mailboxes_ignore_case_and_keep_their_spelling() {
        let mailbox = |text: &str| Mailbox::parse(text).expect("a mailbox");
        assert_eq!(mailbox("David@Contoso.com"), mailbox("david@contoso.com"));
        assert_eq!(
            mailbox("David@Contoso.com").to_string(),
            "David@contoso.com"
        );
        assert_eq!(
            mailbox("\"a b@c\"@contoso.com").local_part.as_str(),
            "\"a b@c\""
        );
        for bad in [
            "",
            "david",
            "@contoso.com",
            "a..b@contoso.com",
            "a b@contoso.com",
            "\"a@c.d",
            "a@",
        ] {
            assert!(Mailbox::parse(bad).is_err(), "{bad}");
        }
        assert_eq!("<>".parse(), Ok(ReversePath::Null));
    }

    #[test]
    fn certificate_wildcards_stand_for_one_label() {
        let name = |text: &str| NamePattern::parse(text).expect("a name");
        assert!(name("mail.contoso.com").accepts(&name("*.contoso.com")));
        assert!(name("*.contoso.com").accepts(&name("mail.contoso.com")));
        assert!(name("*.contoso.com").accepts(&name("*.contoso.com")));
        assert!(!name("*.contoso.com").accepts(&name("contoso.com")));
        assert!(!name("contoso.com").accepts(&name("*.contoso.com")));
        assert!(!name("a.mail.contoso.com").accepts(&name("*.contoso.com")));
        assert!(NamePattern::parse("mail*.contoso.com").is_err());
    }
}
