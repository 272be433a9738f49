//! Objects of a newer release: a field or a value that this one does not know. Such an object waits, its tenant is left
//! alone, and all others go on.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::http::Method;
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};
use tenantry::api::ABANDON;

use super::ask::Side;
use super::cluster::{CLIENTS, Cluster, Key, PARTNERS};
use super::deeds::{Deed, Who};
use super::life::{live, settings};
use super::seam::{Fate, Life, World};
use super::settle::{condition, is_ready, rest, world};
use super::sweep::scenarios;

/// A field that no release knows yet.
pub(crate) fn newer_field() -> Value {
    json!({"quota": {"users": 3}})
}

/// A value that no release knows yet.
pub(crate) fn newer_value() -> Value {
    json!({"addOns": ["BrandNewAddOn"]})
}

/// Neither of them.
pub(crate) fn understood() -> Value {
    json!({"quota": null, "addOns": null})
}

/// Whether an object holds one of them.
pub(crate) fn is_newer(object: &Value) -> bool {
    let add_ons = object["spec"]["addOns"].as_array();
    !object["spec"]["quota"].is_null() || add_ons.is_some_and(|all| all.iter().any(|one| one == "BrandNewAddOn"))
}

/// Since when an object has held one of them without a pause. One that is gone owns nothing that could be taken from it.
pub(crate) fn newer_since(cluster: &Cluster, key: &Key) -> Option<Timestamp> {
    cluster.get(key)?;
    let mut since = None;
    for (at, object) in cluster.past(key) {
        since = if is_newer(object) { since.or(Some(at)) } else { None };
    }
    since
}

/// Time in which a pass that began before may still write.
pub(crate) const UNDER_WAY: SignedDuration = SignedDuration::from_mins(6);

const NEWER: &str = "NotUnderstood";

fn acme() -> Key {
    Key::new(PARTNERS, "a", "acme")
}

fn globex() -> Key {
    Key::new(CLIENTS, "a", "globex")
}

fn is(world: &World, key: &Key, kind: &str, reason: &str) -> bool {
    let found = world.object(key).and_then(|object| condition(&object, kind));
    found.is_some_and(|(_, found)| found == reason)
}

fn is_told(world: &World, key: &Key) -> bool {
    is(world, key, "Ready", NEWER) && is(world, key, "Stalled", NEWER)
}

async fn ready(world: &World, who: Who) {
    let key = who.key();
    let is_so = |world: &World| world.object(&key).is_some_and(|object| is_ready(&object));
    world.until(&format!("{who:?} is Ready"), is_so).await;
}

/// Acme with Globex and Initech.
async fn family(world: &World) {
    for who in [Who::Acme, Who::Globex, Who::Initech] {
        world.happen(&Deed::Create(who));
        ready(world, who).await;
    }
}

fn must_be_whole(world: &World) {
    let faults = world.faults();
    assert!(faults.is_empty(), "{faults:#?}\n{}", world.lock().story.join("\n"));
}

fn play(life: usize, world: &World, script: impl AsyncFnOnce()) {
    let done = live(world, &Life::new(life), settings(), script());
    assert!(done.is_some());
    must_be_whole(world);
}

/// shows: faults/84
#[test]
fn an_object_of_a_newer_release_waits_and_no_other_does() {
    let world = world();
    play(1, &world, async || {
        family(&world).await;
        let before = world.tenant(&globex()).unwrap();
        world.edit(&globex(), &newer_value());
        world.edit(&globex(), &json!({"details": {"city": "Bonn"}, "tenantState": "Suspended"}));
        world.until("it is told", |world| is_told(world, &globex())).await;
        world.happen(&Deed::Edit(Who::Initech, json!({"details": {"city": "Ulm"}})));
        ready(&world, Who::Initech).await;
        rest(&world, 1).await;
        assert_eq!(world.tenant(&globex()).unwrap(), before, "its tenant is left alone");
    });
    let warned = world.lock().oracle.events.get(NEWER).copied();
    assert_eq!(warned, Some(1), "it is said once");
    let before = world.tenant(&globex()).unwrap();
    play(2, &world, async || {
        world.happen(&Deed::Edit(Who::Initech, json!({"details": {"city": "Trier"}})));
        ready(&world, Who::Initech).await;
        rest(&world, 1).await;
        assert_eq!(world.tenant(&globex()).unwrap(), before, "nor after a restart");
        world.edit(&globex(), &understood());
        ready(&world, Who::Globex).await;
        rest(&world, 1).await;
        assert_eq!(world.tenant(&globex()).unwrap().state, "SUSPENDED");
    });
}

#[test]
fn a_new_object_of_a_newer_release_makes_no_tenant_before_it_is_understood() {
    let world = world();
    play(1, &world, async || {
        let mut spec = scenarios::partner(&json!({}));
        spec["quota"] = newer_field()["quota"].clone();
        world.create(&acme(), &spec);
        world.until("it is told", |world| is_told(world, &acme())).await;
        world.happen(&Deed::Create(Who::Globex));
        world.until("its Client waits", |world| is(world, &globex(), "Ready", "PartnerNotReady")).await;
        rest(&world, 1).await;
        assert_eq!(world.tenants().len(), 0);
        world.edit(&acme(), &understood());
        ready(&world, Who::Acme).await;
        ready(&world, Who::Globex).await;
    });
}

