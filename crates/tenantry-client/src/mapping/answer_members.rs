//! Parses an answer about a tenant member by member. A member that cannot be parsed is named and does not affect the
//! others.

mod member_value;
mod tables;

use std::fmt;

use serde::de::DeserializeOwned;
use serde_json::{Map, Value};
use tenantry_wire::{Branding, CreatedTenant, ImagePaths, Tenant};

use self::member_value::{MemberValue, read_member_value};
pub(super) use self::tables::{AnswerMember, BRANDING, CREATED, MemberShape, ROW, TENANT};
use crate::error::CallError;

/// A member whose form cannot be parsed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct UnreadableMember {
    /// Its name, dotted where nested.
    pub(crate) member: String,
    /// The form that was found.
    found: &'static str,
    /// The form that is documented.
    expected: &'static str,
}

impl fmt::Display for UnreadableMember {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { member, found: is, expected: documented } = self;
        write!(f, "`{member}` is {is} where {documented} is documented")
    }
}

/// The parsed part of an answer.
#[derive(Clone, Debug)]
pub(crate) struct ParsedAnswer<T> {
    /// The members that could be parsed.
    pub(crate) known: T,
    /// The members that could not be parsed.
    pub(crate) unreadable: Vec<UnreadableMember>,
    /// A state that this release does not know, as the platform writes it.
    pub(crate) unknown_state: Option<String>,
}

impl<T> ParsedAnswer<T> {
    /// Returns why a member that is present could not be parsed; `name` may be nested inside that member.
    pub(crate) fn unreadable_at(&self, name: &str) -> Option<&UnreadableMember> {
        self.unreadable.iter().find(|odd| {
            let rest = name.strip_prefix(odd.member.as_str());
            rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
        })
    }
}

/// Parses an answer about a tenant.
pub(crate) fn parse_tenant(body: &[u8], has_extensions: bool) -> Result<ParsedAnswer<Tenant>, CallError> {
    parse_members(&parse_json(body)?, TENANT, has_extensions)
}

/// Parses an answer about a branding; an empty answer is an empty branding.
pub(crate) fn parse_branding(
    body: &[u8],
    has_extensions: bool,
) -> Result<ParsedAnswer<Branding<ImagePaths>>, CallError> {
    parse_members(&parse_json(body)?, BRANDING, has_extensions)
}

/// Parses the answer to a create.
pub(crate) fn parse_created(body: &[u8]) -> Result<CreatedTenant, CallError> {
    let value = parse_json(body)?;
    let ParsedAnswer { known, unreadable: odd, unknown_state: _ }: ParsedAnswer<Map<String, Value>> =
        parse_members(&value, CREATED, true)?;
    match serde_json::from_value(Value::Object(known)) {
        Ok(created) => Ok(created),
        Err(_) => Err(CallError::malformed_answer(match odd.first() {
            Some(odd) => odd.to_string(),
            None => "it holds no `uniqueId` or no `name`".to_owned(),
        })),
    }
}

/// Parses any JSON.
pub(crate) fn parse_json(body: &[u8]) -> Result<Value, CallError> {
    serde_json::from_slice(body).map_err(|error| super::json_error(&error))
}

/// Parses the members of a value that a table names.
pub(super) fn parse_members<T: DeserializeOwned>(
    value: &Value,
    table: &'static [AnswerMember],
    has_extensions: bool,
) -> Result<ParsedAnswer<T>, CallError> {
    let nothing = Map::new();
    let members = match value {
        Value::Object(members) => members,
        Value::Null => &nothing,
        Value::Array(items) if items.is_empty() => &nothing,
        other => {
            return Err(CallError::malformed_answer(format!(
                "it is {} where an object is documented",
                member_value::json_kind(other)
            )));
        }
    };
    let mut reader = MemberReader { has_extensions, unreadable: Vec::new(), unknown_state: None };
    let known = reader.read_object(members, table, "");
    let MemberReader { has_extensions: _, unreadable: odd, unknown_state: state } = reader;
    let known = serde_json::from_value(Value::Object(known))
        .map_err(|_| CallError::malformed_answer("its members contradict each other"))?;
    Ok(ParsedAnswer { known, unreadable: odd, unknown_state: state })
}

struct MemberReader {
    has_extensions: bool,
    unreadable: Vec<UnreadableMember>,
    unknown_state: Option<String>,
}

impl MemberReader {
    fn read_object(
        &mut self,
        members: &Map<String, Value>,
        table: &'static [AnswerMember],
        prefix: &str,
    ) -> Map<String, Value> {
        let mut known = Map::new();
        for AnswerMember { name, alias: other, shape, is_extension } in table {
            // On a platform without the extensions, a member of this name has another meaning.
            if *is_extension && !self.has_extensions {
                continue;
            }
            let Some(value) = members.get(*name).or_else(|| members.get((*other)?)) else { continue };
            let path = format!("{prefix}{name}");
            if let Some(value) = self.read_member(value, shape, path) {
                known.insert((*name).to_owned(), value);
            }
        }
        known
    }

    fn read_member(&mut self, value: &Value, shape: &MemberShape, path: String) -> Option<Value> {
        match read_member_value(value, shape) {
            MemberValue::Absent => None,
            MemberValue::Known(value) => Some(value),
            MemberValue::Nested(members, table) => {
                Some(Value::Object(self.read_object(members, table, &format!("{path}."))))
            }
            MemberValue::UnknownState(word) => {
                self.unknown_state = Some(word);
                None
            }
            MemberValue::Unreadable { is, documented } => {
                self.unreadable.push(UnreadableMember { member: path, found: is, expected: documented });
                None
            }
        }
    }
}
