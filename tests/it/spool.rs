//! The durable store, through its contract: the real one on a real disk, and its twin.

#![expect(clippy::unwrap_used, reason = "what fails here fails the test")]

use std::collections::{BTreeMap, BTreeSet};
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::Bytes;
use hybridmx::mail::{ByteSize, Limit};
use hybridmx::spool::disk::{Disk, Options};
use hybridmx::spool::memory::{Memory, Syncing};
use hybridmx::spool::{
    Completion, DamageKind, Error, MessageId, NewMessage, Observer, Recovered, Store,
};
use proptest::prelude::*;
use tempfile::TempDir;

/// Small files, so that little mail needs many.
fn options() -> Options {
    Options {
        segment: ByteSize(8 << 10),
        reserve: ByteSize(4 << 10),
        ..Options::default()
    }
}

#[track_caller]
fn open(folder: &Path) -> (Disk, Recovered) {
    Disk::open(folder, &options()).expect("the store opens")
}

/// Opens a store that must be whole.
#[track_caller]
fn reopen(folder: &Path) -> (Disk, BTreeMap<MessageId, Bytes>) {
    let (store, recovered) = open(folder);
    assert_eq!(recovered.damage, []);
    (store, found(recovered))
}

fn found(recovered: Recovered) -> BTreeMap<MessageId, Bytes> {
    recovered
        .messages
        .map(|found| found.expect("an envelope"))
        .collect()
}

fn message(envelope: &str, body: &str) -> NewMessage {
    NewMessage {
        envelope: Bytes::copy_from_slice(envelope.as_bytes()),
        body: vec![Bytes::copy_from_slice(body.as_bytes())],
    }
}

#[test]
fn what_was_accepted_is_there_when_the_store_is_opened_again() {
    let folder = TempDir::new().unwrap();
    let (store, recovered) = open(folder.path());
    assert_eq!(found(recovered).len(), 0);
    let accept = |n| store.accept(message(&format!("envelope {n}"), &format!("body {n}")));
    let ids: Vec<MessageId> = (0..100).map(|n| accept(n).wait().unwrap()).collect();
    store.update(ids[7], Bytes::from_static(b"later"));
    for id in &ids[10..] {
        store.remove(*id);
    }
    drop(store);
    let (store, found) = reopen(folder.path());
    assert_eq!(found.keys().copied().collect::<Vec<_>>(), ids[..10]);
    assert_eq!(found[&ids[7]], "later");
    assert_eq!(store.read_body(ids[7]).wait().unwrap(), "body 7");
    assert_eq!(store.read_envelope(ids[8]).wait().unwrap(), "envelope 8");
    let gone = store.read_body(ids[20]).wait().unwrap_err();
    assert_eq!(gone.to_string(), "message 21 is not in the spool");
    assert_eq!(store.usage().messages, 10);
}

#[test]
fn pieces_of_a_body_come_back_as_one() {
    let folder = TempDir::new().unwrap();
    let (store, _) = open(folder.path());
    let pieces = [0, 1, 200_000, 5, 64 << 10].map(|len| Bytes::from(vec![b'x'; len]));
    let whole = Bytes::from(pieces.concat());
    let new = NewMessage {
        envelope: Bytes::new(),
        body: pieces.to_vec(),
    };
    let id = store.accept(new).wait().unwrap();
    assert_eq!(store.read_body(id).wait().unwrap(), whole);
    assert_eq!(store.read_envelope(id).wait().unwrap(), "");
}

#[test]
fn a_folder_has_one_owner() {
    let folder = TempDir::new().unwrap();
    let (store, _) = open(folder.path());
    let refused = Disk::open(folder.path(), &options())
        .map(|_| ())
        .unwrap_err();
    let expected = format!(
        "the spool `{}` is in use by another process",
        folder.path().display()
    );
    assert_eq!(refused.to_string(), expected);
    drop(store);
    open(folder.path());
}

#[test]
fn a_folder_that_cannot_be_made_is_an_error_that_names_it() {
    let refused = Disk::open(Path::new("/dev/null/spool"), &options());
    let refused = refused.map(|_| ()).unwrap_err();
    assert!(
        refused
            .to_string()
            .starts_with("cannot create `/dev/null/spool`: "),
        "{refused}"
    );
}

