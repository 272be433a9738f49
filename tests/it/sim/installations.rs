//! Two installations of the operator in one cluster, each with its own Lease: an object is managed by one of them.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::http::Method;
use serde_json::{Value, json};
use tenantry_operator::OperatorFlags;

use super::cluster::{CLIENTS, PARTNERS, SimObjectKey};
use super::crash_sweep::scenarios;
use super::exchange::{OperatorLife, RequestFate, SimWorld};
use super::idle::{is_ready, new_default_world};
use super::operator_life::{OPERATOR_NAMESPACE, run_life, run_operator, settings, settings_with};
use super::request::{SimRequest, SimServer};

/// Namespace of the second installation.
const OTHER_NAMESPACE: &str = "other-system";

fn acme() -> SimObjectKey {
    SimObjectKey::new(PARTNERS, "a", "acme")
}

fn globex() -> SimObjectKey {
    SimObjectKey::new(CLIENTS, "a", "globex")
}

fn settings_in(namespace: &str) -> OperatorFlags {
    OperatorFlags { namespace: Some(namespace.to_owned()), ..settings() }
}

fn client_spec() -> Value {
    json!({"partnerRef": {"name": "acme"}, "details": {"name": "Globex", "city": "Kiel"}})
}

/// The writes of each operator life, without leases, records and events.
#[derive(Clone, Default)]
struct InstallationWrites(Arc<Mutex<Vec<(usize, String)>>>, Arc<Mutex<usize>>);

impl InstallationWrites {
    fn recording(world: &SimWorld) -> Self {
        let writes = Self::default();
        let recorded = writes.clone();
        world.lock().fates = Box::new(move |(life, _), ask| {
            let is_event = ask.method == Method::POST && ask.path.ends_with("/events");
            if is_event && String::from_utf8_lossy(&ask.body).contains("ManagedElsewhere") {
                *recorded.1.lock().unwrap() += 1;
            }
            if is_work(ask) {
                recorded.0.lock().unwrap().push((life, ask.log_line()));
            }
            RequestFate::Pass
        });
        writes
    }

    fn writes_of_life(&self, life: usize) -> Vec<String> {
        let all = self.0.lock().unwrap();
        all.iter().filter(|(by, _)| *by == life).map(|(_, line)| line.clone()).collect()
    }

    /// Returns the number of events about another installation.
    fn event_count(&self) -> usize {
        *self.1.lock().unwrap()
    }

    fn clear_writes(&self) {
        self.0.lock().unwrap().clear();
    }
}

fn is_work(request: &SimRequest) -> bool {
    let is_read =
        request.method == Method::GET || request.path.ends_with("/search") || request.path.contains("/oauth/");
    let is_own =
        [OPERATOR_NAMESPACE, OTHER_NAMESPACE].iter().any(|home| request.path.contains(&format!("/namespaces/{home}/")));
    let is_object = request.side == SimServer::Platform || request.path.contains("/tenantry.dev/");
    is_object && !is_read && !is_own
}

fn assign_installation(world: &SimWorld, key: &SimObjectKey, named: Option<&str>) {
    world.patch(key, &json!({"metadata": {"annotations": {"tenantry.dev/operator": named}}}));
}

fn operator_of(world: &SimWorld, key: &SimObjectKey) -> Option<String> {
    world.object(key)?["status"]["operator"].as_str().map(str::to_owned)
}

fn is_object_ready(world: &SimWorld, key: &SimObjectKey) -> bool {
    world.object(key).is_some_and(|object| is_ready(&object))
}

fn assert_no_violations(world: &SimWorld) {
    let state = world.lock();
    assert!(state.oracle.violations.is_empty(), "{:#?}\n{}", state.oracle.violations, state.log.join("\n"));
}

/// Creates a Partner and a Client by the first installation.
async fn create_by_first_installation(world: &SimWorld) {
    world.create(&acme(), &scenarios::partner_spec(&json!({})));
    world.create(&globex(), &client_spec());
    for key in [acme(), globex()] {
        world.wait_until("it is Ready", |world| is_object_ready(world, &key)).await;
        assert_eq!(operator_of(world, &key).as_deref(), Some("tenantry-system/tenantry-operator"));
    }
}

