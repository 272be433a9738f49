//! Create, read, update of users.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use axum::extract::{Path, State};
use axum::{Extension, Json};
use secrecy::SecretString;
use tenantry_wire::{HiddenText, RoleRef, User};

use super::authentication::account_hash;
use super::profile::{self, UserProfile};
use super::{password_rules, privilege_limits, user_factor};
use crate::audit::{Actor, AuditAction, AuditEvent, append_event};
use crate::authorize::RequestScope;
use crate::error::{ApiError, answer_after_commit, field_error, quote};
use crate::json_body::StrictJson;
use crate::limits::MAX_JSON_BODY_BYTES;
use crate::login_policy::request_source::RequestSource;
use crate::name_normalization::{self, login_key};
use crate::password_hashing::TypedPassword;
use crate::permission::Permissions;
use crate::settings::Problems;
use crate::store::{
    NewPassword, NewPerson, PersonRecord, PersonStatus, TenantRecord, Tx, delete_account_attempts, end_sessions_of,
    find_login_holder, find_person, insert_person, lock_tenant, save_password, save_person, set_person_roles,
};
use crate::subscription::Subscription;
use crate::tenant_availability::{TenantOperation, ensure_tenant_accepts};
use crate::{App, credential, time};

/// `authType` of a person with a password on this platform.
const LOCAL: &str = "LOCAL";
/// `authType` of a person who is authenticated by another system: no password, and no password policy.
const EXTERNAL: &str = "EXTERNAL";

/// `POST .../users`.
pub(crate) async fn create_user(
    State(app): State<Arc<App>>,
    (Extension(scope), actor): (Extension<RequestScope>, Actor),
    StrictJson(mut change): StrictJson<User, { MAX_JSON_BODY_BYTES }>,
) -> Result<Json<User>, ApiError> {
    let tenant = scope.tenant()?;
    ensure_tenant_accepts(tenant, TenantOperation::Write)?;
    let login_name = profile::parse_login_name(change.login_name.take().as_deref().unwrap_or_default())?;
    let mut problems = Problems::default();
    user_factor::check_factor_switch(tenant, &mut change, &mut problems);
    let mut profile = UserProfile::for_new_user().merge_change(&change, &mut problems);
    profile.check_required(None, &mut problems);
    profile.rest.auth_type = parse_auth_type(change.auth_type.as_deref(), &mut problems);
    let is_external = profile.rest.auth_type.is_some();
    let login_name = login_name.as_str();
    let about = [login_name, &profile.first_name, &profile.last_name, &profile.email];
    let given = parse_password(tenant, is_external, change.password.take(), about, &mut problems);
    problems.finish()?;
    let RequestedRoles { numbers: roles, give } =
        resolve_roles(&app, &scope, change.roles.as_deref().unwrap_or_default()).await?;
    if give.allows_administration() {
        scope.proof().ensure_present(&app).await?;
    }
    // Nobody knows this random password. Until a password is set the user cannot log in; an external user never logs in
    // with it.
    let given = given.map_or_else(credential::random_password, |given| given.normal);
    let password = hash_given_password(&app, tenant, scope.source(), given).await?;
    let mut tx = app.store.begin_for_tenant(tenant.id).await?;
    let tenant = lock_tenant(&mut tx, tenant.id).await?;
    ensure_tenant_accepts(&tenant, TenantOperation::Write)?;
    ensure_login_free(&mut tx, login_name).await?;
    if give.allows_administration() {
        scope.proof().consume(&mut tx).await?;
    }
    let new = NewPerson {
        tenant: tenant.id,
        login_name,
        first_name: &profile.first_name,
        last_name: &profile.last_name,
        email: &profile.email,
        profile: &profile.rest,
        password: &password,
        by: &scope.caller.author_name(),
    };
    let (id, unique_id) = insert_person(&mut tx, &new).await.map_err(|error| map_login_conflict(error, login_name))?;
    set_person_roles(&mut tx, id, &roles).await?;
    let person = find_person(&mut *tx, tenant.id, &unique_id).await?.ok_or(ApiError::Internal)?;
    append_event(&app.seal, &mut tx, tenant.id, &actor, AuditEvent::success(AuditAction::UserCreate, &unique_id))
        .await?;
    tx.commit().await?;
    tracing::info!(person = unique_id, tenant = tenant.unique_id, by = scope.caller.author_name(), "a user was made");
    answer_after_commit(user_response(&app, &tenant, &person).await).map(Json)
}

