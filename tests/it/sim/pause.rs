//! A pause with an end: nothing happens before, and then it ends by itself.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::http::Method;
use jiff::SignedDuration;
use serde_json::{Value, json};

use super::cluster::{CLIENTS, EVENTS, PARTNERS, SimObjectKey};
use super::crash_sweep::scenarios::{client_spec, partner_spec};
use super::exchange::{OperatorLife, RequestFate, SimWorld};
use super::idle::{condition, is_ready, new_default_world};
use super::operator_life::{run_life, settings};
use super::request::{SimReply, SimServer};

fn globex() -> SimObjectKey {
    SimObjectKey::new(CLIENTS, "a", "globex")
}

async fn create_partner_and_client(world: &SimWorld, spec: &Value) {
    let acme = SimObjectKey::new(PARTNERS, "a", "acme");
    world.create(&acme, &partner_spec(&json!({})));
    world.create(&globex(), &client_spec("Globex", spec));
    for key in [acme, globex()] {
        world.wait_until("both are Ready", |world| world.object(&key).is_some_and(|one| is_ready(&one))).await;
    }
}

/// Pauses the object for some minutes, and returns the end of the pause.
fn pause_for_minutes(world: &SimWorld, minutes: i64) -> String {
    let until = (tenantry_runtime::clock::now() + SignedDuration::from_mins(minutes)).to_string();
    world.edit(&globex(), &json!({"management": {"pausedUntil": until}}));
    until
}

fn tenant_city(world: &SimWorld) -> String {
    let found = world.tenants().into_iter().find(|tenant| tenant.name == "Globex").unwrap();
    found.settings["city"].as_str().unwrap_or_default().to_owned()
}

fn paused_condition(world: &SimWorld) -> Option<(String, String)> {
    world.object(&globex()).and_then(|object| condition(&object, "Paused"))
}

fn event_notes(world: &SimWorld, reason: &str) -> Vec<String> {
    let state = world.lock();
    let all = state.cluster.all(EVENTS).filter(|(_, event)| event["reason"] == reason);
    all.map(|(_, event)| event["note"].as_str().unwrap_or_default().to_owned()).collect()
}

async fn sleep_minutes(count: u64) {
    tokio::time::sleep(Duration::from_mins(count)).await;
}

#[test]
fn a_pause_with_an_end_holds_every_write_until_then_and_ends_by_itself() {
    let world = new_default_world();
    run_life(&world, &OperatorLife::new(1), settings(), async {
        create_partner_and_client(&world, &json!({"details": {"city": "Bonn"}})).await;
        let until = pause_for_minutes(&world, 150);
        world.edit(&globex(), &json!({"details": {"city": "Ulm"}}));
        sleep_minutes(149).await;
        assert_eq!(paused_condition(&world), Some(("True".to_owned(), "ManagementPaused".to_owned())));
        assert_eq!(tenant_city(&world), "Bonn");
        let notes = event_notes(&world, "ManagementPaused");
        assert!(matches!(notes.as_slice(), [note] if note.contains(&until)), "{notes:?}");
        assert_eq!(event_notes(&world, "Resumed"), Vec::<String>::new());
        // Drift checks run every ten minutes, so within two minutes the object was requeued by its own timer.
        sleep_minutes(2).await;
        assert_eq!(tenant_city(&world), "Ulm");
        assert_eq!(paused_condition(&world), None);
        assert!(is_ready(&world.object(&globex()).unwrap()));
        assert_eq!(event_notes(&world, "Resumed").len(), 1);
    });
    assert_eq!(world.idle_faults(), Vec::<String>::new());
}

#[test]
fn a_pause_that_ends_while_no_operator_runs_is_over_when_one_does() {
    let world = new_default_world();
    run_life(&world, &OperatorLife::new(1), settings(), async {
        create_partner_and_client(&world, &json!({"details": {"city": "Bonn"}})).await;
        pause_for_minutes(&world, 30);
        world.edit(&globex(), &json!({"details": {"city": "Ulm"}}));
        sleep_minutes(10).await;
    });
    {
        let mut state = world.lock();
        state.now += SignedDuration::from_hours(1);
    }
    run_life(&world, &OperatorLife::new(2), settings(), async {
        world.wait_until("the edit is written", |world| tenant_city(world) == "Ulm").await;
        assert_eq!(paused_condition(&world), None);
    });
    assert_eq!(world.idle_faults(), Vec::<String>::new());
}

