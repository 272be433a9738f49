//! Retention of data: asset data is kept for 12 months with the add-on Extended Data Retention, otherwise for 90 days,
//! the time for which the platform keeps inactive data. All other data is kept until its tenant is purged.

use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan as _};
use tenantry_catalog::{AddOn, DataCategory};

use super::App;
use super::audit::{self, Actor, AuditAction, AuditEvent, append_event};
use super::error::ApiError;
use super::store::{RecordScope, TenantRecord, erase_old_records, lock_tenant};
use super::subscription::Subscription;

/// Months of retention with the add-on.
const EXTENDED_MONTHS: i32 = 12;
/// Days of retention without it.
const DEFAULT_DAYS: i32 = 90;

/// The category that holds asset data.
const ASSETS: DataCategory = DataCategory::Resources;

/// Returns the time from which a tenant's data of a category is kept; the earliest time if nothing limits it.
pub(super) fn retention_start(subscription: &Subscription, category: DataCategory, now: i64) -> i64 {
    if category != ASSETS {
        return i64::MIN;
    }
    let span = if subscription.has_add_on(AddOn::ExtendedDataRetention) {
        EXTENDED_MONTHS.months()
    } else {
        DEFAULT_DAYS.days()
    };
    let start =
        Timestamp::from_millisecond(now).map(|now| now.to_zoned(TimeZone::UTC)).and_then(|now| now.checked_sub(span));
    // A clock before the year -9999 keeps everything.
    start.map_or(i64::MIN, |start| start.timestamp().as_millisecond())
}

/// Returns the scope of a tenant's records of a category, as they are read at the time `now`.
pub(super) fn record_scope(tenant: &TenantRecord, category: DataCategory, now: i64) -> RecordScope {
    RecordScope { tenant: tenant.id, category, since: retention_start(&Subscription::of_tenant(tenant), category, now) }
}

/// Erases records whose retention has ended. Returns their number.
pub(super) async fn expire_records(app: &App, now: i64) -> Result<u64, ApiError> {
    let mut erased = 0;
    // The retention without the add-on; tenants with the add-on are checked again below.
    let shortest = now - i64::from(DEFAULT_DAYS) * 24 * 60 * 60 * 1000;
    for tenant in app.store.tenants_with_old_records(ASSETS, shortest).await? {
        let mut tx = app.store.begin_without_timeout().await?;
        let tenant = lock_tenant(&mut tx, tenant).await?;
        let count = erase_old_records(&mut tx, record_scope(&tenant, ASSETS, now)).await?;
        if count > 0 {
            let object = format!("{} {count}", ASSETS.segment());
            append_event(
                &app.seal,
                &mut tx,
                tenant.id,
                &Actor::for_platform(),
                AuditEvent::success(AuditAction::RecordExpire, &object),
            )
            .await?;
            tx.commit().await?;
        }
        erased += count;
    }
    Ok(erased)
}

/// Erases rows of the audit log and of the login history whose retention has ended.
pub(super) async fn trim_logs(app: &App, now: i64) -> Result<(), ApiError> {
    let before = now.saturating_sub(i64::try_from(app.log_retention.as_millis()).unwrap_or(i64::MAX));
    let (rows, logins) = (audit::trim_logs_before(app, before).await?, app.store.delete_old_logins(before).await?);
    if rows + logins > 0 {
        tracing::info!(
            rows,
            logins,
            "rows of the audit log and of the history of logins are erased: their time is over"
        );
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use tenantry_wire::Tenant;

    use super::*;

    #[test]
    fn twelve_months_with_the_add_on_and_ninety_days_without() {
        let at = |text: &str| text.parse::<Timestamp>().unwrap().as_millisecond();
        let has = |add_on: Option<AddOn>| {
            let add_ons = add_on.map(|add_on| vec![add_on.wire_name().to_owned()]);
            Subscription::from_settings(&Tenant { add_ons, ..Tenant::default() }, None)
        };
        let now = at("2028-02-29T12:00:00Z");
        let extended = has(Some(AddOn::ExtendedDataRetention));
        assert_eq!(retention_start(&extended, DataCategory::Resources, now), at("2027-02-28T12:00:00Z"));
        assert_eq!(retention_start(&has(None), DataCategory::Resources, now), at("2027-12-01T12:00:00Z"));
        assert_eq!(retention_start(&has(None), DataCategory::Tickets, now), i64::MIN);
    }
}
