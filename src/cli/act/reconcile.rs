//! `reconcile`: lets the operator look at objects now, and waits until it has.

use std::time::Duration;

use jiff::Timestamp;
use kube::{Api, ResourceExt as _};
use serde_json::{Value, json};

use super::{Act, look, on};
use crate::api::{ConditionType, RECONCILE_REQUESTED_AT};
use crate::cli::cluster::{Cluster, ClusterFlags};
use crate::cli::failure::Failure;
use crate::cli::ground::{named, not_understood};
use crate::cli::guarded::{DryRun, WriteFlags};
use crate::cli::leader::leaders;
use crate::cli::one::{One, required};
use crate::cli::output;
use crate::cli::selection::Targets;
use crate::cli::{Ended, Exit};
use crate::object::{Object, Reading, namespace};

/// Pause between two looks at whether the operator has looked.
const PAUSE: Duration = Duration::from_millis(250);

/// Let the operator look at objects now, and wait until it has.
///
/// Sets the annotation `tenantry.dev/reconcile-requested-at`, which no manifest in Git takes back, and shows how Ready stands
/// after the look. Exit status: 0 the operator has looked, whatever it found; 1 it has not within --timeout, or an error.
#[derive(clap::Args, Debug)]
#[command(
    after_help = "Examples:\n  kubectl tenantry reconcile client/globex\n  kubectl tenantry reconcile --all -n acme --timeout 300\n  kubectl tenantry reconcile -l team=a -A --no-wait"
)]
pub(crate) struct Flags {
    #[command(flatten)]
    targets: Targets,
    /// Longest wait for all of them, in seconds.
    #[arg(long, value_name = "SECONDS", default_value_t = 60)]
    timeout: u64,
    /// Do not wait.
    #[arg(long)]
    no_wait: bool,
    #[command(flatten)]
    write: WriteFlags,
}

pub(crate) async fn run(flags: &Flags, cluster: &ClusterFlags) -> Ended {
    let cluster = required(cluster).await?;
    let objects = flags.targets.find(&cluster).await?;
    let target = flags.write.target(&cluster);
    let act = Reconcile { at: crate::clock::now().to_string() };
    let (mut asked, mut failures) = (Vec::new(), Vec::new());
    for object in &objects {
        let done = match object {
            One::Partner(partner) => on(&act, partner.as_ref(), target).await,
            One::Client(client) => on(&act, client.as_ref(), target).await,
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
                One::Partner(partner) => act.wait(partner.as_ref(), deadline, &cluster).await,
                One::Client(client) => act.wait(client.as_ref(), deadline, &cluster).await,
            };
            failures.extend(waited.err());
        }
    }
    if failures.is_empty() { Ok(Exit::Nothing) } else { Err(failures) }
}

struct Reconcile {
    at: String,
}

impl Act for Reconcile {
    fn fields(&self) -> &'static [&'static str] {
        &[]
    }

    fn patch<K: Object>(&self, _: &K) -> Result<Option<Value>, Failure> {
        Ok(Some(json!({"metadata": {"annotations": {RECONCILE_REQUESTED_AT: self.at}}})))
    }

    fn done(&self, named: &str) -> String {
        format!("asked for a look at {named}")
    }

    fn needless(&self) -> String {
        "a look is asked for already".to_owned()
    }

    fn follows<K: Object>(&self, object: &K) -> String {
        format!("the operator looks at it now; {}", look(object))
    }
}

/// The request for a look that the operator handled last.
fn handled<K: Object>(object: &K) -> Option<&str> {
    object.status()?.last_handled_reconcile_at.as_deref()
}

impl Reconcile {
    /// Whether the operator has looked since the request: for this one, or for one of somebody else that replaced it.
    fn is_answered_by(&self, handled: Option<&str>, before: Option<&str>) -> bool {
        let time = |text: &str| text.parse::<Timestamp>().ok();
        let is_later = || handled.and_then(time) >= time(&self.at);
        handled == Some(&self.at) || handled.is_some() && handled != before && is_later()
    }

    /// Waits until the operator has looked, and tells how Ready stands.
    async fn wait<K: Object>(
        &self,
        object: &K,
        deadline: tokio::time::Instant,
        cluster: &Cluster,
    ) -> Result<(), Failure> {
        let objects = Api::<Reading<K>>::namespaced(cluster.client.clone(), &namespace(object));
        loop {
            let Some(found) = objects.get_opt(&object.name_any()).await? else {
                return output::print(&format!("{} has gone\n", named(object)));
            };
            let found = found.understood().map_err(|other| not_understood(K::KIND, &other))?;
            if self.is_answered_by(handled(&found), handled(object)) {
                return output::print(&format!("{}: {}\n", named(object), ready(&found)));
            }
            if tokio::time::Instant::now() >= deadline {
                return Err(self.late(object, cluster).await);
            }
            tokio::time::sleep(PAUSE).await;
        }
    }

    async fn late<K: Object>(&self, object: &K, cluster: &Cluster) -> Failure {
        let leaders = leaders(cluster).await.text(crate::clock::now());
        let message = format!("the operator has not looked in time ({}): {}", leaders.trim_end(), look(object));
        Failure::new(message).about(named(object))
    }
}

fn ready<K: Object>(object: &K) -> String {
    let conditions = object.status().map(|status| status.conditions.as_slice()).unwrap_or_default();
    let told = [ConditionType::Paused, ConditionType::Ready].into_iter().find_map(|kind| {
        let found = conditions.iter().find(|one| one.type_ == kind.name());
        found.filter(|one| kind == ConditionType::Ready || one.status == "True")
    });
    told.map_or_else(
        || "nothing is known of it yet".to_owned(),
        |one| {
            let message = if one.status == "True" && one.type_ == "Ready" { "" } else { one.message.as_str() };
            let separator = if message.is_empty() { "" } else { ": " };
            format!("{}={} ({}){separator}{}", one.type_, one.status, one.reason, output::plain(message))
        },
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_look_for_a_later_request_of_somebody_else_counts() {
        let ours = Reconcile { at: "2026-12-01T12:00:00.5Z".to_owned() };
        for (handled, before, is_answered) in [
            (Some("2026-12-01T12:00:00.5Z"), None, true),
            (Some("2026-12-01T12:00:01Z"), Some("2026-12-01T11:00:00Z"), true),
            (Some("2026-12-01T12:00:00Z"), Some("2026-12-01T11:00:00Z"), false),
            // Handled before this request, by a clock that is ahead.
            (Some("2026-12-01T12:30:00Z"), Some("2026-12-01T12:30:00Z"), false),
            (Some("now"), None, false),
            (None, None, false),
        ] {
            assert_eq!(ours.is_answered_by(handled, before), is_answered, "{handled:?} {before:?}");
        }
    }
}
