//! The flow table: one row for each final fork of each class of flow.

use std::fmt;

use crate::flow::{Fork, Question};
use crate::mail::ByteSize;

/// Sizes that routing cannot tell apart, both ends included; no end: any larger size.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct SizeBucket {
    /// The smallest size.
    pub min: ByteSize,
    /// The largest size.
    pub max: Option<ByteSize>,
}

impl fmt::Display for SizeBucket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.min, self.max) {
            (ByteSize(0), None) => f.write_str("any"),
            (ByteSize(0), Some(max)) => write!(f, "up to {max}"),
            (min, None) => write!(f, "over {}", ByteSize(min.0 - 1)),
            (min, Some(max)) => write!(f, "over {} up to {max}", ByteSize(min.0 - 1)),
        }
    }
}

/// One final fork of a class of flow.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    /// The server or host at which the flow begins, by name.
    pub origin: String,
    /// The class of senders.
    pub from_class: String,
    /// The class of recipients.
    pub to_class: String,
    /// Which fork of the flow this is, from 0.
    pub index: usize,
    /// The sizes it holds for.
    pub size: SizeBucket,
    /// A question of the class.
    pub example: Question,
    /// How many pairs of sender and recipient the class stands for.
    pub addresses: usize,
    /// How it ends.
    pub fork: Fork,
}
