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
use super::settle::{documented_world, is_ready, rest, world};
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

#[test]
fn without_the_field_the_switch_is_turned_on_once_for_each_moment() {
    let world = documented_world();
    let globex = Key::new(CLIENTS, "a", "globex");
    let story = watched(&world);
    let partner = world.lock().platform.credential.tenant_id.clone();
    let spec = json!({
        "partnerUniqueId": partner, "connectionSecretRef": {"name": "platform"},
        "details": {"name": "Globex", "address": "Hauptstr. 1", "timezone": "Europe/Berlin", "country": "Germany"},
    });
    let until_ready =
        async || world.until("it is Ready", |world| world.object(&globex).is_some_and(|one| is_ready(&one))).await;
    live(&world, &Life::new(1), settings(), async {
        world.create(&globex, &spec);
        until_ready().await;
        // The reply to it is lost: it may have been carried out, and is not sent again.
        world.edit(&globex, &with(spec.clone(), &security(FIRST)));
        tokio::time::sleep(std::time::Duration::from_mins(10)).await;
        until_ready().await;
    });
    let first = [format!("noted \"{FIRST}\""), "sent the switch".to_owned()];
    assert_eq!(told(&story), first);
    live(&world, &Life::new(2), settings(), async {
        tokio::time::sleep(std::time::Duration::from_hours(30)).await;
        assert_eq!(told(&story), first, "no correction of drift and no other process repeats it");
        for moment in [SECOND, FIRST] {
            world.edit(&globex, &security(moment));
            tokio::time::sleep(std::time::Duration::from_mins(10)).await;
            until_ready().await;
        }
    });
    let second = [format!("noted \"{SECOND}\""), "sent the switch".to_owned()];
    assert_eq!(told(&story), [first, second].concat());
}

#[test]
fn a_moment_behind_a_step_that_fails_is_still_sent() {
    let world = documented_world();
    let globex = Key::new(CLIENTS, "a", "globex");
    let partner = world.lock().platform.credential.tenant_id.clone();
    let spec = json!({
        "partnerUniqueId": partner, "connectionSecretRef": {"name": "platform"},
        "details": {"name": "Globex", "address": "Hauptstr. 1", "timezone": "Europe/Berlin", "country": "Germany"},
    });
    let until_ready =
        async || world.until("it is Ready", |world| world.object(&globex).is_some_and(|one| is_ready(&one))).await;
    let switches = Arc::new(Mutex::new(0));
    let counted = Arc::clone(&switches);
    live(&world, &Life::new(1), settings(), async {
        world.create(&globex, &spec);
        until_ready().await;
        world.edit(&globex, &with(spec.clone(), &json!({"tenantState": "Suspended"})));
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
        let both = with(json!({"tenantState": "Active"}), &security(FIRST));
        world.edit(&globex, &with(spec.clone(), &both));
        tokio::time::sleep(std::time::Duration::from_mins(20)).await;
        until_ready().await;
    });
    assert_eq!(*switches.lock().unwrap(), 1);
}

#[test]
fn a_moment_that_is_to_come_is_refused_and_waits_for_approval_where_that_is_asked() {
    let world = world();
    let acme = Key::new(PARTNERS, "a", "acme");
    let story = watched(&world);
    let reason = || {
        let object = world.object(&acme).unwrap();
        let conditions = object["status"]["conditions"].as_array().unwrap().clone();
        let ready = conditions.iter().find(|one| one["type"] == "Ready").unwrap().clone();
        (ready["reason"].as_str().unwrap().to_owned(), ready["message"].as_str().unwrap().to_owned())
    };
    live(&world, &Life::new(1), settings(), async {
        world.create(&acme, &scenarios::partner(&json!({})));
        rest(&world, 1).await;
        world.edit(&acme, &security("2999-01-01T00:00:00Z"));
        world.until("it is refused", |_| reason().0 == "InvalidValue").await;
        assert!(reason().1.contains("more than 60 seconds ahead"), "{:?}", reason());
        let asked = json!({"management": {"approval": {"mode": "ManualIfRisky"}}});
        world.edit(&acme, &with(security(FIRST), &asked));
        world.until("it waits", |_| reason().0 == "ApprovalNeeded").await;
    });
    assert_eq!(told(&story), Vec::<String>::new());
}
