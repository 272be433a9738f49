//! `cancel`: withdraws the consent and shows whether it was in time.

use serde_json::{Value, json};

use super::golden::{compare_with_golden, test_specific_names};
use super::{PluginRun, PluginRunner};
use crate::page_commands::external_commands::{CANCEL, strs};
use crate::world::{TestNamespace, TestWorld};

/// Creates a Partner `acme` and one Client for each name, all Ready and with `policy: Terminate`. Returns the ids of
/// their tenants.
fn create_partner_and_clients<'a>(
    world: &'a TestWorld,
    prefix: &str,
    names: &[&str],
) -> (TestNamespace<'a>, String, Vec<String>) {
    let namespace = world.create_namespace(prefix);
    namespace.apply_partner("acme", &json!({}));
    for name in names {
        namespace.apply_client(name, &json!({"deletion": {"policy": "Terminate"}}));
    }
    let partner = namespace.wait_until_ready("partner/acme");
    let ids = names.iter().map(|name| namespace.wait_until_ready(&format!("client/{name}"))).collect();
    (namespace, partner, ids)
}

fn run_cancel(plugin: &PluginRunner, namespace: &TestNamespace<'_>, name: &str) -> PluginRun {
    let page = CANCEL.words("kubectl tenantry", &[("globex", name)]);
    plugin.run(&[&strs(&page)[..], &["-n", &namespace.name]].concat())
}

/// Deletes an object with consent, and waits until its grace period runs.
fn delete_with_consent(namespace: &TestNamespace<'_>, object: &str) {
    namespace.merge_patch(object, &namespace.offered_confirmation(object, 3600));
    namespace.delete(object);
    namespace.wait_until("the grace period runs", || {
        Ok(namespace.get(object).unwrap()["status"]["termination"]["purgeAfter"].is_string())
    });
}

#[test]
fn a_consent_is_taken_back_at_every_point_before_the_end() {
    let world = TestWorld::shared_world();
    let names = ["running", "unused", "unasked", "waiting", "retained"];
    let (space, partner, ids) = create_partner_and_clients(world, "back", &names);
    let plugin = PluginRunner::on_cluster_of(&space);
    let own = test_specific_names(&space);
    delete_with_consent(&space, "client/running");
    assert_eq!(space.read_client_tenant(&partner, &ids[0])["status"], json!("SUSPENDED"));
    compare_with_golden("cancel/running", &run_cancel(&plugin, &space, "running"), &own);
    space.wait_until_gone("client/running");
    // Consent without a deletion.
    space.merge_patch("client/unused", &space.offered_confirmation("client/unused", 3600));
    compare_with_golden("cancel/unused", &run_cancel(&plugin, &space, "unused"), &own);
    let deletion = space.get("client/unused").unwrap()["spec"]["deletion"].clone();
    assert_eq!(deletion, json!({"policy": "Terminate", "gracePeriodSeconds": 3600}));
    compare_with_golden("cancel/no-consent", &run_cancel(&plugin, &space, "unasked"), &own);
    // A deletion that waits for consent.
    space.delete("client/waiting");
    space.wait_until("it waits", || Ok(space.condition("client/waiting", "DeletionBlocked").is_some()));
    compare_with_golden("cancel/waiting", &run_cancel(&plugin, &space, "waiting"), &own);
    space.wait_until_gone("client/waiting");
    space.kubectl(&["patch", "client/retained", "--type=merge", "-p", &json!({
        "metadata": {"finalizers": ["tenantry.dev/tenant", "example.com/later"]}, "spec": {"deletion": {"policy": "Retain"}},
    }).to_string()]);
    space.delete("client/retained");
    compare_with_golden("cancel/retained", &run_cancel(&plugin, &space, "retained"), &own);
    space.merge_patch("client/retained", &json!({"metadata": {"finalizers": null}}));
    for id in &ids {
        assert_eq!(space.read_client_tenant(&partner, id)["status"], json!("ACTIVE"));
    }
    compare_with_golden("cancel/no-such-object", &run_cancel(&plugin, &space, "nobody"), &own);
    compare_with_golden("cancel/which-kind", &plugin.run(&["cancel", "unused"]), &own);
}

/// Sets status as a crash between two writes could have left it.
fn set_status(namespace: &TestNamespace<'_>, object: &str, status: &Value) {
    let patch = json!({"status": status}).to_string();
    namespace.kubectl(&["patch", object, "--subresource=status", "--type=merge", "-p", &patch]);
}

#[test]
fn once_the_end_may_have_been_asked_for_it_waits_and_tells_what_became_of_it() {
    let mut world = TestWorld::start("late-cancel", |options| {
        options.flags.extend(["--request-timeout".to_owned(), "3s".to_owned()]);
    })
    .unwrap();
    let names = ["alive", "gone"];
    let (name, partner, ids) = {
        let (space, partner, ids) = create_partner_and_clients(&world, "late", &names);
        for name in names {
            delete_with_consent(&space, &format!("client/{name}"));
        }
        (space.name, partner, ids)
    };
    world.operator.process().stop().unwrap();
    let desk = {
        let namespace = TestNamespace::existing(&world, name.clone());
        for name in names {
            set_status(&namespace, &format!("client/{name}"), &json!({"termination": {"step": "Terminating"}}));
        }
        world
            .tenancy
            .change_tenant(&format!("{}/terminate", namespace.client_path(&partner, &ids[1])), &json!({}))
            .unwrap();
        PluginRunner::on_cluster_of(&namespace)
    };
    let own = [(name.as_str(), "SPACE")];
    // Without an operator no event reports the outcome.
    let run = desk.run(&["cancel", "client/alive", "-n", &name, "--timeout", "1"]);
    compare_with_golden("cancel/not-told", &run, &own);
    let namespace = TestNamespace::existing(&world, name.clone());
    namespace.merge_patch("client/alive", &namespace.offered_confirmation("client/alive", 3600));
    set_status(&namespace, "client/alive", &json!({"termination": {"step": "Terminating"}}));
    let asked = names.map(|client| {
        let args = ["cancel", "client", client, "-n", &name].map(str::to_owned);
        let plugin = PluginRunner::on_cluster_of(&namespace);
        std::thread::spawn(move || plugin.run(&args.each_ref().map(String::as_str)))
    });
    namespace.wait_until("both are taken back", || {
        Ok(names
            .iter()
            .all(|name| namespace.get(&format!("client/{name}")).unwrap()["spec"]["deletion"]["confirm"].is_null()))
    });
    drop(namespace);
    world.restart_operator().unwrap();
    let [alive, gone] = asked.map(|one| one.join().unwrap());
    compare_with_golden("cancel/in-time", &alive, &own);
    compare_with_golden("cancel/too-late", &gone, &own);
}
