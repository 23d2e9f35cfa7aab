//! Ranges of addresses.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

/// A range of addresses, both ends included.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct IpRange {
    first: IpAddr,
    last: IpAddr,
}

impl IpRange {
    /// Every IPv4 address.
    pub const ALL_V4: Self = Self {
        first: IpAddr::V4(Ipv4Addr::UNSPECIFIED),
        last: IpAddr::V4(Ipv4Addr::BROADCAST),
    };
    /// Every IPv6 address.
    pub const ALL_V6: Self = Self {
        first: IpAddr::V6(Ipv6Addr::UNSPECIFIED),
        last: IpAddr::V6(Ipv6Addr::new(
            0xffff, 0xffff, 0xffff, 0xffff, 0xffff, 0xffff, 0xffff, 0xffff,
        )),
    };

    /// Whether the address lies in the range.
    #[must_use]
    pub fn contains(&self, address: IpAddr) -> bool {
        self.first.is_ipv4() == address.is_ipv4() && (self.first..=self.last).contains(&address)
    }

    /// Whether some ranges together contain every address of this one.
    #[must_use]
    pub fn is_covered_by(&self, ranges: &[Self]) -> bool {
        let mut own: Vec<&Self> = ranges
            .iter()
            .filter(|range| range.first.is_ipv4() == self.first.is_ipv4())
            .collect();
        own.sort();
        let mut wanted = number(self.first);
        for range in own {
            if number(range.first) > wanted {
                return false;
            }
            if number(range.last) >= number(self.last) {
                return true;
            }
            wanted = wanted.max(number(range.last) + 1);
        }
        false
    }

    /// Whether some ranges leave out no IPv4 address, or no IPv6 address.
    #[must_use]
    pub fn are_for_everyone(ranges: &[Self]) -> bool {
        [Self::ALL_V4, Self::ALL_V6]
            .iter()
            .any(|all| all.is_covered_by(ranges))
    }

    /// The number of addresses, less one, so that every IPv6 address can be counted.
    #[must_use]
    pub fn breadth(&self) -> u128 {
        number(self.last) - number(self.first)
    }
}

fn number(address: IpAddr) -> u128 {
    match address {
        IpAddr::V4(v4) => u128::from(u32::from(v4)),
        IpAddr::V6(v6) => u128::from(v6),
    }
}

impl fmt::Display for IpRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.first == self.last {
            write!(f, "{}", self.first)
        } else {
            write!(f, "{}-{}", self.first, self.last)
        }
    }
}

impl FromStr for IpRange {
    type Err = String;
    /// Reads an address, `first-last`, or `address/prefix`.
    fn from_str(text: &str) -> Result<Self, String> {
        let bad = || {
            format!(
                "`{text}` is not an address, a range `192.0.2.1-192.0.2.9` or a network `192.0.2.0/24`"
            )
        };
        let address = |part: &str| part.trim().parse::<IpAddr>().map_err(|_| bad());
        if let Some((first, last)) = text.split_once('-') {
            let (first, last) = (address(first)?, address(last)?);
            return if first.is_ipv4() == last.is_ipv4() && first <= last {
                Ok(Self { first, last })
            } else {
                Err(bad())
            };
        }
        let Some((network, prefix)) = text.split_once('/') else {
            let only = address(text)?;
            return Ok(Self {
                first: only,
                last: only,
            });
        };
        let prefix: u32 = prefix.trim().parse().map_err(|_| bad())?;
        match address(network)? {
            IpAddr::V4(v4) if prefix <= 32 => {
                let host = u32::MAX.checked_shr(prefix).unwrap_or(0);
                let base = u32::from(v4) & !host;
                Ok(Self {
                    first: IpAddr::V4(base.into()),
                    last: IpAddr::V4((base | host).into()),
                })
            }
            IpAddr::V6(v6) if prefix <= 128 => {
                let host = u128::MAX.checked_shr(prefix).unwrap_or(0);
                let base = u128::from(v6) & !host;
                Ok(Self {
                    first: IpAddr::V6(base.into()),
                    last: IpAddr::V6((base | host).into()),
                })
            }
            IpAddr::V4(_) | IpAddr::V6(_) => Err(bad()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ip_ranges_contain_and_compare() {
        let range = |text: &str| text.parse::<IpRange>().expect(text);
        let address = |text: &str| text.parse::<IpAddr>().expect(text);
        assert!(range("192.0.2.0/24").contains(address("192.0.2.255")));
        assert!(!range("192.0.2.0/24").contains(address("192.0.3.0")));
        assert!(range("192.0.2.5-192.0.2.9").contains(address("192.0.2.5")));
        assert!(range("0.0.0.0/0").breadth() > range("192.0.2.0/24").breadth());
        assert_eq!(range("0.0.0.0-255.255.255.255"), IpRange::ALL_V4);
        assert!(!IpRange::ALL_V4.contains(address("::1")));
        for bad in [
            "",
            "192.0.2",
            "192.0.2.0/33",
            "192.0.2.9-192.0.2.5",
            "::1-192.0.2.1",
        ] {
            assert!(bad.parse::<IpRange>().is_err(), "{bad}");
        }
    }
}
