use std::sync::Arc;
use std::time::Duration;
use axum::http::Method;
use serde_json::json;
use base64::Engine;
use super::ask::*;
use super::cluster::*;
use super::life::*;
use super::platform::*;
use super::seam::*;

pub(crate) fn world() -> World {
    thread_local! { static PLATFORM: Arc<Platform> = Arc::new(Platform::start()); }
    let platform = PLATFORM.with(Arc::clone);
    platform.reset();
    let now: jiff::Timestamp = "2030-01-01T00:00:00Z".parse().unwrap();
    let cluster = Cluster::new(&[HOME, "a", "b"], now);
    let credential = platform.credential.clone();
    let world = World::new(State::new(cluster, platform, now));
    for ns in ["a", "b"] {
        let b = |t: &str| base64::engine::general_purpose::STANDARD.encode(t);
        let data = json!({"url": b(&format!("https://{HOST}")), "tenantId": b(&credential.tenant_id), "clientId": b(&credential.client_id), "clientSecret": b(&credential.client_secret)});
        let body = json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "platform"}, "data": data});
        let ask = Ask::person(Side::Cluster, Method::POST, &SECRETS.path(ns, ""), &body);
        let reply = world.lock().carry_out(0, &ask, now);
        assert!(reply.is_success());
    }
    world
}

#[test]
fn slice() {
    let begin = std::time::Instant::now();
    let n: usize = std::env::var("N").ok().and_then(|n| n.parse().ok()).unwrap_or(1);
    let mut total = 0; let mut platform = 0;
    for i in 0..n {
        let world = world();
        let life = Life::new(1);
        live(&world, &life, settings(), async {
            let body = json!({"metadata": {"name": "acme"}, "spec": {"connectionSecretRef": {"name": "platform"}, "details": {"name": "Acme", "timezone": "Europe/Berlin", "country": "Germany"}}});
            let ask = Ask::person(Side::Cluster, Method::POST, &PARTNERS.path("a", ""), &body);
            let reply = world.lock().carry_out(0, &ask, tenantry::clock::now());
            assert_eq!(reply.status, 201);
            tokio::time::sleep(Duration::from_secs(1800)).await;
        });
        let state = world.lock();
        if i == 0 {
            for line in &state.story { println!("{line}"); }
            println!("{}", state.cluster.get(&Key::new(PARTNERS, "a", "acme")).unwrap());
        }
        total += state.asked;
        platform += state.story.iter().filter(|l| l.contains("Platform")).count();
    }
    println!("{n} worlds, {total} requests, {platform} of the platform, {:?}", begin.elapsed());
}
