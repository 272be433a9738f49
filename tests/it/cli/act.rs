//! Verbs that write to an object and leave the rest to the operator.

use serde_json::{Value, json};

use super::{PluginFolder, PluginRun};
use crate::proxy::rules::{FaultRule, ProxyFault};
use crate::world::{TestNamespace, TestWorld};

/// Creates a Partner `acme` and a Client `globex` with this spec, both Ready. Returns the ids of their tenants.
fn create_partner_and_client(prefix: &str, spec: &Value) -> (TestNamespace<'static>, String, String) {
    let space = TestWorld::shared_world().create_namespace(prefix);
    space.apply_partner("acme", &json!({}));
    space.apply_client("globex", spec);
    let (partner, client) = (space.wait_until_ready("partner/acme"), space.wait_until_ready("client/globex"));
    (space, partner, client)
}

fn run_in_namespace(desk: &PluginFolder, space: &TestNamespace<'_>, args: &[&str]) -> PluginRun {
    desk.run(&[args, &["-n", &space.name]].concat())
}

fn client_spec_at(space: &TestNamespace<'_>, path: &str) -> Value {
    space.get("client/globex").unwrap()["spec"].pointer(path).cloned().unwrap_or_default()
}

fn assert_output(ran: &PluginRun, out: &str, err: &str) {
    assert!(ran.code == 0 && ran.out.starts_with(out) && ran.err.contains(err), "{ran:?}");
}

fn is_paused(space: &TestNamespace<'_>) -> bool {
    space.condition("client/globex", "Paused").is_some_and(|(status, ..)| status == "True")
}

#[test]
fn a_pause_is_written_and_ended_and_the_operator_follows() {
    let (space, ..) = create_partner_and_client("pause", &json!({}));
    let desk = PluginFolder::on_cluster_of(&space);
    let named = format!("Client `{}/globex`", space.name);
    for (where_, suffix) in [("client", " (client dry run)\n"), ("server", " (server dry run)\n")] {
        let ran = run_in_namespace(&desk, &space, &["pause", "client/globex", "--dry-run", where_]);
        assert_output(&ran, &format!("paused {named}{suffix}"), "");
        assert_eq!(ran.err, "", "nothing follows a dry run");
        assert_eq!(client_spec_at(&space, "/management"), Value::Null, "a dry run writes nothing");
    }
    let ran = run_in_namespace(&desk, &space, &["pause", "client/globex", "--until", "1h"]);
    assert_output(
        &ran,
        &format!("paused {named} until "),
        &format!("`kubectl tenantry resume client/globex -n {}`", space.name),
    );
    let until = client_spec_at(&space, "/management/pausedUntil").as_str().unwrap().to_owned();
    space.wait_until("it is paused", || Ok(is_paused(&space)));
    let (_, _, message) = space.condition("client/globex", "Paused").unwrap();
    assert!(message.contains(&until), "{message}");
    let screen = run_in_namespace(&desk, &space, &["status", "client/globex"]);
    assert!(screen.out.contains(&format!("paused until {until}")), "{screen:?}");
    let ran = run_in_namespace(&desk, &space, &["reconcile", "client/globex"]);
    assert!(ran.code == 0 && ran.out.contains("Paused=True (ManagementPaused)"), "{ran:?}");
    assert_output(
        &run_in_namespace(&desk, &space, &["resume", "client", "globex"]),
        &format!("resumed {named}\n"),
        "writes what differs",
    );
    space.wait_until("it goes on", || Ok(!is_paused(&space)));
    assert_output(&run_in_namespace(&desk, &space, &["resume", "globex"]), "", "it is not paused");
    assert_output(&run_in_namespace(&desk, &space, &["pause", "--all"]), "paused Partner", "");
    assert_eq!(client_spec_at(&space, "/management/mode"), json!("Paused"));
    // A time together with `Paused` would have no meaning.
    assert_output(
        &run_in_namespace(&desk, &space, &["pause", "globex", "--until", "2099-01-01T00:00:00Z"]),
        "paused Client",
        "",
    );
    assert_eq!(client_spec_at(&space, "/management"), json!({"pausedUntil": "2099-01-01T00:00:00Z"}));
    assert_output(&run_in_namespace(&desk, &space, &["resume", "--all"]), "resumed Partner", "");
    assert_eq!(client_spec_at(&space, "/management"), json!({}));
    space.wait_until_ready("client/globex");
    let ran = run_in_namespace(&desk, &space, &["pause", "globex", "--until", "yesterday"]);
    assert!(ran.code == 1 && ran.err.contains("is no time ahead"), "{ran:?}");
}

