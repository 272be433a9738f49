//! Authentication of people, and the session keys and tokens issued for it.

use secrecy::SecretString;
use tenantry_wire::Tenant;

use crate::audit::{
    Actor, AuditAction, AuditEvent, Denial, RequestId, append_event, append_sampled_denial, record_sampled_denial,
};
use crate::error::ApiError;
use crate::keyed_semaphore::KeyedPermit;
use crate::login_policy::ip_network::is_ip_allowed;
use crate::login_policy::password_policy::PasswordRules;
use crate::login_policy::request_source::RequestSource;
use crate::login_policy::source_ip_error;
use crate::mfa::{FactorMethod, FactorOwner, PROOF_LIFETIME, verify_code};
use crate::name_normalization::login_key;
use crate::password_hashing::QueueSlot;
use crate::principal::Caller;
use crate::store::{
    LoginCandidate, NewSession, SessionCarrier, delete_attempts, end_session, grant_fresh_proof, insert_failed_login,
    simulate_failed_login, start_session,
};
use crate::{App, credential, settings, time};

/// A person whose password was verified.
pub(crate) struct AuthenticatedUser {
    person: LoginCandidate,
    account: AttemptKey,
    /// Held until the session has started or the attempt is taken back.
    permit: KeyedPermit<AttemptKey>,
    /// Whether the person may only change the password.
    pub(crate) password_change_only: bool,
    /// When a second factor was verified together with the password.
    pub(crate) factor_at: Option<i64>,
}

/// Context of a login: the session carrier, the source address and the request.
#[derive(Clone, Copy)]
pub(crate) struct LoginContext<'a> {
    pub(crate) carrier: SessionCarrier,
    pub(crate) source: RequestSource,
    pub(crate) request: Option<&'a RequestId>,
}

/// What failed logins are counted by: an account and a source.
pub(crate) type AttemptKey = (String, String);

/// Returns the account of a login name, whether or not the name exists.
pub(crate) fn account_hash(login_name: &str) -> String {
    credential::sha256_hex(&login_key(login_name))
}

/// An attempt that is counted as a failure before its password is compared.
pub(crate) struct LoginAttempt {
    /// `false` while the account is locked for the source; then nothing was counted.
    pub(crate) is_counted: bool,
    /// Held until the result of the attempt is known. The next attempt for the same account and source waits, so that
    /// parallel correct passwords do not lock the account, and parallel wrong ones cannot exceed the limit of the
    /// policy.
    pub(crate) permit: KeyedPermit<AttemptKey>,
}

/// Counts an attempt after earlier ones have finished.
pub(crate) async fn begin_attempt(
    app: &App,
    account: &AttemptKey,
    rules: &PasswordRules,
) -> Result<LoginAttempt, ApiError> {
    let permit = app.password_checks.acquire(account.clone()).await;
    let open = app.store.count_login_attempt(&account.0, &account.1, rules, time::now()).await?;
    Ok(LoginAttempt { is_counted: open, permit })
}

/// Compares a password. The attempt does not count if the comparison could not run.
pub(crate) async fn verify_password(
    app: &App,
    (account, source): &AttemptKey,
    slot: QueueSlot,
    password: SecretString,
    stored: Option<String>,
) -> Result<bool, ApiError> {
    let same = app.hasher.verify(slot, password, stored).await;
    if same.is_err() {
        app.store.uncount_attempt(account, source).await?;
    }
    same
}

