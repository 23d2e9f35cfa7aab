//! A side file that is being read: whose it is, where its recipients go, and what is wrong with it.

use std::sync::Arc;

use super::row::Row;
use crate::config::build::Build;
use crate::config::file::reason;
use crate::config::keys::Kind;
use crate::config::object::{Object, Text as _};
use crate::diag::{Diagnostic, Location};

/// How many mistakes of one file are reported before it is given up.
const MISTAKES_MAX: usize = 100;

/// More bytes than this are no row: a file without line breaks is no table.
pub(super) const ROW_BYTES_MAX: usize = 1 << 20;

/// Takes one recipient of a side file.
pub(super) type Take<'a> = dyn FnMut(&mut Build, Object) + 'a;

/// A side file that is being read.
pub(super) struct Sheet<'a, 'b> {
    /// Whose recipients it holds.
    pub(super) organization: &'static Kind,
    /// Its name in places.
    pub(super) file: Arc<str>,
    /// How many have been reported.
    mistakes: usize,
    build: &'a mut Build,
    take: &'a mut Take<'b>,
}

impl<'a, 'b> Sheet<'a, 'b> {
    /// Nothing of it is read yet.
    pub(super) fn new(
        organization: &'static Kind,
        file: &str,
        build: &'a mut Build,
        take: &'a mut Take<'b>,
    ) -> Self {
        Self {
            organization,
            file: file.into(),
            mistakes: 0,
            build,
            take,
        }
    }

    /// Hands on an object, or what is wrong with it; says whether reading goes on.
    pub(super) fn row(&mut self, object: Option<Object>, found: Vec<Diagnostic>) -> bool {
        let goes_on = self.report(found);
        if let Some(object) = object {
            let before = self.build.diagnostics.len();
            (self.take)(self.build, object);
            let added = self.build.diagnostics.split_off(before);
            return self.report(added) && goes_on;
        }
        goes_on
    }

    /// Notes mistakes up to the limit; says whether reading goes on.
    pub(super) fn report(&mut self, found: Vec<Diagnostic>) -> bool {
        for diagnostic in found {
            self.mistakes += 1;
            if self.mistakes < MISTAKES_MAX {
                self.build.diagnostics.push(diagnostic);
            } else if self.mistakes == MISTAKES_MAX {
                let last = diagnostic.because("reading of the file stops here");
                self.build.diagnostics.push(last);
            }
        }
        self.mistakes < MISTAKES_MAX
    }

    /// Reports what ends the reading of the file.
    fn fail(&mut self, place: Location, message: String, help: &str) {
        let diagnostic = Diagnostic::new("unreadable-file", Some(place), message).help(help);
        self.report(vec![diagnostic]);
    }

    /// Reports that a file has nothing in it.
    pub(super) fn empty(&mut self) {
        let message = format!("`{}` is empty", self.file);
        let place = Location::of_file(&self.file);
        self.fail(
            place,
            message,
            "write recipients into it, or leave the file out",
        );
    }

    /// Reports a row that is no row.
    pub(super) fn too_long(&mut self, line: u32) {
        let message = format!(
            "`{}`: a row has more than {} bytes",
            self.file, ROW_BYTES_MAX
        );
        let place = Location {
            line,
            column: 1,
            ..Location::of_file(&self.file)
        };
        self.fail(place, message, "write one recipient on each line");
    }

    /// Reports that the file cannot be read on.
    pub(super) fn broken(&mut self, line: u32, error: &std::io::Error) {
        let message = format!("`{}`: {}", self.file, reason(error));
        let place = Location {
            line,
            column: 1,
            ..Location::of_file(&self.file)
        };
        self.fail(place, message, "check that this user may read the file");
    }

    /// Reports a byte that is no text, which ends the reading of the file.
    pub(super) fn not_utf8(&mut self, bytes: &[u8], line: u32, offset: usize) -> bool {
        let good = bytes.utf8_chunks().next().map_or("", |chunk| chunk.valid());
        let row = Row {
            file: &self.file,
            text: good,
            line,
            offset,
        };
        let mut place = row.location(good.len()..good.len());
        place.length = 1;
        let byte = bytes.get(good.len()).copied().unwrap_or_default();
        let message = format!("`{}`: the byte `0x{byte:02X}` is not UTF-8", self.file);
        self.fail(place, message, "save the file as UTF-8");
        false
    }
}
