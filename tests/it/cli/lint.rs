//! `lint` gives the same verdict as the API server and the operator, without either.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use serde_json::{Value, json};

use super::PluginRunner;
use super::golden::compare_with_golden;
use crate::api_validation::{ApiRejection, DryRunServer, all_specs};
use crate::assets;

/// Paths of an object with errors.
type ErrorPaths = BTreeSet<String>;

/// Runs `lint` on many objects at once. Returns the paths of the findings for each.
fn lint_objects(objects: &[(String, Value)]) -> BTreeMap<usize, ErrorPaths> {
    let plugin = PluginRunner::without_cluster();
    let mut text = String::new();
    for (number, (kind, spec)) in objects.iter().enumerate() {
        let object = json!({"apiVersion": "tenantry.dev/v1alpha1", "kind": kind,
                            "metadata": {"name": format!("tried-{number}")}, "spec": spec});
        let _ = write!(text, "---\n{object}\n");
    }
    plugin.write_file("objects.yaml", &text);
    let run = plugin.run(&["lint", "-f", "objects.yaml", "-o", "json"]);
    assert_eq!(run.code, 1, "{}", run.err);
    let mut places: BTreeMap<usize, ErrorPaths> = BTreeMap::new();
    for finding in run.json()["findings"].as_array().unwrap() {
        // The API server does not check what the operator's own stages do, or that names are unique.
        if !["schema", "rule", "quotes"].contains(&finding["rule"].as_str().unwrap()) {
            continue;
        }
        let number = finding["object"].as_str().unwrap().split("tried-").nth(1).unwrap().trim_end_matches('`');
        let path = finding["path"].as_str().unwrap_or_default().to_owned();
        places.entry(number.parse().unwrap()).or_default().insert(path);
    }
    places
}

