//! `/api/v2/tenants/{tenant}/records/{category}`: the data that a tenant's packages work with. An extension, absent
//! under `--documented-only`.
//!
//! * `POST .../records/{category}` stores a record: `name`, unique in its category, optionally `time` (when it
//!   occurred), `kind`, in `integrations` a `cloudAccount`, and any other members.
//! * `GET .../records/{category}` lists them page by page; `GET .../records/{category}/{record}` reads one.
//! * `POST .../records/{category}/{record}` changes members; a null removes one. The body names the `revision` that was
//!   read; if a later one exists, the request is refused with 409.

mod cloud_account;
mod offline_alert;
mod record_change;
mod record_view;

use std::sync::Arc;

use axum::extract::{Path, RawQuery, State};
use axum::{Extension, Json};
use serde_json::{Map, Value};
use tenantry_catalog::{AddOn, DataCategory};
use tenantry_wire::PageEnvelope;

use super::audit::{Actor, AuditAction, AuditEvent, append_event};
use super::authorize::RequestScope;
use super::error::{ApiError, field_error, quote};
use super::json_body::StrictJson;
use super::limits::{MAX_RECORD_BYTES, MAX_RECORD_PAGE_ROWS};
use super::store::{
    PageRange, Record, RecordScope, TenantRecord, Tx, find_record_id_by_name, insert_record, lock_record, lock_tenant,
    next_number, save_record,
};
use super::subscription::Subscription;
use super::tenant_availability::{TenantOperation, ensure_tenant_accepts};
use super::{App, export, retention, tenant_search, time};

use offline_alert::{AlertSource, OfflineAlert};
pub(super) use record_view::RecordView;
use record_view::RenderedRecord;

/// Number of records that a page shows.
const NEWEST_COUNT: i64 = 20;

/// Id that no record has. A new record has it, so that the search for another record of its name excludes none.
const NO_RECORD: i64 = -1;

type RecordBody = StrictJson<Map<String, Value>, MAX_RECORD_BYTES>;

/// Returns the category of a path if the tenant may use it, with the tenant's subscription.
fn allowed_category(tenant: &TenantRecord, segment: &str) -> Result<(DataCategory, Subscription), ApiError> {
    let category = DataCategory::from_segment(segment).ok_or_else(|| ApiError::not_found("Category", segment))?;
    let subscription = Subscription::of_tenant(tenant);
    subscription.ensure_category(category)?;
    Ok((category, subscription))
}

/// `POST .../records/{category}`.
pub(super) async fn create_record(
    State(app): State<Arc<App>>,
    Extension(scope): Extension<RequestScope>,
    actor: Actor,
    Path((_, segment)): Path<(String, String)>,
    StrictJson(body): RecordBody,
) -> Result<Json<Value>, ApiError> {
    let tenant = scope.tenant()?;
    ensure_tenant_accepts(tenant, TenantOperation::Write)?;
    let (category, subscription) = allowed_category(tenant, &segment)?;
    let empty = Record {
        id: NO_RECORD,
        name: String::new(),
        at: time::now(),
        revision: 0,
        members: Map::new(),
        cloud_account: None,
    };
    let mut record = record_change::merge_record(empty, body, retention::record_scope(tenant, category, time::now()))?;
    let prepared = PreparedRecord::new(tenant, &subscription, (category, &record)).await?;
    let alert = OfflineAlert::for_change(tenant, &subscription, category, None, &record).await?;
    let mut tx = app.store.begin_for_tenant(scope.tenant()?.id).await?;
    let place = lock_target(&mut tx, &scope, &segment).await?;
    record.id = validate_and_number_record(&mut tx, &place, &record).await?;
    insert_record(&mut tx, place.record_scope, &record).await?;
    let shown = prepared.into_json(&place, &record)?;
    append_audit_and_event(&app, &mut tx, &place, &record, &shown, &actor, AuditAction::RecordCreate).await?;
    if let Some(alert) = alert {
        alert.raise(&app, &mut tx, AlertSource { target: &place, resource: record.id }).await?;
    }
    tx.commit().await?;
    app.deliveries.notify_one();
    Ok(Json(shown))
}

