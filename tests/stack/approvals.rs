//! The steps of the demo in which a change is blocked: until a person approves it, until the tenant matches, or until
//! it is cancelled.

use serde_json::{Value, json};

use super::demo::Demo;
use super::lifecycle::patch_spec;
use super::process::Result;
use super::tenancy;
use super::terminal::{print_block, print_line};
use super::termination;

/// Shows that a change of the IP list, which can lock users out, waits for approval of the plan's hash.
pub fn approve_ip_rule(demo: &mut Demo) -> Result<()> {
    let path = demo.client_path(&demo.ids[2]);
    let before = demo.tenancy.get(&path)?["whiteListedIps"].clone();
    let spec = json!({
        "management": {"approval": {"mode": "ManualIfRisky"}},
        "security": {"access": {"allowedIPs": ["203.0.113.0/24"]}},
    });
    patch_spec(demo, "client/initech", &spec)?;
    demo.wait_for_condition("--for=condition=AwaitingApproval", &["client/initech"])?;
    demo.print_status("client/initech")?;
    demo.kubectl(&["get", "client/initech", "-o", "jsonpath={.status.plan}"])?;
    demo.assert_true("the IP rule is not applied yet", demo.tenancy.get(&path)?["whiteListedIps"] == before)?;
    let hash = demo.kubectl.read_json_path("client/initech", "{.status.plan.hash}")?;
    patch_spec(demo, "client/initech", &json!({"management": {"approval": {"approvedPlan": hash}}}))?;
    demo.wait_for_condition("--for=condition=Ready", &["client/initech"])?;
    demo.assert_same("the IP rule", &demo.tenancy.get(&path)?["whiteListedIps"], "203.0.113.0/24")?;
    // The next steps are risky too, and the demo shows an approval only once.
    patch_spec(demo, "client/initech", &json!({"management": Value::Null}))
}

/// Shows how a tenant that was created by hand is adopted: refused by its name, then adopted by its id once nothing
/// differs.
pub fn adopt_manual_tenant(demo: &mut Demo) -> Result<()> {
    let path = format!("{}/clients", demo.ids[0]);
    let tenant = json!({
        "name": "Umbrella", "city": "Raccoon City", "timeZone": "America/Chicago", "country": "United States",
        "packages": ["Hybrid Discovery and Monitoring"],
    });
    print_line(format!("  POST /api/v2/tenants/{path} {tenant}"));
    demo.tenancy.change_tenant(&path, &tenant)?;
    let before = demo.tenancy.create_counts()?;
    let active_clients = demo.tenancy.list_tenants(&path, true)?;
    let made = active_clients.iter().find(|tenant| tenant["name"] == "Umbrella").ok_or("`Umbrella` is not listed")?;
    made["uniqueId"].as_str().unwrap_or_default().clone_into(&mut demo.ids[3]);
    demo.kubectl(&["apply", "-f", "examples/adopt/umbrella.yaml"])?;
    demo.wait_for_condition("--for=condition=Stalled", &["client/umbrella"])?;
    let message =
        demo.kubectl.read_json_path("client/umbrella", "{.status.conditions[?(@.type==\"Ready\")].message}")?;
    print_block(&message);
    demo.assert_true("the message names the tenant", message.contains(&demo.ids[3]))?;
    let adoption = json!({"adoption": {"policy": "IfIdentical", "uniqueId": demo.ids[3]}});
    patch_spec(demo, "client/umbrella", &adoption)?;
    demo.wait_for_condition("--for=condition=Ready", &["client/umbrella"])?;
    demo.assert_same("the unique id", &demo.unique_id("client/umbrella")?, &demo.ids[3])?;
    let owner = demo.tenancy.get(&demo.client_path(&demo.ids[3]))?["managedBy"]["name"].clone();
    demo.assert_same("the tenant's mark names its object", &owner, "umbrella")?;
    demo.assert_same("creates of Partners and Clients", &demo.tenancy.create_counts()?, &before)
}

/// Shows that removing the confirmation during the grace period undoes everything.
pub fn cancel_termination(demo: &mut Demo) -> Result<()> {
    termination::confirm_termination(demo, "client/umbrella", 3600)?;
    demo.kubectl(&["delete", "client/umbrella", "--wait=false"])?;
    let path = demo.client_path(&demo.ids[3]);
    demo.assert_eventually("Umbrella is suspended for the grace period", || {
        Ok(tenancy::tenant_state(&demo.tenancy.get(&path)?) == "SUSPENDED")
    })?;
    demo.print_status("client/umbrella")?;
    patch_spec(demo, "client/umbrella", &json!({"deletion": {"confirm": Value::Null}}))?;
    demo.wait_for_condition("--for=delete", &["client/umbrella"])?;
    let umbrella = demo.print_tenant(&path)?;
    demo.assert_same("Umbrella is alive", tenancy::tenant_state(&umbrella), "ACTIVE")?;
    demo.kubectl(&["apply", "-f", "examples/adopt/umbrella.yaml"])?;
    demo.wait_for_condition("--for=condition=Ready", &["client/umbrella"])?;
    demo.assert_same("the unique id", &demo.unique_id("client/umbrella")?, &demo.ids[3])
}
