//! Checks what the API server checks by the schema of a definition, with its messages. General validators of JSON
//! schemas know neither pruning nor lists that are sets or maps, and they name a position by a JSON pointer instead of
//! the API server's path.

use serde_json::{Map, Number, Value};
use tenantry_api::names;
use tenantry_catalog::suggest_nearest;

/// The schema of a kind.
pub(super) struct KindSchema {
    /// For everything below `spec`, and for texts of `metadata`.
    root: Value,
}

/// A violation of the schema, with its path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct SchemaViolation {
    pub(super) path: String,
    pub(super) message: String,
    /// Whether the API server skips the rules because of it.
    pub(super) is_blocking: bool,
}

impl KindSchema {
    /// Reads the schema of a definition.
    pub(super) fn new(of_definition: &Value) -> Self {
        let text = serde_json::json!({"type": "string"});
        let texts = serde_json::json!({"type": "object", "additionalProperties": text});
        let metadata = serde_json::json!({"type": "object", "properties": {
            "name": text, "namespace": text, "labels": texts, "annotations": texts,
        }});
        Self {
            root: serde_json::json!({"type": "object", "required": ["spec"], "properties": {
                "metadata": metadata, "spec": of_definition["properties"]["spec"],
            }}),
        }
    }

    /// Returns the schema at a path such as `spec.packages[0]`.
    pub(super) fn schema_at(&self, path: &str) -> Option<&Value> {
        let mut node = &self.root;
        let mut rest = path;
        while !rest.is_empty() {
            if let Some(entry) = rest.strip_prefix('[') {
                node = node.get("items")?;
                rest = entry.split_once(']')?.1;
            } else if let Some(members) = node.get("properties") {
                let end = rest.find(['.', '[']).unwrap_or(rest.len());
                node = members.get(&rest[..end])?;
                rest = &rest[end..];
            } else {
                // The key of a map may hold any value.
                node = node.get("additionalProperties")?;
                rest = "";
            }
            rest = rest.strip_prefix('.').unwrap_or(rest);
        }
        Some(node)
    }

    /// Suggests a correction for a path of an object, as a question: the field with the nearest name, or the word
    /// nearest to its value.
    pub(super) fn suggest_correction(&self, path: &str, value: &Value) -> Option<String> {
        if let Some(schema) = self.schema_at(path) {
            return suggest_word(value, schema["enum"].as_array()?);
        }
        let (parent, name) = path.rsplit_once('.')?;
        suggest_field(name, self.schema_at(parent)?.get("properties")?.as_object()?)
    }

    /// Returns all violations of an object.
    pub(super) fn find_violations(&self, object: &Value) -> Vec<SchemaViolation> {
        let mut misfits = Vec::new();
        let properties = &self.root["properties"];
        // A definition's schema has nothing else of the metadata.
        for name in ["labels", "annotations"] {
            if let Some(texts) = object["metadata"].get(name).filter(|texts| !texts.is_null()) {
                check_value(
                    texts,
                    &properties["metadata"]["properties"][name],
                    (&format!("metadata.{name}"), &mut misfits),
                );
            }
        }
        match object.get("spec").filter(|spec| !spec.is_null()) {
            None => add_blocking(("spec", &mut misfits), REQUIRED_MESSAGE),
            Some(spec) => check_value(spec, &properties["spec"], ("spec", &mut misfits)),
        }
        misfits
    }
}

impl SchemaViolation {
    /// Returns whether it is about a missing member.
    pub(super) fn is_missing(&self) -> bool {
        self.message == REQUIRED_MESSAGE
    }
}

/// The API server's message for a missing member.
const REQUIRED_MESSAGE: &str = "Required value: add it";

type ViolationTarget<'a> = (&'a str, &'a mut Vec<SchemaViolation>);

fn add_blocking((path, misfits): ViolationTarget<'_>, message: impl Into<String>) {
    misfits.push(SchemaViolation { path: path.to_owned(), message: message.into(), is_blocking: true });
}

/// Adds a violation after which the API server still evaluates the rules.
fn add_non_blocking((path, misfits): ViolationTarget<'_>, message: impl Into<String>) {
    misfits.push(SchemaViolation { path: path.to_owned(), message: message.into(), is_blocking: false });
}

