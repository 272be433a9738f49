//! `release`: removes the operator's finalizer, so that objects can be deleted without the operator and without a
//! request to the platform.

use clap_complete::ArgValueCompleter;
use kube::api::Patch;
use kube::{Api, ResourceExt as _};
use serde_json::json;
use tenantry_api::{FINALIZER, Partner, TenantClient};
use tenantry_core::TenantKind;
use tenantry_core::object::{NotUnderstoodObject, TenantResource, has_finalizer, is_deleting, unique_id};

use super::cluster::ClusterFlags;
use super::completion_candidates;
use super::failure::Failure;
use super::inventory::object_label;
use super::leader::{Leaders, read_leaders};
use super::object_arg::{AnyObject, ObjectArg, connect_required, list_objects};
use super::optimistic_patch::{DryRun, WriteFlags, WriteOutcome, WriteTarget, merge_patch_with_retry};
use super::output::{self, ProgressLine};
use super::prompt;
use super::{CommandResult, ExitKind};

/// Number of objects that are named; the rest is only counted.
const MAX_SHOWN: usize = 20;

/// Let objects go without touching their tenants, before an uninstall.
///
/// Takes the operator's finalizer off, and nobody else's. After that an object can be deleted at once; its tenant stays
/// on the platform as it is, and nothing is suspended or ended. End the operator first: one that leads puts the finalizer
/// on again, so nothing is released while its lease is fresh.
#[derive(clap::Args, Debug)]
#[command(
    group = clap::ArgGroup::new("which").args(["object", "all"]).required(true),
    after_help = "Examples:\n  kubectl tenantry release client globex\n  kubectl tenantry release --all\n  kubectl tenantry release --all -n acme --yes"
)]
pub(crate) struct ReleaseFlags {
    /// The object, as `partner NAME` or `client NAME`.
    #[arg(value_name = "KIND NAME", num_args = 1..=2, add = ArgValueCompleter::new(completion_candidates::objects))]
    object: Vec<String>,
    /// Every Partner and Client of the cluster, or of the namespace that -n names.
    #[arg(long)]
    all: bool,
    /// Do not ask.
    #[arg(short, long)]
    yes: bool,
    /// Release although an operator leads, for objects that it does not watch.
    #[arg(long)]
    ignore_lease: bool,
    #[command(flatten)]
    write: WriteFlags,
}

/// The objects with a finalizer.
#[derive(Default)]
struct FinalizedObjects {
    partners: Vec<Partner>,
    clients: Vec<TenantClient>,
    /// Objects that this program does not understand. Only their finalizer is read and written.
    not_understood: Vec<NotUnderstoodFinalized>,
}

/// An object that this program does not understand.
struct NotUnderstoodFinalized {
    kind: TenantKind,
    object: NotUnderstoodObject,
}

pub(crate) async fn run(flags: &ReleaseFlags, cluster_flags: &ClusterFlags) -> CommandResult {
    let named = if flags.all { None } else { Some(ObjectArg::parse_with_kind(&flags.object)?) };
    let cluster = connect_required(cluster_flags).await?;
    let mut held = FinalizedObjects::default();
    match named {
        None => {
            let namespace = cluster_flags.namespace();
            let (partners, clients) = (
                list_objects::<Partner>(&cluster, namespace).await?,
                list_objects::<TenantClient>(&cluster, namespace).await?,
            );
            held.partners = partners.understood;
            held.clients = clients.understood;
            held.not_understood = clients
                .not_understood
                .into_iter()
                .map(|object| NotUnderstoodFinalized { kind: TenantKind::Client, object })
                .collect();
            let others = partners
                .not_understood
                .into_iter()
                .map(|object| NotUnderstoodFinalized { kind: TenantKind::Partner, object });
            held.not_understood.extend(others);
        }
        Some(named) => match named.find_object(&cluster).await? {
            AnyObject::Partner(partner) => held.partners.push(*partner),
            AnyObject::Client(client) => held.clients.push(*client),
        },
    }
    held.partners.retain(has_finalizer);
    held.clients.retain(has_finalizer);
    held.not_understood.retain(|other| other.object.has_finalizer());
    if held.count() == 0 {
        output::print_note("no finalizer of the operator is on what was named: there is nothing to release");
        return Ok(ExitKind::Success);
    }
    output::print_to_stderr(&held.text());
    let target = flags.write.target(&cluster);
    if !flags.ignore_lease {
        ensure_no_leader(&read_leaders(&cluster).await)?;
    }
    if !flags.yes && target.dry_run == DryRun::None {
        confirm_release(held.count())?;
    }
    release_objects(&held, target).await
}

/// Refuses while an operator leads: it would add the finalizer again within seconds, and a deletion would then wait for
/// it.
fn ensure_no_leader(leaders: &Leaders) -> Result<(), Failure> {
    if let Leaders::Unknown(why) = leaders {
        output::print_note(&format!(
            "whether an operator runs cannot be seen ({why}); one that runs puts its finalizer on again"
        ));
    }
    let running = leaders.running_operators(tenantry_runtime::clock::now());
    if running.is_empty() {
        return Ok(());
    }
    Err(Failure::new(format!(
        "{}, and would put its finalizer on again: scale it to 0 or uninstall it first, or say `--ignore-lease` where it does not watch these objects",
        running.join(" and ")
    )))
}

