//! Names in references that would change the path of a request.

use serde_json::{Value, json};

use super::{DryRunServer, spec_at_schema_path};
use crate::support::schema;

const NO_NAMES: [&str; 9] =
    ["%2e%2e%2f", "../../x", "platform?x=1", "a/b", "a#b", "..", "Platform", "platform ", "platform\n"];
const NO_KEYS: [&str; 5] = ["a/b", "%2e", "a key", "key?x", "key\n"];

/// Returns the paths of references, each with invalid names.
fn reference_paths() -> Vec<(String, String, &'static [&'static str])> {
    let nodes = schema::schema_nodes();
    let with_pattern = nodes.iter().filter(|node| node.schema.get("pattern").is_some());
    let place = |node: &schema::SchemaNode| {
        let wrong: &[&str] = if node.path.rsplit('.').next() == Some("key") { &NO_KEYS } else { &NO_NAMES };
        (node.kind.clone(), node.path.clone(), wrong)
    };
    with_pattern.map(place).collect()
}

/// Returns the specs with these names.
pub(super) fn invalid_name_specs() -> Vec<(String, Value)> {
    let specs = reference_paths().into_iter().flat_map(|(kind, path, wrong)| {
        wrong.iter().map(|text| (kind.clone(), spec_at_schema_path(&kind, &path, json!(text)).0)).collect::<Vec<_>>()
    });
    specs.collect()
}

/// shows: faults/69
#[tokio::test(flavor = "multi_thread")]
async fn what_would_be_another_path_is_no_name_and_no_key() {
    let server = DryRunServer::new("names").await;
    let places = reference_paths();
    assert!(places.len() > 20, "{}", places.len());
    for (kind, path, wrong) in places {
        for text in wrong {
            let (spec, field) = spec_at_schema_path(&kind, &path, json!(text));
            let refusal = server.dry_run(&kind, &spec).await.expect_err(&format!("{kind} {path}: {text} is taken"));
            assert!(refusal.has_cause(&field, "should match"), "{kind} {path}: {text}: {refusal:?}");
        }
    }
}
