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
mod offline;
mod shown;

use std::sync::Arc;

use axum::extract::{Path, RawQuery, State};
use axum::{Extension, Json};
use serde_json::{Map, Value};

use super::audit::{Action, Actor, Event, append};
use super::body::Strict;
use super::bounds::{RECORD, RECORD_PAGE};
use super::error::{Error, field, quote};
use super::gate::Scope;
use super::standing::{Act, admit};
use super::store::{
    Datum, Part, Record, Shelf, Tx, holder_of_datum, insert_datum, lock, locked_datum, next_number, save_datum,
};
use super::subscription::Subscription;
use super::{App, export, retention, search, time};
use crate::catalog::{AddOn, Category};
use crate::wire::Envelope;

use offline::{Alert, Turned};
use shown::Contents;
pub(super) use shown::Shown;

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
    let tenant = scope.tenant()?;
    admit(tenant, Act::Write)?;
    let (category, subscription) = category(tenant, &segment)?;
    let empty = Datum {
        id: NOBODY,
        name: String::new(),
        at: time::now(),
        revision: 0,
        members: Map::new(),
        cloud_account: None,
    };
    let mut datum = change::merge(empty, body, retention::shelf(tenant, category, time::now()))?;
    let prepared = Prepared::new(tenant, &subscription, (category, &datum)).await?;
    let alert = Alert::of((tenant, &subscription), category, (None, &datum)).await?;
    let mut tx = app.store.begin_under(scope.tenant()?.id).await?;
    let place = locked(&mut tx, &scope, &segment).await?;
    datum.id = checked(&mut tx, &place, &datum).await?;
    insert_datum(&mut tx, place.shelf, &datum).await?;
    let shown = prepared.complete(&place, &datum)?;
    noted(&app, &mut tx, (&place, &datum, &shown), (&actor, Action::RecordCreate)).await?;
    if let Some(alert) = alert {
        alert.raise(&app, &mut tx, Turned { place: &place, resource: datum.id }).await?;
    }
    tx.commit().await?;
    app.deliveries.notify_one();
    Ok(Json(shown))
}

/// `POST .../records/{category}/{record}`.
pub(super) async fn update(
    State(app): State<Arc<App>>,
    (Extension(scope), actor): (Extension<Scope>, Actor),
    Path((_, segment, id)): Path<(String, String, String)>,
    Strict(body): Body,
) -> Result<Json<Value>, Error> {
    let tenant = scope.tenant()?;
    admit(tenant, Act::Write)?;
    let (category, subscription) = category(tenant, &segment)?;
    let shelf = retention::shelf(tenant, category, time::now());
    let missing = || Error::not_found("Record", &id);
    let found = app.store.datum(shelf, number(&id)).await?.ok_or_else(missing)?;
    let read_at = body.get("revision").and_then(Value::as_i64);
    change::current(&found, read_at)?;
    let before = found.clone();
    let datum = change::merge(found, body, shelf)?;
    let prepared = Prepared::new(tenant, &subscription, (category, &datum)).await?;
    let alert = Alert::of((tenant, &subscription), category, (Some(&before), &datum)).await?;
    let mut tx = app.store.begin_under(scope.tenant()?.id).await?;
    let place = locked(&mut tx, &scope, &segment).await?;
    // Of the same revision it is what it was before the lock.
    let found = locked_datum(&mut tx, place.shelf, number(&id)).await?.ok_or_else(missing)?;
    change::current(&found, read_at)?;
    checked(&mut tx, &place, &datum).await?;
    save_datum(&mut tx, &datum).await?;
    let shown = prepared.complete(&place, &datum)?;
    noted(&app, &mut tx, (&place, &datum, &shown), (&actor, Action::RecordUpdate)).await?;
    if let Some(alert) = alert {
        alert.raise(&app, &mut tx, Turned { place: &place, resource: datum.id }).await?;
    }
    tx.commit().await?;
    app.deliveries.notify_one();
    Ok(Json(shown))
}

