//! Changes of a world's file as text, in the file's own syntax.

use super::finding::Edit;
use crate::diag::Location;
use crate::mail::Mailbox;
use crate::model::Settings;

/// Whether a place is in a world's own file, in whose syntax edits are written.
///
/// Choice: side files are exports, which are made anew once the script has run; they are not edited.
pub(super) fn is_in_world(location: &Location) -> bool {
    let ending = location.file.rsplit('.').next().unwrap_or_default();
    let is_ending = |other: &&str| ending.eq_ignore_ascii_case(other);
    !["csv", "jsonl", "ndjson"].iter().any(is_ending)
}

/// Texts quoted as TOML and JSON both quote them, in brackets.
pub(super) fn list(items: impl IntoIterator<Item = String>) -> String {
    let items: Vec<String> = items.into_iter().map(|item| quoted(&item)).collect();
    format!("[{}]", items.join(", "))
}

/// A list for `EmailAddresses`, in which the prefix of the primary address is in capitals.
pub(super) fn addresses<'a>(
    all: impl IntoIterator<Item = &'a Mailbox>,
    primary: &Mailbox,
) -> String {
    let prefix = |address| if address == primary { "SMTP" } else { "smtp" };
    let all = all.into_iter();
    list(all.map(|address| format!("{}:{address}", prefix(address))))
}

/// A text as TOML and JSON both quote it.
pub(super) fn quoted(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
}

/// Replaces what stands at a location.
pub(super) fn replace(location: &Location, set: String) -> Edit {
    Edit {
        location: location.clone(),
        set,
    }
}

/// Inserts a new object before its sibling: `path` is the list's name in TOML, such as
/// `OnPremises.AcceptedDomains`; values are written as TOML and JSON both write them.
pub(super) fn insert_object(sibling: &Location, path: &str, keys: &[(&str, String)]) -> Edit {
    let location = Location {
        length: 0,
        ..sibling.clone()
    };
    let set = if is_json(sibling) {
        let keys: Vec<String> = keys
            .iter()
            .map(|(key, value)| format!("\"{key}\": {value}"))
            .collect();
        format!("{{ {} }},\n", keys.join(", "))
    } else {
        let keys: Vec<String> = keys
            .iter()
            .map(|(key, value)| format!("{key} = {value}\n"))
            .collect();
        format!("[[{path}]]\n{}\n", keys.concat())
    };
    Edit { location, set }
}

/// Inserts a new object of an organization: before a sibling, or as the first of its kind.
pub(super) fn add_object(
    organization: &Settings,
    sibling: Option<&Location>,
    path: &str,
    keys: &[(&str, String)],
) -> Option<Edit> {
    match sibling {
        Some(sibling) => Some(insert_object(sibling, path, keys)),
        None => insert_first_object(organization, path, keys),
    }
}

/// Writes a key behind another of the same object, whose value stands at `after`.
pub(super) fn add_key(after: &Location, key: &str, value: &str) -> Edit {
    let location = Location {
        offset: after.offset + after.length,
        length: 0,
        ..after.clone()
    };
    let set = if is_json(after) {
        format!(", \"{key}\": {value}")
    } else {
        format!("\n{key} = {value}")
    };
    Edit { location, set }
}

/// Gives a key of an object a value: in the place of what is written, else as a new key.
pub(super) fn set_key(settings: &Settings, key: &str, value: &str) -> Option<Edit> {
    if let Some(at) = settings.written(key) {
        return Some(replace(at, value.to_owned()));
    }
    let name = settings.written("Name");
    let after = name.or_else(|| settings.values.first().map(|(_, at)| at))?;
    Some(add_key(after, key, value))
}

/// Takes an object without objects of its own away: in TOML from its header to the end of its last
/// value; in braces what lies between it and a sibling as well, of which there must be one. `siblings`
/// are the objects of its list, itself among them or not.
pub(super) fn remove_object<'a>(
    settings: &Settings,
    siblings: impl IntoIterator<Item = &'a Settings>,
) -> Option<Edit> {
    let own = settings.object.as_ref()?;
    if !is_inline(own) {
        return Some(cut(own, own.offset, last_byte(settings)?));
    }
    let begins = |sibling: &Settings| {
        let object = sibling.object.as_ref();
        object.filter(|at| at.file == own.file).map(|at| at.offset)
    };
    let siblings: Vec<&Settings> = siblings.into_iter().collect();
    let following = siblings.iter().copied().filter_map(begins);
    if let Some(next) = following.filter(|at| *at > own.offset).min() {
        return Some(cut(own, own.offset, next));
    }
    // Its closing brace then serves the one before it.
    let earlier = siblings
        .into_iter()
        .filter(|sibling| begins(sibling) < Some(own.offset));
    let before = earlier.max_by_key(|sibling| begins(sibling))?;
    Some(cut(own, last_byte(before)?, last_byte(settings)?))
}

