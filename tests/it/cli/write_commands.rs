//! Verbs that write to an object and leave the rest to the operator.

use serde_json::{Value, json};

use super::{PluginRun, PluginRunner};
use crate::proxy::rules::{FaultRule, ProxyFault};
use crate::world::{TestNamespace, TestWorld};

/// Creates a Partner `acme` and a Client `globex` with this spec, both Ready. Returns the ids of their tenants.
fn create_partner_and_client(prefix: &str, spec: &Value) -> (TestNamespace<'static>, String, String) {
    let namespace = TestWorld::shared_world().create_namespace(prefix);
    namespace.apply_partner("acme", &json!({}));
    namespace.apply_client("globex", spec);
    let (partner, client) = (namespace.wait_until_ready("partner/acme"), namespace.wait_until_ready("client/globex"));
    (namespace, partner, client)
}

fn run_in_namespace(plugin: &PluginRunner, namespace: &TestNamespace<'_>, args: &[&str]) -> PluginRun {
    plugin.run(&[args, &["-n", &namespace.name]].concat())
}

fn client_spec_at(namespace: &TestNamespace<'_>, path: &str) -> Value {
    namespace.get("client/globex").unwrap()["spec"].pointer(path).cloned().unwrap_or_default()
}

fn assert_output(run: &PluginRun, out: &str, err: &str) {
    assert!(run.code == 0 && run.out.starts_with(out) && run.err.contains(err), "{run:?}");
}

fn is_paused(namespace: &TestNamespace<'_>) -> bool {
    namespace.condition("client/globex", "Paused").is_some_and(|(status, ..)| status == "True")
}

#[test]
fn a_pause_is_written_and_ended_and_the_operator_follows() {
    let (space, ..) = create_partner_and_client("pause", &json!({}));
    let plugin = PluginRunner::on_cluster_of(&space);
    let named = format!("Client `{}/globex`", space.name);
    for (where_, suffix) in [("client", " (client dry run)\n"), ("server", " (server dry run)\n")] {
        let run = run_in_namespace(&plugin, &space, &["pause", "client/globex", "--dry-run", where_]);
        assert_output(&run, &format!("paused {named}{suffix}"), "");
        assert_eq!(run.err, "", "nothing follows a dry run");
        assert_eq!(client_spec_at(&space, "/management"), Value::Null, "a dry run writes nothing");
    }
    let run = run_in_namespace(&plugin, &space, &["pause", "client/globex", "--until", "1h"]);
    assert_output(
        &run,
        &format!("paused {named} until "),
        &format!("`kubectl tenantry resume client/globex -n {}`", space.name),
    );
    let until = client_spec_at(&space, "/management/pausedUntil").as_str().unwrap().to_owned();
    space.wait_until("it is paused", || Ok(is_paused(&space)));
    let (_, _, message) = space.condition("client/globex", "Paused").unwrap();
    assert!(message.contains(&until), "{message}");
    let screen = run_in_namespace(&plugin, &space, &["status", "client/globex"]);
    assert!(screen.out.contains(&format!("paused until {until}")), "{screen:?}");
    let run = run_in_namespace(&plugin, &space, &["reconcile", "client/globex"]);
    assert!(run.code == 0 && run.out.contains("Paused=True (ManagementPaused)"), "{run:?}");
    assert_output(
        &run_in_namespace(&plugin, &space, &["resume", "client", "globex"]),
        &format!("resumed {named}\n"),
        "writes what differs",
    );
    space.wait_until("it goes on", || Ok(!is_paused(&space)));
    assert_output(&run_in_namespace(&plugin, &space, &["resume", "globex"]), "", "it is not paused");
    assert_output(&run_in_namespace(&plugin, &space, &["pause", "--all"]), "paused Partner", "");
    assert_eq!(client_spec_at(&space, "/management/mode"), json!("Paused"));
    // A time together with `Paused` would have no meaning.
    assert_output(
        &run_in_namespace(&plugin, &space, &["pause", "globex", "--until", "2099-01-01T00:00:00Z"]),
        "paused Client",
        "",
    );
    assert_eq!(client_spec_at(&space, "/management"), json!({"pausedUntil": "2099-01-01T00:00:00Z"}));
    assert_output(&run_in_namespace(&plugin, &space, &["resume", "--all"]), "resumed Partner", "");
    assert_eq!(client_spec_at(&space, "/management"), json!({}));
    space.wait_until_ready("client/globex");
    let run = run_in_namespace(&plugin, &space, &["pause", "globex", "--until", "yesterday"]);
    assert!(run.code == 1 && run.err.contains("is no time ahead"), "{run:?}");
}