#[test]
fn what_git_owns_is_named_and_what_it_does_not_say_survives_it() {
    let (space, ..) = create_partner_and_client("git-owned", &json!({}));
    let desk = PluginFolder::on_cluster_of(&space);
    let manifest = json!({
        "apiVersion": "tenantry.dev/v1alpha1", "kind": "Client", "metadata": {"name": "globex", "namespace": space.name},
        "spec": {"partnerRef": {"name": "acme"}, "details": {"name": space.tenant_name("globex")},
                 "management": {"mode": "Manage"}},
    });
    let file = desk.write_file("client.json", &manifest.to_string()).display().to_string();
    let apply = ["apply", "--server-side", "--force-conflicts", "--field-manager=kustomize-controller", "-f", &file];
    space.kubectl(&apply);
    let owned = "`kustomize-controller` owns `spec.management.mode` and puts it back when it applies again";
    assert_output(&run_in_namespace(&desk, &space, &["pause", "client/globex"]), "paused ", owned);
    space.kubectl(&apply);
    assert_eq!(client_spec_at(&space, "/management"), json!({"mode": "Manage"}));
    let ran = run_in_namespace(&desk, &space, &["pause", "client/globex", "--until", "1h"]);
    space.kubectl(&apply);
    assert!(client_spec_at(&space, "/management/pausedUntil").is_string(), "{ran:?}");
    let managed = space.kubectl(&["get", "client/globex", "-o", "json", "--show-managed-fields"]);
    let managed: Value = serde_json::from_str(&managed).unwrap();
    let entries = managed["metadata"]["managedFields"].as_array().unwrap();
    let ours = entries.iter().find(|entry| entry["manager"] == "kubectl-tenantry").unwrap();
    assert_eq!(ours["fieldsV1"]["f:spec"], json!({"f:management": {"f:pausedUntil": {}}}));
}

#[test]
fn a_tenant_is_suspended_with_consent_and_activated_again() {
    let (space, partner, client) = create_partner_and_client("service", &json!({}));
    let desk = PluginFolder::on_cluster_of(&space);
    let state = |wanted: &str| {
        space.wait_until(&format!("the tenant is {wanted}"), || {
            Ok(space.read_client_tenant(&partner, &client)["status"] == wanted)
        });
    };
    let ran = desk.run_with(&["suspend", "client/globex", "-n", &space.name], "yes\n");
    assert!(ran.code == 1 && ran.err.contains("say `--yes`"), "a pipe is no person: {ran:?}");
    assert_eq!(client_spec_at(&space, "/tenantState"), Value::Null);
    let ran = run_in_namespace(&desk, &space, &["suspend", "globex", "--yes"]);
    assert!(ran.code == 1 && ran.err.contains("say which kind is meant"), "{ran:?}");
    assert_output(
        &run_in_namespace(&desk, &space, &["suspend", "client/globex", "--yes"]),
        "set `tenantState` of",
        "suspends the tenant now",
    );
    state("SUSPENDED");
    assert_output(&run_in_namespace(&desk, &space, &["suspend", "client/globex"]), "", "is Suspended already");
    assert_output(
        &run_in_namespace(&desk, &space, &["activate", "client/globex"]),
        "set `tenantState` of",
        "activates the tenant now",
    );
    state("ACTIVE");
}

#[test]
fn a_plan_is_approved_by_the_hash_that_was_shown() {
    let (space, partner, client) = create_partner_and_client("approve", &json!({"details": {"city": "Bonn"}}));
    space.merge_patch("client/globex", &json!({"spec": {"management": {"approval": {"mode": "Manual"}}}}));
    let desk = PluginFolder::on_cluster_of(&space);
    assert_output(&run_in_namespace(&desk, &space, &["approve", "globex"]), "", "no plan waits for approval");
    space.merge_patch("client/globex", &json!({"spec": {"details": {"city": "Ulm"}}}));
    space.wait_until("a plan waits", || Ok(space.get("client/globex").unwrap()["status"]["plan"]["hash"].is_string()));
    let screen = run_in_namespace(&desk, &space, &["status", "client/globex"]).out;
    assert!(screen.contains("the operator waits for a person (ApprovalNeeded)"), "{screen}");
    assert!(!screen.contains("goes on by itself"), "{screen}");
    let ran = run_in_namespace(&desk, &space, &["approve", "globex", "--plan", "sha256:0", "--yes"]);
    assert!(ran.code == 1 && ran.err.contains("not `sha256:0`: read it"), "{ran:?}");
    let ran = run_in_namespace(&desk, &space, &["approve", "globex"]);
    assert!(ran.code == 1 && ran.err.contains("details.city") && ran.err.contains("say `--yes`"), "{ran:?}");
    assert_eq!(space.read_client_tenant(&partner, &client)["city"], "Bonn");
    assert_output(
        &run_in_namespace(&desk, &space, &["approve", "globex", "--yes"]),
        "approved the plan of",
        "carries it out now",
    );
    space.wait_until("it is written", || Ok(space.read_client_tenant(&partner, &client)["city"] == "Ulm"));
}

