//! Changes while a `terminate` call waits for the rate limit, and clocks that differ.

mod partner_limit;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use axum::body::Bytes;
use axum::http::Method;
use jiff::{SignedDuration, Timestamp};
use serde_json::json;

use super::cluster::{CLIENTS, PARTNERS, SimObjectKey};
use super::crash_sweep::scenarios;
use super::exchange::{ClockOffsets, OperatorLife, RequestFate, SimWorld};
use super::idle::{condition, is_ready, new_default_world, wait_until_idle};
use super::operator_life::{run_life, settings};
use super::request::{SimReply, SimRequest, SimServer};

fn acme() -> SimObjectKey {
    SimObjectKey::new(PARTNERS, "a", "acme")
}

fn umbrella() -> SimObjectKey {
    SimObjectKey::new(PARTNERS, "a", "umbrella")
}

fn globex() -> SimObjectKey {
    SimObjectKey::new(CLIENTS, "a", "globex")
}

fn initech() -> SimObjectKey {
    SimObjectKey::new(CLIENTS, "a", "initech")
}

/// Creates a Partner and Clients that are Ready.
async fn create_ready_objects(world: &SimWorld) {
    world.create(&acme(), &scenarios::partner_spec(&json!({})));
    let spec = json!({"details": {"name": "Umbrella"}});
    world.create(&umbrella(), &scenarios::partner_spec(&spec));
    for (key, name) in [(globex(), "Globex"), (initech(), "Initech")] {
        let spec = json!({"partnerRef": {"name": "acme"}, "details": {"name": name, "address": "Hauptstr. 1"}});
        world.create(&key, &spec);
    }
    let all = [acme(), umbrella(), globex(), initech()];
    let are_ready = |world: &SimWorld| all.iter().all(|key| world.object(key).is_some_and(|object| is_ready(&object)));
    world.wait_until("all are Ready", are_ready).await;
}

