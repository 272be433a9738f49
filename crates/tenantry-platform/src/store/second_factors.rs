//! Second factors of people, and what sessions have verified.

use sqlx::{AnyExecutor, Row as _};

use super::{Store, Tx, request_scrub};
use crate::error::ApiError;
use crate::login_policy::password_policy::FailedAttempts;

/// A second factor whose enrolment is confirmed.
pub(crate) struct NewFactor<'a> {
    pub(crate) person: i64,
    /// The secret, sealed by the vault.
    pub(crate) sealed: &'a str,
    /// Time step of the code that confirmed it. That code counts as used.
    pub(crate) last_step: i64,
    pub(crate) now: i64,
    /// Hashes of the recovery codes.
    pub(crate) recovery: &'a [String],
}

impl Store {
    /// Returns whether a session has a fresh proof for a save.
    pub(crate) async fn has_fresh_proof(&self, hash: &str, now: i64) -> Result<bool, ApiError> {
        let count =
            sqlx::query_scalar::<_, i64>("SELECT COUNT(*) FROM session WHERE hash = $1 AND verified_until > $2");
        Ok(count.bind(hash).bind(now).fetch_one(&self.readers).await? != 0)
    }

    /// Returns whether a session began after a time.
    pub(crate) async fn session_began_after(&self, hash: &str, time: i64) -> Result<bool, ApiError> {
        session_began_after(&self.readers, hash, time).await
    }

    /// Returns whether a person has enrolled a second factor.
    pub(crate) async fn has_factor(&self, person: i64) -> Result<bool, ApiError> {
        let count = sqlx::query_scalar::<_, i64>("SELECT COUNT(*) FROM factor WHERE person_id = $1");
        Ok(count.bind(person).fetch_one(&self.readers).await? != 0)
    }
}

/// Locks a person's factor, so that nobody else checks a code until the commit. Returns the sealed secret and the
/// number of wrong codes.
pub(crate) async fn lock_factor(tx: &mut Tx, person: i64) -> Result<Option<(String, FailedAttempts)>, ApiError> {
    let row =
        sqlx::query("UPDATE factor SET failures = failures WHERE person_id = $1 RETURNING secret, failures, failed_at");
    let Some(row) = row.bind(person).fetch_optional(&mut **tx).await? else { return Ok(None) };
    let before = FailedAttempts { failures: row.try_get("failures")?, last: row.try_get("failed_at")? };
    Ok(Some((row.try_get("secret")?, before)))
}

/// Marks a time step as used. Returns `false` if it or a later one was used before.
pub(crate) async fn use_code_step(tx: &mut Tx, person: i64, step: i64) -> Result<bool, ApiError> {
    let used = sqlx::query("UPDATE factor SET last_step = $2 WHERE person_id = $1 AND last_step < $2");
    Ok(used.bind(person).bind(step).execute(&mut **tx).await?.rows_affected() == 1)
}

/// Deletes a recovery code. Returns `false` if no code has this hash.
pub(crate) async fn use_recovery_code(tx: &mut Tx, person: i64, hash: &str) -> Result<bool, ApiError> {
    let used = sqlx::query("DELETE FROM recovery_code WHERE person_id = $1 AND hash = $2");
    Ok(used.bind(person).bind(hash).execute(&mut **tx).await?.rows_affected() == 1)
}

/// Stores the number of wrong codes.
pub(crate) async fn save_failed_codes(tx: &mut Tx, person: i64, attempts: FailedAttempts) -> Result<(), ApiError> {
    sqlx::query("UPDATE factor SET failures = $2, failed_at = $3 WHERE person_id = $1")
        .bind(person)
        .bind(attempts.failures)
        .bind(attempts.last)
        .execute(&mut **tx)
        .await?;
    Ok(())
}

/// Stores a factor with its recovery codes. Returns `false`, and stores nothing, if the person already has one.
pub(crate) async fn insert_factor(tx: &mut Tx, new: &NewFactor<'_>) -> Result<bool, ApiError> {
    let made = sqlx::query(
        "INSERT INTO factor (person_id, secret, last_step, failures, failed_at, enrolled_at) \
         VALUES ($1, $2, $3, 0, 0, $4) ON CONFLICT (person_id) DO NOTHING",
    );
    let made = made.bind(new.person).bind(new.sealed).bind(new.last_step).bind(new.now).execute(&mut **tx).await?;
    if made.rows_affected() == 0 {
        return Ok(false);
    }
    for hash in new.recovery {
        let row = sqlx::query("INSERT INTO recovery_code (person_id, hash) VALUES ($1, $2)");
        row.bind(new.person).bind(hash).execute(&mut **tx).await?;
    }
    Ok(true)
}

