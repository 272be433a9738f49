//! `terminate`: writes the consent and does nothing else.

use serde_json::{Value, json};

use super::golden::{compare_with_golden, test_specific_names};
use super::{PluginRun, PluginRunner};
use crate::page_commands::external_commands::{PRINTED_CONSENT, strs};
use crate::world::{TestNamespace, TestWorld};

const ALL_CONSEQUENCES: &str = "DataErased,NotRecoverable,UsersDeactivated";

/// Creates a Partner `acme` and its Client `globex`, both Ready. Returns the ids of their tenants.
fn create_partner_and_client<'a>(prefix: &str, deletion: &Value) -> (TestNamespace<'a>, String, String) {
    let namespace = TestWorld::shared_world().create_namespace(prefix);
    namespace.apply_partner("acme", &json!({}));
    namespace.apply_client("globex", &json!({"details": {"city": "Berlin"}, "deletion": deletion}));
    let (partner, client) = (namespace.wait_until_ready("partner/acme"), namespace.wait_until_ready("client/globex"));
    (namespace, partner, client)
}

/// Runs `terminate` with all required flags and additional ones.
fn run_terminate(plugin: &PluginRunner, namespace: &TestNamespace<'_>, more: &[&str]) -> PluginRun {
    let name = namespace.tenant_name("globex");
    let args =
        ["terminate", "client", "globex", "-n", &namespace.name, "--yes-i-typed", &name, "--accept", ALL_CONSEQUENCES];
    plugin.run(&[&args, more].concat())
}

/// Returns the replacements of a test: its names, the object's UID and the day on which the consent expires.
fn mask_replacements(namespace: &TestNamespace<'_>, object: &str) -> Vec<(String, String)> {
    let found = namespace.get(object).unwrap();
    let uid = found["metadata"]["uid"].as_str().unwrap().to_owned();
    let until = found["spec"]["deletion"]["confirm"]["notAfter"].as_str().unwrap_or("-none-").to_owned();
    let own = test_specific_names(namespace).into_iter().map(|(from, to)| (from.to_owned(), to.to_owned()));
    own.chain([(uid, "UID".to_owned()), (until, "UNTIL".to_owned())]).collect()
}

fn compare_terminate_output(name: &str, run: &PluginRun, mine: &[(String, String)]) {
    let mine: Vec<(&str, &str)> = mine.iter().map(|(from, to)| (from.as_str(), to.as_str())).collect();
    compare_with_golden(&format!("terminate/{name}"), run, &mine);
}

/// shows: seeds/termination/back-up
#[test]
fn a_consent_ends_nothing_until_the_object_is_deleted_and_then_all() {
    let (space, partner, client) = create_partner_and_client("consent", &json!({}));
    let plugin = PluginRunner::on_cluster_of(&space);
    let run = run_terminate(&plugin, &space, &["--grace", "0"]);
    compare_terminate_output("consented", &run, &mask_replacements(&space, "client/globex"));
    let object = space.get("client/globex").unwrap();
    assert_eq!(object["metadata"]["deletionTimestamp"], Value::Null);
    let confirm = &object["spec"]["deletion"]["confirm"];
    assert_eq!((&confirm["name"], &confirm["uniqueId"]), (&json!(space.tenant_name("globex")), &json!(client)));
    assert_eq!(object["spec"]["deletion"]["policy"], json!("Terminate"));
    assert_eq!(object["spec"]["deletion"]["gracePeriodSeconds"], json!(0));
    assert_eq!(space.read_client_tenant(&partner, &client)["status"], json!("ACTIVE"));
    let managed: Value =
        serde_json::from_str(&space.kubectl(&["get", "client/globex", "-o", "json", "--show-managed-fields"])).unwrap();
    let ours = managed["metadata"]["managedFields"]
        .as_array()
        .unwrap()
        .iter()
        .find(|one| one["manager"] == "kubectl-tenantry")
        .unwrap();
    assert_eq!(ours["operation"], json!("Apply"));
    assert_eq!(ours["fieldsV1"]["f:spec"].as_object().unwrap().keys().collect::<Vec<_>>(), ["f:deletion"]);
    // A second consent before the deletion only moves the day.
    assert_eq!(run_terminate(&plugin, &space, &["--grace", "0"]).code, 0);
    space.delete("client/globex");
    space.wait_until_gone("client/globex");
    let ended = space.world.tenancy.list_tenants(&format!("{partner}/clients"), false).unwrap();
    assert!(ended.iter().any(|one| one["uniqueId"] == client.as_str() && one["status"] == "TERMINATED"), "{ended:?}");
}

