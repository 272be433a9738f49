//! `cancel`: withdraws the consent to terminate a tenant while the termination is still pending.

use std::time::Duration;

use clap_complete::ArgValueCompleter;
use k8s_openapi::api::events::v1::Event;
use kube::api::ListParams;
use kube::{Api, ResourceExt as _};
use serde_json::{Value, json};
use tenantry_api::{DeletionPolicy, Reason, TerminationStatus, TerminationStep};
use tenantry_core::object::{TenantResource, deletion_policy, is_deleting, namespace, uid, unique_id};

use super::cluster::{Cluster, ClusterFlags};
use super::completion_candidates;
use super::failure::Failure;
use super::inventory::object_label;
use super::object_arg::{AnyObject, ObjectArg, connect_required, object_argument};
use super::optimistic_patch::{DryRun, WriteFlags, WriteOutcome, merge_patch_with_retry};
use super::{CommandResult, ExitKind, output};

/// Pause between two checks of the outcome of a late cancel.
const POLL_INTERVAL: Duration = Duration::from_millis(500);

/// Take the consent to the end of a tenant back.
///
/// Removes `spec.deletion.confirm`. A tenant that the operator has suspended for its end is activated again, and the
/// object, which was deleted, goes; the tenant stays. Where the consent came from Git, revert it there too.
///
/// Once the call that ends the tenant may have been made this waits until it shows whether it came in time.
#[derive(clap::Args, Debug)]
#[command(
    after_help = "Examples:\n  kubectl tenantry cancel client globex\n  kubectl tenantry cancel partner/acme -n acme"
)]
pub(crate) struct CancelFlags {
    /// The object, as `partner NAME` or `client NAME`.
    #[arg(value_name = "KIND NAME", num_args = 1..=2, required = true, add = ArgValueCompleter::new(completion_candidates::objects))]
    object: Vec<String>,
    /// Longest wait, in seconds, for what became of a late cancel.
    #[arg(long, value_name = "SECONDS", default_value_t = 180)]
    timeout: u64,
    #[command(flatten)]
    write: WriteFlags,
}

pub(crate) async fn run(flags: &CancelFlags, cluster: &ClusterFlags) -> CommandResult {
    let named = ObjectArg::parse_with_kind(&flags.object)?;
    let cluster = connect_required(cluster).await?;
    match named.find_object(&cluster).await? {
        AnyObject::Partner(partner) => Box::pin(cancel_termination(partner.as_ref(), flags, &cluster)).await,
        AnyObject::Client(client) => Box::pin(cancel_termination(client.as_ref(), flags, &cluster)).await,
    }
}

async fn cancel_termination<K: TenantResource>(object: &K, flags: &CancelFlags, cluster: &Cluster) -> CommandResult {
    let target = flags.write.target(cluster);
    let object = match merge_patch_with_retry(object, target, |object| Ok(withdrawal_patch(object))).await? {
        WriteOutcome::Applied(object) => object,
        WriteOutcome::Unchanged => {
            output::print_note(&format!("{}: {}", object_label(object), nothing_to_cancel_message(object)));
            return Ok(ExitKind::Success);
        }
        WriteOutcome::Gone => return print_cancel_outcome(read_outcome_event(object, cluster).await?, object),
    };
    if target.dry_run == DryRun::None && may_have_terminated(termination_status(object.as_ref())) {
        output::print_note("the call that ends the tenant may have been made: waiting for what became of it");
        let became = wait_for_outcome(object.as_ref(), Duration::from_secs(flags.timeout), cluster).await?;
        return print_cancel_outcome(became, object.as_ref());
    }
    output::print(&format!(
        "the consent is taken back on {}{}\n",
        object_label(object.as_ref()),
        target.dry_run.suffix()
    ))?;
    if target.dry_run == DryRun::None {
        output::print_note(&next_step_message(object.as_ref()));
    }
    Ok(ExitKind::Success)
}

