//! `reconcile`: requests a reconciliation of objects now, and waits until it is done.

use std::time::Duration;

use jiff::Timestamp;
use kube::{Api, ResourceExt as _};
use serde_json::{Value, json};
use tenantry_api::{ConditionType, RECONCILE_REQUESTED_AT};
use tenantry_core::object::{ParsedObject, TenantResource, namespace};

use super::{ObjectPatch, patch_object, status_hint};
use crate::cluster::{Cluster, ClusterFlags};
use crate::failure::Failure;
use crate::inventory::{not_understood_failure, object_label};
use crate::leader::read_leaders;
use crate::object_arg::{AnyObject, connect_required};
use crate::optimistic_patch::{DryRun, WriteFlags};
use crate::output;
use crate::selection::ObjectSelection;
use crate::{CommandResult, ExitKind};

/// Pause between two checks whether the operator has handled the request.
const POLL_INTERVAL: Duration = Duration::from_millis(250);

/// Let the operator reconcile objects now, and wait until it has.
///
/// Sets the annotation `tenantry.dev/reconcile-requested-at`, which no manifest in Git takes back, and shows the Ready
/// condition after the pass. Exit status: 0 the operator has reconciled, with any result; 1 it has not within
/// --timeout, or an error.
#[derive(clap::Args, Debug)]
#[command(
    after_help = "Examples:\n  kubectl tenantry reconcile client/globex\n  kubectl tenantry reconcile --all -n acme --timeout 300\n  kubectl tenantry reconcile -l team=a -A --no-wait"
)]
pub(crate) struct ReconcileFlags {
    #[command(flatten)]
    targets: ObjectSelection,
    /// Longest wait for all of them, in seconds.
    #[arg(long, value_name = "SECONDS", default_value_t = 60)]
    timeout: u64,
    /// Do not wait.
    #[arg(long)]
    no_wait: bool,
    #[command(flatten)]
    write: WriteFlags,
}

pub(crate) async fn run(flags: &ReconcileFlags, cluster: &ClusterFlags) -> CommandResult {
    let cluster = connect_required(cluster).await?;
    let objects = flags.targets.find_objects(&cluster).await?;
    let target = flags.write.target(&cluster);
    let act = ReconcileRequest { requested_at: tenantry_runtime::clock::now().to_string() };
    let (mut asked, mut failures) = (Vec::new(), Vec::new());
    for object in &objects {
        let done = match object {
            AnyObject::Partner(partner) => patch_object(&act, partner.as_ref(), target).await,
            AnyObject::Client(client) => patch_object(&act, client.as_ref(), target).await,
        };
        match done {
            Ok(_) => asked.push(object),
            Err(failure) => failures.push(failure),
        }
    }
    if target.dry_run == DryRun::None && !flags.no_wait {
        let deadline = tokio::time::Instant::now() + Duration::from_secs(flags.timeout);
        for object in asked {
            let waited = match object {
                AnyObject::Partner(partner) => act.wait_until_handled(partner.as_ref(), deadline, &cluster).await,
                AnyObject::Client(client) => act.wait_until_handled(client.as_ref(), deadline, &cluster).await,
            };
            failures.extend(waited.err());
        }
    }
    if failures.is_empty() { Ok(ExitKind::Success) } else { Err(failures) }
}

struct ReconcileRequest {
    requested_at: String,
}

impl ObjectPatch for ReconcileRequest {
    fn written_fields(&self) -> &'static [&'static str] {
        &[]
    }

    fn merge_patch<K: TenantResource>(&self, _: &K) -> Result<Option<Value>, Failure> {
        Ok(Some(json!({"metadata": {"annotations": {RECONCILE_REQUESTED_AT: self.requested_at}}})))
    }

    fn done_message(&self, named: &str) -> String {
        format!("asked for a look at {named}")
    }

    fn unchanged_message(&self) -> String {
        "a look is asked for already".to_owned()
    }

    fn next_step_message<K: TenantResource>(&self, object: &K) -> String {
        format!("the operator looks at it now; {}", status_hint(object))
    }
}

/// Returns the reconcile request that the operator handled last.
fn last_handled_request<K: TenantResource>(object: &K) -> Option<&str> {
    object.status()?.last_handled_reconcile_at.as_deref()
}

impl ReconcileRequest {
    /// Returns whether the operator has handled this request, or a later one that replaced it.
    fn is_handled(&self, handled: Option<&str>, before: Option<&str>) -> bool {
        let time = |text: &str| text.parse::<Timestamp>().ok();
        let is_later = || handled.and_then(time) >= time(&self.requested_at);
        handled == Some(&self.requested_at) || handled.is_some() && handled != before && is_later()
    }

    /// Waits until the operator has handled the request, and prints the Ready condition.
    async fn wait_until_handled<K: TenantResource>(
        &self,
        object: &K,
        deadline: tokio::time::Instant,
        cluster: &Cluster,
    ) -> Result<(), Failure> {
        let objects = Api::<ParsedObject<K>>::namespaced(cluster.client.clone(), &namespace(object));
        loop {
            let Some(found) = objects.get_opt(&object.name_any()).await? else {
                return output::print(&format!("{} has gone\n", object_label(object)));
            };
            let found = found.into_understood().map_err(|other| not_understood_failure(K::KIND, &other))?;
            if self.is_handled(last_handled_request(&found), last_handled_request(object)) {
                return output::print(&format!("{}: {}\n", object_label(object), readiness_summary(&found)));
            }
            if tokio::time::Instant::now() >= deadline {
                return Err(self.timeout_failure(object, cluster).await);
            }
            tokio::time::sleep(POLL_INTERVAL).await;
        }
    }

    async fn timeout_failure<K: TenantResource>(&self, object: &K, cluster: &Cluster) -> Failure {
        let leaders = read_leaders(cluster).await.text(tenantry_runtime::clock::now());
        let message = format!("the operator has not looked in time ({}): {}", leaders.trim_end(), status_hint(object));
        Failure::new(message).about(object_label(object))
    }
}

fn readiness_summary<K: TenantResource>(object: &K) -> String {
    let conditions = object.status().map(|status| status.conditions.as_slice()).unwrap_or_default();
    let condition = [ConditionType::Paused, ConditionType::Ready].into_iter().find_map(|kind| {
        let found = conditions.iter().find(|one| one.type_ == kind.name());
        found.filter(|one| kind == ConditionType::Ready || one.status == "True")
    });
    condition.map_or_else(
        || "nothing is known of it yet".to_owned(),
        |one| {
            let message = if one.status == "True" && one.type_ == "Ready" { "" } else { one.message.as_str() };
            let separator = if message.is_empty() { "" } else { ": " };
            format!("{}={} ({}){separator}{}", one.type_, one.status, one.reason, output::strip_control_chars(message))
        },
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_look_for_a_later_request_of_somebody_else_counts() {
        let ours = ReconcileRequest { requested_at: "2026-12-01T12:00:00.5Z".to_owned() };
        for (handled, before, is_answered) in [
            (Some("2026-12-01T12:00:00.5Z"), None, true),
            (Some("2026-12-01T12:00:01Z"), Some("2026-12-01T11:00:00Z"), true),
            (Some("2026-12-01T12:00:00Z"), Some("2026-12-01T11:00:00Z"), false),
            // Handled before this request, with a clock that is ahead.
            (Some("2026-12-01T12:30:00Z"), Some("2026-12-01T12:30:00Z"), false),
            (Some("now"), None, false),
            (None, None, false),
        ] {
            assert_eq!(ours.is_handled(handled, before), is_answered, "{handled:?} {before:?}");
        }
    }
}
