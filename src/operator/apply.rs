//! Stage 5: one request for each step of the plan.

use super::audit;
use super::context::Context;
use super::error::{Stop, outcome};
use super::identity::forget_moment;
use super::object::TenantObject;
use crate::api::Reason;
use crate::connect::{Error, Place, Platform};
use crate::object::{in_words_of_the_spec, name_taken};
use crate::plan::{Candidate, Change, Desired, Digest, Field, Observed, Outcome, Payload, Step, Value};
use crate::wire::FieldError;

/// What was done, for status and events.
#[derive(Debug, Default)]
pub(crate) struct Done {
    /// Id of a tenant that was created.
    pub(crate) created: Option<String>,
    /// Settings that were written.
    pub(crate) written: Vec<Change>,
    /// Whether the mark was rewritten.
    pub(crate) is_marked: bool,
    /// Whether the tenant was put back in service.
    pub(crate) is_activated: bool,
    /// Whether the tenant was stopped.
    pub(crate) is_suspended: bool,
}

impl Done {
    /// Whether anything was done.
    pub(crate) fn has_any(&self) -> bool {
        let Self { created, written, is_marked, is_activated, is_suspended } = self;
        created.is_some() || !written.is_empty() || *is_marked || *is_activated || *is_suspended
    }
}

/// Where a plan is applied.
pub(crate) struct Target<'a> {
    /// The platform.
    pub(crate) platform: &'a Platform,
    /// Where the tenant stands.
    pub(crate) place: &'a Place,
    /// What it should be.
    pub(crate) desired: &'a Desired,
    /// What it was.
    pub(crate) observed: Option<&'a Observed>,
}

impl Target<'_> {
    /// A step as the audit tells it.
    fn audited<'a>(&self, step: &Step, tenant: &'a str) -> audit::Change<'a> {
        let (operation, changes): (_, &[Change]) = match step {
            Step::Create(changes) => ("create", changes),
            Step::Mark => ("mark", &[]),
            Step::Activate => ("activate", &[]),
            Step::Update(changes) => ("update", changes),
            Step::Brand(changes) => ("brand", changes),
            Step::Suspend => ("suspend", &[]),
        };
        let digest = |line: &dyn Fn(&Change) -> String| {
            let lines: Vec<String> = changes.iter().map(line).collect();
            Digest::of(lines.join("\n").as_bytes())
        };
        let before = |change: &Change| {
            let value = self.observed.and_then(|observed| observed.value(change.field));
            format!("{}={}", change.field.path(), value.map(Value::json).unwrap_or_default())
        };
        let after = |change: &Change| format!("{}={}", change.field.path(), change.to.json());
        let digests = (!changes.is_empty()).then(|| (digest(&before), digest(&after)));
        audit::Change { operation, tenant, fields: changes.iter().map(|change| change.field).collect(), digests }
    }
}

/// Carries out steps in order. What was done before a failure stands in `done`.
pub(crate) async fn apply<K: TenantObject>(
    steps: &[Step],
    target: &Target<'_>,
    mut id: Option<String>,
    (done, object, context): (&mut Done, &K, &Context),
) -> Result<(), Stop> {
    let Target { platform, place, desired, observed: _ } = target;
    let payload: &Payload = &desired.effective.payload;
    let is_moment = |step: &Step| matches!(step, Step::Update(changes) if changes.iter().any(|change| change.field == Field::PasswordsSetBefore));
    let mut awaits_moment = steps.iter().any(is_moment);
    for step in steps {
        let known = id.clone().unwrap_or_default();
        let audited = target.audited(step, &known);
        let result = match step {
            Step::Create(changes) => {
                let created = create(changes, (target, audited), (object, context)).await?;
                done.created = Some(created.clone());
                K::room(context).remember(object, |memory| memory.created = Some(crate::clock::now()));
                id = Some(created);
                done.written.extend(changes.iter().cloned());
                Ok(())
            }
            Step::Mark => {
                let call = platform.mark(place, &known, &desired.mark);
                audit::change(object, audited, call).await.map(|()| done.is_marked = true)
            }
            Step::Activate => {
                let call = platform.activate(place, &known);
                audit::change(object, audited, call).await.map(|()| done.is_activated = true)
            }
            Step::Update(changes) => {
                let call = platform.update(place, &known, changes, payload);
                let updated = audit::change(object, audited, call).await;
                let has_moment = changes.iter().any(|change| change.field == Field::PasswordsSetBefore);
                if has_moment && updated.as_ref().is_err_and(|error| !error.maybe_applied()) {
                    forget_moment(object, context).await?;
                }
                updated.map(|()| done.written.extend(changes.iter().cloned()))
            }
            Step::Brand(changes) => {
                let call = platform.brand(&known, changes, payload);
                audit::change(object, audited, call).await.map(|()| done.written.extend(changes.iter().cloned()))
            }
            Step::Suspend => {
                let call = platform.suspend(place, &known);
                audit::change(object, audited, call).await.map(|()| done.is_suspended = true)
            }
        };
        awaits_moment &= !is_moment(step);
        if result.is_err() && awaits_moment {
            // A step before it failed: the moment that was noted is not sent.
            forget_moment(object, context).await?;
        }
        result
            .map_err(|error| refused(object, &in_words_of_the_spec(error, &desired.effective), (platform, context)))?;
    }
    Ok(())
}

