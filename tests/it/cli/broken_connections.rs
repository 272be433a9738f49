//! A connection that cannot be used is one line of the result and hides no other result.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::PluginRunner;
use super::export_and_adopt::folder_contents;
use crate::proxy::rules::{CannedAnswer, FaultRule, ProxyFault};
use crate::world::{TestNamespace, TestWorld};

/// Creates objects with broken connections: a Secret without a key, a missing Secret, a wrong credential, and a
/// platform that does not answer. The first one also has a Client.
fn create_broken_connections(test_namespace: &TestNamespace<'_>) {
    let secret = |name: &str, key: &str, value: Option<&str>| {
        let mut data = test_namespace.credential();
        match value {
            Some(value) => data[key] = json!(value),
            None => drop(data.as_object_mut().unwrap().remove(key)),
        }
        test_namespace.apply_secret(name, &data);
    };
    secret("keyless", "clientId", None);
    secret("wrong", "clientSecret", Some("not-the-secret"));
    secret("silent", "url", Some("http://127.0.0.1:1"));
    for (name, reason) in [
        ("keyless", "CredentialsUnavailable"),
        ("absent", "CredentialsUnavailable"),
        ("wrong", "CredentialsRefused"),
        ("silent", "HostNotAllowed"),
    ] {
        test_namespace.apply_partner(name, &json!({"connectionSecretRef": {"name": name}}));
        test_namespace.wait_until_not_ready(&format!("partner/{name}"), reason);
    }
    test_namespace.apply_client("behind", &json!({"partnerRef": {"name": "keyless"}}));
    test_namespace.wait_until_not_ready("client/behind", "CredentialsUnavailable");
}

/// Returns the lines with this beginning.
fn lines_starting_with<'a>(text: &'a str, begin: &str) -> Vec<&'a str> {
    text.lines().filter(|line| line.starts_with(begin)).collect()
}

#[test]
fn one_broken_connection_is_one_line_and_takes_no_result_away() {
    let world = TestWorld::start("broken", |_| {}).unwrap();
    let (good, bad) = (world.create_namespace("good"), world.create_namespace("bad"));
    good.apply_partner("acme", &json!({}));
    good.apply_client("globex", &json!({}));
    let partner = good.wait_until_ready("partner/acme");
    good.wait_until_ready("client/globex");
    let clicked = json!({"name": "Clicked"});
    assert_eq!(world.tenancy.call("POST", &format!("{partner}/clients"), Some(&clicked)).unwrap().status, 200);
    create_broken_connections(&bad);
    let desk = PluginRunner::on_cluster_of(&good);

    let ran = desk.run(&["plan", "--show-unchanged"]);
    assert_eq!(ran.code, 1, "{ran:?}");
    let said = lines_starting_with(&ran.out, "not looked at: ");
    assert_eq!(said.len(), 4, "{}", ran.out);
    let keyless = format!("Partner {0}/keyless, Client {0}/behind: ", bad.name);
    assert!(said.iter().any(|line| line.contains(&keyless) && line.contains("clientId")), "{said:#?}");
    assert!(ran.out.contains(&format!("Client {}/globex", good.name)), "{}", ran.out);
    assert!(ran.err.contains("5 objects could not be looked at: the plan says why"), "{}", ran.err);
    let ran = desk.run(&["plan", "-o", "json"]);
    assert_eq!((ran.code, &ran.json()["summary"]), (1, &json!({"Nothing": 2, "Unknown": 5})), "{ran:?}");
    let ran = desk.run(&["plan", "-n", &bad.name, "-o", "markdown"]);
    assert_eq!((ran.code, lines_starting_with(&ran.out, "* not looked at: ").len()), (1, 4), "{ran:?}");
    let ran = desk.run(&["plan", "-n", &good.name]);
    assert_eq!((ran.code, lines_starting_with(&ran.out, "not looked at: ").len()), (0, 0), "{ran:?}");
    let ran = desk.run(&["plan", "-A", "-n", &good.name, "-o", "json"]);
    assert_eq!(ran.json()["summary"], json!({"Nothing": 2, "Unknown": 5}), "all namespaces: {ran:?}");
    assert_eq!(desk.run(&["plan", "-A", "partner/acme"]).code, 1, "one object is in one namespace");

    check_unmanaged(&desk, &good, &bad);

    let ran = desk.run(&["status", "-A"]);
    assert_eq!((ran.code, lines_starting_with(&ran.out, "connection of ").len()), (1, 4), "{ran:?}");
    assert!(ran.out.contains("client/globex"), "{}", ran.out);
    assert_eq!(desk.run(&["status", "-n", &good.name]).code, 0);
}

