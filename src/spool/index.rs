//! Where each message stands in the log, and which segments there are.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;

use super::file::Blob;
use super::record::{END_LEN, HEADER_LEN, Header, Kind, Place, SEGMENT_HEADER_LEN};
use super::{Error, MessageId, Usage};

/// The index, shared between who writes the log and who reads messages back.
pub(super) struct Shared(Mutex<Index>);

impl Shared {
    /// An index to share.
    pub(super) fn new(index: Index) -> Self {
        Self(Mutex::new(index))
    }

    /// Takes the index. Nobody holds it across reads, writes or syncs.
    pub(super) fn lock(&self) -> MutexGuard<'_, Index> {
        // Whoever panicked with it left it whole: every change is one call below.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Reads the envelope of a message.
    pub(super) fn read_envelope(&self, id: MessageId) -> Result<Bytes, Error> {
        let (piece, entry) = self.lock().locate(id, |entry| entry.envelope)?;
        let (header, content) = piece.read(HEADER_LEN as u64 + u64::from(entry.envelope_len))?;
        let envelope = header.envelope(&content).ok_or(Error::Damaged(id))?;
        Ok(content.slice_ref(envelope))
    }

    /// Reads the body of a message.
    pub(super) fn read_body(&self, id: MessageId) -> Result<Bytes, Error> {
        let (piece, entry) = self.lock().locate(id, |entry| entry.message)?;
        let (header, content) = piece.read(u64::from(entry.message_len))?;
        let range = header.body(&content).ok_or(Error::Damaged(id))?;
        Ok(content.slice(range))
    }
}

/// Where a record begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Address {
    pub(super) segment: u32,
    pub(super) offset: u32,
}

/// A record to read. The file stays readable for as long as this is held.
struct Piece {
    blob: Arc<dyn Blob>,
    place: Place,
    offset: u64,
    id: MessageId,
}

impl Piece {
    /// The first `len` bytes of the record: its header, and as much of the content as they hold.
    fn read(&self, len: u64) -> Result<(Header, Bytes), Error> {
        let damaged = Error::Damaged(self.id);
        let mut bytes = vec![0; usize::try_from(len).map_err(|_| damaged.clone())?];
        self.blob.read_at(&mut bytes, self.offset)?;
        match Header::decode(&bytes, self.place) {
            Some(header) if header.id == self.id => {
                Ok((header, Bytes::from(bytes).slice(HEADER_LEN..)))
            }
            _ => Err(damaged),
        }
    }
}

/// Where a message stands.
#[derive(Clone, Copy, Debug)]
struct Entry {
    /// The record with the body.
    message: Address,
    message_len: u32,
    /// The record with the envelope as last replaced; at first the same.
    envelope: Address,
    /// Without the header.
    envelope_len: u32,
}

/// A file of the log.
pub(super) struct Segment {
    pub(super) blob: Arc<dyn Blob>,
    /// The length of the file.
    pub(super) allocated: u64,
    /// Where the last record ends.
    pub(super) end: u64,
    /// The length of all its records that say how things are now.
    live_bytes: u64,
}

impl Segment {
    pub(super) fn new(blob: Arc<dyn Blob>, allocated: u64, end: u64) -> Self {
        Self {
            blob,
            allocated,
            end,
            live_bytes: 0,
        }
    }
}

/// What the segments take up before the last one, in bytes.
pub(super) struct Finished {
    /// All but what every segment needs for itself.
    pub(super) allocated: u64,
    /// The records that say nothing any more.
    pub(super) dead: u64,
}

/// What a record does, once it is written.
#[derive(Clone, Copy, Debug)]
pub(super) enum Effect {
    /// The message stands here, envelope and body.
    Accepted {
        id: MessageId,
        at: Address,
        len: u32,
        envelope_len: u32,
    },
    /// The envelope stands here.
    Updated {
        id: MessageId,
        at: Address,
        envelope_len: u32,
    },
    /// The message is gone.
    Removed { id: MessageId },
    /// Nothing.
    Nothing,
}

impl Effect {
    /// What a record with this header does at `at`.
    pub(super) fn of(header: &Header, at: Address) -> Self {
        let (id, envelope_len) = (header.id, header.envelope_len);
        match header.kind {
            Kind::Accept => {
                // A record that was written or read is never longer.
                let len = u32::try_from(header.record_len()).unwrap_or(u32::MAX);
                Self::Accepted {
                    id,
                    at,
                    len,
                    envelope_len,
                }
            }
            Kind::Update => Self::Updated {
                id,
                at,
                envelope_len,
            },
            Kind::Remove => Self::Removed { id },
            Kind::Void => Self::Nothing,
        }
    }
}

