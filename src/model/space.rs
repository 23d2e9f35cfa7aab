//! Which domains a connector carries, and the hosts it names.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use crate::diag::{Location, did_you_mean};
use crate::mail::Domain;

/// Which recipient domains an address space covers (Exchange Server, "Send connectors").
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum DomainPattern {
    /// `contoso.com`: this domain only.
    Exact(Domain),
    /// `*.contoso.com`: this domain and every domain below it.
    WithSubdomains(Domain),
    /// Every accepted domain of the organization (the cloud's `AllAcceptedDomains`).
    AllAcceptedDomains,
    /// `--`: every Authoritative and InternalRelay domain, on a subscribed Edge server.
    InternalDomains,
    /// `*`: every domain.
    Any,
    /// `X400:c=us;a=…`: addresses of another type, which no domain is.
    Foreign {
        /// The type in upper case.
        kind: String,
        /// The space as it is written.
        space: String,
    },
}

impl fmt::Display for DomainPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Exact(domain) => write!(f, "{domain}"),
            Self::WithSubdomains(domain) => write!(f, "*.{domain}"),
            Self::AllAcceptedDomains => f.write_str("all accepted domains"),
            Self::InternalDomains => f.write_str("--"),
            Self::Any => f.write_str("*"),
            Self::Foreign { kind, space } => write!(f, "{kind}:{space}"),
        }
    }
}

/// One entry of `AddressSpaces`: type, space and cost.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AddressSpace {
    /// Which domains it covers.
    pub pattern: DomainPattern,
    /// 1 to 100; the lower one wins between equally specific spaces.
    pub cost: u8,
    /// Whether `Local:` was said, which makes the connector a scoped one.
    pub local: bool,
    /// Where it is written.
    pub location: Option<Location>,
}

impl AddressSpace {
    /// A space that no text stands for.
    #[must_use]
    pub fn new(pattern: DomainPattern, cost: u8) -> Self {
        Self {
            pattern,
            cost,
            local: false,
            location: None,
        }
    }
}

/// Why a text is not an address space.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AddressSpaceError {
    /// The cost is not a number from 1 to 100.
    #[error("the cost `{0}` is not a whole number from 1 to 100")]
    Cost(String),
    /// The space is not a domain, `*`, `*.domain` or `--`.
    #[error("`{0}` is not a domain, `*.domain`, `*` or `--`")]
    Space(String),
    /// `contoso.com,fabrikam.com`.
    #[error("`{0}` is several address spaces in one text: write each in quotes of its own")]
    Several(String),
    /// `*contoso.com`.
    #[error("`{0}`: a wildcard must be a whole label, as in `*.{1}`")]
    PartialWildcard(String, String),
    /// A type that is no word, or that is nearly SMTP.
    #[error("`{0}` is not a type of address, as `SMTP` and `X400` are")]
    Type(String),
}

/// Whether a space says that it is one of SMTP.
fn is_smtp(space: &str) -> bool {
    let kind = space
        .split(':')
        .find(|part| !part.eq_ignore_ascii_case("local"));
    kind.is_some_and(|kind| kind.trim().eq_ignore_ascii_case("smtp"))
}

/// A space of another type than SMTP.
fn foreign(kind: &str, space: &str) -> Result<DomainPattern, AddressSpaceError> {
    let is_word = !kind.is_empty() && kind.chars().all(|c| c.is_ascii_alphanumeric());
    // A word before `SMTP:` is a scope that does not exist.
    let is_scope = is_smtp(space) && space.contains(':');
    if !is_word || is_scope || did_you_mean(kind, ["SMTP"]).is_some() {
        return Err(AddressSpaceError::Type(kind.to_owned()));
    }
    Ok(DomainPattern::Foreign {
        kind: kind.to_ascii_uppercase(),
        space: space.to_owned(),
    })
}

