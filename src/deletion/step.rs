//! One step: read everything again, decide once, do one thing.

use std::sync::Arc;

use jiff::Timestamp;
use kube::ResourceExt;
use tenantry_api::{ABANDON, ConnectionStatus, ManagementMode, Reason, TerminationStatus};
use tenantry_core::{
    DeletionContext, DeletionIntent, DeletionPass, DeletionRules, DeletionStep, DeletionTarget, EvidenceState,
    LedgerState, ObservedTenant, PassOutcome, TerminationLimits, next_deletion_step,
};
use tenantry_wire::Mark;

use super::gather_facts::{DeletionReads, WaitPolicy, gather_facts};
use super::send_permitted::{self, DecidedCall};
use super::{DeletionAttempt, DeletionProgress, NextStep, ReachedPlatform, WaitingObject, evidence, ledger, release};
use crate::apply_plan::stop_for_error;
use crate::audit;
use crate::context::Context;
use crate::pass_stop::PassStop;
use crate::status::{write_if_unchanged, write_termination};
use crate::tenant_object::{
    TenantObject, active_pause, deletion_policy, intent, management_mode, mark_of, namespaced_name, requested_adoption,
    uid, unique_id,
};

/// Runs one step. A pause is judged by the time at which the step began.
pub(super) async fn run_step<K: TenantObject>(
    object: &Arc<K>,
    started_at: Timestamp,
    done: &mut DeletionAttempt,
    context: &Context,
) -> Result<NextStep<K>, PassStop> {
    let pass = DeletionPass { started_at, has_recorded: std::mem::take(&mut done.has_recorded) };
    let DeletionReads { deletion_context: mut surroundings, platform: reached, ledger_map: book } =
        Box::pin(gather_facts(object.as_ref(), WaitPolicy::RateLimit, context)).await?;
    let decide = |surroundings: &DeletionContext| decide_deletion_step(object.as_ref(), surroundings, pass, context);
    let mut decided = decide(&surroundings);
    // If the evidence or ledger cannot be written, that is a further fact to decide on.
    match (&decided, &reached) {
        (DeletionStep::WriteEvidence(name), Some(reached)) => {
            let inputs = DeletionInputs::of_object(object.as_ref(), context);
            let intent = inputs.deletion_intent(object.as_ref(), pass, context);
            match evidence::write_evidence(name, object.as_ref(), &intent, reached, context).await? {
                Ok(()) => return Ok(NextStep::Continue(None)),
                Err(why) => surroundings.evidence = EvidenceState::Unusable(why),
            }
            decided = decide(&surroundings);
        }
        (DeletionStep::ReserveInLedger(entries), _) => {
            match ledger::write_ledger(book, entries, context).await {
                Ok(()) => return Ok(NextStep::Continue(None)),
                Err(why) => surroundings.ledger = LedgerState::Unusable(why),
            }
            decided = decide(&surroundings);
        }
        _ => {}
    }
    Box::pin(carry_out(object, decided, surroundings, reached, done, pass, context)).await
}

/// Carries out the decision.
async fn carry_out<K: TenantObject>(
    object: &Arc<K>,
    step: DeletionStep,
    deletion_context: DeletionContext,
    reached: Option<ReachedPlatform>,
    done: &mut DeletionAttempt,
    pass: DeletionPass,
    context: &Context,
) -> Result<NextStep<K>, PassStop> {
    let observed = match deletion_context.tenant {
        DeletionTarget::Found(observed) | DeletionTarget::Unmarked(observed) => Some(*observed),
        _ => None,
    };
    let id = observed.as_ref().map(|observed| observed.unique_id.as_str()).or_else(|| unique_id(object.as_ref()));
    let id = id.unwrap_or_default().to_owned();
    let waits = |outcome, until| Ok(waiting_step(object, outcome, until, observed.as_ref()));
    match (step, reached) {
        (DeletionStep::Release(release), _) => {
            release::release_object(object, (&release, &deletion_context.container), context).await?;
            Ok(NextStep::Finish(DeletionProgress::Gone))
        }
        (DeletionStep::Hold(hold), _) => waits(PassOutcome::DeletionHeld(hold.reason, hold.message), None),
        (DeletionStep::WaitUntil(time), _) => {
            waits(PassOutcome::Terminating(Reason::GracePeriod, grace_message(&id, time)), Some(time))
        }
        (DeletionStep::CheckAgainAt(time), _) => {
            waits(PassOutcome::Terminating(Reason::Cancelled, unknown_call_message(&id, time)), Some(time))
        }
        (DeletionStep::RecordProgress(termination), reached) => {
            let counted = with_impact(*termination, &id, reached.as_ref()).await;
            let written = write_termination(object.as_ref(), &counted, context).await?;
            done.has_recorded = written.resource_version() != object.resource_version();
            Ok(NextStep::Continue(Some(written)))
        }
        (DeletionStep::RecordTenantId(found), Some(reached)) => {
            record_found_tenant(object.as_ref(), found, &reached, context).await
        }
        (DeletionStep::Activate, Some(reached)) => activate_tenant(object, &id, &reached, context).await,
        (DeletionStep::AwaitTermination(accepted), _) => {
            waits(PassOutcome::Terminating(Reason::Terminating, still_exists_message(&id, &accepted)), None)
        }
        (DeletionStep::Suspend | DeletionStep::Terminate(_), Some(reached)) => {
            Box::pin(send_permitted::acquire_slot_and_send(
                object,
                DecidedCall { reached: &reached, pass },
                done,
                context,
            ))
            .await
        }
        // Without the platform nothing can be done there, and the records have already been tried.
        (
            DeletionStep::RecordTenantId(_)
            | DeletionStep::Suspend
            | DeletionStep::Activate
            | DeletionStep::Terminate(_),
            None,
        )
        | (DeletionStep::WriteEvidence(_) | DeletionStep::ReserveInLedger(_), _) => waits(
            PassOutcome::DeletionHeld(
                Reason::PlatformUnavailable,
                "the platform was not reached: trying again".to_owned(),
            ),
            None,
        ),
    }
}

