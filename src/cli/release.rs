//! `release`: takes our finalizer off, so that objects can go without the operator and without a word to the platform.

use clap_complete::ArgValueCompleter;
use kube::api::Patch;
use kube::{Api, ResourceExt as _};
use serde_json::json;

use super::ask;
use super::cluster::ClusterFlags;
use super::complete;
use super::failure::Failure;
use super::ground::named;
use super::guarded::{DryRun, Target, WriteFlags, Written, merge};
use super::leader::{Leaders, leaders};
use super::one::{Named, One, every, required};
use super::output::{self, Progress};
use super::{Ended, Exit};
use crate::api::{FINALIZER, Partner, TenantClient};
use crate::object::{NotUnderstood, Object, is_deleting, is_held, unique_id};
use crate::plan::Kind;

/// Objects that are named before the rest is only counted.
const MOST_SHOWN: usize = 20;

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
pub(crate) struct Flags {
    /// The object, as `partner NAME` or `client NAME`.
    #[arg(value_name = "KIND NAME", num_args = 1..=2, add = ArgValueCompleter::new(complete::objects))]
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

/// What is held.
#[derive(Default)]
struct Held {
    partners: Vec<Partner>,
    clients: Vec<TenantClient>,
    /// Objects that this program does not understand: nothing but the finalizer is read or written.
    others: Vec<Other>,
}

/// An object that this program does not understand.
struct Other {
    kind: Kind,
    object: NotUnderstood,
}

pub(crate) async fn run(flags: &Flags, cluster_flags: &ClusterFlags) -> Ended {
    let named = if flags.all { None } else { Some(Named::read_with_kind(&flags.object)?) };
    let cluster = required(cluster_flags).await?;
    let mut held = Held::default();
    match named {
        None => {
            let namespace = cluster_flags.namespace();
            let (partners, clients) =
                (every::<Partner>(&cluster, namespace).await?, every::<TenantClient>(&cluster, namespace).await?);
            held.partners = partners.understood;
            held.clients = clients.understood;
            held.others = clients.others.into_iter().map(|object| Other { kind: Kind::Client, object }).collect();
            let others = partners.others.into_iter().map(|object| Other { kind: Kind::Partner, object });
            held.others.extend(others);
        }
        Some(named) => match named.find(&cluster).await? {
            One::Partner(partner) => held.partners.push(*partner),
            One::Client(client) => held.clients.push(*client),
        },
    }
    held.partners.retain(is_held);
    held.clients.retain(is_held);
    held.others.retain(|other| other.object.is_held());
    if held.count() == 0 {
        output::note("no finalizer of the operator is on what was named: there is nothing to release");
        return Ok(Exit::Nothing);
    }
    output::tell(&held.text());
    let target = flags.write.target(&cluster);
    if !flags.ignore_lease {
        refuse_while_led(&leaders(&cluster).await)?;
    }
    if !flags.yes && target.dry_run == DryRun::None {
        consent(held.count())?;
    }
    release(&held, target).await
}

/// An operator that leads takes each object up again within seconds, and a deletion then waits for it.
fn refuse_while_led(leaders: &Leaders) -> Result<(), Failure> {
    if let Leaders::Unknown(why) = leaders {
        output::note(&format!(
            "whether an operator runs cannot be seen ({why}); one that runs puts its finalizer on again"
        ));
    }
    let running = leaders.running(crate::clock::now());
    if running.is_empty() {
        return Ok(());
    }
    Err(Failure::new(format!(
        "{}, and would put its finalizer on again: scale it to 0 or uninstall it first, or say `--ignore-lease` where it does not watch these objects",
        running.join(" and ")
    )))
}

fn consent(count: usize) -> Result<(), Failure> {
    let Some(mut person) = ask::at_the_terminal() else {
        return Err(Failure::new("this asks a person, and there is no terminal: say `--yes`"));
    };
    let question = format!("Release {count}? Type `yes` to go on: ");
    person.demand(&question, "yes", "that was not `yes`: nothing is released")
}

impl Held {
    fn count(&self) -> usize {
        self.partners.len() + self.clients.len() + self.others.len()
    }