/// Authenticates a person by password. The work and the response are the same as for a wrong password if the name is
/// unknown, the person is out of service, the account is locked or the password has expired. No database connection is
/// held during the comparison. The correct password is not enough from an address that the tenant does not allow.
pub(crate) async fn authenticate(
    app: &App,
    login_name: &str,
    password: SecretString,
    login: LoginContext<'_>,
) -> Result<AuthenticatedUser, ApiError> {
    let source = login.source;
    // This comes first: a request without a slot costs neither a row nor a query.
    let place = app.hasher.reserve_slot(source)?;
    let candidate = app.store.find_login_candidate(login_name).await?;
    let nobodys = || PasswordRules::from_policy(&settings::password_policy_of(&Tenant::default()));
    let rules = candidate.as_ref().map_or_else(nobodys, |candidate| candidate.rules);
    let account = (account_hash(login_name), source.network_key());
    let LoginAttempt { is_counted: open, permit: turn } = begin_attempt(app, &account, &rules).await?;
    let stored = candidate.as_ref().map(|candidate| candidate.password_hash.clone());
    let same = verify_password(app, &account, place, password, stored).await?;
    let now = time::now();
    let good = |person: &LoginCandidate| person.is_in_service && person.password_until.is_none_or(|until| until > now);
    match candidate {
        Some(person) if open && same && good(&person) => {
            if !is_ip_allowed(person.ip_allowlist.as_deref(), source.address()) {
                record_failed_login(app, login, Some((&person, AuditAction::LoginIpDenied))).await?;
                tracing::info!(person = person.unique_id, %source, "a login came from an address that is not admitted");
                return Err(source_ip_error(app));
            }
            let limited =
                person.must_change || person.is_password_outdated || rules.is_expired(person.password_at, now);
            Ok(AuthenticatedUser { person, account, permit: turn, password_change_only: limited, factor_at: None })
        }
        other => {
            let action = if open { AuditAction::Login } else { AuditAction::LoginLocked };
            record_failed_login(app, login, other.as_ref().map(|person| (person, action))).await?;
            // The number of log lines per account and source is limited, like that of rows, so that nobody can fill the
            // disk from outside.
            if let Some(left_out) = app.failed_logins.count_refusal((source, &account.0), now) {
                let person = other.as_ref().map_or("unknown", |person| &person.unique_id);
                // This part of the hash is enough to distinguish two names, and does not log what a person mistyped.
                let name = account.0.get(..12).unwrap_or_default();
                let request = login.request.map_or("", |id| &id.0);
                tracing::info!(target: "refused", person, name, %source, locked = !open, request, left_out, "a login failed");
            }
            Err(ApiError::BadLogin)
        }
    }
}

/// Verifies the second factor that a token request sends with the password, if the login requires one. A missing code
/// does not count as a wrong code, and neither counts as a wrong password.
pub(crate) async fn verify_second_factor(
    app: &App,
    mut user: AuthenticatedUser,
    otp: &str,
    login: LoginContext<'_>,
) -> Result<AuthenticatedUser, ApiError> {
    let Some(method) = &user.person.second_factor else { return Ok(user) };
    let LoginCandidate { id, unique_id, tenant, .. } = &user.person;
    let how = match method {
        FactorMethod::Totp if !otp.trim().is_empty() => {
            let whose = FactorOwner { id: *id, unique_id, tenant: *tenant };
            verify_code(app, whose, otp, login.request).await?
        }
        FactorMethod::Totp | FactorMethod::Duo(_) => {
            let actor = Actor::for_user(unique_id, login.request);
            let denial =
                Denial { tenant: *tenant, actor: &actor, action: AuditAction::SecondFactorVerify, object: "token" };
            record_sampled_denial(app, denial).await;
            None
        }
    };
    if how.is_none() {
        app.store.uncount_attempt(&user.account.0, &user.account.1).await?;
        drop(user.permit);
        return Err(ApiError::SecondFactorRequired);
    }
    user.factor_at = Some(time::now());
    Ok(user)
}

/// Records a denied login in the history and in the audit log, which samples frequent ones.
async fn record_failed_login(
    app: &App,
    login: LoginContext<'_>,
    candidate: Option<(&LoginCandidate, AuditAction)>,
) -> Result<(), ApiError> {
    let LoginContext { carrier, source, request } = login;
    let mut tx = app.store.begin().await?;
    let kept = match candidate {
        Some((person, action)) => {
            let actor = Actor::for_user(&person.unique_id, request);
            let denial = Denial { tenant: person.tenant, actor: &actor, action, object: carrier.as_str() };
            let kept = append_sampled_denial(app, &mut tx, denial).await?;
            Some(person).filter(|_| kept)
        }
        None => None,
    };
    match kept {
        Some(person) => insert_failed_login(&mut tx, person.id, carrier, source, time::now()).await?,
        None => simulate_failed_login(&mut tx).await?,
    }
    Ok(tx.commit().await?)
}

