//! The grammar of `queryString`: `key:value` pairs joined by `+`.
//!
//! Real clients send the joining `+` raw or as `%2B`, and blanks as `%20` or as `+`. So the text is decoded here: a
//! plus followed by a known key and its colon separates pairs, any other raw `+` is a blank, any other `%2B` is a plus.

use tenantry_wire::WireTenantState;

use super::error::{ApiError, quote};
use super::store::{TenantFilter, fold_case};
use super::time;

/// Keys that the public API documents, and `id`, which real clients send.
const DOCUMENTED_KEYS: &[&str] = &[
    "uniqueId",
    "name",
    "activeStatus",
    "startCreationDate",
    "endCreationDate",
    "startUpdationDate",
    "endUpdationDate",
    "id",
];

/// Keys of the extensions.
const EXTENSION_KEYS: &[&str] = &["managedBy", "managedByUid", "nameContains", "status"];

/// Returns the raw value of a parameter in a query, still encoded.
pub(super) fn query_parameter<'q>(query: &'q str, name: &str) -> Option<&'q str> {
    query.split('&').find_map(|pair| {
        let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
        (key == name).then_some(value)
    })
}

/// Parses the filters of a raw `queryString`. An empty one filters nothing.
pub(super) fn parse_filters(raw: &str, has_extensions: bool) -> Result<Vec<TenantFilter>, ApiError> {
    let keys = if has_extensions { [DOCUMENTED_KEYS, EXTENSION_KEYS].concat() } else { DOCUMENTED_KEYS.to_vec() };
    parse_pairs(raw, &keys)?.iter().map(|(key, value)| parse_filter(key, value)).collect()
}

/// Parses the keys and values of a raw `queryString`. Only the given keys are known.
pub(super) fn parse_pairs(raw: &str, keys: &[&str]) -> Result<Vec<(String, String)>, ApiError> {
    let known = |key: &str| keys.contains(&key);
    let mut pairs = Vec::new();
    for pair in split_pairs(&percent_decode_query(raw), known) {
        let text = String::from_utf8(pair).map_err(|_| query_error("The text is not UTF-8"))?;
        if text.trim().is_empty() {
            continue;
        }
        let (key, value) =
            text.split_once(':').ok_or_else(|| query_error(format!("{} is not key:value", quote(&text))))?;
        let (key, value) = (key.trim(), value.trim());
        if value.contains('\0') {
            // PostgreSQL cannot even compare a text with a NUL character.
            return Err(query_error("The text has a NUL character"));
        }
        if pairs.iter().any(|(before, _): &(String, String)| before == key) {
            // All terms must match, so a second term for one key never finds more; and each number of terms is a
            // separate SQL statement.
            return Err(query_error(format!(
                "The key {} stands there twice; one term for each key is taken",
                quote(key)
            )));
        }
        if !known(key) {
            let keys = keys.join(", ");
            return Err(query_error(format!("The key {} is not known; the keys are {keys}", quote(key))));
        }
        pairs.push((key.to_owned(), value.to_owned()));
    }
    // Sorted, so that equal searches are the same SQL statement.
    pairs.sort_unstable();
    Ok(pairs)
}

/// A decoded byte, and whether it was a raw `+`.
type DecodedQuery = Vec<(u8, bool)>;

fn percent_decode_query(raw: &str) -> DecodedQuery {
    let bytes = raw.as_bytes();
    let mut decoded = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while let Some(byte) = bytes.get(at) {
        let escaped = (*byte == b'%')
            .then(|| raw.get(at + 1..at + 3))
            .flatten()
            .filter(|digits| digits.bytes().all(|digit| digit.is_ascii_hexdigit()))
            .and_then(|digits| u8::from_str_radix(digits, 16).ok());
        decoded.push((escaped.unwrap_or(*byte), *byte == b'+'));
        at += if escaped.is_some() { 3 } else { 1 };
    }
    decoded
}

fn split_pairs(decoded: &DecodedQuery, known: impl Fn(&str) -> bool) -> Vec<Vec<u8>> {
    let mut pairs = vec![Vec::new()];
    for (index, (byte, raw_plus)) in decoded.iter().enumerate() {
        let separates = *byte == b'+' && starts_pair(&decoded[index + 1..], &known);
        match pairs.last_mut() {
            Some(_) if separates => pairs.push(Vec::new()),
            Some(pair) => pair.push(if *raw_plus { b' ' } else { *byte }),
            None => {}
        }
    }
    pairs
}

fn starts_pair(rest: &[(u8, bool)], known: impl Fn(&str) -> bool) -> bool {
    let key: Vec<u8> = rest.iter().map(|(byte, _)| *byte).take_while(u8::is_ascii_alphabetic).collect();
    rest.get(key.len()).is_some_and(|(byte, _)| *byte == b':') && std::str::from_utf8(&key).is_ok_and(known)
}

