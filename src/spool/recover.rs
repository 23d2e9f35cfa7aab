//! Opening a folder: reading all segments, setting aside what is damaged, and finding the end.
//!
//! Nothing is written to a folder that is whole; the end of the log is cut off by the next segment,
//! which says where this one ends. Damage is copied away and covered, so that it is reported once.

use std::hash::{BuildHasher, RandomState};
use std::ops::Range;
use std::sync::Arc;

use super::file::{Blob, Folder, read_all};
use super::index::{Address, Effect, Index, Segment};
use super::record::{
    Found, HEADER_LEN, Header, Place, SEGMENT_HEADER_LEN, SegmentHeader, VERSION, marker_at,
    number_in, scan, segment_name, spare_name, stated_version,
};
use super::writer::{Spare, Tail};
use super::{Damage, DamageKind, Error, MessageId};

/// How much of an unfinished write is set aside, in bytes.
const TORN_COPY_MAX: usize = 1 << 20;

/// What was found in a folder.
pub(super) struct Recovery {
    /// Messages and segments.
    pub(super) index: Index,
    /// Where to go on.
    pub(super) tail: Tail,
    /// What was damaged.
    pub(super) damage: Vec<Damage>,
}

/// A segment's file and what its beginning says.
struct Head {
    number: u32,
    blob: Arc<dyn Blob>,
    header: Option<SegmentHeader>,
}

/// Reads a folder.
pub(super) fn recover(folder: &dyn Folder) -> Result<Recovery, Error> {
    let names = folder.list()?;
    let numbers = |prefix| {
        let numbers = names.iter().filter_map(move |name| number_in(name, prefix));
        let mut numbers: Vec<u32> = numbers.filter(|number| *number > 0).collect();
        numbers.sort_unstable();
        numbers
    };
    let heads = heads(folder, &numbers("segment-"))?;
    let (spares, spare_marker) = spares(folder, &numbers("spare-"))?;
    let marker = heads.iter().find_map(|head| Some(head.header?.marker));
    let marker = marker
        .or(spare_marker)
        .or_else(|| first_record_marker(&heads));
    let mut reader = Reader {
        folder,
        index: Index::new(marker.unwrap_or_else(new_marker)),
        tail: Tail {
            next_id: 1,
            spares,
            ..Tail::default()
        },
        damage: Vec::new(),
    };
    for (at, head) in heads.iter().enumerate() {
        let next = heads.get(at + 1).and_then(|next| next.header);
        reader.segment(head, next)?;
    }
    // What a process wrote and did not live to sync can be read and yet not be durable.
    heads.last().map_or(Ok(()), |last| last.blob.sync())?;
    Ok(Recovery {
        index: reader.index,
        tail: reader.tail,
        damage: reader.damage,
    })
}

/// Opens all segments. A newer version is refused before anything else is looked at.
fn heads(folder: &dyn Folder, numbers: &[u32]) -> Result<Vec<Head>, Error> {
    let open = |number: &u32| {
        let blob = folder.open(&segment_name(*number))?;
        let opening = opening(&*blob)?;
        match stated_version(&opening) {
            Some(found) if found > VERSION => Err(Error::NewerVersion {
                path: folder.path().to_owned(),
                found,
                known: VERSION,
            }),
            _ => Ok(Head {
                number: *number,
                blob,
                header: SegmentHeader::decode(&opening),
            }),
        }
    };
    let heads: Result<Vec<Head>, Error> = numbers.iter().map(open).collect();
    let own = |head: Head| Head {
        header: head.header.filter(|header| header.number == head.number),
        ..head
    };
    Ok(heads?.into_iter().map(own).collect())
}

/// The files that may become segments, and the marker if one of them has it.
fn spares(folder: &dyn Folder, numbers: &[u32]) -> Result<(Vec<Spare>, Option<u64>), Error> {
    let mut spares = Vec::new();
    let mut marker = None;
    for number in numbers {
        let blob = folder.open(&spare_name(*number))?;
        match SegmentHeader::decode(&opening(&*blob)?) {
            Some(header) => {
                marker = marker.or(Some(header.marker));
                spares.push(Spare {
                    number: *number,
                    len: blob.len()?,
                });
            }
            // It was not finished.
            None => folder.remove(&spare_name(*number))?,
        }
    }
    Ok((spares, marker))
}

/// The beginning of a file, through the header of the first record; less where it is shorter.
fn opening(blob: &dyn Blob) -> Result<Vec<u8>, Error> {
    let most = (SEGMENT_HEADER_LEN + HEADER_LEN) as u64;
    let len = usize::try_from(blob.len()?.min(most)).unwrap_or(0);
    let mut opening = vec![0; len];
    blob.read_at(&mut opening, 0)?;
    Ok(opening)
}

/// The marker that a first record claims; its checksum covers it.
fn first_record_marker(heads: &[Head]) -> Option<u64> {
    heads.iter().find_map(|head| {
        let opening = opening(&*head.blob).ok()?;
        marker_at(opening.get(SEGMENT_HEADER_LEN..)?, head.number)
    })
}

/// A marker that nobody can know. It changes nothing that can be seen.
fn new_marker() -> u64 {
    RandomState::new().hash_one("marker") | 1
}

/// Reads segments one after the other.
struct Reader<'a> {
    folder: &'a dyn Folder,
    index: Index,
    tail: Tail,
    damage: Vec<Damage>,
}

