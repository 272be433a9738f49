//! Create, read, update of users.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use axum::extract::{Path, State};
use axum::{Extension, Json};
use secrecy::SecretString;

use super::login::account;
use super::profile::{self, Profile};
use super::{bounds, factor, password};
use crate::platform::audit::{Action, Actor, Event, append};
use crate::platform::body::Strict;
use crate::platform::bounds::TENANT;
use crate::platform::error::{Error, after_commit, field, quote};
use crate::platform::gate::Scope;
use crate::platform::hashing::Typed;
use crate::platform::login::source::Source;
use crate::platform::names::{self, login_key};
use crate::platform::permission::Permissions;
use crate::platform::settings::Problems;
use crate::platform::standing::{Act, admit};
use crate::platform::store::{
    NewPassword, NewPerson, PersonRecord, Record, Status, Tx, end_sessions_of, forget_all_attempts, holder_of_login,
    insert_person, lock, person_of, save_password, save_person, set_roles_of,
};
use crate::platform::subscription::Subscription;
use crate::platform::{App, credential, time};
use crate::wire::{Hidden, RoleRef, User};

/// `authType` of a person whose password is here.
const LOCAL: &str = "LOCAL";
/// `authType` of a person who is authenticated elsewhere: no password, and no policy for one.
const EXTERNAL: &str = "EXTERNAL";

/// `POST .../users`.
pub(in crate::platform) async fn create(
    State(app): State<Arc<App>>,
    (Extension(scope), actor): (Extension<Scope>, Actor),
    Strict(mut change): Strict<User, { TENANT }>,
) -> Result<Json<User>, Error> {
    let tenant = scope.tenant()?;
    admit(tenant, Act::Write)?;
    let login_name = profile::login_name(change.login_name.take().as_deref().unwrap_or_default())?;
    let mut problems = Problems::default();
    factor::switch(tenant, &mut change, &mut problems);
    let mut profile = Profile::empty().merged(&change, &mut problems);
    profile.complete(None, &mut problems);
    profile.rest.auth_type = authenticated(change.auth_type.as_deref(), &mut problems);
    let is_external = profile.rest.auth_type.is_some();
    let login_name = login_name.as_str();
    let about = [login_name, &profile.first_name, &profile.last_name, &profile.email];
    let given = wanted_password((tenant, is_external), (change.password.take(), about), &mut problems);
    problems.finish()?;
    let Roles { numbers: roles, give } = named_roles(&app, &scope, change.roles.as_deref().unwrap_or_default()).await?;
    if give.give_power() {
        scope.proof().is_there(&app).await?;
    }
    // Nobody knows this one: until a password is set the user cannot log in, and one of elsewhere never with it.
    let given = given.map_or_else(credential::random_password, |given| given.normal);
    let password = stored(&app, (tenant, scope.source()), given).await?;
    let mut tx = app.store.begin_under(tenant.id).await?;
    let tenant = lock(&mut tx, tenant.id).await?;
    admit(&tenant, Act::Write)?;
    login_is_free(&mut tx, login_name).await?;
    if give.give_power() {
        scope.proof().spend(&mut tx).await?;
    }
    let new = NewPerson {
        tenant: tenant.id,
        login_name,
        first_name: &profile.first_name,
        last_name: &profile.last_name,
        email: &profile.email,
        profile: &profile.rest,
        password: &password,
        by: &scope.caller.login(),
    };
    let (id, unique_id) = insert_person(&mut tx, &new).await.map_err(|error| taken(error, login_name))?;
    set_roles_of(&mut tx, id, &roles).await?;
    let person = person_of(&mut *tx, tenant.id, &unique_id).await?.ok_or(Error::Internal)?;
    append(&app.seal, &mut tx, (tenant.id, &actor), Event::done(Action::UserCreate, &unique_id)).await?;
    tx.commit().await?;
    tracing::info!(person = unique_id, tenant = tenant.unique_id, by = scope.caller.login(), "a user was made");
    after_commit(shown(&app, &tenant, &person).await).map(Json)
}

/// `GET .../users/{user}`.
pub(in crate::platform) async fn read(
    State(app): State<Arc<App>>,
    Extension(scope): Extension<Scope>,
    Path((_, id)): Path<(String, String)>,
) -> Result<Json<User>, Error> {
    let tenant = scope.tenant()?;
    admit(tenant, Act::Read)?;
    let person = living(app.store.person_of(tenant.id, &id).await?, &id)?;
    shown(&app, tenant, &person).await.map(Json)
}

