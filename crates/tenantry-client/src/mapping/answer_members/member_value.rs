//! The forms in which a member may arrive: a number as text, a text as number, and each form of an empty value.

use serde_json::{Map, Value, json};

use super::tables::{AnswerMember, IMAGE, MARK, MemberShape};

/// A parsed member.
pub(super) enum MemberValue<'a> {
    /// The member is empty.
    Absent,
    /// A value in the form of the typed API.
    Known(Value),
    /// An object, whose members are parsed in turn.
    Nested(&'a Map<String, Value>, &'static [AnswerMember]),
    /// A state that this release does not know.
    UnknownState(String),
    /// A form that cannot be parsed.
    Unreadable {
        /// The form that was found.
        is: &'static str,
        /// The form that is documented.
        documented: &'static str,
    },
}

/// Parses a member of a given shape.
pub(super) fn read_member_value<'a>(value: &'a Value, shape: &MemberShape) -> MemberValue<'a> {
    if is_empty_value(value) {
        return MemberValue::Absent;
    }
    let of = |read: Option<Value>, documented| {
        read.map_or_else(|| MemberValue::Unreadable { is: json_kind(value), documented }, MemberValue::Known)
    };
    match shape {
        MemberShape::Text => of(as_text(value).map(Value::String), "a text"),
        MemberShape::Colour => of(as_colour(value).map(Value::String), "a colour of six hex digits"),
        MemberShape::Number => of(as_number(value).map(Value::from), "a number"),
        MemberShape::Flag => of(as_flag(value).map(Value::Bool), "true or false"),
        MemberShape::Texts => of(as_texts(value), "a list of texts"),
        MemberShape::Reference => of(as_reference(value), "an object with a number as `id`"),
        MemberShape::Mark => of(as_mark(value), "the owner of the tenant"),
        MemberShape::State => match as_text(value) {
            Some(word) if KNOWN_STATES.contains(&word.as_str()) => MemberValue::Known(Value::String(word)),
            Some(word) => MemberValue::UnknownState(word),
            None => MemberValue::UnknownState(json_kind(value).to_owned()),
        },
        MemberShape::InService => match as_flag(value) {
            Some(flag) => MemberValue::Known(Value::Bool(flag)),
            None => MemberValue::UnknownState(as_text(value).unwrap_or_else(|| json_kind(value).to_owned())),
        },
        MemberShape::Object(table) => match value {
            Value::Object(members) => MemberValue::Nested(members, table),
            _ => MemberValue::Unreadable { is: json_kind(value), documented: "an object" },
        },
        MemberShape::Image => match value {
            Value::Object(members) => MemberValue::Nested(members, IMAGE),
            Value::String(path) => MemberValue::Known(json!({"logoPath": path})),
            _ => MemberValue::Unreadable { is: json_kind(value), documented: "an image with its path" },
        },
    }
}

/// The states of the extension `status`.
const KNOWN_STATES: [&str; 3] = ["ACTIVE", "SUSPENDED", "TERMINATED"];

/// Names the type of a value.
pub(super) const fn json_kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "nothing",
        Value::Bool(_) => "true or false",
        Value::Number(_) => "a number",
        Value::String(_) => "a text",
        Value::Array(_) => "a list",
        Value::Object(_) => "an object",
    }
}

/// Returns whether a value is empty: platforms send `null`, `""`, `[]` and `{}` for that.
fn is_empty_value(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Bool(_) | Value::Number(_) => false,
        Value::String(text) => text.is_empty(),
        Value::Array(items) => items.is_empty(),
        Value::Object(members) => members.is_empty(),
    }
}

fn as_text(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => None,
    }
}

/// Converts a colour to text. A colour that arrives as a number has lost its leading zeros.
fn as_colour(value: &Value) -> Option<String> {
    match value {
        Value::Number(number) => {
            number.as_u64().filter(|number| *number <= 999_999).map(|number| format!("{number:06}"))
        }
        other => as_text(other),
    }
}

fn as_number(value: &Value) -> Option<i64> {
    match value {
        Value::Number(number) => number.as_i64().or_else(|| as_whole_number(number.as_f64()?)),
        Value::String(text) => text.trim().parse().ok(),
        Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => None,
    }
}

/// Converts a number such as `7.0`.
fn as_whole_number(number: f64) -> Option<i64> {
    let is_exact = number.fract() == 0.0 && number.abs() < 9_007_199_254_740_992.0;
    #[allow(clippy::cast_possible_truncation, reason = "it is whole and exact")]
    is_exact.then_some(number as i64)
}

fn as_flag(value: &Value) -> Option<bool> {
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

/// Converts a list of texts. A list with an entry that cannot be parsed is rejected: written back, it would lack that
/// entry.
fn as_texts(value: &Value) -> Option<Value> {
    let Value::Array(items) = value else { return None };
    let items = items.iter().filter(|item| !item.is_null());
    items.map(|item| as_text(item).map(Value::String)).collect::<Option<Vec<_>>>().map(Value::Array)
}

fn as_reference(value: &Value) -> Option<Value> {
    let id = match value {
        Value::Object(members) => as_number(members.get("id")?),
        other => as_number(other),
    };
    id.map(|id| json!({"id": id}))
}

fn as_mark(value: &Value) -> Option<Value> {
    let members = value.as_object()?;
    let parts = MARK.iter().map(|name| Some(((*name).to_owned(), Value::String(as_text(members.get(*name)?)?))));
    parts.collect::<Option<Map<_, _>>>().map(Value::Object)
}
