//! Lines and message text: what ends them, how long they may be, and dots at their start.

use memchr::{memchr, memchr2};

/// The end of a line, and the only one (RFC 5321 §2.3.8).
pub(super) const CRLF: &[u8] = b"\r\n";

/// What stands at the start of some input.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Split<'a> {
    /// A line without its CRLF, and how many bytes both take.
    Line(&'a [u8], usize),
    /// A line longer than allowed ended here; so many bytes are to be dropped.
    Overlong(usize),
    /// No line yet; so many bytes are to be dropped, because nothing is kept of a line that is
    /// already too long.
    Partial(usize),
}

/// Splits off one line after the other, and keeps nothing of a line that is too long.
///
/// What it is shown begins where the line, or what is kept of it, begins.
#[derive(Debug, Default)]
pub(super) struct LineSplitter {
    skipping: bool,
    /// So many octets were searched before, so that a line that comes in small pieces is not
    /// searched from its start each time.
    searched: usize,
}

impl LineSplitter {
    /// Looks at the start of `input`; `line_max` octets are allowed before the CRLF.
    pub(super) fn split<'a>(&mut self, input: &'a [u8], line_max: usize) -> Split<'a> {
        let Some(length) = find_crlf(input, std::mem::take(&mut self.searched)) else {
            return self.partial(input, line_max);
        };
        let used = length + CRLF.len();
        if std::mem::take(&mut self.skipping) || length > line_max {
            Split::Overlong(used)
        } else {
            Split::Line(&input[..length], used)
        }
    }

    fn partial(&mut self, input: &[u8], line_max: usize) -> Split<'static> {
        // A final CR may be half of the line's end.
        let content = input.strip_suffix(b"\r").unwrap_or(input).len();
        self.skipping |= content > line_max;
        let dropped = if self.skipping { content } else { 0 };
        self.searched = input.len() - dropped;
        Split::Partial(dropped)
    }
}

/// Where the first CRLF is whose LF does not come before `from`. A CR or LF alone is content.
fn find_crlf(input: &[u8], mut from: usize) -> Option<usize> {
    while let Some(at) = memchr(b'\n', input.get(from..)?) {
        let lf = from + at;
        if lf > 0 && input[lf - 1] == b'\r' {
            return Some(lf - 1);
        }
        from = lf + 1;
    }
    None
}

/// Input that was read and not yet interpreted.
#[derive(Default)]
pub(super) struct InputBuffer {
    bytes: Vec<u8>,
    start: usize,
}

impl InputBuffer {
    /// What is waiting.
    pub(super) fn as_slice(&self) -> &[u8] {
        &self.bytes[self.start..]
    }

    /// Whether nothing is waiting.
    pub(super) fn is_empty(&self) -> bool {
        self.as_slice().is_empty()
    }

    /// Adds what was read.
    pub(super) fn extend(&mut self, input: &[u8]) {
        if input.is_empty() {
            return;
        }
        // Moving the rest to the front costs no more than what was consumed before it.
        if self.start > self.bytes.len() / 2 {
            self.bytes.drain(..self.start);
            self.start = 0;
        }
        self.bytes.extend_from_slice(input);
    }

    /// Drops the first `used` bytes.
    pub(super) fn consume(&mut self, used: usize) {
        self.start += used;
        if self.is_empty() {
            *self = Self::default();
        }
    }
}

/// Why a message cannot be accepted, whatever it says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum DataProblem {
    /// A CR or an LF stands alone.
    BareLineEnding,
    /// A line is longer than allowed.
    LineTooLong,
    /// The message is larger than allowed.
    TooLarge,
}

/// Message text as it comes in after DATA: finds its end, takes the stuffed dots out (RFC 5321
/// §4.5.2), counts, and notices what is wrong with it.
///
/// Only `<CRLF>.<CRLF>` ends the text. A CR or LF that stands alone is a [`DataProblem`] and ends
/// neither a line nor the text: a sender and a receiver that disagree about that let one message
/// smuggle in another.
#[derive(Debug)]
pub struct DataDecoder {
    at: At,
    line_length: usize,
    line_max: usize,
    size: u64,
    size_max: Option<u64>,
    problem: Option<DataProblem>,
}

/// Where in a line the decoder stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum At {
    /// Before its first octet.
    Start,
    /// In its text.
    Text,
    /// Behind a CR, which is not passed on yet.
    Cr,
    /// Behind a dot that came first.
    Dot,
    /// Behind a dot that came first and a CR, which is not passed on yet.
    DotCr,
    /// Behind the last line.
    End,
}

