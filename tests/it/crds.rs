//! Tests of the resource definitions: they match the types, and the API server accepts and shows them.

use std::collections::BTreeSet;
use std::fs;

use serde_json::{Value, json};

use crate::assets;
use crate::definitions;
use crate::page_commands::external_commands::{DEFINITIONS, strs};
use crate::reference;
use crate::support::schema::{self, SchemaNode};
use crate::support::{admin_kubectl, create_namespace, kubectl_apply};

/// Asserts that the files of a folder are what `make crds` writes there.
fn assert_files_current(folder: &str, is_kept: bool) {
    let mut expected = BTreeSet::new();
    for mut crd in tenantry_api::crds() {
        if is_kept {
            crd.metadata.annotations = Some([("helm.sh/resource-policy".to_owned(), "keep".to_owned())].into());
        }
        let file = format!("{}.yaml", crd.spec.names.plural);
        let written = fs::read_to_string(assets::root().join(folder).join(&file)).unwrap_or_default();
        assert!(written == definitions::to_yaml(&crd).unwrap(), "{folder}/{file} is stale: run `make crds`");
        expected.insert(file);
    }
    let found: BTreeSet<String> = fs::read_dir(assets::root().join(folder))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    assert_eq!(found, expected, "{folder}/ holds files that nobody generates, or lacks one: run `make crds`");
}

#[test]
fn the_files_are_what_the_types_say() {
    assert_files_current("crds", false);
}

#[test]
fn the_chart_carries_what_the_types_say_and_keeps_it_when_it_goes() {
    assert_files_current("charts/tenantry/kinds", true);
}

#[test]
fn the_reference_is_what_the_types_say() {
    let definitions: Vec<Value> = tenantry_api::crds().iter().map(|crd| serde_json::to_value(crd).unwrap()).collect();
    let written = fs::read_to_string(assets::root().join("docs/reference.md")).unwrap_or_default();
    assert!(written == reference::render_page(&definitions), "docs/reference.md is stale: run `make crds`");
    for row in ["| `spec.details.name` * |", "| `spec.deletion.confirm.notAfter` * |", "| `status.drift[].path` * |"] {
        assert_eq!(written.matches(row).count(), 2, "each kind has {row}");
    }
}

#[test]
fn the_api_server_takes_both_without_a_warning() {
    let mut again = DEFINITIONS.words("kubectl", &[]);
    again.extend(["--warnings-as-errors", "-o", "name"].map(str::to_owned));
    let output = admin_kubectl().run_for_output(&strs(&again), "").unwrap();
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && stderr.is_empty(), "{stderr}");
    let names = String::from_utf8_lossy(&output.stdout);
    for plural in ["clients", "partners"] {
        assert!(
            names.contains(&format!("customresourcedefinition.apiextensions.k8s.io/{plural}.tenantry.dev")),
            "{names}"
        );
    }
    // The API server may skip a check for an existing definition that it makes for a new one.
    for crd in tenantry_api::crds() {
        let new = definitions::to_yaml(&crd).unwrap().replace("tenantry.dev\n", "new.tenantry.dev\n");
        let args = ["create", "--dry-run=server", "--warnings-as-errors", "-o", "name", "-f", "-"];
        let output = admin_kubectl().run_for_output(&args, &new).unwrap();
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success() && stderr.is_empty(), "{stderr}");
        assert!(String::from_utf8_lossy(&output.stdout).contains(".new.tenantry.dev"), "nothing new was tried");
    }
}

/// Argo CD and Flux use server-side apply. An empty list and an absent one mean different things for packages, add-ons
/// and addresses.
#[test]
fn a_list_that_a_server_side_apply_empties_stays_an_empty_list() {
    let namespace = create_namespace("emptied");
    let apply = |list: &[&str], addresses: &[&str]| {
        let object = json!({
            "apiVersion": "tenantry.dev/v1alpha1", "kind": "Partner", "metadata": {"name": "acme"},
            "spec": {
                "details": {"name": "Acme"}, "packages": list, "addOns": [],
                "security": {"access": {"allowedIPs": addresses}},
            },
        });
        let args = ["-n", &namespace, "apply", "--server-side", "-f", "-"];
        admin_kubectl().run_with(&args, &object.to_string()).unwrap();
        let read = admin_kubectl().run(&["-n", &namespace, "get", "partner/acme", "-o", "json"]).unwrap();
        serde_json::from_str::<Value>(&read).unwrap()["spec"].clone()
    };
    apply(&["EventAndIncidentManagement"], &["10.0.0.1"]);
    let spec = apply(&[], &[]);
    assert_eq!(spec["packages"], json!([]));
    assert_eq!(spec["security"]["access"]["allowedIPs"], json!([]));
}