/// Deletes a person's factor. Returns `false` if there was none. The next housekeeping round removes its bytes from the
/// file.
pub(crate) async fn delete_factor(tx: &mut Tx, person: i64) -> Result<bool, ApiError> {
    let codes = sqlx::query("DELETE FROM recovery_code WHERE person_id = $1").bind(person).execute(&mut **tx).await?;
    let gone = sqlx::query("DELETE FROM factor WHERE person_id = $1").bind(person).execute(&mut **tx).await?;
    if codes.rows_affected() + gone.rows_affected() > 0 {
        request_scrub(tx).await?;
    }
    Ok(gone.rows_affected() == 1)
}

/// Locks a session and returns the sealed secret of its pending enrolment. The outer `None` means that the session is
/// gone.
pub(crate) async fn lock_pending_secret(tx: &mut Tx, hash: &str) -> Result<Option<Option<String>>, ApiError> {
    let row = sqlx::query("UPDATE session SET pending = pending WHERE hash = $1 RETURNING pending");
    let row = row.bind(hash).fetch_optional(&mut **tx).await?;
    row.map(|row| Ok(row.try_get("pending")?)).transpose()
}

/// Stores the sealed secret of a session's pending enrolment.
pub(crate) async fn save_pending_secret(tx: &mut Tx, hash: &str, sealed: &str) -> Result<(), ApiError> {
    sqlx::query("UPDATE session SET pending = $2 WHERE hash = $1").bind(hash).bind(sealed).execute(&mut **tx).await?;
    Ok(())
}

/// Records that a session verified its second factor, and replaces the session key. A session that had verified it
/// before may save until `fresh`. Returns the unique id of the person and the number of the person's tenant; `None` if
/// the session is gone.
pub(crate) async fn mark_session_verified(
    tx: &mut Tx,
    old: &str,
    new: &str,
    now: i64,
    fresh: i64,
) -> Result<Option<(String, i64)>, ApiError> {
    let row = sqlx::query(
        "UPDATE session SET hash = $2, factor_at = $3, pending = NULL, seen_at = $3, \
         verified_until = CASE WHEN factor_at IS NULL THEN NULL ELSE $4 END \
         WHERE hash = $1 AND expires_at > $3 RETURNING person_id",
    );
    let row = row.bind(old).bind(new).bind(now).bind(fresh).fetch_optional(&mut **tx).await?;
    let Some(row) = row else { return Ok(None) };
    let person: i64 = row.try_get("person_id")?;
    let row = sqlx::query("SELECT unique_id, tenant_id FROM person WHERE id = $1").bind(person);
    let row = row.fetch_one(&mut **tx).await?;
    Ok(Some((row.try_get("unique_id")?, row.try_get("tenant_id")?)))
}

/// Returns whether a session began after a time.
pub(crate) async fn session_began_after<'e>(
    executor: impl AnyExecutor<'e>,
    hash: &str,
    time: i64,
) -> Result<bool, ApiError> {
    let count = sqlx::query_scalar::<_, i64>("SELECT COUNT(*) FROM session WHERE hash = $1 AND created_at > $2");
    Ok(count.bind(hash).bind(time).fetch_one(executor).await? != 0)
}

/// Records that the person verified the password again. The session may save once until `fresh`.
pub(crate) async fn grant_fresh_proof(tx: &mut Tx, hash: &str, fresh: i64) -> Result<(), ApiError> {
    let noted = sqlx::query("UPDATE session SET verified_until = $2 WHERE hash = $1");
    noted.bind(hash).bind(fresh).execute(&mut **tx).await?;
    Ok(())
}

/// Uses up the fresh proof of a session. Returns `false` if there is none.
pub(crate) async fn use_fresh_proof(tx: &mut Tx, hash: &str, now: i64) -> Result<bool, ApiError> {
    let spent = sqlx::query("UPDATE session SET verified_until = NULL WHERE hash = $1 AND verified_until > $2");
    Ok(spent.bind(hash).bind(now).execute(&mut **tx).await?.rows_affected() == 1)
}

/// Records when a person accepted the consent form.
pub(crate) async fn accept_consent(tx: &mut Tx, person: i64, now: i64) -> Result<(), ApiError> {
    let accepted = sqlx::query("UPDATE person SET consented_at = $2 WHERE id = $1 AND consented_at IS NULL");
    accepted.bind(person).bind(now).execute(&mut **tx).await?;
    Ok(())
}
