//! `plan` and `lint` refuse exactly what the API server or the platform would refuse.

use serde_json::{Value, json};

use super::{PluginRun, PluginRunner};
use crate::connect::fake_platform::{FakePlatform, FakeReply};
use crate::world::{TestNamespace, TestWorld};

#[allow(clippy::needless_pass_by_value, reason = "it is what `json!` gives")]
fn manifest(kind: &str, name: &str, spec: Value) -> Value {
    json!({"apiVersion": "tenantry.dev/v1alpha1", "kind": kind, "metadata": {"name": name}, "spec": spec})
}

/// Returns a Client of the Partner `acme` with this spec.
fn client_manifest(namespace: &TestNamespace<'_>, spec: &Value) -> Value {
    let mut whole = json!({"partnerRef": {"name": "acme"}, "details": {"name": namespace.tenant_name("globex")}});
    crate::world::merge_json(&mut whole, spec);
    manifest("Client", "globex", whole)
}

fn run_plan(plugin: &PluginRunner, namespace: &TestNamespace<'_>, objects: &[Value]) -> PluginRun {
    let list = json!({"apiVersion": "v1", "kind": "List", "items": objects}).to_string();
    plugin.run_with(&["plan", "-f", "-", "-n", &namespace.name, "-o", "json"], &list)
}

/// Returns action and reason of each object.
fn planned_results(run: &PluginRun) -> Vec<(String, String, String)> {
    let text = |row: &Value, key: &str| row[key].as_str().unwrap_or_default().to_owned();
    let row = |row: &Value| (text(row, "name"), text(row, "action"), text(row, "reason"));
    run.json()["objects"].as_array().unwrap().iter().map(row).collect()
}

fn expected_result(name: &str, action: &str, reason: &str) -> (String, String, String) {
    (name.to_owned(), action.to_owned(), reason.to_owned())
}

#[test]
fn a_plan_refuses_what_the_api_server_or_the_platform_would_refuse() {
    let namespace = TestWorld::shared_world().create_namespace("invalid");
    let plugin = PluginRunner::on_cluster_of(&namespace);
    namespace.apply_partner("acme", &json!({"packages": ["EventAndIncidentManagement"]}));
    namespace.apply_client("globex", &json!({}));
    namespace.wait_until_ready("partner/acme");
    namespace.wait_until_ready("client/globex");
    let judged = |spec: &Value| {
        let globex = client_manifest(&namespace, spec);
        let args =
            ["-n", &namespace.name, "apply", "--server-side", "--force-conflicts", "--dry-run=server", "-f", "-"];
        let is_taken = namespace.world.kubectl.run_with(&args, &globex.to_string()).is_ok();
        (run_plan(&plugin, &namespace, &[globex]), is_taken)
    };
    for spec in [
        json!({"branding": {"loginPage": {"backgroundColor": "navy"}}}),
        json!({"security": {"access": {"allowedIPs": ["192.0.2.0/240"]}}}),
        json!({"addOns": ["SLAManagement"], "packages": ["HybridDiscoveryAndMonitoring"]}),
    ] {
        let (ran, is_taken) = judged(&spec);
        assert_eq!(
            (ran.code, planned_results(&ran), is_taken),
            (1, vec![expected_result("globex", "Refuse", "Invalid")], false),
            "{ran:?}"
        );
        assert!(ran.err.contains("one object would be refused"), "{ran:?}");
    }
    for details in [json!({"timezone": "Europe/Berln"}), json!({"country": "Germny"})] {
        let (ran, is_taken) = judged(&json!({"details": details}));
        assert_eq!(
            (ran.code, planned_results(&ran), is_taken),
            (1, vec![expected_result("globex", "Refuse", "InvalidValue")], true),
            "{ran:?}"
        );
        assert!(ran.out.contains("did you mean"), "{ran:?}");
    }
    let (ran, _) = judged(&json!({"details": {"country": "Germany"}}));
    assert_eq!((ran.code, planned_results(&ran)), (2, vec![expected_result("globex", "Change", "")]), "{ran:?}");
}

