//! Releases an object: removes the finalizer, and publishes why.

use std::sync::Arc;

use tenantry_client::current_trace;
use tenantry_core::{ContainerDeletion, FinalizerRelease, PassOutcome};

use super::operator_namespace;
use crate::context::Context;
use crate::enqueue_related;
use crate::finalizer::remove_finalizer;
use crate::pass_stop::PassStop;
use crate::status::{PassResult, publish_status};
use crate::tenant_object::{TenantObject, namespaced_name};

/// Removes our finalizer, and nobody else's.
pub(super) async fn release_object<K: TenantObject>(
    object: &Arc<K>,
    (release, going): (&FinalizerRelease, &ContainerDeletion),
    context: &Context,
) -> Result<(), PassStop> {
    let FinalizerRelease { reason, message } = release;
    let is_whole = matches!(going, ContainerDeletion::Namespace | ContainerDeletion::Definition);
    let object = if is_whole {
        // No event can be created in a namespace that is being deleted, so the last status carries the message.
        publish_status(object, &PassOutcome::Releasing(*reason, message.clone()), &PassResult::default(), context).await
    } else {
        Arc::clone(object)
    };
    let object = object.as_ref();
    remove_finalizer(object, context).await?;
    context.metrics.count_release(K::KIND, *reason);
    let trace = current_trace().id;
    tracing::info!(
        trace,
        kind = K::KIND.name(),
        object = namespaced_name(object),
        reason = reason.name(),
        why = message,
        "released"
    );
    if is_whole {
        context.events.publish_in_operator_namespace(operator_namespace(context), object, *reason, message);
    } else {
        context.events.publish(object, *reason, message);
    }
    enqueue_related::enqueue_deleting_partner(object, context);
    Ok(())
}
