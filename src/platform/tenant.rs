//! Create, read, update and the bare list of a tenant's children; the same for partners and for clients.

use std::sync::Arc;

use axum::extract::{Path, State};
use axum::{Extension, Json};
use serde_json::Value;

use super::audit::{Action, Actor, Event, append, append_both};
use super::body::Strict;
use super::bounds;
use super::error::{Error, field, quote};
use super::factor::duo;
use super::gate::Scope;
use super::login::policy::turned_on;
use super::settings::{self, Problems, policy_of};
use super::standing::{Act, admit};
use super::store::{
    Kind, New, Record, Tx, child, end_sessions_begun_before, end_sessions_under, holder_of_mark, holder_of_name,
    insert, living_settings, lock, must_change_under, once_marked, save,
};
use super::{App, answer, time};
use crate::wire::{self, Created, Mark, Minimal, Tenant};

/// No tenant: a new one is nobody's rival but its holder's.
const NOBODY: i64 = -1;

/// `POST .../clients` and `.../msps`.
pub(super) async fn create(
    State(app): State<Arc<App>>,
    Extension(scope): Extension<Scope>,
    actor: Actor,
    Strict(mut change): Strict<Tenant, { bounds::TENANT }>,
) -> Result<Json<Created>, Error> {
    ignore(&app, &mut change);
    let name = settings::name(change.name.take().as_deref().unwrap_or_default())?;
    let mark = change.managed_by.take();
    mark.as_ref().map_or(Ok(()), settings::mark)?;
    let mut tx = app.store.begin_under(scope.tenant()?.id).await?;
    let parent = lock(&mut tx, scope.tenant()?.id).await?;
    admit(&parent, Act::Write)?;
    if app.extensions {
        name_is_free(&mut tx, parent.id, &name, NOBODY).await?;
    }
    if let Some(mark) = &mark {
        mark_is_free(&mut tx, parent.id, mark, NOBODY).await?;
        if let Some(holder) = once_marked(&mut tx, parent.id, &mark.uid).await? {
            return Err(mark_taken(mark, holder));
        }
    }
    let wanted = change.client_details.clone();
    let mut settings = settings::create(&parent, change)?;
    if app.extensions {
        settings::with_their_add_ons(&Tenant::default(), wanted.as_ref(), &mut settings)?;
    }
    duo::seal(&app.vault, &Tenant::default(), &mut settings)?;
    let new = New {
        kind: parent.kind.below(),
        parent: Some(parent.id),
        name: &name,
        claim: app.extensions,
        mark: mark.as_ref(),
        settings: &settings,
        by: &scope.caller.login(),
    };
    let (id, unique_id) = insert(&mut tx, &new).await?;
    append_both(&app.seal, &mut tx, (parent.id, id, &actor), Event::done(Action::TenantCreate, &unique_id)).await?;
    tx.commit().await?;
    Ok(Json(Created { unique_id, name, id: Some(id) }))
}

/// `POST .../clients/{client}` and `.../msps/{msp}`: a partial update.
pub(super) async fn update(
    State(app): State<Arc<App>>,
    (Extension(scope), actor): (Extension<Scope>, Actor),
    Path((_, id)): Path<(String, String)>,
    Strict(mut change): Strict<Tenant, { bounds::TENANT }>,
) -> Result<Json<Value>, Error> {
    ignore(&app, &mut change);
    let mut tx = app.store.begin_under(scope.tenant()?.id).await?;
    let (parent, record) = locked_child(&mut tx, &scope, &id, Act::Write).await?;
    Box::pin(save_change(&app, &scope, &actor, Edit { tx, parent, record, change })).await
}