#[test]
fn a_plan_knows_the_pause_that_stands_in_the_cluster_alone() {
    let namespace = TestWorld::shared_world().create_namespace("held");
    let plugin = PluginRunner::on_cluster_of(&namespace);
    namespace.apply_partner("acme", &json!({}));
    namespace.apply_client("globex", &json!({}));
    namespace.wait_until_ready("partner/acme");
    namespace.wait_until_ready("client/globex");
    let edited = client_manifest(&namespace, &json!({"details": {"city": "Bonn"}}));
    let planned = |object: &Value| planned_results(&run_plan(&plugin, &namespace, std::slice::from_ref(object)));
    let paused = || vec![expected_result("globex", "Nothing", "Paused")];
    for until in [&[][..], &["--until", "1h"]] {
        let run = plugin.run(&[&["pause", "client/globex", "-n", &namespace.name], until].concat());
        assert_eq!(run.code, 0, "{run:?}");
        assert_eq!(planned(&edited), paused(), "{until:?}");
    }
    // The apply that follows does the same.
    namespace.apply(&edited);
    assert!(namespace.get("client/globex").unwrap()["spec"]["management"]["pausedUntil"].is_string());
    assert_eq!(planned(&edited), paused());
    assert_eq!(plugin.run(&["resume", "client/globex", "-n", &namespace.name]).code, 0);
    // Fields that an apply wrote are removed with the manifest.
    namespace
        .apply(&client_manifest(&namespace, &json!({"details": {"city": "Bonn"}, "management": {"mode": "Paused"}})));
    assert_eq!(
        planned(&client_manifest(&namespace, &json!({"details": {"city": "Ulm"}}))),
        [expected_result("globex", "Change", "")]
    );
}

/// Argo CD applies as kubectl does, under its own field manager.
#[test]
fn a_plan_knows_that_an_apply_takes_away_what_was_applied_before_and_changed_by_hand() {
    let namespace = TestWorld::shared_world().create_namespace("three-way");
    let plugin = PluginRunner::on_cluster_of(&namespace);
    namespace.apply_partner("acme", &json!({}));
    namespace.wait_until_ready("partner/acme");
    let manager = "--field-manager=argocd-controller";
    for args in [&["apply", "-f", "-"][..], &["apply", manager, "-f", "-"]] {
        let apply = |object: &Value| {
            let all = [&["-n", &namespace.name], args].concat();
            namespace.world.kubectl.run_with(&all, &object.to_string()).unwrap();
        };
        let with = |city: &str, mode: Option<&str>| {
            let management = mode.map(|mode| json!({"mode": mode}));
            client_manifest(&namespace, &json!({"details": {"city": city}, "management": management}))
        };
        apply(&with("Bonn", Some("Manage")));
        namespace.wait_until_ready("client/globex");
        assert_eq!(plugin.run(&["pause", "client/globex", "-n", &namespace.name]).code, 0);
        let planned = planned_results(&run_plan(&plugin, &namespace, &[with("Ulm", None)]));
        assert_eq!(planned, [expected_result("globex", "Change", "")], "{args:?}: the pause goes with the member");
        apply(&with("Ulm", None));
        assert_eq!(namespace.get("client/globex").unwrap()["spec"]["management"]["mode"], Value::Null, "{args:?}");
        // A field that no manifest ever set is kept.
        assert_eq!(plugin.run(&["pause", "client/globex", "-n", &namespace.name]).code, 0);
        let planned = planned_results(&run_plan(&plugin, &namespace, &[with("Bonn", None)]));
        assert_eq!(planned, [expected_result("globex", "Nothing", "Paused")], "{args:?}");
        apply(&with("Bonn", None));
        assert_eq!(namespace.get("client/globex").unwrap()["spec"]["management"]["mode"], "Paused", "{args:?}");
        assert_eq!(plugin.run(&["resume", "client/globex", "-n", &namespace.name]).code, 0);
    }
}

