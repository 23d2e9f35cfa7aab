//! What must hold for whatever is given to the world reader, shared with the fuzz target.

use hybridmx::config;
use hybridmx::diag::{Diagnostic, Location, Severity};
use hybridmx::verify;
use jiff::Timestamp;

/// Reads bytes as a world: JSON where they begin like it, else TOML. The outcome is a world that can be
/// checked, or mistakes, each with a place inside the text.
///
/// # Panics
/// When it is neither.
pub(crate) fn holds(input: &[u8]) {
    let text = String::from_utf8_lossy(input);
    let json = text
        .trim_start_matches('\u{feff}')
        .trim_start()
        .starts_with('{');
    let file = if json { "world.json" } else { "world.toml" };
    let (world, diagnostics) = config::read(file, &text, Timestamp::UNIX_EPOCH);
    for diagnostic in &diagnostics {
        is_located(diagnostic, file, &text);
    }
    let is_wrong = diagnostics
        .iter()
        .any(|diagnostic| diagnostic.severity == Severity::Error);
    assert_eq!(world.is_none(), is_wrong, "{diagnostics:#?}");
    if let Some(world) = world {
        let _ = verify::check(&world.topology, &world.zones);
    }
}

fn is_located(diagnostic: &Diagnostic, file: &str, text: &str) {
    assert!(!diagnostic.message.trim().is_empty(), "{diagnostic:?}");
    assert!(!diagnostic.message.contains('\n'), "{diagnostic:?}");
    let place = diagnostic.location.as_ref();
    let place = place.unwrap_or_else(|| panic!("no place: {diagnostic:?}"));
    assert_eq!(&*place.file, file, "{diagnostic:?}");
    let Location { offset, length, .. } = *place;
    let inside = offset
        .checked_add(length)
        .and_then(|end| text.get(offset..end));
    assert!(inside.is_some(), "outside the text: {diagnostic:?}");
    if place.line == 0 {
        return;
    }
    let before = &text[..offset];
    let line = before.matches('\n').count() + 1;
    assert_eq!(place.line as usize, line, "{diagnostic:?}");
    let start = before.rfind('\n').map_or(0, |at| at + 1);
    // A byte order mark is no column.
    let marked = start == 0 && before.starts_with('\u{feff}');
    let column = before[start..].chars().count() + 1 - usize::from(marked);
    assert_eq!(place.column as usize, column, "{diagnostic:?}");
}
