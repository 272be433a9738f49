//! Two installations of the operator in one cluster, each with a Lease of its own: an object is managed by one of them.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::http::Method;
use serde_json::{Value, json};
use tenantry::operator::Settings;

use super::ask::{Ask, Side};
use super::cluster::{CLIENTS, Key, PARTNERS};
use super::life::{HOME, live, operate, settings, settings_with};
use super::seam::{Fate, Life, World};
use super::settle::{is_ready, world};
use super::sweep::scenarios;

/// Namespace of the second installation.
const OTHER: &str = "other-system";

fn acme() -> Key {
    Key::new(PARTNERS, "a", "acme")
}

fn globex() -> Key {
    Key::new(CLIENTS, "a", "globex")
}

fn at(namespace: &str) -> Settings {
    Settings { namespace: Some(namespace.to_owned()), ..settings() }
}

fn client() -> Value {
    json!({"partnerRef": {"name": "acme"}, "details": {"name": "Globex", "city": "Kiel"}})
}

/// What each life of an operator wrote, but for leases, records and events.
#[derive(Clone, Default)]
struct Writes(Arc<Mutex<Vec<(usize, String)>>>, Arc<Mutex<usize>>);

impl Writes {
    fn noted(world: &World) -> Self {
        let writes = Self::default();
        let noted = writes.clone();
        world.lock().fates = Box::new(move |(life, _), ask| {
            let is_event = ask.method == Method::POST && ask.path.ends_with("/events");
            if is_event && String::from_utf8_lossy(&ask.body).contains("ManagedElsewhere") {
                *noted.1.lock().unwrap() += 1;
            }
            if is_work(ask) {
                noted.0.lock().unwrap().push((life, ask.line()));
            }
            Fate::Pass
        });
        writes
    }

    fn of(&self, life: usize) -> Vec<String> {
        let all = self.0.lock().unwrap();
        all.iter().filter(|(by, _)| *by == life).map(|(_, line)| line.clone()).collect()
    }

    /// Events that say so, of whichever installation.
    fn told(&self) -> usize {
        *self.1.lock().unwrap()
    }

    fn forget(&self) {
        self.0.lock().unwrap().clear();
    }
}

fn is_work(ask: &Ask) -> bool {
    let is_read = ask.method == Method::GET || ask.path.ends_with("/search") || ask.path.contains("/oauth/");
    let is_own = [HOME, OTHER].iter().any(|home| ask.path.contains(&format!("/namespaces/{home}/")));
    let is_object = ask.side == Side::Platform || ask.path.contains("/tenantry.dev/");
    is_object && !is_read && !is_own
}

fn annotate(world: &World, key: &Key, named: Option<&str>) {
    world.patch(key, &json!({"metadata": {"annotations": {"tenantry.dev/operator": named}}}));
}

fn operator_of(world: &World, key: &Key) -> Option<String> {
    world.object(key)?["status"]["operator"].as_str().map(str::to_owned)
}

fn is_up(world: &World, key: &Key) -> bool {
    world.object(key).is_some_and(|object| is_ready(&object))
}

fn must_be_whole(world: &World) {
    let state = world.lock();
    assert!(state.oracle.violations.is_empty(), "{:#?}\n{}", state.oracle.violations, state.story.join("\n"));
}

/// A Partner and a Client that the first installation made.
async fn made_by_the_first(world: &World) {
    world.create(&acme(), &scenarios::partner(&json!({})));
    world.create(&globex(), &client());
    for key in [acme(), globex()] {
        world.until("it is Ready", |world| is_up(world, &key)).await;
        assert_eq!(operator_of(world, &key).as_deref(), Some("tenantry-system/tenantry-operator"));
    }
}

/// Another installation beside the one of the script.
fn beside(world: &World, life: &Life, settings: Settings) -> tokio::task::JoinHandle<()> {
    let (world, life) = (world.clone(), life.clone());
    tokio::spawn(async move {
        let ended = operate(&world, &life, settings).await;
        world.lock().tell(tenantry::clock::now(), format!(" ! the second installation ended: {ended:?}"));
    })
}

