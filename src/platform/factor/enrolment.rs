//! Enrolment: a secret that belongs to one session until a code of it was shown, then to the person.

use secrecy::{ExposeSecret as _, SecretSlice};

use super::code::{denied, recovery_hash, typed};
use super::{How, Whose, pass, totp};
use crate::platform::audit::{Action, Actor, Event, RequestId, append};
use crate::platform::error::Error;
use crate::platform::store::{NewFactor, hold_pending, insert_factor, pending_of};
use crate::platform::{App, time};

/// How many recovery codes a person gets.
const CODES: usize = 10;
/// Bytes of one: 120 bits, so that a fast hash keeps it.
const CODE: usize = 15;

/// What an enrolment gave.
pub(in crate::platform) struct Enrolled {
    /// The new key of the session.
    pub(in crate::platform) key: String,
    /// Recovery codes, shown once.
    pub(in crate::platform) codes: Vec<String>,
}

/// The secret of a session's enrolment, drawn at the first call, and its text for people who type it.
pub(in crate::platform) async fn begin(
    app: &App,
    hash: &str,
    whose: Whose<'_>,
) -> Result<(SecretSlice<u8>, String), Error> {
    let drawn = app.vault.random::<{ totp::SECRET }>()?;
    let sealed = app.vault.seal(whose.unique_id, &drawn)?;
    let mut tx = app.store.begin().await?;
    let before = pending_of(&mut tx, hash).await?.ok_or(Error::InvalidToken)?;
    let opened = before.and_then(|before| app.vault.open(whose.unique_id, &before));
    let secret = if let Some(secret) = opened {
        secret
    } else {
        hold_pending(&mut tx, hash, &sealed).await?;
        SecretSlice::from(drawn.to_vec())
    };
    tx.commit().await?;
    let text = totp::base32(secret.expose_secret());
    Ok((secret, text))
}

/// Makes the secret of a session's enrolment the person's where the code is one of it; none where it is not, or where the
/// person has a factor meanwhile.
pub(in crate::platform) async fn confirm(
    app: &App,
    (hash, whose): (&str, Whose<'_>),
    (code, request): (&str, Option<&RequestId>),
) -> Result<Option<Enrolled>, Error> {
    let now = time::now();
    let mut tx = app.store.begin().await?;
    let pending = pending_of(&mut tx, hash).await?.ok_or(Error::InvalidToken)?;
    let secret = pending.as_deref().and_then(|pending| app.vault.open(whose.unique_id, pending));
    let step = secret.map_or(Ok(None), |secret| totp::step(&secret, &typed(code), now))?;
    let codes = draw(app)?;
    let hashes: Vec<String> = codes.iter().map(|code| recovery_hash(code)).collect();
    let made = match (step, pending) {
        (Some(last_step), Some(sealed)) => {
            let new = NewFactor { person: whose.id, sealed: &sealed, last_step, now, recovery: &hashes };
            insert_factor(&mut tx, &new).await?
        }
        _ => false,
    };
    let enrolled = if made {
        let key = pass(app, &mut tx, hash, (How::Totp, request)).await?;
        let actor = Actor::user(whose.unique_id, request);
        append(&app.seal, &mut tx, (whose.tenant, &actor), Event::done(Action::FactorEnrol, "TOTP")).await?;
        Some(Enrolled { key, codes })
    } else {
        denied(app, &mut tx, whose, (Action::FactorEnrol, request)).await?;
        None
    };
    tx.commit().await?;
    Ok(enrolled)
}

/// Recovery codes as people keep them: groups of four letters and digits.
fn draw(app: &App) -> Result<Vec<String>, Error> {
    (0..CODES).map(|_| Ok(grouped(&totp::base32(&app.vault.random::<CODE>()?)))).collect()
}

fn grouped(text: &str) -> String {
    let letters: Vec<char> = text.to_ascii_lowercase().chars().collect();
    letters.chunks(4).map(|group| group.iter().collect::<String>()).collect::<Vec<_>>().join("-")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// shows: security/asvs/6.5.2, security/asvs/11.2.4
    #[test]
    fn a_recovery_code_has_120_bits_in_groups_of_four() {
        let code = grouped(&totp::base32(&[0xff; CODE]));
        assert_eq!(code, "7777-7777-7777-7777-7777-7777");
        assert!(code.chars().filter(char::is_ascii_alphanumeric).count() * 5 >= 112);
    }
}
