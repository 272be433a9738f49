//! Credentials and tokens, by their hashes.

use sqlx::Row as _;

use super::{Store, Tx};
use crate::platform::credential::same;
use crate::platform::principal::{Caller, Principal};

/// Hashes of a new credential.
pub(in crate::platform) struct NewCredential {
    /// SHA-256 of the key.
    pub(in crate::platform) key_hash: String,
    /// SHA-256 of the secret.
    pub(in crate::platform) secret_hash: String,
    /// Number of the tenant.
    pub(in crate::platform) tenant: i64,
}

impl NewCredential {
    /// How the audit log names it.
    pub(in crate::platform) fn id(&self) -> &str {
        self.key_hash.get(..CREDENTIAL_ID).unwrap_or_default()
    }
}

/// Digits of a key's hash that name its credential in the audit log.
pub(in crate::platform) const CREDENTIAL_ID: usize = 12;

impl Store {
    /// The tenant of a credential. The comparison also runs where there is no such key, so that time tells nothing.
    pub(in crate::platform) async fn holds(&self, key: &str, secret: &str) -> Result<Option<i64>, sqlx::Error> {
        let row = sqlx::query("SELECT secret_hash, tenant_id FROM credential WHERE key_hash = $1")
            .bind(key)
            .fetch_optional(&self.readers)
            .await?;
        let (stored, tenant) = match row {
            Some(row) => (row.try_get::<String, _>("secret_hash")?, Some(row.try_get::<i64, _>("tenant_id")?)),
            None => (key.to_owned(), None),
        };
        Ok(tenant.filter(|_| same(&stored, secret)))
    }

    /// The tenant of a key, whatever the secret.
    pub(in crate::platform) async fn owner(&self, key: &str) -> Result<Option<i64>, sqlx::Error> {
        let tenant = sqlx::query_scalar("SELECT tenant_id FROM credential WHERE key_hash = $1");
        tenant.bind(key).fetch_optional(&self.readers).await
    }

    /// The living tenant of a token that has not ended.
    pub(in crate::platform) async fn caller(&self, hash: &str, now: i64) -> Result<Option<Caller>, sqlx::Error> {
        let row = sqlx::query(
            "SELECT k.hash, k.key_hash, t.id, t.unique_id FROM token k JOIN tenant t ON t.id = k.tenant_id \
             WHERE k.hash = $1 AND k.expires_at > $2 AND t.state <> 'TERMINATED'",
        )
        .bind(hash)
        .bind(now)
        .fetch_optional(&self.readers)
        .await?;
        let Some(row) = row.filter(|row| row.try_get::<String, _>("hash").is_ok_and(|stored| same(&stored, hash)))
        else {
            return Ok(None);
        };
        let (id, unique_id) = (row.try_get("id")?, row.try_get("unique_id")?);
        Ok(Some(Caller { id, unique_id, principal: Principal::Credential, key_hash: row.try_get("key_hash")? }))
    }
}

/// Stores a credential.
pub(in crate::platform) async fn insert_credential(tx: &mut Tx, new: &NewCredential) -> Result<(), sqlx::Error> {
    sqlx::query("INSERT INTO credential (key_hash, secret_hash, tenant_id, created_at) VALUES ($1, $2, $3, $4)")
        .bind(&new.key_hash)
        .bind(&new.secret_hash)
        .bind(new.tenant)
        .bind(crate::platform::time::now())
        .execute(&mut **tx)
        .await?;
    Ok(())
}

/// Stores the token of a credential, and forgets those that have ended.
pub(in crate::platform) async fn insert_token(
    tx: &mut Tx,
    hash: &str,
    (tenant, key): (i64, &str),
    (now, expires): (i64, i64),
) -> Result<(), sqlx::Error> {
    sqlx::query("DELETE FROM token WHERE expires_at < $1").bind(now).execute(&mut **tx).await?;
    sqlx::query("INSERT INTO token (hash, tenant_id, expires_at, key_hash) VALUES ($1, $2, $3, $4)")
        .bind(hash)
        .bind(tenant)
        .bind(expires)
        .bind(key)
        .execute(&mut **tx)
        .await?;
    Ok(())
}

/// Forgets every credential and token of a tenant.
pub(in crate::platform) async fn revoke(tx: &mut Tx, tenant: i64) -> Result<(), sqlx::Error> {
    sqlx::query("DELETE FROM token WHERE tenant_id = $1").bind(tenant).execute(&mut **tx).await?;
    sqlx::query("DELETE FROM credential WHERE tenant_id = $1").bind(tenant).execute(&mut **tx).await?;
    Ok(())
}
