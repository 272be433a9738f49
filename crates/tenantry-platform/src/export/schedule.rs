//! Scheduled batch exports. Schedules are stored in the database; each run is claimed by one process.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::{Path, State};
use axum::{Extension, Json};
use serde::Deserialize;
use tenantry_catalog::{AddOn, NOT_SUBSCRIBED};

use super::batch::{Batch, BatchRun, batch_destination, requested_kinds};
use crate::audit::{Actor, AuditAction, AuditEvent, append_event};
use crate::authorize::{LockedTenant, RequestScope};
use crate::error::ApiError;
use crate::store::{
    Schedule, ScheduleResponse, delete_schedule, finish_run, insert_schedule, lock_tenant, next_number,
    tenant_schedules,
};
use crate::subscription::Subscription;
use crate::tenant_availability::{TenantOperation, ensure_tenant_accepts};
use crate::{App, time};

/// Maximum number of schedules per tenant.
const MAX_SCHEDULES: usize = 10;
/// Maximum interval between two runs: a year.
const MAX_INTERVAL_HOURS: i64 = 24 * 366;
/// Milliseconds per hour.
const HOUR: i64 = 60 * 60 * 1000;
/// How long a process holds the lease of a run.
const RUN_LEASE: i64 = HOUR;
/// Time limit of a run. It ends well before the lease does, so that no other process begins the run meanwhile.
pub(crate) const RUN_TIMEOUT: Duration = Duration::from_mins(50);
const _: () =
    assert!(RUN_TIMEOUT.as_millis() < RUN_LEASE.unsigned_abs() as u128, "a run must end before its lease does");

/// Times of a scheduled batch export.
#[derive(Deserialize, Clone, Debug)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ScheduleRequest {
    every_hours: i64,
    /// Time of the first run. Without it the first run is one interval from now.
    start: Option<String>,
}

impl ScheduleRequest {
    fn first_run(&self, now: i64) -> Result<i64, ApiError> {
        if !(1..=MAX_INTERVAL_HOURS).contains(&self.every_hours) {
            return Err(ApiError::field(
                "schedule.everyHours",
                format!("The number must be 1 to {MAX_INTERVAL_HOURS}"),
            ));
        }
        let Some(start) = &self.start else { return Ok(now + self.every_hours * HOUR) };
        let wrong = || ApiError::field("schedule.start", "The text is not a time such as 2016-08-29T12:05:08+0000");
        let (at, _) = time::parse_span(start).ok_or_else(wrong)?;
        if at > now + MAX_INTERVAL_HOURS * HOUR {
            return Err(ApiError::field("schedule.start", "The time is more than a year ahead"));
        }
        Ok(at.max(now))
    }
}

/// A batch export to be scheduled.
pub(super) struct PlannedExport<'a> {
    /// What is exported; already validated.
    pub(super) batch: &'a Batch,
    /// When it runs.
    pub(super) schedule: &'a ScheduleRequest,
}

/// Stores a schedule.
pub(super) async fn create_schedule(
    app: &App,
    scope: &RequestScope,
    actor: &Actor,
    planned: PlannedExport<'_>,
) -> Result<ScheduleResponse, ApiError> {
    let PlannedExport { batch, schedule: when } = planned;
    let next_at = when.first_run(time::now())?;
    let LockedTenant { mut tx, tenant } = scope.lock_tenant(app, TenantOperation::Write).await?;
    Subscription::of_tenant(&tenant).ensure_add_on(AddOn::BatchExports)?;
    if tenant_schedules(&mut tx, tenant.id).await?.len() >= MAX_SCHEDULES {
        return Err(ApiError::field("schedule", format!("The tenant has {MAX_SCHEDULES} schedules; end one first")));
    }
    let schedule = Schedule {
        id: next_number(&mut tx).await?,
        tenant: tenant.id,
        data: batch.kind_names().join(","),
        destination: batch.destination.clone(),
        every_hours: when.every_hours,
        next_at,
        created_by: scope.caller.author_name(),
        last_at: None,
        last_outcome: None,
    };
    insert_schedule(&mut tx, &schedule).await?;
    let object = schedule.id.to_string();
    append_event(&app.seal, &mut tx, tenant.id, actor, AuditEvent::success(AuditAction::ExportSchedule, &object))
        .await?;
    tx.commit().await?;
    Ok(schedule.into_schedule_response())
}

/// `GET .../exports/batch`.
pub(crate) async fn list_schedules(
    State(app): State<Arc<App>>,
    Extension(scope): Extension<RequestScope>,
) -> Result<Json<Vec<ScheduleResponse>>, ApiError> {
    let tenant = scope.tenant()?;
    ensure_tenant_accepts(tenant, TenantOperation::Read)?;
    Ok(Json(app.store.list_schedules(tenant.id).await?.into_iter().map(Schedule::into_schedule_response).collect()))
}

