//! Stage 3: finds the object's tenant, and checks whether the object may own it.

use std::sync::Arc;

use tenantry_api::Adoption;
use tenantry_client::{
    CallError, ListFreshness, Lookup, load_image_digests, lookup_tenant, needs_branding, writes_images_it_cannot_load,
};
use tenantry_core::object::{
    RecordedOwnership, ensure_not_foreign, ensure_not_handed_over, ensure_partner_not_deleting,
    ensure_partner_not_suspended, is_adoption_recorded, other_namespace_outcome,
};
use tenantry_core::{
    DesiredTenant, ObservedMark, ObservedTenant, OwnerStatus, Ownership, PassOutcome, TenantKind, check_adoption, diff,
};

use super::super::apply_plan::stop_for_error;
use super::super::context::Context;
use super::super::create_intent::{adopt_lock_key, create_lock_key, declare_intent, take_over_intent, write_intent};
use super::super::finalizer::remove_finalizer_and_intent;
use super::super::pass_stop::PassStop;
use super::super::resolve_references::TenantReferences;
use super::super::status::PassResult;
use super::super::tenant_object::{TenantObject, has_finalizer, intent, mark_of, requested_adoption, unique_id};
use super::find_owner::{self, ClusterOwnerQuery};
use super::readback::not_found_outcome;

/// Returns the tenant, or `None` where one has to be created.
pub(super) async fn find_tenant<K: TenantObject>(
    object: &mut Arc<K>,
    (referenced, desired): (&TenantReferences, &DesiredTenant),
    (context, facts): (&Context, &mut PassResult),
) -> Result<Option<ObservedTenant>, PassStop> {
    if let Some(adoption) = requested_adoption(object.as_ref()).cloned() {
        return adopt_tenant(object, &adoption, referenced, desired, context, facts).await.map(Some);
    }
    if let Some(id) = unique_id(object.as_ref()).map(str::to_owned) {
        return read_recorded_tenant(object, &id, referenced, desired, context, facts).await.map(Some);
    }
    find_before_create(object, referenced, desired, context, facts).await
}

/// Reads a tenant that is only observed: no finalizer, no intent, no mark.
pub(super) async fn observe_tenant<K: TenantObject>(
    object: &mut Arc<K>,
    (referenced, desired): (&TenantReferences, &DesiredTenant),
    (context, facts): (&Context, &mut PassResult),
) -> Result<ObservedTenant, PassStop> {
    if has_finalizer(object.as_ref()) {
        *object = remove_finalizer_and_intent(object.as_ref(), context).await?;
    }
    let id = object.adoption().and_then(|adoption| adoption.unique_id.clone()).unwrap_or_default();
    let observed = read_tenant(object.as_ref(), &id, referenced, desired, context, facts).await?;
    let ours = mark_of(object.as_ref(), &context.cluster);
    let asking = ClusterOwnerQuery { observed: &observed, ours: &ours, take_from: None, referenced };
    if asking.is_owned_by_other_namespace::<K>(context).await {
        return Err(other_namespace_outcome(&id).into());
    }
    Ok(observed)
}

/// Reads the tenant whose id status records.
async fn read_recorded_tenant<K: TenantObject>(
    object: &mut Arc<K>,
    id: &str,
    referenced: &TenantReferences,
    desired: &DesiredTenant,
    context: &Context,
    pass_result: &mut PassResult,
) -> Result<ObservedTenant, PassStop> {
    let observed = read_tenant(object.as_ref(), id, referenced, desired, context, pass_result).await?;
    find_owner::stop_if_handed_over(object.as_ref(), &observed, context).await?;
    // A tenant that we create carries our mark from the start, where the platform has a field for it.
    let is_unmarked = observed.mark == ObservedMark::None && supports_marks(referenced, context, K::KIND).await?;
    let ours = mark_of(object.as_ref(), &context.cluster);
    let RecordedOwnership { is_reattached, has_intent } =
        tenantry_core::object::check_recorded_tenant(object.as_ref(), &observed, is_unmarked, &ours)?;
    if !has_intent {
        // `kubectl replace` drops finalizer and intent and keeps status: that does not make it a new tenant.
        *object = write_intent(Arc::clone(object), &referenced.place, None, context).await?;
    }
    pass_result.is_reattached = is_reattached;
    Ok(observed)
}

/// Returns whether the platform has a field for marks, so that a tenant without one is not ours.
async fn supports_marks(referenced: &TenantReferences, context: &Context, kind: TenantKind) -> Result<bool, PassStop> {
    let platform = &referenced.platform;
    platform.has_extensions().await.map_err(|error| stop_for_error(kind, &error, platform, context))
}

