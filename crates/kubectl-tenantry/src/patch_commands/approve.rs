//! `approve`: approves the plan that is waiting.

use clap_complete::ArgValueCompleter;
use serde_json::{Value, json};
use tenantry_api::PlanStatus;
use tenantry_core::object::TenantResource;

use super::{ObjectPatch, confirm_at_terminal, patch_object, pause_notice, status_hint};
use crate::cluster::{Cluster, ClusterFlags};
use crate::completion_candidates;
use crate::failure::Failure;
use crate::inventory::object_label;
use crate::object_arg::{AnyObject, ObjectArg, connect_required};
use crate::optimistic_patch::{DryRun, WriteFlags};
use crate::output::{self, strip_control_chars};
use crate::{CommandResult, ExitKind};

/// Approve the plan that waits on an object.
///
/// Shows the steps, asks, and sets `spec.management.approval.approvedPlan` to the hash of exactly these steps: a plan that
/// has changed meanwhile is not approved.
#[derive(clap::Args, Debug)]
#[command(
    after_help = "Examples:\n  kubectl tenantry approve client/globex\n  kubectl tenantry approve client/globex --plan sha256:9f86d081... --yes"
)]
pub(crate) struct ApproveFlags {
    /// The object, as `partner/NAME` or `client/NAME`; NAME alone where it is only one of them.
    #[arg(value_name = "KIND/NAME", num_args = 1..=2, required = true, add = ArgValueCompleter::new(completion_candidates::objects))]
    object: Vec<String>,
    /// Hash of the plan that was read before; another one is refused.
    #[arg(long, value_name = "HASH")]
    plan: Option<String>,
    /// Do not ask.
    #[arg(short, long)]
    yes: bool,
    #[command(flatten)]
    write: WriteFlags,
}

pub(crate) async fn run(flags: &ApproveFlags, cluster: &ClusterFlags) -> CommandResult {
    let named = ObjectArg::parse(&flags.object)?;
    let cluster = connect_required(cluster).await?;
    match named.find_object(&cluster).await? {
        AnyObject::Partner(partner) => approve_plan(partner.as_ref(), flags, &cluster).await,
        AnyObject::Client(client) => approve_plan(client.as_ref(), flags, &cluster).await,
    }
}

async fn approve_plan<K: TenantResource>(object: &K, flags: &ApproveFlags, cluster: &Cluster) -> CommandResult {
    let Some(plan) = pending_plan(object) else {
        output::print_note(&format!("{}: no plan waits for approval", object_label(object)));
        return Ok(ExitKind::Success);
    };
    if let Some(read) = flags.plan.as_ref().filter(|read| **read != plan.hash) {
        let message = format!("the plan that waits is `{}`, not `{read}`: read it and approve that one", plan.hash);
        return Err(Failure::new(message).about(object_label(object)).into());
    }
    let steps: Vec<String> = plan.steps.iter().map(|step| format!("  {}", strip_control_chars(step))).collect();
    output::print_to_stderr(&format!("Plan {} of {}:\n{}", plan.hash, object_label(object), steps.join("\n")));
    let target = flags.write.target(cluster);
    if !flags.yes && target.dry_run == DryRun::None {
        confirm_at_terminal("Approve these steps?")?;
    }
    patch_object(&ApprovePatch { hash: plan.hash.clone() }, object, target).await?;
    Ok(ExitKind::Success)
}

fn pending_plan<K: TenantResource>(object: &K) -> Option<&PlanStatus> {
    object.status()?.plan.as_ref()
}

struct ApprovePatch {
    hash: String,
}

impl ObjectPatch for ApprovePatch {
    fn written_fields(&self) -> &'static [&'static str] {
        &["spec.management.approval.approvedPlan"]
    }

    fn merge_patch<K: TenantResource>(&self, object: &K) -> Result<Option<Value>, Failure> {
        if pending_plan(object).is_none_or(|plan| plan.hash != self.hash) {
            return Err(Failure::new("the plan has changed meanwhile, so nothing is approved: read it and try again"));
        }
        let approved = object.management().and_then(|management| management.approval.as_ref()?.approved_plan.clone());
        let is_so = approved.as_ref() == Some(&self.hash);
        Ok((!is_so).then(|| json!({"spec": {"management": {"approval": {"approvedPlan": self.hash}}}})))
    }

    fn done_message(&self, named: &str) -> String {
        format!("approved the plan of {named}")
    }

    fn unchanged_message(&self) -> String {
        "the plan is approved already".to_owned()
    }

    fn next_step_message<K: TenantResource>(&self, object: &K) -> String {
        let does = pause_notice(object).unwrap_or_else(|| "the operator carries it out now".to_owned());
        format!("{does}; {}", status_hint(object))
    }
}
