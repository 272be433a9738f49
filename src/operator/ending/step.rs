//! One step: everything read anew, one decision, one thing done.

use std::sync::Arc;

use jiff::Timestamp;
use kube::ResourceExt;

use super::permit::{self, Asked};
use super::surroundings::{Gathered, Patience, gather};
use super::{Done, End, Next, Reached, Waiting, evidence, ledger, release};
use crate::api::{ABANDON, ConnectionStatus, ManagementMode, Reason, TerminationStatus};
use crate::operator::apply::stop;
use crate::operator::audit;
use crate::operator::context::Context;
use crate::operator::error::Stop;
use crate::operator::object::{
    TenantObject, asked_adoption, deletion_policy, intent, mark, mode, pause, place, uid, unique_id,
};
use crate::operator::status::{record, write_as_read};
use crate::plan::{
    Booked, Kept, Limits, Observed, Outcome, Removal, RemovalIntent, Rules, Surroundings, Tenant, Walk, removal,
};
use crate::wire::Mark;

/// One step, which judges a pause by the time at which it began.
pub(super) async fn step<K: TenantObject>(
    object: &Arc<K>,
    begun: Timestamp,
    done: &mut Done,
    context: &Context,
) -> Result<Next<K>, Stop> {
    let walk = Walk { begun, has_recorded: std::mem::take(&mut done.has_recorded) };
    let Gathered { mut surroundings, reached, book } =
        Box::pin(gather(object.as_ref(), Patience::RateLimit, context)).await?;
    let decide = |surroundings: &Surroundings| decide(object.as_ref(), surroundings, walk, context);
    let mut decided = decide(&surroundings);
    // What cannot be written down is one more thing to decide on.
    match (&decided, &reached) {
        (Removal::KeepEvidence(name), Some(reached)) => {
            let said = Said::of(object.as_ref(), context);
            let intent = said.intent(object.as_ref(), walk, context);
            match evidence::keep(name, (object.as_ref(), &intent), (reached, context)).await? {
                Ok(()) => return Ok(Next::Again(None)),
                Err(why) => surroundings.evidence = Kept::Unusable(why),
            }
            decided = decide(&surroundings);
        }
        (Removal::Reserve(entries), _) => {
            match ledger::write(book, entries, context).await {
                Ok(()) => return Ok(Next::Again(None)),
                Err(why) => surroundings.ledger = Booked::Unusable(why),
            }
            decided = decide(&surroundings);
        }
        _ => {}
    }
    Box::pin(act(object, (decided, surroundings, reached), (done, walk), context)).await
}

/// Does what was decided.
async fn act<K: TenantObject>(
    object: &Arc<K>,
    (decided, surroundings, reached): (Removal, Surroundings, Option<Reached>),
    (done, walk): (&mut Done, Walk),
    context: &Context,
) -> Result<Next<K>, Stop> {
    let observed = match surroundings.tenant {
        Tenant::Found(observed) | Tenant::Unmarked(observed) => Some(*observed),
        _ => None,
    };
    let id = observed.as_ref().map(|observed| observed.unique_id.as_str()).or_else(|| unique_id(object.as_ref()));
    let id = id.unwrap_or_default().to_owned();
    let waits = |outcome, until| Ok(waiting(object, (outcome, until), observed.as_ref()));
    match (decided, reached) {
        (Removal::Release(release), _) => {
            release::let_go(object, (&release, &surroundings.going), context).await?;
            Ok(Next::End(End::Gone))
        }
        (Removal::Hold(hold), _) => waits(Outcome::Held(hold.reason, hold.message), None),
        (Removal::WaitUntil(time), _) => waits(Outcome::Ending(Reason::GracePeriod, in_grace(&id, time)), Some(time)),
        (Removal::LookAgain(time), _) => waits(Outcome::Ending(Reason::Cancelled, in_doubt(&id, time)), Some(time)),
        (Removal::Record(termination), reached) => {
            let counted = with_impact(*termination, &id, reached.as_ref()).await;
            let written = record(object.as_ref(), &counted, context).await?;
            done.has_recorded = written.resource_version() != object.resource_version();
            Ok(Next::Again(Some(written)))
        }
        (Removal::Identify(found), Some(reached)) => identify(object.as_ref(), found, &reached, context).await,
        (Removal::Activate, Some(reached)) => activate(object, &id, &reached, context).await,
        (Removal::AwaitEnd(accepted), _) => {
            waits(Outcome::Ending(Reason::Terminating, still_there(&id, &accepted)), None)
        }
        (Removal::Suspend | Removal::Terminate(_), Some(reached)) => {
            Box::pin(permit::send(object, Asked { reached: &reached, walk }, (done, context))).await
        }
        // Without the platform nothing is done there; what was to be written down has been tried.
        (Removal::Identify(_) | Removal::Suspend | Removal::Activate | Removal::Terminate(_), None)
        | (Removal::KeepEvidence(_) | Removal::Reserve(_), _) => waits(
            Outcome::Held(Reason::PlatformUnavailable, "the platform was not reached: trying again".to_owned()),
            None,
        ),
    }
}

