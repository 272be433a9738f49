//! A moment before which passwords count as too old: noted before it is sent, and never sent twice without the field.

use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};

use super::super::context::Context;
use super::super::error::Stop;
use super::super::identity::note_moment;
use super::super::object::TenantObject;
use super::super::status::Facts;
use crate::api::Reason;
use crate::plan::{Field, Outcome, Plan, Value};

/// How far ahead of ours another clock may be.
const AHEAD: SignedDuration = SignedDuration::from_secs(60);

/// Notes the moment of a plan in the object's intent, and refuses one that is to come.
pub(super) async fn note<K: TenantObject>(
    object: &mut Arc<K>,
    plan: &Plan,
    context: &Context,
    facts: &mut Facts,
) -> Result<(), Stop> {
    let difference = plan.differences.iter().find(|difference| difference.field == Field::PasswordsSetBefore);
    let Some(Value::Text(moment)) = difference.map(|difference| &difference.desired) else { return Ok(()) };
    let is_ahead = moment.parse::<Timestamp>().is_ok_and(|at| at > crate::clock::now() + AHEAD);
    if is_ahead {
        let path = Field::PasswordsSetBefore.path();
        let message = format!("`{path}` is more than 60 seconds ahead: write the time of now, or wait for it");
        return Err(Outcome::Refused(Reason::InvalidValue, message).into());
    }
    *object = note_moment(object.as_ref(), moment, context).await?;
    facts.noted_moment(moment.clone());
    Ok(())
}
