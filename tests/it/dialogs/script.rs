//! Dialog files: what each side says, what the driver decides, what must have happened.
//!
//! ```text
//! # The header says which rule this is about.
//! @set size-max 100              a setting, before anything is said
//! C: EHLO client.example         a line of the client, with CRLF
//! C! abc\r\n.\r                  bytes of the client, as they are
//! S: 250 2.1.0 Sender OK         a line of the server
//! E: rcpt ann@contoso.com        something the session under test reported
//! @wait 300                      a directive for the driver
//! ```
//!
//! `\r \n \t \0 \\ \xHH` are bytes and `\{text*n}` repeats. The session under test is the server, or
//! the client in a file that says `@client` first; the other side's lines are its input. Lines of
//! input that follow each other arrive in one read. `*` stands for the date in `ready at *`, nowhere
//! else.

use std::path::Path;

/// A dialog file.
#[derive(Debug)]
pub(super) struct Script {
    pub(super) name: String,
    pub(super) side: Side,
    pub(super) steps: Vec<Step>,
}

/// Which session is under test.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Side {
    Client,
    Server,
}

/// A step, and its line in the file.
#[derive(Debug)]
pub(super) struct Step {
    pub(super) line: usize,
    pub(super) action: Action,
}

/// What a step does.
#[derive(Debug)]
pub(super) enum Action {
    /// The peer's bytes arrive.
    Input(Vec<u8>),
    /// The session under test has said this line next.
    Said(Vec<u8>),
    /// The session under test has reported this.
    Reported(String),
    /// The driver does something.
    Directive(String, String),
}

impl Script {
    /// All scripts of the folder, by name.
    #[expect(clippy::disallowed_methods, reason = "the test reads its own cases")]
    pub(super) fn all() -> Vec<Self> {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/dialogs");
        let entries = std::fs::read_dir(&folder).expect("the folder of dialogs can be read");
        let mut paths: Vec<_> = entries
            .map(|entry| entry.expect("an entry").path())
            .collect();
        paths.retain(|path| {
            path.extension()
                .is_some_and(|extension| extension == "smtp")
        });
        paths.sort();
        let read = |path: &std::path::PathBuf| {
            let name = path
                .file_stem()
                .expect("a name")
                .to_string_lossy()
                .into_owned();
            Self::parse(
                name,
                &std::fs::read_to_string(path).expect("a dialog is text"),
            )
        };
        paths.iter().map(read).collect()
    }

    pub(super) fn parse(name: String, text: &str) -> Self {
        assert!(
            text.starts_with("# "),
            "{name}: the header says what it is about"
        );
        let side = match text.lines().any(|line| line == "@client") {
            true => Side::Client,
            false => Side::Server,
        };
        let mut steps: Vec<Step> = Vec::new();
        for (at, line) in text.lines().enumerate() {
            let Some(action) = action(side, line) else {
                let is_silent = line.is_empty() || line.starts_with('#') || line == "@client";
                assert!(is_silent, "{name}:{}: what is `{line}`?", at + 1);
                continue;
            };
            match (steps.last_mut().map(|step| &mut step.action), action) {
                (Some(Action::Input(flight)), Action::Input(more)) => flight.extend(more),
                (_, action) => steps.push(Step {
                    line: at + 1,
                    action,
                }),
            }
        }
        Self { name, side, steps }
    }
}

fn action(side: Side, line: &str) -> Option<Action> {
    let (mark, rest) = line.split_at_checked(2)?;
    let text = rest.strip_prefix(' ').unwrap_or(rest);
    let (input, raw, said) = match side {
        Side::Client => ("S:", "S!", "C:"),
        Side::Server => ("C:", "C!", "S:"),
    };
    if mark == input {
        Some(Action::Input([unescape(text), b"\r\n".to_vec()].concat()))
    } else if mark == raw {
        Some(Action::Input(unescape(text)))
    } else if mark == said {
        Some(Action::Said(unescape(text)))
    } else if mark == "E:" {
        Some(Action::Reported(text.to_owned()))
    } else if line.starts_with('@') && line != "@client" {
        let (word, argument) = line[1..].split_once(' ').unwrap_or((&line[1..], ""));
        Some(Action::Directive(word.to_owned(), argument.to_owned()))
    } else {
        None
    }
}

/// The bytes that a text with escapes stands for.
pub(super) fn unescape(text: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut rest = text;
    while let Some((before, escape)) = rest.split_once('\\') {
        bytes.extend_from_slice(before.as_bytes());
        let kind = escape
            .chars()
            .next()
            .expect("something follows a backslash");
        rest = &escape[kind.len_utf8()..];
        match kind {
            'r' => bytes.push(b'\r'),
            'n' => bytes.push(b'\n'),
            't' => bytes.push(b'\t'),
            '0' => bytes.push(0),
            '\\' => bytes.push(b'\\'),
            'x' => {
                bytes.push(u8::from_str_radix(&rest[..2], 16).expect("two digits"));
                rest = &rest[2..];
            }
            '{' => {
                let (inner, after) = rest.split_once('}').expect("a repetition ends with }");
                let (repeated, times) = inner.rsplit_once('*').expect("how often");
                bytes.extend(unescape(repeated).repeat(times.parse().expect("a number")));
                rest = after;
            }
            other => panic!("unknown escape \\{other}"),
        }
    }
    bytes.extend_from_slice(rest.as_bytes());
    bytes
}
