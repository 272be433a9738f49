//! Credentials and their tokens, stored as hashes.

use sqlx::Row as _;
use sqlx::any::AnyRow;

use super::{Store, Tx};
use crate::credential::{CredentialHashes, constant_time_eq};
use crate::principal::{Caller, Principal};

/// A credential to be stored.
pub(crate) struct NewCredential<'a> {
    /// SHA-256 of the key.
    pub(crate) key_hash: &'a str,
    /// SHA-256 of the secret.
    pub(crate) secret_hash: &'a str,
    /// Number of the tenant.
    pub(crate) tenant: i64,
    /// Description for people.
    pub(crate) description: &'a str,
    /// Creator, as the audit log names it.
    pub(crate) created_by: &'a str,
    /// Time of creation.
    pub(crate) now: i64,
    /// When it expires; never if `None`.
    pub(crate) expires_at: Option<i64>,
}

/// A credential that is not revoked.
#[derive(Clone, Debug)]
pub(crate) struct CredentialRecord {
    /// Unique id of the tenant.
    pub(crate) tenant: String,
    /// SHA-256 of the key.
    pub(crate) key_hash: String,
    pub(crate) description: String,
    /// Creator, as the audit log names it.
    pub(crate) created_by: String,
    /// The creator, if it is a person who still exists.
    pub(crate) creator: Option<Creator>,
    pub(crate) created_at: i64,
    /// When a token was last issued for it.
    pub(crate) last_used_at: Option<i64>,
    pub(crate) rotated_at: Option<i64>,
    pub(crate) expires_at: Option<i64>,
}

/// The person who created a credential.
#[derive(Clone, Debug)]
pub(crate) struct Creator {
    pub(crate) login_name: String,
    /// Whether the person may log in.
    pub(crate) is_active: bool,
}

/// Status of a credential file's key and secret in a database.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum CredentialStatus {
    /// The database does not know the key.
    Unknown,
    /// The key was revoked or has expired, or the secret was replaced.
    Ended,
    /// Key and secret are valid.
    Valid,
}

/// A new secret for a credential.
pub(crate) struct NewSecret {
    /// SHA-256 of the secret.
    pub(crate) hash: String,
    /// Time of the rotation.
    pub(crate) now: i64,
    /// New expiry of the credential; never if `None`.
    pub(crate) expires_at: Option<i64>,
}

/// A token to be stored for a credential.
pub(crate) struct NewToken<'a> {
    /// SHA-256 of the token.
    pub(crate) hash: &'a str,
    /// The credential that was verified.
    pub(crate) credential: &'a CredentialHashes,
    pub(crate) now: i64,
    pub(crate) expires: i64,
}

/// A token that was revoked.
pub(crate) struct EndedToken {
    /// SHA-256 of its credential's key.
    pub(crate) key_hash: String,
    /// Number of the credential's tenant.
    pub(crate) tenant: i64,
}

/// A credential whose key and secret were verified.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ValidCredential {
    /// Number of the tenant.
    pub(crate) tenant: i64,
    pub(crate) expires_at: Option<i64>,
}

/// Returns the id of a credential in the audit log and in responses: the first digits of its key's hash.
pub(crate) fn credential_id(key_hash: &str) -> &str {
    key_hash.get(..CREDENTIAL_ID_CHARS).unwrap_or_default()
}

/// Number of digits of the key's hash in a credential id.
pub(crate) const CREDENTIAL_ID_CHARS: usize = 12;

/// Matches credentials that are valid at `$2`.
const VALID_CREDENTIAL_CONDITION: &str = "revoked_at IS NULL AND (expires_at IS NULL OR expires_at > $2)";

macro_rules! credentials {
    ($rest:literal) => {
        concat!(
            "SELECT t.unique_id, c.key_hash, c.description, c.created_by, c.created_at, c.last_used_at, c.rotated_at, ",
            "c.expires_at, u.login_name, u.status FROM credential c JOIN tenant t ON t.id = c.tenant_id ",
            "LEFT JOIN person u ON u.unique_id = substr(c.created_by, 6) AND c.created_by LIKE 'user:%' WHERE c.revoked_at IS NULL ",
            $rest
        )
    };
}

impl Store {
    /// Verifies key and secret and returns the credential. The comparison also runs for an unknown key, so that the
    /// response time reveals nothing.
    pub(crate) async fn find_valid_credential(
        &self,
        claimed: &CredentialHashes,
        now: i64,
    ) -> Result<Option<ValidCredential>, sqlx::Error> {
        let CredentialHashes { key, secret } = claimed;
        let text = format!(
            "SELECT secret_hash, tenant_id, expires_at FROM credential WHERE key_hash = $1 AND {VALID_CREDENTIAL_CONDITION}"
        );
        let row = sqlx::query(sqlx::AssertSqlSafe(text)).bind(key).bind(now).fetch_optional(&self.readers).await?;
        let (stored, held) = match row {
            Some(row) => {
                let held =
                    ValidCredential { tenant: row.try_get("tenant_id")?, expires_at: row.try_get("expires_at")? };
                (row.try_get::<String, _>("secret_hash")?, Some(held))
            }
            None => (key.to_owned(), None),
        };
        Ok(held.filter(|_| constant_time_eq(&stored, secret)))
    }

