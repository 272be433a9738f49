//! The add-on Offline Alerts: a resource that changes to an unknown state raises an alert in the same write.

use serde_json::{Map, Value, json};
use tenantry_catalog::{AddOn, DataCategory};

use super::{NO_RECORD, PreparedRecord, RecordTarget, append_audit_and_event};
use crate::audit::{Actor, AuditAction};
use crate::error::ApiError;
use crate::store::{Record, TenantRecord, Tx, find_record_id_by_name, insert_record, next_number};
use crate::subscription::Subscription;
use crate::{App, retention, time};

/// Members of a resource that hold its state.
const STATES: [&str; 2] = ["state", "status"];
/// The value in the documentation.
const UNKNOWN: &str = "unknown";
/// Maximum characters of a resource's name in the alert's name, which contains more text and is limited too.
const NAME: usize = 180;

/// An alert to be raised, prepared before the write that stores it.
pub(super) struct OfflineAlert {
    record: Record,
    prepared: PreparedRecord,
}

/// The resource that changed, and the target of its write.
pub(super) struct AlertSource<'a> {
    pub(super) target: &'a RecordTarget,
    /// Its number.
    pub(super) resource: i64,
}

impl OfflineAlert {
    /// Returns an alert if a write changes a resource to unknown. `before` is the stored resource, if it existed.
    pub(super) async fn for_change(
        tenant: &TenantRecord,
        subscription: &Subscription,
        category: DataCategory,
        before: Option<&Record>,
        after: &Record,
    ) -> Result<Option<Self>, ApiError> {
        let turns = is_state_unknown(after) && !before.is_some_and(is_state_unknown);
        if category != DataCategory::Resources || !turns || !subscription.has_add_on(AddOn::OfflineAlerts) {
            return Ok(None);
        }
        let record = alert_record(&after.name, time::now());
        let prepared = PreparedRecord::new(tenant, subscription, (DataCategory::Alerts, &record)).await?;
        Ok(Some(Self { record, prepared }))
    }

    /// Stores the alert together with its resource. An alert of the same name is not stored twice.
    pub(super) async fn raise(self, app: &App, tx: &mut Tx, source: AlertSource<'_>) -> Result<(), ApiError> {
        let Self { record: mut datum, prepared } = self;
        let AlertSource { target: resources, resource } = source;
        let place = RecordTarget {
            tenant: resources.tenant.clone(),
            subscription: resources.subscription.clone(),
            category: DataCategory::Alerts,
            record_scope: retention::record_scope(&resources.tenant, DataCategory::Alerts, time::now()),
        };
        if find_record_id_by_name(tx, place.record_scope, &datum.name, NO_RECORD).await?.is_some() {
            return Ok(());
        }
        datum.id = next_number(tx).await?;
        datum.members.insert("resourceId".to_owned(), json!(resource.to_string()));
        insert_record(tx, place.record_scope, &datum).await?;
        let mut shown = prepared.into_json(&place, &datum)?;
        shown["resourceId"] = json!(resource.to_string());
        append_audit_and_event(app, tx, &place, &datum, &shown, &Actor::for_platform(), AuditAction::RecordCreate).await
    }
}

fn is_state_unknown(resource: &Record) -> bool {
    let state = |member: &&str| resource.members.get(*member).and_then(Value::as_str);
    STATES.iter().filter_map(state).any(|state| state.trim().eq_ignore_ascii_case(UNKNOWN))
}

fn alert_record(resource: &str, now: i64) -> Record {
    let name: String = resource.chars().take(NAME).collect();
    let at = time::to_wire_millis(now);
    let members = json!({
        "kind": "offline",
        "hostName": resource,
        "metric": "state",
        "description": "The resource is in an unknown state",
    });
    Record {
        id: NO_RECORD,
        name: format!("{name} is in an unknown state since {at}"),
        at: now,
        revision: 1,
        members: members.as_object().cloned().unwrap_or_else(Map::new),
        cloud_account: None,
    }
}
