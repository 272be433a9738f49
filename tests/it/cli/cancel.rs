//! `cancel`: the way back, and whether it came in time.

use serde_json::{Value, json};

use super::golden::{check, own};
use super::{Desk, Ran};
use crate::consoles::apart::{CANCEL, strs};
use crate::world::{Space, World};

/// A Partner `acme` and one Client for each name, all Ready and to be terminated: with the ids of their tenants.
fn family<'a>(world: &'a World, prefix: &str, names: &[&str]) -> (Space<'a>, String, Vec<String>) {
    let space = world.namespace(prefix);
    space.partner("acme", &json!({}));
    for name in names {
        space.client(name, &json!({"deletion": {"policy": "Terminate"}}));
    }
    let partner = space.ready("partner/acme");
    let ids = names.iter().map(|name| space.ready(&format!("client/{name}"))).collect();
    (space, partner, ids)
}

fn cancel(desk: &Desk, space: &Space<'_>, name: &str) -> Ran {
    let page = CANCEL.words("kubectl tenantry", &[("globex", name)]);
    desk.run(&[&strs(&page)[..], &["-n", &space.name]].concat())
}

/// Deletes an object with consent, and waits for its grace period to run.
fn end(space: &Space<'_>, object: &str) {
    space.patch(object, &space.confirm(object, 3600));
    space.delete(object);
    space.until("the grace period runs", || {
        Ok(space.get(object).unwrap()["status"]["termination"]["purgeAfter"].is_string())
    });
}

#[test]
fn a_consent_is_taken_back_at_every_point_before_the_end() {
    let world = World::shared();
    let names = ["running", "unused", "unasked", "waiting", "retained"];
    let (space, partner, ids) = family(world, "back", &names);
    let desk = Desk::at(&space);
    let own = own(&space);
    end(&space, "client/running");
    assert_eq!(space.platform_client(&partner, &ids[0])["status"], json!("SUSPENDED"));
    check("cancel/running", &cancel(&desk, &space, "running"), &own);
    space.gone("client/running");
    // Consent without a deletion.
    space.patch("client/unused", &space.confirm("client/unused", 3600));
    check("cancel/unused", &cancel(&desk, &space, "unused"), &own);
    let deletion = space.get("client/unused").unwrap()["spec"]["deletion"].clone();
    assert_eq!(deletion, json!({"policy": "Terminate", "gracePeriodSeconds": 3600}));
    check("cancel/no-consent", &cancel(&desk, &space, "unasked"), &own);
    // A deletion that waits for consent.
    space.delete("client/waiting");
    space.until("it waits", || Ok(space.condition("client/waiting", "DeletionBlocked").is_some()));
    check("cancel/waiting", &cancel(&desk, &space, "waiting"), &own);
    space.gone("client/waiting");
    space.kubectl(&["patch", "client/retained", "--type=merge", "-p", &json!({
        "metadata": {"finalizers": ["tenantry.dev/tenant", "example.com/later"]}, "spec": {"deletion": {"policy": "Retain"}},
    }).to_string()]);
    space.delete("client/retained");
    check("cancel/retained", &cancel(&desk, &space, "retained"), &own);
    space.patch("client/retained", &json!({"metadata": {"finalizers": null}}));
    for id in &ids {
        assert_eq!(space.platform_client(&partner, id)["status"], json!("ACTIVE"));
    }
    check("cancel/no-such-object", &cancel(&desk, &space, "nobody"), &own);
    check("cancel/which-kind", &desk.run(&["cancel", "unused"]), &own);
}

/// Sets status as a crash between two writes could have left it.
fn set_status(space: &Space<'_>, object: &str, status: &Value) {
    let patch = json!({"status": status}).to_string();
    space.kubectl(&["patch", object, "--subresource=status", "--type=merge", "-p", &patch]);
}

#[test]
fn once_the_end_may_have_been_asked_for_it_waits_and_tells_what_became_of_it() {
    let mut world = World::start("late-cancel", |options| {
        options.flags.extend(["--request-timeout".to_owned(), "3s".to_owned()]);
    })
    .unwrap();
    let names = ["alive", "gone"];
    let (name, partner, ids) = {
        let (space, partner, ids) = family(&world, "late", &names);
        for name in names {
            end(&space, &format!("client/{name}"));
        }
        (space.name, partner, ids)
    };
    world.operator.process().stop().unwrap();
    let desk = {
        let space = Space::at(&world, name.clone());
        for name in names {
            set_status(&space, &format!("client/{name}"), &json!({"termination": {"step": "Terminating"}}));
        }
        world.tenancy.change(&format!("{}/terminate", space.client_path(&partner, &ids[1])), &json!({})).unwrap();
        Desk::at(&space)
    };
    let own = [(name.as_str(), "SPACE")];
    // Without an operator nobody tells.
    let ran = desk.run(&["cancel", "client/alive", "-n", &name, "--timeout", "1"]);
    check("cancel/not-told", &ran, &own);
    let space = Space::at(&world, name.clone());
    space.patch("client/alive", &space.confirm("client/alive", 3600));
    set_status(&space, "client/alive", &json!({"termination": {"step": "Terminating"}}));
    let asked = names.map(|client| {
        let args = ["cancel", "client", client, "-n", &name].map(str::to_owned);
        let desk = Desk::at(&space);
        std::thread::spawn(move || desk.run(&args.each_ref().map(String::as_str)))
    });
    space.until("both are taken back", || {
        Ok(names
            .iter()
            .all(|name| space.get(&format!("client/{name}")).unwrap()["spec"]["deletion"]["confirm"].is_null()))
    });
    drop(space);
    world.restart_operator().unwrap();
    let [alive, gone] = asked.map(|one| one.join().unwrap());
    check("cancel/in-time", &alive, &own);
    check("cancel/too-late", &gone, &own);
}
