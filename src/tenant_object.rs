//! What the operator keeps for each kind, in addition to `TenantResource`.

use tenantry_api::{Partner, TenantClient};

use super::context::{Context, KindState};
pub(crate) use tenantry_core::object::{
    ParentRef, TenantResource, active_pause, deletion_policy, drift_policy, has_finalizer, image_references,
    installation, intent, is_deleting, is_status_current, management_mode, mark_of, namespace, namespaced_name,
    recorded_installation, requested_adoption, secret_references, uid, unique_id,
};

/// An object that the operator reconciles.
pub(crate) trait TenantObject: TenantResource {
    /// Returns store, queue and memory of the kind.
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

/// Returns the object as a Partner, if it is one.
pub(crate) fn as_partner<K: TenantObject>(object: &K) -> Option<&Partner> {
    (object as &dyn std::any::Any).downcast_ref::<Partner>()
}
