//! `suspend` and `activate`: whether a tenant is in service.

use clap_complete::ArgValueCompleter;
use serde_json::{Value, json};

use super::{Act, consent, held_back, look, on};
use crate::api::{ApprovalMode, ManagementMode, TenantState};
use crate::cli::cluster::ClusterFlags;
use crate::cli::complete;
use crate::cli::failure::Failure;
use crate::cli::ground::named;
use crate::cli::guarded::{DryRun, Target, WriteFlags};
use crate::cli::one::{Named, One, required};
use crate::cli::{Ended, Exit};
use crate::object::{Object, is_deleting, mode};
use crate::plan::Kind;

/// Take a tenant out of service, so that none of its people can log in.
///
/// Sets `spec.tenantState` to `Suspended`, and asks before. Nothing is erased, and `kubectl tenantry activate` puts the
/// tenant back in service. Under a partner that is suspended nothing can be written.
#[derive(clap::Args, Debug)]
#[command(
    after_help = "Examples:\n  kubectl tenantry suspend client/globex\n  kubectl tenantry suspend partner acme -n acme --yes"
)]
pub(crate) struct SuspendFlags {
    /// The object, as `partner/NAME` or `client/NAME`.
    #[arg(value_name = "KIND/NAME", num_args = 1..=2, required = true, add = ArgValueCompleter::new(complete::objects))]
    object: Vec<String>,
    /// Do not ask.
    #[arg(short, long)]
    yes: bool,
    #[command(flatten)]
    write: WriteFlags,
}

/// Put a tenant back in service.
///
/// Sets `spec.tenantState` to `Active`.
#[derive(clap::Args, Debug)]
#[command(after_help = "Example:\n  kubectl tenantry activate client/globex")]
pub(crate) struct ActivateFlags {
    /// The object, as `partner/NAME` or `client/NAME`.
    #[arg(value_name = "KIND/NAME", num_args = 1..=2, required = true, add = ArgValueCompleter::new(complete::objects))]
    object: Vec<String>,
    #[command(flatten)]
    write: WriteFlags,
}

pub(crate) async fn suspend(flags: &SuspendFlags, cluster: &ClusterFlags) -> Ended {
    let SuspendFlags { object, yes, write } = flags;
    let is_asked = !yes && write.dry_run() == DryRun::None;
    set(object, &State { wanted: TenantState::Suspended, is_asked }, cluster, write).await
}

pub(crate) async fn activate(flags: &ActivateFlags, cluster: &ClusterFlags) -> Ended {
    let state = State { wanted: TenantState::Active, is_asked: false };
    set(&flags.object, &state, cluster, &flags.write).await
}

async fn set(object: &[String], state: &State, cluster: &ClusterFlags, write: &WriteFlags) -> Ended {
    let named = Named::read_with_kind(object)?;
    let cluster = required(cluster).await?;
    let to = write.target(&cluster);
    match named.find(&cluster).await? {
        One::Partner(partner) => state.write(partner.as_ref(), to).await?,
        One::Client(client) => state.write(client.as_ref(), to).await?,
    }
    Ok(Exit::Nothing)
}

struct State {
    wanted: TenantState,
    is_asked: bool,
}

impl State {
    async fn write<K: Object>(&self, object: &K, to: Target<'_>) -> Result<(), Failure> {
        if self.is_asked && self.patch(object).map_err(|failure| failure.about(named(object)))?.is_some() {
            let below = match K::KIND {
                Kind::Partner => " and those of all its clients",
                Kind::Client => "",
            };
            let tenant = object.declared_name().escape_debug();
            consent(&format!("Suspend \"{tenant}\"? Its people{below} cannot log in until it is activated."))?;
        }
        on(self, object, to).await.map(drop)
    }
}

impl Act for State {
    fn fields(&self) -> &'static [&'static str] {
        &["spec.tenantState"]
    }

    fn patch<K: Object>(&self, object: &K) -> Result<Option<Value>, Failure> {
        if is_deleting(object) {
            let message = "the object is being deleted, and what becomes of its tenant is decided by `deletion.policy`";
            return Err(Failure::new(message));
        }
        if mode(object) == ManagementMode::Observe {
            let message = "the tenant is only observed, and nothing the object says changes it: set `management.mode` to `Manage` first";
            return Err(Failure::new(message));
        }
        let is_so = object.tenant_state() == Some(self.wanted);
        Ok((!is_so).then(|| json!({"spec": {"tenantState": self.wanted.name()}})))
    }

    fn done(&self, named: &str) -> String {
        format!("set `tenantState` of {named} to {}", self.wanted.name())
    }

    fn needless(&self) -> String {
        format!("`tenantState` is {} already", self.wanted.name())
    }

    fn follows<K: Object>(&self, object: &K) -> String {
        let approval = object.management().and_then(|management| management.approval.as_ref()?.mode);
        let waits = match (approval.unwrap_or_default(), self.wanted) {
            (ApprovalMode::Manual, _) | (ApprovalMode::ManualIfRisky, TenantState::Suspended) => true,
            (ApprovalMode::ManualIfRisky, TenantState::Active) | (ApprovalMode::Automatic, _) => false,
        };
        let does = match (held_back(object), waits, self.wanted) {
            (Some(why), ..) => why,
            (None, true, _) => "the plan waits for approval: `kubectl tenantry approve` shows it".to_owned(),
            (None, false, TenantState::Suspended) => "the operator suspends the tenant now".to_owned(),
            (None, false, TenantState::Active) => "the operator activates the tenant now".to_owned(),
        };
        format!("{does}; {}", look(object))
    }
}