impl DataDecoder {
    /// A decoder at the start of a message, with lines of at most `line_max` octets without CRLF.
    #[must_use]
    pub fn new(line_max: usize, size_max: Option<u64>) -> Self {
        Self {
            at: At::Start,
            line_length: 0,
            line_max,
            size: 0,
            size_max,
            problem: None,
        }
    }

    /// Adds the text in `input` to `text` and says how many bytes of `input` belong to the message.
    /// From the first problem on nothing more is added; the end is searched for all the same.
    pub fn decode(&mut self, input: &[u8], text: &mut Vec<u8>) -> usize {
        let mut run = Run { start: 0, text };
        let mut next = 0;
        while next < input.len() && self.at != At::End {
            next = self.step(input, next, &mut run);
        }
        self.flush(input, next - self.held(next, &run), &mut run);
        next
    }

    /// Whether the end of the message was found.
    #[must_use]
    pub fn is_finished(&self) -> bool {
        self.at == At::End
    }

    /// The first thing found to be wrong.
    #[must_use]
    pub fn problem(&self) -> Option<DataProblem> {
        self.problem
    }

    /// Octets of the message so far, line ends included, stuffed dots and the final dot not (RFC
    /// 1870 §4); where something is wrong, at least so many.
    #[must_use]
    pub fn size(&self) -> u64 {
        self.size
    }

    /// Goes on from `next`, at most to the end of a line, and says how far.
    fn step(&mut self, input: &[u8], next: usize, run: &mut Run<'_>) -> usize {
        let octet = input[next];
        match (self.at, octet) {
            (At::Start, b'.') => {
                self.flush(input, next, run);
                run.start = next + 1;
                self.at = At::Dot;
                next + 1
            }
            (At::Start, _) => {
                self.at = At::Text;
                next
            }
            (At::Text, _) => self.line(input, next, run),
            (At::Cr, b'\n') => {
                self.end_line(next, run);
                next + 1
            }
            (At::Dot, b'\r') => {
                self.at = At::DotCr;
                next + 1
            }
            (At::Dot, _) => {
                self.at = At::Text;
                next
            }
            (At::DotCr, b'\n') => {
                self.at = At::End;
                run.start = next + 1;
                next + 1
            }
            (At::Cr | At::DotCr, _) => {
                self.flush(input, next - self.held(next, run), run);
                self.note(DataProblem::BareLineEnding);
                self.add_held(next, run);
                self.at = At::Text;
                next
            }
            (At::End, _) => next,
        }
    }

    /// Takes text up to the next CR or LF.
    fn line(&mut self, input: &[u8], next: usize, run: &mut Run<'_>) -> usize {
        let length = memchr2(b'\r', b'\n', &input[next..]).unwrap_or(input.len() - next);
        if self.line_length + length > self.line_max {
            self.flush(
                input,
                next + self.line_max.saturating_sub(self.line_length),
                run,
            );
            self.note(DataProblem::LineTooLong);
        }
        self.line_length = self.line_length.saturating_add(length);
        let end = next + length;
        match input.get(end) {
            None => end,
            Some(b'\n') => {
                self.flush(input, end, run);
                self.note(DataProblem::BareLineEnding);
                end + 1
            }
            Some(_) => {
                self.at = At::Cr;
                end + 1
            }
        }
    }

    /// Ends a line at the LF at `next`.
    fn end_line(&mut self, next: usize, run: &mut Run<'_>) {
        self.add_held(next, run);
        self.line_length = 0;
        self.at = At::Start;
    }

    /// Adds the CR before `next` if it was held when the input before this one ended.
    fn add_held(&mut self, next: usize, run: &mut Run<'_>) {
        if next == 0 {
            self.add(b"\r", run.text);
        }
    }

    /// How many octets before `next` wait for what follows: a CR that may end the line.
    fn held(&self, next: usize, run: &Run<'_>) -> usize {
        usize::from(matches!(self.at, At::Cr | At::DotCr)).min(next.saturating_sub(run.start))
    }

    /// Adds what lies between the start of the run and `end`.
    fn flush(&mut self, input: &[u8], end: usize, run: &mut Run<'_>) {
        if run.start < end {
            self.add(&input[run.start..end], run.text);
            run.start = end;
        }
    }

    fn add(&mut self, octets: &[u8], text: &mut Vec<u8>) {
        let room = match self.size_max {
            Some(size_max) => usize::try_from(size_max.saturating_sub(self.size)),
            None => Ok(usize::MAX),
        };
        let fitting = octets.len().min(room.unwrap_or(usize::MAX));
        if self.problem.is_none() {
            text.extend_from_slice(&octets[..fitting]);
        }
        if fitting < octets.len() {
            self.note(DataProblem::TooLarge);
        }
        self.size = self.size.saturating_add(octets.len() as u64);
    }