fn check_unmanaged(desk: &PluginRunner, good: &TestNamespace<'_>, bad: &TestNamespace<'_>) {
    let ran = desk.run(&["unmanaged"]);
    assert_eq!((ran.code, lines_starting_with(&ran.out, "not looked at: ").len()), (1, 4), "{ran:?}");
    assert!(ran.out.contains("\"Clicked\""), "{}", ran.out);
    let found = |space: &TestNamespace<'_>| {
        let run = desk.run(&["unmanaged", "-n", &space.name, "-o", "json"]);
        let found = run.json();
        let count = |key: &str| found[key].as_array().map(Vec::len);
        (run.code, count("tenants"), count("notLookedAt"))
    };
    assert_eq!(found(good), (2, Some(1), None), "nothing is said of the other namespace");
    let all = desk.run(&["unmanaged", "-A", "-n", &good.name, "-o", "json"]).json();
    assert_eq!(all["notLookedAt"].as_array().map(Vec::len), Some(4), "{all}");
    assert_eq!(found(bad), (1, Some(0), Some(4)));
}

/// Returns a Client of a partner that does not exist yet.
fn new_client(number: usize) -> Value {
    json!({
        "apiVersion": "tenantry.dev/v1alpha1", "kind": "Client", "metadata": {"name": format!("new-{number}")},
        "spec": {"partnerRef": {"name": "fresh"}, "details": {"name": format!("New client {number}"), "city": "Berlin"}},
    })
}

#[test]
fn a_plan_of_300_new_clients_fits_into_a_comment_and_counts_what_is_left_out() {
    let namespace = TestWorld::shared_world().create_namespace("comment");
    let partner = json!({
        "apiVersion": "tenantry.dev/v1alpha1", "kind": "Partner", "metadata": {"name": "fresh"},
        "spec": {"connectionSecretRef": {"name": "platform"}, "details": {"name": namespace.tenant_name("fresh")}},
    });
    let objects = [partner].into_iter().chain((0..300).map(new_client));
    let text: Vec<String> = objects.map(|object| object.to_string()).collect();
    let run = PluginRunner::on_cluster_of(&namespace)
        .run_with(&["plan", "-f", "-", "-n", &namespace.name, "-o", "markdown"], &text.join("\n---\n"));
    assert_eq!(run.code, 2, "{}", run.err);
    assert!(run.out.len() < 60_000 && run.out.contains("**301 to create.**"), "{}", run.out.len());
    let shown = run.out.matches("<details>").count();
    assert_eq!(run.out.matches("</details>").count(), shown);
    let left = format!("**{} objects left out here** ({0} to create)", 301 - shown);
    assert!(shown > 20 && run.out.contains(&left), "{shown}: {}", &run.out[run.out.len() - 400..]);
}