impl Reader<'_> {
    /// Reads a segment. `next` is the header of the one that follows.
    fn segment(&mut self, head: &Head, next: Option<SegmentHeader>) -> Result<(), Error> {
        let file = segment_name(head.number);
        self.check_chain(head);
        let bytes = read_all(&*head.blob)?;
        let allocated = bytes.len() as u64;
        if head.header.is_none() {
            self.restore_header(head, &file, &bytes)?;
        }
        let segment = Segment::new(Arc::clone(&head.blob), allocated, 0);
        self.index.segments.insert(head.number, segment);
        let known = next.filter(|next| next.previous == head.number);
        let known_end = known.map(|next| next.previous_end);
        let end = self.records(head, &file, &bytes, known_end)?;
        if let Some(segment) = self.index.segments.get_mut(&head.number) {
            segment.end = end;
        }
        let stated = head.header.map_or(0, |header| header.next_id);
        self.tail.next_id = self.tail.next_id.max(stated);
        self.tail.number = head.number;
        self.tail.end = end;
        Ok(())
    }

    /// Whether a segment is missing before this one. Those before the first were given up.
    fn check_chain(&mut self, head: &Head) {
        let previous = head.header.map_or(0, |header| header.previous);
        if self.tail.number != 0 && previous > self.tail.number {
            self.damage.push(Damage {
                file: segment_name(previous),
                offset: 0,
                length: head.header.map_or(0, |header| header.previous_end),
                kind: DamageKind::Missing,
                copy: None,
            });
        }
    }

    fn restore_header(&mut self, head: &Head, file: &str, bytes: &[u8]) -> Result<(), Error> {
        let len = bytes.len().min(SEGMENT_HEADER_LEN);
        self.report(file, bytes, 0..len, DamageKind::Header);
        let header = SegmentHeader {
            number: head.number,
            marker: self.index.marker,
            previous: self.tail.number,
            previous_end: self.tail.end,
            next_id: self.tail.next_id,
        };
        head.blob.write_at(&header.encode(), 0)?;
        head.blob.sync()
    }

    /// Reads the records of a segment, and gives where they end.
    fn records(
        &mut self,
        head: &Head,
        file: &str,
        bytes: &[u8],
        known_end: Option<u64>,
    ) -> Result<u64, Error> {
        let place = Place {
            marker: self.index.marker,
            segment: head.number,
        };
        let len = bytes.len();
        let known = known_end.map(|end| usize::try_from(end).unwrap_or(usize::MAX));
        let read = &bytes[..known.map_or(len, |end| end.min(len))];
        let mut end = SEGMENT_HEADER_LEN;
        for found in scan(read, SEGMENT_HEADER_LEN, place, known.is_some()) {
            match found {
                Found::Record(at, header) => {
                    self.apply(head.number, at, &header);
                    end = at + usize::try_from(header.record_len()).unwrap_or(0);
                }
                Found::Spoilt(range, id) => {
                    end = range.end;
                    self.take_out(head, file, bytes, range, DamageKind::Record(id))?;
                    self.note_id(id);
                }
                Found::Lost(range) => {
                    end = range.end;
                    self.take_out(head, file, bytes, range, DamageKind::Records)?;
                }
                Found::End(_) => {}
                Found::Torn(at) => {
                    let written = trim(&bytes[at.min(len)..(at + TORN_COPY_MAX).min(len)]);
                    self.report(file, bytes, at.min(len)..at + written, DamageKind::TornTail);
                }
            }
        }
        // The file is shorter than it was.
        if let Some(missing) = known.filter(|end| *end > len.max(SEGMENT_HEADER_LEN)) {
            self.report(file, bytes, len..missing, DamageKind::Records);
        }
        Ok(end as u64)
    }

    fn apply(&mut self, segment: u32, at: usize, header: &Header) {
        // Segments and records are limited so that this holds; another file's bytes do not count.
        if let Ok(offset) = u32::try_from(at) {
            self.index
                .apply(Effect::of(header, Address { segment, offset }));
            self.note_id(header.id);
        }
    }

    fn note_id(&mut self, id: MessageId) {
        self.tail.next_id = self.tail.next_id.max(id.0.saturating_add(1));
    }

    /// Sets damaged bytes aside and covers them with a record that says nothing.
    fn take_out(
        &mut self,
        head: &Head,
        file: &str,
        bytes: &[u8],
        range: Range<usize>,
        kind: DamageKind,
    ) -> Result<(), Error> {
        let is_kept = self.report(file, bytes, range.clone(), kind);
        let Some(header) = Header::void(range.len() as u64).filter(|_| is_kept) else {
            return Ok(());
        };
        let place = Place {
            marker: self.index.marker,
            segment: head.number,
        };
        head.blob
            .write_at(&header.encode(place), range.start as u64)?;
        head.blob.sync()
    }

    /// Sets bytes aside and reports them. Says whether there is a copy now.
    fn report(&mut self, file: &str, bytes: &[u8], range: Range<usize>, kind: DamageKind) -> bool {
        let content = &bytes[range.start.min(bytes.len())..range.end.min(bytes.len())];
        let name = format!("{file}-{:010}", range.start);
        // Where this fails, the bytes stay where they are, and are reported again.
        let copy = match content {
            [] => None,
            _ => self.folder.set_aside(&name, content).ok(),
        };
        let is_kept = copy.is_some();
        self.damage.push(Damage {
            file: file.to_owned(),
            offset: range.start as u64,
            length: range.len() as u64,
            kind,
            copy,
        });
        is_kept
    }
}

/// The length without the zeros at the end.
fn trim(bytes: &[u8]) -> usize {
    bytes
        .iter()
        .rposition(|byte| *byte != 0)
        .map_or(0, |last| last + 1)
}
