//! Stage 5: one request for each step of the plan.

use super::context::Context;
use super::error::{Stop, outcome};
use super::object::TenantObject;
use crate::api::Reason;
use crate::connect::{Error, Place, Platform};
use crate::object::name_taken;
use crate::plan::{Change, Desired, Outcome, Payload, Step};
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

/// Where a plan is applied.
pub(crate) struct Target<'a> {
    /// The platform.
    pub(crate) platform: &'a Platform,
    /// Where the tenant stands.
    pub(crate) place: &'a Place,
    /// What it should be.
    pub(crate) desired: &'a Desired,
}

/// Carries out steps in order. What was done before a failure stands in `done`.
pub(crate) async fn apply<K: TenantObject>(
    steps: &[Step],
    target: &Target<'_>,
    mut id: Option<String>,
    (done, object, context): (&mut Done, &K, &Context),
) -> Result<(), Stop> {
    let Target { platform, place, desired } = target;
    let payload: &Payload = &desired.effective.payload;
    for step in steps {
        let known = id.clone().unwrap_or_default();
        let result = match step {
            Step::Create(changes) => {
                let created = create(changes, target, (object, context)).await?;
                done.created = Some(created.clone());
                id = Some(created);
                done.written.extend(changes.iter().cloned());
                Ok(())
            }
            Step::Mark => platform.mark(place, &known, &desired.mark).await.map(|()| done.is_marked = true),
            Step::Activate => platform.activate(place, &known).await.map(|()| done.is_activated = true),
            Step::Update(changes) => platform
                .update(place, &known, changes, payload)
                .await
                .map(|()| done.written.extend(changes.iter().cloned())),
            Step::Brand(changes) => {
                platform.brand(&known, changes, payload).await.map(|()| done.written.extend(changes.iter().cloned()))
            }
            Step::Suspend => platform.suspend(place, &known).await.map(|()| done.is_suspended = true),
        };
        result.map_err(|error| stop(K::KIND, &error, platform, context))?;
    }
    Ok(())
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
    target: &Target<'_>,
    (object, context): (&K, &Context),
) -> Result<String, Stop> {
    let Target { platform, place, desired } = target;
    let open = Open { object, context };
    let created = platform.create(place, changes, &desired.effective.payload, &desired.mark).await;
    if created.as_ref().err().is_none_or(|error| !error.maybe_applied()) {
        open.close();
    }
    match created {
        Ok(id) => Ok(id),
        Err(Error::Invalid { errors }) if holder(&errors).is_some() => {
            let id = holder(&errors).unwrap_or_default();
            held(&id, target, object).await
        }
        Err(error) => Err(stop(K::KIND, &error, platform, context)),
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
    let Target { platform, place, desired } = target;
    let found = platform.read(place, id, false).await.map_err(|error| Stop::from(outcome(K::KIND, &error)))?;
    match found {
        None => Err(Outcome::Refused(
            Reason::TenantMissing,
            format!("tenant `{id}`, which this object created, was ended on the platform: it is never created again; delete this object, or create it anew under another name"),
        )
        .into()),
        Some(tenant) if tenant.mark.is(&desired.mark) => Ok(tenant.unique_id),
        Some(tenant) => Err(name_taken(object.declared_name(), &[tenant.unique_id]).into()),
    }
}