pub(super) fn waiting<K: TenantObject>(
    object: &Arc<K>,
    (outcome, until): (Outcome, Option<Timestamp>),
    observed: Option<&Observed>,
) -> Next<K> {
    let waiting = Waiting { object: Arc::clone(object), outcome, until, observed: observed.cloned() };
    Next::End(End::Waits(Box::new(waiting)))
}

fn in_grace(id: &str, time: Timestamp) -> String {
    format!(
        "tenant `{id}` is suspended and will be ended for ever at {time}: remove `deletion.confirm` or set `deletion.policy` to `Retain` to cancel"
    )
}

fn in_doubt(id: &str, time: Timestamp) -> String {
    format!(
        "the end of tenant `{id}` was cancelled after it may have been asked for: no further call is made, and at {time} it shows whether it still lives"
    )
}

fn still_there(id: &str, accepted: &str) -> String {
    format!(
        "the platform took the call that ends tenant `{id}` at {accepted} and still shows the tenant: the call is not sent again; where it stays so ask the platform's support"
    )
}

/// Activates the tenant.
async fn activate<K: TenantObject>(
    object: &Arc<K>,
    id: &str,
    Reached { platform, place }: &Reached,
    context: &Context,
) -> Result<Next<K>, Stop> {
    let what = audit::Change { operation: "activate", tenant: id, fields: Vec::new(), digests: None };
    let activated = audit::change(object.as_ref(), what, platform.activate(place, id)).await;
    activated.map_err(|error| stop(K::KIND, &error, platform, context))?;
    let note = format!("activated tenant `{id}` because its termination was cancelled");
    context.events.publish(object.as_ref(), Reason::Activated, &note);
    Ok(Next::Again(None))
}

/// Records a tenant that was created and whose id was never written down.
async fn identify<K: TenantObject>(
    object: &K,
    found: String,
    Reached { platform, place }: &Reached,
    context: &Context,
) -> Result<Next<K>, Stop> {
    let mut status = object.status().cloned().unwrap_or_default();
    status.unique_id = Some(found);
    status.connection.get_or_insert_with(|| ConnectionStatus {
        host: platform.host(),
        tenant_id: platform.tenant_id().to_owned(),
        parent_id: Some(place.parent().to_owned()),
        extensions: None,
    });
    Ok(Next::Again(Some(write_as_read(object, &status, context).await?)))
}

/// What an object says about its end, with everything that is made for it.
struct Said {
    place: String,
    uid: String,
    mark: Mark,
    record: TerminationStatus,
}

impl Said {
    fn of<K: TenantObject>(object: &K, context: &Context) -> Self {
        let record = object.status().and_then(|status| status.termination.clone()).unwrap_or_default();
        Self { place: place(object), uid: uid(object), mark: mark(object, &context.cluster), record }
    }

    fn intent<'a, K: TenantObject>(&'a self, object: &'a K, walk: Walk, context: &Context) -> RemovalIntent<'a> {
        let settings = &context.settings;
        RemovalIntent {
            kind: K::KIND,
            object: &self.place,
            policy: deletion_policy(object),
            grace_seconds: object.deletion().and_then(|deletion| deletion.grace_period_seconds),
            confirm: object.deletion().and_then(|deletion| deletion.confirm.as_ref()),
            uid: &self.uid,
            abandon: object.annotations().get(ABANDON).map(String::as_str),
            unique_id: unique_id(object),
            mark: &self.mark,
            record: &self.record,
            has_adoption_id: has_adoption_id(object),
            is_paused: mode(object) != ManagementMode::Manage || pause(object, walk.begun).is_some(),
            rules: Rules {
                request_timeout: settings.request_timeout,
                limits: Limits {
                    partners: settings.max_partner_terminations_per_hour,
                    clients: settings.max_client_terminations_per_hour,
                },
            },
            walk,
        }
    }
}

/// Whether the spec names the very tenant that was recorded. Without an intent the id was only ever observed.
fn has_adoption_id<K: TenantObject>(object: &K) -> bool {
    let asked = asked_adoption(object).and_then(|adoption| adoption.unique_id.as_deref());
    asked.is_some() && asked == unique_id(object) && intent(object).is_some()
}

pub(super) fn decide<K: TenantObject>(
    object: &K,
    surroundings: &Surroundings,
    walk: Walk,
    context: &Context,
) -> Removal {
    let said = Said::of(object, context);
    removal(&said.intent(object, walk, context), surroundings, crate::clock::now())
}

/// What the termination will erase is counted when it is confirmed, while it can still be counted.
async fn with_impact(mut termination: TerminationStatus, id: &str, reached: Option<&Reached>) -> TerminationStatus {
    if let Some(Reached { platform, .. }) = reached
        && termination.impact.is_empty()
        && let Ok(Some(impact)) = platform.impact(id).await
    {
        termination.impact = impact;
    }
    termination
}
