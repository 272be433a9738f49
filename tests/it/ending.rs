//! The end of objects on a real API server and a real platform: evidence, breaker, cancel, and what never ends a tenant.

mod breaker;
mod cancel;
mod definitions;
mod evidence;
mod forms;
mod messages;
mod permit;
mod references;
mod table;
mod whole;

use serde_json::{Value, json};

use crate::world::{Space, World};

/// Namespace of the operator's own objects.
const HOME: &str = "tenantry-system";

/// A Partner `acme` and its Client `globex` in a namespace of their own, both Ready: with the ids of their tenants.
fn family<'a>(world: &'a World, prefix: &str, deletion: &Value) -> (Space<'a>, String, String) {
    let space = world.namespace(prefix);
    space.partner("acme", &json!({}));
    space.client("globex", &json!({"deletion": deletion}));
    let (partner, client) = (space.ready("partner/acme"), space.ready("client/globex"));
    (space, partner, client)
}

/// State of a Client's tenant; `TERMINATED` where only a tombstone is left.
fn state(space: &Space<'_>, partner: &str, client: &str) -> String {
    let path = format!("{partner}/clients");
    let all = [true, false].map(|active| space.world.tenancy.list(&path, active).unwrap()).concat();
    let found = all.iter().find(|one| one["uniqueId"] == client).unwrap_or_else(|| panic!("{client} is unknown"));
    found["status"].as_str().unwrap_or_default().to_owned()
}

/// Confirms the end of an object's tenant and asks for it.
fn end(space: &Space<'_>, object: &str, grace: u32) {
    space.patch(object, &space.confirm(object, grace));
    space.delete(object);
}

/// What is in the way of a deletion: waits until it is for this reason, and returns the message.
fn blocked(space: &Space<'_>, object: &str, reason: &str) -> String {
    let mut message = String::new();
    space.until(&format!("{object} is blocked because of {reason}"), || {
        let found = space.condition(object, "DeletionBlocked");
        let is_so = found.as_ref().is_some_and(|(status, found, _)| status == "True" && found == reason);
        message = found.map(|(_, _, message)| message).unwrap_or_default();
        Ok(is_so)
    });
    message
}

/// Adds an annotation, as `let go` messages ask for.
fn annotate(space: &Space<'_>, object: &str, annotation: &str) {
    space.kubectl(&["annotate", object, &annotation.replace(": ", "=")]);
}

fn uid(space: &Space<'_>, object: &str) -> String {
    space.get(object).unwrap()["metadata"]["uid"].as_str().unwrap().to_owned()
}

/// A ConfigMap in the operator's namespace.
fn kept(world: &World, name: &str) -> Option<Value> {
    let text = world.kubectl.run(&["-n", HOME, "get", "configmap", name, "-o", "json", "--ignore-not-found"]).unwrap();
    (!text.trim().is_empty()).then(|| serde_json::from_str(&text).unwrap())
}
