//! A status that the API server refuses for good is written in a reduced form. Conditions, ids and the record of a
//! termination are never lost because a list is too long.

use std::sync::Arc;

use tenantry_api::{AppliedSettings, ConditionType, Reason, TenantStatus};
use tenantry_core::{ConditionStatus, Digest};

use super::write_despite_conflicts;
use crate::context::Context;
use crate::metrics::StatusWriteFailure;
use crate::pass_stop::{api_error_message, is_undeclared_field};
use crate::tenant_object::TenantObject;

/// Writes status. If the API server refuses it for good, writes a reduced status with the API server's message.
pub(super) async fn write_status<K: TenantObject>(
    object: &K,
    before: &TenantStatus,
    after: &TenantStatus,
    context: &Context,
) -> Result<Arc<K>, kube::Error> {
    let kind_state = K::kind_state(context);
    let digest = status_digest(after);
    // The same status would be refused again, and the request would be wasted.
    if kind_state.with_memory(object, |memory| memory.refused_status.as_ref() == Some(&digest))
        && let Some(said) = former_refusal(before)
    {
        let least = reduced_status(FormerStatus::Kept, before, after, &said);
        if object.status() == Some(&least) {
            return Ok(kind_state.newest_version(Arc::new(object.clone())));
        }
        return write_reduced(object, before, after, &said, context).await;
    }
    let written = write_despite_conflicts(object, after, context).await;
    let refusal = match written {
        Err(error) if is_permanent_refusal(&error) => error,
        Err(error) => {
            // An object that was changed or removed meanwhile belongs to another pass.
            if !matches!(&error, kube::Error::Api(status) if status.is_conflict() || status.is_not_found()) {
                context.metrics.count_failed_status_write(K::KIND, StatusWriteFailure::Failed);
            }
            return Err(error);
        }
        Ok(written) => {
            kind_state.with_memory(object, |memory| memory.refused_status = None);
            return Ok(written);
        }
    };
    context.metrics.count_failed_status_write(K::KIND, StatusWriteFailure::Refused);
    let message = api_error_message(&refusal);
    tracing::warn!(
        object = crate::tenant_object::namespaced_name(object),
        error = message,
        "the whole status was refused"
    );
    context.events.publish(object, Reason::StatusIncomplete, &incomplete_message(&message));
    kind_state.with_memory(object, |memory| memory.refused_status = Some(digest));
    write_reduced(object, before, after, &incomplete_message(&message), context).await
}

/// Returns whether the API server would refuse the same status again.
fn is_permanent_refusal(error: &kube::Error) -> bool {
    let kube::Error::Api(status) = error else { return false };
    matches!(status.code, 400 | 413 | 422) || status.message.contains("too large") || is_undeclared_field(error)
}

fn incomplete_message(message: &str) -> String {
    let said: String = message.chars().take(500).collect();
    format!(
        "the API server refused the whole status, so settings and differences are not shown ({said}): see that the resource definitions are those of this release, or shorten the longest settings"
    )
}

/// Returns the message with which an earlier refusal was reported.
fn former_refusal(before: &TenantStatus) -> Option<String> {
    let known = before.conditions.iter().find(|one| one.reason == Reason::StatusIncomplete.name());
    known.map(|one| one.message.clone())
}

/// How much of the previous status is kept. The API server accepted it once.
#[derive(Clone, Copy, PartialEq, Eq)]
enum FormerStatus {
    /// All of it.
    Kept,
    /// Nothing that can be long.
    Dropped,
}

async fn write_reduced<K: TenantObject>(
    object: &K,
    before: &TenantStatus,
    after: &TenantStatus,
    message: &str,
    context: &Context,
) -> Result<Arc<K>, kube::Error> {
    match write_despite_conflicts(object, &reduced_status(FormerStatus::Kept, before, after, message), context).await {
        Err(error) if is_permanent_refusal(&error) => {
            write_despite_conflicts(object, &reduced_status(FormerStatus::Dropped, before, after, message), context)
                .await
        }
        written => written,
    }
}

/// Reduces a status to its essential members.
fn reduced_status(kept: FormerStatus, before: &TenantStatus, after: &TenantStatus, message: &str) -> TenantStatus {
    let own = without_read_members(after.clone());
    let former = if kept == FormerStatus::Kept { before.clone() } else { TenantStatus::default() };
    let mut least = TenantStatus {
        observed_generation: own.observed_generation,
        operator: own.operator,
        unique_id: own.unique_id,
        connection: own.connection,
        phase: own.phase,
        termination: own.termination,
        applied: own.applied.map(|applied| AppliedSettings { revision: None, ..applied }),
        clients: own.clients,
        last_handled_reconcile_at: own.last_handled_reconcile_at,
        conditions: own.conditions,
        ..former
    };
    let old = before.conditions.iter().find(|one| one.type_ == ConditionType::InSync.name());
    for condition in least.conditions.iter_mut().filter(|one| one.type_ == ConditionType::InSync.name()) {
        ConditionStatus::Unknown.name().clone_into(&mut condition.status);
        Reason::StatusIncomplete.name().clone_into(&mut condition.reason);
        message.clone_into(&mut condition.message);
        if let Some(old) = old.filter(|old| old.status == ConditionStatus::Unknown.name()) {
            condition.last_transition_time = old.last_transition_time.clone();
        }
    }
    least
}

/// Returns the digest of a status without its conditions, whose times differ.
fn status_digest(status: &TenantStatus) -> Digest {
    let status = TenantStatus { conditions: Vec::new(), ..status.clone() };
    Digest::of_bytes(serde_json::to_string(&status).unwrap_or_default().as_bytes())
}

/// Removes the details of a tenant that this object may not show.
pub(super) fn without_tenant_details(after: TenantStatus) -> TenantStatus {
    TenantStatus { applied: None, clients: None, ..without_read_members(after) }
}

/// Removes what was read of the tenant. The status is destructured in full, so that a new member does not compile until
/// it is assigned to one side.
fn without_read_members(status: TenantStatus) -> TenantStatus {
    let TenantStatus {
        observed_generation,
        operator,
        unique_id,
        account_id: _,
        url: _,
        api_endpoint: _,
        created_time: _,
        phase,
        effective,
        modules: _,
        unavailable: _,
        plan: _,
        drift: _,
        unsupported: _,
        no_longer_managed: _,
        image_advice: _,
        unknown: _,
        connection,
        termination,
        applied,
        clients,
        last_handled_reconcile_at,
        conditions,
    } = status;
    TenantStatus {
        observed_generation,
        operator,
        unique_id,
        phase,
        effective,
        connection,
        termination,
        applied,
        clients,
        last_handled_reconcile_at,
        conditions,
        ..TenantStatus::default()
    }
}
