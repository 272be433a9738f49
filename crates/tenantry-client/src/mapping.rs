//! The mapping between fields and the API's JSON.

mod answer_members;
mod field_location;
mod list_rows;
mod read;
mod write;

pub use list_rows::{TenantPage, UnreadableRow};

pub(super) use answer_members::{ParsedAnswer, parse_branding, parse_created, parse_json, parse_tenant as read_tenant};
pub(super) use list_rows::{ParsedRows, parse_minimal, parse_page};
pub(super) use read::{ObservedBranding, tenant_life, to_observed};
pub(super) use write::{branding_body, documented_changes, tenant_body};

use super::error::CallError;

/// Describes a JSON error without the text that was parsed, which may hold secrets.
pub(super) fn json_error(error: &serde_json::Error) -> CallError {
    let (line, column) = (error.line(), error.column());
    let what = match error.classify() {
        serde_json::error::Category::Eof => "it ends too early",
        serde_json::error::Category::Syntax | serde_json::error::Category::Io => "it is not JSON",
        serde_json::error::Category::Data => "a member is not of the documented form",
    };
    CallError::malformed_answer(format!("{what} (line {line}, column {column})"))
}

#[cfg(test)]
mod tests;
