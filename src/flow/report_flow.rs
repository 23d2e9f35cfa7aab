//! Who tells the sender of a failure (Exchange Server, "DSNs and NDRs in Exchange Server").

use super::path::Path;
use crate::mail::Mailbox;
use crate::route::{Event, Step, Subject};

/// The server that gives up writes the NDR.
pub(super) fn report_failure(recipient: &Mailbox, path: &mut Path) {
    let Some(holder) = path.holder else {
        return;
    };
    let step = Step::new(Event::Dsn, recipient).chosen(Subject::Server(holder));
    if let Some(hop) = path.hops.iter_mut().rev().find(|hop| hop.server == holder) {
        hop.steps.push(step);
    }
}
