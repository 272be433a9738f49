//! Members and values that this release does not know.

use std::fmt;

use serde_json::{Map, Value};
use serde_path_to_error::Segment;

use super::DECISIVE_MEMBERS;

/// Maximum length of a value in a message.
const MAX_VALUE_LENGTH: usize = 120;

/// An unknown part of an object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnknownMember {
    /// Path in the spec, unless it begins with `status.`.
    path: String,
    form: UnknownForm,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum UnknownForm {
    /// An unknown field, with its value.
    Field(String),
    /// An unknown value of a known field.
    Value(String),
    /// Another parse error, such as a missing field.
    Form(String),
}

impl UnknownMember {
    /// Makes an entry for a field that this release does not have.
    pub(super) fn unknown_field(path: &str, value: &Value) -> Self {
        Self { path: strip_spec_prefix(path), form: UnknownForm::Field(describe_value(value)) }
    }

    fn unknown_value(path: &str, value: &Value) -> Self {
        Self { path: strip_spec_prefix(path), form: UnknownForm::Value(describe_value(value)) }
    }

    /// Makes an entry for what the types reject.
    pub(super) fn from_type_error(error: &serde_path_to_error::Error<serde_json::Error>, raw: &Value) -> Self {
        let path = strip_spec_prefix(&error.path().to_string());
        let mut there = Some(raw);
        for segment in error.path() {
            there = match (segment, there) {
                (Segment::Map { key }, Some(value)) => value.get(key),
                (Segment::Seq { index }, Some(value)) => value.get(*index),
                (Segment::Enum { .. } | Segment::Unknown, value) => value,
                (_, None) => None,
            };
        }
        let what = match there {
            Some(value @ (Value::String(_) | Value::Number(_) | Value::Bool(_))) => {
                UnknownForm::Value(describe_value(value))
            }
            _ => UnknownForm::Form(truncate_text(&error.inner().to_string())),
        };
        Self { path, form: what }
    }

    /// Returns the path.
    pub fn path(&self) -> &str {
        &self.path
    }

    /// Returns the member of status that contains it, if a pass rewrites that member.
    pub(super) fn derived_status_member(&self) -> Option<String> {
        let within = self.path.strip_prefix("status.")?;
        let member = within.split(['.', '[']).next().unwrap_or_default();
        (!member.is_empty() && !DECISIVE_MEMBERS.contains(&member)).then(|| member.to_owned())
    }
}

impl fmt::Display for UnknownMember {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { path, form: what } = self;
        match what {
            UnknownForm::Field(value) => write!(out, "the field `{path}` (`{value}`) is not known to this release"),
            UnknownForm::Value(value) => write!(out, "the value `{value}` of `{path}` is not known to this release"),
            UnknownForm::Form(why) => write!(out, "`{path}` has a form that is not known to this release ({why})"),
        }
    }
}

/// Removes the prefix `spec.`: as in all conditions, paths are relative to the spec.
fn strip_spec_prefix(path: &str) -> String {
    path.strip_prefix("spec.").unwrap_or(path).to_owned()
}

/// Formats a value as messages show it.
pub(super) fn describe_value(value: &Value) -> String {
    match value {
        Value::String(text) => truncate_text(text),
        other => truncate_text(&other.to_string()),
    }
}

fn truncate_text(text: &str) -> String {
    let text = text.replace('`', "'");
    if text.chars().count() <= MAX_VALUE_LENGTH {
        return text;
    }
    text.chars().take(MAX_VALUE_LENGTH - 3).chain("...".chars()).collect()
}

/// Returns everything in a spec that is missing after a round trip.
pub(super) fn unknown_in_spec(raw: &Value, again: &Value) -> Vec<UnknownMember> {
    let mut found = Vec::new();
    collect_unknown(raw, again, "spec", &mut found);
    found
}

fn collect_unknown(raw: &Value, again: &Value, path: &str, found: &mut Vec<UnknownMember>) {
    match (raw, again) {
        (Value::Object(raw), Value::Object(again)) => {
            for (name, value) in raw.iter().filter(|(_, value)| !value.is_null()) {
                let path = format!("{path}.{name}");
                match again.get(name) {
                    Some(again) => collect_unknown(value, again, &path, found),
                    None => found.push(UnknownMember::unknown_field(&path, value)),
                }
            }
        }
        (Value::Array(raw), Value::Array(again)) if raw.len() == again.len() => {
            for (index, (value, again)) in raw.iter().zip(again).enumerate() {
                collect_unknown(value, again, &format!("{path}[{index}]"), found);
            }
        }
        (Value::Number(one), Value::Number(other)) if one.as_f64() == other.as_f64() => {}
        (raw, again) if raw == again => {}
        (raw, _) => found.push(UnknownMember::unknown_value(path, raw)),
    }
}

/// Returns the members of a status that are missing after a round trip. Members of list entries are not kept, because a
/// pass rewrites each list.
pub(super) fn unknown_in_status(raw: &Value, again: &Value) -> Option<Value> {
    let (Value::Object(raw), Value::Object(again)) = (raw, again) else { return None };
    let rest: Map<String, Value> = raw
        .iter()
        .filter_map(|(name, value)| {
            let rest = match again.get(name) {
                Some(again) => unknown_in_status(value, again)?,
                None => Some(value.clone()).filter(|value| !is_empty(value))?,
            };
            Some((name.clone(), rest))
        })
        .collect();
    (!rest.is_empty()).then_some(Value::Object(rest))
}

/// Returns whether a value is empty, which is equivalent to an absent value.
fn is_empty(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Array(all) => all.is_empty(),
        Value::Object(all) => all.is_empty(),
        Value::Bool(_) | Value::Number(_) | Value::String(_) => false,
    }
}

/// Puts members back into a status that does not have them.
pub fn restore_unknown_members(status: &mut Value, unknown: &Value) {
    let (Value::Object(status), Value::Object(unknown)) = (status, unknown) else { return };
    for (name, value) in unknown {
        match status.get_mut(name) {
            Some(there) => restore_unknown_members(there, value),
            None => drop(status.insert(name.clone(), value.clone())),
        }
    }
}
