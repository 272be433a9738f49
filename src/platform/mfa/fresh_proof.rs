//! The fresh proof that a request asks of people before it saves account settings or gives lasting power: the second factor, or
//! the password where there is none.

use super::{FactorMethod, FactorOwner, VerificationMethod, consume_code};
use crate::platform::audit::{Actor, AuditAction, AuditEvent, RequestId, append_event};
use crate::platform::error::ApiError;
use crate::platform::principal::Caller;
use crate::platform::store::{Tx, session_began_after, use_fresh_proof};
use crate::platform::{App, time};

/// Header that carries a code along with a save.
pub(in crate::platform) const CODE_HEADER: &str = "x-two-factor-code";

/// Milliseconds after a login during which it is the fresh proof of somebody who has no second factor.
const RECENT_LOGIN: i64 = 5 * 60 * 1000;

/// What a request has to show for itself where a save asks for it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::platform) enum ReauthProof {
    /// Nobody asks: an API credential, or a request that asks nobody.
    NotRequired,
    /// A code came with the request, and is used up.
    Code,
    /// What the page `/factor` left in the session of this hash, which the save uses up.
    Session(String),
    /// The password, of somebody without a second factor: the login of the session of this hash, while it is recent, or what the
    /// page `/factor` left there.
    Password(String),
}

impl ReauthProof {
    /// Refuses where the proof is not there, without using it up.
    pub(in crate::platform) async fn ensure_present(&self, app: &App) -> Result<(), ApiError> {
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
    pub(in crate::platform) async fn consume(&self, tx: &mut Tx) -> Result<(), ApiError> {
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

/// The proof of a request. A code is taken at once, and a wrong one refuses the request; Duo's people have the page alone.
pub(in crate::platform) async fn proof_of_request(
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

/// Takes a code that stands for no session's factor.
pub(in crate::platform) async fn verify_code(
    app: &App,
    whose: FactorOwner<'_>,
    code: &str,
    request: Option<&RequestId>,
) -> Result<Option<VerificationMethod>, ApiError> {
    let mut tx = app.store.begin().await?;
    let how = consume_code(app, &mut tx, whose, code, request).await?;
    if let Some(how) = how {
        let actor = Actor::for_user(whose.unique_id, request);
        append_event(&app.seal, &mut tx, whose.tenant, &actor, AuditEvent::success(AuditAction::Factor, how.as_str()))
            .await?;
    }
    // What was wrong is committed too: it counts.
    tx.commit().await?;
    Ok(how)
}
