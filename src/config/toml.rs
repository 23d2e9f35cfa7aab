//! TOML: text → a located tree.
//!
//! The parser recovers from mistakes, but what it then makes of the rest is guesswork: a list that
//! is never closed swallows the file. So the lines of the first mistake are blanked out, in
//! place, and the text is read again, until nothing is wrong with what is left.

use std::ops::Range;

use toml::Spanned;
use toml::de::{DeString, DeTable, DeValue, Error};

use super::object::{Entry, Node, Value, shown};
use super::pasted;
use crate::diag::{Diagnostic, Source};

/// How many mistakes of syntax are reported; each costs one more reading.
const MISTAKES_MAX: usize = 50;

/// How many bytes are read in all, before mistakes of a large file are looked for no further.
const READ_BYTES_MAX: usize = 32 << 20;

/// Reads a text; what the syntax leaves readable is in the tree.
pub(super) fn parse(source: &Source) -> (Option<Node>, Vec<Diagnostic>) {
    let mut diagnostics = Vec::new();
    let mut text = source.text().to_owned();
    if text
        .trim_start_matches('\u{feff}')
        .trim_start()
        .starts_with('{')
    {
        return (None, vec![json_by_mistake(source)]);
    }
    loop {
        let (table, errors) = DeTable::parse_recoverable(&text);
        let start = |error: &Error| error.span().map_or(0, |span| span.start);
        let Some(first) = errors.iter().min_by_key(|error| start(error)) else {
            let value = Value::Table(entries(&text, table.get_ref()));
            return (Some(Node { value, span: 0..0 }), diagnostics);
        };
        let mistake = Mistake::new(&text, table.get_ref(), first);
        diagnostics.push(mistake.diagnostic(source));
        let blank = mistake.lines;
        let has_read = diagnostics.len() * text.len();
        if diagnostics.len() >= MISTAKES_MAX
            || has_read > READ_BYTES_MAX
            || text[blank.clone()].trim().is_empty()
        {
            let last = diagnostics.pop().into_iter();
            diagnostics.extend(last.map(|last| last.because("reading stops here")));
            return (None, diagnostics);
        }
        drop(table);
        text.replace_range(blank.clone(), &blanked(&text[blank]));
    }
}

/// As many bytes, with nothing but the line breaks left.
fn blanked(text: &str) -> String {
    let keep = |byte| if byte == b'\n' { '\n' } else { ' ' };
    text.bytes().map(keep).collect()
}

fn json_by_mistake(source: &Source) -> Diagnostic {
    let at = source.text().find('{').unwrap_or(0);
    let place = source.location(at..at + 1);
    Diagnostic::new(
        "invalid-syntax",
        Some(place),
        "`{`: this looks like JSON, and is read as TOML",
    )
    .help("give the file a name that ends in `.json`")
}

/// A mistake of syntax, and what of the text is given up for it.
struct Mistake {
    span: Range<usize>,
    lines: Range<usize>,
    message: String,
    help: String,
}

impl Mistake {
    fn new(text: &str, table: &DeTable<'_>, error: &Error) -> Self {
        let span = error.span().unwrap_or(0..0);
        let at = span.start;
        match enclosing(text, table, at) {
            Some(Enclosing::NeverClosed(value)) => Self::never_closed(text, value),
            Some(Enclosing::Whole(value)) => Self {
                lines: line_start(text, value.start)..line_end(text, at.max(value.end)),
                ..Self::on_one_line(text, span, error)
            },
            None => Self::on_one_line(text, span, error),
        }
    }

    fn never_closed(text: &str, value: Range<usize>) -> Self {
        let raw = &text[value.clone()];
        let (what, close) = match raw.as_bytes().first() {
            Some(b'[') => ("the list", "]"),
            Some(b'{') => ("the table", "}"),
            _ => ("the text", &raw[..3]),
        };
        let end = next_statement(text, line_end(text, value.start));
        Self {
            lines: line_start(text, value.start)..end,
            message: format!("{what} that begins here is never closed"),
            help: format!("close it with `{close}`"),
            span: value.start..value.start + close.len(),
        }
    }

    fn on_one_line(text: &str, span: Range<usize>, error: &Error) -> Self {
        let start = line_start(text, span.start);
        let mut end = line_end(text, span.start);
        if text[start..end].trim_start().starts_with('[') {
            // A broken header takes what follows it along, up to the next header.
            end = next_header(text, end);
        }
        let offending = shown(text.get(span.clone()).unwrap_or_default());
        // The parser stops within such a value: an address is a broken number from its second dot on.
        let value = text[start..line_end(text, start)].split_once('=');
        let (message, help) = match value.and_then(|(_, value)| pasted::explain(value)) {
            Some((message, help)) if !is_about_key(error) => (message.to_owned(), help),
            Some(_) | None => explain(error.message(), &offending),
        };
        Self {
            lines: start..end,
            message,
            help,
            span,
        }
    }

