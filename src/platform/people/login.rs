//! How people prove who they are, and the keys they get for it.

use secrecy::SecretString;

use crate::platform::audit::{Action, Actor, Denial, Event, RequestId, append, append_sampled, sampled};
use crate::platform::error::Error;
use crate::platform::factor::{FRESH, Method, Whose, verify};
use crate::platform::hashing::Place;
use crate::platform::keyed_semaphore::KeyedPermit;
use crate::platform::login::address::admits;
use crate::platform::login::elsewhere;
use crate::platform::login::policy::Rules;
use crate::platform::login::source::Source;
use crate::platform::names::login_key;
use crate::platform::principal::Caller;
use crate::platform::store::{
    Candidate, Carrier, NewSession, end_session, failed_login, failed_nobody, forget_attempts, start_session,
    verify_session,
};
use crate::platform::{App, credential, settings, time};
use crate::wire::Tenant;

/// A password that was proved.
pub(in crate::platform) struct Proved {
    person: Candidate,
    account: Account,
    /// Until the session has begun, or the attempt is taken back.
    turn: KeyedPermit<Account>,
    /// Whether the person may do nothing but change the password.
    pub(in crate::platform) limited: bool,
    /// When a second factor was proved along with it.
    pub(in crate::platform) factor_at: Option<i64>,
}

/// How somebody comes: what is to carry the session, from where, and in which request.
#[derive(Clone, Copy)]
pub(in crate::platform) struct Via<'a> {
    pub(in crate::platform) carrier: Carrier,
    pub(in crate::platform) source: Source,
    pub(in crate::platform) request: Option<&'a RequestId>,
}

/// What failed logins are counted by: an account and a source.
pub(in crate::platform) type Account = (String, String);

/// The account of a login name, whether anybody has it or not.
pub(in crate::platform) fn account(login_name: &str) -> String {
    credential::hash(&login_key(login_name))
}

/// An attempt that was counted as a failure before its password is compared.
pub(in crate::platform) struct Attempt {
    /// False while the account is locked for the source: then nothing was counted.
    pub(in crate::platform) open: bool,
    /// Held until it is known what the attempt was. The next one of the account from the source waits meanwhile, so that right
    /// ones at once do not lock the account, and wrong ones at once are no more than the policy lets through.
    pub(in crate::platform) turn: KeyedPermit<Account>,
}

/// Counts an attempt, once those before it are done.
pub(in crate::platform) async fn attempt(app: &App, account: &Account, rules: &Rules) -> Result<Attempt, Error> {
    let turn = app.turns.acquire(account.clone()).await;
    let open = app.store.attempt((&account.0, &account.1), rules, time::now()).await?;
    Ok(Attempt { open, turn })
}

/// Compares a password, whose attempt does not count where nobody had the time to compare it.
pub(in crate::platform) async fn proved(
    app: &App,
    ((account, source), place): (&Account, Place),
    (password, stored): (SecretString, Option<String>),
) -> Result<bool, Error> {
    let same = app.hasher.verify(place, (password, stored)).await;
    if same.is_err() {
        app.store.take_back((account, source)).await?;
    }
    same
}

/// Proves a password. For a name that nobody has, for somebody out of service, while the account is locked and for a
/// password that has ended the work and the answer are the same as for a wrong password. No connection of the database is
/// held while it is compared. From an address that the tenant does not admit the right password is not enough.
pub(in crate::platform) async fn prove(
    app: &App,
    (login_name, password): (&str, SecretString),
    via: Via<'_>,
) -> Result<Proved, Error> {
    let source = via.source;
    // First of all: who finds no place costs nothing, neither a row nor a look at the database.
    let place = app.hasher.place(source)?;
    let candidate = app.store.candidate(login_name).await?;
    let nobodys = || Rules::of(&settings::policy_of(&Tenant::default()));
    let rules = candidate.as_ref().map_or_else(nobodys, |candidate| candidate.rules);
    let account = (account(login_name), source.network());
    let Attempt { open, turn } = attempt(app, &account, &rules).await?;
    let stored = candidate.as_ref().map(|candidate| candidate.password_hash.clone());
    let same = proved(app, (&account, place), (password, stored)).await?;
    let now = time::now();
    let good = |person: &Candidate| person.in_service && person.password_until.is_none_or(|until| until > now);
    match candidate {
        Some(person) if open && same && good(&person) => {
            if !admits(person.white_listed.as_deref(), source.address()) {
                refused(app, via, Some((&person, Action::LoginElsewhere))).await?;
                tracing::info!(person = person.unique_id, %source, "a login came from an address that is not admitted");
                return Err(elsewhere(app));
            }
            let limited = person.must_change || person.is_old || rules.ended(person.password_at, now);
            Ok(Proved { person, account, turn, limited, factor_at: None })
        }
        other => {
            let action = if open { Action::Login } else { Action::LoginLocked };
            refused(app, via, other.as_ref().map(|person| (person, action))).await?;
            // Lines about one account and source are few, as rows are: nobody fills the disk from outside.
            if let Some(left_out) = app.logins.note((source, &account.0), now) {
                let person = other.as_ref().map_or("unknown", |person| &person.unique_id);
                // Enough of the hash to tell two names apart, and nobody's typing error in the log.
                let name = account.0.get(..12).unwrap_or_default();
                let request = via.request.map_or("", |id| &id.0);
                tracing::info!(target: "refused", person, name, %source, locked = !open, request, left_out, "a login failed");
            }
            Err(Error::BadLogin)
        }
    }
}

