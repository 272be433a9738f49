//! The schemas of both kinds, node by node.

use serde_json::Value;

/// A node in a kind's schema.
#[derive(Clone, Debug)]
pub(crate) struct SchemaNode {
    /// `Partner` or `Client`.
    pub(crate) kind: String,
    /// For example `spec.details.name`; entries of a list are `[*]`, values of a map `{*}`.
    pub(crate) path: String,
    /// Its schema as the API server receives it.
    pub(crate) schema: Value,
}

impl SchemaNode {
    /// Formats kind and path, such as `Partner spec.details.name`.
    pub(crate) fn kind_and_path(&self) -> String {
        format!("{} {}", self.kind, self.path)
    }

    /// Returns a text of the schema; empty if it is missing.
    pub(crate) fn text(&self, key: &str) -> &str {
        self.schema[key].as_str().unwrap_or_default()
    }

    /// Returns whether it holds a value, or values without members of their own.
    pub(crate) fn is_leaf(&self) -> bool {
        let has_members = |schema: &Value| schema.get("properties").is_some();
        !has_members(&self.schema)
            && ["items", "additionalProperties"].iter().all(|key| !has_members(&self.schema[key]))
    }

    /// Returns whether its type belongs to Kubernetes and is documented there.
    pub(crate) fn is_upstream(&self) -> bool {
        self.path.starts_with("status.conditions[*]")
    }

    /// Returns whether it is a named member of an object, and not an entry of a list or map.
    pub(crate) fn is_named(&self) -> bool {
        !self.path.ends_with("[*]") && !self.path.ends_with("{*}")
    }
}

/// Returns the definitions of both kinds as JSON.
pub(crate) fn definitions_json() -> Vec<Value> {
    tenantry_api::crds().iter().map(|crd| serde_json::to_value(crd).expect("a definition is JSON")).collect()
}

/// Returns every node below `spec` and `status` of both kinds, including those two.
pub(crate) fn schema_nodes() -> Vec<SchemaNode> {
    let mut nodes = Vec::new();
    for root in root_nodes() {
        for part in ["spec", "status"] {
            collect_nodes(&root.kind, part.to_owned(), &root.schema["properties"][part], &mut nodes);
        }
    }
    nodes
}

/// Returns the roots of both kinds, which have rules that compare spec and status. Their path is empty.
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
