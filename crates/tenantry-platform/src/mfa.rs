//! The second factor of people: who needs one, which action a session must still complete, and what follows from a
//! verified one.
//!
//! Required actions are computed at each request from the tenant's settings and the session's row. So a switch that is
//! turned on also applies to open sessions.

pub(super) mod duo;
mod enrolment;
mod one_time_code;
mod reauth_proof;
mod secret_cipher;
mod totp;

pub(super) use duo::DuoSettings;
pub(super) use enrolment::{EnrolmentResult, begin_enrolment, confirm_enrolment};
use one_time_code::consume_code;
pub(super) use reauth_proof::{CODE_HEADER, ReauthProof, reauth_proof_of_request, verify_code};
pub(super) use secret_cipher::SecretCipher;
use tenantry_wire::Tenant;
pub(super) use totp::{QrCodeSvg, otpauth_uri};

use super::audit::{Actor, AuditAction, AuditEvent, RequestId, append_event};
use super::error::ApiError;
use super::store::{Tx, mark_session_verified};
use super::{App, credential, time};

/// Milliseconds for which a fresh proof is valid, for one save.
pub(super) const PROOF_LIFETIME: i64 = 2 * 60 * 1000;

/// What a session must do before anything else, in this order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum RequiredAction {
    /// Verify a second factor.
    Factor,
    /// Answer the consent form.
    Consent,
    /// Choose a new password.
    Password,
}

/// The required actions that are not yet complete.
#[derive(Clone, Copy, Debug)]
pub(super) struct PendingActions {
    /// A second factor is required and was not verified in this session.
    pub(super) factor: bool,
    /// The consent form is not accepted.
    pub(super) consent: bool,
    /// The password must be changed.
    pub(super) password: bool,
}

impl PendingActions {
    /// Returns the first action that is required.
    pub(super) fn first_action(self) -> Option<RequiredAction> {
        let Self { factor, consent, password } = self;
        [(factor, RequiredAction::Factor), (consent, RequiredAction::Consent), (password, RequiredAction::Password)]
            .into_iter()
            .find_map(|(due, owed)| due.then_some(owed))
    }
}

impl RequiredAction {
    /// Returns the path of the page that completes the action.
    pub(super) const fn page_path(self) -> &'static str {
        match self {
            Self::Factor => "/factor",
            Self::Consent => "/consent",
            Self::Password => "/password",
        }
    }
}

/// A method of second-factor authentication.
#[derive(Clone, Debug)]
pub(super) enum FactorMethod {
    /// Codes of an authenticator app (RFC 6238).
    Totp,
    /// Duo's own page.
    Duo(DuoSettings),
}

impl FactorMethod {
    /// Returns the name on the wire.
    pub(super) const fn provider(&self) -> &'static str {
        match self {
            Self::Totp => "TOTP",
            Self::Duo(_) => "DUO",
        }
    }
}

/// Returns the second factor that a tenant's settings require of a person. `own` is whether the person's own settings
/// require one. A partner's setting does not apply to the people of its clients.
pub(super) fn required_method(settings: &Tenant, own: bool) -> Option<FactorMethod> {
    let duo = settings.duo_security.as_ref().and_then(|duo| {
        Some(DuoSettings {
            host: duo.api_host_name.clone()?,
            integration_key: duo.integration_key.clone()?,
            secret_key: duo.secret_key.clone()?.into(),
        })
    });
    match duo {
        Some(duo) => Some(FactorMethod::Duo(duo)),
        None => (own || settings.two_factor_authentication == Some(true)).then_some(FactorMethod::Totp),
    }
}

/// How a factor was verified, as the audit log names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum VerificationMethod {
    /// A code.
    Totp,
    /// A recovery code.
    Recovery,
    /// Duo confirmed it.
    Duo,
}

impl VerificationMethod {
    /// Returns the word for the audit log.
    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::Totp => "TOTP",
            Self::Recovery => "RECOVERY",
            Self::Duo => "DUO",
        }
    }
}

