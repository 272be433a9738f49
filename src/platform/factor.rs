//! The second factor of people: who needs one, what a session still owes, and what becomes of one that was proved.
//!
//! What is owed is judged at each request from the tenant's settings and the session's row, so that a switch which is
//! turned on is felt by sessions that are open.

mod code;
pub(super) mod duo;
mod enrolment;
mod fresh;
mod totp;
mod vault;

use code::check;
pub(super) use duo::DuoSettings;
pub(super) use enrolment::{Enrolled, begin, confirm};
pub(super) use fresh::{HEADER, Proof, proof, verify};
pub(super) use totp::{Qr, uri};
pub(super) use vault::Vault;

use super::audit::{Action, Actor, Event, RequestId, append};
use super::error::Error;
use super::store::{Tx, prove_session};
use super::{App, credential, time};
use crate::wire::Tenant;

/// Milliseconds that a fresh proof is good for one save.
pub(super) const FRESH: i64 = 2 * 60 * 1000;

/// What a session must do before anything else, the first thing first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Owed {
    /// Prove a second factor.
    Factor,
    /// Answer the consent form.
    Consent,
    /// Choose a new password.
    Password,
}

/// Which of the things that can be owed are.
#[derive(Clone, Copy, Debug)]
pub(super) struct Due {
    /// A second factor is wanted and was not proved in this session.
    pub(super) factor: bool,
    /// The consent form is not accepted.
    pub(super) consent: bool,
    /// The password must be changed.
    pub(super) password: bool,
}

impl Due {
    /// The first thing owed.
    pub(super) fn first(self) -> Option<Owed> {
        let Self { factor, consent, password } = self;
        [(factor, Owed::Factor), (consent, Owed::Consent), (password, Owed::Password)]
            .into_iter()
            .find_map(|(due, owed)| due.then_some(owed))
    }
}

impl Owed {
    /// The page that serves it.
    pub(super) const fn page(self) -> &'static str {
        match self {
            Self::Factor => "/factor",
            Self::Consent => "/consent",
            Self::Password => "/password",
        }
    }
}

/// A second factor that people are asked for.
#[derive(Clone, Debug)]
pub(super) enum Method {
    /// Codes of an authenticator app (RFC 6238).
    Totp,
    /// Duo's own page.
    Duo(DuoSettings),
}

impl Method {
    /// Its name on the wire.
    pub(super) const fn provider(&self) -> &'static str {
        match self {
            Self::Totp => "TOTP",
            Self::Duo(_) => "DUO",
        }
    }
}

/// The second factor that a tenant's own settings want of one of its people. `own` is whether the person's own settings
/// want one. A partner's switch is not its clients'.
pub(super) fn wanted(settings: &Tenant, own: bool) -> Option<Method> {
    let duo = settings.duo_security.as_ref().and_then(|duo| {
        Some(DuoSettings {
            host: duo.api_host_name.clone()?,
            integration_key: duo.integration_key.clone()?,
            secret_key: duo.secret_key.clone()?.into(),
        })
    });
    match duo {
        Some(duo) => Some(Method::Duo(duo)),
        None => (own || settings.two_factor_authentication == Some(true)).then_some(Method::Totp),
    }
}

/// How a factor was proved, as the audit log has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum How {
    /// A code.
    Totp,
    /// A recovery code.
    Recovery,
    /// Duo said so.
    Duo,
}

impl How {
    /// The word for it in the audit log.
    pub(super) const fn word(self) -> &'static str {
        match self {
            Self::Totp => "TOTP",
            Self::Recovery => "RECOVERY",
            Self::Duo => "DUO",
        }
    }
}

/// A session proved its factor: it gets another key, which is answered, and the old one is dead. Where the session had
/// proved one before, this is the fresh proof for a save.
pub(super) async fn passed(app: &App, hash: &str, how: How, request: Option<&RequestId>) -> Result<String, Error> {
    let mut tx = app.store.begin().await?;
    let key = pass(app, &mut tx, hash, (how, request)).await?;
    tx.commit().await?;
    Ok(key)
}

/// The same within a write.
async fn pass(app: &App, tx: &mut Tx, hash: &str, (how, request): (How, Option<&RequestId>)) -> Result<String, Error> {
    let key = credential::random_session();
    let now = time::now();
    let proved = prove_session(tx, (hash, &credential::hash(&key)), (now, now + FRESH)).await?;
    let (unique_id, tenant) = proved.ok_or(Error::InvalidToken)?;
    let actor = Actor::user(&unique_id, request);
    append(&app.seal, tx, (tenant, &actor), Event::done(Action::Factor, how.word())).await?;
    Ok(key)
}

/// Proves a session's factor by a code; the new key, or none where the code was not taken.
pub(super) async fn prove(
    app: &App,
    (hash, person): (&str, Whose<'_>),
    (code, request): (&str, Option<&RequestId>),
) -> Result<Option<String>, Error> {
    let mut tx = app.store.begin().await?;
    let key = match check(app, &mut tx, person, (code, request)).await? {
        Some(how) => Some(pass(app, &mut tx, hash, (how, request)).await?),
        None => None,
    };
    // What was wrong is committed too: it counts.
    tx.commit().await?;
    Ok(key)
}

/// The person whose code is checked.
#[derive(Clone, Copy, Debug)]
pub(super) struct Whose<'a> {
    /// Number of the person.
    pub(super) id: i64,
    /// `USR` and ten digits.
    pub(super) unique_id: &'a str,
    /// Number of the tenant.
    pub(super) tenant: i64,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::Duo;

    #[test]
    fn the_first_thing_owed_is_the_factor_then_the_form_then_the_password() {
        let due = |factor, consent, password| Due { factor, consent, password }.first();
        assert_eq!(due(true, true, true), Some(Owed::Factor));
        assert_eq!(due(false, true, true), Some(Owed::Consent));
        assert_eq!(due(false, false, true), Some(Owed::Password));
        assert_eq!(due(false, false, false), None);
    }

    #[test]
    fn duo_goes_before_codes_and_only_where_it_is_complete() {
        let text = |text: &str| Some(text.to_owned());
        let of = |switch, duo: Option<Duo>, own| {
            let settings = Tenant { two_factor_authentication: switch, duo_security: duo, ..Tenant::default() };
            wanted(&settings, own).map(|method| method.provider())
        };
        let duo = || Duo { integration_key: text("k"), secret_key: text("s"), api_host_name: text("h") };
        assert_eq!(of(None, None, false), None);
        assert_eq!(of(Some(false), None, false), None);
        assert_eq!(of(Some(true), None, false), Some("TOTP"));
        assert_eq!(of(None, None, true), Some("TOTP"));
        assert_eq!(of(Some(true), Some(duo()), false), Some("DUO"));
        assert_eq!(of(None, Some(duo()), false), Some("DUO"));
        for lacks in [
            Duo { integration_key: None, ..duo() },
            Duo { secret_key: None, ..duo() },
            Duo { api_host_name: None, ..duo() },
        ] {
            assert_eq!(of(None, Some(lacks.clone()), false), None);
            assert_eq!(of(Some(true), Some(lacks), false), Some("TOTP"));
        }
    }
}
