//! The API reference, generated from the CRDs: the content of `kubectl explain` on one page.

use std::fmt::Write as _;

use serde_json::Value;

/// A row of the reference.
struct ReferenceRow {
    path: String,
    kind: String,
    is_required: bool,
    meaning: String,
}

/// Renders the page from the CRDs as JSON.
pub(crate) fn render_page(definitions: &[Value]) -> String {
    let mut page = "# Reference of the API\n\nWritten by `make crds` from the types, as are the files in [`crds/`](../crds); \
        `kubectl explain partner.spec` says the same.\nA field with a star is required where its parent is there. `[]` is \
        each entry of a list. The rules are what\nthe API server refuses, in its words.\n"
        .to_owned();
    for definition in definitions {
        let spec = &definition["spec"];
        for version in spec["versions"].as_array().into_iter().flatten() {
            write_kind(&mut page, spec, version);
        }
    }
    page
}

fn write_kind(page: &mut String, spec: &Value, version: &Value) {
    let schema = &version["schema"]["openAPIV3Schema"];
    let names = &spec["names"];
    // Writing to a String cannot fail.
    let _ = write!(
        page,
        "\n## {}\n\n{}\n`apiVersion: {}/{}`; short name `{}`.\n",
        as_text(&names["kind"]),
        as_text(&schema["description"]),
        as_text(&spec["group"]),
        as_text(&version["name"]),
        as_text(&names["shortNames"][0])
    );
    for part in ["spec", "status"] {
        let (mut rows, mut rules) = (Vec::new(), Vec::new());
        collect_rows(part, &schema["properties"][part], &mut rows, &mut rules);
        let _ = write!(
            page,
            "\n### {}: {part}\n\n| field | type | meaning |\n| --- | --- | --- |\n",
            as_text(&names["kind"])
        );
        for ReferenceRow { path, kind, is_required, meaning } in rows {
            let star = if is_required { " *" } else { "" };
            let _ = writeln!(page, "| `{path}`{star} | {kind} | {meaning} |");
        }
        if !rules.is_empty() {
            let _ = write!(
                page,
                "\n### {}: rules of {part}\n\n| at | the API server says |\n| --- | --- |\n",
                as_text(&names["kind"])
            );
            for (path, message) in rules {
                let _ = writeln!(page, "| `{path}` | {message} |");
            }
        }
    }
}

/// Adds the rows below a node, and the rules of all nodes.
fn collect_rows(path: &str, schema: &Value, rows: &mut Vec<ReferenceRow>, rules: &mut Vec<(String, String)>) {
    for rule in schema["x-kubernetes-validations"].as_array().into_iter().flatten() {
        rules.push((path.to_owned(), table_cell(&rule["message"], path)));
    }
    let required: Vec<&str> = schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    for (name, inner) in schema["properties"].as_object().into_iter().flatten() {
        let path = format!("{path}.{name}");
        let is_required = required.contains(&name.as_str());
        rows.push(ReferenceRow {
            path: path.clone(),
            kind: describe_type(inner),
            is_required,
            meaning: table_cell(&inner["description"], &path),
        });
        collect_rows(&path, inner, &mut *rows, &mut *rules);
    }
    if let Some(items) = schema.get("items") {
        collect_rows(&format!("{path}[]"), items, rows, rules);
    }
}

/// Describes the type and its bounds.
fn describe_type(schema: &Value) -> String {
    let bounds = |least: &str, most: &str, unit: &str| match (schema[least].as_f64(), schema[most].as_f64()) {
        (Some(least), Some(most)) if least > 0.0 => format!(", {least} to {most}{unit}"),
        (_, Some(most)) => format!(", at most {most}{unit}"),
        (Some(least), None) if least > 0.0 => format!(", at least {least}{unit}"),
        _ => String::new(),
    };
    let default = schema.get("default").map(|value| format!("; default `{value}`")).unwrap_or_default();
    let kind = match as_text(&schema["type"]) {
        "string" if schema["enum"].is_array() => {
            let words: Vec<String> =
                schema["enum"].as_array().into_iter().flatten().map(|word| format!("`{}`", as_text(word))).collect();
            format!("one of {}", words.join(", "))
        }
        // A schema without a type accepts numbers, but a rule restricts it to text.
        "string" | "" => format!("text{}", bounds("minLength", "maxLength", " characters")),
        "boolean" => "`true` or `false`".to_owned(),
        "array" => {
            let most = bounds("minItems", "maxItems", "");
            format!("list{most}: {}", describe_type(&schema["items"]))
        }
        "object" if schema["additionalProperties"].is_object() => {
            format!(
                "map{}: {}",
                bounds("minProperties", "maxProperties", ""),
                describe_type(&schema["additionalProperties"])
            )
        }
        "object" => "object".to_owned(),
        kind => format!("{kind}{}", bounds("minimum", "maximum", "")),
    };
    format!("{kind}{default}")
}

fn as_text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

/// Formats a text for a table cell. The suffix that names the parent field is removed, because the path already shows
/// it.
fn table_cell(value: &Value, path: &str) -> String {
    let whole = as_text(value).split_whitespace().collect::<Vec<_>>().join(" ");
    let inside = path.rsplit_once('.').map(|(inside, _)| format!(" (In `{inside}`.)")).unwrap_or_default();
    whole.strip_suffix(&inside).unwrap_or(&whole).replace('|', "\\|")
}
