//! The moment before which passwords count as too old. It is recorded before it is sent, and never sent twice to a
//! platform without the field.

use std::sync::Arc;

use tenantry_core::{Field, Plan, Value};

use super::super::context::Context;
use super::super::create_intent::record_sent_password_time;
use super::super::pass_stop::PassStop;
use super::super::status::PassResult;
use super::super::tenant_object::TenantObject;

/// Records the moment of a plan in the object's intent.
pub(super) async fn record_password_reset_time<K: TenantObject>(
    object: &mut Arc<K>,
    plan: &Plan,
    context: &Context,
    pass_result: &mut PassResult,
) -> Result<(), PassStop> {
    let difference = plan.differences.iter().find(|difference| difference.field == Field::PasswordsSetBefore);
    let Some(Value::Text(moment)) = difference.map(|difference| &difference.desired) else { return Ok(()) };
    *object = record_sent_password_time(object.as_ref(), moment, context).await?;
    pass_result.set_sent_password_time(moment.clone());
    Ok(())
}
