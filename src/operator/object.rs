//! What the operator keeps for each kind, on top of what an object is.

use super::context::{Context, KindState};
use crate::api::{Partner, TenantClient};
pub(crate) use crate::object::{
    ParentRef, TenantResource, active_pause, deletion_policy, drift_policy, has_finalizer, image_references,
    installation, intent, is_deleting, is_status_current, management_mode, mark_of, namespace, namespaced_name,
    recorded_installation, requested_adoption, secret_references, uid, unique_id,
};

/// An object whose passes the operator makes.
pub(crate) trait TenantObject: TenantResource {
    /// Watches, queue and memory of the kind.
    fn kind_state(context: &Context) -> &KindState<Self>;
}

impl TenantObject for Partner {
    fn kind_state(context: &Context) -> &KindState<Self> {
        &context.partners
    }
}

impl TenantObject for TenantClient {
    fn kind_state(context: &Context) -> &KindState<Self> {
        &context.clients
    }
}

/// The object as a Partner, where it is one.
pub(crate) fn as_partner<K: TenantObject>(object: &K) -> Option<&Partner> {
    (object as &dyn std::any::Any).downcast_ref::<Partner>()
}
