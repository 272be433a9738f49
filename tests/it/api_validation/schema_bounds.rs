//! Types, enums and bounds of the schemas, each tried at its edge: the last value that fits and the first that does
//! not.

use serde_json::{Value, json};

use super::{DryRunServer, spec_at_schema_path};
use crate::support::schema::{self, SchemaNode};

/// An edge of a schema node.
struct SchemaEdge {
    /// A value that fits; absent if the node requires more than a size.
    fits: Option<Value>,
    /// A value that does not fit.
    beyond: Value,
    /// The message of the refusal.
    message: String,
}

fn schema_edge(fits: Option<Value>, beyond: Value, says: String) -> SchemaEdge {
    SchemaEdge { fits, beyond, message: says }
}

/// Returns a value of a wrong type. For a text it is what YAML reads `01067` as without quotes. If a rule asks for
/// those quotes, a number has the right type.
fn type_edge(node: &SchemaNode) -> Option<SchemaEdge> {
    let (wanted, other) = match node.text("type") {
        "" => ("integer,string", json!(true)),
        "string" if node.text("format") == "date-time" => ("date-time", json!(1067)),
        "string" => ("string", json!(1067)),
        wanted => (wanted, json!("yes")),
    };
    (node.path != "spec").then(|| schema_edge(None, other, format!("must be of type {wanted}")))
}

fn word_edges(node: &SchemaNode) -> Vec<SchemaEdge> {
    let words = node.schema["enum"].as_array().map(Vec::as_slice).unwrap_or_default();
    let known: Vec<String> = words.iter().map(Value::to_string).collect();
    let says = format!("supported values: {}", known.join(", "));
    words.iter().map(|word| schema_edge(Some(word.clone()), json!("Nonsense"), says.clone())).collect()
}

fn number_edges(node: &SchemaNode) -> Vec<SchemaEdge> {
    let bound = |key: &str| node.schema[key].as_f64().and_then(|bound| format!("{bound:.0}").parse::<i64>().ok());
    let max = bound("maximum")
        .map(|max| schema_edge(Some(json!(max)), json!(max + 1), format!("less than or equal to {max}")));
    let min = bound("minimum")
        .map(|min| schema_edge(Some(json!(min)), json!(min - 1), format!("greater than or equal to {min}")));
    max.into_iter().chain(min).collect()
}

/// Returns the edges of the length of texts, lists and maps.
fn size_edges(node: &SchemaNode) -> Vec<SchemaEdge> {
    let bound = |key: &str| node.schema[key].as_u64().and_then(|bound| usize::try_from(bound).ok());
    // Rules, enums and formats require more than a size.
    let is_free = ["x-kubernetes-validations", "format"].iter().all(|key| node.schema.get(key).is_none())
        && node.schema["items"].get("enum").is_none();
    let fits = |value: Value| is_free.then_some(value);
    let text = |length: usize| json!("x".repeat(length));
    let list = |length: usize| {
        json!((0..length).map(|entry| format!("10.0.{}.{}", entry / 250, entry % 250)).collect::<Vec<_>>())
    };
    let map = |length: usize| Value::Object((0..length).map(|entry| (format!("label-{entry}"), json!("x"))).collect());
    let mut edges = Vec::new();
    let mut add = |max: &str, min: &str, value: &dyn Fn(usize) -> Value, says: [&dyn Fn(usize) -> String; 2]| {
        edges.extend(bound(max).map(|max| schema_edge(fits(value(max)), value(max + 1), says[0](max))));
        edges.extend(bound(min).map(|min| schema_edge(fits(value(min)), value(min - 1), says[1](min))));
    };
    add(
        "maxLength",
        "minLength",
        &text,
        [&|max| format!("may not be more than {max} bytes"), &|min| format!("should be at least {min} chars long")],
    );
    add(
        "maxItems",
        "minItems",
        &list,
        [&|max| format!("must have at most {max} items"), &|min| format!("should have at least {min} items")],
    );
    add(
        "maxProperties",
        "minProperties",
        &map,
        [&|max| format!("must have at most {max} items"), &|min| format!("should have at least {min} properties")],
    );
    edges
}

