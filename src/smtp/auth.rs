//! Who somebody says to be, and the two ways to say it that are known here: PLAIN (RFC 4616) and
//! LOGIN.

use std::fmt;

use data_encoding::BASE64;

/// A text that is shown to nobody.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// Hides a text.
    #[must_use]
    pub fn new(text: String) -> Self {
        Self(text)
    }

    /// The text itself.
    #[must_use]
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("(secret)")
    }
}

/// A user name and its password.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Credentials {
    /// Who.
    pub username: String,
    /// The proof.
    pub password: Secret,
}

impl Credentials {
    /// Reads the response of PLAIN (RFC 4616 §2): identity to act as, NUL, identity, NUL, password.
    ///
    /// Choice: acting as somebody else is refused, because no right to do so exists here.
    pub(super) fn from_plain(response: &str) -> Option<Self> {
        let decoded = decode(response)?;
        let mut parts = decoded.split('\0');
        let (act_as, username, password) = (parts.next()?, parts.next()?, parts.next()?);
        let well_formed = parts.next().is_none() && !username.is_empty() && !password.is_empty();
        let is_same = act_as.is_empty() || act_as == username;
        (well_formed && is_same).then(|| Self {
            username: username.to_owned(),
            password: Secret::new(password.to_owned()),
        })
    }

    /// The response of PLAIN.
    pub(super) fn to_plain(&self) -> Secret {
        encode(&format!("\0{}\0{}", self.username, self.password.reveal()))
    }
}

/// What AUTH names first (RFC 4954 §4).
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Mechanism {
    /// User name and password, each asked for.
    Login,
    /// Any other, in upper case.
    Other(String),
    /// User name and password at once (RFC 4616).
    Plain,
}

impl Mechanism {
    /// Reads a mechanism's name (RFC 4422 §3.1): letters, digits, hyphens and underscores.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let is_name = |b: u8| b.is_ascii_alphanumeric() || b == b'-' || b == b'_';
        if text.is_empty() || text.len() > 20 || !text.bytes().all(is_name) {
            return None;
        }
        Some(match text.to_ascii_uppercase().as_str() {
            "LOGIN" => Self::Login,
            "PLAIN" => Self::Plain,
            other => Self::Other(other.to_owned()),
        })
    }
}

impl fmt::Display for Mechanism {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Login => "LOGIN",
            Self::Other(name) => name,
            Self::Plain => "PLAIN",
        })
    }
}

/// What a base64 response says; an initial response of `=` is empty (RFC 4954 §4).
pub(super) fn decode(response: &str) -> Option<String> {
    let response = if response == "=" { "" } else { response };
    let decoded = BASE64.decode(response.as_bytes()).ok()?;
    String::from_utf8(decoded).ok()
}

/// A response in base64.
pub(super) fn encode(text: &str) -> Secret {
    Secret::new(BASE64.encode(text.as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_is_read_as_written() {
        let credentials = Credentials {
            username: "ann".into(),
            password: Secret::new("p\u{e4}ss".into()),
        };
        let response = credentials.to_plain();
        assert_eq!(
            Credentials::from_plain(response.reveal()),
            Some(credentials)
        );
        for bad in [
            "",
            "=",
            "*",
            "AA",
            &BASE64.encode(b"bob\0ann\0x"),
            &BASE64.encode(b"ann\0x"),
        ] {
            assert_eq!(Credentials::from_plain(bad), None, "{bad}");
        }
    }

    #[test]
    fn secrets_are_not_shown() {
        let credentials = Credentials {
            username: "ann".into(),
            password: Secret::new("open sesame".into()),
        };
        assert!(!format!("{credentials:?}").contains("sesame"));
    }
}
