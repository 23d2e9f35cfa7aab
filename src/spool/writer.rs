//! The end of the log: the segment that is being written, its room, and the files to come.
//!
//! Blocks are given zeros before records go there, ahead of need, and files whose messages are all
//! gone are used again: a sync then finds blocks and length as they were, which is what makes it
//! fast. It also means that a disk is found to be full before anything is written.
//!
//! One file of zeros is held in reserve. Nothing is accepted without it, so that there is room to
//! say that messages are gone, and to move the last ones of an old segment, when the disk is full.

use std::sync::Arc;

use bytes::Bytes;

use super::file::{Blob, Folder};
use super::index::{Address, Segment, Shared};
use super::record::{
    END_LEN, HEADER_LEN, Header, Place, SEGMENT_HEADER_LEN, SegmentHeader, segment_name, spare_name,
};
use super::{Error, Observer};

/// How far ahead of the records a segment is filled with zeros.
const AHEAD: u64 = 1 << 20;
/// Pieces from this length on are written by themselves, not copied together.
const DIRECT: usize = 64 << 10;
/// How many files wait to be used again.
const SPARES_MAX: usize = 3;
static ZEROS: [u8; DIRECT] = [0; DIRECT];

/// How large things may be, in bytes.
#[derive(Clone, Copy, Debug)]
pub(super) struct Limits {
    /// A segment that has reached this length is followed by another.
    pub(super) segment: u64,
    /// What is kept free for removals.
    pub(super) reserve: u64,
    /// All files together.
    pub(super) space: u64,
}

/// What a record is written for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Need {
    /// A new message: leaves the reserve alone.
    Accept,
    /// Whatever makes room in the end: may use the reserve.
    Change,
}

/// Where there is room for a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Room {
    /// In this segment.
    Here,
    /// In the next one.
    Next,
}

/// A file that may become a segment.
#[derive(Clone, Copy, Debug)]
pub(super) struct Spare {
    pub(super) number: u32,
    /// Its length.
    pub(super) len: u64,
}

/// Where a log is continued.
#[derive(Debug, Default)]
pub(super) struct Tail {
    /// The last segment, 0 for none.
    pub(super) number: u32,
    /// Where its last record ends.
    pub(super) end: u64,
    /// No greater id has been given.
    pub(super) next_id: u64,
    /// Files that may become segments.
    pub(super) spares: Vec<Spare>,
}

/// The segment that is being written.
pub(super) struct Writer {
    folder: Arc<dyn Folder>,
    shared: Arc<Shared>,
    observer: Arc<dyn Observer>,
    limits: Limits,
    marker: u64,
    number: u32,
    /// The file, unless the segment is finished.
    blob: Option<Arc<dyn Blob>>,
    allocated: u64,
    /// Where the last record ends that is durable.
    synced: u64,
    /// Where the last record ends that is written.
    committed: u64,
    /// Where the next record goes.
    position: u64,
    /// What stands before `position` and is not in the file yet.
    buffer: Vec<u8>,
    /// Whether a file has another name since the folder was synced.
    names_dirty: bool,
    spares: Vec<Spare>,
    next_spare: u32,
    next_id: u64,
}

impl Writer {
    /// Continues a log, in a new segment once there is something to write.
    pub(super) fn new(
        folder: Arc<dyn Folder>,
        shared: Arc<Shared>,
        observer: Arc<dyn Observer>,
        limits: Limits,
        tail: Tail,
    ) -> Self {
        let last_spare = tail.spares.iter().map(|spare| spare.number).max();
        let marker = shared.lock().marker;
        let mut writer = Self {
            folder,
            shared,
            observer,
            limits,
            marker,
            number: tail.number,
            blob: None,
            allocated: tail.end,
            synced: tail.end,
            committed: tail.end,
            position: tail.end,
            buffer: Vec::new(),
            names_dirty: false,
            spares: tail.spares,
            next_spare: last_spare.map_or(1, |number| number.saturating_add(1)),
            next_id: tail.next_id,
        };
        writer.count_spares();
        writer
    }

    /// Whether this is the last segment. It stays even when nothing in it matters, so that no later
    /// one has its number: records that are left in files to be used again would look like its own.
    pub(super) fn is_last(&self, segment: u32) -> bool {
        segment == self.number
    }

    pub(super) fn limits(&self) -> Limits {
        self.limits
    }

    /// What the next record's address shares with its neighbours'.
    fn place(&self) -> Place {
        Place {
            marker: self.marker,
            segment: self.number,
        }
    }

    /// Looks for room for a record of `len` bytes, and makes some.
    pub(super) fn room(&mut self, len: u64, need: Need) -> Result<Room, Error> {
        if need == Need::Accept && self.spare_bytes() < self.limits.reserve {
            let spare = self.make_spare(self.limits.reserve)?;
            self.spares.push(spare);
            self.count_spares();
        }
        let end = self.position + len + END_LEN as u64;
        let is_empty = self.position == SEGMENT_HEADER_LEN as u64;
        if self.blob.is_none() || (end > self.limits.segment && !is_empty) {
            return Ok(Room::Next);
        }
        if end <= self.allocated {
            return Ok(Room::Here);
        }
        match self.extend(end) {
            Ok(()) => Ok(Room::Here),
            Err(Error::Full) if need == Need::Change && !self.spares.is_empty() => Ok(Room::Next),
            Err(error) => Err(error),
        }
    }

