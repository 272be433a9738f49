//! `lint`: the same verdict as the API server's and the operator's, without either.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use serde_json::{Value, json};

use super::Desk;
use super::golden::check;
use crate::assets;
use crate::rules::{Refusal, Server, specs};

/// Where an object is wrong.
type Places = BTreeSet<String>;

/// What `lint` finds in many objects at once: the places of each.
fn linted(objects: &[(String, Value)]) -> BTreeMap<usize, Places> {
    let desk = Desk::alone();
    let mut text = String::new();
    for (number, (kind, spec)) in objects.iter().enumerate() {
        let object = json!({"apiVersion": "tenantry.dev/v1alpha1", "kind": kind,
                            "metadata": {"name": format!("tried-{number}")}, "spec": spec});
        let _ = write!(text, "---\n{object}\n");
    }
    desk.put("objects.yaml", &text);
    let ran = desk.run(&["lint", "-f", "objects.yaml", "-o", "json"]);
    assert_eq!(ran.code, 1, "{}", ran.err);
    let mut places: BTreeMap<usize, Places> = BTreeMap::new();
    for finding in ran.json()["findings"].as_array().unwrap() {
        // What the API server does not judge: the operator's own stages, and many objects with one name.
        if !["schema", "rule", "quotes"].contains(&finding["rule"].as_str().unwrap()) {
            continue;
        }
        let number = finding["object"].as_str().unwrap().split("tried-").nth(1).unwrap().trim_end_matches('`');
        let path = finding["path"].as_str().unwrap_or_default().to_owned();
        places.entry(number.parse().unwrap()).or_default().insert(path);
    }
    places
}

/// Where the API server finds an object wrong; it says of the whole that the rest was not looked at.
fn refused(answer: Result<(), Refusal>) -> Places {
    let Err(Refusal(causes)) = answer else { return Places::new() };
    causes.into_iter().filter(|(_, said)| !said.contains("were not checked")).map(|(field, _)| field).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_verdict_on_every_object_of_the_rules_is_the_one_of_the_api_server() {
    let objects = specs();
    let here = linted(&objects);
    let server = Server::new("linted").await;
    let (mut wrong, mut right) = (Vec::new(), 0);
    for (number, (kind, spec)) in objects.iter().enumerate() {
        let there = refused(server.judge(kind, spec).await);
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
const WRONG: &str = "apiVersion: tenantry.dev/v1alpha1
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

/// Objects that are right one by one and do not fit together.
const UNFIT: &str = "apiVersion: v1
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
    let desk = Desk::alone();
    desk.put("tenants/wrong.yaml", WRONG);
    desk.put("tenants/unfit.yaml", UNFIT);
    desk.put("tenants/no yaml.yaml", "kind: [\n");
    desk.put("tenants/deeper/wrong.yml", "kind: Client\n");
    for form in ["text", "json", "sarif"] {
        let ran = desk.run(&["lint", "-f", "./tenants", "-R", "-o", form]);
        check(&format!("lint/wrong-{form}"), &ran, &[(env!("CARGO_PKG_VERSION"), "VERSION")]);
    }
}

#[test]
fn a_list_of_locked_defaults_and_packages_is_judged_with_the_partner() {
    let desk = Desk::alone();
    let sound = UNFIT
        .replace(", country: Atlantis", "")
        .replace("country: Lemuria, ", "")
        .replace("Mars/Phobos", "Europe/Paris");
    desk.put("tenants.yaml", &sound);
    check("lint/beyond-the-partner", &desk.run(&["lint", "-f", "tenants.yaml"]), &[]);
}

#[test]
fn the_examples_are_clean() {
    let desk = Desk::alone();
    let examples = assets::root().join("examples").display().to_string();
    let own = [(examples.as_str(), "examples")];
    check("lint/clean", &desk.run(&["lint", "-f", &examples]), &own);
    check("lint/clean-kustomized", &desk.run(&["lint", "-k", &examples, "-o", "json"]), &own);
    check(
        "lint/clean-sarif",
        &desk.run(&["lint", "-f", &examples, "-o", "sarif"]),
        &[(env!("CARGO_PKG_VERSION"), "VERSION")],
    );
}

#[test]
fn files_of_a_folder_that_hold_no_tenantry_object_are_passed_over_and_counted() {
    let desk = Desk::alone();
    let examples = assets::root().join("examples").display().to_string();
    let own = [(examples.as_str(), "examples")];
    check("lint/clean-recursive", &desk.run(&["lint", "-f", &examples, "-R"]), &own);
    // By its own name it was meant to hold one.
    let workflow = format!("{examples}/pull-request/workflow.yaml");
    check("lint/no-object", &desk.run(&["lint", "-f", &workflow]), &own);
    // A misspelt member does not make an object disappear.
    desk.put("tenants/client.yaml", "apiVersoin: tenantry.dev/v1alpha1\nkind: Client\n");
    desk.put("tenants/notes.yaml", "todo: [nothing]\n");
    let ran = desk.run(&["lint", "-f", "tenants"]);
    assert!(ran.code == 1 && ran.out.contains("client.yaml:1: this object has no `apiVersion`"), "{ran:?}");
    assert!(ran.err.contains("1 file holds no Tenantry object"), "{ran:?}");
    let ran = desk.run(&["plan", "-f", &format!("{examples}/gitops"), "-R", "--offline"]);
    assert!(ran.err.contains("note: 6 files hold no Tenantry object") && !ran.err.contains("strict.yaml"), "{ran:?}");
}

/// A base and a patch over it, which says less than an object must.
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
    let desk = Desk::alone();
    desk.put("prod/kustomization.yaml", OVERLAY);
    desk.put(
        "prod/client.yaml",
        &format!("{PATCH}  partnerRef: {{name: acme}}\n").replace("city: Bonn", "name: Globex"),
    );
    desk.put("prod/city.yaml", PATCH);
    desk.put("prod/operations.yaml", "- {op: remove, path: /spec/details/city}\n");
    desk.put("removed.yaml", &PATCH.replace("spec:", "$patch: delete\nspec:"));
    check("lint/patched", &desk.run(&["lint", "-f", ".", "-R"]), &[]);
    assert_eq!(desk.run(&["lint", "-f", "prod/city.yaml"]).code, 0, "its kustomization stands beside it");
    desk.put("prod/city.yaml", &PATCH.replace("city: Bonn", "ctiy: Bonn, postalCode: 01067"));
    check("lint/patched-wrongly", &desk.run(&["lint", "-f", "prod"]), &[]);
    // Without a kustomization that says so it is an object, and lacks what an object needs.
    desk.put("alone.yaml", PATCH);
    let ran = desk.run(&["lint", "-f", "alone.yaml"]);
    assert!(ran.code == 1 && ran.out.contains("spec.details.name: Required value"), "{ran:?}");
}

#[test]
fn what_cannot_be_read_is_an_error() {
    let desk = Desk::alone();
    check("lint/nothing-named", &desk.run(&["lint"]), &[]);
    check("lint/no-such-file", &desk.run(&["lint", "-f", "nowhere.yaml"]), &[]);
    check("lint/unknown-form", &desk.run(&["lint", "-f", "-", "-o", "xml"]), &[]);
    check(
        "lint/stdin",
        &desk.run_with(&["lint", "-f", "-"], "apiVersion: tenantry.dev/v1alpha1\nkind: Client\nspec: {}\n"),
        &[],
    );
}
