//! Words for what routing reads: numbers that are equal for what is equal, so that every core finds the
//! same ones without asking the others.

use std::hash::{DefaultHasher, Hash, Hasher};

/// A hash of 64 bits, the same in every run. A world has some thousand different words: that two of them
/// share a number is one chance in 10¹².
pub(in crate::verify) fn word(what: &impl Hash) -> u64 {
    let mut hasher = DefaultHasher::new();
    what.hash(&mut hasher);
    hasher.finish()
}
