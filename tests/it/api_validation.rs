//! What the API server refuses, with field and remedy, and what it accepts.

mod limits;
mod names;
mod rule_table;
mod schema_bounds;
mod update_rules;
mod upgrade;

use std::collections::BTreeSet;

use kube::Api;
use kube::api::PostParams;
use kube::core::{ApiResource, DynamicObject, GroupVersionKind};
use serde_json::{Value, json};
use tenantry_catalog::{AddOn, Package};

use crate::support::schema::{self, SchemaNode};
use crate::support::{create_namespace, kubectl_apply, shared_cluster};

/// A rule with values for its path: accepted ones and refused ones.
struct RuleRow {
    kind: &'static str,
    path: &'static str,
    message: &'static str,
    accepted: &'static [&'static str],
    refused: &'static [&'static str],
}

/// Why the API server refused an object: a field and a message each.
#[derive(Debug)]
pub(crate) struct ApiRejection(pub(crate) Vec<(String, String)>);

impl ApiRejection {
    fn has_cause(&self, field: &str, sentence: &str) -> bool {
        self.0.iter().any(|(at, said)| at == field && said.contains(sentence))
    }
}

/// Returns every object of these tables, valid and invalid: its kind and its spec.
pub(crate) fn all_specs() -> Vec<(String, Value)> {
    let of_row = |row: &RuleRow| {
        let texts = row.accepted.iter().chain(row.refused);
        texts
            .map(|text| (row.kind.to_owned(), spec_at_schema_path(row.kind, row.path, parse_yaml(text)).0))
            .collect::<Vec<_>>()
    };
    let changed = update_rules::CHANGE_ROWS.iter().flat_map(update_rules::ChangeRow::row_specs);
    let rows = rule_table::RULE_ROWS.iter().chain(limits::LIMIT_ROWS).flat_map(of_row);
    rows.chain(changed).chain(schema_bounds::edge_specs()).chain(names::invalid_name_specs()).collect()
}

/// The API server, used with dry runs.
pub(crate) struct DryRunServer {
    client: kube::Client,
    namespace: String,
}

impl DryRunServer {
    pub(crate) async fn new(name: &str) -> Self {
        Self { client: shared_cluster().client().await, namespace: create_namespace(name) }
    }

    fn objects(&self, kind: &str) -> Api<DynamicObject> {
        let resource = ApiResource::from_gvk(&GroupVersionKind::gvk(tenantry_api::GROUP, tenantry_api::VERSION, kind));
        Api::namespaced_with(self.client.clone(), &self.namespace, &resource)
    }

    /// Creates an object, either for real or as a dry run.
    async fn create(
        &self,
        (kind, name): (&str, &str),
        spec: &Value,
        dry_run: bool,
    ) -> Result<DynamicObject, ApiRejection> {
        let object = json!({"apiVersion": format!("{}/{}", tenantry_api::GROUP, tenantry_api::VERSION), "kind": kind,
                            "metadata": {"name": name}, "spec": spec});
        let object = serde_json::from_value(object).expect("this is an object");
        let params = PostParams { dry_run, ..PostParams::default() };
        self.objects(kind).create(&params, &object).await.map_err(to_rejection)
    }

    /// Verifies that a spec is accepted without a dropped field.
    pub(crate) async fn dry_run(&self, kind: &str, spec: &Value) -> Result<(), ApiRejection> {
        let taken = self.create((kind, "tried"), spec, true).await?;
        // A field that the schema does not know is pruned: the test would not try what it says.
        assert_eq!(&taken.data["spec"], spec, "{kind}: not all of it was taken");
        Ok(())
    }
}

fn to_rejection(error: kube::Error) -> ApiRejection {
    let kube::Error::Api(status) = error else { panic!("the API server does not answer: {error}") };
    let causes = status.details.map(|details| details.causes).unwrap_or_default();
    assert!(!causes.is_empty(), "no cause is named: {}", status.message);
    ApiRejection(causes.into_iter().map(|cause| (cause.field, cause.message)).collect())
}

