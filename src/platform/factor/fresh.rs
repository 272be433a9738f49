//! The fresh proof that a request asks of people before it saves account settings or gives lasting power: the second factor, or
//! the password where there is none.

use super::{How, Method, Whose, check};
use crate::platform::audit::{Action, Actor, Event, RequestId, append};
use crate::platform::error::Error;
use crate::platform::principal::Caller;
use crate::platform::store::{Tx, began_after, spend_verification};
use crate::platform::{App, time};

/// Header that carries a code along with a save.
pub(in crate::platform) const HEADER: &str = "x-two-factor-code";

/// Milliseconds after a login during which it is the fresh proof of somebody who has no second factor.
const RECENT: i64 = 5 * 60 * 1000;

/// What a request has to show for itself where a save asks for it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::platform) enum Proof {
    /// Nobody asks: an API credential, or a request that asks nobody.
    NotAsked,
    /// A code came with the request, and is used up.
    Code,
    /// What the page `/factor` left in the session of this hash, which the save uses up.
    Session(String),
    /// The password, of somebody without a second factor: the login of the session of this hash, while it is recent, or what the
    /// page `/factor` left there.
    Password(String),
}

impl Proof {
    /// Refuses where the proof is not there, without using it up.
    pub(in crate::platform) async fn is_there(&self, app: &App) -> Result<(), Error> {
        let now = time::now();
        match self {
            Self::NotAsked | Self::Code => Ok(()),
            Self::Session(hash) if app.store.verified(hash, now).await? => Ok(()),
            Self::Session(_) => Err(Error::ProveAgain),
            Self::Password(hash) if app.store.verified(hash, now).await? => Ok(()),
            Self::Password(hash) if app.store.began_after(hash, now - RECENT).await? => Ok(()),
            Self::Password(_) => Err(Error::PasswordAgain),
        }
    }

    /// Uses the proof up in the transaction of the save.
    pub(in crate::platform) async fn spend(&self, tx: &mut Tx) -> Result<(), Error> {
        let now = time::now();
        match self {
            Self::NotAsked | Self::Code => Ok(()),
            Self::Session(hash) if spend_verification(tx, hash, now).await? => Ok(()),
            Self::Session(_) => Err(Error::ProveAgain),
            Self::Password(hash) if began_after(&mut **tx, hash, now - RECENT).await? => Ok(()),
            Self::Password(hash) if spend_verification(tx, hash, now).await? => Ok(()),
            Self::Password(_) => Err(Error::PasswordAgain),
        }
    }
}

/// The proof of a request. A code is taken at once, and a wrong one refuses the request; Duo's people have the page alone.
pub(in crate::platform) async fn proof(
    app: &App,
    caller: &Caller,
    (code, request): (Option<&str>, Option<&RequestId>),
) -> Result<Proof, Error> {
    let Some(person) = caller.person() else { return Ok(Proof::NotAsked) };
    match (&person.wants, code) {
        (None, _) => Ok(Proof::Password(person.session.clone())),
        (Some(Method::Totp), Some(code)) => {
            let whose = Whose { id: person.id, unique_id: &person.unique_id, tenant: caller.id };
            verify(app, whose, (code, request)).await?.map(|_| Proof::Code).ok_or(Error::ProveAgain)
        }
        (Some(Method::Totp | Method::Duo(_)), _) => Ok(Proof::Session(person.session.clone())),
    }
}

/// Takes a code that stands for no session's factor.
pub(in crate::platform) async fn verify(
    app: &App,
    whose: Whose<'_>,
    (code, request): (&str, Option<&RequestId>),
) -> Result<Option<How>, Error> {
    let mut tx = app.store.begin().await?;
    let how = check(app, &mut tx, whose, (code, request)).await?;
    if let Some(how) = how {
        let actor = Actor::user(whose.unique_id, request);
        append(&app.seal, &mut tx, (whose.tenant, &actor), Event::done(Action::Factor, how.word())).await?;
    }
    // What was wrong is committed too: it counts.
    tx.commit().await?;
    Ok(how)
}
