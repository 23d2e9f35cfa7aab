//! What the table of keys is made of.

use crate::diag::Diagnostic;

/// A kind of object: one table of a world's file.
#[derive(Debug)]
pub(in crate::config) struct Kind {
    /// The key it stands under, with those above it: `OnPremises.Servers`.
    pub(in crate::config) path: &'static str,
    /// What it is, in one sentence.
    pub(in crate::config) says: &'static str,
    /// Its keys, in the order in which they are documented.
    pub(in crate::config) keys: &'static [Key],
}

impl Kind {
    /// The key with exactly this spelling.
    pub(in crate::config) fn key(&self, name: &str) -> Option<&'static Key> {
        self.keys.iter().find(|key| key.name == name)
    }

    /// The last part of the path, as messages call the object.
    pub(in crate::config) fn name(&self) -> &'static str {
        self.path
            .rsplit_once('.')
            .map_or(self.path, |(_, last)| last)
    }

    /// This kind and every kind below it.
    pub(in crate::config) fn all(&'static self) -> Vec<&'static Self> {
        let mut found = vec![self];
        for key in self.keys {
            if let Takes::Object(kind) | Takes::Objects(kind) = key.takes {
                found.extend(kind.all());
            }
        }
        found
    }
}

/// One key of a kind of object.
#[derive(Debug)]
pub(in crate::config) struct Key {
    /// Its spelling, which is Exchange's.
    pub(in crate::config) name: &'static str,
    /// What it means, in one sentence.
    pub(in crate::config) says: &'static str,
    /// What may be written.
    pub(in crate::config) takes: Takes,
    /// Whether it must be written, and what holds where it is not.
    pub(in crate::config) presence: Presence,
}

/// What may be written for a key.
#[derive(Clone, Copy, Debug)]
pub(in crate::config) enum Takes {
    /// True or false.
    Boolean,
    /// One of these words, in any case.
    Choice(&'static [&'static str]),
    /// Several texts of a format.
    List(&'static Format),
    /// One table.
    Object(&'static Kind),
    /// A list of tables.
    Objects(&'static Kind),
    /// One text of a format, or several.
    OneOrMany(&'static Format),
    /// A size as Exchange writes it, or a number of bytes.
    Size(&'static Format),
    /// One text of a format.
    Text(&'static Format),
    /// A moment, as a date of TOML or as text.
    Moment(&'static Format),
    /// A whole number between two others.
    Whole(u32, u32),
    /// Some of these words: a list, or text with commas between them.
    Words(&'static [&'static str]),
}

/// Whether a key must be written.
#[derive(Clone, Copy, Debug)]
pub(in crate::config) enum Presence {
    /// This holds where it is not written.
    Default(&'static str),
    /// It may be absent; the sentence says what that means.
    Optional,
    /// It must be written, and a list must not be empty.
    Required,
}

/// What a text must look like.
#[derive(Debug)]
pub(in crate::config) struct Format {
    /// What it is, with its article.
    pub(in crate::config) noun: &'static str,
    /// A text that is one.
    pub(in crate::config) example: &'static str,
    /// Says what is wrong with a text.
    pub(in crate::config) check: fn(&str) -> Result<(), Mistake>,
}

/// What is wrong with a text.
#[derive(Debug, Default)]
pub(in crate::config) struct Mistake {
    message: String,
    help: Option<String>,
}

impl Mistake {
    /// A mistake whose help is the example of the format.
    pub(in crate::config) fn new(message: impl Into<String>) -> Self {
        Self {
            message: message.into(),
            ..Self::default()
        }
    }

    /// Says what to do instead.
    pub(in crate::config) fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }

    /// The diagnostic that says so at a place.
    pub(in crate::config) fn at(
        self,
        place: &crate::diag::Location,
        format: &Format,
    ) -> Diagnostic {
        let help = self
            .help
            .unwrap_or_else(|| format!("as in `{}`", format.example));
        let diagnostic = Diagnostic::new("invalid-value", Some(place.clone()), self.message);
        diagnostic.help(help)
    }
}

const fn key(name: &'static str, takes: Takes, says: &'static str) -> Key {
    Key {
        name,
        says,
        takes,
        presence: Presence::Optional,
    }
}

/// A key that takes true or false.
pub(super) const fn boolean(name: &'static str, default: &'static str, says: &'static str) -> Key {
    key(name, Takes::Boolean, says).default(default)
}

/// A key that takes true or false, and whose default depends on something else.
pub(super) const fn switch(name: &'static str, says: &'static str) -> Key {
    key(name, Takes::Boolean, says)
}

/// A key that takes a whole number, without a default.
pub(super) const fn number(name: &'static str, bounds: (u32, u32), says: &'static str) -> Key {
    key(name, Takes::Whole(bounds.0, bounds.1), says)
}

/// A key that takes one of some words.
pub(super) const fn choice(
    name: &'static str,
    words: &'static [&'static str],
    says: &'static str,
) -> Key {
    key(name, Takes::Choice(words), says)
}

/// A key that takes a list of texts.
pub(super) const fn list(name: &'static str, format: &'static Format, says: &'static str) -> Key {
    key(name, Takes::List(format), says)
}

/// A key that takes one text or several.
pub(super) const fn one_or_many(
    name: &'static str,
    format: &'static Format,
    says: &'static str,
) -> Key {
    key(name, Takes::OneOrMany(format), says)
}

/// A key that takes a moment.
pub(super) const fn moment(name: &'static str, format: &'static Format, says: &'static str) -> Key {
    key(name, Takes::Moment(format), says)
}

/// A key that takes a table.
pub(super) const fn object(kind: &'static Kind, name: &'static str) -> Key {
    key(name, Takes::Object(kind), kind.says)
}

/// A key that takes a list of tables.
pub(super) const fn objects(kind: &'static Kind, name: &'static str) -> Key {
    key(name, Takes::Objects(kind), kind.says)
}

/// A key that takes a size.
pub(super) const fn size(
    name: &'static str,
    format: &'static Format,
    default: &'static str,
    says: &'static str,
) -> Key {
    key(name, Takes::Size(format), says).default(default)
}

/// A key that takes a size, without a default.
pub(super) const fn size_without_default(
    name: &'static str,
    format: &'static Format,
    says: &'static str,
) -> Key {
    key(name, Takes::Size(format), says)
}

/// A key that takes text.
pub(super) const fn text(name: &'static str, format: &'static Format, says: &'static str) -> Key {
    key(name, Takes::Text(format), says)
}

/// A key that takes a whole number.
pub(super) const fn whole(
    name: &'static str,
    bounds: (u32, u32),
    default: &'static str,
    says: &'static str,
) -> Key {
    key(name, Takes::Whole(bounds.0, bounds.1), says).default(default)
}

/// A key that takes some of a set of words.
pub(super) const fn words(
    name: &'static str,
    known: &'static [&'static str],
    says: &'static str,
) -> Key {
    key(name, Takes::Words(known), says)
}

impl Key {
    /// The same key, which holds this where it is not written.
    pub(super) const fn default(mut self, value: &'static str) -> Self {
        self.presence = Presence::Default(value);
        self
    }

    /// The same key, which must be written.
    pub(super) const fn required(mut self) -> Self {
        self.presence = Presence::Required;
        self
    }
}
