//! `/api/v2/tenants/{tenant}/records/{category}`: what a tenant's packages work with. Ours, absent under
//! `--documented-only`.
//!
//! * `POST .../records/{category}` stores a record: `name`, unique in its category, optionally `time` (when it arose),
//!   `kind`, in `integrations` a `cloudAccount`, and any other members.
//! * `GET .../records/{category}` lists them page by page; `GET .../records/{category}/{record}` reads one.
//! * `POST .../records/{category}/{record}` changes members, a null removes; it names the `revision` that it was read at, and
//!   a later one refuses it with 409.

mod account;
mod change;
mod shown;

use std::sync::Arc;

use axum::extract::{Path, RawQuery, State};
use axum::{Extension, Json};
use serde_json::{Map, Value};

use super::audit::{Action, Actor, Event, append};
use super::body::Strict;
use super::error::{Error, field, quote};
use super::gate::Scope;
use super::standing::{Act, admit};
use super::store::{
    Datum, Part, Record, Shelf, Tx, holder_of_datum, insert_datum, lock, locked_datum, next_number, save_datum,
};
use super::subscription::Subscription;
use super::{App, export, retention, search, time};
use crate::catalog::Category;
use crate::wire::Envelope;

pub(super) use shown::Shown;

/// Longest body of a record.
const RECORD: usize = 64 << 10;

/// Records that a page shows.
const NEWEST: i64 = 20;

/// No record: a new one is nobody's rival but its holder's.
const NOBODY: i64 = -1;

type Body = Strict<Map<String, Value>, RECORD>;

/// The category of a path that the tenant may use.
fn category(tenant: &Record, segment: &str) -> Result<(Category, Subscription), Error> {
    let category = Category::from_segment(segment).ok_or_else(|| Error::not_found("Category", segment))?;
    let subscription = Subscription::of_record(tenant);
    subscription.admit(category)?;
    Ok((category, subscription))
}

/// `POST .../records/{category}`.
pub(super) async fn create(
    State(app): State<Arc<App>>,
    (Extension(scope), actor): (Extension<Scope>, Actor),
    Path((_, segment)): Path<(String, String)>,
    Strict(body): Body,
) -> Result<Json<Value>, Error> {
    let mut tx = app.store.begin().await?;
    let tenant = lock(&mut tx, scope.tenant()?.id).await?;
    admit(&tenant, Act::Write)?;
    let (category, subscription) = category(&tenant, &segment)?;
    let shelf = retention::shelf(&tenant, category, time::now());
    let empty = Datum {
        id: NOBODY,
        name: String::new(),
        at: time::now(),
        revision: 0,
        members: Map::new(),
        cloud_account: None,
    };
    let mut datum = change::merge(empty, body, shelf)?;
    datum.id = checked(&mut tx, &tenant, &subscription, (shelf, &datum)).await?;
    insert_datum(&mut tx, shelf, &datum).await?;
    noted(&app, &mut tx, (&tenant, shelf, &datum), (&actor, Action::RecordCreate)).await?;
    tx.commit().await?;
    app.deliveries.notify_one();
    Ok(Json(Shown::new(&tenant, &subscription).of(category, datum)))
}

/// `POST .../records/{category}/{record}`.
pub(super) async fn update(
    State(app): State<Arc<App>>,
    (Extension(scope), actor): (Extension<Scope>, Actor),
    Path((_, segment, id)): Path<(String, String, String)>,
    Strict(body): Body,
) -> Result<Json<Value>, Error> {
    let mut tx = app.store.begin().await?;
    let tenant = lock(&mut tx, scope.tenant()?.id).await?;
    admit(&tenant, Act::Write)?;
    let (category, subscription) = category(&tenant, &segment)?;
    let shelf = retention::shelf(&tenant, category, time::now());
    let found = locked_datum(&mut tx, shelf, number(&id)).await?.ok_or_else(|| Error::not_found("Record", &id))?;
    change::current(&found, &body)?;
    let datum = change::merge(found, body, shelf)?;
    checked(&mut tx, &tenant, &subscription, (shelf, &datum)).await?;
    save_datum(&mut tx, &datum).await?;
    noted(&app, &mut tx, (&tenant, shelf, &datum), (&actor, Action::RecordUpdate)).await?;
    tx.commit().await?;
    app.deliveries.notify_one();
    Ok(Json(Shown::new(&tenant, &subscription).of(category, datum)))
}