/// Returns the nodes without a size limit, for which the server must assume the worst cost of each rule over them.
fn nodes_without_limit(nodes: &[SchemaNode]) -> Vec<String> {
    let is_unlimited = |node: &&SchemaNode| match node.text("type") {
        // A date has its own format. A rule ensures that a value of a free type is a text.
        "string" | "" => {
            ["maxLength", "enum"].iter().all(|key| node.schema.get(key).is_none()) && node.text("format").is_empty()
        }
        "array" => node.schema.get("maxItems").is_none(),
        "object" => node.schema.get("additionalProperties").is_some() && node.schema.get("maxProperties").is_none(),
        "integer" => node.path.starts_with("spec") && node.schema.get("maximum").is_none(),
        _ => false,
    };
    nodes.iter().filter(is_unlimited).map(SchemaNode::kind_and_path).collect()
}

#[test]
fn every_text_list_map_and_number_has_a_maximum() {
    assert_eq!(nodes_without_limit(&schema::schema_nodes()), [""; 0]);
    let node = |schema: Value| SchemaNode { kind: "Client".to_owned(), path: "spec.x".to_owned(), schema };
    let bad = [
        node(json!({"type": "string"})),
        node(json!({"x-kubernetes-int-or-string": true})),
        node(json!({"type": "array", "items": {}})),
        node(json!({"type": "object", "additionalProperties": {}})),
        node(json!({"type": "integer", "minimum": 1})),
    ];
    assert_eq!(nodes_without_limit(&bad).len(), bad.len());
}

/// Returns the names, namespaces and keys in references of the specs that have no pattern, so that they could become
/// paths of requests.
fn references_without_pattern(nodes: &[SchemaNode]) -> Vec<String> {
    // What users and the platform call a tenant.
    let is_tenants = |path: &str| path == "spec.details.name" || path == "spec.deletion.confirm.name";
    let is_reference = |node: &&SchemaNode| {
        let last = node.path.rsplit('.').next().unwrap_or_default();
        // Label keys are compared with existing labels, and never sent.
        let is_label = node.path.ends_with("matchExpressions[*].key");
        let is_named = ["name", "namespace", "key"].contains(&last) && !is_label && !is_tenants(&node.path);
        node.path.starts_with("spec.") && is_named
    };
    let is_formless =
        |node: &&SchemaNode| ["pattern", "minLength", "maxLength"].iter().any(|key| node.schema.get(key).is_none());
    nodes.iter().filter(is_reference).filter(is_formless).map(SchemaNode::kind_and_path).collect()
}

/// shows: faults/69
#[test]
fn every_name_namespace_and_key_of_a_reference_has_the_form_of_kubernetes() {
    let nodes = schema::schema_nodes();
    assert_eq!(references_without_pattern(&nodes), [""; 0]);
    let found = |path: &str| nodes.iter().find(|node| node.kind == "Client" && node.path == path).unwrap();
    let reference = found("spec.partnerRef.name");
    assert_eq!(reference.schema["maxLength"], 253);
    assert_eq!(found("spec.partnerRef.namespace").schema["maxLength"], 63);
    for key in ["pattern", "maxLength"] {
        let mut bad = reference.clone();
        bad.schema.as_object_mut().unwrap().remove(key);
        assert_eq!(references_without_pattern(&[bad]).len(), 1, "{key}");
    }
}

