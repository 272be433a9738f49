//! The time before which passwords are too old: it is recorded before it is sent, sent once, and never moved back.

use std::sync::{Arc, Mutex};

use axum::body::Bytes;
use axum::http::Method;
use serde_json::{Value, json};
use tenantry_api::INTENT;

use super::cluster::{CLIENTS, PARTNERS, SimObjectKey};
use super::crash_sweep::scenarios;
use super::exchange::{OperatorLife, RequestFate, SimWorld};
use super::idle::{condition, is_ready, new_default_world, new_documented_world, wait_until_idle};
use super::operator_life::{run_life, settings};
use super::request::{SimReply, SimRequest, SimServer};
use super::user_actions::merge_spec;

const FIRST: &str = "2026-01-01T00:00:00Z";
const SECOND: &str = "2026-01-02T00:00:00Z";

/// Records and writes, in order. The reply to the first switch is lost.
type WriteTrace = Arc<Mutex<Vec<String>>>;

fn record_writes(world: &SimWorld) -> WriteTrace {
    let story = WriteTrace::default();
    let kept = Arc::clone(&story);
    world.lock().fates = Box::new(move |_, ask: &SimRequest| {
        if !ask.is_write() {
            return RequestFate::Pass;
        }
        let body = ask.json();
        let mut story = kept.lock().unwrap();
        if ask.side == SimServer::Cluster {
            let intent = body["metadata"]["annotations"][INTENT].as_str().unwrap_or("{}");
            let sent = serde_json::from_str::<Value>(intent).unwrap()["passwordsSetBefore"]["sent"].clone();
            let line = format!("noted {sent}");
            if !sent.is_null() && !story.contains(&line) {
                story.push(line);
            }
            return RequestFate::Pass;
        }
        let moment = &body["changePasswordsSetBefore"];
        if !moment.is_null() {
            story.push(format!("sent {moment}"));
        }
        if body["passwordPolicy"]["changePasswordAtFirstLogin"] != json!(true) {
            return RequestFate::Pass;
        }
        story.push("sent the switch".to_owned());
        if story.iter().filter(|line| *line == "sent the switch").count() == 1 {
            RequestFate::ReplyLost
        } else {
            RequestFate::Pass
        }
    });
    story
}

fn trace_lines(trace: &WriteTrace) -> Vec<String> {
    trace.lock().unwrap().clone()
}

fn password_reset_spec(moment: &str) -> Value {
    json!({"security": {"changePasswordsSetBefore": moment}})
}

/// shows: seeds/password/change-at-next-login
#[test]
fn a_moment_is_noted_before_it_is_sent_and_never_moves_back() {
    let world = new_default_world();
    let acme = SimObjectKey::new(PARTNERS, "a", "acme");
    let story = record_writes(&world);
    run_life(&world, &OperatorLife::new(1), settings(), async {
        world.create(&acme, &scenarios::partner_spec(&json!({})));
        wait_until_idle(&world, 1).await;
        // Every spelling of a time is equal.
        for moment in [FIRST, "2026-01-01T01:00:00+01:00", SECOND, FIRST] {
            world.edit(&acme, &password_reset_spec(moment));
            wait_until_idle(&world, 1).await;
            assert!(is_ready(&world.object(&acme).unwrap()), "{moment}");
        }
    });
    run_life(&world, &OperatorLife::new(2), settings(), async { wait_until_idle(&world, 1).await });
    let moments = [FIRST, SECOND].map(|moment| [format!("noted \"{moment}\""), format!("sent \"{moment}\"")]);
    assert_eq!(trace_lines(&story), moments.concat());
    let tenant = world.tenant(&acme).unwrap();
    let shown = world.console(Method::GET, &SimWorld::tenant_path(&tenant), &Value::Null).json_body();
    assert_eq!(shown["changePasswordsSetBefore"], "2026-01-02T00:00:00+0000");
    assert_eq!(world.idle_faults(), Vec::<String>::new());
}

/// Creates the platform of a release that has no such field.
fn world_without_field() -> SimWorld {
    let world = new_default_world();
    world.lock().edit = Some(Box::new(|_, reply| {
        let Ok(mut body) = serde_json::from_slice::<Value>(&reply.body) else { return };
        if body.as_object_mut().is_some_and(|body| body.remove("changePasswordsSetBefore").is_some()) {
            reply.body = body.to_string().into();
        }
    }));
    world
}

