//! The log: what a round of operations writes, and how old segments are emptied.
//!
//! A record says that a message is there, what its envelope is now, or that it is gone. A segment
//! whose messages are all gone is given up, always the oldest first: then a removal never goes
//! before the message it speaks of. Where too much of the log is about messages that are gone, the
//! oldest segment's last messages are written again at the end, a little with every round.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;

use super::file::Blob;
use super::index::{Address, Effect, Shared};
use super::record::{HEADER_LEN, Header, Kind, Place, SEGMENT_HEADER_LEN, find_header};
use super::writer::{Need, Room, Writer};
use super::{Error, MessageId, NewMessage, Observer};

/// How much of the oldest segment is looked through with every round, at least.
const WINDOW: u64 = 256 << 10;
/// How many segments may be about messages that are gone before anything is moved.
const SLACK_SEGMENTS: u64 = 4;
/// How many changes may be written and not synced: what a loss of power can undo.
const UNSYNCED_MAX: usize = 1_000;

/// What is to be done.
#[derive(Clone, Debug)]
pub(super) enum Op {
    /// Keep a message.
    Accept(MessageId, NewMessage),
    /// Change one.
    Change(MessageId, Change),
}

/// What is to become of a message.
#[derive(Clone, Debug)]
pub(super) enum Change {
    /// It has another envelope.
    Update(Bytes),
    /// It is gone.
    Remove,
}

/// What is staged, and for whom.
struct Staged {
    effect: Effect,
    source: Source,
}

enum Source {
    /// The operation of the round that has this index.
    Accept(usize),
    Change(MessageId, Change),
    /// A message moved out of the oldest segment.
    Move,
}

/// Operations that are written and synced together.
struct Round {
    results: Vec<Result<(), Error>>,
    staged: Vec<Staged>,
    must_sync: bool,
    accepted: usize,
    /// Why the disk took no more; it is not asked again within the round.
    refused: Option<Error>,
    /// Why something that was pushed is not there.
    failed: Option<Error>,
}

/// What became of a round.
pub(super) struct Outcome {
    /// For each operation; changes are always fine, for they are tried again.
    pub(super) results: Vec<Result<(), Error>>,
    /// Whether everything so far is as durable as it was asked to be.
    pub(super) settled: Result<(), Error>,
}

/// A log that is open for writing.
pub(super) struct Log {
    writer: Writer,
    shared: Arc<Shared>,
    observer: Arc<dyn Observer>,
    /// Changes that could not be written yet; the last one of each message.
    owed: BTreeMap<MessageId, Change>,
    /// Changes that are written and not synced; they are owed if the sync fails.
    unsynced: BTreeMap<MessageId, Change>,
    /// How far the oldest segment has been looked through.
    cursor: Option<(u32, u64)>,
    /// Whether looking further is of no use until something changes.
    stalled: bool,
    /// Whether the last message was refused for want of room.
    starved: bool,
}

impl Log {
    pub(super) fn new(writer: Writer, shared: Arc<Shared>, observer: Arc<dyn Observer>) -> Self {
        Self {
            writer,
            shared,
            observer,
            owed: BTreeMap::new(),
            unsynced: BTreeMap::new(),
            cursor: None,
            stalled: false,
            starved: false,
        }
    }

    /// Does a round. Accepted messages are durable when this returns; changes are written, and
    /// durable with the next accepted message, or now if `sync` says so.
    pub(super) fn commit(&mut self, ops: Vec<Op>, sync: bool) -> Outcome {
        let must_sync = sync || self.unsynced.len() >= UNSYNCED_MAX;
        let mut round = Round::new(ops.len(), must_sync);
        if !ops.is_empty() {
            self.stalled = false;
        }
        // Moved messages come first: what changes them must be written later.
        self.move_survivors(&mut round, 2 * ops.iter().map(size).sum::<u64>());
        for (id, change) in std::mem::take(&mut self.owed) {
            self.stage_change(&mut round, id, change);
        }
        for (at, op) in ops.into_iter().enumerate() {
            match op {
                Op::Accept(id, message) => self.stage_message(&mut round, at, id, &message),
                Op::Change(id, change) => self.stage_new_change(&mut round, id, change),
            }
        }
        self.settle(&mut round);
        // What cannot be given up now is given up later; only the room is missing meanwhile.
        let _ = self.retire_dead();
        self.starved = round.refused.is_some() || (self.starved && round.accepted == 0);
        self.observer.committed(round.accepted);
        Outcome {
            results: round.results,
            settled: round.failed.map_or(Ok(()), Err),
        }
    }

