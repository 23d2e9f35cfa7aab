//! JSON (RFC 8259): text → a located tree.
//!
//! Bugs: reading stops at the first syntax error.

use std::collections::BTreeMap;
use std::ops::Range;

use jsonc_parser::ast;
use jsonc_parser::common::Ranged;
use jsonc_parser::errors::{ParseError, ParseErrorKind};
use jsonc_parser::{CollectOptions, CommentCollectionStrategy, ParseOptions, parse_to_ast};

use super::object::{Entry, Node, Text, Value, shown};
use crate::diag::Diagnostic;

/// Everything that JSON proper does not have is off.
const STRICT: ParseOptions = ParseOptions {
    allow_comments: false,
    allow_loose_object_property_names: false,
    allow_trailing_commas: false,
    allow_missing_commas: false,
    allow_single_quoted_strings: false,
    allow_hexadecimal_numbers: false,
    allow_unary_plus_numbers: false,
    allow_bare_decimal_point_numbers: false,
    allow_non_finite_numbers: false,
    allow_extended_string_escapes: false,
};

/// Reads a text; the tree is absent where the syntax is broken.
pub(super) fn parse(source: &dyn Text) -> (Option<Node>, Vec<Diagnostic>) {
    // A byte order mark is no part of the text, but counts in offsets.
    let text = source.text().trim_start_matches('\u{feff}');
    let mut reader = Reader {
        source,
        base: source.text().len() - text.len(),
        diagnostics: Vec::new(),
    };
    let collect = CollectOptions {
        comments: CommentCollectionStrategy::Off,
        tokens: false,
    };
    let node = match parse_to_ast(text, &collect, &STRICT) {
        Ok(parsed) => parsed.value.map(|value| reader.node(&value)),
        Err(error) => {
            reader.syntax(&error);
            None
        }
    };
    (node, reader.diagnostics)
}

struct Reader<'a> {
    source: &'a dyn Text,
    base: usize,
    diagnostics: Vec<Diagnostic>,
}

impl Reader<'_> {
    fn span(&self, ranged: &impl Ranged) -> Range<usize> {
        let range = ranged.range();
        range.start + self.base..range.end + self.base
    }

    fn node(&mut self, value: &ast::Value<'_>) -> Node {
        let mut span = self.span(value);
        let value = match value {
            ast::Value::StringLit(text) => Value::Text(text.value.to_string()),
            ast::Value::NumberLit(number) => Value::Number(number.value.to_owned()),
            ast::Value::BooleanLit(boolean) => Value::Boolean(boolean.value),
            ast::Value::Object(object) => {
                span.end = span.start + 1;
                Value::Table(self.entries(object))
            }
            ast::Value::Array(array) => {
                Value::List(array.elements.iter().map(|each| self.node(each)).collect())
            }
            ast::Value::NullKeyword(_) => Value::Null,
        };
        Node { value, span }
    }

    fn entries(&mut self, object: &ast::Object<'_>) -> Vec<Entry> {
        let mut entries: Vec<Entry> = Vec::new();
        let mut seen = BTreeMap::new();
        for property in &object.properties {
            let entry = Entry {
                key: property.name.as_str().to_owned(),
                key_span: self.span(&property.name),
                node: self.node(&property.value),
            };
            match seen.get(&entry.key) {
                Some(first) => {
                    let first = self.source.location(Range::clone(first));
                    let message = format!("`{}` stands here twice", shown(&entry.key));
                    let place = self.source.location(entry.key_span);
                    self.diagnostics.push(
                        Diagnostic::new("invalid-syntax", Some(place), message)
                            .because(format!("the first is at {first}"))
                            .help("remove one of the two"),
                    );
                }
                None => {
                    seen.insert(entry.key.clone(), entry.key_span.clone());
                    entries.push(entry);
                }
            }
        }
        entries
    }

    fn syntax(&mut self, error: &ParseError) {
        let range = error.range();
        let span = range.start + self.base..range.end + self.base;
        let text = self.source.text();
        let place = self.source.location(span.clone());
        let line = text[..span.start.min(text.len())]
            .rfind('\n')
            .map_or(0, |at| at + 1);
        let line = shown(
            text.get(line..)
                .unwrap_or_default()
                .lines()
                .next()
                .unwrap_or_default(),
        );
        let mut message = error.kind().to_string();
        if let Some(first) = message.get_mut(..1) {
            first.make_ascii_lowercase();
        }
        self.diagnostics.push(
            Diagnostic::new(
                "invalid-syntax",
                Some(place),
                if line.is_empty() {
                    format!("the file ends too soon: {message}")
                } else {
                    format!("`{line}`: {message}")
                },
            )
            .help(help(error.kind())),
        );
    }
}

fn help(kind: &ParseErrorKind) -> &'static str {
    match kind {
        ParseErrorKind::CommentsNotAllowed => {
            "JSON has no comments: remove it, or write the world in TOML"
        }
        ParseErrorKind::ExpectedComma => "put a comma between the two",
        ParseErrorKind::ExpectedColonAfterObjectKey => "write `\"key\": value`",
        ParseErrorKind::ExpectedStringObjectProperty
        | ParseErrorKind::SingleQuotedStringsNotAllowed => "put it in double quotes",
        ParseErrorKind::TrailingCommasNotAllowed => "remove the comma before the closing bracket",
        ParseErrorKind::UnterminatedArray => "close the list with `]`",
        ParseErrorKind::UnterminatedObject => "close the object with `}`",
        ParseErrorKind::NestingDepthExceeded => "a world nests no deeper than five levels",
        _ => "compare with `{\"key\": \"text\", \"other\": [\"a\", \"b\"]}` (RFC 8259)",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diag::Source;

    #[test]
    fn mistakes_are_placed() {
        for (text, place) in [
            ("{\"a\": 1,}", "w.json:1:8"),
            ("{\"a\": 1,\n\"a\": 2}", "w.json:2:1"),
            ("{\n// x\n}", "w.json:2:1"),
            ("\u{feff}{\"a\" 1}", "w.json:1:6"),
        ] {
            let (_, found) = parse(&Source::new("w.json", text));
            let places: Vec<String> = found
                .iter()
                .flat_map(|d| &d.location)
                .map(ToString::to_string)
                .collect();
            assert_eq!(places, [place], "{text}");
        }
    }

    #[test]
    fn depth_is_limited() {
        let (node, found) = parse(&Source::new("w.json", &"[".repeat(100_000)));
        assert!(node.is_none());
        assert_eq!(found.len(), 1);
    }
}
