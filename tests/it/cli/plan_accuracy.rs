//! `plan` prints the requests that the operator then sends: compared for random manifests on random platform states.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use tenantry_catalog::{AddOn, Package};

use super::PluginRunner;
use super::export_and_adopt::RandomDraw;
use crate::proxy::FaultProxy;
use crate::proxy::rules::SeenRequest;
use crate::world::{TestNamespace, TestWorld};

/// Number of random pairs of manifests and platform states.
const CASES: u64 = 10;
/// Objects of a case besides the Partner.
const CLIENTS: [&str; 4] = ["one", "two", "three", "four"];

/// A request in the form of both sides: the step, and the settings by path.
type RequestStep = (String, BTreeMap<String, Value>);

#[test]
fn what_plan_prints_is_what_the_operator_then_does() {
    let mut world = TestWorld::start("promise", |options| "1h".clone_into(&mut options.drift_interval)).unwrap();
    let mut kept = BTreeMap::new();
    for seed in 0..CASES {
        check_case(&mut world, seed, &mut kept);
    }
    println!("{kept:?}");
    // Without these the cases would prove nothing.
    for what in ["Create", "Change", "Nothing", "Refuse", "Wait", "TakeOver", "mark", "update", "brand", "suspend"] {
        assert!(kept.contains_key(what), "no case has {what}: {kept:?}");
    }
}

fn check_case(world: &mut TestWorld, seed: u64, counts: &mut BTreeMap<String, usize>) {
    let mut draw = RandomDraw::new(seed * 7919 + 13);
    let proxy = world.start_proxy(Vec::new());
    let name = world.namespace_behind(&proxy, "promise").name.clone();
    let (stamp, objects) = {
        let namespace = TestNamespace::existing(world, name.clone());
        let before = create_initial_state(&namespace, &mut draw);
        (format!("case-{seed}"), draw_manifests(&namespace, &before, &mut draw))
    };
    let list = json!({"apiVersion": "v1", "kind": "List", "items": with_reconcile_stamp(objects, &stamp)}).to_string();
    let run = PluginRunner::on_cluster_of(&TestNamespace::existing(world, name.clone()))
        .run_with(&["plan", "-f", "-", "-o", "json"], &list);
    assert!(run.code == 2 || run.code == 1 && !run.out.is_empty(), "case {seed}: {run:?}");
    let plan = run.json();
    // The operator must see all objects at once, as a plan does: between two of them the state would be a different
    // one.
    world.operator.process().stop().unwrap();
    let sent = proxy.seen_requests().len();
    world.kubectl.run_with(&["apply", "--server-side", "--force-conflicts", "-f", "-"], &list).unwrap();
    world.operator.restart().unwrap();
    let namespace = TestNamespace::existing(world, name);
    wait_until_reconciled(&namespace, &plan, &stamp);
    assert_eq!(observed_steps(&namespace, &proxy, sent), planned_steps(&plan), "case {seed}\n{list}\n{}", run.out);
    for row in plan["objects"].as_array().unwrap() {
        *counts.entry(row["action"].as_str().unwrap().to_owned()).or_default() += 1;
    }
    for (step, _) in planned_steps(&plan).into_values().flatten() {
        *counts.entry(step).or_default() += 1;
    }
}

/// Creates the initial state: some of the objects with other random specs, and foreign changes of their tenants.
fn create_initial_state(namespace: &TestNamespace<'_>, draw: &mut RandomDraw) -> Vec<Value> {
    let partner = without_blocking_settings(draw_partner(namespace, draw));
    let clients: Vec<&str> = CLIENTS.into_iter().filter(|_| draw.chance(60)).collect();
    let before: Vec<Value> =
        clients.iter().map(|name| without_blocking_settings(draw_client(namespace, name, draw))).collect();
    if before.is_empty() && draw.chance(50) {
        return Vec::new();
    }
    namespace.apply(&partner);
    namespace.wait_until_ready("partner/acme");
    for object in &before {
        namespace.apply(object);
    }
    for name in &clients {
        namespace.wait_until_ready(&format!("client/{name}"));
    }
    change_on_platform(namespace, &clients, draw);
    [vec![partner], before].concat()
}

