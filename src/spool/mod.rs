//! The only durable store: what the relay answered for is here until it is somebody else's.
//!
//! A message goes in as an opaque envelope and a body, and has an id from then on. The envelope is
//! replaced as recipients are done or put off; the body never changes; one record holds both,
//! however many recipients there are. Nothing here knows what an envelope says, when a message is
//! due or who may have it: that is the relay's.
//!
//! [`Store`] is the contract. [`disk::Disk`] is the real thing; [`memory::Memory`] is its twin,
//! which can lose what was not synced. No caller waits for a disk: what takes time gives a
//! [`Completion`], which any task can await and any thread can wait for.
//!
//! The real store is an append-only log of our own: the committer writes whatever is waiting in one
//! go, syncs once, and answers everybody; there is no timer. It was chosen over two embedded
//! databases by measurement (`docs/performance-spool.md`): with the same group commit in front it
//! accepts 1.6 to 3.3 times as many small messages a second from ten acceptors on, with less
//! processor time for each; and what it does when a disk is full, fails or lies is ours to say and to test.
//!
//! Invariant: an accept whose completion came back is there after any crash, until it is removed.
//! Invariant: what is there after a crash was handed in; a message whose acceptance failed or never
//! came back may be there or not.
//! Invariant: updates and removals take effect in the order in which they were handed in. A crash
//! may lose the last of them: the message is then there again, in an older state.
//! Invariant: bytes that are not what was written are never given out, and never end a program.
//!
//! Bugs: a body is read whole, so reading one back needs memory for it.

use std::fmt;
use std::io;
use std::path::PathBuf;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use tokio::sync::oneshot;

pub mod disk;
pub mod memory;

mod file;
mod index;
mod log;
mod record;
mod recover;
#[cfg(test)]
mod sim;
mod writer;

/// A place where messages survive.
///
/// All methods return at once. Reads see what has been committed, which an update or a removal
/// that was just handed in may not be yet.
pub trait Store: Send + Sync {
    /// Keeps a message. It is durable when the completion resolves.
    fn accept(&self, message: NewMessage) -> Completion<MessageId>;

    /// Replaces the envelope of a message. A message that is not there is left alone.
    ///
    /// This cannot fail: where there is no room, it is tried again with whatever is handed in next.
    fn update(&self, id: MessageId, envelope: Bytes);

    /// Forgets a message. A message that is not there is left alone. Cannot fail, as `update`.
    fn remove(&self, id: MessageId);

    /// Resolves when all that was handed in before is durable.
    fn flush(&self) -> Completion<()>;

    /// The envelope as last replaced.
    fn read_envelope(&self, id: MessageId) -> Completion<Bytes>;

    /// The body.
    fn read_body(&self, id: MessageId) -> Completion<Bytes>;

    /// How much there is.
    fn usage(&self) -> Usage;
}

/// Is told what a store does with its disk, on the store's own thread: it should not take long.
pub trait Observer: Send + Sync {
    /// A sync begins. The store has no clock: who wants to know how long it took looks at one now.
    fn sync_begins(&self) {}

    /// The sync that began last has ended.
    fn sync_ended(&self, succeeded: bool) {
        let _ = succeeded;
    }

    /// So many messages became durable together.
    fn committed(&self, messages: usize) {
        let _ = messages;
    }
}

/// Names a message within its store. Later messages have greater ids, and no id is used again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MessageId(pub u64);

impl fmt::Display for MessageId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A message to keep.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NewMessage {
    /// Whatever the relay wants back with the message.
    pub envelope: Bytes,
    /// The body in pieces, which are kept as one.
    pub body: Vec<Bytes>,
}

impl NewMessage {
    /// The length of envelope and body together, in bytes.
    #[must_use]
    pub fn size_bytes(&self) -> u64 {
        let pieces = self.body.iter().chain([&self.envelope]);
        pieces.map(|piece| piece.len() as u64).sum()
    }
}

/// What a store found when it was opened.
pub struct Recovered {
    /// Ids and envelopes of all messages, oldest first. Each is read when it is asked for, so the
    /// iterator blocks, and an item can fail by itself.
    pub messages: Box<dyn Iterator<Item = Result<(MessageId, Bytes), Error>> + Send>,
    /// What was not as it had been written.
    pub damage: Vec<Damage>,
}

impl fmt::Debug for Recovered {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = f.debug_struct("Recovered");
        shown.field("damage", &self.damage).finish_non_exhaustive()
    }
}