fn termination_status<K: TenantResource>(object: &K) -> Option<&TerminationStatus> {
    object.status()?.termination.as_ref()
}

fn is_consent_accepted(record: Option<&TerminationStatus>) -> bool {
    record.is_some_and(|record| record.confirm_digest.is_some())
}

/// Returns whether the `terminate` call may have been made. Before that, a cancel on the object as it was read is in
/// time: the operator also writes this step against the version that it read, and only one of the two writes succeeds.
fn may_have_terminated(record: Option<&TerminationStatus>) -> bool {
    matches!(record.and_then(|record| record.step), Some(TerminationStep::Terminating | TerminationStep::Terminated))
}

/// Returns the patch that withdraws a consent, or `None` if there is none. A deletion that was requested and waits for
/// a consent can only continue without one under `Retain`.
fn withdrawal_patch<K: TenantResource>(object: &K) -> Option<Value> {
    let has_consent = object.deletion().is_some_and(|deletion| deletion.confirm.is_some());
    let waits = is_deleting(object) && !is_consent_accepted(termination_status(object)) && has_terminate_policy(object);
    match (has_consent, waits) {
        (false, false) => None,
        (true, false) => Some(json!({"spec": {"deletion": {"confirm": null}}})),
        (_, true) => Some(json!({"spec": {"deletion": {"confirm": null, "policy": DeletionPolicy::Retain.name()}}})),
    }
}

fn has_terminate_policy<K: TenantResource>(object: &K) -> bool {
    deletion_policy(object) == DeletionPolicy::Terminate
}

fn nothing_to_cancel_message<K: TenantResource>(object: &K) -> String {
    if is_consent_accepted(termination_status(object)) {
        "the consent was taken back before, and the operator works it off".to_owned()
    } else if is_deleting(object) {
        let policy = deletion_policy(object).name();
        format!("it was deleted with policy `{policy}`, so nothing is being ended")
    } else {
        "there is no consent to take back".to_owned()
    }
}

/// Describes what happens after a cancel that was in time.
fn next_step_message<K: TenantResource>(object: &K) -> String {
    let tenant = format!("tenant `{}`", unique_id(object).unwrap_or("without an id"));
    if !is_deleting(object) {
        return format!("nothing was under way: {tenant} stays as it is, and so does the object");
    }
    let goes = "the object goes, and the same manifest applied again takes the tenant up again";
    let was_suspended = termination_status(object).is_some_and(|record| record.suspended_by_us == Some(true));
    if is_consent_accepted(termination_status(object)) && was_suspended {
        format!("{tenant} is activated again and stays; {goes}")
    } else {
        format!("{tenant} stays as it is; {goes}")
    }
}

/// The outcome of a late cancel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum CancelOutcome {
    /// The cancel was in time.
    Cancelled,
    /// The tenant is terminated and cannot be restored.
    TooLate,
    /// No event reported the outcome.
    Unknown,
}

fn print_cancel_outcome<K: TenantResource>(outcome: CancelOutcome, object: &K) -> CommandResult {
    let tenant = unique_id(object).unwrap_or("without an id");
    match outcome {
        CancelOutcome::Cancelled => {
            output::print(&format!("the consent is taken back on {}\n", object_label(object)))?;
            output::print_note(&format!("it came in time: tenant `{tenant}` lives"));
            Ok(ExitKind::Success)
        }
        CancelOutcome::TooLate => {
            let message = format!("TooLateToCancel: tenant `{tenant}` has been ended, and all its data is erased");
            Err(Failure::new(message).about(object_label(object)).into())
        }
        CancelOutcome::Unknown => {
            let message = format!(
                "the consent is taken back, and whether it came in time is not known: see with `kubectl tenantry status {}`, and on the platform whether tenant `{tenant}` lives",
                object_argument(object)
            );
            Err(Failure::new(message).about(object_label(object)).into())
        }
    }
}