    /// Whether an empty round would move messages.
    pub(super) fn has_chores(&self) -> bool {
        !self.stalled && self.oldest().is_some() && self.is_wasteful()
    }

    /// Whether too much of the disk is about messages that are gone. What remains after all
    /// segments have been emptied once is always less than is allowed here: segments are then at
    /// least half full, and nothing in them is dead.
    fn is_wasteful(&self) -> bool {
        let segment = self.writer.limits().segment;
        let index = self.shared.lock();
        let finished = index.finished(|number| self.writer.is_last(number));
        let allowed = 2 * index.usage().live_bytes + SLACK_SEGMENTS * segment;
        finished.allocated > allowed || (self.starved && finished.dead > segment)
    }

    /// The oldest segment that is finished, and where it ends.
    fn oldest(&self) -> Option<(u32, Arc<dyn Blob>, u64)> {
        let index = self.shared.lock();
        let (number, segment) = index.segments.first_key_value()?;
        let finished = !self.writer.is_last(*number);
        finished.then(|| (*number, Arc::clone(&segment.blob), segment.end))
    }

    fn stage_message(&mut self, round: &mut Round, at: usize, id: MessageId, new: &NewMessage) {
        let staged = self.stage(
            round,
            Need::Accept,
            (Kind::Accept, id, &new.envelope, &new.body),
            Source::Accept(at),
        );
        match staged {
            Ok(()) => round.accepted += 1,
            Err(error) => round.results[at] = Err(error),
        }
    }

    fn stage_new_change(&mut self, round: &mut Round, id: MessageId, change: Change) {
        let is_gone = matches!(self.owed.get(&id), Some(Change::Remove));
        if !is_gone && self.shared.lock().contains(id) {
            self.stage_change(round, id, change);
        }
    }

    fn stage_change(&mut self, round: &mut Round, id: MessageId, change: Change) {
        let (kind, envelope) = match &change {
            Change::Update(envelope) => (Kind::Update, envelope.clone()),
            Change::Remove => (Kind::Remove, Bytes::new()),
        };
        let source = Source::Change(id, change.clone());
        match self.stage(round, Need::Change, (kind, id, &envelope, &[]), source) {
            // An earlier change may be owed, even since a moment ago. Nothing comes after a removal.
            Ok(()) => match (&change, self.owed.get(&id)) {
                (Change::Update(_), Some(Change::Remove)) | (_, None) => {}
                (Change::Update(_) | Change::Remove, Some(_)) => drop(self.owed.remove(&id)),
            },
            Err(error) => {
                round.failed = Some(error);
                follow(&mut self.owed, id, change);
            }
        }
    }

    /// Puts a record into the round, in the next segment if need be.
    fn stage(
        &mut self,
        round: &mut Round,
        need: Need,
        (kind, id, envelope, body): (Kind, MessageId, &Bytes, &[Bytes]),
        source: Source,
    ) -> Result<(), Error> {
        if let (Some(error), Need::Accept) = (&round.refused, need) {
            return Err(error.clone());
        }
        let header =
            Header::new(kind, id, envelope, body).ok_or_else(|| Error::TooLarge(length(body)))?;
        let len = header.record_len();
        self.make_room(round, len, need)
            .inspect_err(|error| round.refused = Some(error.clone()))?;
        let at = self.writer.push(&header, envelope, body);
        let at = at.inspect_err(|error| self.fail(round, error))?;
        let effect = Effect::of(&header, at);
        round.must_sync |= !matches!(source, Source::Change(..));
        round.staged.push(Staged { effect, source });
        Ok(())
    }

    fn make_room(&mut self, round: &mut Round, len: u64, need: Need) -> Result<(), Error> {
        match self.writer.room(len, need)? {
            Room::Here => Ok(()),
            Room::Next => {
                // The next segment states where this one ends, so that must be true by then.
                round.must_sync = true;
                self.settle(round);
                self.writer.rotate(len, need)
            }
        }
    }

