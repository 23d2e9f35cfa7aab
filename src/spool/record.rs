//! The log as bytes: segment headers, records, and finding them again among whatever there is.
//!
//! All numbers are little-endian. A segment opens with [`SegmentHeader`]; records follow each other
//! without gaps, and [`END_LEN`] zeros follow the last one. Every record repeats the store's marker
//! and its segment's number: the marker is where reading resumes after damage, and because no
//! sender of mail can know it, no body can pass for a record; the number tells a record from what
//! an earlier life of the file left behind.

use std::ops::Range;

use bytes::Bytes;

use super::MessageId;

/// The version of everything in this file.
pub(super) const VERSION: u32 = 1;
/// The length of a segment's header.
pub(super) const SEGMENT_HEADER_LEN: usize = 64;
/// The length of a record's header.
pub(super) const HEADER_LEN: usize = 44;
/// The zeros after the last record; as many as would be a header.
pub(super) const END_LEN: usize = HEADER_LEN;
/// The longest record, header included.
pub(super) const RECORD_MAX: u64 = 1 << 30;

/// The name of a segment's file.
pub(super) fn segment_name(number: u32) -> String {
    format!("segment-{number:010}")
}

/// The name of a file that may become a segment.
pub(super) fn spare_name(number: u32) -> String {
    format!("spare-{number:010}")
}

/// The number in the name of a file, after `segment-` or `spare-`.
pub(super) fn number_in(name: &str, prefix: &str) -> Option<u32> {
    let digits = name.strip_prefix(prefix)?;
    let number = digits.parse().ok()?;
    (digits.len() == 10).then_some(number)
}

const SEGMENT_MAGIC: &[u8; 8] = b"hmxspool";

/// What opens a segment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct SegmentHeader {
    /// The number of this segment.
    pub(super) number: u32,
    /// The marker of the store.
    pub(super) marker: u64,
    /// The segment before this one, 0 for none, and where its last record ended.
    pub(super) previous: u32,
    pub(super) previous_end: u64,
    /// No greater id had been given when the segment was begun.
    pub(super) next_id: u64,
}

impl SegmentHeader {
    /// As it stands in the file. Magic, version and their checksum stay where they are in all
    /// versions to come.
    pub(super) fn encode(&self) -> [u8; SEGMENT_HEADER_LEN] {
        let mut out = [0; SEGMENT_HEADER_LEN];
        out[0..8].copy_from_slice(SEGMENT_MAGIC);
        out[8..12].copy_from_slice(&VERSION.to_le_bytes());
        let version_crc = crc32fast::hash(&out[..12]);
        out[12..16].copy_from_slice(&version_crc.to_le_bytes());
        out[16..24].copy_from_slice(&self.marker.to_le_bytes());
        out[24..28].copy_from_slice(&self.number.to_le_bytes());
        out[28..32].copy_from_slice(&self.previous.to_le_bytes());
        out[32..40].copy_from_slice(&self.previous_end.to_le_bytes());
        out[40..48].copy_from_slice(&self.next_id.to_le_bytes());
        let crc = crc32fast::hash(&out[..60]);
        out[60..64].copy_from_slice(&crc.to_le_bytes());
        out
    }

    /// `None` where it is damaged.
    pub(super) fn decode(bytes: &[u8]) -> Option<Self> {
        let bytes = bytes.get(..SEGMENT_HEADER_LEN)?;
        if &bytes[..8] != SEGMENT_MAGIC || crc32fast::hash(&bytes[..60]) != u32_at(bytes, 60) {
            return None;
        }
        Some(Self {
            number: u32_at(bytes, 24),
            marker: u64_at(bytes, 16),
            previous: u32_at(bytes, 28),
            previous_end: u64_at(bytes, 32),
            next_id: u64_at(bytes, 40),
        })
    }
}

/// The version that a segment states, where that can be relied on.
pub(super) fn stated_version(bytes: &[u8]) -> Option<u32> {
    let bytes = bytes.get(..16)?;
    let sound = &bytes[..8] == SEGMENT_MAGIC && crc32fast::hash(&bytes[..12]) == u32_at(bytes, 12);
    sound.then(|| u32_at(bytes, 8))
}

/// What a record says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// A message: envelope and body. Replaces an earlier record of the same message.
    Accept,
    /// Another envelope.
    Update,
    /// The message is gone.
    Remove,
    /// Nothing: it stands where damaged bytes were, which were set aside.
    Void,
}