#[test]
fn a_store_of_limited_size_refuses_and_recovers() {
    let folder = TempDir::new().unwrap();
    let space = Limit::Bytes(ByteSize(100 << 10));
    let options = Options { space, ..options() };
    let (store, _) = Disk::open(folder.path(), &options).unwrap();
    let mut ids = Vec::new();
    let refused = loop {
        match store
            .accept(message("to be kept", &"x".repeat(1_000)))
            .wait()
        {
            Ok(id) => ids.push(id),
            Err(error) => break error,
        }
    };
    assert!(matches!(refused, Error::Full), "{refused}");
    assert!(ids.len() > 60, "{} messages fit", ids.len());
    assert!(store.usage().disk_bytes <= 100 << 10);
    assert_eq!(store.read_body(ids[50]).wait().unwrap().len(), 1_000);
    for id in ids.drain(..ids.len() / 2) {
        store.remove(id);
    }
    store.flush().wait().unwrap();
    ids.push(store.accept(message("later", "body")).wait().unwrap());
    drop(store);
    let (_store, found) = reopen(folder.path());
    assert_eq!(found.into_keys().collect::<Vec<_>>(), ids);
}

#[test]
fn too_much_at_once_is_refused() {
    let folder = TempDir::new().unwrap();
    let options = Options {
        waiting: ByteSize(100),
        ..options()
    };
    let (store, _) = Disk::open(folder.path(), &options).unwrap();
    let waiting: Vec<Completion<MessageId>> = (0..10_000)
        .map(|_| store.accept(message("", &"x".repeat(60))))
        .collect();
    let results: Vec<_> = waiting.into_iter().map(Completion::wait).collect();
    assert!(results.iter().any(Result::is_ok));
    assert!(
        results
            .iter()
            .any(|result| matches!(result, Err(Error::Busy)))
    );
    assert!(store.accept(message("", &"x".repeat(1_000))).wait().is_ok());
}

/// Counts what it is told.
#[derive(Default)]
struct Counter {
    begun: AtomicUsize,
    ended: AtomicUsize,
    messages: AtomicUsize,
}

impl Observer for Counter {
    fn sync_begins(&self) {
        self.begun.fetch_add(1, Ordering::Relaxed);
    }

    fn sync_ended(&self, succeeded: bool) {
        assert!(succeeded);
        self.ended.fetch_add(1, Ordering::Relaxed);
    }

    fn committed(&self, messages: usize) {
        self.messages.fetch_add(messages, Ordering::Relaxed);
    }
}

#[test]
fn acceptors_share_syncs() {
    let folder = TempDir::new().unwrap();
    let counter = Arc::new(Counter::default());
    let options = Options {
        observer: Arc::clone(&counter) as _,
        ..Options::default()
    };
    let (store, _) = Disk::open(folder.path(), &options).unwrap();
    for _ in 0..10 {
        let waiting: Vec<_> = (0..100)
            .map(|n| store.accept(message(&n.to_string(), "")))
            .collect();
        for accepted in waiting {
            accepted.wait().unwrap();
        }
    }
    drop(store);
    let syncs = counter.begun.load(Ordering::Relaxed);
    assert!(syncs < 500, "{syncs} syncs for 1000 messages");
    assert_eq!(counter.ended.load(Ordering::Relaxed), syncs);
    assert_eq!(counter.messages.load(Ordering::Relaxed), 1_000);
}

/// The only segment of a folder.
#[expect(clippy::disallowed_methods, reason = "damages what the store wrote")]
fn damage_segment(folder: &Path, damage: impl FnOnce(&mut Vec<u8>)) {
    let path = folder.join("segment-0000000001");
    let mut content = std::fs::read(&path).unwrap();
    damage(&mut content);
    std::fs::write(&path, content).unwrap();
}

