//! Stage 3, before a create: finalizer and intent first, then the look, then and only then a create.

use std::sync::Arc;
use std::time::Duration;

use super::context::Context;
use super::error::Stop;
use super::finalizer::hold;
use super::newer::look_again;
use super::object::{TenantObject, intent, is_held, uid};
use super::random_nonce;
use crate::api::Reason;
use crate::connect::{Freshness, Place};
use crate::plan::{Intent, Leave, Outcome, SentMoment};

/// How an object stands before a create.
pub(crate) struct Declared<K> {
    /// The object with finalizer and intent on it.
    pub(crate) object: Arc<K>,
    /// How old the answer to the look may be.
    pub(crate) freshness: Freshness,
}

/// Puts finalizer and intent on, in one patch that only succeeds on the object as it was read. An intent that another
/// process put there, and one whose create may still be on its way, stays for the time of one request.
pub(crate) async fn declare_intent<K: TenantObject>(
    object: Arc<K>,
    place: &Place,
    context: &Context,
) -> Result<Declared<K>, Stop> {
    let Some(there) = intent(object.as_ref()).filter(|_| is_held(object.as_ref())) else {
        let object = write_intent(object, place, (None, context)).await?;
        let now = context.claim.now();
        // Where somebody took the former intent away, a list from before its create does not serve.
        let is_first = !K::room(context).remember(&object, |memory| memory.creates.is_under_way(now));
        return Ok(Declared { object, freshness: if is_first { Freshness::Burst } else { Freshness::Now } });
    };
    let (now, timeout) = (context.claim.now(), context.settings.request_timeout);
    K::room(context).remember(&object, |memory| memory.creates.see(&there, now, timeout));
    Ok(Declared { object, freshness: Freshness::Now })
}

/// Makes sure that the intent is this process's own and that no earlier create is on its way: only then may one follow
/// a look that found nothing.
pub(crate) async fn take_over<K: TenantObject>(
    object: Arc<K>,
    place: &Place,
    (looked, context): (Duration, &Context),
) -> Result<(Arc<K>, bool), Stop> {
    let there = intent(object.as_ref());
    let wanted = (place.parent(), object.declared_name());
    let leave = K::room(context).remember(&object, |memory| memory.creates.leave(there.as_ref(), wanted, looked));
    match leave {
        Leave::Wait => {
            let message = "an earlier create may still be on its way: waiting for it before looking again";
            Err(Outcome::Failed(Reason::InProgress, message.to_owned()).into())
        }
        Leave::TakeOver => Ok((write_intent(object, place, (None, context)).await?, true)),
        Leave::Create => {
            // The intent may be from an earlier pass, and the watch late: somebody may have moved the object since.
            look_again(object.as_ref(), context).await?;
            Ok((object, false))
        }
    }
}

/// Puts our finalizer and this process's own intent on.
pub(crate) async fn write_intent<K: TenantObject>(
    object: Arc<K>,
    place: &Place,
    (adopted, context): (Option<String>, &Context),
) -> Result<Arc<K>, Stop> {
    let nonce = random_nonce();
    let intent = Intent {
        uid: uid(object.as_ref()),
        nonce: nonce.clone(),
        parent_id: place.parent().to_owned(),
        name: object.declared_name().to_owned(),
        adopted,
        extensions: K::room(context).remember(object.as_ref(), |memory| memory.extensions),
        operator: Some(context.installation.clone()),
        passwords_set_before: intent(object.as_ref()).and_then(|intent| intent.passwords_set_before),
    };
    let text = serde_json::to_string(&intent).unwrap_or_default();
    let written = hold(object.as_ref(), text, context).await?;
    let room = K::room(context);
    let now = context.claim.now();
    room.remember(&written, |memory| memory.creates.declared(nonce, now));
    Ok(written)
}

/// Notes a moment that is about to be sent, so that no process ever sends it again.
pub(crate) async fn note_moment<K: TenantObject>(object: &K, moment: &str, context: &Context) -> Result<Arc<K>, Stop> {
    let Some(mut there) = intent(object) else { return Err(Stop::Stale) };
    let former = there.passwords_set_before.map(|former| former.sent);
    there.passwords_set_before = Some(SentMoment { sent: moment.to_owned(), former });
    hold(object, serde_json::to_string(&there).unwrap_or_default(), context).await
}

/// Takes the note back of a moment that the platform refused.
pub(crate) async fn forget_moment<K: TenantObject>(object: &K, context: &Context) -> Result<Arc<K>, Stop> {
    let Some(mut there) = intent(object) else { return Err(Stop::Stale) };
    let former = there.passwords_set_before.and_then(|noted| noted.former);
    there.passwords_set_before = former.map(|sent| SentMoment { sent, former: None });
    hold(object, serde_json::to_string(&there).unwrap_or_default(), context).await
}

/// The create of one name under one parent is serialised within this process.
pub(crate) fn create_key(place: &Place, name: &str) -> String {
    format!("{}\n{name}", place.parent())
}

/// Key of the lock under which a tenant is taken over: of two objects that ask for it at once the second sees the first as
/// its owner.
pub(crate) fn adopt_key(place: &Place, id: &str) -> String {
    format!("{}\n\0{id}", place.parent())
}
