//! Tests that no secret is in logs, status, events or metrics: the test sets known values and searches for them
//! everywhere.

use std::time::Duration;

use serde_json::json;

use crate::world::TestWorld;

const SEEDS: [&str; 3] = ["seed-integration-key-7c1f", "seed-secret-key-9b2e", "seed-wrong-client-secret-4d3a"];

/// shows: seeds/access/duo-shown
/// shows: security/credential/log-reader
#[test]
fn no_secret_is_found_in_logs_status_events_or_metrics() {
    let world = TestWorld::start("secrecy", |options| {
        options.env.push(("TENANTRY_LOG".to_owned(), "trace".to_owned()));
    })
    .unwrap();
    let namespace = world.create_namespace("secrecy");
    namespace.apply_referenced_secret("duo", &json!({"integrationKey": SEEDS[0], "secretKey": SEEDS[1]}));
    let duo = json!({
        "integrationKeySecretRef": {"name": "duo", "key": "integrationKey"},
        "secretKeySecretRef": {"name": "duo", "key": "secretKey"},
        "apiHostname": "api-1.duo.example",
    });
    namespace.apply_partner("acme", &json!({"security": {"access": {"duo": duo}}}));
    let partner = namespace.wait_until_ready("partner/acme");
    let mut wrong = namespace.credential();
    wrong["clientSecret"] = json!(SEEDS[2]);
    namespace.apply_secret("wrong", &wrong);
    namespace.apply_partner("refused", &json!({"connectionSecretRef": {"name": "wrong"}}));
    namespace.wait_until_not_ready("partner/refused", "CredentialsRefused");
    std::thread::sleep(Duration::from_secs(2));
    let sp = world.tenancy.provider_id();
    let places = [
        ("operator log", world.operator.log().unwrap()),
        ("platform log", world.platform.service.log().unwrap()),
        ("operator metrics", world.operator.metrics().unwrap()),
        ("platform metrics", world.platform.service.metrics().unwrap()),
        ("objects", namespace.kubectl(&["get", "partners,clients,configmaps", "-o", "yaml"])),
        ("events", namespace.kubectl(&["get", "events.v1.events.k8s.io", "-o", "yaml"])),
        ("the platform's answer", world.tenancy.get(&format!("{sp}/msps/{partner}")).unwrap().to_string()),
    ];
    let client_secret = world.platform.credential.client_secret.as_str();
    for (place, text) in &places {
        assert!(!text.is_empty(), "{place} is empty: nothing was looked at");
        for secret in SEEDS.iter().copied().chain([client_secret]) {
            assert!(!text.contains(secret), "{place} holds a secret");
        }
    }
    let tenant = world.tenancy.get(&format!("{sp}/msps/{partner}")).unwrap();
    assert_eq!(tenant["duoSecurity"]["apiHostName"], "api-1.duo.example", "the setting itself was written");
}