#[test]
#[expect(
    clippy::disallowed_methods,
    reason = "looks at what the store set aside"
)]
fn a_damaged_message_is_set_aside_and_the_others_are_kept() {
    let folder = TempDir::new().unwrap();
    let (store, _) = open(folder.path());
    let ids = ["one", "two", "three"].map(|body| store.accept(message("", body)).wait().unwrap());
    drop(store);
    damage_segment(folder.path(), |content| {
        let at = content
            .windows(3)
            .position(|window| window == b"two")
            .unwrap();
        content[at] = b'T';
    });
    let (store, mut recovered) = open(folder.path());
    let damage = recovered.damage.remove(0);
    assert_eq!(damage.kind, DamageKind::Record(ids[1]));
    assert_eq!(
        damage.to_string(),
        "`segment-0000000001`: the record of message 2 at 111 is damaged; \
         `damaged/segment-0000000001-0000000111` has what was there"
    );
    let copy = std::fs::read(folder.path().join(damage.copy.unwrap())).unwrap();
    assert!(copy.ends_with(b"Two"));
    assert_eq!(
        found(recovered).into_keys().collect::<Vec<_>>(),
        [ids[0], ids[2]]
    );
    assert_eq!(store.read_body(ids[2]).wait().unwrap(), "three");
    drop(store);
    assert_eq!(reopen(folder.path()).1.len(), 2);
}

#[test]
fn damage_done_while_the_store_is_open_is_found_by_reading() {
    let folder = TempDir::new().unwrap();
    let (store, _) = open(folder.path());
    let id = store.accept(message("", "content")).wait().unwrap();
    damage_segment(folder.path(), |content| content[64 + 44] ^= 1);
    let error = store.read_body(id).wait().unwrap_err();
    assert_eq!(error.to_string(), "the record of message 1 is damaged");
}

#[test]
fn a_completion_can_be_awaited_anywhere() {
    let store = Memory::new(Syncing::WhenTold);
    let mut accepted = Box::pin(store.accept(message("envelope", "body")));
    let waker = std::task::Waker::noop();
    let mut context = std::task::Context::from_waker(waker);
    assert!(accepted.as_mut().poll(&mut context).is_pending());
    store.sync();
    assert!(accepted.as_mut().poll(&mut context).is_ready());
}

#[test]
fn a_crash_in_memory_loses_what_was_not_synced() {
    let store = Memory::new(Syncing::WhenTold);
    let kept = store.accept(message("kept", ""));
    store.sync();
    let kept = kept.wait().unwrap();
    let lost = store.accept(message("lost", ""));
    store.remove(kept);
    assert_eq!(store.unsynced(), 2);
    let (after, recovered) = store.crash(0);
    assert!(matches!(lost.wait(), Err(Error::Closed)));
    assert!(matches!(
        store.accept(message("", "")).wait(),
        Err(Error::Closed)
    ));
    assert_eq!(
        found(recovered),
        BTreeMap::from([(kept, Bytes::from_static(b"kept"))])
    );
    assert_eq!(after.usage().messages, 1);
    after.remove(kept);
    let (after, recovered) = after.crash(1);
    assert_eq!(found(recovered).len(), 0);
    assert_eq!(after.usage().messages, 0);
}

#[test]
fn memory_can_be_full_too() {
    let store = Memory::new(Syncing::AtOnce);
    store.set_space(Limit::Bytes(ByteSize(10)));
    let id = store.accept(message("1234", "5678")).wait().unwrap();
    assert!(matches!(
        store.accept(message("123", "")).wait(),
        Err(Error::Full)
    ));
    store.remove(id);
    assert!(store.accept(message("123", "")).wait().is_ok());
}

/// What is done to a store.
#[derive(Clone, Debug)]
enum Step {
    Accept(usize),
    Update(usize),
    Remove(usize),
    Flush,
    /// A crash that keeps so many operations more than it must, where the store can do that.
    Restart(usize),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        8 => (0_usize..3_000).prop_map(Step::Accept),
        4 => (0_usize..100).prop_map(Step::Update),
        5 => (0_usize..100).prop_map(Step::Remove),
        1 => Just(Step::Flush),
        1 => (0_usize..5).prop_map(Step::Restart),
    ];
    prop::collection::vec(step, 1..80)
}

/// A store that can be started again.
trait Subject {
    fn store(&self) -> &dyn Store;
    fn restart(self, kept: usize) -> (Self, Recovered)
    where
        Self: Sized;
}

