//! What a text may contain that is shown to people.

/// The text with its control characters spelled out: a name from a file neither breaks a line nor
/// steers a terminal, and no format that is made of it can be broken by it.
pub(super) fn one_line(text: &str) -> String {
    if !text.contains(is_unprintable) {
        return text.to_owned();
    }
    text.chars().map(printable).collect()
}

fn printable(c: char) -> String {
    if is_unprintable(c) {
        c.escape_default().to_string()
    } else {
        c.to_string()
    }
}

/// Control characters, those that turn the direction of what follows, those that end a line, and what
/// is no character at all (which XML and HTML forbid).
fn is_unprintable(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
        || matches!(c, '\u{fdd0}'..='\u{fdef}')
        || u32::from(c) & 0xfffe == 0xfffe
}

/// How many columns of a terminal a text takes.
///
/// Choice: the ranges of wide and of combining characters that occur in names and addresses; the full
/// tables of Unicode (Standard Annex 11) would be a dependency for the sake of alignment.
pub(super) fn width(text: &str) -> usize {
    text.chars().map(char_width).sum()
}

fn char_width(c: char) -> usize {
    match c {
        '\u{0300}'..='\u{036f}' | '\u{200b}'..='\u{200f}' | '\u{fe00}'..='\u{fe0f}' => 0,
        '\u{1100}'..='\u{115f}'
        | '\u{2e80}'..='\u{303e}'
        | '\u{3041}'..='\u{a4cf}'
        | '\u{ac00}'..='\u{d7a3}'
        | '\u{f900}'..='\u{faff}'
        | '\u{fe30}'..='\u{fe6f}'
        | '\u{ff00}'..='\u{ff60}'
        | '\u{ffe0}'..='\u{ffe6}'
        | '\u{1f300}'..='\u{1f64f}'
        | '\u{1f900}'..='\u{1f9ff}'
        | '\u{20000}'..='\u{3fffd}' => 2,
        _ => 1,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_cannot_break_lines_or_steer_the_terminal() {
        assert_eq!(one_line("a\nb\x1b[2Jc"), "a\\nb\\u{1b}[2Jc");
        assert_eq!(one_line("a\u{202e}b\u{ffff}"), "a\\u{202e}b\\u{ffff}");
        assert_eq!(one_line("Zürich → 東京"), "Zürich → 東京");
    }

    #[test]
    fn width_is_counted_in_columns() {
        assert_eq!(width("Zu\u{308}rich"), 6);
        assert_eq!(width("→東"), 3);
    }
}