/// Starts another installation beside the one of the script.
fn spawn_second_installation(
    world: &SimWorld,
    life: &OperatorLife,
    settings: OperatorFlags,
) -> tokio::task::JoinHandle<()> {
    let (world, life) = (world.clone(), life.clone());
    tokio::spawn(async move {
        let ended = run_operator(&world, &life, settings).await;
        world
            .lock()
            .add_log_line(tenantry_runtime::clock::now(), format!(" ! the second installation ended: {ended:?}"));
    })
}

#[test]
fn a_second_installation_writes_nothing_to_what_the_first_manages() {
    let world = new_default_world();
    world.create_namespace(OTHER_NAMESPACE);
    let second = OperatorLife::new(2);
    let done = run_life(&world, &OperatorLife::new(1), settings(), async {
        create_by_first_installation(&world).await;
        let writes = InstallationWrites::recording(&world);
        let beside = spawn_second_installation(&world, &second, settings_in(OTHER_NAMESPACE));
        world.edit(&globex(), &json!({"details": {"city": "Bonn"}}));
        world.change_in_console(&world.tenant(&acme()).unwrap(), &json!({"city": "Ulm"}));
        tokio::time::sleep(Duration::from_hours(2)).await;
        assert_eq!(world.tenant(&globex()).unwrap().settings["city"], "Bonn");
        assert!(!writes.writes_of_life(1).is_empty());
        assert_eq!(writes.writes_of_life(2), Vec::<String>::new());
        assert!(writes.event_count() >= 2, "an event about each object while they last");
        beside.abort();
    });
    assert!(done.is_some());
    assert_no_violations(&world);
}

#[test]
fn two_installations_that_begin_together_share_the_objects_without_a_second_tenant_or_a_fight() {
    let world = new_default_world();
    world.create_namespace(OTHER_NAMESPACE);
    let second = OperatorLife::new(2);
    let done = run_life(&world, &OperatorLife::new(1), settings(), async {
        let beside = spawn_second_installation(&world, &second, settings_in(OTHER_NAMESPACE));
        tokio::time::sleep(Duration::from_mins(1)).await;
        world.create(&acme(), &scenarios::partner_spec(&json!({})));
        world.create(&globex(), &client_spec());
        for key in [acme(), globex()] {
            world.wait_until("it is Ready", |world| is_object_ready(world, &key)).await;
        }
        assert_eq!(world.tenants().len(), 2);
        tokio::time::sleep(Duration::from_mins(30)).await;
        let writes = InstallationWrites::recording(&world);
        tokio::time::sleep(Duration::from_hours(2)).await;
        assert_eq!(
            (writes.writes_of_life(1), writes.writes_of_life(2)),
            (Vec::new(), Vec::new()),
            "nothing differs, and somebody writes"
        );
        beside.abort();
    });
    assert!(done.is_some());
    assert_no_violations(&world);
}

#[test]
fn an_object_is_moved_by_annotation_also_from_an_installation_that_is_gone() {
    let world = new_default_world();
    world.create_namespace(OTHER_NAMESPACE);
    let made = run_life(&world, &OperatorLife::new(1), settings(), create_by_first_installation(&world));
    assert!(made.is_some());
    let done = run_life(&world, &OperatorLife::new(2), settings_in(OTHER_NAMESPACE), async {
        let writes = InstallationWrites::recording(&world);
        world.edit(&globex(), &json!({"details": {"city": "Bonn"}}));
        tokio::time::sleep(Duration::from_hours(1)).await;
        assert_eq!(writes.writes_of_life(2), Vec::<String>::new(), "the first is gone, and nobody said that it is");
        for key in [acme(), globex()] {
            assign_installation(&world, &key, Some("other-system/tenantry-operator"));
        }
        world
            .wait_until("the edit is applied", |world| world.tenant(&globex()).unwrap().settings["city"] == "Bonn")
            .await;
        // The record stays when a tool that replaces objects removes the annotation.
        assign_installation(&world, &globex(), None);
        world.edit(&globex(), &json!({"details": {"city": "Ulm"}}));
        world
            .wait_until("the edit is applied", |world| world.tenant(&globex()).unwrap().settings["city"] == "Ulm")
            .await;
        assert_eq!(operator_of(&world, &globex()).as_deref(), Some("other-system/tenantry-operator"));
        assert_eq!(world.tenants().len(), 2);
    });
    assert!(done.is_some());
    let back = run_life(&world, &OperatorLife::new(3), settings(), async {
        let writes = InstallationWrites::recording(&world);
        world.edit(&globex(), &json!({"details": {"city": "Kiel"}}));
        tokio::time::sleep(Duration::from_hours(1)).await;
        assert_eq!(writes.writes_of_life(3), Vec::<String>::new(), "the first came back and took what was moved");
    });
    assert!(back.is_some());
    assert_no_violations(&world);
}

