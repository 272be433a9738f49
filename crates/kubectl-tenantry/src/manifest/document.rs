//! YAML documents as values with line numbers.

use std::collections::BTreeMap;
use std::fmt;

use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value};
use serde_yaml::Spanned;

/// A document: its value, and the line of each member by its path, such as `spec.details.name`.
#[derive(Debug)]
pub(crate) struct YamlDocument {
    pub(crate) value: Value,
    pub(crate) line: u64,
    lines: BTreeMap<String, u64>,
    /// The scalars by their path.
    scalars: BTreeMap<String, ScalarPosition>,
}

/// The position of a scalar: a text, a number, a flag or null.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ScalarPosition {
    /// The line, from 1.
    pub(crate) line: u64,
    /// The column, from 1.
    pub(crate) column: u64,
    /// Whether it is null.
    pub(crate) is_null: bool,
}

impl YamlDocument {
    /// Returns the scalars by their path.
    pub(crate) const fn scalars(&self) -> &BTreeMap<String, ScalarPosition> {
        &self.scalars
    }

    /// Returns the line of a member, or of its nearest ancestor.
    pub(crate) fn line_of(&self, path: &str) -> u64 {
        let mut path = path;
        loop {
            if let Some(line) = self.lines.get(path) {
                return *line;
            }
            match path.rfind(['.', '[']) {
                Some(end) => path = &path[..end],
                None => return self.line,
            }
        }
    }

    /// Parses every document of a text that is not empty.
    ///
    /// # Errors
    /// Returns the line at which the text is not valid YAML, and why.
    pub(crate) fn parse_all(text: &str) -> Result<Vec<Self>, (u64, String)> {
        // A kustomization may emit thousands of tenants as one stream. The other limits of the parser are kept.
        let options = serde_yaml::options! {
            budget: serde_yaml::budget! {
                max_documents: 1_000_000,
                max_nodes: 100_000_000,
                max_events: 200_000_000,
            },
            non_finite_float_policy: serde_yaml::NonFiniteFloatPolicy::PassThrough,
        };
        let trees: Vec<Spanned<YamlNode>> = serde_yaml::from_multiple_with_options(text, options).map_err(|error| {
            let error = error.without_snippet();
            let line = error.location().map_or(1, |location| location.line());
            (line.max(1), first_line(&error.to_string()))
        })?;
        Ok(trees.into_iter().map(|tree| Self::from_node(tree, text)).collect())
    }

    fn from_node(tree: Spanned<YamlNode>, text: &str) -> Self {
        let mut places = PositionIndex { text, lines: BTreeMap::new(), scalars: BTreeMap::new() };
        let line = tree.referenced.line().max(1);
        let value = places.flatten(tree, String::new());
        let PositionIndex { lines, scalars, .. } = places;
        Self { value, line, lines, scalars }
    }

    /// Splits a `List` into its members, each with its own lines.
    pub(crate) fn into_items(mut self) -> Vec<Self> {
        let Some(Value::Array(items)) = self.value.get_mut("items").map(Value::take) else { return Vec::new() };
        let item = |(number, value): (usize, Value)| {
            let own = format!("items[{number}]");
            let inside = format!("{own}.");
            Self {
                value,
                line: self.line_of(&own),
                lines: entries_below(&self.lines, &inside),
                scalars: entries_below(&self.scalars, &inside),
            }
        };
        items.into_iter().enumerate().map(item).collect()
    }
}

/// Returns the first line of a parser error. The rest repeats the position, which the message already names.
fn first_line(message: &str) -> String {
    let line = message.lines().next().unwrap_or_default();
    line.split(" at line ").next().unwrap_or(line).to_owned()
}

/// Returns the entries below a path, with paths relative to it.
fn entries_below<T: Copy>(places: &BTreeMap<String, T>, inside: &str) -> BTreeMap<String, T> {
    let rest = |(path, place): (&String, &T)| path.strip_prefix(inside).map(|rest| (rest.to_owned(), *place));
    places.iter().filter_map(rest).collect()
}

/// The positions of the members of a document.
struct PositionIndex<'a> {
    text: &'a str,
    lines: BTreeMap<String, u64>,
    scalars: BTreeMap<String, ScalarPosition>,
}

impl PositionIndex<'_> {
    fn flatten(&mut self, tree: Spanned<YamlNode>, path: String) -> Value {
        match tree.value {
            YamlNode::Scalar(value) => {
                let at = tree.referenced;
                self.scalars
                    .insert(path, ScalarPosition { line: at.line(), column: at.column(), is_null: value.is_null() });
                value
            }
            YamlNode::OutOfRangeNumber => {
                let at = tree.referenced;
                self.scalars.insert(path, ScalarPosition { line: at.line(), column: at.column(), is_null: false });
                let span = tree.defined.span();
                let range = span.byte_offset().zip(span.byte_len()).and_then(|(offset, length)| {
                    let (offset, length) = (usize::try_from(offset).ok()?, usize::try_from(length).ok()?);
                    self.text.get(offset..offset.checked_add(length)?)
                });
                Value::from(range.unwrap_or_default().trim())
            }
            YamlNode::Sequence(items) => {
                let item = |(number, item): (usize, Spanned<YamlNode>)| {
                    let path = format!("{path}[{number}]");
                    self.lines.insert(path.clone(), item.referenced.line());
                    self.flatten(item, path)
                };
                Value::Array(items.into_iter().enumerate().map(item).collect())
            }
            YamlNode::Mapping(members) => {
                let mut map = Map::new();
                for (key, value) in members {
                    let path = if path.is_empty() { key.value.clone() } else { format!("{path}.{}", key.value) };
                    self.lines.insert(path.clone(), key.referenced.line());
                    map.insert(key.value, self.flatten(value, path));
                }
                Value::Object(map)
            }
        }
    }
}

