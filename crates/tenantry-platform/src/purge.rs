//! Purge: erases the data of a terminated tenant for ever after the retention, from the rows and, on SQLite, from the
//! file.

use super::App;
use super::audit::{Actor, AuditAction, AuditEvent, append_event, end_tenant_log};
use super::error::ApiError;
use super::store::{TerminatedTenant, claim_purge, erase_tenant, lock_tenant};

/// Erases the data of tenants that were terminated before `now` minus the retention. Returns their unique ids.
pub(super) async fn purge_ended_tenants(app: &App, now: i64) -> Result<Vec<String>, ApiError> {
    let retention = i64::try_from(app.purge_after.as_millis()).unwrap_or(i64::MAX);
    let (mut purged, mut failed) = (Vec::new(), None);
    for tenant in app.store.tenants_to_purge(now.saturating_sub(retention)).await? {
        match purge_tenant(app, &tenant, now).await {
            Ok(true) => {
                tracing::info!(tenant = tenant.unique_id, "purged");
                app.metrics.count_purge();
                purged.push(tenant.unique_id);
            }
            Ok(false) => {}
            // The other tenants continue: one that cannot be erased must not keep the data of all.
            Err(error) => {
                tracing::error!(tenant = tenant.unique_id, ?error, "an ended tenant cannot be purged");
                failed = Some(error);
            }
        }
    }
    if app.store.needs_scrub().await? {
        app.store.scrub_file().await?;
    }
    failed.map_or(Ok(purged), Err)
}

/// Erases one tenant. Its parent's audit log records the purge; its own log is erased with it. Returns false if another
/// platform on the same database was faster: each finds the same tenants, and under the lock all but one find the work
/// done.
async fn purge_tenant(app: &App, tenant: &TerminatedTenant, now: i64) -> Result<bool, ApiError> {
    let mut tx = app.store.begin_without_timeout().await?;
    if let Some(parent) = tenant.parent {
        lock_tenant(&mut tx, parent).await?;
    }
    if !claim_purge(&mut tx, tenant.id, now).await? {
        return Ok(false);
    }
    if let Some(parent) = tenant.parent {
        let event = AuditEvent::success(AuditAction::TenantPurge, &tenant.unique_id);
        append_event(&app.seal, &mut tx, parent, &Actor::for_platform(), event).await?;
    }
    erase_tenant(&mut tx, tenant).await?;
    end_tenant_log(&app.seal, &mut tx, tenant.id);
    tx.commit().await?;
    Ok(true)
}
