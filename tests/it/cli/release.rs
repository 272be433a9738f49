//! `release`: objects go, tenants stay.

use serde_json::json;

use super::Desk;
use super::golden::check;
use crate::process::Result;
use crate::world::{Space, World};

const OTHER: &str = "example.com/later";

fn finalizers(space: &Space<'_>, object: &str) -> serde_json::Value {
    space.get(object).unwrap()["metadata"]["finalizers"].clone()
}

/// Who leads, as the Lease says.
fn holder(world: &World) -> Result<String> {
    let path = "jsonpath={.spec.holderIdentity}";
    world.kubectl.run(&["-n", "tenantry-system", "get", "lease", "tenantry-operator", "-o", path])
}

#[test]
fn before_an_uninstall_all_objects_are_let_go_and_no_tenant_is_touched() {
    let mut world = World::start("released", |_| {}).unwrap();
    let (name, elsewhere, partner, client) = {
        let space = world.namespace("held");
        space.partner("acme", &json!({}));
        space.client("globex", &json!({}));
        space.client("leaving", &json!({"deletion": {"policy": "Terminate"}}));
        let (partner, client) = (space.ready("partner/acme"), space.ready("client/globex"));
        space.ready("client/leaving");
        space.patch("client/globex", &json!({"metadata": {"finalizers": ["tenantry.dev/tenant", OTHER]}}));
        space.until("both hold it", || Ok(finalizers(&space, "client/globex").as_array().unwrap().len() == 2));
        space.delete("client/leaving");
        let elsewhere = world.namespace("elsewhere");
        elsewhere.partner("other", &json!({}));
        elsewhere.ready("partner/other");
        (space.name, elsewhere.name, partner, client)
    };
    let leader = holder(&world).unwrap();
    let writes = world.platform_writes();
    let space = Space::at(&world, name.clone());
    let desk = Desk::at(&space);
    let own = [(name.as_str(), "SPACE"), (elsewhere.as_str(), "ELSEWHERE"), (leader.as_str(), "LEADER")];
    check("release/no-terminal", &desk.run_with(&["release", "--all"], "yes\n"), &own);
    assert_eq!(finalizers(&space, "partner/acme"), json!(["tenantry.dev/tenant"]));
    check("release/nothing-named", &desk.run(&["release"]), &own);
    check("release/both-named", &desk.run(&["release", "--all", "client/globex"]), &own);
    check("release/no-such-object", &desk.run(&["release", "client/nobody", "--yes"]), &own);
    drop(space);
    world.operator.process().stop().unwrap();
    let space = Space::at(&world, name.clone());
    check("release/one", &desk.run(&["release", "client/globex", "-n", &name, "--yes"]), &own);
    assert_eq!(finalizers(&space, "client/globex"), json!([OTHER]));
    check("release/all-of-a-namespace", &desk.run(&["release", "--all", "-n", &name, "--yes"]), &own);
    assert!(space.get("client/leaving").is_none(), "what was being deleted goes at once");
    let other = Space::at(&world, elsewhere.clone());
    assert_eq!(finalizers(&other, "partner/other"), json!(["tenantry.dev/tenant"]), "another namespace");
    check("release/all", &desk.run(&["release", "--all", "--yes"]), &own);
    check("release/nothing-held", &desk.run(&["release", "--all", "--yes"]), &own);
    space.kubectl(&["delete", "partner/acme", "--timeout=10s"]);
    assert!((world.platform_writes() - writes).abs() < 0.5, "the platform was not asked for anything");
    for id in [&partner, &client] {
        let path = if id == &partner { world.tenancy.partner(id) } else { space.client_path(&partner, id) };
        assert_eq!(world.tenancy.get(&path).unwrap()["status"], json!("ACTIVE"));
    }
}
