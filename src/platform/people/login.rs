//! How people prove who they are, and the keys they get for it.

use secrecy::SecretString;

use crate::platform::error::Error;
use crate::platform::store::{Candidate, Carrier, NewSession};
use crate::platform::{App, credential, time};

/// A password that was proved.
pub(in crate::platform) struct Proved {
    person: Candidate,
    /// Whether the person may do nothing but change the password.
    pub(in crate::platform) limited: bool,
}

/// Proves a password. For a name that nobody has, for somebody out of service and for a password that has ended the work
/// and the answer are the same as for a wrong password. No connection of the database is held while it is compared.
pub(in crate::platform) async fn prove(
    app: &App,
    (login_name, password): (&str, SecretString),
    (carrier, source): (Carrier, &str),
) -> Result<Proved, Error> {
    let candidate = app.store.candidate(login_name).await?;
    let stored = candidate.as_ref().map(|candidate| candidate.password_hash.clone());
    let same = app.hasher.verify(password, stored).await?;
    let now = time::now();
    let ended = |candidate: &Candidate| candidate.password_until.is_some_and(|until| until <= now);
    let Some(person) = candidate else { return Err(Error::BadLogin) };
    if !same || !person.in_service || ended(&person) {
        app.store.failed_login(person.id, (carrier, source), now).await?;
        tracing::info!(person = person.unique_id, source, "a login failed");
        return Err(Error::BadLogin);
    }
    Ok(Proved { limited: person.must_change, person })
}

/// Starts a session for whoever proved a password; answers its key, of which only the hash is kept.
pub(in crate::platform) async fn start(
    app: &App,
    proved: &Proved,
    (carrier, source): (Carrier, &str),
    lifetime: i64,
) -> Result<String, Error> {
    let key = credential::random_session();
    let now = time::now();
    let new = NewSession {
        hash: &credential::hash(&key),
        public_id: &credential::random_token(),
        person: proved.person.id,
        proof: &proved.person.password_hash,
        carrier,
        limited: proved.limited,
        source,
        now,
        expires: now + lifetime,
    };
    if !app.store.start_session(&new).await? {
        return Err(Error::BadLogin);
    }
    tracing::info!(person = proved.person.unique_id, tenant = proved.person.tenant, source, "a person logged in");
    Ok(key)
}
