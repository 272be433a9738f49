//! What changes while a call that ends a tenant waits for its turn, and clocks that do not agree.

mod open;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use axum::body::Bytes;
use axum::http::Method;
use jiff::{SignedDuration, Timestamp};
use serde_json::json;

use super::ask::{Ask, Reply, Side};
use super::cluster::{CLIENTS, Key, PARTNERS};
use super::life::{live, settings};
use super::seam::{Ahead, Fate, Life, World};
use super::settle::{condition, is_ready, rest, world};
use super::sweep::scenarios;

fn acme() -> Key {
    Key::new(PARTNERS, "a", "acme")
}

fn umbrella() -> Key {
    Key::new(PARTNERS, "a", "umbrella")
}

fn globex() -> Key {
    Key::new(CLIENTS, "a", "globex")
}

fn initech() -> Key {
    Key::new(CLIENTS, "a", "initech")
}

/// Partner and Clients that are Ready.
async fn make(world: &World) {
    world.create(&acme(), &scenarios::partner(&json!({})));
    let spec = json!({"details": {"name": "Umbrella"}});
    world.create(&umbrella(), &scenarios::partner(&spec));
    for (key, name) in [(globex(), "Globex"), (initech(), "Initech")] {
        let spec = json!({"partnerRef": {"name": "acme"}, "details": {"name": name, "address": "Hauptstr. 1"}});
        world.create(&key, &spec);
    }
    let all = [acme(), umbrella(), globex(), initech()];
    let are_ready = |world: &World| all.iter().all(|key| world.object(key).is_some_and(|object| is_ready(&object)));
    world.until("all are Ready", are_ready).await;
}