/// What opens a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Header {
    pub(super) kind: Kind,
    pub(super) id: MessageId,
    pub(super) envelope_len: u32,
    pub(super) body_len: u32,
    envelope_crc: u32,
    body_crc: u32,
}

impl Header {
    /// The header of a record with this content, or `None` where it would be too long.
    pub(super) fn new(kind: Kind, id: MessageId, envelope: &[u8], body: &[Bytes]) -> Option<Self> {
        let mut crc = crc32fast::Hasher::new();
        let mut body_len = 0;
        for piece in body {
            crc.update(piece);
            body_len += piece.len() as u64;
        }
        if HEADER_LEN as u64 + envelope.len() as u64 + body_len > RECORD_MAX {
            return None;
        }
        Some(Self {
            kind,
            id,
            envelope_len: u32::try_from(envelope.len()).ok()?,
            body_len: u32::try_from(body_len).ok()?,
            envelope_crc: crc32fast::hash(envelope),
            body_crc: crc.finalize(),
        })
    }

    /// A record that covers `len` bytes of damage, or `None` where they are too few or too many.
    pub(super) fn void(len: u64) -> Option<Self> {
        let body_len = len.checked_sub(HEADER_LEN as u64)?;
        Some(Self {
            kind: Kind::Void,
            id: MessageId(0),
            envelope_len: 0,
            body_len: u32::try_from(body_len).ok()?,
            envelope_crc: 0,
            body_crc: 0,
        })
    }

    /// The length of the whole record.
    pub(super) fn record_len(&self) -> u64 {
        HEADER_LEN as u64 + u64::from(self.envelope_len) + u64::from(self.body_len)
    }

    /// As it stands in `place`.
    pub(super) fn encode(&self, place: Place) -> [u8; HEADER_LEN] {
        let kind: u32 = match self.kind {
            Kind::Accept => 1,
            Kind::Update => 2,
            Kind::Remove => 3,
            Kind::Void => 4,
        };
        let mut out = [0; HEADER_LEN];
        out[0..8].copy_from_slice(&place.marker.to_le_bytes());
        out[8..12].copy_from_slice(&place.segment.to_le_bytes());
        out[12..16].copy_from_slice(&kind.to_le_bytes());
        out[16..24].copy_from_slice(&self.id.0.to_le_bytes());
        out[24..28].copy_from_slice(&self.envelope_len.to_le_bytes());
        out[28..32].copy_from_slice(&self.body_len.to_le_bytes());
        out[32..36].copy_from_slice(&self.envelope_crc.to_le_bytes());
        out[36..40].copy_from_slice(&self.body_crc.to_le_bytes());
        let crc = crc32fast::hash(&out[..40]);
        out[40..44].copy_from_slice(&crc.to_le_bytes());
        out
    }

    /// The header at the beginning of `bytes`, if there is one that belongs in `place`.
    pub(super) fn decode(bytes: &[u8], place: Place) -> Option<Self> {
        let bytes = bytes.get(..HEADER_LEN)?;
        let ours = u64_at(bytes, 0) == place.marker && u32_at(bytes, 8) == place.segment;
        if !ours || crc32fast::hash(&bytes[..40]) != u32_at(bytes, 40) {
            return None;
        }
        Some(Self {
            kind: match u32_at(bytes, 12) {
                1 => Kind::Accept,
                2 => Kind::Update,
                3 => Kind::Remove,
                4 => Kind::Void,
                _ => return None,
            },
            id: MessageId(u64_at(bytes, 16)),
            envelope_len: u32_at(bytes, 24),
            body_len: u32_at(bytes, 28),
            envelope_crc: u32_at(bytes, 32),
            body_crc: u32_at(bytes, 36),
        })
    }

    /// The envelope in what follows the header, if it is what was written.
    pub(super) fn envelope<'a>(&self, content: &'a [u8]) -> Option<&'a [u8]> {
        let envelope = content.get(..self.envelope_len as usize)?;
        (crc32fast::hash(envelope) == self.envelope_crc).then_some(envelope)
    }

    /// Where the body stands in what follows the header, if it is what was written.
    pub(super) fn body(&self, content: &[u8]) -> Option<Range<usize>> {
        let start = self.envelope_len as usize;
        let range = start..start + self.body_len as usize;
        let body = content.get(range.clone())?;
        (crc32fast::hash(body) == self.body_crc).then_some(range)
    }

    /// Whether what follows the header is what was written.
    fn is_sound(&self, content: &[u8]) -> bool {
        match self.kind {
            Kind::Void => content.len() >= self.body_len as usize,
            Kind::Accept | Kind::Update | Kind::Remove => {
                self.envelope(content).is_some() && self.body(content).is_some()
            }
        }
    }
}

