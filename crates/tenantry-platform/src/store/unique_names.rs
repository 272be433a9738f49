//! Login names and tenant names across the platform.

use std::collections::{HashMap, HashSet};

use sqlx::Row as _;
use sqlx::any::AnyRow;

use super::Store;
use crate::name_normalization::{login_key, masked_login_key, name_claim};

/// A person or tenant with a name.
pub(crate) struct NameRecord {
    pub(crate) unique_id: String,
    pub(crate) name: String,
    /// Unique id of the tenant that it belongs to; empty for the service provider.
    pub(crate) under: String,
}

impl Store {
    /// Normalizes the keys of login names, once per database. If another person already has the normalized key, the old
    /// key stays and its person logs in with it.
    pub(super) async fn write_login_keys(&self) -> Result<(), sqlx::Error> {
        let mut tx = self.begin().await?;
        // If two processes start at once, one waits here.
        let first = sqlx::query("UPDATE counter SET value = 1 WHERE name = 'login_keys' AND value = 0");
        if first.execute(&mut *tx).await?.rows_affected() == 0 {
            return Ok(());
        }
        let rows = sqlx::query("SELECT id, unique_id, login_name, login_key, status FROM person ORDER BY id");
        let rows = rows.fetch_all(&mut *tx).await?;
        let keys = rows.iter().map(|row| row.try_get("login_key")).collect::<Result<Vec<String>, _>>()?;
        let mut taken: HashSet<String> = keys.iter().cloned().collect();
        let mut changed: HashMap<i64, String> = HashMap::new();
        for (row, before) in rows.iter().zip(keys) {
            let (name, unique_id): (String, String) = (row.try_get("login_name")?, row.try_get("unique_id")?);
            let is_masked = name == unique_id && row.try_get::<String, _>("status")? == "TERMINATED";
            let key = if is_masked { masked_login_key(&unique_id) } else { login_key(&name) };
            if key == before {
                continue;
            }
            if taken.insert(key.clone()) {
                changed.insert(row.try_get("id")?, key);
            } else {
                tracing::warn!(
                    person = unique_id,
                    "the login name is equal to another one in its normal form; both still log in: \
                     `tenantry-platform names collisions` lists them"
                );
            }
        }
        for (person, key) in changed {
            let update = sqlx::query("UPDATE person SET login_key = $1 WHERE id = $2");
            update.bind(key).bind(person).execute(&mut *tx).await?;
        }
        tx.commit().await
    }

    /// Normalizes the name claims of tenants for comparison, once per database. If another living tenant of the parent
    /// already has the normalized claim, the old claim stays; `names collisions` lists both.
    pub(super) async fn write_name_claims(&self) -> Result<(), sqlx::Error> {
        let mut tx = self.begin().await?;
        // If two processes start at once, one waits here.
        let first = sqlx::query("UPDATE counter SET value = 1 WHERE name = 'name_claims' AND value = 0");
        if first.execute(&mut *tx).await?.rows_affected() == 0 {
            return Ok(());
        }
        let rows = sqlx::query(
            "SELECT id, unique_id, parent_id, name, name_claim FROM tenant \
             WHERE name_claim IS NOT NULL AND state <> 'TERMINATED' ORDER BY id",
        );
        let rows = rows.fetch_all(&mut *tx).await?;
        let place = |row: &AnyRow| Ok((row.try_get("parent_id")?, row.try_get("name_claim")?));
        let places = rows.iter().map(place).collect::<Result<Vec<(Option<i64>, String)>, sqlx::Error>>()?;
        let mut taken: HashSet<(Option<i64>, String)> = places.iter().cloned().collect();
        for (row, (parent, before)) in rows.iter().zip(places) {
            let form = name_claim(&row.try_get::<String, _>("name")?);
            if form == before {
                continue;
            }
            if taken.insert((parent, form.clone())) {
                let update = sqlx::query("UPDATE tenant SET name_claim = $1 WHERE id = $2");
                update.bind(form).bind(row.try_get::<i64, _>("id")?).execute(&mut *tx).await?;
            } else {
                tracing::warn!(
                    tenant = row.try_get::<String, _>("unique_id")?,
                    "the name looks like that of another tenant of the parent; both stay: \
                     `tenantry-platform names collisions` lists them"
                );
            }
        }
        tx.commit().await
    }

    /// Lists everyone who is not terminated, with the tenant.
    pub(crate) async fn login_names(&self) -> Result<Vec<NameRecord>, sqlx::Error> {
        self.read_names(
            "SELECT u.unique_id, u.login_name AS name, t.unique_id AS under FROM person u \
             JOIN tenant t ON t.id = u.tenant_id WHERE u.status <> 'TERMINATED' ORDER BY u.id",
        )
        .await
    }

    /// Lists every tenant that is not terminated, with its parent.
    pub(crate) async fn tenant_names(&self) -> Result<Vec<NameRecord>, sqlx::Error> {
        self.read_names(
            "SELECT t.unique_id, t.name, COALESCE(p.unique_id, '') AS under FROM tenant t \
             LEFT JOIN tenant p ON p.id = t.parent_id WHERE t.state <> 'TERMINATED' ORDER BY t.id",
        )
        .await
    }

    async fn read_names(&self, text: &'static str) -> Result<Vec<NameRecord>, sqlx::Error> {
        let rows = sqlx::query(text).fetch_all(&self.readers).await?;
        let read = |row: &sqlx::any::AnyRow| {
            Ok(NameRecord {
                unique_id: row.try_get("unique_id")?,
                name: row.try_get("name")?,
                under: row.try_get("under")?,
            })
        };
        rows.iter().map(read).collect()
    }
}
