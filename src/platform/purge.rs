//! What an ended tenant left is erased after the retention, for ever: from the rows, and on SQLite from the file.

use super::App;
use super::audit::{Action, Actor, Event, append, end_log};
use super::error::Error;
use super::store::{Ended, erase, lock, take_purge};

/// Time between two rounds of the platform's housekeeping.
pub(super) const ROUND: std::time::Duration = std::time::Duration::from_hours(1);

/// Erases what tenants left that ended before `now` less the retention; answers their unique ids.
pub(super) async fn purge(app: &App, now: i64) -> Result<Vec<String>, Error> {
    let retention = i64::try_from(app.purge_after.as_millis()).unwrap_or(i64::MAX);
    let mut purged = Vec::new();
    for tenant in app.store.ended(now.saturating_sub(retention)).await? {
        if one(app, &tenant, now).await? {
            tracing::info!(tenant = tenant.unique_id, "purged");
            app.metrics.purged();
            purged.push(tenant.unique_id);
        }
    }
    if app.store.wants_scrub().await? {
        app.store.scrub().await?;
    }
    Ok(purged)
}

/// Its parent's log says so; its own goes with it. False where another platform on the same database was first: each finds the
/// same tenants, and under the lock one of them finds the work done.
async fn one(app: &App, tenant: &Ended, now: i64) -> Result<bool, Error> {
    let mut tx = app.store.begin().await?;
    if let Some(parent) = tenant.parent {
        lock(&mut tx, parent).await?;
    }
    if !take_purge(&mut tx, tenant.id, now).await? {
        return Ok(false);
    }
    if let Some(parent) = tenant.parent {
        let event = Event::done(Action::TenantPurge, &tenant.unique_id);
        append(&app.seal, &mut tx, (parent, &Actor::platform()), event).await?;
    }
    erase(&mut tx, tenant).await?;
    end_log(&app.seal, &mut tx, tenant.id);
    tx.commit().await?;
    Ok(true)
}