/// Waits, with a check each second.
async fn wait_until(world: &SimWorld, what: &str, is_so: impl Fn(&SimWorld) -> bool) {
    for _ in 0..600 {
        if is_so(world) {
            return;
        }
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
    panic!("in vain waited for {what}:\n{}", world.lock().log.join("\n"));
}

/// Counts the operator's calls that terminate or suspend a tenant.
fn count_calls(world: &SimWorld, action: &str) -> usize {
    let sent = |line: &&String| line.contains("   life 1 Platform POST") && line.contains(&format!("/{action} "));
    world.lock().log.iter().filter(sent).count()
}

/// Counts the writes of the status of `globex`.
fn status_writes(world: &SimWorld) -> usize {
    let story = &world.lock().log;
    story.iter().filter(|line| line.contains(" Cluster PATCH ") && line.contains("/clients/globex/status")).count()
}

fn termination_step(world: &SimWorld, key: &SimObjectKey) -> String {
    let object = world.object(key).unwrap_or_default();
    object["status"]["termination"]["step"].as_str().unwrap_or_default().to_owned()
}

fn deletion_blocked_reason(world: &SimWorld, key: &SimObjectKey) -> String {
    let found = world.object(key).and_then(|object| condition(&object, "DeletionBlocked"));
    found.filter(|(status, _)| status == "True").map(|(_, reason)| reason).unwrap_or_default()
}

fn tenant_state(world: &SimWorld, name: &str) -> String {
    world.tenants().into_iter().find(|tenant| tenant.name == name).unwrap().state
}

/// Exhausts the shared rate limit for 50 seconds, from the next edit of the neighbour on.
fn exhaust_rate_limit(world: &SimWorld, neighbour: &'static str) {
    let is_used_up = AtomicBool::new(false);
    world.lock().fates = Box::new(move |_, ask| {
        let is_edit = ask.side == SimServer::Platform && ask.method == Method::POST && ask.json()["city"] == neighbour;
        if !is_edit || is_used_up.swap(true, Ordering::SeqCst) {
            return RequestFate::Pass;
        }
        let headers = vec![("retry-after".to_owned(), "50".to_owned())];
        RequestFate::Replaced(Box::new((SimReply { status: 429, headers, body: Bytes::new() }, false)))
    });
}

/// Terminates a tenant whose call waits for half a minute, and makes a change ten seconds into the wait.
async fn change_while_call_waits(
    world: &SimWorld,
    key: &SimObjectKey,
    neighbour: &SimObjectKey,
    change: impl Fn(&SimWorld),
) {
    world.edit(key, &scenarios::confirmed_deletion(world, key, 90));
    world.delete(key);
    let purge_after = |world: &SimWorld| -> Option<Timestamp> {
        world.object(key)?["status"]["termination"]["purgeAfter"].as_str()?.parse().ok()
    };
    wait_until(world, "the period runs", |world| purge_after(world).is_some()).await;
    let left = purge_after(world).unwrap().duration_since(tenantry_runtime::clock::now());
    tokio::time::sleep(Duration::try_from(left).unwrap().saturating_sub(Duration::from_secs(5))).await;
    exhaust_rate_limit(world, "Ulm");
    world.edit(neighbour, &json!({"details": {"city": "Ulm"}}));
    wait_until(world, "the call is about to be sent", |world| termination_step(world, key) == "Terminating").await;
    tokio::time::sleep(Duration::from_secs(10)).await;
    assert_eq!(count_calls(world, "terminate"), 0, "the call waits");
    world.lock().add_log_line(tenantry_runtime::clock::now(), " * it happens");
    change(world);
}

/// Runs it for a Client and returns the world, in which the oracle must find no violation.
fn run_client_while_call_waits(change: impl Fn(&SimWorld), is_over: impl Fn(&SimWorld) -> bool) -> SimWorld {
    let world = new_default_world();
    let done = run_life(&world, &OperatorLife::new(1), settings(), async {
        create_ready_objects(&world).await;
        change_while_call_waits(&world, &globex(), &initech(), change).await;
        wait_until(&world, "it comes to its end", is_over).await;
        tokio::time::sleep(Duration::from_mins(10)).await;
    });
    let story = world.lock().log.join("\n");
    assert!(done.is_some(), "{story}");
    assert_eq!(count_calls(&world, "terminate"), 0, "{story}");
    let violations = world.lock().oracle.violations.clone();
    assert!(violations.is_empty(), "{violations:#?}\n{story}");
    world
}

fn is_gone(world: &SimWorld) -> bool {
    world.object(&globex()).is_none()
}

/// shows: faults/44
#[test]
fn a_consent_that_is_withdrawn_while_the_call_waits_for_its_turn_ends_nothing_and_came_in_time() {
    let withdrawn = [json!({"deletion": {"confirm": null}}), json!({"deletion": {"policy": "Retain"}})];
    for edit in withdrawn {
        let world = run_client_while_call_waits(|world| drop(world.edit(&globex(), &edit)), is_gone);
        assert_eq!(tenant_state(&world, "Globex"), "ACTIVE");
        assert_eq!(world.lock().oracle.events.get("Cancelled"), Some(&1));
        assert_eq!(world.lock().oracle.events.get("TooLateToCancel"), None);
    }
}

/// shows: faults/44
#[test]
fn a_namespace_that_begins_to_go_while_the_call_waits_ends_nothing() {
    let goes = |world: &SimWorld| {
        world.delete_namespace("a");
        world.run_controllers();
    };
    let world = run_client_while_call_waits(goes, is_gone);
    assert_eq!(tenant_state(&world, "Globex"), "SUSPENDED");
}

/// shows: faults/44
#[test]
fn a_mark_that_moves_while_the_call_waits_ends_nothing() {
    let moves = |world: &SimWorld| {
        let tenant = world.tenant(&globex()).unwrap();
        let mark = json!({"cluster": "other", "kind": "Client", "namespace": "x", "name": "globex", "uid": "u-9"});
        let reply = world.change_in_console(&tenant, &json!({"managedBy": mark}));
        assert!(reply.is_success(), "{reply:?}");
    };
    let world =
        run_client_while_call_waits(moves, |world| deletion_blocked_reason(world, &globex()) == "OwnedElsewhere");
    assert_eq!(tenant_state(&world, "Globex"), "SUSPENDED");
}

/// shows: faults/44
#[test]
fn a_client_that_is_made_while_the_end_of_its_partner_waits_keeps_the_partner() {
    let world = new_default_world();
    let done = run_life(&world, &OperatorLife::new(1), settings(), async {
        create_ready_objects(&world).await;
        let made = |world: &SimWorld| {
            let partner = world.tenant(&umbrella()).unwrap();
            // A suspended partner accepts no clients, so it is activated for a moment.
            let reply = world.create(
                &SimObjectKey::new(CLIENTS, "a", "late"),
                &json!({"partnerRef": {"name": "umbrella"}, "details": {"name": "Late", "address": "Hauptstr. 1"}}),
            );
            assert!(reply.is_success(), "{reply:?}");
            assert_eq!(partner.state, "SUSPENDED");
        };
        change_while_call_waits(&world, &umbrella(), &acme(), made).await;
        wait_until(&world, "it is held", |world| deletion_blocked_reason(world, &umbrella()) == "ClientsRemain").await;
        tokio::time::sleep(Duration::from_mins(10)).await;
    });
    assert!(done.is_some());
    assert_eq!((count_calls(&world, "terminate"), tenant_state(&world, "Umbrella").as_str()), (0, "SUSPENDED"));
    assert_eq!(world.lock().oracle.violations, Vec::<String>::new());
}

#[test]
fn without_any_change_the_call_is_sent_once_when_its_turn_comes() {
    let world = new_default_world();
    let done = run_life(&world, &OperatorLife::new(1), settings(), async {
        create_ready_objects(&world).await;
        change_while_call_waits(&world, &globex(), &initech(), |_| {}).await;
        wait_until(&world, "it is ended", is_gone).await;
        wait_until_idle(&world, 1).await;
    });
    assert!(done.is_some());
    assert_eq!((count_calls(&world, "terminate"), tenant_state(&world, "Globex").as_str()), (1, "TERMINATED"));
    assert_eq!(world.idle_faults(), Vec::<String>::new());
}

/// shows: faults/45
#[test]
fn a_last_look_whose_answer_comes_late_is_not_believed() {
    let world = new_default_world();
    let late = Arc::new(AtomicUsize::new(0));
    let done = run_life(&world, &OperatorLife::new(1), settings(), async {
        create_ready_objects(&world).await;
        let (mut is_recorded, count) = (false, Arc::clone(&late));
        world.lock().fates = Box::new(move |_, ask| {
            is_recorded |= ask.path.ends_with("/clients/globex/status") && is_terminate_request(ask);
            let is_look = ask.method == Method::GET && ask.path.ends_with("/a/clients/globex");
            if is_recorded && is_look && count.fetch_add(1, Ordering::SeqCst) == 0 {
                return RequestFate::SlowReply(Duration::from_secs(20));
            }
            RequestFate::Pass
        });
        world.edit(&globex(), &scenarios::confirmed_deletion(&world, &globex(), 30));
        world.delete(&globex());
        wait_until(&world, "the last look is under way", |_| late.load(Ordering::SeqCst) > 0).await;
        tokio::time::sleep(Duration::from_secs(1)).await;
        world.edit(&globex(), &json!({"deletion": {"confirm": null}}));
        wait_until(&world, "it is let go", is_gone).await;
        wait_until_idle(&world, 1).await;
    });
    assert!(done.is_some());
    assert_eq!((count_calls(&world, "terminate"), tenant_state(&world, "Globex").as_str()), (0, "ACTIVE"));
    assert_eq!(world.idle_faults(), Vec::<String>::new());
}

fn is_terminate_request(request: &SimRequest) -> bool {
    request.json()["status"]["termination"]["step"] == "Terminating"
}

/// shows: faults/44
#[test]
fn a_consent_that_is_withdrawn_while_the_suspension_waits_for_its_turn_suspends_nothing() {
    let world = new_default_world();
    let done = run_life(&world, &OperatorLife::new(1), settings(), async {
        create_ready_objects(&world).await;
        exhaust_rate_limit(&world, "Ulm");
        world.edit(&initech(), &json!({"details": {"city": "Ulm"}}));
        tokio::time::sleep(Duration::from_secs(5)).await;
        world.edit(&globex(), &scenarios::confirmed_deletion(&world, &globex(), 90));
        world.delete(&globex());
        wait_until(&world, "the consent is accepted", |world| termination_step(world, &globex()) == "Confirmed").await;
        tokio::time::sleep(Duration::from_secs(10)).await;
        world.edit(&globex(), &json!({"deletion": {"policy": "Retain"}}));
        wait_until(&world, "it is let go", is_gone).await;
        wait_until_idle(&world, 1).await;
    });
    assert!(done.is_some());
    assert_eq!((count_calls(&world, "suspend"), tenant_state(&world, "Globex").as_str()), (0, "ACTIVE"));
    assert_eq!(world.idle_faults(), Vec::<String>::new());
}

/// Returns the defaults in the definition for omitted fields of `deletion`.
fn deletion_defaults() -> Vec<(String, String)> {
    let text = std::fs::read_to_string(crate::assets::root().join("crds/clients.yaml")).unwrap();
    let whole: serde_json::Value = serde_yaml::from_str(&text).unwrap();
    let deletion =
        &whole["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["spec"]["properties"]["deletion"];
    let fields = deletion["properties"].as_object().unwrap();
    let default = |text: &str| Some(text.split_once("default: ")?.1.split([',', '.', ';']).next()?.to_owned());
    let of = |(field, schema): (&String, &serde_json::Value)| {
        Some((field.clone(), default(schema["description"].as_str().unwrap_or_default())?))
    };
    fields.iter().filter_map(of).collect()
}

#[test]
fn each_default_of_a_deletion_that_the_definition_states_holds_for_an_object_that_leaves_it_out() {
    let stated = [("gracePeriodSeconds", "86400"), ("policy", "`Retain`")];
    assert_eq!(
        deletion_defaults(),
        stated.map(|(field, value)| (field.to_owned(), value.to_owned())),
        "each is tried below"
    );
    let world = new_default_world();
    let done = run_life(&world, &OperatorLife::new(1), settings(), async {
        create_ready_objects(&world).await;
        world.delete(&initech());
        wait_until(&world, "it is let go", |world| world.object(&initech()).is_none()).await;
        assert_eq!(tenant_state(&world, "Initech"), "ACTIVE", "`Retain`");
        let mut confirm = scenarios::confirmed_deletion(&world, &globex(), 0);
        confirm["deletion"].as_object_mut().unwrap().remove("gracePeriodSeconds");
        world.edit(&globex(), &confirm);
        world.delete(&globex());
        wait_until(&world, "it is suspended", |world| tenant_state(world, "Globex") == "SUSPENDED").await;
        tokio::time::sleep(Duration::from_secs(86_390)).await;
        assert_eq!((count_calls(&world, "terminate"), tenant_state(&world, "Globex").as_str()), (0, "SUSPENDED"));
        wait_until(&world, "it is ended", is_gone).await;
    });
    assert!(done.is_some());
    assert_eq!(tenant_state(&world, "Globex"), "TERMINATED");
    assert_eq!(world.idle_faults(), Vec::<String>::new());
}

/// Moves the next leader's clock ahead of all others.
fn advance_operator_clock(world: &SimWorld, by: SignedDuration) {
    let mut state = world.lock();
    state.now += by;
    state.clock_offsets = ClockOffsets { cluster: -by, platform: -by };
}

/// shows: faults/46
#[test]
fn a_leader_whose_clock_is_a_day_ahead_ends_nothing_and_says_so_until_the_clock_is_right() {
    let world = new_default_world();
    let day = SignedDuration::from_hours(25);
    let first = run_life(&world, &OperatorLife::new(1), settings(), async {
        create_ready_objects(&world).await;
        let mut confirm = scenarios::confirmed_deletion(&world, &globex(), 0);
        confirm["deletion"].as_object_mut().unwrap().remove("gracePeriodSeconds");
        world.edit(&globex(), &confirm);
        world.delete(&globex());
        wait_until(&world, "the period runs", |world| termination_step(world, &globex()) == "Suspended").await;
    });
    assert!(first.is_some());
    let purge_after: Timestamp =
        world.object(&globex()).unwrap()["status"]["termination"]["purgeAfter"].as_str().unwrap().parse().unwrap();
    let left = purge_after.duration_since(world.lock().now).as_secs();
    assert!((86_300..=86_401).contains(&left), "a day is the default: {left} s");
    advance_operator_clock(&world, day);
    let second = run_life(&world, &OperatorLife::new(2), settings(), async {
        world.wait_until("it is held", |world| deletion_blocked_reason(world, &globex()) == "ClockDisagrees").await;
        let before = status_writes(&world);
        tokio::time::sleep(Duration::from_mins(30)).await;
        assert_eq!(status_writes(&world), before, "nothing but the time has changed");
        assert_eq!(
            (deletion_blocked_reason(&world, &globex()).as_str(), tenant_state(&world, "Globex").as_str()),
            ("ClockDisagrees", "SUSPENDED")
        );
        // Somebody sets the clock back by a day.
        tenantry_runtime::clock::follow_tokio_clock(tenantry_runtime::clock::now() - day);
        world.lock().clock_offsets = ClockOffsets::default();
        world.wait_until("the period goes on", |world| deletion_blocked_reason(world, &globex()).is_empty()).await;
        assert_eq!(tenant_state(&world, "Globex"), "SUSPENDED");
        tokio::time::sleep(Duration::from_hours(24)).await;
        world.wait_until("it is ended", is_gone).await;
    });
    assert!(second.is_some());
    assert_eq!(tenant_state(&world, "Globex"), "TERMINATED");
    assert!(is_terminated_once_after(&world, purge_after));
}

/// Returns whether exactly one `terminate` call was sent, and after this time.
fn is_terminated_once_after(world: &SimWorld, time: Timestamp) -> bool {
    let story = world.lock().log.clone();
    let sent: Vec<&String> = story.iter().filter(|line| line.contains("/terminate ")).collect();
    let day = time.strftime("%d %H:%M:%S%.3f").to_string();
    sent.len() == 1 && sent[0].as_str() >= day.as_str()
}

/// shows: faults/46
#[test]
fn a_platform_whose_clock_is_wrong_holds_an_end_too() {
    let world = new_default_world();
    let done = run_life(&world, &OperatorLife::new(1), settings(), async {
        create_ready_objects(&world).await;
        world.lock().clock_offsets.platform = SignedDuration::from_mins(10);
        world.edit(&globex(), &scenarios::confirmed_deletion(&world, &globex(), 30));
        world.delete(&globex());
        world.wait_until("it is held", |world| deletion_blocked_reason(world, &globex()) == "ClockDisagrees").await;
        tokio::time::sleep(Duration::from_mins(10)).await;
        assert_eq!((count_calls(&world, "suspend"), count_calls(&world, "terminate")), (0, 0), "nothing is begun");
        world.lock().clock_offsets.platform = SignedDuration::from_secs(30);
        world.wait_until("it is ended", is_gone).await;
        wait_until_idle(&world, 1).await;
    });
    assert!(done.is_some());
    assert_eq!(world.idle_faults(), Vec::<String>::new());
}