/// Returns the paths that the API server refuses, without its note that the rest was not checked.
fn refused_paths(answer: Result<(), ApiRejection>) -> ErrorPaths {
    let Err(ApiRejection(causes)) = answer else { return ErrorPaths::new() };
    causes.into_iter().filter(|(_, said)| !said.contains("were not checked")).map(|(field, _)| field).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_verdict_on_every_object_of_the_rules_is_the_one_of_the_api_server() {
    let objects = all_specs();
    let here = lint_objects(&objects);
    let server = DryRunServer::new("linted").await;
    let (mut wrong, mut right) = (Vec::new(), 0);
    for (number, (kind, spec)) in objects.iter().enumerate() {
        let there = refused_paths(server.dry_run(kind, spec).await);
        let here = here.get(&number).cloned().unwrap_or_default();
        right += usize::from(there.is_empty());
        if here != there {
            wrong.push(format!("{kind} {spec}: here {here:?}, there {there:?}"));
        }
    }
    assert!(wrong.is_empty(), "{} of {} differ:\n{}", wrong.len(), objects.len(), wrong.join("\n"));
    assert!(objects.len() > 700 && right > 200, "only {} objects, {right} of them right", objects.len());
    println!("{} objects, {right} of them right", objects.len());
}

/// A file with every kind of mistake.
const EVERY_MISTAKE: &str = "apiVersion: tenantry.dev/v1alpha1
kind: Partner
metadata:
  name: acme
  namespace: acme
  labels: {tier: 1, app.kubernetes.io/part-of: yes}
spec:
  details:
    name: Acme
    country: no
    postalCode: 01067
  branding:
    loginPage:
      textColor: #1F2937
      backgroundColor: 123456
---
apiVersion: tenantry.dev/v1alpha1
kind: Client
metadata: {name: globex, namespace: acme}
spec:
  partnerRef: {name: initech}
  details: {name: Globex, countyr: Germany}
  addOns: [SLAManagement, SLAManagement]
  packages: [Everything]
  deletion: {gracePeriodSeconds: -1, confirm: {name: '', uniqueId: c, acknowledge: [DataErased], notAfter: tomorrow}}
  resourceDecommission: true
---
apiVersion: tenantry.dev/v1alpha1
kind: Client
metadata: {name: hooli, namespace: acme}
spec:
  partnerRef: {name: initech}
  details: {name: ' Hooli'}
  adoption: {policy: Adopt}
  security: {access: {allowedIPs: [10.0.0.1, 10.0.0.999]}}
---
apiVersion: tenantry.dev/v1alpha1
kind: Client
metadata: {namespace: acme}
spec: {partnerRef: {name: initech}, details: {name: Nameless}}
---
apiVersion: tenantry.dev/v1beta7
kind: Client
metadata: {name: young, namespace: acme}
";

/// Objects that are each valid but do not fit together.
const INCONSISTENT_OBJECTS: &str = "apiVersion: v1
kind: List
items:
- apiVersion: tenantry.dev/v1alpha1
  kind: Partner
  metadata: {name: acme, namespace: acme}
  spec:
    connectionSecretRef: {name: platform}
    details: {name: Acme, country: Atlantis}
    packages: [EventAndIncidentManagement]
    branding: {logo: {configMapKeyRef: {name: brand, key: logo.png}}, favicon: {inline: bm90IGFuIGltYWdl}}
    clients:
      defaults: {country: Lemuria, timezone: Europe/Berlin}
      locked: [timezone]
- apiVersion: tenantry.dev/v1alpha1
  kind: Client
  metadata: {name: globex, namespace: acme}
  spec:
    partnerRef: {name: acme}
    details: {name: Globex, timezone: Mars/Phobos}
    adoption: {policy: Adopt, uniqueId: client_93}
- apiVersion: tenantry.dev/v1alpha1
  kind: Client
  metadata: {name: globex-again, namespace: acme}
  spec:
    partnerRef: {name: acme}
    details: {name: Globex}
    packages: [RemediationAndAutomation]
    adoption: {policy: Adopt, uniqueId: client_93}
- apiVersion: tenantry.dev/v1alpha1
  kind: Client
  metadata: {name: abroad, namespace: elsewhere}
  spec: {partnerRef: {name: acme, namespace: acme}, details: {name: Abroad}}
- apiVersion: tenantry.dev/v1alpha1
  kind: Client
  metadata: {name: orphan, namespace: elsewhere}
  spec: {partnerRef: {name: nobody}, details: {name: Orphan}, branding: {logo: {configMapKeyRef: {name: far, key: logo.png}}}}
- apiVersion: v1
  kind: ConfigMap
  metadata: {name: brand, namespace: acme}
  binaryData: {other.png: aGk=}
- apiVersion: v1
  kind: Secret
  metadata: {name: platform, namespace: acme}
  stringData: {url: 'http://platform.example', tenantId: sp_1, clientId: a}
- apiVersion: v1
  kind: Namespace
  metadata: {name: acme}
";

#[test]
fn what_is_wrong_is_named_by_file_line_and_object_in_each_form() {
    let plugin = PluginRunner::without_cluster();
    plugin.write_file("tenants/wrong.yaml", EVERY_MISTAKE);
    plugin.write_file("tenants/unfit.yaml", INCONSISTENT_OBJECTS);
    plugin.write_file("tenants/no yaml.yaml", "kind: [\n");
    plugin.write_file("tenants/deeper/wrong.yml", "kind: Client\n");
    for form in ["text", "json", "sarif"] {
        let run = plugin.run(&["lint", "-f", "./tenants", "-R", "-o", form]);
        compare_with_golden(&format!("lint/wrong-{form}"), &run, &[(env!("CARGO_PKG_VERSION"), "VERSION")]);
    }
}

#[test]
fn a_list_of_locked_defaults_and_packages_is_judged_with_the_partner() {
    let plugin = PluginRunner::without_cluster();
    let sound = INCONSISTENT_OBJECTS
        .replace(", country: Atlantis", "")
        .replace("country: Lemuria, ", "")
        .replace("Mars/Phobos", "Europe/Paris");
    plugin.write_file("tenants.yaml", &sound);
    compare_with_golden("lint/beyond-the-partner", &plugin.run(&["lint", "-f", "tenants.yaml"]), &[]);
}

#[test]
fn the_examples_are_clean() {
    let plugin = PluginRunner::without_cluster();
    let examples = assets::root().join("examples").display().to_string();
    let own = [(examples.as_str(), "examples")];
    compare_with_golden("lint/clean", &plugin.run(&["lint", "-f", &examples]), &own);
    compare_with_golden("lint/clean-kustomized", &plugin.run(&["lint", "-k", &examples, "-o", "json"]), &own);
    compare_with_golden(
        "lint/clean-sarif",
        &plugin.run(&["lint", "-f", &examples, "-o", "sarif"]),
        &[(env!("CARGO_PKG_VERSION"), "VERSION")],
    );
}

#[test]
fn files_of_a_folder_that_hold_no_tenantry_object_are_passed_over_and_counted() {
    let plugin = PluginRunner::without_cluster();
    let examples = assets::root().join("examples").display().to_string();
    let own = [(examples.as_str(), "examples")];
    compare_with_golden("lint/clean-recursive", &plugin.run(&["lint", "-f", &examples, "-R"]), &own);
    // A file that is named directly is expected to hold an object.
    let workflow = format!("{examples}/pull-request/workflow.yaml");
    compare_with_golden("lint/no-object", &plugin.run(&["lint", "-f", &workflow]), &own);
    // An object with a misspelt member is not skipped.
    plugin.write_file("tenants/client.yaml", "apiVersoin: tenantry.dev/v1alpha1\nkind: Client\n");
    plugin.write_file("tenants/notes.yaml", "todo: [nothing]\n");
    let run = plugin.run(&["lint", "-f", "tenants"]);
    assert!(run.code == 1 && run.out.contains("client.yaml:1: this object has no `apiVersion`"), "{run:?}");
    assert!(run.err.contains("1 file holds no Tenantry object"), "{run:?}");
    let run = plugin.run(&["plan", "-f", &format!("{examples}/gitops"), "-R", "--offline"]);
    assert!(run.err.contains("note: 6 files hold no Tenantry object") && !run.err.contains("strict.yaml"), "{run:?}");
}

/// A base and a patch for it, which holds less than an object must.
const OVERLAY: &str = "namespace: prod
resources: [client.yaml]
patches:
- path: city.yaml
- path: operations.yaml
  target: {kind: Client}
";
const PATCH: &str = "apiVersion: tenantry.dev/v1alpha1
kind: Client
metadata: {name: globex}
spec:
  details: {city: Bonn}
";

#[test]
fn of_a_patch_of_a_kustomization_only_what_it_holds_is_judged() {
    let plugin = PluginRunner::without_cluster();
    plugin.write_file("prod/kustomization.yaml", OVERLAY);
    plugin.write_file(
        "prod/client.yaml",
        &format!("{PATCH}  partnerRef: {{name: acme}}\n").replace("city: Bonn", "name: Globex"),
    );
    plugin.write_file("prod/city.yaml", PATCH);
    plugin.write_file("prod/operations.yaml", "- {op: remove, path: /spec/details/city}\n");
    plugin.write_file("removed.yaml", &PATCH.replace("spec:", "$patch: delete\nspec:"));
    compare_with_golden("lint/patched", &plugin.run(&["lint", "-f", ".", "-R"]), &[]);
    assert_eq!(plugin.run(&["lint", "-f", "prod/city.yaml"]).code, 0, "its kustomization stands beside it");
    plugin.write_file("prod/city.yaml", &PATCH.replace("city: Bonn", "ctiy: Bonn, postalCode: 01067"));
    compare_with_golden("lint/patched-wrongly", &plugin.run(&["lint", "-f", "prod"]), &[]);
    // Without a kustomization that lists it as a patch it counts as an object with missing members.
    plugin.write_file("alone.yaml", PATCH);
    let run = plugin.run(&["lint", "-f", "alone.yaml"]);
    assert!(run.code == 1 && run.out.contains("spec.details.name: Required value"), "{run:?}");
}

#[test]
fn what_cannot_be_read_is_an_error() {
    let plugin = PluginRunner::without_cluster();
    compare_with_golden("lint/nothing-named", &plugin.run(&["lint"]), &[]);
    compare_with_golden("lint/no-such-file", &plugin.run(&["lint", "-f", "nowhere.yaml"]), &[]);
    compare_with_golden("lint/unknown-form", &plugin.run(&["lint", "-f", "-", "-o", "xml"]), &[]);
    compare_with_golden(
        "lint/stdin",
        &plugin.run_with(&["lint", "-f", "-"], "apiVersion: tenantry.dev/v1alpha1\nkind: Client\nspec: {}\n"),
        &[],
    );
}
