//! The only clock: everything else gets the time as an argument.

use jiff::Timestamp;

/// The present moment.
#[must_use]
#[expect(
    clippy::disallowed_methods,
    reason = "the one place where the clock is read"
)]
pub fn now() -> Timestamp {
    Timestamp::now()
}

/// A moment as the text of Exchange's NDRs writes it, in UTC.
#[must_use]
pub fn short(moment: Timestamp) -> String {
    moment.strftime("%-m/%-d/%Y %-I:%M:%S %p").to_string()
}

/// A moment as RFC 5322 §3.3 writes it, in UTC.
#[must_use]
pub fn rfc5322(moment: Timestamp) -> String {
    moment.strftime("%a, %d %b %Y %H:%M:%S +0000").to_string()
}
