//! Durable messages per second: the spool's own log, redb and fjall, side by side in one run.
//!
//! `stores [--rounds N] [--millis N] [--only NAME] [--folder DIR]`. The databases get the group
//! commit that the log has: one thread takes whatever waits, writes it in one transaction or batch,
//! makes it durable once, and answers everybody. Rounds go through all stores in turn, so that what
//! else the machine does hits all alike; the table shows medians.

use std::collections::BTreeMap;
use std::error::Error;
use std::future::Future;
use std::path::Path;
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex};
use std::time::{Duration, Instant};

use bytes::Bytes;
use hybridmx::spool::disk::{Disk, Options};
use hybridmx::spool::{NewMessage, Store};
use tokio::sync::oneshot;

type Answer = Pin<Box<dyn Future<Output = u64> + Send>>;

/// What is compared.
trait Subject: Send + Sync {
    fn accept(&self, envelope: Bytes, body: Bytes) -> Answer;
    fn remove(&self, id: u64);
}

struct Own(Disk);

impl Subject for Own {
    fn accept(&self, envelope: Bytes, body: Bytes) -> Answer {
        let accepted = self.0.accept(NewMessage {
            envelope,
            body: vec![body],
        });
        Box::pin(async move { accepted.await.expect("the disk has room").0 })
    }

    fn remove(&self, id: u64) {
        self.0.remove(hybridmx::spool::MessageId(id));
    }
}

enum Op {
    Accept(u64, Bytes, Bytes),
    Remove(u64),
}

/// A database, as seen by one thread that writes to it.
trait Engine: Send + 'static {
    fn commit(&mut self, ops: &[Op], durable: bool);
}

struct Redb(redb::Database);

const BODIES: redb::TableDefinition<u64, &[u8]> = redb::TableDefinition::new("bodies");
const ENVELOPES: redb::TableDefinition<u64, &[u8]> = redb::TableDefinition::new("envelopes");

impl Engine for Redb {
    fn commit(&mut self, ops: &[Op], durable: bool) {
        let mut transaction = self.0.begin_write().expect("begin");
        if !durable {
            transaction
                .set_durability(redb::Durability::None)
                .expect("durability");
        }
        {
            let mut bodies = transaction.open_table(BODIES).expect("table");
            let mut envelopes = transaction.open_table(ENVELOPES).expect("table");
            for op in ops {
                match op {
                    Op::Accept(id, envelope, body) => {
                        bodies.insert(id, &body[..]).expect("insert");
                        envelopes.insert(id, &envelope[..]).expect("insert");
                    }
                    Op::Remove(id) => {
                        bodies.remove(id).expect("remove");
                        envelopes.remove(id).expect("remove");
                    }
                }
            }
        }
        transaction.commit().expect("commit");
    }
}

struct Fjall {
    database: fjall::Database,
    bodies: fjall::Keyspace,
    envelopes: fjall::Keyspace,
}

impl Fjall {
    fn open(folder: &Path) -> Result<Self, fjall::Error> {
        let database = fjall::Database::builder(folder).open()?;
        let bodies = database.keyspace("bodies", fjall::KeyspaceCreateOptions::default)?;
        let envelopes = database.keyspace("envelopes", fjall::KeyspaceCreateOptions::default)?;
        Ok(Self {
            database,
            bodies,
            envelopes,
        })
    }
}

impl Engine for Fjall {
    fn commit(&mut self, ops: &[Op], durable: bool) {
        let mode = durable.then_some(fjall::PersistMode::SyncData);
        let mut batch = self.database.batch().durability(mode);
        for op in ops {
            match op {
                Op::Accept(id, envelope, body) => {
                    batch.insert(&self.bodies, id.to_be_bytes(), &body[..]);
                    batch.insert(&self.envelopes, id.to_be_bytes(), &envelope[..]);
                }
                Op::Remove(id) => {
                    batch.remove(&self.bodies, id.to_be_bytes());
                    batch.remove(&self.envelopes, id.to_be_bytes());
                }
            }
        }
        batch.commit().expect("commit");
    }
}

/// Group commit for an engine, as the log has it.
struct Grouped {
    queue: Arc<(Mutex<Waiting>, Condvar)>,
    next_id: AtomicU64,
    thread: Option<std::thread::JoinHandle<()>>,
}

#[derive(Default)]
struct Waiting {
    ops: Vec<Op>,
    replies: Vec<(u64, oneshot::Sender<u64>)>,
    closed: bool,
}

impl Grouped {
    fn new(mut engine: impl Engine) -> Self {
        let queue = Arc::new((Mutex::new(Waiting::default()), Condvar::new()));
        let shared = Arc::clone(&queue);
        let thread = std::thread::spawn(move || {
            let (waiting, ready) = &*shared;
            loop {
                let mut guard = waiting.lock().expect("lock");
                while guard.ops.is_empty() && !guard.closed {
                    guard = ready.wait(guard).expect("wait");
                }
                if guard.ops.is_empty() {
                    return;
                }
                let ops = std::mem::take(&mut guard.ops);
                let replies = std::mem::take(&mut guard.replies);
                drop(guard);
                engine.commit(&ops, !replies.is_empty());
                for (id, reply) in replies {
                    let _ = reply.send(id);
                }
            }
        });
        Self {
            queue,
            next_id: AtomicU64::new(1),
            thread: Some(thread),
        }
    }