    /// What will be done.
    fn text(&self) -> String {
        let mut lines: Vec<String> = self
            .clients
            .iter()
            .map(line)
            .chain(self.partners.iter().map(line))
            .chain(self.others.iter().map(Other::line))
            .collect();
        let more = lines.len().saturating_sub(MOST_SHOWN);
        lines.truncate(MOST_SHOWN);
        if more > 0 {
            lines.push(format!("  and {more} more"));
        }
        let head =
            "The operator's finalizer is taken off these objects. Their tenants stay on the platform as they are:\n";
        let going = self.clients.iter().filter(|one| is_deleting(*one)).count()
            + self.partners.iter().filter(|one| is_deleting(*one)).count()
            + self.others.iter().filter(|other| other.object.is_deleting()).count();
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

fn line<K: Object>(object: &K) -> String {
    let tenant = unique_id(object).map_or_else(|| "no tenant yet".to_owned(), |id| format!("tenant `{id}`"));
    let going = if is_deleting(object) { ", being deleted" } else { "" };
    format!("  {}: {tenant}{going}", named(object))
}

/// Releases Clients before Partners, so that none is ever without its own.
async fn release(held: &Held, to: Target<'_>) -> Ended {
    let Held { partners, clients, others } = held;
    let count = held.count();
    let mut progress = Progress::begin("released");
    let mut failures = Vec::new();
    let mut take = |result: Result<String, Failure>| {
        match result {
            Ok(line) => output::print(&line)?,
            Err(failure) => failures.push(failure),
        }
        progress.step(count);
        Ok::<(), Failure>(())
    };
    for client in clients {
        take(let_go(client, to).await)?;
    }
    for partner in partners {
        take(let_go(partner, to).await)?;
    }
    for other in others {
        take(other.let_go(to).await)?;
    }
    drop(progress);
    if failures.is_empty() { Ok(Exit::Nothing) } else { Err(failures) }
}

impl Other {
    fn named(&self) -> String {
        format!("{} `{}`", self.kind.name(), self.object.place())
    }

    fn line(&self) -> String {
        let tenant = self.object.unique_id().map_or_else(|| "no tenant yet".to_owned(), |id| format!("tenant `{id}`"));
        let going = if self.object.is_deleting() { ", being deleted" } else { "" };
        format!("  {}: {tenant}{going}, not understood by this release", self.named())
    }

    /// Takes the finalizer off the object as it was read.
    async fn let_go(&self, target: Target<'_>) -> Result<String, Failure> {
        let Target { cluster, dry_run } = target;
        let metadata = &self.object.metadata;
        let others: Vec<&String> = metadata.finalizers.iter().flatten().filter(|one| *one != FINALIZER).collect();
        let patch = json!({"metadata": {
            "uid": metadata.uid, "resourceVersion": metadata.resource_version, "finalizers": others,
        }});
        if dry_run == DryRun::Client {
            return Ok(format!("released {}{}\n", self.named(), dry_run.suffix()));
        }
        let params = dry_run.params();
        let client = cluster.client.clone();
        let (namespace, name) = (self.object.namespace(), self.object.name());
        let patch = Patch::Merge(&patch);
        let written = match self.kind {
            Kind::Partner => {
                let partners = Api::<Partner>::namespaced(client, namespace);
                partners.patch_metadata(name, &params, &patch).await.map(drop)
            }
            Kind::Client => {
                let clients = Api::<TenantClient>::namespaced(client, namespace);
                clients.patch_metadata(name, &params, &patch).await.map(drop)
            }
        };
        match written {
            Ok(()) => Ok(format!("released {}{}\n", self.named(), dry_run.suffix())),
            Err(kube::Error::Api(status)) if status.is_not_found() => Ok(format!("gone already: {}\n", self.named())),
            Err(error) => Err(Failure::from(error).about(self.named())),
        }
    }
}

async fn let_go<K: Object>(object: &K, target: Target<'_>) -> Result<String, Failure> {
    let written = merge(object, target, |object| {
        let others: Vec<&String> = object.finalizers().iter().filter(|one| *one != FINALIZER).collect();
        Ok(is_held(object).then(|| json!({"metadata": {"finalizers": others}})))
    });
    Ok(match written.await? {
        Written::On(_) => format!("released {}{}\n", named(object), target.dry_run.suffix()),
        Written::Needless => format!("released already: {}\n", named(object)),
        Written::Gone => format!("gone already: {}\n", named(object)),
    })
}