    fn diagnostic(&self, source: &Source) -> Diagnostic {
        let line = line_start(source.text(), self.span.start);
        let line = shown(source.text()[line..].lines().next().unwrap_or_default());
        let place = source.location(self.span.clone());
        let message = match line.as_str() {
            "" => self.message.clone(),
            line => format!("`{line}`: {}", self.message),
        };
        Diagnostic::new("invalid-syntax", Some(place), message).help(&self.help)
    }
}

/// Whether it does not matter what the value is.
fn is_about_key(error: &Error) -> bool {
    error.message().starts_with("duplicate key")
}

/// The parser's message in the reader's words, and what to do.
fn explain(message: &str, offending: &str) -> (String, String) {
    let (message, help) = match message {
        m if m.starts_with("string values must be quoted") && offending.is_empty() => (
            "the value is missing",
            "write `Key = value`, or remove the line".to_owned(),
        ),
        m if m.starts_with("string values must be quoted") && is_powershell(offending) => (
            "true and false have no `$` here",
            format!("write `{}`", offending[1..].to_ascii_lowercase()),
        ),
        m if m.starts_with("string values must be quoted") && is_curly(offending) => (
            "text stands in straight quotes",
            format!("write `\"{}\"`", offending.trim_matches(CURLY)),
        ),
        m if m.starts_with("string values must be quoted") || is_cut_word(m, offending) => {
            ("text stands in quotes", format!("write `\"{offending}\"`"))
        }
        m if m.starts_with("duplicate key") => (
            "this is written a second time",
            "remove one of the two, or write `[[…]]` where several are meant".to_owned(),
        ),
        m if m.starts_with("invalid boolean") => (
            "true and false are written in lower case",
            "write `true` or `false`".to_owned(),
        ),
        m if m.starts_with("invalid basic string") => (
            "the text is not closed, or has a backslash that is no escape",
            "close it with `\"` on the same line; write a backslash twice".to_owned(),
        ),
        m if m.contains("missing comma") => (
            "a comma is missing",
            "put a comma between the two".to_owned(),
        ),
        m if m.starts_with("key with no value") => {
            ("the key has no value", "write `Key = value`".to_owned())
        }
        m if m.starts_with("invalid unquoted key") => (
            "this cannot stand in a key",
            "write `Key = value`; a key has letters, digits, `-` and `_`".to_owned(),
        ),
        m => (
            m,
            "compare with `Key = \"text\"`, `Key = true`, `Key = [\"a\", \"b\"]`, `[[Table]]`"
                .to_owned(),
        ),
    };
    (message.to_owned(), help)
}

/// Whether this is true or false as PowerShell writes it.
fn is_powershell(offending: &str) -> bool {
    ["$true", "$false"]
        .iter()
        .any(|word| word.eq_ignore_ascii_case(offending))
}

/// The quotes that a word processor puts in the place of straight ones.
const CURLY: [char; 5] = ['\u{201c}', '\u{201d}', '\u{201e}', '\u{2018}', '\u{2019}'];

fn is_curly(offending: &str) -> bool {
    offending.starts_with(CURLY)
}

/// Whether the parser took text without quotes, such as `InternalRelay`, for the number that it begins
/// like.
fn is_cut_word(message: &str, offending: &str) -> bool {
    let word = || !offending.is_empty() && offending.chars().all(|c| c.is_ascii_alphanumeric());
    message.starts_with("invalid float")
        && word()
        && !offending.starts_with(|c: char| c.is_ascii_digit())
}

/// The value that a mistake is part of.
enum Enclosing {
    /// It runs on past its end.
    NeverClosed(Range<usize>),
    /// It ends where it should.
    Whole(Range<usize>),
}

/// The value around an offset, or a text before it that has swallowed the header of a table.
fn enclosing(text: &str, table: &DeTable<'_>, at: usize) -> Option<Enclosing> {
    let mut values = Vec::new();
    plain_values(text, table, &mut values);
    let before = values.iter().filter(|value| value.start <= at);
    let mut raw = before.filter_map(|value| Some((value, text.get(value.clone())?)));
    if let Some((value, _)) = raw.find(|(_, raw)| has_swallowed_header(raw)) {
        return Some(Enclosing::NeverClosed(value.clone()));
    }
    let around = values.into_iter().filter(|value| {
        let end = line_end(text, value.end.max(1) - 1);
        value.start <= at && at <= end
    });
    // The last one to begin: the others end on its line.
    let value = around.max_by_key(|value| value.start)?;
    let raw = text.get(value.clone())?;
    Some(if is_never_closed(raw) {
        Enclosing::NeverClosed(value)
    } else {
        Enclosing::Whole(value)
    })
}