/// What all records of a segment have in common.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) marker: u64,
    pub(super) segment: u32,
}

/// Something in a segment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Found {
    /// A record that is what was written.
    Record(usize, Header),
    /// A record whose content is not what was written.
    Spoilt(Range<usize>, MessageId),
    /// Bytes up to the next record, or to the known end, that are no record.
    Lost(Range<usize>),
    /// The last record ended here and nothing follows.
    End(usize),
    /// The last record ended here, and what follows is no record.
    Torn(usize),
}

/// Reads a segment from `start`, in order. The known end, if there is one, is that of `bytes`;
/// otherwise the last thing found is `End` or `Torn`.
pub(super) fn scan(
    bytes: &[u8],
    start: usize,
    place: Place,
    end_is_known: bool,
) -> impl Iterator<Item = Found> {
    let mut at = Some(start);
    std::iter::from_fn(move || {
        let from = at?;
        let found = next(bytes, from, place, end_is_known)?;
        at = match &found {
            Found::Record(offset, header) => Some(offset + after(header)),
            Found::Spoilt(range, _) | Found::Lost(range) => Some(range.end),
            Found::End(_) | Found::Torn(_) => None,
        };
        Some(found)
    })
}

fn next(bytes: &[u8], from: usize, place: Place, end_is_known: bool) -> Option<Found> {
    let rest = bytes.get(from..).unwrap_or_default();
    if let Some(header) = Header::decode(rest, place) {
        if header.is_sound(&rest[HEADER_LEN..]) {
            return Some(Found::Record(from, header));
        }
        // Cut short it is the torn tail; otherwise its own header says where the next one begins.
        let end = (from + after(&header)).min(bytes.len());
        let more = end_is_known || ends_at(bytes, end) || find_header(bytes, end, place).is_some();
        return Some(match more {
            true => Found::Spoilt(from..end, header.id),
            false => Found::Torn(from),
        });
    }
    match find_header(bytes, from + 1, place) {
        Some(end) => Some(Found::Lost(from..end)),
        None if end_is_known => (!rest.is_empty()).then_some(Found::Lost(from..bytes.len())),
        None if ends_at(bytes, from) => Some(Found::End(from)),
        None => Some(Found::Torn(from)),
    }
}

/// The marker of a header, if it is one of this segment.
pub(super) fn marker_at(bytes: &[u8], segment: u32) -> Option<u64> {
    let marker = u64_at(bytes.get(..HEADER_LEN)?, 0);
    Header::decode(bytes, Place { marker, segment }).map(|_| marker)
}

/// The length of the whole record.
fn after(header: &Header) -> usize {
    HEADER_LEN + header.envelope_len as usize + header.body_len as usize
}

/// Where the next header begins, at `from` or later.
pub(super) fn find_header(bytes: &[u8], from: usize, place: Place) -> Option<usize> {
    let marker = place.marker.to_le_bytes();
    let windows = bytes.get(from..)?.windows(HEADER_LEN);
    let mut found = windows.enumerate().filter(|(_, window)| {
        window[0] == marker[0] && window[..8] == marker && Header::decode(window, place).is_some()
    });
    found.next().map(|(at, _)| from + at)
}

/// Whether the zeros that follow the last record begin here.
fn ends_at(bytes: &[u8], at: usize) -> bool {
    let mark = bytes.get(at..at + END_LEN);
    mark.is_some_and(|mark| mark.iter().all(|byte| *byte == 0))
}

fn u32_at(bytes: &[u8], at: usize) -> u32 {
    let mut number = [0; 4];
    number.copy_from_slice(&bytes[at..at + 4]);
    u32::from_le_bytes(number)
}

fn u64_at(bytes: &[u8], at: usize) -> u64 {
    let mut number = [0; 8];
    number.copy_from_slice(&bytes[at..at + 8]);
    u64::from_le_bytes(number)
}
