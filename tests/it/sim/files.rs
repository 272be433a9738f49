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
use super::settle::{is_ready, world};
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
