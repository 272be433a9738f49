//! The chart: what it says, what the API server takes of it, and what it is to live with.

mod life;
mod named;
mod page;
mod people;
mod rendered;
mod scan;
pub(crate) mod stage;
mod used;
mod values;

use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

use crate::{assets, support};

/// Values for what no other value says: further arguments, variables and volumes of both programs.
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

/// Helm in a folder of its own, which sees nothing of the person's own settings.
pub(crate) struct Helm {
    program: PathBuf,
    home: PathBuf,
    kubeconfig: Option<PathBuf>,
}

impl Helm {
    /// Without a cluster.
    pub(crate) fn without_cluster(name: &str) -> Self {
        let home = support::test_folder(&format!("helm-{name}")).unwrap();
        Self { program: assets::helm().unwrap(), home, kubeconfig: None }
    }

    /// On a cluster, as who the kubeconfig says.
    pub(crate) fn on_cluster(kubeconfig: &Path, name: &str) -> Self {
        Self { kubeconfig: Some(kubeconfig.to_owned()), ..Self::without_cluster(name) }
    }

    /// What it printed, or what it complained about.
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
        let said = |stream: &[u8]| String::from_utf8_lossy(stream).into_owned();
        if output.status.success() {
            Ok(said(&output.stdout))
        } else {
            Err(format!("`helm {}` failed: {}", args.join(" "), said(&output.stderr)))
        }
    }

    /// The chart as text, as release `tenantry` of `namespace`.
    pub(crate) fn render(&self, namespace: &str, values: &[&str]) -> Result<String, String> {
        let sets: Vec<&str> = values.iter().flat_map(|value| ["--set", value]).collect();
        self.run(&[&["template", "tenantry", "charts/tenantry", "-n", namespace], sets.as_slice()].concat())
    }
}

/// The objects of a text of many.
pub(crate) fn parse_objects(text: &str) -> Vec<Value> {
    let parts = text.split("\n---\n").map(|part| part.trim_start_matches("---\n"));
    let read = parts.map(|part| serde_yaml::from_str::<Value>(part).unwrap_or_else(|error| panic!("{error}: {part}")));
    read.filter(|object| !object.is_null()).collect()
}

/// The one object of that kind and name.
pub(crate) fn find_object<'a>(objects: &'a [Value], kind: &str, name: &str) -> &'a Value {
    let mut found = objects.iter().filter(|object| object["kind"] == kind && object["metadata"]["name"] == name);
    let first = found.next().unwrap_or_else(|| panic!("no {kind} `{name}`"));
    assert!(found.next().is_none(), "more than one {kind} `{name}`");
    first
}

/// Flags and environment of the operator's container in a Deployment.
pub(crate) fn operator_flags_and_env(deployment: &Value) -> (Vec<String>, Vec<(String, String)>) {
    let container = &deployment["spec"]["template"]["spec"]["containers"][0];
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let args = container["args"].as_array().unwrap().iter().map(text).collect();
    let env = container["env"].as_array().unwrap().iter().map(|one| (text(&one["name"]), text(&one["value"])));
    (args, env.collect())
}
