//! Sessions that wait for the result of a Duo prompt.

use super::Tx;
use crate::credential;
use crate::error::ApiError;
use crate::mfa::duo::DuoPrompt;

/// How long a Duo prompt may take, in milliseconds.
const PROMPT_LIFETIME: i64 = 5 * 60 * 1000;

/// Records the state of a redirect to Duo. It invalidates an earlier redirect of the same session.
pub(crate) async fn save_duo_state(tx: &mut Tx, session: &str, prompt: &DuoPrompt, now: i64) -> Result<(), ApiError> {
    sqlx::query(
        "INSERT INTO duo_state (session, state, nonce, expires_at) VALUES ($1, $2, $3, $4) \
         ON CONFLICT (session) DO UPDATE SET state = $2, nonce = $3, expires_at = $4",
    )
    .bind(session)
    .bind(credential::sha256_hex(&prompt.state))
    .bind(&prompt.nonce)
    .bind(now + PROMPT_LIFETIME)
    .execute(&mut **tx)
    .await?;
    Ok(())
}

/// Returns the nonce of a state that is pending in this session, and deletes the state.
pub(crate) async fn take_duo_state(
    tx: &mut Tx,
    session: &str,
    state: &str,
    now: i64,
) -> Result<Option<String>, ApiError> {
    let taken = sqlx::query_scalar(
        "DELETE FROM duo_state WHERE session = $1 AND state = $2 AND expires_at > $3 RETURNING nonce",
    );
    Ok(taken.bind(session).bind(credential::sha256_hex(state)).bind(now).fetch_optional(&mut **tx).await?)
}
