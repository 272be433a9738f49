//! Which installation of the operator manages an object.
//!
//! Each installation has its own Lease, so two installations that watch the same namespaces both lead. The first that
//! writes to an object records itself in the object's intent and status, under the object's resourceVersion. The other
//! writes nothing to the object, its status or its tenant, and reports that by an event and a gauge. The annotation
//! `tenantry.dev/operator` moves an object on purpose, also from an installation that is gone.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use kube::runtime::controller::Action;
use tenantry_api::{OPERATOR, Reason};
use tokio::time::Instant;

use super::context::Context;
use super::pass_stop::{PassStop, is_undeclared_field};
use super::status::write_if_unchanged;
use super::tenant_object::{
    TenantObject, active_pause, has_finalizer, installation, namespaced_name, recorded_installation, unique_id,
};

/// The API server drops an event after an hour.
const REPORT_INTERVAL: Duration = Duration::from_mins(50);

/// Returns whether another installation manages the object.
pub(crate) fn is_managed_elsewhere<K: TenantObject>(object: &K, context: &Context) -> bool {
    names_other_installation(installation(object).as_deref(), context)
}

/// Returns whether this names an installation other than this one.
pub(crate) fn names_other_installation(named: Option<&str>, context: &Context) -> bool {
    named.is_some_and(|named| named != context.installation)
}

/// Records this installation on an object that has a tenant or may have one, before anything is written there. A new
/// object is recorded by its first write, which is its intent or its status. `now` is the time by which the caller also
/// judges a pause: a pause that ends in between must not let the caller write without a claim.
///
/// # Errors
/// If the object has changed meanwhile, perhaps by another installation, or cannot be written.
pub(crate) async fn claim_object<K: TenantObject>(
    object: &mut Arc<K>,
    now: Timestamp,
    context: &Context,
) -> Result<(), PassStop> {
    let recorded = recorded_installation(object.as_ref());
    let is_new = recorded.is_none() && !has_finalizer(object.as_ref()) && unique_id(object.as_ref()).is_none();
    let is_ours = recorded.as_ref() == Some(&context.installation);
    // For a paused object every installation reports the same.
    if is_new || is_ours || active_pause(object.as_ref(), now).is_some() {
        return Ok(());
    }
    let mut status = object.status().cloned().unwrap_or_default();
    status.operator = Some(context.installation.clone());
    match write_if_unchanged(object.as_ref(), &status, context).await {
        Ok(written) => *object = written,
        // The definitions of an earlier release have no field for this record, and that release had no record either.
        Err(error) if is_undeclared_field(&error) => return Ok(()),
        Err(error) => return Err(error.into()),
    }
    if recorded.is_some() {
        // A create of the former installation may have waited for its slot as long as a pass may take.
        let most = context.settings.pass_timeout.saturating_add(context.settings.request_timeout);
        let now = context.claim.process_time();
        K::kind_state(context).with_memory(object, |memory| memory.create_guard.record_unanswered_create(now, most));
    }
    Ok(())
}

/// Leaves an object to the installation that it names, and reports that by an event.
pub(crate) fn report_other_installation<K: TenantObject>(object: &K, context: &Context) -> (Action, &'static str) {
    let reason = Reason::ManagedElsewhere;
    let is_reported = K::kind_state(context).with_memory(object, |memory| {
        let is_reported = memory.other_installation_reported_at.is_some_and(|told| told.elapsed() < REPORT_INTERVAL);
        if !is_reported {
            memory.other_installation_reported_at = Some(Instant::now());
        }
        is_reported
    });
    if !is_reported {
        let message = other_installation_message(&installation(object).unwrap_or_default(), &context.installation);
        tracing::warn!(kind = K::KIND.name(), object = namespaced_name(object), "{message}");
        context.events.publish(object, reason, &message);
    }
    (Action::requeue(REPORT_INTERVAL), reason.name())
}

fn other_installation_message(named: &str, own: &str) -> String {
    format!(
        "the object names the installation `{named}` of the operator, so `{own}` writes nothing to it or its tenant: let only one of them look into this namespace, or, to move the object here, annotate it with `{OPERATOR}: {own}`"
    )
}