/// Inserts the first object of a kind behind the keys of the organization that it belongs to: `path` is
/// the list's name in TOML, such as `OnPremises.AcceptedDomains`.
fn insert_first_object(
    organization: &Settings,
    path: &str,
    keys: &[(&str, String)],
) -> Option<Edit> {
    let object = organization.object.as_ref()?;
    let at = last_byte(organization)?;
    let new = insert_object(object, path, keys).set;
    let new = new.trim_end().trim_end_matches(',');
    let set = if is_inline(object) {
        let kind = path.rsplit('.').next().unwrap_or(path);
        format!(", {}: [{new}]", quoted(kind))
    } else {
        format!("\n\n{new}")
    };
    Some(Edit {
        set,
        ..cut(object, at, at)
    })
}

/// Takes a key away, with what stands between it and what is written before it.
pub(super) fn remove_key(settings: &Settings, key: &str) -> Option<Edit> {
    let value = settings.written(key)?;
    let begins = |at: &Location| at.offset + at.length;
    let earlier = settings.values.iter().map(|(_, at)| at);
    let header = settings.object.iter().filter(|at| !is_json(at));
    let before = earlier
        .chain(header)
        .filter(|at| at.file == value.file && begins(at) <= value.offset)
        .max_by_key(|at| at.offset)?;
    let location = Location {
        offset: begins(before),
        length: begins(value) - begins(before),
        ..before.clone()
    };
    Some(Edit {
        location,
        set: String::new(),
    })
}

/// The first byte behind the last value of an object, or behind its header.
fn last_byte(settings: &Settings) -> Option<usize> {
    let object = settings.object.as_ref()?;
    let own = |at: &&Location| at.file == object.file;
    let values = settings.values.iter().map(|(_, at)| at).filter(own);
    let end = |at: &Location| at.offset + at.length;
    values.chain([object]).map(end).max()
}

/// Takes the bytes from one offset to another away.
fn cut(like: &Location, from: usize, to: usize) -> Edit {
    let location = Location {
        offset: from,
        length: to - from,
        ..like.clone()
    };
    Edit {
        location,
        set: String::new(),
    }
}

/// Whether an object stands in braces: its place is then the first of them, else its header.
fn is_inline(object: &Location) -> bool {
    is_json(object) || object.length == 1
}

/// Makes an object one of another list: `path` is that list's name in TOML. In JSON an object cannot
/// move.
pub(super) fn move_object(settings: &Settings, path: &str) -> Option<Edit> {
    let header = settings.object.as_ref().filter(|at| !is_json(at))?;
    Some(replace(header, format!("[[{path}]]")))
}

/// Writes a line of a zone where its records begin.
pub(super) fn insert_record(zone: &Location, record: &str) -> Edit {
    let end = if is_json(zone) { "\\n" } else { "\n" };
    Edit {
        location: Location {
            length: 0,
            ..zone.clone()
        },
        set: format!("{record}{end}"),
    }
}

