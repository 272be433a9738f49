//! One-time codes: each is valid once, and ten wrong ones in a row lock the factor for half an hour.

use tenantry_wire::PasswordPolicy;
use unicode_normalization::UnicodeNormalization as _;

use super::{FactorOwner, VerificationMethod, totp};
use crate::audit::{Actor, AuditAction, Denial, RequestId, append_sampled_denial};
use crate::error::ApiError;
use crate::login_policy::password_policy::{FailedAttempts, PasswordRules};
use crate::store::{Tx, lock_factor, save_failed_codes, use_code_step, use_recovery_code};
use crate::{App, credential, time};

/// Wrong codes in a row until the factor is locked, independently of the password policy: PCI DSS 4.0.1, 8.3.4.
const MAX_WRONG_CODES: i64 = 10;

/// Matches no step of a code and no hash of a recovery code.
const NO_MATCH: (i64, &str) = (-1, "");

/// Returns the stored form of a recovery code, which ignores hyphens and case.
pub(super) fn recovery_hash(code: &str) -> String {
    let typed: String = code.chars().filter(char::is_ascii_alphanumeric).collect();
    credential::sha256_hex(&typed.to_ascii_lowercase())
}

/// Normalizes a code for comparison: apps display it in two groups, people type what they see, and some keyboards write
/// full-width digits.
pub(super) fn normalize_code(code: &str) -> String {
    code.nfkc().filter(|letter| !letter.is_whitespace() && *letter != '-').collect()
}

/// Consumes a code or a recovery code of a person. Returns `None` if it is wrong or used, or while the factor is
/// locked; neither the result nor the work distinguishes these. A wrong code is counted and audited, so the caller must
/// commit in any case.
pub(crate) async fn consume_code(
    app: &App,
    tx: &mut Tx,
    owner: FactorOwner<'_>,
    code: &str,
    request: Option<&RequestId>,
) -> Result<Option<VerificationMethod>, ApiError> {
    let code = &*normalize_code(code);
    let now = time::now();
    let rules = PasswordRules::from_policy(&PasswordPolicy {
        max_attempts_to_lockout: Some(MAX_WRONG_CODES),
        ..PasswordPolicy::default()
    });
    let Some((sealed, before)) = lock_factor(tx, owner.id).await? else {
        record_denied_code(app, tx, owner, AuditAction::SecondFactorVerify, request).await?;
        return Ok(None);
    };
    let counted = rules.next_failed_attempts(before, now);
    let step = code_step(app, owner.unique_id, &sealed, code, now)?;
    let hash = recovery_hash(code);
    let (step, hash) = if counted.is_some() { (step.unwrap_or(NO_MATCH.0), hash.as_str()) } else { NO_MATCH };
    // Both queries always run, so that the work is the same.
    let by_code = use_code_step(tx, owner.id, step).await?;
    let by_recovery = use_recovery_code(tx, owner.id, hash).await?;
    let how = match (by_code, by_recovery) {
        (true, _) => Some(VerificationMethod::Totp),
        (false, true) => Some(VerificationMethod::Recovery),
        (false, false) => None,
    };
    save_failed_codes(tx, owner.id, if how.is_some() { FailedAttempts::default() } else { counted.unwrap_or(before) })
        .await?;
    if how.is_none() {
        let action = if counted.is_some() { AuditAction::SecondFactorVerify } else { AuditAction::SecondFactorLocked };
        record_denied_code(app, tx, owner, action, request).await?;
    }
    Ok(how)
}

/// Returns the step of a code for a person's sealed secret.
fn code_step(app: &App, person: &str, sealed: &str, code: &str, now: i64) -> Result<Option<i64>, ApiError> {
    if let Some(secret) = app.vault.decrypt_secret(person, sealed) {
        return totp::matching_step(&secret, code, now);
    }
    tracing::error!(
        person,
        "the secret of a second factor was sealed with another key; bring the key file back or reset the factor"
    );
    Ok(None)
}

/// Records a denied code in the audit log.
pub(super) async fn record_denied_code(
    app: &App,
    tx: &mut Tx,
    owner: FactorOwner<'_>,
    action: AuditAction,
    request: Option<&RequestId>,
) -> Result<(), ApiError> {
    let actor = Actor::for_user(owner.unique_id, request);
    append_sampled_denial(app, tx, Denial { tenant: owner.tenant, actor: &actor, action, object: "code" }).await?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_is_the_same_however_its_groups_are_typed() {
        for code in [
            "287082",
            "287 082",
            " 287-082 ",
            "28 70 82",
            "287\u{a0}082",
            "287\u{2009}082",
            "\u{ff12}\u{ff18}\u{ff17}\u{3000}\u{ff10}\u{ff18}\u{ff12}",
        ] {
            assert_eq!(normalize_code(code), "287082", "{code:?}");
        }
    }

    #[test]
    fn a_recovery_code_is_the_same_however_it_is_typed() {
        let kept = recovery_hash("abcd-efgh-2345");
        for typed in ["ABCD-EFGH-2345", "abcdefgh2345", " abcd efgh 2345 "] {
            assert_eq!(recovery_hash(typed), kept, "{typed}");
        }
        assert_ne!(recovery_hash("abcd-efgh-2346"), kept);
        assert_ne!(kept, NO_MATCH.1);
    }
}
