//! What the platform does by itself, at its start and each hour: it erases what is not kept any more.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::error::ApiError;
use super::{App, audit, purge, retention, time};

/// Time between two rounds.
const ROUND_INTERVAL: Duration = Duration::from_hours(1);

/// Does a round at the start, and one each hour from then on.
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

/// One round; answers the unique ids of the tenants that were purged. A step that fails stops none of the others: the error of
/// the first one is the answer at the end.
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
