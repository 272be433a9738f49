//! The steps of the demo in which objects are deleted and tenants are terminated.

use serde_json::{Value, json};

use super::demo::Demo;
use super::lifecycle::patch_spec;
use super::process::Result;
use super::tenancy::{self, CreateCounts};
use super::terminal::{print_block, print_line};

/// Short enough to watch; the default is one day.
const GRACE_SECONDS: u64 = 3;

/// Shows that deleting an object does not change its tenant.
pub fn retain_client(demo: &mut Demo) -> Result<()> {
    demo.kubectl(&["delete", "client/globex", "--timeout=20s"])?;
    let globex = demo.print_tenant(&demo.client_path(&demo.ids[1]))?;
    demo.assert_same("globex is alive", tenancy::tenant_state(&globex), "ACTIVE")
}

/// Shows that a Partner that still has a tenant is not terminated, even with a confirmation.
pub fn block_partner_deletion(demo: &mut Demo) -> Result<()> {
    confirm_termination(demo, "partner/acme", GRACE_SECONDS)?;
    demo.kubectl(&["delete", "partner/acme", "--wait=false"])?;
    demo.wait_for_condition("--for=condition=DeletionBlocked", &["partner/acme"])?;
    demo.print_status("partner/acme")?;
    let path = "{.status.conditions[?(@.type==\"DeletionBlocked\")].message}";
    let message = demo.kubectl.read_json_path("partner/acme", path)?;
    print_block(&message);
    let names = ["globex", "initech", "umbrella"];
    demo.assert_true("the message names who lives", names.iter().any(|name| message.contains(name)))?;
    let acme = demo.print_tenant(&demo.tenancy.partner_path(&demo.ids[0]))?;
    demo.assert_same("the Partner is alive", tenancy::tenant_state(&acme), "ACTIVE")
}

/// Shows that the same object at the same place re-attaches to its tenant.
pub fn reattach_client(demo: &mut Demo) -> Result<()> {
    let before = demo.tenancy.create_counts()?;
    demo.kubectl(&["apply", "-f", "examples/globex.yaml"])?;
    demo.wait_for_condition("--for=condition=Ready", &["client/globex"])?;
    demo.assert_same("the unique id", &demo.unique_id("client/globex")?, &demo.ids[1])?;
    demo.assert_same("creates of Partners and Clients", &demo.tenancy.create_counts()?, &before)?;
    let chosen = "involvedObject.name=globex,reason=Reattached";
    let args = ["get", "events", "--field-selector", chosen, "-o", "jsonpath={.items[*].message}"];
    let mut told = String::new();
    demo.assert_eventually("an event `Reattached`", || {
        told = demo.kubectl.run(&args)?;
        Ok(!told.is_empty())
    })?;
    print_block(&told);
    Ok(())
}

/// Shows that all Clients are suspended for the grace period and then terminated.
pub fn terminate_clients(demo: &mut Demo) -> Result<()> {
    let clients = ["client/globex", "client/initech", "client/umbrella"];
    for client in clients {
        confirm_termination(demo, client, GRACE_SECONDS)?;
    }
    let [globex, initech, umbrella] = clients;
    demo.kubectl(&["delete", globex, initech, umbrella, "--wait=false"])?;
    for id in &demo.ids[1..] {
        let path = demo.client_path(id);
        demo.assert_eventually(&format!("{id} is suspended for the grace period"), || {
            Ok(tenancy::tenant_state(&demo.tenancy.get(&path)?) == "SUSPENDED")
        })?;
    }
    demo.wait_for_condition("--for=delete", &clients)?;
    for id in &demo.ids[1..] {
        let answer = demo.tenancy.call("GET", &demo.client_path(id), None)?;
        print_line(format!("  platform: {id}: {} {}", answer.status, answer.body));
        demo.assert_true(&format!("{id} is gone"), [404, 410].contains(&answer.status))?;
    }
    // Checked now, because nothing below the Partner answers once it is gone too.
    assert_tombstones(demo, &format!("{}/clients", demo.ids[0]), &demo.ids[1..])
}

/// Shows that the Partner's termination continues by itself once it has no tenants.
pub fn finish_partner_termination(demo: &mut Demo) -> Result<()> {
    demo.wait_for_condition("--for=delete", &["partner/acme"])?;
    let answer = demo.tenancy.call("GET", &demo.tenancy.partner_path(&demo.ids[0]), None)?;
    print_line(format!("  platform: {}: {} {}", demo.ids[0], answer.status, answer.body));
    demo.assert_true("the Partner is gone", [404, 410].contains(&answer.status))
}

/// Checks that there are tombstones, no active tenant, and no create other than the three at the start and the one made
/// by hand.
pub fn check_tombstones(demo: &mut Demo) -> Result<()> {
    let partners = format!("{}/msps", demo.tenancy.provider_id());
    let alive = demo.tenancy.list_tenants(&partners, true)?;
    demo.assert_same("living Partners", &alive.len(), &0)?;
    assert_tombstones(demo, &partners, &demo.ids[..1])?;
    demo.assert_same(
        "creates of Partners and Clients",
        &demo.tenancy.create_counts()?,
        &CreateCounts { partners: 1, clients: 3 },
    )?;
    let left = demo.kubectl(&["get", "tenantry"])?;
    demo.assert_same("objects left", left.as_str(), "")
}

/// Asserts that the platform keeps tombstones of exactly these tenants.
fn assert_tombstones(demo: &Demo, path: &str, wanted: &[String]) -> Result<()> {
    let dead = demo.tenancy.list_tenants(path, false)?;
    for tenant in &dead {
        print_line(format!("  platform: {}", tenancy::format_tenant(tenant)));
    }
    let mut ids: Vec<&str> = dead.iter().filter_map(|tenant| tenant["uniqueId"].as_str()).collect();
    ids.sort_unstable();
    let mut wanted: Vec<&str> = wanted.iter().map(String::as_str).collect();
    wanted.sort_unstable();
    demo.assert_same("tombstones", &ids, &wanted)?;
    let ended = dead.iter().all(|tenant| tenancy::tenant_state(tenant) == "TERMINATED");
    demo.assert_true("all of them are terminated", ended)
}

/// Requests a termination and confirms it with the block in status.
pub fn confirm_termination(demo: &Demo, object: &str, grace_seconds: u64) -> Result<()> {
    let wanted = json!({"policy": "Terminate", "gracePeriodSeconds": grace_seconds});
    patch_spec(demo, object, &json!({ "deletion": wanted }))?;
    demo.wait_for_condition("--for=jsonpath={.status.termination.howToConfirm}", &[object])?;
    let path = "jsonpath={.status.termination.howToConfirm}";
    let offered = demo.kubectl(&["get", object, "-o", path])?;
    let confirmation = find_confirmation(&offered)
        .ok_or_else(|| format!("`howToConfirm` of {object} is no confirmation: {offered}"))?;
    let id = demo.unique_id(object)?;
    demo.assert_same("the offered confirmation names the tenant", &confirmation["uniqueId"], id.as_str())?;
    patch_spec(demo, object, &json!({"deletion": {"confirm": confirmation}}))
}

/// Returns the confirmation in a block of YAML, at any depth of nesting.
fn find_confirmation(text: &str) -> Option<Value> {
    let mut value: Value = serde_yaml::from_str(text).ok()?;
    for key in ["spec", "deletion", "confirm"] {
        if value.get(key).is_some() {
            value = value[key].take();
        }
    }
    value.get("acknowledge").is_some().then_some(value)
}
