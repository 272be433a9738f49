//! The steps of the demo that show that the stack behaves as a cluster does.

use std::fs;
use std::process::Command;

use serde_json::json;

use super::demo::Demo;
use super::life::patch;
use super::process::Result;
use super::readme::shell;
use super::screen::{block, say};
use super::tenancy::{self, Tenancy};
use super::whole::Access;
use super::{http, supervisor};

/// What `target/demo/env` puts on the PATH is found by `kubectl`.
pub fn plugin(demo: &mut Demo) -> Result<()> {
    for (command, words) in [
        ("kubectl tenantry version", ["client: ", "partners.tenantry.dev"]),
        ("kubectl tenantry status", ["acme", "initech"]),
    ] {
        say(format!("  $ {command}"));
        let answer = shell(command)?;
        block(&answer);
        for word in words {
            demo.holds(&format!("the plugin says `{word}`"), answer.contains(word))?;
        }
    }
    Ok(())
}

/// Nobody has to start anything by hand, and what was declared goes on.
pub fn killed(demo: &mut Demo) -> Result<()> {
    let id = demo.unique_id("client/initech")?;
    for name in ["operator", "platform"] {
        let before = pid(name)?;
        say(format!("  $ kill -9 {before}"));
        Command::new("sh").args(["-c", r#"kill -9 "$1""#, "sh", &before]).status()?;
        demo.eventually(&format!("the {name} runs again"), || Ok(pid(name)? != before))?;
    }
    let access = Access::read(&supervisor::folder()?)?;
    let is_up = |url: &str| http::get(url).is_ok_and(|answer| answer.status == 200);
    demo.eventually("the platform answers", || Ok(is_up(&format!("{}/healthz", access.platform_url))))?;
    demo.eventually("the operator answers", || Ok(is_up(&access.metrics_url)))?;
    let key = (access.client_id.as_str(), access.client_secret.as_str());
    demo.tenancy = Tenancy::connect(&access.platform_url, &access.tenant_id, key)?;
    patch(demo, "client/initech", &json!({"tenantState": "Active"}))?;
    let path = format!("{}/clients/{id}", demo.unique_id("partner/acme")?);
    demo.eventually("initech is active", || Ok(tenancy::state(&demo.tenancy.get(&path)?) == "ACTIVE"))?;
    demo.wait("--for=condition=Ready", &["client/initech"])?;
    demo.same("the unique id", &demo.unique_id("client/initech")?, &id)
}

/// The process id that the supervisor wrote last.
fn pid(name: &str) -> Result<String> {
    let path = supervisor::folder()?.join(format!("{name}.pid"));
    let text = fs::read_to_string(&path).map_err(|error| format!("{} cannot be read: {error}", path.display()))?;
    Ok(text.trim().to_owned())
}

/// With an object of ours in it, whose finalizer the operator has to remove.
pub fn namespace(demo: &mut Demo) -> Result<()> {
    demo.kubectl(&["delete", "-k", "examples", "--ignore-not-found", "--timeout=20s"])?;
    demo.kubectl(&["create", "namespace", "short"])?;
    demo.kubectl(&["-n", "short", "create", "configmap", "note", "--from-literal=text=kept"])?;
    let client = json!({
        "apiVersion": "tenantry.dev/v1alpha1", "kind": "Client",
        "metadata": {"name": "early", "namespace": "short"},
        "spec": {"partnerRef": {"name": "acme"}, "details": {"name": "Early"}},
    });
    demo.kubectl.run_with(&["apply", "-f", "-"], &client.to_string())?;
    say("  a Client in it, whose Partner is in another namespace: `client/early`");
    demo.wait("--for=condition=Reconciling", &["-n", "short", "client/early"])?;
    demo.kubectl(&["delete", "namespace", "short", "--timeout=20s"])?;
    let left = demo.kubectl.run(&["get", "namespace", "short", "--ignore-not-found"])?;
    demo.same("what is left of it", left.as_str(), "")
}