    /// Puts a record behind the last one. There must be room here. An error is as one of `commit`.
    pub(super) fn push(
        &mut self,
        header: &Header,
        envelope: &[u8],
        body: &[Bytes],
    ) -> Result<Address, Error> {
        let offset = u32::try_from(self.position).map_err(|_| Error::Full)?;
        let encoded = header.encode(self.place());
        self.append(&encoded)?;
        self.append(envelope)?;
        for piece in body {
            self.append(piece)?;
        }
        self.next_id = self.next_id.max(header.id.0.saturating_add(1));
        Ok(Address {
            segment: self.number,
            offset,
        })
    }

    /// Writes what was pushed, and makes all durable if asked to. After an error, it is as if nothing
    /// that was not durable before had been pushed.
    pub(super) fn commit(&mut self, sync: bool) -> Result<(), Error> {
        let Some(blob) = self.blob.clone() else {
            return Ok(());
        };
        if self.position > self.committed {
            self.buffer.extend_from_slice(&[0; END_LEN]);
            let at = self.position + END_LEN as u64 - self.buffer.len() as u64;
            let written = blob.write_at(&self.buffer, at);
            self.buffer.clear();
            written.map_err(|error| self.give_up(error))?;
            self.committed = self.position;
        }
        if sync && self.synced < self.committed {
            self.sync(&*blob).map_err(|error| self.give_up(error))?;
            self.synced = self.committed;
        }
        self.note_segment();
        Ok(())
    }

    /// Begins another segment with room for a record of `len` bytes. What was pushed must have been
    /// committed, and synced.
    pub(super) fn rotate(&mut self, len: u64, need: Need) -> Result<(), Error> {
        let least = SEGMENT_HEADER_LEN as u64 + len + END_LEN as u64;
        let Spare {
            number: spare,
            len: allocated,
        } = self.next_file(least, need)?;
        let number = self.number.checked_add(1).ok_or(Error::Full)?;
        self.count_spares();
        // From here on the disk may say that this segment is finished, whatever fails.
        self.blob = None;
        let blob = self.begin(number, spare).inspect_err(|_| {
            // Nobody knows how far it came. Opening the store finds what is left of it.
            let _ = self.folder.remove(&spare_name(spare));
        })?;
        let segment = Segment::new(Arc::clone(&blob), allocated, SEGMENT_HEADER_LEN as u64);
        self.shared.lock().segments.insert(number, segment);
        self.number = number;
        self.blob = Some(blob);
        self.allocated = allocated;
        self.position = SEGMENT_HEADER_LEN as u64;
        self.committed = self.position;
        self.synced = self.position;
        Ok(())
    }

    /// Gives up a segment whose messages are all gone. Its file is used again, unless it is too
    /// long, there are enough, or somebody is reading from it.
    pub(super) fn retire(&mut self, number: u32) -> Result<(), Error> {
        // Removals stand in later segments than the messages, so segments must go in order.
        self.sync_names()?;
        let file = self.shared.lock().segments.get(&number).map(|segment| {
            let is_unread = Arc::strong_count(&segment.blob) == 1;
            (
                segment.allocated,
                is_unread && segment.allocated <= self.limits.segment,
            )
        });
        let Some((allocated, is_useful)) = file else {
            return Ok(());
        };
        if is_useful && self.spares.len() < SPARES_MAX {
            let spare = self.take_spare_number();
            self.folder
                .rename(&segment_name(number), &spare_name(spare))?;
            self.spares.push(Spare {
                number: spare,
                len: allocated,
            });
        } else {
            self.folder.remove(&segment_name(number))?;
        }
        self.shared.lock().segments.remove(&number);
        self.count_spares();
        self.names_dirty = true;
        self.sync_names()
    }

    fn sync_names(&mut self) -> Result<(), Error> {
        if self.names_dirty {
            self.folder.sync()?;
            self.names_dirty = false;
        }
        Ok(())
    }

    fn append(&mut self, bytes: &[u8]) -> Result<(), Error> {
        if bytes.len() >= DIRECT {
            self.drain()?;
            self.write(bytes, self.position)?;
        } else {
            self.buffer.extend_from_slice(bytes);
        }
        self.position += bytes.len() as u64;
        if self.buffer.len() >= DIRECT {
            self.drain()
        } else {
            Ok(())
        }
    }

    /// Hands the buffer to the file.
    fn drain(&mut self) -> Result<(), Error> {
        let buffer = std::mem::take(&mut self.buffer);
        self.write(&buffer, self.position - buffer.len() as u64)?;
        self.buffer = buffer;
        self.buffer.clear();
        Ok(())
    }

    fn write(&mut self, bytes: &[u8], at: u64) -> Result<(), Error> {
        let written = self
            .blob
            .as_ref()
            .map_or(Ok(()), |blob| blob.write_at(bytes, at));
        written.map_err(|error| self.give_up(error))
    }