/// Completes the verification of a session's factor. Returns the new session key; the old one is no longer valid. If
/// the session verified a factor before, this is the fresh proof for a save.
pub(super) async fn complete_verification(
    app: &App,
    hash: &str,
    method: VerificationMethod,
    request: Option<&RequestId>,
) -> Result<String, ApiError> {
    let mut tx = app.store.begin().await?;
    let key = complete_verification_in(app, &mut tx, hash, method, request).await?;
    tx.commit().await?;
    Ok(key)
}

/// Completes a verification within an open write.
async fn complete_verification_in(
    app: &App,
    tx: &mut Tx,
    hash: &str,
    method: VerificationMethod,
    request: Option<&RequestId>,
) -> Result<String, ApiError> {
    let key = credential::random_session_key();
    let now = time::now();
    let proved = mark_session_verified(tx, hash, &credential::sha256_hex(&key), now, now + PROOF_LIFETIME).await?;
    let (unique_id, tenant) = proved.ok_or(ApiError::InvalidToken)?;
    let actor = Actor::for_user(&unique_id, request);
    append_event(&app.seal, tx, tenant, &actor, AuditEvent::success(AuditAction::SecondFactorVerify, method.as_str()))
        .await?;
    Ok(key)
}

/// Verifies a session's factor by a code. Returns the new key, or `None` if the code was not accepted.
pub(super) async fn verify_session_code(
    app: &App,
    hash: &str,
    person: FactorOwner<'_>,
    code: &str,
    request: Option<&RequestId>,
) -> Result<Option<String>, ApiError> {
    let mut tx = app.store.begin().await?;
    let key = match consume_code(app, &mut tx, person, code, request).await? {
        Some(how) => Some(complete_verification_in(app, &mut tx, hash, how, request).await?),
        None => None,
    };
    // A wrong code is committed too, because it counts as a failure.
    tx.commit().await?;
    Ok(key)
}

/// The person whose code is checked.
#[derive(Clone, Copy, Debug)]
pub(super) struct FactorOwner<'a> {
    /// Number of the person.
    pub(super) id: i64,
    /// `USR` and ten digits.
    pub(super) unique_id: &'a str,
    /// Number of the tenant.
    pub(super) tenant: i64,
}

#[cfg(test)]
mod tests {
    use tenantry_wire::DuoSecurity;

    use super::*;

    #[test]
    fn the_first_thing_owed_is_the_factor_then_the_form_then_the_password() {
        let due = |factor, consent, password| PendingActions { factor, consent, password }.first_action();
        assert_eq!(due(true, true, true), Some(RequiredAction::Factor));
        assert_eq!(due(false, true, true), Some(RequiredAction::Consent));
        assert_eq!(due(false, false, true), Some(RequiredAction::Password));
        assert_eq!(due(false, false, false), None);
    }

    #[test]
    fn duo_goes_before_codes_and_only_where_it_is_complete() {
        let text = |text: &str| Some(text.to_owned());
        let of = |switch, duo: Option<DuoSecurity>, own| {
            let settings = Tenant { two_factor_authentication: switch, duo_security: duo, ..Tenant::default() };
            required_method(&settings, own).map(|method| method.provider())
        };
        let duo = || DuoSecurity { integration_key: text("k"), secret_key: text("s"), api_host_name: text("h") };
        assert_eq!(of(None, None, false), None);
        assert_eq!(of(Some(false), None, false), None);
        assert_eq!(of(Some(true), None, false), Some("TOTP"));
        assert_eq!(of(None, None, true), Some("TOTP"));
        assert_eq!(of(Some(true), Some(duo()), false), Some("DUO"));
        assert_eq!(of(None, Some(duo()), false), Some("DUO"));
        for lacks in [
            DuoSecurity { integration_key: None, ..duo() },
            DuoSecurity { secret_key: None, ..duo() },
            DuoSecurity { api_host_name: None, ..duo() },
        ] {
            assert_eq!(of(None, Some(lacks.clone()), false), None);
            assert_eq!(of(Some(true), Some(lacks), false), Some("TOTP"));
        }
    }
}
