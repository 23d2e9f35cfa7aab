//! Places as SARIF has them: a URI and a region of lines and columns.

use serde::Serialize;

use crate::diag::{Location, Source};

/// The texts of the world's files, to turn bytes into lines and columns.
#[derive(Clone, Copy)]
pub(super) struct Places<'a> {
    pub(super) sources: &'a [Source],
}

impl Places<'_> {
    /// Where something stands.
    pub(super) fn physical(self, location: &Location) -> PhysicalLocation {
        PhysicalLocation {
            artifact_location: Artifact::new(&location.file),
            region: (location.line > 0).then(|| self.region(location)),
        }
    }

    /// Lines and columns; without an end where the text is not at hand.
    fn region(self, location: &Location) -> Region {
        self.whole(location).unwrap_or(Region {
            start_line: location.line,
            start_column: location.column,
            end_line: None,
            end_column: None,
        })
    }

    /// A region with both ends (SARIF §3.30.2), where the text is at hand.
    pub(super) fn whole(self, location: &Location) -> Option<Region> {
        let mut sources = self.sources.iter();
        let source = sources.find(|source| source.file() == &*location.file)?;
        let end = location.offset.checked_add(location.length)?;
        let text = source.text();
        if !text.is_char_boundary(location.offset) || !text.is_char_boundary(end) {
            return None;
        }
        let (start, end) = (
            source.location(location.offset..location.offset),
            source.location(end..end),
        );
        Some(Region {
            start_line: start.line,
            start_column: start.column,
            end_line: Some(end.line),
            end_column: Some(end.column),
        })
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct PhysicalLocation {
    artifact_location: Artifact,
    #[serde(skip_serializing_if = "Option::is_none")]
    region: Option<Region>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Region {
    start_line: u32,
    start_column: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    end_line: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    end_column: Option<u32>,
}

#[derive(Serialize)]
pub(super) struct Artifact {
    uri: String,
}

impl Artifact {
    /// The file as the user named it, as a URI reference (RFC 3986 §4.1).
    pub(super) fn new(file: &str) -> Self {
        let mut uri = String::from(if file.starts_with('/') { "file://" } else { "" });
        for byte in file.bytes() {
            match byte {
                b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' | b'/' => {
                    uri.push(char::from(byte));
                }
                _ => uri += &format!("%{byte:02X}"),
            }
        }
        Self { uri }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_uri_references() {
        let uri = |file| Artifact::new(file).uri;
        assert_eq!(uri("testnet/a/world.toml"), "testnet/a/world.toml");
        assert_eq!(uri("/tmp/a b.toml"), "file:///tmp/a%20b.toml");
        assert_eq!(uri("ä:\n.json"), "%C3%A4%3A%0A.json");
    }

    #[test]
    fn bytes_become_lines_and_columns() {
        let source = Source::new("w", "a = \"ä\"\nb = [\n]\n");
        let sources = [source.clone()];
        let places = Places { sources: &sources };
        let region = places.whole(&source.location(4..14)).unwrap();
        let ends = (region.end_line, region.end_column);
        assert_eq!((region.start_line, region.start_column), (1, 5));
        assert_eq!(ends, (Some(2), Some(6)));
        let elsewhere = Location {
            file: "x".into(),
            ..source.location(4..14)
        };
        assert!(places.whole(&elsewhere).is_none());
        assert_eq!(places.region(&elsewhere).end_line, None);
    }
}
