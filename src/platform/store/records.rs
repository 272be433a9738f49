//! The data of tenants.

use std::collections::BTreeMap;

use serde_json::{Map, Value};
use sqlx::any::AnyRow;
use sqlx::{AnyExecutor, Row as _};

use super::terms::{self, Listed, Part, Term, page};
use super::{Store, Tx};
use crate::catalog::Category;
use crate::platform::bounds::{RECORD, RECORD_PAGE_BYTES};
use crate::platform::error::Error;
use crate::wire::Tenant;

/// A record as it is kept.
#[derive(Clone, Debug, PartialEq)]
pub(in crate::platform) struct Datum {
    pub(in crate::platform) id: i64,
    pub(in crate::platform) name: String,
    /// When it arose.
    pub(in crate::platform) at: i64,
    /// Counts its changes.
    pub(in crate::platform) revision: i64,
    /// All other members.
    pub(in crate::platform) members: Map<String, Value>,
    /// The cloud account that it registers.
    pub(in crate::platform) cloud_account: Option<String>,
}

/// Of which tenant, which category, and since when.
#[derive(Clone, Copy, Debug)]
pub(in crate::platform) struct Shelf {
    pub(in crate::platform) tenant: i64,
    pub(in crate::platform) category: Category,
    /// Older records are not read any more.
    pub(in crate::platform) since: i64,
}

const COLUMNS: &str = "id, name, at, revision, document, cloud_account";

fn datum(row: &AnyRow) -> Result<Datum, Error> {
    Ok(Datum {
        id: row.try_get("id")?,
        name: row.try_get("name")?,
        at: row.try_get("at")?,
        revision: row.try_get("revision")?,
        members: serde_json::from_str(&row.try_get::<String, _>("document")?)?,
        cloud_account: row.try_get("cloud_account")?,
    })
}

impl Store {
    /// A page of a shelf in the order of the numbers after one of them, at most so many.
    pub(in crate::platform) async fn data(&self, of: Shelf, after: i64, most: i64) -> Result<Vec<Datum>, Error> {
        let Shelf { tenant, category, since } = of;
        let rows = sqlx::query(sqlx::AssertSqlSafe(format!(
            "SELECT {COLUMNS} FROM record WHERE tenant_id = $1 AND category = $2 AND at >= $3 AND id > $4 \
             ORDER BY id LIMIT $5"
        )));
        let rows = rows.bind(tenant).bind(category.segment()).bind(since).bind(after).bind(most);
        rows.fetch_all(&self.readers).await?.iter().map(datum).collect()
    }

    /// A page of a shelf by its place, and how many records there are in all.
    pub(in crate::platform) async fn data_page(&self, of: Shelf, part: Part) -> Result<(Vec<Datum>, i64), Error> {
        let Shelf { tenant, category, since } = of;
        let listed = Listed { columns: COLUMNS, from: "FROM record WHERE tenant_id = $1", order: ("id", "id") };
        let category = terms::Value::Text(category.segment().to_owned());
        let lengths = self.lengths(of, part).await?;
        if fitting(&lengths) < lengths.len() {
            return Err(beyond(lengths.iter().sum()));
        }
        let terms = [Term("category = ", category), Term("at >= ", terms::Value::Number(since))];
        let (rows, total) = page(&self.readers, listed, (tenant, &terms), part).await?;
        Ok((rows.iter().map(datum).collect::<Result<_, _>>()?, total))
    }

    /// How many of the records of a page fit into one answer, at least one.
    pub(in crate::platform) async fn fitting(&self, of: Shelf, part: Part) -> Result<i64, Error> {
        let fitting = fitting(&self.lengths(of, part).await?).max(1);
        Ok(i64::try_from(fitting).unwrap_or(part.size))
    }

    /// Bytes of each record of a page, before any of them is read.
    async fn lengths(&self, of: Shelf, part: Part) -> Result<Vec<usize>, Error> {
        let Shelf { tenant, category, since } = of;
        let direction = if part.descending { "DESC" } else { "ASC" };
        let lengths = sqlx::query_scalar(sqlx::AssertSqlSafe(format!(
            "SELECT CAST(octet_length(document) AS BIGINT) FROM record \
             WHERE tenant_id = $1 AND category = $2 AND at >= $3 ORDER BY id {direction} LIMIT $4 OFFSET $5"
        )));
        let lengths = lengths.bind(tenant).bind(category.segment()).bind(since).bind(part.size).bind(part.offset);
        let lengths: Vec<i64> = lengths.fetch_all(&self.readers).await?;
        Ok(lengths.into_iter().map(|bytes| usize::try_from(bytes).unwrap_or_default()).collect())
    }

    /// One record.
    pub(in crate::platform) async fn datum(&self, of: Shelf, id: i64) -> Result<Option<Datum>, Error> {
        one(&self.readers, of, id).await
    }

    /// How many records a tenant has of each category; none is not named.
    pub(in crate::platform) async fn counts(&self, tenant: i64) -> Result<BTreeMap<String, i64>, Error> {
        let rows = sqlx::query("SELECT category, COUNT(*) AS total FROM record WHERE tenant_id = $1 GROUP BY category");
        let rows = rows.bind(tenant).fetch_all(&self.readers).await?;
        rows.iter().map(|row| Ok((row.try_get("category")?, row.try_get("total")?))).collect()
    }