struct OnDisk(TempDir, Disk);

impl Subject for OnDisk {
    fn store(&self) -> &dyn Store {
        &self.1
    }

    fn restart(self, _: usize) -> (Self, Recovered) {
        let Self(folder, store) = self;
        drop(store);
        let (store, recovered) = open(folder.path());
        (Self(folder, store), recovered)
    }
}

impl Subject for Memory {
    fn store(&self) -> &dyn Store {
        self
    }

    fn restart(self, kept: usize) -> (Self, Recovered) {
        self.crash(kept)
    }
}

/// What a store must have and may have.
#[derive(Default)]
struct Model {
    bodies: BTreeMap<MessageId, Bytes>,
    /// What was accepted and not removed, with the envelopes it may have; the last one is newest.
    present: BTreeMap<MessageId, Vec<Bytes>>,
    /// What was removed, but perhaps not durably.
    doubtful: BTreeMap<MessageId, Vec<Bytes>>,
}

impl Model {
    fn pick(&self, pick: usize) -> Option<MessageId> {
        let at = pick.checked_rem(self.present.len())?;
        self.present.keys().nth(at).copied()
    }

    fn accept(&mut self, store: &dyn Store, size: usize) {
        let body = Bytes::from(vec![size.to_le_bytes()[0]; size]);
        let envelope = Bytes::from(format!("envelope for {size} bytes"));
        let new = NewMessage {
            envelope: envelope.clone(),
            body: vec![body.clone()],
        };
        let id = store.accept(new).wait().unwrap();
        assert!(self.bodies.insert(id, body).is_none(), "{id} is used twice");
        self.present.insert(id, vec![envelope]);
    }

    fn update(&mut self, store: &dyn Store, pick: usize) {
        let Some(id) = self.pick(pick) else { return };
        let envelopes = self.present.get_mut(&id).unwrap();
        let envelope = Bytes::from(format!("envelope {} of {id}", envelopes.len()));
        envelopes.push(envelope.clone());
        store.update(id, envelope);
    }

    fn remove(&mut self, store: &dyn Store, pick: usize) {
        let Some(id) = self.pick(pick) else { return };
        let envelopes = self.present.remove(&id).unwrap();
        self.doubtful.insert(id, envelopes);
        store.remove(id);
    }

    fn flush(&mut self, store: &dyn Store) {
        store.flush().wait().unwrap();
        self.doubtful.clear();
        for (id, envelopes) in &mut self.present {
            envelopes.drain(..envelopes.len() - 1);
            assert_eq!(store.read_envelope(*id).wait().unwrap(), envelopes[0]);
        }
    }

    fn restarted(&mut self, store: &dyn Store, recovered: Recovered) {
        assert_eq!(recovered.damage, []);
        let found = found(recovered);
        let ids: BTreeSet<MessageId> = found.keys().copied().collect();
        assert!(
            self.present.keys().all(|id| ids.contains(id)),
            "lost: {:?}",
            self.present
        );
        for (id, envelope) in &found {
            let known = self.present.get(id).or_else(|| self.doubtful.get(id));
            assert!(
                known.is_some_and(|known| known.contains(envelope)),
                "{id}: {envelope:?}"
            );
            assert_eq!(store.read_body(*id).wait().unwrap(), self.bodies[id]);
        }
        assert_eq!(store.usage().messages, found.len());
        self.doubtful.clear();
        self.present = found
            .into_iter()
            .map(|(id, envelope)| (id, vec![envelope]))
            .collect();
    }
}

fn check_contract(mut subject: impl Subject, steps: Vec<Step>) {
    let mut model = Model::default();
    for step in steps.into_iter().chain([Step::Restart(0)]) {
        match step {
            Step::Accept(size) => model.accept(subject.store(), size),
            Step::Update(pick) => model.update(subject.store(), pick),
            Step::Remove(pick) => model.remove(subject.store(), pick),
            Step::Flush => model.flush(subject.store()),
            Step::Restart(kept) => {
                let recovered;
                (subject, recovered) = subject.restart(kept);
                model.restarted(subject.store(), recovered);
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, cases: 40, ..ProptestConfig::default() })]

    #[test]
    fn the_disk_keeps_the_contract(steps in steps()) {
        let folder = TempDir::new().unwrap();
        let (store, _) = open(folder.path());
        check_contract(OnDisk(folder, store), steps);
    }

    #[test]
    fn memory_keeps_the_contract(steps in steps()) {
        check_contract(Memory::new(Syncing::AtOnce), steps);
    }
}

