//! The only file reading here: a path → the text of a world, or what is wrong with the path.

#![expect(
    clippy::disallowed_methods,
    reason = "a world is read from files, here and nowhere else"
)]

use std::fs::{self, File};
use std::io::{self, BufRead as _, BufReader, Read};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use crate::diag::{Diagnostic, Location, Source, did_you_mean};

/// More than this is no world: large directories have files of their own, which are not read whole.
const BYTES_MAX: u64 = 32 << 20;

/// How much of a side file is looked at to see whether it is text, in bytes.
const SAMPLE_BYTES: usize = 64 << 10;

/// The names a world's file may have in its folder, in order of preference.
const WORLD_FILES: [&str; 2] = ["world.toml", "world.json"];

/// What a file is wanted for, so that what is said of another one helps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Wanted {
    /// A certificate, its key or roots, in PEM.
    Pem,
    /// Recipients, row by row.
    Recipients,
    /// The settings of a relay.
    Settings,
    /// Who may submit to a relay, with passwords.
    Users,
    /// A world.
    World,
    /// The records of a zone.
    Zone,
}

impl Wanted {
    /// What to give instead.
    const fn help(self) -> &'static str {
        match self {
            Self::Pem => {
                "give a PEM file that this user may read; its folder is that of the settings"
            }
            Self::Recipients => "give a UTF-8 file that ends in `.csv`, `.jsonl` or `.ndjson`",
            Self::Settings => "give a file of settings; `config/relay.toml` explains each",
            Self::Users => {
                "give a file with `address:password` on each line; its folder is that of the settings"
            }
            Self::World => {
                "give a file that ends in `.toml` or `.json`, or a folder with a `world.toml`"
            }
            Self::Zone => "give a UTF-8 file of records (RFC 1035 §5), or write them as `Records`",
        }
    }
}

/// Reads the file of a world: the path itself, or the world's file in the folder it names.
pub(super) fn read_world(path: &Path) -> Result<Source, Box<Diagnostic>> {
    match fs::metadata(path) {
        Err(error) => Err(unopened(path, Wanted::World, &error)),
        Ok(about) if about.is_dir() => read_folder(path),
        Ok(_) => read(path, Wanted::World),
    }
}

/// Where the files that a world names are looked for.
#[derive(Clone, Debug, Default)]
pub(super) enum Folder {
    /// Beside the world's file.
    At(PathBuf),
    /// The world is text and has no folder.
    #[default]
    Nowhere,
}

/// A side file that is read row by row.
#[derive(Debug)]
pub(super) struct Rows {
    /// Its name in places.
    pub(super) file: String,
    /// Its bytes, of which the first look like text.
    pub(super) input: BufReader<File>,
}

impl Folder {
    /// The folder of a source that [`read_world`] gave.
    pub(super) fn of(source: &Source) -> Self {
        let parent = Path::new(source.file()).parent();
        Self::At(parent.map(Path::to_owned).unwrap_or_default())
    }

    /// Reads a zone's file that the world names at a place; `instead` says what to do without files.
    pub(super) fn zone(
        &self,
        name: &str,
        place: &Location,
        instead: &str,
    ) -> Result<Source, Box<Diagnostic>> {
        self.open(name, place, instead, |path| read(path, Wanted::Zone))
    }

    /// Opens a file of recipients that the world names at a place.
    pub(super) fn rows(&self, name: &str, place: &Location) -> Result<Rows, Box<Diagnostic>> {
        self.open(
            name,
            place,
            "write the recipients into the world",
            open_rows,
        )
    }

    fn open<T>(
        &self,
        name: &str,
        place: &Location,
        instead: &str,
        open: impl Fn(&Path) -> Result<T, Box<Diagnostic>>,
    ) -> Result<T, Box<Diagnostic>> {
        let Self::At(folder) = self else {
            let message = format!("`{name}`: this world is not a file, so it has no files");
            let diagnostic = Diagnostic::new("unreadable-file", Some(place.clone()), message);
            return Err(diagnostic.help(instead).into());
        };
        open(&folder.join(name)).map_err(|mut diagnostic| {
            if diagnostic.location.as_ref().is_none_or(|at| at.line == 0) {
                diagnostic.location = Some(place.clone());
            }
            diagnostic
        })
    }
}

fn read_folder(path: &Path) -> Result<Source, Box<Diagnostic>> {
    let names = names_in(path);
    let is_here = |file: &&&str| names.iter().any(|name| name == *file);
    if let Some(file) = WORLD_FILES.iter().find(is_here) {
        return read(&path.join(file), Wanted::World);
    }
    let what = match names.is_empty() {
        true => "an empty folder",
        false => "a folder without a `world.toml`",
    };
    let message = format!("`{}` is {what}", path.display());
    Err(unreadable(path, message, near(path, &names)))
}

