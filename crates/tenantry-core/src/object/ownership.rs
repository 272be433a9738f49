//! Checks whether a tenant belongs to an object. Pure.

use tenantry_api::Reason;
use tenantry_wire::Mark;

use super::{TenantResource, has_finalizer, intent, unique_id};
use crate::{Intent, ObservedMark, ObservedTenant, PassOutcome, other_cluster_message};

/// Relation between an object and the tenant whose id its status records.
pub struct RecordedOwnership {
    /// An earlier object at the same place created the tenant.
    pub is_reattached: bool,
    /// The object has the finalizer and the intent.
    pub has_intent: bool,
}

/// Checks that the recorded tenant belongs to the object. `is_unmarked` means that the tenant has no mark although the
/// platform can store one.
///
/// # Errors
///
/// Returns why the tenant does not belong to the object.
pub fn check_recorded_tenant<K: TenantResource>(
    object: &K,
    observed: &ObservedTenant,
    is_unmarked: bool,
    ours: &Mark,
) -> Result<RecordedOwnership, PassOutcome> {
    let id = observed.unique_id.as_str();
    ensure_not_foreign(object, observed, ours)?;
    let is_same_place = observed.mark.is_same_place(ours);
    let noted = intent_with_finalizer(object);
    let is_noted = noted.as_ref().is_some_and(|intent| intent.adopted.as_deref() == Some(id));
    if !is_same_place && !is_noted && (noted.is_none() || is_unmarked) {
        // An id that was only observed, or that somebody wrote into status, proves nothing.
        return Err(PassOutcome::Refused(
            Reason::NotAdopted,
            format!(
                "tenant `{id}` was not created by this object: set `adoption: {{policy: IfIdentical, uniqueId: {id}}}` to take it over"
            ),
        ));
    }
    Ok(RecordedOwnership {
        is_reattached: is_same_place && !observed.mark.is_exactly(ours),
        has_intent: noted.is_some(),
    })
}

/// Returns whether the adoption that the object requests is already complete.
pub fn is_adoption_recorded<K: TenantResource>(object: &K, observed: &ObservedTenant, ours: &Mark) -> bool {
    intent_with_finalizer(object)
        .is_some_and(|intent| intent.adopted.as_ref() == Some(&observed.unique_id) || observed.mark.is_exactly(ours))
}

/// Returns the intent of an object that has our finalizer.
fn intent_with_finalizer<K: TenantResource>(object: &K) -> Option<Intent> {
    intent(object).filter(|_| has_finalizer(object))
}

/// Returns the outcome for a tenant that no longer exists. "Not found" is a state and never a reason to create the
/// tenant again.
pub fn tenant_missing_outcome(id: &str) -> PassOutcome {
    PassOutcome::Refused(
        Reason::TenantMissing,
        format!(
            "tenant `{id}` is no longer on the platform and is never created again: delete this object, and create it anew if a new tenant is wanted"
        ),
    )
}

/// Returns the outcome for a tenant that an object requests to adopt or observe and that was never found.
pub fn adoption_target_missing_outcome<K: TenantResource>(object: &K, id: &str) -> PassOutcome {
    let was_known = unique_id(object) == Some(id)
        || intent_with_finalizer(object).is_some_and(|it| it.adopted.as_deref() == Some(id));
    if was_known {
        return tenant_missing_outcome(id);
    }
    PassOutcome::Refused(
        Reason::AdoptionTargetNotFound,
        format!(
            "no living tenant `{id}` is found under this object's parent: correct `adoption.uniqueId`; `kubectl tenantry unmanaged` lists the tenants that no object declares"
        ),
    )
}

/// Returns the outcome for an object that has handed its tenant over.
pub fn tenant_handed_over_outcome<K: TenantResource>(object: &K, id: &str) -> PassOutcome {
    let to = super::hand_over_target(object).map(|(space, name)| format!("{space}/{name}")).unwrap_or_default();
    PassOutcome::Refused(
        Reason::HandedOver,
        format!(
            "tenant `{id}` was handed over to `{to}`, so nothing is written to it: delete this object, which leaves the tenant alone"
        ),
    )
}

/// Refuses a tenant that another object owns.
///
/// # Errors
///
/// Returns whether the tenant was handed over. The message names no other object: a reader of this object must not
/// learn from it what other namespaces contain.
pub fn ensure_not_foreign<K: TenantResource>(
    object: &K,
    observed: &ObservedTenant,
    ours: &Mark,
) -> Result<(), PassOutcome> {
    let id = observed.unique_id.as_str();
    let is_of_this_cluster = match &observed.mark {
        seen if seen.is_same_place(ours) => return Ok(()),
        ObservedMark::None | ObservedMark::Occupied | ObservedMark::Unreadable => return Ok(()),
        ObservedMark::Full(owner) => owner.cluster == ours.cluster,
        ObservedMark::Short(_) => false,
    };
    if object.hand_over().is_some() {
        return Err(tenant_handed_over_outcome(object, id));
    }
    let message = if is_of_this_cluster {
        let Mark { namespace, name, .. } = ours;
        format!(
            "tenant `{id}` belongs to another object of this cluster: to have it here its owner must set `handOver: {{namespace: {namespace}, name: {name}}}` there, and this object `adoption` with `uniqueId: {id}`"
        )
    } else {
        other_cluster_message(id)
    };
    Err(PassOutcome::Refused(Reason::OwnedElsewhere, message))
}