/// `POST .../records/{category}/{record}`.
pub(super) async fn update_record(
    State(app): State<Arc<App>>,
    Extension(scope): Extension<RequestScope>,
    actor: Actor,
    Path((_, segment, id)): Path<(String, String, String)>,
    StrictJson(body): RecordBody,
) -> Result<Json<Value>, ApiError> {
    let tenant = scope.tenant()?;
    ensure_tenant_accepts(tenant, TenantOperation::Write)?;
    let (category, subscription) = allowed_category(tenant, &segment)?;
    let shelf = retention::record_scope(tenant, category, time::now());
    let missing = || ApiError::not_found("Record", &id);
    let found = app.store.find_record(shelf, parse_record_number(&id)).await?.ok_or_else(missing)?;
    let read_at = body.get("revision").and_then(Value::as_i64);
    record_change::ensure_current_revision(&found, read_at)?;
    let before = found.clone();
    let record = record_change::merge_record(found, body, shelf)?;
    let prepared = PreparedRecord::new(tenant, &subscription, (category, &record)).await?;
    let alert = OfflineAlert::for_change(tenant, &subscription, category, Some(&before), &record).await?;
    let mut tx = app.store.begin_for_tenant(scope.tenant()?.id).await?;
    let place = lock_target(&mut tx, &scope, &segment).await?;
    // The same revision means the same content as before the lock.
    let found = lock_record(&mut tx, place.record_scope, parse_record_number(&id)).await?.ok_or_else(missing)?;
    record_change::ensure_current_revision(&found, read_at)?;
    validate_and_number_record(&mut tx, &place, &record).await?;
    save_record(&mut tx, &record).await?;
    let shown = prepared.into_json(&place, &record)?;
    append_audit_and_event(&app, &mut tx, &place, &record, &shown, &actor, AuditAction::RecordUpdate).await?;
    if let Some(alert) = alert {
        alert.raise(&app, &mut tx, AlertSource { target: &place, resource: record.id }).await?;
    }
    tx.commit().await?;
    app.deliveries.notify_one();
    Ok(Json(shown))
}

/// Where a record is written: a category of a tenant that is locked until the commit.
struct RecordTarget {
    tenant: TenantRecord,
    subscription: Subscription,
    category: DataCategory,
    record_scope: RecordScope,
}

async fn lock_target(tx: &mut Tx, scope: &RequestScope, segment: &str) -> Result<RecordTarget, ApiError> {
    let tenant = lock_tenant(tx, scope.tenant()?.id).await?;
    ensure_tenant_accepts(&tenant, TenantOperation::Write)?;
    let (category, subscription) = allowed_category(&tenant, segment)?;
    let shelf = retention::record_scope(&tenant, category, time::now());
    Ok(RecordTarget { tenant, subscription, category, record_scope: shelf })
}

/// The visible form of a record, prepared before the write that stores it.
struct PreparedRecord {
    view: RecordView,
    contents: RenderedRecord,
}

impl PreparedRecord {
    async fn new(
        tenant: &TenantRecord,
        subscription: &Subscription,
        (category, datum): (DataCategory, &Record),
    ) -> Result<Self, ApiError> {
        let shown = RecordView::new(tenant, subscription);
        let contents = shown.prepare_contents(category, datum).await?;
        Ok(Self { view: shown, contents })
    }

    /// Renders the record. Refuses if the tenant's add-ons changed in between: masked values may now be visible, or the
    /// other way round.
    fn into_json(self, target: &RecordTarget, record: &Record) -> Result<Value, ApiError> {
        if RecordView::new(&target.tenant, &target.subscription) != self.view {
            let message = "The tenant's add-ons changed at this moment; nothing was changed, try again";
            return Err(ApiError::Unavailable(message.to_owned()));
        }
        Ok(self.view.render_contents(self.contents, target.category, record))
    }
}

/// `GET .../records/{category}/{record}`.
pub(super) async fn read_record(
    State(app): State<Arc<App>>,
    Extension(scope): Extension<RequestScope>,
    Path((_, segment, id)): Path<(String, String, String)>,
) -> Result<Json<Value>, ApiError> {
    let tenant = scope.tenant()?;
    ensure_tenant_accepts(tenant, TenantOperation::Read)?;
    let (category, subscription) = allowed_category(tenant, &segment)?;
    let shelf = retention::record_scope(tenant, category, time::now());
    let found = app
        .store
        .find_record(shelf, parse_record_number(&id))
        .await?
        .ok_or_else(|| ApiError::not_found("Record", &id))?;
    let mut shown = RecordView::new(tenant, &subscription).render_all(category, vec![found]).await?;
    Ok(Json(shown.pop().ok_or(ApiError::Internal)?))
}

