//! What the operator keeps for each kind, on top of what an object is.

use super::context::{Context, Room};
use crate::api::{Partner, TenantClient};
pub(crate) use crate::object::{
    Object, Parent, asked_adoption, deletion_policy, drift_policy, image_keys, installation, intent, is_deleting,
    is_held, is_settled, mark, mode, namespace, pause, place, recorded_installation, secret_keys, uid, unique_id,
};

/// An object whose passes the operator makes.
pub(crate) trait TenantObject: Object {
    /// Watches, queue and memory of the kind.
    fn room(context: &Context) -> &Room<Self>;
}

impl TenantObject for Partner {
    fn room(context: &Context) -> &Room<Self> {
        &context.partners
    }
}

impl TenantObject for TenantClient {
    fn room(context: &Context) -> &Room<Self> {
        &context.clients
    }
}

/// The object as a Partner, where it is one.
pub(crate) fn as_partner<K: TenantObject>(object: &K) -> Option<&Partner> {
    (object as &dyn std::any::Any).downcast_ref::<Partner>()
}
