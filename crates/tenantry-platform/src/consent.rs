//! The consent form: who must answer it, and what follows from the answer.

use tenantry_wire::Tenant;

use super::audit::{Actor, AuditAction, AuditEvent, RequestId, append_event};
use super::error::ApiError;
use super::principal::Caller;
use super::store::{accept_consent, end_session};
use super::{App, time};

/// Returns whether a tenant's people need not accept the form. A client that has no setting inherits its partner's.
pub(super) fn is_consent_skipped(settings: &Tenant, partner: Option<&Tenant>) -> bool {
    let said = settings.skip_user_consent_form.or_else(|| partner.and_then(|partner| partner.skip_user_consent_form));
    said == Some(true)
}

/// A person's answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ConsentDecision {
    /// ACCEPT: stored with the person, who is not asked again.
    Accept,
    /// DENY: ends the session; the next login asks again.
    Deny,
}

impl ConsentDecision {
    /// Returns the word of the button, which the log stores too.
    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::Accept => "ACCEPT",
            Self::Deny => "DENY",
        }
    }

    /// Returns the decision of a word; `None` if the word is unknown.
    pub(super) fn from_word(word: &str) -> Option<Self> {
        [Self::Accept, Self::Deny].into_iter().find(|answer| answer.as_str() == word)
    }
}

/// Stores a person's answer.
pub(super) async fn record_consent_decision(
    app: &App,
    caller: &Caller,
    answer: ConsentDecision,
    request: Option<&RequestId>,
) -> Result<(), ApiError> {
    let person = caller.person().ok_or(ApiError::Internal)?;
    let actor = Actor::for_user(&person.unique_id, request);
    let now = time::now();
    let mut tx = app.store.begin().await?;
    let event = match answer {
        ConsentDecision::Accept => {
            accept_consent(&mut tx, person.id, now).await?;
            AuditEvent::success(AuditAction::Consent, answer.as_str())
        }
        ConsentDecision::Deny => {
            end_session(&mut tx, &person.session_hash, now).await?;
            AuditEvent::denial(AuditAction::Consent, answer.as_str())
        }
    };
    append_event(&app.seal, &mut tx, caller.id, &actor, event).await?;
    Ok(tx.commit().await?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clients_own_word_goes_before_its_partners() {
        let of = |switch| Tenant { skip_user_consent_form: switch, ..Tenant::default() };
        for (own, partner, skips) in [
            (None, None, false),
            (None, Some(None), false),
            (None, Some(Some(true)), true),
            (None, Some(Some(false)), false),
            (Some(true), Some(Some(false)), true),
            (Some(false), Some(Some(true)), false),
        ] {
            assert_eq!(is_consent_skipped(&of(own), partner.map(of).as_ref()), skips, "{own:?} {partner:?}");
        }
    }
}