/// Returns the smallest valid spec.
fn minimal_spec(kind: &str) -> Value {
    match kind {
        "Partner" => json!({"details": {"name": "Acme"}}),
        _ => json!({"details": {"name": "Globex"}, "partnerRef": {"name": "acme"}}),
    }
}

/// Returns the members that a parent requires beside a value.
fn required_siblings(parent: &str) -> Value {
    let key = |name: &str, key: &str| json!({"name": name, "key": key});
    match parent {
        "businessHours" => json!({"start": "09:00", "end": "17:00", "firstDay": "Monday", "lastDay": "Friday"}),
        "configMapKeyRef" => key("brand", "logo.png"),
        "integrationKeySecretRef" | "secretKeySecretRef" => key("duo", "key"),
        "duo" => json!({"apiHostname": "api-1.duo.example", "integrationKeySecretRef": key("duo", "ikey"),
                        "secretKeySecretRef": key("duo", "skey")}),
        "confirm" => json!({"name": "Acme", "uniqueId": "msp_1", "notAfter": "2026-12-01T12:00:00Z",
                            "acknowledge": ["DataErased", "NotRecoverable", "UsersDeactivated"]}),
        "adoption" => json!({"policy": "Adopt", "uniqueId": "msp_1"}),
        "allowedNamespaces" => json!({"from": "Selector"}),
        _ => json!({}),
    }
}

/// Returns the smallest spec of a kind with `value` at `path`.
fn spec_with(kind: &str, path: &str, value: Value) -> Value {
    let mut spec = minimal_spec(kind);
    let mut place = &mut spec;
    for name in path.split('.').skip(1) {
        let object = place.as_object_mut().expect("a path leads through objects");
        place = object.entry(name).or_insert_with(|| required_siblings(name));
    }
    *place = value;
    if path == "spec.management.mode" {
        // What is observed must be named.
        spec["adoption"] = required_siblings("adoption");
    }
    spec
}

/// Returns the smallest spec with a value at a path of the schema, and the field name that the server uses for it.
fn spec_at_schema_path(kind: &str, path: &str, value: Value) -> (Value, String) {
    if let Some((list, member)) = path.rsplit_once("[*].") {
        // A member of list entries. Nested lists only occur at the end of a path.
        let (member, inner) = match member.strip_suffix("[*]") {
            Some(member) => (member, json!([value])),
            None => (member, value),
        };
        let shown = path.replace("[*]", "[0]");
        (spec_with(kind, list, json!([{member: inner}])), shown)
    } else if let Some(list) = path.strip_suffix("[*]") {
        (spec_with(kind, list, json!([value])), format!("{list}[0]"))
    } else if let Some(map) = path.strip_suffix("{*}") {
        (spec_with(kind, map, json!({"label": value})), format!("{map}.label"))
    } else {
        (spec_with(kind, path, value), path.to_owned())
    }
}

fn parse_yaml(text: &str) -> Value {
    serde_yaml::from_str(text).unwrap_or_else(|error| panic!("{text}: {error}"))
}

/// Returns the rules of a node, each with the member that its refusal names.
fn node_rules(node: &SchemaNode) -> Vec<(String, String)> {
    let rules = node.schema["x-kubernetes-validations"].as_array();
    let rule = |rule: &Value| {
        let below = rule["fieldPath"].as_str().unwrap_or_default();
        (rule["message"].as_str().unwrap_or_default().to_owned(), below.to_owned())
    };
    rules.into_iter().flatten().map(rule).collect()
}

