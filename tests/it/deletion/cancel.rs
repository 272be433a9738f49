//! Tests of cancelling a deletion, also when the `terminate` call may already have been sent.

use serde_json::{Value, json};

use super::{config_map_at_home, confirm_and_delete, create_partner_and_client, tenant_state, uid};
use crate::world::{TestNamespace, TestWorld};

/// The time of a call, as a process that has ended recorded it.
const CALL_TIME: &str = "2026-11-22T09:30:03Z";

fn wait_for_grace_period(namespace: &TestNamespace<'_>, object: &str) {
    namespace.wait_until(&format!("the grace period of {object} runs"), || {
        let found = namespace.get(object).unwrap();
        Ok(found["status"]["termination"]["purgeAfter"].is_string())
    });
}

/// Sets status as a crash between two writes could have left it.
fn set_status(namespace: &TestNamespace<'_>, object: &str, status: &Value) {
    let patch = json!({"status": status}).to_string();
    namespace.kubectl(&["patch", object, "--subresource=status", "--type=merge", "-p", &patch]);
}

/// shows: faults/49
#[test]
fn after_the_call_may_have_been_made_a_cancel_waits_for_one_request_and_tells_what_became_of_it() {
    let mut world = TestWorld::start("late", |options| {
        options.flags.extend(["--request-timeout".to_owned(), "12s".to_owned()]);
    })
    .unwrap();
    let names = ["alive", "stopped", "gone", "unknown"];
    let (name, partner, ids) = {
        let (space, partner, _) = create_partner_and_client(&world, "late", &json!({}));
        let ids = names.map(|name| {
            space.apply_client(name, &json!({"deletion": {"policy": "Terminate"}}));
            space.wait_until_ready(&format!("client/{name}"))
        });
        for name in names {
            confirm_and_delete(&space, &format!("client/{name}"), 3600);
            wait_for_grace_period(&space, &format!("client/{name}"));
        }
        (space.name, partner, ids)
    };
    world.operator.process().stop().unwrap();
    {
        let namespace = TestNamespace::existing(&world, name.clone());
        for name in names {
            set_status(&namespace, &format!("client/{name}"), &json!({"termination": {"step": "Terminating"}}));
        }
        set_status(&namespace, "client/gone", &json!({"termination": {"calledAt": CALL_TIME}}));
        for (name, policy) in [("alive", "Retain"), ("stopped", "Suspend"), ("gone", "Retain"), ("unknown", "Retain")] {
            namespace.merge_patch(&format!("client/{name}"), &json!({"spec": {"deletion": {"policy": policy}}}));
        }
        for id in &ids[2..] {
            world
                .tenancy
                .change_tenant(&format!("{}/terminate", namespace.client_path(&partner, id)), &json!({}))
                .unwrap();
        }
    }
    world.restart_operator().unwrap();
    let namespace = TestNamespace::existing(&world, name);
    namespace.wait_until("the cancel is noted", || {
        let found = namespace.get("client/alive").unwrap();
        Ok(found["status"]["termination"]["cancelledAt"].is_string())
    });
    let (_, _, message) = namespace.condition("client/alive", "Ready").unwrap();
    assert!(message.contains("no further call is made"), "{message}");
    assert_eq!(tenant_state(&namespace, &partner, &ids[0]), "SUSPENDED");
    for name in names {
        namespace.wait_until_gone(&format!("client/{name}"));
    }
    let states = ids.each_ref().map(|id| tenant_state(&namespace, &partner, id));
    assert_eq!(states, ["ACTIVE", "SUSPENDED", "TERMINATED", "TERMINATED"]);
    let reasons =
        [("alive", "Cancelled"), ("stopped", "Suspended"), ("gone", "TooLateToCancel"), ("unknown", "AlreadyGone")];
    for (name, reason) in reasons {
        namespace.wait_until("the event is there", || Ok(namespace.event_reasons(name).contains(&reason.to_owned())));
    }
    let note = "jsonpath={.items[?(@.reason==\"TooLateToCancel\")].note}";
    let said =
        namespace.kubectl(&["get", "events.v1.events.k8s.io", "--field-selector", "regarding.name=gone", "-o", note]);
    assert!(said.contains(&format!("was sent at {CALL_TIME}, before the cancel was seen at 20")), "{said}");
}

