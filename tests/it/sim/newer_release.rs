//! Objects of a newer release: a field or a value that this one does not know. Such an object waits, its tenant is not
//! changed, and all others are reconciled.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::http::Method;
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};
use tenantry_api::ABANDON;

use super::actions::{SimAction, SimActor};
use super::cluster::{CLIENTS, PARTNERS, SimCluster, SimObjectKey};
use super::crash_sweep::scenarios;
use super::exchange::{OperatorLife, RequestFate, SimWorld};
use super::idle::{condition, is_ready, new_default_world, wait_until_idle};
use super::operator_life::{run_life, settings};
use super::request::SimServer;

/// Returns a field that no release knows yet.
pub(crate) fn newer_field() -> Value {
    json!({"quota": {"users": 3}})
}

/// Returns a value that no release knows yet.
pub(crate) fn newer_value() -> Value {
    json!({"addOns": ["BrandNewAddOn"]})
}

/// Returns a patch that removes both.
pub(crate) fn without_newer_members() -> Value {
    json!({"quota": null, "addOns": null})
}

/// Returns whether an object holds one of them.
pub(crate) fn is_newer(object: &Value) -> bool {
    let add_ons = object["spec"]["addOns"].as_array();
    !object["spec"]["quota"].is_null() || add_ons.is_some_and(|all| all.iter().any(|one| one == "BrandNewAddOn"))
}

/// Returns since when an object has held one of them without interruption. A deleted object owns nothing that could be
/// taken from it.
pub(crate) fn newer_since(cluster: &SimCluster, key: &SimObjectKey) -> Option<Timestamp> {
    cluster.get(key)?;
    let mut since = None;
    for (at, object) in cluster.object_history(key) {
        since = if is_newer(object) { since.or(Some(at)) } else { None };
    }
    since
}

/// Time in which a pass that began earlier may still write.
pub(crate) const MAX_PASS_TIME: SignedDuration = SignedDuration::from_mins(6);

const NEWER_REASON: &str = "NotUnderstood";

fn acme() -> SimObjectKey {
    SimObjectKey::new(PARTNERS, "a", "acme")
}

fn globex() -> SimObjectKey {
    SimObjectKey::new(CLIENTS, "a", "globex")
}

fn has_condition(world: &SimWorld, key: &SimObjectKey, kind: &str, reason: &str) -> bool {
    let found = world.object(key).and_then(|object| condition(&object, kind));
    found.is_some_and(|(_, found)| found == reason)
}

fn has_newer_condition(world: &SimWorld, key: &SimObjectKey) -> bool {
    has_condition(world, key, "Ready", NEWER_REASON) && has_condition(world, key, "Stalled", NEWER_REASON)
}

async fn wait_until_ready(world: &SimWorld, actor: SimActor) {
    let key = actor.key();
    let is_so = |world: &SimWorld| world.object(&key).is_some_and(|object| is_ready(&object));
    world.wait_until(&format!("{actor:?} is Ready"), is_so).await;
}

/// Creates Acme with Globex and Initech.
async fn create_family(world: &SimWorld) {
    for who in [SimActor::Acme, SimActor::Globex, SimActor::Initech] {
        world.perform_action(&SimAction::Create(who));
        wait_until_ready(world, who).await;
    }
}

fn assert_no_faults(world: &SimWorld) {
    let faults = world.idle_faults();
    assert!(faults.is_empty(), "{faults:#?}\n{}", world.lock().log.join("\n"));
}

fn run_script(life: usize, world: &SimWorld, script: impl AsyncFnOnce()) {
    let done = run_life(world, &OperatorLife::new(life), settings(), script());
    assert!(done.is_some());
    assert_no_faults(world);
}