    /// Writes what is staged; it then takes effect.
    fn settle(&mut self, round: &mut Round) {
        match self.writer.commit(round.must_sync) {
            Ok(()) => {
                if round.must_sync {
                    self.unsynced.clear();
                }
                let mut index = self.shared.lock();
                for staged in round.staged.drain(..) {
                    index.apply(staged.effect);
                    match staged.source {
                        Source::Change(id, change) if !round.must_sync => {
                            follow(&mut self.unsynced, id, change);
                        }
                        Source::Accept(_) | Source::Change(..) | Source::Move => {}
                    }
                }
            }
            Err(error) => self.fail(round, &error),
        }
    }

    /// Nothing that is staged was written, and nothing that was not synced may be relied on.
    fn fail(&mut self, round: &mut Round, error: &Error) {
        round.failed = Some(error.clone());
        for (id, change) in std::mem::take(&mut self.unsynced) {
            let later = self.owed.insert(id, change);
            later
                .into_iter()
                .for_each(|later| follow(&mut self.owed, id, later));
        }
        for staged in round.staged.drain(..) {
            match staged.source {
                Source::Accept(at) => {
                    round.accepted -= 1;
                    round.results[at] = Err(error.clone());
                }
                Source::Change(id, change) => follow(&mut self.owed, id, change),
                Source::Move => {
                    self.cursor = None;
                    self.stalled = true;
                }
            }
        }
    }

    /// Gives up segments whose messages are all gone, oldest first.
    fn retire_dead(&mut self) -> Result<(), Error> {
        while let Some((number, blob, _)) = self.oldest() {
            drop(blob);
            if !self.shared.lock().is_dead(number) {
                break;
            }
            self.writer.retire(number)?;
            self.cursor = None;
            self.stalled = false;
        }
        Ok(())
    }

    /// Writes messages of the oldest segment again, where that is due. Looks through so much of the
    /// segment that the log cannot grow faster than it is emptied.
    fn move_survivors(&mut self, round: &mut Round, written: u64) {
        let mut budget = WINDOW.max(written);
        while budget > 0 && self.has_chores() {
            let Some((number, blob, end)) = self.oldest() else {
                return;
            };
            let start = match self.cursor {
                Some((segment, at)) if segment == number => at,
                _ => SEGMENT_HEADER_LEN as u64,
            };
            let next = self.move_from(round, number, &*blob, start..end);
            // At the end, whatever is left cannot be read; it is reported when the store is opened.
            self.stalled |= next >= end;
            self.cursor = Some((number, next));
            budget = budget.saturating_sub(next - start);
        }
    }

    /// Looks through a window of the segment, and gives where the next one begins.
    fn move_from(
        &mut self,
        round: &mut Round,
        segment: u32,
        blob: &dyn Blob,
        range: std::ops::Range<u64>,
    ) -> u64 {
        let len = (range.end.saturating_sub(range.start)).min(WINDOW);
        let mut window = vec![0; usize::try_from(len).unwrap_or(0)];
        if blob.read_at(&mut window, range.start).is_err() {
            return range.end;
        }
        let place = Place {
            marker: self.shared.lock().marker,
            segment,
        };
        let mut at = 0;
        while let Some(found) = find_header(&window, at, place) {
            let Some(header) = Header::decode(&window[found..], place) else {
                break;
            };
            let offset = range.start + found as u64;
            if !self.move_message(round, segment, offset, &header) {
                self.stalled = true;
                return offset;
            }
            at = found + usize::try_from(header.record_len()).unwrap_or(usize::MAX);
            if at >= window.len() {
                return range.start + at as u64;
            }
        }
        // A header may lie across the end of the window.
        let unread = (window.len() as u64).saturating_sub(HEADER_LEN as u64 - 1);
        let next = range.start + unread.max(at as u64).max(1);
        if range.start + len >= range.end {
            range.end
        } else {
            next
        }
    }

