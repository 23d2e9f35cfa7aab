//! What the mailboxes of a server have had lately: a mailbox takes a message once (Exchange Server 2007,
//! "How to Configure Duplicate Message Detection in Exchange 2007"; Exchange Server, "Message
//! tracking", DUPLICATEDELIVER).
//!
//! Exchange's store keeps a table beside its mailboxes. Here the name of a delivered message carries
//! its entry, `…,T=<seconds since 1970>,D=<mark>`, because one rename then makes both durable: no
//! crash leaves the one without the other, and nothing is synced for it. The folder of a mailbox is
//! read when something is delivered there for the first time; from then on memory answers. What its
//! owner deletes is forgotten with the next start.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::fmt;
use std::sync::Mutex;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use ring::digest::{SHA256, digest};
use tokio::sync::MutexGuard;

use super::lock::lock;
use crate::mail::HeaderSection;
use crate::model::RecipientId;

/// How long a delivery is remembered: `DeliveredTo Expiration in Hours`, 168 by default.
pub(super) const WINDOW: SignedDuration = SignedDuration::from_hours(168);

/// Choice: Exchange's table is bounded by time alone. Here it is by number too, for a server that takes
/// more in a week; then the oldest is forgotten first. About 30 MiB.
const ENTRIES_MAX: usize = 1 << 18;

/// As many deliveries of different messages can be under way.
const TURNS: usize = 64;

/// By what a mailbox knows a message again: its Message-ID and the time its author sent it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct Mark([u8; Self::BYTES]);

impl Mark {
    /// So much of the digest that no two messages meet in it.
    const BYTES: usize = 16;

    /// The mark of a message; `None` without a Message-ID or a date.
    ///
    /// Choice: the date is compared as it is written, because no server rewrites it on its way.
    pub(super) fn of(headers: &HeaderSection) -> Option<Self> {
        let both = [headers.get("Message-ID")?, headers.get("Date")?].join("\n");
        let digest = digest(&SHA256, both.as_bytes());
        Some(Self(digest.as_ref().get(..Self::BYTES)?.try_into().ok()?))
    }

    /// The name of a message delivered at a moment, with its entry.
    pub(super) fn name(self, unique: &str, at: Timestamp) -> String {
        format!("{unique},T={},D={self}", at.as_second())
    }

    /// The entry in the name of a message. Mail programs append flags after a colon (Maildir).
    pub(super) fn in_name(name: &str) -> Option<(Self, Timestamp)> {
        let name = name.split(':').next()?;
        let field = |key: &str| name.split(',').find_map(|part| part.strip_prefix(key));
        let mark = u128::from_str_radix(field("D=")?, 16).ok()?;
        let at = Timestamp::from_second(field("T=")?.parse().ok()?).ok()?;
        Some((Self(mark.to_be_bytes()), at))
    }
}

impl fmt::Display for Mark {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", u128::from_be_bytes(self.0))
    }
}

/// A message in a mailbox.
pub(super) type Entry = (RecipientId, Mark);

/// The table of a server.
pub(super) struct Duplicates {
    window: Duration,
    recent: Mutex<Recent>,
    turns: Vec<tokio::sync::Mutex<()>>,
}

#[derive(Default)]
struct Recent {
    delivered: HashMap<Entry, Timestamp>,
    by_age: BTreeSet<(Timestamp, Entry)>,
    /// Mailboxes whose folders have been read.
    read: HashSet<RecipientId>,
}

impl Duplicates {
    /// A table that remembers for so long.
    pub(super) fn new(window: Duration) -> Self {
        let turns = (0..TURNS).map(|_| tokio::sync::Mutex::new(()));
        Self {
            window,
            recent: Mutex::default(),
            turns: turns.collect(),
        }
    }

    /// Waits until no other copy of the message is being delivered: the second must see what becomes
    /// of the first.
    pub(super) async fn turn(&self, mark: Mark) -> MutexGuard<'_, ()> {
        self.turns[usize::from(mark.0[0]) % TURNS].lock().await
    }

    /// Whether the folder of a mailbox has been read.
    pub(super) fn has_read(&self, mailbox: RecipientId) -> bool {
        lock(&self.recent).read.contains(&mailbox)
    }

    /// Takes the entries in the names of a mailbox's messages.
    pub(super) fn read(&self, mailbox: RecipientId, names: &[String], now: Timestamp) {
        let mut recent = lock(&self.recent);
        recent.read.insert(mailbox);
        for (mark, at) in names.iter().filter_map(|name| Mark::in_name(name)) {
            recent.insert((mailbox, mark), at);
        }
        recent.expire(self.window, ENTRIES_MAX, now);
    }

    /// A mailbox may hold what the table does not know: it is read again.
    pub(super) fn doubt(&self, mailbox: RecipientId) {
        lock(&self.recent).read.remove(&mailbox);
    }

    /// Whether a mailbox had the message within the window.
    pub(super) fn has(&self, entry: Entry, now: Timestamp) -> bool {
        let mut recent = lock(&self.recent);
        recent.expire(self.window, ENTRIES_MAX, now);
        recent.delivered.contains_key(&entry)
    }

    /// A mailbox has the message now.
    pub(super) fn delivered(&self, entry: Entry, now: Timestamp) {
        let mut recent = lock(&self.recent);
        recent.insert(entry, now);
        recent.expire(self.window, ENTRIES_MAX, now);
    }
}

