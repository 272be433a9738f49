//! Tests of deletion on a real API server and a real platform: evidence, breaker, cancel, and events that never end a
//! tenant.

mod cancel;
mod consent_withdrawal;
mod evidence;
mod message_advice;
mod namespace_deletion;
mod older_definitions;
mod references;
mod table;
mod terminated_answers;
mod termination_limit;

use serde_json::{Value, json};

use crate::world::{TestNamespace, TestWorld};

/// Namespace of the operator's own objects.
const OPERATOR_NAMESPACE: &str = "tenantry-system";

/// Creates a Partner `acme` and its Client `globex` in a new namespace, and waits until both are Ready. Returns their
/// tenants' ids.
fn create_partner_and_client<'a>(
    world: &'a TestWorld,
    prefix: &str,
    deletion: &Value,
) -> (TestNamespace<'a>, String, String) {
    let namespace = world.create_namespace(prefix);
    namespace.apply_partner("acme", &json!({}));
    namespace.apply_client("globex", &json!({"deletion": deletion}));
    let (partner, client) = (namespace.wait_until_ready("partner/acme"), namespace.wait_until_ready("client/globex"));
    (namespace, partner, client)
}

/// Returns the state of a Client's tenant, or `TERMINATED` if only a tombstone is left.
fn tenant_state(namespace: &TestNamespace<'_>, partner: &str, client: &str) -> String {
    let path = format!("{partner}/clients");
    let all = [true, false].map(|active| namespace.world.tenancy.list_tenants(&path, active).unwrap()).concat();
    let found = all.iter().find(|one| one["uniqueId"] == client).unwrap_or_else(|| panic!("{client} is unknown"));
    found["status"].as_str().unwrap_or_default().to_owned()
}

/// Confirms the termination of an object's tenant and deletes the object.
fn confirm_and_delete(namespace: &TestNamespace<'_>, object: &str, grace: u32) {
    namespace.merge_patch(object, &namespace.offered_confirmation(object, grace));
    namespace.delete(object);
}

/// Waits until a deletion is blocked for this reason. Returns the message.
fn wait_until_blocked(namespace: &TestNamespace<'_>, object: &str, reason: &str) -> String {
    let mut message = String::new();
    namespace.wait_until(&format!("{object} is blocked because of {reason}"), || {
        let found = namespace.condition(object, "DeletionBlocked");
        let is_so = found.as_ref().is_some_and(|(status, found, _)| status == "True" && found == reason);
        message = found.map(|(_, _, message)| message).unwrap_or_default();
        Ok(is_so)
    });
    message
}

/// Adds an annotation, as the messages about a release request.
fn annotate(namespace: &TestNamespace<'_>, object: &str, annotation: &str) {
    namespace.kubectl(&["annotate", object, &annotation.replace(": ", "=")]);
}

fn uid(namespace: &TestNamespace<'_>, object: &str) -> String {
    namespace.get(object).unwrap()["metadata"]["uid"].as_str().unwrap().to_owned()
}

/// Returns a ConfigMap in the operator's namespace.
fn config_map_at_home(world: &TestWorld, name: &str) -> Option<Value> {
    let text = world
        .kubectl
        .run(&["-n", OPERATOR_NAMESPACE, "get", "configmap", name, "-o", "json", "--ignore-not-found"])
        .unwrap();
    (!text.trim().is_empty()).then(|| serde_json::from_str(&text).unwrap())
}