    /// Tenants with records of a category that arose before a time.
    pub(in crate::platform) async fn aged(&self, category: Category, before: i64) -> Result<Vec<i64>, Error> {
        let rows = sqlx::query("SELECT DISTINCT tenant_id FROM record WHERE category = $1 AND at < $2");
        let rows = rows.bind(category.segment()).bind(before).fetch_all(&self.readers).await?;
        rows.iter().map(|row| Ok(row.try_get("tenant_id")?)).collect()
    }
}

/// How many of the first records of a page fit into one answer. One always does: it may be from before its own bound.
fn fitting(lengths: &[usize]) -> usize {
    let mut sum = 0;
    let fits = |bytes: &&usize| {
        sum += **bytes;
        sum <= RECORD_PAGE_BYTES
    };
    lengths.iter().take_while(fits).count().max(lengths.len().min(1))
}

fn beyond(bytes: usize) -> Error {
    let fits = RECORD_PAGE_BYTES / RECORD;
    Error::field(
        "pageSize",
        format!(
            "The records of this page have {bytes} bytes, and a page at most {RECORD_PAGE_BYTES}: ask for a smaller pageSize; \
             {fits} always fit, and 1 where a record has more than {RECORD} bytes"
        ),
    )
}

async fn one<'e>(executor: impl AnyExecutor<'e>, shelf: Shelf, id: i64) -> Result<Option<Datum>, Error> {
    let Shelf { tenant, category, since } = shelf;
    let row = sqlx::query(sqlx::AssertSqlSafe(format!(
        "SELECT {COLUMNS} FROM record WHERE tenant_id = $1 AND category = $2 AND at >= $3 AND id = $4"
    )));
    let row = row.bind(tenant).bind(category.segment()).bind(since).bind(id).fetch_optional(executor).await?;
    row.as_ref().map(datum).transpose()
}

/// One record in a write that holds the tenant's lock.
pub(in crate::platform) async fn locked_datum(tx: &mut Tx, shelf: Shelf, id: i64) -> Result<Option<Datum>, Error> {
    one(&mut **tx, shelf, id).await
}

/// The next number of a record; until the commit nobody else gets one, so that cloud accounts are compared one by one.
pub(in crate::platform) async fn next_number(tx: &mut Tx) -> Result<i64, Error> {
    let next = sqlx::query_scalar("UPDATE counter SET value = value + 1 WHERE name = 'record' RETURNING value");
    Ok(next.fetch_one(&mut **tx).await?)
}

/// Who has a name in a category: also a record whose time is over and that the next job erases.
pub(in crate::platform) async fn holder_of_datum(
    tx: &mut Tx,
    shelf: Shelf,
    name: &str,
    except: i64,
) -> Result<Option<i64>, Error> {
    let id =
        sqlx::query_scalar("SELECT id FROM record WHERE tenant_id = $1 AND category = $2 AND name = $3 AND id <> $4");
    let id = id.bind(shelf.tenant).bind(shelf.category.segment()).bind(name).bind(except);
    Ok(id.fetch_optional(&mut **tx).await?)
}

/// Settings of the partners whose living tenants have a cloud account.
pub(in crate::platform) async fn holders_of_account(
    tx: &mut Tx,
    account: &str,
    except: i64,
) -> Result<Vec<Tenant>, Error> {
    let rows = sqlx::query(
        "SELECT CASE WHEN t.kind = 'CLIENT' THEN p.settings ELSE t.settings END AS settings FROM record r \
         JOIN tenant t ON t.id = r.tenant_id LEFT JOIN tenant p ON p.id = t.parent_id \
         WHERE r.cloud_account = $1 AND r.id <> $2 AND t.state <> 'TERMINATED'",
    );
    let rows = rows.bind(account).bind(except).fetch_all(&mut **tx).await?;
    rows.iter().map(|row| Ok(serde_json::from_str(&row.try_get::<String, _>("settings")?)?)).collect()
}

/// Stores a new record.
pub(in crate::platform) async fn insert_datum(tx: &mut Tx, shelf: Shelf, datum: &Datum) -> Result<(), Error> {
    let Datum { id, name, at, revision, members, cloud_account } = datum;
    sqlx::query(
        "INSERT INTO record (id, tenant_id, category, name, at, revision, document, cloud_account) \
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8)",
    )
    .bind(id)
    .bind(shelf.tenant)
    .bind(shelf.category.segment())
    .bind(name)
    .bind(at)
    .bind(revision)
    .bind(serde_json::to_string(members)?)
    .bind(cloud_account)
    .execute(&mut **tx)
    .await?;
    Ok(())
}

/// Stores what changed in a record.
pub(in crate::platform) async fn save_datum(tx: &mut Tx, datum: &Datum) -> Result<(), Error> {
    let Datum { id, name, at, revision, members, cloud_account } = datum;
    sqlx::query("UPDATE record SET name = $1, at = $2, revision = $3, document = $4, cloud_account = $5 WHERE id = $6")
        .bind(name)
        .bind(at)
        .bind(revision)
        .bind(serde_json::to_string(members)?)
        .bind(cloud_account)
        .bind(id)
        .execute(&mut **tx)
        .await?;
    Ok(())
}

/// Erases the records of a shelf that are older than it reads; answers how many.
pub(in crate::platform) async fn erase_aged(tx: &mut Tx, shelf: Shelf) -> Result<u64, Error> {
    let Shelf { tenant, category, since } = shelf;
    let erased = sqlx::query("DELETE FROM record WHERE tenant_id = $1 AND category = $2 AND at < $3");
    let erased = erased.bind(tenant).bind(category.segment()).bind(since).execute(&mut **tx).await?;
    Ok(erased.rows_affected())
}