/// Draws the desired manifests: some as before, though their tenants may have changed, and the others at random.
fn draw_manifests(namespace: &TestNamespace<'_>, before: &[Value], draw: &mut RandomDraw) -> Vec<Value> {
    let keep = |name: &str, draw: &mut RandomDraw| {
        before.iter().find(|object| object["metadata"]["name"] == name).filter(|_| draw.chance(50)).cloned()
    };
    let mut objects = vec![keep("acme", draw).unwrap_or_else(|| draw_partner(namespace, draw))];
    objects.extend(CLIENTS.map(|name| keep(name, draw).unwrap_or_else(|| draw_client(namespace, name, draw))));
    if !before.is_empty() && draw.chance(70) {
        objects.push(draw_adopting_client(namespace, draw));
    }
    objects
}

/// Adds a reconcile request, which the operator acknowledges for each object.
fn with_reconcile_stamp(mut objects: Vec<Value>, stamp: &str) -> Vec<Value> {
    for object in &mut objects {
        object["metadata"]["annotations"] = json!({"tenantry.dev/reconcile-requested-at": stamp});
    }
    objects
}

fn draw_partner(namespace: &TestNamespace<'_>, draw: &mut RandomDraw) -> Value {
    let mut spec = json!({
        "connectionSecretRef": {"name": "platform"},
        "details": {"name": namespace.tenant_name("acme"), "city": draw.pick_one(&["Berlin", "Bonn"])},
        "packages": ["EventAndIncidentManagement"], "addOns": ["SLAManagement"],
    });
    if draw.chance(60) {
        spec["clients"] = json!({"defaults": {
            "country": draw.pick_one(&["Germany", "France"]), "access": {"twoFactorAuthentication": draw.chance(50)},
        }});
        if draw.chance(30) {
            spec["clients"]["locked"] = json!(["country"]);
        }
    }
    if draw.chance(40) {
        spec["branding"] = json!({"websiteTitle": draw.pick_one(&["A", "B"])});
    }
    manifest(namespace, "Partner", "acme", &spec)
}

fn draw_client(namespace: &TestNamespace<'_>, name: &str, draw: &mut RandomDraw) -> Value {
    let mut spec = json!({"partnerRef": {"name": "acme"}, "details": {"name": namespace.tenant_name(name)}});
    if draw.chance(60) {
        spec["details"]["city"] = json!(draw.pick_one(&["", "Köln", "Bonn"]));
    }
    if draw.chance(30) {
        spec["details"]["country"] = json!(draw.pick_one(&["Germany", "USA"]));
    }
    if draw.chance(30) {
        spec["details"]["timezone"] = json!(draw.pick_one(&["Asia/Calcutta", "Asia/Kolkata"]));
    }
    if draw.chance(30) {
        spec["packages"] = json!([draw.pick_one(&[
            "EventAndIncidentManagement",
            "HybridDiscoveryAndMonitoring",
            "RemediationAndAutomation"
        ])]);
    }
    if draw.chance(40) {
        spec["security"] = json!({"access": {"allowedIPs": [draw.pick_one(&["198.51.100.7", "10.0.0.*"])]}});
    }
    if draw.chance(40) {
        spec["branding"] = json!({"websiteTitle": draw.pick_one(&["C", "D"]), "loginPage": {"textColor": draw.pick_one(&["1f2937", "#FFFFFF"])}});
    }
    if draw.chance(50) {
        spec["tenantState"] = json!(draw.pick_one(&["Active", "Suspended"]));
    }
    if draw.chance(25) {
        spec["management"] = json!({"drift": "Report"});
    } else if draw.chance(30) {
        spec["management"] = json!({"approval": {"mode": draw.pick_one(&["Manual", "ManualIfRisky"])}});
    }
    manifest(namespace, "Client", name, &spec)
}

/// Removes what would keep an object from becoming Ready at first.
fn without_blocking_settings(mut object: Value) -> Value {
    object["spec"].as_object_mut().unwrap().remove("management");
    if object["kind"] == "Client" {
        object["spec"].as_object_mut().unwrap().remove("packages");
        object["spec"]["details"].as_object_mut().unwrap().remove("country");
    }
    object
}

