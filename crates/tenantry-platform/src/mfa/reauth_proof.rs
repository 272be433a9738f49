//! The fresh proof that a person must give before a request saves account settings or grants lasting power: the second
//! factor, or the password if the person has none.

use super::{FactorMethod, FactorOwner, VerificationMethod, consume_code};
use crate::audit::{Actor, AuditAction, AuditEvent, RequestId, append_event};
use crate::error::ApiError;
use crate::principal::Caller;
use crate::store::{Tx, session_began_after, use_fresh_proof};
use crate::{App, time};

/// Header that carries a code with a save.
pub(crate) const CODE_HEADER: &str = "x-two-factor-code";

/// Milliseconds after a login during which the login itself is the fresh proof of a person without a second factor.
const RECENT_LOGIN: i64 = 5 * 60 * 1000;

/// The proof of a request that saves something protected.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum ReauthProof {
    /// No proof is needed: an API credential, or an unprotected request.
    NotRequired,
    /// A code was sent with the request and is used up.
    Code,
    /// The proof that the page `/factor` stored in the session with this hash. The save uses it up.
    Session(String),
    /// The password of a person without a second factor: a recent login of the session with this hash, or the proof
    /// that the page `/factor` stored there.
    Password(String),
}

impl ReauthProof {
    /// Returns an error if the proof is missing. It does not use the proof up.
    pub(crate) async fn ensure_present(&self, app: &App) -> Result<(), ApiError> {
        let now = time::now();
        match self {
            Self::NotRequired | Self::Code => Ok(()),
            Self::Session(hash) if app.store.has_fresh_proof(hash, now).await? => Ok(()),
            Self::Session(_) => Err(ApiError::FactorProofRequired),
            Self::Password(hash) if app.store.has_fresh_proof(hash, now).await? => Ok(()),
            Self::Password(hash) if app.store.session_began_after(hash, now - RECENT_LOGIN).await? => Ok(()),
            Self::Password(_) => Err(ApiError::PasswordProofRequired),
        }
    }

    /// Uses the proof up in the transaction of the save.
    pub(crate) async fn consume(&self, tx: &mut Tx) -> Result<(), ApiError> {
        let now = time::now();
        match self {
            Self::NotRequired | Self::Code => Ok(()),
            Self::Session(hash) if use_fresh_proof(tx, hash, now).await? => Ok(()),
            Self::Session(_) => Err(ApiError::FactorProofRequired),
            Self::Password(hash) if session_began_after(&mut **tx, hash, now - RECENT_LOGIN).await? => Ok(()),
            Self::Password(hash) if use_fresh_proof(tx, hash, now).await? => Ok(()),
            Self::Password(_) => Err(ApiError::PasswordProofRequired),
        }
    }
}

/// Returns the proof of a request. A code is consumed at once, and a wrong code is an error. People with Duo can only
/// use the page.
pub(crate) async fn reauth_proof_of_request(
    app: &App,
    caller: &Caller,
    code: Option<&str>,
    request: Option<&RequestId>,
) -> Result<ReauthProof, ApiError> {
    let Some(person) = caller.person() else { return Ok(ReauthProof::NotRequired) };
    match (&person.second_factor, code) {
        (None, _) => Ok(ReauthProof::Password(person.session_hash.clone())),
        (Some(FactorMethod::Totp), Some(code)) => {
            let whose = FactorOwner { id: person.id, unique_id: &person.unique_id, tenant: caller.id };
            verify_code(app, whose, code, request)
                .await?
                .map(|_| ReauthProof::Code)
                .ok_or(ApiError::FactorProofRequired)
        }
        (Some(FactorMethod::Totp | FactorMethod::Duo(_)), _) => Ok(ReauthProof::Session(person.session_hash.clone())),
    }
}

/// Consumes a code without marking a session as verified.
pub(crate) async fn verify_code(
    app: &App,
    owner: FactorOwner<'_>,
    code: &str,
    request: Option<&RequestId>,
) -> Result<Option<VerificationMethod>, ApiError> {
    let mut tx = app.store.begin().await?;
    let how = consume_code(app, &mut tx, owner, code, request).await?;
    if let Some(how) = how {
        let actor = Actor::for_user(owner.unique_id, request);
        append_event(
            &app.seal,
            &mut tx,
            owner.tenant,
            &actor,
            AuditEvent::success(AuditAction::SecondFactorVerify, how.as_str()),
        )
        .await?;
    }
    // A wrong code is committed too, because it is counted.
    tx.commit().await?;
    Ok(how)
}