/// Starts a session for an authenticated person. Returns the session key, of which only the hash is stored.
pub(crate) async fn start_user_session(
    app: &App,
    user: &AuthenticatedUser,
    LoginContext { carrier, source, request }: LoginContext<'_>,
    lifetime: i64,
) -> Result<String, ApiError> {
    let key = credential::random_session_key();
    let now = time::now();
    let new = NewSession {
        hash: &credential::sha256_hex(&key),
        public_id: &credential::random_token(),
        person: user.person.id,
        proof: &user.person.password_hash,
        carrier,
        is_limited: user.password_change_only,
        factor_at: user.factor_at,
        source: &source.to_string(),
        account: (&user.account.0, &user.account.1),
        now,
        expires: now + lifetime,
    };
    let mut tx = app.store.begin().await?;
    if !start_session(&mut tx, &new).await? {
        return Err(ApiError::BadLogin);
    }
    let LoginCandidate { unique_id, tenant, tenant_unique_id, .. } = &user.person;
    let actor = Actor::for_user(unique_id, request);
    append_event(&app.seal, &mut tx, *tenant, &actor, AuditEvent::success(AuditAction::Login, carrier.as_str()))
        .await?;
    tx.commit().await?;
    tracing::info!(person = unique_id, tenant = tenant_unique_id, %source, "a person logged in");
    Ok(key)
}

/// Verifies the password of a session's person again, like a login does. One save may follow. A wrong password counts
/// as a failed login.
pub(crate) async fn reauthenticate(
    app: &App,
    caller: &Caller,
    password: SecretString,
    login: LoginContext<'_>,
) -> Result<bool, ApiError> {
    let person = caller.person().ok_or(ApiError::Internal)?;
    let place = app.hasher.reserve_slot(login.source)?;
    let candidate =
        app.store.find_login_candidate(&person.login_name).await?.filter(|candidate| candidate.id == person.id);
    let candidate = candidate.ok_or(ApiError::InvalidToken)?;
    let account = (account_hash(&person.login_name), login.source.network_key());
    let LoginAttempt { is_counted: open, permit: _turn } = begin_attempt(app, &account, &candidate.rules).await?;
    let same = verify_password(app, &account, place, password, Some(candidate.password_hash)).await?;
    let good = open && same;
    let mut tx = app.store.begin().await?;
    let (tenant, actor) = (caller.id, Actor::for_user(&person.unique_id, login.request));
    if good {
        grant_fresh_proof(&mut tx, &person.session_hash, time::now() + PROOF_LIFETIME).await?;
        delete_attempts(&mut tx, &account.0, &account.1).await?;
        append_event(&app.seal, &mut tx, tenant, &actor, AuditEvent::success(AuditAction::PasswordReauth, "session"))
            .await?;
    } else {
        let denial = Denial { tenant, actor: &actor, action: AuditAction::PasswordReauth, object: "session" };
        append_sampled_denial(app, &mut tx, denial).await?;
    }
    tx.commit().await?;
    Ok(good)
}

/// Ends the session of a key, if there is one.
pub(crate) async fn log_out(app: &App, key: &str, request: Option<&RequestId>) -> Result<(), ApiError> {
    let mut tx = app.store.begin().await?;
    if let Some((unique_id, tenant)) = end_session(&mut tx, &credential::sha256_hex(key), time::now()).await? {
        let actor = Actor::for_user(&unique_id, request);
        append_event(&app.seal, &mut tx, tenant, &actor, AuditEvent::success(AuditAction::Logout, "session")).await?;
    }
    Ok(tx.commit().await?)
}