/// A step failed. That the tenant above is out of service is remembered, so that the next pass asks for that first.
fn refused<K: TenantObject>(object: &K, error: &Error, (platform, context): (&Platform, &Context)) -> Stop {
    if let Error::ParentGone { message } = error {
        K::room(context).remember(object, |memory| memory.refused_above = Some(message.clone()));
    }
    if let Error::NotFound { message } = error
        && super::manage::is_young(object, context)
    {
        let message = format!(
            "{message}: the tenant was created a moment ago and is not visible on the platform yet: trying again"
        );
        return Outcome::Failed(Reason::InProgress, message).into();
    }
    stop(K::KIND, error, platform, context)
}

/// Refuses for as long as the tenant above is out of service, once the platform has refused for that: a read tells as
/// much as a further refusal, and asks for no change.
pub(crate) async fn refuse_still<K: TenantObject>(
    object: &K,
    (platform, place): (&Platform, &Place),
    context: &Context,
) -> Result<(), Stop> {
    let room = K::room(context);
    let Some(message) = room.remember(object, |memory| memory.refused_above.clone()) else { return Ok(()) };
    match platform.is_in_service(place.parent()).await {
        Ok(false) => Err(stop(K::KIND, &Error::ParentGone { message }, platform, context)),
        // Where it cannot be read the platform is asked for the change again.
        Ok(true) | Err(Error::NotFound { .. } | Error::Unsupported { .. } | Error::Forbidden { .. }) => {
            room.remember(object, |memory| memory.refused_above = None);
            Ok(())
        }
        Err(error) => Err(stop(K::KIND, &error, platform, context)),
    }
}

/// What an error of the platform means; a refused credential is not tried again for a while.
pub(crate) fn stop(kind: crate::plan::Kind, error: &Error, platform: &Platform, context: &Context) -> Stop {
    let outcome = outcome(kind, error);
    if let Outcome::Unauthorised(_, message) = &outcome {
        context.connections.refused(platform, message);
    }
    outcome.into()
}

async fn create<K: TenantObject>(
    changes: &[Change],
    (target, audited): (&Target<'_>, audit::Change<'_>),
    (object, context): (&K, &Context),
) -> Result<String, Stop> {
    let Target { platform, place, desired, observed: _ } = target;
    let open = Open { object, context };
    let call = platform.create(place, changes, &desired.effective.payload, &desired.mark);
    let created = audit::change(object, audited, call).await;
    if created.as_ref().err().is_none_or(|error| !error.maybe_applied()) {
        open.close();
    }
    match created {
        Ok(id) => Ok(id),
        Err(Error::Invalid { errors }) if holder(&errors).is_some() => {
            let id = holder(&errors).unwrap_or_default();
            held(&id, target, object).await
        }
        Err(error) => Err(refused(object, &in_words_of_the_spec(error, &desired.effective), (platform, context))),
    }
}

/// A create without an answer: it may still be carried out, also where the whole pass was given up.
struct Open<'a, K: TenantObject> {
    object: &'a K,
    context: &'a Context,
}

impl<K: TenantObject> Open<'_, K> {
    /// The platform has answered, or nothing was sent.
    fn close(self) {
        std::mem::forget(self);
    }
}

impl<K: TenantObject> Drop for Open<'_, K> {
    fn drop(&mut self) {
        let Self { object, context } = *self;
        let (now, timeout) = (context.claim.now(), context.settings.request_timeout);
        K::room(context).remember(object, |memory| memory.creates.given_up(now, timeout));
    }
}

fn holder(errors: &[FieldError]) -> Option<String> {
    errors
        .iter()
        .filter(|error| matches!(error.field_name.as_str(), "name" | "managedBy"))
        .find_map(|error| error.holder.clone())
}

/// The platform refused because a tenant holds the name or the mark: our own is recorded, a tombstone of ours means that
/// the tenant was ended, and anything else is somebody else's.
async fn held<K: TenantObject>(id: &str, target: &Target<'_>, object: &K) -> Result<String, Stop> {
    let Target { platform, place, desired, observed: _ } = target;
    let found = platform.read(place, id, false).await.map_err(|error| Stop::from(outcome(K::KIND, &error)))?;
    match found {
        None => Err(Outcome::Refused(
            Reason::TenantMissing,
            format!("tenant `{id}`, which this object created, was ended on the platform: it is never created again; delete this object, or create it anew under another name"),
        )
        .into()),
        Some(tenant) if tenant.mark.is(&desired.mark) => Ok(tenant.unique_id),
        Some(Observed { unique_id, name, mark, .. }) => {
            Err(name_taken(object.declared_name(), &desired.mark, &[Candidate { unique_id, name, mark }]).into())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_step_alone_counts_as_something_done() {
        assert!(!Done::default().has_any());
        for done in [
            Done { created: Some("client_1".to_owned()), ..Done::default() },
            Done { is_marked: true, ..Done::default() },
            Done { is_activated: true, ..Done::default() },
            Done { is_suspended: true, ..Done::default() },
        ] {
            assert!(done.has_any(), "{done:?}");
        }
    }
}
