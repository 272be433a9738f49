//! How long data is kept: asset data for 12 months with the add-on Extended Data Retention, else for 90 days, the time for
//! which the platform keeps what is inactive. All other data is kept until its tenant is purged.

use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan as _};

use super::App;
use super::audit::{self, Action, Actor, Event, append};
use super::error::Error;
use super::store::{Record, Shelf, erase_aged, lock};
use super::subscription::Subscription;
use crate::catalog::{AddOn, Category};

/// Months with the add-on.
const EXTENDED: i32 = 12;
/// Days without it.
const DEFAULT: i32 = 90;

/// The category that has asset data.
const ASSETS: Category = Category::Resources;

/// From when on a tenant's data of a category is kept; everything where nothing limits it.
pub(super) fn since(subscription: &Subscription, category: Category, now: i64) -> i64 {
    if category != ASSETS {
        return i64::MIN;
    }
    let span = if subscription.has_add_on(AddOn::ExtendedDataRetention) { EXTENDED.months() } else { DEFAULT.days() };
    let start =
        Timestamp::from_millisecond(now).map(|now| now.to_zoned(TimeZone::UTC)).and_then(|now| now.checked_sub(span));
    // A clock before the year -9999 keeps everything.
    start.map_or(i64::MIN, |start| start.timestamp().as_millisecond())
}

/// Where a tenant's records of a category are, as they are read at a time.
pub(super) fn shelf(tenant: &Record, category: Category, now: i64) -> Shelf {
    Shelf { tenant: tenant.id, category, since: since(&Subscription::of_record(tenant), category, now) }
}

/// Erases what is not kept any more; answers how many records.
pub(super) async fn expire(app: &App, now: i64) -> Result<u64, Error> {
    let mut erased = 0;
    // Without the add-on: whoever has it is judged once more below.
    let shortest = now - i64::from(DEFAULT) * 24 * 60 * 60 * 1000;
    for tenant in app.store.aged(ASSETS, shortest).await? {
        let mut tx = app.store.begin_long().await?;
        let tenant = lock(&mut tx, tenant).await?;
        let count = erase_aged(&mut tx, shelf(&tenant, ASSETS, now)).await?;
        if count > 0 {
            let object = format!("{} {count}", ASSETS.segment());
            append(&app.seal, &mut tx, (tenant.id, &Actor::platform()), Event::done(Action::RecordExpire, &object))
                .await?;
            tx.commit().await?;
        }
        erased += count;
    }
    Ok(erased)
}

/// Erases what is not kept any more of the audit log and of the history of logins.
pub(super) async fn trim_logs(app: &App, now: i64) -> Result<(), Error> {
    let before = now.saturating_sub(i64::try_from(app.log_retention.as_millis()).unwrap_or(i64::MAX));
    let (rows, logins) = (audit::trim(app, before).await?, app.store.forget_logins(before).await?);
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
    use super::*;
    use crate::wire::Tenant;

    #[test]
    fn twelve_months_with_the_add_on_and_ninety_days_without() {
        let at = |text: &str| text.parse::<Timestamp>().unwrap().as_millisecond();
        let has = |add_on: Option<AddOn>| {
            let add_ons = add_on.map(|add_on| vec![add_on.wire().to_owned()]);
            Subscription::of(&Tenant { add_ons, ..Tenant::default() }, None)
        };
        let now = at("2028-02-29T12:00:00Z");
        let extended = has(Some(AddOn::ExtendedDataRetention));
        assert_eq!(since(&extended, Category::Resources, now), at("2027-02-28T12:00:00Z"));
        assert_eq!(since(&has(None), Category::Resources, now), at("2027-12-01T12:00:00Z"));
        assert_eq!(since(&has(None), Category::Tickets, now), i64::MIN);
    }
}
