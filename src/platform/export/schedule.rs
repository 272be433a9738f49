//! Batch exports with a schedule: kept in the database, run by the platform's housekeeping, by one process each time.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::{Path, State};
use axum::{Extension, Json};
use serde::Deserialize;

use super::batch::{Batch, Run, destination, wanted};
use crate::catalog::{AddOn, NOT_SUBSCRIBED};
use crate::platform::audit::{Action, Actor, Event, append};
use crate::platform::error::Error;
use crate::platform::gate::{Locked, Scope};
use crate::platform::standing::{Act, admit};
use crate::platform::store::{
    Schedule, ShownSchedule, delete_schedule, finish_run, insert_schedule, lock, next_number, schedules_of,
};
use crate::platform::subscription::Subscription;
use crate::platform::{App, time};

/// Schedules of a tenant.
const SCHEDULES: usize = 10;
/// Longest time between two runs: a year.
const MOST_HOURS: i64 = 24 * 366;
/// Milliseconds of an hour.
const HOUR: i64 = 60 * 60 * 1000;
/// For how long a process has a run to itself.
const LEASE: i64 = HOUR;
/// After which time a run is given up: long enough before the end of the lease that no other process begins it meanwhile.
pub(in crate::platform) const LONGEST: Duration = Duration::from_mins(50);
const _: () = assert!(LONGEST.as_millis() < LEASE.unsigned_abs() as u128, "a run must end before its lease does");

/// When a batch export runs.
#[derive(Deserialize, Clone, Debug)]
#[serde(rename_all = "camelCase")]
pub(in crate::platform) struct Wanted {
    every_hours: i64,
    /// When it runs first; without it after one pause.
    start: Option<String>,
}

impl Wanted {
    fn first(&self, now: i64) -> Result<i64, Error> {
        if !(1..=MOST_HOURS).contains(&self.every_hours) {
            return Err(Error::field("schedule.everyHours", format!("The number must be 1 to {MOST_HOURS}")));
        }
        let Some(start) = &self.start else { return Ok(now + self.every_hours * HOUR) };
        let wrong = || Error::field("schedule.start", "The text is not a time such as 2016-08-29T12:05:08+0000");
        let (at, _) = time::span(start).ok_or_else(wrong)?;
        if at > now + MOST_HOURS * HOUR {
            return Err(Error::field("schedule.start", "The time is more than a year ahead"));
        }
        Ok(at.max(now))
    }
}

/// A batch export that is to run again and again.
pub(super) struct Planned<'a> {
    /// What is exported; it was judged before.
    pub(super) batch: &'a Batch,
    /// When it runs.
    pub(super) when: &'a Wanted,
}

/// Keeps a schedule.
pub(super) async fn keep(
    app: &App,
    scope: &Scope,
    actor: &Actor,
    planned: Planned<'_>,
) -> Result<ShownSchedule, Error> {
    let Planned { batch, when } = planned;
    let next_at = when.first(time::now())?;
    let Locked { mut tx, tenant } = scope.locked(app, Act::Write).await?;
    Subscription::of_record(&tenant).need(AddOn::BatchExports)?;
    if schedules_of(&mut tx, tenant.id).await?.len() >= SCHEDULES {
        return Err(Error::field("schedule", format!("The tenant has {SCHEDULES} schedules; end one first")));
    }
    let schedule = Schedule {
        id: next_number(&mut tx).await?,
        tenant: tenant.id,
        data: batch.names().join(","),
        destination: batch.destination.clone(),
        every_hours: when.every_hours,
        next_at,
        created_by: scope.caller.login(),
        last_at: None,
        last_outcome: None,
    };
    insert_schedule(&mut tx, &schedule).await?;
    let object = schedule.id.to_string();
    append(&app.seal, &mut tx, (tenant.id, actor), Event::done(Action::ExportSchedule, &object)).await?;
    tx.commit().await?;
    Ok(schedule.shown())
}

/// `GET .../exports/batch`.
pub(in crate::platform) async fn list(
    State(app): State<Arc<App>>,
    Extension(scope): Extension<Scope>,
) -> Result<Json<Vec<ShownSchedule>>, Error> {
    let tenant = scope.tenant()?;
    admit(tenant, Act::Read)?;
    Ok(Json(app.store.schedules(tenant.id).await?.into_iter().map(Schedule::shown).collect()))
}

