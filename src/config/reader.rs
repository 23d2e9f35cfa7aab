//! Located trees → objects: every key and value held against the table of keys.
//!
//! What is wrong is reported and then counts as written but unusable, so that one mistake is not
//! reported twice. A misspelled key counts as the one that was meant, for the same reason.

use std::ops::Range;

use super::keys::{Format, Key, Kind, Presence, Takes, WORLD};
use super::object::{Content, Entry, Field, Node, Object, Text, Value, Word, listed, shown};
use crate::diag::{Diagnostic, Location, did_you_mean};

/// Reads a tree as an object of a kind; a tree that is no table gives an object without fields.
pub(super) fn read(
    kind: &'static Kind,
    node: &Node,
    source: &dyn Text,
) -> (Object, Vec<Diagnostic>) {
    let mut reader = Reader {
        source,
        diagnostics: Vec::new(),
    };
    let object = match &node.value {
        Value::Table(entries) => reader.object(kind, entries, &node.span),
        _ => {
            reader.report(
                "wrong-type",
                &node.span,
                format!("a world is a table, not {}", noun(&node.value)),
                "begin with `{`".to_owned(),
            );
            reader.object(kind, &[], &node.span)
        }
    };
    (object, reader.diagnostics)
}

/// Reads a row whose cells have found their keys.
pub(super) fn cells(
    kind: &'static Kind,
    cells: Vec<(&'static Key, Node)>,
    source: &dyn Text,
) -> (Object, Vec<Diagnostic>) {
    let mut reader = Reader {
        source,
        diagnostics: Vec::new(),
    };
    let span = 0..source.text().len();
    let field = |(key, node): (&'static Key, Node)| Field {
        key,
        location: reader.location(&node.span),
        content: reader.content(key, &node),
    };
    let fields: Vec<Field> = cells.into_iter().map(field).collect();
    reader.missing(kind, &fields, &span);
    let location = reader.location(&span);
    let object = Object {
        kind,
        location,
        fields,
    };
    (object, reader.diagnostics)
}

struct Reader<'a> {
    source: &'a dyn Text,
    diagnostics: Vec<Diagnostic>,
}

