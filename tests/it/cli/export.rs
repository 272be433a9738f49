//! `export`: what is written, what cannot be, and what makes it fail.

use serde_json::json;

use super::PluginRunner;
use super::export_and_adopt::folder_contents;
use super::golden::{compare_with_golden, mask_output};
use crate::encoded_images::upload_body;
use crate::programs::PlatformOptions;
use crate::world::{TestNamespace, TestWorld};

/// Creates a partner with clients, some of whose values cannot be declared.
fn create_undeclarable_tenants(test_namespace: &TestNamespace<'_>) -> String {
    let tenancy = &test_namespace.world.tenancy;
    let create = |path: &str, body: &serde_json::Value| {
        let answer = tenancy.call("POST", path, Some(body)).unwrap();
        assert_eq!(answer.status, 200, "{}", answer.body);
        answer.json().unwrap()["uniqueId"].as_str().unwrap().to_owned()
    };
    let duo = json!({"integrationKey": "DI", "secretKey": "geheim", "apiHostName": "api.duo.example"});
    let partner = create(
        &format!("{}/msps", tenancy.provider_id()),
        &json!({"name": format!("Odd {}", test_namespace.name), "packages": ["Event and Incident Management"], "duoSecurity": duo}),
    );
    let common = json!({"timeZone": "Europe/Berlin", "country": "Germany", "whiteListedIps": "198.51.100.7"});
    for more in [
        json!({"name": "Plain", "city": "Bonn"}),
        json!({"name": "plain!", "city": "Köln\n# Not a comment", "rdp2swfState": true}),
        json!({"name": "x".repeat(200)}),
    ] {
        let mut body = common.clone();
        crate::world::merge_json(&mut body, &more);
        create(&format!("{partner}/clients"), &body);
    }
    let branding = json!({"documentationURL": "http://docs.example", "headerBackgroundColor": "123456", "applicationTitle": "Odd"});
    assert_eq!(tenancy.call("PUT", &format!("{partner}/customBranding"), Some(&branding)).unwrap().status, 200);
    partner
}

#[test]
fn what_cannot_be_declared_is_named_and_never_dropped_in_silence() {
    let space = TestWorld::shared_world().create_namespace("odd");
    let desk = PluginRunner::without_cluster();
    let connection = desk.write_connection_file(&space);
    let partner = create_undeclarable_tenants(&space);
    let own = [(space.name.as_str(), "SPACE")];
    let stream = desk.run(&["export", "--connection", &connection, "--partner", &partner, "--namespace", "odd"]);
    assert!(!stream.out.contains("geheim"), "{}", stream.out);
    compare_with_golden("export/odd", &stream, &own);
    let ran = desk.run(&["export", "--connection", &connection, "--partner", &partner, "-o", "out"]);
    assert_eq!(ran.code, 0, "{ran:?}");
    let names: Vec<String> =
        folder_contents(&desk.folder.join("out")).into_keys().map(|name| mask_output(&name, &own)).collect();
    let expected = [
        "kustomization.yaml",
        "odd-SPACE/client-plain-client-N.yaml",
        "odd-SPACE/client-plain.yaml",
        "odd-SPACE/namespace.yaml",
        "odd-SPACE/partner-odd-SPACE.yaml",
    ];
    assert_eq!(names, expected);
    // Files of an earlier export that are no longer needed are removed. Other files are kept.
    let ran = desk.run(&["export", "--connection", &connection, "--partner", &partner, "-o", "yaml"]);
    assert!(ran.code == 0 && ran.out.contains("kind: Partner") && !desk.folder.join("yaml").exists(), "{ran:?}");
    let folder = desk.folder.join("out");
    std::fs::write(folder.join("notes.yaml"), "mine: 1\n").unwrap();
    let stale = std::fs::read_to_string(folder.join("kustomization.yaml")).unwrap();
    std::fs::write(folder.join("stale.yaml"), stale).unwrap();
    assert_eq!(desk.run(&["export", "--connection", &connection, "--partner", &partner, "-o", "out"]).code, 0);
    assert_eq!((folder.join("notes.yaml").exists(), folder.join("stale.yaml").exists()), (true, false));
    std::fs::write(folder.join("kustomization.yaml"), "mine: 1\n").unwrap();
    let before = folder_contents(&folder);
    compare_with_golden(
        "export/foreign-file",
        &desk.run(&["export", "--connection", &connection, "--partner", &partner, "-o", "out"]),
        &own,
    );
    assert_eq!(folder_contents(&folder), before, "nothing was written");
}