    /// Returns the status of a credential.
    pub(crate) async fn credential_status(
        &self,
        claimed: &CredentialHashes,
        now: i64,
    ) -> Result<CredentialStatus, sqlx::Error> {
        Ok(match (self.tenant_of_key(&claimed.key).await?, self.find_valid_credential(claimed, now).await?) {
            (None, _) => CredentialStatus::Unknown,
            (Some(_), None) => CredentialStatus::Ended,
            (Some(_), Some(_)) => CredentialStatus::Valid,
        })
    }

    /// Returns the tenant of a key, without checking the secret.
    pub(crate) async fn tenant_of_key(&self, key: &str) -> Result<Option<i64>, sqlx::Error> {
        let tenant = sqlx::query_scalar("SELECT tenant_id FROM credential WHERE key_hash = $1");
        tenant.bind(key).fetch_optional(&self.readers).await
    }

    /// Returns the caller of a token. The token must not be expired, its credential must be valid and its tenant must
    /// not be terminated.
    pub(crate) async fn caller_of_token(&self, hash: &str, now: i64) -> Result<Option<Caller>, sqlx::Error> {
        let text = format!(
            "SELECT k.hash, k.key_hash, t.id, t.unique_id FROM token k JOIN tenant t ON t.id = k.tenant_id \
             WHERE k.hash = $1 AND k.expires_at > $2 AND t.state <> 'TERMINATED' \
             AND k.key_hash IN (SELECT key_hash FROM credential WHERE {VALID_CREDENTIAL_CONDITION})"
        );
        let row = sqlx::query(sqlx::AssertSqlSafe(text)).bind(hash).bind(now).fetch_optional(&self.readers).await?;
        let Some(row) =
            row.filter(|row| row.try_get::<String, _>("hash").is_ok_and(|stored| constant_time_eq(&stored, hash)))
        else {
            return Ok(None);
        };
        let (id, unique_id) = (row.try_get("id")?, row.try_get("unique_id")?);
        Ok(Some(Caller { id, unique_id, principal: Principal::Credential, key_hash: row.try_get("key_hash")? }))
    }

    /// Lists the credentials of a tenant that are not revoked, including expired ones.
    pub(crate) async fn list_credentials(&self, tenant: i64) -> Result<Vec<CredentialRecord>, sqlx::Error> {
        let rows = sqlx::query(credentials!("AND c.tenant_id = $1 ORDER BY c.created_at, c.key_hash"));
        rows.bind(tenant).fetch_all(&self.readers).await?.iter().map(read_credential).collect()
    }

    /// Counts the credentials that a person created and that are not revoked, over all tenants.
    pub(crate) async fn count_credentials_by(&self, person: &str) -> Result<i64, sqlx::Error> {
        let count = sqlx::query_scalar("SELECT COUNT(*) FROM credential WHERE created_by = $1 AND revoked_at IS NULL");
        count.bind(format!("user:{person}")).fetch_one(&self.readers).await
    }

    /// Lists the credentials of the tenant with this unique id, or of all tenants. Revoked ones are excluded.
    pub(crate) async fn list_credentials_of(
        &self,
        unique_id: Option<&str>,
    ) -> Result<Vec<CredentialRecord>, sqlx::Error> {
        let rows = sqlx::query(credentials!(
            "AND t.unique_id = COALESCE($1, t.unique_id) ORDER BY t.id, c.created_at, c.key_hash"
        ));
        rows.bind(unique_id).fetch_all(&self.readers).await?.iter().map(read_credential).collect()
    }
}

fn read_credential(row: &AnyRow) -> Result<CredentialRecord, sqlx::Error> {
    let status: Option<String> = row.try_get("status")?;
    let creator = match (row.try_get::<Option<String>, _>("login_name")?, status) {
        (Some(login_name), Some(status)) => Some(Creator { login_name, is_active: status == "ACTIVE" }),
        _ => None,
    };
    Ok(CredentialRecord {
        tenant: row.try_get("unique_id")?,
        key_hash: row.try_get("key_hash")?,
        description: row.try_get("description")?,
        created_by: row.try_get("created_by")?,
        creator,
        created_at: row.try_get("created_at")?,
        last_used_at: row.try_get("last_used_at")?,
        rotated_at: row.try_get("rotated_at")?,
        expires_at: row.try_get("expires_at")?,
    })
}

