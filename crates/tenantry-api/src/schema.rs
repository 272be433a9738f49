//! The CRDs as the API server gets them: what the derive makes, and what it cannot express.

use std::collections::BTreeMap;

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::CustomResourceExt;
use serde_json::{Map, Value, json};
use tenantry_catalog::{AddOn, Package};

use super::{Partner, TenantClient};

/// Maximum number of items of a list and of characters of a text in status: the API server requires a limit on each.
const STATUS_LIMIT: u64 = 32_768;

/// Both CRDs, finished.
pub fn crds() -> Vec<CustomResourceDefinition> {
    [Partner::crd(), TenantClient::crd()].into_iter().map(complete_crd).collect()
}

/// What the derive cannot express: the kstatus default, limits on status, leaves whose sentences would be alike.
fn complete_crd(crd: CustomResourceDefinition) -> CustomResourceDefinition {
    let mut value = serde_json::to_value(&crd).unwrap_or_default();
    if let Some(schema) = value.pointer_mut("/spec/versions/0/schema/openAPIV3Schema") {
        if let Some(status) = schema.pointer_mut("/properties/status") {
            add_size_limits(status);
            if let Some(status) = status.as_object_mut() {
                status.insert("default".to_owned(), json!({"observedGeneration": -1}));
            }
        }
        strip_nullable(schema);
        if let Some(spec) = schema.pointer_mut("/properties/spec") {
            accept_unquoted_digits(spec);
            mark_lists_atomic(spec);
            name_add_ons_in_rules(spec);
        }
        list_allowed_words(schema);
        disambiguate_descriptions(schema);
    }
    serde_json::from_value(value).unwrap_or(crd)
}

/// Gives every string, list and map without a limit one.
fn add_size_limits(schema: &mut Value) {
    let Some(node) = schema.as_object_mut() else { return };
    match node.get("type").and_then(Value::as_str) {
        Some("string") if !node.contains_key("enum") && !node.contains_key("format") => {
            node.entry("maxLength").or_insert(json!(STATUS_LIMIT));
        }
        Some("array") => {
            node.entry("maxItems").or_insert(json!(1024));
        }
        Some("object") if node.contains_key("additionalProperties") => {
            node.entry("maxProperties").or_insert(json!(256));
        }
        _ => {}
    }
    visit_children(node, &mut |_, child| add_size_limits(child));
}

/// Removes `nullable`, so that `null` in a manifest means "left out", as Helm writes it.
fn strip_nullable(schema: &mut Value) {
    let Some(node) = schema.as_object_mut() else { return };
    node.remove("nullable");
    visit_children(node, &mut |_, child| strip_nullable(child));
}

/// Adds the allowed words of a list to its description: `kubectl explain` shows those of a field and not those of entries.
fn list_allowed_words(schema: &mut Value) {
    let Some(node) = schema.as_object_mut() else { return };
    let words = node.get("items").and_then(|items| items.get("enum")).and_then(Value::as_array);
    let words = words.map(|words| words.iter().filter_map(Value::as_str).collect::<Vec<_>>().join(", "));
    if let (Some(words), Some(Value::String(text))) = (words, node.get_mut("description")) {
        *text = format!("{text} Allowed: {words}.");
    }
    visit_children(node, &mut |_, child| list_allowed_words(child));
}

/// Texts that often are digits alone.
const NUMERIC_TEXT_FIELDS: [&str; 7] =
    ["postalCode", "externalId", "number", "extension", "mobile", "textColor", "backgroundColor"];

/// What a rule says of digits without quotes.
const QUOTES_MESSAGE: &str =
    "write it in quotes, for example \"01067\": without them YAML reads a number, and leading zeros are lost";