/// Waits until the object is gone, and reads the outcome from the operator's event.
async fn wait_for_outcome<K: TenantResource>(
    object: &K,
    limit: Duration,
    cluster: &Cluster,
) -> Result<CancelOutcome, Failure> {
    let objects = Api::<K>::namespaced(cluster.client.clone(), &namespace(object));
    let wait = async {
        loop {
            let found = objects.get_metadata_opt(&object.name_any()).await?;
            if found.is_none_or(|found| found.uid() != object.uid()) {
                break read_outcome_event(object, cluster).await;
            }
            tokio::time::sleep(POLL_INTERVAL).await;
        }
    };
    tokio::time::timeout(limit, wait).await.unwrap_or(Ok(CancelOutcome::Unknown))
}

/// Reads the operator's last event about an object that is gone. The event is published shortly after the removal.
async fn read_outcome_event<K: TenantResource>(object: &K, cluster: &Cluster) -> Result<CancelOutcome, Failure> {
    let events = Api::<Event>::namespaced(cluster.client.clone(), &namespace(object));
    let about = ListParams::default().fields(&format!("regarding.uid={}", uid(object)));
    for _ in 0..10 {
        for event in events.list(&about).await? {
            let reason = event.reason.unwrap_or_default();
            if [Reason::TooLateToCancel, Reason::Terminated, Reason::AlreadyGone].iter().any(|one| one.name() == reason)
            {
                return Ok(CancelOutcome::TooLate);
            }
            if reason == Reason::Cancelled.name() {
                return Ok(CancelOutcome::Cancelled);
            }
        }
        tokio::time::sleep(POLL_INTERVAL).await;
    }
    Ok(CancelOutcome::Unknown)
}

#[cfg(test)]
mod tests {
    use tenantry_api::TenantClient;

    use super::*;

    fn deleted_client(deletion: &Value, is_deleting: bool, record: &Value) -> TenantClient {
        let mut object = json!({
            "apiVersion": "tenantry.dev/v1alpha1", "kind": "Client", "metadata": {"name": "globex", "namespace": "acme"},
            "spec": {"partnerRef": {"name": "acme"}, "details": {"name": "Globex"}, "deletion": deletion},
            "status": {"uniqueId": "client_93", "termination": record},
        });
        if is_deleting {
            object["metadata"]["deletionTimestamp"] = json!("2026-11-22T09:30:00Z");
        }
        serde_json::from_value(object).unwrap()
    }

    #[test]
    fn a_consent_is_removed_and_a_deletion_that_waits_for_one_goes_on_by_retain() {
        let confirm = json!({"name": "Globex", "uniqueId": "client_93", "notAfter": "2026-12-01T12:00:00Z",
            "acknowledge": ["DataErased", "NotRecoverable", "UsersDeactivated"]});
        let (with, without) = (json!({"policy": "Terminate", "confirm": confirm}), json!({"policy": "Terminate"}));
        let accepted = json!({"confirmDigest": "sha256:1", "suspendedByUs": true, "step": "Suspended"});
        let removed = json!({"spec": {"deletion": {"confirm": null}}});
        let retained = json!({"spec": {"deletion": {"confirm": null, "policy": "Retain"}}});
        let cases = vec![
            (deleted_client(&with, false, &json!({})), Some(&removed), "nothing was under way"),
            (deleted_client(&with, true, &accepted), Some(&removed), "is activated again and stays; the object goes"),
            (deleted_client(&with, true, &json!({})), Some(&retained), "stays as it is; the object goes"),
            (deleted_client(&without, true, &json!({})), Some(&retained), "stays as it is; the object goes"),
            (deleted_client(&without, false, &json!({})), None, ""),
            (deleted_client(&without, true, &accepted), None, ""),
            (deleted_client(&json!({"policy": "Retain"}), true, &json!({})), None, ""),
        ];
        for (object, patch, says) in cases {
            assert_eq!(withdrawal_patch(&object).as_ref(), patch, "{object:?}");
            assert!(next_step_message(&object).contains(says), "{}", next_step_message(&object));
        }
    }
}
