//! Recommendations for images that are not followed are reported once, and no condition depends on them. Values that
//! were applied before a rule existed are kept.

use std::io::Cursor;
use std::sync::{Arc, Mutex};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use tenantry_core::Digest;

use super::cluster::{CLIENTS, PARTNERS, SimObjectKey};
use super::crash_sweep::scenarios;
use super::exchange::{OperatorLife, RequestFate, SimWorld};
use super::idle::{condition, is_ready, new_default_world, wait_until_idle};
use super::operator_life::{run_life, settings};
use super::request::{SimRequest, SimServer};

fn png(width: u32, height: u32) -> Vec<u8> {
    let mut bytes = Cursor::new(Vec::new());
    image::DynamicImage::new_rgb8(width, height).write_to(&mut bytes, image::ImageFormat::Png).unwrap();
    bytes.into_inner()
}

fn inline_logo(width: u32, height: u32) -> Value {
    json!({"inline": STANDARD.encode(png(width, height))})
}

fn partner_status(world: &SimWorld) -> Value {
    world.object(&SimObjectKey::new(PARTNERS, "a", "acme")).unwrap()["status"].clone()
}

/// shows: seeds/branding/logo-height
#[test]
fn an_image_that_differs_is_said_once_and_no_condition_knows_of_it() {
    let world = new_default_world();
    let acme = SimObjectKey::new(PARTNERS, "a", "acme");
    let done = run_life(&world, &OperatorLife::new(1), settings(), async {
        world.create(&acme, &scenarios::partner_spec(&json!({"branding": {"logo": inline_logo(40, 10)}})));
        wait_until_idle(&world, 1).await;
        let advice = |world: &SimWorld| partner_status(world)["imageAdvice"].clone();
        assert!(
            advice(&world)[0].as_str().unwrap().starts_with("`branding.logo` is 40 x 10 pixels"),
            "{}",
            advice(&world)
        );
        let conditions = partner_status(&world)["conditions"].clone();
        for condition in conditions.as_array().unwrap() {
            assert!(!condition["message"].as_str().unwrap().contains("logo"), "{condition}");
        }
        let events = || world.lock().oracle.events.get("ImageAdvice").copied();
        assert_eq!(events(), Some(1));
        world.edit(&acme, &json!({"details": {"city": "Bonn"}}));
        wait_until_idle(&world, 2).await;
        assert_eq!(events(), Some(1), "it was said");
        world.edit(&acme, &json!({"branding": {"logo": inline_logo(64, 512)}}));
        wait_until_idle(&world, 1).await;
        assert_eq!((advice(&world), events()), (Value::Null, Some(1)));
    });
    assert!(done.is_some());
    assert_eq!(world.idle_faults(), Vec::<String>::new());
}

/// Replaces a text in an object's status, as an operator of a release without the rule would have left it.
fn replace_in_status(world: &SimWorld, key: &SimObjectKey, from: &str, to: &str) {
    let object = world.object(key).unwrap();
    let status: Value = serde_json::from_str(&object["status"].to_string().replace(from, to)).unwrap();
    assert_ne!(status, object["status"]);
    let metadata = json!({"name": key.name, "namespace": key.namespace});
    let body =
        json!({"apiVersion": key.resource.api, "kind": key.resource.kind, "metadata": metadata, "status": status});
    assert!(world.apply_status(key, &body).is_success());
}

/// Counts the writes to the platform that contain this member.
fn count_writes(world: &SimWorld, member: &'static str) -> Arc<Mutex<usize>> {
    let count = Arc::new(Mutex::new(0));
    let counted = Arc::clone(&count);
    world.lock().fates = Box::new(move |_, ask: &SimRequest| {
        let names_it = ask.side == SimServer::Platform && ask.is_write() && ask.json().to_string().contains(member);
        *counted.lock().unwrap() += usize::from(names_it);
        RequestFate::Pass
    });
    count
}

