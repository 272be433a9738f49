//! Codes: each is good once, and ten wrong ones in a row shut the door for half an hour.

use unicode_normalization::UnicodeNormalization as _;

use super::{How, Whose, totp};
use crate::platform::audit::{Action, Actor, Denial, RequestId, append_sampled};
use crate::platform::error::Error;
use crate::platform::login::policy::{Attempts, Rules};
use crate::platform::store::{Tx, held_factor, note_codes, use_recovery_code, use_step};
use crate::platform::{App, credential, time};
use crate::wire::PasswordPolicy;

/// Wrong codes in a row that lock, whatever the password policy says: PCI DSS 4.0.1, 8.3.4.
const ATTEMPTS: i64 = 10;

/// No step of a code and no hash of a recovery code.
const NOTHING: (i64, &str) = (-1, "");

/// A recovery code as it is kept: without the hyphens and the letters' case of how it was typed.
pub(super) fn recovery_hash(code: &str) -> String {
    let typed: String = code.chars().filter(char::is_ascii_alphanumeric).collect();
    credential::hash(&typed.to_ascii_lowercase())
}

/// A code as it is compared: apps show it in two groups, people type what they see, and some keyboards write wide digits.
pub(super) fn typed(code: &str) -> String {
    code.nfkc().filter(|letter| !letter.is_whitespace() && *letter != '-').collect()
}

/// Takes a person's code or recovery code, once; none where it is wrong, was used, or while the door is shut, which neither
/// the answer nor the work tells apart. A wrong one is counted and stands in the log, so the caller commits in any case.
pub(in crate::platform) async fn check(
    app: &App,
    tx: &mut Tx,
    whose: Whose<'_>,
    (code, request): (&str, Option<&RequestId>),
) -> Result<Option<How>, Error> {
    let code = &*typed(code);
    let now = time::now();
    let rules = Rules::of(&PasswordPolicy { max_attempts_to_lockout: Some(ATTEMPTS), ..PasswordPolicy::default() });
    let Some((sealed, before)) = held_factor(tx, whose.id).await? else {
        denied(app, tx, whose, (Action::Factor, request)).await?;
        return Ok(None);
    };
    let counted = rules.attempt(before, now);
    let step = step(app, (whose.unique_id, &sealed), (code, now))?;
    let hash = recovery_hash(code);
    let (step, hash) = if counted.is_some() { (step.unwrap_or(NOTHING.0), hash.as_str()) } else { NOTHING };
    // Both are asked for in any case, so that the work is the same.
    let by_code = use_step(tx, whose.id, step).await?;
    let by_recovery = use_recovery_code(tx, whose.id, hash).await?;
    let how = match (by_code, by_recovery) {
        (true, _) => Some(How::Totp),
        (false, true) => Some(How::Recovery),
        (false, false) => None,
    };
    note_codes(tx, whose.id, if how.is_some() { Attempts::default() } else { counted.unwrap_or(before) }).await?;
    if how.is_none() {
        let action = if counted.is_some() { Action::Factor } else { Action::FactorLocked };
        denied(app, tx, whose, (action, request)).await?;
    }
    Ok(how)
}

/// The step of a code by a person's sealed secret.
fn step(app: &App, (person, sealed): (&str, &str), (code, now): (&str, i64)) -> Result<Option<i64>, Error> {
    if let Some(secret) = app.vault.open(person, sealed) {
        return totp::step(&secret, code, now);
    }
    tracing::error!(
        person,
        "the secret of a second factor was sealed with another key; bring the key file back or reset the factor"
    );
    Ok(None)
}

/// A code that was not taken, in the log.
pub(super) async fn denied(
    app: &App,
    tx: &mut Tx,
    whose: Whose<'_>,
    (action, request): (Action, Option<&RequestId>),
) -> Result<(), Error> {
    let actor = Actor::user(whose.unique_id, request);
    append_sampled(app, tx, Denial { tenant: whose.tenant, actor: &actor, action, object: "code" }).await?;
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
            assert_eq!(typed(code), "287082", "{code:?}");
        }
    }

    #[test]
    fn a_recovery_code_is_the_same_however_it_is_typed() {
        let kept = recovery_hash("abcd-efgh-2345");
        for typed in ["ABCD-EFGH-2345", "abcdefgh2345", " abcd efgh 2345 "] {
            assert_eq!(recovery_hash(typed), kept, "{typed}");
        }
        assert_ne!(recovery_hash("abcd-efgh-2346"), kept);
        assert_ne!(kept, NOTHING.1);
    }
}
