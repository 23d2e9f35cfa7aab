//! Places in the files of a world.

use std::fmt;
use std::sync::Arc;

/// A place in a file of the world.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Location {
    /// The file as the user named it.
    pub file: Arc<str>,
    /// Line, from 1; 0 where the whole file is meant.
    pub line: u32,
    /// Column in characters, from 1.
    pub column: u32,
    /// Offset in bytes from the start of the file.
    pub offset: usize,
    /// Length in bytes of what stands there.
    pub length: usize,
}

impl Location {
    /// The whole file.
    #[must_use]
    pub fn of_file(file: &str) -> Self {
        Self {
            file: file.into(),
            line: 0,
            column: 0,
            offset: 0,
            length: 0,
        }
    }
}

impl fmt::Display for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.line {
            0 => f.write_str(&self.file),
            line => write!(f, "{}:{line}:{}", self.file, self.column),
        }
    }
}

/// Finds lines and columns in one file's text.
#[derive(Clone, Debug)]
pub struct Source {
    file: Arc<str>,
    text: Arc<str>,
    line_starts: Arc<[usize]>,
    /// Characters before every [`STRIDE`]th byte: a whole file may be one line.
    characters: Arc<[usize]>,
}

/// Bytes between two places whose characters are counted in advance.
const STRIDE: usize = 4096;

impl Source {
    /// Indexes a text.
    #[must_use]
    pub fn new(file: &str, text: &str) -> Self {
        let starts = std::iter::once(0)
            .chain(text.match_indices('\n').map(|(at, _)| at + 1))
            .collect();
        let mut before = 0;
        let counted = text.as_bytes().chunks(STRIDE).map(|chunk| {
            before += characters(chunk);
            before
        });
        let counted = std::iter::once(0).chain(counted).collect();
        Self {
            file: file.into(),
            text: text.into(),
            line_starts: starts,
            characters: counted,
        }
    }

    /// The text.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The file as the user named it.
    #[must_use]
    pub fn file(&self) -> &str {
        &self.file
    }

    /// The place of a span of bytes; an offset inside a character counts as that character.
    #[must_use]
    pub fn location(&self, span: std::ops::Range<usize>) -> Location {
        let offset = span.start.min(self.text.len());
        let line = self.line_starts.partition_point(|start| *start <= offset) - 1;
        // A byte order mark is no column.
        let start = match self.line_starts[line] {
            0 if self.text.starts_with('\u{feff}') => offset.min(3),
            start => start,
        };
        let column = self.characters_before(offset) - self.characters_before(start);
        let number = |n: usize| u32::try_from(n + 1).unwrap_or(u32::MAX);
        Location {
            file: self.file.clone(),
            line: number(line),
            column: number(column),
            offset,
            length: span.end.min(self.text.len()).saturating_sub(offset),
        }
    }

    fn characters_before(&self, offset: usize) -> usize {
        let chunk = offset / STRIDE;
        self.characters[chunk] + characters(&self.text.as_bytes()[chunk * STRIDE..offset])
    }
}

/// The characters that begin in a part of a UTF-8 text.
fn characters(bytes: &[u8]) -> usize {
    bytes.iter().filter(|byte| (**byte & 0xc0) != 0x80).count()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_counted_in_lines_and_characters() {
        let source = Source::new("world.toml", "a = 1\nä = \"x\"\n");
        let place = source.location(11..14);
        assert_eq!((place.line, place.column, place.length), (2, 5, 3));
        assert_eq!(place.to_string(), "world.toml:2:5");
        assert_eq!(source.location(0..1).to_string(), "world.toml:1:1");
        assert_eq!(Location::of_file("x").to_string(), "x");
        let long = format!("\u{feff}{}b\n", "ä".repeat(STRIDE));
        let place = Source::new("x", &long).location(3 + 2 * STRIDE..long.len());
        assert_eq!(place.to_string(), format!("x:1:{}", STRIDE + 1));
    }
}
