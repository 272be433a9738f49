//! The steps of the demo that show that the stack behaves like a cluster.

use std::fs;
use std::process::Command;

use serde_json::json;

use super::demo::Demo;
use super::full_stack::StackConnectionInfo;
use super::lifecycle::patch_spec;
use super::process::Result;
use super::readme::run_shell;
use super::tenancy::{self, TenancyApi};
use super::terminal::{print_block, print_line};
use super::{http, supervisor};

/// Checks that `kubectl` finds the plugin on the PATH that `target/demo/env` sets.
pub fn check_plugin(demo: &mut Demo) -> Result<()> {
    for (command, words) in [
        ("kubectl tenantry version", ["client: ", "partners.tenantry.dev"]),
        ("kubectl tenantry status", ["acme", "initech"]),
    ] {
        print_line(format!("  $ {command}"));
        let answer = run_shell(command)?;
        print_block(&answer);
        for word in words {
            demo.assert_true(&format!("the plugin says `{word}`"), answer.contains(word))?;
        }
    }
    Ok(())
}

/// Shows that killed programs restart without manual action, and that reconciling continues.
pub fn kill_and_recover(demo: &mut Demo) -> Result<()> {
    let id = demo.unique_id("client/initech")?;
    for name in ["operator", "platform"] {
        let before = read_pid(name)?;
        print_line(format!("  $ kill -9 {before}"));
        Command::new("sh").args(["-c", r#"kill -9 "$1""#, "sh", &before]).status()?;
        demo.assert_eventually(&format!("the {name} runs again"), || Ok(read_pid(name)? != before))?;
    }
    let access = StackConnectionInfo::read(&supervisor::stack_folder()?)?;
    let is_up = |url: &str| http::get(url).is_ok_and(|answer| answer.status == 200);
    demo.assert_eventually("the platform answers", || Ok(is_up(&format!("{}/healthz", access.platform_url))))?;
    demo.assert_eventually("the operator answers", || Ok(is_up(&access.metrics_url)))?;
    let key = (access.client_id.as_str(), access.client_secret.as_str());
    demo.tenancy = TenancyApi::connect(&access.platform_url, &access.tenant_id, key)?;
    patch_spec(demo, "client/initech", &json!({"tenantState": "Active"}))?;
    let path = format!("{}/clients/{id}", demo.unique_id("partner/acme")?);
    demo.assert_eventually("initech is active", || Ok(tenancy::tenant_state(&demo.tenancy.get(&path)?) == "ACTIVE"))?;
    demo.wait_for_condition("--for=condition=Ready", &["client/initech"])?;
    demo.assert_same("the unique id", &demo.unique_id("client/initech")?, &id)
}

/// Returns the process id that the supervisor wrote last.
fn read_pid(name: &str) -> Result<String> {
    let path = supervisor::stack_folder()?.join(format!("{name}.pid"));
    let text = fs::read_to_string(&path).map_err(|error| format!("{} cannot be read: {error}", path.display()))?;
    Ok(text.trim().to_owned())
}

/// Deletes a namespace that contains an object of ours, whose finalizer the operator must remove.
pub fn delete_namespace(demo: &mut Demo) -> Result<()> {
    demo.kubectl(&["delete", "-k", "examples", "--ignore-not-found", "--timeout=20s"])?;
    demo.kubectl(&["create", "namespace", "short"])?;
    demo.kubectl(&["-n", "short", "create", "configmap", "note", "--from-literal=text=kept"])?;
    let client = json!({
        "apiVersion": "tenantry.dev/v1alpha1", "kind": "Client",
        "metadata": {"name": "early", "namespace": "short"},
        "spec": {"partnerRef": {"name": "acme"}, "details": {"name": "Early"}},
    });
    demo.kubectl.run_with(&["apply", "-f", "-"], &client.to_string())?;
    print_line("  a Client in it, whose Partner is in another namespace: `client/early`");
    demo.wait_for_condition("--for=condition=Reconciling", &["-n", "short", "client/early"])?;
    demo.kubectl(&["delete", "namespace", "short", "--timeout=20s"])?;
    let left = demo.kubectl.run(&["get", "namespace", "short", "--ignore-not-found"])?;
    demo.assert_same("what is left of it", left.as_str(), "")
}
