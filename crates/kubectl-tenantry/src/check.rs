//! `check`: verifies, before and after an install, that the cluster has everything that the operator needs.

mod connections;
mod definitions;
mod rights;

use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::PodSpec;
use kube::api::ListParams;
use kube::{Api, ResourceExt as _};
use serde::Serialize;

use super::cluster::{Cluster, ClusterFlags, api_error_message};
use super::colour::{Tone, paint_text};
use super::connection::ConnectionFlags;
use super::failure::Failure;
use super::leader::{Leaders, OPERATOR_LABEL, read_leaders};
use super::object_arg::connect_required;
use super::output::{self, OutputFormat, strip_control_chars};
use super::{CommandResult, ExitKind};
use rights::{OperatorAccount, WatchedNamespaces};

/// Check whether the cluster has everything that the operator needs.
///
/// Checks the API server, the resource definitions, the operator's Deployment, what its ServiceAccount may do, who
/// leads, each Secret with a connection, and whether the platform behind it takes the credential. Writes nothing.
///
/// Exit status: 0 all is well, 2 something is to be done, 1 the cluster cannot be asked.
#[derive(clap::Args, Debug)]
#[command(
    after_help = "Examples:\n  kubectl tenantry check\n  kubectl tenantry check --operator-service-account tenantry-system/tenantry\n  kubectl tenantry check -o json"
)]
pub(crate) struct CheckFlags {
    /// ServiceAccount of the operator; default: that of its Deployment.
    #[arg(long, value_name = "NAMESPACE/NAME")]
    operator_service_account: Option<String>,
    /// Form for programs.
    #[arg(short, long, value_enum)]
    output: Option<OutputFormat>,
    #[command(flatten)]
    connection: ConnectionFlags,
}

/// The result of a check.
#[derive(Serialize, Clone, Copy, Debug, PartialEq, Eq)]
enum CheckResult {
    /// Nothing to do.
    Well,
    /// The check could not be made, or the state may be intended.
    Unknown,
    /// Something must be fixed.
    Wrong,
}

/// One check with its result.
#[derive(Serialize, Clone, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
struct CheckEntry {
    result: CheckResult,
    what: &'static str,
    message: String,
}

/// All checks that were made.
#[derive(Default)]
struct CheckReport(Vec<CheckEntry>);

impl CheckReport {
    fn add_ok(&mut self, what: &'static str, message: impl Into<String>) {
        self.add_entry(CheckResult::Well, what, message);
    }

    fn add_unknown(&mut self, what: &'static str, message: impl Into<String>) {
        self.add_entry(CheckResult::Unknown, what, message);
    }

    fn add_wrong(&mut self, what: &'static str, message: impl Into<String>) {
        self.add_entry(CheckResult::Wrong, what, message);
    }

    fn add_entry(&mut self, result: CheckResult, what: &'static str, message: impl Into<String>) {
        self.0.push(CheckEntry { result, what, message: message.into() });
    }

    fn count(&self, result: CheckResult) -> usize {
        self.0.iter().filter(|one| one.result == result).count()
    }

    fn text(&self) -> String {
        let line = |CheckEntry { result, what, message }: &CheckEntry| {
            let (word, tone) = match result {
                CheckResult::Well => ("ok     ", Tone::Good),
                CheckResult::Unknown => ("unknown", Tone::Pending),
                CheckResult::Wrong => ("WRONG  ", Tone::Bad),
            };
            format!("{}  {what:<12} {}\n", paint_text(word, tone), strip_control_chars(message))
        };
        let lines: String = self.0.iter().map(line).collect();
        let [well, unknown, wrong] =
            [CheckResult::Well, CheckResult::Unknown, CheckResult::Wrong].map(|result| self.count(result));
        format!("{lines}\n{well} ok, {unknown} unknown, {wrong} wrong\n")
    }
}

