//! The JSON Schema (2020-12) of a world's file, from the table of keys.

use serde_json::{Map, Value, json};

use super::keys::{Format, Key, Kind, Presence, Takes, WORLD};

/// The schema: one definition for each kind of object.
#[must_use]
pub fn schema() -> Value {
    let mut schema = object(&WORLD);
    let kinds = WORLD.all();
    let below = kinds.iter().filter(|kind| kind.path != WORLD.path);
    let definitions: Map<String, Value> = below
        .map(|kind| (kind.path.to_owned(), Value::Object(object(kind))))
        .collect();
    schema.insert(
        "$schema".to_owned(),
        "https://json-schema.org/draft/2020-12/schema".into(),
    );
    schema.insert("title".to_owned(), "A world of hybridmx".into());
    schema.insert("$defs".to_owned(), Value::Object(definitions));
    Value::Object(schema)
}

fn object(kind: &Kind) -> Map<String, Value> {
    let properties: Map<String, Value> = kind
        .keys
        .iter()
        .map(|key| (key.name.to_owned(), property(key)))
        .collect();
    let is_required = |key: &&Key| matches!(key.presence, Presence::Required);
    let required: Vec<&str> = kind
        .keys
        .iter()
        .filter(is_required)
        .map(|key| key.name)
        .collect();
    let mut schema = Map::new();
    schema.insert("type".to_owned(), "object".into());
    schema.insert("description".to_owned(), kind.says.into());
    schema.insert("properties".to_owned(), Value::Object(properties));
    schema.insert("additionalProperties".to_owned(), false.into());
    if !required.is_empty() {
        schema.insert("required".to_owned(), required.into());
    }
    schema
}

fn property(key: &Key) -> Value {
    let mut schema = takes(key);
    if let Some(schema) = schema.as_object_mut() {
        schema.insert("description".to_owned(), key.says.into());
        if let Presence::Default(text) = key.presence {
            schema.insert("default".to_owned(), default(key, text));
        }
    }
    schema
}

fn takes(key: &Key) -> Value {
    let text = |format: &Format| json!({"type": "string", "examples": [format.example]});
    let required = matches!(key.presence, Presence::Required);
    let list = |items: Value| match required {
        true => json!({"type": "array", "items": items, "minItems": 1}),
        false => json!({"type": "array", "items": items}),
    };
    match key.takes {
        Takes::Boolean => json!({"type": "boolean"}),
        Takes::Choice(words) => json!({"type": "string", "enum": words}),
        Takes::List(format) => list(text(format)),
        Takes::Moment(format) => {
            json!({"type": "string", "examples": [format.example]})
        }
        Takes::Object(kind) => json!({"$ref": reference(kind)}),
        Takes::Objects(kind) => json!({"type": "array", "items": {"$ref": reference(kind)}}),
        Takes::OneOrMany(format) => json!({"anyOf": [text(format), list(text(format))]}),
        Takes::Size(format) => {
            json!({"type": ["string", "integer"], "examples": [format.example]})
        }
        Takes::Text(format) => text(format),
        Takes::Whole(least, most) => {
            json!({"type": "integer", "minimum": least, "maximum": most})
        }
        Takes::Words(words) => json!({"anyOf": [
            {"type": "array", "items": {"type": "string", "enum": words}},
            {"type": "string", "description": "The words with commas between them."},
        ]}),
    }
}

fn default(key: &Key, text: &str) -> Value {
    match key.takes {
        Takes::Boolean => Value::Bool(text == "true"),
        Takes::Whole(..) => text.parse::<u32>().map_or(Value::Null, Value::from),
        Takes::List(_) | Takes::OneOrMany(_) => json!([text]),
        Takes::Choice(_)
        | Takes::Moment(_)
        | Takes::Object(_)
        | Takes::Objects(_)
        | Takes::Size(_)
        | Takes::Text(_)
        | Takes::Words(_) => text.into(),
    }
}

fn reference(kind: &Kind) -> String {
    format!("#/$defs/{}", kind.path)
}
