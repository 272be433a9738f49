//! `logs`: shows the logs of the operator's Pods, about one object or all.

use clap_complete::ArgValueCompleter;
use futures::{AsyncBufReadExt as _, StreamExt as _, TryStreamExt as _};
use jiff::{Span, SpanRelativeTo};
use k8s_openapi::api::core::v1::Pod;
use kube::api::{ListParams, LogParams};
use kube::{Api, ResourceExt as _};
use serde_json::Value;
use tenantry_core::object::namespaced_name;

use super::cluster::{Cluster, ClusterFlags};
use super::completion_candidates;
use super::failure::Failure;
use super::leader::{OPERATOR_LABEL, read_leaders};
use super::object_arg::{AnyObject, ObjectArg, connect_required};
use super::output::{self, strip_control_chars};
use super::{CommandResult, ExitKind};

/// Name of the operator's container in its Pods.
const OPERATOR_CONTAINER: &str = "operator";

/// Show the logs of the operator's Pods, including the standby.
///
/// With an object: only lines about it. Each line begins with the Pod that wrote it.
#[derive(clap::Args, Debug)]
#[command(
    after_help = "Examples:\n  kubectl tenantry logs client/globex --since 1h\n  kubectl tenantry logs -f\n  kubectl tenantry logs --operator-namespace tenantry-system --tail 50"
)]
pub(crate) struct LogsFlags {
    /// The object, as `partner/NAME` or `client/NAME`; NAME alone where it is only one of them.
    #[arg(value_name = "KIND/NAME", num_args = 0..=2, add = ArgValueCompleter::new(completion_candidates::objects))]
    object: Vec<String>,
    /// Go on as lines come.
    #[arg(short, long)]
    follow: bool,
    /// Lines that are younger than this, such as `10m` or `2h`.
    #[arg(long, value_name = "TIME", value_parser = parse_since_seconds)]
    since: Option<i64>,
    /// The last lines of each Pod, before those of other objects are left out.
    #[arg(long, value_name = "LINES")]
    tail: Option<i64>,
    /// Namespace of the operator; default: where its Lease is.
    #[arg(long, value_name = "NAME")]
    operator_namespace: Option<String>,
}

fn parse_since_seconds(text: &str) -> Result<i64, String> {
    let span = text.parse::<Span>().ok();
    let length = span.and_then(|span| span.to_duration(SpanRelativeTo::days_are_24_hours()).ok());
    let seconds = length.map(|length| length.as_secs()).filter(|seconds| *seconds > 0);
    seconds.ok_or_else(|| "write how long ago, such as `10m` or `2h`".to_owned())
}

pub(crate) async fn run(flags: &LogsFlags, cluster: &ClusterFlags) -> CommandResult {
    let named = if flags.object.is_empty() { None } else { Some(ObjectArg::parse(&flags.object)?) };
    let cluster = connect_required(cluster).await?;
    let object = match named {
        None => None,
        Some(named) => Some(match named.find_object(&cluster).await? {
            AnyObject::Partner(partner) => namespaced_name(partner.as_ref()),
            AnyObject::Client(client) => namespaced_name(client.as_ref()),
        }),
    };
    let pods = list_operator_pods(flags, &cluster).await?;
    let params = LogParams {
        container: Some(OPERATOR_CONTAINER.to_owned()),
        follow: flags.follow,
        since_seconds: flags.since,
        tail_lines: flags.tail,
        ..LogParams::default()
    };
    let reader = PodLogReader { cluster: &cluster, params, object };
    let streams = pods.iter().map(|pod| reader.print_pod_lines(pod));
    let failures: Vec<Failure> = futures::stream::iter(streams)
        .buffer_unordered(pods.len().max(1))
        .filter_map(|ended| async { ended.err() })
        .collect()
        .await;
    if failures.is_empty() { Ok(ExitKind::Success) } else { Err(failures) }
}

