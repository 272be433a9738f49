//! The steps of the demo in which objects are removed and tenants end.

use serde_json::{Value, json};

use super::demo::Demo;
use super::lifecycle::patch_spec;
use super::process::Result;
use super::tenancy::{self, CreateCounts};
use super::terminal::{print_block, print_line};

/// What would be a day is made short enough to watch.
const GRACE_SECONDS: u64 = 3;

/// A removed object leaves its tenant alone.
pub fn retain_client(demo: &mut Demo) -> Result<()> {
    demo.kubectl(&["delete", "client/globex", "--timeout=20s"])?;
    let globex = demo.print_tenant(&demo.client_path(&demo.ids[1]))?;
    demo.assert_same("globex is alive", tenancy::tenant_state(&globex), "ACTIVE")
}

/// A Partner with a living tenant is not terminated, however well confirmed.
pub fn block_partner_deletion(demo: &mut Demo) -> Result<()> {
    confirm_termination(demo, "partner/acme", GRACE_SECONDS)?;
    demo.kubectl(&["delete", "partner/acme", "--wait=false"])?;
    demo.wait_for_condition("--for=condition=DeletionBlocked", &["partner/acme"])?;
    demo.print_status("partner/acme")?;
    let path = "{.status.conditions[?(@.type==\"DeletionBlocked\")].message}";
    let message = demo.kubectl.read_json_path("partner/acme", path)?;
    print_block(&message);
    let names = ["globex", "initech", "umbrella"];
    demo.assert_holds("the message names who lives", names.iter().any(|name| message.contains(name)))?;
    let acme = demo.print_tenant(&demo.tenancy.partner_path(&demo.ids[0]))?;
    demo.assert_same("the Partner is alive", tenancy::tenant_state(&acme), "ACTIVE")
}

/// The same object in the same place finds its tenant again.
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

/// All Clients end: suspended for the grace period, then erased.
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
        demo.assert_holds(&format!("{id} is gone"), [404, 410].contains(&answer.status))?;
    }
    // Asked now: once the Partner is gone too, nothing below it answers.
    assert_tombstones(demo, &format!("{}/clients", demo.ids[0]), &demo.ids[1..])
}

/// Nothing lives under the Partner any more: its termination goes on by itself.
pub fn finish_partner_termination(demo: &mut Demo) -> Result<()> {
    demo.wait_for_condition("--for=delete", &["partner/acme"])?;
    let answer = demo.tenancy.call("GET", &demo.tenancy.partner_path(&demo.ids[0]), None)?;
    print_line(format!("  platform: {}: {} {}", demo.ids[0], answer.status, answer.body));
    demo.assert_holds("the Partner is gone", [404, 410].contains(&answer.status))
}

/// Tombstones, no living tenant, and no create beyond the three of the beginning and the one made by hand.
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

/// The platform keeps a tombstone of each of these and of nobody else.
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
    demo.assert_holds("all of them are terminated", ended)
}

/// Asks for termination and confirms it with the block that the status offers.
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

/// The confirmation in a block of YAML, however deep it is to be pasted.
fn find_confirmation(text: &str) -> Option<Value> {
    let mut value: Value = serde_yaml::from_str(text).ok()?;
    for key in ["spec", "deletion", "confirm"] {
        if value.get(key).is_some() {
            value = value[key].take();
        }
    }
    value.get("acknowledge").is_some().then_some(value)
}