#[test]
fn a_dry_run_of_any_verb_says_nothing_of_what_the_operator_does_now() {
    let (space, ..) = create_partner_and_client("dry", &json!({"deletion": {"policy": "Terminate"}}));
    let desk = PluginFolder::on_cluster_of(&space);
    let name = space.tenant_name("globex");
    let dry = |verb: &[&str]| {
        for how in ["client", "server"] {
            let ran = run_in_namespace(&desk, &space, &[verb, &["--dry-run", how]].concat());
            assert!(ran.code == 0 && ran.out.contains(" dry run)\n"), "{verb:?}: {ran:?}");
            let notes: Vec<&str> = ran.err.lines().filter(|line| line.starts_with("note: ")).collect();
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
    assert_output(&run_in_namespace(&desk, &space, &["pause", "client/globex"]), "paused ", "nothing is read");
    dry(&["resume", "client/globex"]);
}

#[test]
fn a_tenant_is_adopted_by_its_id_and_no_object_changes_its_tenant() {
    let (space, partner, client) = create_partner_and_client("adopted", &json!({}));
    let desk = PluginFolder::on_cluster_of(&space);
    let name = space.tenant_name("found");
    space.world.tenancy.change_tenant(&format!("{partner}/clients"), &json!({"name": name})).unwrap();
    space.apply_client("found", &json!({}));
    space.wait_until_not_ready("client/found", "NameTaken");
    let living = space.world.tenancy.list_tenants(&format!("{partner}/clients"), true).unwrap();
    let found = living.iter().find(|one| one["name"] == name.as_str()).unwrap();
    let id = found["uniqueId"].as_str().unwrap();
    let ran = run_in_namespace(&desk, &space, &["adopt", "client/found", "--unique-id", id, "--policy", "adopt"]);
    assert_output(&ran, "set `adoption` of", "takes the tenant over now");
    assert_eq!(space.wait_until_ready("client/found"), id);
    assert_output(
        &run_in_namespace(&desk, &space, &["adopt", "found", "--unique-id", id, "--policy", "adopt"]),
        "",
        "already",
    );
    let ran = run_in_namespace(&desk, &space, &["adopt", "client/globex", "--unique-id", id]);
    assert!(ran.code == 1 && ran.err.contains(&format!("its tenant is `{client}`")), "{ran:?}");
}

#[test]
fn reconcile_waits_for_the_look_and_shows_what_came_of_it() {
    let world = TestWorld::shared_world();
    let proxy = world.start_proxy(Vec::new());
    let space = world.namespace_behind(&proxy, "look");
    space.apply_partner("acme", &json!({}));
    space.apply_client("globex", &json!({}));
    space.wait_until_ready("partner/acme");
    space.wait_until_ready("client/globex");
    let desk = PluginFolder::on_cluster_of(&space);
    space.kubectl(&["label", "client/globex", "team=a"]);
    // A verb that returned too early would find the pass unfinished.
    proxy.set_rules(vec![FaultRule::new("GET", "/api/", ProxyFault::Delay(2000))]);
    let ran = run_in_namespace(&desk, &space, &["reconcile", "-l", "team=a"]);
    let named = format!("Client `{}/globex`", space.name);
    assert_eq!(ran.out, format!("asked for a look at {named}\n{named}: Ready=True (AsDeclared)\n"), "{ran:?}");
    let handled = space.get("client/globex").unwrap()["status"]["lastHandledReconcileAt"].clone();
    let asked =
        space.get("client/globex").unwrap()["metadata"]["annotations"]["tenantry.dev/reconcile-requested-at"].clone();
    assert!(handled.is_string() && handled == asked, "{handled} {asked}");
    proxy.set_rules(Vec::new());
    space.apply_client("broken", &json!({"details": {"country": "Atlantis"}}));
    space.wait_until_not_ready("client/broken", "InvalidValue");
    let ran = run_in_namespace(&desk, &space, &["reconcile", "client/broken"]);
    assert!(ran.code == 0 && ran.out.contains("Ready=False (InvalidValue): "), "{ran:?}");
    let ran = run_in_namespace(&desk, &space, &["reconcile", "-l", "team=b"]);
    assert!(ran.code == 0 && ran.err.contains("there is no such Partner and no such Client"), "{ran:?}");
    let ran = run_in_namespace(&desk, &space, &["reconcile"]);
    assert!(ran.code == 1 && ran.err.contains("--all"), "{ran:?}");
}

#[test]
fn somebody_else_may_only_what_the_cluster_lets_them() {
    let (space, ..) = create_partner_and_client("as", &json!({}));
    let desk = PluginFolder::on_cluster_of(&space);
    let ran = run_in_namespace(&desk, &space, &["pause", "client/globex", "--as", "mallory"]);
    assert!(ran.code == 1 && ran.err.contains("\"mallory\" cannot get resource"), "{ran:?}");
    let master = ["status", "client/globex", "--as", "mallory", "--as-group", "system:masters"];
    assert_eq!(run_in_namespace(&desk, &space, &master).code, 0);
    let ran = run_in_namespace(&desk, &space, &["status", "--as-group", "system:masters"]);
    assert!(ran.code == 1 && ran.err.contains("add `--as USER`"), "{ran:?}");
    let ran = run_in_namespace(&desk, &space, &["status", "--server", "https://127.0.0.1:1"]);
    assert!(ran.code == 1 && ran.err.contains("does not answer"), "{ran:?}");
}