/// Lets a number through to a rule that asks for quotes: what the API server says of a wrong type names neither the cause
/// nor what to do, and leaves all other rules unchecked.
fn accept_unquoted_digits(schema: &mut Value) {
    let Some(node) = schema.as_object_mut() else { return };
    visit_children(node, &mut |name, child| {
        accept_unquoted_digits(child);
        let is_text = child["type"] == "string";
        let Some(node) = child.as_object_mut().filter(|_| is_text && NUMERIC_TEXT_FIELDS.contains(&name)) else {
            return;
        };
        node.remove("type");
        node.insert("x-kubernetes-int-or-string".to_owned(), json!(true));
        node.entry("x-kubernetes-validations")
            .or_insert(json!([{"rule": "self == string(self)", "message": QUOTES_MESSAGE}]));
    });
}

/// Makes each list of texts one declaration (`atomic`). In a list of the type `set`, each entry has its own owner: a
/// server-side apply of an empty list then removes the entries and the field, which means "left out". Lists of
/// catalogue words have a rule against repeated entries. Other lists are too long for such a rule, and a repeated entry
/// has no effect there.
fn mark_lists_atomic(schema: &mut Value) {
    let Some(node) = schema.as_object_mut() else { return };
    visit_children(node, &mut |_, child| mark_lists_atomic(child));
    if node.get("items").is_some_and(|items| items["type"] == "string") {
        node.insert("x-kubernetes-list-type".to_owned(), json!("atomic"));
        if node["items"].get("enum").is_some() {
            let rule = "self.all(one, self.exists_one(other, other == one))";
            let once = json!([{"rule": rule, "message": "write each entry once"}]);
            node.insert("x-kubernetes-validations".to_owned(), once);
        }
    }
}

/// Adds the declared add-ons to the message of a rule about add-ons. The derive accepts either a message or an
/// expression. A rule needs both, because the message is part of the reference and is used if the expression fails.
fn name_add_ons_in_rules(spec: &mut Value) {
    let rules = spec.get_mut("x-kubernetes-validations").and_then(Value::as_array_mut);
    for rule in rules.into_iter().flatten().filter(|rule| rule["fieldPath"] == ".addOns") {
        let message = rule["message"].as_str().unwrap_or_default().to_owned();
        let Some(package) = Package::ALL.into_iter().find(|package| message.contains(package.name())) else { continue };
        let names = AddOn::ALL.into_iter().filter(|add_on| add_on.package() == package).map(AddOn::name);
        let names: Vec<String> = names.map(|name| format!("('{name}' in self.addOns ? ' `{name}`,' : '')")).collect();
        rule["messageExpression"] = json!(format!("'`addOns` holds' + {} + ' {message}'", names.join(" + ")));
    }
}

/// Calls `visit` for every schema below a node, with the name it has there (empty for items).
fn visit_children(node: &mut Map<String, Value>, visit: &mut dyn FnMut(&str, &mut Value)) {
    if let Some(properties) = node.get_mut("properties").and_then(Value::as_object_mut) {
        for (name, child) in properties {
            visit(name, child);
        }
    }
    for key in ["items", "additionalProperties"] {
        if let Some(child) = node.get_mut(key).filter(|child| child.is_object()) {
            visit("", child);
        }
    }
}

/// Gives each description its own text. A type that is used in two places has one doc comment in the code.
fn disambiguate_descriptions(schema: &mut Value) {
    let mut seen: BTreeMap<String, usize> = BTreeMap::new();
    visit_descriptions(schema, &mut Vec::new(), &mut |_, text| *seen.entry(text.clone()).or_default() += 1);
    visit_descriptions(schema, &mut Vec::new(), &mut |path, text| {
        if seen.get(text).is_some_and(|count| *count > 1) {
            let parent = path.split_last().map_or_else(String::new, |(_, parents)| parents.join("."));
            *text = format!("{text} (In `{parent}`.)");
        }
    });
}

fn visit_descriptions(schema: &mut Value, path: &mut Vec<String>, action: &mut dyn FnMut(&[String], &mut String)) {
    let Some(node) = schema.as_object_mut() else { return };
    if let Some(Value::String(text)) = node.get_mut("description") {
        action(path, text);
    }
    visit_children(node, &mut |name, child| {
        if !name.is_empty() {
            path.push(name.to_owned());
        }
        visit_descriptions(child, path, action);
        if !name.is_empty() {
            path.pop();
        }
    });
}