pub(crate) async fn run(flags: &CheckFlags, cluster: &ClusterFlags) -> CommandResult {
    let namespace = cluster.namespace();
    let cluster = connect_required(cluster).await?;
    let mut report = CheckReport::default();
    let version = cluster.client.apiserver_version().await.map_err(Failure::from)?;
    report.add_ok("API server", format!("version {}", version.git_version));
    let are_there = definitions::check_definitions(&cluster, &mut report).await;
    let account = check_operator(flags, &cluster, &mut report).await;
    match account {
        Some(account) => rights::check_rights(&account, &cluster, &mut report).await,
        None => report.add_unknown(
            "rights",
            "whose rights count is not known: name the ServiceAccount with `--operator-service-account`",
        ),
    }
    check_lease(&read_leaders(&cluster).await, &mut report);
    if are_there {
        connections::check_connections(&flags.connection, &cluster, namespace, &mut report).await?;
    }
    match flags.output {
        Some(form) => output::print(&form.text(&report.0)?)?,
        None => output::print(&report.text())?,
    }
    Ok(if report.count(CheckResult::Wrong) == 0 { ExitKind::Success } else { ExitKind::Changes })
}

/// Checks the Deployments of the operator. Returns the ServiceAccount of the first one, or the one that the flag names.
async fn check_operator(flags: &CheckFlags, cluster: &Cluster, report: &mut CheckReport) -> Option<OperatorAccount> {
    const CHECK_NAME: &str = "operator";
    let named = flags
        .operator_service_account
        .clone()
        .map(|name| OperatorAccount { name, watched: WatchedNamespaces::Unknown });
    let listed =
        Api::<Deployment>::all(cluster.client.clone()).list(&ListParams::default().labels(OPERATOR_LABEL)).await;
    let found = match listed {
        Ok(found) => found.items,
        Err(error) => {
            report
                .add_unknown(CHECK_NAME, format!("its Deployment cannot be looked for: {}", api_error_message(&error)));
            return named;
        }
    };
    if found.is_empty() {
        let message =
            format!("no Deployment carries the label `{OPERATOR_LABEL}`: install the chart, unless it runs elsewhere");
        report.add_unknown(CHECK_NAME, message);
    }
    let mut account = named;
    for deployment in found {
        let namespace = deployment.namespace().unwrap_or_default();
        let place = format!("{namespace}/{}", deployment.name_any());
        let spec = deployment.spec.unwrap_or_default();
        let wanted = spec.replicas.unwrap_or(1);
        let ready = deployment.status.and_then(|status| status.ready_replicas).unwrap_or_default();
        let message = format!("Deployment `{place}`: {ready} of {wanted} replicas are ready");
        if ready >= wanted.max(1) {
            report.add_ok(CHECK_NAME, message);
        } else {
            report.add_wrong(
                CHECK_NAME,
                format!("{message}: see `kubectl -n {namespace} describe deployment,pods -l {OPERATOR_LABEL}`"),
            );
        }
        let pod = spec.template.spec.unwrap_or_default();
        let own = pod.service_account_name.as_deref().unwrap_or("default");
        let name = format!("{namespace}/{own}");
        let deployed = OperatorAccount { watched: watched_namespaces(&pod), name };
        if account.as_ref().is_none_or(|account| account.name == deployed.name) {
            account = Some(deployed);
        }
    }
    account
}

/// Reads which namespaces an operator watches, from the flag or the environment variable of its containers.
fn watched_namespaces(pod: &PodSpec) -> WatchedNamespaces {
    let flag = |arg: &String| arg.strip_prefix("--namespaces=").map(str::to_owned);
    let named = pod.containers.iter().find_map(|container| {
        let of_args = container.args.iter().flatten().find_map(flag);
        let variables = container.env.iter().flatten();
        of_args.or_else(|| variables.into_iter().find(|one| one.name == "TENANTRY_NAMESPACES")?.value.clone())
    });
    let all = named.iter().flat_map(|names| names.split(',')).map(str::trim);
    let all: Vec<String> = all.filter(|name| !name.is_empty()).map(str::to_owned).collect();
    if all.is_empty() { WatchedNamespaces::Everywhere } else { WatchedNamespaces::Namespaces(all) }
}

fn check_lease(leaders: &Leaders, report: &mut CheckReport) {
    let now = tenantry_runtime::clock::now();
    let text = leaders.plain_text(now);
    match leaders {
        Leaders::Unknown(_) => report.add_unknown("leader", text),
        Leaders::Known(_) if leaders.has_no_leader(now) => report.add_wrong("leader", text),
        Leaders::Known(_) => report.add_ok("leader", text),
    }
}
