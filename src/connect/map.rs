//! The map between fields and the wire's JSON.

mod read;
mod slot;
mod write;

use serde::de::DeserializeOwned;
use serde_json::Value;

pub(super) use read::{Branded, life, observed};
pub(super) use write::{branding, tenant};

use super::error::Error;

/// Reads an answer about a tenant. Where the platform writes `null` or another type into a member that nobody compares,
/// the rest is read all the same.
pub(super) fn lenient<T: DeserializeOwned>(body: &[u8]) -> Result<T, Error> {
    let error = match serde_json::from_slice(body) {
        Ok(answer) => return Ok(answer),
        Err(error) => error,
    };
    let Ok(Value::Object(mut members)) = serde_json::from_slice::<Value>(body) else {
        return Err(unreadable(&error));
    };
    members.remove("createdBy");
    members.remove("lastUpdatedBy");
    let mut body = Value::Object(members);
    without_null(&mut body);
    serde_json::from_value(body).map_err(|error| unreadable(&error))
}

fn without_null(value: &mut Value) {
    if let Value::Object(members) = value {
        members.retain(|_, member| !member.is_null());
        members.values_mut().for_each(without_null);
    }
}

/// The reason without the text that was read, which may hold what must not be shown.
pub(super) fn unreadable(error: &serde_json::Error) -> Error {
    let (line, column) = (error.line(), error.column());
    let what = match error.classify() {
        serde_json::error::Category::Eof => "it ends too early",
        serde_json::error::Category::Syntax | serde_json::error::Category::Io => "it is not JSON",
        serde_json::error::Category::Data => "it is not of the documented form",
    };
    Error::malformed(format!("{what} (line {line}, column {column})"))
}

#[cfg(test)]
mod tests;
