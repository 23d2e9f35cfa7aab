//! Located objects: what was written, with its places.
//!
//! An encoding gives a tree of [`Node`]s; `reader` turns it into [`Object`]s, whose fields have
//! known keys and checked values.

use std::ops::Range;
use std::str::FromStr;

use super::keys::{Key, Kind, Presence};
use crate::diag::{Location, Source};
use crate::model::Settings;

/// A text whose spans have places: a file, or a row of one.
pub(super) trait Text {
    /// The text.
    fn text(&self) -> &str;
    /// The place of a span of bytes of the text.
    fn location(&self, span: Range<usize>) -> Location;
}

impl Text for Source {
    fn text(&self) -> &str {
        self.text()
    }

    fn location(&self, span: Range<usize>) -> Location {
        self.location(span)
    }
}

/// A value of a file, whatever its encoding.
#[derive(Clone, Debug)]
pub(super) struct Node {
    /// What it is.
    pub(super) value: Value,
    /// The bytes of the value; of a table its header, or its opening brace.
    pub(super) span: Range<usize>,
}

/// The kinds of value that TOML and JSON have.
#[derive(Clone, Debug)]
pub(super) enum Value {
    Boolean(bool),
    List(Vec<Node>),
    /// A date or time of TOML, as text.
    Moment(String),
    Null,
    /// A number, as it is written.
    Number(String),
    Table(Vec<Entry>),
    Text(String),
}

/// A key of a table and its value.
#[derive(Clone, Debug)]
pub(super) struct Entry {
    pub(super) key: String,
    pub(super) key_span: Range<usize>,
    pub(super) node: Node,
}

/// A text and its place.
#[derive(Clone, Debug)]
pub(super) struct Word {
    pub(super) text: String,
    pub(super) location: Location,
}

/// An object whose keys and values have been checked.
#[derive(Debug)]
pub(super) struct Object {
    pub(super) kind: &'static Kind,
    /// Where it begins.
    pub(super) location: Location,
    /// What is written, each key once.
    pub(super) fields: Vec<Field>,
}

/// A key that is written, with its value.
#[derive(Debug)]
pub(super) struct Field {
    pub(super) key: &'static Key,
    /// The place of the value.
    pub(super) location: Location,
    pub(super) content: Content,
}

/// A value that its key takes.
#[derive(Debug)]
pub(super) enum Content {
    List(Vec<Word>),
    Objects(Vec<Object>),
    /// A text, a number, or a boolean: its canonical text.
    Scalar(String),
    /// Written, but not what the key takes: reported already.
    Unusable,
}

impl Object {
    /// Where it and its values stand.
    pub(super) fn settings(&self) -> Settings {
        let is_value = |field: &&Field| !matches!(field.content, Content::Objects(_));
        let place = |field: &Field| (field.key.name, field.location.clone());
        Settings {
            object: Some(self.location.clone()),
            values: self.fields.iter().filter(is_value).map(place).collect(),
        }
    }

    /// Where the value of a key stands, or the object where it is not written.
    pub(super) fn at(&self, key: &str) -> &Location {
        self.field(key)
            .map_or(&self.location, |field| &field.location)
    }

    /// Whether objects of its kind have the key.
    pub(super) fn knows(&self, key: &str) -> bool {
        self.kind.key(key).is_some()
    }

    /// Whether somebody wrote the key.
    pub(super) fn has(&self, key: &str) -> bool {
        self.field(key).is_some()
    }

    /// Whether the key is written with something other than an empty list.
    pub(super) fn states(&self, key: &str) -> bool {
        let empty = |field: &Field| matches!(&field.content, Content::List(l) if l.is_empty());
        self.field(key).is_some_and(|field| !empty(field))
    }

    /// Whether something was written for the key that cannot be used.
    pub(super) fn is_unusable(&self, key: &str) -> bool {
        self.field(key)
            .is_some_and(|field| matches!(field.content, Content::Unusable))
    }

    /// The text of a key, or its default.
    pub(super) fn text(&self, key: &str) -> Option<&str> {
        match (self.field(key).map(|f| &f.content), self.key(key).presence) {
            (Some(Content::Scalar(text)), _) => Some(text),
            (None | Some(Content::Unusable), Presence::Default(text)) => Some(text),
            _ => None,
        }
    }

    /// The text of a key with its place.
    pub(super) fn word(&self, key: &str) -> Option<Word> {
        Some(Word {
            text: self.text(key)?.to_owned(),
            location: self.at(key).clone(),
        })
    }

    /// The value of a key that takes true or false.
    pub(super) fn flag(&self, key: &str) -> bool {
        self.text(key) == Some("true")
    }

    /// The value of a key as another type, which reads every text that the key's format allows.
    pub(super) fn parse<T: FromStr>(&self, key: &str) -> Option<T> {
        self.text(key)?.parse().ok()
    }

    /// The variant whose spelling is the key's value.
    pub(super) fn choose<T: Copy>(
        &self,
        key: &str,
        variants: &[T],
        spelling: fn(T) -> &'static str,
    ) -> Option<T> {
        let text = self.text(key)?;
        variants
            .iter()
            .copied()
            .find(|variant| spelling(*variant) == text)
    }

    /// The texts of a key.
    pub(super) fn list(&self, key: &str) -> &[Word] {
        match self.field(key).map(|field| &field.content) {
            Some(Content::List(words)) => words,
            _ => &[],
        }
    }

    /// The texts of a key as another type.
    pub(super) fn parse_list<T: FromStr>(&self, key: &str) -> Vec<T> {
        let words = self.list(key).iter();
        words.filter_map(|word| word.text.parse().ok()).collect()
    }

    /// The objects of a key.
    pub(super) fn objects(&self, key: &str) -> &[Self] {
        match self.field(key).map(|field| &field.content) {
            Some(Content::Objects(objects)) => objects,
            _ => &[],
        }
    }

    fn field(&self, key: &str) -> Option<&Field> {
        self.fields.iter().find(|field| field.key.name == key)
    }

    fn key(&self, key: &str) -> &'static Key {
        self.kind
            .key(key)
            .unwrap_or_else(|| unreachable!("`{key}` is a key of `{}`", self.kind.path))
    }
}

/// The first line of a text, and not more than forty characters of it.
pub(super) fn shown(text: &str) -> String {
    let line = text.trim().lines().next().unwrap_or_default();
    match line.char_indices().nth(40) {
        Some((at, _)) => format!("{}…", &line[..at]),
        None if line.len() < text.trim().len() => format!("{line}…"),
        None => line.to_owned(),
    }
}

/// Names in back-ticks, with commas.
pub(super) fn listed<'a>(names: impl IntoIterator<Item = &'a str>) -> String {
    let names: Vec<String> = names.into_iter().map(|name| format!("`{name}`")).collect();
    names.join(", ")
}
