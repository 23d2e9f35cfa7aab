//! Who tells the sender of a failure, and what becomes of the notification (Exchange Server, "DSNs and
//! NDRs in Exchange Server").

use std::sync::Arc;

use super::fork::{Disposition, Fork};
use super::path::Path;
use crate::mail::{ByteSize, Mailbox, ReversePath};
use crate::model::{ServerId, Topology};
use crate::route::{self, Event, Step, Subject};

/// The size of a notification: its text and the header of the message it is about.
///
/// Choice: one size for all, far below every limit in use; the original is not part of it.
pub(super) const REPORT_SIZE: ByteSize = ByteSize(10_240);

/// The server that tells the sender of a failure of this fork, and whom it tells; `None` where nobody
/// is told: a message with the null reverse-path, NOTIFY=NEVER, a remote domain without `NDREnabled`.
pub(super) fn told<'a>(topology: &Topology, path: &'a Path) -> Option<(ServerId, &'a Mailbox)> {
    let holder = path.holder?;
    let ReversePath::Mailbox(sender) = &path.told else {
        return None;
    };
    let wanted = !path.notify_never && route::reports_to(topology, holder, sender);
    wanted.then_some((holder, sender))
}

/// The server that gives up writes the NDR.
pub(super) fn report_failure(topology: &Topology, recipient: &Mailbox, path: &mut Path) {
    let Some((holder, _)) = told(topology, path) else {
        return;
    };
    let step = Step::new(Event::Dsn, recipient).chosen(Subject::Server(holder));
    if let Some(hop) = path.hops.iter_mut().rev().find(|hop| hop.server == holder) {
        Arc::make_mut(hop).steps.push(step);
    }
}

/// Whether a notification gets to nobody: it fails itself, and nobody is told of that.
pub(super) fn is_lost(forks: &[Fork]) -> bool {
    let gone = |fork: &Fork| match fork.disposition {
        Disposition::Delivered
        | Disposition::LeftWorld
        | Disposition::Suppressed
        | Disposition::Unknown => false,
        Disposition::Bounced
        | Disposition::Deferred
        | Disposition::Looped
        | Disposition::Rejected
        | Disposition::Unreachable => true,
    };
    forks.iter().all(gone)
}
