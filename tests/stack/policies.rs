//! The admission policies of the chart.

use std::thread;
use std::time::{Duration, Instant};

use serde_json::json;

use super::kubectl::Kubectl;
use super::process::Result;

/// Maximum time until the policies are enforced.
const ENFORCEMENT_TIMEOUT: Duration = Duration::from_mins(1);

/// Namespace of the probe; nothing watches it yet.
const NAMESPACE: &str = "tenantry-system";

/// Installs the policies and waits until they are enforced, which happens slightly after they are applied. Call this
/// before the operator starts, because the probe claims a tenant that does not exist.
pub fn install_policies(kubectl: &Kubectl) -> Result<()> {
    kubectl.run(&["apply", "--server-side", "-f", "charts/tenantry/policies/"])?;
    let run = |args: &[&str]| kubectl.run(&[&["-n", NAMESPACE], args].concat());
    let probe = json!({
        "apiVersion": "tenantry.dev/v1alpha1", "kind": "Client", "metadata": {"name": "probe", "namespace": NAMESPACE},
        "spec": {
            "partnerRef": {"name": "probe"}, "details": {"name": "probe"}, "deletion": {"policy": "Terminate"},
        },
    });
    kubectl.run_with(&["create", "-f", "-"], &probe.to_string())?;
    let status = json!({"status": {"uniqueId": "client_0"}}).to_string();
    run(&["patch", "client/probe", "--subresource=status", "--type=merge", "-p", &status])?;
    let end = Instant::now() + ENFORCEMENT_TIMEOUT;
    while run(&["delete", "client/probe", "--dry-run=server"]).is_ok() {
        if Instant::now() >= end {
            return Err("the admission policies do not come into force".into());
        }
        thread::sleep(Duration::from_millis(100));
    }
    let spec = json!({"spec": {"deletion": {"policy": "Retain"}}}).to_string();
    run(&["patch", "client/probe", "--type=merge", "-p", &spec])?;
    run(&["delete", "client/probe"])?;
    Ok(())
}
