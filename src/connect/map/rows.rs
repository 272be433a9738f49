//! Lists of tenants, row by row: one that cannot be read is told of and costs none of the others.

use std::fmt;

use serde_json::{Map, Value};

use super::members::{self, Parsed, ROW, parsed};
use crate::connect::error::Error;
use crate::wire::SearchItem;

/// A row that does not say which tenant it is, or what its name is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OddRow {
    /// Its place in the list, from 1.
    pub position: usize,
    /// Unique id, where it has one.
    pub unique_id: Option<String>,
    /// Name, where it has one.
    pub name: Option<String>,
    /// Whether it says that the tenant was ended.
    pub is_ended: bool,
}

impl OddRow {
    /// Whether the tenant of the row may have this name.
    pub fn may_be_named(&self, name: &str) -> bool {
        self.name.as_deref().is_none_or(|seen| seen == name)
    }
}

impl fmt::Display for OddRow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { position, unique_id, name, is_ended: _ } = self;
        match (unique_id, name) {
            (Some(id), _) => write!(f, "row {position} (`{id}`) has no name that can be read"),
            (None, Some(name)) => write!(f, "row {position} (`{name}`) has no unique id that can be read"),
            (None, None) => write!(f, "row {position} has neither a unique id nor a name that can be read"),
        }
    }
}

/// Rows of a list.
#[derive(Clone, Debug, Default)]
pub(in crate::connect) struct Rows {
    /// Those that could be read.
    pub(in crate::connect) rows: Vec<SearchItem>,
    /// Those that could not.
    pub(in crate::connect) odd: Vec<OddRow>,
}

/// A page of a list.
#[derive(Clone, Debug, Default)]
pub struct Page {
    /// The rows that could be read.
    pub results: Vec<SearchItem>,
    /// Those that could not.
    pub odd: Vec<OddRow>,
    /// Rows on all pages, where the platform tells.
    pub total_results: Option<i64>,
    /// Whether another page follows.
    pub next_page: bool,
    /// Its number, where the platform tells.
    pub next_page_no: Option<i64>,
}

/// The rows of `minimal`, which answers a bare array.
pub(in crate::connect) fn minimal(body: &[u8], extensions: bool) -> Result<Rows, Error> {
    match members::json(body)? {
        Value::Array(items) => Ok(rows(&items, extensions)),
        Value::Null => Ok(Rows::default()),
        _ => Err(Error::malformed("it is no list of tenants")),
    }
}

/// A page of a search.
pub(in crate::connect) fn page(body: &[u8], extensions: bool) -> Result<Page, Error> {
    let Value::Object(envelope) = members::json(body)? else {
        return Err(Error::malformed("it is no page of a list"));
    };
    let Some(Value::Array(items)) = envelope.get("results") else {
        return Err(Error::malformed("the page has no list of `results`"));
    };
    let Rows { rows: results, odd } = rows(items, extensions);
    let number = |name: &str| whole(envelope.get(name)?);
    let follows = || Some(number("totalPages")? > number("pageNo")?);
    let next_page = envelope.get("nextPage").and_then(Value::as_bool).or_else(follows).unwrap_or_default();
    let (total_results, next_page_no) = (number("totalResults"), number("nextPageNo"));
    Ok(Page { results, odd, total_results, next_page, next_page_no })
}

fn whole(value: &Value) -> Option<i64> {
    value.as_i64().or_else(|| value.as_str()?.trim().parse().ok())
}

fn rows(items: &[Value], extensions: bool) -> Rows {
    let mut all = Rows::default();
    for (position, item) in (1..).zip(items) {
        let read = parsed::<Map<String, Value>>(item, (ROW, extensions));
        let known = read.map(|Parsed { known, odd: _, state: _ }| known).unwrap_or_default();
        let text = |name: &str| known.get(name).and_then(Value::as_str).map(str::to_owned);
        let (unique_id, name) = (text("uniqueId"), text("name"));
        let is_ended = text("status").as_deref() == Some("TERMINATED");
        match serde_json::from_value(Value::Object(known)) {
            Ok(row) if unique_id.is_some() && name.is_some() => all.rows.push(row),
            Ok(_) | Err(_) => all.odd.push(OddRow { position, unique_id, name, is_ended }),
        }
    }
    all
}