/// Checks a value, and its members if its type is right.
fn check_value(value: &Value, schema: &Value, (path, misfits): ViolationTarget<'_>) {
    match (schema["type"].as_str().unwrap_or_default(), value) {
        ("object", Value::Object(members)) => check_object(members, schema, (path, misfits)),
        ("array", Value::Array(entries)) => check_array(entries, schema, (path, misfits)),
        ("string", Value::String(text)) => check_string(text, schema, (path, misfits)),
        ("", Value::String(text)) if is_int_or_string(schema) => check_string(text, schema, (path, misfits)),
        ("", Value::Number(number)) if is_int_or_string(schema) && is_whole(number) => {}
        ("integer", Value::Number(number)) if number.is_i64() => check_range(value, schema, (path, misfits)),
        ("boolean", Value::Bool(_)) => {}
        (wanted, _) => {
            let wanted = if is_int_or_string(schema) { "integer,string" } else { wanted };
            let wanted = schema["format"].as_str().filter(|format| *format == "date-time").unwrap_or(wanted);
            add_blocking((path, misfits), format!("`{path}` in body must be of type {wanted}: {}", type_of(value)));
            return;
        }
    }
    let words = schema["enum"].as_array();
    if let Some(words) = words.filter(|words| !words.contains(value)) {
        let known: Vec<String> = words.iter().map(Value::to_string).collect();
        let known = known.join(", ");
        let advice = match suggest_word(value, words) {
            Some(near) => format!("{near} Supported values: {known}"),
            None => format!("supported values: {known}"),
        };
        add_blocking((path, misfits), format!("Unsupported value: {value}: {advice}"));
    }
}

/// Returns whether a schema accepts both texts and whole numbers. A rule then checks the numbers.
pub(super) fn is_int_or_string(schema: &Value) -> bool {
    schema["x-kubernetes-int-or-string"] == true
}

/// Returns whether JSON writes a number without a fraction.
fn is_whole(number: &Number) -> bool {
    number.is_i64() || number.as_f64().is_some_and(|number| number.fract() == 0.0)
}

/// Suggests the field with the nearest name, as a question: one of these fields, or a member of them.
fn suggest_field(name: &str, known: &Map<String, Value>) -> Option<String> {
    suggest_nearest(name, known.keys().map(String::as_str)).or_else(|| {
        let inside: Vec<(&String, &Map<String, Value>)> =
            known.iter().filter_map(|(outer, schema)| Some((outer, schema.get("properties")?.as_object()?))).collect();
        let question = suggest_nearest(name, inside.iter().flat_map(|(_, below)| below.keys().map(String::as_str)))?;
        let named = inside.iter().flat_map(|(outer, below)| below.keys().map(move |inner| (outer, inner)));
        let (outer, inner) = named.into_iter().find(|(_, inner)| question.contains(&format!("`{inner}`")))?;
        Some(question.replace(inner.as_str(), &format!("{outer}.{inner}")))
    })
}

/// Suggests the word nearest to a value, as a question.
fn suggest_word(value: &Value, words: &[Value]) -> Option<String> {
    suggest_nearest(value.as_str()?, words.iter().filter_map(Value::as_str))
}

const fn type_of(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(_) => "a number",
        Value::String(_) => "string",
        Value::Array(_) => "a list",
        Value::Object(_) => "an object",
    }
}

fn check_object(members: &Map<String, Value>, schema: &Value, (path, misfits): ViolationTarget<'_>) {
    let known = schema["properties"].as_object();
    let others = schema.get("additionalProperties");
    let there = |name: &str| members.get(name).is_some_and(|value| !value.is_null());
    for (name, member) in members {
        let path = format!("{path}.{name}");
        match known.and_then(|known| known.get(name)).or(others) {
            None => {
                let near = known.and_then(|known| suggest_field(name, known));
                let advice = near.unwrap_or_else(|| "correct or remove it".to_owned());
                add_non_blocking((&path, misfits), format!("unknown field `{path}`: {advice}"));
            }
            // The API server drops it.
            Some(_) if member.is_null() => {}
            Some(schema) => check_value(member, schema, (&path, misfits)),
        }
    }
    for name in schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str) {
        if !there(name) {
            add_blocking((&format!("{path}.{name}"), misfits), REQUIRED_MESSAGE);
        }
    }
    check_size(members.len(), schema, "Properties", "properties", (path, misfits));
}

