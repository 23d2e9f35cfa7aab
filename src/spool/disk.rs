//! The real store: a log in a folder, one thread that writes it and one that reads back.
//!
//! The committer takes whatever is waiting, writes it in one go, syncs once, and answers everybody;
//! meanwhile the next round gathers. Under load many messages share a sync, and a single one waits
//! for nothing but its own.
//!
//! A round of changes alone is written and not synced: the next accepted message, or `flush`, or
//! the system in its own time, does that. A crash of the machine may bring messages back that were
//! sent just before; a crash of the process does not.

use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, mpsc};
use std::thread::JoinHandle;

use bytes::Bytes;
use tokio::sync::oneshot;

use super::file::{Folder, RealFolder};
use super::index::Shared;
use super::log::{Change, Log, Op};
use super::recover::recover;
use super::writer::{Limits, Writer};
use super::{Completion, Error, MessageId, NewMessage, Observer, Recovered, Store, Usage};
use crate::mail::{ByteSize, Limit};

/// How often the committer lets others go first, where more acceptors were there a moment ago.
const YIELDS: usize = 4;
/// The least and the greatest length of a segment, in bytes.
const SEGMENT_BYTES: (u64, u64) = (4 << 10, 1 << 30);

/// How a store on disk is set up.
#[derive(Clone)]
pub struct Options {
    /// How long a file of the log becomes, unless one message is longer: 4 KB to 1 GB.
    pub segment: ByteSize,
    /// What is kept free on the disk so that messages can be removed when it is full.
    pub reserve: ByteSize,
    /// What the folder may take up; the damaged pieces in it do not count.
    pub space: Limit,
    /// How much may wait to be written before `Busy` is the answer.
    pub waiting: ByteSize,
    /// Who is told about syncs.
    pub observer: Arc<dyn Observer>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            segment: ByteSize(32 << 20),
            reserve: ByteSize(4 << 20),
            space: Limit::Unlimited,
            waiting: ByteSize(256 << 20),
            observer: Arc::new(Nobody),
        }
    }
}

/// Looks at nothing.
struct Nobody;

impl Observer for Nobody {}

/// A store in a folder that this process has to itself.
///
/// Dropping it writes and syncs all that was handed in, and waits for that.
pub struct Disk {
    queue: Arc<Queue>,
    shared: Arc<Shared>,
    next_id: AtomicU64,
    waiting_max: u64,
    reads: Option<mpsc::Sender<Read>>,
    threads: Vec<JoinHandle<()>>,
}

impl Disk {
    /// Opens the store in `folder`, which is made where it is not there. Reads all of it, so this
    /// blocks for as long as the disk needs.
    ///
    /// # Errors
    /// When another process has the folder, a newer program wrote it, or the system refuses.
    /// Damage is no error.
    pub fn open(folder: &Path, options: &Options) -> Result<(Self, Recovered), Error> {
        Self::start(Arc::new(RealFolder::lock(folder)?), options)
    }

    fn start(folder: Arc<dyn Folder>, options: &Options) -> Result<(Self, Recovered), Error> {
        let recovery = recover(&*folder)?;
        let next_id = AtomicU64::new(recovery.tail.next_id);
        let shared = Arc::new(Shared::new(recovery.index));
        let recovered = Recovered {
            messages: messages(&shared),
            damage: recovery.damage,
        };
        let observer = Arc::clone(&options.observer);
        let writer = Writer::new(
            folder,
            Arc::clone(&shared),
            Arc::clone(&observer),
            limits(options),
            recovery.tail,
        );
        let log = Log::new(writer, Arc::clone(&shared), observer);
        let queue = Arc::new(Queue::default());
        let (reads, to_read) = mpsc::channel();
        let committer = Committer {
            queue: Arc::clone(&queue),
            log,
        };
        let readable = Arc::clone(&shared);
        let threads = vec![
            spawn("spool-commit", move || committer.run())?,
            spawn("spool-read", move || read_back(&readable, &to_read))?,
        ];
        let disk = Self {
            queue,
            shared,
            next_id,
            waiting_max: options.waiting.0,
            reads: Some(reads),
            threads,
        };
        Ok((disk, recovered))
    }