#[test]
fn for_git_it_prints_and_writes_nothing() {
    let (space, _, _) = create_partner_and_client("paper", &json!({"policy": "Retain", "gracePeriodSeconds": 7200}));
    let plugin = PluginRunner::on_cluster_of(&space);
    let page = PRINTED_CONSENT.words("kubectl tenantry", &[]);
    let name = space.tenant_name("globex");
    let run = plugin
        .run(&[&strs(&page)[..], &["-n", &space.name, "--yes-i-typed", &name, "--accept", ALL_CONSEQUENCES]].concat());
    let printed: Value = serde_yaml::from_str(&run.out).unwrap();
    let until = printed["spec"]["deletion"]["confirm"]["notAfter"].as_str().unwrap().to_owned();
    let mut mine = mask_replacements(&space, "client/globex");
    mine.push((until, "UNTIL".to_owned()));
    compare_terminate_output("printed", &run, &mine);
    let deletion = json!({"policy": "Retain", "gracePeriodSeconds": 7200});
    assert_eq!(space.get("client/globex").unwrap()["spec"]["deletion"], deletion, "nothing is written");
    // The API server accepts the printed manifest.
    let file = plugin.write_file("hunk.yaml", &run.out).display().to_string();
    space.kubectl(&["patch", "client/globex", "--type=merge", "--patch-file", &file]);
    assert_eq!(space.get("client/globex").unwrap()["spec"]["deletion"]["policy"], json!("Terminate"));
}

/// shows: seeds/termination/confirm, seeds/termination/name-box, seeds/termination/checkboxes
#[test]
fn without_name_and_each_consequence_nothing_is_written() {
    let (space, _, _) = create_partner_and_client("refused", &json!({}));
    let plugin = PluginRunner::on_cluster_of(&space);
    let own = mask_replacements(&space, "client/globex");
    let name = space.tenant_name("globex");
    let refused = |case: &str, args: &[&str]| {
        let run =
            plugin.run_with(&[&["terminate", "-n", &space.name], args].concat(), &format!("{name}\nyes\nyes\nyes\n"));
        compare_terminate_output(case, &run, &own);
        assert_eq!(run.code, 1, "{run:?}");
    };
    // Piped input is not accepted as an answer.
    refused("no-terminal", &["client/globex"]);
    refused("another-name", &["client/globex", "--yes-i-typed", "globex", "--accept", ALL_CONSEQUENCES]);
    refused("one-missing", &["client/globex", "--yes-i-typed", &name, "--accept", "DataErased,NotRecoverable"]);
    refused("no-consequence", &["client/globex", "--yes-i-typed", &name]);
    refused("unknown-consequence", &["client/globex", "--yes-i-typed", &name, "--accept", "all"]);
    refused("no-name", &["client/globex", "--accept", ALL_CONSEQUENCES]);
    refused("which-kind", &["globex"]);
    refused("no-such-object", &["client", "nobody"]);
    refused("long-grace", &["client/globex", "--grace", "31d"]);
    assert_eq!(space.get("client/globex").unwrap()["spec"]["deletion"], json!({}));
}

#[test]
fn a_partner_s_end_names_what_lives_under_it() {
    let (space, _, _) = create_partner_and_client("parent", &json!({}));
    let plugin = PluginRunner::on_cluster_of(&space);
    let run = plugin.run(&["terminate", "partner", "acme", "-n", &space.name]);
    compare_terminate_output("partner", &run, &mask_replacements(&space, "partner/acme"));
}

