//! Images of the platform that cannot be loaded: they hold up neither their own tenant nor another.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::body::Bytes;
use axum::http::Method;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use super::ask::{Ask, Reply, Side};
use super::cluster::{CLIENTS, Key, PARTNERS};
use super::life::{live, settings};
use super::seam::{Fate, Life, World};
use super::settle::{condition, is_ready, world};
use super::sweep::scenarios;

fn acme() -> Key {
    Key::new(PARTNERS, "a", "acme")
}

fn globex() -> Key {
    Key::new(CLIENTS, "a", "globex")
}

fn logo() -> Value {
    let mut bytes = std::io::Cursor::new(Vec::new());
    image::DynamicImage::new_rgb8(64, 512).write_to(&mut bytes, image::ImageFormat::Png).unwrap();
    json!({"branding": {"logo": {"inline": STANDARD.encode(bytes.into_inner())}}})
}

/// The platform shows of an image only where it is, as one without the extension of digests.
fn hide_digests(world: &World) {
    world.lock().edit = Some(Box::new(|ask, reply| {
        let Ok(mut body) = serde_json::from_slice::<Value>(&reply.body) else { return };
        if ask.path.to_lowercase().contains("branding") || !body["logo"].is_null() {
            for image in ["logo", "favIcon", "loginPageImage"] {
                if let Some(image) = body[image].as_object_mut() {
                    image.retain(|member, _| !member.to_lowercase().ends_with("sha256"));
                }
            }
            reply.body = Bytes::from(body.to_string());
        }
    }));
}

fn is_file(ask: &Ask) -> bool {
    ask.side == Side::Platform
        && ask.method == Method::GET
        && !ask.path.contains("/api/")
        && !ask.path.contains("/oauth/")
}

fn is_brand(ask: &Ask) -> bool {
    ask.side == Side::Platform && ask.is_write() && ask.path.to_lowercase().contains("branding")
}

/// What was asked for while files met their fate.
#[derive(Clone, Default)]
struct Asked(Arc<Mutex<(usize, usize)>>);

impl Asked {
    /// Lets files meet a fate; counts their loads and the writes of branding.
    fn counted(world: &World, fate: Fate) -> Self {
        let asked = Self::default();
        let counted = asked.clone();
        world.lock().fates = Box::new(move |_, ask| {
            let mut counts = counted.0.lock().unwrap();
            counts.0 += usize::from(is_file(ask));
            counts.1 += usize::from(is_brand(ask));
            if is_file(ask) { fate.clone() } else { Fate::Pass }
        });
        asked
    }

    fn loads(&self) -> usize {
        self.0.lock().unwrap().0
    }

    fn writes(&self) -> usize {
        self.0.lock().unwrap().1
    }
}