#[test]
fn null_means_left_out() {
    let nullable: Vec<String> = schema::schema_nodes()
        .iter()
        .filter(|node| node.schema.get("nullable").is_some())
        .map(SchemaNode::kind_and_path)
        .collect();
    assert_eq!(nullable, [""; 0], "`nullable` would store null, which Helm writes for what is left out");
    let namespace = create_namespace("null");
    let client = "apiVersion: tenantry.dev/v1alpha1\nkind: Client\nmetadata: {name: globex}\nspec:\n  \
        partnerRef: {name: acme, namespace: null}\n  details: {name: Globex, city: null}\n  packages: null\n  \
        tenantState: null\n  deletion: null\n";
    kubectl_apply(&namespace, client).unwrap();
    let spec = admin_kubectl().run(&["get", "client", "globex", "-n", &namespace, "-o", "jsonpath={.spec}"]).unwrap();
    let spec: Value = serde_json::from_str(&spec).unwrap();
    assert_eq!(spec, json!({"partnerRef": {"name": "acme"}, "details": {"name": "Globex"}}));
}

#[test]
fn names_and_selectable_fields_are_what_the_server_offers() {
    for (plural, short, fields) in [
        ("partners", "msp", vec![".status.phase", ".status.uniqueId"]),
        ("clients", "tclient", vec![".status.phase", ".status.uniqueId", ".spec.partnerRef.name"]),
    ] {
        let crd = admin_kubectl().run(&["get", "crd", &format!("{plural}.tenantry.dev"), "-o", "json"]).unwrap();
        let crd: Value = serde_json::from_str(&crd).unwrap();
        assert_eq!(crd["status"]["acceptedNames"]["categories"], json!(["tenantry"]));
        assert_eq!(crd["status"]["acceptedNames"]["shortNames"], json!([short]));
        assert_eq!(crd["spec"]["scope"], "Namespaced");
        let version = &crd["spec"]["versions"][0];
        let selectable = version["selectableFields"].as_array().unwrap();
        let selectable: Vec<&str> = selectable.iter().filter_map(|field| field["jsonPath"].as_str()).collect();
        assert_eq!(selectable, fields);
        assert_eq!(version["subresources"], json!({"status": {}}));
    }
}

/// Creates a Partner and two Clients of different Partners, one of them with a status.
fn create_tenants(namespace: &str) {
    let objects = "apiVersion: tenantry.dev/v1alpha1\nkind: Partner\nmetadata: {name: acme}\nspec:\n  \
        details: {name: Acme Managed Services}\n---\n\
        apiVersion: tenantry.dev/v1alpha1\nkind: Client\nmetadata: {name: globex}\nspec:\n  \
        partnerRef: {name: acme}\n  details: {name: Globex GmbH}\n  deletion: {policy: Suspend}\n---\n\
        apiVersion: tenantry.dev/v1alpha1\nkind: Client\nmetadata: {name: initech}\nspec:\n  \
        partnerRef: {name: other}\n  details: {name: Initech}\n";
    kubectl_apply(namespace, objects).expect("right objects are taken");
    let condition = |kind: &str, status: &str, reason: &str| {
        json!({"type": kind, "status": status, "reason": reason, "message": format!("{kind} is {status}"),
               "lastTransitionTime": "2026-11-22T09:30:00Z"})
    };
    let status = json!({"status": {
        "phase": "Active", "uniqueId": "client_93", "createdTime": CREATED,
        "conditions": [
            condition("Ready", "True", "AsDeclared"), condition("InSync", "False", "Drifted"),
            condition("Paused", "True", "ManagementPaused"),
        ],
    }});
    let status = status.to_string();
    let patch = ["patch", "client", "globex", "-n", namespace, "--subresource=status", "--type=merge", "-p", &status];
    admin_kubectl().run(&patch).expect("a status can be written");
}

