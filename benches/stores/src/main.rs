//! Durable messages per second: the spool's own log, redb and fjall, side by side in one run.
//!
//! `stores [--rounds N] [--millis N] [--only NAME] [--load N] [--fresh] [--folder DIR]`, or
//! `stores --backlog N` for memory and time with many messages. Each run begins with a new store and
//! sends 100 MiB through it, unless `--fresh` is given. The databases get the group
//! commit that the log has: one thread takes whatever waits, writes it in one transaction or batch,
//! makes it durable once, and answers everybody. Rounds go through all stores in turn, so that what
//! else the machine does hits all alike; the table shows medians.

#![expect(
    clippy::disallowed_methods,
    reason = "it measures: clocks, threads and files are what it is about"
)]

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

/// What a run came to.
#[derive(Clone, Copy)]
struct Figure {
    messages: u32,
    seconds: f64,
    /// Processor time of the whole process.
    cpu_seconds: f64,
}

impl Figure {
    fn rate(&self) -> f64 {
        f64::from(self.messages) / self.seconds
    }
}

/// Accepts for as long as told.
fn run(subject: &Arc<dyn Subject>, load: Load, length: Duration) -> Figure {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .build();
    let runtime = runtime.expect("a runtime");
    let body = Bytes::from(noise(load.body_bytes));
    let envelope = Bytes::from(noise(200));
    let (begin, cpu) = (Instant::now(), cpu_seconds());
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
    Figure {
        messages: counts.sum(),
        seconds: begin.elapsed().as_secs_f64(),
        cpu_seconds: cpu_seconds() - cpu,
    }
}

/// Sends so much through a store that it is as it will be from then on.
fn warm_up(subject: &Arc<dyn Subject>) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .expect("a runtime");
    let body = Bytes::from(noise(256 << 10));
    for _ in 0..25 {
        let accepted: Vec<_> = (0..16)
            .map(|_| subject.accept(Bytes::new(), body.clone()))
            .collect();
        for id in accepted {
            subject.remove(runtime.block_on(id));
        }
    }
}

/// Processor time so far (proc(5), `schedstat` of every thread), in seconds.
fn cpu_seconds() -> f64 {
    let tasks = std::fs::read_dir("/proc/self/task")
        .into_iter()
        .flatten()
        .flatten();
    let nanos = tasks.filter_map(|task| {
        let stat = std::fs::read_to_string(task.path().join("schedstat")).ok()?;
        stat.split(' ').next()?.parse::<f64>().ok()
    });
    nanos.sum::<f64>() / 1e9
}

/// Keeps many small messages, then opens the store again: memory and time.
fn backlog(messages: u32, folder: &Path) -> Result<(), Box<dyn Error>> {
    let resident = || {
        let status = std::fs::read_to_string("/proc/self/statm").unwrap_or_default();
        let pages = status
            .split(' ')
            .nth(1)
            .and_then(|pages| pages.parse::<u64>().ok());
        (pages.unwrap_or(0) * 4096) >> 20
    };
    let before = resident();
    let (store, _) = Disk::open(folder, &Options::default())?;
    let (envelope, body) = (Bytes::from(noise(200)), Bytes::from(noise(1024)));
    for _ in 0..messages / 1000 {
        let message = || NewMessage {
            envelope: envelope.clone(),
            body: vec![body.clone()],
        };
        let waiting: Vec<_> = (0..1000).map(|_| store.accept(message())).collect();
        waiting
            .into_iter()
            .try_for_each(|accepted| accepted.wait().map(drop))?;
    }
    println!(
        "{messages} messages: {} MiB resident, {before} before",
        resident()
    );
    drop(store);
    let before = resident();
    let begin = Instant::now();
    let (store, recovered) = Disk::open(folder, &Options::default())?;
    let opened = begin.elapsed();
    let found = recovered.messages.count();
    let read = begin.elapsed() - opened;
    println!("opened in {opened:?}; {found} envelopes read in {read:?}");
    println!(
        "{} MiB resident, {before} before; {:?}",
        resident(),
        store.usage()
    );
    Ok(())
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
    let fresh = std::env::args().any(|argument| argument == "--fresh");
    if let Some(messages) = argument("--backlog") {
        return backlog(messages.parse()?, tempfile::tempdir_in(&parent)?.path());
    }
    let names = NAMES
        .iter()
        .filter(|name| only.as_deref().is_none_or(|only| only == **name));
    let names: Vec<&str> = names.copied().collect();
    let mut figures: BTreeMap<(Load, &str), Vec<Figure>> = BTreeMap::new();
    for round in 0..rounds {
        for load in &loads {
            // Nobody always comes after the same neighbour.
            let order = names
                .iter()
                .cycle()
                .skip(round % names.len())
                .take(names.len());
            for name in order {
                let folder = tempfile::tempdir_in(&parent)?;
                let subject = open(name, folder.path())?;
                if !fresh {
                    warm_up(&subject);
                }
                // What earlier runs left to be written is not this one's.
                std::process::Command::new("sync").status()?;
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
            print!(
                " {} |",
                cell(&figures[&(load, *name)], &figures[&(load, names[0])])
            );
        }
        println!();
    }
    Ok(())
}

/// Median rate, processor time per message, and how the rate compares with the other's in the same
/// round, in the median.
fn cell(figures: &[Figure], other: &[Figure]) -> String {
    let rate = median(figures.iter().map(Figure::rate));
    let messages: u32 = figures.iter().map(|figure| figure.messages).sum();
    let cpu: f64 = figures.iter().map(|figure| figure.cpu_seconds).sum();
    let micros = cpu / f64::from(messages) * 1e6;
    let ratio = median(
        figures
            .iter()
            .zip(other)
            .map(|(own, other)| own.rate() / other.rate()),
    );
    format!("{rate:.0}/s, {micros:.0} µs, ×{ratio:.2}")
}

fn median(figures: impl Iterator<Item = f64>) -> f64 {
    let mut figures: Vec<f64> = figures.collect();
    figures.sort_by(f64::total_cmp);
    figures[figures.len() / 2]
}
