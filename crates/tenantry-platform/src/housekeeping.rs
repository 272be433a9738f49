//! Maintenance at the start and every hour: erases data whose retention has ended.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::error::ApiError;
use super::{App, audit, purge, retention, time};

/// Time between two rounds.
const ROUND_INTERVAL: Duration = Duration::from_hours(1);

/// Runs one round at the start, and then one every hour.
pub(super) async fn run_maintenance(app: Arc<App>) {
    app.metrics.note_housekeeping_start();
    loop {
        let start = Instant::now();
        match run_maintenance_round(&app, time::now()).await {
            Ok(_) => app.metrics.observe_housekeeping(start.elapsed()),
            Err(error) => tracing::warn!(?error, "housekeeping failed; the next round tries again"),
        }
        tokio::time::sleep(ROUND_INTERVAL).await;
    }
}

/// Runs one round. Returns the unique ids of the purged tenants. A failed step does not stop the others: at the end the
/// error of the first failed step is returned.
pub(super) async fn run_maintenance_round(app: &App, now: i64) -> Result<Vec<String>, ApiError> {
    let expired = retention::expire_records(app, now).await.map(drop);
    let trimmed = retention::trim_logs(app, now).await;
    let checked = audit::check_anchor(app).await;
    let purged = purge::purge_ended_tenants(app, now).await;
    for step in [expired, trimmed, checked] {
        if let Err(error) = step {
            tracing::warn!(?error, "a step of the housekeeping failed");
            purged?;
            return Err(error);
        }
    }
    purged
}