#[test]
fn what_git_owns_is_named_and_what_it_does_not_say_survives_it() {
    let (space, ..) = create_partner_and_client("git-owned", &json!({}));
    let plugin = PluginRunner::on_cluster_of(&space);
    let manifest = json!({
        "apiVersion": "tenantry.dev/v1alpha1", "kind": "Client", "metadata": {"name": "globex", "namespace": space.name},
        "spec": {"partnerRef": {"name": "acme"}, "details": {"name": space.tenant_name("globex")},
                 "management": {"mode": "Manage"}},
    });
    let file = plugin.write_file("client.json", &manifest.to_string()).display().to_string();
    let apply = ["apply", "--server-side", "--force-conflicts", "--field-manager=kustomize-controller", "-f", &file];
    space.kubectl(&apply);
    let owned = "`kustomize-controller` owns `spec.management.mode` and puts it back when it applies again";
    assert_output(&run_in_namespace(&plugin, &space, &["pause", "client/globex"]), "paused ", owned);
    space.kubectl(&apply);
    assert_eq!(client_spec_at(&space, "/management"), json!({"mode": "Manage"}));
    let run = run_in_namespace(&plugin, &space, &["pause", "client/globex", "--until", "1h"]);
    space.kubectl(&apply);
    assert!(client_spec_at(&space, "/management/pausedUntil").is_string(), "{run:?}");
    let managed = space.kubectl(&["get", "client/globex", "-o", "json", "--show-managed-fields"]);
    let managed: Value = serde_json::from_str(&managed).unwrap();
    let entries = managed["metadata"]["managedFields"].as_array().unwrap();
    let ours = entries.iter().find(|entry| entry["manager"] == "kubectl-tenantry").unwrap();
    assert_eq!(ours["fieldsV1"]["f:spec"], json!({"f:management": {"f:pausedUntil": {}}}));
}

#[test]
fn a_tenant_is_suspended_with_consent_and_activated_again() {
    let (space, partner, client) = create_partner_and_client("service", &json!({}));
    let plugin = PluginRunner::on_cluster_of(&space);
    let state = |wanted: &str| {
        space.wait_until(&format!("the tenant is {wanted}"), || {
            Ok(space.read_client_tenant(&partner, &client)["status"] == wanted)
        });
    };
    let run = plugin.run_with(&["suspend", "client/globex", "-n", &space.name], "yes\n");
    assert!(run.code == 1 && run.err.contains("say `--yes`"), "a pipe is no person: {run:?}");
    assert_eq!(client_spec_at(&space, "/tenantState"), Value::Null);
    let run = run_in_namespace(&plugin, &space, &["suspend", "globex", "--yes"]);
    assert!(run.code == 1 && run.err.contains("say which kind is meant"), "{run:?}");
    assert_output(
        &run_in_namespace(&plugin, &space, &["suspend", "client/globex", "--yes"]),
        "set `tenantState` of",
        "suspends the tenant now",
    );
    state("SUSPENDED");
    assert_output(&run_in_namespace(&plugin, &space, &["suspend", "client/globex"]), "", "is Suspended already");
    assert_output(
        &run_in_namespace(&plugin, &space, &["activate", "client/globex"]),
        "set `tenantState` of",
        "activates the tenant now",
    );
    state("ACTIVE");
}

