//! Long lines on a terminal: broken between words, and what follows below what it belongs to.

use crate::report::printable::width;

/// Narrower than this, lines would be mostly indentation.
const COLUMNS_MIN: usize = 40;
/// The widest label before two blanks below whose text a line goes on.
const LABEL_MAX: usize = 24;

/// The text with no line longer than the columns of a terminal, as far as its words allow. Colours take
/// no room.
#[must_use]
pub fn folded(text: &str, columns: usize) -> String {
    if columns < COLUMNS_MIN {
        return text.to_owned();
    }
    let lines = text.lines().map(|line| fold(line, columns) + "\n");
    lines.collect()
}

fn fold(line: &str, columns: usize) -> String {
    if visible(line) <= columns {
        return line.to_owned();
    }
    let indent = " ".repeat(hanging(line).min(columns / 2));
    let words = line.trim_start_matches(' ');
    let mut folded = line[..line.len() - words.len()].to_owned();
    let mut used = folded.len();
    for (at, word) in words.split(' ').enumerate() {
        let needed = visible(word);
        if at > 0 && used + 1 + needed <= columns {
            folded.push(' ');
            used += 1;
        } else if at > 0 && word.is_empty() {
            // A blank at the end of a line.
            continue;
        } else if at > 0 {
            folded.truncate(folded.trim_end().len());
            folded = folded + "\n" + &indent;
            used = indent.len();
        }
        folded += word;
        used += needed;
    }
    folded
}

/// The column at which a line goes on: that of the text behind a label, or a little more than its own.
fn hanging(line: &str) -> usize {
    let plain = without_colours(line);
    let own = plain.len() - plain.trim_start().len();
    let text = &plain[own..];
    let label = text.find("  ").filter(|at| *at <= LABEL_MAX);
    label.map_or(own + 4, |at| {
        let gap = text[at..].len() - text[at..].trim_start().len();
        own + width(&text[..at]) + gap
    })
}

fn visible(text: &str) -> usize {
    width(&without_colours(text))
}

/// The text without the escape sequences of colours.
fn without_colours(text: &str) -> String {
    let mut parts = text.split("\x1b[");
    let first = parts.next().unwrap_or_default().to_owned();
    let rest = parts.map(|part| part.split_once('m').map_or(part, |(_, rest)| rest));
    rest.fold(first, |plain, part| plain + part)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_go_on_below_what_they_say() {
        let text = "short\n  RECEIVE  the connector that takes mail from all on the Internet\n";
        assert_eq!(
            folded(text, 40),
            "short\n  RECEIVE  the connector that takes mail\n           from all on the Internet\n"
        );
        let text = "  because: it is not among the source servers of the connector\n";
        assert_eq!(
            folded(text, 40),
            "  because: it is not among the source\n      servers of the connector\n"
        );
    }

    #[test]
    fn colours_take_no_room_and_words_stay_whole() {
        let fits = format!("{}\n", "\x1b[1;31mred\x1b[0m ".repeat(9).trim_end());
        assert_eq!(folded(&fits, 40), fits);
        let long = format!("a {}\n", "x".repeat(60));
        assert_eq!(folded(&long, 40), format!("a\n    {}\n", "x".repeat(60)));
        assert_eq!(folded(&long, 20), long, "too narrow to be mended");
    }
}