/// Returns a platform without the extensions and without clients.
async fn start_empty_platform() -> FakePlatform {
    FakePlatform::new_documented(|asked| match asked.path.split('?').next().unwrap_or_default() {
        path if path.ends_with("/clients/search") => {
            FakeReply::json(200, &json!({"results": [], "totalResults": 0, "pageNo": 1, "totalPages": 0}))
        }
        _ => FakeReply::json(404, &json!({"code": "0003", "message": "No resource found"})),
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_country_that_only_the_catalogue_lacks_is_a_note_where_the_platform_may_know_it() {
    let (desk, fake) = (PluginRunner::without_cluster(), start_empty_platform().await);
    desk.write_file("fake.env", &format!("url={}\ntenantId=msp_1\nclientId=x\nclientSecret=y\n", fake.url));
    let spec = json!({
        "partnerUniqueId": "msp_1", "connectionSecretRef": {"name": "x"},
        "details": {"name": "Globex", "country": "Germny", "timezone": "Europe/Berln"},
    });
    let text = manifest("Client", "globex", spec).to_string();
    let args = ["plan", "-f", "-", "--offline", "--connection", "fake.env", "-o", "json"];
    let run = tokio::task::block_in_place(|| desk.run_with(&args, &text));
    assert_eq!((run.code, planned_results(&run)), (2, vec![expected_result("globex", "Create", "")]), "{run:?}");
    let notes = run.json()["objects"][0]["notes"].to_string();
    for path in ["country", "timezone"] {
        assert!(notes.contains(&format!("this platform may refuse `spec.details.{path}`")), "{notes}");
    }
}

#[test]
fn a_switch_without_its_add_on_is_refused_in_the_words_of_the_definition() {
    let plugin = PluginRunner::without_cluster();
    for (switch, add_on) in [("smsVoiceNotification", "SMSAndVoice"), ("remoteAccess", "RemoteAccessManagement")] {
        let spec = json!({
            "partnerRef": {"name": "acme"}, "details": {"name": "Globex", switch: true},
            "packages": ["EventAndIncidentManagement"], "addOns": ["SLAManagement"],
        });
        let run = plugin.run_with(&["lint", "-f", "-", "-o", "json"], &manifest("Client", "globex", spec).to_string());
        let said = run.json()["findings"].to_string();
        let words = format!("`{switch}` needs the add-on {add_on}: add it to `addOns`");
        assert!(run.code == 1 && said.contains(&words) && !said.contains("evaluated"), "{run:?}");
    }
}

#[test]
fn a_partner_that_cannot_be_listed_stops_its_own_clients_alone() {
    let namespace = TestWorld::shared_world().create_namespace("absent");
    let plugin = PluginRunner::on_cluster_of(&namespace);
    let connection = plugin.write_connection_file(&namespace);
    namespace.apply_partner("acme", &json!({}));
    namespace.apply_partner("ended", &json!({}));
    let (acme, ended) = (namespace.wait_until_ready("partner/acme"), namespace.wait_until_ready("partner/ended"));
    let named = |name: &str| json!({"name": namespace.tenant_name(name)});
    let of = |name: &str, partner: &str| {
        let secret = json!({"name": "platform"});
        manifest(
            "Client",
            name,
            json!({"partnerUniqueId": partner, "connectionSecretRef": secret, "details": named(name)}),
        )
    };
    let objects = [of("good", &acme), of("lost", "msp_999999")].map(|object| object.to_string()).join("\n---\n");
    let args = ["plan", "-f", "-", "-n", &namespace.name, "--offline", "--connection", &connection, "-o", "json"];
    let run = plugin.run_with(&args, &objects);
    let actions =
        |ran: &PluginRun| planned_results(ran).into_iter().map(|(name, action, _)| (name, action)).collect::<Vec<_>>();
    let was = |name: &str, action: &str| (name.to_owned(), action.to_owned());
    assert_eq!((run.code, actions(&run)), (1, vec![was("good", "Create"), was("lost", "Refuse")]), "{run:?}");

    namespace
        .world
        .tenancy
        .change_tenant(&format!("{}/terminate", namespace.world.tenancy.partner_path(&ended)), &json!({}))
        .unwrap();
    let under = |name: &str, partner: &str| {
        manifest("Client", name, json!({"partnerRef": {"name": partner}, "details": named(name)}))
    };
    let run = run_plan(
        &plugin,
        &namespace,
        &[under("good", "acme"), under("one", "ended"), under("two", "ended"), under("three", "ended")],
    );
    let refused = ["one", "three", "two"].map(|name| was(name, "Refuse"));
    assert_eq!((run.code, actions(&run)), (1, [vec![was("good", "Create")], refused.to_vec()].concat()), "{run:?}");
}

#[test]
fn the_nearest_name_of_a_field_a_package_and_a_kind_is_asked_for() {
    let plugin = PluginRunner::without_cluster();
    plugin.write_file("platform.env", "url=https://127.0.0.1:1\ntenantId=sp_1\nclientId=a\nclientSecret=b\n");
    let spec = |more: Value| {
        let mut whole = json!({"partnerUniqueId": "msp_1", "details": {"name": "Globex"}});
        crate::world::merge_json(&mut whole, &more);
        manifest("Client", "globex", whole)
    };
    let mut customer = spec(json!({}));
    customer["kind"] = json!("Customer");
    let policy = json!({"details": {"name": "Acme"}, "security": {"passwordPolicy": {"minimumLength": 9}}});
    let policy = manifest("Partner", "acme", policy);
    let mut plural = spec(json!({}));
    plural["kind"] = json!("Clients");
    for (object, asked) in [
        (policy, "did you mean `custom.minLength`?"),
        (spec(json!({"details": {"countyr": "Germany"}})), "did you mean `country`?"),
        (spec(json!({"packages": ["EventAndIncidentManagment"]})), "did you mean `EventAndIncidentManagement`?"),
        (spec(json!({"addOns": ["SLAManagment"]})), "did you mean `SLAManagement`?"),
        (plural, "`kind: Clients` does not exist in `tenantry.dev`: did you mean `Client`?"),
        (customer, "`kind: Customer` does not exist in `tenantry.dev`: write `Partner` or `Client`"),
    ] {
        plugin.write_file("one.json", &object.to_string());
        let linted = plugin.run(&["lint", "-f", "one.json"]);
        assert!(linted.code == 1 && linted.out.contains(asked), "{asked}: {linted:?}");
        let planned = plugin.run(&["plan", "-f", "one.json", "--offline", "--connection", "platform.env"]);
        assert!(planned.code == 1 && planned.err.contains(asked), "{asked}: {planned:?}");
    }
}

#[test]
fn what_is_in_the_input_and_was_refused_is_not_called_absent() {
    let desk = PluginRunner::without_cluster();
    let partner = manifest("Partner", "acme", json!({"details": {"name": "Acme"}, "packges": []}));
    let of = |name: &str, partner: &str| {
        manifest("Client", name, json!({"partnerRef": {"name": partner}, "details": {"name": name}}))
    };
    desk.write_file(
        "all.yaml",
        &[partner, of("globex", "acme"), of("far", "elsewhere")].map(|one| one.to_string()).join("\n---\n"),
    );
    let ran = desk.run(&["lint", "-f", "all.yaml", "-n", "acme"]);
    assert_eq!(ran.code, 1, "{ran:?}");
    assert!(ran.err.ends_with("; not in the input, and so not judged: Partner `acme/elsewhere`\n"), "{ran:?}");
}