/// Returns every edge of a node.
fn all_edges(node: &SchemaNode) -> impl Iterator<Item = SchemaEdge> {
    type_edge(node).into_iter().chain(word_edges(node)).chain(number_edges(node)).chain(size_edges(node))
}

/// Returns the specs on both sides of every edge of the specs.
pub(super) fn edge_specs() -> Vec<(String, Value)> {
    let nodes = schema::schema_nodes();
    let nodes = nodes.iter().filter(|node| node.path.starts_with("spec"));
    let sides = |node: &SchemaNode| {
        let values = all_edges(node).flat_map(|edge| edge.fits.into_iter().chain([edge.beyond])).collect::<Vec<_>>();
        values
            .into_iter()
            .map(|value| (node.kind.clone(), spec_at_schema_path(&node.kind, &node.path, value).0))
            .collect::<Vec<_>>()
    };
    nodes.flat_map(sides).collect()
}

/// Tries both sides of an edge. Returns whether the API server accepted the fitting value with its complete object.
async fn try_edge(server: &DryRunServer, node: &SchemaNode, edge: &SchemaEdge, wrong: &mut Vec<String>) -> bool {
    let place = node.kind_and_path();
    let (spec, field) = spec_at_schema_path(&node.kind, &node.path, edge.beyond.clone());
    match server.dry_run(&node.kind, &spec).await {
        Ok(()) => wrong.push(format!("{place}: {} is taken", edge.beyond)),
        Err(refusal) if refusal.has_cause(&field, &edge.message) => {}
        Err(refusal) => wrong.push(format!("{place}: `{field}: {}` is not in {refusal:?}", edge.message)),
    }
    let Some(fits) = edge.fits.clone() else { return false };
    match server.dry_run(&node.kind, &spec_at_schema_path(&node.kind, &node.path, fits.clone()).0).await {
        Ok(()) => true,
        // A rule of a parent may require more; the table of rules tries that.
        Err(refusal) if !refusal.has_cause(&field, "") => false,
        Err(refusal) => {
            wrong.push(format!("{place}: {fits} is refused: {refusal:?}"));
            false
        }
    }
}

/// shows: seeds/packages/monitoring, seeds/packages/select, seeds/password/custom, seeds/termination/checkboxes
#[tokio::test(flavor = "multi_thread")]
async fn types_words_and_bounds_hold_at_their_edges() {
    let server = DryRunServer::new("bounds").await;
    let mut wrong = Vec::new();
    let (mut tried, mut taken) = (0, 0);
    for node in schema::schema_nodes().iter().filter(|node| node.path.starts_with("spec")) {
        for edge in all_edges(node) {
            taken += usize::from(try_edge(&server, node, &edge, &mut wrong).await);
            tried += 1;
        }
    }
    assert!(wrong.is_empty(), "{} of {tried} are wrong:\n{}", wrong.len(), wrong.join("\n"));
    // A schema without bounds has no edge to try.
    assert!(tried > 300 && taken > 100, "only {tried} edges were found, {taken} objects fit");
    println!("{tried} edges, {taken} objects fit");
}

/// shows: seeds/account/name, seeds/termination/name-box, seeds/termination/mandatory
#[tokio::test(flavor = "multi_thread")]
async fn what_must_be_said_is_asked_for_by_name() {
    let server = DryRunServer::new("required").await;
    let mut asked = Vec::new();
    for node in schema::schema_nodes().iter().filter(|node| node.path.starts_with("spec") && node.path != "spec") {
        for name in node.schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str) {
            let refusal = server
                .dry_run(&node.kind, &spec_at_schema_path(&node.kind, &node.path, json!({})).0)
                .await
                .expect_err("something is missing");
            assert!(
                refusal.has_cause(&format!("{}.{name}", node.path.replace("[*]", "[0]")), "Required value"),
                "{} {name}: {refusal:?}",
                node.kind_and_path()
            );
            asked.push(format!("{}.{name}", node.kind_and_path()));
        }
    }
    for place in ["Partner spec.details.name", "Client spec.partnerRef.name", "Client spec.deletion.confirm.notAfter"] {
        assert!(asked.contains(&place.to_owned()), "{place} is not asked for: {asked:?}");
    }
}