fn manifest(namespace: &TestNamespace<'_>, kind: &str, name: &str, spec: &Value) -> Value {
    json!({
        "apiVersion": "tenantry.dev/v1alpha1", "kind": kind,
        "metadata": {"name": name, "namespace": namespace.name}, "spec": spec,
    })
}

/// Draws a Client that adopts a tenant which was created in the console.
fn draw_adopting_client(namespace: &TestNamespace<'_>, draw: &mut RandomDraw) -> Value {
    let msp = namespace.get("partner/acme").unwrap()["status"]["uniqueId"].as_str().unwrap().to_owned();
    let name = namespace.tenant_name("clicked");
    let body = json!({"name": name, "city": "Bonn"});
    let answer = namespace.world.tenancy.call("POST", &format!("{msp}/clients"), Some(&body)).unwrap();
    let id = answer.json().unwrap()["uniqueId"].clone();
    let policy = draw.pick_one(&["IfIdentical", "Adopt"]);
    let city = draw.pick_one(&["Bonn", "Bonn", "Köln"]);
    manifest(
        namespace,
        "Client",
        "clicked",
        &json!({
            "partnerRef": {"name": "acme"}, "details": {"name": name, "city": city},
            "adoption": {"policy": policy, "uniqueId": id},
        }),
    )
}

/// Changes tenants on the platform as another user.
fn change_on_platform(namespace: &TestNamespace<'_>, clients: &[&str], draw: &mut RandomDraw) {
    let tenancy = &namespace.world.tenancy;
    let id = |object: &str| namespace.get(object).unwrap()["status"]["uniqueId"].as_str().unwrap().to_owned();
    let msp = id("partner/acme");
    if draw.chance(40) {
        tenancy.change_tenant(&tenancy.partner_path(&msp), &json!({"city": "Elsewhere"})).unwrap();
    }
    for name in clients {
        let client = id(&format!("client/{name}"));
        let path = format!("{msp}/clients/{client}");
        if draw.chance(40) {
            tenancy.change_tenant(&path, &json!({"city": draw.pick_one(&["Elsewhere", "Bonn"]), "zip": "1"})).unwrap();
        }
        if draw.chance(30) {
            let branding = json!({"applicationTitle": "Theirs"});
            // A suspended tenant accepts none.
            let _ = tenancy.call("PUT", &format!("{client}/customBranding"), Some(&branding)).unwrap();
        }
        if draw.chance(20) {
            let _ = tenancy.call("POST", &format!("{path}/suspend"), Some(&json!({}))).unwrap();
        }
    }
}

/// Waits until the operator reports for each object what the plan predicts.
fn wait_until_reconciled(namespace: &TestNamespace<'_>, plan: &Value, stamp: &str) {
    for row in plan["objects"].as_array().unwrap() {
        let name = format!("{}/{}", row["kind"].as_str().unwrap().to_lowercase(), row["name"].as_str().unwrap());
        let stops = ["Refuse", "Wait"].iter().any(|action| row["action"] == *action);
        namespace.wait_until(&format!("{name} is as planned: {row}"), || {
            let found = namespace.get(&name).unwrap_or_default();
            let conditions = found["status"]["conditions"].as_array().cloned().unwrap_or_default();
            let ready = conditions.iter().find(|one| one["type"] == "Ready").cloned().unwrap_or_default();
            let is_reported = if stops { ready["reason"] == row["reason"] } else { ready["status"] == "True" };
            let is_new = ready["observedGeneration"] == found["metadata"]["generation"];
            Ok(is_reported && is_new && found["status"]["lastHandledReconcileAt"] == stamp)
        });
    }
}