    fn read(&self, read: Read) {
        // Where the reader is gone, the completion says so.
        let _ = self.reads.as_ref().map(|reads| reads.send(read));
    }
}

impl Store for Disk {
    fn accept(&self, message: NewMessage) -> Completion<MessageId> {
        let (reply, completion) = Completion::new();
        let size = message.size_bytes();
        let mut waiting = self.queue.lock();
        if waiting.bytes.saturating_add(size) > self.waiting_max && waiting.bytes > 0 {
            return Completion::ready(Err(Error::Busy));
        }
        // Under the lock, so that ids are in the order of the log.
        let id = MessageId(self.next_id.fetch_add(1, Ordering::Relaxed));
        waiting.bytes += size;
        let at = waiting.ops.len();
        waiting.replies.push((at, id, reply));
        self.queue.push(waiting, Op::Accept(id, message));
        completion
    }

    fn update(&self, id: MessageId, envelope: Bytes) {
        let mut waiting = self.queue.lock();
        waiting.bytes += envelope.len() as u64;
        self.queue
            .push(waiting, Op::Change(id, Change::Update(envelope)));
    }

    fn remove(&self, id: MessageId) {
        self.queue
            .push(self.queue.lock(), Op::Change(id, Change::Remove));
    }

    fn flush(&self) -> Completion<()> {
        let (reply, completion) = Completion::new();
        let mut waiting = self.queue.lock();
        if !waiting.is_closed {
            waiting.flushes.push(reply);
            self.queue.ready.notify_one();
        }
        completion
    }

    fn read_envelope(&self, id: MessageId) -> Completion<Bytes> {
        let (reply, completion) = Completion::new();
        self.read(Read {
            id,
            part: Part::Envelope,
            reply,
        });
        completion
    }

    fn read_body(&self, id: MessageId) -> Completion<Bytes> {
        let (reply, completion) = Completion::new();
        self.read(Read {
            id,
            part: Part::Body,
            reply,
        });
        completion
    }

    fn usage(&self) -> Usage {
        let waiting_bytes = self.queue.lock().bytes;
        Usage {
            waiting_bytes,
            ..self.shared.lock().usage()
        }
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        self.queue.lock().is_closed = true;
        self.queue.ready.notify_one();
        self.reads = None;
        for thread in self.threads.drain(..) {
            // A thread that panicked has said so, and whoever waited for it was told.
            let _ = thread.join();
        }
    }
}

fn limits(options: &Options) -> Limits {
    let (least, greatest) = SEGMENT_BYTES;
    Limits {
        segment: options.segment.0.clamp(least, greatest),
        reserve: options.reserve.0,
        space: match options.space {
            Limit::Bytes(bytes) => bytes.0,
            Limit::Unlimited => u64::MAX,
        },
    }
}

/// All messages, read one by one.
fn messages(
    shared: &Arc<Shared>,
) -> Box<dyn Iterator<Item = Result<(MessageId, Bytes), Error>> + Send> {
    let ids = shared.lock().ids();
    let shared = Arc::clone(shared);
    Box::new(
        ids.into_iter()
            .filter_map(move |id| match shared.read_envelope(id) {
                Ok(envelope) => Some(Ok((id, envelope))),
                // It was removed since.
                Err(Error::Unknown(_)) => None,
                Err(error) => Some(Err(error)),
            }),
    )
}

#[expect(
    clippy::disallowed_methods,
    reason = "waiting for a disk needs threads of its own"
)]
fn spawn(name: &str, run: impl FnOnce() + Send + 'static) -> Result<JoinHandle<()>, Error> {
    let thread = std::thread::Builder::new().name(name.to_owned()).spawn(run);
    thread.map_err(|error| Error::Io {
        doing: "start thread",
        path: name.into(),
        source: Arc::new(error),
    })
}