#[test]
fn a_second_installation_writes_nothing_to_what_the_first_manages() {
    let world = world();
    world.namespace(OTHER);
    let second = Life::new(2);
    let done = live(&world, &Life::new(1), settings(), async {
        made_by_the_first(&world).await;
        let writes = Writes::noted(&world);
        let beside = beside(&world, &second, at(OTHER));
        world.edit(&globex(), &json!({"details": {"city": "Bonn"}}));
        world.drift(&world.tenant(&acme()).unwrap(), &json!({"city": "Ulm"}));
        tokio::time::sleep(Duration::from_hours(2)).await;
        assert_eq!(world.tenant(&globex()).unwrap().settings["city"], "Bonn");
        assert!(!writes.of(1).is_empty());
        assert_eq!(writes.of(2), Vec::<String>::new());
        assert!(writes.told() >= 2, "an event about each object while they last");
        beside.abort();
    });
    assert!(done.is_some());
    must_be_whole(&world);
}

#[test]
fn two_installations_that_begin_together_share_the_objects_without_a_second_tenant_or_a_fight() {
    let world = world();
    world.namespace(OTHER);
    let second = Life::new(2);
    let done = live(&world, &Life::new(1), settings(), async {
        let beside = beside(&world, &second, at(OTHER));
        tokio::time::sleep(Duration::from_mins(1)).await;
        world.create(&acme(), &scenarios::partner(&json!({})));
        world.create(&globex(), &client());
        for key in [acme(), globex()] {
            world.until("it is Ready", |world| is_up(world, &key)).await;
        }
        assert_eq!(world.tenants().len(), 2);
        tokio::time::sleep(Duration::from_mins(30)).await;
        let writes = Writes::noted(&world);
        tokio::time::sleep(Duration::from_hours(2)).await;
        assert_eq!((writes.of(1), writes.of(2)), (Vec::new(), Vec::new()), "nothing differs, and somebody writes");
        beside.abort();
    });
    assert!(done.is_some());
    must_be_whole(&world);
}

#[test]
fn an_object_is_moved_by_annotation_also_from_an_installation_that_is_gone() {
    let world = world();
    world.namespace(OTHER);
    let made = live(&world, &Life::new(1), settings(), made_by_the_first(&world));
    assert!(made.is_some());
    let done = live(&world, &Life::new(2), at(OTHER), async {
        let writes = Writes::noted(&world);
        world.edit(&globex(), &json!({"details": {"city": "Bonn"}}));
        tokio::time::sleep(Duration::from_hours(1)).await;
        assert_eq!(writes.of(2), Vec::<String>::new(), "the first is gone, and nobody said that it is");
        for key in [acme(), globex()] {
            annotate(&world, &key, Some("other-system/tenantry-operator"));
        }
        world.until("the edit is applied", |world| world.tenant(&globex()).unwrap().settings["city"] == "Bonn").await;
        // The record stays when a tool that replaces objects takes the annotation away.
        annotate(&world, &globex(), None);
        world.edit(&globex(), &json!({"details": {"city": "Ulm"}}));
        world.until("the edit is applied", |world| world.tenant(&globex()).unwrap().settings["city"] == "Ulm").await;
        assert_eq!(operator_of(&world, &globex()).as_deref(), Some("other-system/tenantry-operator"));
        assert_eq!(world.tenants().len(), 2);
    });
    assert!(done.is_some());
    let back = live(&world, &Life::new(3), settings(), async {
        let writes = Writes::noted(&world);
        world.edit(&globex(), &json!({"details": {"city": "Kiel"}}));
        tokio::time::sleep(Duration::from_hours(1)).await;
        assert_eq!(writes.of(3), Vec::<String>::new(), "the first came back and took what was moved");
    });
    assert!(back.is_some());
    must_be_whole(&world);
}

