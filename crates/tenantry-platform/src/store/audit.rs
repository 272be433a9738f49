//! Queries over the chains of the audit log: rows, heads, statements and the anchor.

use futures::TryStreamExt as _;
use sqlx::Row as _;
use sqlx::any::AnyRow;

use super::paged_queries::{ListQuery, PageRange, Term, select_page};
use super::{Store, Tx};
use crate::audit::{AuditRow, PrecedingRow, RowHash};
use crate::error::ApiError;

/// An audit row with its hash and its seal, as stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct SealedRow {
    pub(crate) row: AuditRow,
    pub(crate) hash: RowHash,
    pub(crate) seal: String,
}

/// An audit row as the verification reads it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct VerifiableRow {
    pub(crate) sealed_row: SealedRow,
    /// Hash of the row that it names as the row beside it, if that row exists.
    pub(crate) preceding_hash: Option<RowHash>,
}

/// The last row of a chain, according to its head or to a statement.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct ChainHead {
    pub(crate) number: i64,
    pub(crate) hash: RowHash,
    pub(crate) seal: String,
}

/// The anchor as stored.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct StoredAnchor {
    pub(crate) events: i64,
    /// Id of the key that it is sealed with.
    pub(crate) key_id: String,
    /// Empty before the first anchor.
    pub(crate) state: String,
}

/// Columns of an audit row.
const COLUMNS: &str = "a.tenant_id, a.number, a.at, a.actor, a.action, a.object, a.outcome, a.request, a.source, \
                       a.previous, a.hash, a.key_id, a.beside_tenant, a.beside_number, a.beside_hash, a.seal";

fn read_head(row: &AnyRow) -> Result<ChainHead, sqlx::Error> {
    Ok(ChainHead { number: row.try_get("number")?, hash: row.try_get("hash")?, seal: row.try_get("seal")? })
}

fn read_anchor(row: &AnyRow) -> Result<StoredAnchor, sqlx::Error> {
    Ok(StoredAnchor { events: row.try_get("events")?, key_id: row.try_get("key_id")?, state: row.try_get("state")? })
}

fn read_sealed_row(row: &AnyRow) -> Result<SealedRow, sqlx::Error> {
    let beside: Option<i64> = row.try_get("beside_tenant")?;
    let text = |column| row.try_get::<Option<String>, _>(column).map(Option::unwrap_or_default);
    let beside = match beside {
        None => None,
        Some(tenant) => {
            let number = row.try_get::<Option<i64>, _>("beside_number")?.unwrap_or_default();
            Some(PrecedingRow { tenant, number, hash: text("beside_hash")? })
        }
    };
    let kept = AuditRow {
        tenant: row.try_get("tenant_id")?,
        number: row.try_get("number")?,
        at: row.try_get("at")?,
        actor: row.try_get("actor")?,
        action: row.try_get("action")?,
        object: row.try_get("object")?,
        outcome: row.try_get("outcome")?,
        request: row.try_get("request")?,
        source: text("source")?,
        previous: row.try_get("previous")?,
        beside,
        key_id: row.try_get("key_id")?,
    };
    Ok(SealedRow { row: kept, hash: row.try_get("hash")?, seal: row.try_get("seal")? })
}

/// Locks a chain and returns its head; number 0 before the first row.
pub(crate) async fn lock_head(tx: &mut Tx, tenant: i64) -> Result<ChainHead, sqlx::Error> {
    // The update changes nothing. It makes other writers of this chain wait here.
    let row = sqlx::query("UPDATE audit_head SET number = number WHERE tenant_id = $1 RETURNING number, hash, seal")
        .bind(tenant)
        .fetch_optional(&mut **tx)
        .await?;
    if let Some(row) = row {
        return read_head(&row);
    }
    let row = sqlx::query(
        "INSERT INTO audit_head (tenant_id, number, hash, seal) VALUES ($1, 0, '', '') \
         ON CONFLICT (tenant_id) DO UPDATE SET number = audit_head.number RETURNING number, hash, seal",
    )
    .bind(tenant)
    .fetch_one(&mut **tx)
    .await?;
    read_head(&row)
}

/// Returns the last row of a chain, even if the head differs.
pub(crate) async fn last_row(tx: &mut Tx, tenant: i64) -> Result<Option<ChainHead>, sqlx::Error> {
    let row = sqlx::query("SELECT number, hash, seal FROM audit WHERE tenant_id = $1 ORDER BY number DESC LIMIT 1");
    row.bind(tenant).fetch_optional(&mut **tx).await?.as_ref().map(read_head).transpose()
}