/// Returns the newest records of a category and their total number. The caller, a page, has already checked the
/// permission.
pub(super) async fn newest_records(
    app: &App,
    tenant: &TenantRecord,
    category: DataCategory,
) -> Result<(Vec<Value>, i64), ApiError> {
    let subscription = Subscription::of_tenant(tenant);
    subscription.ensure_category(category)?;
    let shelf = retention::record_scope(tenant, category, time::now());
    let part = PageRange { is_descending: true, size: NEWEST_COUNT, offset: 0 };
    // Records that were stored before the size bound existed must not make the page fail: it shows fewer.
    let size = app.store.fitting_count(shelf, part).await?;
    let (rows, total) = app.store.record_page(shelf, PageRange { size, ..part }).await?;
    Ok((RecordView::new(tenant, &subscription).render_all(category, rows).await?, total))
}

/// `GET .../records/{category}`.
pub(super) async fn list_records(
    State(app): State<Arc<App>>,
    Extension(scope): Extension<RequestScope>,
    Path((_, segment)): Path<(String, String)>,
    RawQuery(raw): RawQuery,
) -> Result<Json<PageEnvelope<Value>>, ApiError> {
    let tenant = scope.tenant()?;
    ensure_tenant_accepts(tenant, TenantOperation::Read)?;
    let (category, subscription) = allowed_category(tenant, &segment)?;
    let paging = tenant_search::Paging::parse_with_max(raw.as_deref().unwrap_or_default(), MAX_RECORD_PAGE_ROWS)?;
    if !matches!(paging.order.as_str(), "" | "id") {
        return Err(ApiError::field("sortName", "The list sorts by id"));
    }
    let shelf = retention::record_scope(tenant, category, time::now());
    let (rows, total) = app.store.record_page(shelf, paging.range()).await?;
    let results = RecordView::new(tenant, &subscription).render_all(category, rows).await?;
    Ok(Json(paging.envelope(results, total, format!("{segment}.id"))))
}

/// Checks whether a record may be stored in its new form. Returns its number, a new one for a new record.
async fn validate_and_number_record(tx: &mut Tx, target: &RecordTarget, record: &Record) -> Result<i64, ApiError> {
    let RecordTarget { tenant, subscription, category, record_scope: shelf } = target;
    let kind = record.members.get("kind").and_then(Value::as_str).unwrap_or_default();
    subscription.ensure_record_kind(*category, kind)?;
    if let Some(holder) = find_record_id_by_name(tx, *shelf, &record.name, record.id).await? {
        let mut refusal = field_error("name", format!("The name {} is taken by record {holder}", quote(&record.name)));
        refusal.holder = Some(holder.to_string());
        return Err(ApiError::Fields(vec![refusal]));
    }
    if record.id != NO_RECORD && record.cloud_account.is_none() {
        return Ok(record.id);
    }
    let next = next_number(tx).await?;
    cloud_account::ensure_account_free(tx, tenant, record).await?;
    Ok(if record.id == NO_RECORD { next } else { record.id })
}

/// Adds the further rows of a change: one in the audit log, and the event for the tenant's streams.
async fn append_audit_and_event(
    app: &App,
    tx: &mut Tx,
    target: &RecordTarget,
    record: &Record,
    shown: &Value,
    actor: &Actor,
    action: AuditAction,
) -> Result<(), ApiError> {
    let object = format!("{}/{}", target.category.segment(), record.id);
    append_event(&app.seal, tx, target.tenant.id, actor, AuditEvent::success(action, &object)).await?;
    if target.subscription.has_add_on(AddOn::StreamExports) {
        let event = if record.revision == 1 { "create" } else { "update" };
        export::publish_event(tx, &target.tenant, event, shown).await?;
    }
    Ok(())
}

/// Parses the number of a path; an invalid one becomes -1, which no record has.
fn parse_record_number(id: &str) -> i64 {
    id.parse().unwrap_or(NO_RECORD)
}