fn parse_filter(key: &str, value: &str) -> Result<TenantFilter, ApiError> {
    let span = || time::parse_span(value).ok_or_else(|| not_a_date_error(key, value));
    Ok(match key {
        "uniqueId" => TenantFilter::UniqueId(value.to_owned()),
        "name" => TenantFilter::Name(value.to_owned()),
        "nameContains" => TenantFilter::NameContains(fold_case(value)),
        "status" => {
            let state = WireTenantState::ALL.into_iter().find(|state| state.word() == value);
            TenantFilter::State(state.ok_or_else(|| {
                query_error(format!("status {} is none of ACTIVE, SUSPENDED, TERMINATED", quote(value)))
            })?)
        }
        "managedBy" => TenantFilter::Place(value.to_owned()),
        "managedByUid" => TenantFilter::Uid(value.to_owned()),
        "id" => {
            TenantFilter::Id(value.parse().map_err(|_| query_error(format!("id {} is not a number", quote(value))))?)
        }
        "activeStatus" => match value {
            "true" => TenantFilter::Active(true),
            "false" => TenantFilter::Active(false),
            _ => return Err(query_error(format!("activeStatus {} is neither true nor false", quote(value)))),
        },
        "startCreationDate" => TenantFilter::CreatedFrom(span()?.0),
        "endCreationDate" => TenantFilter::CreatedBefore(span()?.1),
        "startUpdationDate" => TenantFilter::UpdatedFrom(span()?.0),
        "endUpdationDate" => TenantFilter::UpdatedBefore(span()?.1),
        _ => return Err(ApiError::Internal),
    })
}

const EXAMPLE: &str = "2016-08-29T12:05:08+0000 or 2016-08-29";

/// Returns the error of a date that cannot be parsed.
pub(super) fn not_a_date_error(key: &str, value: &str) -> ApiError {
    query_error(format!("{key} {} is not a date such as {EXAMPLE}", quote(value)))
}

/// Returns the error of a `queryString` that is not acceptable.
pub(super) fn query_error(message: impl Into<String>) -> ApiError {
    ApiError::field("queryString", message)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse_all(raw: &str) -> Vec<TenantFilter> {
        parse_filters(raw, true).unwrap()
    }

    fn name_filter(text: &str) -> TenantFilter {
        TenantFilter::Name(text.to_owned())
    }

    #[test]
    fn pairs_are_joined_by_a_plus_raw_or_encoded() {
        let both = [TenantFilter::Active(false), name_filter("A")];
        assert_eq!(parse_all("name:A+activeStatus:false"), both);
        assert_eq!(parse_all("name%3AA%2BactiveStatus%3Afalse"), both);
        assert_eq!(parse_all("name:A%2bactiveStatus:false+"), both);
        assert_eq!(parse_all(""), []);
    }

    #[test]
    fn a_plus_inside_a_value_is_a_blank_or_a_plus() {
        assert_eq!(parse_all("name:Acme+Managed%20Services"), [name_filter("Acme Managed Services")]);
        assert_eq!(parse_all("name:A%2BB"), [name_filter("A+B")]);
        assert_eq!(parse_all("name:A+B:C+id:7"), [TenantFilter::Id(7), name_filter("A B:C")]);
        assert_eq!(parse_all("name:100%25%zz"), [name_filter("100%%zz")]);
        assert_eq!(parse_all("name:Z%C3%BCrich"), [name_filter("Zürich")]);
    }

    #[test]
    fn marks_are_found_by_place_and_by_uid() {
        assert_eq!(
            parse_all("managedBy:c/Client/ns/n+managedByUid:u-1"),
            [TenantFilter::Place("c/Client/ns/n".to_owned()), TenantFilter::Uid("u-1".to_owned())]
        );
        for extension in ["managedByUid:u", "nameContains:u", "status:ACTIVE"] {
            assert!(parse_filters(extension, false).is_err(), "{extension}");
        }
    }

    #[test]
    fn dates_bound_whole_seconds() {
        assert_eq!(
            parse_all("startUpdationDate:2016-08-29T12:05:08+0000+endUpdationDate:2016-08-29T12:05:08%2B0000"),
            [TenantFilter::UpdatedBefore(1_472_472_309_000), TenantFilter::UpdatedFrom(1_472_472_308_000)]
        );
    }

    #[test]
    fn what_is_no_filter_is_refused() {
        for raw in [
            "colour:red",
            "name",
            "activeStatus:maybe",
            "status:Active",
            "status:",
            "id:x",
            "startCreationDate:soon",
            "name:%ff",
            "id:1+id:1",
        ] {
            assert!(parse_filters(raw, true).is_err(), "{raw}");
        }
    }
}
