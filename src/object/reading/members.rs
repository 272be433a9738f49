//! Members and values that this release does not know.

use std::fmt;

use serde_json::{Map, Value};
use serde_path_to_error::Segment;

use super::DECIDES;

/// Longest text of a value in a message.
const SHOWN: usize = 120;

/// Something in an object that this release does not know.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Unknown {
    /// Where it stands, in the spec unless it begins with `status.`.
    path: String,
    what: What,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum What {
    /// A field, with its value.
    Member(String),
    /// A value of a field that is known.
    Value(String),
    /// Something else that the types do not take, such as a field that is missing.
    Form(String),
}

impl Unknown {
    /// A field that this release does not have.
    pub(super) fn member(path: &str, value: &Value) -> Self {
        Self { path: in_spec(path), what: What::Member(shown(value)) }
    }

    fn value(path: &str, value: &Value) -> Self {
        Self { path: in_spec(path), what: What::Value(shown(value)) }
    }

    /// What the types do not take of an object.
    pub(super) fn refused(error: &serde_path_to_error::Error<serde_json::Error>, raw: &Value) -> Self {
        let path = in_spec(&error.path().to_string());
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
            Some(value @ (Value::String(_) | Value::Number(_) | Value::Bool(_))) => What::Value(shown(value)),
            _ => What::Form(clipped(&error.inner().to_string())),
        };
        Self { path, what }
    }

    /// Where it stands.
    pub(crate) fn path(&self) -> &str {
        &self.path
    }

    /// The member of status that it stands in, where a pass makes that member again.
    pub(super) fn derived_status(&self) -> Option<String> {
        let within = self.path.strip_prefix("status.")?;
        let member = within.split(['.', '[']).next().unwrap_or_default();
        (!member.is_empty() && !DECIDES.contains(&member)).then(|| member.to_owned())
    }
}

impl fmt::Display for Unknown {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { path, what } = self;
        match what {
            What::Member(value) => write!(out, "the field `{path}` (`{value}`) is not known to this release"),
            What::Value(value) => write!(out, "the value `{value}` of `{path}` is not known to this release"),
            What::Form(why) => write!(out, "`{path}` has a form that is not known to this release ({why})"),
        }
    }
}

/// Paths are those of the spec, as everywhere in conditions.
fn in_spec(path: &str) -> String {
    path.strip_prefix("spec.").unwrap_or(path).to_owned()
}

/// A value as messages show it.
pub(super) fn shown(value: &Value) -> String {
    match value {
        Value::String(text) => clipped(text),
        other => clipped(&other.to_string()),
    }
}

fn clipped(text: &str) -> String {
    let text = text.replace('`', "'");
    if text.chars().count() <= SHOWN {
        return text;
    }
    text.chars().take(SHOWN - 3).chain("...".chars()).collect()
}

/// Everything in a spec that is not there again after a round trip.
pub(super) fn unknown_in_spec(raw: &Value, again: &Value) -> Vec<Unknown> {
    let mut found = Vec::new();
    differ(raw, again, "spec", &mut found);
    found
}

fn differ(raw: &Value, again: &Value, path: &str, found: &mut Vec<Unknown>) {
    match (raw, again) {
        (Value::Object(raw), Value::Object(again)) => {
            for (name, value) in raw.iter().filter(|(_, value)| !value.is_null()) {
                let path = format!("{path}.{name}");
                match again.get(name) {
                    Some(again) => differ(value, again, &path, found),
                    None => found.push(Unknown::member(&path, value)),
                }
            }
        }
        (Value::Array(raw), Value::Array(again)) if raw.len() == again.len() => {
            for (index, (value, again)) in raw.iter().zip(again).enumerate() {
                differ(value, again, &format!("{path}[{index}]"), found);
            }
        }
        (Value::Number(one), Value::Number(other)) if one.as_f64() == other.as_f64() => {}
        (raw, again) if raw == again => {}
        (raw, _) => found.push(Unknown::value(path, raw)),
    }
}

/// Members of a status that are not there again after a round trip. Members of list entries are not kept: each list is
/// made anew by a pass.
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

/// An empty value is the same as none.
fn is_empty(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Array(all) => all.is_empty(),
        Value::Object(all) => all.is_empty(),
        Value::Bool(_) | Value::Number(_) | Value::String(_) => false,
    }
}

/// Puts members back into a status that has none of that name.
pub(crate) fn keep_unknown(status: &mut Value, unknown: &Value) {
    let (Value::Object(status), Value::Object(unknown)) = (status, unknown) else { return };
    for (name, value) in unknown {
        match status.get_mut(name) {
            Some(there) => keep_unknown(there, value),
            None => drop(status.insert(name.clone(), value.clone())),
        }
    }
}