fn is_json(location: &Location) -> bool {
    location
        .file
        .rsplit('.')
        .next()
        .is_some_and(|end| end.eq_ignore_ascii_case("json"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diag::Source;

    /// An object of a file: the text of its header, and its keys with the texts of their values.
    fn settings(file: &str, text: &str, header: &str, values: &[(&'static str, &str)]) -> Settings {
        let source = Source::new(file, text);
        let place = |part: &str| {
            let start = text.find(part).expect("a part of the text");
            source.location(start..start + part.len())
        };
        Settings {
            object: Some(place(header)),
            values: values
                .iter()
                .map(|(key, value)| (*key, place(value)))
                .collect(),
        }
    }

    fn applied(text: &str, edit: &Edit) -> String {
        let mut text = text.to_owned();
        let end = edit.location.offset + edit.location.length;
        text.replace_range(edit.location.offset..end, &edit.set);
        text
    }

    #[test]
    fn a_key_goes_with_what_stands_before_it() {
        let text = "[[A]]\nX = 1\nY = \"two\"\n";
        let object = settings("w.toml", text, "[[A]]", &[("X", "1"), ("Y", "\"two\"")]);
        let without = |key| applied(text, &remove_key(&object, key).expect("the key is written"));
        assert_eq!(without("Y"), "[[A]]\nX = 1\n");
        assert_eq!(without("X"), "[[A]]\nY = \"two\"\n");
        assert_eq!(remove_key(&object, "Z"), None);
        let moved = move_object(&object, "B.C").expect("a table has a header");
        assert!(applied(text, &moved).starts_with("[[B.C]]\nX"));
    }

    #[test]
    fn a_key_is_replaced_or_added() {
        let text = "[[A]]\nName = \"a\"\nX = 1\n";
        let object = settings("w.toml", text, "[[A]]", &[("Name", "\"a\""), ("X", "1")]);
        let with = |key| applied(text, &set_key(&object, key, "2").expect("it has keys"));
        assert_eq!(with("X"), "[[A]]\nName = \"a\"\nX = 2\n");
        assert_eq!(with("Y"), "[[A]]\nName = \"a\"\nY = 2\nX = 1\n");
        let empty = settings("w.toml", text, "[[A]]", &[]);
        assert_eq!(set_key(&empty, "Y", "2"), None);
    }

    #[test]
    fn an_object_goes_with_its_keys() {
        let text = "[[A]]\nX = 1\nY = [2]\n\n[[B]]\nZ = 3\n";
        let object = settings("w.toml", text, "[[A]]", &[("X", "1"), ("Y", "[2]")]);
        let edit = remove_object(&object, []).expect("a table has a header");
        assert_eq!(applied(text, &edit), "\n\n[[B]]\nZ = 3\n");
    }

    #[test]
    fn in_braces_an_object_goes_with_its_comma() {
        for file in ["w.json", "w.toml"] {
            let text = "[{ A: 1 }, ( B: 2 }, < C: 3 }]";
            let object = |brace, value| settings(file, text, brace, &[("X", value)]);
            let all = [object("{", "1"), object("(", "2"), object("<", "3")];
            let without = |index: usize| {
                let edit = remove_object(&all[index], &all).expect("it has siblings");
                applied(text, &edit)
            };
            assert_eq!(without(0), "[( B: 2 }, < C: 3 }]");
            assert_eq!(without(1), "[{ A: 1 }, < C: 3 }]");
            assert_eq!(without(2), "[{ A: 1 }, ( B: 2 }]");
            assert_eq!(remove_object(&all[0], &all[..1]), None);
        }
    }

    #[test]
    fn the_first_object_of_a_kind_follows_the_keys_of_its_organization() {
        let keys = [("X", "1".to_owned()), ("Y", quoted("two"))];
        let inserted = |file, text: &str, header: &str| {
            let organization = settings(file, text, header, &[("Name", "\"o\"")]);
            let edit = insert_first_object(&organization, "O.A", &keys).expect("it is written");
            applied(text, &edit)
        };
        assert_eq!(
            inserted("w.toml", "[[O]]\nName = \"o\"\n\n[[O.B]]\n", "[[O]]"),
            "[[O]]\nName = \"o\"\n\n[[O.A]]\nX = 1\nY = \"two\"\n\n[[O.B]]\n"
        );
        assert_eq!(
            inserted("w.json", "{ \"Name\": \"o\" }", "{"),
            "{ \"Name\": \"o\", \"A\": [{ \"X\": 1, \"Y\": \"two\" }] }"
        );
    }

    #[test]
    fn in_json_the_first_key_and_the_object_stay() {
        let text = "{ \"X\": 1, \"Y\": 2 }";
        let object = settings("w.json", text, text, &[("X", "1"), ("Y", "2")]);
        let edit = remove_key(&object, "Y").expect("the key is written");
        assert_eq!(applied(text, &edit), "{ \"X\": 1 }");
        assert_eq!(remove_key(&object, "X"), None);
        assert_eq!(move_object(&object, "B.C"), None);
    }
}
