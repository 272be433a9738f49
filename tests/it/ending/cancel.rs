//! The way back, also when the call that ends the tenant may have been made.

use serde_json::{Value, json};

use super::{end, family, kept, state, uid};
use crate::world::{Space, World};

/// When a call was sent, as a process that is no more wrote it down.
const CALLED: &str = "2026-11-22T09:30:03Z";

fn waits(space: &Space<'_>, object: &str) {
    space.until(&format!("the grace period of {object} runs"), || {
        let found = space.get(object).unwrap();
        Ok(found["status"]["termination"]["purgeAfter"].is_string())
    });
}

/// Sets status as a crash between two writes could have left it.
fn set_status(space: &Space<'_>, object: &str, status: &Value) {
    let patch = json!({"status": status}).to_string();
    space.kubectl(&["patch", object, "--subresource=status", "--type=merge", "-p", &patch]);
}

/// shows: faults/49
#[test]
fn after_the_call_may_have_been_made_a_cancel_waits_for_one_request_and_tells_what_became_of_it() {
    let mut world = World::start("late", |options| {
        options.flags.extend(["--request-timeout".to_owned(), "12s".to_owned()]);
    })
    .unwrap();
    let names = ["alive", "stopped", "gone", "unknown"];
    let (name, partner, ids) = {
        let (space, partner, _) = family(&world, "late", &json!({}));
        let ids = names.map(|name| {
            space.client(name, &json!({"deletion": {"policy": "Terminate"}}));
            space.ready(&format!("client/{name}"))
        });
        for name in names {
            end(&space, &format!("client/{name}"), 3600);
            waits(&space, &format!("client/{name}"));
        }
        (space.name, partner, ids)
    };
    world.operator.process().stop().unwrap();
    {
        let space = Space::at(&world, name.clone());
        for name in names {
            set_status(&space, &format!("client/{name}"), &json!({"termination": {"step": "Terminating"}}));
        }
        set_status(&space, "client/gone", &json!({"termination": {"calledAt": CALLED}}));
        for (name, policy) in [("alive", "Retain"), ("stopped", "Suspend"), ("gone", "Retain"), ("unknown", "Retain")] {
            space.patch(&format!("client/{name}"), &json!({"spec": {"deletion": {"policy": policy}}}));
        }
        for id in &ids[2..] {
            world.tenancy.change(&format!("{}/terminate", space.client_path(&partner, id)), &json!({})).unwrap();
        }
    }
    world.restart_operator().unwrap();
    let space = Space::at(&world, name);
    space.until("the cancel is noted", || {
        let found = space.get("client/alive").unwrap();
        Ok(found["status"]["termination"]["cancelledAt"].is_string())
    });
    let (_, _, message) = space.condition("client/alive", "Ready").unwrap();
    assert!(message.contains("no further call is made"), "{message}");
    assert_eq!(state(&space, &partner, &ids[0]), "SUSPENDED");
    for name in names {
        space.gone(&format!("client/{name}"));
    }
    let states = ids.each_ref().map(|id| state(&space, &partner, id));
    assert_eq!(states, ["ACTIVE", "SUSPENDED", "TERMINATED", "TERMINATED"]);
    let reasons =
        [("alive", "Cancelled"), ("stopped", "Suspended"), ("gone", "TooLateToCancel"), ("unknown", "AlreadyGone")];
    for (name, reason) in reasons {
        space.until("the event is there", || Ok(space.events(name).contains(&reason.to_owned())));
    }
    let note = "jsonpath={.items[?(@.reason==\"TooLateToCancel\")].note}";
    let said =
        space.kubectl(&["get", "events.v1.events.k8s.io", "--field-selector", "regarding.name=gone", "-o", note]);
    assert!(said.contains(&format!("was sent at {CALLED}, before the cancel was seen at 20")), "{said}");
}

#[test]
fn a_tenant_that_others_put_back_in_service_is_suspended_again_after_a_write_and_waits_anew() {
    let world = World::shared();
    let (space, partner, client) = family(world, "again", &json!({"policy": "Terminate"}));
    end(&space, "client/globex", 3600);
    waits(&space, "client/globex");
    let of_record = |field: &str| space.get("client/globex").unwrap()["status"]["termination"][field].clone();
    assert!(of_record("suspendingAt").is_null(), "the acceptance is the write before the first suspension");
    // As a suspension leaves it whose record was given up.
    set_status(&space, "client/globex", &json!({"termination": {"step": "Confirmed", "purgeAfter": null}}));
    world.tenancy.change(&format!("{}/activate", space.client_path(&partner, &client)), &json!({})).unwrap();
    space.kubectl(&["annotate", "client/globex", "tenantry.dev/reconcile-requested-at=now"]);
    space.until("it is suspended once more", || Ok(of_record("suspendingAt").is_string()));
    waits(&space, "client/globex");
    assert_eq!(state(&space, &partner, &client), "SUSPENDED");
    space.patch("client/globex", &json!({"spec": {"deletion": {"policy": "Retain"}}}));
    space.gone("client/globex");
    assert_eq!(state(&space, &partner, &client), "ACTIVE");
}

#[test]
fn policy_suspend_cancels_and_leaves_the_tenant_suspended_and_one_that_was_suspended_before_stays_so() {
    let world = World::shared();
    let (space, partner, client) = family(world, "stay", &json!({"policy": "Terminate"}));
    space.client("idle", &json!({"tenantState": "Suspended", "deletion": {"policy": "Terminate"}}));
    let idle = space.ready("client/idle");
    for name in ["client/globex", "client/idle"] {
        end(&space, name, 3600);
        waits(&space, name);
    }
    space.patch("client/globex", &json!({"spec": {"deletion": {"policy": "Suspend"}}}));
    space.patch("client/idle", &json!({"spec": {"deletion": {"policy": "Retain"}}}));
    space.gone("client/globex");
    space.gone("client/idle");
    assert_eq!(state(&space, &partner, &client), "SUSPENDED");
    assert_eq!(state(&space, &partner, &idle), "SUSPENDED", "not ours to activate");
}

#[test]
fn a_tenant_whose_id_was_never_recorded_is_found_by_its_mark_and_then_ended() {
    let mut world = World::start("unrecorded", |_| {}).unwrap();
    let (name, partner, client, uid) = {
        let (space, partner, client) = family(&world, "unrecorded", &json!({"policy": "Terminate"}));
        space.patch("client/globex", &space.confirm("client/globex", 0));
        let uid = uid(&space, "client/globex");
        (space.name, partner, client, uid)
    };
    world.operator.process().stop().unwrap();
    {
        let space = Space::at(&world, name.clone());
        set_status(&space, "client/globex", &json!({"uniqueId": null, "connection": null}));
        space.delete("client/globex");
    }
    world.restart_operator().unwrap();
    let space = Space::at(&world, name);
    space.gone("client/globex");
    assert_eq!(state(&space, &partner, &client), "TERMINATED");
    assert!(kept(&world, &format!("terminated-{uid}")).is_some());
}
