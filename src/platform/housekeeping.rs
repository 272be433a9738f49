//! What the platform does by itself, at its start and each hour: it erases what is not kept any more.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::error::Error;
use super::{App, audit, purge, retention, time};

/// Time between two rounds.
const ROUND: Duration = Duration::from_hours(1);

/// Does a round at the start, and one each hour from then on.
pub(super) async fn keep(app: Arc<App>) {
    app.metrics.began_housekeeping();
    loop {
        let start = Instant::now();
        match round(&app, time::now()).await {
            Ok(_) => app.metrics.kept_house(start.elapsed()),
            Err(error) => tracing::warn!(?error, "housekeeping failed; the next round tries again"),
        }
        tokio::time::sleep(ROUND).await;
    }
}

/// One round; answers the unique ids of the tenants that were purged. A step that fails stops none of the others: the error of
/// the first one is the answer at the end.
pub(super) async fn round(app: &App, now: i64) -> Result<Vec<String>, Error> {
    let expired = retention::expire(app, now).await.map(drop);
    let trimmed = retention::trim_logs(app, now).await;
    let checked = audit::check(app).await;
    let purged = purge::purge(app, now).await;
    for step in [expired, trimmed, checked] {
        if let Err(error) = step {
            tracing::warn!(?error, "a step of the housekeeping failed");
            purged?;
            return Err(error);
        }
    }
    purged
}
