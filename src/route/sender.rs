//! Whom an authenticated user may write as (Exchange Server, "Recipient resolution", sender
//! permissions).

use crate::mail::{Mailbox, ReversePath};
use crate::model::{OrganizationId, Topology};

/// Whether a user of an organization may send with a reverse-path: any address of the own mailbox.
#[must_use]
pub fn may_send_as(
    topology: &Topology,
    organization: OrganizationId,
    user: &Mailbox,
    reverse_path: &ReversePath,
) -> bool {
    let Some(sender) = reverse_path.mailbox() else {
        return false;
    };
    sender == user
        || topology
            .recipients_at(organization, user)
            .iter()
            .any(|id| topology.recipient(*id).addresses.contains(sender))
}