/// Messages and segments.
#[derive(Default)]
pub(super) struct Index {
    pub(super) marker: u64,
    pub(super) segments: BTreeMap<u32, Segment>,
    messages: BTreeMap<MessageId, Entry>,
    live_bytes: u64,
    /// The length of files that wait to become segments.
    pub(super) spare_bytes: u64,
}

impl Index {
    /// The index of a store with this marker, with nothing in it.
    pub(super) fn new(marker: u64) -> Self {
        Self {
            marker,
            ..Self::default()
        }
    }

    /// Takes note of a record.
    pub(super) fn apply(&mut self, effect: Effect) {
        match effect {
            Effect::Accepted {
                id,
                at,
                len,
                envelope_len,
            } => {
                self.forget(id);
                let entry = Entry {
                    message: at,
                    message_len: len,
                    envelope: at,
                    envelope_len,
                };
                self.messages.insert(id, entry);
                self.grow(at.segment, u64::from(len));
            }
            Effect::Updated {
                id,
                at,
                envelope_len,
            } => {
                let Some(mut entry) = self.messages.get(&id).copied() else {
                    return;
                };
                self.shrink_envelope(entry);
                (entry.envelope, entry.envelope_len) = (at, envelope_len);
                self.messages.insert(id, entry);
                self.grow(at.segment, envelope_record_len(entry));
            }
            Effect::Removed { id } => self.forget(id),
            Effect::Nothing => {}
        }
    }

    /// Whether there is such a message.
    pub(super) fn contains(&self, id: MessageId) -> bool {
        self.messages.contains_key(&id)
    }

    /// Whether the message stands in the record at `at`.
    pub(super) fn is_message_at(&self, id: MessageId, at: Address) -> bool {
        self.messages
            .get(&id)
            .is_some_and(|entry| entry.message == at)
    }

    /// All messages, oldest first.
    pub(super) fn ids(&self) -> Vec<MessageId> {
        self.messages.keys().copied().collect()
    }

    /// Whether nothing in a segment matters any more.
    pub(super) fn is_dead(&self, segment: u32) -> bool {
        self.segments
            .get(&segment)
            .is_some_and(|segment| segment.live_bytes == 0)
    }

    /// What the segments take up before the last one.
    pub(super) fn finished(&self, is_last: impl Fn(u32) -> bool) -> Finished {
        let mut finished = Finished {
            allocated: 0,
            dead: 0,
        };
        let segments = self
            .segments
            .iter()
            .filter(|(number, _)| !is_last(**number));
        for (_, segment) in segments {
            let own = (SEGMENT_HEADER_LEN + END_LEN) as u64;
            finished.allocated += segment.allocated.saturating_sub(own);
            let records = segment.end.saturating_sub(SEGMENT_HEADER_LEN as u64);
            finished.dead += records.saturating_sub(segment.live_bytes);
        }
        finished
    }

    /// The length of all files.
    pub(super) fn disk_bytes(&self) -> u64 {
        let segments = self.segments.values().map(|segment| segment.allocated);
        self.spare_bytes + segments.sum::<u64>()
    }

    /// The counts, of what has been committed.
    pub(super) fn usage(&self) -> Usage {
        Usage {
            messages: self.messages.len(),
            live_bytes: self.live_bytes,
            disk_bytes: self.disk_bytes(),
            waiting_bytes: 0,
        }
    }

    fn locate(&self, id: MessageId, of: fn(&Entry) -> Address) -> Result<(Piece, Entry), Error> {
        let entry = self.messages.get(&id).ok_or(Error::Unknown(id))?;
        let at = of(entry);
        let segment = self.segments.get(&at.segment).ok_or(Error::Unknown(id))?;
        let piece = Piece {
            blob: Arc::clone(&segment.blob),
            place: Place {
                marker: self.marker,
                segment: at.segment,
            },
            offset: u64::from(at.offset),
            id,
        };
        Ok((piece, *entry))
    }

    fn forget(&mut self, id: MessageId) {
        if let Some(entry) = self.messages.remove(&id) {
            self.shrink_envelope(entry);
            self.shrink(entry.message.segment, u64::from(entry.message_len));
        }
    }

    /// The envelope's own record, if there is one, does not matter any more.
    fn shrink_envelope(&mut self, entry: Entry) {
        if entry.envelope != entry.message {
            self.shrink(entry.envelope.segment, envelope_record_len(entry));
        }
    }

    fn grow(&mut self, segment: u32, len: u64) {
        self.live_bytes += len;
        if let Some(segment) = self.segments.get_mut(&segment) {
            segment.live_bytes += len;
        }
    }

    fn shrink(&mut self, segment: u32, len: u64) {
        self.live_bytes -= len;
        if let Some(segment) = self.segments.get_mut(&segment) {
            segment.live_bytes -= len;
        }
    }
}

fn envelope_record_len(entry: Entry) -> u64 {
    HEADER_LEN as u64 + u64::from(entry.envelope_len)
}