    fn push(&self, op: Op, reply: Option<(u64, oneshot::Sender<u64>)>) {
        let mut waiting = self.queue.0.lock().expect("lock");
        waiting.ops.push(op);
        waiting.replies.extend(reply);
        drop(waiting);
        self.queue.1.notify_one();
    }
}

impl Subject for Grouped {
    fn accept(&self, envelope: Bytes, body: Bytes) -> Answer {
        let id = self.next_id.fetch_add(1, Ordering::Relaxed);
        let (reply, answer) = oneshot::channel();
        self.push(Op::Accept(id, envelope, body), Some((id, reply)));
        Box::pin(async move { answer.await.expect("an answer") })
    }

    fn remove(&self, id: u64) {
        self.push(Op::Remove(id), None);
    }
}

impl Drop for Grouped {
    fn drop(&mut self) {
        self.queue.0.lock().expect("lock").closed = true;
        self.queue.1.notify_one();
        if let Some(thread) = self.thread.take() {
            thread.join().expect("the engine ends");
        }
    }
}

const NAMES: [&str; 3] = ["own log", "redb", "fjall"];

fn open(name: &str, folder: &Path) -> Result<Arc<dyn Subject>, Box<dyn Error>> {
    Ok(match name {
        "redb" => Arc::new(Grouped::new(Redb(redb::Database::create(
            folder.join("redb"),
        )?))),
        "fjall" => Arc::new(Grouped::new(Fjall::open(&folder.join("fjall"))?)),
        _ => Arc::new(Own(Disk::open(&folder.join("own"), &Options::default())?.0)),
    })
}

/// What is asked of a store.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Load {
    body_bytes: usize,
    acceptors: usize,
    removes: bool,
}

/// Accepts for as long as told, and gives messages per second.
fn run(subject: &Arc<dyn Subject>, load: Load, length: Duration) -> f64 {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .build();
    let runtime = runtime.expect("a runtime");
    let body = Bytes::from(noise(load.body_bytes));
    let envelope = Bytes::from(noise(200));
    let begin = Instant::now();
    let tasks: Vec<_> = (0..load.acceptors)
        .map(|_| {
            let (subject, body, envelope) = (Arc::clone(subject), body.clone(), envelope.clone());
            runtime.spawn(async move {
                let mut count = 0_u32;
                while begin.elapsed() < length {
                    let id = subject.accept(envelope.clone(), body.clone()).await;
                    if load.removes {
                        subject.remove(id);
                    }
                    count += 1;
                }
                count
            })
        })
        .collect();
    let counts = tasks
        .into_iter()
        .map(|task| runtime.block_on(task).expect("a count"));
    let count: u32 = counts.sum();
    f64::from(count) / begin.elapsed().as_secs_f64()
}

/// Bytes that no compression makes shorter.
fn noise(len: usize) -> Vec<u8> {
    let mut state = 0x9E37_79B9_7F4A_7C15_u64;
    let mut byte = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_le_bytes()[3]
    };
    (0..len).map(|_| byte()).collect()
}

fn argument(name: &str) -> Option<String> {
    let mut arguments = std::env::args().skip_while(|argument| argument != name);
    arguments.nth(1)
}

fn main() -> Result<(), Box<dyn Error>> {
    let rounds: usize = argument("--rounds").map_or(Ok(5), |n| n.parse())?;
    let millis: u64 = argument("--millis").map_or(Ok(1000), |n| n.parse())?;
    let only = argument("--only");
    let parent = argument("--folder").unwrap_or_else(|| ".".to_owned());
    let mut loads = Vec::new();
    for (body_bytes, all) in [(1 << 10, &[1, 10, 100][..]), (100 << 10, &[10][..])] {
        for acceptors in all {
            for removes in [false, true] {
                loads.push(Load {
                    body_bytes,
                    acceptors: *acceptors,
                    removes,
                });
            }
        }
    }
    if let Some(at) = argument("--load") {
        loads = vec![loads[at.parse::<usize>()?]];
    }
    let names = NAMES
        .iter()
        .filter(|name| only.as_deref().is_none_or(|only| only == **name));
    let names: Vec<&str> = names.copied().collect();
    let mut figures: BTreeMap<(Load, &str), Vec<f64>> = BTreeMap::new();
    for _ in 0..rounds {
        for load in &loads {
            for name in &names {
                let folder = tempfile::tempdir_in(&parent)?;
                let subject = open(name, folder.path())?;
                let figure = run(&subject, *load, Duration::from_millis(millis));
                figures.entry((*load, name)).or_default().push(figure);
            }
        }
    }
    println!("| body, acceptors | {} |", names.join(" | "));
    println!("|---|{}", "---:|".repeat(names.len()));
    for load in loads {
        let Load {
            body_bytes,
            acceptors,
            removes,
        } = load;
        let what = if removes { ", each removed" } else { "" };
        print!("| {} KiB, {acceptors}{what} |", body_bytes >> 10);
        for name in &names {
            let figures = figures.get_mut(&(load, name)).expect("every load was run");
            figures.sort_by(f64::total_cmp);
            let (least, most) = (figures[0], figures[figures.len() - 1]);
            print!(
                " {:.0} ({least:.0}–{most:.0}) |",
                figures[figures.len() / 2]
            );
        }
        println!();
    }
    Ok(())
}