/// Asks whoever comes for a token for the second factor along with the password, where a login asks for one. A missing code
/// is no wrong one; neither counts as a wrong password.
pub(in crate::platform) async fn second(
    app: &App,
    mut proved: Proved,
    otp: &str,
    via: Via<'_>,
) -> Result<Proved, Error> {
    let Some(method) = &proved.person.wants else { return Ok(proved) };
    let Candidate { id, unique_id, tenant, .. } = &proved.person;
    let how = match method {
        Method::Totp if !otp.trim().is_empty() => {
            let whose = Whose { id: *id, unique_id, tenant: *tenant };
            verify(app, whose, (otp, via.request)).await?
        }
        Method::Totp | Method::Duo(_) => {
            let actor = Actor::user(unique_id, via.request);
            let denial = Denial { tenant: *tenant, actor: &actor, action: Action::Factor, object: "token" };
            sampled(app, denial).await;
            None
        }
    };
    if how.is_none() {
        app.store.take_back((&proved.account.0, &proved.account.1)).await?;
        drop(proved.turn);
        return Err(Error::FactorFirst);
    }
    proved.factor_at = Some(time::now());
    Ok(proved)
}

/// Keeps a login that was refused, in the history and in the audit log, or counts it there where there are many.
async fn refused(app: &App, via: Via<'_>, whom: Option<(&Candidate, Action)>) -> Result<(), Error> {
    let Via { carrier, source, request } = via;
    let mut tx = app.store.begin().await?;
    let kept = match whom {
        Some((person, action)) => {
            let actor = Actor::user(&person.unique_id, request);
            let denial = Denial { tenant: person.tenant, actor: &actor, action, object: carrier.word() };
            let kept = append_sampled(app, &mut tx, denial).await?;
            Some(person).filter(|_| kept)
        }
        None => None,
    };
    match kept {
        Some(person) => failed_login(&mut tx, person.id, (carrier, source), time::now()).await?,
        None => failed_nobody(&mut tx).await?,
    }
    Ok(tx.commit().await?)
}

/// Starts a session for whoever proved a password; answers its key, of which only the hash is kept.
pub(in crate::platform) async fn start(
    app: &App,
    proved: &Proved,
    Via { carrier, source, request }: Via<'_>,
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
        factor_at: proved.factor_at,
        source: &source.to_string(),
        account: (&proved.account.0, &proved.account.1),
        now,
        expires: now + lifetime,
    };
    let mut tx = app.store.begin().await?;
    if !start_session(&mut tx, &new).await? {
        return Err(Error::BadLogin);
    }
    let Candidate { unique_id, tenant, tenant_unique_id, .. } = &proved.person;
    let actor = Actor::user(unique_id, request);
    append(&app.seal, &mut tx, (*tenant, &actor), Event::done(Action::Login, carrier.word())).await?;
    tx.commit().await?;
    tracing::info!(person = unique_id, tenant = tenant_unique_id, %source, "a person logged in");
    Ok(key)
}

/// Proves the password of a session's person once more, as a login does: one save may follow. A wrong one counts as a failed
/// login.
pub(in crate::platform) async fn prove_again(
    app: &App,
    caller: &Caller,
    password: SecretString,
    via: Via<'_>,
) -> Result<bool, Error> {
    let person = caller.person().ok_or(Error::Internal)?;
    let place = app.hasher.place(via.source)?;
    let candidate = app.store.candidate(&person.login_name).await?.filter(|candidate| candidate.id == person.id);
    let candidate = candidate.ok_or(Error::InvalidToken)?;
    let account = (account(&person.login_name), via.source.network());
    let Attempt { open, turn: _turn } = attempt(app, &account, &candidate.rules).await?;
    let same = proved(app, (&account, place), (password, Some(candidate.password_hash))).await?;
    let good = open && same;
    let mut tx = app.store.begin().await?;
    let (tenant, actor) = (caller.id, Actor::user(&person.unique_id, via.request));
    if good {
        verify_session(&mut tx, &person.session, time::now() + FRESH).await?;
        forget_attempts(&mut tx, (&account.0, &account.1)).await?;
        append(&app.seal, &mut tx, (tenant, &actor), Event::done(Action::PasswordProve, "session")).await?;
    } else {
        let denial = Denial { tenant, actor: &actor, action: Action::PasswordProve, object: "session" };
        append_sampled(app, &mut tx, denial).await?;
    }
    tx.commit().await?;
    Ok(good)
}

/// Ends the session of a key, if there is one.
pub(in crate::platform) async fn log_out(app: &App, key: &str, request: Option<&RequestId>) -> Result<(), Error> {
    let mut tx = app.store.begin().await?;
    if let Some((unique_id, tenant)) = end_session(&mut tx, &credential::hash(key), time::now()).await? {
        let actor = Actor::user(&unique_id, request);
        append(&app.seal, &mut tx, (tenant, &actor), Event::done(Action::Logout, "session")).await?;
    }
    Ok(tx.commit().await?)
}
