//! One row of a side file as a text of its own, whose places are those of the file.

use std::ops::Range;
use std::sync::Arc;

use crate::config::object::Text;
use crate::diag::Location;

/// The text of a row, and where in its file it begins.
pub(super) struct Row<'a> {
    pub(super) file: &'a Arc<str>,
    pub(super) text: &'a str,
    /// The line of its first character, from 1.
    pub(super) line: u32,
    /// Its offset in the file, in bytes.
    pub(super) offset: usize,
}

impl Row<'_> {
    /// The whole row.
    pub(super) fn place(&self) -> Location {
        self.location(0..self.text.len())
    }
}

impl Text for Row<'_> {
    fn text(&self) -> &str {
        self.text
    }

    fn location(&self, span: Range<usize>) -> Location {
        let start = span.start.min(self.text.len());
        let before = &self.text.as_bytes()[..start];
        // A quoted cell may hold line breaks.
        let breaks = memchr::memchr_iter(b'\n', before).count();
        let line_start = memchr::memrchr(b'\n', before).map_or(0, |at| at + 1);
        let begins = |byte: &&u8| **byte & 0xc0 != 0x80;
        let column = before[line_start..].iter().filter(begins).count();
        let number = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
        Location {
            file: self.file.clone(),
            line: self.line.saturating_add(number(breaks)),
            column: number(column + 1),
            offset: self.offset + start,
            length: span.end.min(self.text.len()).saturating_sub(start),
        }
    }
}