#[test]
fn a_move_while_both_live_passes_the_object_on_and_an_end_goes_with_it() {
    let world = new_default_world();
    world.create_namespace(OTHER_NAMESPACE);
    let second = OperatorLife::new(2);
    let done = run_life(&world, &OperatorLife::new(1), settings(), async {
        create_by_first_installation(&world).await;
        let beside = spawn_second_installation(&world, &second, settings_in(OTHER_NAMESPACE));
        tokio::time::sleep(Duration::from_mins(1)).await;
        let writes = InstallationWrites::recording(&world);
        assign_installation(&world, &globex(), Some("other-system/tenantry-operator"));
        world
            .wait_until("it is recorded", |world| {
                operator_of(world, &globex()).is_some_and(|one| one.starts_with(OTHER_NAMESPACE))
            })
            .await;
        writes.clear_writes();
        world.edit(&globex(), &json!({"details": {"city": "Ulm"}, "deletion": {"policy": "Suspend"}}));
        world
            .wait_until("the edit is applied", |world| world.tenant(&globex()).unwrap().settings["city"] == "Ulm")
            .await;
        world.delete(&globex());
        world.wait_until("it goes", |world| world.object(&globex()).is_none()).await;
        let of_client =
            writes.writes_of_life(1).into_iter().filter(|line| line.contains("globex") || line.contains("/client_"));
        assert_eq!(of_client.collect::<Vec<_>>(), Vec::<String>::new());
        assert!(
            writes.writes_of_life(2).iter().any(|line| line.ends_with("/suspend")),
            "{:?}",
            writes.writes_of_life(2)
        );
        beside.abort();
    });
    assert!(done.is_some());
    assert_no_violations(&world);
}

#[test]
fn objects_without_a_record_are_taken_by_the_first_that_writes() {
    let world = new_default_world();
    let made = run_life(&world, &OperatorLife::new(1), settings(), async {
        create_by_first_installation(&world).await;
        // The Partner's counts of clients change with a drift check.
        tokio::time::sleep(Duration::from_mins(30)).await;
    });
    assert!(made.is_some());
    // As a release without installations left it.
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
    let writes = InstallationWrites::recording(&world);
    let upgraded = run_life(&world, &OperatorLife::new(2), settings(), async {
        world.wait_until("it is recorded", |world| operator_of(world, &globex()).is_some()).await;
        tokio::time::sleep(Duration::from_hours(1)).await;
    });
    assert!(upgraded.is_some());
    assert_eq!(
        writes.writes_of_life(2).len(),
        1,
        "an upgrade writes the record and nothing else: {:?}",
        writes.writes_of_life(2)
    );
    assert_no_violations(&world);
}

#[test]
fn installations_with_namespaces_of_their_own_share_nothing_and_need_no_move() {
    let world = new_default_world();
    world.create_namespace(OTHER_NAMESPACE);
    let one = settings_with(&["--namespaces", "a"]);
    let two = OperatorFlags { namespace: Some(OTHER_NAMESPACE.to_owned()), ..settings_with(&["--namespaces", "b"]) };
    let second = OperatorLife::new(2);
    let beta = SimObjectKey::new(PARTNERS, "b", "beta");
    let done = run_life(&world, &OperatorLife::new(1), one, async {
        let beside = spawn_second_installation(&world, &second, two);
        world.create(&acme(), &scenarios::partner_spec(&json!({})));
        world.create(&beta, &scenarios::partner_spec(&json!({"details": {"name": "Beta"}})));
        for key in [acme(), beta.clone()] {
            world.wait_until("it is Ready", |world| is_object_ready(world, &key)).await;
        }
        let operators = [acme(), beta.clone()].map(|key| operator_of(&world, &key).unwrap());
        assert_eq!(operators, ["tenantry-system/tenantry-operator", "other-system/tenantry-operator"]);
        beside.abort();
    });
    assert!(done.is_some());
    assert_no_violations(&world);
}
