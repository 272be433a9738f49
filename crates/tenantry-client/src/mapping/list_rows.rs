//! Parses lists of tenants row by row. A row that cannot be parsed is reported and does not affect the others.

use std::fmt;

use serde_json::{Map, Value};
use tenantry_wire::TenantSearchItem;

use super::answer_members::{self, ParsedAnswer, ROW, parse_members};
use crate::error::CallError;

/// A row that lacks the tenant's id or name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnreadableRow {
    /// Its position in the list, from 1.
    pub position: usize,
    /// Unique id, where the row has one.
    pub unique_id: Option<String>,
    /// Name, where the row has one.
    pub name: Option<String>,
    /// Whether the row says that the tenant was terminated.
    pub is_terminated: bool,
}

impl UnreadableRow {
    /// Returns whether the tenant of the row may have this name.
    pub fn may_have_name(&self, name: &str) -> bool {
        self.name.as_deref().is_none_or(|seen| seen == name)
    }
}

impl fmt::Display for UnreadableRow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { position, unique_id, name, is_terminated: _ } = self;
        match (unique_id, name) {
            (Some(id), _) => write!(f, "row {position} (`{id}`) has no name that can be read"),
            (None, Some(name)) => write!(f, "row {position} (`{name}`) has no unique id that can be read"),
            (None, None) => write!(f, "row {position} has neither a unique id nor a name that can be read"),
        }
    }
}

/// Rows of a list.
#[derive(Clone, Debug, Default)]
pub(crate) struct ParsedRows {
    /// The rows that could be parsed.
    pub(crate) rows: Vec<TenantSearchItem>,
    /// The rows that could not be parsed.
    pub(crate) unreadable: Vec<UnreadableRow>,
}

/// A page of a list.
#[derive(Clone, Debug, Default)]
pub struct TenantPage {
    /// The rows that could be parsed.
    pub results: Vec<TenantSearchItem>,
    /// The rows that could not be parsed.
    pub unreadable: Vec<UnreadableRow>,
    /// Number of rows on all pages, where the platform reports it.
    pub total_results: Option<i64>,
    /// Whether another page follows.
    pub next_page: bool,
    /// The number of the next page, where the platform reports it.
    pub next_page_no: Option<i64>,
}

/// Parses the answer of `minimal`, a bare array.
pub(crate) fn parse_minimal(body: &[u8], has_extensions: bool) -> Result<ParsedRows, CallError> {
    match answer_members::parse_json(body)? {
        Value::Array(items) => Ok(parse_rows(&items, has_extensions)),
        Value::Null => Ok(ParsedRows::default()),
        _ => Err(CallError::malformed_answer("it is no list of tenants")),
    }
}

/// Parses a page of a search.
pub(crate) fn parse_page(body: &[u8], has_extensions: bool) -> Result<TenantPage, CallError> {
    let Value::Object(envelope) = answer_members::parse_json(body)? else {
        return Err(CallError::malformed_answer("it is no page of a list"));
    };
    let Some(Value::Array(items)) = envelope.get("results") else {
        return Err(CallError::malformed_answer("the page has no list of `results`"));
    };
    let ParsedRows { rows: results, unreadable: odd } = parse_rows(items, has_extensions);
    let number = |name: &str| whole_number(envelope.get(name)?);
    let follows = || Some(number("totalPages")? > number("pageNo")?);
    let next_page = envelope.get("nextPage").and_then(Value::as_bool).or_else(follows).unwrap_or_default();
    let (total_results, next_page_no) = (number("totalResults"), number("nextPageNo"));
    Ok(TenantPage { results, unreadable: odd, total_results, next_page, next_page_no })
}

fn whole_number(value: &Value) -> Option<i64> {
    value.as_i64().or_else(|| value.as_str()?.trim().parse().ok())
}

fn parse_rows(items: &[Value], has_extensions: bool) -> ParsedRows {
    let mut all = ParsedRows::default();
    for (position, item) in (1..).zip(items) {
        let read = parse_members::<Map<String, Value>>(item, ROW, has_extensions);
        let known = read.map(|ParsedAnswer { known, unreadable: _, unknown_state: _ }| known).unwrap_or_default();
        let text = |name: &str| known.get(name).and_then(Value::as_str).map(str::to_owned);
        let (unique_id, name) = (text("uniqueId"), text("name"));
        let is_ended = text("status").as_deref() == Some("TERMINATED");
        match serde_json::from_value(Value::Object(known)) {
            Ok(row) if unique_id.is_some() && name.is_some() => all.rows.push(row),
            Ok(_) | Err(_) => all.unreadable.push(UnreadableRow { position, unique_id, name, is_terminated: is_ended }),
        }
    }
    all
}