/// shows: faults/84
#[test]
fn an_object_of_a_newer_release_waits_and_no_other_does() {
    let world = new_default_world();
    run_script(1, &world, async || {
        create_family(&world).await;
        let before = world.tenant(&globex()).unwrap();
        world.edit(&globex(), &newer_value());
        world.edit(&globex(), &json!({"details": {"city": "Bonn"}, "tenantState": "Suspended"}));
        world.wait_until("it is told", |world| has_newer_condition(world, &globex())).await;
        world.perform_action(&SimAction::Edit(SimActor::Initech, json!({"details": {"city": "Ulm"}})));
        wait_until_ready(&world, SimActor::Initech).await;
        wait_until_idle(&world, 1).await;
        assert_eq!(world.tenant(&globex()).unwrap(), before, "its tenant is left alone");
    });
    let warned = world.lock().oracle.events.get(NEWER_REASON).copied();
    assert_eq!(warned, Some(1), "it is said once");
    let before = world.tenant(&globex()).unwrap();
    run_script(2, &world, async || {
        world.perform_action(&SimAction::Edit(SimActor::Initech, json!({"details": {"city": "Trier"}})));
        wait_until_ready(&world, SimActor::Initech).await;
        wait_until_idle(&world, 1).await;
        assert_eq!(world.tenant(&globex()).unwrap(), before, "nor after a restart");
        world.edit(&globex(), &without_newer_members());
        wait_until_ready(&world, SimActor::Globex).await;
        wait_until_idle(&world, 1).await;
        assert_eq!(world.tenant(&globex()).unwrap().state, "SUSPENDED");
    });
}

#[test]
fn a_new_object_of_a_newer_release_makes_no_tenant_before_it_is_understood() {
    let world = new_default_world();
    run_script(1, &world, async || {
        let mut spec = scenarios::partner_spec(&json!({}));
        spec["quota"] = newer_field()["quota"].clone();
        world.create(&acme(), &spec);
        world.wait_until("it is told", |world| has_newer_condition(world, &acme())).await;
        world.perform_action(&SimAction::Create(SimActor::Globex));
        world.wait_until("its Client waits", |world| has_condition(world, &globex(), "Ready", "PartnerNotReady")).await;
        wait_until_idle(&world, 1).await;
        assert_eq!(world.tenants().len(), 0);
        world.edit(&acme(), &without_newer_members());
        wait_until_ready(&world, SimActor::Acme).await;
        wait_until_ready(&world, SimActor::Globex).await;
    });
}

/// shows: faults/84
#[test]
fn the_clients_of_a_partner_of_a_newer_release_wait_for_it() {
    let world = new_default_world();
    run_script(1, &world, async || {
        create_family(&world).await;
        world.edit(&acme(), &newer_field());
        world.wait_until("Globex waits", |world| has_condition(world, &globex(), "Ready", "PartnerNotReady")).await;
        world
            .wait_until("Initech waits", |world| {
                has_condition(world, &SimActor::Initech.key(), "Ready", "PartnerNotReady")
            })
            .await;
        let before = world.tenant(&globex()).unwrap();
        world.perform_action(&SimAction::Edit(SimActor::Globex, json!({"details": {"city": "Bonn"}})));
        wait_until_idle(&world, 1).await;
        assert_eq!(world.tenant(&globex()).unwrap(), before);
        world.edit(&acme(), &without_newer_members());
        wait_until_ready(&world, SimActor::Acme).await;
        wait_until_ready(&world, SimActor::Globex).await;
        assert_eq!(world.tenant(&globex()).unwrap().settings["city"], "Bonn");
    });
}

/// shows: faults/84
#[test]
fn a_confirmed_end_of_an_object_of_a_newer_release_is_held_until_it_is_understood() {
    let world = new_default_world();
    run_script(1, &world, async || {
        create_family(&world).await;
        world.edit(&globex(), &scenarios::confirmed_deletion(&world, &globex(), 600));
        world.delete(&globex());
        let suspended = |world: &SimWorld| world.tenant(&globex()).is_some_and(|tenant| tenant.state == "SUSPENDED");
        world.wait_until("the grace period runs", suspended).await;
        world.edit(&globex(), &newer_field());
        world.wait_until("it is held", |world| has_condition(world, &globex(), "DeletionBlocked", NEWER_REASON)).await;
        tokio::time::sleep(Duration::from_hours(2)).await;
        assert_eq!(world.tenant(&globex()).unwrap().state, "SUSPENDED", "not ended although the time has come");
        world.edit(&globex(), &without_newer_members());
        world.wait_until("it is ended", |world| world.object(&globex()).is_none()).await;
    });
    let ended = world.lock().oracle.terminated.len();
    assert_eq!(ended, 1);
}

