//! Stage 3, before a create: finalizer and intent first, then the look, then and only then a create.

use std::sync::Arc;
use tokio::time::Instant;

use super::context::Context;
use super::error::Stop;
use super::finalizer::hold;
use super::object::{TenantObject, intent, is_held, uid};
use super::random_nonce;
use crate::api::Reason;
use crate::connect::{Freshness, Place};
use crate::plan::{Intent, Outcome};

/// How an object stands before a create.
pub(crate) struct Declared<K> {
    /// The object with finalizer and intent on it.
    pub(crate) object: Arc<K>,
    /// How old the answer to the look may be.
    pub(crate) freshness: Freshness,
    /// Until when a create of another process, or one of ours whose reply was lost, may still be carried out.
    pub(crate) in_flight_until: Option<Instant>,
}

/// Puts finalizer and intent on, in one patch that only succeeds on the object as it was read. An intent that another
/// process put there, and one whose create may still be on its way, stays for the time of one request.
pub(crate) async fn declare_intent<K: TenantObject>(
    object: Arc<K>,
    place: &Place,
    context: &Context,
) -> Result<Declared<K>, Stop> {
    let room = K::room(context);
    let now = Instant::now();
    let Some(there) = intent(object.as_ref()).filter(|_| is_held(object.as_ref())) else {
        let object = write_intent(object, place, (None, context)).await?;
        return Ok(Declared { object, freshness: Freshness::Burst, in_flight_until: None });
    };
    let in_flight_until = room.remember(&object, |memory| {
        let is_ours = memory.nonce.as_ref() == Some(&there.nonce);
        if !is_ours && memory.in_flight_until.is_none() {
            memory.in_flight_until = Some(now + context.settings.request_timeout);
        }
        memory.in_flight_until
    });
    Ok(Declared { object, freshness: Freshness::Now, in_flight_until })
}

/// Makes sure that the intent is this process's own and that no earlier create is on its way: only then may one follow
/// a look that found nothing.
pub(crate) async fn take_over<K: TenantObject>(
    declared: Declared<K>,
    place: &Place,
    context: &Context,
) -> Result<(Arc<K>, bool), Stop> {
    let Declared { object, in_flight_until, .. } = declared;
    if in_flight_until.is_some_and(|until| Instant::now() < until) {
        let message = "an earlier create may still be on its way: waiting for it before looking again";
        return Err(Outcome::Failed(Reason::InProgress, message.to_owned()).into());
    }
    let nonce = K::room(context).remember(&object, |memory| memory.nonce.clone());
    let stands = intent(object.as_ref())
        .is_some_and(|there| Some(&there.nonce) == nonce.as_ref() && there.parent_id == place.parent());
    if stands && in_flight_until.is_none() {
        return Ok((object, false));
    }
    Ok((write_intent(object, place, (None, context)).await?, true))
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
    };
    let text = serde_json::to_string(&intent).unwrap_or_default();
    let written = hold(object.as_ref(), text, context).await?;
    let room = K::room(context);
    room.remember(&written, |memory| {
        memory.nonce = Some(nonce);
        memory.in_flight_until = None;
    });
    Ok(written)
}

/// The create of one name under one parent is serialised within this process.
pub(crate) fn create_key(place: &Place, name: &str) -> String {
    format!("{}\n{name}", place.parent())
}
