//! The scenarios: actions of people, and the expected results.

use axum::http::Method;
use jiff::SignedDuration;
use serde_json::{Value, json};

use crate::sim::cluster::{CLIENTS, PARTNERS, SimObjectKey};
use crate::sim::exchange::SimWorld;
use crate::sim::idle::is_ready;
use crate::sim::user_actions::merge_spec;

/// A step: its name, its action, and the expected state.
pub(crate) type ScenarioStep = (&'static str, Box<dyn Fn(&SimWorld)>, Box<dyn Fn(&SimWorld) -> bool>);

pub(crate) struct Scenario {
    pub(crate) name: &'static str,
    pub(crate) steps: Vec<ScenarioStep>,
}

pub(super) const ALL: [fn() -> Scenario; 9] = [
    create_scenario,
    update_scenario,
    suspend_scenario,
    terminate_scenario,
    adopt_scenario,
    reattach_scenario,
    two_namespace_scenario,
    revoke_scenario,
    namespace_scenario,
];

/// Returns the scenario with this name.
pub(crate) fn scenario_named(name: &str) -> Scenario {
    ALL.iter().map(|make| make()).find(|scenario| scenario.name == name).unwrap()
}

fn acme() -> SimObjectKey {
    SimObjectKey::new(PARTNERS, "a", "acme")
}

fn globex() -> SimObjectKey {
    SimObjectKey::new(CLIENTS, "a", "globex")
}

/// Returns a spec of a Partner.
pub(crate) fn partner_spec(more: &Value) -> Value {
    let spec = json!({
        "connectionSecretRef": {"name": "platform"},
        "details": {"name": "Acme", "timezone": "Europe/Berlin", "country": "Germany"},
    });
    merge_spec(spec, more)
}

/// Returns a spec of a Client.
pub(crate) fn client_spec(name: &str, more: &Value) -> Value {
    merge_spec(json!({"partnerRef": {"name": "acme"}, "details": {"name": name, "address": "Hauptstr. 1"}}), more)
}

fn scenario_step(
    name: &'static str,
    act: impl Fn(&SimWorld) + 'static,
    is_so: impl Fn(&SimWorld) -> bool + 'static,
) -> ScenarioStep {
    (name, Box::new(act), Box::new(is_so))
}

fn is_ready_check(key: SimObjectKey) -> impl Fn(&SimWorld) -> bool {
    move |world| world.object(&key).is_some_and(|object| is_ready(&object))
}

fn is_gone_check(key: SimObjectKey) -> impl Fn(&SimWorld) -> bool {
    move |world| world.object(&key).is_none()
}

/// Returns `deletion` with the policy and a valid confirmation.
pub(crate) fn confirmed_deletion(world: &SimWorld, key: &SimObjectKey, grace: i64) -> Value {
    let tenant = world.tenant(key).unwrap();
    let not_after = tenantry_runtime::clock::now() + SignedDuration::from_hours(48);
    json!({"deletion": {"policy": "Terminate", "gracePeriodSeconds": grace, "confirm": {
        "name": tenant.name, "uniqueId": tenant.id, "notAfter": not_after.to_string(),
        "acknowledge": ["DataErased", "NotRecoverable", "UsersDeactivated"],
    }}})
}

fn creation_steps(more: Value) -> Vec<ScenarioStep> {
    vec![
        scenario_step(
            "the Partner is created",
            move |world| drop(world.create(&acme(), &partner_spec(&more))),
            is_ready_check(acme()),
        ),
        scenario_step(
            "the Client is created",
            |world| drop(world.create(&globex(), &client_spec("Globex", &json!({})))),
            is_ready_check(globex()),
        ),
    ]
}

fn create_scenario() -> Scenario {
    let branding = json!({"branding": {"websiteTitle": "Acme"}});
    let steps = vec![scenario_step(
        "the Partner is created",
        move |world| drop(world.create(&acme(), &partner_spec(&branding))),
        is_ready_check(acme()),
    )];
    Scenario { name: "create", steps }
}

fn update_scenario() -> Scenario {
    let mut steps = creation_steps(json!({}));
    steps.push(scenario_step(
        "the Client is edited",
        |world| drop(world.edit(&globex(), &json!({"details": {"city": "Bonn"}}))),
        is_ready_check(globex()),
    ));
    steps.push(scenario_step(
        "somebody changes it in the console",
        |world| drop(world.change_in_console(&world.tenant(&globex()).unwrap(), &json!({"city": "Ulm"}))),
        |world| {
            world.tenant(&globex()).is_some_and(|tenant| tenant.settings["city"] == "Bonn")
                && is_ready_check(globex())(world)
        },
    ));
    Scenario { name: "update", steps }
}

fn suspend_scenario() -> Scenario {
    let mut steps = creation_steps(json!({}));
    steps.push(scenario_step(
        "the Client is suspended",
        |world| drop(world.edit(&globex(), &json!({"tenantState": "Suspended"}))),
        is_ready_check(globex()),
    ));
    steps.push(scenario_step(
        "and activated",
        |world| drop(world.edit(&globex(), &json!({"tenantState": "Active"}))),
        is_ready_check(globex()),
    ));
    steps.push(scenario_step(
        "it is deleted with Suspend",
        |world| {
            world.edit(&globex(), &json!({"deletion": {"policy": "Suspend"}}));
            world.delete(&globex());
        },
        is_gone_check(globex()),
    ));
    Scenario { name: "suspend", steps }
}

fn confirm_and_delete(world: &SimWorld, key: &SimObjectKey, grace: i64) {
    world.edit(key, &confirmed_deletion(world, key, grace));
    world.delete(key);
}

fn terminate_scenario() -> Scenario {
    let mut steps = creation_steps(json!({}));
    steps.push(scenario_step(
        "the Client is ended",
        |world| confirm_and_delete(world, &globex(), 90),
        is_gone_check(globex()),
    ));
    Scenario { name: "terminate", steps }
}

fn adopt_scenario() -> Scenario {
    let foreign = |world: &SimWorld| {
        let body = json!({"name": "Acme", "city": "Ulm", "country": "Germany", "timeZone": "Europe/Berlin"});
        let reply = world.console(Method::POST, "sp_1/msps", &body);
        let id = reply.json_body()["uniqueId"].as_str().unwrap_or_else(|| panic!("{reply:?}")).to_owned();
        world.create(
            &acme(),
            &partner_spec(&json!({"details": {"city": "Bonn"}, "adoption": {"policy": "Adopt", "uniqueId": id}})),
        );
    };
    Scenario {
        name: "adopt",
        steps: vec![scenario_step("a Partner that exists is taken over", foreign, is_ready_check(acme()))],
    }
}

fn reattach_scenario() -> Scenario {
    let mut steps = creation_steps(json!({}));
    steps.push(scenario_step(
        "the Client is deleted and stays on the platform",
        |world| drop(world.delete(&globex())),
        is_gone_check(globex()),
    ));
    steps.push(scenario_step(
        "it is created again",
        |world| drop(world.create(&globex(), &client_spec("Globex", &json!({})))),
        is_ready_check(globex()),
    ));
    Scenario { name: "reattach", steps }
}

fn two_namespace_scenario() -> Scenario {
    let other = || SimObjectKey::new(CLIENTS, "b", "initech");
    let mut steps = creation_steps(
        json!({"clients": {"allowedNamespaces": {"from": "All"}, "defaults": {"timezone": "Europe/Berlin"}}}),
    );
    let spec = json!({"partnerRef": {"name": "acme", "namespace": "a"}});
    steps.push(scenario_step(
        "another Client is created",
        move |world| drop(world.create(&other(), &client_spec("Initech", &spec))),
        is_ready_check(other()),
    ));
    steps.push(scenario_step(
        "all are ended at once",
        move |world| {
            for key in [acme(), globex(), other()] {
                confirm_and_delete(world, &key, 30);
            }
        },
        move |world| [acme(), globex(), other()].into_iter().all(|key| world.object(&key).is_none()),
    ));
    Scenario { name: "family", steps }
}

fn revoke_scenario() -> Scenario {
    let mut steps = creation_steps(json!({}));
    let suspended = |world: &SimWorld| world.tenant(&globex()).is_some_and(|tenant| tenant.state == "SUSPENDED");
    steps.push(scenario_step(
        "the Client is to be ended in a day",
        |world| confirm_and_delete(world, &globex(), 86_400),
        suspended,
    ));
    steps.push(scenario_step(
        "the confirmation is taken back",
        |world| drop(world.edit(&globex(), &json!({"deletion": {"confirm": null}}))),
        is_gone_check(globex()),
    ));
    Scenario { name: "revoke", steps }
}

fn namespace_scenario() -> Scenario {
    let mut steps = creation_steps(json!({}));
    let suspended = |world: &SimWorld| world.tenant(&globex()).is_some_and(|tenant| tenant.state == "SUSPENDED");
    steps.push(scenario_step(
        "the Client is to be ended in five minutes",
        |world| confirm_and_delete(world, &globex(), 300),
        suspended,
    ));
    steps.push(scenario_step(
        "its namespace is deleted",
        |world| {
            world.delete_namespace("a");
            world.run_controllers();
        },
        |world| is_gone_check(globex())(world) && is_gone_check(acme())(world),
    ));
    Scenario { name: "namespace", steps }
}