/// `GET .../records/{category}/{record}`.
pub(super) async fn read(
    State(app): State<Arc<App>>,
    Extension(scope): Extension<Scope>,
    Path((_, segment, id)): Path<(String, String, String)>,
) -> Result<Json<Value>, Error> {
    let tenant = scope.tenant()?;
    admit(tenant, Act::Read)?;
    let (category, subscription) = category(tenant, &segment)?;
    let shelf = retention::shelf(tenant, category, time::now());
    let found = app.store.datum(shelf, number(&id)).await?.ok_or_else(|| Error::not_found("Record", &id))?;
    Ok(Json(Shown::new(tenant, &subscription).of(category, found)))
}

/// The newest records of a category, and how many there are: for a page, which has asked before whether it may show them.
pub(super) async fn newest(app: &App, tenant: &Record, category: Category) -> Result<(Vec<Value>, i64), Error> {
    let subscription = Subscription::of_record(tenant);
    subscription.admit(category)?;
    let shelf = retention::shelf(tenant, category, time::now());
    let (rows, total) = app.store.data_page(shelf, Part { descending: true, size: NEWEST, offset: 0 }).await?;
    let shown = Shown::new(tenant, &subscription);
    Ok((rows.into_iter().map(|datum| shown.of(category, datum)).collect(), total))
}

/// `GET .../records/{category}`.
pub(super) async fn list(
    State(app): State<Arc<App>>,
    Extension(scope): Extension<Scope>,
    Path((_, segment)): Path<(String, String)>,
    RawQuery(raw): RawQuery,
) -> Result<Json<Envelope<Value>>, Error> {
    let tenant = scope.tenant()?;
    admit(tenant, Act::Read)?;
    let (category, subscription) = category(tenant, &segment)?;
    let paging = search::Paging::read(raw.as_deref().unwrap_or_default())?;
    if !matches!(paging.order.as_str(), "" | "id") {
        return Err(Error::field("sortName", "The list sorts by id"));
    }
    let shelf = retention::shelf(tenant, category, time::now());
    let (rows, total) = app.store.data_page(shelf, paging.part()).await?;
    let shown = Shown::new(tenant, &subscription);
    let results = rows.into_iter().map(|datum| shown.of(category, datum)).collect();
    Ok(Json(paging.envelope(results, total, format!("{segment}.id"))))
}

/// Whether a record may stand as it is to be; answers its number, a new one for a new record.
async fn checked(
    tx: &mut Tx,
    tenant: &Record,
    subscription: &Subscription,
    (shelf, datum): (Shelf, &Datum),
) -> Result<i64, Error> {
    let kind = datum.members.get("kind").and_then(Value::as_str).unwrap_or_default();
    subscription.admit_kind(shelf.category, kind)?;
    if let Some(holder) = holder_of_datum(tx, shelf, &datum.name, datum.id).await? {
        let mut refusal = field("name", format!("The name {} is taken by record {holder}", quote(&datum.name)));
        refusal.holder = Some(holder.to_string());
        return Err(Error::Fields(vec![refusal]));
    }
    if datum.id != NOBODY && datum.cloud_account.is_none() {
        return Ok(datum.id);
    }
    let next = next_number(tx).await?;
    account::free(tx, tenant, datum).await?;
    Ok(if datum.id == NOBODY { next } else { datum.id })
}

/// The rows that a change leaves besides itself: in the audit log, and for the tenant's streams.
async fn noted(
    app: &App,
    tx: &mut Tx,
    (tenant, shelf, datum): (&Record, Shelf, &Datum),
    (actor, action): (&Actor, Action),
) -> Result<(), Error> {
    let object = format!("{}/{}", shelf.category.segment(), datum.id);
    append(&app.seal, tx, (tenant.id, actor), Event::done(action, &object)).await?;
    export::publish(tx, tenant, shelf.category, datum).await
}

/// The number of a path; no record has a negative one.
fn number(id: &str) -> i64 {
    id.parse().unwrap_or(NOBODY)
}