#[test]
fn a_plan_is_approved_by_the_hash_that_was_shown() {
    let (space, partner, client) = create_partner_and_client("approve", &json!({"details": {"city": "Bonn"}}));
    space.merge_patch("client/globex", &json!({"spec": {"management": {"approval": {"mode": "Manual"}}}}));
    let plugin = PluginRunner::on_cluster_of(&space);
    assert_output(&run_in_namespace(&plugin, &space, &["approve", "globex"]), "", "no plan waits for approval");
    space.merge_patch("client/globex", &json!({"spec": {"details": {"city": "Ulm"}}}));
    space.wait_until("a plan waits", || Ok(space.get("client/globex").unwrap()["status"]["plan"]["hash"].is_string()));
    let screen = run_in_namespace(&plugin, &space, &["status", "client/globex"]).out;
    assert!(screen.contains("the operator waits for a person (ApprovalNeeded)"), "{screen}");
    assert!(!screen.contains("goes on by itself"), "{screen}");
    let run = run_in_namespace(&plugin, &space, &["approve", "globex", "--plan", "sha256:0", "--yes"]);
    assert!(run.code == 1 && run.err.contains("not `sha256:0`: read it"), "{run:?}");
    let run = run_in_namespace(&plugin, &space, &["approve", "globex"]);
    assert!(run.code == 1 && run.err.contains("details.city") && run.err.contains("say `--yes`"), "{run:?}");
    assert_eq!(space.read_client_tenant(&partner, &client)["city"], "Bonn");
    assert_output(
        &run_in_namespace(&plugin, &space, &["approve", "globex", "--yes"]),
        "approved the plan of",
        "carries it out now",
    );
    space.wait_until("it is written", || Ok(space.read_client_tenant(&partner, &client)["city"] == "Ulm"));
}

#[test]
fn a_dry_run_of_any_verb_says_nothing_of_what_the_operator_does_now() {
    let (space, ..) = create_partner_and_client("dry", &json!({"deletion": {"policy": "Terminate"}}));
    let plugin = PluginRunner::on_cluster_of(&space);
    let name = space.tenant_name("globex");
    let dry = |verb: &[&str]| {
        for how in ["client", "server"] {
            let run = run_in_namespace(&plugin, &space, &[verb, &["--dry-run", how]].concat());
            assert!(run.code == 0 && run.out.contains(" dry run)\n"), "{verb:?}: {run:?}");
            let notes: Vec<&str> = run.err.lines().filter(|line| line.starts_with("note: ")).collect();
            assert!(notes.is_empty(), "{verb:?}: {notes:?}");
        }
    };
    dry(&["pause", "client/globex"]);
    dry(&["suspend", "client/globex"]);
    dry(&["reconcile", "client/globex"]);
    let accept = "DataErased,NotRecoverable,UsersDeactivated";
    dry(&["terminate", "client", "globex", "--yes-i-typed", &name, "--accept", accept]);
    space.merge_patch("client/globex", &space.offered_confirmation("client/globex", 3600));
    dry(&["cancel", "client/globex"]);
    assert_output(&run_in_namespace(&plugin, &space, &["pause", "client/globex"]), "paused ", "nothing is read");
    dry(&["resume", "client/globex"]);
}