    /// Writes a message again if it stands here. Says whether the record may be passed over.
    fn move_message(
        &mut self,
        round: &mut Round,
        segment: u32,
        offset: u64,
        header: &Header,
    ) -> bool {
        let Ok(offset) = u32::try_from(offset) else {
            return true;
        };
        let at = Address { segment, offset };
        if header.kind != Kind::Accept || !self.shared.lock().is_message_at(header.id, at) {
            return true;
        }
        let envelope = self.shared.read_envelope(header.id);
        let Ok((envelope, body)) =
            envelope.and_then(|it| Ok((it, self.shared.read_body(header.id)?)))
        else {
            return true;
        };
        let record = (Kind::Accept, header.id, &envelope, &[body][..]);
        self.stage(round, Need::Change, record, Source::Move)
            .is_ok()
    }
}

impl Round {
    fn new(len: usize, must_sync: bool) -> Self {
        Self {
            results: vec![Ok(()); len],
            staged: Vec::with_capacity(len),
            must_sync,
            accepted: 0,
            refused: None,
            failed: None,
        }
    }
}

/// Adds a change to those before it. Nothing comes after a removal.
fn follow(changes: &mut BTreeMap<MessageId, Change>, id: MessageId, change: Change) {
    let is_gone = matches!(changes.get(&id), Some(Change::Remove));
    if !is_gone {
        changes.insert(id, change);
    }
}

fn size(op: &Op) -> u64 {
    match op {
        Op::Accept(_, message) => message.size_bytes(),
        Op::Change(_, Change::Update(envelope)) => envelope.len() as u64,
        Op::Change(_, Change::Remove) => 0,
    }
}