    fn note(&mut self, problem: DataProblem) {
        self.problem.get_or_insert(problem);
    }
}

/// Octets of the input that follow each other in the text too, so that they are copied at once.
struct Run<'a> {
    start: usize,
    text: &'a mut Vec<u8>,
}

/// Message text as it goes out after DATA: a dot more before a dot at the start of a line (RFC 5321
/// §4.5.2), and CRLF as the only line end.
///
/// A CR or LF that stands alone becomes CRLF, so that no receiver, however lenient, can find an end
/// of the message where this one sees none (RFC 5321 §2.3.8).
#[derive(Debug)]
pub struct DotStuffer {
    at_line_start: bool,
    after_cr: bool,
}

impl Default for DotStuffer {
    fn default() -> Self {
        Self {
            at_line_start: true,
            after_cr: false,
        }
    }
}

impl DotStuffer {
    /// Adds `text`, the next part of the message, to `output`.
    pub fn encode(&mut self, text: &[u8], output: &mut Vec<u8>) {
        output.reserve(text.len() + text.len() / 64);
        let mut rest = text;
        while let Some(&first) = rest.first() {
            if std::mem::take(&mut self.after_cr) {
                self.line_end(output);
                rest = rest.strip_prefix(b"\n").unwrap_or(rest);
                continue;
            }
            if self.at_line_start && first == b'.' {
                output.push(b'.');
            }
            rest = self.line(rest, output);
        }
    }

    /// Adds the end of the message.
    pub fn finish(mut self, output: &mut Vec<u8>) {
        if self.after_cr || !self.at_line_start {
            self.line_end(output);
        }
        output.extend_from_slice(b".\r\n");
    }

