//! Scheduled batch exports.

use serde::Serialize;
use sqlx::any::AnyRow;
use sqlx::{AnyExecutor, Row as _};

use super::{Store, Tx};
use crate::error::ApiError;
use crate::time;

/// A batch export with a schedule.
#[derive(Clone, Debug)]
pub(crate) struct Schedule {
    pub(crate) id: i64,
    pub(crate) tenant: i64,
    /// Names of the kinds of data (`ExportKind`), separated by commas.
    pub(crate) data: String,
    pub(crate) destination: String,
    pub(crate) every_hours: i64,
    pub(crate) next_at: i64,
    pub(crate) created_by: String,
    pub(crate) last_at: Option<i64>,
    /// Outcome of the last run, as a sentence.
    pub(crate) last_outcome: Option<String>,
}

/// A schedule as responses show it.
#[derive(Serialize, Clone, Debug)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ScheduleResponse {
    id: String,
    data: Vec<String>,
    destination: String,
    every_hours: i64,
    next_run: String,
    created_by: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    last_run: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    last_outcome: Option<String>,
}

impl Schedule {
    /// Converts it for a response.
    pub(crate) fn into_schedule_response(self) -> ScheduleResponse {
        let Self { id, tenant: _, data, destination, every_hours, next_at, created_by, last_at, last_outcome } = self;
        ScheduleResponse {
            id: id.to_string(),
            data: data.split(',').map(str::to_owned).collect(),
            destination,
            every_hours,
            next_run: time::to_wire(next_at),
            created_by,
            last_run: last_at.map(time::to_wire),
            last_outcome,
        }
    }
}

const COLUMNS: &str = "id, tenant_id, data, destination, every_hours, next_at, created_by, last_at, last_outcome";

fn read_schedule(row: &AnyRow) -> Result<Schedule, ApiError> {
    Ok(Schedule {
        id: row.try_get("id")?,
        tenant: row.try_get("tenant_id")?,
        data: row.try_get("data")?,
        destination: row.try_get("destination")?,
        every_hours: row.try_get("every_hours")?,
        next_at: row.try_get("next_at")?,
        created_by: row.try_get("created_by")?,
        last_at: row.try_get("last_at")?,
        last_outcome: row.try_get("last_outcome")?,
    })
}

async fn select_schedules<'e>(executor: impl AnyExecutor<'e>, tenant: i64) -> Result<Vec<Schedule>, ApiError> {
    let text = format!("SELECT {COLUMNS} FROM export_schedule WHERE tenant_id = $1 ORDER BY id");
    let rows = sqlx::query(sqlx::AssertSqlSafe(text)).bind(tenant).fetch_all(executor).await?;
    rows.iter().map(read_schedule).collect()
}

/// Lists a tenant's schedules within a write.
pub(crate) async fn tenant_schedules(tx: &mut Tx, tenant: i64) -> Result<Vec<Schedule>, ApiError> {
    select_schedules(&mut **tx, tenant).await
}

/// Stores a schedule.
pub(crate) async fn insert_schedule(tx: &mut Tx, new: &Schedule) -> Result<(), ApiError> {
    let Schedule { id, tenant, data, destination, every_hours, next_at, created_by, last_at: _, last_outcome: _ } = new;
    sqlx::query(
        "INSERT INTO export_schedule (id, tenant_id, data, destination, every_hours, next_at, held_until, created_by) \
         VALUES ($1, $2, $3, $4, $5, $6, 0, $7)",
    )
    .bind(id)
    .bind(tenant)
    .bind(data)
    .bind(destination)
    .bind(every_hours)
    .bind(next_at)
    .bind(created_by)
    .execute(&mut **tx)
    .await?;
    Ok(())
}

/// Deletes a schedule. Returns whether it existed.
pub(crate) async fn delete_schedule(tx: &mut Tx, tenant: i64, id: i64) -> Result<bool, ApiError> {
    let gone = sqlx::query("DELETE FROM export_schedule WHERE tenant_id = $1 AND id = $2").bind(tenant).bind(id);
    Ok(gone.execute(&mut **tx).await?.rows_affected() == 1)
}

/// Stores the outcome of a run and the time of the next one.
pub(crate) async fn finish_run(tx: &mut Tx, run: &Schedule) -> Result<(), ApiError> {
    let done = sqlx::query(
        "UPDATE export_schedule SET held_until = 0, next_at = $1, last_at = $2, last_outcome = $3 WHERE id = $4",
    );
    done.bind(run.next_at).bind(run.last_at).bind(&run.last_outcome).bind(run.id).execute(&mut **tx).await?;
    Ok(())
}

impl Store {
    /// Lists a tenant's schedules.
    pub(crate) async fn list_schedules(&self, tenant: i64) -> Result<Vec<Schedule>, ApiError> {
        select_schedules(&self.readers, tenant).await
    }

    /// Claims one due run, so that no other process begins it before `until`. An idle platform writes nothing.
    pub(crate) async fn claim_run(&self, now: i64, until: i64) -> Result<Option<Schedule>, ApiError> {
        let due = sqlx::query_scalar(
            "SELECT e.id FROM export_schedule e JOIN tenant t ON t.id = e.tenant_id WHERE e.next_at <= $1 \
             AND e.held_until <= $1 AND t.state = 'ACTIVE' ORDER BY e.next_at, e.id LIMIT 1",
        );
        let due: Option<i64> = due.bind(now).fetch_optional(&self.readers).await?;
        let Some(id) = due else { return Ok(None) };
        let mut tx = self.begin().await?;
        let claimed = sqlx::query(sqlx::AssertSqlSafe(format!(
            "UPDATE export_schedule SET held_until = $1 WHERE id = $2 AND next_at <= $3 AND held_until <= $3 \
             RETURNING {COLUMNS}"
        )));
        let row = claimed.bind(until).bind(id).bind(now).fetch_optional(&mut *tx).await?;
        tx.commit().await?;
        row.as_ref().map(read_schedule).transpose()
    }
}
