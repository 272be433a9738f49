//! Runs the chart in a real cluster without a kubelet: the operator runs as a process, with the flags of its Deployment
//! and the permissions of its ServiceAccount.

use std::path::Path;

use serde_json::Value;

use super::{Helm, operator_flags_and_env};
use crate::controlplane::ControlPlane;
use crate::kubectl::Kubectl;
use crate::process::Result;
use crate::programs::{self, ServiceProcess};
use crate::support;
use crate::world::TestServers;

/// A release of the chart.
#[derive(Clone, Copy)]
pub(crate) struct ChartRelease {
    /// Its name.
    pub(crate) name: &'static str,
    /// Its namespace.
    pub(crate) namespace: &'static str,
    /// The name of the operator's Deployment, and of its account.
    pub(crate) deployment: &'static str,
}

impl ChartRelease {
    /// Installs the chart, with the hosts and times of a test.
    pub(crate) fn install_chart(self, helm: &Helm, chart: &Path, servers: &TestServers, values: &[&str]) {
        let hosts = format!("platformHosts={{{}}}", servers.platform.host());
        let mut args = vec!["install", self.name, chart.to_str().unwrap(), "-n", self.namespace, "--create-namespace"];
        args.extend(["--set", &hosts, "--set", "driftInterval=1s"]);
        args.extend(values.iter().flat_map(|value| ["--set", value]));
        helm.run(&args).unwrap();
        let established = ["wait", "--for=condition=Established", "--timeout=60s", "crd", "--all"];
        // A new definition has no conditions at first, which `wait` takes for an error.
        if servers.kubectl.run(&established).is_err() {
            std::thread::sleep(std::time::Duration::from_secs(1));
            servers.kubectl.run(&established).unwrap();
        }
    }

    /// Starts the operator that the release's Deployment describes.
    pub(crate) fn start_deployed_operator(
        self,
        run: &str,
        cluster: &ControlPlane,
        kubectl: &Kubectl,
    ) -> Result<ServiceProcess> {
        let own = ["-n", self.namespace];
        let text = kubectl.run(&[&own[..], &["get", "deployment", self.deployment, "-o", "json"]].concat())?;
        let deployment: Value = serde_json::from_str(&text)?;
        let account = deployment["spec"]["template"]["spec"]["serviceAccountName"].as_str().unwrap_or_default();
        let token = kubectl.run(&[&own[..], &["create", "token", account, "--duration=2h"]].concat())?;
        let kubeconfig = cluster.add_kubeconfig(self.namespace, token.trim())?;
        let (flags, env) = operator_flags_and_env(&deployment);
        let folder = support::test_folder(&format!("{}-{run}", self.namespace))?;
        programs::start_deployed(&folder, &kubeconfig, self.namespace, &flags, &env)
    }

    /// Returns the manifest that Helm records for the release.
    pub(crate) fn installed_manifest(self, helm: &Helm) -> String {
        helm.run(&["get", "manifest", self.name, "-n", self.namespace]).unwrap()
    }
}
