//! `check`: whether everything is there that the operator needs, before and after an install.

mod connections;
mod definitions;
mod rights;

use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::PodSpec;
use kube::api::ListParams;
use kube::{Api, ResourceExt as _};
use serde::Serialize;

use super::cluster::{Cluster, ClusterFlags, sentence};
use super::colour::{Tone, painted};
use super::connection::ConnectionFlags;
use super::failure::Failure;
use super::leader::{Leaders, OPERATOR, leaders};
use super::one::required;
use super::output::{self, Machine, plain};
use super::{Ended, Exit};
use rights::{Account, Watched};

/// Check whether the cluster has everything that the operator needs.
///
/// Looks at the API server, the resource definitions, the operator's Deployment, what its ServiceAccount may do, who leads,
/// each Secret with a connection, and whether the platform behind it takes the credential. Writes nothing.
///
/// Exit status: 0 all is well, 2 something is to be done, 1 the cluster cannot be asked.
#[derive(clap::Args, Debug)]
#[command(
    after_help = "Examples:\n  kubectl tenantry check\n  kubectl tenantry check --operator-service-account tenantry-system/tenantry\n  kubectl tenantry check -o json"
)]
pub(crate) struct Flags {
    /// ServiceAccount of the operator; default: that of its Deployment.
    #[arg(long, value_name = "NAMESPACE/NAME")]
    operator_service_account: Option<String>,
    /// Form for programs.
    #[arg(short, long, value_enum)]
    output: Option<Machine>,
    #[command(flatten)]
    connection: ConnectionFlags,
}

/// How a check came out.
#[derive(Serialize, Clone, Copy, Debug, PartialEq, Eq)]
enum Came {
    /// All is well.
    Well,
    /// It could not be looked at, or may be meant so.
    Unknown,
    /// Something is to be done.
    Wrong,
}

/// One check.
#[derive(Serialize, Clone, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
struct Checked {
    result: Came,
    what: &'static str,
    message: String,
}

/// All checks so far.
#[derive(Default)]
struct Report(Vec<Checked>);

impl Report {
    fn well(&mut self, what: &'static str, message: impl Into<String>) {
        self.add(Came::Well, what, message);
    }

    fn unknown(&mut self, what: &'static str, message: impl Into<String>) {
        self.add(Came::Unknown, what, message);
    }

    fn wrong(&mut self, what: &'static str, message: impl Into<String>) {
        self.add(Came::Wrong, what, message);
    }

    fn add(&mut self, result: Came, what: &'static str, message: impl Into<String>) {
        self.0.push(Checked { result, what, message: message.into() });
    }

    fn count(&self, result: Came) -> usize {
        self.0.iter().filter(|one| one.result == result).count()
    }

    fn text(&self) -> String {
        let line = |Checked { result, what, message }: &Checked| {
            let (word, tone) = match result {
                Came::Well => ("ok     ", Tone::Good),
                Came::Unknown => ("unknown", Tone::Busy),
                Came::Wrong => ("WRONG  ", Tone::Bad),
            };
            format!("{}  {what:<12} {}\n", painted(word, tone), plain(message))
        };
        let lines: String = self.0.iter().map(line).collect();
        let [well, unknown, wrong] = [Came::Well, Came::Unknown, Came::Wrong].map(|result| self.count(result));
        format!("{lines}\n{well} ok, {unknown} unknown, {wrong} wrong\n")
    }
}

pub(crate) async fn run(flags: &Flags, cluster: &ClusterFlags) -> Ended {
    let namespace = cluster.namespace();
    let cluster = required(cluster).await?;
    let mut report = Report::default();
    let version = cluster.client.apiserver_version().await.map_err(Failure::from)?;
    report.well("API server", format!("version {}", version.git_version));
    let are_there = definitions::check(&cluster, &mut report).await;
    let account = operator(flags, &cluster, &mut report).await;
    match account {
        Some(account) => rights::check(&account, &cluster, &mut report).await,
        None => report.unknown(
            "rights",
            "whose rights count is not known: name the ServiceAccount with `--operator-service-account`",
        ),
    }
    lease(&leaders(&cluster).await, &mut report);
    if are_there {
        connections::check(&flags.connection, &cluster, namespace, &mut report).await?;
    }
    match flags.output {
        Some(form) => output::print(&form.text(&report.0)?)?,
        None => output::print(&report.text())?,
    }
    Ok(if report.count(Came::Wrong) == 0 { Exit::Nothing } else { Exit::Changes })
}

/// Looks at the Deployments of the operator; returns the ServiceAccount of the first one or of the flag.
async fn operator(flags: &Flags, cluster: &Cluster, report: &mut Report) -> Option<Account> {
    const WHAT: &str = "operator";
    let named = flags.operator_service_account.clone().map(|name| Account { name, watched: Watched::Unknown });
    let listed = Api::<Deployment>::all(cluster.client.clone()).list(&ListParams::default().labels(OPERATOR)).await;
    let found = match listed {
        Ok(found) => found.items,
        Err(error) => {
            report.unknown(WHAT, format!("its Deployment cannot be looked for: {}", sentence(&error)));
            return named;
        }
    };
    if found.is_empty() {
        let message =
            format!("no Deployment carries the label `{OPERATOR}`: install the chart, unless it runs elsewhere");
        report.unknown(WHAT, message);
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
            report.well(WHAT, message);
        } else {
            report
                .wrong(WHAT, format!("{message}: see `kubectl -n {namespace} describe deployment,pods -l {OPERATOR}`"));
        }
        let pod = spec.template.spec.unwrap_or_default();
        let own = pod.service_account_name.as_deref().unwrap_or("default");
        let name = format!("{namespace}/{own}");
        let deployed = Account { watched: watched(&pod), name };
        if account.as_ref().is_none_or(|account| account.name == deployed.name) {
            account = Some(deployed);
        }
    }
    account
}

/// Where an operator looks for objects, by the flag or the variable of its containers.
fn watched(pod: &PodSpec) -> Watched {
    let flag = |arg: &String| arg.strip_prefix("--namespaces=").map(str::to_owned);
    let named = pod.containers.iter().find_map(|container| {
        let of_args = container.args.iter().flatten().find_map(flag);
        let variables = container.env.iter().flatten();
        of_args.or_else(|| variables.into_iter().find(|one| one.name == "TENANTRY_NAMESPACES")?.value.clone())
    });
    let all = named.iter().flat_map(|names| names.split(',')).map(str::trim);
    let all: Vec<String> = all.filter(|name| !name.is_empty()).map(str::to_owned).collect();
    if all.is_empty() { Watched::Everywhere } else { Watched::Namespaces(all) }
}

fn lease(leaders: &Leaders, report: &mut Report) {
    let now = crate::clock::now();
    let text = leaders.plain_text(now);
    match leaders {
        Leaders::Unknown(_) => report.unknown("leader", text),
        Leaders::Known(_) if leaders.is_headless(now) => report.wrong("leader", text),
        Leaders::Known(_) => report.well("leader", text),
    }
}