fn instead(status: u16) -> Fate {
    let body = Bytes::from_static(br#"{"code":"0006","message":"not now"}"#);
    Fate::Instead(Box::new((Reply { status, headers: Vec::new(), body }, false)))
}

fn city(world: &World, key: &Key) -> Value {
    world.tenant(key).unwrap().settings["city"].clone()
}

/// Another operator takes the tenants over from their objects alone, and no record tells which image was written.
fn without_records(world: &World) {
    let mut status = world.object(&acme()).unwrap()["status"].take();
    status["applied"].as_object_mut().unwrap().remove("writeOnly");
    let metadata = json!({"name": "acme", "namespace": "a"});
    let body =
        json!({"apiVersion": "tenantry.dev/v1alpha1", "kind": "Partner", "metadata": metadata, "status": status});
    assert!(world.apply_status(&acme(), &body).is_success());
}

#[test]
fn an_image_that_cannot_be_loaded_holds_up_no_tenant_and_is_written_once() {
    for fate in [instead(401), instead(403), instead(500), Fate::Silent(Duration::from_mins(5)), Fate::Lost] {
        let world = world();
        hide_digests(&world);
        live(&world, &Life::new(1), settings(), async {
            world.create(&acme(), &scenarios::partner(&logo()));
            world.create(&globex(), &scenarios::client("Globex", &json!({})));
            for key in [acme(), globex()] {
                world.until("it is Ready", |world| world.object(&key).is_some_and(|one| is_ready(&one))).await;
            }
        });
        without_records(&world);
        let asked = Asked::counted(&world, fate.clone());
        live(&world, &Life::new(2), settings(), async {
            for key in [acme(), globex()] {
                world.edit(&key, &json!({"details": {"city": "Ulm"}}));
            }
            world
                .until("both edits are applied", |world| [acme(), globex()].iter().all(|key| city(world, key) == "Ulm"))
                .await;
            for key in [acme(), globex()] {
                world.until("it is Ready", |world| world.object(&key).is_some_and(|one| is_ready(&one))).await;
            }
            let loads = asked.loads();
            assert!(loads > 0, "no image was asked for: {fate:?}");
            tokio::time::sleep(Duration::from_hours(2)).await;
            assert_eq!((asked.loads(), asked.writes()), (loads, 1), "{fate:?}");
        });
        assert_eq!(world.in_vain(), Vec::<String>::new(), "{fate:?}");
    }
}

fn ready_says(world: &World, key: &Key) -> String {
    world.object(key).and_then(|object| condition(&object, "Ready")).map(|(_, reason)| reason).unwrap_or_default()
}

/// A new tenant in the console, with this logo; its id.
fn clicked(world: &World, name: &str, logo: &Value) -> String {
    let sp = world.lock().platform.credential.tenant_id.clone();
    let body = json!({"name": name, "timeZone": "Europe/Berlin", "country": "Germany"});
    let made = world.console(Method::POST, &format!("{sp}/msps"), &body).value();
    let id = made["uniqueId"].as_str().unwrap().to_owned();
    let file = json!({"file": logo["branding"]["logo"]["inline"], "fileName": "logo.png"});
    assert!(world.console(Method::PUT, &format!("{id}/customBranding"), &json!({"logo": file})).is_success());
    id
}

/// A logo that the platform serves as it was sent.
fn clean_logo(world: &World) -> Value {
    let id = clicked(world, "Model", &logo());
    let branding = world.console(Method::GET, &format!("{id}/customBranding"), &Value::Null).value();
    let path = branding["logo"]["logoPath"].as_str().unwrap();
    let ask = Ask::person(Side::Platform, Method::GET, path, &Value::Null);
    let platform = Arc::clone(&world.lock().platform);
    let file = platform.answer(&ask, tenantry::clock::now()).body;
    json!({"branding": {"logo": {"inline": STANDARD.encode(file)}}})
}

/// While files meet this fate nothing is said of the tenant; afterwards it is as declared, and nothing was written.
async fn is_only_delayed(world: &World, (fate, reason): (&Fate, &str), script: impl FnOnce(&World)) {
    let asked = Asked::counted(world, fate.clone());
    script(world);
    world.until("the trouble is told", |world| ready_says(world, &acme()) == reason).await;
    assert!(asked.loads() > 0 && asked.writes() == 0, "{fate:?}: {} loads, {}", asked.loads(), asked.writes());
    let later = Asked::counted(world, Fate::Pass);
    world.until("it is Ready", |world| world.object(&acme()).is_some_and(|one| is_ready(&one))).await;
    assert_eq!(later.writes(), 0, "{fate:?}");
}

#[test]
fn a_platform_that_is_away_while_an_image_is_loaded_is_no_drift() {
    for (fate, reason) in [
        (instead(401), "CredentialsRefused"),
        (instead(429), "RateLimited"),
        (instead(500), "PlatformUnavailable"),
        (Fate::Lost, "PlatformUnavailable"),
    ] {
        for management in [json!({"drift": "Report"}), json!({"approval": {"mode": "Manual"}})] {
            let world = world();
            let mut spec = clean_logo(&world);
            hide_digests(&world);
            live(&world, &Life::new(1), settings(), async {
                world.create(&acme(), &scenarios::partner(&spec));
                world.until("it is Ready", |world| world.object(&acme()).is_some_and(|one| is_ready(&one))).await;
            });
            without_records(&world);
            spec["management"] = management;
            live(&world, &Life::new(2), settings(), async {
                is_only_delayed(&world, (&fate, reason), |world| drop(world.edit(&acme(), &spec))).await;
            });
            assert_eq!(world.in_vain(), Vec::<String>::new(), "{fate:?}");
        }
    }
}

#[test]
fn a_platform_that_is_away_while_an_image_is_loaded_refuses_no_take_over() {
    let world = world();
    let mut spec = clean_logo(&world);
    hide_digests(&world);
    let id = clicked(&world, "Acme", &spec);
    spec["adoption"] = json!({"policy": "IfIdentical", "uniqueId": id});
    live(&world, &Life::new(1), settings(), async {
        let create = |world: &World| drop(world.create(&acme(), &scenarios::partner(&spec)));
        is_only_delayed(&world, (&instead(500), "PlatformUnavailable"), create).await;
    });
    assert_eq!(world.in_vain(), Vec::<String>::new());
}