#[test]
fn every_rule_of_the_schemas_has_a_row() {
    let of_schema: BTreeSet<(String, String, String)> = schema::root_nodes()
        .iter()
        .chain(&schema::schema_nodes())
        .flat_map(|node| node_rules(node).into_iter().map(|(says, _)| (node.kind.clone(), node.path.clone(), says)))
        .collect();
    let of_rows = rule_table::RULE_ROWS.iter().map(|row| (row.kind, row.path, row.message));
    let of_changes = update_rules::CHANGE_ROWS.iter().map(|row| (row.kind, row.path, row.message));
    let of_tables =
        of_rows.chain(of_changes).map(|(kind, path, says)| (kind.to_owned(), path.to_owned(), says.to_owned()));
    let of_tables: BTreeSet<(String, String, String)> = of_tables.collect();
    let only = |one: &BTreeSet<_>, other: &BTreeSet<_>| one.difference(other).cloned().collect::<Vec<_>>();
    assert_eq!(only(&of_schema, &of_tables), [], "rules that nobody tries");
    assert_eq!(only(&of_tables, &of_schema), [], "rows without a rule");
    assert!(
        rule_table::RULE_ROWS.iter().all(|row| !row.accepted.is_empty() && !row.refused.is_empty()),
        "both sides need an object"
    );
}

/// Tries every object of a table, and reports all failures at once. Returns the number of objects.
async fn try_rows(server: &DryRunServer, rows: &[RuleRow]) -> usize {
    let nodes = schema::schema_nodes();
    let mut wrong = Vec::new();
    let mut tried = 0;
    for row in rows {
        let RuleRow { kind, path, message: says, .. } = row;
        let node = nodes.iter().find(|node| node.kind == *kind && node.path == *path).expect("a row names a place");
        let below = node_rules(node).into_iter().find(|rule| rule.0 == *says).map(|rule| rule.1).unwrap_or_default();
        for text in row.accepted {
            if let Err(refusal) = server.dry_run(kind, &spec_at_schema_path(kind, path, parse_yaml(text)).0).await {
                wrong.push(format!("{kind} {path}: {text} is refused: {refusal:?}"));
            }
        }
        for text in row.refused {
            let (spec, field) = spec_at_schema_path(kind, path, parse_yaml(text));
            let field = field + &below;
            match server.dry_run(kind, &spec).await {
                Ok(()) => wrong.push(format!("{kind} {path}: {text} is taken")),
                Err(refusal) if refusal.has_cause(&field, says) => {}
                Err(refusal) => wrong.push(format!("{kind} {path}: {text}: `{field}: {says}` is not in {refusal:?}")),
            }
        }
        tried += row.accepted.len() + row.refused.len();
    }
    assert!(wrong.is_empty(), "{} of {tried} are wrong:\n{}", wrong.len(), wrong.join("\n"));
    tried
}

/// shows: seeds/account/alternate-email, seeds/account/notification-email, seeds/access/ip-rule, seeds/access/ip-list
/// shows: seeds/access/duo-host, seeds/password/pci-dss-fixed, seeds/password/either, seeds/branding/documentation
/// shows: seeds/branding/text-color, seeds/branding/background-color
#[tokio::test(flavor = "multi_thread")]
async fn each_rule_lets_the_right_pass_and_refuses_the_wrong_with_field_and_remedy() {
    let tried = try_rows(&DryRunServer::new("rules").await, rule_table::RULE_ROWS).await;
    println!("{} rules, {tried} objects", rule_table::RULE_ROWS.len());
}

/// Returns the error of `kubectl apply` for an invalid manifest.
fn kubectl_error(namespace: &str, kind: &str, spec: &str) -> String {
    let yaml = format!("apiVersion: tenantry.dev/v1alpha1\nkind: {kind}\nmetadata: {{name: wrong}}\nspec: {spec}\n");
    kubectl_apply(namespace, &yaml).expect_err("this is wrong and was taken")
}