/// Inserts a row and moves the head to it.
pub(crate) async fn insert_row(tx: &mut Tx, sealed_row: &SealedRow) -> Result<(), sqlx::Error> {
    let SealedRow { row, hash, seal } = sealed_row;
    let AuditRow { tenant, number, at, actor, action, object, outcome, request, source, previous, beside, key_id } =
        row;
    sqlx::query(
        "INSERT INTO audit (tenant_id, number, at, actor, action, object, outcome, request, previous, hash, source, \
         key_id, beside_tenant, beside_number, beside_hash, seal) \
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16)",
    )
    .bind(tenant)
    .bind(number)
    .bind(at)
    .bind(actor)
    .bind(action)
    .bind(object)
    .bind(outcome)
    .bind(request)
    .bind(previous)
    .bind(hash)
    .bind(source)
    .bind(key_id)
    .bind(beside.as_ref().map(|beside| beside.tenant))
    .bind(beside.as_ref().map(|beside| beside.number))
    .bind(beside.as_ref().map(|beside| beside.hash.as_str()))
    .bind(seal)
    .execute(&mut **tx)
    .await?;
    sqlx::query("UPDATE audit_head SET number = $1, hash = $2, seal = $3 WHERE tenant_id = $4")
        .bind(number)
        .bind(hash)
        .bind(seal)
        .bind(tenant)
        .execute(&mut **tx)
        .await?;
    Ok(())
}

/// Locks the anchor and returns it; the state is empty before the first anchor.
pub(crate) async fn lock_anchor(tx: &mut Tx) -> Result<StoredAnchor, sqlx::Error> {
    let row = sqlx::query(
        "INSERT INTO audit_anchor (id, events, key_id, state) VALUES (1, 0, '', '') \
         ON CONFLICT (id) DO UPDATE SET events = audit_anchor.events RETURNING events, key_id, state",
    );
    read_anchor(&row.fetch_one(&mut **tx).await?)
}

/// Stores the anchor.
pub(crate) async fn save_anchor(tx: &mut Tx, anchor: &StoredAnchor) -> Result<(), sqlx::Error> {
    let StoredAnchor { events, key_id, state } = anchor;
    let save = sqlx::query("UPDATE audit_anchor SET events = $1, key_id = $2, state = $3 WHERE id = 1");
    save.bind(events).bind(key_id).bind(state).execute(&mut **tx).await.map(drop)
}

/// Result of the check of all sealed heads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum SealedHeads {
    /// No head has a seal.
    None,
    /// At least one seal is valid.
    Valid,
    /// There are seals, and none is valid.
    Invalid,
}

/// Checks whether any sealed head is valid. Normally the first one is; if somebody changed the heads, all are checked.
pub(crate) async fn check_sealed_heads(
    tx: &mut Tx,
    holds: impl Fn(i64, &ChainHead) -> bool,
) -> Result<SealedHeads, sqlx::Error> {
    find_valid_head(&mut **tx, holds).await
}

async fn find_valid_head<'e>(
    executor: impl sqlx::Executor<'e, Database = sqlx::Any>,
    holds: impl Fn(i64, &ChainHead) -> bool,
) -> Result<SealedHeads, sqlx::Error> {
    let text = "SELECT tenant_id, number, hash, seal FROM audit_head WHERE seal <> '' ORDER BY tenant_id";
    let (mut rows, mut found) = (sqlx::query(text).fetch(executor), SealedHeads::None);
    while let Some(row) = rows.try_next().await? {
        if holds(row.try_get("tenant_id")?, &read_head(&row)?) {
            return Ok(SealedHeads::Valid);
        }
        found = SealedHeads::Invalid;
    }
    Ok(found)
}

/// Erases a chain and keeps a statement of its last row.
pub(crate) async fn purge_chain(tx: &mut Tx, tenant: i64, last: &ChainHead) -> Result<(), sqlx::Error> {
    sqlx::query(
        "INSERT INTO audit_purged (id, number, hash, seal) VALUES ($1, $2, $3, $4) ON CONFLICT (id) DO NOTHING",
    )
    .bind(tenant)
    .bind(last.number)
    .bind(&last.hash)
    .bind(&last.seal)
    .execute(&mut **tx)
    .await?;
    for text in [
        "DELETE FROM audit WHERE tenant_id = $1",
        "DELETE FROM audit_checkpoint WHERE tenant_id = $1",
        "DELETE FROM audit_head WHERE tenant_id = $1",
    ] {
        sqlx::query(text).bind(tenant).execute(&mut **tx).await?;
    }
    Ok(())
}

