//! `suspend` and `activate`: set whether a tenant is in service.

use clap_complete::ArgValueCompleter;
use serde_json::{Value, json};
use tenantry_api::{ApprovalMode, ManagementMode, TenantState};
use tenantry_core::TenantKind;
use tenantry_core::object::{TenantResource, is_deleting, management_mode};

use super::{ObjectPatch, confirm_at_terminal, patch_object, pause_notice, status_hint};
use crate::cluster::ClusterFlags;
use crate::completion_candidates;
use crate::failure::Failure;
use crate::inventory::object_label;
use crate::object_arg::{AnyObject, ObjectArg, connect_required};
use crate::optimistic_patch::{DryRun, WriteFlags, WriteTarget};
use crate::{CommandResult, ExitKind};

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
    #[arg(value_name = "KIND/NAME", num_args = 1..=2, required = true, add = ArgValueCompleter::new(completion_candidates::objects))]
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
    #[arg(value_name = "KIND/NAME", num_args = 1..=2, required = true, add = ArgValueCompleter::new(completion_candidates::objects))]
    object: Vec<String>,
    #[command(flatten)]
    write: WriteFlags,
}

pub(crate) async fn suspend_tenant(flags: &SuspendFlags, cluster: &ClusterFlags) -> CommandResult {
    let SuspendFlags { object, yes, write } = flags;
    let is_asked = !yes && write.dry_run() == DryRun::None;
    set_tenant_state(
        object,
        &TenantStatePatch { target_state: TenantState::Suspended, needs_confirmation: is_asked },
        cluster,
        write,
    )
    .await
}

pub(crate) async fn activate_tenant(flags: &ActivateFlags, cluster: &ClusterFlags) -> CommandResult {
    let state = TenantStatePatch { target_state: TenantState::Active, needs_confirmation: false };
    set_tenant_state(&flags.object, &state, cluster, &flags.write).await
}

async fn set_tenant_state(
    object: &[String],
    state: &TenantStatePatch,
    cluster: &ClusterFlags,
    write: &WriteFlags,
) -> CommandResult {
    let named = ObjectArg::parse_with_kind(object)?;
    let cluster = connect_required(cluster).await?;
    let to = write.target(&cluster);
    match named.find_object(&cluster).await? {
        AnyObject::Partner(partner) => state.confirm_and_patch(partner.as_ref(), to).await?,
        AnyObject::Client(client) => state.confirm_and_patch(client.as_ref(), to).await?,
    }
    Ok(ExitKind::Success)
}

struct TenantStatePatch {
    target_state: TenantState,
    needs_confirmation: bool,
}

impl TenantStatePatch {
    async fn confirm_and_patch<K: TenantResource>(&self, object: &K, to: WriteTarget<'_>) -> Result<(), Failure> {
        if self.needs_confirmation
            && self.merge_patch(object).map_err(|failure| failure.about(object_label(object)))?.is_some()
        {
            let below = match K::KIND {
                TenantKind::Partner => " and those of all its clients",
                TenantKind::Client => "",
            };
            let tenant = object.declared_name().escape_debug();
            confirm_at_terminal(&format!(
                "Suspend \"{tenant}\"? Its people{below} cannot log in until it is activated."
            ))?;
        }
        patch_object(self, object, to).await.map(drop)
    }
}

impl ObjectPatch for TenantStatePatch {
    fn written_fields(&self) -> &'static [&'static str] {
        &["spec.tenantState"]
    }

    fn merge_patch<K: TenantResource>(&self, object: &K) -> Result<Option<Value>, Failure> {
        if is_deleting(object) {
            let message = "the object is being deleted, and what becomes of its tenant is decided by `deletion.policy`";
            return Err(Failure::new(message));
        }
        if management_mode(object) == ManagementMode::Observe {
            let message = "the tenant is only observed, and nothing the object says changes it: set `management.mode` to `Manage` first";
            return Err(Failure::new(message));
        }
        let is_so = object.tenant_state() == Some(self.target_state);
        Ok((!is_so).then(|| json!({"spec": {"tenantState": self.target_state.name()}})))
    }

    fn done_message(&self, named: &str) -> String {
        format!("set `tenantState` of {named} to {}", self.target_state.name())
    }

    fn unchanged_message(&self) -> String {
        format!("`tenantState` is {} already", self.target_state.name())
    }

    fn next_step_message<K: TenantResource>(&self, object: &K) -> String {
        let approval = object.management().and_then(|management| management.approval.as_ref()?.mode);
        let waits = match (approval.unwrap_or_default(), self.target_state) {
            (ApprovalMode::Manual, _) | (ApprovalMode::ManualIfRisky, TenantState::Suspended) => true,
            (ApprovalMode::ManualIfRisky, TenantState::Active) | (ApprovalMode::Automatic, _) => false,
        };
        let does = match (pause_notice(object), waits, self.target_state) {
            (Some(why), ..) => why,
            (None, true, _) => "the plan waits for approval: `kubectl tenantry approve` shows it".to_owned(),
            (None, false, TenantState::Suspended) => "the operator suspends the tenant now".to_owned(),
            (None, false, TenantState::Active) => "the operator activates the tenant now".to_owned(),
        };
        format!("{does}; {}", status_hint(object))
    }
}