/// shows: faults/84
#[test]
fn the_clients_of_a_partner_of_a_newer_release_wait_for_it() {
    let world = world();
    play(1, &world, async || {
        family(&world).await;
        world.edit(&acme(), &newer_field());
        world.until("Globex waits", |world| is(world, &globex(), "Ready", "PartnerNotReady")).await;
        world.until("Initech waits", |world| is(world, &Who::Initech.key(), "Ready", "PartnerNotReady")).await;
        let before = world.tenant(&globex()).unwrap();
        world.happen(&Deed::Edit(Who::Globex, json!({"details": {"city": "Bonn"}})));
        rest(&world, 1).await;
        assert_eq!(world.tenant(&globex()).unwrap(), before);
        world.edit(&acme(), &understood());
        ready(&world, Who::Acme).await;
        ready(&world, Who::Globex).await;
        assert_eq!(world.tenant(&globex()).unwrap().settings["city"], "Bonn");
    });
}

/// shows: faults/84
#[test]
fn a_confirmed_end_of_an_object_of_a_newer_release_is_held_until_it_is_understood() {
    let world = world();
    play(1, &world, async || {
        family(&world).await;
        world.edit(&globex(), &scenarios::confirm(&world, &globex(), 600));
        world.delete(&globex());
        let suspended = |world: &World| world.tenant(&globex()).is_some_and(|tenant| tenant.state == "SUSPENDED");
        world.until("the grace period runs", suspended).await;
        world.edit(&globex(), &newer_field());
        world.until("it is held", |world| is(world, &globex(), "DeletionBlocked", NEWER)).await;
        tokio::time::sleep(Duration::from_hours(2)).await;
        assert_eq!(world.tenant(&globex()).unwrap().state, "SUSPENDED", "not ended although the time has come");
        world.edit(&globex(), &understood());
        world.until("it is ended", |world| world.object(&globex()).is_none()).await;
    });
    let ended = world.lock().oracle.ended.len();
    assert_eq!(ended, 1);
}

/// shows: faults/84
#[test]
fn a_client_of_a_newer_release_counts_against_the_end_of_its_partner() {
    let world = world();
    play(1, &world, async || {
        world.happen(&Deed::Create(Who::Acme));
        ready(&world, Who::Acme).await;
        let mut spec = json!({"partnerRef": {"name": "acme"}, "details": {"name": "Globex"}});
        spec["quota"] = newer_field()["quota"].clone();
        world.create(&globex(), &spec);
        world.until("it is told", |world| is_told(world, &globex())).await;
        world.edit(&acme(), &scenarios::confirm(&world, &acme(), 0));
        world.delete(&acme());
        world.until("the end is held", |world| is(world, &acme(), "DeletionBlocked", "ClientsRemain")).await;
        tokio::time::sleep(Duration::from_hours(1)).await;
        assert_eq!(world.tenant(&acme()).unwrap().state, "ACTIVE");
        world.delete(&globex());
        world.until("the Partner is ended", |world| world.object(&acme()).is_none()).await;
    });
}

/// shows: faults/84
#[test]
fn an_object_of_a_newer_release_goes_only_where_that_ends_nothing() {
    let world = world();
    let patches: Arc<Mutex<Vec<String>>> = Arc::default();
    play(1, &world, async || {
        family(&world).await;
        let sent = Arc::clone(&patches);
        world.lock().fates = Box::new(move |_, ask| {
            if ask.side == Side::Cluster && ask.method == Method::PATCH {
                sent.lock().unwrap().push(ask.query.clone());
            }
            Fate::Pass
        });
        let initech = Who::Initech.key();
        for key in [&globex(), &initech] {
            world.edit(key, &newer_field());
            world.edit(key, &json!({"deletion": {"policy": "Suspend"}}));
            world.delete(key);
            world.until("it is held", |world| is(world, key, "DeletionBlocked", NEWER)).await;
        }
        world.edit(&globex(), &json!({"deletion": {"policy": "Retain"}}));
        world.until("Retain lets go", |world| world.object(&globex()).is_none()).await;
        let id = world.tenant(&initech).unwrap().id;
        world.patch(&initech, &json!({"metadata": {"annotations": {ABANDON: id}}}));
        world.until("the annotation lets go", |world| world.object(&initech).is_none()).await;
        rest(&world, 1).await;
    });
    assert!(world.tenants().iter().all(|tenant| tenant.state == "ACTIVE"), "nobody was suspended or ended");
    let patches = patches.lock().unwrap();
    let is_ours = |query: &&String| query.contains("fieldManager=tenantry-operator");
    assert!(patches.len() >= 2 && patches.iter().all(|query| is_ours(&query)), "{patches:?}");
}

/// shows: faults/85
#[test]
fn what_a_newer_release_wrote_into_status_stays_and_does_no_harm() {
    let world = world();
    let novelty = json!({"since": "2031-01-01T00:00:00Z"});
    play(1, &world, async || {
        family(&world).await;
        let mut object = world.object(&globex()).unwrap();
        object["status"]["novelty"] = novelty.clone();
        object["status"]["phase"] = json!("Hibernating");
        object["status"]["applied"]["novelty"] = novelty.clone();
        let body = json!({"metadata": {"name": "globex"}, "status": object["status"]});
        assert!(world.apply_status(&globex(), &body).is_success());
        world.happen(&Deed::Edit(Who::Globex, json!({"details": {"city": "Bonn"}})));
        ready(&world, Who::Globex).await;
        rest(&world, 1).await;
    });
    let status = world.object(&globex()).unwrap()["status"].clone();
    assert_eq!((&status["novelty"], &status["applied"]["novelty"]), (&novelty, &novelty));
    assert_eq!(status["phase"], "Active");
}