/// Returns a partner whose policy leaves the switch off.
fn lenient_partner() -> Value {
    let policy = json!({"custom": {"minLength": 12}, "changePasswordAtNextLogin": false});
    scenarios::partner_spec(&json!({"security": {"passwordPolicy": policy}}))
}

async fn wait_until_ready(world: &SimWorld, key: &SimObjectKey) {
    world.wait_until("it is Ready", |world| world.object(key).is_some_and(|one| is_ready(&one))).await;
}

/// Returns reason and message of the condition Ready.
fn ready_reason_and_message(world: &SimWorld, key: &SimObjectKey) -> (String, String) {
    let object = world.object(key).unwrap();
    let conditions = object["status"]["conditions"].as_array().into_iter().flatten();
    let ready = conditions.into_iter().find(|one| one["type"] == "Ready").cloned().unwrap_or_default();
    let text = |name: &str| ready[name].as_str().unwrap_or_default().to_owned();
    (text("reason"), text("message"))
}

#[test]
fn without_the_field_a_partners_switch_is_turned_on_once_for_each_moment() {
    let world = world_without_field();
    let acme = SimObjectKey::new(PARTNERS, "a", "acme");
    let story = record_writes(&world);
    run_life(&world, &OperatorLife::new(1), settings(), async {
        world.create(&acme, &lenient_partner());
        wait_until_ready(&world, &acme).await;
        // The reply is lost: the write may have been carried out, and is not sent again.
        world.edit(&acme, &password_reset_spec(FIRST));
        tokio::time::sleep(std::time::Duration::from_mins(10)).await;
        wait_until_ready(&world, &acme).await;
    });
    let first = [format!("noted \"{FIRST}\""), "sent the switch".to_owned()];
    assert_eq!(trace_lines(&story), first);
    run_life(&world, &OperatorLife::new(2), settings(), async {
        tokio::time::sleep(std::time::Duration::from_hours(30)).await;
        assert_eq!(trace_lines(&story), first, "no correction of drift and no other process repeats it");
        for moment in [SECOND, FIRST] {
            world.edit(&acme, &password_reset_spec(moment));
            tokio::time::sleep(std::time::Duration::from_mins(10)).await;
            wait_until_ready(&world, &acme).await;
        }
    });
    let second = [format!("noted \"{SECOND}\""), "sent the switch".to_owned()];
    assert_eq!(trace_lines(&story), [first, second].concat());
    assert_eq!(world.unmet_waits(), Vec::<String>::new());
}

#[test]
fn a_moment_for_which_the_platform_has_nothing_is_unsupported_and_not_sent() {
    let globex = json!({
        "connectionSecretRef": {"name": "platform"},
        "details": {"name": "Globex", "address": "Hauptstr. 1", "timezone": "Europe/Berlin", "country": "Germany"},
    });
    let documented = new_documented_world();
    let parent = documented.lock().platform.credential.tenant_id.clone();
    let globex = merge_spec(globex, &json!({"partnerUniqueId": parent}));
    // A client has its partner's policy, and under PCI DSS the switch is always on.
    for (world, key, spec) in [
        (documented, SimObjectKey::new(CLIENTS, "a", "globex"), globex),
        (world_without_field(), SimObjectKey::new(PARTNERS, "a", "acme"), scenarios::partner_spec(&json!({}))),
    ] {
        let story = record_writes(&world);
        run_life(&world, &OperatorLife::new(1), settings(), async {
            if key.resource == CLIENTS {
                world.create(&key, &merge_spec(spec, &password_reset_spec(FIRST)));
            } else {
                world.create(&key, &spec);
                wait_until_ready(&world, &key).await;
                world.edit(&key, &password_reset_spec(FIRST));
            }
            world
                .wait_until("it is said", |world| {
                    ready_reason_and_message(world, &key).0 == "SecuritySettingNotSupported"
                })
                .await;
            world.edit(&key, &json!({"details": {"city": "Bonn"}}));
            let is_applied = |world: &SimWorld| world.tenant(&key).is_some_and(|one| one.settings["city"] == "Bonn");
            world.wait_until("the rest is applied", is_applied).await;
            tokio::time::sleep(std::time::Duration::from_mins(10)).await;
        });
        let (reason, message) = ready_reason_and_message(&world, &key);
        assert_eq!(reason, "SecuritySettingNotSupported");
        assert!(message.contains("turned on in a partner's own policy"), "{message}");
        let status = world.object(&key).unwrap()["status"].clone();
        assert_eq!(status["unsupported"], json!(["security.changePasswordsSetBefore"]));
        assert_eq!(trace_lines(&story), Vec::<String>::new());
        assert_eq!(world.unmet_waits(), Vec::<String>::new());
    }
}