#[test]
fn a_new_object_says_that_nothing_was_observed_yet() {
    let namespace = create_namespace("observed");
    create_tenants(&namespace);
    for object in ["partner/acme", "client/initech"] {
        let args = ["get", object, "-n", &namespace, "-o", "jsonpath={.status}"];
        assert_eq!(admin_kubectl().run(&args).unwrap(), r#"{"observedGeneration":-1}"#, "{object}");
    }
}

/// shows: seeds/details/search, seeds/termination/search, seeds/filter/active
#[test]
fn tenants_are_found_by_phase_id_and_partner() {
    let namespace = create_namespace("select");
    create_tenants(&namespace);
    let found = |selector: &str| {
        let selector = format!("--field-selector={selector}");
        admin_kubectl().run(&["get", "clients", "-n", &namespace, "-o", "name", &selector]).unwrap()
    };
    assert_eq!(found("status.phase=Active"), "client.tenantry.dev/globex\n");
    assert_eq!(found("status.uniqueId=client_93"), "client.tenantry.dev/globex\n");
    assert_eq!(found("spec.partnerRef.name=other"), "client.tenantry.dev/initech\n");
}

/// Returns the header and the row of `name` in a table of `kubectl get`, column by column.
fn table_row(table: &str, kind: &str, name: &str) -> Vec<(String, String)> {
    let mut header = "";
    for line in table.lines() {
        if line.starts_with("NAME") {
            header = line;
        } else if line.contains(&format!("{kind}.tenantry.dev/{name}")) {
            let starts: Vec<usize> = column_starts(header);
            return starts
                .iter()
                .enumerate()
                .map(|(i, start)| {
                    let end = starts.get(i + 1).copied();
                    let cut = |text: &str| {
                        text.get(*start..end.unwrap_or(text.len()).min(text.len())).unwrap_or("").trim().to_owned()
                    };
                    (cut(header), cut(line))
                })
                .collect();
        }
    }
    panic!("{name} is not in\n{table}");
}

/// When a client of the tests was created.
const CREATED: &str = "2026-11-22T09:30:00Z";

/// Returns the column at which each word of a header begins.
fn column_starts(header: &str) -> Vec<usize> {
    let begins = |at: &usize| {
        let before = header[..*at].chars().next_back();
        !header[*at..].starts_with(' ') && before.is_none_or(|letter| letter == ' ')
    };
    (0..header.len()).filter(begins).collect()
}

fn row_pairs(row: &[(String, String)]) -> Vec<(&str, &str)> {
    row.iter().map(|(name, value)| (name.as_str(), value.as_str())).filter(|(name, _)| *name != "AGE").collect()
}

/// shows: seeds/list/table, seeds/list/name, seeds/list/unique-id, seeds/list/date-created, seeds/list/status
/// shows: seeds/details/created
#[test]
fn one_word_lists_both_kinds_with_their_columns() {
    let namespace = create_namespace("columns");
    create_tenants(&namespace);
    let everywhere = admin_kubectl().run(&["get", "tenantry", "-A"]).unwrap();
    assert!(everywhere.lines().filter(|line| line.starts_with(&namespace)).count() == 3, "{everywhere}");
    let table = admin_kubectl().run(&["get", "tenantry", "-n", &namespace]).unwrap();
    let partner = table_row(&table, "partner", "acme");
    let empty = ("READY", "");
    assert_eq!(
        row_pairs(&partner),
        [
            ("NAME", "partner.tenantry.dev/acme"),
            empty,
            ("REASON", ""),
            ("PAUSED", ""),
            ("STATUS", ""),
            ("TENANT", "Acme Managed Services"),
            ("UNIQUE-ID", ""),
            ("CREATED", ""),
            ("ON-DELETE", ""),
        ]
    );
    let client = table_row(&table, "client", "globex");
    assert_eq!(
        row_pairs(&client),
        [
            ("NAME", "client.tenantry.dev/globex"),
            ("READY", "True"),
            ("REASON", "AsDeclared"),
            ("PAUSED", "True"),
            ("STATUS", "Active"),
            ("TENANT", "Globex GmbH"),
            ("UNIQUE-ID", "client_93"),
            ("CREATED", CREATED),
            ("PARTNER", "acme"),
            ("ON-DELETE", "Suspend"),
        ]
    );
    assert_eq!(client.last().map(|(name, _)| name.as_str()), Some("AGE"));
    let table = admin_kubectl().run(&["get", "tenantry", "-n", &namespace, "-o", "wide"]).unwrap();
    let client = table_row(&table, "client", "globex");
    assert_eq!(row_pairs(&client)[10..], [("IN-SYNC", "False"), ("MESSAGE", "Ready is True")]);
}