impl FromStr for DomainPattern {
    type Err = AddressSpaceError;
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let bad = || match text.contains(',') {
            true => AddressSpaceError::Several(text.to_owned()),
            false => AddressSpaceError::Space(text.to_owned()),
        };
        match text {
            "*" => Ok(Self::Any),
            "--" => Ok(Self::InternalDomains),
            _ => match text.strip_prefix('*') {
                None => Domain::parse(text).map(Self::Exact).map_err(|_| bad()),
                Some(rest) => match rest.strip_prefix('.') {
                    Some(parent) => Domain::parse(parent)
                        .map(Self::WithSubdomains)
                        .map_err(|_| bad()),
                    None => Err(AddressSpaceError::PartialWildcard(
                        text.to_owned(),
                        rest.to_owned(),
                    )),
                },
            },
        }
    }
}

impl FromStr for AddressSpace {
    type Err = AddressSpaceError;
    /// Reads `[Local:][Type:]Space[;Cost]`; a space of another type may hold semicolons itself.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let is_cost = |cost: &str| cost.trim().parse::<u32>().is_ok();
        let last = text.rsplit_once(';').filter(|(space, cost)| {
            is_cost(cost) || !space.contains(':') || is_smtp(space) || !cost.contains('=')
        });
        let (space, cost) = match last {
            Some((space, cost)) => (space, cost.trim()),
            None => (text, "1"),
        };
        let number: u8 = cost
            .parse()
            .map_err(|_| AddressSpaceError::Cost(cost.to_owned()))?;
        if !(1..=100).contains(&number) {
            return Err(AddressSpaceError::Cost(cost.to_owned()));
        }
        let (local, space) = match space.split_once(':') {
            Some((scope, rest)) if scope.trim().eq_ignore_ascii_case("local") => (true, rest),
            Some(_) | None => (false, space),
        };
        let pattern = match space.split_once(':') {
            Some((kind, space)) if kind.trim().eq_ignore_ascii_case("smtp") => {
                space.trim().parse()?
            }
            Some((kind, space)) => foreign(kind.trim(), space.trim())?,
            None => space.trim().parse()?,
        };
        Ok(Self {
            local,
            ..Self::new(pattern, number)
        })
    }
}

/// A next hop given by name or address.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum SmartHost {
    /// `[192.0.2.10]`.
    Address(IpAddr),
    /// A name, resolved as MX first, then as A and AAAA.
    Name(Domain),
}

impl fmt::Display for SmartHost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Address(address) => write!(f, "[{address}]"),
            Self::Name(name) => write!(f, "{name}"),
        }
    }
}

impl FromStr for SmartHost {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        let bare = text
            .strip_prefix('[')
            .and_then(|rest| rest.strip_suffix(']'))
            .unwrap_or(text);
        if let Ok(address) = bare.parse() {
            return Ok(Self::Address(address));
        }
        Domain::parse(text)
            .map(Self::Name)
            .map_err(|_| format!("`{text}` is neither a host name nor an address"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn address_spaces_are_read_in_every_form() {
        for (text, pattern, cost) in [
            ("contoso.com", "contoso.com", 1),
            ("SMTP:*.contoso.com;20", "*.contoso.com", 20),
            ("smtp:*;100", "*", 100),
            ("SMTP:--;1", "--", 1),
            ("Bücher.example", "xn--bcher-kva.example", 1),
            ("Local:contoso.com;5", "contoso.com", 5),
            ("Local:SMTP:*;5", "*", 5),
            (
                "X400:c=us;a=att;p=contoso;20",
                "X400:c=us;a=att;p=contoso",
                20,
            ),
            ("fax:*", "FAX:*", 1),
        ] {
            let space: AddressSpace = text.parse().expect(text);
            assert_eq!(
                (space.pattern.to_string().as_str(), space.cost),
                (pattern, cost),
                "{text}"
            );
        }
        for bad in [
            "smtp:contoso.com;x",
            "contoso.com;0",
            "contoso.com;101",
            "*contoso.com",
            "STMP:contoso.com",
            "a b:contoso.com",
            "",
            "a b",
        ] {
            assert!(bad.parse::<AddressSpace>().is_err(), "{bad}");
        }
    }
}