/// How often the process is killed, and what tells it that it is the one.
const KILLS: usize = 20;
const VICTIM: &str = "HYBRIDMX_TEST_SPOOL_VICTIM";

#[test]
#[expect(
    clippy::disallowed_methods,
    reason = "the test starts itself as another process"
)]
fn a_killed_process_loses_nothing_that_it_acknowledged() {
    if let Some(folder) = std::env::var_os(VICTIM) {
        append_for_ever(Path::new(&folder));
    }
    let folder = TempDir::new().unwrap();
    let mut kept: BTreeMap<MessageId, String> = BTreeMap::new();
    for round in 0..KILLS {
        let mut victim = Command::new(std::env::current_exe().unwrap())
            .args([
                "spool::a_killed_process_loses_nothing_that_it_acknowledged",
                "--exact",
            ])
            .arg("--nocapture")
            .env(VICTIM, folder.path())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut said = BufReader::new(victim.stdout.take().unwrap())
            .lines()
            .map(Result::unwrap);
        let lines: Vec<String> = said.by_ref().take(30 + 37 * round).collect();
        victim.kill().unwrap();
        for line in lines.into_iter().chain(said) {
            note(&mut kept, &line);
        }
        victim.wait().unwrap();
        let (store, recovered) = open(folder.path());
        let torn = |damage: &hybridmx::spool::Damage| damage.kind == DamageKind::TornTail;
        assert!(recovered.damage.iter().all(torn), "{:?}", recovered.damage);
        let found = found(recovered);
        for (id, body) in &kept {
            assert!(
                found.contains_key(id),
                "message {id} is lost in round {round}"
            );
            assert_eq!(store.read_body(*id).wait().unwrap(), body);
        }
        // What was not acknowledged may be there; some of the rest goes on into the next round.
        found
            .into_keys()
            .filter(|id| id.0 % 8 != 0)
            .for_each(|id| store.remove(id));
        kept.retain(|id, _| id.0 % 8 == 0);
    }
}

/// Takes note of a line of the process: `+ID BODY` for accepted, `-ID` for about to be removed. The
/// last line may be cut short, and the test runner says things too.
fn note(kept: &mut BTreeMap<MessageId, String>, line: &str) {
    let id = |text: &str| text.parse().ok().map(MessageId);
    if let Some((new, body)) = line.strip_prefix('+').and_then(|line| line.split_once(' ')) {
        let body = body.strip_suffix('.');
        kept.extend(id(new).zip(body.map(str::to_owned)));
    } else if let Some(gone) = line.strip_prefix('-').and_then(id) {
        kept.remove(&gone);
    }
}

/// Accepts, updates and removes messages until it is killed.
#[expect(clippy::disallowed_methods, reason = "many acceptors at once")]
fn append_for_ever(folder: &Path) -> ! {
    let (store, _) = open(folder);
    std::thread::scope(|scope| {
        for thread in 0..4 {
            let store = &store;
            scope.spawn(move || {
                for count in 0_u64.. {
                    let body = format!(
                        "body {count} of {thread} {}",
                        "x".repeat(count as usize % 500)
                    );
                    let id = store.accept(message("envelope", &body)).wait().unwrap();
                    say(&format!("+{id} {body}."));
                    store.update(id, Bytes::from_static(b"another envelope"));
                    if count % 3 > 0 {
                        say(&format!("-{id}"));
                        store.remove(id);
                    }
                }
            });
        }
    });
    unreachable!("it is killed")
}

/// Says a line at once, whole.
fn say(line: &str) {
    let mut out = std::io::stdout().lock();
    // Nobody listens any more when the end is near.
    let _ = out.write_all(format!("{line}\n").as_bytes());
    let _ = out.flush();
}