/// shows: faults/84
#[test]
fn a_client_of_a_newer_release_counts_against_the_end_of_its_partner() {
    let world = new_default_world();
    run_script(1, &world, async || {
        world.perform_action(&SimAction::Create(SimActor::Acme));
        wait_until_ready(&world, SimActor::Acme).await;
        let mut spec = json!({"partnerRef": {"name": "acme"}, "details": {"name": "Globex"}});
        spec["quota"] = newer_field()["quota"].clone();
        world.create(&globex(), &spec);
        world.wait_until("it is told", |world| has_newer_condition(world, &globex())).await;
        world.edit(&acme(), &scenarios::confirmed_deletion(&world, &acme(), 0));
        world.delete(&acme());
        world
            .wait_until("the end is held", |world| has_condition(world, &acme(), "DeletionBlocked", "ClientsRemain"))
            .await;
        tokio::time::sleep(Duration::from_hours(1)).await;
        assert_eq!(world.tenant(&acme()).unwrap().state, "ACTIVE");
        world.delete(&globex());
        world.wait_until("the Partner is ended", |world| world.object(&acme()).is_none()).await;
    });
}

/// shows: faults/84
#[test]
fn an_object_of_a_newer_release_goes_only_where_that_ends_nothing() {
    let world = new_default_world();
    let patches: Arc<Mutex<Vec<String>>> = Arc::default();
    run_script(1, &world, async || {
        create_family(&world).await;
        let sent = Arc::clone(&patches);
        world.lock().fates = Box::new(move |_, ask| {
            if ask.side == SimServer::Cluster && ask.method == Method::PATCH {
                sent.lock().unwrap().push(ask.query.clone());
            }
            RequestFate::Pass
        });
        let initech = SimActor::Initech.key();
        for key in [&globex(), &initech] {
            world.edit(key, &newer_field());
            world.edit(key, &json!({"deletion": {"policy": "Suspend"}}));
            world.delete(key);
            world.wait_until("it is held", |world| has_condition(world, key, "DeletionBlocked", NEWER_REASON)).await;
        }
        world.edit(&globex(), &json!({"deletion": {"policy": "Retain"}}));
        world.wait_until("Retain lets go", |world| world.object(&globex()).is_none()).await;
        let id = world.tenant(&initech).unwrap().id;
        world.patch(&initech, &json!({"metadata": {"annotations": {ABANDON: id}}}));
        world.wait_until("the annotation lets go", |world| world.object(&initech).is_none()).await;
        wait_until_idle(&world, 1).await;
    });
    assert!(world.tenants().iter().all(|tenant| tenant.state == "ACTIVE"), "nobody was suspended or ended");
    let patches = patches.lock().unwrap();
    let is_ours = |query: &&String| query.contains("fieldManager=tenantry-operator");
    assert!(patches.len() >= 2 && patches.iter().all(|query| is_ours(&query)), "{patches:?}");
}

/// shows: faults/85
#[test]
fn what_a_newer_release_wrote_into_status_stays_and_does_no_harm() {
    let world = new_default_world();
    let novelty = json!({"since": "2031-01-01T00:00:00Z"});
    run_script(1, &world, async || {
        create_family(&world).await;
        let mut object = world.object(&globex()).unwrap();
        object["status"]["novelty"] = novelty.clone();
        object["status"]["phase"] = json!("Hibernating");
        object["status"]["applied"]["novelty"] = novelty.clone();
        let body = json!({"metadata": {"name": "globex"}, "status": object["status"]});
        assert!(world.apply_status(&globex(), &body).is_success());
        world.perform_action(&SimAction::Edit(SimActor::Globex, json!({"details": {"city": "Bonn"}})));
        wait_until_ready(&world, SimActor::Globex).await;
        wait_until_idle(&world, 1).await;
    });
    let status = world.object(&globex()).unwrap()["status"].clone();
    assert_eq!((&status["novelty"], &status["applied"]["novelty"]), (&novelty, &novelty));
    assert_eq!(status["phase"], "Active");
}
