//! `approve`: lets the plan happen that waits.

use clap_complete::ArgValueCompleter;
use serde_json::{Value, json};

use super::{Act, consent, held_back, look, on};
use crate::api::PlanStatus;
use crate::cli::cluster::{Cluster, ClusterFlags};
use crate::cli::complete;
use crate::cli::failure::Failure;
use crate::cli::ground::named;
use crate::cli::guarded::{DryRun, WriteFlags};
use crate::cli::one::{Named, One, required};
use crate::cli::output::{self, plain};
use crate::cli::{Ended, Exit};
use crate::object::Object;

/// Approve the plan that waits on an object.
///
/// Shows the steps, asks, and sets `spec.management.approval.approvedPlan` to the hash of exactly these steps: a plan that
/// has changed meanwhile is not approved.
#[derive(clap::Args, Debug)]
#[command(
    after_help = "Examples:\n  kubectl tenantry approve client/globex\n  kubectl tenantry approve client/globex --plan sha256:9f86d081... --yes"
)]
pub(crate) struct Flags {
    /// The object, as `partner/NAME` or `client/NAME`; NAME alone where it is only one of them.
    #[arg(value_name = "KIND/NAME", num_args = 1..=2, required = true, add = ArgValueCompleter::new(complete::objects))]
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

pub(crate) async fn run(flags: &Flags, cluster: &ClusterFlags) -> Ended {
    let named = Named::read(&flags.object)?;
    let cluster = required(cluster).await?;
    match named.find(&cluster).await? {
        One::Partner(partner) => approve(partner.as_ref(), flags, &cluster).await,
        One::Client(client) => approve(client.as_ref(), flags, &cluster).await,
    }
}

async fn approve<K: Object>(object: &K, flags: &Flags, cluster: &Cluster) -> Ended {
    let Some(plan) = waiting(object) else {
        output::note(&format!("{}: no plan waits for approval", named(object)));
        return Ok(Exit::Nothing);
    };
    if let Some(read) = flags.plan.as_ref().filter(|read| **read != plan.hash) {
        let message = format!("the plan that waits is `{}`, not `{read}`: read it and approve that one", plan.hash);
        return Err(Failure::new(message).about(named(object)).into());
    }
    let steps: Vec<String> = plan.steps.iter().map(|step| format!("  {}", plain(step))).collect();
    output::tell(&format!("Plan {} of {}:\n{}", plan.hash, named(object), steps.join("\n")));
    let target = flags.write.target(cluster);
    if !flags.yes && target.dry_run == DryRun::None {
        consent("Approve these steps?")?;
    }
    on(&Approve { hash: plan.hash.clone() }, object, target).await?;
    Ok(Exit::Nothing)
}

fn waiting<K: Object>(object: &K) -> Option<&PlanStatus> {
    object.status()?.plan.as_ref()
}

struct Approve {
    hash: String,
}

impl Act for Approve {
    fn fields(&self) -> &'static [&'static str] {
        &["spec.management.approval.approvedPlan"]
    }

    fn patch<K: Object>(&self, object: &K) -> Result<Option<Value>, Failure> {
        if waiting(object).is_none_or(|plan| plan.hash != self.hash) {
            return Err(Failure::new("the plan has changed meanwhile, so nothing is approved: read it and try again"));
        }
        let approved = object.management().and_then(|management| management.approval.as_ref()?.approved_plan.clone());
        let is_so = approved.as_ref() == Some(&self.hash);
        Ok((!is_so).then(|| json!({"spec": {"management": {"approval": {"approvedPlan": self.hash}}}})))
    }

    fn done(&self, named: &str) -> String {
        format!("approved the plan of {named}")
    }

    fn needless(&self) -> String {
        "the plan is approved already".to_owned()
    }

    fn follows<K: Object>(&self, object: &K) -> String {
        let does = held_back(object).unwrap_or_else(|| "the operator carries it out now".to_owned());
        format!("{does}; {}", look(object))
    }
}
