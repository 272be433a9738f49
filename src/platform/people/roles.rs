//! The routes of roles.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use axum::extract::{Path, RawQuery, State};
use axum::{Extension, Json};

use super::bounds;
use super::defaults::withheld;
use super::lists::terms;
use super::sets::{described, of_scope};
use crate::catalog::NOT_SUBSCRIBED;
use crate::platform::App;
use crate::platform::audit::{Action, Actor, Event, append};
use crate::platform::body::Strict;
use crate::platform::bounds::TENANT;
use crate::platform::error::{Error, after_commit, quote};
use crate::platform::gate::{Locked, Scope};
use crate::platform::permission::Permissions;
use crate::platform::principal::{Grant, Reach};
use crate::platform::search::Paging;
use crate::platform::settings::{self, Problems};
use crate::platform::standing::{Act, admit};
use crate::platform::store::{
    Kind, Record, RoleContent, RoleRecord, SetRecord, Term, Tx, Value, delete_role, id_of_role, lock, name_of_role,
    put_role, set_users_of,
};
use crate::platform::subscription::Subscription;
use crate::wire::{ClientRef, Envelope, Role, SetRef, UserRef};

/// `POST .../roles`.
pub(in crate::platform) async fn create(
    State(app): State<Arc<App>>,
    (Extension(scope), actor): (Extension<Scope>, Actor),
    Strict(change): Strict<Role, { TENANT }>,
) -> Result<Json<Role>, Error> {
    put(&app, (&scope, &actor), None, change).await
}

/// `POST .../roles/{role}`: a partial update. Of a default role only the users change.
pub(in crate::platform) async fn update(
    State(app): State<Arc<App>>,
    (Extension(scope), actor): (Extension<Scope>, Actor),
    Path((_, id)): Path<(String, String)>,
    Strict(change): Strict<Role, { TENANT }>,
) -> Result<Json<Role>, Error> {
    let role = find(&app, scope.tenant()?, &id).await?;
    // Nobody changes what gives more than she has.
    bounds::roles(&app, &scope, &[role.id]).await?;
    put(&app, (&scope, &actor), Some(role), change).await
}

/// `GET .../roles/{role}`.
pub(in crate::platform) async fn read(
    State(app): State<Arc<App>>,
    Extension(scope): Extension<Scope>,
    Path((_, id)): Path<(String, String)>,
) -> Result<Json<Role>, Error> {
    let tenant = scope.tenant()?;
    admit(tenant, Act::Read)?;
    let role = find(&app, tenant, &id).await?;
    answer(&app, tenant, &role).await.map(Json)
}

/// `DELETE .../roles/{role}`.
pub(in crate::platform) async fn delete(
    State(app): State<Arc<App>>,
    (Extension(scope), actor): (Extension<Scope>, Actor),
    Path((_, id)): Path<(String, String)>,
) -> Result<Json<()>, Error> {
    let role = find(&app, scope.tenant()?, &id).await?;
    if role.default {
        return Err(Error::field("uniqueId", "A default role is not deleted; take its users out instead"));
    }
    bounds::roles(&app, &scope, &[role.id]).await?;
    let Locked { mut tx, tenant } = scope.locked(&app, Act::Write).await?;
    delete_role(&mut tx, role.id).await?;
    append(&app.seal, &mut tx, (tenant.id, &actor), Event::done(Action::RoleDelete, &role.unique_id)).await?;
    tx.commit().await?;
    tracing::info!(role = role.unique_id, by = scope.caller.login(), "a role was deleted");
    Ok(Json(()))
}

