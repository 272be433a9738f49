//! `resume`: ends a pause.

use serde_json::{Value, json};

use super::{Act, look, on_all};
use crate::api::ManagementMode;
use crate::cli::Ended;
use crate::cli::cluster::ClusterFlags;
use crate::cli::failure::Failure;
use crate::cli::guarded::WriteFlags;
use crate::cli::one::required;
use crate::cli::selection::Targets;
use crate::object::{Object, mode};

/// End a pause of objects.
///
/// Removes `spec.management.pausedUntil`, and `spec.management.mode` where it is `Paused`. The operator then writes at once
/// what differs: `kubectl tenantry plan` shows it before.
#[derive(clap::Args, Debug)]
#[command(
    after_help = "Examples:\n  kubectl tenantry resume client/globex\n  kubectl tenantry resume --all -n acme --dry-run=client"
)]
pub(crate) struct Flags {
    #[command(flatten)]
    targets: Targets,
    #[command(flatten)]
    write: WriteFlags,
}

pub(crate) async fn run(flags: &Flags, cluster: &ClusterFlags) -> Ended {
    let cluster = required(cluster).await?;
    let objects = flags.targets.find(&cluster).await?;
    on_all(&Resume, &objects, flags.write.target(&cluster)).await
}

struct Resume;

impl Act for Resume {
    fn fields(&self) -> &'static [&'static str] {
        &["spec.management.mode", "spec.management.pausedUntil"]
    }

    fn patch<K: Object>(&self, object: &K) -> Result<Option<Value>, Failure> {
        let is_open = mode(object) == ManagementMode::Paused;
        let has_end = object.management().is_some_and(|management| management.paused_until.is_some());
        let mut management = json!({});
        if is_open {
            management["mode"] = Value::Null;
        }
        if has_end {
            management["pausedUntil"] = Value::Null;
        }
        Ok((is_open || has_end).then(|| json!({"spec": {"management": management}})))
    }

    fn done(&self, named: &str) -> String {
        format!("resumed {named}")
    }

    fn needless(&self) -> String {
        "it is not paused".to_owned()
    }

    fn follows<K: Object>(&self, object: &K) -> String {
        let does = match mode(object) {
            ManagementMode::Observe => "the operator reads the tenant again and writes nothing",
            ManagementMode::Manage | ManagementMode::Paused => {
                "the operator reads the tenant now and writes what differs"
            }
        };
        format!("{does}; {}", look(object))
    }
}