#[test]
fn what_every_new_tenant_has_is_not_written_as_if_somebody_had_chosen_it() {
    let space = TestWorld::shared_world().create_namespace("bare");
    let desk = PluginRunner::without_cluster();
    let connection = desk.write_connection_file(&space);
    let tenancy = &space.world.tenancy;
    let create = |path: &str, body: serde_json::Value| {
        let answer = tenancy.call("POST", path, Some(&body)).unwrap();
        answer.json().unwrap()["uniqueId"].as_str().unwrap().to_owned()
    };
    let partner = create(&format!("{}/msps", tenancy.provider_id()), json!({"name": format!("Bare {}", space.name)}));
    create(&format!("{partner}/clients"), json!({"name": "Bare"}));
    let hours = json!({"businessStartHour": 8});
    create(
        &format!("{partner}/clients"),
        json!({"name": "Chosen", "enableCLIRecording": true, "clientDetails": hours}),
    );
    let own = [(space.name.as_str(), "SPACE")];
    let export = |more: &[&str]| {
        let args = ["export", "--connection", &connection, "--partner", &partner, "--namespace", "bare"];
        desk.run(&[&args, more].concat())
    };
    let (lean, whole) = (export(&[]), export(&["--all-fields"]));
    compare_with_golden("export/bare", &lean, &own);
    compare_with_golden("export/bare-whole", &whole, &own);
    for text in [&lean.out, &whole.out] {
        let ran = desk.run_with(&["plan", "-f", "-", "--offline", "--connection", &connection, "-o", "json"], text);
        assert_eq!(ran.json()["summary"], json!({"TakeOver": 3}), "{ran:?}");
    }
}

#[test]
fn what_stands_in_the_way_of_an_export_is_named() {
    let space = TestWorld::shared_world().create_namespace("way");
    let desk = PluginRunner::on_cluster_of(&space);
    let connection = desk.write_connection_file(&space);
    let own = [(space.name.as_str(), "SPACE"), (space.world.platform.host(), "PLATFORM")];
    compare_with_golden("export/no-connection", &desk.run(&["export", "--offline"]), &own);
    let ran = desk.run(&["export", "--connection", &connection, "-o", "json"]);
    assert!(ran.code == 1 && ran.err.contains("`-o json` is no form of this verb"), "{ran:?}");
    compare_with_golden("export/no-secret", &desk.run(&["export", "--connection-secret", "nowhere/x"]), &own);
    let wrong = std::fs::read_to_string(&connection).unwrap().replace("clientSecret=", "clientSecret=x");
    desk.write_file("wrong.env", &wrong);
    compare_with_golden("export/wrong-credential", &desk.run(&["export", "--connection", "wrong.env"]), &own);
    let ran = desk.run(&["export", "--connection", &connection, "--partner", "msp_999999"]);
    assert!(ran.code == 1 && ran.err.contains("no living partner `msp_999999` stands under"), "{ran:?}");
}

#[test]
fn an_exported_client_with_images_is_taken_over_by_one_mark_where_no_digest_is_shown() {
    let options = PlatformOptions { documented_only: true, ..PlatformOptions::default() };
    let world = TestWorld::start_with("documented-images", &options, |_| {}).unwrap();
    let space = world.create_namespace("clicked");
    let partner = world.platform.credential.tenant_id.clone();
    let body = json!({"name": "Globex", "country": "Germany", "timeZone": "Europe/Berlin"});
    let made = world.tenancy.call("POST", &format!("{partner}/clients"), Some(&body)).unwrap().json().unwrap();
    let branding = format!("{}/customBranding", made["uniqueId"].as_str().unwrap());
    let images = json!({"logo": upload_body(0), "favIcon": upload_body(1), "loginPageImage": upload_body(2)});
    assert_eq!(world.tenancy.call("PUT", &branding, Some(&images)).unwrap().status, 200);
    space.apply_secret("platform", &space.credential());
    let desk = PluginRunner::on_cluster_of(&space);
    let connection = desk.write_connection_file(&space);
    let ran = desk.run(&["export", "--connection", &connection, "-n", &space.name, "-o", "tenants"]);
    assert!(ran.code == 0 && !ran.err.contains("branding"), "{ran:?}");
    let ran = desk.run(&["plan", "-k", "tenants", "--connection", &connection, "-o", "json"]);
    assert_eq!(ran.json()["summary"], json!({"TakeOver": 1}), "{ran:?}");

    let before = world.platform_writes();
    space.kubectl(&["apply", "-k", &desk.folder.join("tenants").display().to_string()]);
    let name = || space.kubectl(&["get", "clients", "-o", "name"]).trim().to_owned();
    space.wait_until_ready(&name());
    let pass = |word: &str| {
        space.kubectl(&["annotate", "--overwrite", &name(), &format!("tenantry.dev/reconcile-requested-at={word}")]);
        space.wait_until("it was looked at", || {
            Ok(space.get(&name()).unwrap()["status"]["lastHandledReconcileAt"] == word)
        });
        world.platform_writes() - before
    };
    assert!((pass("one") - 1.0).abs() < 0.5, "one mark, and no image is sent");
    let other = &upload_body(2)["file"];
    space.merge_patch(&name(), &json!({"spec": {"branding": {"logo": {"configMapKeyRef": null, "inline": other}}}}));
    space.wait_until("the other logo is sent", || Ok(pass("two") > 1.5));
    assert!((pass("three") - 2.0).abs() < 0.5, "and sent once");
}
