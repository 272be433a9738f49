//! `adopt`: lets an object adopt an existing tenant.

use clap_complete::ArgValueCompleter;
use serde_json::{Value, json};
use tenantry_api::AdoptionPolicy;
use tenantry_core::object::{TenantResource, unique_id};

use super::{ObjectPatch, patch_object, pause_notice, status_hint};
use crate::cluster::ClusterFlags;
use crate::completion_candidates;
use crate::failure::Failure;
use crate::object_arg::{AnyObject, ObjectArg, connect_required};
use crate::optimistic_patch::WriteFlags;
use crate::{CommandResult, ExitKind};

/// Let an object take over a tenant that exists already.
///
/// Sets `spec.adoption`. With `--policy identical` the operator writes its mark and nothing else, or refuses and names what
/// differs; with `--policy adopt` it writes what differs.
#[derive(clap::Args, Debug)]
#[command(
    after_help = "Examples:\n  kubectl tenantry adopt client/globex --unique-id client_93\n  kubectl tenantry adopt client/globex --unique-id client_93 --policy adopt"
)]
pub(crate) struct AdoptFlags {
    /// The object, as `partner/NAME` or `client/NAME`; NAME alone where it is only one of them.
    #[arg(value_name = "KIND/NAME", num_args = 1..=2, required = true, add = ArgValueCompleter::new(completion_candidates::objects))]
    object: Vec<String>,
    /// Unique id of the tenant, as `kubectl tenantry list` and `kubectl tenantry unmanaged` show it.
    #[arg(long, value_name = "ID")]
    unique_id: String,
    /// Whether only an identical tenant is taken over.
    #[arg(long, value_enum, default_value = "identical")]
    policy: AdoptPolicyFlag,
    /// Owner in another cluster that the tenant is taken from; needs the verb `take-over`.
    #[arg(long, value_name = "CLUSTER/KIND/NAMESPACE/NAME")]
    take_from: Option<String>,
    #[command(flatten)]
    write: WriteFlags,
}

/// When a tenant is taken over.
#[derive(clap::ValueEnum, Clone, Copy, Debug)]
enum AdoptPolicyFlag {
    /// Where nothing declared differs (`IfIdentical`).
    Identical,
    /// Always; what differs is written (`Adopt`).
    Adopt,
}

pub(crate) async fn run(flags: &AdoptFlags, cluster: &ClusterFlags) -> CommandResult {
    let named = ObjectArg::parse(&flags.object)?;
    let cluster = connect_required(cluster).await?;
    let policy = match flags.policy {
        AdoptPolicyFlag::Identical => AdoptionPolicy::IfIdentical,
        AdoptPolicyFlag::Adopt => AdoptionPolicy::Adopt,
    };
    let adopt = AdoptPatch { id: flags.unique_id.clone(), policy, take_from: flags.take_from.clone() };
    let to = flags.write.target(&cluster);
    match named.find_object(&cluster).await? {
        AnyObject::Partner(partner) => patch_object(&adopt, partner.as_ref(), to).await?,
        AnyObject::Client(client) => patch_object(&adopt, client.as_ref(), to).await?,
    };
    Ok(ExitKind::Success)
}

struct AdoptPatch {
    id: String,
    policy: AdoptionPolicy,
    take_from: Option<String>,
}

impl ObjectPatch for AdoptPatch {
    fn written_fields(&self) -> &'static [&'static str] {
        &["spec.adoption.policy", "spec.adoption.uniqueId", "spec.adoption.takeFrom"]
    }

    fn merge_patch<K: TenantResource>(&self, object: &K) -> Result<Option<Value>, Failure> {
        if let Some(own) = unique_id(object).filter(|own| *own != self.id) {
            let message = format!(
                "its tenant is `{own}`, and an object stays with its tenant: declare another object for `{}`",
                self.id
            );
            return Err(Failure::new(message));
        }
        let asked = object.adoption().cloned().unwrap_or_default();
        let is_so = asked.policy == Some(self.policy)
            && asked.unique_id.as_ref() == Some(&self.id)
            && (self.take_from.is_none() || asked.take_from == self.take_from);
        let mut adoption = json!({"policy": self.policy, "uniqueId": self.id});
        if let Some(from) = &self.take_from {
            adoption["takeFrom"] = json!(from);
        }
        Ok((!is_so).then(|| json!({"spec": {"adoption": adoption}})))
    }

    fn done_message(&self, named: &str) -> String {
        format!("set `adoption` of {named} to tenant `{}`", self.id)
    }

    fn unchanged_message(&self) -> String {
        format!("it asks for tenant `{}` already", self.id)
    }

    fn next_step_message<K: TenantResource>(&self, object: &K) -> String {
        let does = pause_notice(object).unwrap_or_else(|| {
            let does = match self.policy {
                AdoptionPolicy::Adopt => "the operator takes the tenant over now and writes what differs",
                AdoptionPolicy::IfIdentical | AdoptionPolicy::Never => {
                    "the operator takes the tenant over now, or says `NotIdentical` and names what differs"
                }
            };
            does.to_owned()
        });
        format!("{does}; {}", status_hint(object))
    }
}
