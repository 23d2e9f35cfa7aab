//! Changes of a world's file as text, in the file's own syntax.

use super::finding::Edit;
use crate::diag::Location;
use crate::model::Settings;

/// Whether a place is in a world's own file, in whose syntax edits are written.
///
/// Choice: side files are exports, which are made anew once the script has run; they are not edited.
pub(super) fn is_in_world(location: &Location) -> bool {
    let ending = location.file.rsplit('.').next().unwrap_or_default();
    let is = |other: &&str| ending.eq_ignore_ascii_case(other);
    !["csv", "jsonl", "ndjson"].iter().any(|other| is(&other))
}

/// Texts quoted as TOML and JSON both quote them, in brackets.
pub(super) fn list(items: impl IntoIterator<Item = String>) -> String {
    let items: Vec<String> = items.into_iter().map(|item| quoted(&item)).collect();
    format!("[{}]", items.join(", "))
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
    fn in_json_the_first_key_and_the_object_stay() {
        let text = "{ \"X\": 1, \"Y\": 2 }";
        let object = settings("w.json", text, text, &[("X", "1"), ("Y", "2")]);
        let edit = remove_key(&object, "Y").expect("the key is written");
        assert_eq!(applied(text, &edit), "{ \"X\": 1 }");
        assert_eq!(remove_key(&object, "X"), None);
        assert_eq!(move_object(&object, "B.C"), None);
    }
}
