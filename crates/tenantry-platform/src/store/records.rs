//! Records: the data of tenants.

use std::collections::BTreeMap;

use serde_json::{Map, Value};
use sqlx::any::AnyRow;
use sqlx::{AnyExecutor, Row as _};
use tenantry_catalog::DataCategory;
use tenantry_wire::Tenant;

use super::paged_queries::{self, ListQuery, PageRange, Term, select_page};
use super::{Store, Tx};
use crate::error::ApiError;
use crate::limits::{MAX_RECORD_BYTES, MAX_RECORD_PAGE_BYTES};

/// A record as stored.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Record {
    pub(crate) id: i64,
    pub(crate) name: String,
    /// When the event occurred.
    pub(crate) at: i64,
    /// Number of changes.
    pub(crate) revision: i64,
    /// All other members.
    pub(crate) members: Map<String, Value>,
    /// The cloud account that it registers.
    pub(crate) cloud_account: Option<String>,
}

/// Tenant and category of records, and the oldest time that is readable.
#[derive(Clone, Copy, Debug)]
pub(crate) struct RecordScope {
    pub(crate) tenant: i64,
    pub(crate) category: DataCategory,
    /// Older records are no longer readable.
    pub(crate) since: i64,
}

const COLUMNS: &str = "id, name, at, revision, document, cloud_account";

fn read_record(row: &AnyRow) -> Result<Record, ApiError> {
    Ok(Record {
        id: row.try_get("id")?,
        name: row.try_get("name")?,
        at: row.try_get("at")?,
        revision: row.try_get("revision")?,
        members: serde_json::from_str(&row.try_get::<String, _>("document")?)?,
        cloud_account: row.try_get("cloud_account")?,
    })
}

impl Store {
    /// Returns at most `most` records of a scope with numbers greater than `after`, in order of the numbers.
    pub(crate) async fn records_after(
        &self,
        record_scope: RecordScope,
        after: i64,
        max: i64,
    ) -> Result<Vec<Record>, ApiError> {
        let RecordScope { tenant, category, since } = record_scope;
        let rows = sqlx::query(sqlx::AssertSqlSafe(format!(
            "SELECT {COLUMNS} FROM record WHERE tenant_id = $1 AND category = $2 AND at >= $3 AND id > $4 \
             ORDER BY id LIMIT $5"
        )));
        let rows = rows.bind(tenant).bind(category.segment()).bind(since).bind(after).bind(max);
        rows.fetch_all(&self.readers).await?.iter().map(read_record).collect()
    }

    /// Returns one page of a scope, and the total count.
    pub(crate) async fn record_page(
        &self,
        record_scope: RecordScope,
        range: PageRange,
    ) -> Result<(Vec<Record>, i64), ApiError> {
        let RecordScope { tenant, category, since } = record_scope;
        let listed = ListQuery { columns: COLUMNS, from: "FROM record WHERE tenant_id = $1", order: ("id", "id") };
        let category = paged_queries::TermValue::Text(category.segment().to_owned());
        let lengths = self.record_lengths(record_scope, range).await?;
        if count_fitting(&lengths) < lengths.len() {
            return Err(page_too_large(lengths.iter().sum()));
        }
        let terms = [Term("category = ", category), Term("at >= ", paged_queries::TermValue::Number(since))];
        let (rows, total) = select_page(&self.readers, listed, tenant, &terms, range).await?;
        Ok((rows.iter().map(read_record).collect::<Result<_, _>>()?, total))
    }

    /// Returns how many records of a page fit into one response, at least one.
    pub(crate) async fn fitting_count(&self, record_scope: RecordScope, range: PageRange) -> Result<i64, ApiError> {
        let fitting = count_fitting(&self.record_lengths(record_scope, range).await?).max(1);
        Ok(i64::try_from(fitting).unwrap_or(range.size))
    }

    /// Returns the size in bytes of each record of a page, without reading the records.
    async fn record_lengths(&self, record_scope: RecordScope, range: PageRange) -> Result<Vec<usize>, ApiError> {
        let RecordScope { tenant, category, since } = record_scope;
        let direction = if range.is_descending { "DESC" } else { "ASC" };
        let lengths = sqlx::query_scalar(sqlx::AssertSqlSafe(format!(
            "SELECT CAST(octet_length(document) AS BIGINT) FROM record \
             WHERE tenant_id = $1 AND category = $2 AND at >= $3 ORDER BY id {direction} LIMIT $4 OFFSET $5"
        )));
        let lengths = lengths.bind(tenant).bind(category.segment()).bind(since).bind(range.size).bind(range.offset);
        let lengths: Vec<i64> = lengths.fetch_all(&self.readers).await?;
        Ok(lengths.into_iter().map(|bytes| usize::try_from(bytes).unwrap_or_default()).collect())
    }

    /// Returns one record.
    pub(crate) async fn find_record(&self, record_scope: RecordScope, id: i64) -> Result<Option<Record>, ApiError> {
        select_record(&self.readers, record_scope, id).await
    }

    /// Counts a tenant's records per category. Categories without records are absent.
    pub(crate) async fn record_counts(&self, tenant: i64) -> Result<BTreeMap<String, i64>, ApiError> {
        let rows = sqlx::query("SELECT category, COUNT(*) AS total FROM record WHERE tenant_id = $1 GROUP BY category");
        let rows = rows.bind(tenant).fetch_all(&self.readers).await?;
        rows.iter().map(|row| Ok((row.try_get("category")?, row.try_get("total")?))).collect()
    }

