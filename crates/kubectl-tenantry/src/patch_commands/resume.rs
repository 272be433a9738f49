//! `resume`: ends a pause.

use serde_json::{Value, json};
use tenantry_api::ManagementMode;
use tenantry_core::object::{TenantResource, management_mode};

use super::{ObjectPatch, patch_objects, status_hint};
use crate::CommandResult;
use crate::cluster::ClusterFlags;
use crate::failure::Failure;
use crate::object_arg::connect_required;
use crate::optimistic_patch::WriteFlags;
use crate::selection::ObjectSelection;

/// End a pause of objects.
///
/// Removes `spec.management.pausedUntil`, and `spec.management.mode` where it is `Paused`. The operator then writes at once
/// what differs: `kubectl tenantry plan` shows it before.
#[derive(clap::Args, Debug)]
#[command(
    after_help = "Examples:\n  kubectl tenantry resume client/globex\n  kubectl tenantry resume --all -n acme --dry-run=client"
)]
pub(crate) struct ResumeFlags {
    #[command(flatten)]
    targets: ObjectSelection,
    #[command(flatten)]
    write: WriteFlags,
}

pub(crate) async fn run(flags: &ResumeFlags, cluster: &ClusterFlags) -> CommandResult {
    let cluster = connect_required(cluster).await?;
    let objects = flags.targets.find_objects(&cluster).await?;
    patch_objects(&ResumePatch, &objects, flags.write.target(&cluster)).await
}

struct ResumePatch;

impl ObjectPatch for ResumePatch {
    fn written_fields(&self) -> &'static [&'static str] {
        &["spec.management.mode", "spec.management.pausedUntil"]
    }

    fn merge_patch<K: TenantResource>(&self, object: &K) -> Result<Option<Value>, Failure> {
        let is_open = management_mode(object) == ManagementMode::Paused;
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

    fn done_message(&self, named: &str) -> String {
        format!("resumed {named}")
    }

    fn unchanged_message(&self) -> String {
        "it is not paused".to_owned()
    }

    fn next_step_message<K: TenantResource>(&self, object: &K) -> String {
        let does = match management_mode(object) {
            ManagementMode::Observe => "the operator reads the tenant again and writes nothing",
            ManagementMode::Manage | ManagementMode::Paused => {
                "the operator reads the tenant now and writes what differs"
            }
        };
        format!("{does}; {}", status_hint(object))
    }
}
