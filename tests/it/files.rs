//! The tests' door to the file system: worlds, golden files, and the moment at which worlds that
//! state none are judged.

use std::path::{Path, PathBuf};

/// The moment at which the tests judge worlds without `AsOf`.
pub(crate) fn now() -> jiff::Timestamp {
    "2026-11-22T00:00:00Z".parse().expect("a timestamp")
}

/// The text of a file.
#[expect(
    clippy::disallowed_methods,
    reason = "tests read the files of the repository"
)]
pub(crate) fn read_text(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// Whether there is a file.
#[expect(
    clippy::disallowed_methods,
    reason = "tests read the files of the repository"
)]
pub(crate) fn is_file(path: &Path) -> bool {
    path.is_file()
}

/// Writes a file into a test's own folder, which nobody else can read.
pub(crate) fn write(path: &Path, text: &str) {
    write_bytes(path, text.as_bytes());
}

/// The same for what need not be text.
#[expect(clippy::disallowed_methods, reason = "programs under test read files")]
pub(crate) fn write_bytes(path: &Path, bytes: &[u8]) {
    std::fs::write(path, bytes).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    set_mode(path, 0o600);
}

/// Says who may read a file.
#[expect(clippy::disallowed_methods, reason = "programs under test read files")]
pub(crate) fn set_mode(path: &Path, mode: u32) {
    let permissions = std::os::unix::fs::PermissionsExt::from_mode(mode);
    std::fs::set_permissions(path, permissions).expect("the file is the test's");
}

/// Makes a folder, and those around it.
#[expect(clippy::disallowed_methods, reason = "programs under test read files")]
pub(crate) fn make_folder(path: &Path) {
    std::fs::create_dir_all(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
}

/// Everything in a folder and below, with the bits that say who may read it.
#[expect(clippy::disallowed_methods, reason = "programs under test write files")]
pub(crate) fn modes(folder: &Path) -> Vec<(PathBuf, u32)> {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let mut found = Vec::new();
    for path in entries.map(|entry| entry.path()) {
        let about = std::fs::metadata(&path).expect("it is there");
        let mode = std::os::unix::fs::PermissionsExt::mode(&about.permissions());
        found.push((path.clone(), mode & 0o777));
        found.extend(modes(&path));
    }
    found
}

/// A file that a program under test writes into.
#[expect(clippy::disallowed_methods, reason = "what a program says is kept")]
pub(crate) fn create(path: &Path) -> std::fs::File {
    let file = std::fs::OpenOptions::new()
        .create(true)
        .append(true)
        .open(path);
    file.unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// The folders in a folder.
#[expect(
    clippy::disallowed_methods,
    reason = "tests read the files of the repository"
)]
pub(crate) fn folders(path: &Path) -> Vec<PathBuf> {
    let entries =
        std::fs::read_dir(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    entries
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|path| path.is_dir())
        .collect()
}

/// Compares a text with a golden file; `UPDATE=1` writes the file anew instead.
#[expect(
    clippy::disallowed_methods,
    reason = "golden files are rewritten on demand"
)]
pub(crate) fn golden(path: &Path, actual: &str) {
    if std::env::var_os("UPDATE").is_some() {
        std::fs::write(path, actual).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        return;
    }
    let expected = if is_file(path) {
        read_text(path)
    } else {
        String::new()
    };
    assert_eq!(
        actual,
        expected,
        "{} differs; UPDATE=1 rewrites it",
        path.display()
    );
}