/// The spans of all values that are not tables with headers.
fn plain_values(text: &str, table: &DeTable<'_>, found: &mut Vec<Range<usize>>) {
    for (_, value) in table {
        match value.get_ref() {
            DeValue::Table(inner) if !is_inline(text, value) => plain_values(text, inner, found),
            DeValue::Array(array) if array.iter().any(|each| has_header(text, each)) => {
                for element in array.iter() {
                    if let DeValue::Table(inner) = element.get_ref() {
                        plain_values(text, inner, found);
                    }
                }
            }
            _ => found.push(value.span()),
        }
    }
}

/// Whether a table stands in braces; its span is then the whole of it, and otherwise its header.
fn is_inline(text: &str, table: &Spanned<DeValue<'_>>) -> bool {
    text.as_bytes().get(table.span().start) == Some(&b'{')
}

fn has_header(text: &str, value: &Spanned<DeValue<'_>>) -> bool {
    matches!(value.get_ref(), DeValue::Table(_)) && !is_inline(text, value)
}

/// Whether a value ends with the file instead of its own delimiter.
fn is_never_closed(raw: &str) -> bool {
    let lacks = |close: &str| raw.len() < 2 * close.len() || !raw.ends_with(close);
    match raw.as_bytes() {
        [b'[', ..] => lacks("]"),
        [b'{', ..] => lacks("}"),
        [b'"', b'"', b'"', ..] => lacks("\"\"\""),
        [b'\'', b'\'', b'\'', ..] => lacks("'''"),
        _ => false,
    }
}

/// Whether a text goes on past the header of a table, up to the delimiter that opens another text.
fn has_swallowed_header(raw: &str) -> bool {
    let is_long = raw.starts_with("\"\"\"") || raw.starts_with("'''");
    is_long
        && raw
            .lines()
            .skip(1)
            .any(|line| line.trim_start().starts_with("[["))
}

fn line_start(text: &str, at: usize) -> usize {
    let before = &text.as_bytes()[..at.min(text.len())];
    before
        .iter()
        .rposition(|byte| *byte == b'\n')
        .map_or(0, |at| at + 1)
}

/// The end of the line, before its line break.
fn line_end(text: &str, at: usize) -> usize {
    let at = at.min(text.len());
    let after = text.as_bytes()[at..].iter();
    let length = after.take_while(|byte| **byte != b'\n').count();
    at + length
}

/// The next line that begins a header or a key.
fn next_statement(text: &str, from: usize) -> usize {
    next_line(text, from, |line| {
        let key = |c: char| c.is_ascii_alphanumeric() || "_-.".contains(c);
        let rest = line.trim_start_matches(key);
        is_header(line) || (rest.len() < line.len() && rest.trim_start().starts_with('='))
    })
}

fn next_header(text: &str, from: usize) -> usize {
    next_line(text, from, is_header)
}

fn is_header(line: &str) -> bool {
    let name = line.trim_start_matches('[');
    name.len() < line.len() && name.starts_with(|c: char| c.is_ascii_alphabetic())
}

fn next_line(text: &str, from: usize, wanted: impl Fn(&str) -> bool) -> usize {
    let mut at = from;
    for line in text[from..].split_inclusive('\n') {
        if at > from && wanted(line.trim_start()) {
            return at;
        }
        at += line.len();
    }
    text.len()
}

fn entries(text: &str, table: &DeTable<'_>) -> Vec<Entry> {
    let entry = |(key, value): (&Spanned<DeString<'_>>, &Spanned<DeValue<'_>>)| Entry {
        key: key.get_ref().to_string(),
        key_span: key.span(),
        node: node(text, value),
    };
    table.iter().map(entry).collect()
}

fn node(text: &str, spanned: &Spanned<DeValue<'_>>) -> Node {
    let mut span = spanned.span();
    let value = match spanned.get_ref() {
        DeValue::String(value) => Value::Text(value.to_string()),
        DeValue::Integer(number) => Value::Number(number.to_string()),
        DeValue::Float(number) => Value::Number(number.to_string()),
        DeValue::Boolean(boolean) => Value::Boolean(*boolean),
        DeValue::Datetime(moment) => Value::Moment(moment.to_string()),
        DeValue::Array(array) => Value::List(array.iter().map(|each| node(text, each)).collect()),
        DeValue::Table(table) => {
            if is_inline(text, spanned) {
                span.end = span.start + 1;
            }
            Value::Table(entries(text, table))
        }
    };
    Node { value, span }
}
