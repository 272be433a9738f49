//! The chains of the audit log.

use sqlx::Row as _;
use sqlx::any::AnyRow;

use super::{Store, Tx};
use crate::platform::audit::{Hash, Row};

/// A row with its hash, as they stand there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::platform) struct Kept {
    pub(in crate::platform) row: Row,
    pub(in crate::platform) hash: Hash,
}

/// The last row of a chain, as its head tells it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(in crate::platform) struct Head {
    pub(in crate::platform) number: i64,
    pub(in crate::platform) hash: Hash,
    pub(in crate::platform) seal: String,
}

fn read_head(row: &AnyRow) -> Result<Head, sqlx::Error> {
    Ok(Head { number: row.try_get("number")?, hash: row.try_get("hash")?, seal: row.try_get("seal")? })
}

/// Locks a chain and answers its head; number 0 before the first row.
pub(in crate::platform) async fn head(tx: &mut Tx, tenant: i64) -> Result<Head, sqlx::Error> {
    // An update that changes nothing: whoever else appends to this chain waits here.
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

/// Adds a row and moves the head to it.
pub(in crate::platform) async fn advance(tx: &mut Tx, row: &Row, hash: &str, seal: &str) -> Result<(), sqlx::Error> {
    let Row { tenant, number, at, actor, action, object, outcome, request, previous } = row;
    sqlx::query(
        "INSERT INTO audit (tenant_id, number, at, actor, action, object, outcome, request, previous, hash) \
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)",
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

/// Seals a head as it stands.
pub(in crate::platform) async fn save_seal(tx: &mut Tx, tenant: i64, seal: &str) -> Result<(), sqlx::Error> {
    let save = sqlx::query("UPDATE audit_head SET seal = $1 WHERE tenant_id = $2");
    save.bind(seal).bind(tenant).execute(&mut **tx).await.map(drop)
}

impl Store {
    /// Number and unique id of every tenant that has a chain or what is left of one.
    pub(in crate::platform) async fn chains(&self) -> Result<Vec<(i64, String)>, sqlx::Error> {
        let rows = sqlx::query(
            "SELECT id, unique_id FROM tenant WHERE id IN (SELECT tenant_id FROM audit) \
             OR id IN (SELECT tenant_id FROM audit_head) ORDER BY id",
        );
        let rows = rows.fetch_all(&self.readers).await?;
        rows.iter().map(|row| Ok((row.try_get("id")?, row.try_get("unique_id")?))).collect()
    }

    /// Some of the heads that have a seal, by the number of their tenant.
    pub(in crate::platform) async fn sealed_heads(&self, most: i64) -> Result<Vec<(i64, Head)>, sqlx::Error> {
        let rows = sqlx::query(
            "SELECT tenant_id, number, hash, seal FROM audit_head WHERE seal <> '' ORDER BY tenant_id LIMIT $1",
        );
        let rows = rows.bind(most).fetch_all(&self.readers).await?;
        rows.iter().map(|row| Ok((row.try_get("tenant_id")?, read_head(row)?))).collect()
    }

    /// The head of a chain.
    pub(in crate::platform) async fn head(&self, tenant: i64) -> Result<Option<Head>, sqlx::Error> {
        let row = sqlx::query("SELECT number, hash, seal FROM audit_head WHERE tenant_id = $1");
        row.bind(tenant).fetch_optional(&self.readers).await?.as_ref().map(read_head).transpose()
    }

    /// Rows of a chain after a number, in their order.
    pub(in crate::platform) async fn rows(&self, tenant: i64, after: i64, most: i64) -> Result<Vec<Kept>, sqlx::Error> {
        let rows = sqlx::query(
            "SELECT tenant_id, number, at, actor, action, object, outcome, request, previous, hash FROM audit \
             WHERE tenant_id = $1 AND number > $2 ORDER BY number LIMIT $3",
        );
        let rows = rows.bind(tenant).bind(after).bind(most).fetch_all(&self.readers).await?;
        rows.iter().map(kept).collect()
    }
}

fn kept(row: &AnyRow) -> Result<Kept, sqlx::Error> {
    let kept = Row {
        tenant: row.try_get("tenant_id")?,
        number: row.try_get("number")?,
        at: row.try_get("at")?,
        actor: row.try_get("actor")?,
        action: row.try_get("action")?,
        object: row.try_get("object")?,
        outcome: row.try_get("outcome")?,
        request: row.try_get("request")?,
        previous: row.try_get("previous")?,
    };
    Ok(Kept { row: kept, hash: row.try_get("hash")? })
}
