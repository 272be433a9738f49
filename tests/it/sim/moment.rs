//! A moment before which passwords are too old: noted before it is sent, sent once, and never moved back.

use std::sync::{Arc, Mutex};

use axum::body::Bytes;
use axum::http::Method;
use serde_json::{Value, json};
use tenantry::api::INTENT;

use super::ask::{Ask, Reply, Side};
use super::cluster::{CLIENTS, Key, PARTNERS};
use super::life::{live, settings};
use super::people::with;
use super::seam::{Fate, Life, World};
use super::settle::{condition, documented_world, is_ready, rest, world};
use super::sweep::scenarios;

const FIRST: &str = "2026-01-01T00:00:00Z";
const SECOND: &str = "2026-01-02T00:00:00Z";

/// What was noted and sent, in order; the reply to the first switch is lost.
type Story = Arc<Mutex<Vec<String>>>;

fn watched(world: &World) -> Story {
    let story = Story::default();
    let kept = Arc::clone(&story);
    world.lock().fates = Box::new(move |_, ask: &Ask| {
        if !ask.is_write() {
            return Fate::Pass;
        }
        let body = ask.json();
        let mut story = kept.lock().unwrap();
        if ask.side == Side::Cluster {
            let intent = body["metadata"]["annotations"][INTENT].as_str().unwrap_or("{}");
            let sent = serde_json::from_str::<Value>(intent).unwrap()["passwordsSetBefore"]["sent"].clone();
            let line = format!("noted {sent}");
            if !sent.is_null() && !story.contains(&line) {
                story.push(line);
            }
            return Fate::Pass;
        }
        let moment = &body["changePasswordsSetBefore"];
        if !moment.is_null() {
            story.push(format!("sent {moment}"));
        }
        if body["passwordPolicy"]["changePasswordAtFirstLogin"] != json!(true) {
            return Fate::Pass;
        }
        story.push("sent the switch".to_owned());
        if story.iter().filter(|line| *line == "sent the switch").count() == 1 { Fate::ReplyLost } else { Fate::Pass }
    });
    story
}

fn told(story: &Story) -> Vec<String> {
    story.lock().unwrap().clone()
}

fn security(moment: &str) -> Value {
    json!({"security": {"changePasswordsSetBefore": moment}})
}

/// shows: seeds/password/change-at-next-login
#[test]
fn a_moment_is_noted_before_it_is_sent_and_never_moves_back() {
    let world = world();
    let acme = Key::new(PARTNERS, "a", "acme");
    let story = watched(&world);
    live(&world, &Life::new(1), settings(), async {
        world.create(&acme, &scenarios::partner(&json!({})));
        rest(&world, 1).await;
        // Any spelling of a moment is the same.
        for moment in [FIRST, "2026-01-01T01:00:00+01:00", SECOND, FIRST] {
            world.edit(&acme, &security(moment));
            rest(&world, 1).await;
            assert!(is_ready(&world.object(&acme).unwrap()), "{moment}");
        }
    });
    live(&world, &Life::new(2), settings(), async { rest(&world, 1).await });
    let moments = [FIRST, SECOND].map(|moment| [format!("noted \"{moment}\""), format!("sent \"{moment}\"")]);
    assert_eq!(told(&story), moments.concat());
    let tenant = world.tenant(&acme).unwrap();
    let shown = world.console(Method::GET, &World::path(&tenant), &Value::Null).value();
    assert_eq!(shown["changePasswordsSetBefore"], "2026-01-02T00:00:00+0000");
    assert_eq!(world.faults(), Vec::<String>::new());
}

/// A platform of a release that has no field for the moment.
fn without_the_field() -> World {
    let world = world();
    world.lock().edit = Some(Box::new(|_, reply| {
        let Ok(mut body) = serde_json::from_slice::<Value>(&reply.body) else { return };
        if body.as_object_mut().is_some_and(|body| body.remove("changePasswordsSetBefore").is_some()) {
            reply.body = body.to_string().into();
        }
    }));
    world
}

/// A partner whose own policy leaves the switch off.
fn lenient() -> Value {
    let policy = json!({"custom": {"minLength": 12}, "changePasswordAtNextLogin": false});
    scenarios::partner(&json!({"security": {"passwordPolicy": policy}}))
}

async fn until_ready(world: &World, key: &Key) {
    world.until("it is Ready", |world| world.object(key).is_some_and(|one| is_ready(&one))).await;
}

/// Reason and message of the condition Ready.
fn ready_says(world: &World, key: &Key) -> (String, String) {
    let object = world.object(key).unwrap();
    let conditions = object["status"]["conditions"].as_array().into_iter().flatten();
    let ready = conditions.into_iter().find(|one| one["type"] == "Ready").cloned().unwrap_or_default();
    let text = |name: &str| ready[name].as_str().unwrap_or_default().to_owned();
    (text("reason"), text("message"))
}