#[test]
fn a_partner_that_the_platform_does_not_show_costs_no_other_its_export() {
    let world = TestWorld::start("half-export", |_| {}).unwrap();
    let namespace = world.create_namespace("half");
    let made = |name: &str| {
        let path = format!("{}/msps", world.tenancy.provider_id());
        let answer = world.tenancy.call("POST", &path, Some(&json!({"name": name}))).unwrap();
        answer.json().unwrap()["uniqueId"].as_str().unwrap().to_owned()
    };
    let (shown, hidden) = (made("Shown"), made("Hidden"));
    let below = |partner: &str, name: &str| {
        let answer = world.tenancy.call("POST", &format!("{partner}/clients"), Some(&json!({"name": name}))).unwrap();
        let id = answer.json().unwrap()["uniqueId"].as_str().unwrap().to_owned();
        format!("{partner}/clients/{id}")
    };
    let (ended, renamed) = (below(&shown, "Ended"), below(&shown, "Old"));
    below(&hidden, "Kept");
    let plugin = PluginRunner::on_cluster_of(&namespace);
    let connection = plugin.write_connection_file(&namespace);
    let whole = plugin.run(&["export", "--connection", &connection, "-o", "tenants"]);
    assert_eq!(whole.code, 0, "{whole:?}");
    let mut before = folder_contents(&plugin.folder.join("tenants"));
    let proxy = world.start_proxy(vec![FaultRule::new(
        "GET",
        &format!("/msps/{hidden}$"),
        ProxyFault::Answer(CannedAnswer { status: 500, ..CannedAnswer::default() }),
    )]);
    let through = std::fs::read_to_string(&connection).unwrap().replace(&world.platform.credential.url, &proxy.url());
    let connection = plugin.write_file("through.env", &through).display().to_string();
    world.tenancy.change_tenant(&format!("{ended}/terminate"), &json!({})).unwrap();
    world.tenancy.change_tenant(&renamed, &json!({"name": "New"})).unwrap();
    let half = plugin.run(&["export", "--connection", &connection, "-o", "tenants"]);
    assert_eq!(half.code, 1, "{half:?}");
    assert!(half.err.contains(&format!("partner {hidden} as a whole")) && !half.err.contains(&shown), "{half:?}");
    let mut after = folder_contents(&plugin.folder.join("tenants"));
    let taken = |files: &mut BTreeMap<String, String>, name: &str| files.remove(name).is_some();
    assert!(taken(&mut after, "shown/client-new.yaml"), "{after:?}");
    for stale in ["shown/client-old.yaml", "shown/client-ended.yaml"] {
        assert!(taken(&mut before, stale) && !taken(&mut after, stale), "{stale}: {before:?}");
    }
    assert!(before.contains_key("hidden/client-kept.yaml"), "{before:?}");
    for files in [&mut after, &mut before] {
        files.retain(|name, _| name.starts_with("hidden/"));
    }
    assert_eq!(after, before, "what could not be read stays as it was");
    let fresh = plugin.run(&["export", "--connection", &connection, "-o", "fresh"]);
    let files = folder_contents(&plugin.folder.join("fresh"));
    assert!(fresh.code == 1 && files.keys().any(|name| name == "shown/partner-shown.yaml"), "{files:?}");

    check_failed_image_load(&world, &plugin);

    namespace.apply_partner("acme", &json!({}));
    namespace.wait_until_ready("partner/acme");
    let own = plugin.run(&["export", "-d", "own"]);
    assert_eq!(own.code, 0, "the Secret that the Partner names is used: {own:?}");
    assert!(folder_contents(&plugin.folder.join("own")).contains_key("hidden/client-kept.yaml"));
    namespace.apply_partner("lost", &json!({"connectionSecretRef": {"name": "nowhere"}}));
    let run = plugin.run(&["export", "-d", "still"]);
    assert!(run.code == 1 && run.err.contains(&format!("Partner `{}/lost`: Secret", namespace.name)), "{run:?}");
    assert!(folder_contents(&plugin.folder.join("still")).contains_key("hidden/client-kept.yaml"), "{run:?}");
}

/// Verifies that an image that the platform cannot deliver makes the export of its partner fail, and that the earlier
/// files are kept.
fn check_failed_image_load(world: &TestWorld, plugin: &PluginRunner) {
    let path = format!("{}/msps", world.tenancy.provider_id());
    let made = world.tenancy.call("POST", &path, Some(&json!({"name": "Branded"}))).unwrap().json().unwrap();
    let id = made["uniqueId"].as_str().unwrap();
    let upload = crate::encoded_images::upload_body(0);
    let branding = world.tenancy.call("PUT", &format!("{id}/customBranding"), Some(&json!({"logo": upload}))).unwrap();
    assert_eq!(branding.status, 200);
    let direct = std::fs::read_to_string(plugin.folder.join("platform.env")).unwrap();
    let export =
        |connection: &str| plugin.run(&["export", "--connection", connection, "--partner", id, "-o", "branded"]);
    assert_eq!(export("platform.env").code, 0);
    let before = folder_contents(&plugin.folder.join("branded"));
    assert!(before.keys().any(|name| name.contains("-images-")), "{:?}", before.keys());
    let answer = |status| ProxyFault::Answer(CannedAnswer { status, ..CannedAnswer::default() });
    for fault in [answer(500), answer(503), answer(429), answer(401), ProxyFault::DropBefore] {
        let proxy = world.start_proxy(vec![FaultRule::new("GET", "^/images/org/", fault.clone())]);
        plugin.write_file("image.env", &direct.replace(&world.platform.credential.url, &proxy.url()));
        let ran = export("image.env");
        assert!(ran.code == 1 && ran.err.contains(&format!("partner {id} as a whole")), "{fault:?}: {ran:?}");
        assert_eq!(folder_contents(&plugin.folder.join("branded")), before, "{fault:?}");
    }
    // An error about one file is reported for that file, and the rest is written.
    let body = json!({"code": "0006", "message": "not for you"}).to_string();
    let refused = ProxyFault::Answer(CannedAnswer { status: 403, body, ..CannedAnswer::default() });
    let proxy = world.start_proxy(vec![FaultRule::new("GET", "^/images/org/", refused)]);
    plugin.write_file("image.env", &direct.replace(&world.platform.credential.url, &proxy.url()));
    let ran = export("image.env");
    assert!(ran.code == 0 && ran.err.contains("was not loaded"), "{ran:?}");
}