fn confirm_release(count: usize) -> Result<(), Failure> {
    let Some(mut person) = prompt::terminal_prompt() else {
        return Err(Failure::new("this asks a person, and there is no terminal: say `--yes`"));
    };
    let question = format!("Release {count}? Type `yes` to go on: ");
    person.require_answer(&question, "yes", "that was not `yes`: nothing is released")
}

impl FinalizedObjects {
    fn count(&self) -> usize {
        self.partners.len() + self.clients.len() + self.not_understood.len()
    }

    /// Describes what will be done.
    fn text(&self) -> String {
        let mut lines: Vec<String> = self
            .clients
            .iter()
            .map(object_line)
            .chain(self.partners.iter().map(object_line))
            .chain(self.not_understood.iter().map(NotUnderstoodFinalized::label_line))
            .collect();
        let more = lines.len().saturating_sub(MAX_SHOWN);
        lines.truncate(MAX_SHOWN);
        if more > 0 {
            lines.push(format!("  and {more} more"));
        }
        let head =
            "The operator's finalizer is taken off these objects. Their tenants stay on the platform as they are:\n";
        let going = self.clients.iter().filter(|one| is_deleting(*one)).count()
            + self.partners.iter().filter(|one| is_deleting(*one)).count()
            + self.not_understood.iter().filter(|other| other.object.is_deleting()).count();
        let tail = match going {
            0 => String::new(),
            _ => {
                "\nWhat is being deleted goes at once: whatever the operator had begun with its tenant stays as it is."
                    .to_owned()
            }
        };
        format!("{head}{}{tail}\n", lines.join("\n"))
    }
}

fn object_line<K: TenantResource>(object: &K) -> String {
    let tenant = unique_id(object).map_or_else(|| "no tenant yet".to_owned(), |id| format!("tenant `{id}`"));
    let going = if is_deleting(object) { ", being deleted" } else { "" };
    format!("  {}: {tenant}{going}", object_label(object))
}

/// Releases Clients before Partners, so that no Client is left without its Partner.
async fn release_objects(objects: &FinalizedObjects, to: WriteTarget<'_>) -> CommandResult {
    let FinalizedObjects { partners, clients, not_understood: others } = objects;
    let count = objects.count();
    let mut progress = ProgressLine::begin("released");
    let mut failures = Vec::new();
    let mut take = |result: Result<String, Failure>| {
        match result {
            Ok(line) => output::print(&line)?,
            Err(failure) => failures.push(failure),
        }
        progress.count_one(count);
        Ok::<(), Failure>(())
    };
    for client in clients {
        take(remove_object_finalizer(client, to).await)?;
    }
    for partner in partners {
        take(remove_object_finalizer(partner, to).await)?;
    }
    for other in others {
        take(other.remove_finalizer(to).await)?;
    }
    drop(progress);
    if failures.is_empty() { Ok(ExitKind::Success) } else { Err(failures) }
}

impl NotUnderstoodFinalized {
    fn object_label(&self) -> String {
        format!("{} `{}`", self.kind.name(), self.object.namespaced_name())
    }

    fn label_line(&self) -> String {
        let tenant = self.object.unique_id().map_or_else(|| "no tenant yet".to_owned(), |id| format!("tenant `{id}`"));
        let going = if self.object.is_deleting() { ", being deleted" } else { "" };
        format!("  {}: {tenant}{going}, not understood by this release", self.object_label())
    }

    /// Removes the finalizer from the object as it was read.
    async fn remove_finalizer(&self, target: WriteTarget<'_>) -> Result<String, Failure> {
        let WriteTarget { cluster, dry_run } = target;
        let metadata = &self.object.metadata;
        let others: Vec<&String> = metadata.finalizers.iter().flatten().filter(|one| *one != FINALIZER).collect();
        let patch = json!({"metadata": {
            "uid": metadata.uid, "resourceVersion": metadata.resource_version, "finalizers": others,
        }});
        if dry_run == DryRun::Client {
            return Ok(format!("released {}{}\n", self.object_label(), dry_run.suffix()));
        }
        let params = dry_run.patch_params();
        let client = cluster.client.clone();
        let (namespace, name) = (self.object.namespace(), self.object.name());
        let patch = Patch::Merge(&patch);
        let written = match self.kind {
            TenantKind::Partner => {
                let partners = Api::<Partner>::namespaced(client, namespace);
                partners.patch_metadata(name, &params, &patch).await.map(drop)
            }
            TenantKind::Client => {
                let clients = Api::<TenantClient>::namespaced(client, namespace);
                clients.patch_metadata(name, &params, &patch).await.map(drop)
            }
        };
        match written {
            Ok(()) => Ok(format!("released {}{}\n", self.object_label(), dry_run.suffix())),
            Err(kube::Error::Api(status)) if status.is_not_found() => {
                Ok(format!("gone already: {}\n", self.object_label()))
            }
            Err(error) => Err(Failure::from(error).about(self.object_label())),
        }
    }
}

async fn remove_object_finalizer<K: TenantResource>(object: &K, target: WriteTarget<'_>) -> Result<String, Failure> {
    let written = merge_patch_with_retry(object, target, |object| {
        let others: Vec<&String> = object.finalizers().iter().filter(|one| *one != FINALIZER).collect();
        Ok(has_finalizer(object).then(|| json!({"metadata": {"finalizers": others}})))
    });
    Ok(match written.await? {
        WriteOutcome::Applied(_) => format!("released {}{}\n", object_label(object), target.dry_run.suffix()),
        WriteOutcome::Unchanged => format!("released already: {}\n", object_label(object)),
        WriteOutcome::Gone => format!("gone already: {}\n", object_label(object)),
    })
}
