//! The end of a relay: nothing new is begun, what is under way is finished, and somebody waits for that.

use std::time::Duration;

use tokio::sync::watch;

/// How long a client may take to finish the message that it is sending when the end comes.
///
/// Choice: with [`LAST_WORDS`] less than the ten seconds that container engines wait before SIGKILL.
pub(super) const GRACE: Duration = Duration::from_secs(5);

/// How long, after that, replies may take: of the spool, and of next hops that have a whole message.
const LAST_WORDS: Duration = Duration::from_secs(3);

/// What the tasks of a relay know about its end.
pub(super) struct Ending {
    wanted: watch::Receiver<bool>,
    under_way: watch::Sender<usize>,
}

impl Ending {
    /// A relay ends when `wanted` says so, or its sender is gone.
    pub(super) fn new(wanted: watch::Receiver<bool>) -> Self {
        Self {
            wanted,
            under_way: watch::Sender::new(0),
        }
    }

    /// Whether nothing new is to be begun.
    pub(super) fn is_wanted(&self) -> bool {
        // Where the sender is gone nobody holds the relay any more.
        *self.wanted.borrow() || self.wanted.has_changed().is_err()
    }

    /// Resolves when nothing new is to be begun.
    pub(super) async fn wanted(&self) {
        let _ = self.wanted.clone().wait_for(|wanted| *wanted).await;
    }

    /// Something that is to be finished before the end, as long as the value lives. Whether it may be
    /// begun is to be asked after that.
    pub(super) fn hold(&self) -> Held {
        self.under_way.send_modify(|count| *count += 1);
        Held(self.under_way.clone())
    }

    /// Waits until nothing is under way, and no longer than is allowed; says whether it is so.
    pub(super) async fn settled(&self) -> bool {
        let mut under_way = self.under_way.subscribe();
        let settled = under_way.wait_for(|count| *count == 0);
        let settled = tokio::time::timeout(GRACE + LAST_WORDS, settled).await;
        settled.is_ok()
    }
}

/// Something that is under way.
pub(super) struct Held(watch::Sender<usize>);

impl Drop for Held {
    fn drop(&mut self) {
        self.0.send_modify(|count| *count -= 1);
    }
}
