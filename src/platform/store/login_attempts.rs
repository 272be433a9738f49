//! Failed logins by account and source.

use sqlx::Row as _;

use super::{Store, Tx};
use crate::platform::error::ApiError;
use crate::platform::login_policy::password_policy::{FailedAttempts, PasswordRules};

/// Milliseconds after which failures are forgotten: far longer than any lock.
const FORGET_AFTER: i64 = 24 * 60 * 60 * 1000;

impl Store {
    /// Notes an attempt before its password is compared, so that many at once are not compared before any is counted.
    /// False, and nothing noted, while the account is locked for the source.
    pub(in crate::platform) async fn count_login_attempt(
        &self,
        account: &str,
        source: &str,
        rules: &PasswordRules,
        now: i64,
    ) -> Result<bool, ApiError> {
        let mut tx = self.begin().await?;
        // Takes the row, or makes it: until the commit nobody else counts it.
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
        let Some(after) = rules.count_attempt(before, now) else {
            // Committed like any other, so that a locked account costs what an open one does.
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

    /// Takes an attempt back whose password was never compared.
    pub(in crate::platform) async fn take_back_attempt(&self, account: &str, source: &str) -> Result<(), ApiError> {
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

/// Forgets the failures of an account from every source: an administrator lets the person in again. Answers whether there were any.
pub(in crate::platform) async fn forget_all_attempts(tx: &mut Tx, account: &str) -> Result<bool, ApiError> {
    let gone = sqlx::query("DELETE FROM login_attempt WHERE account = $1").bind(account).execute(&mut **tx).await?;
    Ok(gone.rows_affected() > 0)
}

/// Forgets the failures of an account from a source: it logged in.
pub(in crate::platform) async fn forget_attempts(tx: &mut Tx, (account, source): (&str, &str)) -> Result<(), ApiError> {
    sqlx::query("DELETE FROM login_attempt WHERE account = $1 AND source = $2")
        .bind(account)
        .bind(source)
        .execute(&mut **tx)
        .await?;
    Ok(())
}
