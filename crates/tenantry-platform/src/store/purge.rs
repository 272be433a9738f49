//! Purge of terminated tenants.

use sqlx::{AssertSqlSafe, Row as _};

use super::{Store, Tx, request_scrub};
use crate::error::ApiError;
use crate::people::authentication::account_hash;

/// Tables with a `tenant_id` column. A table comes before the tables that it refers to. A test finds a table that is
/// missing here. The audit log is not among them: its rows are erased in `erase_tenant`, and its chain ends at the commit,
/// after the anchor is locked.
const TENANT_TABLES: [&str; 12] = [
    "export_schedule",
    "delivery",
    "stream",
    "record",
    "image",
    "branding",
    "token",
    "credential",
    "role_client",
    "role",
    "permission_set",
    "person",
];

/// Tables whose rows belong to a person or role of a tenant: table, column, owner table. They are erased first.
const DEPENDENT_TABLES: [(&str, &str, &str); 9] = [
    ("factor", "person_id", "person"),
    ("recovery_code", "person_id", "person"),
    ("session", "person_id", "person"),
    ("login_history", "person_id", "person"),
    ("password_history", "person_id", "person"),
    ("role_person", "person_id", "person"),
    ("role_person", "role_id", "role"),
    ("role_permission_set", "role_id", "role"),
    ("role_client", "role_id", "role"),
];

/// A terminated tenant that is not purged yet.
#[derive(Clone, Debug)]
pub(crate) struct TerminatedTenant {
    pub(crate) id: i64,
    pub(crate) unique_id: String,
    pub(crate) parent: Option<i64>,
}

impl Store {
    /// Lists tenants that were terminated at or before a time and are not purged, children before parents.
    pub(crate) async fn tenants_to_purge(&self, before: i64) -> Result<Vec<TerminatedTenant>, ApiError> {
        let rows = sqlx::query(
            "SELECT id, unique_id, parent_id FROM tenant WHERE state = 'TERMINATED' AND purged_at IS NULL \
             AND terminated_at <= $1 ORDER BY terminated_at, id DESC",
        );
        let rows = rows.bind(before).fetch_all(&self.readers).await?;
        let ended = |row: &sqlx::any::AnyRow| {
            let (id, unique_id) = (row.try_get("id")?, row.try_get("unique_id")?);
            Ok(TerminatedTenant { id, unique_id, parent: row.try_get("parent_id")? })
        };
        rows.iter().map(ended).collect()
    }
}

/// Claims the purge of a tenant. Returns `false` if another process on the same database already did it.
pub(crate) async fn claim_purge(tx: &mut Tx, tenant: i64, now: i64) -> Result<bool, ApiError> {
    let take =
        sqlx::query("UPDATE tenant SET purged_at = $1 WHERE id = $2 AND state = 'TERMINATED' AND purged_at IS NULL");
    Ok(take.bind(now).bind(tenant).execute(&mut **tx).await?.rows_affected() == 1)
}

/// Erases all rows of a tenant whose purge was claimed. A tombstone of ids and dates remains. The UIDs of the objects
/// that owned the tenant are kept for ever, so that a late create is refused.
pub(crate) async fn erase_tenant(tx: &mut Tx, tenant: &TerminatedTenant) -> Result<(), ApiError> {
    delete_login_attempts(tx, tenant.id).await?;
    // The audit rows are erased before the commit locks the anchor, because all writes wait for the anchor.
    sqlx::query("DELETE FROM audit WHERE tenant_id = $1").bind(tenant.id).execute(&mut **tx).await?;
    for (table, column, owner) in DEPENDENT_TABLES {
        let owned = format!("DELETE FROM {table} WHERE {column} IN (SELECT id FROM {owner} WHERE tenant_id = $1)");
        sqlx::query(AssertSqlSafe(owned)).bind(tenant.id).execute(&mut **tx).await?;
    }
    for table in TENANT_TABLES {
        let rows = sqlx::query(AssertSqlSafe(format!("DELETE FROM {table} WHERE tenant_id = $1")));
        rows.bind(tenant.id).execute(&mut **tx).await?;
    }
    sqlx::query(
        "UPDATE tenant SET name = unique_id, name_claim = NULL, mark_place = NULL, settings = '{}', created_by = '', \
         updated_by = '' WHERE id = $1 AND state = 'TERMINATED'",
    )
    .bind(tenant.id)
    .execute(&mut **tx)
    .await?;
    request_scrub(tx).await
}

/// Deletes the failed login counts of a tenant's people. The count is keyed by the hash of the login name, so it would
/// confirm a guessed name.
async fn delete_login_attempts(tx: &mut Tx, tenant: i64) -> Result<(), ApiError> {
    let names = sqlx::query_scalar("SELECT login_name FROM person WHERE tenant_id = $1");
    let names: Vec<String> = names.bind(tenant).fetch_all(&mut **tx).await?;
    for name in names {
        sqlx::query("DELETE FROM login_attempt WHERE account = $1")
            .bind(account_hash(&name))
            .execute(&mut **tx)
            .await?;
    }
    Ok(())
}
