//! Side files: directories that are too large for a world's own file, read row by row.
//!
//! `RecipientsFile` of an organization names CSV files (RFC 4180) and files of JSON lines. A row is
//! one recipient: its `RecipientTypeDetails` says in which list of the organization it would stand,
//! its other columns are the keys of that list's objects. A row is read, checked and lowered before
//! the next one is looked at, so that a file costs no memory beside what its recipients cost.
//!
//! Not here: what a recipient means (`onprem`, `exchange_online`), and where files are (`file`).
//!
//! Invariant: every diagnostic points at the cell or the value in the side file.
//! Invariant: what is reported about one file, and how long one row may be, has a limit.
//!
//! Sources: RFC 4180; Exchange PowerShell, "Get-Recipient".

mod csv;
mod lines;
mod row;
mod sheet;
mod types;
mod window;

use self::sheet::{Sheet, Take};
use super::build::Build;
use super::file::Rows;
use super::object::{Object, Word};
use crate::diag::Diagnostic;

/// Gives every row of the side files that an organization names to `take`, in the order of the files.
pub(super) fn each(build: &mut Build, organization: &Object, take: &mut Take<'_>) {
    for word in organization.list("RecipientsFile") {
        let opened = build.folder.rows(&word.text, &word.location);
        match (opened, encoding(word)) {
            (Err(diagnostic), _) | (_, Err(diagnostic)) => build.diagnostics.push(*diagnostic),
            (Ok(rows), Ok(read)) => {
                let mut sheet = Sheet::new(organization.kind, &rows.file, build, take);
                read(&mut sheet, rows);
            }
        }
    }
}

type Read = fn(&mut Sheet<'_, '_>, Rows);

/// How a file is written: its ending says.
fn encoding(word: &Word) -> Result<Read, Box<Diagnostic>> {
    let lower = word.text.to_ascii_lowercase();
    let ends = |ending: &str| lower.ends_with(ending);
    if ends(".csv") {
        return Ok(csv::read);
    }
    if ends(".jsonl") || ends(".ndjson") {
        return Ok(lines::read);
    }
    let message = format!("`{}` is neither CSV nor JSON lines", word.text);
    let diagnostic = Diagnostic::new("invalid-value", Some(word.location.clone()), message);
    Err(diagnostic
        .help("give a file that ends in `.csv`, `.jsonl` or `.ndjson`")
        .into())
}
