//! A name that is taken between lookup and create, and a Partner that is created shortly after its Client.

use std::sync::Arc;
use std::time::Duration;

use axum::body::Bytes;
use axum::http::Method;
use serde_json::{Value, json};

use super::cluster::{CLIENTS, EVENTS, PARTNERS, SimObjectKey};
use super::crash_sweep::scenarios;
use super::exchange::{OperatorLife, RequestFate, SimWorld};
use super::idle::{is_ready, new_default_world};
use super::operator_life::{run_life, settings};
use super::request::{SimRequest, SimServer};

fn acme() -> SimObjectKey {
    SimObjectKey::new(PARTNERS, "a", "acme")
}

fn globex() -> SimObjectKey {
    SimObjectKey::new(CLIENTS, "a", "globex")
}

fn event_notes(world: &SimWorld, reason: &str) -> Vec<String> {
    let state = world.lock();
    let all = state.cluster.all(EVENTS).filter(|(_, event)| event["reason"] == reason);
    all.map(|(_, event)| event["note"].as_str().unwrap_or_default().to_owned()).collect()
}

fn is_create(request: &SimRequest) -> bool {
    request.side == SimServer::Platform && request.method == Method::POST && request.path.ends_with("/clients")
}

/// Creates a tenant of the same name with this mark between the lookup and the create. Returns the first warning.
fn create_with_name_taken(mark: &Value, shown: Option<&'static str>) -> (SimWorld, String) {
    let world = new_default_world();
    run_life(&world, &OperatorLife::new(1), settings(), async {
        world.create(&acme(), &scenarios::partner_spec(&json!({})));
        world.wait_until("it is Ready", |world| world.object(&acme()).is_some_and(|one| is_ready(&one))).await;
        let platform = Arc::clone(&world.lock().platform);
        let (mark, mut is_first) = (mark.clone(), true);
        world.lock().fates = Box::new(move |_, ask| {
            if is_create(ask) && std::mem::take(&mut is_first) {
                let (mut theirs, mut body) = (ask.clone(), ask.json());
                body["managedBy"] = mark.clone();
                theirs.body = Bytes::from(body.to_string());
                assert!(platform.carry_out(&theirs, tenantry_runtime::clock::now()).is_success());
            }
            RequestFate::Pass
        });
        world.lock().edit = shown.map(|shown| -> super::exchange::ReplyEdit {
            Box::new(move |ask, reply| {
                let mut body = reply.json_body();
                if ask.method == Method::GET && body["name"] == "Globex" {
                    body["managedBy"] = json!(shown);
                    reply.body = Bytes::from(body.to_string());
                }
            })
        });
        world.create(&globex(), &scenarios::client_spec("Globex", &json!({})));
        world.wait_until("it is refused", |world| !event_notes(world, "NameTaken").is_empty()).await;
    });
    let notes = event_notes(&world, "NameTaken").remove(0);
    (world, notes)
}

#[test]
fn a_name_of_a_tenant_with_a_foreign_mark_is_said_to_carry_one_and_no_more() {
    let gone = json!({"cluster": "sim", "kind": "Client", "namespace": "b", "name": "gone", "uid": "11111111-2222-4333-8444-555555555555"});
    let (world, told) = create_with_name_taken(&gone, None);
    assert_eq!(told, "a tenant named `Globex` exists that carries the mark of another object: change `details.name`");
    assert_eq!(world.unmet_waits(), Vec::<String>::new());
}

#[test]
fn a_name_of_a_tenant_whose_mark_cannot_be_read_is_not_said_to_be_of_another_object() {
    let gone = json!({"cluster": "sim", "kind": "Client", "namespace": "b", "name": "gone", "uid": "11111111-2222-4333-8444-555555555555"});
    let (world, told) = create_with_name_taken(&gone, Some("no mark"));
    let id = world.tenants().into_iter().find(|tenant| tenant.name == "Globex").unwrap().id;
    assert!(
        told.starts_with(&format!("a tenant named `Globex` exists that this object did not create ({id})")),
        "{told}"
    );
    assert_eq!(world.unmet_waits(), Vec::<String>::new());
}

#[test]
fn a_partner_that_comes_a_moment_after_its_client_is_no_warning() {
    let world = new_default_world();
    run_life(&world, &OperatorLife::new(1), settings(), async {
        world.create(&globex(), &scenarios::client_spec("Globex", &json!({})));
        let misspelt = SimObjectKey::new(CLIENTS, "a", "initech");
        world.create(&misspelt, &scenarios::client_spec("Initech", &json!({"partnerRef": {"name": "amce"}})));
        tokio::time::sleep(Duration::from_secs(4)).await;
        world.create(&acme(), &scenarios::partner_spec(&json!({})));
        world.wait_until("it is Ready", |world| world.object(&globex()).is_some_and(|one| is_ready(&one))).await;
        tokio::time::sleep(Duration::from_mins(40)).await;
    });
    let notes = event_notes(&world, "PartnerNotFound");
    assert!(matches!(notes.as_slice(), [one] if one.starts_with("Partner `a/amce` does not exist")), "{notes:?}");
    assert_eq!(world.unmet_waits(), Vec::<String>::new());
}