#[test]
fn without_the_field_a_partners_switch_is_turned_on_once_for_each_moment() {
    let world = without_the_field();
    let acme = Key::new(PARTNERS, "a", "acme");
    let story = watched(&world);
    live(&world, &Life::new(1), settings(), async {
        world.create(&acme, &lenient());
        until_ready(&world, &acme).await;
        // The reply to it is lost: it may have been carried out, and is not sent again.
        world.edit(&acme, &security(FIRST));
        tokio::time::sleep(std::time::Duration::from_mins(10)).await;
        until_ready(&world, &acme).await;
    });
    let first = [format!("noted \"{FIRST}\""), "sent the switch".to_owned()];
    assert_eq!(told(&story), first);
    live(&world, &Life::new(2), settings(), async {
        tokio::time::sleep(std::time::Duration::from_hours(30)).await;
        assert_eq!(told(&story), first, "no correction of drift and no other process repeats it");
        for moment in [SECOND, FIRST] {
            world.edit(&acme, &security(moment));
            tokio::time::sleep(std::time::Duration::from_mins(10)).await;
            until_ready(&world, &acme).await;
        }
    });
    let second = [format!("noted \"{SECOND}\""), "sent the switch".to_owned()];
    assert_eq!(told(&story), [first, second].concat());
    assert_eq!(world.in_vain(), Vec::<String>::new());
}

#[test]
fn a_moment_for_which_the_platform_has_nothing_is_unsupported_and_not_sent() {
    let globex = json!({
        "connectionSecretRef": {"name": "platform"},
        "details": {"name": "Globex", "address": "Hauptstr. 1", "timezone": "Europe/Berlin", "country": "Germany"},
    });
    let documented = documented_world();
    let parent = documented.lock().platform.credential.tenant_id.clone();
    let globex = with(globex, &json!({"partnerUniqueId": parent}));
    // A client has its partner's policy, and under PCI DSS the switch is always on.
    for (world, key, spec) in [
        (documented, Key::new(CLIENTS, "a", "globex"), globex),
        (without_the_field(), Key::new(PARTNERS, "a", "acme"), scenarios::partner(&json!({}))),
    ] {
        let story = watched(&world);
        live(&world, &Life::new(1), settings(), async {
            if key.resource == CLIENTS {
                world.create(&key, &with(spec, &security(FIRST)));
            } else {
                world.create(&key, &spec);
                until_ready(&world, &key).await;
                world.edit(&key, &security(FIRST));
            }
            world.until("it is said", |world| ready_says(world, &key).0 == "SecuritySettingNotSupported").await;
            world.edit(&key, &json!({"details": {"city": "Bonn"}}));
            let is_applied = |world: &World| world.tenant(&key).is_some_and(|one| one.settings["city"] == "Bonn");
            world.until("the rest is applied", is_applied).await;
            tokio::time::sleep(std::time::Duration::from_mins(10)).await;
        });
        let (reason, message) = ready_says(&world, &key);
        assert_eq!(reason, "SecuritySettingNotSupported");
        assert!(message.contains("turned on in a partner's own policy"), "{message}");
        let status = world.object(&key).unwrap()["status"].clone();
        assert_eq!(status["unsupported"], json!(["security.changePasswordsSetBefore"]));
        assert_eq!(told(&story), Vec::<String>::new());
        assert_eq!(world.in_vain(), Vec::<String>::new());
    }
}