    /// Copies the rest of a line without its end, and says what follows the CR or LF.
    fn line<'a>(&mut self, text: &'a [u8], output: &mut Vec<u8>) -> &'a [u8] {
        let length = memchr2(b'\r', b'\n', text).unwrap_or(text.len());
        let (line, rest) = text.split_at(length);
        output.extend_from_slice(line);
        self.at_line_start &= line.is_empty();
        match rest.split_first() {
            None => rest,
            Some((b'\r', after)) => {
                self.after_cr = true;
                after
            }
            Some((_, after)) => {
                self.line_end(output);
                after
            }
        }
    }

    fn line_end(&mut self, output: &mut Vec<u8>) {
        output.extend_from_slice(CRLF);
        self.at_line_start = true;
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Decodes `input` in parts that end at `cuts`: text, problem, whether it ended, what is left.
    fn decode(input: &[u8], cuts: &[usize]) -> (Vec<u8>, Option<DataProblem>, bool, u64, Vec<u8>) {
        let mut decoder = DataDecoder::new(20, Some(60));
        let (mut text, mut used) = (Vec::new(), 0);
        for &cut in cuts.iter().chain([&input.len()]) {
            if used < cut {
                used += decoder.decode(&input[used..cut], &mut text);
            }
        }
        let rest = input[used..].to_vec();
        (
            text,
            decoder.problem(),
            decoder.is_finished(),
            decoder.size(),
            rest,
        )
    }

    #[track_caller]
    fn check(input: &str, text: &str, problem: Option<DataProblem>, rest: Option<&str>) {
        let every: Vec<usize> = (0..input.len()).collect();
        for cuts in [&[][..], &every] {
            let (decoded, found, finished, _, left) = decode(input.as_bytes(), cuts);
            assert_eq!(
                String::from_utf8_lossy(&decoded),
                text,
                "{input:?} {cuts:?}"
            );
            assert_eq!(found, problem, "{input:?}");
            assert_eq!(finished, rest.is_some(), "{input:?}");
            assert_eq!(
                String::from_utf8_lossy(&left),
                rest.unwrap_or(""),
                "{input:?}"
            );
        }
    }

    #[test]
    fn the_end_is_a_dot_between_two_line_ends() {
        check("a\r\n.\r\nQUIT", "a\r\n", None, Some("QUIT"));
        check(".\r\n", "", None, Some(""));
        check("\r\n.\r\n", "\r\n", None, Some(""));
        check("a.\r\n", "a.\r\n", None, None);
        check(
            "..\r\n.a\r\n...\r\n.\r\n",
            ".\r\na\r\n..\r\n",
            None,
            Some(""),
        );
    }

    #[test]
    fn a_bare_line_ending_ends_nothing() {
        let bare = Some(DataProblem::BareLineEnding);
        for lookalike in [
            "\n.\n",
            "\n.\r\n",
            "\r.\r",
            "\r.\r\n",
            "\r\n.\n",
            "\r\n.\r",
            "\r\r\n.\r\r\n",
            "\n\n.\r\n",
        ] {
            let smuggled = format!("a{lookalike}b\r\n.\r\nrest");
            let (_, found, finished, _, rest) = decode(smuggled.as_bytes(), &[]);
            assert_eq!((found, finished), (bare, true), "{lookalike:?}");
            assert_eq!(rest, b"rest", "{lookalike:?}");
        }
        check("a\nb\r\n.\r\n", "a", bare, Some(""));
        check("a\rb\r\n.\r\n", "a", bare, Some(""));
        check("a\r\n.\rb\r\n.\r\n", "a\r\n", bare, Some(""));
    }

    #[test]
    fn lengths_are_limited() {
        let line = "x".repeat(20);
        check(
            &format!("{line}\r\n.\r\n"),
            &format!("{line}\r\n"),
            None,
            Some(""),
        );
        let long = Some(DataProblem::LineTooLong);
        check(&format!("{line}y\r\n.\r\n"), &line, long, Some(""));
        let text = format!("{line}\r\n").repeat(3);
        let large = Some(DataProblem::TooLarge);
        check(&format!("{text}.\r\n"), &text[..60], large, Some(""));
        let (_, _, _, size, _) = decode(format!("{text}.\r\n").as_bytes(), &[]);
        assert_eq!(size, 66);
    }

    #[test]
    fn lines_end_in_crlf_only() {
        let mut splitter = LineSplitter::default();
        assert_eq!(
            splitter.split(b"NO\nOP\r\nX", 10),
            Split::Line(b"NO\nOP", 7)
        );
        assert_eq!(splitter.split(b"NOOP\r", 10), Split::Partial(0));
        assert_eq!(
            splitter.split(b"0123456789\r\n", 10),
            Split::Line(b"0123456789", 12)
        );
        assert_eq!(splitter.split(b"0123456789a\r\n", 10), Split::Overlong(13));
        assert_eq!(splitter.split(b"0123456789a\r", 10), Split::Partial(11));
        assert_eq!(splitter.split(b"\r", 10), Split::Partial(0));
        assert_eq!(splitter.split(b"\rb\r\nNOOP\r\n", 10), Split::Overlong(4));
        assert_eq!(splitter.split(b"NOOP\r\n", 10), Split::Line(b"NOOP", 6));
    }

    #[test]
    fn what_goes_out_has_crlf_only() {
        for (text, wire) in [
            ("", ".\r\n"),
            ("a", "a\r\n.\r\n"),
            (".\r\n..\r\na.\r\n", "..\r\n...\r\na.\r\n.\r\n"),
            ("a\n.\nb\r.\rc", "a\r\n..\r\nb\r\n..\r\nc\r\n.\r\n"),
            ("a\r", "a\r\n.\r\n"),
            ("\r\r\n\n", "\r\n\r\n\r\n.\r\n"),
        ] {
            for step in [1, text.len().max(1)] {
                let (mut stuffer, mut output) = (DotStuffer::default(), Vec::new());
                for part in text.as_bytes().chunks(step) {
                    stuffer.encode(part, &mut output);
                }
                stuffer.finish(&mut output);
                assert_eq!(String::from_utf8_lossy(&output), wire, "{text:?} by {step}");
            }
        }
    }

    proptest! {
        #[test]
        fn any_split_decodes_the_same(
            input in "(a|b{18}|\r\n|\r\n|\\.|\r|\n){0,40}",
            mut cuts in prop::collection::vec(0_usize..120, 0..8),
        ) {
            cuts.retain(|&cut| cut < input.len());
            cuts.sort_unstable();
            prop_assert_eq!(decode(input.as_bytes(), &cuts), decode(input.as_bytes(), &[]));
        }

        #[test]
        fn what_was_stuffed_is_decoded_again(text in "([ab.]{0,6}\r\n){0,8}", cut in 0_usize..40) {
            let cut = cut.min(text.len());
            let (mut stuffer, mut wire) = (DotStuffer::default(), Vec::new());
            stuffer.encode(&text.as_bytes()[..cut], &mut wire);
            stuffer.encode(&text.as_bytes()[cut..], &mut wire);
            stuffer.finish(&mut wire);
            let mut decoder = DataDecoder::new(usize::MAX, None);
            let mut decoded = Vec::new();
            prop_assert_eq!(decoder.decode(&wire, &mut decoded), wire.len());
            prop_assert!(decoder.is_finished() && decoder.problem().is_none());
            prop_assert_eq!(decoded, text.into_bytes());
        }
    }
}
