//! `release`: objects are deleted and tenants are kept.

use serde_json::json;

use super::PluginRunner;
use super::golden::compare_with_golden;
use crate::process::Result;
use crate::world::{TestNamespace, TestWorld};

const OTHER_FINALIZER: &str = "example.com/later";

fn finalizers(namespace: &TestNamespace<'_>, object: &str) -> serde_json::Value {
    namespace.get(object).unwrap()["metadata"]["finalizers"].clone()
}

/// Returns the holder of the Lease.
fn lease_holder(world: &TestWorld) -> Result<String> {
    let path = "jsonpath={.spec.holderIdentity}";
    world.kubectl.run(&["-n", "tenantry-system", "get", "lease", "tenantry-operator", "-o", path])
}

/// Checks the messages without a leader: for a released lease, and for an expired one.
fn check_without_leader(namespace: &TestNamespace<'_>, plugin: &PluginRunner) {
    let run = |args: &[&str]| plugin.run(&[args, &["-n", &namespace.name]].concat());
    let result = run(&["status"]);
    assert!(
        result.code == 0 && result.out.contains("NO OPERATOR LEADS") && result.out.contains("was given back"),
        "{result:?}"
    );
    assert!(result.err.contains("WARNING: no operator leads, so nothing is done"), "{result:?}");
    let stale = json!({"spec": {
        "holderIdentity": "gone", "leaseDurationSeconds": 15, "renewTime": "2026-01-01T00:00:00.000000Z",
    }});
    let patch = stale.to_string();
    let lease = ["-n", "tenantry-system", "patch", "lease", "tenantry-operator", "--type=merge", "-p", &patch];
    namespace.world.kubectl.run(&lease).unwrap();
    for args in [&["status"][..], &["status", "client/globex"], &["status", "-o", "json"]] {
        let result = run(args);
        assert!(result.code == 0 && result.err.contains("WARNING: no operator leads"), "{args:?}: {result:?}");
        assert!(args.contains(&"json") || result.out.contains("the lease of `gone` ended "), "{args:?}: {result:?}");
    }
    let result = run(&["reconcile", "client/globex", "--timeout", "1"]);
    assert!(result.code == 1 && result.err.contains("has not looked in time (NO OPERATOR LEADS"), "{result:?}");
    let result = run(&["check"]);
    assert!(result.code == 2 && result.out.contains("WRONG    leader       NO OPERATOR LEADS"), "{result:?}");
}

#[test]
fn before_an_uninstall_all_objects_are_let_go_and_no_tenant_is_touched() {
    let mut world = TestWorld::start("released", |_| {}).unwrap();
    let (name, elsewhere, partner, client) = {
        let namespace = world.create_namespace("held");
        namespace.apply_partner("acme", &json!({}));
        namespace.apply_client("globex", &json!({}));
        namespace.apply_client("leaving", &json!({"deletion": {"policy": "Terminate"}}));
        let (partner, client) =
            (namespace.wait_until_ready("partner/acme"), namespace.wait_until_ready("client/globex"));
        namespace.wait_until_ready("client/leaving");
        namespace.merge_patch(
            "client/globex",
            &json!({"metadata": {"finalizers": ["tenantry.dev/tenant", OTHER_FINALIZER]}}),
        );
        namespace
            .wait_until("both hold it", || Ok(finalizers(&namespace, "client/globex").as_array().unwrap().len() == 2));
        namespace.delete("client/leaving");
        let elsewhere = world.create_namespace("elsewhere");
        elsewhere.apply_partner("other", &json!({}));
        elsewhere.wait_until_ready("partner/other");
        (namespace.name, elsewhere.name, partner, client)
    };
    let leader = lease_holder(&world).unwrap();
    let writes = world.platform_writes();
    let namespace = TestNamespace::existing(&world, name.clone());
    let plugin = PluginRunner::on_cluster_of(&namespace);
    let own = [(name.as_str(), "SPACE"), (elsewhere.as_str(), "ELSEWHERE"), (leader.as_str(), "LEADER")];
    compare_with_golden("release/no-terminal", &plugin.run_with(&["release", "--all"], "yes\n"), &own);
    assert_eq!(finalizers(&namespace, "partner/acme"), json!(["tenantry.dev/tenant"]));
    compare_with_golden("release/nothing-named", &plugin.run(&["release"]), &own);
    compare_with_golden("release/both-named", &plugin.run(&["release", "--all", "client/globex"]), &own);
    for named in [&["client/globex", "-n", &name][..], &["--all"]] {
        let run = plugin.run(&[&["release", "--yes"], named].concat());
        assert!(run.code == 1 && run.err.contains("say `--ignore-lease`"), "an operator leads: {run:?}");
    }
    let run = plugin.run(&["release", "--all", "--ignore-lease", "--dry-run", "server"]);
    assert!(run.code == 0 && run.out.lines().all(|line| line.ends_with(" (server dry run)")), "{run:?}");
    assert_eq!(finalizers(&namespace, "partner/acme"), json!(["tenantry.dev/tenant"]));
    compare_with_golden("release/no-such-object", &plugin.run(&["release", "client/nobody", "--yes"]), &own);
    drop(namespace);
    world.operator.process().stop().unwrap();
    let namespace = TestNamespace::existing(&world, name.clone());
    check_without_leader(&namespace, &plugin);
    let run = plugin.run_with(&["release", "--all"], "yes\n");
    assert!(run.code == 1 && run.err.contains("there is no terminal: say `--yes`"), "{run:?}");
    compare_with_golden("release/one", &plugin.run(&["release", "client/globex", "-n", &name, "--yes"]), &own);
    assert_eq!(finalizers(&namespace, "client/globex"), json!([OTHER_FINALIZER]));
    compare_with_golden("release/all-of-a-namespace", &plugin.run(&["release", "--all", "-n", &name, "--yes"]), &own);
    assert!(namespace.get("client/leaving").is_none(), "what was being deleted goes at once");
    let other = TestNamespace::existing(&world, elsewhere.clone());
    assert_eq!(finalizers(&other, "partner/other"), json!(["tenantry.dev/tenant"]), "another namespace");
    compare_with_golden("release/all", &plugin.run(&["release", "--all", "--yes"]), &own);
    compare_with_golden("release/nothing-held", &plugin.run(&["release", "--all", "--yes"]), &own);
    namespace.kubectl(&["delete", "partner/acme", "--timeout=10s"]);
    assert!((world.platform_writes() - writes).abs() < 0.5, "the platform was not asked for anything");
    for id in [&partner, &client] {
        let path = if id == &partner { world.tenancy.partner_path(id) } else { namespace.client_path(&partner, id) };
        assert_eq!(world.tenancy.get(&path).unwrap()["status"], json!("ACTIVE"));
    }
}
