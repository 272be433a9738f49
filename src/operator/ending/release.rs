//! Letting an object go: the finalizer, and the words.

use std::sync::Arc;

use super::home;
use crate::connect::trace;
use crate::operator::context::Context;
use crate::operator::error::Stop;
use crate::operator::finalizer::take_off;
use crate::operator::object::{TenantObject, place};
use crate::operator::status::{Facts, publish};
use crate::operator::wake;
use crate::plan::{Going, Outcome, Release};

/// Takes our finalizer off, and nobody else's.
pub(super) async fn let_go<K: TenantObject>(
    object: &Arc<K>,
    (release, going): (&Release, &Going),
    context: &Context,
) -> Result<(), Stop> {
    let Release { reason, message } = release;
    let is_whole = matches!(going, Going::Namespace | Going::Definition);
    let object = if is_whole {
        // No event can be written beside an object whose namespace goes: its last status says it.
        publish(object, &Outcome::Leaving(*reason, message.clone()), &Facts::default(), context).await
    } else {
        Arc::clone(object)
    };
    let object = object.as_ref();
    take_off(object, context).await?;
    context.metrics.released(K::KIND, *reason);
    let trace = trace().id;
    tracing::info!(
        trace,
        kind = K::KIND.name(),
        object = place(object),
        reason = reason.name(),
        why = message,
        "released"
    );
    if is_whole {
        context.events.publish_at_home(home(context), object, (*reason, message));
    } else {
        context.events.publish(object, *reason, message);
    }
    wake::parent_of(object, context);
    Ok(())
}
