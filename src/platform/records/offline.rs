//! The add-on Offline Alerts: a resource that goes to an unknown state raises an alert, in the write that says so.

use serde_json::{Map, Value, json};

use super::{NOBODY, Place, Prepared, noted};
use crate::catalog::{AddOn, Category};
use crate::platform::audit::{Action, Actor};
use crate::platform::error::Error;
use crate::platform::store::{Datum, Record, Tx, holder_of_datum, insert_datum, next_number};
use crate::platform::subscription::Subscription;
use crate::platform::{App, retention, time};

/// Members of a resource that say in which state it is.
const STATES: [&str; 2] = ["state", "status"];
/// The word that the documentation has for it.
const UNKNOWN: &str = "unknown";
/// Characters of a resource's name in the alert's, which has more to say and is bounded too.
const NAME: usize = 180;

/// An alert that is to be raised, made before the write that stores it.
pub(super) struct Alert {
    datum: Datum,
    prepared: Prepared,
}

/// The resource that turned, and where it is written.
pub(super) struct Turned<'a> {
    pub(super) place: &'a Place,
    /// Its number.
    pub(super) resource: i64,
}

impl Alert {
    /// Of a resource that a write turns unknown; `before` is what it was, where it was there.
    pub(super) async fn of(
        (tenant, subscription): (&Record, &Subscription),
        category: Category,
        (before, after): (Option<&Datum>, &Datum),
    ) -> Result<Option<Self>, Error> {
        let turns = is_unknown(after) && !before.is_some_and(is_unknown);
        if category != Category::Resources || !turns || !subscription.has_add_on(AddOn::OfflineAlerts) {
            return Ok(None);
        }
        let datum = raised(&after.name, time::now());
        let prepared = Prepared::new(tenant, subscription, (Category::Alerts, &datum)).await?;
        Ok(Some(Self { datum, prepared }))
    }

    /// Stores it beside its resource. An alert of the same name says the same.
    pub(super) async fn raise(self, app: &App, tx: &mut Tx, of: Turned<'_>) -> Result<(), Error> {
        let Self { mut datum, prepared } = self;
        let Turned { place: resources, resource } = of;
        let place = Place {
            tenant: resources.tenant.clone(),
            subscription: resources.subscription.clone(),
            category: Category::Alerts,
            shelf: retention::shelf(&resources.tenant, Category::Alerts, time::now()),
        };
        if holder_of_datum(tx, place.shelf, &datum.name, NOBODY).await?.is_some() {
            return Ok(());
        }
        datum.id = next_number(tx).await?;
        datum.members.insert("resourceId".to_owned(), json!(resource.to_string()));
        insert_datum(tx, place.shelf, &datum).await?;
        let mut shown = prepared.complete(&place, &datum)?;
        shown["resourceId"] = json!(resource.to_string());
        noted(app, tx, (&place, &datum, &shown), (&Actor::platform(), Action::RecordCreate)).await
    }
}

fn is_unknown(resource: &Datum) -> bool {
    let state = |member: &&str| resource.members.get(*member).and_then(Value::as_str);
    STATES.iter().filter_map(state).any(|state| state.trim().eq_ignore_ascii_case(UNKNOWN))
}

fn raised(resource: &str, now: i64) -> Datum {
    let name: String = resource.chars().take(NAME).collect();
    let at = time::exact(now);
    let members = json!({
        "kind": "offline",
        "hostName": resource,
        "metric": "state",
        "description": "The resource is in an unknown state",
    });
    Datum {
        id: NOBODY,
        name: format!("{name} is in an unknown state since {at}"),
        at: now,
        revision: 1,
        members: members.as_object().cloned().unwrap_or_else(Map::new),
        cloud_account: None,
    }
}
