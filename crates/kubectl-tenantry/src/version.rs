//! `version`: shows the versions of this program and in the cluster, and whether they are compatible.

use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::api::ListParams;
use kube::{Api, ResourceExt as _};
use serde::Serialize;
use tenantry_api::{GROUP, VERSION};
use tenantry_runtime::build;

use super::cluster::{Cluster, ClusterFlags, api_error_message};
use super::output::{self, OutputFormat};
use super::{CommandResult, ExitKind};

/// The label that the chart puts on the operator's Deployment.
const DEPLOYMENT_LABEL: &str = "app.kubernetes.io/name=tenantry";

/// The label with the version of a Deployment's program.
const VERSION_LABEL: &str = "app.kubernetes.io/version";

/// Show the versions of this program, of the operator and of the resource definitions.
///
/// Of this program also commit and date; a build without git says so. Says so when they do not fit. What cannot be read is shown as unknown.
#[derive(clap::Args, Debug)]
#[command(after_help = "Examples:\n  kubectl tenantry version\n  kubectl tenantry version --client -o json")]
pub(crate) struct VersionFlags {
    /// Ask no cluster.
    #[arg(long)]
    client: bool,
    /// Form for programs.
    #[arg(short, long, value_enum)]
    output: Option<OutputFormat>,
}

/// All versions that were found.
#[derive(Serialize, Debug)]
#[serde(rename_all = "camelCase")]
struct Versions {
    client: &'static str,
    /// Commit and date of this program.
    #[serde(skip_serializing_if = "Option::is_none")]
    commit: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    date: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    operator: Option<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    resources: Vec<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    warnings: Vec<String>,
}

pub(crate) async fn run(flags: &VersionFlags, cluster: &ClusterFlags) -> CommandResult {
    let mut versions = Versions {
        client: build::VERSION,
        commit: build::COMMIT,
        date: build::commit_date(),
        operator: None,
        resources: Vec::new(),
        warnings: Vec::new(),
    };
    if !flags.client
        && let Some(cluster) = cluster.connect().await?
    {
        check_cluster_versions(&cluster, &mut versions).await;
    }
    match flags.output {
        Some(form) => output::print(&form.text(&versions)?)?,
        None => output::print(&render_text(&versions, flags.client))?,
    }
    Ok(ExitKind::Success)
}

async fn check_cluster_versions(cluster: &Cluster, versions: &mut Versions) {
    for plural in ["partners", "clients"] {
        let name = format!("{plural}.{GROUP}");
        match Api::<CustomResourceDefinition>::all(cluster.client.clone()).get_opt(&name).await {
            Ok(Some(found)) => {
                let served: Vec<String> =
                    found.spec.versions.iter().filter(|one| one.served).map(|one| one.name.clone()).collect();
                if !served.iter().any(|one| one == VERSION) {
                    versions.warnings.push(format!(
                        "`{name}` serves {} and this program speaks {VERSION}: install the definitions of this release",
                        served.join(", ")
                    ));
                }
                versions.resources.push(format!("{name}/{}", served.join(",")));
            }
            Ok(None) => versions.warnings.push(format!(
                "the cluster does not know `{name}`: install the definitions with `kubectl apply -f crds`"
            )),
            Err(error) => versions.warnings.push(format!("`{name}` cannot be read: {}", api_error_message(&error))),
        }
    }
    match find_operator_version(cluster).await {
        Ok(Some(version)) => {
            if major_and_minor(&version) != major_and_minor(versions.client) {
                versions.warnings.push(format!(
                    "the operator is {version} and this program is {}: what it plans may not be what the operator does; take the same release",
                    versions.client
                ));
            }
            versions.operator = Some(version);
        }
        Ok(None) => {}
        Err(error) => {
            versions.warnings.push(format!("the operator cannot be looked for: {}", api_error_message(&error)));
        }
    }
}

/// Returns the version of the operator, if a Deployment with its label exists.
async fn find_operator_version(cluster: &Cluster) -> Result<Option<String>, kube::Error> {
    let found =
        Api::<Deployment>::all(cluster.client.clone()).list(&ListParams::default().labels(DEPLOYMENT_LABEL)).await?;
    Ok(found.items.iter().find_map(deployment_version))
}

/// Returns the version from the image's tag, otherwise from the label: an image that is pinned by digest may have no
/// tag, and with `image.tag` the label only has the version of the chart.
fn deployment_version(deployment: &Deployment) -> Option<String> {
    let pod = deployment.spec.as_ref().and_then(|spec| spec.template.spec.as_ref());
    let image = pod.and_then(|pod| pod.containers.first()).and_then(|container| container.image.as_deref());
    let label = || deployment.labels().get(VERSION_LABEL).map(|version| version.trim_start_matches('v').to_owned());
    image.and_then(image_tag).or_else(label).filter(|version| !version.is_empty())
}

/// Returns the tag of an image, or `None` if it only has a digest.
fn image_tag(image: &str) -> Option<String> {
    let name = image.split('@').next().unwrap_or(image);
    let (_, tag) = name.rsplit('/').next()?.split_once(':')?;
    Some(tag.trim_start_matches('v').to_owned())
}

/// Returns the major and minor number. Releases in which both are equal are compatible.
fn major_and_minor(version: &str) -> Vec<&str> {
    version.split(['.', '-']).take(2).collect()
}

fn render_text(versions: &Versions, is_client_only: bool) -> String {
    let mut lines = vec![format!("client: {}", build::version_text())];
    if !is_client_only {
        lines.push(format!("operator: {}", versions.operator.as_deref().unwrap_or("unknown")));
        let resources =
            if versions.resources.is_empty() { "unknown".to_owned() } else { versions.resources.join(", ") };
        lines.push(format!("resources: {resources}"));
    }
    lines.extend(versions.warnings.iter().map(|warning| format!("warning: {warning}")));
    lines.join("\n") + "\n"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_image_without_a_tag_has_the_version_of_its_deployment() {
        let version = |image: &str, labels: serde_json::Value| {
            let deployment = serde_json::json!({
                "metadata": {"name": "tenantry", "labels": labels},
                "spec": {"selector": {}, "template": {"spec": {"containers": [{"name": "operator", "image": image}]}}},
            });
            deployment_version(&serde_json::from_value(deployment).unwrap())
        };
        let label = || serde_json::json!({"app.kubernetes.io/version": "v0.3.0"});
        assert_eq!(version("registry.example/operator@sha256:aa", label()).as_deref(), Some("0.3.0"));
        assert_eq!(version("registry.example/operator:0.3.1", label()).as_deref(), Some("0.3.1"));
        assert_eq!(version("registry.example/operator@sha256:aa", serde_json::json!({})), None);
    }

    #[test]
    fn the_tag_of_an_image_is_its_version() {
        for (image, version) in [
            ("registry.example:5000/tenantry/operator:v0.2.1", Some("0.2.1")),
            ("tenantry-operator:0.1.0@sha256:aa", Some("0.1.0")),
            ("registry.example:5000/operator@sha256:aa", None),
            ("operator", None),
        ] {
            assert_eq!(image_tag(image).as_deref(), version, "{image}");
        }
        assert_eq!(major_and_minor("0.1.0"), major_and_minor("0.1.7-rc.1"));
        assert_ne!(major_and_minor("0.1.0"), major_and_minor("0.2.0"));
    }
}