#[test]
fn a_tenant_is_adopted_by_its_id_and_no_object_changes_its_tenant() {
    let (space, partner, client) = create_partner_and_client("adopted", &json!({}));
    let plugin = PluginRunner::on_cluster_of(&space);
    let name = space.tenant_name("found");
    space.world.tenancy.change_tenant(&format!("{partner}/clients"), &json!({"name": name})).unwrap();
    space.apply_client("found", &json!({}));
    space.wait_until_not_ready("client/found", "NameTaken");
    let active_clients = space.world.tenancy.list_tenants(&format!("{partner}/clients"), true).unwrap();
    let found = active_clients.iter().find(|one| one["name"] == name.as_str()).unwrap();
    let id = found["uniqueId"].as_str().unwrap();
    let run = run_in_namespace(&plugin, &space, &["adopt", "client/found", "--unique-id", id, "--policy", "adopt"]);
    assert_output(&run, "set `adoption` of", "takes the tenant over now");
    assert_eq!(space.wait_until_ready("client/found"), id);
    assert_output(
        &run_in_namespace(&plugin, &space, &["adopt", "found", "--unique-id", id, "--policy", "adopt"]),
        "",
        "already",
    );
    let run = run_in_namespace(&plugin, &space, &["adopt", "client/globex", "--unique-id", id]);
    assert!(run.code == 1 && run.err.contains(&format!("its tenant is `{client}`")), "{run:?}");
}

#[test]
fn reconcile_waits_for_the_look_and_shows_what_came_of_it() {
    let world = TestWorld::shared_world();
    let proxy = world.start_proxy(Vec::new());
    let namespace = world.namespace_behind(&proxy, "look");
    namespace.apply_partner("acme", &json!({}));
    namespace.apply_client("globex", &json!({}));
    namespace.wait_until_ready("partner/acme");
    namespace.wait_until_ready("client/globex");
    let plugin = PluginRunner::on_cluster_of(&namespace);
    namespace.kubectl(&["label", "client/globex", "team=a"]);
    // A verb that returned too early would find the pass unfinished.
    proxy.set_rules(vec![FaultRule::new("GET", "/api/", ProxyFault::Delay(2000))]);
    let run = run_in_namespace(&plugin, &namespace, &["reconcile", "-l", "team=a"]);
    let named = format!("Client `{}/globex`", namespace.name);
    assert_eq!(run.out, format!("asked for a look at {named}\n{named}: Ready=True (AsDeclared)\n"), "{run:?}");
    let handled = namespace.get("client/globex").unwrap()["status"]["lastHandledReconcileAt"].clone();
    let asked =
        namespace.get("client/globex").unwrap()["metadata"]["annotations"]["tenantry.dev/reconcile-requested-at"]
            .clone();
    assert!(handled.is_string() && handled == asked, "{handled} {asked}");
    proxy.set_rules(Vec::new());
    namespace.apply_client("broken", &json!({"details": {"country": "Atlantis"}}));
    namespace.wait_until_not_ready("client/broken", "InvalidValue");
    let run = run_in_namespace(&plugin, &namespace, &["reconcile", "client/broken"]);
    assert!(run.code == 0 && run.out.contains("Ready=False (InvalidValue): "), "{run:?}");
    let run = run_in_namespace(&plugin, &namespace, &["reconcile", "-l", "team=b"]);
    assert!(run.code == 0 && run.err.contains("there is no such Partner and no such Client"), "{run:?}");
    let run = run_in_namespace(&plugin, &namespace, &["reconcile"]);
    assert!(run.code == 1 && run.err.contains("--all"), "{run:?}");
}

#[test]
fn somebody_else_may_only_what_the_cluster_lets_them() {
    let (space, ..) = create_partner_and_client("as", &json!({}));
    let plugin = PluginRunner::on_cluster_of(&space);
    let run = run_in_namespace(&plugin, &space, &["pause", "client/globex", "--as", "mallory"]);
    assert!(run.code == 1 && run.err.contains("\"mallory\" cannot get resource"), "{run:?}");
    let master = ["status", "client/globex", "--as", "mallory", "--as-group", "system:masters"];
    assert_eq!(run_in_namespace(&plugin, &space, &master).code, 0);
    let run = run_in_namespace(&plugin, &space, &["status", "--as-group", "system:masters"]);
    assert!(run.code == 1 && run.err.contains("add `--as USER`"), "{run:?}");
    let run = run_in_namespace(&plugin, &space, &["status", "--server", "https://127.0.0.1:1"]);
    assert!(run.code == 1 && run.err.contains("does not answer"), "{run:?}");
}
