//! Letting an object go: the finalizer, and the words.

use std::sync::Arc;

use kube::ResourceExt;
use kube::api::{Api, Patch, PatchParams};
use serde_json::json;

use super::home;
use crate::api::FINALIZER;
use crate::operator::context::Context;
use crate::operator::error::Stop;
use crate::operator::object::{TenantObject, namespace, place};
use crate::operator::status::{Facts, publish};
use crate::operator::{FIELD_MANAGER, wake};
use crate::plan::{Going, Outcome, Release};

/// Takes our finalizer off, and nobody else's.
pub(super) async fn let_go<K: TenantObject>(
    object: &Arc<K>,
    (release, going): (&Release, &Going),
    context: &Context,
) -> Result<(), Stop> {
    let Release { reason, message } = release;
    let is_whole = matches!(going, Going::Namespace | Going::Definition);
    let object = if is_whole {
        // No event can be written beside an object whose namespace goes: its last status says it.
        publish(object, &Outcome::Leaving(*reason, message.clone()), &Facts::default(), context).await
    } else {
        Arc::clone(object)
    };
    let object = object.as_ref();
    let finalizers: Vec<&String> = object.finalizers().iter().filter(|one| *one != FINALIZER).collect();
    let patch = json!({"metadata": {
        "uid": object.uid(), "resourceVersion": object.resource_version(), "finalizers": finalizers,
    }});
    let api = Api::<K>::namespaced(context.client.clone(), &namespace(object));
    let params = PatchParams { field_manager: Some(FIELD_MANAGER.to_owned()), ..PatchParams::default() };
    api.patch_metadata(&object.name_any(), &params, &Patch::Merge(&patch)).await?;
    tracing::info!(kind = K::KIND.name(), object = place(object), reason = reason.name(), message, "released");
    if is_whole {
        context.events.publish_at_home(home(context), object, (*reason, message));
    } else {
        context.events.publish(object, *reason, message);
    }
    wake::parent_of(object, context);
    Ok(())
}
