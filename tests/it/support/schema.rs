//! The schemas of both kinds, node by node.

use serde_json::Value;
use tenantry::api;

/// A place in a kind's schema.
#[derive(Clone, Debug)]
pub(crate) struct SchemaNode {
    /// `Partner` or `Client`.
    pub(crate) kind: String,
    /// For example `spec.details.name`; entries of a list are `[*]`, values of a map `{*}`.
    pub(crate) path: String,
    /// What the API server is told about it.
    pub(crate) schema: Value,
}

impl SchemaNode {
    /// `Partner spec.details.name`.
    pub(crate) fn kind_and_path(&self) -> String {
        format!("{} {}", self.kind, self.path)
    }

    /// A text of the schema, empty where there is none.
    pub(crate) fn text(&self, key: &str) -> &str {
        self.schema[key].as_str().unwrap_or_default()
    }

    /// Whether it holds a value, or values without members of their own.
    pub(crate) fn is_leaf(&self) -> bool {
        let has_members = |schema: &Value| schema.get("properties").is_some();
        !has_members(&self.schema)
            && ["items", "additionalProperties"].iter().all(|key| !has_members(&self.schema[key]))
    }

    /// Whether the type of Kubernetes itself says what it is.
    pub(crate) fn is_upstream(&self) -> bool {
        self.path.starts_with("status.conditions[*]")
    }

    /// Whether it is a member of an object that people see by name, and not an entry of a list or map.
    pub(crate) fn is_named(&self) -> bool {
        !self.path.ends_with("[*]") && !self.path.ends_with("{*}")
    }
}

/// Both kinds' definitions as JSON.
pub(crate) fn definitions_json() -> Vec<Value> {
    api::crds().iter().map(|crd| serde_json::to_value(crd).expect("a definition is JSON")).collect()
}

/// Every node below `spec` and `status` of both kinds, those two included.
pub(crate) fn schema_nodes() -> Vec<SchemaNode> {
    let mut nodes = Vec::new();
    for root in root_nodes() {
        for part in ["spec", "status"] {
            collect_nodes(&root.kind, part.to_owned(), &root.schema["properties"][part], &mut nodes);
        }
    }
    nodes
}

/// Both kinds as a whole, where rules stand that compare spec and status; their path is empty.
pub(crate) fn root_nodes() -> Vec<SchemaNode> {
    let root = |crd: Value| SchemaNode {
        kind: crd["spec"]["names"]["kind"].as_str().unwrap_or_default().to_owned(),
        path: String::new(),
        schema: crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"].clone(),
    };
    definitions_json().into_iter().map(root).collect()
}

fn collect_nodes(kind: &str, path: String, schema: &Value, nodes: &mut Vec<SchemaNode>) {
    for (name, child) in schema["properties"].as_object().into_iter().flatten() {
        collect_nodes(kind, format!("{path}.{name}"), child, nodes);
    }
    for (key, mark) in [("items", "[*]"), ("additionalProperties", "{*}")] {
        if schema[key].is_object() {
            collect_nodes(kind, format!("{path}{mark}"), &schema[key], nodes);
        }
    }
    nodes.push(SchemaNode { kind: kind.to_owned(), path, schema: schema.clone() });
}