/// Erases the rows of a chain up to a checkpoint, which replaces an earlier checkpoint.
pub(crate) async fn trim_chain(tx: &mut Tx, tenant: i64, checkpoint: &ChainHead) -> Result<u64, sqlx::Error> {
    sqlx::query(
        "INSERT INTO audit_checkpoint (tenant_id, number, hash, seal) VALUES ($1, $2, $3, $4) \
         ON CONFLICT (tenant_id) DO UPDATE SET number = excluded.number, hash = excluded.hash, seal = excluded.seal \
         WHERE audit_checkpoint.number < excluded.number",
    )
    .bind(tenant)
    .bind(checkpoint.number)
    .bind(&checkpoint.hash)
    .bind(&checkpoint.seal)
    .execute(&mut **tx)
    .await?;
    let rows = sqlx::query("DELETE FROM audit WHERE tenant_id = $1 AND number <= $2");
    Ok(rows.bind(tenant).bind(checkpoint.number).execute(&mut **tx).await?.rows_affected())
}

/// Seals all statements of a table again.
pub(crate) async fn reseal_statements(
    tx: &mut Tx,
    table: StatementTable,
    seal: impl Fn(i64, &ChainHead) -> String,
) -> Result<(), sqlx::Error> {
    let rows = sqlx::query(table.select_sql()).fetch_all(&mut **tx).await?;
    for row in rows {
        let (tenant, head): (i64, ChainHead) = (row.try_get("tenant_id")?, read_head(&row)?);
        let save = sqlx::query(table.update_sql()).bind(seal(tenant, &head)).bind(tenant);
        save.execute(&mut **tx).await?;
    }
    Ok(())
}

/// The tables that hold statements.
#[derive(Clone, Copy, Debug)]
pub(crate) enum StatementTable {
    Checkpoints,
    Purged,
}

impl StatementTable {
    const fn select_sql(self) -> &'static str {
        match self {
            Self::Checkpoints => "SELECT tenant_id, number, hash, seal FROM audit_checkpoint ORDER BY tenant_id",
            Self::Purged => "SELECT id AS tenant_id, number, hash, seal FROM audit_purged ORDER BY id",
        }
    }

    const fn update_sql(self) -> &'static str {
        match self {
            Self::Checkpoints => "UPDATE audit_checkpoint SET seal = $1 WHERE tenant_id = $2",
            Self::Purged => "UPDATE audit_purged SET seal = $1 WHERE id = $2",
        }
    }
}

impl Store {
    /// Lists number and unique id of every tenant that has audit rows or a head.
    pub(crate) async fn list_chains(&self) -> Result<Vec<(i64, String)>, sqlx::Error> {
        let rows = sqlx::query(
            "SELECT id, unique_id FROM tenant WHERE id IN (SELECT tenant_id FROM audit) \
             OR id IN (SELECT tenant_id FROM audit_head) ORDER BY id",
        );
        let rows = rows.fetch_all(&self.readers).await?;
        rows.iter().map(|row| Ok((row.try_get("id")?, row.try_get("unique_id")?))).collect()
    }

    /// Returns the unique id of a tenant, whether or not it has a chain.
    pub(crate) async fn unique_id_of(&self, tenant: i64) -> Result<Option<String>, sqlx::Error> {
        let name = sqlx::query_scalar("SELECT unique_id FROM tenant WHERE id = $1");
        name.bind(tenant).fetch_optional(&self.readers).await
    }

    /// Returns whether the schema is older than the anchor.
    pub(crate) async fn is_before_anchor(&self) -> Result<bool, sqlx::Error> {
        let newest: i64 =
            sqlx::query_scalar("SELECT COALESCE(MAX(version), 0) FROM _sqlx_migrations WHERE version >= 11")
                .fetch_one(&self.readers)
                .await?;
        Ok(newest == 0)
    }

    /// Returns the anchor, if there is one.
    pub(crate) async fn anchor(&self) -> Result<Option<StoredAnchor>, sqlx::Error> {
        let row = sqlx::query("SELECT events, key_id, state FROM audit_anchor WHERE id = 1");
        row.fetch_optional(&self.readers).await?.as_ref().map(read_anchor).transpose()
    }

    /// Passes each head to `each` and returns the anchor. One statement reads both, so they are consistent.
    pub(crate) async fn fold_heads(
        &self,
        mut each: impl FnMut(i64, i64, &str),
    ) -> Result<Option<StoredAnchor>, sqlx::Error> {
        let text = "SELECT a.events, a.key_id, a.state, COALESCE(h.tenant_id, 0) AS tenant_id, \
                    COALESCE(h.number, 0) AS number, COALESCE(h.hash, '') AS hash \
                    FROM audit_anchor a LEFT JOIN audit_head h ON h.tenant_id > 0 WHERE a.id = 1";
        let (mut rows, mut anchor) = (sqlx::query(text).fetch(&self.readers), None);
        while let Some(row) = rows.try_next().await? {
            each(row.try_get("tenant_id")?, row.try_get("number")?, row.try_get("hash")?);
            if anchor.is_none() {
                anchor = Some(read_anchor(&row)?);
            }
        }
        Ok(anchor)
    }