/// Returns the planned requests by object.
fn planned_steps(plan: &Value) -> BTreeMap<String, Vec<RequestStep>> {
    let mut steps = BTreeMap::new();
    for row in plan["objects"].as_array().unwrap() {
        if row["action"] == "Wait" || row["action"] == "Refuse" {
            continue;
        }
        let of = row["requests"].as_array().into_iter().flatten().map(|request| {
            let settings = request["settings"].as_array().into_iter().flatten();
            let settings = settings.map(|one| (one["path"].as_str().unwrap().to_owned(), one["to"].clone())).collect();
            (request["step"].as_str().unwrap().to_owned(), settings)
        });
        let of: Vec<RequestStep> = of.collect();
        if !of.is_empty() {
            steps.insert(row["name"].as_str().unwrap().to_owned(), of);
        }
    }
    steps
}

/// Returns the requests that reached the platform since, by object.
fn observed_steps(
    namespace: &TestNamespace<'_>,
    proxy: &FaultProxy,
    since: usize,
) -> BTreeMap<String, Vec<RequestStep>> {
    let mut names = BTreeMap::new();
    for object in ["acme"]
        .into_iter()
        .map(|name| ("partner", name))
        .chain(CLIENTS.map(|name| ("client", name)))
        .chain([("client", "clicked")])
    {
        if let Some(id) = namespace
            .get(&format!("{}/{}", object.0, object.1))
            .and_then(|found| found["status"]["uniqueId"].as_str().map(str::to_owned))
        {
            names.insert(id, object.1.to_owned());
        }
        names.insert(namespace.tenant_name(object.1), object.1.to_owned());
    }
    let mut steps: BTreeMap<String, Vec<RequestStep>> = BTreeMap::new();
    for seen in
        proxy.seen_requests().iter().skip(since).filter(|seen| seen.method != "GET" && !seen.target.contains("/oauth/"))
    {
        let (whose, step) = step_from_request(seen);
        let name = names.get(&whose).unwrap_or_else(|| panic!("whose is {seen:?}")).clone();
        steps.entry(name).or_default().push(step);
    }
    steps
}

/// Converts a request without any code of the operator: into tenant and step.
fn step_from_request(request: &SeenRequest) -> (String, RequestStep) {
    let path: Vec<&str> = request.target.trim_start_matches("/api/v2/tenants/").split('/').collect();
    let body: Value = serde_json::from_str(&request.body).unwrap_or_default();
    let mut settings = BTreeMap::new();
    let mut has_mark = false;
    for (member, value) in body.as_object().into_iter().flatten() {
        if member == "managedBy" {
            has_mark = true;
        } else {
            let (path, value) = setting_from_member(member, value);
            settings.insert(path, value);
        }
    }
    let (whose, step) = match path[..] {
        [_, "clients" | "msps"] => (body["name"].as_str().unwrap(), "create"),
        [id, "customBranding"] => (id, "brand"),
        [_, _, id, action @ ("suspend" | "activate")] => (id, action),
        [_, _, id] if has_mark && settings.is_empty() => (id, "mark"),
        [_, _, id] => (id, "update"),
        _ => panic!("{request:?}"),
    };
    (whose.to_owned(), (step.to_owned(), settings))
}

/// Converts a member of a body into a setting.
fn setting_from_member(member: &str, value: &Value) -> (String, Value) {
    let names = |name: &dyn Fn(&str) -> String| {
        let mut names: Vec<String> = value.as_array().unwrap().iter().map(|one| name(one.as_str().unwrap())).collect();
        names.sort();
        json!(names)
    };
    let (path, value) = match member {
        "name" => ("details.name", value.clone()),
        "city" => ("details.city", value.clone()),
        "country" => ("details.country", value.clone()),
        "timeZone" => ("details.timezone", value.clone()),
        "packages" => ("packages", names(&|name| Package::from_wire(name).unwrap().name().to_owned())),
        "addOns" => ("addOns", names(&|name| AddOn::from_wire(name).unwrap().name().to_owned())),
        "whiteListedIPs" | "whiteListedIps" => ("security.access.allowedIPs", json!([value])),
        "twoFactorAuthentication" => ("security.access.twoFactorAuthentication", value.clone()),
        "applicationTitle" => ("branding.websiteTitle", value.clone()),
        "loginPageTextColor" => ("branding.loginPage.textColor", value.clone()),
        other => panic!("`{other}` was not declared"),
    };
    // An empty text clears the value, which a plan shows as null.
    (path.to_owned(), if value == "" { Value::Null } else { value })
}