#[test]
fn a_favicon_from_before_the_rule_stays_and_only_another_one_is_refused() {
    let world = new_default_world();
    let acme = SimObjectKey::new(PARTNERS, "a", "acme");
    let favicon = |bytes: &[u8]| json!({"branding": {"favicon": {"inline": STANDARD.encode(bytes)}}});
    let (square, wide) = (png(32, 32), png(40, 10));
    let (is, was) = (Digest::of_bytes(&square).hex().to_owned(), Digest::of_bytes(&wide).hex().to_owned());
    run_life(&world, &OperatorLife::new(1), settings(), async {
        world.create(&acme, &scenarios::partner_spec(&favicon(&square)));
        wait_until_idle(&world, 1).await;
    });
    world.edit(&acme, &favicon(&wide));
    replace_in_status(&world, &acme, &is, &was);
    world.lock().edit = Some(Box::new(move |_, reply| {
        reply.body = String::from_utf8(reply.body.to_vec()).unwrap().replace(&is, &was).into();
    }));
    let writes = count_writes(&world, "favIcon");
    let ready = |world: &SimWorld| is_ready(&world.object(&acme).unwrap());
    run_life(&world, &OperatorLife::new(2), settings(), async {
        world.wait_until("it is Ready", ready).await;
        let advice = partner_status(&world)["imageAdvice"][0].as_str().unwrap_or_default().to_owned();
        assert!(advice.starts_with("`branding.favicon` is 40 x 10 pixels and must be square"), "{advice}");
        assert_eq!(world.lock().oracle.events.get("ImageAdvice"), Some(&1));
        world.edit(&acme, &json!({"details": {"city": "Bonn"}}));
        world.wait_until("the rest is applied", |world| world.tenant(&acme).unwrap().settings["city"] == "Bonn").await;
        world.wait_until("it is Ready", ready).await;
        world.edit(&acme, &favicon(&png(10, 40)));
        let says = |world: &SimWorld| condition(&world.object(&acme).unwrap(), "Ready").unwrap().1;
        world.wait_until("another is refused", |world| says(world) == "ImageInvalid").await;
        world.edit(&acme, &favicon(&wide));
        world.wait_until("it is Ready again", ready).await;
    });
    assert_eq!(*writes.lock().unwrap(), 0);
    assert_eq!(world.unmet_waits(), Vec::<String>::new());
}

#[test]
fn a_switch_without_its_add_on_from_before_the_rule_stays_with_an_advice() {
    let world = new_default_world();
    let (acme, globex) = (SimObjectKey::new(PARTNERS, "a", "acme"), SimObjectKey::new(CLIENTS, "a", "globex"));
    let switch = |is_on: bool| json!({"details": {"remoteAccess": is_on}, "addOns": ["OfflineAlerts"]});
    run_life(&world, &OperatorLife::new(1), settings(), async {
        world.create(&acme, &scenarios::partner_spec(&json!({"addOns": ["OfflineAlerts"]})));
        world.create(&globex, &scenarios::client_spec("Globex", &switch(false)));
        wait_until_idle(&world, 1).await;
    });
    world.edit(&globex, &switch(true));
    let shown = |value: bool| json!({"path": "details.remoteAccess", "source": "Spec", "value": value.to_string()});
    replace_in_status(&world, &globex, &shown(false).to_string(), &shown(true).to_string());
    world.lock().edit = Some(Box::new(|_, reply| {
        let text = String::from_utf8(reply.body.to_vec()).unwrap();
        reply.body = text.replace(r#""remoteAccess":false"#, r#""remoteAccess":true"#).into();
    }));
    let writes = count_writes(&world, "remoteAccess");
    run_life(&world, &OperatorLife::new(2), settings(), async {
        world.edit(&globex, &json!({"details": {"city": "Bonn"}}));
        world
            .wait_until("the rest is applied", |world| world.tenant(&globex).unwrap().settings["city"] == "Bonn")
            .await;
        world.wait_until("it is Ready", |world| is_ready(&world.object(&globex).unwrap())).await;
        let conditions = world.object(&globex).unwrap()["status"]["conditions"].to_string();
        let advice = "`details.remoteAccess` needs the add-on `RemoteAccessManagement`";
        assert!(conditions.contains(advice), "{conditions}");
        let more = json!({"details": {"smsVoiceNotification": true}});
        world.edit(&globex, &more);
        let says = |world: &SimWorld| condition(&world.object(&globex).unwrap(), "Ready").unwrap().1;
        world.wait_until("another is refused", |world| says(world) == "PackageNotAvailable").await;
    });
    assert_eq!(*writes.lock().unwrap(), 0);
    assert_eq!(world.unmet_waits(), Vec::<String>::new());
}