#[test]
fn where_a_consent_would_mean_nothing_it_is_not_taken() {
    let (space, partner, client) = create_partner_and_client("unfit", &json!({}));
    let plugin = PluginRunner::on_cluster_of(&space);
    let terminate = |name: &str| plugin.run(&["terminate", "client", name, "-n", &space.name]);
    space.apply_client("waiting", &json!({"partnerRef": {"name": "nobody"}}));
    space.wait_until_not_ready("client/waiting", "PartnerNotFound");
    compare_terminate_output("no-tenant", &terminate("waiting"), &mask_replacements(&space, "client/waiting"));
    space.apply_client("watched", &json!({"management": {"mode": "Observe"}, "adoption": {"uniqueId": client}}));
    space.wait_until_ready("client/watched");
    compare_terminate_output("observed", &terminate("watched"), &mask_replacements(&space, "client/watched"));
    // Another object for the same tenant, which does not carry that object's mark.
    space.merge_patch(
        "client/watched",
        &json!({"spec": {"management": {"mode": "Paused"}, "adoption": {"policy": "Adopt"}}}),
    );
    let cluster = space.world.kubectl.read_json_path("namespace/kube-system", "{.metadata.uid}").unwrap();
    let owner = [(cluster, "CLUSTER".to_owned())];
    let both =
        [mask_replacements(&space, "client/watched"), mask_replacements(&space, "client/globex"), owner.to_vec()]
            .concat();
    compare_terminate_output("owned-elsewhere", &terminate("watched"), &both);
    space.merge_patch("client/globex", &json!({"spec": {"management": {"mode": "Paused"}}}));
    let own = mask_replacements(&space, "client/globex");
    space.kubectl(&["delete", "secret", "platform"]);
    compare_terminate_output("no-secret", &terminate("globex"), &own);
    space.apply_secret("platform", &space.credential());
    space
        .world
        .tenancy
        .change_tenant(&format!("{}/terminate", space.client_path(&partner, &client)), &json!({}))
        .unwrap();
    compare_terminate_output("gone", &terminate("globex"), &own);
}

#[test]
fn an_accepted_consent_is_not_spoilt_by_another() {
    let (space, _, _) = create_partner_and_client("accepted", &json!({}));
    let plugin = PluginRunner::on_cluster_of(&space);
    assert_eq!(run_terminate(&plugin, &space, &["--grace", "30d"]).code, 0);
    space.delete("client/globex");
    let accepted =
        || space.get("client/globex").unwrap()["status"]["termination"]["confirmedAt"].as_str().map(str::to_owned);
    space.wait_until("it is accepted", || Ok(accepted().is_some()));
    let run = run_terminate(&plugin, &space, &[]);
    let mut own = mask_replacements(&space, "client/globex");
    own.push((accepted().unwrap(), "TIME".to_owned()));
    compare_terminate_output("accepted", &run, &own);
}

#[test]
fn what_git_owns_is_left_to_git_unless_it_is_taken() {
    let (space, _, _) = create_partner_and_client("git", &json!({}));
    let plugin = PluginRunner::on_cluster_of(&space);
    let manifest = json!({
        "apiVersion": "tenantry.dev/v1alpha1", "kind": "Client", "metadata": {"name": "globex", "namespace": space.name},
        "spec": {"partnerRef": {"name": "acme"}, "details": {"name": space.tenant_name("globex"), "city": "Berlin"},
                 "deletion": {"policy": "Retain"}},
    });
    let file = plugin.write_file("client.json", &manifest.to_string()).display().to_string();
    let apply = ["apply", "--server-side", "--force-conflicts", "--field-manager=kustomize-controller", "-f", &file];
    space.kubectl(&apply);
    compare_terminate_output(
        "owned-by-git",
        &run_terminate(&plugin, &space, &[]),
        &mask_replacements(&space, "client/globex"),
    );
    assert_eq!(space.get("client/globex").unwrap()["spec"]["deletion"], json!({"policy": "Retain"}));
    let run = run_terminate(&plugin, &space, &["--force-conflicts"]);
    compare_terminate_output("taken-from-git", &run, &mask_replacements(&space, "client/globex"));
    // Fields that Git does not set survive its next apply. Fields that it sets are reverted, which cancels.
    space.kubectl(&apply);
    let deletion = space.get("client/globex").unwrap()["spec"]["deletion"].clone();
    assert_eq!((&deletion["policy"], deletion["confirm"].is_object()), (&json!("Retain"), true));
}