pub(super) fn waiting_step<K: TenantObject>(
    object: &Arc<K>,
    outcome: PassOutcome,
    until: Option<Timestamp>,
    observed: Option<&ObservedTenant>,
) -> NextStep<K> {
    let waiting = WaitingObject { object: Arc::clone(object), outcome, until, observed: observed.cloned() };
    NextStep::Finish(DeletionProgress::Waiting(Box::new(waiting)))
}

fn grace_message(id: &str, time: Timestamp) -> String {
    format!(
        "tenant `{id}` is suspended and will be ended for ever at {time}: remove `deletion.confirm` or set `deletion.policy` to `Retain` to cancel"
    )
}

fn unknown_call_message(id: &str, time: Timestamp) -> String {
    format!(
        "the end of tenant `{id}` was cancelled after it may have been asked for: no further call is made, and at {time} it shows whether it still lives"
    )
}

fn still_exists_message(id: &str, accepted: &str) -> String {
    format!(
        "the platform took the call that ends tenant `{id}` at {accepted} and still shows the tenant: the call is not sent again; where it stays so ask the platform's support"
    )
}

/// Activates the tenant.
async fn activate_tenant<K: TenantObject>(
    object: &Arc<K>,
    id: &str,
    ReachedPlatform { platform, place }: &ReachedPlatform,
    context: &Context,
) -> Result<NextStep<K>, PassStop> {
    let what = audit::AuditedChange { operation: "activate", tenant: id, fields: Vec::new(), digests: None };
    let activated = audit::run_and_log_change(object.as_ref(), what, platform.activate_tenant(place, id)).await;
    activated.map_err(|error| stop_for_error(K::KIND, &error, platform, context))?;
    let note = format!("activated tenant `{id}` because its termination was cancelled");
    context.events.publish(object.as_ref(), Reason::Activated, &note);
    Ok(NextStep::Continue(None))
}

/// Records the id of a tenant that was created and whose id was never written down.
async fn record_found_tenant<K: TenantObject>(
    object: &K,
    found: String,
    ReachedPlatform { platform, place }: &ReachedPlatform,
    context: &Context,
) -> Result<NextStep<K>, PassStop> {
    let mut status = object.status().cloned().unwrap_or_default();
    status.unique_id = Some(found);
    status.connection.get_or_insert_with(|| ConnectionStatus {
        host: platform.host(),
        tenant_id: platform.tenant_id().to_owned(),
        parent_id: Some(place.parent_id().to_owned()),
        extensions: None,
    });
    Ok(NextStep::Continue(Some(write_if_unchanged(object, &status, context).await?)))
}

/// What an object declares about its deletion, with everything derived from that.
struct DeletionInputs {
    place: String,
    uid: String,
    mark: Mark,
    record: TerminationStatus,
}

impl DeletionInputs {
    fn of_object<K: TenantObject>(object: &K, context: &Context) -> Self {
        let record = object.status().and_then(|status| status.termination.clone()).unwrap_or_default();
        Self { place: namespaced_name(object), uid: uid(object), mark: mark_of(object, &context.cluster), record }
    }

    fn deletion_intent<'a, K: TenantObject>(
        &'a self,
        object: &'a K,
        pass: DeletionPass,
        context: &Context,
    ) -> DeletionIntent<'a> {
        let settings = &context.settings;
        DeletionIntent {
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
            is_paused: management_mode(object) != ManagementMode::Manage
                || active_pause(object, pass.started_at).is_some(),
            rules: DeletionRules {
                request_timeout: settings.request_timeout,
                limits: TerminationLimits {
                    partners: settings.max_partner_terminations_per_hour,
                    clients: settings.max_client_terminations_per_hour,
                },
            },
            pass,
        }
    }
}

/// Returns whether the spec names the recorded tenant. Without an intent the id was only ever observed.
fn has_adoption_id<K: TenantObject>(object: &K) -> bool {
    let asked = requested_adoption(object).and_then(|adoption| adoption.unique_id.as_deref());
    asked.is_some() && asked == unique_id(object) && intent(object).is_some()
}

pub(super) fn decide_deletion_step<K: TenantObject>(
    object: &K,
    deletion_context: &DeletionContext,
    pass: DeletionPass,
    context: &Context,
) -> DeletionStep {
    let inputs = DeletionInputs::of_object(object, context);
    next_deletion_step(&inputs.deletion_intent(object, pass, context), deletion_context, tenantry_runtime::clock::now())
}

/// Adds the impact of a termination when it is confirmed, while it can still be counted.
async fn with_impact(
    mut termination: TerminationStatus,
    id: &str,
    reached: Option<&ReachedPlatform>,
) -> TerminationStatus {
    if let Some(ReachedPlatform { platform, .. }) = reached
        && termination.impact.is_empty()
        && let Ok(Some(impact)) = platform.read_impact(id).await
    {
        termination.impact = impact;
    }
    termination
}