/// `POST .../users/{user}`: a partial update.
pub(in crate::platform) async fn update(
    State(app): State<Arc<App>>,
    (Extension(scope), actor): (Extension<Scope>, Actor),
    Path((_, id)): Path<(String, String)>,
    Strict(mut change): Strict<User, { TENANT }>,
) -> Result<Json<User>, Error> {
    let tenant = scope.tenant()?;
    admit(tenant, Act::Write)?;
    let before = living(app.store.person_of(tenant.id, &id).await?, &id)?;
    bounds::over(&app, &scope, &before).await?;
    let mut problems = Problems::default();
    same_login(change.login_name.take(), &before, &mut problems);
    if change.auth_type.as_deref().is_some_and(|wanted| wanted != auth_type(&before)) {
        problems.refuse("authType", "It cannot be changed; terminate this user and create another");
    }
    let is_external = auth_type(&before) != LOCAL;
    let about = [&*before.login_name, &before.first_name, &before.last_name, &before.email];
    let given = wanted_password((tenant, is_external), (change.password.take(), about), &mut problems);
    if given.is_some() && scope.caller.person().is_some_and(|caller| caller.id == before.id) {
        problems
            .refuse("password", "One's own password is changed with the password of today: POST .../changePassword");
    }
    problems.finish()?;
    let roles = match change.roles.take() {
        None => None,
        Some(roles) => Some(named_roles(&app, &scope, &roles).await?),
    };
    let password = match given {
        None => None,
        Some(given) => {
            scope.proof().is_there(&app).await?;
            let Given { normal, typed } = given;
            let last = app.store.last_passwords(before.id, password::rules(tenant).back()).await?;
            unused(&app, last, typed, scope.source()).await?;
            Some(stored(&app, (tenant, scope.source()), normal).await?)
        }
    };
    let mut tx = app.store.begin_under(scope.tenant()?.id).await?;
    let (tenant, mut person) = locked(&mut tx, &scope, &id).await?;
    bounds::over(&app, &scope, &person).await?;
    if let Some(roles) = &roles {
        bounds::roles(&app, &scope, &roles.numbers).await?;
    }
    let mut problems = Problems::default();
    factor::switch(&tenant, &mut change, &mut problems);
    let profile = Profile::of(&person).merged(&change, &mut problems);
    profile.complete(Some(&Profile::of(&person)), &mut problems);
    problems.finish()?;
    let Profile { first_name, last_name, email, rest } = profile;
    let gains = match &roles {
        None => false,
        Some(roles) => roles.give.give_power() && roles.numbers != app.store.roles_of(person.id).await?,
    };
    if gains || password.is_some() || factor::turned_off(&person, &rest) {
        scope.proof().spend(&mut tx).await?;
    }
    (person.first_name, person.last_name, person.email, person.profile) = (first_name, last_name, email, rest);
    save_person(&mut tx, &mut person, &scope.caller.login()).await?;
    if let Some(roles) = roles {
        set_roles_of(&mut tx, person.id, &roles.numbers).await?;
    }
    // The log's row comes last: a login locks sessions before it, too.
    let mut done = vec![Action::UserUpdate];
    if let Some(password) = password {
        save_password(&mut tx, person.id, &password, None).await?;
        end_sessions_of(&mut tx, person.id, time::now()).await?;
        // A person who is locked out logs in with it.
        forget_all_attempts(&mut tx, &account(&person.login_name)).await?;
        done.push(Action::PasswordSet);
    }
    for done in done {
        append(&app.seal, &mut tx, (tenant.id, &actor), Event::done(done, &id)).await?;
    }
    tx.commit().await?;
    after_commit(shown(&app, &tenant, &person).await).map(Json)
}

/// Locks a tenant and finds its person: neither changes until the commit.
pub(super) async fn locked(tx: &mut Tx, scope: &Scope, id: &str) -> Result<(Record, PersonRecord), Error> {
    let tenant = lock(tx, scope.tenant()?.id).await?;
    admit(&tenant, Act::Write)?;
    let person = living(person_of(&mut **tx, tenant.id, id).await?, id)?;
    Ok((tenant, person))
}

/// A person who exists and is not ended; a tombstone answers as if it did not exist.
pub(super) fn living(person: Option<PersonRecord>, id: &str) -> Result<PersonRecord, Error> {
    person.filter(|person| person.status != Status::Terminated).ok_or_else(|| Error::not_found("User", id))
}

/// A login name is what logs and histories call a person by, so it stays.
fn same_login(name: Option<String>, person: &PersonRecord, problems: &mut Problems) {
    if name.is_some_and(|name| login_key(&name) != login_key(&person.login_name)) {
        problems.refuse("loginName", "A login name cannot be changed; terminate this user and create another");
    }
}

/// What is kept of `authType`: nothing where the password is here.
fn authenticated(wanted: Option<&str>, problems: &mut Problems) -> Option<String> {
    match wanted {
        None | Some("" | LOCAL) => None,
        Some(EXTERNAL) => Some(EXTERNAL.to_owned()),
        Some(other) => {
            problems.refuse("authType", format!("{} is neither {LOCAL} nor {EXTERNAL}", quote(other)));
            None
        }
    }
}