    /// Lists tenants with records of a category from before a time.
    pub(crate) async fn tenants_with_old_records(
        &self,
        category: DataCategory,
        before: i64,
    ) -> Result<Vec<i64>, ApiError> {
        let rows = sqlx::query("SELECT DISTINCT tenant_id FROM record WHERE category = $1 AND at < $2");
        let rows = rows.bind(category.segment()).bind(before).fetch_all(&self.readers).await?;
        rows.iter().map(|row| Ok(row.try_get("tenant_id")?)).collect()
    }
}

/// Returns how many of the first records of a page fit into one response. The first always does: it may be older than
/// the size limit for records.
fn count_fitting(lengths: &[usize]) -> usize {
    let mut sum = 0;
    let fits = |bytes: &&usize| {
        sum += **bytes;
        sum <= MAX_RECORD_PAGE_BYTES
    };
    lengths.iter().take_while(fits).count().max(lengths.len().min(1))
}

fn page_too_large(bytes: usize) -> ApiError {
    let fits = MAX_RECORD_PAGE_BYTES / MAX_RECORD_BYTES;
    ApiError::field(
        "pageSize",
        format!(
            "The records of this page have {bytes} bytes, and a page at most {MAX_RECORD_PAGE_BYTES}: ask for a smaller pageSize; \
             {fits} always fit, and 1 where a record has more than {MAX_RECORD_BYTES} bytes"
        ),
    )
}

async fn select_record<'e>(
    executor: impl AnyExecutor<'e>,
    record_scope: RecordScope,
    id: i64,
) -> Result<Option<Record>, ApiError> {
    let RecordScope { tenant, category, since } = record_scope;
    let row = sqlx::query(sqlx::AssertSqlSafe(format!(
        "SELECT {COLUMNS} FROM record WHERE tenant_id = $1 AND category = $2 AND at >= $3 AND id = $4"
    )));
    let row = row.bind(tenant).bind(category.segment()).bind(since).bind(id).fetch_optional(executor).await?;
    row.as_ref().map(read_record).transpose()
}

/// Reads one record. The caller holds the lock of the tenant.
pub(crate) async fn lock_record(tx: &mut Tx, record_scope: RecordScope, id: i64) -> Result<Option<Record>, ApiError> {
    select_record(&mut **tx, record_scope, id).await
}

/// Returns the next record number. It locks the counter until the commit, so that cloud accounts are compared one write
/// at a time.
pub(crate) async fn next_number(tx: &mut Tx) -> Result<i64, ApiError> {
    let next = sqlx::query_scalar("UPDATE counter SET value = value + 1 WHERE name = 'record' RETURNING value");
    Ok(next.fetch_one(&mut **tx).await?)
}

/// Returns the id of the record with this name in a category. It may be past its retention period and wait for the next
/// job to erase it.
pub(crate) async fn find_record_id_by_name(
    tx: &mut Tx,
    record_scope: RecordScope,
    name: &str,
    except: i64,
) -> Result<Option<i64>, ApiError> {
    let id =
        sqlx::query_scalar("SELECT id FROM record WHERE tenant_id = $1 AND category = $2 AND name = $3 AND id <> $4");
    let id = id.bind(record_scope.tenant).bind(record_scope.category.segment()).bind(name).bind(except);
    Ok(id.fetch_optional(&mut **tx).await?)
}

/// Returns the settings of the partners whose living tenants have a cloud account.
pub(crate) async fn account_holder_settings(tx: &mut Tx, account: &str, except: i64) -> Result<Vec<Tenant>, ApiError> {
    let rows = sqlx::query(
        "SELECT CASE WHEN t.kind = 'CLIENT' THEN p.settings ELSE t.settings END AS settings FROM record r \
         JOIN tenant t ON t.id = r.tenant_id LEFT JOIN tenant p ON p.id = t.parent_id \
         WHERE r.cloud_account = $1 AND r.id <> $2 AND t.state <> 'TERMINATED'",
    );
    let rows = rows.bind(account).bind(except).fetch_all(&mut **tx).await?;
    rows.iter().map(|row| Ok(serde_json::from_str(&row.try_get::<String, _>("settings")?)?)).collect()
}

/// Stores a new record.
pub(crate) async fn insert_record(tx: &mut Tx, record_scope: RecordScope, record: &Record) -> Result<(), ApiError> {
    let Record { id, name, at, revision, members, cloud_account } = record;
    sqlx::query(
        "INSERT INTO record (id, tenant_id, category, name, at, revision, document, cloud_account) \
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8)",
    )
    .bind(id)
    .bind(record_scope.tenant)
    .bind(record_scope.category.segment())
    .bind(name)
    .bind(at)
    .bind(revision)
    .bind(serde_json::to_string(members)?)
    .bind(cloud_account)
    .execute(&mut **tx)
    .await?;
    Ok(())
}

/// Stores the changes of a record.
pub(crate) async fn save_record(tx: &mut Tx, record: &Record) -> Result<(), ApiError> {
    let Record { id, name, at, revision, members, cloud_account } = record;
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

/// Erases the records of a scope that are past the retention period. Returns how many.
pub(crate) async fn erase_old_records(tx: &mut Tx, record_scope: RecordScope) -> Result<u64, ApiError> {
    let RecordScope { tenant, category, since } = record_scope;
    let erased = sqlx::query("DELETE FROM record WHERE tenant_id = $1 AND category = $2 AND at < $3");
    let erased = erased.bind(tenant).bind(category.segment()).bind(since).execute(&mut **tx).await?;
    Ok(erased.rows_affected())
}
