//! Stage 3, before a create: write finalizer and intent, then search for the tenant, and only then create it.

use std::sync::Arc;
use std::time::Duration;

use tenantry_api::Reason;
use tenantry_client::ListFreshness;
use tenantry_core::{CreateDecision, Intent, PassOutcome, Place, SentPasswordTime};

use super::context::Context;
use super::finalizer::add_finalizer_with_intent;
use super::not_understood::recheck_object;
use super::pass_stop::PassStop;
use super::random_nonce;
use super::tenant_object::{TenantObject, has_finalizer, intent, uid};

/// An object before its create.
pub(crate) struct DeclaredIntent<K> {
    /// The object with its finalizer and intent.
    pub(crate) object: Arc<K>,
    /// How old the answer to the lookup may be.
    pub(crate) freshness: ListFreshness,
}

/// Writes finalizer and intent in one patch that only succeeds on the object as it was read. An intent of another
/// process, or one whose create may still be in flight, stays for the time of one request.
pub(crate) async fn declare_intent<K: TenantObject>(
    object: Arc<K>,
    place: &Place,
    context: &Context,
) -> Result<DeclaredIntent<K>, PassStop> {
    let Some(there) = intent(object.as_ref()).filter(|_| has_finalizer(object.as_ref())) else {
        let object = write_intent(object, place, None, context).await?;
        let now = context.claim.process_time();
        // If somebody removed the former intent, a list from before its create cannot be used.
        let is_first =
            !K::kind_state(context).with_memory(&object, |memory| memory.create_guard.is_create_in_flight(now));
        return Ok(DeclaredIntent {
            object,
            freshness: if is_first { ListFreshness::Recent } else { ListFreshness::Current },
        });
    };
    let (now, timeout) = (context.claim.process_time(), context.settings.request_timeout);
    K::kind_state(context).with_memory(&object, |memory| memory.create_guard.observe_intent(&there, now, timeout));
    Ok(DeclaredIntent { object, freshness: ListFreshness::Current })
}

/// Ensures that the intent is this process's own and that no earlier create is in flight. Only then may a create follow
/// a lookup that found nothing. Returns the object, and whether its intent was replaced.
pub(crate) async fn take_over_intent<K: TenantObject>(
    object: Arc<K>,
    place: &Place,
    looked_up_at: Duration,
    context: &Context,
) -> Result<(Arc<K>, bool), PassStop> {
    let there = intent(object.as_ref());
    let wanted = (place.parent_id(), object.declared_name());
    let leave = K::kind_state(context)
        .with_memory(&object, |memory| memory.create_guard.decide_create(there.as_ref(), wanted, looked_up_at));
    match leave {
        CreateDecision::Wait => {
            let message = "an earlier create may still be on its way: waiting for it before looking again";
            Err(PassOutcome::Failed(Reason::InProgress, message.to_owned()).into())
        }
        CreateDecision::TakeOver => Ok((write_intent(object, place, None, context).await?, true)),
        CreateDecision::Create => {
            // The intent may come from an earlier pass, and the watch may lag: somebody may have moved the object
            // since.
            recheck_object(object.as_ref(), context).await?;
            Ok((object, false))
        }
    }
}

/// Writes our finalizer and this process's own intent.
pub(crate) async fn write_intent<K: TenantObject>(
    object: Arc<K>,
    place: &Place,
    adopted: Option<String>,
    context: &Context,
) -> Result<Arc<K>, PassStop> {
    let nonce = random_nonce();
    let intent = Intent {
        uid: uid(object.as_ref()),
        nonce: nonce.clone(),
        parent_id: place.parent_id().to_owned(),
        name: object.declared_name().to_owned(),
        adopted,
        extensions: K::kind_state(context).with_memory(object.as_ref(), |memory| memory.extensions),
        operator: Some(context.installation.clone()),
        passwords_set_before: intent(object.as_ref()).and_then(|intent| intent.passwords_set_before),
    };
    let text = serde_json::to_string(&intent).unwrap_or_default();
    let written = add_finalizer_with_intent(object.as_ref(), text, context).await?;
    let kind_state = K::kind_state(context);
    let now = context.claim.process_time();
    kind_state.with_memory(&written, |memory| memory.create_guard.record_own_intent(nonce, now));
    Ok(written)
}

/// Records a moment that is about to be sent, so that no process ever sends it again.
pub(crate) async fn record_sent_password_time<K: TenantObject>(
    object: &K,
    moment: &str,
    context: &Context,
) -> Result<Arc<K>, PassStop> {
    let Some(mut there) = intent(object) else { return Err(PassStop::Stale) };
    let former = there.passwords_set_before.map(|former| former.sent);
    there.passwords_set_before = Some(SentPasswordTime { sent: moment.to_owned(), former });
    add_finalizer_with_intent(object, serde_json::to_string(&there).unwrap_or_default(), context).await
}

/// Removes the record of a moment that the platform refused.
pub(crate) async fn clear_sent_password_time<K: TenantObject>(
    object: &K,
    context: &Context,
) -> Result<Arc<K>, PassStop> {
    let Some(mut there) = intent(object) else { return Err(PassStop::Stale) };
    let former = there.passwords_set_before.and_then(|noted| noted.former);
    there.passwords_set_before = former.map(|sent| SentPasswordTime { sent, former: None });
    add_finalizer_with_intent(object, serde_json::to_string(&there).unwrap_or_default(), context).await
}

/// Returns the key that serialises creates of one name under one parent within this process.
pub(crate) fn create_lock_key(place: &Place, name: &str) -> String {
    format!("{}\n{name}", place.parent_id())
}

/// Returns the key of the lock for adopting a tenant. If two objects adopt at once, the second sees the first as owner.
pub(crate) fn adopt_lock_key(place: &Place, id: &str) -> String {
    format!("{}\n\0{id}", place.parent_id())
}