/// Lists the Pods of the operator.
async fn list_operator_pods(flags: &LogsFlags, cluster: &Cluster) -> Result<Vec<Pod>, Failure> {
    let namespaces = match &flags.operator_namespace {
        Some(named) => vec![named.clone()],
        None => read_leaders(cluster).await.namespaces()?,
    };
    let mut pods = Vec::new();
    for namespace in &namespaces {
        let found = Api::<Pod>::namespaced(cluster.client.clone(), namespace);
        pods.extend(found.list(&ListParams::default().labels(OPERATOR_LABEL)).await?.items);
    }
    if pods.is_empty() {
        let message = format!(
            "no Pod with the label `{OPERATOR_LABEL}` is in namespace `{}`: name that of the operator with `--operator-namespace`",
            namespaces.join("`, `")
        );
        return Err(Failure::new(message));
    }
    Ok(pods)
}

/// Selects the lines of Pods that are printed.
struct PodLogReader<'a> {
    cluster: &'a Cluster,
    params: LogParams,
    /// Only lines about this object.
    object: Option<String>,
}

impl PodLogReader<'_> {
    /// Prints the lines of one Pod until its log ends.
    async fn print_pod_lines(&self, pod: &Pod) -> Result<(), Failure> {
        let Self { cluster, params, object } = self;
        let name = pod.name_any();
        let pods = Api::<Pod>::namespaced(cluster.client.clone(), &pod.namespace().unwrap_or_default());
        let failed =
            |error: &dyn std::fmt::Display| Failure::new(format!("the logs of Pod `{name}` cannot be read: {error}"));
        let mut lines = pods.log_stream(&name, params).await.map_err(|error| failed(&error))?.lines();
        while let Some(line) = lines.try_next().await.map_err(|error| failed(&error))? {
            if object.as_deref().is_none_or(|object| is_about(&line, object)) {
                output::print(&format!("[{name}] {}\n", strip_control_chars(&line)))?;
            }
        }
        Ok(())
    }
}

/// Returns whether a line is about an object, by its own member or by the member of the pass that wrote it.
fn is_about(line: &str, object: &str) -> bool {
    let Ok(line) = serde_json::from_str::<Value>(line) else { return false };
    let spans = line["spans"].as_array().map(Vec::as_slice).unwrap_or_default();
    [&line, &line["span"]].into_iter().chain(spans).any(|part| part["object"] == object)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::optimistic_patch::fake_api_server::cluster_answering;

    #[test]
    fn lines_about_an_object_are_told_from_others() {
        for (line, is_so) in [
            (json!({"message": "m", "object": "acme/globex"}), true),
            (json!({"message": "m", "span": {"object": "acme/globex"}}), true),
            (json!({"message": "m", "spans": [{"object": "acme/globex"}]}), true),
            (json!({"message": "m", "object": "acme/globex2"}), false),
            (json!({"message": "acme/globex"}), false),
        ] {
            assert_eq!(is_about(&line.to_string(), "acme/globex"), is_so, "{line}");
        }
        assert!(!is_about("acme/globex, not JSON", "acme/globex"));
    }

    #[tokio::test]
    async fn the_pods_are_those_with_the_label_where_the_lease_is() {
        let lease =
            json!({"metadata": {"name": "tenantry-operator", "namespace": "ops"}, "spec": {"holderIdentity": "one"}});
        let list = |kind: &str, items: Value| json!({"apiVersion": "v1", "kind": kind, "metadata": {}, "items": items});
        let pod = json!({"metadata": {"name": "tenantry-1", "namespace": "ops"}});
        let answers = vec![(200, list("LeaseList", json!([lease]))), (200, list("PodList", json!([pod])))];
        let (cluster, asked) = cluster_answering(answers);
        let flags = LogsFlags { object: vec![], follow: false, since: None, tail: None, operator_namespace: None };
        let found = list_operator_pods(&flags, &cluster).await.unwrap();
        assert_eq!(found[0].name_any(), "tenantry-1");
        let second = asked.lock().unwrap()[1].0.clone();
        assert!(second.contains("labelSelector=app.kubernetes.io%2Fcomponent%3Doperator"), "{second}");
        assert_eq!(parse_since_seconds("2h"), Ok(7200));
        assert!(parse_since_seconds("-2h").is_err() && parse_since_seconds("soon").is_err());
    }
}