fn length(body: &[Bytes]) -> u64 {
    body.iter().map(|piece| piece.len() as u64).sum()
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};

    use proptest::prelude::*;

    use super::super::recover::{Recovery, recover};
    use super::super::sim::{Dice, Sim};
    use super::super::writer::Limits;
    use super::super::{Damage, DamageKind};
    use super::*;

    struct Silent;

    impl Observer for Silent {}

    const LIMITS: Limits = Limits {
        segment: 4 << 10,
        reserve: 2 << 10,
        space: u64::MAX,
    };

    /// A log on a simulated disk.
    struct Bench {
        sim: Sim,
        log: Log,
        shared: Arc<Shared>,
        damage: Vec<Damage>,
        next_id: u64,
    }

    impl Bench {
        fn open(sim: Sim) -> Self {
            let Recovery {
                index,
                tail,
                damage,
            } = recover(&*sim.share()).unwrap();
            let next_id = tail.next_id;
            let shared = Arc::new(Shared::new(index));
            let observer: Arc<dyn Observer> = Arc::new(Silent);
            let writer = Writer::new(
                sim.share(),
                Arc::clone(&shared),
                Arc::clone(&observer),
                LIMITS,
                tail,
            );
            let log = Log::new(writer, Arc::clone(&shared), observer);
            Self {
                sim,
                log,
                shared,
                damage,
                next_id,
            }
        }

        fn new() -> Self {
            Self::open(Sim::default())
        }

        fn reopen(self) -> Self {
            Self::open(self.sim.copy())
        }

        fn accept_all(&mut self, sizes: &[usize]) -> Vec<Result<MessageId, Error>> {
            let ids: Vec<MessageId> = (self.next_id..).map(MessageId).take(sizes.len()).collect();
            self.next_id += sizes.len() as u64;
            let ops = ids.iter().zip(sizes);
            let ops = ops.map(|(id, size)| Op::Accept(*id, message(*id, *size)));
            let outcome = self.log.commit(ops.collect(), false);
            let results = ids.into_iter().zip(outcome.results);
            results.map(|(id, result)| result.map(|()| id)).collect()
        }

        fn accept(&mut self, size: usize) -> MessageId {
            self.accept_all(&[size]).remove(0).unwrap()
        }

        fn remove(&mut self, id: MessageId) {
            self.log.commit(vec![Op::Change(id, Change::Remove)], false);
        }

        fn content(&self) -> BTreeMap<MessageId, (Bytes, Bytes)> {
            let ids = self.shared.lock().ids();
            let read = |id| {
                (
                    self.shared.read_envelope(id).unwrap(),
                    self.shared.read_body(id).unwrap(),
                )
            };
            ids.into_iter().map(|id| (id, read(id))).collect()
        }

        fn ids(&self) -> Vec<MessageId> {
            self.content().into_keys().collect()
        }
    }

    /// What can be told from the id alone.
    fn body(id: MessageId, size: usize) -> Bytes {
        let pattern = id.0.to_le_bytes();
        pattern.into_iter().cycle().take(size).collect()
    }

    fn message(id: MessageId, size: usize) -> NewMessage {
        let body = body(id, size);
        let half = size / 2;
        NewMessage {
            envelope: format!("envelope of {id}").into(),
            body: vec![body.slice(..half), body.slice(half..)],
        }
    }

    #[test]
    fn messages_of_one_round_share_a_sync() {
        let mut bench = Bench::new();
        bench.accept(10);
        let before = bench.sim.syncs();
        assert!(bench.accept_all(&[10; 20]).iter().all(Result::is_ok));
        assert_eq!(bench.sim.syncs(), before + 1);
    }

    #[test]
    fn a_message_longer_than_a_segment_fits() {
        let mut bench = Bench::new();
        let sizes = [3_000, 200_000, 70_000, 10];
        let ids: Vec<_> = sizes.into_iter().map(|size| bench.accept(size)).collect();
        let bench = bench.reopen();
        for (id, size) in ids.into_iter().zip(sizes) {
            assert_eq!(bench.shared.read_body(id).unwrap(), body(id, size));
        }
        assert_eq!(bench.damage, []);
    }

    #[test]
    fn what_is_gone_takes_no_space_for_long() {
        let mut bench = Bench::new();
        let old = bench.accept(300);
        for _ in 0..500 {
            let id = bench.accept(300);
            bench.remove(id);
        }
        let used: usize = bench.sim.files().values().sum();
        assert!(used < 40 << 10, "{used} bytes for one message");
        assert_eq!(bench.ids(), [old]);
        assert_eq!(bench.reopen().ids(), [old]);
    }

    #[test]
    fn ids_are_not_used_again() {
        let mut bench = Bench::new();
        for _ in 0..100 {
            let id = bench.accept(300);
            bench.remove(id);
        }
        let next = bench.next_id;
        let mut bench = bench.reopen();
        assert_eq!(bench.next_id, next);
        bench.accept(10);
        assert_eq!(bench.reopen().next_id, next + 1);
    }

    #[test]
    fn a_full_disk_refuses_messages_and_takes_removals() {
        let mut bench = Bench::new();
        bench.sim.set_room(Some(64 << 10));
        let mut ids = Vec::new();
        let error = loop {
            match bench.accept_all(&[500]).remove(0) {
                Ok(id) => ids.push(id),
                Err(error) => break error,
            }
        };
        assert!(matches!(error, Error::Full), "{error}");
        assert!(ids.len() > 50, "{} messages", ids.len());
        assert_eq!(bench.ids(), ids);
        let kept: Vec<MessageId> = ids.iter().copied().step_by(10).collect();
        for id in ids.iter().filter(|id| !kept.contains(id)) {
            bench.remove(*id);
        }
        while bench.log.has_chores() {
            bench.log.commit(Vec::new(), false);
        }
        let later: Vec<_> = (0..20).map(|_| bench.accept(500)).collect();
        let expected: Vec<_> = kept.into_iter().chain(later).collect();
        assert_eq!(bench.ids(), expected);
        let bench = bench.reopen();
        assert_eq!(bench.ids(), expected);
        assert_eq!(bench.damage, []);
    }

    #[test]
    fn a_full_store_can_be_opened_and_emptied() {
        let mut bench = Bench::new();
        let ids: Vec<_> = (0..50).map(|_| bench.accept(500)).collect();
        bench.sim.set_room(Some(0));
        let sim = bench.sim.copy();
        sim.set_room(Some(0));
        let mut bench = Bench::open(sim);
        assert!(bench.accept_all(&[10])[0].is_err());
        for id in &ids {
            bench.remove(*id);
        }
        assert_eq!(bench.ids(), []);
        assert!(bench.accept_all(&[10])[0].is_ok());
        assert_eq!(bench.reopen().ids().len(), 1);
    }

    #[test]
    fn a_failed_write_or_sync_fails_its_round_alone() {
        for count in 0..12 {
            let mut bench = Bench::new();
            let first = bench.accept(100);
            let second = bench.accept(100);
            bench.sim.fail_after(count);
            bench.remove(first);
            let results = bench.accept_all(&[100, 5_000, 100]);
            let later = bench.accept(100);
            let mut expected = vec![second];
            expected.extend(results.into_iter().flatten());
            expected.push(later);
            assert_eq!(bench.ids(), expected, "failure {count}");
            let bench = bench.reopen();
            assert_eq!(bench.ids(), expected, "failure {count}");
            assert_eq!(bench.damage, [], "failure {count}");
        }
    }

    /// The file that holds a small log, and what is in it.
    fn small_log() -> (Sim, String, BTreeMap<MessageId, (Bytes, Bytes)>) {
        let mut bench = Bench::new();
        let ids: Vec<_> = [40, 0, 100, 7]
            .into_iter()
            .map(|size| bench.accept(size))
            .collect();
        let update = Change::Update(Bytes::from_static(b"another envelope"));
        bench.log.commit(vec![Op::Change(ids[0], update)], true);
        bench.remove(ids[1]);
        let name = bench
            .sim
            .files()
            .into_keys()
            .find(|name| name.starts_with("segment-"));
        (bench.sim.copy(), name.unwrap(), bench.content())
    }

    #[test]
    fn a_log_cut_off_anywhere_gives_what_is_before_the_cut() {
        let (sim, name, content) = small_log();
        let written = 1_000;
        for len in 0..written {
            let sim = sim.copy();
            sim.edit(&name, |content| content.truncate(len));
            let mut bench = Bench::open(sim);
            let found = bench.content();
            assert!(!bench.damage.is_empty() || found == content, "cut at {len}");
            for id in found.keys() {
                // What comes before the removal is there again.
                assert!(content.contains_key(id) || id.0 == 2, "{id}, cut at {len}");
            }
            let new = bench.accept(10);
            let after = bench.reopen();
            assert_eq!(after.damage, [], "cut at {len}");
            let expected: Vec<_> = found.into_keys().chain([new]).collect();
            assert_eq!(after.ids(), expected, "cut at {len}");
        }
    }

    #[test]
    fn a_flipped_bit_costs_one_record_and_is_reported() {
        let (sim, name, content) = small_log();
        for bit in 0..8 * 700 {
            let sim = sim.copy();
            sim.edit(&name, |content| content[bit / 8] ^= 1 << (bit % 8));
            let bench = Bench::open(sim);
            let found = bench.content();
            let lost = content.keys().filter(|id| !found.contains_key(id)).count();
            let is_same = found == content;
            assert!(lost <= 1, "bit {bit} cost {lost} messages");
            assert!(
                is_same || !bench.damage.is_empty(),
                "bit {bit} was not reported"
            );
            for (id, (_, body)) in &found {
                assert!(content.get(id).is_none_or(|known| known.1 == *body));
            }
        }
    }

    #[test]
    fn damage_is_set_aside_and_reported_once() {
        let (sim, name, content) = small_log();
        let at = 64 + 44 + 16 + 40 + 44 + 3;
        sim.edit(&name, |content| content[at] ^= 1);
        let bench = Bench::open(sim);
        assert_eq!(bench.damage.len(), 1);
        let damage = &bench.damage[0];
        assert_eq!(damage.kind, DamageKind::Record(MessageId(2)));
        let copy = damage.copy.clone().unwrap();
        assert_eq!(bench.sim.files()[&copy] as u64, damage.length);
        assert_eq!(bench.content(), content);
        assert_eq!(bench.reopen().damage, []);
    }

    #[test]
    fn a_lost_sector_at_the_beginning_costs_what_is_in_it() {
        let (sim, name, _) = small_log();
        sim.edit(&name, |content| content[..100].fill(0xAA));
        let bench = Bench::open(sim);
        assert_eq!(bench.ids(), [MessageId(3), MessageId(4)]);
        let kinds: Vec<_> = bench.damage.iter().map(|damage| damage.kind).collect();
        assert_eq!(kinds, [DamageKind::Header, DamageKind::Records]);
        assert_eq!(bench.reopen().damage, []);
    }

    #[test]
    fn a_missing_segment_is_reported() {
        let mut bench = Bench::new();
        for _ in 0..30 {
            bench.accept(500);
        }
        bench.sim.share().remove("segment-0000000002").unwrap();
        let bench = bench.reopen();
        assert_eq!(bench.damage.len(), 1);
        assert_eq!(bench.damage[0].kind, DamageKind::Missing);
        assert_eq!(bench.damage[0].file, "segment-0000000002");
    }

    #[test]
    fn a_newer_version_is_refused_and_left_alone() {
        let (sim, name, _) = small_log();
        sim.edit(&name, |content| {
            content[8] = 2;
            let crc = crc32fast::hash(&content[..12]);
            content[12..16].copy_from_slice(&crc.to_le_bytes());
        });
        let refused = recover(&*sim.share()).map(|_| ()).unwrap_err();
        assert_eq!(
            refused.to_string(),
            "the spool `sim` has version 2, and this program knows up to 1"
        );
    }

    #[test]
    fn a_body_that_looks_like_a_log_is_not_read_as_one() {
        let (sim, name, _) = small_log();
        // What the sender of a message could know: everything but the marker.
        let mut forged = Vec::new();
        sim.edit(&name, |content| forged = content[64..400].to_vec());
        forged
            .chunks_exact_mut(4)
            .take(2)
            .for_each(|chunk| chunk.fill(0));
        let mut bench = Bench::new();
        let new = NewMessage {
            envelope: Bytes::new(),
            body: vec![forged.into()],
        };
        bench.log.commit(vec![Op::Accept(MessageId(1), new)], false);
        let name = bench
            .sim
            .files()
            .into_keys()
            .find(|name| name.starts_with("segment-"));
        bench.sim.edit(&name.unwrap(), |content| content[70] ^= 1);
        let bench = bench.reopen();
        assert_eq!(bench.ids(), []);
        assert_eq!(bench.damage.len(), 1);
    }

    /// A step of a random run.
    #[derive(Clone, Debug)]
    enum Step {
        /// Message sizes, and which of the known messages to update and to remove.
        Round(Vec<usize>, Vec<usize>, Vec<usize>, bool),
        Crash(u64),
        FailAfter(u32),
        Room(Option<u64>),
    }

    fn step() -> impl Strategy<Value = Step> {
        let sizes =
            prop::collection::vec(prop_oneof![9 => 0_usize..900, 1 => 0_usize..9_000], 0..5);
        let picks = || prop::collection::vec(0_usize..1_000, 0..4);
        prop_oneof![
            20 => (sizes, picks(), picks(), any::<bool>())
                .prop_map(|(sizes, updates, removals, sync)| Step::Round(sizes, updates, removals, sync)),
            2 => (1..u64::MAX).prop_map(Step::Crash),
            2 => (0_u32..12).prop_map(Step::FailAfter),
            1 => prop::option::of(0_u64..100_000).prop_map(Step::Room),
        ]
    }

    /// What must be, and what may be.
    #[derive(Default)]
    struct Model {
        /// Bodies of all messages ever handed in.
        sizes: BTreeMap<MessageId, usize>,
        /// Accepted, and not removed as far as anybody knows.
        present: BTreeSet<MessageId>,
        /// Envelopes that a message may have after a crash, the last one last.
        envelopes: BTreeMap<MessageId, Vec<Bytes>>,
        /// Removed, but perhaps there after a crash.
        doubtful: BTreeSet<MessageId>,
        /// Refused, but perhaps there after a crash.
        refused: BTreeSet<MessageId>,
    }

    impl Model {
        /// All is durable now.
        fn settle(&mut self) {
            self.doubtful.clear();
            for envelopes in self.envelopes.values_mut() {
                envelopes.drain(..envelopes.len() - 1);
            }
        }

        fn pick(&self, picks: &[usize]) -> Vec<MessageId> {
            let present: Vec<MessageId> = self.present.iter().copied().collect();
            let picks = picks.iter().filter(|_| !present.is_empty());
            picks.map(|pick| present[pick % present.len()]).collect()
        }

        fn round(&mut self, bench: &mut Bench, step: (&[usize], &[usize], &[usize], bool)) {
            let (sizes, updates, removals, sync) = step;
            let mut ops = Vec::new();
            for (count, id) in self.pick(updates).into_iter().enumerate() {
                let envelopes = self.envelopes.get_mut(&id).unwrap();
                let envelope =
                    Bytes::from(format!("envelope {count} of {id}, {}", envelopes.len()));
                envelopes.push(envelope.clone());
                ops.push(Op::Change(id, Change::Update(envelope)));
            }
            for id in self.pick(removals) {
                self.present.remove(&id);
                self.doubtful.insert(id);
                ops.push(Op::Change(id, Change::Remove));
            }
            let first = ops.len();
            let ids: Vec<MessageId> = (bench.next_id..).map(MessageId).take(sizes.len()).collect();
            bench.next_id += sizes.len() as u64;
            for (id, size) in ids.iter().zip(sizes) {
                let new = message(*id, *size);
                self.sizes.insert(*id, *size);
                self.envelopes.insert(*id, vec![new.envelope.clone()]);
                ops.push(Op::Accept(*id, new));
            }
            let outcome = bench.log.commit(ops, sync);
            if outcome.settled.is_ok() && sync {
                self.settle();
            }
            for (id, result) in ids.into_iter().zip(&outcome.results[first..]) {
                match result {
                    Ok(()) => self.present.insert(id),
                    Err(_) => self.refused.insert(id),
                };
            }
        }

        /// Compares with a log that has just been opened, and goes on from there.
        fn check_crashed(&mut self, bench: &Bench) {
            let content = bench.content();
            for id in &self.present {
                assert!(
                    content.contains_key(id),
                    "message {id} is lost; {:?}",
                    bench.damage
                );
            }
            for (id, (envelope, body_found)) in &content {
                let sets = [&self.present, &self.doubtful, &self.refused];
                let known = sets.iter().any(|set| set.contains(id));
                assert!(known, "message {id} was removed, or never accepted");
                assert_eq!(*body_found, body(*id, self.sizes[id]), "body of {id}");
                assert!(
                    self.envelopes[id].contains(envelope),
                    "envelope of {id}: {envelope:?}"
                );
            }
            self.present = content.keys().copied().collect();
            self.doubtful.clear();
            self.refused.clear();
            for (id, (envelope, _)) in content {
                self.envelopes.insert(id, vec![envelope]);
            }
        }

        fn check_running(&self, bench: &Bench) {
            let ids: BTreeSet<MessageId> = bench.ids().into_iter().collect();
            let missing: Vec<_> = self.present.difference(&ids).collect();
            assert!(missing.is_empty(), "{missing:?} cannot be read");
        }
    }

    fn run(steps: &[Step]) {
        let mut bench = Bench::new();
        let mut model = Model::default();
        for step in steps {
            match step {
                Step::Round(sizes, updates, removals, sync) => {
                    model.round(&mut bench, (sizes, updates, removals, *sync));
                }
                Step::Crash(seed) => {
                    bench = Bench::open(bench.sim.crash(&mut Dice(*seed)));
                    model.check_crashed(&bench);
                }
                Step::FailAfter(count) => bench.sim.fail_after(*count),
                Step::Room(room) => bench.sim.set_room(*room),
            }
            model.check_running(&bench);
        }
        let bench = Bench::open(bench.sim.crash(&mut Dice(99)));
        model.check_crashed(&bench);
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn whatever_happens_nothing_is_lost_and_nothing_is_invented(
            steps in prop::collection::vec(step(), 1..60),
        ) {
            run(&steps);
        }

        #[test]
        fn no_bytes_end_the_program(
            edits in prop::collection::vec((0_usize..2_000, any::<u8>(), 0_usize..60), 1..12),
        ) {
            let (sim, name, content) = small_log();
            sim.edit(&name, |content| {
                for (at, byte, len) in edits {
                    content[at..at + len].fill(byte);
                }
            });
            let mut bench = Bench::open(sim);
            let found = bench.content();
            assert!(!bench.damage.is_empty() || found == content);
            let id = bench.accept(100);
            let bench = bench.reopen();
            assert!(bench.content().contains_key(&id));
            assert_eq!(bench.content().len(), found.len() + 1);
        }
    }
}
