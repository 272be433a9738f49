//! Stage 3: which tenant is this object's, and whether it may be.

use std::sync::Arc;

use super::super::apply::stop;
use super::super::context::Context;
use super::super::dereference::Referenced;
use super::super::error::Stop;
use super::super::finalizer::let_loose;
use super::super::identity::{adopt_key, create_key, declare_intent, take_over, write_intent};
use super::super::object::{TenantObject, asked_adoption, intent, is_held, mark, unique_id};
use super::super::status::Facts;
use super::owner::{self, Asking};
use super::readback::not_found;
use crate::api::Adoption;
use crate::connect::{Error, Freshness};
use crate::object::{
    Found, Recorded, has_branding, is_noted, load_images, look, not_shown, refuse_foreign, refuse_new_under,
    refuse_to_create, refuse_under_suspended, writes_what_it_cannot_load,
};
use crate::plan::{Desired, Kind, MarkSeen, Observed, Outcome, Owner, Ownership, adopt, diff};

/// The tenant, or nothing where one is to be created.
pub(super) async fn find<K: TenantObject>(
    object: &mut Arc<K>,
    (referenced, desired): (&Referenced, &Desired),
    (context, facts): (&Context, &mut Facts),
) -> Result<Option<Observed>, Stop> {
    if let Some(adoption) = asked_adoption(object.as_ref()).cloned() {
        return adopted(object, &adoption, (referenced, desired), (context, facts)).await.map(Some);
    }
    if let Some(id) = unique_id(object.as_ref()).map(str::to_owned) {
        return recorded(object, &id, (referenced, desired), (context, facts)).await.map(Some);
    }
    looked_for(object, (referenced, desired), (context, facts)).await
}

/// A tenant that is only read: no finalizer, no intent, no mark.
pub(super) async fn observed_only<K: TenantObject>(
    object: &mut Arc<K>,
    (referenced, desired): (&Referenced, &Desired),
    (context, facts): (&Context, &mut Facts),
) -> Result<Observed, Stop> {
    if is_held(object.as_ref()) {
        *object = let_loose(object.as_ref(), context).await?;
    }
    let id = object.adoption().and_then(|adoption| adoption.unique_id.clone()).unwrap_or_default();
    let observed = read(object.as_ref(), &id, (referenced, desired), (context, facts)).await?;
    let ours = mark(object.as_ref(), &context.cluster);
    let asking = Asking { observed: &observed, ours: &ours, take_from: None, referenced };
    if asking.is_anothers::<K>(context).await {
        return Err(not_shown(&id).into());
    }
    Ok(observed)
}

/// The tenant of an id that status records.
async fn recorded<K: TenantObject>(
    object: &mut Arc<K>,
    id: &str,
    (referenced, desired): (&Referenced, &Desired),
    (context, facts): (&Context, &mut Facts),
) -> Result<Observed, Stop> {
    let observed = read(object.as_ref(), id, (referenced, desired), (context, facts)).await?;
    owner::keep_if_handed_over(object.as_ref(), &observed, context).await?;
    // What we make carries our mark from its first moment, where the platform has a place for it.
    let is_unmarked = observed.mark == MarkSeen::None && keeps_marks(referenced, context, K::KIND).await?;
    let ours = mark(object.as_ref(), &context.cluster);
    let Recorded { is_reattached, has_intent } =
        crate::object::recorded(object.as_ref(), (&observed, is_unmarked), &ours)?;
    if !has_intent {
        // `kubectl replace` drops finalizer and intent and keeps status: that is no new tenant.
        *object = write_intent(Arc::clone(object), &referenced.place, (None, context)).await?;
    }
    facts.is_reattached = is_reattached;
    Ok(observed)
}

/// Whether the platform has a field for marks, so that a tenant without one is not ours.
async fn keeps_marks(referenced: &Referenced, context: &Context, kind: Kind) -> Result<bool, Stop> {
    let platform = &referenced.platform;
    platform.has_extensions().await.map_err(|error| stop(kind, &error, platform, context))
}