/// `GET .../roles/search`.
pub(in crate::platform) async fn search(
    State(app): State<Arc<App>>,
    Extension(scope): Extension<Scope>,
    RawQuery(raw): RawQuery,
) -> Result<Json<Envelope<Role>>, Error> {
    let tenant = scope.tenant()?;
    admit(tenant, Act::Read)?;
    let raw = raw.unwrap_or_default();
    let terms = terms(&raw, &["uniqueId", "name"], |key, value| {
        Ok(match key {
            "name" => Term("name_key = ", Value::Text(value.to_lowercase())),
            _ => Term("unique_id = ", Value::Text(value.to_owned())),
        })
    })?;
    let paging = Paging::read(&raw)?;
    let (by_name, name) = match paging.order.as_str() {
        "" | "id" | "uniqueId" => (false, "id"),
        "name" => (true, "name"),
        _ => return Err(Error::field("sortName", "The list sorts by id or name")),
    };
    let (roles, total) = app.store.search_roles(tenant, (&terms, by_name), paging.part()).await?;
    let results = roles.iter().map(|role| listed(tenant, role)).collect();
    Ok(Json(paging.envelope(results, total, format!("role.{name}"))))
}

async fn find(app: &App, tenant: &Record, id: &str) -> Result<RoleRecord, Error> {
    let roles = app.store.roles(tenant).await?;
    roles.into_iter().find(|role| role.unique_id == id).ok_or_else(|| Error::not_found("Role", id))
}

/// What a role will be.
struct Wanted {
    name: String,
    description: String,
    all_clients: bool,
    clients: Vec<i64>,
    sets: Vec<i64>,
    users: Option<Vec<i64>>,
}

async fn put(
    app: &App,
    (scope, actor): (&Scope, &Actor),
    role: Option<RoleRecord>,
    change: Role,
) -> Result<Json<Role>, Error> {
    let tenant = scope.tenant()?;
    admit(tenant, Act::Write)?;
    let default = role.as_ref().is_some_and(|role| role.default);
    let Role { permissions, clients, all_clients, users, .. } = &change;
    let moves =
        role.is_none() || permissions.is_some() || clients.is_some() || all_clients.is_some() || users.is_some();
    let base = match &role {
        None => None,
        Some(role) => Some(Base::read(app, role.clone()).await?),
    };
    let (wanted, gives) = wanted(app, tenant, role.as_ref(), change).await?;
    let gives_power = moves && gives.permissions.give_power();
    bounds::within(scope, &[gives], "to give")?;
    let mut tx = app.store.begin_under(tenant.id).await?;
    let tenant = lock(&mut tx, tenant.id).await?;
    admit(&tenant, Act::Write)?;
    if let Some(base) = base {
        base.still_holds(app, &tenant).await?;
    }
    if gives_power {
        scope.proof().spend(&mut tx).await?;
    }
    let before = role.as_ref().map(|role| role.id);
    let id = match before.filter(|_| default) {
        Some(id) => id,
        None => stored(&mut tx, &tenant, before, &wanted).await?,
    };
    if let Some(users) = &wanted.users {
        set_users_of(&mut tx, id, tenant.id, users).await?;
    }
    let done = if before.is_none() { Action::RoleCreate } else { Action::RoleUpdate };
    let unique_id = id_of_role(&mut tx, id).await?;
    append(&app.seal, &mut tx, (tenant.id, actor), Event::done(done, &unique_id)).await?;
    tx.commit().await?;
    tracing::info!(role = unique_id, by = scope.caller.login(), "a role was written");
    after_commit(answer_of(app, &tenant, id).await)
}

async fn answer_of(app: &App, tenant: &Record, id: i64) -> Result<Json<Role>, Error> {
    let roles = app.store.roles(tenant).await?;
    let role = roles.into_iter().find(|role| role.id == id).ok_or(Error::Internal)?;
    answer(app, tenant, &role).await.map(Json)
}

/// What a partial update was merged into.
#[derive(PartialEq)]
struct Base {
    role: RoleRecord,
    clients: BTreeSet<i64>,
    sets: BTreeSet<i64>,
}

impl Base {
    async fn read(app: &App, role: RoleRecord) -> Result<Self, Error> {
        let clients = app.store.clients_of(role.id).await?.into_iter().map(|(id, _)| id).collect();
        let sets = app.store.sets_of(role.id).await?.iter().map(|set| set.id).collect();
        Ok(Self { role, clients, sets })
    }