impl Reader<'_> {
    fn object(&mut self, kind: &'static Kind, entries: &[Entry], span: &Range<usize>) -> Object {
        let mut fields: Vec<Field> = Vec::new();
        for entry in entries {
            let Some(key) = self.key(kind, entry, entries) else {
                continue;
            };
            if fields.iter().all(|field| field.key.name != key.name) {
                fields.push(Field {
                    key,
                    location: self.location(&entry.node.span),
                    content: self.content(key, &entry.node),
                });
            }
        }
        self.missing(kind, &fields, span);
        Object {
            kind,
            location: self.location(span),
            fields,
        }
    }

    /// The key an entry is for. A misspelled one counts as the key that was meant.
    fn key(
        &mut self,
        kind: &'static Kind,
        entry: &Entry,
        entries: &[Entry],
    ) -> Option<&'static Key> {
        if let Some(key) = kind.key(&entry.key) {
            return Some(key);
        }
        let names = || kind.keys.iter().map(|key| key.name);
        let meant = did_you_mean(&entry.key, names());
        let help = match meant {
            Some(meant) => format!("did you mean `{meant}`?"),
            None => {
                elsewhere(&entry.key).unwrap_or_else(|| format!("its keys are {}", listed(names())))
            }
        };
        let message = match kind.path {
            "World" => format!("`{}` is not a key of a world", shown(&entry.key)),
            _ => format!("`{}` is not a key of `{}`", shown(&entry.key), kind.name()),
        };
        self.report("unknown-key", &entry.key_span, message, help);
        meant
            .filter(|meant| entries.iter().all(|other| other.key != *meant))
            .and_then(|meant| kind.key(meant))
    }

    fn missing(&mut self, kind: &'static Kind, fields: &[Field], span: &Range<usize>) {
        let absent = kind
            .keys
            .iter()
            .filter(|key| matches!(key.presence, Presence::Required))
            .filter(|key| fields.iter().all(|field| field.key.name != key.name));
        for key in absent {
            let message = format!("`{}` has no `{}`", kind.name(), key.name);
            let help = format!("add `{}`: {}", key.name, phrase(key.says));
            self.report("missing-key", span, message, help);
        }
    }

    fn content(&mut self, key: &'static Key, node: &Node) -> Content {
        let scalar = |text: Option<String>| text.map_or(Content::Unusable, Content::Scalar);
        match key.takes {
            Takes::Boolean => scalar(self.boolean(key, node)),
            Takes::Choice(words) => {
                let text = self.text(key, node);
                scalar(text.and_then(|text| self.choice(key, words, &text, &node.span)))
            }
            Takes::List(format) => self.list(key, format, node, false),
            Takes::Moment(format) | Takes::Size(format) | Takes::Text(format) => {
                scalar(self.checked(key, format, node))
            }
            Takes::Object(kind) => self.one_object(key, kind, node),
            Takes::Objects(kind) => self.objects(key, kind, node),
            Takes::OneOrMany(format) => self.list(key, format, node, true),
            Takes::Whole(least, most) => scalar(self.whole(key, (least, most), node)),
            Takes::Words(words) => self.words(key, words, node),
        }
    }

    fn boolean(&mut self, key: &Key, node: &Node) -> Option<String> {
        if let Value::Boolean(value) = node.value {
            return Some(value.to_string());
        }
        self.wrong_type(key, node);
        None
    }

    fn whole(&mut self, key: &Key, (least, most): (u32, u32), node: &Node) -> Option<String> {
        let Value::Number(text) = &node.value else {
            self.wrong_type(key, node);
            return None;
        };
        // TOML allows underscores between digits.
        match text.replace('_', "").parse::<u32>() {
            Ok(number) if (least..=most).contains(&number) => Some(number.to_string()),
            _ => {
                let message = format!("`{}` is not a value of `{}`", shown(text), key.name);
                let help = format!("write a whole number from {least} to {most}");
                self.report("invalid-value", &node.span, message, help);
                None
            }
        }
    }

    /// The text of a value, where the key takes text.
    fn text(&mut self, key: &Key, node: &Node) -> Option<String> {
        match (&node.value, key.takes) {
            (Value::Text(text), _)
            | (Value::Moment(text), Takes::Moment(_))
            | (Value::Number(text), Takes::Size(_)) => Some(text.clone()),
            _ => {
                self.wrong_type(key, node);
                None
            }
        }
    }

    fn checked(&mut self, key: &Key, format: &Format, node: &Node) -> Option<String> {
        let text = self.text(key, node)?;
        self.fits(format, &text, &node.span).then_some(text)
    }

    fn fits(&mut self, format: &Format, text: &str, span: &Range<usize>) -> bool {
        match (format.check)(text) {
            Ok(()) => true,
            Err(mistake) => {
                let place = self.location(span);
                self.diagnostics.push(mistake.at(&place, format));
                false
            }
        }
    }

    /// The word in its own spelling; Exchange reads values without regard to case.
    fn choice(
        &mut self,
        key: &Key,
        words: &'static [&'static str],
        text: &str,
        span: &Range<usize>,
    ) -> Option<String> {
        if let Some(word) = words.iter().find(|word| word.eq_ignore_ascii_case(text)) {
            return Some((*word).to_owned());
        }
        let help = match did_you_mean(text, words.iter().copied()) {
            Some(meant) => format!("did you mean `{meant}`?"),
            None => format!("its values are {}", listed(words.iter().copied())),
        };
        let message = format!("`{}` is not a value of `{}`", shown(text), key.name);
        self.report("invalid-value", span, message, help);
        None
    }

    fn list(&mut self, key: &Key, format: &Format, node: &Node, or_one: bool) -> Content {
        let nodes = match &node.value {
            Value::List(nodes) => nodes.as_slice(),
            Value::Text(_) if or_one => std::slice::from_ref(node),
            _ => {
                self.wrong_type(key, node);
                return Content::Unusable;
            }
        };
        let mut words = Vec::new();
        for element in nodes {
            let Value::Text(text) = &element.value else {
                self.wrong_element(key, format.example, element);
                continue;
            };
            if self.fits(format, text, &element.span) {
                words.push(Word {
                    text: text.clone(),
                    location: self.location(&element.span),
                });
            }
        }
        self.filled(key, nodes, node, words)
    }

    /// A list that must not be empty and is, or has nothing usable in it, cannot be used.
    fn filled(&mut self, key: &Key, nodes: &[Node], node: &Node, words: Vec<Word>) -> Content {
        if nodes.is_empty() && matches!(key.presence, Presence::Required) {
            let message = format!("`{}` is empty", key.name);
            let help = format!("write at least one: {}", phrase(key.says));
            self.report("invalid-value", &node.span, message, help);
        }
        let unusable =
            words.is_empty() && (!nodes.is_empty() || matches!(key.presence, Presence::Required));
        if unusable {
            Content::Unusable
        } else {
            Content::List(words)
        }
    }

    /// Words in a list, or in a text with commas between them.
    fn words(&mut self, key: &Key, known: &'static [&'static str], node: &Node) -> Content {
        let written: Vec<(String, Range<usize>)> = match &node.value {
            Value::Text(text) => text
                .split(',')
                .map(|word| (word.trim().to_owned(), node.span.clone()))
                .collect(),
            Value::List(nodes) => {
                let mut written = Vec::new();
                for element in nodes {
                    match &element.value {
                        Value::Text(text) => written.push((text.clone(), element.span.clone())),
                        _ => self.wrong_element(key, known.last().unwrap_or(&""), element),
                    }
                }
                written
            }
            _ => {
                self.wrong_type(key, node);
                return Content::Unusable;
            }
        };
        let words = written.into_iter().filter_map(|(text, span)| {
            let text = self.choice(key, known, &text, &span)?;
            let location = self.location(&span);
            Some(Word { text, location })
        });
        Content::List(words.collect())
    }

    fn one_object(&mut self, key: &Key, kind: &'static Kind, node: &Node) -> Content {
        let table = match &node.value {
            Value::Table(_) => node,
            Value::List(nodes) => {
                let message = format!("`{}` is a list, and one table is wanted", key.name);
                let help = format!("write `[{0}]` in TOML, `\"{0}\": {{…}}` in JSON", kind.path);
                self.report("wrong-type", &node.span, message, help);
                match nodes.first() {
                    Some(first) => first,
                    None => return Content::Unusable,
                }
            }
            _ => {
                self.wrong_type(key, node);
                return Content::Unusable;
            }
        };
        match &table.value {
            Value::Table(entries) => {
                Content::Objects(vec![self.object(kind, entries, &table.span)])
            }
            _ => Content::Unusable,
        }
    }

    fn objects(&mut self, key: &Key, kind: &'static Kind, node: &Node) -> Content {
        let nodes = match &node.value {
            Value::List(nodes) => nodes.as_slice(),
            Value::Table(_) => {
                let message = format!("`{}` is one table, and a list of them is wanted", key.name);
                let help = format!(
                    "write `[[{0}]]` in TOML, `\"{1}\": [{{…}}]` in JSON",
                    kind.path, key.name
                );
                self.report("wrong-type", &node.span, message, help);
                std::slice::from_ref(node)
            }
            _ => {
                self.wrong_type(key, node);
                return Content::Unusable;
            }
        };
        let mut objects = Vec::new();
        for element in nodes {
            match &element.value {
                Value::Table(entries) => objects.push(self.object(kind, entries, &element.span)),
                _ => self.wrong_element(key, "a table", element),
            }
        }
        Content::Objects(objects)
    }

    fn wrong_type(&mut self, key: &Key, node: &Node) {
        let (wanted, help) = wanted(key.takes);
        let (message, help) = match node.value {
            Value::Null => (
                format!("`{}` takes {wanted}, not `null`", key.name),
                "leave the key out where there is no value".to_owned(),
            ),
            _ => (
                format!(
                    "`{}` takes {wanted}, and `{}` is {}",
                    key.name,
                    self.written(&node.span),
                    noun(&node.value)
                ),
                help,
            ),
        };
        self.report("wrong-type", &node.span, message, help);
    }

    fn wrong_element(&mut self, key: &Key, example: &str, node: &Node) {
        let message = format!(
            "`{}` in `{}` is {}",
            self.written(&node.span),
            key.name,
            noun(&node.value)
        );
        let help = match key.takes {
            Takes::Objects(_) => "write a table".to_owned(),
            _ => format!("write text, as in `\"{example}\"`"),
        };
        self.report("wrong-type", &node.span, message, help);
    }

    /// What stands in the file, shortened.
    fn written(&self, span: &Range<usize>) -> String {
        shown(self.source.text().get(span.clone()).unwrap_or_default())
    }

    fn report(&mut self, code: &'static str, span: &Range<usize>, message: String, help: String) {
        let place = self.location(span);
        self.diagnostics
            .push(Diagnostic::new(code, Some(place), message).help(help));
    }

    fn location(&self, span: &Range<usize>) -> Location {
        self.source.location(span.clone())
    }
}

