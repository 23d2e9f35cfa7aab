//! Places in files.

use serde::Serialize;

use crate::diag;

/// Where something stands.
#[derive(Serialize)]
pub(super) struct Location<'a> {
    file: &'a str,
    line: u32,
    column: u32,
}

impl<'a> Location<'a> {
    pub(super) fn new(location: &'a diag::Location) -> Self {
        Self {
            file: &location.file,
            line: location.line,
            column: location.column,
        }
    }
}

/// What stands somewhere: the bytes that an edit replaces.
#[derive(Serialize)]
pub(super) struct Span<'a> {
    #[serde(flatten)]
    start: Location<'a>,
    offset: usize,
    length: usize,
}

impl<'a> Span<'a> {
    pub(super) fn new(location: &'a diag::Location) -> Self {
        Self {
            start: Location::new(location),
            offset: location.offset,
            length: location.length,
        }
    }
}