/// The tenant to be taken over. It happens once and is noted in the intent.
async fn adopted<K: TenantObject>(
    object: &mut Arc<K>,
    adoption: &Adoption,
    (referenced, desired): (&Referenced, &Desired),
    (context, facts): (&Context, &mut Facts),
) -> Result<Observed, Stop> {
    let id = adoption.unique_id.clone().unwrap_or_default();
    let turn = context.create_lock(adopt_key(&referenced.place, &id)).lock_owned().await;
    let observed = read(object.as_ref(), &id, (referenced, desired), (context, facts)).await?;
    let ours = mark(object.as_ref(), &context.cluster);
    owner::keep_if_handed_over(object.as_ref(), &observed, context).await?;
    let is_noted = is_noted(object.as_ref(), &observed, &ours);
    if is_noted && !observed.mark.is_foreign(&ours) {
        facts.is_reattached = observed.mark.is_same_place(&ours) && !observed.mark.is(&ours);
        return Ok(observed);
    }
    let asking = Asking { observed: &observed, ours: &ours, take_from: adoption.take_from.as_deref(), referenced };
    let owner = asking.owner::<K>(context).await;
    // An object that has taken the tenant over once gets it back from another owner only by a hand-over.
    if object.hand_over().is_some() || is_noted && owner != Owner::HandsOver {
        refuse_foreign(object.as_ref(), &observed, &ours)?;
    }
    let plan = diff(desired, Some(&observed), facts.written());
    let ownership = Ownership { seen: &observed.mark, owner };
    adopt(adoption, &ours, ownership, &plan)
        .map_err(|(reason, message)| Stop::from(Outcome::Refused(reason, message)))?;
    // Under a suspended Partner the platform takes no mark, so nothing is noted and nothing is said yet.
    refuse_under_suspended(referenced.partner.as_deref())?;
    if !is_noted {
        *object = write_intent(Arc::clone(object), &referenced.place, (Some(id.clone()), context)).await?;
    }
    facts.unique_id = Some(id);
    facts.is_adopted = true;
    // Until the mark is written: who comes next reads it.
    facts.turn = Some(turn);
    Ok(observed)
}

/// The look before a create: finalizer and intent first, then the look, then and only then a create.
async fn looked_for<K: TenantObject>(
    object: &mut Arc<K>,
    (referenced, desired): (&Referenced, &Desired),
    (context, facts): (&Context, &mut Facts),
) -> Result<Option<Observed>, Stop> {
    let Referenced { platform, place, partner, .. } = referenced;
    if intent(object.as_ref()).is_none() {
        refuse_to_create(object.as_ref())?;
    }
    let declared = declare_intent(Arc::clone(object), place, context).await?;
    *object = Arc::clone(&declared.object);
    let lock = context.create_lock(create_key(place, object.declared_name()));
    let turn = lock.lock_owned().await;
    let looked = context.claim.now();
    let mut found = look(object.as_ref(), platform, place, (declared.freshness, &context.cluster)).await?;
    if matches!(found, Found::Free) {
        let (taken, is_anew) = take_over(declared.object, place, (looked, context)).await?;
        *object = taken;
        if is_anew {
            found = look(object.as_ref(), platform, place, (Freshness::Now, &context.cluster)).await?;
        }
    }
    let id = match found {
        Found::Free => {
            refuse_to_create(object.as_ref())?;
            refuse_new_under(partner.as_deref())?;
            facts.turn = Some(turn);
            return Ok(None);
        }
        Found::Ours(id) => id,
        Found::Reattach(id) => {
            facts.is_reattached = true;
            id
        }
    };
    facts.unique_id = Some(id.clone());
    let observed = read(object.as_ref(), &id, (referenced, desired), (context, facts)).await?;
    refuse_foreign(object.as_ref(), &observed, &mark(object.as_ref(), &context.cluster))?;
    Ok(Some(observed))
}

/// A living tenant by its id. "Not found" is a state and never a reason to create again.
async fn read<K: TenantObject>(
    object: &K,
    id: &str,
    (referenced, desired): (&Referenced, &Desired),
    (context, facts): (&Context, &mut Facts),
) -> Result<Observed, Stop> {
    let Referenced { platform, place, .. } = referenced;
    let failed = |error: Error| stop(K::KIND, &error, platform, context);
    let read = crate::object::read(platform, place, (id, has_branding(desired))).await.map_err(failed)?;
    let mut observed = read.ok_or_else(|| not_found(object, id, context))?;
    if let Err(error) = load_images(platform, &mut observed, (desired, facts.written())).await
        && !writes_what_it_cannot_load(object)
    {
        return Err(failed(error));
    }
    facts.keep_images(&observed);
    Ok(observed)
}
