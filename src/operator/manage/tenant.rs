//! Stage 3: which tenant is this object's, and whether it may be.

use std::sync::Arc;

use kube::Api;

use super::super::apply::stop;
use super::super::context::Context;
use super::super::dereference::Referenced;
use super::super::error::Stop;
use super::super::finalizer::let_loose;
use super::super::identity::{create_key, declare_intent, take_over, write_intent};
use super::super::object::{TenantObject, asked_adoption, is_held, mark, unique_id};
use super::super::status::Facts;
use crate::api::{Adoption, Partner, TenantClient, is_namespace_name, is_object_name};
use crate::connect::Freshness;
use crate::object::{Found, Recorded, has_branding, is_noted, look, missing, refuse_foreign, refuse_new_under};
use crate::plan::{Desired, Kind, MarkSeen, Observed, Outcome, Owner, adopt, diff};
use crate::wire::Mark;

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
    referenced: &Referenced,
    desired: &Desired,
    context: &Context,
) -> Result<Observed, Stop> {
    if is_held(object.as_ref()) {
        *object = let_loose(object.as_ref(), context).await?;
    }
    let id = object.adoption().and_then(|adoption| adoption.unique_id.clone()).unwrap_or_default();
    read(&id, K::KIND, (referenced, desired), context).await
}

/// The tenant of an id that status records.
async fn recorded<K: TenantObject>(
    object: &mut Arc<K>,
    id: &str,
    (referenced, desired): (&Referenced, &Desired),
    (context, facts): (&Context, &mut Facts),
) -> Result<Observed, Stop> {
    let observed = read(id, K::KIND, (referenced, desired), context).await?;
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
    let observed = read(&id, K::KIND, (referenced, desired), context).await?;
    let ours = mark(object.as_ref(), &context.cluster);
    if is_noted(object.as_ref(), &observed, &ours) {
        refuse_foreign(&id, &observed, &ours)?;
        facts.is_reattached = observed.mark.is_same_place(&ours) && !observed.mark.is(&ours);
        return Ok(observed);
    }
    let plan = diff(desired, Some(&observed), facts.written());
    let owner = owner(&observed.mark, &ours, context).await;
    adopt(adoption, &ours, (&observed.mark, owner), &plan)
        .map_err(|(reason, message)| Stop::from(Outcome::Refused(reason, message)))?;
    *object = write_intent(Arc::clone(object), &referenced.place, (Some(id.clone()), context)).await?;
    facts.unique_id = Some(id);
    facts.is_adopted = true;
    Ok(observed)
}

/// Whether the object that a mark of this cluster names is still there; what cannot be read counts as there.
async fn owner(seen: &MarkSeen, ours: &Mark, context: &Context) -> Owner {
    let MarkSeen::Whole(Mark { cluster, kind, namespace, name, uid: _ }) = seen else { return Owner::Exists };
    // A platform may answer anything, and no request is made of what is no name.
    if *cluster != ours.cluster || !is_namespace_name(namespace) || !is_object_name(name) {
        return Owner::Exists;
    }
    let is_gone = if kind == Kind::Partner.name() {
        Api::<Partner>::namespaced(context.client.clone(), namespace)
            .get_metadata_opt(name)
            .await
            .is_ok_and(|found| found.is_none())
    } else {
        let clients = Api::<TenantClient>::namespaced(context.client.clone(), namespace);
        clients.get_metadata_opt(name).await.is_ok_and(|found| found.is_none())
    };
    if is_gone { Owner::Gone } else { Owner::Exists }
}

/// The look before a create: finalizer and intent first, then the look, then and only then a create.
async fn looked_for<K: TenantObject>(
    object: &mut Arc<K>,
    (referenced, desired): (&Referenced, &Desired),
    (context, facts): (&Context, &mut Facts),
) -> Result<Option<Observed>, Stop> {
    let Referenced { platform, place, partner, .. } = referenced;
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
    let observed = read(&id, K::KIND, (referenced, desired), context).await?;
    refuse_foreign(&id, &observed, &mark(object.as_ref(), &context.cluster))?;
    Ok(Some(observed))
}

/// A living tenant by its id. "Not found" is a state and never a reason to create again.
async fn read(
    id: &str,
    kind: Kind,
    (referenced, desired): (&Referenced, &Desired),
    context: &Context,
) -> Result<Observed, Stop> {
    let Referenced { platform, place, .. } = referenced;
    let read = crate::object::read(platform, place, (id, has_branding(desired))).await;
    Ok(read.map_err(|error| stop(kind, &error, platform, context))?.ok_or_else(|| missing(id))?)
}