#[test]
fn a_moment_behind_a_step_that_fails_is_still_sent() {
    let world = without_the_field();
    let acme = Key::new(PARTNERS, "a", "acme");
    let switches = Arc::new(Mutex::new(0));
    let counted = Arc::clone(&switches);
    live(&world, &Life::new(1), settings(), async {
        world.create(&acme, &lenient());
        until_ready(&world, &acme).await;
        world.edit(&acme, &json!({"tenantState": "Suspended"}));
        tokio::time::sleep(std::time::Duration::from_mins(5)).await;
        let mut refusals = 2;
        world.lock().fates = Box::new(move |_, ask: &Ask| {
            if ask.side == Side::Platform && ask.path.ends_with("/activate") && refusals > 0 {
                refusals -= 1;
                let body = Bytes::from_static(br#"{"code":"0006","message":"not now"}"#);
                return Fate::Instead(Box::new((Reply { status: 503, headers: Vec::new(), body }, false)));
            }
            let is_switch = ask.side == Side::Platform
                && ask.is_write()
                && ask.json()["passwordPolicy"]["changePasswordAtFirstLogin"] == json!(true);
            *counted.lock().unwrap() += usize::from(is_switch);
            Fate::Pass
        });
        world.edit(&acme, &with(json!({"tenantState": "Active"}), &security(FIRST)));
        tokio::time::sleep(std::time::Duration::from_mins(20)).await;
        until_ready(&world, &acme).await;
    });
    assert_eq!(*switches.lock().unwrap(), 1);
    assert_eq!(world.in_vain(), Vec::<String>::new());
}

#[test]
fn a_moment_that_is_to_come_holds_up_nothing_else_and_is_sent_when_it_has_come() {
    const SOON: &str = "2030-01-01T02:00:00Z";
    let world = world();
    let acme = Key::new(PARTNERS, "a", "acme");
    let story = watched(&world);
    live(&world, &Life::new(1), settings(), async {
        world.create(&acme, &scenarios::partner(&security(SOON)));
        world.until("it is refused", |world| ready_says(world, &acme).0 == "InvalidValue").await;
        let message = ready_says(&world, &acme).1;
        assert!(message.contains("`security.changePasswordsSetBefore` is more than 60 seconds ahead"), "{message}");
        let more = json!({"details": {"city": "Bonn"}, "tenantState": "Suspended"});
        world.edit(&acme, &more);
        world.until("it is suspended", |world| world.tenant(&acme).unwrap().state == "SUSPENDED").await;
        assert_eq!(world.tenant(&acme).unwrap().settings["city"], "Bonn");
        world.until("it is still refused", |world| ready_says(world, &acme).0 == "InvalidValue").await;
        assert_eq!(condition(&world.object(&acme).unwrap(), "Stalled").unwrap().0, "True");
        world.edit(&acme, &json!({"tenantState": "Active"}));
        world.until("it is active", |world| world.tenant(&acme).unwrap().state == "ACTIVE").await;
        assert_eq!(told(&story), Vec::<String>::new());
        tokio::time::sleep(std::time::Duration::from_hours(3)).await;
        until_ready(&world, &acme).await;
    });
    assert_eq!(told(&story), [format!("noted \"{SOON}\""), format!("sent \"{SOON}\"")]);
    assert_eq!(world.in_vain(), Vec::<String>::new());
}

#[test]
fn a_moment_waits_for_approval_where_that_is_asked() {
    let world = world();
    let acme = Key::new(PARTNERS, "a", "acme");
    let story = watched(&world);
    live(&world, &Life::new(1), settings(), async {
        world.create(&acme, &scenarios::partner(&json!({})));
        rest(&world, 1).await;
        let asked = json!({"management": {"approval": {"mode": "ManualIfRisky"}}});
        world.edit(&acme, &with(security(FIRST), &asked));
        world.until("it waits", |world| ready_says(world, &acme).0 == "ApprovalNeeded").await;
    });
    assert_eq!(told(&story), Vec::<String>::new());
}

/// Applies a spec that is refused, and after five hours one edit that the platform fails once.
fn failed_once_after_refusals(refused: &Value, edit: &Value) {
    let world = world();
    let acme = Key::new(PARTNERS, "a", "acme");
    live(&world, &Life::new(1), settings(), async {
        world.create(&acme, &scenarios::partner(&json!({})));
        until_ready(&world, &acme).await;
        world.edit(&acme, refused);
        world.until("it is refused", |world| ready_says(world, &acme).0 == "InvalidValue").await;
        tokio::time::sleep(std::time::Duration::from_hours(5)).await;
        let mut refusals = 1;
        world.lock().fates = Box::new(move |_, ask: &Ask| {
            if ask.side == Side::Platform && ask.is_write() && refusals > 0 {
                refusals -= 1;
                let body = Bytes::from_static(br#"{"code":"0006","message":"not now"}"#);
                return Fate::Instead(Box::new((Reply { status: 503, headers: Vec::new(), body }, false)));
            }
            Fate::Pass
        });
        world.edit(&acme, edit);
        tokio::time::sleep(std::time::Duration::from_secs(10)).await;
        assert_eq!(world.tenant(&acme).unwrap().settings["city"], "Bonn", "{}", world.lock().story.join("\n"));
    });
    assert_eq!(world.in_vain(), Vec::<String>::new());
}

#[test]
fn a_failure_after_hours_with_a_refused_moment_is_tried_again_within_seconds() {
    failed_once_after_refusals(&security("2031-01-01T00:00:00Z"), &json!({"details": {"city": "Bonn"}}));
}

#[test]
fn a_failure_after_hours_with_a_refused_value_is_tried_again_within_seconds() {
    let refused = json!({"details": {"timezone": "Mars/Olympus"}});
    failed_once_after_refusals(&refused, &json!({"details": {"timezone": "Europe/Berlin", "city": "Bonn"}}));
}

#[test]
fn a_refused_setting_is_looked_at_again_soon_and_then_less_often() {
    let world = world();
    let acme = Key::new(PARTNERS, "a", "acme");
    let reads = Arc::new(Mutex::new(0));
    live(&world, &Life::new(1), settings(), async {
        world.create(&acme, &scenarios::partner(&security("2031-01-01T00:00:00Z")));
        world.until("it is refused", |world| ready_says(world, &acme).0 == "InvalidValue").await;
        let counted = Arc::clone(&reads);
        let id = world.tenant(&acme).unwrap().id;
        world.lock().fates = Box::new(move |_, ask: &Ask| {
            let is_read = ask.side == Side::Platform && !ask.is_write() && ask.path.ends_with(&format!("/msps/{id}"));
            *counted.lock().unwrap() += usize::from(is_read);
            Fate::Pass
        });
        tokio::time::sleep(std::time::Duration::from_mins(10)).await;
    });
    // After 30 seconds, a minute, two and four.
    let reads = *reads.lock().unwrap();
    assert!((3..=5).contains(&reads), "{reads} looks in ten minutes");
}