/// `DELETE .../exports/batch/{export}`.
pub(crate) async fn end_schedule(
    State(app): State<Arc<App>>,
    Extension(scope): Extension<RequestScope>,
    Path((_, id)): Path<(String, String)>,
    actor: Actor,
) -> Result<Json<()>, ApiError> {
    let LockedTenant { mut tx, tenant } = scope.lock_tenant(&app, TenantOperation::Write).await?;
    if !delete_schedule(&mut tx, tenant.id, id.parse().unwrap_or(-1)).await? {
        return Err(ApiError::not_found("Export", &id));
    }
    append_event(&app.seal, &mut tx, tenant.id, &actor, AuditEvent::success(AuditAction::ExportScheduleEnd, &id))
        .await?;
    tx.commit().await?;
    Ok(Json(()))
}

/// Runs due exports until the platform stops, independently of webhook deliveries, so that a slow destination delays no
/// webhook.
pub(crate) async fn run_schedules(app: Arc<App>) {
    loop {
        if let Err(error) = run_due_exports(&app, time::now()).await {
            tracing::warn!(?error, "scheduled exports wait for the database");
        }
        tokio::time::sleep(app.exports.retry).await;
    }
}

/// Runs every due export.
pub(crate) async fn run_due_exports(app: &App, now: i64) -> Result<(), ApiError> {
    while let Some(run) = app.store.claim_run(now, now + RUN_LEASE).await? {
        run_one_export(app, run, now).await?;
    }
    Ok(())
}

/// Runs one export. A failed run is not retried before the next one is due, since a person usually has to fix the
/// cause.
async fn run_one_export(app: &App, mut run: Schedule, now: i64) -> Result<(), ApiError> {
    let longest = app.exports.run_timeout;
    let done = tokio::time::timeout(longest, write_scheduled_files(app, &run, now)).await.unwrap_or_else(|_| {
        let text = format!("The destination took longer than {} minutes", longest.as_secs() / 60);
        Err(ApiError::Unavailable(text))
    });
    let outcome = match &done {
        Ok(files) => format!("{files} files were written"),
        Err(error) => failure_sentence(error),
    };
    tracing::info!(schedule = run.id, outcome, "a scheduled export ran");
    let pause = run.every_hours * HOUR;
    // Missed runs are not repeated: one run exports what they would have exported.
    run.next_at += ((now - run.next_at) / pause + 1) * pause;
    (run.last_at, run.last_outcome) = (Some(now), Some(outcome));
    let mut tx = app.store.begin_for_tenant(run.tenant).await?;
    let tenant = lock_tenant(&mut tx, run.tenant).await?;
    finish_run(&mut tx, &run).await?;
    let object = format!("{} {}", run.id, run.data);
    let event = if done.is_ok() { AuditEvent::success } else { AuditEvent::denial };
    append_event(&app.seal, &mut tx, tenant.id, &Actor::for_platform(), event(AuditAction::ExportBatch, &object))
        .await?;
    Ok(tx.commit().await?)
}

/// Returns the sentence that describes a failed run to people.
fn failure_sentence(error: &ApiError) -> String {
    match error {
        ApiError::Fields(fields) => fields.first().map(|field| field.message.clone()).unwrap_or_default(),
        ApiError::Denied(text) | ApiError::Gone(text) | ApiError::Unavailable(text) => text.clone(),
        ApiError::NotSubscribed => NOT_SUBSCRIBED.to_owned(),
        _ => "The platform failed; its log has the cause".to_owned(),
    }
}

/// Writes the files of a schedule. The request is validated again, as if it were made now. Returns the number of files.
async fn write_scheduled_files(app: &App, run: &Schedule, now: i64) -> Result<usize, ApiError> {
    let mut tx = app.store.begin_for_tenant(run.tenant).await?;
    let tenant = lock_tenant(&mut tx, run.tenant).await?;
    drop(tx);
    ensure_tenant_accepts(&tenant, TenantOperation::Write)?;
    let subscription = Subscription::of_tenant(&tenant);
    subscription.ensure_add_on(AddOn::BatchExports)?;
    let names: Vec<String> = run.data.split(',').map(str::to_owned).collect();
    let batch = Batch { data: requested_kinds(&names, &subscription)?, destination: run.destination.clone() };
    let place = batch_destination(app, &batch.destination)?;
    Ok(batch.write_files(app, &tenant, BatchRun { destination: place, now }).await?.len())
}
