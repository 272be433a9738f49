//! `plan`: shows what the operator would do before anything is applied.

mod api_validation;
mod attach_by_mark;
mod evaluate;
mod markdown;
mod owner;
mod planner;
mod prepare;
mod row;
mod text;

use clap::ValueEnum;
use serde::Serialize;

use super::cluster::ClusterFlags;
use super::connection::ConnectionFlags;
use super::failure::Failure;
use super::inventory::{Inventory, not_understood_failure};
use super::manifest::FileFlags;
use super::output::{self, OutputFormat};
use super::{CommandResult, ExitKind};
use row::{PlanRow, PlannedAction};

/// Show what the operator would do to the tenants, and change nothing.
///
/// Reads manifests, completes them with what the cluster knows of the same objects, reads the platform and prints for
/// each object what would be created, changed, suspended or refused: path, from, to, where it is declared, and whether
/// it interrupts people. It is the operator's own plan. Without a cluster (`--offline`) the marks on the platform show
/// which tenant is whose. With neither manifests nor names, all objects of the cluster are planned, or with
/// `--namespace` those of one namespace.
///
/// A connection that cannot be used is one line of the plan, and the objects behind it are not planned. A manifest that
/// the API server or the platform would refuse is refused here as well.
///
/// Exit status: 0 nothing to do, 2 there is something to do, 1 an error, or something that would be refused or could
/// not be checked.
#[derive(clap::Args, Debug)]
#[command(
    after_help = "Examples:\n  kubectl tenantry plan -f tenants/\n  kubectl tenantry plan -k overlays/prod -o markdown\n  kubectl tenantry plan -f tenants/ --offline --connection platform.env\n  kubectl tenantry plan partner/acme -n acme\n  kubectl tenantry plan -A"
)]
pub(crate) struct PlanFlags {
    /// Objects of the cluster, as `partner/NAME` or `client/NAME`.
    #[arg(value_name = "KIND/NAME")]
    objects: Vec<String>,
    /// All namespaces, also where `--namespace` names one.
    #[arg(short = 'A', long, conflicts_with_all = ["objects", "files", "kustomizations"])]
    all_namespaces: bool,
    #[command(flatten)]
    files: FileFlags,
    #[command(flatten)]
    connection: ConnectionFlags,
    /// Id of the cluster in the marks, where it cannot be read from `kube-system`.
    #[arg(long, value_name = "ID")]
    cluster_id: Option<String>,
    /// Read every tenant, even one that the platform's list proves to be unchanged.
    #[arg(long)]
    read_all: bool,
    /// List the objects of which nothing is to be done as well.
    #[arg(long)]
    show_unchanged: bool,
    /// Form for programs, or for a comment on a pull request.
    #[arg(short, long, value_enum)]
    output: Option<PlanFormat>,
}

#[derive(ValueEnum, Clone, Copy, Debug)]
enum PlanFormat {
    Json,
    Yaml,
    Markdown,
}

/// The complete plan.
#[derive(Serialize, Debug)]
#[serde(rename_all = "camelCase")]
struct PlanReport {
    objects: Vec<PlanRow>,
    /// Number of objects by action.
    summary: std::collections::BTreeMap<PlannedAction, usize>,
    /// Number of objects of other kinds in the manifests.
    ignored: usize,
}

impl PlanReport {
    fn new(objects: Vec<PlanRow>, ignored: usize) -> Self {
        let mut summary = std::collections::BTreeMap::new();
        for row in &objects {
            *summary.entry(row.action).or_default() += 1;
        }
        Self { objects, summary, ignored }
    }

    /// Returns why the plan is not a success: objects that are refused, and objects that could not be checked.
    fn failures(&self) -> Vec<Failure> {
        let count = |action| match self.summary.get(&action).copied() {
            None | Some(0) => None,
            Some(1) => Some("one object".to_owned()),
            Some(count) => Some(format!("{count} objects")),
        };
        let refused = count(PlannedAction::Refuse).map(|what| format!("{what} would be refused: the plan says why"));
        let unknown =
            count(PlannedAction::Unknown).map(|what| format!("{what} could not be looked at: the plan says why"));
        refused.into_iter().chain(unknown).map(Failure::new).collect()
    }

    fn is_empty(&self) -> bool {
        self.summary.keys().all(|action| *action == PlannedAction::Nothing)
    }
}

pub(crate) async fn run(flags: &PlanFlags, cluster: &ClusterFlags) -> CommandResult {
    let cluster = cluster.with_all_namespaces(flags.all_namespaces);
    let inventory = Inventory::load(&flags.files, &flags.objects, &cluster).await?;
    let given = flags.connection.connection_override(inventory.cluster.as_ref()).await?;
    if inventory.cluster.is_none() && given.platform.is_none() && inventory.secrets.is_empty() {
        let message = "without a cluster the platform must be named: give the connection with `--connection FILE`";
        return Err(Failure::new(message).into());
    }
    let ignored = inventory.ignored;
    let others = inventory.not_understood.iter().filter(|other| other.is_selected);
    let others: Vec<Failure> = others.map(|other| not_understood_failure(other.kind, &other.object)).collect();
    let options = planner::PlanOptions { cluster_id: flags.cluster_id.clone(), read_all: flags.read_all };
    let rows = planner::plan_all_objects(inventory, given, &options).await?;
    let planned = PlanReport::new(rows, ignored);
    let text = match flags.output {
        Some(PlanFormat::Json) => OutputFormat::Json.text(&planned)?,
        Some(PlanFormat::Yaml) => OutputFormat::Yaml.text(&planned)?,
        Some(PlanFormat::Markdown) => markdown::render_markdown(&planned),
        None => text::render_text(&planned, flags.show_unchanged),
    };
    output::print(&text)?;
    let failures: Vec<Failure> = others.into_iter().chain(planned.failures()).collect();
    match () {
        () if !failures.is_empty() => Err(failures),
        () if planned.is_empty() => Ok(ExitKind::Success),
        () => Ok(ExitKind::Changes),
    }
}