/// Bytes that were not as they had been written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Damage {
    /// The file, by its name in the folder of the store.
    pub file: String,
    /// Where in the file it begins, in bytes.
    pub offset: u64,
    /// How far it reaches, in bytes.
    pub length: u64,
    /// What it is.
    pub kind: DamageKind,
    /// The copy that was set aside, by its name in the folder of the store.
    pub copy: Option<String>,
}

/// What was damaged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DamageKind {
    /// The header of a file; it was written again from what else is known.
    Header,
    /// A whole file that earlier ones and later ones speak of.
    Missing,
    /// One record or several whose beginning cannot be read.
    Records,
    /// The content of one record. A message that was accepted there and not removed is lost; at the
    /// end of the log it may be one that was not written to its end, and not answered for.
    Record(MessageId),
    /// The end of the log: what was being written when the machine stopped, and had not been
    /// answered for.
    TornTail,
}

impl fmt::Display for Damage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            file,
            offset,
            length,
            ..
        } = self;
        match self.kind {
            DamageKind::Header => write!(f, "`{file}`: the header is damaged")?,
            DamageKind::Missing => write!(f, "`{file}` is missing")?,
            DamageKind::Records => write!(f, "`{file}`: {length} bytes at {offset} are damaged")?,
            DamageKind::Record(id) => {
                write!(
                    f,
                    "`{file}`: the record of message {id} at {offset} is damaged"
                )?;
            }
            DamageKind::TornTail => {
                write!(f, "`{file}`: an unfinished write at {offset} was cut off")?;
            }
        }
        match &self.copy {
            Some(copy) => write!(f, "; `{copy}` has what was there"),
            None => Ok(()),
        }
    }
}

/// How much a store holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    /// Messages that are there.
    pub messages: usize,
    /// What they need, in bytes.
    pub live_bytes: u64,
    /// What the store takes up, in bytes.
    pub disk_bytes: u64,
    /// What was handed in and is not committed yet, in bytes.
    pub waiting_bytes: u64,
}

/// Why a store did not do what it was asked for.
#[derive(Clone, Debug, thiserror::Error)]
pub enum Error {
    /// More is waiting to be written than may wait.
    #[error("too much is waiting to be written")]
    Busy,
    /// The store was closed, or has crashed.
    #[error("the spool is closed")]
    Closed,
    /// The record of a message is not what was written.
    #[error("the record of message {0} is damaged")]
    Damaged(MessageId),
    /// There is no room; there may be later.
    #[error("the spool is full")]
    Full,
    /// A file could not be read or written.
    #[error("cannot {doing} `{path}`: {source}")]
    Io {
        /// What was being done, as a verb.
        doing: &'static str,
        /// To which file or folder.
        path: PathBuf,
        /// What the system says.
        source: Arc<io::Error>,
    },
    /// The folder belongs to somebody else at present.
    #[error("the spool `{0}` is in use by another process")]
    Locked(PathBuf),
    /// A newer program wrote the folder.
    #[error("the spool `{path}` has version {found}, and this program knows up to {known}")]
    NewerVersion {
        /// The folder.
        path: PathBuf,
        /// Its version.
        found: u32,
        /// The newest version that this program knows.
        known: u32,
    },
    /// No message may be that long.
    #[error("a message of {0} bytes is too large for the spool")]
    TooLarge(u64),
    /// There is no such message.
    #[error("message {0} is not in the spool")]
    Unknown(MessageId),
}

/// What a store will say when it is done.
///
/// Dropping it changes nothing about what is being done.
#[derive(Debug)]
#[must_use = "nothing is durable before the completion resolves"]
pub struct Completion<T>(oneshot::Receiver<Result<T, Error>>);

impl<T> Completion<T> {
    /// A completion, and what resolves it. Where that is dropped, it resolves to `Closed`.
    fn new() -> (oneshot::Sender<Result<T, Error>>, Self) {
        let (sender, receiver) = oneshot::channel();
        (sender, Self(receiver))
    }

    /// A completion that is resolved.
    fn ready(result: Result<T, Error>) -> Self {
        let (sender, completion) = Self::new();
        // The receiver is right here, so this cannot fail.
        let _ = sender.send(result);
        completion
    }

    /// Blocks the thread until the store is done.
    ///
    /// # Errors
    /// As the operation says.
    ///
    /// # Panics
    /// On a thread that runs asynchronous tasks: those await.
    pub fn wait(self) -> Result<T, Error> {
        self.0.blocking_recv().unwrap_or(Err(Error::Closed))
    }
}

impl<T> Future for Completion<T> {
    type Output = Result<T, Error>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let received = Pin::new(&mut self.0).poll(context);
        received.map(|received| received.unwrap_or(Err(Error::Closed)))
    }
}
