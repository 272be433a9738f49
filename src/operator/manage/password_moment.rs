//! The moment before which passwords count as too old. It is recorded before it is sent, and never sent twice to a
//! platform without the field.

use std::sync::Arc;

use super::super::context::Context;
use super::super::create_intent::record_sent_moment;
use super::super::error::PassStop;
use super::super::object::TenantObject;
use super::super::status::PassResult;
use crate::plan::{Field, Plan, Value};

/// Records the moment of a plan in the object's intent.
pub(super) async fn record_moment<K: TenantObject>(
    object: &mut Arc<K>,
    plan: &Plan,
    context: &Context,
    facts: &mut PassResult,
) -> Result<(), PassStop> {
    let difference = plan.differences.iter().find(|difference| difference.field == Field::PasswordsSetBefore);
    let Some(Value::Text(moment)) = difference.map(|difference| &difference.desired) else { return Ok(()) };
    *object = record_sent_moment(object.as_ref(), moment, context).await?;
    facts.record_sent_moment(moment.clone());
    Ok(())
}