/// What in a folder without a world's file may have been meant.
fn near(path: &Path, names: &[String]) -> String {
    let is_world = |name: &&String| {
        let path = Path::new(name);
        let ending = path.extension().unwrap_or_default();
        ending.eq_ignore_ascii_case("toml") || ending.eq_ignore_ascii_case("json")
    };
    let holds_world = |name: &&String| {
        let folder = path.join(name);
        WORLD_FILES.iter().any(|file| folder.join(file).is_file())
    };
    let mut near: Vec<&String> = names.iter().filter(is_world).collect();
    if near.is_empty() {
        near = names.iter().filter(holds_world).collect();
    }
    let shown = near.iter().take(5);
    let shown = shown.map(|name| format!("`{}`", path.join(name).display()));
    let shown: Vec<String> = shown.collect();
    match shown.as_slice() {
        [] => "put a `world.toml` in it; `hybridmx schema` prints its keys".to_owned(),
        shown => format!("did you mean {}?", shown.join(" or ")),
    }
}

/// Reads one file as text.
pub(super) fn read(path: &Path, wanted: Wanted) -> Result<Source, Box<Diagnostic>> {
    let name = path.display().to_string();
    let bytes = read_bytes(path, wanted)?;
    if bytes.len() as u64 > BYTES_MAX {
        let message = format!("`{name}` is larger than {} MB", BYTES_MAX >> 20);
        let help = match wanted {
            Wanted::World => {
                "give a file that describes a world; large directories go into `RecipientsFile`"
            }
            wanted => wanted.help(),
        };
        return Err(unreadable(path, message, help));
    }
    let text = decode(&bytes).map_err(|problem| problem.diagnostic(&name, &bytes, wanted))?;
    Ok(Source::new(&name, text))
}

/// Says so where a file with secrets can be read by other users of this machine.
pub(super) fn readable_by_others(path: &Path, place: &Location) -> Option<Diagnostic> {
    let mode = fs::metadata(path).ok()?.permissions().mode();
    if mode & 0o077 == 0 {
        return None;
    }
    let path = path.display();
    let message = format!("`{path}` holds secrets, and other users of this machine can read it");
    let because = format!("its mode is {:03o}", mode & 0o777);
    let diagnostic = Diagnostic::new("secret-file-readable", Some(place.clone()), message);
    Some(
        diagnostic
            .because(because)
            .help(format!("`chmod 600 {path}`")),
    )
}

fn read_bytes(path: &Path, wanted: Wanted) -> Result<Vec<u8>, Box<Diagnostic>> {
    let mut bytes = Vec::new();
    // One byte more than allowed tells a file that is too large from one that just fits.
    open_file(path, wanted)?
        .take(BYTES_MAX + 1)
        .read_to_end(&mut bytes)
        .map_err(|error| unopened(path, wanted, &error))?;
    Ok(bytes)
}

fn open_file(path: &Path, wanted: Wanted) -> Result<File, Box<Diagnostic>> {
    let about = fs::metadata(path).map_err(|error| unopened(path, wanted, &error))?;
    if about.is_dir() {
        let message = format!("`{}` is a folder, and a file is wanted", path.display());
        return Err(unreadable(path, message, "give the name of a file in it"));
    }
    File::open(path).map_err(|error| unopened(path, wanted, &error))
}

/// Opens a side file whose first bytes are text.
fn open_rows(path: &Path) -> Result<Rows, Box<Diagnostic>> {
    let (name, wanted) = (path.display().to_string(), Wanted::Recipients);
    let mut input = BufReader::with_capacity(SAMPLE_BYTES, open_file(path, wanted)?);
    let sample = input
        .fill_buf()
        .map_err(|error| unopened(path, wanted, &error))?;
    // Where the sample ends within a character, or one row is bad, the row says so.
    match decode(sample) {
        Err(problem @ (Problem::Binary | Problem::Utf16)) => {
            Err(problem.diagnostic(&name, sample, wanted).into())
        }
        Ok(_) | Err(Problem::NotUtf8(_)) => Ok(Rows { file: name, input }),
    }
}

fn unopened(path: &Path, wanted: Wanted, error: &io::Error) -> Box<Diagnostic> {
    let help = match error.kind() {
        io::ErrorKind::NotFound => return absent(path, wanted),
        io::ErrorKind::PermissionDenied => "check that this user may read the file",
        io::ErrorKind::NotADirectory => {
            "a part of the path before its last is a file, not a folder"
        }
        _ => wanted.help(),
    };
    let message = format!("`{}`: {}", path.display(), reason(error));
    unreadable(path, message, help)
}

/// The system's words, in lower case and without the number.
pub(super) fn reason(error: &io::Error) -> String {
    let text = error.to_string();
    let text = text.split(" (os error").next().unwrap_or_default();
    text.to_lowercase()
}

