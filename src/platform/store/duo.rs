//! Sessions whose people are on the way to Duo.

use super::Tx;
use crate::platform::credential;
use crate::platform::error::Error;
use crate::platform::factor::duo::Sent;

/// How long somebody may stay at the prompt, in milliseconds.
const OPEN: i64 = 5 * 60 * 1000;

/// Notes who was sent to Duo; an earlier way of the same session leads nowhere any more.
pub(in crate::platform) async fn note_sent(tx: &mut Tx, session: &str, sent: &Sent, now: i64) -> Result<(), Error> {
    sqlx::query(
        "INSERT INTO duo_state (session, state, nonce, expires_at) VALUES ($1, $2, $3, $4) \
         ON CONFLICT (session) DO UPDATE SET state = $2, nonce = $3, expires_at = $4",
    )
    .bind(session)
    .bind(credential::hash(&sent.state))
    .bind(&sent.nonce)
    .bind(now + OPEN)
    .execute(&mut **tx)
    .await?;
    Ok(())
}

/// The nonce of a state that waits in this session, which thereby is used up.
pub(in crate::platform) async fn take_sent(
    tx: &mut Tx,
    session: &str,
    state: &str,
    now: i64,
) -> Result<Option<String>, Error> {
    let taken = sqlx::query_scalar(
        "DELETE FROM duo_state WHERE session = $1 AND state = $2 AND expires_at > $3 RETURNING nonce",
    );
    Ok(taken.bind(session).bind(credential::hash(state)).bind(now).fetch_optional(&mut **tx).await?)
}