    /// Checks whether any sealed head is valid.
    pub(crate) async fn check_sealed_heads(
        &self,
        holds: impl Fn(i64, &ChainHead) -> bool,
    ) -> Result<SealedHeads, sqlx::Error> {
        find_valid_head(&self.readers, holds).await
    }

    /// Returns the head of a chain.
    pub(crate) async fn head_of(&self, tenant: i64) -> Result<Option<ChainHead>, sqlx::Error> {
        let row = sqlx::query("SELECT number, hash, seal FROM audit_head WHERE tenant_id = $1");
        row.bind(tenant).fetch_optional(&self.readers).await?.as_ref().map(read_head).transpose()
    }

    /// Lists all statements of a table with the number of their tenant.
    pub(crate) async fn list_statements(&self, table: StatementTable) -> Result<Vec<(i64, ChainHead)>, sqlx::Error> {
        let rows = sqlx::query(table.select_sql()).fetch_all(&self.readers).await?;
        rows.iter().map(|row| Ok((row.try_get("tenant_id")?, read_head(row)?))).collect()
    }

    /// Returns the checkpoint of a chain.
    pub(crate) async fn checkpoint(&self, tenant: i64) -> Result<Option<ChainHead>, sqlx::Error> {
        let row = sqlx::query("SELECT number, hash, seal FROM audit_checkpoint WHERE tenant_id = $1");
        row.bind(tenant).fetch_optional(&self.readers).await?.as_ref().map(read_head).transpose()
    }

    /// Returns whether any row was written with an anchor.
    pub(crate) async fn was_anchored(&self) -> Result<bool, sqlx::Error> {
        let row = sqlx::query("SELECT number FROM audit WHERE beside_tenant IS NOT NULL LIMIT 1");
        Ok(row.fetch_optional(&self.readers).await?.is_some())
    }

    /// Returns whether the database has any tenant.
    pub(crate) async fn has_tenants(&self) -> Result<bool, sqlx::Error> {
        Ok(sqlx::query("SELECT id FROM tenant LIMIT 1").fetch_optional(&self.readers).await?.is_some())
    }

    /// Lists tenants with audit rows before a time.
    pub(crate) async fn tenants_with_old_rows(&self, before: i64) -> Result<Vec<i64>, sqlx::Error> {
        let tenants = sqlx::query_scalar("SELECT DISTINCT tenant_id FROM audit WHERE at < $1 ORDER BY tenant_id");
        tenants.bind(before).fetch_all(&self.readers).await
    }

    /// Returns at most `most` rows of a chain after a number, in order.
    pub(crate) async fn rows_after(
        &self,
        tenant: i64,
        after: i64,
        max: i64,
    ) -> Result<Vec<VerifiableRow>, sqlx::Error> {
        let text = format!(
            "SELECT {COLUMNS}, b.hash AS beside_found FROM audit a \
             LEFT JOIN audit b ON b.tenant_id = a.beside_tenant AND b.number = a.beside_number \
             WHERE a.tenant_id = $1 AND a.number > $2 ORDER BY a.number LIMIT $3"
        );
        let rows = sqlx::query(sqlx::AssertSqlSafe(text)).bind(tenant).bind(after).bind(max);
        let rows = rows.fetch_all(&self.readers).await?;
        rows.iter()
            .map(|row| {
                Ok(VerifiableRow { sealed_row: read_sealed_row(row)?, preceding_hash: row.try_get("beside_found")? })
            })
            .collect()
    }

    /// Returns the hash of one row.
    pub(crate) async fn hash_of(&self, tenant: i64, number: i64) -> Result<Option<RowHash>, sqlx::Error> {
        let hash = sqlx::query_scalar("SELECT hash FROM audit WHERE tenant_id = $1 AND number = $2");
        hash.bind(tenant).bind(number).fetch_optional(&self.readers).await
    }

    /// Returns one page of a tenant's audit log, and the total count.
    pub(crate) async fn search_log(
        &self,
        tenant: i64,
        terms: &[Term],
        range: PageRange,
    ) -> Result<(Vec<SealedRow>, i64), ApiError> {
        let listed = ListQuery {
            columns: COLUMNS,
            from: "FROM audit a WHERE a.tenant_id = $1",
            order: ("a.number", "a.number"),
        };
        let (rows, total) = select_page(&self.readers, listed, tenant, terms, range).await?;
        Ok((rows.iter().map(read_sealed_row).collect::<Result<_, _>>()?, total))
    }
}