/// Returns the tenant to adopt. Adoption happens once and is recorded in the intent.
async fn adopt_tenant<K: TenantObject>(
    object: &mut Arc<K>,
    adoption: &Adoption,
    referenced: &TenantReferences,
    desired: &DesiredTenant,
    context: &Context,
    pass_result: &mut PassResult,
) -> Result<ObservedTenant, PassStop> {
    let id = adoption.unique_id.clone().unwrap_or_default();
    let lock_guard = context.create_lock(adopt_lock_key(&referenced.place, &id)).lock_owned().await;
    let observed = read_tenant(object.as_ref(), &id, referenced, desired, context, pass_result).await?;
    let ours = mark_of(object.as_ref(), &context.cluster);
    find_owner::stop_if_handed_over(object.as_ref(), &observed, context).await?;
    let is_noted = is_adoption_recorded(object.as_ref(), &observed, &ours);
    if is_noted && !observed.mark.is_foreign(&ours) {
        pass_result.is_reattached = observed.mark.is_same_place(&ours) && !observed.mark.is_exactly(&ours);
        return Ok(observed);
    }
    let asking =
        ClusterOwnerQuery { observed: &observed, ours: &ours, take_from: adoption.take_from.as_deref(), referenced };
    let owner = asking.find_owner::<K>(context).await;
    // An object that has adopted the tenant once gets it back from another owner only by a hand-over.
    if object.hand_over().is_some() || is_noted && owner != OwnerStatus::HandsOver {
        ensure_not_foreign(object.as_ref(), &observed, &ours)?;
    }
    let plan = diff(desired, Some(&observed), pass_result.former_writes());
    let ownership = Ownership { observed_mark: &observed.mark, owner };
    check_adoption(adoption, &ours, ownership, &plan)
        .map_err(|(reason, message)| PassStop::from(PassOutcome::Refused(reason, message)))?;
    // Under a suspended Partner the platform accepts no mark, so nothing is recorded and reported yet.
    ensure_partner_not_suspended(referenced.partner.as_deref())?;
    if !is_noted {
        *object = write_intent(Arc::clone(object), &referenced.place, Some(id.clone()), context).await?;
    }
    pass_result.unique_id = Some(id);
    pass_result.is_adopted = true;
    // Held until the mark is written, so that the next object reads it.
    pass_result.create_lock = Some(lock_guard);
    Ok(observed)
}

/// Searches for the tenant before a create: finalizer and intent are written first, and a create follows only after the
/// search.
async fn find_before_create<K: TenantObject>(
    object: &mut Arc<K>,
    referenced: &TenantReferences,
    desired: &DesiredTenant,
    context: &Context,
    pass_result: &mut PassResult,
) -> Result<Option<ObservedTenant>, PassStop> {
    let TenantReferences { platform, place, partner, .. } = referenced;
    if intent(object.as_ref()).is_none() {
        ensure_not_handed_over(object.as_ref())?;
    }
    let declared = declare_intent(Arc::clone(object), place, context).await?;
    *object = Arc::clone(&declared.object);
    let lock = context.create_lock(create_lock_key(place, object.declared_name()));
    let lock_guard = lock.lock_owned().await;
    let looked_up_at = context.claim.process_time();
    let mut found = lookup_tenant(object.as_ref(), platform, place, declared.freshness, &context.cluster).await?;
    if matches!(found, Lookup::NotFound) {
        let (taken, is_anew) = take_over_intent(declared.object, place, looked_up_at, context).await?;
        *object = taken;
        if is_anew {
            found = lookup_tenant(object.as_ref(), platform, place, ListFreshness::Current, &context.cluster).await?;
        }
    }
    let id = match found {
        Lookup::NotFound => {
            ensure_not_handed_over(object.as_ref())?;
            ensure_partner_not_deleting(partner.as_deref())?;
            pass_result.create_lock = Some(lock_guard);
            return Ok(None);
        }
        Lookup::Owned(id) => id,
        Lookup::Reattach(id) => {
            pass_result.is_reattached = true;
            id
        }
    };
    pass_result.unique_id = Some(id.clone());
    let observed = read_tenant(object.as_ref(), &id, referenced, desired, context, pass_result).await?;
    ensure_not_foreign(object.as_ref(), &observed, &mark_of(object.as_ref(), &context.cluster))?;
    Ok(Some(observed))
}

/// Reads an existing tenant by its id. "Not found" is a state and never a reason to create again.
async fn read_tenant<K: TenantObject>(
    object: &K,
    id: &str,
    referenced: &TenantReferences,
    desired: &DesiredTenant,
    context: &Context,
    pass_result: &mut PassResult,
) -> Result<ObservedTenant, PassStop> {
    let TenantReferences { platform, place, .. } = referenced;
    let failed = |error: CallError| stop_for_error(K::KIND, &error, platform, context);
    let read = tenantry_client::read_unterminated_tenant(platform, place, (id, needs_branding(desired)))
        .await
        .map_err(failed)?;
    let mut observed = read.ok_or_else(|| not_found_outcome(object, id, context))?;
    if let Err(error) = load_image_digests(platform, &mut observed, desired, pass_result.former_writes()).await
        && !writes_images_it_cannot_load(object)
    {
        return Err(failed(error));
    }
    pass_result.record_served_images(&observed);
    Ok(observed)
}
