//! The scenarios: what people do, and what must come of it.

use axum::http::Method;
use jiff::SignedDuration;
use serde_json::{Value, json};

use crate::sim::cluster::{CLIENTS, Key, PARTNERS};
use crate::sim::people::with;
use crate::sim::seam::World;
use crate::sim::settle::is_ready;

/// A step: its name, what is done, and what must come of it.
pub(crate) type Step = (&'static str, Box<dyn Fn(&World)>, Box<dyn Fn(&World) -> bool>);

pub(crate) struct Scenario {
    pub(crate) name: &'static str,
    pub(crate) steps: Vec<Step>,
}

pub(super) const ALL: [fn() -> Scenario; 9] =
    [create, update, suspend, terminate, adopt, reattach, family, revoke, namespace];

/// The scenario of a name.
pub(crate) fn named(name: &str) -> Scenario {
    ALL.iter().map(|make| make()).find(|scenario| scenario.name == name).unwrap()
}

fn acme() -> Key {
    Key::new(PARTNERS, "a", "acme")
}

fn globex() -> Key {
    Key::new(CLIENTS, "a", "globex")
}

/// A spec of a Partner.
pub(crate) fn partner(more: &Value) -> Value {
    let spec = json!({
        "connectionSecretRef": {"name": "platform"},
        "details": {"name": "Acme", "timezone": "Europe/Berlin", "country": "Germany"},
    });
    with(spec, more)
}

/// A spec of a Client.
pub(crate) fn client(name: &str, more: &Value) -> Value {
    with(json!({"partnerRef": {"name": "acme"}, "details": {"name": name, "address": "Hauptstr. 1"}}), more)
}

fn step(name: &'static str, act: impl Fn(&World) + 'static, is_so: impl Fn(&World) -> bool + 'static) -> Step {
    (name, Box::new(act), Box::new(is_so))
}

fn ready(key: Key) -> impl Fn(&World) -> bool {
    move |world| world.object(&key).is_some_and(|object| is_ready(&object))
}

fn gone(key: Key) -> impl Fn(&World) -> bool {
    move |world| world.object(&key).is_none()
}

/// The right confirmation, and the policy with it.
pub(crate) fn confirm(world: &World, key: &Key, grace: i64) -> Value {
    let tenant = world.tenant(key).unwrap();
    let not_after = tenantry::clock::now() + SignedDuration::from_hours(48);
    json!({"deletion": {"policy": "Terminate", "gracePeriodSeconds": grace, "confirm": {
        "name": tenant.name, "uniqueId": tenant.id, "notAfter": not_after.to_string(),
        "acknowledge": ["DataErased", "NotRecoverable", "UsersDeactivated"],
    }}})
}

fn made(more: Value) -> Vec<Step> {
    vec![
        step("the Partner is created", move |world| drop(world.create(&acme(), &partner(&more))), ready(acme())),
        step(
            "the Client is created",
            |world| drop(world.create(&globex(), &client("Globex", &json!({})))),
            ready(globex()),
        ),
    ]
}

fn create() -> Scenario {
    let branding = json!({"branding": {"websiteTitle": "Acme"}});
    let steps = vec![step(
        "the Partner is created",
        move |world| drop(world.create(&acme(), &partner(&branding))),
        ready(acme()),
    )];
    Scenario { name: "create", steps }
}

fn update() -> Scenario {
    let mut steps = made(json!({}));
    steps.push(step(
        "the Client is edited",
        |world| drop(world.edit(&globex(), &json!({"details": {"city": "Bonn"}}))),
        ready(globex()),
    ));
    steps.push(step(
        "somebody changes it in the console",
        |world| drop(world.drift(&world.tenant(&globex()).unwrap(), &json!({"city": "Ulm"}))),
        |world| {
            world.tenant(&globex()).is_some_and(|tenant| tenant.settings["city"] == "Bonn") && ready(globex())(world)
        },
    ));
    Scenario { name: "update", steps }
}

fn suspend() -> Scenario {
    let mut steps = made(json!({}));
    steps.push(step(
        "the Client is suspended",
        |world| drop(world.edit(&globex(), &json!({"tenantState": "Suspended"}))),
        ready(globex()),
    ));
    steps.push(step(
        "and activated",
        |world| drop(world.edit(&globex(), &json!({"tenantState": "Active"}))),
        ready(globex()),
    ));
    steps.push(step(
        "it is deleted with Suspend",
        |world| {
            world.edit(&globex(), &json!({"deletion": {"policy": "Suspend"}}));
            world.delete(&globex());
        },
        gone(globex()),
    ));
    Scenario { name: "suspend", steps }
}

fn end(world: &World, key: &Key, grace: i64) {
    world.edit(key, &confirm(world, key, grace));
    world.delete(key);
}

fn terminate() -> Scenario {
    let mut steps = made(json!({}));
    steps.push(step("the Client is ended", |world| end(world, &globex(), 90), gone(globex())));
    Scenario { name: "terminate", steps }
}

fn adopt() -> Scenario {
    let foreign = |world: &World| {
        let body = json!({"name": "Acme", "city": "Ulm", "country": "Germany", "timeZone": "Europe/Berlin"});
        let reply = world.console(Method::POST, "sp_1/msps", &body);
        let id = reply.value()["uniqueId"].as_str().unwrap_or_else(|| panic!("{reply:?}")).to_owned();
        world.create(
            &acme(),
            &partner(&json!({"details": {"city": "Bonn"}, "adoption": {"policy": "Adopt", "uniqueId": id}})),
        );
    };
    Scenario { name: "adopt", steps: vec![step("a Partner that exists is taken over", foreign, ready(acme()))] }
}

fn reattach() -> Scenario {
    let mut steps = made(json!({}));
    steps.push(step(
        "the Client is deleted and stays on the platform",
        |world| drop(world.delete(&globex())),
        gone(globex()),
    ));
    steps.push(step(
        "it is created again",
        |world| drop(world.create(&globex(), &client("Globex", &json!({})))),
        ready(globex()),
    ));
    Scenario { name: "reattach", steps }
}

fn family() -> Scenario {
    let other = || Key::new(CLIENTS, "b", "initech");
    let mut steps =
        made(json!({"clients": {"allowedNamespaces": {"from": "All"}, "defaults": {"timezone": "Europe/Berlin"}}}));
    let spec = json!({"partnerRef": {"name": "acme", "namespace": "a"}});
    steps.push(step(
        "another Client is created",
        move |world| drop(world.create(&other(), &client("Initech", &spec))),
        ready(other()),
    ));
    steps.push(step(
        "all are ended at once",
        move |world| {
            for key in [acme(), globex(), other()] {
                end(world, &key, 30);
            }
        },
        move |world| [acme(), globex(), other()].into_iter().all(|key| world.object(&key).is_none()),
    ));
    Scenario { name: "family", steps }
}

fn revoke() -> Scenario {
    let mut steps = made(json!({}));
    let suspended = |world: &World| world.tenant(&globex()).is_some_and(|tenant| tenant.state == "SUSPENDED");
    steps.push(step("the Client is to be ended in a day", |world| end(world, &globex(), 86_400), suspended));
    steps.push(step(
        "the confirmation is taken back",
        |world| drop(world.edit(&globex(), &json!({"deletion": {"confirm": null}}))),
        gone(globex()),
    ));
    Scenario { name: "revoke", steps }
}

fn namespace() -> Scenario {
    let mut steps = made(json!({}));
    let suspended = |world: &World| world.tenant(&globex()).is_some_and(|tenant| tenant.state == "SUSPENDED");
    steps.push(step("the Client is to be ended in five minutes", |world| end(world, &globex(), 300), suspended));
    steps.push(step(
        "its namespace is deleted",
        |world| {
            world.delete_namespace("a");
            world.controllers();
        },
        |world| gone(globex())(world) && gone(acme())(world),
    ));
    Scenario { name: "namespace", steps }
}