/// Waits second by second.
async fn until(world: &World, what: &str, is_so: impl Fn(&World) -> bool) {
    for _ in 0..600 {
        if is_so(world) {
            return;
        }
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
    panic!("in vain waited for {what}:\n{}", world.lock().story.join("\n"));
}

/// Calls of an operator that end a tenant or stop one.
fn calls(world: &World, action: &str) -> usize {
    let sent = |line: &&String| line.contains("   life 1 Platform POST") && line.contains(&format!("/{action} "));
    world.lock().story.iter().filter(sent).count()
}

/// Writes of the status of `globex`.
fn status_writes(world: &World) -> usize {
    let story = &world.lock().story;
    story.iter().filter(|line| line.contains(" Cluster PATCH ") && line.contains("/clients/globex/status")).count()
}

fn step(world: &World, key: &Key) -> String {
    let object = world.object(key).unwrap_or_default();
    object["status"]["termination"]["step"].as_str().unwrap_or_default().to_owned()
}

fn blocked(world: &World, key: &Key) -> String {
    let found = world.object(key).and_then(|object| condition(&object, "DeletionBlocked"));
    found.filter(|(status, _)| status == "True").map(|(_, reason)| reason).unwrap_or_default()
}

fn state(world: &World, name: &str) -> String {
    world.tenants().into_iter().find(|tenant| tenant.name == name).unwrap().state
}

/// From the next edit of the neighbour on, nothing is sent to the budget that it shares for 50 seconds.
fn use_up(world: &World, neighbour: &'static str) {
    let is_used_up = AtomicBool::new(false);
    world.lock().fates = Box::new(move |_, ask| {
        let is_edit = ask.side == Side::Platform && ask.method == Method::POST && ask.json()["city"] == neighbour;
        if !is_edit || is_used_up.swap(true, Ordering::SeqCst) {
            return Fate::Pass;
        }
        let headers = vec![("retry-after".to_owned(), "50".to_owned())];
        Fate::Instead(Box::new((Reply { status: 429, headers, body: Bytes::new() }, false)))
    });
}

/// Ends a tenant whose call then waits for half a minute, and lets something happen ten seconds into the wait.
async fn waits(world: &World, (key, neighbour): (&Key, &Key), happens: impl Fn(&World)) {
    world.edit(key, &scenarios::confirm(world, key, 90));
    world.delete(key);
    let purge_after = |world: &World| -> Option<Timestamp> {
        world.object(key)?["status"]["termination"]["purgeAfter"].as_str()?.parse().ok()
    };
    until(world, "the period runs", |world| purge_after(world).is_some()).await;
    let left = purge_after(world).unwrap().duration_since(tenantry::clock::now());
    tokio::time::sleep(Duration::try_from(left).unwrap().saturating_sub(Duration::from_secs(5))).await;
    use_up(world, "Ulm");
    world.edit(neighbour, &json!({"details": {"city": "Ulm"}}));
    until(world, "the call is about to be sent", |world| step(world, key) == "Terminating").await;
    tokio::time::sleep(Duration::from_secs(10)).await;
    assert_eq!(calls(world, "terminate"), 0, "the call waits");
    world.lock().tell(tenantry::clock::now(), " * it happens");
    happens(world);
}

/// Plays it for a Client and returns the world, which must be whole.
fn client_waits(happens: impl Fn(&World), ends: impl Fn(&World) -> bool) -> World {
    let world = world();
    let done = live(&world, &Life::new(1), settings(), async {
        make(&world).await;
        waits(&world, (&globex(), &initech()), happens).await;
        until(&world, "it comes to its end", ends).await;
        tokio::time::sleep(Duration::from_mins(10)).await;
    });
    let story = world.lock().story.join("\n");
    assert!(done.is_some(), "{story}");
    assert_eq!(calls(&world, "terminate"), 0, "{story}");
    let violations = world.lock().oracle.violations.clone();
    assert!(violations.is_empty(), "{violations:#?}\n{story}");
    world
}

fn is_gone(world: &World) -> bool {
    world.object(&globex()).is_none()
}

/// shows: faults/44
#[test]
fn a_consent_that_is_withdrawn_while_the_call_waits_for_its_turn_ends_nothing_and_came_in_time() {
    let withdrawn = [json!({"deletion": {"confirm": null}}), json!({"deletion": {"policy": "Retain"}})];
    for edit in withdrawn {
        let world = client_waits(|world| drop(world.edit(&globex(), &edit)), is_gone);
        assert_eq!(state(&world, "Globex"), "ACTIVE");
        assert_eq!(world.lock().oracle.events.get("Cancelled"), Some(&1));
        assert_eq!(world.lock().oracle.events.get("TooLateToCancel"), None);
    }
}

/// shows: faults/44
#[test]
fn a_namespace_that_begins_to_go_while_the_call_waits_ends_nothing() {
    let goes = |world: &World| {
        world.delete_namespace("a");
        world.controllers();
    };
    let world = client_waits(goes, is_gone);
    assert_eq!(state(&world, "Globex"), "SUSPENDED");
}

/// shows: faults/44
#[test]
fn a_mark_that_moves_while_the_call_waits_ends_nothing() {
    let moves = |world: &World| {
        let tenant = world.tenant(&globex()).unwrap();
        let mark = json!({"cluster": "other", "kind": "Client", "namespace": "x", "name": "globex", "uid": "u-9"});
        let reply = world.drift(&tenant, &json!({"managedBy": mark}));
        assert!(reply.is_success(), "{reply:?}");
    };
    let world = client_waits(moves, |world| blocked(world, &globex()) == "OwnedElsewhere");
    assert_eq!(state(&world, "Globex"), "SUSPENDED");
}

/// shows: faults/44
#[test]
fn a_client_that_is_made_while_the_end_of_its_partner_waits_keeps_the_partner() {
    let world = world();
    let done = live(&world, &Life::new(1), settings(), async {
        make(&world).await;
        let made = |world: &World| {
            let partner = world.tenant(&umbrella()).unwrap();
            // A suspended partner takes no clients; somebody puts it back in service for a moment.
            let reply = world.create(
                &Key::new(CLIENTS, "a", "late"),
                &json!({"partnerRef": {"name": "umbrella"}, "details": {"name": "Late", "address": "Hauptstr. 1"}}),
            );
            assert!(reply.is_success(), "{reply:?}");
            assert_eq!(partner.state, "SUSPENDED");
        };
        waits(&world, (&umbrella(), &acme()), made).await;
        until(&world, "it is held", |world| blocked(world, &umbrella()) == "ClientsRemain").await;
        tokio::time::sleep(Duration::from_mins(10)).await;
    });
    assert!(done.is_some());
    assert_eq!((calls(&world, "terminate"), state(&world, "Umbrella").as_str()), (0, "SUSPENDED"));
    assert_eq!(world.lock().oracle.violations, Vec::<String>::new());
}

#[test]
fn without_any_change_the_call_is_sent_once_when_its_turn_comes() {
    let world = world();
    let done = live(&world, &Life::new(1), settings(), async {
        make(&world).await;
        waits(&world, (&globex(), &initech()), |_| {}).await;
        until(&world, "it is ended", is_gone).await;
        rest(&world, 1).await;
    });
    assert!(done.is_some());
    assert_eq!((calls(&world, "terminate"), state(&world, "Globex").as_str()), (1, "TERMINATED"));
    assert_eq!(world.faults(), Vec::<String>::new());
}

/// shows: faults/45
#[test]
fn a_last_look_whose_answer_comes_late_is_not_believed() {
    let world = world();
    let late = Arc::new(AtomicUsize::new(0));
    let done = live(&world, &Life::new(1), settings(), async {
        make(&world).await;
        let (mut is_recorded, count) = (false, Arc::clone(&late));
        world.lock().fates = Box::new(move |_, ask| {
            is_recorded |= ask.path.ends_with("/clients/globex/status") && is_terminating(ask);
            let is_look = ask.method == Method::GET && ask.path.ends_with("/a/clients/globex");
            if is_recorded && is_look && count.fetch_add(1, Ordering::SeqCst) == 0 {
                return Fate::SlowReply(Duration::from_secs(20));
            }
            Fate::Pass
        });
        world.edit(&globex(), &scenarios::confirm(&world, &globex(), 30));
        world.delete(&globex());
        until(&world, "the last look is under way", |_| late.load(Ordering::SeqCst) > 0).await;
        tokio::time::sleep(Duration::from_secs(1)).await;
        world.edit(&globex(), &json!({"deletion": {"confirm": null}}));
        until(&world, "it is let go", is_gone).await;
        rest(&world, 1).await;
    });
    assert!(done.is_some());
    assert_eq!((calls(&world, "terminate"), state(&world, "Globex").as_str()), (0, "ACTIVE"));
    assert_eq!(world.faults(), Vec::<String>::new());
}

fn is_terminating(ask: &Ask) -> bool {
    ask.json()["status"]["termination"]["step"] == "Terminating"
}

/// shows: faults/44
#[test]
fn a_consent_that_is_withdrawn_while_the_suspension_waits_for_its_turn_suspends_nothing() {
    let world = world();
    let done = live(&world, &Life::new(1), settings(), async {
        make(&world).await;
        use_up(&world, "Ulm");
        world.edit(&initech(), &json!({"details": {"city": "Ulm"}}));
        tokio::time::sleep(Duration::from_secs(5)).await;
        world.edit(&globex(), &scenarios::confirm(&world, &globex(), 90));
        world.delete(&globex());
        until(&world, "the consent is accepted", |world| step(world, &globex()) == "Confirmed").await;
        tokio::time::sleep(Duration::from_secs(10)).await;
        world.edit(&globex(), &json!({"deletion": {"policy": "Retain"}}));
        until(&world, "it is let go", is_gone).await;
        rest(&world, 1).await;
    });
    assert!(done.is_some());
    assert_eq!((calls(&world, "suspend"), state(&world, "Globex").as_str()), (0, "ACTIVE"));
    assert_eq!(world.faults(), Vec::<String>::new());
}

/// What the definition says that an object has which leaves a field of `deletion` out.
fn defaults() -> Vec<(String, String)> {
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
    assert_eq!(defaults(), stated.map(|(field, value)| (field.to_owned(), value.to_owned())), "each is tried below");
    let world = world();
    let done = live(&world, &Life::new(1), settings(), async {
        make(&world).await;
        world.delete(&initech());
        until(&world, "it is let go", |world| world.object(&initech()).is_none()).await;
        assert_eq!(state(&world, "Initech"), "ACTIVE", "`Retain`");
        let mut confirm = scenarios::confirm(&world, &globex(), 0);
        confirm["deletion"].as_object_mut().unwrap().remove("gracePeriodSeconds");
        world.edit(&globex(), &confirm);
        world.delete(&globex());
        until(&world, "it is suspended", |world| state(world, "Globex") == "SUSPENDED").await;
        tokio::time::sleep(Duration::from_secs(86_390)).await;
        assert_eq!((calls(&world, "terminate"), state(&world, "Globex").as_str()), (0, "SUSPENDED"));
        until(&world, "it is ended", is_gone).await;
    });
    assert!(done.is_some());
    assert_eq!(state(&world, "Globex"), "TERMINATED");
    assert_eq!(world.faults(), Vec::<String>::new());
}

/// The next leader's clock is ahead of all others.
fn jump(world: &World, by: SignedDuration) {
    let mut state = world.lock();
    state.now += by;
    state.ahead = Ahead { cluster: -by, platform: -by };
}

/// shows: faults/46
#[test]
fn a_leader_whose_clock_is_a_day_ahead_ends_nothing_and_says_so_until_the_clock_is_right() {
    let world = world();
    let day = SignedDuration::from_hours(25);
    let first = live(&world, &Life::new(1), settings(), async {
        make(&world).await;
        let mut confirm = scenarios::confirm(&world, &globex(), 0);
        confirm["deletion"].as_object_mut().unwrap().remove("gracePeriodSeconds");
        world.edit(&globex(), &confirm);
        world.delete(&globex());
        until(&world, "the period runs", |world| step(world, &globex()) == "Suspended").await;
    });
    assert!(first.is_some());
    let purge_after: Timestamp =
        world.object(&globex()).unwrap()["status"]["termination"]["purgeAfter"].as_str().unwrap().parse().unwrap();
    let left = purge_after.duration_since(world.lock().now).as_secs();
    assert!((86_300..=86_401).contains(&left), "a day is the default: {left} s");
    jump(&world, day);
    let second = live(&world, &Life::new(2), settings(), async {
        world.until("it is held", |world| blocked(world, &globex()) == "ClockDisagrees").await;
        let before = status_writes(&world);
        tokio::time::sleep(Duration::from_mins(30)).await;
        assert_eq!(status_writes(&world), before, "nothing but the time has changed");
        assert_eq!(
            (blocked(&world, &globex()).as_str(), state(&world, "Globex").as_str()),
            ("ClockDisagrees", "SUSPENDED")
        );
        // Somebody sets the clock.
        tenantry::clock::follow(tenantry::clock::now() - day);
        world.lock().ahead = Ahead::default();
        world.until("the period goes on", |world| blocked(world, &globex()).is_empty()).await;
        assert_eq!(state(&world, "Globex"), "SUSPENDED");
        tokio::time::sleep(Duration::from_hours(24)).await;
        world.until("it is ended", is_gone).await;
    });
    assert!(second.is_some());
    assert_eq!(state(&world, "Globex"), "TERMINATED");
    assert!(tenantry_ended_after(&world, purge_after));
}

/// Whether the one call that ended a tenant was sent after a time.
fn tenantry_ended_after(world: &World, time: Timestamp) -> bool {
    let story = world.lock().story.clone();
    let sent: Vec<&String> = story.iter().filter(|line| line.contains("/terminate ")).collect();
    let day = time.strftime("%d %H:%M:%S%.3f").to_string();
    sent.len() == 1 && sent[0].as_str() >= day.as_str()
}

/// shows: faults/46
#[test]
fn a_platform_whose_clock_is_wrong_holds_an_end_too() {
    let world = world();
    let done = live(&world, &Life::new(1), settings(), async {
        make(&world).await;
        world.lock().ahead.platform = SignedDuration::from_mins(10);
        world.edit(&globex(), &scenarios::confirm(&world, &globex(), 30));
        world.delete(&globex());
        world.until("it is held", |world| blocked(world, &globex()) == "ClockDisagrees").await;
        tokio::time::sleep(Duration::from_mins(10)).await;
        assert_eq!((calls(&world, "suspend"), calls(&world, "terminate")), (0, 0), "nothing is begun");
        world.lock().ahead.platform = SignedDuration::from_secs(30);
        world.until("it is ended", is_gone).await;
        rest(&world, 1).await;
    });
    assert!(done.is_some());
    assert_eq!(world.faults(), Vec::<String>::new());
}
