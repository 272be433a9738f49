//! The value of a setting, in the form in which declared and observed values are compared.

use std::collections::BTreeSet;

use super::{Digest, Field, SecretSource, ValueType};

/// The value of a setting.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Value {
    /// Explicitly empty: no text, no entries or no image.
    Cleared,
    /// A text that is not empty.
    Text(String),
    /// A switch.
    Flag(bool),
    /// A number.
    Number(i64),
    /// A set that is not empty; the order of entries has no meaning.
    Set(BTreeSet<String>),
    /// An image, identified by the digest of its bytes.
    Image(Digest),
    /// A secret, identified by its source.
    Secret(SecretSource),
}

impl Value {
    /// Makes a text; an empty one clears.
    pub fn text(text: &str) -> Self {
        if text.is_empty() { Self::Cleared } else { Self::Text(text.to_owned()) }
    }

    /// Makes a set; an empty one clears.
    pub fn set<T: Into<String>>(entries: impl IntoIterator<Item = T>) -> Self {
        let set: BTreeSet<String> = entries.into_iter().map(Into::into).collect();
        if set.is_empty() { Self::Cleared } else { Self::Set(set) }
    }

    /// Returns the entries of a set; none for any other value.
    pub fn entries(&self) -> impl Iterator<Item = &str> {
        let set = if let Self::Set(set) = self { Some(set) } else { None };
        set.into_iter().flatten().map(String::as_str)
    }

    /// Normalises the value, so that two spellings of the same value are equal: white space around texts, aliases of
    /// time zones and countries, colours with `#`, and the case of addresses.
    #[must_use]
    pub fn into_normal_form(self, field: Field) -> Self {
        match self {
            Self::Text(text) => Self::text(&normalise_text(field, &text)),
            Self::Set(set) if field == Field::AllowedIps => {
                Self::set(set.into_iter().map(|entry| entry.trim().to_ascii_lowercase()))
            }
            value @ (Self::Cleared
            | Self::Flag(_)
            | Self::Number(_)
            | Self::Set(_)
            | Self::Image(_)
            | Self::Secret(_)) => value,
        }
    }

    /// Returns the value as a JSON string, as status and plans show it: an image as its digest, a secret as Secret, key
    /// and version.
    pub fn to_json(&self) -> String {
        match self {
            Self::Cleared => "null".to_owned(),
            Self::Text(text) => serde_json::Value::from(text.as_str()).to_string(),
            Self::Flag(flag) => flag.to_string(),
            Self::Number(number) => number.to_string(),
            Self::Set(set) => serde_json::Value::from(set.iter().cloned().collect::<Vec<_>>()).to_string(),
            Self::Image(digest) => format!("\"{digest}\""),
            Self::Secret(source) => format!("\"{source}\""),
        }
    }

    /// Parses what [`Value::to_json`] wrote for this field. Returns `None` for a text that `to_json` cannot have
    /// written, and for a secret, because the text does not contain its namespace.
    pub fn from_json(field: Field, json: &str) -> Option<Self> {
        let value: serde_json::Value = serde_json::from_str(json).ok()?;
        let digest = |text: &str| Some(Digest::from_hex(text.strip_prefix("sha256:")?));
        match (field.value_type(), value) {
            (_, serde_json::Value::Null) => Some(Self::Cleared),
            (ValueType::Text | ValueType::Name, serde_json::Value::String(text)) => Some(Self::text(&text)),
            (ValueType::Flag, serde_json::Value::Bool(flag)) => Some(Self::Flag(flag)),
            (ValueType::Number, serde_json::Value::Number(number)) => number.as_i64().map(Self::Number),
            (ValueType::Set, serde_json::Value::Array(entries)) => {
                Some(Self::set(entries.iter().filter_map(|entry| entry.as_str()).map(str::to_owned)))
            }
            (ValueType::Image, serde_json::Value::String(text)) => digest(&text).map(Self::Image),
            _ => None,
        }
    }
}

/// Removes white space around a text, as platforms do: a YAML block ends with a line feed, and a text of only blanks
/// counts as empty. Line endings become single line feeds.
fn normalise_text(field: Field, text: &str) -> String {
    let text = text.replace("\r\n", "\n");
    let text = text.trim();
    match field {
        Field::LoginTextColor | Field::LoginBackgroundColor => {
            text.trim_start_matches('#').trim_start().to_ascii_uppercase()
        }
        Field::Country => tenantry_catalog::find_country(text).unwrap_or(text).to_owned(),
        Field::Timezone => tenantry_catalog::canonical_timezone(text).to_owned(),
        Field::DuoApiHostname => strip_scheme(text).to_ascii_lowercase(),
        Field::PasswordsSetBefore => normalise_time(text).unwrap_or_else(|| text.to_owned()),
        _ => text.to_owned(),
    }
}

/// Converts a time of the API or of RFC 3339 to whole seconds in UTC, so that texts sort in the order of time.
fn normalise_time(text: &str) -> Option<String> {
    let of_wire = jiff::fmt::strtime::parse(tenantry_wire::TIME_FORMAT, text).and_then(|parsed| parsed.to_timestamp());
    let time: jiff::Timestamp = of_wire.or_else(|_| text.parse()).ok()?;
    Some(jiff::Timestamp::from_second(time.as_second()).ok()?.to_string())
}

/// Returns a host name without the scheme and the slash that documented samples show.
fn strip_scheme(host: &str) -> &str {
    host.trim_start_matches("https://").trim_start_matches("http://").trim_end_matches('/').trim()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn empty_means_cleared() {
        assert_eq!(Value::text(""), Value::Cleared);
        assert_eq!(Value::set(Vec::<String>::new()), Value::Cleared);
        assert_eq!(Value::set(["b", "a"]), Value::set(["a", "b", "a"]));
    }

    #[test]
    fn a_value_reads_back_from_its_json() {
        for (field, value) in [
            (Field::City, Value::text("Köln")),
            (Field::City, Value::Cleared),
            (Field::RemoteAccess, Value::Flag(true)),
            (Field::NocId, Value::Number(7)),
            (Field::AddOns, Value::set(["A", "B"])),
            (Field::Logo, Value::Image(Digest::of_bytes(b"x"))),
        ] {
            assert_eq!(Value::from_json(field, &value.to_json()), Some(value));
        }
        assert_eq!(Value::from_json(Field::NocId, "\"7\""), None);
    }

    #[test]
    fn two_spellings_of_one_value_are_equal() {
        for (field, one, other) in [
            (Field::LoginTextColor, "#1f2937", "1F2937"),
            (Field::Country, "DEU", "Germany"),
            (Field::Timezone, "Asia/Calcutta", "Asia/Kolkata"),
            (Field::Timezone, "Europe/Berlin\n", "Europe/Berlin"),
            (Field::City, " \t\n", ""),
            (Field::Address, "Hauptstr. 1\r\nHinterhaus\r\n", "Hauptstr. 1\nHinterhaus"),
            (Field::DuoApiHostname, "https://API-1.duosecurity.com/ ", "api-1.duosecurity.com"),
            (Field::ApplicationServer, "acme.app.example\n", "acme.app.example"),
        ] {
            assert_eq!(
                Value::text(one).into_normal_form(field),
                Value::text(other).into_normal_form(field),
                "{field:?}"
            );
        }
    }
}