/// `GET .../users/{user}`.
pub(crate) async fn read_user(
    State(app): State<Arc<App>>,
    Extension(scope): Extension<RequestScope>,
    Path((_, id)): Path<(String, String)>,
) -> Result<Json<User>, ApiError> {
    let tenant = scope.tenant()?;
    ensure_tenant_accepts(tenant, TenantOperation::Read)?;
    let person = require_person_not_terminated(app.store.find_person(tenant.id, &id).await?, &id)?;
    user_response(&app, tenant, &person).await.map(Json)
}

/// `POST .../users/{user}`: a partial update.
pub(crate) async fn update_user(
    State(app): State<Arc<App>>,
    Extension(scope): Extension<RequestScope>,
    actor: Actor,
    Path((_, id)): Path<(String, String)>,
    StrictJson(mut change): StrictJson<User, { MAX_JSON_BODY_BYTES }>,
) -> Result<Json<User>, ApiError> {
    let tenant = scope.tenant()?;
    ensure_tenant_accepts(tenant, TenantOperation::Write)?;
    let before = require_person_not_terminated(app.store.find_person(tenant.id, &id).await?, &id)?;
    privilege_limits::ensure_can_change_person(&app, &scope, &before).await?;
    let mut problems = Problems::default();
    check_login_name_unchanged(change.login_name.take(), &before, &mut problems);
    if change.auth_type.as_deref().is_some_and(|wanted| wanted != auth_type(&before)) {
        problems.refuse("authType", "It cannot be changed; terminate this user and create another");
    }
    let is_external = auth_type(&before) != LOCAL;
    let about = [&*before.login_name, &before.first_name, &before.last_name, &before.email];
    let given = parse_password(tenant, is_external, change.password.take(), about, &mut problems);
    if given.is_some() && scope.caller.person().is_some_and(|caller| caller.id == before.id) {
        problems
            .refuse("password", "One's own password is changed with the password of today: POST .../changePassword");
    }
    problems.finish()?;
    let roles = match change.roles.take() {
        None => None,
        Some(roles) => Some(resolve_roles(&app, &scope, &roles).await?),
    };
    let password = match given {
        None => None,
        Some(given) => {
            scope.proof().ensure_present(&app).await?;
            let RequestedPassword { normal, typed } = given;
            let last =
                app.store.last_passwords(before.id, password_rules::rules_of_tenant(tenant).history_length()).await?;
            ensure_not_reused(&app, last, typed, scope.source()).await?;
            Some(hash_given_password(&app, tenant, scope.source(), normal).await?)
        }
    };
    let mut tx = app.store.begin_for_tenant(scope.tenant()?.id).await?;
    let (tenant, mut person) = lock_tenant_and_person(&mut tx, &scope, &id).await?;
    privilege_limits::ensure_can_change_person(&app, &scope, &person).await?;
    if let Some(roles) = &roles {
        privilege_limits::ensure_can_give_roles(&app, &scope, &roles.numbers).await?;
    }
    let mut problems = Problems::default();
    user_factor::check_factor_switch(&tenant, &mut change, &mut problems);
    let profile = UserProfile::from_person(&person).merge_change(&change, &mut problems);
    profile.check_required(Some(&UserProfile::from_person(&person)), &mut problems);
    problems.finish()?;
    let UserProfile { first_name, last_name, email, rest } = profile;
    let gains = match &roles {
        None => false,
        Some(roles) => {
            roles.give.allows_administration() && roles.numbers != app.store.role_numbers_of_person(person.id).await?
        }
    };
    if gains || password.is_some() || user_factor::is_factor_turned_off(&person, &rest) {
        scope.proof().consume(&mut tx).await?;
    }
    (person.first_name, person.last_name, person.email, person.profile) = (first_name, last_name, email, rest);
    save_person(&mut tx, &mut person, &scope.caller.author_name()).await?;
    if let Some(roles) = roles {
        set_person_roles(&mut tx, person.id, &roles.numbers).await?;
    }
    // The audit row comes last: a login also locks sessions before the row.
    let mut done = vec![AuditAction::UserUpdate];
    if let Some(password) = password {
        save_password(&mut tx, person.id, &password, None).await?;
        end_sessions_of(&mut tx, person.id, time::now()).await?;
        // A locked account can log in with the new password.
        delete_account_attempts(&mut tx, &account_hash(&person.login_name)).await?;
        done.push(AuditAction::PasswordSet);
    }
    for done in done {
        append_event(&app.seal, &mut tx, tenant.id, &actor, AuditEvent::success(done, &id)).await?;
    }
    tx.commit().await?;
    answer_after_commit(user_response(&app, &tenant, &person).await).map(Json)
}

