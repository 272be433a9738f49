//! Whatever keeps an object from going on says what to do; here that is done to the letter, and the object moves.

mod page;
mod platform;
mod references;

use serde_json::{Value, json};

use crate::world::{Space, World};

/// A Partner `acme` in a namespace of its own, Ready, with its tenant's id.
fn acme(prefix: &str) -> (Space<'static>, String) {
    let space = World::shared().namespace(prefix);
    space.partner("acme", &json!({}));
    let id = space.ready("partner/acme");
    (space, id)
}

/// Makes sure that the message asks for this, in these words.
fn asks(message: &str, words: &[&str]) {
    for word in words {
        assert!(message.contains(word), "`{message}` does not say `{word}`");
    }
}

/// Removes an object whose tenant stays.
fn let_go(space: &Space<'_>, object: &str) {
    space.delete(object);
    space.gone(object);
}

/// A tenant under a partner that somebody made by hand.
fn clicked(space: &Space<'_>, partner: &str, tenant: &Value) -> String {
    let path = format!("{partner}/clients");
    space.world.tenancy.change(&path, tenant).unwrap();
    let living = space.world.tenancy.list(&path, true).unwrap();
    let found = living.iter().find(|one| one["name"] == tenant["name"]).unwrap();
    found["uniqueId"].as_str().unwrap().to_owned()
}
