//! Enrolment: the secret belongs to one session until one of its codes is confirmed, then to the person.

use secrecy::{ExposeSecret as _, SecretSlice};

use super::one_time_code::{normalize_code, record_denied_code, recovery_hash};
use super::{FactorOwner, VerificationMethod, complete_verification_in, totp};
use crate::audit::{Actor, AuditAction, AuditEvent, RequestId, append_event};
use crate::error::ApiError;
use crate::store::{NewFactor, insert_factor, lock_pending_secret, save_pending_secret};
use crate::{App, time};

/// Number of recovery codes per person.
const RECOVERY_CODE_COUNT: usize = 10;
/// Bytes of a recovery code: 120 bits, so that a fast hash protects it.
const RECOVERY_CODE_CHARS: usize = 15;

/// Result of an enrolment.
pub(crate) struct EnrolmentResult {
    /// The new session key.
    pub(crate) key: String,
    /// Recovery codes, shown once.
    pub(crate) codes: Vec<String>,
}

/// Returns the secret of a session's enrolment, as bytes and as text for typing. The first call draws it.
pub(crate) async fn begin_enrolment(
    app: &App,
    hash: &str,
    owner: FactorOwner<'_>,
) -> Result<(SecretSlice<u8>, String), ApiError> {
    let drawn = app.vault.random_bytes::<{ totp::SECRET_BYTES }>()?;
    let sealed = app.vault.encrypt_secret(owner.unique_id, &drawn)?;
    let mut tx = app.store.begin().await?;
    let before = lock_pending_secret(&mut tx, hash).await?.ok_or(ApiError::InvalidToken)?;
    let opened = before.and_then(|before| app.vault.decrypt_secret(owner.unique_id, &before));
    let secret = if let Some(secret) = opened {
        secret
    } else {
        save_pending_secret(&mut tx, hash, &sealed).await?;
        SecretSlice::from(drawn.to_vec())
    };
    tx.commit().await?;
    let text = totp::to_base32(secret.expose_secret());
    Ok((secret, text))
}

/// Assigns the secret of a session's enrolment to the person if the code matches. Returns `None` if it does not match,
/// or if the person already has a factor.
pub(crate) async fn confirm_enrolment(
    app: &App,
    hash: &str,
    owner: FactorOwner<'_>,
    code: &str,
    request: Option<&RequestId>,
) -> Result<Option<EnrolmentResult>, ApiError> {
    let now = time::now();
    let mut tx = app.store.begin().await?;
    let pending = lock_pending_secret(&mut tx, hash).await?.ok_or(ApiError::InvalidToken)?;
    let secret = pending.as_deref().and_then(|pending| app.vault.decrypt_secret(owner.unique_id, pending));
    let step = secret.map_or(Ok(None), |secret| totp::matching_step(&secret, &normalize_code(code), now))?;
    let codes = draw_recovery_codes(app)?;
    let hashes: Vec<String> = codes.iter().map(|code| recovery_hash(code)).collect();
    let made = match (step, pending) {
        (Some(last_step), Some(sealed)) => {
            let new = NewFactor { person: owner.id, sealed: &sealed, last_step, now, recovery: &hashes };
            insert_factor(&mut tx, &new).await?
        }
        _ => false,
    };
    let enrolled = if made {
        let key = complete_verification_in(app, &mut tx, hash, VerificationMethod::Totp, request).await?;
        let actor = Actor::for_user(owner.unique_id, request);
        append_event(
            &app.seal,
            &mut tx,
            owner.tenant,
            &actor,
            AuditEvent::success(AuditAction::SecondFactorEnrol, "TOTP"),
        )
        .await?;
        Some(EnrolmentResult { key, codes })
    } else {
        record_denied_code(app, &mut tx, owner, AuditAction::SecondFactorEnrol, request).await?;
        None
    };
    tx.commit().await?;
    Ok(enrolled)
}

/// Draws recovery codes in readable form: groups of four letters and digits.
fn draw_recovery_codes(app: &App) -> Result<Vec<String>, ApiError> {
    (0..RECOVERY_CODE_COUNT)
        .map(|_| Ok(group_code(&totp::to_base32(&app.vault.random_bytes::<RECOVERY_CODE_CHARS>()?))))
        .collect()
}

fn group_code(text: &str) -> String {
    let letters: Vec<char> = text.to_ascii_lowercase().chars().collect();
    letters.chunks(4).map(|group| group.iter().collect::<String>()).collect::<Vec<_>>().join("-")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// shows: security/asvs/6.5.2, security/asvs/11.2.4
    #[test]
    fn a_recovery_code_has_120_bits_in_groups_of_four() {
        let code = group_code(&totp::to_base32(&[0xff; RECOVERY_CODE_CHARS]));
        assert_eq!(code, "7777-7777-7777-7777-7777-7777");
        assert!(code.chars().filter(char::is_ascii_alphanumeric).count() * 5 >= 112);
    }
}