/// `POST /api/v2/tenants/{tenant}`: a partner's own people change its account, as the documentation lets them. What its
/// packages and add-ons are is agreed with the service provider: here they can be given back and not taken.
pub(super) async fn update_itself(
    State(app): State<Arc<App>>,
    (Extension(scope), actor): (Extension<Scope>, Actor),
    Strict(mut change): Strict<Tenant, { bounds::TENANT }>,
) -> Result<Json<Value>, Error> {
    ignore(&app, &mut change);
    // Who owns the tenant is nobody's to say but its owner's.
    change.managed_by = None;
    let tenant = scope.tenant()?;
    let parent = tenant.parent.as_ref().ok_or(Error::Internal)?;
    let mut tx = app.store.begin_under(parent.id).await?;
    let parent = lock(&mut tx, parent.id).await?;
    admit(&parent, Act::Write)?;
    let record = living(Some(lock(&mut tx, tenant.id).await?), tenant.kind, &tenant.unique_id)?;
    admit(&record, Act::Write)?;
    if scope.caller.id == record.id {
        settings::within_own(&record.settings, &change)?;
    }
    Box::pin(save_change(&app, &scope, &actor, Edit { tx, parent, record, change })).await
}

/// What a request changes of a tenant, which is locked, and so is the one above it.
struct Edit {
    tx: Tx,
    parent: Record,
    record: Record,
    change: Tenant,
}

async fn save_change(app: &App, scope: &Scope, actor: &Actor, edit: Edit) -> Result<Json<Value>, Error> {
    let Edit { mut tx, parent, mut record, mut change } = edit;
    let before = record.clone();
    rename(app, &mut tx, &mut record, change.name.take()).await?;
    if let Some(mark) = change.managed_by.take() {
        settings::mark(&mark)?;
        mark_is_free(&mut tx, parent.id, &mark, record.id).await?;
        record.mark = Some(mark);
    }
    let wanted = change.client_details.clone();
    record.settings = settings::update(record.kind, &record.settings, &parent.settings, change)?;
    if app.extensions {
        settings::with_their_add_ons(&before.settings, wanted.as_ref(), &mut record.settings)?;
    }
    duo::seal(&app.vault, &before.settings, &mut record.settings)?;
    if record.kind == Kind::Partner {
        unused_by_clients(&mut tx, &before, &record).await?;
    }
    let is_changed = changed(&before, &record);
    if is_changed {
        // Before any session ends: the proof stands in the caller's own, which may be one of them.
        scope.proof().spend(&mut tx).await?;
    }
    if record.kind != Kind::Client && turned_on(&policy_of(&before.settings), &policy_of(&record.settings)) {
        must_change_under(&mut tx, record.id).await?;
        end_sessions_under(&mut tx, record.id, time::now()).await?;
    }
    let moment = |tenant: &Tenant| settings::passwords_set_before(tenant, None);
    if let Some(at) = moment(&record.settings).filter(|at| Some(*at) > moment(&before.settings)) {
        end_sessions_begun_before(&mut tx, record.id, at, time::now()).await?;
    }
    if is_changed {
        save(&mut tx, &mut record, app.extensions, &scope.caller.login()).await?;
        append(&app.seal, &mut tx, (record.id, actor), Event::done(Action::TenantUpdate, &record.unique_id)).await?;
        tx.commit().await?;
    }
    Ok(Json(answer::tenant(&record, app.extensions)?))
}

/// `GET .../clients/{client}` and `.../msps/{msp}`.
pub(super) async fn read(
    State(app): State<Arc<App>>,
    Extension(scope): Extension<Scope>,
    Path((_, id)): Path<(String, String)>,
) -> Result<Json<Value>, Error> {
    let parent = scope.tenant()?;
    admit(parent, Act::Read)?;
    let record = app.store.child(parent.id, &id).await?;
    let record = living(record, parent.kind.below(), &id)?;
    Ok(Json(answer::tenant(&record, app.extensions)?))
}

