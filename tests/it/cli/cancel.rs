//! `cancel`: withdraws the consent and shows whether it was in time.

use serde_json::{Value, json};

use super::golden::{compare_with_golden, test_specific_names};
use super::{PluginFolder, PluginRun};
use crate::consoles::apart::{CANCEL, strs};
use crate::world::{TestNamespace, TestWorld};

/// Creates a Partner `acme` and one Client for each name, all Ready and with `policy: Terminate`. Returns the ids of
/// their tenants.
fn create_partner_and_clients<'a>(
    world: &'a TestWorld,
    prefix: &str,
    names: &[&str],
) -> (TestNamespace<'a>, String, Vec<String>) {
    let space = world.create_namespace(prefix);
    space.apply_partner("acme", &json!({}));
    for name in names {
        space.apply_client(name, &json!({"deletion": {"policy": "Terminate"}}));
    }
    let partner = space.wait_until_ready("partner/acme");
    let ids = names.iter().map(|name| space.wait_until_ready(&format!("client/{name}"))).collect();
    (space, partner, ids)
}

fn run_cancel(desk: &PluginFolder, space: &TestNamespace<'_>, name: &str) -> PluginRun {
    let page = CANCEL.words("kubectl tenantry", &[("globex", name)]);
    desk.run(&[&strs(&page)[..], &["-n", &space.name]].concat())
}

/// Deletes an object with consent, and waits until its grace period runs.
fn delete_with_consent(space: &TestNamespace<'_>, object: &str) {
    space.merge_patch(object, &space.offered_confirmation(object, 3600));
    space.delete(object);
    space.wait_until("the grace period runs", || {
        Ok(space.get(object).unwrap()["status"]["termination"]["purgeAfter"].is_string())
    });
}

#[test]
fn a_consent_is_taken_back_at_every_point_before_the_end() {
    let world = TestWorld::shared_world();
    let names = ["running", "unused", "unasked", "waiting", "retained"];
    let (space, partner, ids) = create_partner_and_clients(world, "back", &names);
    let desk = PluginFolder::on_cluster_of(&space);
    let own = test_specific_names(&space);
    delete_with_consent(&space, "client/running");
    assert_eq!(space.read_client_tenant(&partner, &ids[0])["status"], json!("SUSPENDED"));
    compare_with_golden("cancel/running", &run_cancel(&desk, &space, "running"), &own);
    space.wait_until_gone("client/running");
    // Consent without a deletion.
    space.merge_patch("client/unused", &space.offered_confirmation("client/unused", 3600));
    compare_with_golden("cancel/unused", &run_cancel(&desk, &space, "unused"), &own);
    let deletion = space.get("client/unused").unwrap()["spec"]["deletion"].clone();
    assert_eq!(deletion, json!({"policy": "Terminate", "gracePeriodSeconds": 3600}));
    compare_with_golden("cancel/no-consent", &run_cancel(&desk, &space, "unasked"), &own);
    // A deletion that waits for consent.
    space.delete("client/waiting");
    space.wait_until("it waits", || Ok(space.condition("client/waiting", "DeletionBlocked").is_some()));
    compare_with_golden("cancel/waiting", &run_cancel(&desk, &space, "waiting"), &own);
    space.wait_until_gone("client/waiting");
    space.kubectl(&["patch", "client/retained", "--type=merge", "-p", &json!({
        "metadata": {"finalizers": ["tenantry.dev/tenant", "example.com/later"]}, "spec": {"deletion": {"policy": "Retain"}},
    }).to_string()]);
    space.delete("client/retained");
    compare_with_golden("cancel/retained", &run_cancel(&desk, &space, "retained"), &own);
    space.merge_patch("client/retained", &json!({"metadata": {"finalizers": null}}));
    for id in &ids {
        assert_eq!(space.read_client_tenant(&partner, id)["status"], json!("ACTIVE"));
    }
    compare_with_golden("cancel/no-such-object", &run_cancel(&desk, &space, "nobody"), &own);
    compare_with_golden("cancel/which-kind", &desk.run(&["cancel", "unused"]), &own);
}

/// Sets status as a crash between two writes could have left it.
fn set_status(space: &TestNamespace<'_>, object: &str, status: &Value) {
    let patch = json!({"status": status}).to_string();
    space.kubectl(&["patch", object, "--subresource=status", "--type=merge", "-p", &patch]);
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
        let space = TestNamespace::existing(&world, name.clone());
        for name in names {
            set_status(&space, &format!("client/{name}"), &json!({"termination": {"step": "Terminating"}}));
        }
        world
            .tenancy
            .change_tenant(&format!("{}/terminate", space.client_path(&partner, &ids[1])), &json!({}))
            .unwrap();
        PluginFolder::on_cluster_of(&space)
    };
    let own = [(name.as_str(), "SPACE")];
    // Without an operator no event reports the outcome.
    let ran = desk.run(&["cancel", "client/alive", "-n", &name, "--timeout", "1"]);
    compare_with_golden("cancel/not-told", &ran, &own);
    let space = TestNamespace::existing(&world, name.clone());
    space.merge_patch("client/alive", &space.offered_confirmation("client/alive", 3600));
    set_status(&space, "client/alive", &json!({"termination": {"step": "Terminating"}}));
    let asked = names.map(|client| {
        let args = ["cancel", "client", client, "-n", &name].map(str::to_owned);
        let desk = PluginFolder::on_cluster_of(&space);
        std::thread::spawn(move || desk.run(&args.each_ref().map(String::as_str)))
    });
    space.wait_until("both are taken back", || {
        Ok(names
            .iter()
            .all(|name| space.get(&format!("client/{name}")).unwrap()["spec"]["deletion"]["confirm"].is_null()))
    });
    drop(space);
    world.restart_operator().unwrap();
    let [alive, gone] = asked.map(|one| one.join().unwrap());
    compare_with_golden("cancel/in-time", &alive, &own);
    compare_with_golden("cancel/too-late", &gone, &own);
}
