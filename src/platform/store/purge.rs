//! Erasing what a tenant left.

use std::time::Duration;

use sqlx::{AssertSqlSafe, Executor as _, Row as _};

use super::{Store, Tx};
use crate::platform::error::Error;
use crate::platform::people::login::account;

/// Tables whose rows belong to a tenant by `tenant_id`, those that others refer to last. A test finds a table that is
/// missing here. The audit log goes with the commit, behind its anchor.
const OWNED: [&str; 11] = [
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

/// Rows that belong to a tenant by a person or a role of it: table and column. They go first.
const OF_ITS: [(&str, &str, &str); 9] = [
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

/// How often the file is asked to let go, a tenth of a second apart, while somebody still reads in it.
const TRIES: u32 = 50;

/// A tenant that ended and was not purged.
#[derive(Clone, Debug)]
pub(in crate::platform) struct Ended {
    pub(in crate::platform) id: i64,
    pub(in crate::platform) unique_id: String,
    pub(in crate::platform) parent: Option<i64>,
}

impl Store {
    /// Tenants that ended at or before a time and were not purged, children before their parents.
    pub(in crate::platform) async fn ended(&self, before: i64) -> Result<Vec<Ended>, Error> {
        let rows = sqlx::query(
            "SELECT id, unique_id, parent_id FROM tenant WHERE state = 'TERMINATED' AND purged_at IS NULL \
             AND terminated_at <= $1 ORDER BY terminated_at, id DESC",
        );
        let rows = rows.bind(before).fetch_all(&self.readers).await?;
        let ended = |row: &sqlx::any::AnyRow| {
            let (id, unique_id) = (row.try_get("id")?, row.try_get("unique_id")?);
            Ok(Ended { id, unique_id, parent: row.try_get("parent_id")? })
        };
        rows.iter().map(ended).collect()
    }

    /// Whether rows were erased whose bytes may still stand in the file.
    pub(in crate::platform) async fn wants_scrub(&self) -> Result<bool, Error> {
        let wants: i64 =
            sqlx::query_scalar("SELECT value FROM counter WHERE name = 'scrub'").fetch_one(&self.readers).await?;
        Ok(wants != 0)
    }

    /// Writes the file anew without what was erased. PostgreSQL does that itself, in its own time.
    pub(in crate::platform) async fn scrub(&self) -> Result<(), Error> {
        if self.sqlite {
            let mut connection = self.writer.acquire().await?;
            connection.execute("PRAGMA temp_store = MEMORY").await?;
            connection.execute("VACUUM").await?;
            let mut busy = true;
            for _ in 0..TRIES {
                let row = connection.fetch_one("PRAGMA wal_checkpoint(TRUNCATE)").await?;
                busy = row.try_get::<i64, _>(0)? != 0;
                if !busy {
                    break;
                }
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
            if busy {
                // The mark stays, so the next round tries again.
                tracing::warn!(
                    "the database file still holds purged bytes: somebody reads in it; the next round tries again"
                );
                return Ok(());
            }
        }
        let mut tx = self.begin().await?;
        sqlx::query("UPDATE counter SET value = 0 WHERE name = 'scrub'").execute(&mut *tx).await?;
        Ok(tx.commit().await?)
    }
}

/// Erases all rows of a tenant and leaves a tombstone of ids and dates. The UIDs of the objects that owned it stay, since
/// they refuse a late create for ever.
pub(in crate::platform) async fn erase(tx: &mut Tx, tenant: &Ended, now: i64) -> Result<(), Error> {
    forget_accounts(tx, tenant.id).await?;
    for (table, column, owner) in OF_ITS {
        let owned = format!("DELETE FROM {table} WHERE {column} IN (SELECT id FROM {owner} WHERE tenant_id = $1)");
        sqlx::query(AssertSqlSafe(owned)).bind(tenant.id).execute(&mut **tx).await?;
    }
    for table in OWNED {
        let rows = sqlx::query(AssertSqlSafe(format!("DELETE FROM {table} WHERE tenant_id = $1")));
        rows.bind(tenant.id).execute(&mut **tx).await?;
    }
    sqlx::query(
        "UPDATE tenant SET name = unique_id, name_claim = NULL, mark_place = NULL, settings = '{}', created_by = '', \
         updated_by = '', purged_at = $1 WHERE id = $2 AND state = 'TERMINATED'",
    )
    .bind(now)
    .bind(tenant.id)
    .execute(&mut **tx)
    .await?;
    sqlx::query("UPDATE counter SET value = 1 WHERE name = 'scrub'").execute(&mut **tx).await?;
    Ok(())
}

/// Failed logins are counted by the hash of a login name: it tells whoever guesses the name that it was there.
async fn forget_accounts(tx: &mut Tx, tenant: i64) -> Result<(), Error> {
    let names = sqlx::query_scalar("SELECT login_name FROM person WHERE tenant_id = $1");
    let names: Vec<String> = names.bind(tenant).fetch_all(&mut **tx).await?;
    for name in names {
        sqlx::query("DELETE FROM login_attempt WHERE account = $1").bind(account(&name)).execute(&mut **tx).await?;
    }
    Ok(())
}
