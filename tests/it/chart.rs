//! Tests of the chart: its rendered manifests, how the API server accepts them, and how it works in a cluster.

mod granted_rights;
mod lifecycle;
mod names_in_docs;
mod page;
pub(crate) mod release;
mod rendering;
mod scan;
mod user_roles;
mod values;

use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

use crate::{assets, support};

/// Values for settings that have no value of their own: extra arguments, variables and volumes of both programs.
const EXTRA_VALUES: [&str; 10] = [
    "extraArgs={--concurrency=3}",
    "extraEnv[0].name=A",
    "extraEnv[0].value=b",
    "platform.extraArgs={--purge-after-days=3}",
    "platform.extraEnv[0].name=SSL_CERT_FILE",
    "platform.extraEnv[0].value=/ca/ca.pem",
    "platform.extraVolumes[0].name=ca",
    "platform.extraVolumes[0].configMap.name=ca",
    "platform.extraVolumeMounts[0].name=ca",
    "platform.extraVolumeMounts[0].mountPath=/ca",
];

/// Helm with its own home folder, so that the user's settings have no effect.
pub(crate) struct Helm {
    program: PathBuf,
    home: PathBuf,
    kubeconfig: Option<PathBuf>,
}

impl Helm {
    /// Creates a Helm without a cluster.
    pub(crate) fn without_cluster(name: &str) -> Self {
        let home = support::test_folder(&format!("helm-{name}")).unwrap();
        Self { program: assets::helm().unwrap(), home, kubeconfig: None }
    }

    /// Creates a Helm on a cluster, as the user of the kubeconfig.
    pub(crate) fn on_cluster(kubeconfig: &Path, name: &str) -> Self {
        Self { kubeconfig: Some(kubeconfig.to_owned()), ..Self::without_cluster(name) }
    }

    /// Runs Helm. Returns its output, or its error output.
    fn run(&self, args: &[&str]) -> Result<String, String> {
        let mut command = Command::new(&self.program);
        command.args(args).current_dir(assets::root()).env("NO_PROXY", "127.0.0.1,localhost");
        for (variable, folder) in [("CACHE", "cache"), ("CONFIG", "config"), ("DATA", "data")] {
            command.env(format!("HELM_{variable}_HOME"), self.home.join(folder));
        }
        match &self.kubeconfig {
            Some(kubeconfig) => command.env("KUBECONFIG", kubeconfig),
            None => command.env("KUBECONFIG", self.home.join("no-kubeconfig")),
        };
        let output = command.output().unwrap();
        let to_text = |stream: &[u8]| String::from_utf8_lossy(stream).into_owned();
        if output.status.success() {
            Ok(to_text(&output.stdout))
        } else {
            Err(format!("`helm {}` failed: {}", args.join(" "), to_text(&output.stderr)))
        }
    }

    /// Renders the chart as release `tenantry` of `namespace`.
    pub(crate) fn render(&self, namespace: &str, values: &[&str]) -> Result<String, String> {
        let sets: Vec<&str> = values.iter().flat_map(|value| ["--set", value]).collect();
        self.run(&[&["template", "tenantry", "charts/tenantry", "-n", namespace], sets.as_slice()].concat())
    }
}

/// Parses the objects of a multi-document text.
pub(crate) fn parse_objects(text: &str) -> Vec<Value> {
    let parts = text.split("\n---\n").map(|part| part.trim_start_matches("---\n"));
    let read = parts.map(|part| serde_yaml::from_str::<Value>(part).unwrap_or_else(|error| panic!("{error}: {part}")));
    read.filter(|object| !object.is_null()).collect()
}

/// Returns the one object with that kind and name.
pub(crate) fn find_object<'a>(objects: &'a [Value], kind: &str, name: &str) -> &'a Value {
    let mut found = objects.iter().filter(|object| object["kind"] == kind && object["metadata"]["name"] == name);
    let first = found.next().unwrap_or_else(|| panic!("no {kind} `{name}`"));
    assert!(found.next().is_none(), "more than one {kind} `{name}`");
    first
}

/// Returns flags and environment of the operator's container in a Deployment.
pub(crate) fn operator_flags_and_env(deployment: &Value) -> (Vec<String>, Vec<(String, String)>) {
    let container = &deployment["spec"]["template"]["spec"]["containers"][0];
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let args = container["args"].as_array().unwrap().iter().map(text).collect();
    let env = container["env"].as_array().unwrap().iter().map(|one| (text(&one["name"]), text(&one["value"])));
    (args, env.collect())
}