fn check_array(entries: &[Value], schema: &Value, (path, misfits): ViolationTarget<'_>) {
    for (number, entry) in entries.iter().enumerate() {
        let path = format!("{path}[{number}]");
        check_value(entry, &schema["items"], (&path, misfits));
    }
    check_size(entries.len(), schema, "Items", "items", (path, misfits));
}

/// Checks a text. The API server counts characters although it calls them bytes.
fn check_string(text: &str, schema: &Value, (path, misfits): ViolationTarget<'_>) {
    let length = text.chars().count();
    check_size(length, schema, "Length", "characters", (path, misfits));
    if let Some(pattern) = schema["pattern"].as_str().filter(|pattern| !names::matches_pattern(pattern, text)) {
        add_non_blocking(
            (path, &mut *misfits),
            format!("`{text}` in body should match '{pattern}': write a name that Kubernetes takes"),
        );
    }
    if schema["format"] == "date-time" && text.parse::<jiff::Timestamp>().is_err() {
        add_blocking(
            (path, misfits),
            format!("`{text}` in body must be of type date-time: write it as `2026-12-01T12:00:00Z`"),
        );
    }
}

fn check_size(size: usize, schema: &Value, what: &str, unit: &str, (path, misfits): ViolationTarget<'_>) {
    let bound = |edge: &str| schema[format!("{edge}{what}")].as_u64().and_then(|bound| usize::try_from(bound).ok());
    if let Some(max) = bound("max").filter(|max| size > *max) {
        add_blocking((path, &mut *misfits), format!("Too long: it has {size} {unit}, {max} at most are allowed"));
    }
    if let Some(min) = bound("min").filter(|min| size < *min) {
        add_non_blocking((path, misfits), format!("Too short: it has {size} {unit}, {min} at least are needed"));
    }
}

fn check_range(number: &Value, schema: &Value, (path, misfits): ViolationTarget<'_>) {
    let value = number.as_f64().unwrap_or_default();
    if let Some(max) = schema["maximum"].as_f64().filter(|max| value > *max) {
        add_non_blocking((path, &mut *misfits), format!("`{number}` must be less than or equal to {max}"));
    }
    if let Some(min) = schema["minimum"].as_f64().filter(|min| value < *min) {
        add_non_blocking((path, misfits), format!("`{number}` must be greater than or equal to {min}"));
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    /// Keywords that this file checks, and those that are only documentation or are checked elsewhere.
    const KNOWN_KEYWORDS: [&str; 21] = [
        "additionalProperties",
        "description",
        "enum",
        "format",
        "items",
        "maxItems",
        "maxLength",
        "maxProperties",
        "maximum",
        "minItems",
        "minLength",
        "minProperties",
        "minimum",
        "pattern",
        "properties",
        "required",
        "title",
        "type",
        "x-kubernetes-int-or-string",
        "x-kubernetes-list-type",
        "x-kubernetes-validations",
    ];

    fn collect_keywords(schema: &Value, found: &mut BTreeSet<String>) {
        for (word, value) in schema.as_object().into_iter().flatten() {
            found.insert(word.clone());
            match word.as_str() {
                "properties" => {
                    value.as_object().into_iter().flatten().for_each(|(_, child)| collect_keywords(child, found));
                }
                "items" | "additionalProperties" => collect_keywords(value, found),
                "format" => assert!(["date-time", "int64"].contains(&value.as_str().unwrap()), "{value}"),
                "pattern" => {
                    assert!(
                        [names::OBJECT_NAME_PATTERN, names::NAMESPACE_PATTERN, names::DATA_KEY_PATTERN]
                            .contains(&value.as_str().unwrap()),
                        "{value}"
                    );
                }
                "x-kubernetes-list-type" => assert_eq!(value, "atomic"),
                _ => {}
            }
        }
    }

    #[test]
    fn the_specs_use_no_word_of_schemas_that_is_not_checked() {
        for crd in tenantry_api::crds() {
            let crd = serde_json::to_value(crd).unwrap();
            let mut found = BTreeSet::new();
            collect_keywords(
                &crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["spec"],
                &mut found,
            );
            let unknown: Vec<&String> = found.iter().filter(|word| !KNOWN_KEYWORDS.contains(&word.as_str())).collect();
            assert!(unknown.is_empty() && found.len() > 10, "{unknown:?}");
        }
    }
}
