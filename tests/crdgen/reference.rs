//! The reference of the API, written from the resource definitions: what `kubectl explain` says, on one page.

use std::fmt::Write as _;

use serde_json::Value;

/// A line of the reference.
struct Row {
    path: String,
    kind: String,
    is_required: bool,
    meaning: String,
}

/// The page, from the definitions as JSON.
pub(crate) fn page(definitions: &[Value]) -> String {
    let mut page = "# Reference of the API\n\nWritten by `make crds` from the types, as are the files in [`crds/`](../crds); \
        `kubectl explain partner.spec` says the same.\nA field with a star must be there where what it stands in is there. `[]` is \
        each entry of a list. The rules are what\nthe API server refuses, in the words that it says.\n"
        .to_owned();
    for definition in definitions {
        let spec = &definition["spec"];
        for version in spec["versions"].as_array().into_iter().flatten() {
            kind(&mut page, spec, version);
        }
    }
    page
}

fn kind(page: &mut String, spec: &Value, version: &Value) {
    let schema = &version["schema"]["openAPIV3Schema"];
    let names = &spec["names"];
    // Writing to a String cannot fail.
    let _ = write!(
        page,
        "\n## {}\n\n{}\n`apiVersion: {}/{}`; short name `{}`.\n",
        text(&names["kind"]),
        text(&schema["description"]),
        text(&spec["group"]),
        text(&version["name"]),
        text(&names["shortNames"][0])
    );
    for part in ["spec", "status"] {
        let (mut rows, mut rules) = (Vec::new(), Vec::new());
        walk(part, &schema["properties"][part], (&mut rows, &mut rules));
        let _ =
            write!(page, "\n### {}: {part}\n\n| field | type | meaning |\n| --- | --- | --- |\n", text(&names["kind"]));
        for Row { path, kind, is_required, meaning } in rows {
            let star = if is_required { " *" } else { "" };
            let _ = writeln!(page, "| `{path}`{star} | {kind} | {meaning} |");
        }
        if !rules.is_empty() {
            let _ = write!(
                page,
                "\n### {}: rules of {part}\n\n| at | the API server says |\n| --- | --- |\n",
                text(&names["kind"])
            );
            for (path, message) in rules {
                let _ = writeln!(page, "| `{path}` | {message} |");
            }
        }
    }
}

/// Adds the rows below a node, and the rules of all nodes.
fn walk(path: &str, schema: &Value, (rows, rules): (&mut Vec<Row>, &mut Vec<(String, String)>)) {
    for rule in schema["x-kubernetes-validations"].as_array().into_iter().flatten() {
        rules.push((path.to_owned(), cell(&rule["message"], path)));
    }
    let required: Vec<&str> = schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    for (name, inner) in schema["properties"].as_object().into_iter().flatten() {
        let path = format!("{path}.{name}");
        let is_required = required.contains(&name.as_str());
        rows.push(Row {
            path: path.clone(),
            kind: kind_of(inner),
            is_required,
            meaning: cell(&inner["description"], &path),
        });
        walk(&path, inner, (&mut *rows, &mut *rules));
    }
    if let Some(items) = schema.get("items") {
        walk(&format!("{path}[]"), items, (rows, rules));
    }
}

/// The type with its bounds, in words.
fn kind_of(schema: &Value) -> String {
    let bounds = |least: &str, most: &str, unit: &str| match (schema[least].as_f64(), schema[most].as_f64()) {
        (Some(least), Some(most)) if least > 0.0 => format!(", {least} to {most}{unit}"),
        (_, Some(most)) => format!(", at most {most}{unit}"),
        (Some(least), None) if least > 0.0 => format!(", at least {least}{unit}"),
        _ => String::new(),
    };
    let default = schema.get("default").map(|value| format!("; default `{value}`")).unwrap_or_default();
    let kind = match text(&schema["type"]) {
        "string" if schema["enum"].is_array() => {
            let words: Vec<String> =
                schema["enum"].as_array().into_iter().flatten().map(|word| format!("`{}`", text(word))).collect();
            format!("one of {}", words.join(", "))
        }
        // What may be a number is a text by a rule.
        "string" | "" => format!("text{}", bounds("minLength", "maxLength", " characters")),
        "boolean" => "`true` or `false`".to_owned(),
        "array" => {
            let most = bounds("minItems", "maxItems", "");
            format!("list{most}: {}", kind_of(&schema["items"]))
        }
        "object" if schema["additionalProperties"].is_object() => {
            format!("map{}: {}", bounds("minProperties", "maxProperties", ""), kind_of(&schema["additionalProperties"]))
        }
        "object" => "object".to_owned(),
        kind => format!("{kind}{}", bounds("minimum", "maximum", "")),
    };
    format!("{kind}{default}")
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

/// A text that stays within a cell of a table; where the field stands is in its path already.
fn cell(value: &Value, path: &str) -> String {
    let whole = text(value).split_whitespace().collect::<Vec<_>>().join(" ");
    let inside = path.rsplit_once('.').map(|(inside, _)| format!(" (In `{inside}`.)")).unwrap_or_default();
    whole.strip_suffix(&inside).unwrap_or(&whole).replace('|', "\\|")
}
