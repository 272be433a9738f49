//! The page of the chart with its table of values: types and descriptions come from the schema, defaults from
//! `values.yaml`.

use std::fmt::Write as _;

use serde_json::Value;

/// Renders the page from the texts of `values.schema.json` and `values.yaml`.
pub(crate) fn render_page(schema: &str, values: &str) -> String {
    let schema: Value = serde_json::from_str(schema).unwrap_or_default();
    let defaults: Value = serde_yaml::from_str(values).unwrap_or_default();
    let mut page = "# The chart\n\nThe operator, its resource definitions and rights, and if you want it the self-hosted platform. \
        [Install](../../docs/install.md) says how\nit is used, [upgrades](../../docs/upgrades.md) how it is upgraded, and \
        [operations](../../docs/operations.md) what comes after.\n\n## Values\n\nWritten by `make crds` from \
        [`values.schema.json`](values.schema.json) and [`values.yaml`](values.yaml). What is not in the table is refused.\n\n\
        | value | type | default | meaning |\n| --- | --- | --- | --- |\n"
        .to_owned();
    for path in key_paths(values) {
        let Some(node) = path.iter().try_fold(&schema, |node, key| node["properties"].get(key)) else { continue };
        if node.get("properties").is_some() {
            continue;
        }
        let default = path.iter().fold(&defaults, |value, key| &value[key.as_str()]);
        let meaning = node["description"].as_str().unwrap_or_default().replace('|', "\\|");
        // Writing to a String cannot fail.
        let _ = writeln!(page, "| `{}` | {} | `{default}` | {meaning} |", path.join("."), type_name(node));
    }
    page
}

/// Returns the paths of all keys, in the order of the text.
fn key_paths(text: &str) -> Vec<Vec<String>> {
    let mut above: Vec<(usize, String)> = Vec::new();
    let mut found = Vec::new();
    for line in text.lines() {
        let key = line.trim_start();
        let depth = line.len() - key.len();
        if let Some((key, _)) = key.split_once(':').filter(|(key, _)| key.chars().all(|c| c.is_ascii_alphanumeric())) {
            above.retain(|(other, _)| *other < depth);
            above.push((depth, key.to_owned()));
            found.push(above.iter().map(|(_, key)| key.clone()).collect());
        }
    }
    found
}

/// Describes a type in YAML terms.
fn type_name(node: &Value) -> String {
    if let Some(values) = node["enum"].as_array() {
        let values: Vec<String> =
            values.iter().map(|value| format!("`{}`", value.as_str().unwrap_or_default())).collect();
        return values.join(", ");
    }
    // If there are several types, the first is the intended one.
    let name = node["type"].as_str().or_else(|| node["type"][0].as_str()).unwrap_or_default();
    let bounds = node["minimum"].as_i64().zip(node["maximum"].as_i64());
    match (name, bounds) {
        ("array", _) => "list".to_owned(),
        ("object", _) => "map".to_owned(),
        (name, Some((least, most))) => format!("{name}, {least} to {most}"),
        (name, None) => name.to_owned(),
    }
}
