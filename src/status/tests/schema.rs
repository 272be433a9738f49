//! Draws a value from a schema, and reports what of a value does not conform to one.

use serde_json::{Map, Value, json};

/// How much of a schema is used.
#[derive(Clone, Copy, Debug)]
pub(super) enum DrawSize {
    /// Every member, and every text and list at its maximum length.
    Full,
    /// Drawn from this seed.
    Seeded(u64),
}

impl DrawSize {
    /// Returns a number below `end`; for `Full` the largest.
    fn draw_number(self, path: &str, end: u64) -> u64 {
        match self {
            Self::Full => end - 1,
            Self::Seeded(seed) => {
                let mut hash = seed ^ 0xcbf2_9ce4_8422_2325;
                for byte in path.bytes() {
                    hash = (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
                }
                (hash ^ (hash >> 29)) % end
            }
        }
    }
}

/// Draws a value from a schema. Patterns and rules are ignored, except where the value would otherwise never be
/// accepted.
pub(super) fn draw_value(schema: &Value, path: &str, size: DrawSize) -> Value {
    match path.rsplit('.').next().unwrap_or_default() {
        "country" => return json!("Germany"),
        "timezone" => return json!("Europe/Berlin"),
        "start" | "end" => return json!("08:30"),
        "logo" | "favicon" | "backgroundImage" => return Value::Null,
        _ => {}
    }
    if let Some(words) = schema["enum"].as_array() {
        let number = size.draw_number(path, words.len() as u64);
        return words[usize::try_from(number).unwrap()].clone();
    }
    // A rule accepts only texts there.
    let either = schema["x-kubernetes-int-or-string"] == true;
    match schema["type"].as_str().unwrap_or(if either { "string" } else { "object" }) {
        "string" if schema["format"] == "date-time" => json!("2030-01-01T00:00:00Z"),
        "string" => json!(draw_text(schema, path, size)),
        "integer" => {
            let (low, high) = (schema["minimum"].as_u64().unwrap_or(0), schema["maximum"].as_u64().unwrap_or(1 << 40));
            json!(low + size.draw_number(path, high - low + 1))
        }
        "boolean" => json!(size.draw_number(path, 2) == 1),
        "array" => draw_array(schema, path, size),
        _ => draw_object(schema, path, size),
    }
}

fn draw_text(schema: &Value, path: &str, size: DrawSize) -> String {
    let bound = |name: &str| schema[name].as_u64();
    let (low, high) = (bound("minLength").unwrap_or(0), bound("maxLength").unwrap_or(64));
    let length = low + size.draw_number(path, high - low + 1);
    let kinds = ["x", "\u{1}", "\"", "語", "😀"];
    let kind = kinds[usize::try_from(size.draw_number(&format!("{path}?"), 5)).unwrap()];
    kind.repeat(usize::try_from(length).unwrap())
}

fn draw_array(schema: &Value, path: &str, size: DrawSize) -> Value {
    let most = schema["maxItems"].as_u64().unwrap_or(16);
    let items = &schema["items"];
    if let Some(words) = items["enum"].as_array() {
        return words.iter().take(usize::try_from(size.draw_number(path, most + 1)).unwrap()).cloned().collect();
    }
    if items["type"] == "object" {
        let number = size.draw_number(path, most + 1);
        return (0..number).map(|number| draw_value(items, &format!("{path}[{number}]"), size)).collect();
    }
    let width = usize::try_from(items["maxLength"].as_u64().unwrap_or(8)).unwrap();
    (0..size.draw_number(path, most + 1)).map(|number| json!(format!("{number:x>width$}"))).collect()
}

fn draw_object(schema: &Value, path: &str, size: DrawSize) -> Value {
    let required: Vec<&str> = schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    let mut members = Map::new();
    for (name, member) in schema["properties"].as_object().into_iter().flatten() {
        let path = format!("{path}.{name}");
        let is_there = required.contains(&name.as_str()) || size.draw_number(&format!("{path}!"), 5) > 0;
        let value = if is_there { draw_value(member, &path, size) } else { Value::Null };
        if !value.is_null() {
            members.insert(name.clone(), value);
        }
    }
    Value::Object(members)
}

/// Returns what does not conform, in the words of the schema.
pub(super) fn schema_misfits(value: &Value, schema: &Value, path: &str) -> Vec<String> {
    let mut all = Vec::new();
    let mut most = |word: &str, length: usize| {
        if schema[word].as_u64().is_some_and(|most| length as u64 > most) {
            all.push(format!("{path}: {length} is more than {word}"));
        }
    };
    let kind = match value {
        Value::String(text) => {
            most("maxLength", text.chars().count());
            "string"
        }
        Value::Array(entries) => {
            most("maxItems", entries.len());
            "array"
        }
        Value::Object(members) => {
            most("maxProperties", members.len());
            "object"
        }
        Value::Number(_) => "integer",
        Value::Bool(_) => "boolean",
        Value::Null => "null",
    };
    if schema["type"] != kind {
        all.push(format!("{path}: {kind} instead of {}", schema["type"]));
    }
    if schema["enum"].as_array().is_some_and(|words| !words.contains(value)) {
        all.push(format!("{path}: {value} is none of the words"));
    }
    for name in schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str) {
        if value.get(name).is_none() {
            all.push(format!("{path}.{name} is missing"));
        }
    }
    for (number, entry) in value.as_array().into_iter().flatten().enumerate() {
        all.extend(schema_misfits(entry, &schema["items"], &format!("{path}[{number}]")));
    }
    for (name, member) in value.as_object().into_iter().flatten() {
        let known = schema["properties"].get(name).or_else(|| schema.get("additionalProperties"));
        let path = format!("{path}.{name}");
        match known {
            Some(schema) => all.extend(schema_misfits(member, schema, &path)),
            None => all.push(format!("{path} is not known")),
        }
    }
    all
}