/// A node of a document.
#[derive(Debug)]
enum YamlNode {
    Scalar(Value),
    /// `1E1000`: kubectl writes it without quotes, since it reads it as a text.
    OutOfRangeNumber,
    Sequence(Vec<Spanned<YamlNode>>),
    Mapping(Vec<(Spanned<String>, Spanned<YamlNode>)>),
}

impl<'de> Deserialize<'de> for YamlNode {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(YamlNodeVisitor)
    }
}

struct YamlNodeVisitor;

impl<'de> Visitor<'de> for YamlNodeVisitor {
    type Value = YamlNode;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    fn visit_bool<E>(self, value: bool) -> Result<YamlNode, E> {
        Ok(YamlNode::Scalar(Value::Bool(value)))
    }

    fn visit_i64<E>(self, value: i64) -> Result<YamlNode, E> {
        Ok(YamlNode::Scalar(Value::from(value)))
    }

    fn visit_u64<E>(self, value: u64) -> Result<YamlNode, E> {
        Ok(YamlNode::Scalar(Value::from(value)))
    }

    fn visit_f64<E>(self, value: f64) -> Result<YamlNode, E> {
        Ok(Number::from_f64(value).map_or(YamlNode::OutOfRangeNumber, |number| YamlNode::Scalar(Value::Number(number))))
    }

    fn visit_str<E>(self, value: &str) -> Result<YamlNode, E> {
        Ok(YamlNode::Scalar(Value::from(value)))
    }

    fn visit_unit<E>(self) -> Result<YamlNode, E> {
        Ok(YamlNode::Scalar(Value::Null))
    }

    fn visit_none<E>(self) -> Result<YamlNode, E> {
        Ok(YamlNode::Scalar(Value::Null))
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<YamlNode, D::Error> {
        YamlNode::deserialize(deserializer)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut access: A) -> Result<YamlNode, A::Error> {
        let mut items = Vec::new();
        while let Some(item) = access.next_element()? {
            items.push(item);
        }
        Ok(YamlNode::Sequence(items))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut access: A) -> Result<YamlNode, A::Error> {
        let mut members = Vec::new();
        while let Some(member) = access.next_entry()? {
            members.push(member);
        }
        Ok(YamlNode::Mapping(members))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const TEXT: &str = "# head\n---\nkind: Partner\nspec:\n  details: {name: Acme,\n    city: \"12\"}\n  packages:\n  - A\n  - B\n---\n---\nkind: List\nitems:\n- kind: Client\n  n: 1\n- kind: Client\n  ok: true\n  none: ~\n";

    #[test]
    fn each_member_knows_its_line() {
        let documents = YamlDocument::parse_all(TEXT).unwrap();
        assert_eq!(documents.len(), 2);
        let first = &documents[0];
        let value =
            json!({"kind": "Partner", "spec": {"details": {"name": "Acme", "city": "12"}, "packages": ["A", "B"]}});
        assert_eq!(first.value, value);
        let lines = ["kind", "spec.details", "spec.details.city", "spec.packages[1]", "spec.packages[1].x", "nowhere"];
        assert_eq!(lines.map(|path| first.line_of(path)), [3, 5, 6, 9, 9, 3]);
    }

    #[test]
    fn a_number_that_no_reader_can_hold_is_a_text() {
        let documents = YamlDocument::parse_all("a: ä\n---\nb: {c: 1E1000, d: &x .inf}\ne: *x\nf: 1E3\n").unwrap();
        assert_eq!(documents[1].value, json!({"b": {"c": "1E1000", "d": ".inf"}, "e": ".inf", "f": 1000.0}));
    }

    #[test]
    fn members_of_a_list_are_documents() {
        let items = YamlDocument::parse_all(TEXT).unwrap().remove(1).into_items();
        assert_eq!(items.len(), 2);
        assert_eq!(items[1].value, json!({"kind": "Client", "ok": true, "none": null}));
        assert_eq!([items[0].line_of("n"), items[1].line, items[1].line_of("ok")], [15, 16, 17]);
    }

    #[test]
    fn a_fleet_may_stand_in_one_text() {
        let text = "---\nkind: Client\nspec: {details: {name: Globex, city: Berlin}}\n".repeat(2_000);
        assert_eq!(YamlDocument::parse_all(&text).unwrap().len(), 2_000);
    }

    #[test]
    fn what_is_no_yaml_is_named_by_its_line() {
        for (text, line) in [("a: 1\nb: [\n", 2), ("a: 1\na: 2\n", 2), ("a: b\n\tc: d\n", 1)] {
            let (found, why) = YamlDocument::parse_all(text).unwrap_err();
            assert_eq!(found, line, "{text:?}: {why}");
            assert!(!why.contains('\n'), "{why}");
        }
    }
}