/// A sentence as part of another.
fn phrase(sentence: &str) -> String {
    let (first, rest) = sentence.split_at(1);
    format!("{}{}", first.to_lowercase(), rest.trim_end_matches('.'))
}

/// Where a key that an object does not have would be at home.
fn elsewhere(key: &str) -> Option<String> {
    let kinds = WORLD.all();
    let homes = kinds.iter().filter(|kind| kind.key(key).is_some());
    let homes: Vec<&str> = homes.map(|kind| kind.path).collect();
    let message = || format!("it is a key of {}", listed(homes.iter().copied()));
    (!homes.is_empty()).then(message)
}

fn noun(value: &Value) -> &'static str {
    match value {
        Value::Boolean(_) => "a boolean",
        Value::List(_) => "a list",
        Value::Moment(_) => "a date",
        Value::Null => "null",
        Value::Number(_) => "a number",
        Value::Table(_) => "a table",
        Value::Text(_) => "text",
    }
}

/// What a key takes, and how that is written.
fn wanted(takes: Takes) -> (String, String) {
    let quoted = |format: &Format| format!("write it in quotes, as in `\"{}\"`", format.example);
    let listed_as = |format: &Format| format!("write a list, as in `[\"{}\"]`", format.example);
    match takes {
        Takes::Boolean => (
            "true or false".to_owned(),
            "write `true` or `false`, without quotes".to_owned(),
        ),
        Takes::Choice(words) => (
            "text".to_owned(),
            format!("write one of {}, in quotes", listed(words.iter().copied())),
        ),
        Takes::List(format) => ("a list".to_owned(), listed_as(format)),
        Takes::Moment(format) | Takes::Size(format) | Takes::Text(format) => {
            (format.noun.to_owned(), quoted(format))
        }
        Takes::Object(kind) => (
            "a table".to_owned(),
            format!("write `[{}]` in TOML, `{{…}}` in JSON", kind.path),
        ),
        Takes::Objects(kind) => (
            "a list of tables".to_owned(),
            format!("write `[[{}]]` in TOML, `[{{…}}]` in JSON", kind.path),
        ),
        Takes::OneOrMany(format) => ("text or a list".to_owned(), listed_as(format)),
        Takes::Whole(least, most) => (
            "a whole number".to_owned(),
            format!("write a number from {least} to {most}, without quotes"),
        ),
        Takes::Words(words) => (
            "a list".to_owned(),
            format!("write a list of {}", listed(words.iter().copied())),
        ),
    }
}
