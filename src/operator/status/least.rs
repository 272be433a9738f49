//! A status that the API server refuses for good is written without what it may dislike: conditions, ids and the record
//! of a termination are never lost with a list that is too long.

use std::sync::Arc;

use super::write_anyway;
use crate::api::{AppliedSettings, ConditionType, Reason, TenantStatus};
use crate::operator::context::Context;
use crate::operator::error::{is_undeclared, sentence};
use crate::operator::metrics::NotWritten;
use crate::operator::object::TenantObject;
use crate::plan::{Digest, Truth};

/// Writes status; where the API server refuses it for good, the least of it with what it said.
pub(super) async fn write<K: TenantObject>(
    object: &K,
    (before, after): (&TenantStatus, &TenantStatus),
    context: &Context,
) -> Result<Arc<K>, kube::Error> {
    let room = K::room(context);
    let digest = digest_of(after);
    // The same status is refused again: asking each time would be a request for nothing.
    if room.remember(object, |memory| memory.refused_status.as_ref() == Some(&digest))
        && let Some(said) = said_before(before)
    {
        let least = least(Kept::Former, (before, after), &said);
        if object.status() == Some(&least) {
            return Ok(room.current(Arc::new(object.clone())));
        }
        return write_least(object, (before, after), &said, context).await;
    }
    let written = write_anyway(object, after, context).await;
    let refusal = match written {
        Err(error) if is_permanent(&error) => error,
        Err(error) => {
            // One that has changed or gone meanwhile is another pass's.
            if !matches!(&error, kube::Error::Api(status) if status.is_conflict() || status.is_not_found()) {
                context.metrics.status_not_written(K::KIND, NotWritten::Failed);
            }
            return Err(error);
        }
        Ok(written) => {
            room.remember(object, |memory| memory.refused_status = None);
            return Ok(written);
        }
    };
    context.metrics.status_not_written(K::KIND, NotWritten::Refused);
    let said = sentence(&refusal);
    tracing::warn!(object = crate::operator::object::place(object), error = said, "the whole status was refused");
    context.events.publish(object, Reason::StatusIncomplete, &message(&said));
    room.remember(object, |memory| memory.refused_status = Some(digest));
    write_least(object, (before, after), &message(&said), context).await
}

/// Whether the API server would refuse the very same status again.
fn is_permanent(error: &kube::Error) -> bool {
    let kube::Error::Api(status) = error else { return false };
    matches!(status.code, 400 | 413 | 422) || status.message.contains("too large") || is_undeclared(error)
}

fn message(said: &str) -> String {
    let said: String = said.chars().take(500).collect();
    format!(
        "the API server refused the whole status, so settings and differences are not shown ({said}): see that the resource definitions are those of this release, or shorten the longest settings"
    )
}

/// What an earlier refusal was reported with.
fn said_before(before: &TenantStatus) -> Option<String> {
    let known = before.conditions.iter().find(|one| one.reason == Reason::StatusIncomplete.name());
    known.map(|one| one.message.clone())
}

/// How much of the status before the refusal is kept, which the API server has taken once.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kept {
    /// All of it.
    Former,
    /// Nothing that can be long.
    Nothing,
}

async fn write_least<K: TenantObject>(
    object: &K,
    (before, after): (&TenantStatus, &TenantStatus),
    said: &str,
    context: &Context,
) -> Result<Arc<K>, kube::Error> {
    match write_anyway(object, &least(Kept::Former, (before, after), said), context).await {
        Err(error) if is_permanent(&error) => {
            write_anyway(object, &least(Kept::Nothing, (before, after), said), context).await
        }
        written => written,
    }
}

/// The least of a status.
fn least(kept: Kept, (before, after): (&TenantStatus, &TenantStatus), said: &str) -> TenantStatus {
    let own = without_what_was_read(after.clone());
    let former = if kept == Kept::Former { before.clone() } else { TenantStatus::default() };
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
        Truth::Unknown.name().clone_into(&mut condition.status);
        Reason::StatusIncomplete.name().clone_into(&mut condition.reason);
        said.clone_into(&mut condition.message);
        if let Some(old) = old.filter(|old| old.status == Truth::Unknown.name()) {
            condition.last_transition_time = old.last_transition_time.clone();
        }
    }
    least
}

/// Digest of a status but for its conditions, whose times differ.
fn digest_of(status: &TenantStatus) -> Digest {
    let status = TenantStatus { conditions: Vec::new(), ..status.clone() };
    Digest::of(serde_json::to_string(&status).unwrap_or_default().as_bytes())
}

/// Drops what was read of a tenant that this object may not show.
pub(super) fn unshown(after: TenantStatus) -> TenantStatus {
    TenantStatus { applied: None, clients: None, ..without_what_was_read(after) }
}

/// A status without what was read of the tenant. It is destructured whole, so that a new member does not compile until it is
/// on one side.
fn without_what_was_read(status: TenantStatus) -> TenantStatus {
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