    fn sync(&self, blob: &dyn Blob) -> Result<(), Error> {
        self.observer.sync_begins();
        let synced = blob.sync();
        self.observer.sync_ended(synced.is_ok());
        synced
    }

    /// Nobody knows what the file holds after a failed write or sync, so nothing more is written to
    /// it. The next segment says where this one ended.
    fn give_up(&mut self, error: Error) -> Error {
        self.blob = None;
        self.buffer.clear();
        self.position = self.synced;
        self.committed = self.synced;
        error
    }

    /// Gives the segment zeros up to `end`, and further where that is no waste.
    fn extend(&mut self, end: u64) -> Result<(), Error> {
        let Some(blob) = self.blob.clone() else {
            return Err(Error::Full);
        };
        // Long records need new blocks each time anyway.
        let ahead = if end - self.position < DIRECT as u64 {
            AHEAD
        } else {
            0
        };
        let goal = end.max(self.limits.segment.min(end + ahead));
        let filled = self.fill(&*blob, self.allocated, end, goal);
        self.allocated = filled.as_ref().map_or(self.allocated, |filled| *filled);
        self.note_segment();
        filled.map(|_| ())
    }

    /// Writes zeros from `from` to `goal`, or at least to `end` where there is no room for more.
    /// Gives how far they go.
    fn fill(&self, blob: &dyn Blob, from: u64, end: u64, goal: u64) -> Result<u64, Error> {
        let left = self
            .limits
            .space
            .saturating_sub(self.shared.lock().disk_bytes());
        let goal = goal.min(from.saturating_add(left));
        if goal < end {
            return Err(Error::Full);
        }
        let mut at = from;
        while at < goal {
            let len = (goal - at).min(ZEROS.len() as u64);
            match blob.write_at(&ZEROS[..usize::try_from(len).unwrap_or(0)], at) {
                Ok(()) => at += len,
                Err(Error::Full) if at >= end => return Ok(at),
                Err(error) => return Err(error),
            }
        }
        Ok(at)
    }

    /// A file for the next segment, taken from those that wait or made.
    fn next_file(&mut self, least: u64, need: Need) -> Result<Spare, Error> {
        let spares = self.spare_bytes();
        let allowed = |len: u64| spares - len >= self.limits.reserve;
        let free = self
            .spares
            .iter()
            .position(|spare| spare.len >= least && allowed(spare.len));
        if let Some(at) = free {
            return Ok(self.spares.swap_remove(at));
        }
        let goal = least.max(self.limits.segment.min(least + AHEAD));
        match (self.make_spare(goal), need) {
            (Err(Error::Full), Need::Change) => {
                let fits = self.spares.iter().position(|spare| spare.len >= least);
                fits.map(|at| self.spares.swap_remove(at))
                    .ok_or(Error::Full)
            }
            (made, _) => made,
        }
    }

    /// Makes a file of zeros, which opens with the marker: another copy of it.
    fn make_spare(&mut self, len: u64) -> Result<Spare, Error> {
        let len = len.max((SEGMENT_HEADER_LEN + HEADER_LEN + END_LEN) as u64);
        let number = self.take_spare_number();
        let name = spare_name(number);
        let blob = self.folder.create(&name)?;
        let header = SegmentHeader {
            marker: self.marker,
            ..SegmentHeader::default()
        };
        let made = self
            .fill(&*blob, 0, len, len)
            .and_then(|_| blob.write_at(&header.encode(), 0))
            .and_then(|()| blob.sync());
        if made.is_err() {
            // The file is in the way of nothing but its own space; opening the store removes it.
            let _ = self.folder.remove(&name);
        }
        made.map(|()| Spare { number, len })
    }

    /// Turns a spare file into a segment.
    fn begin(&self, number: u32, spare: u32) -> Result<Arc<dyn Blob>, Error> {
        let header = SegmentHeader {
            number,
            marker: self.marker,
            previous: self.number,
            previous_end: self.committed,
            next_id: self.next_id,
        };
        let blob = self.folder.open(&spare_name(spare))?;
        let mut opening = header.encode().to_vec();
        opening.extend_from_slice(&[0; END_LEN]);
        blob.write_at(&opening, 0)?;
        self.sync(&*blob)?;
        self.folder
            .rename(&spare_name(spare), &segment_name(number))?;
        self.folder.sync()?;
        Ok(blob)
    }

    fn take_spare_number(&mut self) -> u32 {
        let number = self.next_spare;
        self.next_spare = self.next_spare.wrapping_add(1);
        number
    }

    fn spare_bytes(&self) -> u64 {
        self.spares.iter().map(|spare| spare.len).sum()
    }

    fn count_spares(&mut self) {
        self.shared.lock().spare_bytes = self.spare_bytes();
    }

    fn note_segment(&self) {
        if let Some(segment) = self.shared.lock().segments.get_mut(&self.number) {
            segment.allocated = self.allocated;
            segment.end = self.committed;
        }
    }
}
