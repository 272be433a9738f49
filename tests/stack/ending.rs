//! The steps of the demo in which objects are removed and tenants end.

use serde_json::{Value, json};

use super::demo::Demo;
use super::life::patch;
use super::process::Result;
use super::screen::{block, say};
use super::tenancy::{self, Creates};

/// What would be a day is made short enough to watch.
const GRACE_SECONDS: u64 = 3;

/// A removed object leaves its tenant alone.
pub fn retain(demo: &mut Demo) -> Result<()> {
    demo.kubectl(&["delete", "client/globex", "--timeout=20s"])?;
    let globex = demo.platform(&demo.client(&demo.ids[1]))?;
    demo.same("globex is alive", tenancy::state(&globex), "ACTIVE")
}

/// A Partner with a living tenant is not terminated, however well confirmed.
pub fn held(demo: &mut Demo) -> Result<()> {
    confirm(demo, "partner/acme", GRACE_SECONDS)?;
    demo.kubectl(&["delete", "partner/acme", "--wait=false"])?;
    demo.wait("--for=condition=DeletionBlocked", &["partner/acme"])?;
    demo.status("partner/acme")?;
    let path = "{.status.conditions[?(@.type==\"DeletionBlocked\")].message}";
    let message = demo.kubectl.read("partner/acme", path)?;
    block(&message);
    let names = ["globex", "initech", "umbrella"];
    demo.holds("the message names who lives", names.iter().any(|name| message.contains(name)))?;
    let acme = demo.platform(&demo.tenancy.partner(&demo.ids[0]))?;
    demo.same("the Partner is alive", tenancy::state(&acme), "ACTIVE")
}

/// The same object in the same place finds its tenant again.
pub fn reattach(demo: &mut Demo) -> Result<()> {
    let before = demo.tenancy.creates()?;
    demo.kubectl(&["apply", "-f", "examples/globex.yaml"])?;
    demo.wait("--for=condition=Ready", &["client/globex"])?;
    demo.same("the unique id", &demo.unique_id("client/globex")?, &demo.ids[1])?;
    demo.same("creates of Partners and Clients", &demo.tenancy.creates()?, &before)?;
    let chosen = "involvedObject.name=globex,reason=Reattached";
    let args = ["get", "events", "--field-selector", chosen, "-o", "jsonpath={.items[*].message}"];
    let mut told = String::new();
    demo.eventually("an event `Reattached`", || {
        told = demo.kubectl.run(&args)?;
        Ok(!told.is_empty())
    })?;
    block(&told);
    Ok(())
}

/// All Clients end: suspended for the grace period, then erased.
pub fn clients(demo: &mut Demo) -> Result<()> {
    let clients = ["client/globex", "client/initech", "client/umbrella"];
    for client in clients {
        confirm(demo, client, GRACE_SECONDS)?;
    }
    let [globex, initech, umbrella] = clients;
    demo.kubectl(&["delete", globex, initech, umbrella, "--wait=false"])?;
    for id in &demo.ids[1..] {
        let path = demo.client(id);
        demo.eventually(&format!("{id} is suspended for the grace period"), || {
            Ok(tenancy::state(&demo.tenancy.get(&path)?) == "SUSPENDED")
        })?;
    }
    demo.wait("--for=delete", &clients)?;
    for id in &demo.ids[1..] {
        let answer = demo.tenancy.call("GET", &demo.client(id), None)?;
        say(format!("  platform: {id}: {} {}", answer.status, answer.body));
        demo.holds(&format!("{id} is gone"), [404, 410].contains(&answer.status))?;
    }
    // Asked now: once the Partner is gone too, nothing below it answers.
    buried(demo, &format!("{}/clients", demo.ids[0]), &demo.ids[1..])
}

/// Nothing lives under the Partner any more: its termination goes on by itself.
pub fn partner(demo: &mut Demo) -> Result<()> {
    demo.wait("--for=delete", &["partner/acme"])?;
    let answer = demo.tenancy.call("GET", &demo.tenancy.partner(&demo.ids[0]), None)?;
    say(format!("  platform: {}: {} {}", demo.ids[0], answer.status, answer.body));
    demo.holds("the Partner is gone", [404, 410].contains(&answer.status))
}

/// Tombstones, no living tenant, and no create beyond the three of the beginning and the one made by hand.
pub fn tombstones(demo: &mut Demo) -> Result<()> {
    let partners = format!("{}/msps", demo.tenancy.tenant());
    let alive = demo.tenancy.list(&partners, true)?;
    demo.same("living Partners", &alive.len(), &0)?;
    buried(demo, &partners, &demo.ids[..1])?;
    demo.same("creates of Partners and Clients", &demo.tenancy.creates()?, &Creates { partners: 1, clients: 3 })?;
    let left = demo.kubectl(&["get", "tenantry"])?;
    demo.same("objects left", left.as_str(), "")
}

/// The platform keeps a tombstone of each of these and of nobody else.
fn buried(demo: &Demo, path: &str, wanted: &[String]) -> Result<()> {
    let dead = demo.tenancy.list(path, false)?;
    for tenant in &dead {
        say(format!("  platform: {}", tenancy::line(tenant)));
    }
    let mut ids: Vec<&str> = dead.iter().filter_map(|tenant| tenant["uniqueId"].as_str()).collect();
    ids.sort_unstable();
    let mut wanted: Vec<&str> = wanted.iter().map(String::as_str).collect();
    wanted.sort_unstable();
    demo.same("tombstones", &ids, &wanted)?;
    let ended = dead.iter().all(|tenant| tenancy::state(tenant) == "TERMINATED");
    demo.holds("all of them are terminated", ended)
}

/// Asks for termination and confirms it with the block that the status offers.
pub fn confirm(demo: &Demo, object: &str, grace_seconds: u64) -> Result<()> {
    let wanted = json!({"policy": "Terminate", "gracePeriodSeconds": grace_seconds});
    patch(demo, object, &json!({ "deletion": wanted }))?;
    demo.wait("--for=jsonpath={.status.termination.howToConfirm}", &[object])?;
    let path = "jsonpath={.status.termination.howToConfirm}";
    let offered = demo.kubectl(&["get", object, "-o", path])?;
    let confirmation =
        confirmation(&offered).ok_or_else(|| format!("`howToConfirm` of {object} is no confirmation: {offered}"))?;
    let id = demo.unique_id(object)?;
    demo.same("the offered confirmation names the tenant", &confirmation["uniqueId"], id.as_str())?;
    patch(demo, object, &json!({"deletion": {"confirm": confirmation}}))
}

/// The confirmation in a block of YAML, however deep it is to be pasted.
fn confirmation(text: &str) -> Option<Value> {
    let mut value: Value = serde_yaml::from_str(text).ok()?;
    for key in ["spec", "deletion", "confirm"] {
        if value.get(key).is_some() {
            value = value[key].take();
        }
    }
    value.get("acknowledge").is_some().then_some(value)
}
