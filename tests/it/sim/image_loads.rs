//! Images of the platform that cannot be loaded: they block neither their own tenant nor another one.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::body::Bytes;
use axum::http::Method;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use super::cluster::{CLIENTS, PARTNERS, SimObjectKey};
use super::crash_sweep::scenarios;
use super::exchange::{OperatorLife, RequestFate, SimWorld};
use super::idle::{condition, is_ready, new_default_world};
use super::operator_life::{run_life, settings};
use super::request::{SimReply, SimRequest, SimServer};

fn acme() -> SimObjectKey {
    SimObjectKey::new(PARTNERS, "a", "acme")
}

fn globex() -> SimObjectKey {
    SimObjectKey::new(CLIENTS, "a", "globex")
}

fn large_logo() -> Value {
    let mut bytes = std::io::Cursor::new(Vec::new());
    image::DynamicImage::new_rgb8(64, 512).write_to(&mut bytes, image::ImageFormat::Png).unwrap();
    json!({"branding": {"logo": {"inline": STANDARD.encode(bytes.into_inner())}}})
}

/// Lets the platform show only the address of an image, as one without the extension for digests.
fn hide_digests(world: &SimWorld) {
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

fn is_image_read(request: &SimRequest) -> bool {
    request.side == SimServer::Platform
        && request.method == Method::GET
        && !request.path.contains("/api/")
        && !request.path.contains("/oauth/")
}

fn is_branding_write(request: &SimRequest) -> bool {
    request.side == SimServer::Platform && request.is_write() && request.path.to_lowercase().contains("branding")
}

/// Number of image loads and branding writes under a fault.
#[derive(Clone, Default)]
struct ImageRequestCounts(Arc<Mutex<(usize, usize)>>);

impl ImageRequestCounts {
    /// Applies a fault to image files. Counts their loads and the writes of branding.
    fn counting(world: &SimWorld, fate: RequestFate) -> Self {
        let asked = Self::default();
        let counted = asked.clone();
        world.lock().fates = Box::new(move |_, ask| {
            let mut counts = counted.0.lock().unwrap();
            counts.0 += usize::from(is_image_read(ask));
            counts.1 += usize::from(is_branding_write(ask));
            if is_image_read(ask) { fate.clone() } else { RequestFate::Pass }
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

fn error_fate(status: u16) -> RequestFate {
    let body = Bytes::from_static(br#"{"code":"0006","message":"not now"}"#);
    RequestFate::Replaced(Box::new((SimReply { status, headers: Vec::new(), body }, false)))
}

fn tenant_city(world: &SimWorld, key: &SimObjectKey) -> Value {
    world.tenant(key).unwrap().settings["city"].clone()
}

/// Removes the write records, as when another operator adopts the tenants from their objects alone.
fn remove_write_records(world: &SimWorld) {
    let mut status = world.object(&acme()).unwrap()["status"].take();
    status["applied"].as_object_mut().unwrap().remove("writeOnly");
    let metadata = json!({"name": "acme", "namespace": "a"});
    let body =
        json!({"apiVersion": "tenantry.dev/v1alpha1", "kind": "Partner", "metadata": metadata, "status": status});
    assert!(world.apply_status(&acme(), &body).is_success());
}

#[test]
fn an_image_that_cannot_be_loaded_holds_up_no_tenant_and_is_written_once() {
    for fate in [
        error_fate(401),
        error_fate(403),
        error_fate(500),
        RequestFate::Silent(Duration::from_mins(5)),
        RequestFate::Lost,
    ] {
        let world = new_default_world();
        hide_digests(&world);
        run_life(&world, &OperatorLife::new(1), settings(), async {
            world.create(&acme(), &scenarios::partner_spec(&large_logo()));
            world.create(&globex(), &scenarios::client_spec("Globex", &json!({})));
            for key in [acme(), globex()] {
                world.wait_until("it is Ready", |world| world.object(&key).is_some_and(|one| is_ready(&one))).await;
            }
        });
        remove_write_records(&world);
        let asked = ImageRequestCounts::counting(&world, fate.clone());
        run_life(&world, &OperatorLife::new(2), settings(), async {
            for key in [acme(), globex()] {
                world.edit(&key, &json!({"details": {"city": "Ulm"}}));
            }
            world
                .wait_until("both edits are applied", |world| {
                    [acme(), globex()].iter().all(|key| tenant_city(world, key) == "Ulm")
                })
                .await;
            for key in [acme(), globex()] {
                world.wait_until("it is Ready", |world| world.object(&key).is_some_and(|one| is_ready(&one))).await;
            }
            let loads = asked.loads();
            assert!(loads > 0, "no image was asked for: {fate:?}");
            tokio::time::sleep(Duration::from_hours(2)).await;
            assert_eq!((asked.loads(), asked.writes()), (loads, 1), "{fate:?}");
        });
        assert_eq!(world.unmet_waits(), Vec::<String>::new(), "{fate:?}");
    }
}

fn ready_reason(world: &SimWorld, key: &SimObjectKey) -> String {
    world.object(key).and_then(|object| condition(&object, "Ready")).map(|(_, reason)| reason).unwrap_or_default()
}

/// Creates a tenant with this logo in the console, and returns its id.
fn create_by_api(world: &SimWorld, name: &str, logo: &Value) -> String {
    let sp = world.lock().platform.credential.tenant_id.clone();
    let body = json!({"name": name, "timeZone": "Europe/Berlin", "country": "Germany"});
    let made = world.console(Method::POST, &format!("{sp}/msps"), &body).json_body();
    let id = made["uniqueId"].as_str().unwrap().to_owned();
    let file = json!({"file": logo["branding"]["logo"]["inline"], "fileName": "logo.png"});
    assert!(world.console(Method::PUT, &format!("{id}/customBranding"), &json!({"logo": file})).is_success());
    id
}

/// Returns a logo that the platform serves exactly as it was sent.
fn unchanged_logo(world: &SimWorld) -> Value {
    let id = create_by_api(world, "Model", &large_logo());
    let branding = world.console(Method::GET, &format!("{id}/customBranding"), &Value::Null).json_body();
    let path = branding["logo"]["logoPath"].as_str().unwrap();
    let request = SimRequest::from_person(SimServer::Platform, Method::GET, path, &Value::Null);
    let platform = Arc::clone(&world.lock().platform);
    let file = platform.carry_out(&request, tenantry_runtime::clock::now()).body;
    json!({"branding": {"logo": {"inline": STANDARD.encode(file)}}})
}

/// Asserts that the fault only delays the tenant: meanwhile its state is unknown, afterwards it is as declared, and
/// nothing was written.
async fn assert_only_delayed(world: &SimWorld, fate: &RequestFate, reason: &str, script: impl FnOnce(&SimWorld)) {
    let asked = ImageRequestCounts::counting(world, fate.clone());
    script(world);
    world.wait_until("the trouble is told", |world| ready_reason(world, &acme()) == reason).await;
    assert!(asked.loads() > 0 && asked.writes() == 0, "{fate:?}: {} loads, {}", asked.loads(), asked.writes());
    let later = ImageRequestCounts::counting(world, RequestFate::Pass);
    world.wait_until("it is Ready", |world| world.object(&acme()).is_some_and(|one| is_ready(&one))).await;
    assert_eq!(later.writes(), 0, "{fate:?}");
}

#[test]
fn a_platform_that_is_away_while_an_image_is_loaded_is_no_drift() {
    for (fate, reason) in [
        (error_fate(401), "CredentialsRefused"),
        (error_fate(429), "RateLimited"),
        (error_fate(500), "PlatformUnavailable"),
        (RequestFate::Lost, "PlatformUnavailable"),
    ] {
        for management in [json!({"drift": "Report"}), json!({"approval": {"mode": "Manual"}})] {
            let world = new_default_world();
            let mut spec = unchanged_logo(&world);
            hide_digests(&world);
            run_life(&world, &OperatorLife::new(1), settings(), async {
                world.create(&acme(), &scenarios::partner_spec(&spec));
                world.wait_until("it is Ready", |world| world.object(&acme()).is_some_and(|one| is_ready(&one))).await;
            });
            remove_write_records(&world);
            spec["management"] = management;
            run_life(&world, &OperatorLife::new(2), settings(), async {
                assert_only_delayed(&world, &fate, reason, |world| drop(world.edit(&acme(), &spec))).await;
            });
            assert_eq!(world.unmet_waits(), Vec::<String>::new(), "{fate:?}");
        }
    }
}

#[test]
fn a_platform_that_is_away_while_an_image_is_loaded_refuses_no_take_over() {
    let world = new_default_world();
    let mut spec = unchanged_logo(&world);
    hide_digests(&world);
    let id = create_by_api(&world, "Acme", &spec);
    spec["adoption"] = json!({"policy": "IfIdentical", "uniqueId": id});
    run_life(&world, &OperatorLife::new(1), settings(), async {
        let create = |world: &SimWorld| drop(world.create(&acme(), &scenarios::partner_spec(&spec)));
        assert_only_delayed(&world, &error_fate(500), "PlatformUnavailable", create).await;
    });
    assert_eq!(world.unmet_waits(), Vec::<String>::new());
}
