//! Sizes as Exchange prints them: `35MB`, `35 MB (36,700,160 bytes)`, `Unlimited`.

use std::fmt;
use std::str::FromStr;

/// A number of bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ByteSize(pub u64);

/// Why a text is not a size.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SizeError {
    /// The figure before the parentheses is not the one in them.
    #[error("`{0}` says two sizes: write one of them")]
    Contradiction(String),
    /// It is no size at all.
    #[error("`{0}` is not a size: write `35MB`, `36700160` or `Unlimited`")]
    NotASize(String),
}

/// A size limit that may be absent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Limit {
    /// At most this many bytes.
    Bytes(ByteSize),
    /// No limit.
    Unlimited,
}

impl Limit {
    /// A limit in mebibytes, which Exchange calls MB.
    #[must_use]
    pub const fn megabytes(count: u64) -> Self {
        Self::Bytes(ByteSize(count * 1024 * 1024))
    }

    /// Whether a message of this size passes.
    #[must_use]
    pub fn admits(self, size: ByteSize) -> bool {
        match self {
            Self::Bytes(limit) => size <= limit,
            Self::Unlimited => true,
        }
    }
}

impl FromStr for ByteSize {
    type Err = SizeError;
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let bad = || SizeError::NotASize(text.to_owned());
        // `35 MB (36,700,160 bytes)` states the exact figure in the parentheses.
        if let Some((rounded, rest)) = text.split_once('(') {
            let digits = rest.strip_suffix(" bytes)").ok_or_else(bad)?;
            let exact: u64 = digits.replace(',', "").parse().map_err(|_| bad())?;
            let Self(rounded) = rounded.parse().map_err(|_| bad())?;
            // Choice: a hundredth apart is rounding, because Exchange prints four digits; more is a
            // figure that somebody changed, and forgot the other.
            return if rounded.abs_diff(exact) <= exact / 100 {
                Ok(Self(exact))
            } else {
                Err(SizeError::Contradiction(text.to_owned()))
            };
        }
        let text = text.trim();
        let split = text
            .find(|c: char| !c.is_ascii_digit() && c != '.')
            .unwrap_or(text.len());
        let (number, unit) = text.split_at(split);
        // Units are powers of 1024, as in PowerShell.
        let scale: u64 = match unit.trim().to_ascii_uppercase().as_str() {
            "" | "B" => 1,
            "KB" => 1 << 10,
            "MB" => 1 << 20,
            "GB" => 1 << 30,
            "TB" => 1 << 40,
            _ => return Err(bad()),
        };
        match number.split_once('.') {
            None => number
                .parse::<u64>()
                .ok()
                .and_then(|n| n.checked_mul(scale))
                .map(Self)
                .ok_or_else(bad),
            Some(_) if scale == 1 => Err(bad()),
            Some((whole, fraction)) if fraction.len() <= 6 && !fraction.is_empty() => {
                let whole: u64 = whole.parse().map_err(|_| bad())?;
                let parts: u64 = fraction.parse().map_err(|_| bad())?;
                let denominator = 10_u64.pow(u32::try_from(fraction.len()).map_err(|_| bad())?);
                let rest = parts.checked_mul(scale).ok_or_else(bad)? / denominator;
                whole
                    .checked_mul(scale)
                    .and_then(|n| n.checked_add(rest))
                    .map(Self)
                    .ok_or_else(bad)
            }
            Some(_) => Err(bad()),
        }
    }
}

impl FromStr for Limit {
    type Err = SizeError;
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text.trim().eq_ignore_ascii_case("unlimited") {
            Ok(Self::Unlimited)
        } else {
            text.parse().map(Self::Bytes)
        }
    }
}

impl fmt::Display for ByteSize {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (unit, scale) in [("GB", 1_u64 << 30), ("MB", 1 << 20), ("KB", 1 << 10)] {
            if self.0 >= scale && self.0.is_multiple_of(scale) {
                return write!(f, "{}{unit}", self.0 / scale);
            }
        }
        write!(f, "{}", self.0)
    }
}

impl fmt::Display for Limit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Bytes(size) => size.fmt(f),
            Self::Unlimited => f.write_str("Unlimited"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_read_as_exchange_prints_them() {
        for (text, bytes) in [
            ("35MB", 36_700_160),
            ("35 MB (36,700,160 bytes)", 36_700_160),
            ("36700160", 36_700_160),
            ("1.5 KB", 1536),
            ("9.766 MB (10,240,000 bytes)", 10_240_000),
            ("0 B (0 bytes)", 0),
            ("10485760", 10_485_760),
        ] {
            assert_eq!(text.parse(), Ok(ByteSize(bytes)), "{text}");
        }
        assert_eq!("unlimited".parse(), Ok(Limit::Unlimited));
        for bad in [
            "",
            "MB",
            "35XB",
            "-1",
            "1.5",
            "35 MB (lots)",
            "many (5 bytes)",
            "99999999999TB",
        ] {
            assert!(bad.parse::<ByteSize>().is_err(), "{bad}");
        }
        assert_eq!(ByteSize(36_700_160).to_string(), "35MB");
        let changed = "50 MB (36,700,160 bytes)";
        assert_eq!(
            changed.parse::<ByteSize>(),
            Err(SizeError::Contradiction(changed.to_owned()))
        );
    }
}
