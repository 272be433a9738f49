//! Tests of remedies: every message about a blocked object says what to do. The tests follow it exactly, and the object
//! moves on.

mod page;
mod platform;
mod references;

use serde_json::{Value, json};

use crate::world::{TestNamespace, TestWorld};

/// Creates a Partner `acme` in a new namespace and waits until it is Ready. Returns its tenant's id.
fn create_ready_partner(prefix: &str) -> (TestNamespace<'static>, String) {
    let namespace = TestWorld::shared_world().create_namespace(prefix);
    namespace.apply_partner("acme", &json!({}));
    let id = namespace.wait_until_ready("partner/acme");
    (namespace, id)
}

/// Asserts that the message asks for this, in these words.
fn assert_message_contains(message: &str, words: &[&str]) {
    for word in words {
        assert!(message.contains(word), "`{message}` does not say `{word}`");
    }
}

/// Deletes an object whose tenant stays.
fn delete_and_wait(namespace: &TestNamespace<'_>, object: &str) {
    namespace.delete(object);
    namespace.wait_until_gone(object);
}

/// Creates a tenant under a partner as a user does by hand. Returns its id.
fn create_manual_tenant(namespace: &TestNamespace<'_>, partner: &str, tenant: &Value) -> String {
    let path = format!("{partner}/clients");
    namespace.world.tenancy.change_tenant(&path, tenant).unwrap();
    let active_clients = namespace.world.tenancy.list_tenants(&path, true).unwrap();
    let found = active_clients.iter().find(|one| one["name"] == tenant["name"]).unwrap();
    found["uniqueId"].as_str().unwrap().to_owned()
}
