//! What whoever watches a relay is shown.

use crate::model::ServerId;
use crate::route::Step;

/// A step that happened at a server to a message.
#[derive(Clone, Debug)]
pub struct Tracked {
    /// Where.
    pub server: ServerId,
    /// The Message-ID of the message.
    pub message: String,
    /// What happened.
    pub step: Step,
}
