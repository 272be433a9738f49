//! A setting that is removed from a manifest is not managed any more. If it is a security setting, a message reports
//! that.

use serde_json::{Value, json};

use super::cluster::{CLIENTS, PARTNERS, SimObjectKey};
use super::crash_sweep::scenarios;
use super::exchange::{OperatorLife, SimWorld};
use super::idle::{new_default_world, wait_until_idle};
use super::operator_life::{run_life, settings};

fn globex() -> SimObjectKey {
    SimObjectKey::new(CLIENTS, "a", "globex")
}

/// Returns the unmanaged settings of status, and the message of Ready.
fn unmanaged_settings_and_message(world: &SimWorld) -> (Value, String) {
    let object = world.object(&globex()).unwrap();
    let conditions = object["status"]["conditions"].as_array().unwrap().clone();
    let ready = conditions.iter().find(|one| one["type"] == "Ready").unwrap();
    (object["status"]["noLongerManaged"].clone(), ready["message"].as_str().unwrap().to_owned())
}

#[test]
fn a_security_setting_that_is_taken_out_stays_and_that_is_said_until_it_is_declared_or_gone() {
    let world = new_default_world();
    let done = run_life(&world, &OperatorLife::new(1), settings(), async {
        world.create(&SimObjectKey::new(PARTNERS, "a", "acme"), &scenarios::partner_spec(&json!({})));
        let access = json!({"allowedIPs": ["198.51.100.7"], "twoFactorAuthentication": true});
        world.create(&globex(), &json!({
            "partnerRef": {"name": "acme"}, "details": {"name": "Globex", "city": "Bonn"}, "security": {"access": access},
        }));
        wait_until_idle(&world, 1).await;
        assert_eq!(unmanaged_settings_and_message(&world), (Value::Null, "the tenant is as declared".to_owned()));
        world.edit(&globex(), &json!({"details": {"city": null}, "security": null}));
        wait_until_idle(&world, 2).await;
        let (listed, message) = unmanaged_settings_and_message(&world);
        let stays = json!([
            {"path": "security.access.allowedIPs", "value": "[\"198.51.100.7\"]"},
            {"path": "security.access.twoFactorAuthentication", "value": "true"},
        ]);
        assert_eq!(listed, stays);
        assert!(
            message.contains("`security.access.allowedIPs` is no longer declared and stays at [\"198.51.100.7\"]"),
            "{message}"
        );
        let tenant = world.tenant(&globex()).unwrap();
        assert_eq!(tenant.settings["whiteListedIps"], "198.51.100.7");
        let events = || world.lock().oracle.events.get("NoLongerManaged").copied();
        assert_eq!(events(), Some(2), "one for each, and none for the city");
        world.edit(&globex(), &json!({"security": {"access": {"allowedIPs": [], "twoFactorAuthentication": false}}}));
        wait_until_idle(&world, 1).await;
        assert_eq!(unmanaged_settings_and_message(&world).0, Value::Null);
        world.edit(&globex(), &json!({"security": {"access": {"allowedIPs": null}}}));
        wait_until_idle(&world, 1).await;
        // An empty list allows everybody, so nothing of it is in force.
        assert_eq!((unmanaged_settings_and_message(&world).0, events()), (Value::Null, Some(2)));
    });
    assert!(done.is_some());
    assert_eq!(world.idle_faults(), Vec::<String>::new());
}
