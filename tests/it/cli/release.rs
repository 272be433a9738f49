//! `release`: objects are deleted and tenants are kept.

use serde_json::json;

use super::PluginFolder;
use super::golden::compare_with_golden;
use crate::process::Result;
use crate::world::{TestNamespace, TestWorld};

const OTHER_FINALIZER: &str = "example.com/later";

fn finalizers(space: &TestNamespace<'_>, object: &str) -> serde_json::Value {
    space.get(object).unwrap()["metadata"]["finalizers"].clone()
}

/// Returns the holder of the Lease.
fn lease_holder(world: &TestWorld) -> Result<String> {
    let path = "jsonpath={.spec.holderIdentity}";
    world.kubectl.run(&["-n", "tenantry-system", "get", "lease", "tenantry-operator", "-o", path])
}

/// Checks the messages without a leader: for a released lease, and for an expired one.
fn check_without_leader(space: &TestNamespace<'_>, desk: &PluginFolder) {
    let run = |args: &[&str]| desk.run(&[args, &["-n", &space.name]].concat());
    let ran = run(&["status"]);
    assert!(ran.code == 0 && ran.out.contains("NO OPERATOR LEADS") && ran.out.contains("was given back"), "{ran:?}");
    assert!(ran.err.contains("WARNING: no operator leads, so nothing is done"), "{ran:?}");
    let stale = json!({"spec": {
        "holderIdentity": "gone", "leaseDurationSeconds": 15, "renewTime": "2026-01-01T00:00:00.000000Z",
    }});
    let patch = stale.to_string();
    let lease = ["-n", "tenantry-system", "patch", "lease", "tenantry-operator", "--type=merge", "-p", &patch];
    space.world.kubectl.run(&lease).unwrap();
    for args in [&["status"][..], &["status", "client/globex"], &["status", "-o", "json"]] {
        let ran = run(args);
        assert!(ran.code == 0 && ran.err.contains("WARNING: no operator leads"), "{args:?}: {ran:?}");
        assert!(args.contains(&"json") || ran.out.contains("the lease of `gone` ended "), "{args:?}: {ran:?}");
    }
    let ran = run(&["reconcile", "client/globex", "--timeout", "1"]);
    assert!(ran.code == 1 && ran.err.contains("has not looked in time (NO OPERATOR LEADS"), "{ran:?}");
    let ran = run(&["check"]);
    assert!(ran.code == 2 && ran.out.contains("WRONG    leader       NO OPERATOR LEADS"), "{ran:?}");
}

#[test]
fn before_an_uninstall_all_objects_are_let_go_and_no_tenant_is_touched() {
    let mut world = TestWorld::start("released", |_| {}).unwrap();
    let (name, elsewhere, partner, client) = {
        let space = world.create_namespace("held");
        space.apply_partner("acme", &json!({}));
        space.apply_client("globex", &json!({}));
        space.apply_client("leaving", &json!({"deletion": {"policy": "Terminate"}}));
        let (partner, client) = (space.wait_until_ready("partner/acme"), space.wait_until_ready("client/globex"));
        space.wait_until_ready("client/leaving");
        space.merge_patch(
            "client/globex",
            &json!({"metadata": {"finalizers": ["tenantry.dev/tenant", OTHER_FINALIZER]}}),
        );
        space.wait_until("both hold it", || Ok(finalizers(&space, "client/globex").as_array().unwrap().len() == 2));
        space.delete("client/leaving");
        let elsewhere = world.create_namespace("elsewhere");
        elsewhere.apply_partner("other", &json!({}));
        elsewhere.wait_until_ready("partner/other");
        (space.name, elsewhere.name, partner, client)
    };
    let leader = lease_holder(&world).unwrap();
    let writes = world.platform_writes();
    let space = TestNamespace::existing(&world, name.clone());
    let desk = PluginFolder::on_cluster_of(&space);
    let own = [(name.as_str(), "SPACE"), (elsewhere.as_str(), "ELSEWHERE"), (leader.as_str(), "LEADER")];
    compare_with_golden("release/no-terminal", &desk.run_with(&["release", "--all"], "yes\n"), &own);
    assert_eq!(finalizers(&space, "partner/acme"), json!(["tenantry.dev/tenant"]));
    compare_with_golden("release/nothing-named", &desk.run(&["release"]), &own);
    compare_with_golden("release/both-named", &desk.run(&["release", "--all", "client/globex"]), &own);
    for named in [&["client/globex", "-n", &name][..], &["--all"]] {
        let ran = desk.run(&[&["release", "--yes"], named].concat());
        assert!(ran.code == 1 && ran.err.contains("say `--ignore-lease`"), "an operator leads: {ran:?}");
    }
    let ran = desk.run(&["release", "--all", "--ignore-lease", "--dry-run", "server"]);
    assert!(ran.code == 0 && ran.out.lines().all(|line| line.ends_with(" (server dry run)")), "{ran:?}");
    assert_eq!(finalizers(&space, "partner/acme"), json!(["tenantry.dev/tenant"]));
    compare_with_golden("release/no-such-object", &desk.run(&["release", "client/nobody", "--yes"]), &own);
    drop(space);
    world.operator.process().stop().unwrap();
    let space = TestNamespace::existing(&world, name.clone());
    check_without_leader(&space, &desk);
    let ran = desk.run_with(&["release", "--all"], "yes\n");
    assert!(ran.code == 1 && ran.err.contains("there is no terminal: say `--yes`"), "{ran:?}");
    compare_with_golden("release/one", &desk.run(&["release", "client/globex", "-n", &name, "--yes"]), &own);
    assert_eq!(finalizers(&space, "client/globex"), json!([OTHER_FINALIZER]));
    compare_with_golden("release/all-of-a-namespace", &desk.run(&["release", "--all", "-n", &name, "--yes"]), &own);
    assert!(space.get("client/leaving").is_none(), "what was being deleted goes at once");
    let other = TestNamespace::existing(&world, elsewhere.clone());
    assert_eq!(finalizers(&other, "partner/other"), json!(["tenantry.dev/tenant"]), "another namespace");
    compare_with_golden("release/all", &desk.run(&["release", "--all", "--yes"]), &own);
    compare_with_golden("release/nothing-held", &desk.run(&["release", "--all", "--yes"]), &own);
    space.kubectl(&["delete", "partner/acme", "--timeout=10s"]);
    assert!((world.platform_writes() - writes).abs() < 0.5, "the platform was not asked for anything");
    for id in [&partner, &client] {
        let path = if id == &partner { world.tenancy.partner_path(id) } else { space.client_path(&partner, id) };
        assert_eq!(world.tenancy.get(&path).unwrap()["status"], json!("ACTIVE"));
    }
}
