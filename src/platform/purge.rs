//! What an ended tenant left is erased after the retention, for ever: from the rows, and on SQLite from the file.

use super::App;
use super::audit::{Action, Actor, Event, append, end_log};
use super::error::Error;
use super::store::{Ended, erase, lock, take_purge};

/// Erases what tenants left that ended before `now` less the retention; answers their unique ids.
pub(super) async fn purge(app: &App, now: i64) -> Result<Vec<String>, Error> {
    let retention = i64::try_from(app.purge_after.as_millis()).unwrap_or(i64::MAX);
    let (mut purged, mut failed) = (Vec::new(), None);
    for tenant in app.store.ended(now.saturating_sub(retention)).await? {
        match one(app, &tenant, now).await {
            Ok(true) => {
                tracing::info!(tenant = tenant.unique_id, "purged");
                app.metrics.purged();
                purged.push(tenant.unique_id);
            }
            Ok(false) => {}
            // The others go on: one that cannot be erased must not keep the data of all.
            Err(error) => {
                tracing::error!(tenant = tenant.unique_id, ?error, "an ended tenant cannot be purged");
                failed = Some(error);
            }
        }
    }
    if app.store.wants_scrub().await? {
        app.store.scrub().await?;
    }
    failed.map_or(Ok(purged), Err)
}

/// Its parent's log says so; its own goes with it. False where another platform on the same database was first: each finds the
/// same tenants, and under the lock one of them finds the work done.
async fn one(app: &App, tenant: &Ended, now: i64) -> Result<bool, Error> {
    let mut tx = app.store.begin_long().await?;
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