    /// Refuses where another request changed the role in the meantime: merged into the role of before, this one would take that
    /// back. It is read under the tenant's lock.
    async fn still_holds(self, app: &App, tenant: &Record) -> Result<(), Error> {
        let now = Self::read(app, find(app, tenant, &self.role.unique_id).await?).await?;
        if self == now {
            return Ok(());
        }
        Err(Error::Changed(format!("The role {} was changed meanwhile; read it and try again", now.role.unique_id)))
    }
}

async fn stored(tx: &mut Tx, tenant: &Record, id: Option<i64>, wanted: &Wanted) -> Result<i64, Error> {
    let Wanted { name, description, all_clients, clients, sets, users: _ } = wanted;
    if let Some(holder) = name_of_role(tx, tenant, name, id.unwrap_or(-1)).await? {
        let message = format!("The name {} is taken by {holder}; choose another", quote(name));
        return Err(Error::field("name", message));
    }
    let content = RoleContent { name, description, all_clients: *all_clients, clients, sets };
    put_role(tx, tenant, id, &content).await
}

/// Merges a request into a role, and says what that gives.
async fn wanted(app: &App, tenant: &Record, role: Option<&RoleRecord>, change: Role) -> Result<(Wanted, Grant), Error> {
    let mut problems = Problems::default();
    let before = role.map_or(-1, |role| role.id);
    absent(&change, &mut problems);
    of_scope(tenant, change.scope.as_deref(), &mut problems);
    if role.is_some_and(|role| role.default) {
        untouched(&change, &mut problems);
    }
    let description = match &change.description {
        Some(text) => described(text, &mut problems),
        None => role.map(|role| role.description.clone()).unwrap_or_default(),
    };
    let all_clients = reach(tenant, role, &change, &mut problems);
    let clients = match &change.clients {
        Some(clients) => living_clients(app, tenant, clients, &mut problems).await?,
        None if change.all_clients == Some(true) => Vec::new(),
        None => app.store.clients_of(before).await?.into_iter().map(|(id, _)| id).collect(),
    };
    let known = app.store.every_set(tenant).await?;
    let chosen = match &change.permissions {
        Some(sets) => sets.iter().map(|set| set.id).collect::<Vec<_>>(),
        None => app.store.sets_of(before).await?.iter().map(|set| set.id).collect(),
    };
    let mut permissions = Permissions::default();
    let by_id: HashMap<i64, &SetRecord> = known.iter().map(|set| (set.id, set)).collect();
    for (index, id) in chosen.iter().enumerate() {
        match by_id.get(id) {
            // What a role has already stays, gives nothing, and is back with the package.
            Some(set) if set.withheld && change.permissions.is_none() => {}
            Some(set) if set.withheld => problems.refuse(format!("permissions[{index}].id"), NOT_SUBSCRIBED),
            Some(set) => permissions = permissions.with(set.permissions),
            None => problems.refuse_with(format!("permissions[{index}].id"), || {
                format!("The tenant has no permission set {id}; GET .../permissionSets lists them")
            }),
        }
    }
    let users = match &change.users {
        None => None,
        Some(users) => Some(living_users(app, tenant, users, &mut problems).await?),
    };
    problems.finish()?;
    let name = match (change.name, role) {
        (None, Some(role)) => role.name.clone(),
        // A name from before today's rules can be sent back as it is.
        (Some(name), Some(role)) if name.trim() == role.name => role.name.clone(),
        (name, _) => settings::name(name.as_deref().unwrap_or_default())?,
    };
    let reach = if all_clients { Reach::All } else { Reach::Only(clients.iter().copied().collect()) };
    let gives = Grant { permissions, clients: reach };
    let sets = chosen.into_iter().collect::<BTreeSet<_>>().into_iter().collect();
    Ok((Wanted { name, description, all_clients, clients, sets, users }, gives))
}

/// What bounds a role elsewhere and does not exist here: nothing is taken that would not hold.
fn absent(change: &Role, problems: &mut Problems) {
    for (name, list) in [
        ("devices", &change.devices),
        ("deviceGroups", &change.device_groups),
        ("credentialSets", &change.credential_sets),
        ("userGroups", &change.user_groups),
    ] {
        if list.as_ref().is_some_and(|list| !list.is_empty()) {
            problems.refuse(name, "This platform has none of these; leave the list out or empty");
        }
    }
}