/// shows: seeds/account/api-server-read-only, seeds/access/block-duplicates
#[test]
fn an_unknown_field_is_refused_by_its_name() {
    let namespace = create_namespace("unknown");
    for (kind, spec, field) in [
        ("Partner", "{details: {nmae: Acme, name: Acme}}", "spec.details.nmae"),
        ("Partner", "{details: {name: Acme}, management: {modus: Observe}}", "spec.management.modus"),
        // Derived from the application server, and therefore read-only.
        ("Partner", "{details: {name: Acme, apiServer: api.acme.example}}", "spec.details.apiServer"),
        ("Client", "{partnerRef: {name: acme, kind: Partner}, details: {name: G}}", "spec.partnerRef.kind"),
        // Settings that only a Partner has.
        (
            "Client",
            "{partnerRef: {name: acme}, details: {name: G}, security: {passwordPolicy: {pciDSS: {}}}}",
            "spec.security.passwordPolicy",
        ),
        (
            "Client",
            "{partnerRef: {name: acme}, details: {name: G}, security: {access: {blockDuplicateCloudAccounts: true}}}",
            "spec.security.access.blockDuplicateCloudAccounts",
        ),
    ] {
        let message = kubectl_error(&namespace, kind, spec);
        assert!(message.contains(&format!("unknown field \"{field}\"")), "{message}");
    }
}

/// shows: seeds/account/postal-code
#[test]
fn kubectl_shows_the_field_and_the_way_out() {
    let namespace = create_namespace("shown");
    for (kind, spec, field, remedy) in [
        ("Partner", "{details: {name: A, postalCode: 10117}}", "spec.details.postalCode", "write it in quotes"),
        (
            "Partner",
            "{details: {name: A}, addOns: [SLAManagement]}",
            "spec.addOns",
            "add it to `packages` or remove the add-on",
        ),
        (
            "Partner",
            "{details: {name: A}, security: {passwordPolicy: {pciDSS: {}, changePasswordAtNextLogin: false}}}",
            "spec.security.passwordPolicy",
            "leave `changePasswordAtNextLogin` out or set it to true",
        ),
        (
            "Partner",
            "{details: {name: A}, packages: [Everything]}",
            "spec.packages[0]",
            "supported values: \"HybridDiscovery",
        ),
        (
            "Partner",
            "{details: {name: A}, deletion: {confirm: {name: A, uniqueId: msp_1, notAfter: '2026-12-01T12:00:00Z', \
             acknowledge: [DataErased, DataErased, NotRecoverable]}}}",
            "spec.deletion.confirm.acknowledge",
            "write each entry once",
        ),
        ("Client", "{details: {name: G}}", "spec", "set exactly one of `partnerRef` and `partnerUniqueId`"),
        ("Client", "{partnerRef: {name: acme}}", "spec.details", "Required value"),
    ] {
        let message = kubectl_error(&namespace, kind, spec);
        assert!(
            message.contains(&format!("{field}: ")) && message.contains(remedy),
            "`{field}`, `{remedy}`: {message}"
        );
    }
}

/// shows: seeds/packages/add-ons, seeds/packages/adapter-integrations, seeds/packages/extended-data-retention
/// shows: seeds/packages/mask-resource-identity, seeds/packages/offline-alerts, seeds/packages/log-management
/// shows: seeds/packages/trace-management, seeds/without-remediation/patch-add-on, seeds/without-events/enrichment-add-on
/// shows: seeds/without-events/scheduled-task-add-on, seeds/without-events/sla-add-on
/// shows: seeds/without-events/sms-voice-add-on
#[tokio::test(flavor = "multi_thread")]
async fn each_add_on_of_the_catalog_needs_its_package() {
    let server = DryRunServer::new("add-ons").await;
    for add_on in AddOn::ALL {
        let package = add_on.package();
        let is_always_there = package == Package::HybridDiscoveryAndMonitoring;
        for kind in ["Partner", "Client"] {
            let mut spec = minimal_spec(kind);
            spec["addOns"] = json!([add_on.name()]);
            spec["packages"] = json!([package.name()]);
            server.dry_run(kind, &spec).await.expect("an add-on goes with its package");
            spec["packages"] = json!([]);
            let remedy = format!(
                "`addOns` holds `{}`, without the package `{}`: add it to `packages`",
                add_on.name(),
                package.name()
            );
            match server.dry_run(kind, &spec).await {
                Ok(()) => assert!(is_always_there, "{kind}: {} is taken without its package", add_on.name()),
                Err(refusal) => assert!(!is_always_there && refusal.has_cause("spec.addOns", &remedy), "{refusal:?}"),
            }
        }
    }
}