/// Locks a tenant and finds its person. Neither changes until the commit.
pub(super) async fn lock_tenant_and_person(
    tx: &mut Tx,
    scope: &RequestScope,
    id: &str,
) -> Result<(TenantRecord, PersonRecord), ApiError> {
    let tenant = lock_tenant(tx, scope.tenant()?.id).await?;
    ensure_tenant_accepts(&tenant, TenantOperation::Write)?;
    let person = require_person_not_terminated(find_person(&mut **tx, tenant.id, id).await?, id)?;
    Ok((tenant, person))
}

/// Returns a person who is not terminated. For a tombstone the error is the same as for an unknown person.
pub(super) fn require_person_not_terminated(person: Option<PersonRecord>, id: &str) -> Result<PersonRecord, ApiError> {
    person.filter(|person| person.status != PersonStatus::Terminated).ok_or_else(|| ApiError::not_found("User", id))
}

/// Refuses a changed login name: logs and histories identify a person by it.
fn check_login_name_unchanged(name: Option<String>, person: &PersonRecord, problems: &mut Problems) {
    if name.is_some_and(|name| login_key(&name) != login_key(&person.login_name)) {
        problems.refuse("loginName", "A login name cannot be changed; terminate this user and create another");
    }
}

/// Returns the stored value of `authType`: `None` for a local password.
fn parse_auth_type(wanted: Option<&str>, problems: &mut Problems) -> Option<String> {
    match wanted {
        None | Some("" | LOCAL) => None,
        Some(EXTERNAL) => Some(EXTERNAL.to_owned()),
        Some(other) => {
            problems.refuse("authType", format!("{} is neither {LOCAL} nor {EXTERNAL}", quote(other)));
            None
        }
    }
}

/// Returns where a person's password is kept.
fn auth_type(person: &PersonRecord) -> &str {
    person.profile.auth_type.as_deref().unwrap_or(LOCAL)
}

/// A password of a request.
struct RequestedPassword {
    /// In the normal form that is hashed.
    normal: SecretString,
    /// As typed, for the comparison with earlier passwords.
    typed: TypedPassword,
}

fn parse_password(
    tenant: &TenantRecord,
    is_external: bool,
    new_password: Option<HiddenText>,
    about: [&str; 4],
    problems: &mut Problems,
) -> Option<RequestedPassword> {
    let HiddenText(given) = new_password.filter(|HiddenText(given)| !given.is_empty())?;
    if is_external {
        problems.refuse("password", "The user is authenticated elsewhere and has no password here; leave it out");
        return None;
    }
    let [login_name, first_name, last_name, email] = about;
    let about = [login_name, first_name, last_name, email, &tenant.name];
    let Some(normal) = name_normalization::normalize_password(&given) else {
        problems.refuse("password", password_rules::UNACCEPTABLE_PASSWORD_MESSAGE);
        return None;
    };
    for message in password_rules::rules_of_tenant(tenant)
        .find_problems(&normal)
        .into_iter()
        .chain(password_rules::guessability_problem(&normal, &about))
    {
        problems.refuse("password", message);
    }
    Some(RequestedPassword { normal: normal.into(), typed: TypedPassword::new(given.into()) })
}

/// Refuses a password that is one of the last ones.
async fn ensure_not_reused(
    app: &App,
    last: Vec<String>,
    password: TypedPassword,
    source: RequestSource,
) -> Result<(), ApiError> {
    if app.hasher.matches_any(password, last, source).await? {
        return Err(ApiError::field("password", "The user had this password before; choose another"));
    }
    Ok(())
}