#[test]
fn a_tenant_that_others_put_back_in_service_is_suspended_again_after_a_write_and_waits_anew() {
    let world = TestWorld::shared_world();
    let (space, partner, client) = create_partner_and_client(world, "again", &json!({"policy": "Terminate"}));
    confirm_and_delete(&space, "client/globex", 3600);
    wait_for_grace_period(&space, "client/globex");
    let of_record = |field: &str| space.get("client/globex").unwrap()["status"]["termination"][field].clone();
    assert!(of_record("suspendingAt").is_null(), "the acceptance is the write before the first suspension");
    // Simulates the status that a suspension leaves after its record was reset.
    set_status(&space, "client/globex", &json!({"termination": {"step": "Confirmed", "purgeAfter": null}}));
    world.tenancy.change_tenant(&format!("{}/activate", space.client_path(&partner, &client)), &json!({})).unwrap();
    space.kubectl(&["annotate", "client/globex", "tenantry.dev/reconcile-requested-at=now"]);
    space.wait_until("it is suspended once more", || Ok(of_record("suspendingAt").is_string()));
    wait_for_grace_period(&space, "client/globex");
    assert_eq!(tenant_state(&space, &partner, &client), "SUSPENDED");
    space.merge_patch("client/globex", &json!({"spec": {"deletion": {"policy": "Retain"}}}));
    space.wait_until_gone("client/globex");
    assert_eq!(tenant_state(&space, &partner, &client), "ACTIVE");
}

#[test]
fn policy_suspend_cancels_and_leaves_the_tenant_suspended_and_one_that_was_suspended_before_stays_so() {
    let world = TestWorld::shared_world();
    let (space, partner, client) = create_partner_and_client(world, "stay", &json!({"policy": "Terminate"}));
    space.apply_client("idle", &json!({"tenantState": "Suspended", "deletion": {"policy": "Terminate"}}));
    let idle = space.wait_until_ready("client/idle");
    for name in ["client/globex", "client/idle"] {
        confirm_and_delete(&space, name, 3600);
        wait_for_grace_period(&space, name);
    }
    space.merge_patch("client/globex", &json!({"spec": {"deletion": {"policy": "Suspend"}}}));
    space.merge_patch("client/idle", &json!({"spec": {"deletion": {"policy": "Retain"}}}));
    space.wait_until_gone("client/globex");
    space.wait_until_gone("client/idle");
    assert_eq!(tenant_state(&space, &partner, &client), "SUSPENDED");
    assert_eq!(tenant_state(&space, &partner, &idle), "SUSPENDED", "not ours to activate");
}

#[test]
fn a_tenant_whose_id_was_never_recorded_is_found_by_its_mark_and_then_ended() {
    let mut world = TestWorld::start("unrecorded", |_| {}).unwrap();
    let (name, partner, client, uid) = {
        let (space, partner, client) = create_partner_and_client(&world, "unrecorded", &json!({"policy": "Terminate"}));
        space.merge_patch("client/globex", &space.offered_confirmation("client/globex", 0));
        let uid = uid(&space, "client/globex");
        (space.name, partner, client, uid)
    };
    world.operator.process().stop().unwrap();
    {
        let namespace = TestNamespace::existing(&world, name.clone());
        set_status(&namespace, "client/globex", &json!({"uniqueId": null, "connection": null}));
        namespace.delete("client/globex");
    }
    world.restart_operator().unwrap();
    let namespace = TestNamespace::existing(&world, name);
    namespace.wait_until_gone("client/globex");
    assert_eq!(tenant_state(&namespace, &partner, &client), "TERMINATED");
    assert!(config_map_at_home(&world, &format!("terminated-{uid}")).is_some());
}