#[test]
fn a_moment_behind_a_step_that_fails_is_still_sent() {
    let world = world_without_field();
    let acme = SimObjectKey::new(PARTNERS, "a", "acme");
    let switches = Arc::new(Mutex::new(0));
    let counted = Arc::clone(&switches);
    run_life(&world, &OperatorLife::new(1), settings(), async {
        world.create(&acme, &lenient_partner());
        wait_until_ready(&world, &acme).await;
        world.edit(&acme, &json!({"tenantState": "Suspended"}));
        tokio::time::sleep(std::time::Duration::from_mins(5)).await;
        let mut refusals = 2;
        world.lock().fates = Box::new(move |_, ask: &SimRequest| {
            if ask.side == SimServer::Platform && ask.path.ends_with("/activate") && refusals > 0 {
                refusals -= 1;
                let body = Bytes::from_static(br#"{"code":"0006","message":"not now"}"#);
                return RequestFate::Replaced(Box::new((SimReply { status: 503, headers: Vec::new(), body }, false)));
            }
            let is_switch = ask.side == SimServer::Platform
                && ask.is_write()
                && ask.json()["passwordPolicy"]["changePasswordAtFirstLogin"] == json!(true);
            *counted.lock().unwrap() += usize::from(is_switch);
            RequestFate::Pass
        });
        world.edit(&acme, &merge_spec(json!({"tenantState": "Active"}), &password_reset_spec(FIRST)));
        tokio::time::sleep(std::time::Duration::from_mins(20)).await;
        wait_until_ready(&world, &acme).await;
    });
    assert_eq!(*switches.lock().unwrap(), 1);
    assert_eq!(world.unmet_waits(), Vec::<String>::new());
}

#[test]
fn a_moment_that_is_to_come_holds_up_nothing_else_and_is_sent_when_it_has_come() {
    const SOON: &str = "2030-01-01T02:00:00Z";
    let world = new_default_world();
    let acme = SimObjectKey::new(PARTNERS, "a", "acme");
    let story = record_writes(&world);
    run_life(&world, &OperatorLife::new(1), settings(), async {
        world.create(&acme, &scenarios::partner_spec(&password_reset_spec(SOON)));
        world.wait_until("it is refused", |world| ready_reason_and_message(world, &acme).0 == "InvalidValue").await;
        let message = ready_reason_and_message(&world, &acme).1;
        assert!(message.contains("`security.changePasswordsSetBefore` is more than 60 seconds ahead"), "{message}");
        let more = json!({"details": {"city": "Bonn"}, "tenantState": "Suspended"});
        world.edit(&acme, &more);
        world.wait_until("it is suspended", |world| world.tenant(&acme).unwrap().state == "SUSPENDED").await;
        assert_eq!(world.tenant(&acme).unwrap().settings["city"], "Bonn");
        world
            .wait_until("it is still refused", |world| ready_reason_and_message(world, &acme).0 == "InvalidValue")
            .await;
        assert_eq!(condition(&world.object(&acme).unwrap(), "Stalled").unwrap().0, "True");
        world.edit(&acme, &json!({"tenantState": "Active"}));
        world.wait_until("it is active", |world| world.tenant(&acme).unwrap().state == "ACTIVE").await;
        assert_eq!(trace_lines(&story), Vec::<String>::new());
        tokio::time::sleep(std::time::Duration::from_hours(3)).await;
        wait_until_ready(&world, &acme).await;
    });
    assert_eq!(trace_lines(&story), [format!("noted \"{SOON}\""), format!("sent \"{SOON}\"")]);
    assert_eq!(world.unmet_waits(), Vec::<String>::new());
}

#[test]
fn a_moment_waits_for_approval_where_that_is_asked() {
    let world = new_default_world();
    let acme = SimObjectKey::new(PARTNERS, "a", "acme");
    let story = record_writes(&world);
    run_life(&world, &OperatorLife::new(1), settings(), async {
        world.create(&acme, &scenarios::partner_spec(&json!({})));
        wait_until_idle(&world, 1).await;
        let asked = json!({"management": {"approval": {"mode": "ManualIfRisky"}}});
        world.edit(&acme, &merge_spec(password_reset_spec(FIRST), &asked));
        world.wait_until("it waits", |world| ready_reason_and_message(world, &acme).0 == "ApprovalNeeded").await;
    });
    assert_eq!(trace_lines(&story), Vec::<String>::new());
}

/// Applies a spec that is refused, and after five hours one edit that the platform fails once.
fn fail_once_after_refusals(refused: &Value, edit: &Value) {
    let world = new_default_world();
    let acme = SimObjectKey::new(PARTNERS, "a", "acme");
    run_life(&world, &OperatorLife::new(1), settings(), async {
        world.create(&acme, &scenarios::partner_spec(&json!({})));
        wait_until_ready(&world, &acme).await;
        world.edit(&acme, refused);
        world.wait_until("it is refused", |world| ready_reason_and_message(world, &acme).0 == "InvalidValue").await;
        tokio::time::sleep(std::time::Duration::from_hours(5)).await;
        let mut refusals = 1;
        world.lock().fates = Box::new(move |_, ask: &SimRequest| {
            if ask.side == SimServer::Platform && ask.is_write() && refusals > 0 {
                refusals -= 1;
                let body = Bytes::from_static(br#"{"code":"0006","message":"not now"}"#);
                return RequestFate::Replaced(Box::new((SimReply { status: 503, headers: Vec::new(), body }, false)));
            }
            RequestFate::Pass
        });
        world.edit(&acme, edit);
        tokio::time::sleep(std::time::Duration::from_secs(10)).await;
        assert_eq!(world.tenant(&acme).unwrap().settings["city"], "Bonn", "{}", world.lock().log.join("\n"));
    });
    assert_eq!(world.unmet_waits(), Vec::<String>::new());
}

#[test]
fn a_failure_after_hours_with_a_refused_moment_is_tried_again_within_seconds() {
    fail_once_after_refusals(&password_reset_spec("2031-01-01T00:00:00Z"), &json!({"details": {"city": "Bonn"}}));
}

#[test]
fn a_failure_after_hours_with_a_refused_value_is_tried_again_within_seconds() {
    let refused = json!({"details": {"timezone": "Mars/Olympus"}});
    fail_once_after_refusals(&refused, &json!({"details": {"timezone": "Europe/Berlin", "city": "Bonn"}}));
}

#[test]
fn a_refused_setting_is_looked_at_again_soon_and_then_less_often() {
    let world = new_default_world();
    let acme = SimObjectKey::new(PARTNERS, "a", "acme");
    let reads = Arc::new(Mutex::new(0));
    run_life(&world, &OperatorLife::new(1), settings(), async {
        world.create(&acme, &scenarios::partner_spec(&password_reset_spec("2031-01-01T00:00:00Z")));
        world.wait_until("it is refused", |world| ready_reason_and_message(world, &acme).0 == "InvalidValue").await;
        let counted = Arc::clone(&reads);
        let id = world.tenant(&acme).unwrap().id;
        world.lock().fates = Box::new(move |_, ask: &SimRequest| {
            let is_read =
                ask.side == SimServer::Platform && !ask.is_write() && ask.path.ends_with(&format!("/msps/{id}"));
            *counted.lock().unwrap() += usize::from(is_read);
            RequestFate::Pass
        });
        tokio::time::sleep(std::time::Duration::from_mins(10)).await;
    });
    // After 30 seconds, a minute, two and four.
    let reads = *reads.lock().unwrap();
    assert!((3..=5).contains(&reads), "{reads} looks in ten minutes");
}
