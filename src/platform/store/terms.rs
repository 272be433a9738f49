//! Pages of rows that satisfy conditions, for the lists of people, logins, roles and permission sets.

use sqlx::any::AnyRow;
use sqlx::{AnyPool, AssertSqlSafe, Row as _};

use crate::platform::error::Error;

/// A value of a condition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::platform) enum Value {
    /// A text.
    Text(String),
    /// A number or a time.
    Number(i64),
}

/// A condition: SQL up to its value, which is bound. Only constants of the program reach the statement.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::platform) struct Term(pub(in crate::platform) &'static str, pub(in crate::platform) Value);

/// What is listed.
#[derive(Clone, Copy)]
pub(super) struct Listed {
    /// Columns, after SELECT.
    pub(super) columns: &'static str,
    /// From FROM to the condition on the tenant, which is `$1`.
    pub(super) from: &'static str,
    /// Column of the order, and the column that decides between equals.
    pub(super) order: (&'static str, &'static str),
}

/// Which part of a list.
#[derive(Clone, Copy, Debug)]
pub(in crate::platform) struct Part {
    pub(in crate::platform) descending: bool,
    pub(in crate::platform) size: i64,
    pub(in crate::platform) offset: i64,
}

/// One page, and how many rows there are in all.
pub(super) async fn page(
    readers: &AnyPool,
    listed: Listed,
    (tenant, terms): (i64, &[Term]),
    part: Part,
) -> Result<(Vec<AnyRow>, i64), Error> {
    let Listed { columns, from, order: (order, decides) } = listed;
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
            Value::Text(text) => (count.bind(text.as_str()), rows.bind(text.as_str())),
            Value::Number(number) => (count.bind(*number), rows.bind(*number)),
        };
    }
    let total = count.fetch_one(readers).await?.try_get("total")?;
    let rows = rows.bind(part.size).bind(part.offset).fetch_all(readers).await?;
    Ok((rows, total))
}
