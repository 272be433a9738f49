//! The steps of the demo in which something is held back: until a person has approved it, until it is proved harmless,
//! or for good.

use serde_json::{Value, json};

use super::demo::Demo;
use super::ending;
use super::life::patch;
use super::process::Result;
use super::screen::{block, say};
use super::tenancy;

/// An IP rule can lock people out: it waits for the hash of the plan.
pub fn approve(demo: &mut Demo) -> Result<()> {
    let path = demo.client(&demo.ids[2]);
    let before = demo.tenancy.get(&path)?["whiteListedIps"].clone();
    let spec = json!({
        "management": {"approval": {"mode": "ManualIfRisky"}},
        "security": {"access": {"allowedIPs": ["203.0.113.0/24"]}},
    });
    patch(demo, "client/initech", &spec)?;
    demo.wait("--for=condition=AwaitingApproval", &["client/initech"])?;
    demo.status("client/initech")?;
    demo.kubectl(&["get", "client/initech", "-o", "jsonpath={.status.plan}"])?;
    demo.holds("the IP rule is not applied yet", demo.tenancy.get(&path)?["whiteListedIps"] == before)?;
    let hash = demo.kubectl.read("client/initech", "{.status.plan.hash}")?;
    patch(demo, "client/initech", &json!({"management": {"approval": {"approvedPlan": hash}}}))?;
    demo.wait("--for=condition=Ready", &["client/initech"])?;
    demo.same("the IP rule", &demo.tenancy.get(&path)?["whiteListedIps"], "203.0.113.0/24")?;
    // The next steps are risky as well, and no story is told twice.
    patch(demo, "client/initech", &json!({"management": Value::Null}))
}

/// A tenant that somebody made by hand: refused by its name, taken over by its id once nothing differs.
pub fn adopt(demo: &mut Demo) -> Result<()> {
    let path = format!("{}/clients", demo.ids[0]);
    let tenant = json!({
        "name": "Umbrella", "city": "Raccoon City", "timeZone": "America/Chicago", "country": "United States",
        "packages": ["Hybrid Discovery and Monitoring"],
    });
    say(format!("  POST /api/v2/tenants/{path} {tenant}"));
    demo.tenancy.change(&path, &tenant)?;
    let before = demo.tenancy.creates()?;
    let living = demo.tenancy.list(&path, true)?;
    let made = living.iter().find(|tenant| tenant["name"] == "Umbrella").ok_or("`Umbrella` is not listed")?;
    made["uniqueId"].as_str().unwrap_or_default().clone_into(&mut demo.ids[3]);
    demo.kubectl(&["apply", "-f", "examples/adopt/umbrella.yaml"])?;
    demo.wait("--for=condition=Stalled", &["client/umbrella"])?;
    let message = demo.kubectl.read("client/umbrella", "{.status.conditions[?(@.type==\"Ready\")].message}")?;
    block(&message);
    demo.holds("the message names the tenant", message.contains(&demo.ids[3]))?;
    let adoption = json!({"adoption": {"policy": "IfIdentical", "uniqueId": demo.ids[3]}});
    patch(demo, "client/umbrella", &adoption)?;
    demo.wait("--for=condition=Ready", &["client/umbrella"])?;
    demo.same("the unique id", &demo.unique_id("client/umbrella")?, &demo.ids[3])?;
    let owner = demo.tenancy.get(&demo.client(&demo.ids[3]))?["managedBy"]["name"].clone();
    demo.same("the tenant's mark names its object", &owner, "umbrella")?;
    demo.same("creates of Partners and Clients", &demo.tenancy.creates()?, &before)
}

/// While the grace period runs, taking the confirmation back undoes everything.
pub fn cancel(demo: &mut Demo) -> Result<()> {
    ending::confirm(demo, "client/umbrella", 3600)?;
    demo.kubectl(&["delete", "client/umbrella", "--wait=false"])?;
    let path = demo.client(&demo.ids[3]);
    demo.eventually("Umbrella is suspended for the grace period", || {
        Ok(tenancy::state(&demo.tenancy.get(&path)?) == "SUSPENDED")
    })?;
    demo.status("client/umbrella")?;
    patch(demo, "client/umbrella", &json!({"deletion": {"confirm": Value::Null}}))?;
    demo.wait("--for=delete", &["client/umbrella"])?;
    let umbrella = demo.platform(&path)?;
    demo.same("Umbrella is alive", tenancy::state(&umbrella), "ACTIVE")?;
    demo.kubectl(&["apply", "-f", "examples/adopt/umbrella.yaml"])?;
    demo.wait("--for=condition=Ready", &["client/umbrella"])?;
    demo.same("the unique id", &demo.unique_id("client/umbrella")?, &demo.ids[3])
}
