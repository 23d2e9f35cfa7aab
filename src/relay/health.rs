//! Whether a relay can do its work: what `/healthz` says.

use std::sync::atomic::{AtomicI64, Ordering};

use crate::clock;

/// Choice: a failure counts for a minute, and then mail is wanted again to find out: where nothing is
/// sent to a server that is not well, nothing else would show that its disk has room again.
const SECONDS: i64 = 60;

/// A part of a relay that can fail.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Part {
    /// Writes messages into mailboxes.
    Mailboxes,
    /// Takes messages.
    Spool,
}

/// When the parts of a relay failed last; 0 where they have worked since.
#[derive(Debug, Default)]
pub struct Health {
    mailboxes: AtomicI64,
    spool: AtomicI64,
}

impl Health {
    /// What is wrong, in words; nothing where all is well.
    #[must_use]
    pub fn problem(&self) -> Option<&'static str> {
        let now = clock::now().as_second();
        let fails = |part| now - self.at(part).load(Ordering::Relaxed) < SECONDS;
        if fails(Part::Spool) {
            Some("the spool takes no messages")
        } else if fails(Part::Mailboxes) {
            Some("mailboxes cannot be written")
        } else {
            None
        }
    }

    pub(super) fn failed(&self, part: Part) {
        let now = clock::now().as_second();
        self.at(part).store(now, Ordering::Relaxed);
    }

    pub(super) fn works(&self, part: Part) {
        self.at(part).store(0, Ordering::Relaxed);
    }

    fn at(&self, part: Part) -> &AtomicI64 {
        match part {
            Part::Mailboxes => &self.mailboxes,
            Part::Spool => &self.spool,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_fails_shows_until_it_works() {
        let health = Health::default();
        assert_eq!(health.problem(), None);
        health.failed(Part::Spool);
        assert_eq!(health.problem(), Some("the spool takes no messages"));
        health.works(Part::Spool);
        assert_eq!(health.problem(), None);
    }
}
