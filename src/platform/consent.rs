//! The consent form: who is asked, and what becomes of the answer.

use super::audit::{Action, Actor, Event, RequestId, append};
use super::error::Error;
use super::principal::Caller;
use super::store::{accept_consent, end_session};
use super::{App, time};
use crate::wire::Tenant;

/// Whether a tenant's people are let off; what a client has not said its partner says.
pub(super) fn skipped(settings: &Tenant, partner: Option<&Tenant>) -> bool {
    let said = settings.skip_user_consent_form.or_else(|| partner.and_then(|partner| partner.skip_user_consent_form));
    said == Some(true)
}

/// A person's answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Answer {
    /// ACCEPT: kept with the person, and not asked again.
    Accept,
    /// DENY: ends the session, and the next login asks again.
    Deny,
}

impl Answer {
    /// The button's word, which the log has too.
    pub(super) const fn word(self) -> &'static str {
        match self {
            Self::Accept => "ACCEPT",
            Self::Deny => "DENY",
        }
    }

    /// The answer of a word.
    pub(super) fn of(word: &str) -> Option<Self> {
        [Self::Accept, Self::Deny].into_iter().find(|answer| answer.word() == word)
    }
}

/// Keeps an answer.
pub(super) async fn answered(
    app: &App,
    caller: &Caller,
    (answer, request): (Answer, Option<&RequestId>),
) -> Result<(), Error> {
    let person = caller.person().ok_or(Error::Internal)?;
    let actor = Actor::user(&person.unique_id, request);
    let now = time::now();
    let mut tx = app.store.begin().await?;
    let event = match answer {
        Answer::Accept => {
            accept_consent(&mut tx, person.id, now).await?;
            Event::done(Action::Consent, answer.word())
        }
        Answer::Deny => {
            end_session(&mut tx, &person.session, now).await?;
            Event::denied(Action::Consent, answer.word())
        }
    };
    append(&app.seal, &mut tx, (caller.id, &actor), event).await?;
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
            assert_eq!(skipped(&of(own), partner.map(of).as_ref()), skips, "{own:?} {partner:?}");
        }
    }
}
