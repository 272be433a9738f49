//! Names in references that an older definition accepted.

use serde_json::{Value, json};

use super::cluster::{CLIENTS, PARTNERS, SimObjectKey};
use super::crash_sweep::scenarios;
use super::exchange::{OperatorLife, RequestFate};
use super::idle::{condition, is_ready, new_default_world};
use super::operator_life::{run_life, settings};
use super::request::SimServer;
use super::user_actions::merge_spec;

/// shows: faults/69
#[test]
fn no_request_is_made_of_what_is_no_name_and_nobody_else_notices() {
    let duo = |name: &str, key: &str| {
        let reference = json!({"name": name, "key": key});
        json!({"duo": {"integrationKeySecretRef": reference, "secretKeySecretRef": reference, "apiHostname": "a.duosecurity.com"}})
    };
    let image = |name: &str, key: &str| json!({"logo": {"configMapKeyRef": {"name": name, "key": key}}});
    let cases: [(&str, Value, &str); 8] = [
        ("parent", json!({"partnerRef": {"name": "../../x"}}), "`partnerRef.name`"),
        ("elsewhere", json!({"partnerRef": {"name": "acme", "namespace": "%2e%2e%2fa"}}), "`partnerRef.namespace`"),
        ("dots", json!({"partnerRef": {"name": "acme", "namespace": ".."}}), "`partnerRef.namespace`"),
        ("connection", json!({"connectionSecretRef": {"name": "platform?x=1"}}), "`connectionSecretRef.name`"),
        ("secret", json!({"security": {"access": duo("../../configmaps/x", "a")}}), "`security.access.duo`"),
        ("key", json!({"security": {"access": duo("duo", "a/b")}}), "`security.access.duo`"),
        ("map", json!({"branding": image("a#b", "logo.png")}), "`branding`"),
        ("file", json!({"branding": image("brand", "../logo")}), "`branding`"),
    ];
    let world = new_default_world();
    world.lock().fates = Box::new(|_, ask| {
        let is_odd = ask.path.contains("..") || ask.path.contains(['%', '#']) || ask.query.contains("x=1");
        assert!(ask.side == SimServer::Platform || !is_odd, "{}", ask.log_line());
        RequestFate::Pass
    });
    let key = |name: &str| SimObjectKey::new(CLIENTS, "a", name);
    let done = run_life(&world, &OperatorLife::new(1), settings(), async {
        world.create(&SimObjectKey::new(PARTNERS, "a", "acme"), &scenarios::partner_spec(&json!({})));
        let client = |name: &str, more: &Value| {
            let spec = json!({"partnerRef": {"name": "acme"}, "details": {"name": name}});
            assert!(world.create(&key(name), &merge_spec(spec, more)).is_success());
        };
        for (name, more, _) in &cases {
            client(name, more);
        }
        client("sound", &json!({}));
        world.wait_until("the sound one is Ready", |world| is_ready(&world.object(&key("sound")).unwrap())).await;
        for (name, _, path) in &cases {
            let ready = |world: &super::exchange::SimWorld| condition(&world.object(&key(name)).unwrap(), "Ready");
            world.wait_until("it is refused", |world| ready(world).is_some()).await;
            assert_eq!(ready(&world).unwrap().1, "InvalidValue", "{name}");
            let text = world.object(&key(name)).unwrap()["status"]["conditions"].to_string();
            assert!(text.contains(path) && text.contains("correct it"), "{name}: {text}");
            world.delete(&key(name));
            world.wait_until("it goes", |world| world.object(&key(name)).is_none()).await;
        }
    });
    assert!(done.is_some());
}
