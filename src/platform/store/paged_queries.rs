//! Pages of rows that satisfy conditions, for the lists of people, logins, roles and permission sets.

use std::collections::{BTreeMap, BTreeSet};

use sqlx::any::AnyRow;
use sqlx::{AnyPool, AssertSqlSafe, Row as _};

use super::Tx;
use crate::platform::error::ApiError;

/// A value of a condition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::platform) enum TermValue {
    /// A text.
    Text(String),
    /// A number or a time.
    Number(i64),
}

/// A condition: SQL up to its value, which is bound. Only constants of the program reach the statement.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::platform) struct Term(pub(in crate::platform) &'static str, pub(in crate::platform) TermValue);

/// What is listed.
#[derive(Clone, Copy)]
pub(super) struct ListQuery<'a> {
    /// Columns, after SELECT.
    pub(super) columns: &'static str,
    /// From FROM to the condition on the tenant, which is `$1`.
    pub(super) from: &'a str,
    /// Column of the order, and the column that decides between equals.
    pub(super) order: (&'static str, &'static str),
}

/// Which part of a list.
#[derive(Clone, Copy, Debug)]
pub(in crate::platform) struct PageRange {
    pub(in crate::platform) descending: bool,
    pub(in crate::platform) size: i64,
    pub(in crate::platform) offset: i64,
}

/// Values that one statement takes at most. Lists are sent in parts of this length, the last one filled up with its last value,
/// so that a list of any length is one statement in the connection's cache.
pub(super) const CHUNK: usize = 100;

/// `$2, $3, ...` for the values of a part.
pub(super) fn chunk_placeholders() -> String {
    let places: Vec<String> = (2..CHUNK + 2).map(|number| format!("${number}")).collect();
    places.join(", ")
}

/// A part, filled up.
pub(super) fn padded_chunk<T>(part: &[T]) -> impl Iterator<Item = &T> {
    part.iter().chain(part.last().into_iter().cycle()).take(CHUNK)
}

/// The numbers of the rows that belong to the names of a list; `text` chooses a name and its number where the name is one of
/// [`places`], of the owner `$1`.
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

/// Adds pairs of an owner and each number of a list to a table, once.
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

/// One page, and how many rows there are in all.
pub(super) async fn select_page(
    readers: &AnyPool,
    listed: ListQuery<'_>,
    tenant: i64,
    terms: &[Term],
    part: PageRange,
) -> Result<(Vec<AnyRow>, i64), ApiError> {
    let ListQuery { columns, from, order: (order, decides) } = listed;
    let conditions: Vec<String> =
        terms.iter().zip(2..).map(|(Term(condition, _), number)| format!(" AND {condition}${number}")).collect();
    let conditions = conditions.concat();
    let count = format!("SELECT COUNT(*) AS total {from}{conditions}");
    let direction = if part.descending { "DESC" } else { "ASC" };
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
    let rows = rows.bind(part.size).bind(part.offset).fetch_all(readers).await?;
    Ok((rows, total))
}
