//! Paged, filtered queries for people, logins, roles and permission sets.

use std::collections::{BTreeMap, BTreeSet};

use sqlx::any::AnyRow;
use sqlx::{AnyPool, AssertSqlSafe, Row as _};

use super::Tx;
use crate::error::ApiError;

/// The value of a condition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum TermValue {
    /// A text.
    Text(String),
    /// A number or a time.
    Number(i64),
}

/// A condition: SQL up to its value, which is bound. Only constants of the program become part of the statement.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Term(pub(crate) &'static str, pub(crate) TermValue);

/// Columns, source and order of a list.
#[derive(Clone, Copy)]
pub(super) struct ListQuery<'a> {
    /// Columns, after SELECT.
    pub(super) columns: &'static str,
    /// From `FROM` to the condition on the tenant, which is `$1`.
    pub(super) from: &'a str,
    /// Column of the order, and the tie-breaker column.
    pub(super) order: (&'static str, &'static str),
}

/// Direction and range of one page.
#[derive(Clone, Copy, Debug)]
pub(crate) struct PageRange {
    pub(crate) is_descending: bool,
    pub(crate) size: i64,
    pub(crate) offset: i64,
}

/// Maximum number of values in one statement. Lists are sent in chunks of this length. The last chunk is padded with
/// its last value, so that a list of any length uses one cached statement.
pub(super) const CHUNK: usize = 100;

/// Returns `$2, $3, ...` for the values of a chunk.
pub(super) fn chunk_placeholders() -> String {
    let places: Vec<String> = (2..CHUNK + 2).map(|number| format!("${number}")).collect();
    places.join(", ")
}

/// Pads a chunk to its full length.
pub(super) fn padded_chunk<T>(part: &[T]) -> impl Iterator<Item = &T> {
    part.iter().chain(part.last().into_iter().cycle()).take(CHUNK)
}

/// Maps the names of a list to row numbers. `text` selects name and number for the names in [`chunk_placeholders`], of
/// the owner `$1`.
pub(super) async fn numbers_by_name(
    readers: &AnyPool,
    text: &str,
    owner: i64,
    names: &[&str],
) -> Result<BTreeMap<String, i64>, ApiError> {
    let names: BTreeSet<&str> = names.iter().copied().collect();
    let names: Vec<&str> = names.into_iter().collect();
    let mut found = BTreeMap::new();
    for part in names.chunks(CHUNK) {
        let query = sqlx::query(AssertSqlSafe(text.to_owned())).bind(owner);
        let query = padded_chunk(part).fold(query, |query, name| query.bind(*name));
        for row in query.fetch_all(readers).await? {
            found.insert(row.try_get(0)?, row.try_get(1)?);
        }
    }
    Ok(found)
}

/// Inserts pairs of an owner and each number of a list into a table. Existing pairs are kept.
pub(super) async fn add_pairs(
    tx: &mut Tx,
    table: &str,
    columns: &str,
    owner: i64,
    numbers: &[i64],
) -> Result<(), ApiError> {
    let rows: Vec<String> = (2..CHUNK + 2).map(|number| format!("($1, ${number})")).collect();
    let text = format!("INSERT INTO {table} ({columns}) VALUES {} ON CONFLICT DO NOTHING", rows.join(", "));
    for part in numbers.chunks(CHUNK) {
        let query = sqlx::query(AssertSqlSafe(text.clone())).bind(owner);
        padded_chunk(part).fold(query, |query, number| query.bind(*number)).execute(&mut **tx).await?;
    }
    Ok(())
}

/// Returns one page, and the total count.
pub(super) async fn select_page(
    readers: &AnyPool,
    list_query: ListQuery<'_>,
    tenant: i64,
    terms: &[Term],
    range: PageRange,
) -> Result<(Vec<AnyRow>, i64), ApiError> {
    let ListQuery { columns, from, order: (order, decides) } = list_query;
    let conditions: Vec<String> =
        terms.iter().zip(2..).map(|(Term(condition, _), number)| format!(" AND {condition}${number}")).collect();
    let conditions = conditions.concat();
    let count = format!("SELECT COUNT(*) AS total {from}{conditions}");
    let direction = if range.is_descending { "DESC" } else { "ASC" };
    let (limit, offset) = (terms.len() + 2, terms.len() + 3);
    let rows = format!(
        "SELECT {columns} {from}{conditions} ORDER BY {order} {direction}, {decides} {direction} \
         LIMIT ${limit} OFFSET ${offset}"
    );
    let mut count = sqlx::query(AssertSqlSafe(count)).bind(tenant);
    let mut rows = sqlx::query(AssertSqlSafe(rows)).bind(tenant);
    for Term(_, value) in terms {
        (count, rows) = match value {
            TermValue::Text(text) => (count.bind(text.as_str()), rows.bind(text.as_str())),
            TermValue::Number(number) => (count.bind(*number), rows.bind(*number)),
        };
    }
    let total = count.fetch_one(readers).await?.try_get("total")?;
    let rows = rows.bind(range.size).bind(range.offset).fetch_all(readers).await?;
    Ok((rows, total))
}
