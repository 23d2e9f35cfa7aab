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
            cursor: None,
            stalled: false,
            starved: false,
        }
    }

    /// Does a round. Accepted messages are durable when this returns; changes are written, and
    /// durable with the next accepted message, or now if `sync` says so.
    pub(super) fn commit(&mut self, ops: Vec<Op>, sync: bool) -> Outcome {
        let mut round = Round::new(ops.len(), sync);
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
                Op::Change(id, change) => self.stage_change(&mut round, id, change),
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

    /// Whether too much of the disk is about messages that are gone.
    fn is_wasteful(&self) -> bool {
        let usage = self.shared.lock().usage();
        let segment = self.writer.limits().segment;
        let allowed = match self.starved {
            true => usage.live_bytes + 2 * segment,
            false => 2 * usage.live_bytes + SLACK_SEGMENTS * segment,
        };
        usage.disk_bytes > allowed
    }

    /// The oldest segment that is finished, and where it ends.
    fn oldest(&self) -> Option<(u32, Arc<dyn Blob>, u64)> {
        let index = self.shared.lock();
        let (number, segment) = index.segments.first_key_value()?;
        let finished = !self.writer.is_writing(*number);
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

    fn stage_change(&mut self, round: &mut Round, id: MessageId, change: Change) {
        let is_gone = matches!(self.owed.get(&id), Some(Change::Remove));
        if is_gone || !self.shared.lock().contains(id) {
            return;
        }
        self.owed.remove(&id);
        let (kind, envelope) = match &change {
            Change::Update(envelope) => (Kind::Update, envelope.clone()),
            Change::Remove => (Kind::Remove, Bytes::new()),
        };
        let source = Source::Change(id, change.clone());
        let staged = self.stage(round, Need::Change, (kind, id, &envelope, &[]), source);
        if let Err(error) = staged {
            round.failed = Some(error);
            self.owe(id, change);
        }
    }

    /// Keeps a change for the next round. Nothing comes after a removal.
    fn owe(&mut self, id: MessageId, change: Change) {
        let is_gone = matches!(self.owed.get(&id), Some(Change::Remove));
        if !is_gone {
            self.owed.insert(id, change);
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
                let mut index = self.shared.lock();
                for staged in round.staged.drain(..) {
                    index.apply(staged.effect);
                }
            }
            Err(error) => self.fail(round, &error),
        }
    }

    /// Nothing that is staged was written.
    fn fail(&mut self, round: &mut Round, error: &Error) {
        round.failed = Some(error.clone());
        for staged in round.staged.drain(..) {
            match staged.source {
                Source::Accept(at) => {
                    round.accepted -= 1;
                    round.results[at] = Err(error.clone());
                }
                Source::Change(id, change) => self.owe(id, change),
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