/// A default role is what it is, and only its users change.
fn untouched(change: &Role, problems: &mut Problems) {
    let Role { name, description, scope: _, clients, all_clients, permissions, .. } = change;
    for (member, there) in [
        ("name", name.is_some()),
        ("description", description.is_some()),
        ("clients", clients.is_some()),
        ("allClients", all_clients.is_some()),
        ("permissions", permissions.is_some()),
    ] {
        if there {
            problems.refuse(member, "Only the users of a default role change; create a role of your own");
        }
    }
}

/// Whether the role reaches all clients. Only a partner's role can be bound to some.
fn reach(tenant: &Record, role: Option<&RoleRecord>, change: &Role, problems: &mut Problems) -> bool {
    let some = change.clients.as_ref().is_some_and(|clients| !clients.is_empty());
    if tenant.kind != Kind::Partner {
        if some || (tenant.kind == Kind::ServiceProvider && change.all_clients == Some(false)) {
            let name = if some { "clients" } else { "allClients" };
            problems.refuse(name, "Only a partner's role is bound to some clients; leave it out");
        }
        return true;
    }
    if change.all_clients == Some(true) && some {
        problems.refuse("clients", "The role reaches all clients; send allClients false, or no clients");
    }
    let before = role.is_some_and(|role| role.all_clients);
    change.all_clients.unwrap_or(before && !some)
}

async fn living_clients(
    app: &App,
    tenant: &Record,
    clients: &[ClientRef],
    problems: &mut Problems,
) -> Result<Vec<i64>, Error> {
    if tenant.kind != Kind::Partner {
        return Ok(Vec::new());
    }
    let wanted: Vec<&str> = clients.iter().map(|client| client.unique_id.as_str()).collect();
    let living = app.store.living_children(tenant.id, &wanted).await?;
    for (index, unique_id) in wanted.iter().enumerate().filter(|(_, unique_id)| !living.contains_key(**unique_id)) {
        problems.refuse_with(format!("clients[{index}].uniqueId"), || {
            format!("The partner has no client {}; GET .../clients/minimal lists them", quote(unique_id))
        });
    }
    Ok(living.into_values().collect())
}

async fn living_users(
    app: &App,
    tenant: &Record,
    wanted: &[UserRef],
    problems: &mut Problems,
) -> Result<Vec<i64>, Error> {
    let wanted: Vec<&str> = wanted.iter().map(|user| user.id.as_str()).collect();
    let living = app.store.living_numbers(tenant.id, &wanted).await?;
    for (index, id) in wanted.iter().enumerate().filter(|(_, id)| !living.contains_key(**id)) {
        problems.refuse_with(format!("users[{index}].id"), || {
            format!("The tenant has no user {}; GET .../users/minimal lists them", quote(id))
        });
    }
    Ok(living.into_values().collect())
}

async fn answer(app: &App, tenant: &Record, role: &RoleRecord) -> Result<Role, Error> {
    let clients = app.store.clients_of(role.id).await?.into_iter().map(|(_, client)| client).collect();
    let mut sets: Vec<SetRef> = app.store.sets_of(role.id).await?;
    let withheld = withheld(&Subscription::of_record(tenant));
    sets.retain(|set| !withheld.contains(&set.id));
    let users: Vec<UserRef> = app.store.users_of(role.id, tenant.id).await?;
    Ok(Role { clients: Some(clients), permissions: Some(sets), users: Some(users), ..listed(tenant, role) })
}

fn listed(tenant: &Record, role: &RoleRecord) -> Role {
    Role {
        unique_id: Some(role.unique_id.clone()),
        name: Some(role.name.clone()),
        description: Some(role.description.clone()),
        scope: Some(tenant.kind.scope().wire().to_owned()),
        all_clients: Some(role.all_clients),
        all_devices: Some(true),
        all_credentials: Some(true),
        default_role: Some(role.default),
        ..Role::default()
    }
}