/// What waits for the next round.
#[derive(Default)]
struct Waiting {
    ops: Vec<Op>,
    /// Who waits for which of `ops`.
    replies: Vec<(usize, MessageId, Reply<MessageId>)>,
    flushes: Vec<Reply<()>>,
    /// The length of everything in `ops`, and of what the committer has in hand.
    bytes: u64,
    is_closed: bool,
}

type Reply<T> = oneshot::Sender<Result<T, Error>>;

/// Where operations wait for the committer.
#[derive(Default)]
struct Queue {
    waiting: Mutex<Waiting>,
    ready: Condvar,
}

impl Queue {
    fn lock(&self) -> MutexGuard<'_, Waiting> {
        // Nothing that can panic is done with it.
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn push(&self, mut waiting: MutexGuard<'_, Waiting>, op: Op) {
        if waiting.is_closed {
            waiting.replies.clear();
            return;
        }
        waiting.ops.push(op);
        drop(waiting);
        self.ready.notify_one();
    }

    /// Takes what is waiting, and waits for something unless told not to. `None` is the end.
    ///
    /// Whoever was just answered often has the next message at hand, so where fewer than `expected`
    /// acceptors wait, the others are let go first, which is no waiting: it takes no time where
    /// nobody has anything to do.
    fn take(&self, is_patient: bool, expected: usize) -> Option<Waiting> {
        let mut waiting = self.lock();
        while is_patient && waiting.is_idle() && !waiting.is_closed {
            waiting = self
                .ready
                .wait(waiting)
                .unwrap_or_else(PoisonError::into_inner);
        }
        if waiting.is_idle() && waiting.is_closed {
            return None;
        }
        for _ in 0..YIELDS {
            if waiting.replies.len() >= expected {
                break;
            }
            drop(waiting);
            std::thread::yield_now();
            waiting = self.lock();
        }
        Some(Waiting {
            ops: std::mem::take(&mut waiting.ops),
            replies: std::mem::take(&mut waiting.replies),
            flushes: std::mem::take(&mut waiting.flushes),
            bytes: waiting.bytes,
            is_closed: waiting.is_closed,
        })
    }
}

impl Waiting {
    fn is_idle(&self) -> bool {
        self.ops.is_empty() && self.flushes.is_empty()
    }
}

/// Writes the log.
struct Committer {
    queue: Arc<Queue>,
    log: Log,
}

impl Committer {
    fn run(mut self) {
        let mut expected = 0;
        while let Some(round) = self.queue.take(!self.log.has_chores(), expected) {
            expected = round.replies.len().max(expected / 2);
            let outcome = self.log.commit(round.ops, !round.flushes.is_empty());
            self.queue.lock().bytes -= round.bytes;
            // Who no longer waits for an answer needs none.
            for (at, id, reply) in round.replies {
                let _ = reply.send(outcome.results[at].clone().map(|()| id));
            }
            for reply in round.flushes {
                let _ = reply.send(outcome.settled.clone());
            }
        }
        self.log.commit(Vec::new(), true);
    }
}

impl Drop for Committer {
    /// Nobody will answer any more, whether this is the end or a panic.
    fn drop(&mut self) {
        let mut waiting = self.queue.lock();
        waiting.is_closed = true;
        waiting.ops.clear();
        waiting.replies.clear();
        waiting.flushes.clear();
    }
}

/// Something to read back.
struct Read {
    id: MessageId,
    part: Part,
    reply: Reply<Bytes>,
}

enum Part {
    Envelope,
    Body,
}

fn read_back(shared: &Shared, reads: &mpsc::Receiver<Read>) {
    for read in reads {
        let content = match read.part {
            Part::Envelope => shared.read_envelope(read.id),
            Part::Body => shared.read_body(read.id),
        };
        // Who no longer waits for an answer needs none.
        let _ = read.reply.send(content);
    }
}