#[test]
fn a_move_while_both_live_passes_the_object_on_and_an_end_goes_with_it() {
    let world = world();
    world.namespace(OTHER);
    let second = Life::new(2);
    let done = live(&world, &Life::new(1), settings(), async {
        made_by_the_first(&world).await;
        let beside = beside(&world, &second, at(OTHER));
        tokio::time::sleep(Duration::from_mins(1)).await;
        let writes = Writes::noted(&world);
        annotate(&world, &globex(), Some("other-system/tenantry-operator"));
        world
            .until("it is recorded", |world| operator_of(world, &globex()).is_some_and(|one| one.starts_with(OTHER)))
            .await;
        writes.forget();
        world.edit(&globex(), &json!({"details": {"city": "Ulm"}, "deletion": {"policy": "Suspend"}}));
        world.until("the edit is applied", |world| world.tenant(&globex()).unwrap().settings["city"] == "Ulm").await;
        world.delete(&globex());
        world.until("it goes", |world| world.object(&globex()).is_none()).await;
        let of_client = writes.of(1).into_iter().filter(|line| line.contains("globex") || line.contains("/client_"));
        assert_eq!(of_client.collect::<Vec<_>>(), Vec::<String>::new());
        assert!(writes.of(2).iter().any(|line| line.ends_with("/suspend")), "{:?}", writes.of(2));
        beside.abort();
    });
    assert!(done.is_some());
    must_be_whole(&world);
}

#[test]
fn objects_without_a_record_are_taken_by_the_first_that_writes() {
    let world = world();
    let made = live(&world, &Life::new(1), settings(), async {
        made_by_the_first(&world).await;
        // The Partner's counts of clients move with a look for drift.
        tokio::time::sleep(Duration::from_mins(30)).await;
    });
    assert!(made.is_some());
    // As a release left them that knew no installations.
    let mut object = world.object(&globex()).unwrap();
    let mut intent: Value =
        serde_json::from_str(object["metadata"]["annotations"]["tenantry.dev/intent"].as_str().unwrap()).unwrap();
    intent.as_object_mut().unwrap().remove("operator");
    world.patch(&globex(), &json!({"metadata": {"annotations": {"tenantry.dev/intent": intent.to_string()}}}));
    let mut status = object["status"].take();
    status.as_object_mut().unwrap().remove("operator");
    world.apply_status(
        &globex(),
        &json!({
            "apiVersion": "tenantry.dev/v1alpha1", "kind": "Client",
            "metadata": {"name": "globex", "namespace": "a"}, "status": status,
        }),
    );
    assert_eq!(operator_of(&world, &globex()), None);
    let writes = Writes::noted(&world);
    let upgraded = live(&world, &Life::new(2), settings(), async {
        world.until("it is recorded", |world| operator_of(world, &globex()).is_some()).await;
        tokio::time::sleep(Duration::from_hours(1)).await;
    });
    assert!(upgraded.is_some());
    assert_eq!(writes.of(2).len(), 1, "an upgrade writes the record and nothing else: {:?}", writes.of(2));
    must_be_whole(&world);
}

#[test]
fn installations_with_namespaces_of_their_own_share_nothing_and_need_no_move() {
    let world = world();
    world.namespace(OTHER);
    let one = settings_with(&["--namespaces", "a"]);
    let two = Settings { namespace: Some(OTHER.to_owned()), ..settings_with(&["--namespaces", "b"]) };
    let second = Life::new(2);
    let beta = Key::new(PARTNERS, "b", "beta");
    let done = live(&world, &Life::new(1), one, async {
        let beside = beside(&world, &second, two);
        world.create(&acme(), &scenarios::partner(&json!({})));
        world.create(&beta, &scenarios::partner(&json!({"details": {"name": "Beta"}})));
        for key in [acme(), beta.clone()] {
            world.until("it is Ready", |world| is_up(world, &key)).await;
        }
        let operators = [acme(), beta.clone()].map(|key| operator_of(&world, &key).unwrap());
        assert_eq!(operators, ["tenantry-system/tenantry-operator", "other-system/tenantry-operator"]);
        beside.abort();
    });
    assert!(done.is_some());
    must_be_whole(&world);
}
