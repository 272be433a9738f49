//! Failed logins by account and source.

use sqlx::Row as _;

use super::{Store, Tx};
use crate::error::ApiError;
use crate::login_policy::password_policy::{FailedAttempts, PasswordRules};

/// Milliseconds after which failures are deleted. This is much longer than any lock.
const FORGET_AFTER: i64 = 24 * 60 * 60 * 1000;

impl Store {
    /// Counts an attempt before its password is compared, so that parallel requests cannot compare many passwords
    /// before one is counted. Returns `false`, and counts nothing, while the account is locked for the source.
    pub(crate) async fn count_login_attempt(
        &self,
        account: &str,
        source: &str,
        rules: &PasswordRules,
        now: i64,
    ) -> Result<bool, ApiError> {
        let mut tx = self.begin().await?;
        // Locks or creates the row. Nobody else counts on it until the commit.
        sqlx::query(
            "INSERT INTO login_attempt (account, source, failures, last_at) VALUES ($1, $2, 0, $3) \
             ON CONFLICT (account, source) DO UPDATE SET failures = login_attempt.failures",
        )
        .bind(account)
        .bind(source)
        .bind(now)
        .execute(&mut *tx)
        .await?;
        let row = sqlx::query("SELECT failures, last_at FROM login_attempt WHERE account = $1 AND source = $2")
            .bind(account)
            .bind(source)
            .fetch_one(&mut *tx)
            .await?;
        let before = FailedAttempts { failures: row.try_get("failures")?, last: row.try_get("last_at")? };
        let Some(after) = rules.next_failed_attempts(before, now) else {
            // Commits as usual, so that a locked account takes as long as an open one.
            tx.commit().await?;
            return Ok(false);
        };
        sqlx::query("UPDATE login_attempt SET failures = $3, last_at = $4 WHERE account = $1 AND source = $2")
            .bind(account)
            .bind(source)
            .bind(after.failures)
            .bind(after.last)
            .execute(&mut *tx)
            .await?;
        sqlx::query("DELETE FROM login_attempt WHERE last_at < $1").bind(now - FORGET_AFTER).execute(&mut *tx).await?;
        tx.commit().await?;
        Ok(true)
    }

    /// Reverts the count of an attempt whose password was never compared.
    pub(crate) async fn uncount_attempt(&self, account: &str, source: &str) -> Result<(), ApiError> {
        let mut tx = self.begin().await?;
        sqlx::query(
            "UPDATE login_attempt SET failures = failures - 1 WHERE account = $1 AND source = $2 AND failures > 0",
        )
        .bind(account)
        .bind(source)
        .execute(&mut *tx)
        .await?;
        tx.commit().await?;
        Ok(())
    }
}

/// Deletes the failures of an account from every source, when an administrator unlocks the person. Returns whether
/// there were any.
pub(crate) async fn delete_account_attempts(tx: &mut Tx, account: &str) -> Result<bool, ApiError> {
    let gone = sqlx::query("DELETE FROM login_attempt WHERE account = $1").bind(account).execute(&mut **tx).await?;
    Ok(gone.rows_affected() > 0)
}

/// Deletes the failures of an account from one source, after a successful login.
pub(crate) async fn delete_attempts(tx: &mut Tx, account: &str, source: &str) -> Result<(), ApiError> {
    sqlx::query("DELETE FROM login_attempt WHERE account = $1 AND source = $2")
        .bind(account)
        .bind(source)
        .execute(&mut **tx)
        .await?;
    Ok(())
}