/// Hashes a password that somebody else chose.
async fn hash_given_password(
    app: &App,
    tenant: &TenantRecord,
    source: RequestSource,
    new_password: SecretString,
) -> Result<NewPassword, ApiError> {
    let must_change = password_rules::rules_of_tenant(tenant).requires_first_change;
    let until = must_change.then(|| time::now() + password_rules::INVITATION_LIFETIME);
    Ok(NewPassword { hash: app.hasher.hash(new_password, source).await?, until, must_change })
}

/// The roles that a request names.
struct RequestedRoles {
    numbers: Vec<i64>,
    /// The permissions that they give, if the caller is a person.
    give: Permissions,
}

/// Resolves the roles of a request. They must exist and must not give more than the caller has.
async fn resolve_roles(app: &App, scope: &RequestScope, roles: &[RoleRef]) -> Result<RequestedRoles, ApiError> {
    let tenant = scope.tenant()?;
    let known = app.store.list_roles(tenant).await?;
    let by_id: HashMap<&str, i64> = known.iter().map(|role| (role.unique_id.as_str(), role.id)).collect();
    let by_name: HashMap<String, i64> = known.iter().rev().map(|role| (role.name.to_lowercase(), role.id)).collect();
    let mut found = BTreeSet::new();
    let mut problems = Problems::default();
    for (index, RoleRef { unique_id, name }) in roles.iter().enumerate() {
        let role = match (unique_id, name) {
            (Some(id), _) => by_id.get(id.as_str()),
            (None, Some(name)) => by_name.get(&name.trim().to_lowercase()),
            (None, None) => None,
        };
        if role.is_none() {
            problems.refuse_with(format!("roles[{index}]"), || {
                let wanted = quote(unique_id.as_ref().or(name.as_ref()).map_or("", String::as_str));
                format!("The tenant has no role {wanted}; GET .../roles/search lists its roles")
            });
        }
        found.extend(role.copied());
    }
    problems.finish()?;
    let numbers: Vec<i64> = found.into_iter().collect();
    let give = privilege_limits::ensure_can_give_roles(app, scope, &numbers).await?;
    Ok(RequestedRoles { numbers, give })
}

async fn ensure_login_free(tx: &mut Tx, login_name: &str) -> Result<(), ApiError> {
    match find_login_holder(tx, login_name).await? {
        None => Ok(()),
        Some(_) => Err(login_taken_error(login_name)),
    }
}

/// The error does not name the holder, who may belong to another tenant.
fn login_taken_error(login_name: &str) -> ApiError {
    let message = format!("The login name {} is taken on this platform; choose another", quote(login_name));
    ApiError::Fields(vec![field_error("loginName", message)])
}

/// On PostgreSQL another tenant's user with this name may have been inserted between the check and the write.
fn map_login_conflict(error: ApiError, login_name: &str) -> ApiError {
    if matches!(error, ApiError::Conflict) { login_taken_error(login_name) } else { error }
}

/// Returns a user as responses show it.
pub(super) async fn user_response(app: &App, tenant: &TenantRecord, person: &PersonRecord) -> Result<User, ApiError> {
    let grants = app.store.grants_of_person(person.id, &Subscription::of_tenant(tenant)).await?;
    let permissions = grants.iter().fold(Permissions::default(), |sum, grant| sum.union(grant.permissions));
    let mut user = user_list_item(tenant, person);
    user.roles = Some(app.store.role_refs_of_person(person.id).await?);
    user.permissions = Some(permissions.iter().map(|permission| permission.name().to_uppercase()).collect());
    Ok(user)
}

/// Returns a user as lists show it.
pub(super) fn user_list_item(tenant: &TenantRecord, person: &PersonRecord) -> User {
    let (two_factor_authentication, two_factor) = user_factor::factor_summary(tenant, person);
    User {
        two_factor_authentication,
        two_factor,
        id: Some(person.unique_id.clone()),
        login_name: Some(person.login_name.clone()),
        first_name: Some(person.first_name.clone()),
        last_name: Some(person.last_name.clone()),
        email: Some(person.email.clone()),
        auth_type: Some(auth_type(person).to_owned()),
        status: Some(person.status.wire_name().to_owned()),
        org_id: Some(tenant.unique_id.clone()),
        organization_name: Some(tenant.name.clone()),
        created_time: Some(time::to_wire(person.created_at)),
        updated_time: Some(time::to_wire(person.updated_at)),
        ..person.profile.clone()
    }
}