/// `DELETE .../exports/batch/{export}`.
pub(in crate::platform) async fn remove(
    State(app): State<Arc<App>>,
    Extension(scope): Extension<Scope>,
    Path((_, id)): Path<(String, String)>,
    actor: Actor,
) -> Result<Json<()>, Error> {
    let Locked { mut tx, tenant } = scope.locked(&app, Act::Write).await?;
    if !delete_schedule(&mut tx, tenant.id, id.parse().unwrap_or(-1)).await? {
        return Err(Error::not_found("Export", &id));
    }
    append(&app.seal, &mut tx, (tenant.id, &actor), Event::done(Action::ExportScheduleEnd, &id)).await?;
    tx.commit().await?;
    Ok(Json(()))
}

/// Does the runs that are due until the platform stops, beside the deliveries: a slow destination holds up no webhook.
pub(in crate::platform) async fn run_due(app: Arc<App>) {
    loop {
        if let Err(error) = run(&app, time::now()).await {
            tracing::warn!(?error, "scheduled exports wait for the database");
        }
        tokio::time::sleep(app.exports.retry).await;
    }
}

/// Does every run that is due.
pub(in crate::platform) async fn run(app: &App, now: i64) -> Result<(), Error> {
    while let Some(run) = app.store.claim_run(now, now + LEASE).await? {
        one(app, run, now).await?;
    }
    Ok(())
}

/// One run. A run that fails is not tried again before the next is due: what is wrong is mostly for a person to mend.
async fn one(app: &App, mut run: Schedule, now: i64) -> Result<(), Error> {
    let longest = app.exports.longest;
    let done = tokio::time::timeout(longest, written(app, &run, now)).await.unwrap_or_else(|_| {
        let text = format!("The destination took longer than {} minutes", longest.as_secs() / 60);
        Err(Error::Unavailable(text))
    });
    let outcome = match &done {
        Ok(files) => format!("{files} files were written"),
        Err(error) => sentence(error),
    };
    tracing::info!(schedule = run.id, outcome, "a scheduled export ran");
    let pause = run.every_hours * HOUR;
    // Runs that were missed are not made up for: the data of one holds what theirs would.
    run.next_at += ((now - run.next_at) / pause + 1) * pause;
    (run.last_at, run.last_outcome) = (Some(now), Some(outcome));
    let mut tx = app.store.begin_under(run.tenant).await?;
    let tenant = lock(&mut tx, run.tenant).await?;
    finish_run(&mut tx, &run).await?;
    let object = format!("{} {}", run.id, run.data);
    let event = if done.is_ok() { Event::done } else { Event::denied };
    append(&app.seal, &mut tx, (tenant.id, &Actor::platform()), event(Action::ExportBatch, &object)).await?;
    Ok(tx.commit().await?)
}

/// What a person reads of a run that failed.
fn sentence(error: &Error) -> String {
    match error {
        Error::Fields(fields) => fields.first().map(|field| field.message.clone()).unwrap_or_default(),
        Error::Denied(text) | Error::Gone(text) | Error::Unavailable(text) => text.clone(),
        Error::NotSubscribed => NOT_SUBSCRIBED.to_owned(),
        _ => "The platform failed; its log has the cause".to_owned(),
    }
}

/// Writes what a schedule asks for, judged as if it were asked for now; answers how many files.
async fn written(app: &App, run: &Schedule, now: i64) -> Result<usize, Error> {
    let mut tx = app.store.begin_under(run.tenant).await?;
    let tenant = lock(&mut tx, run.tenant).await?;
    drop(tx);
    admit(&tenant, Act::Write)?;
    let subscription = Subscription::of_record(&tenant);
    subscription.need(AddOn::BatchExports)?;
    let names: Vec<String> = run.data.split(',').map(str::to_owned).collect();
    let batch = Batch { data: wanted(&names, &subscription)?, destination: run.destination.clone() };
    let place = destination(app, &batch.destination)?;
    Ok(batch.write(app, &tenant, Run { destination: place, now }).await?.len())
}