/// `GET /api/v2/tenants/{tenant}` for a partner and `GET /api/v2/tenants/client/{tenant}`: the tenant of the path itself.
pub(super) async fn read_itself(
    State(app): State<Arc<App>>,
    Extension(scope): Extension<Scope>,
) -> Result<Json<Value>, Error> {
    let record = scope.tenant()?;
    let record = living(Some(record.clone()), record.kind, &record.unique_id)?;
    Ok(Json(answer::tenant(&record, app.extensions)?))
}

/// `GET .../minimal`: a bare array.
pub(super) async fn minimal(
    State(app): State<Arc<App>>,
    Extension(scope): Extension<Scope>,
) -> Result<Json<Vec<Minimal>>, Error> {
    let parent = scope.tenant()?;
    admit(parent, Act::Read)?;
    let mut rows = app.store.minimal(parent.id, scope.reach()).await?;
    if !app.extensions {
        for row in &mut rows {
            row.managed_by = None;
        }
    }
    Ok(Json(rows))
}

/// Locks a parent and finds its living child: nothing of either changes until the commit.
pub(super) async fn locked_child(tx: &mut Tx, scope: &Scope, id: &str, act: Act) -> Result<(Record, Record), Error> {
    let parent = lock(tx, scope.tenant()?.id).await?;
    admit(&parent, act)?;
    let kind = parent.kind.below();
    let record = living(child(&mut **tx, parent.id, id).await?, kind, id)?;
    if kind != Kind::Partner {
        return Ok((parent, record));
    }
    // The partner's own clients must not change either.
    let record = living(Some(lock(tx, record.id).await?), kind, id)?;
    Ok((parent, record))
}

/// A tenant that exists and is not ended; a tombstone answers as if it did not exist.
fn living(record: Option<Record>, kind: Kind, id: &str) -> Result<Record, Error> {
    record.filter(|record| record.state != wire::State::Terminated).ok_or_else(|| Error::not_found(kind.noun(), id))
}

/// Under `--documented-only` the extensions are members that nobody knows.
fn ignore(app: &App, change: &mut Tenant) {
    if !app.extensions {
        settings::documented(change);
    }
}

fn changed(before: &Record, after: &Record) -> bool {
    before.name != after.name || before.mark != after.mark || before.settings != after.settings
}

async fn rename(app: &App, tx: &mut Tx, record: &mut Record, name: Option<String>) -> Result<(), Error> {
    // A name from before today's rules can be sent back as it is.
    let Some(name) = name.filter(|name| name.trim() != record.name) else { return Ok(()) };
    let name = settings::name(&name)?;
    if let Some(parent) = record.parent.as_ref().filter(|_| app.extensions) {
        name_is_free(tx, parent.id, &name, record.id).await?;
    }
    record.name = name;
    Ok(())
}

async fn name_is_free(tx: &mut Tx, parent: i64, name: &str, except: i64) -> Result<(), Error> {
    let Some(holder) = holder_of_name(tx, parent, name, except).await? else { return Ok(()) };
    let mut refusal = field("name", format!("The name {} is taken by {holder}", quote(name)));
    refusal.holder = Some(holder);
    Err(Error::Fields(vec![refusal]))
}

async fn mark_is_free(tx: &mut Tx, parent: i64, mark: &Mark, except: i64) -> Result<(), Error> {
    let holder = holder_of_mark(tx, parent, &mark.uid, except).await?;
    holder.map_or(Ok(()), |holder| Err(mark_taken(mark, holder)))
}

fn mark_taken(mark: &Mark, holder: String) -> Error {
    let mut refusal = field("managedBy", format!("The object with UID {} already has {holder}", quote(&mark.uid)));
    refusal.holder = Some(holder);
    Error::Fields(vec![refusal])
}

async fn unused_by_clients(tx: &mut Tx, before: &Record, after: &Record) -> Result<(), Error> {
    let dropped = settings::dropped(&before.settings, &after.settings);
    if dropped.is_empty() {
        return Ok(());
    }
    let mut problems = Problems::default();
    dropped.used_by(&living_settings(tx, after.id).await?, &mut problems);
    problems.finish()
}
