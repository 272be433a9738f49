//! Whether a tenant is an object's own. Pure.

use super::{Object, intent, is_held, unique_id};
use crate::api::Reason;
use crate::plan::{Intent, MarkSeen, Observed, Outcome, owned_in_another_cluster};
use crate::wire::Mark;

/// How an object stands to the tenant whose id its status records.
pub(crate) struct Recorded {
    /// An earlier object of the same place made the tenant.
    pub(crate) is_reattached: bool,
    /// Finalizer and intent are on the object.
    pub(crate) has_intent: bool,
}

/// Whether the tenant of an id that status records is the object's; `is_unmarked` says that it has no mark although the
/// platform has a place for one.
///
/// # Errors
/// Why it is not.
pub(crate) fn recorded<K: Object>(
    object: &K,
    (observed, is_unmarked): (&Observed, bool),
    ours: &Mark,
) -> Result<Recorded, Outcome> {
    let id = observed.unique_id.as_str();
    refuse_foreign(object, observed, ours)?;
    let is_same_place = observed.mark.is_same_place(ours);
    let noted = noted(object);
    let is_noted = noted.as_ref().is_some_and(|intent| intent.adopted.as_deref() == Some(id));
    if !is_same_place && !is_noted && (noted.is_none() || is_unmarked) {
        // An id that was only observed, or that somebody wrote into status, proves nothing.
        return Err(Outcome::Refused(
            Reason::NotAdopted,
            format!(
                "tenant `{id}` was not created by this object: set `adoption: {{policy: IfIdentical, uniqueId: {id}}}` to take it over"
            ),
        ));
    }
    Ok(Recorded { is_reattached: is_same_place && !observed.mark.is(ours), has_intent: noted.is_some() })
}

/// Whether the adoption that the object asks for has happened already.
pub(crate) fn is_noted<K: Object>(object: &K, observed: &Observed, ours: &Mark) -> bool {
    noted(object).is_some_and(|intent| intent.adopted.as_ref() == Some(&observed.unique_id) || observed.mark.is(ours))
}

/// The intent of an object that our finalizer holds.
fn noted<K: Object>(object: &K) -> Option<Intent> {
    intent(object).filter(|_| is_held(object))
}

/// A tenant that is no longer there. "Not found" is a state and never a reason to create again.
pub(crate) fn missing(id: &str) -> Outcome {
    Outcome::Refused(
        Reason::TenantMissing,
        format!(
            "tenant `{id}` is no longer on the platform and is never created again: delete this object, and create it anew if a new tenant is wanted"
        ),
    )
}

/// A tenant that an object asks to take over, or to observe, and that was never found.
pub(crate) fn never_found<K: Object>(object: &K, id: &str) -> Outcome {
    let was_known = unique_id(object) == Some(id) || noted(object).is_some_and(|it| it.adopted.as_deref() == Some(id));
    if was_known {
        return missing(id);
    }
    Outcome::Refused(
        Reason::AdoptionTargetNotFound,
        format!(
            "no living tenant `{id}` is found under this object's parent: correct `adoption.uniqueId`; `kubectl tenantry unmanaged` lists the tenants that no object declares"
        ),
    )
}

/// The tenant of an object that handed it over.
pub(crate) fn handed_over<K: Object>(object: &K, id: &str) -> Outcome {
    let to = super::receiver(object).map(|(space, name)| format!("{space}/{name}")).unwrap_or_default();
    Outcome::Refused(
        Reason::HandedOver,
        format!(
            "tenant `{id}` was handed over to `{to}`, so nothing is written to it: delete this object, which leaves the tenant alone"
        ),
    )
}

/// Refuses a tenant that another object owns.
///
/// # Errors
/// Whether it was handed over. The message names no other object: a reader of this one must not learn from it what other
/// namespaces hold.
pub(crate) fn refuse_foreign<K: Object>(object: &K, observed: &Observed, ours: &Mark) -> Result<(), Outcome> {
    let id = observed.unique_id.as_str();
    let is_of_this_cluster = match &observed.mark {
        seen if seen.is_same_place(ours) => return Ok(()),
        MarkSeen::None | MarkSeen::Occupied | MarkSeen::Unreadable => return Ok(()),
        MarkSeen::Whole(owner) => owner.cluster == ours.cluster,
        MarkSeen::Short(_) => false,
    };
    if object.hand_over().is_some() {
        return Err(handed_over(object, id));
    }
    let message = if is_of_this_cluster {
        let Mark { namespace, name, .. } = ours;
        format!(
            "tenant `{id}` belongs to another object of this cluster: to have it here its owner must set `handOver: {{namespace: {namespace}, name: {name}}}` there, and this object `adoption` with `uniqueId: {id}`"
        )
    } else {
        owned_in_another_cluster(id)
    };
    Err(Outcome::Refused(Reason::OwnedElsewhere, message))
}