/// Stores a credential.
pub(crate) async fn insert_credential(tx: &mut Tx, new: &NewCredential<'_>) -> Result<(), sqlx::Error> {
    sqlx::query(
        "INSERT INTO credential (key_hash, secret_hash, tenant_id, description, created_by, created_at, expires_at) \
         VALUES ($1, $2, $3, $4, $5, $6, $7)",
    )
    .bind(new.key_hash)
    .bind(new.secret_hash)
    .bind(new.tenant)
    .bind(new.description)
    .bind(new.created_by)
    .bind(new.now)
    .bind(new.expires_at)
    .execute(&mut **tx)
    .await?;
    Ok(())
}

/// Counts all credentials of a tenant that have a row, including revoked ones.
pub(crate) async fn count_all_credentials(tx: &mut Tx, tenant: i64) -> Result<i64, sqlx::Error> {
    let count = sqlx::query_scalar("SELECT COUNT(*) FROM credential WHERE tenant_id = $1");
    count.bind(tenant).fetch_one(&mut **tx).await
}

/// Counts the credentials of a tenant that are not revoked.
pub(crate) async fn count_active_credentials(tx: &mut Tx, tenant: i64) -> Result<i64, sqlx::Error> {
    let count = sqlx::query_scalar("SELECT COUNT(*) FROM credential WHERE tenant_id = $1 AND revoked_at IS NULL");
    count.bind(tenant).fetch_one(&mut **tx).await
}

/// Replaces the secret of a credential and ends its tokens.
pub(crate) async fn rotate_credential(tx: &mut Tx, key: &str, new: &NewSecret) -> Result<(), sqlx::Error> {
    let NewSecret { hash, now, expires_at } = new;
    sqlx::query("UPDATE credential SET secret_hash = $2, rotated_at = $3, expires_at = $4 WHERE key_hash = $1")
        .bind(key)
        .bind(hash)
        .bind(now)
        .bind(expires_at)
        .execute(&mut **tx)
        .await?;
    end_tokens(tx, key).await
}

/// Revokes a credential and ends its tokens.
pub(crate) async fn revoke_credential(tx: &mut Tx, key: &str, now: i64) -> Result<(), sqlx::Error> {
    let revoked = sqlx::query("UPDATE credential SET revoked_at = $2 WHERE key_hash = $1 AND revoked_at IS NULL");
    revoked.bind(key).bind(now).execute(&mut **tx).await?;
    end_tokens(tx, key).await
}

async fn end_tokens(tx: &mut Tx, key: &str) -> Result<(), sqlx::Error> {
    sqlx::query("DELETE FROM token WHERE key_hash = $1").bind(key).execute(&mut **tx).await?;
    Ok(())
}

/// Stores a token, records the use of its credential and deletes expired tokens. Returns `false`, and stores nothing,
/// if the credential was revoked or its secret was replaced since it was verified.
pub(crate) async fn insert_token(tx: &mut Tx, new: &NewToken<'_>) -> Result<bool, sqlx::Error> {
    let NewToken { hash, credential: CredentialHashes { key, secret }, now, expires } = new;
    let used = sqlx::query(
        "UPDATE credential SET last_used_at = $3 WHERE key_hash = $1 AND secret_hash = $2 AND revoked_at IS NULL",
    );
    if used.bind(key).bind(secret).bind(now).execute(&mut **tx).await?.rows_affected() == 0 {
        return Ok(false);
    }
    sqlx::query(
        "INSERT INTO token (hash, tenant_id, expires_at, key_hash) \
         SELECT $1, tenant_id, $2, key_hash FROM credential WHERE key_hash = $3",
    )
    .bind(hash)
    .bind(expires)
    .bind(key)
    .execute(&mut **tx)
    .await?;
    // The tokens come after the credential, in the same order as in a revocation. Otherwise two writes could deadlock.
    sqlx::query("DELETE FROM token WHERE expires_at < $1").bind(now).execute(&mut **tx).await?;
    Ok(true)
}

/// Ends one token, if it exists.
pub(crate) async fn end_token(tx: &mut Tx, hash: &str) -> Result<Option<EndedToken>, sqlx::Error> {
    let row = sqlx::query("DELETE FROM token WHERE hash = $1 RETURNING key_hash, tenant_id");
    let row = row.bind(hash).fetch_optional(&mut **tx).await?;
    row.map(|row| {
        let key: Option<String> = row.try_get("key_hash")?;
        Ok(EndedToken { key_hash: key.unwrap_or_default(), tenant: row.try_get("tenant_id")? })
    })
    .transpose()
}

/// Deletes every credential and token of a tenant.
pub(crate) async fn delete_tenant_credentials(tx: &mut Tx, tenant: i64) -> Result<(), sqlx::Error> {
    sqlx::query("DELETE FROM token WHERE tenant_id = $1").bind(tenant).execute(&mut **tx).await?;
    sqlx::query("DELETE FROM credential WHERE tenant_id = $1").bind(tenant).execute(&mut **tx).await?;
    Ok(())
}