#[test]
fn a_deletion_waits_for_the_end_of_a_pause() {
    let world = new_default_world();
    run_life(&world, &OperatorLife::new(1), settings(), async {
        create_partner_and_client(&world, &json!({"deletion": {"policy": "Suspend"}})).await;
        pause_for_minutes(&world, 45);
        world.delete(&globex());
        sleep_minutes(40).await;
        let object = world.object(&globex()).unwrap();
        assert_eq!(condition(&object, "DeletionBlocked").unwrap().1, "ManagementPaused");
        assert_eq!(world.tenants().iter().find(|one| one.name == "Globex").unwrap().state, "ACTIVE");
        sleep_minutes(7).await;
        assert!(world.object(&globex()).is_none());
        assert_eq!(world.tenants().iter().find(|one| one.name == "Globex").unwrap().state, "SUSPENDED");
        assert_eq!(event_notes(&world, "Resumed"), Vec::<String>::new(), "a deletion that waits is no end of a pause");
    });
    assert_eq!(world.idle_faults(), Vec::<String>::new());
}

#[test]
fn an_end_of_a_pause_is_told_when_the_tenant_was_read_and_not_of_one_that_is_observed() {
    let world = new_default_world();
    run_life(&world, &OperatorLife::new(1), settings(), async {
        create_partner_and_client(&world, &json!({"details": {"city": "Bonn"}})).await;
        let id = world.tenant(&globex()).unwrap().id;
        world.edit(&globex(), &json!({"management": {"mode": "Paused"}}));
        sleep_minutes(5).await;
        let observe = json!({"management": {"mode": "Observe"}, "adoption": {"uniqueId": id}});
        world.edit(&globex(), &observe);
        sleep_minutes(15).await;
        assert_eq!(paused_condition(&world), None);
        assert_eq!(event_notes(&world, "Resumed"), Vec::<String>::new(), "it is only observed");
        world.edit(&globex(), &json!({"management": {"mode": "Manage"}, "adoption": null}));
        sleep_minutes(5).await;
        world.edit(&globex(), &json!({"management": {"mode": "Paused"}}));
        sleep_minutes(5).await;
        let body = axum::body::Bytes::from_static(br#"{"code":"0006","message":"not now"}"#);
        let refusal = SimReply { status: 503, headers: Vec::new(), body };
        world.lock().fates = Box::new(move |_, ask| {
            if ask.side == SimServer::Platform {
                RequestFate::Replaced(Box::new((refusal.clone(), false)))
            } else {
                RequestFate::Pass
            }
        });
        world.edit(&globex(), &json!({"management": {"mode": "Manage"}}));
        sleep_minutes(5).await;
        assert_eq!(paused_condition(&world), None);
        assert_eq!(event_notes(&world, "Resumed"), Vec::<String>::new(), "the tenant was not read");
        world.lock().fates = Box::new(|_, _| RequestFate::Pass);
        sleep_minutes(15).await;
        assert_eq!(event_notes(&world, "Resumed").len(), 1);
    });
    assert_eq!(world.unmet_waits(), Vec::<String>::new());
}

#[test]
fn a_paused_object_says_so_in_its_columns_and_ready_keeps_its_value() {
    let world = new_default_world();
    let ready = |world: &SimWorld| {
        let object = world.object(&globex()).unwrap();
        let all = object["status"]["conditions"].as_array().unwrap();
        all.iter().find(|one| one["type"] == "Ready").unwrap().clone()
    };
    run_life(&world, &OperatorLife::new(1), settings(), async {
        create_partner_and_client(&world, &json!({"details": {"city": "Bonn"}})).await;
        let before = ready(&world);
        for round in 0..2 {
            let until = pause_for_minutes(&world, 90);
            world.edit(&globex(), &json!({"details": {"city": "Ulm"}}));
            sleep_minutes(15).await;
            let says = format!(
                "`management.pausedUntil` is {until}: nothing is read, written or ended until then; before that: {}",
                before["message"].as_str().unwrap()
            );
            let now = ready(&world);
            assert_eq!(now["message"], says, "round {round}");
            for kept in ["status", "reason", "observedGeneration", "lastTransitionTime"] {
                assert_eq!(now[kept], before[kept], "{kept}");
            }
        }
        sleep_minutes(100).await;
        let after = ready(&world);
        assert_eq!((&after["message"], tenant_city(&world).as_str()), (&before["message"], "Ulm"));
    });
    assert_eq!(world.idle_faults(), Vec::<String>::new());
}

/// Removes the installation from the intent, as a release without installations left it.
fn remove_installation_from_intent(world: &SimWorld) {
    let mut object = world.object(&globex()).unwrap();
    let mut intent: Value =
        serde_json::from_str(object["metadata"]["annotations"]["tenantry.dev/intent"].as_str().unwrap()).unwrap();
    intent.as_object_mut().unwrap().remove("operator");
    world.patch(&globex(), &json!({"metadata": {"annotations": {"tenantry.dev/intent": intent.to_string()}}}));
    let mut status = object["status"].take();
    status.as_object_mut().unwrap().remove("operator");
    let metadata = json!({"name": "globex", "namespace": "a"});
    let body = json!({"apiVersion": "tenantry.dev/v1alpha1", "kind": "Client", "metadata": metadata, "status": status});
    assert!(world.apply_status(&globex(), &body).is_success());
}

#[test]
fn a_pause_that_ends_within_a_pass_lets_nothing_be_written_without_a_claim() {
    let world = new_default_world();
    run_life(&world, &OperatorLife::new(1), settings(), async {
        create_partner_and_client(&world, &json!({"deletion": {"policy": "Suspend"}})).await;
        world.edit(&globex(), &json!({"management": {"mode": "Paused"}}));
        sleep_minutes(5).await;
    });
    remove_installation_from_intent(&world);
    let (is_claimed, claimed): (Arc<Mutex<bool>>, Arc<Mutex<Vec<bool>>>) = Default::default();
    let recorded = Arc::clone(&claimed);
    run_life(&world, &OperatorLife::new(2), settings(), async {
        let acme = SimObjectKey::new(PARTNERS, "a", "acme");
        world.edit(&acme, &json!({"details": {"city": "Bonn"}}));
        world.wait_until("it leads", |world| world.tenant(&acme).unwrap().settings["city"] == "Bonn").await;
        let mut is_first = true;
        world.lock().fates = Box::new(move |_, ask| {
            let is_globex = ask.side == SimServer::Cluster && ask.path.contains("/clients/globex");
            if is_globex && ask.is_write() && ask.path.ends_with("/status") {
                *is_claimed.lock().unwrap() |= ask.json()["status"]["operator"].is_string();
            }
            if ask.side == SimServer::Platform && ask.path.ends_with("/suspend") {
                recorded.lock().unwrap().push(*is_claimed.lock().unwrap());
            }
            // The object is read again after the pass has begun, and the answer comes after the end of the pause.
            let is_slow = is_globex && ask.method == Method::GET && std::mem::take(&mut is_first);
            if is_slow { RequestFate::SlowReply(Duration::from_secs(28)) } else { RequestFate::Pass }
        });
        let until = (tenantry_runtime::clock::now() + SignedDuration::from_secs(15)).to_string();
        world.edit(&globex(), &json!({"management": {"mode": null, "pausedUntil": until}}));
        world.delete(&globex());
        world.wait_until("it is gone", |world| world.object(&globex()).is_none()).await;
    });
    assert_eq!(*claimed.lock().unwrap(), [true], "{}", world.lock().log.join("\n"));
    assert_eq!(world.unmet_waits(), Vec::<String>::new());
}