/// Where a record is written: under a tenant that is locked until the commit.
struct Place {
    tenant: Record,
    subscription: Subscription,
    category: Category,
    shelf: Shelf,
}

async fn locked(tx: &mut Tx, scope: &Scope, segment: &str) -> Result<Place, Error> {
    let tenant = lock(tx, scope.tenant()?.id).await?;
    admit(&tenant, Act::Write)?;
    let (category, subscription) = category(&tenant, segment)?;
    let shelf = retention::shelf(&tenant, category, time::now());
    Ok(Place { tenant, subscription, category, shelf })
}

/// What a record will show, made before the write that stores it.
struct Prepared {
    shown: Shown,
    contents: Contents,
}

impl Prepared {
    async fn new(
        tenant: &Record,
        subscription: &Subscription,
        (category, datum): (Category, &Datum),
    ) -> Result<Self, Error> {
        let shown = Shown::new(tenant, subscription);
        let contents = shown.contents(category, datum).await?;
        Ok(Self { shown, contents })
    }

    /// Refuses where the tenant's add-ons changed meanwhile: what was masked may be shown now, or the other way round.
    fn complete(self, place: &Place, datum: &Datum) -> Result<Value, Error> {
        if Shown::new(&place.tenant, &place.subscription) != self.shown {
            let message = "The tenant's add-ons changed at this moment; nothing was changed, try again";
            return Err(Error::Unavailable(message.to_owned()));
        }
        Ok(self.shown.complete(self.contents, place.category, datum))
    }
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
    let mut shown = Shown::new(tenant, &subscription).all(category, vec![found]).await?;
    Ok(Json(shown.pop().ok_or(Error::Internal)?))
}

/// The newest records of a category, and how many there are: for a page, which has asked before whether it may show them.
pub(super) async fn newest(app: &App, tenant: &Record, category: Category) -> Result<(Vec<Value>, i64), Error> {
    let subscription = Subscription::of_record(tenant);
    subscription.admit(category)?;
    let shelf = retention::shelf(tenant, category, time::now());
    let part = Part { descending: true, size: NEWEST, offset: 0 };
    // Records from before their bound must not take the page away: fewer are shown.
    let size = app.store.fitting(shelf, part).await?;
    let (rows, total) = app.store.data_page(shelf, Part { size, ..part }).await?;
    Ok((Shown::new(tenant, &subscription).all(category, rows).await?, total))
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
    let paging = search::Paging::read_up_to(raw.as_deref().unwrap_or_default(), RECORD_PAGE)?;
    if !matches!(paging.order.as_str(), "" | "id") {
        return Err(Error::field("sortName", "The list sorts by id"));
    }
    let shelf = retention::shelf(tenant, category, time::now());
    let (rows, total) = app.store.data_page(shelf, paging.part()).await?;
    let results = Shown::new(tenant, &subscription).all(category, rows).await?;
    Ok(Json(paging.envelope(results, total, format!("{segment}.id"))))
}

/// Whether a record may stand as it is to be; answers its number, a new one for a new record.
async fn checked(tx: &mut Tx, place: &Place, datum: &Datum) -> Result<i64, Error> {
    let Place { tenant, subscription, category, shelf } = place;
    let kind = datum.members.get("kind").and_then(Value::as_str).unwrap_or_default();
    subscription.admit_kind(*category, kind)?;
    if let Some(holder) = holder_of_datum(tx, *shelf, &datum.name, datum.id).await? {
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
    (place, datum, shown): (&Place, &Datum, &Value),
    (actor, action): (&Actor, Action),
) -> Result<(), Error> {
    let object = format!("{}/{}", place.category.segment(), datum.id);
    append(&app.seal, tx, (place.tenant.id, actor), Event::done(action, &object)).await?;
    if place.subscription.has_add_on(AddOn::StreamExports) {
        let event = if datum.revision == 1 { "create" } else { "update" };
        export::publish(tx, &place.tenant, event, shown).await?;
    }
    Ok(())
}

/// The number of a path; no record has a negative one.
fn number(id: &str) -> i64 {
    id.parse().unwrap_or(NOBODY)
}
