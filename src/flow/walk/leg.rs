//! What is walked: a walk under way, and a copy on its way with what its fork has behind it.

use std::collections::HashMap;

use crate::dns::Zones;
use crate::flow::arrivals::Ended;
use crate::flow::fork::Report;
use crate::flow::path::Path;
use crate::mail::Mailbox;
use crate::model::{OrganizationId, RecipientId, Topology};
use crate::route::Copy;

/// A walk under way.
pub(super) struct Walk<'a> {
    pub(super) topology: &'a Topology,
    pub(super) zones: &'a Zones,
    /// The organization of the user who sent it.
    pub(super) sender: Option<OrganizationId>,
    /// Whom the sender wrote to.
    pub(super) addressed: &'a [Mailbox],
    /// The copies that come to a mailbox, by their place among the forks.
    pub(super) arrivals: Vec<(RecipientId, usize)>,
    pub(super) forks: Vec<Ended>,
    /// What became of the notifications so far: those of one server to one sender go the same way.
    pub(super) reports: Vec<Report>,
}

/// A copy on its way, with what its fork has behind it.
pub(super) struct Leg {
    pub(super) copy: Copy,
    pub(super) path: Path,
    /// Whether it comes from a group that the message was expanded from before.
    pub(super) again: bool,
}

impl Leg {
    pub(super) fn recipient(&self) -> &Mailbox {
        &self.copy.transfer.recipients[0]
    }
}

/// What each recipient of a message has behind it at the server that has the message now.
pub(super) type Paths = HashMap<Mailbox, Path>;

pub(super) fn behind(recipients: &[Mailbox], path: &Path) -> Paths {
    let each = recipients.iter().cloned();
    each.map(|recipient| (recipient, path.clone())).collect()
}
