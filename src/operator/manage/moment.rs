//! A moment before which passwords count as too old: noted before it is sent, and never sent twice without the field.

use std::sync::Arc;

use super::super::context::Context;
use super::super::error::Stop;
use super::super::identity::note_moment;
use super::super::object::TenantObject;
use super::super::status::Facts;
use crate::plan::{Field, Plan, Value};

/// Notes the moment of a plan in the object's intent.
pub(super) async fn note<K: TenantObject>(
    object: &mut Arc<K>,
    plan: &Plan,
    context: &Context,
    facts: &mut Facts,
) -> Result<(), Stop> {
    let difference = plan.differences.iter().find(|difference| difference.field == Field::PasswordsSetBefore);
    let Some(Value::Text(moment)) = difference.map(|difference| &difference.desired) else { return Ok(()) };
    *object = note_moment(object.as_ref(), moment, context).await?;
    facts.noted_moment(moment.clone());
    Ok(())
}