/// The first part of a path that does not exist, and what beside it has a similar name.
fn absent(path: &Path, wanted: Wanted) -> Box<Diagnostic> {
    let missing = path
        .ancestors()
        .take_while(|part| !part.as_os_str().is_empty() && !part.exists())
        .last()
        .unwrap_or(path);
    let message = format!("`{}` does not exist", missing.display());
    let parent = missing.parent().unwrap_or_else(|| Path::new(""));
    let siblings = names_in(parent);
    let name = missing.file_name().unwrap_or_default().to_string_lossy();
    let help = match did_you_mean(&name, siblings.iter().map(String::as_str)) {
        Some(sibling) => format!("did you mean `{}`?", parent.join(sibling).display()),
        None => wanted.help().to_owned(),
    };
    unreadable(path, message, help)
}

/// The names in a folder, in order; none where it cannot be read.
fn names_in(folder: &Path) -> Vec<String> {
    let folder = match folder.as_os_str().is_empty() {
        true => Path::new("."),
        false => folder,
    };
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let mut names: Vec<String> = entries
        .map(|entry| entry.file_name().to_string_lossy().into_owned())
        .collect();
    names.sort();
    names
}

fn unreadable(path: &Path, message: String, help: impl Into<String>) -> Box<Diagnostic> {
    let place = Location::of_file(&path.display().to_string());
    Diagnostic::new("unreadable-file", Some(place), message)
        .help(help)
        .into()
}

/// Why bytes are not text.
#[derive(Debug, PartialEq, Eq)]
enum Problem {
    Binary,
    /// The offset of the first byte that is not UTF-8.
    NotUtf8(usize),
    Utf16,
}

impl Problem {
    fn diagnostic(&self, name: &str, bytes: &[u8], wanted: Wanted) -> Diagnostic {
        let mut place = Location::of_file(name);
        let (message, help) = match self {
            Self::Binary => {
                let help = match wanted {
                    Wanted::World => "give a UTF-8 file that ends in `.toml` or `.json`",
                    wanted => wanted.help(),
                };
                (format!("`{name}` is not text"), help)
            }
            Self::NotUtf8(at) => {
                let before = String::from_utf8_lossy(&bytes[..*at]);
                place = Source::new(name, &before).location(*at..*at);
                place.length = 1;
                let message = format!("`{name}`: the byte `0x{:02X}` is not UTF-8", bytes[*at]);
                (message, "save the file as UTF-8")
            }
            Self::Utf16 => (
                format!("`{name}`: this is UTF-16"),
                "save it as UTF-8; in PowerShell, `Out-File -Encoding utf8`",
            ),
        };
        Diagnostic::new("unreadable-file", Some(place), message).help(help)
    }
}

/// The text of a file; a byte order mark stays in it, so that offsets are those of the file.
fn decode(bytes: &[u8]) -> Result<&str, Problem> {
    if is_utf16(bytes) {
        return Err(Problem::Utf16);
    }
    if bytes.contains(&0) {
        return Err(Problem::Binary);
    }
    match std::str::from_utf8(bytes) {
        Ok(text) => Ok(text),
        Err(_) if is_binary(bytes) => Err(Problem::Binary),
        Err(error) => Err(Problem::NotUtf8(error.valid_up_to())),
    }
}

/// Whether the bytes begin with the mark of UTF-16, or every other one of the first is zero, as in
/// the UTF-16 form of the letters that worlds are written in.
fn is_utf16(bytes: &[u8]) -> bool {
    if bytes.starts_with(&[0xff, 0xfe]) || bytes.starts_with(&[0xfe, 0xff]) {
        return true;
    }
    let sample = &bytes[..bytes.len().min(512)];
    let zeros = |parity: usize| {
        let bytes = sample.iter().skip(parity).step_by(2);
        bytes.filter(|byte| **byte == 0).count()
    };
    let (even, odd) = (zeros(0), zeros(1));
    let most = sample.len() / 2 * 3 / 4;
    most > 0 && ((even >= most && odd == 0) || (odd >= most && even == 0))
}

/// Whether more than a few of the first bytes are control characters that no text has.
fn is_binary(bytes: &[u8]) -> bool {
    let sample = &bytes[..bytes.len().min(4096)];
    let control = |byte: &&u8| byte.is_ascii_control() && !byte.is_ascii_whitespace();
    sample.iter().filter(control).count() * 50 > sample.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_told_from_what_is_not() {
        let utf16 = |text: &str, mark: bool| -> Vec<u8> {
            let mark = mark.then_some(0xfeff);
            let units = mark.into_iter().chain(text.encode_utf16());
            units.flat_map(u16::to_le_bytes).collect()
        };
        let name = "Name = \"Contoso\"\n";
        for (bytes, problem) in [
            (utf16(name, true), Problem::Utf16),
            (utf16(name, false), Problem::Utf16),
            (b"Name = \"M\xfcller\"".to_vec(), Problem::NotUtf8(9)),
            (b"\x7fELF\0\0\x01\x02".to_vec(), Problem::Binary),
            ((1..=255).collect(), Problem::Binary),
        ] {
            assert_eq!(decode(&bytes), Err(problem));
        }
        assert!(decode(b"\xef\xbb\xbfA = 1").is_ok());
    }
}
