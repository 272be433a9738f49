//! What an ended tenant left is erased after the retention, for ever: from the rows, and on SQLite from the file.

use super::App;
use super::audit::{Action, Actor, Event, append, end_log};
use super::error::Error;
use super::store::{Ended, erase, lock};

/// Time between two rounds of the platform's housekeeping.
pub(super) const ROUND: std::time::Duration = std::time::Duration::from_hours(1);

/// Erases what tenants left that ended before `now` less the retention; answers their unique ids.
pub(super) async fn purge(app: &App, now: i64) -> Result<Vec<String>, Error> {
    let retention = i64::try_from(app.purge_after.as_millis()).unwrap_or(i64::MAX);
    let mut purged = Vec::new();
    for tenant in app.store.ended(now.saturating_sub(retention)).await? {
        one(app, &tenant, now).await?;
        tracing::info!(tenant = tenant.unique_id, "purged");
        purged.push(tenant.unique_id);
    }
    if app.store.wants_scrub().await? {
        app.store.scrub().await?;
    }
    Ok(purged)
}

/// Its parent's log says so; its own goes with it.
async fn one(app: &App, tenant: &Ended, now: i64) -> Result<(), Error> {
    let mut tx = app.store.begin().await?;
    if let Some(parent) = tenant.parent {
        lock(&mut tx, parent).await?;
        let event = Event::done(Action::TenantPurge, &tenant.unique_id);
        append(&app.seal, &mut tx, (parent, &Actor::platform()), event).await?;
    }
    erase(&mut tx, tenant, now).await?;
    end_log(&app.seal, &mut tx, tenant.id);
    Ok(tx.commit().await?)
}
