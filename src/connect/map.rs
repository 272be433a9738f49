//! The map between fields and the wire's JSON.

mod members;
mod read;
mod rows;
mod slot;
mod write;

pub use rows::{OddRow, Page};

pub(super) use members::{Parsed, brand, created, json, tenant as read_tenant};
pub(super) use read::{Branded, life, observed};
pub(super) use rows::{Rows, minimal, page};
pub(super) use write::{branding, documented, tenant};

use super::error::Error;

/// The reason without the text that was read, which may hold what must not be shown.
pub(super) fn unreadable(error: &serde_json::Error) -> Error {
    let (line, column) = (error.line(), error.column());
    let what = match error.classify() {
        serde_json::error::Category::Eof => "it ends too early",
        serde_json::error::Category::Syntax | serde_json::error::Category::Io => "it is not JSON",
        serde_json::error::Category::Data => "a member is not of the documented form",
    };
    Error::malformed(format!("{what} (line {line}, column {column})"))
}

#[cfg(test)]
mod tests;