/// Where a person's password is.
fn auth_type(person: &PersonRecord) -> &str {
    person.profile.auth_type.as_deref().unwrap_or(LOCAL)
}

/// A password of a request.
struct Given {
    /// In the form in which it is hashed.
    normal: SecretString,
    /// For the comparison with those of before.
    typed: Typed,
}

fn wanted_password(
    (tenant, is_external): (&Record, bool),
    (given, about): (Option<Hidden>, [&str; 4]),
    problems: &mut Problems,
) -> Option<Given> {
    let Hidden(given) = given.filter(|Hidden(given)| !given.is_empty())?;
    if is_external {
        problems.refuse("password", "The user is authenticated elsewhere and has no password here; leave it out");
        return None;
    }
    let [login_name, first_name, last_name, email] = about;
    let about = [login_name, first_name, last_name, email, &tenant.name];
    let Some(normal) = names::password(&given) else {
        problems.refuse("password", password::NOT_ACCEPTABLE);
        return None;
    };
    for message in password::rules(tenant).wrong(&normal).into_iter().chain(password::easily_guessed(&normal, &about)) {
        problems.refuse("password", message);
    }
    Some(Given { normal: normal.into(), typed: Typed::new(given.into()) })
}

/// Refuses a password that is one of the last ones.
async fn unused(app: &App, last: Vec<String>, given: Typed, source: Source) -> Result<(), Error> {
    if app.hasher.any((given, last), source).await? {
        return Err(Error::field("password", "The user had this password before; choose another"));
    }
    Ok(())
}

/// A password that somebody else chose, as the store keeps it.
async fn stored(app: &App, (tenant, source): (&Record, Source), given: SecretString) -> Result<NewPassword, Error> {
    let must_change = password::rules(tenant).change_first;
    let until = must_change.then(|| time::now() + password::INVITATION);
    Ok(NewPassword { hash: app.hasher.hash(given, source).await?, until, must_change })
}

/// Roles that a request names.
struct Roles {
    numbers: Vec<i64>,
    /// What they give, where a person asks.
    give: Permissions,
}

/// The roles of a request, which must exist and give nothing that the caller has not.
async fn named_roles(app: &App, scope: &Scope, roles: &[RoleRef]) -> Result<Roles, Error> {
    let tenant = scope.tenant()?;
    let known = app.store.roles(tenant).await?;
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
    let give = bounds::roles(app, scope, &numbers).await?;
    Ok(Roles { numbers, give })
}

async fn login_is_free(tx: &mut Tx, login_name: &str) -> Result<(), Error> {
    match holder_of_login(tx, login_name).await? {
        None => Ok(()),
        Some(_) => Err(name_taken(login_name)),
    }
}

/// Whose name it is stays unsaid: that may be another tenant's business.
fn name_taken(login_name: &str) -> Error {
    let message = format!("The login name {} is taken on this platform; choose another", quote(login_name));
    Error::Fields(vec![field("loginName", message)])
}

/// On PostgreSQL another tenant's user of the same name may have come between the look and the write.
fn taken(error: Error, login_name: &str) -> Error {
    if matches!(error, Error::Conflict) { name_taken(login_name) } else { error }
}

/// A user as answers show it.
pub(super) async fn shown(app: &App, tenant: &Record, person: &PersonRecord) -> Result<User, Error> {
    let grants = app.store.grants_of(person.id, &Subscription::of_record(tenant)).await?;
    let permissions = grants.iter().fold(Permissions::default(), |sum, grant| sum.with(grant.permissions));
    let mut user = listed(tenant, person);
    user.roles = Some(app.store.role_refs_of(person.id).await?);
    user.permissions = Some(permissions.iter().map(|permission| permission.name().to_uppercase()).collect());
    Ok(user)
}

/// A user as lists show it.
pub(super) fn listed(tenant: &Record, person: &PersonRecord) -> User {
    let (two_factor_authentication, two_factor) = factor::shown(tenant, person);
    User {
        two_factor_authentication,
        two_factor,
        id: Some(person.unique_id.clone()),
        login_name: Some(person.login_name.clone()),
        first_name: Some(person.first_name.clone()),
        last_name: Some(person.last_name.clone()),
        email: Some(person.email.clone()),
        auth_type: Some(auth_type(person).to_owned()),
        status: Some(person.status.wire().to_owned()),
        org_id: Some(tenant.unique_id.clone()),
        organization_name: Some(tenant.name.clone()),
        created_time: Some(time::wire(person.created_at)),
        updated_time: Some(time::wire(person.updated_at)),
        ..person.profile.clone()
    }
}
