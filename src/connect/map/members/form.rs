//! The forms in which a member may come: a number as text, a text as number, and nothing in each of its forms.

use serde_json::{Map, Value, json};

use super::tables::{IMAGE, MARK, Member, Shape};

/// A member as it was read.
pub(super) enum Read<'a> {
    /// It holds nothing.
    Absent,
    /// In the form that the typed wire takes.
    Known(Value),
    /// An object, whose members are read in turn.
    Within(&'a Map<String, Value>, &'static [Member]),
    /// A state that this release does not know.
    State(String),
    /// Of a form that cannot be read.
    Odd {
        /// What it is.
        is: &'static str,
        /// What is documented.
        documented: &'static str,
    },
}

/// Reads a member in a shape.
pub(super) fn read<'a>(value: &'a Value, shape: &Shape) -> Read<'a> {
    if is_nothing(value) {
        return Read::Absent;
    }
    let of =
        |read: Option<Value>, documented| read.map_or_else(|| Read::Odd { is: kind(value), documented }, Read::Known);
    match shape {
        Shape::Text => of(text(value).map(Value::String), "a text"),
        Shape::Colour => of(colour(value).map(Value::String), "a colour of six hex digits"),
        Shape::Number => of(number(value).map(Value::from), "a number"),
        Shape::Flag => of(flag(value).map(Value::Bool), "true or false"),
        Shape::Texts => of(texts(value), "a list of texts"),
        Shape::Reference => of(reference(value), "an object with a number as `id`"),
        Shape::Mark => of(mark(value), "the owner of the tenant"),
        Shape::State => match text(value) {
            Some(word) if STATES.contains(&word.as_str()) => Read::Known(Value::String(word)),
            Some(word) => Read::State(word),
            None => Read::State(kind(value).to_owned()),
        },
        Shape::InService => match flag(value) {
            Some(flag) => Read::Known(Value::Bool(flag)),
            None => Read::State(text(value).unwrap_or_else(|| kind(value).to_owned())),
        },
        Shape::Object(table) => match value {
            Value::Object(members) => Read::Within(members, table),
            _ => Read::Odd { is: kind(value), documented: "an object" },
        },
        Shape::Image => match value {
            Value::Object(members) => Read::Within(members, IMAGE),
            Value::String(path) => Read::Known(json!({"logoPath": path})),
            _ => Read::Odd { is: kind(value), documented: "an image with its path" },
        },
    }
}

/// States of the extension `status`.
const STATES: [&str; 3] = ["ACTIVE", "SUSPENDED", "TERMINATED"];

/// What a value is, in words.
pub(super) const fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "nothing",
        Value::Bool(_) => "true or false",
        Value::Number(_) => "a number",
        Value::String(_) => "a text",
        Value::Array(_) => "a list",
        Value::Object(_) => "an object",
    }
}

/// Whether a value says that there is nothing: platforms write that as `null`, `""`, `[]` and `{}`.
fn is_nothing(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Bool(_) | Value::Number(_) => false,
        Value::String(text) => text.is_empty(),
        Value::Array(items) => items.is_empty(),
        Value::Object(members) => members.is_empty(),
    }
}

fn text(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => None,
    }
}

/// A colour that came as a number has lost its leading zeros.
fn colour(value: &Value) -> Option<String> {
    match value {
        Value::Number(number) => {
            number.as_u64().filter(|number| *number <= 999_999).map(|number| format!("{number:06}"))
        }
        other => text(other),
    }
}

fn number(value: &Value) -> Option<i64> {
    match value {
        Value::Number(number) => number.as_i64().or_else(|| whole(number.as_f64()?)),
        Value::String(text) => text.trim().parse().ok(),
        Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => None,
    }
}

/// A number such as `7.0`.
fn whole(number: f64) -> Option<i64> {
    let is_exact = number.fract() == 0.0 && number.abs() < 9_007_199_254_740_992.0;
    #[allow(clippy::cast_possible_truncation, reason = "it is whole and exact")]
    is_exact.then_some(number as i64)
}

fn flag(value: &Value) -> Option<bool> {
    match value {
        Value::Bool(flag) => Some(*flag),
        Value::String(text) if text.trim().eq_ignore_ascii_case("true") => Some(true),
        Value::String(text) if text.trim().eq_ignore_ascii_case("false") => Some(false),
        Value::Number(number) => match number.as_i64() {
            Some(0) => Some(false),
            Some(1) => Some(true),
            Some(_) | None => None,
        },
        Value::Null | Value::String(_) | Value::Array(_) | Value::Object(_) => None,
    }
}

/// A list with an entry that cannot be read cannot be read: written back, it would lack that entry.
fn texts(value: &Value) -> Option<Value> {
    let Value::Array(items) = value else { return None };
    let items = items.iter().filter(|item| !item.is_null());
    items.map(|item| text(item).map(Value::String)).collect::<Option<Vec<_>>>().map(Value::Array)
}

fn reference(value: &Value) -> Option<Value> {
    let id = match value {
        Value::Object(members) => number(members.get("id")?),
        other => number(other),
    };
    id.map(|id| json!({"id": id}))
}

fn mark(value: &Value) -> Option<Value> {
    let members = value.as_object()?;
    let parts = MARK.iter().map(|name| Some(((*name).to_owned(), Value::String(text(members.get(*name)?)?))));
    parts.collect::<Option<Map<_, _>>>().map(Value::Object)
}