impl Recent {
    fn insert(&mut self, entry: Entry, at: Timestamp) {
        if let Some(before) = self.delivered.insert(entry, at) {
            self.by_age.remove(&(before, entry));
        }
        self.by_age.insert((at, entry));
    }

    /// Forgets what is older than the window, or too much.
    fn expire(&mut self, window: Duration, entries_max: usize, now: Timestamp) {
        while let Some((at, entry)) = self.by_age.first().copied() {
            let age = now.duration_since(at);
            let old = Duration::try_from(age).is_ok_and(|age| age >= window);
            if !old && self.by_age.len() <= entries_max {
                return;
            }
            self.by_age.pop_first();
            self.delivered.remove(&entry);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::Bytes;

    fn mark(headers: &str) -> Option<Mark> {
        let text = Bytes::from(format!("{headers}\r\nhello\r\n"));
        Mark::of(&HeaderSection::split(&text).0)
    }

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    #[test]
    fn a_message_is_known_by_its_id_and_its_date_and_nothing_else() {
        let first = mark("Message-ID: <1@a>\r\nDate: Sun, 22 Nov 2026 00:00:00 +0000\r\n");
        let same = mark(
            "Date: Sun, 22 Nov 2026 00:00:00 +0000\r\nSubject: other\r\nmessage-id:\r\n <1@a>\r\n",
        );
        let later = mark("Message-ID: <1@a>\r\nDate: Sun, 22 Nov 2026 00:00:01 +0000\r\n");
        assert!(first.is_some());
        assert_eq!(first, same);
        assert_ne!(first, later);
        assert_eq!(mark("Message-ID: <1@a>\r\n"), None);
    }

    #[test]
    fn a_name_gives_its_entry_back_with_flags_too() {
        let mark = mark("Message-ID: <1@a>\r\nDate: now\r\n").unwrap();
        let name = mark.name("18af-3", at(77));
        assert_eq!(Mark::in_name(&name), Some((mark, at(77))));
        assert_eq!(Mark::in_name(&format!("{name}:2,FS")), Some((mark, at(77))));
        assert_eq!(Mark::in_name("18af-3"), None);
        assert_eq!(Mark::in_name("18af-3,T=x,D=y"), None);
    }

    #[test]
    fn a_delivery_is_remembered_for_the_window_and_for_its_mailbox() {
        let table = Duplicates::new(Duration::from_secs(10));
        let (david, carol) = (RecipientId::new(0), RecipientId::new(1));
        let mark = mark("Message-ID: <1@a>\r\nDate: now\r\n").unwrap();
        table.delivered((david, mark), at(100));
        assert!(table.has((david, mark), at(109)));
        assert!(!table.has((carol, mark), at(109)));
        assert!(!table.has((david, mark), at(110)));
    }

    #[test]
    fn what_a_folder_holds_is_known_once_it_is_read() {
        let table = Duplicates::new(Duration::from_secs(10));
        let david = RecipientId::new(0);
        let mark = mark("Message-ID: <1@a>\r\nDate: now\r\n").unwrap();
        let names = [mark.name("1-0", at(100)), "written by hand".to_owned()];
        assert!(!table.has_read(david));
        table.read(david, &names, at(105));
        assert!(table.has_read(david) && table.has((david, mark), at(105)));
        table.doubt(david);
        assert!(!table.has_read(david));
    }

    #[test]
    fn memory_is_bounded() {
        let mut recent = Recent::default();
        let entry = |number: u128| (RecipientId::new(0), Mark(number.to_be_bytes()));
        for number in 0..20 {
            recent.insert(entry(number), at(1));
        }
        recent.insert(entry(3), at(2));
        recent.expire(Duration::MAX, 10, at(2));
        assert_eq!(recent.delivered.len(), 10);
        let kept = |number| recent.delivered.contains_key(&entry(number));
        assert!(kept(3) && kept(19) && !kept(0) && !kept(10));
    }
}
