//! The world reader and anything at all: worlds that ship, with random edits, and texts that are none.
//! `fuzz/` looks for more of the same where its tool is installed.

mod law;

use std::path::Path;

use crate::files::read_text;
use crate::support::{Dice, seeds};

/// Random edits of shipped worlds.
const EDITED: u64 = 150;

/// What is written into a world where it may hurt.
const PIECES: [&str; 38] = [
    "\"",
    "'",
    "\"\"\"",
    "'''",
    "[",
    "]",
    "[[",
    "]]",
    "{",
    "}",
    "=",
    ",",
    ".",
    "#",
    "\n",
    "\r",
    "\t",
    "\\",
    "\\u0000",
    "\u{0}",
    "\u{feff}",
    "\u{fffd}",
    "ä",
    "𝒳",
    "-1",
    "0",
    "1e999",
    "18446744073709551616",
    "99999999999999999999GB",
    "true",
    "Unlimited",
    "*",
    "@",
    "<>",
    "0.0.0.0/0",
    "1979-05-27T07:32:00Z",
    "xn--",
    "$INCLUDE /dev/null",
];

#[test]
fn an_edited_world_is_a_world_or_mistakes_with_places() {
    let worlds = shipped();
    for seed in seeds(EDITED) {
        let mut dice = Dice::new(seed);
        let mut text = dice.pick(&worlds).clone();
        for _ in 0..dice.between(1, 6) {
            edit(&mut dice, &worlds, &mut text);
        }
        let law = std::panic::catch_unwind(|| law::holds(text.as_bytes()));
        assert!(law.is_ok(), "SEED={seed}");
    }
}

#[test]
fn a_text_that_is_no_world_gives_mistakes_with_places() {
    for text in [
        "",
        "{",
        "{}",
        "[",
        "]",
        "\u{feff}",
        "\u{feff}{",
        "a",
        "=",
        "\"",
        "{\"a\":",
        "{\"a\" 1}",
        "[[OnPremises]]",
        "{\"OnPremises\": [{}]}",
        "OnPremises = 1",
        "{\"OnPremises\": [[]]}",
        "[[OnPremises]]\nName = \"a\r\nb\"",
        "AsOf = 1979-05-27",
        "{} {}",
        "{\"a\": 1, \"a\": 2}",
    ] {
        law::holds(text.as_bytes());
    }
}

#[test]
fn brackets_within_brackets_end() {
    for open in ["[", "{\"a\":", "a = [", "a = {b=", "[a.", "a."] {
        for count in [100, 5_000] {
            law::holds(open.repeat(count).as_bytes());
        }
        law::holds(format!("{{\"a\": {}", open.repeat(5_000)).as_bytes());
        law::holds(format!("a = {}", open.repeat(5_000)).as_bytes());
    }
}

/// The texts of all worlds in `testnet/` and of those with mistakes.
fn shipped() -> Vec<String> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let names = crate::testnet::names("");
    let mut paths: Vec<_> = names
        .iter()
        .map(|name| root.join("testnet").join(name).join("world.toml"))
        .collect();
    let wrong = [
        "broken-syntax.toml",
        "broken.json",
        "conflicts.toml",
        "everything.toml",
        "twenty-mistakes.toml",
    ];
    paths.extend(wrong.map(|name| root.join("tests/worlds").join(name)));
    paths.iter().map(|path| read_text(path)).collect()
}

/// One change of the sort that people and tools make, or that nobody makes.
fn edit(dice: &mut Dice, worlds: &[String], text: &mut String) {
    let begin = boundary(text, dice.below(text.len() + 1));
    let end = boundary(text, (begin + dice.below(40)).min(text.len()));
    let piece = *dice.pick(&PIECES);
    match dice.below(8) {
        0 => text.replace_range(begin..end, ""),
        1 => text.insert_str(begin, piece),
        2 => text.replace_range(begin..end, piece),
        3 => text.truncate(begin),
        4 => {
            let again = text[begin..end].to_owned();
            text.insert_str(begin, &again);
        }
        5 => with_line(dice, text, |lines, at| lines.insert(at, lines[at].clone())),
        6 => with_line(dice, text, |lines, at| drop(lines.remove(at))),
        _ => {
            let other = dice.pick(worlds).clone();
            let lines: Vec<&str> = other.lines().collect();
            let line = (*dice.pick(&lines)).to_owned();
            with_line(dice, text, |lines, at| lines[at] = line);
        }
    }
}

fn with_line(dice: &mut Dice, text: &mut String, change: impl FnOnce(&mut Vec<String>, usize)) {
    let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
    if !lines.is_empty() {
        let at = dice.below(lines.len());
        change(&mut lines, at);
    }
    *text = lines.join("\n");
}

/// The boundary of a character at an offset, or before it.
fn boundary(text: &str, offset: usize) -> usize {
    (0..=offset)
        .rev()
        .find(|at| text.is_char_boundary(*at))
        .unwrap_or(0)
}
