//! An answer about a tenant, member by member: one that cannot be read is named and costs none of the others.

mod form;
mod tables;

use std::fmt;

use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use self::form::{Read, read};
pub(super) use self::tables::{BRANDING, CREATED, Member, ROW, Shape, TENANT};
use crate::connect::error::Error;
use crate::wire::{Branding, Created, ImagePaths, Tenant};

/// A member that is not of a form that can be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::connect) struct Odd {
    /// Its name, dotted where nested.
    pub(in crate::connect) member: String,
    /// What it is.
    is: &'static str,
    /// What is documented.
    documented: &'static str,
}

impl fmt::Display for Odd {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { member, is, documented } = self;
        write!(f, "`{member}` is {is} where {documented} is documented")
    }
}

/// What could be read of an answer.
#[derive(Clone, Debug)]
pub(in crate::connect) struct Parsed<T> {
    /// The members that could be read.
    pub(in crate::connect) known: T,
    /// Those that could not.
    pub(in crate::connect) odd: Vec<Odd>,
    /// A state that this release does not know, as the platform writes it.
    pub(in crate::connect) state: Option<String>,
}

impl<T> Parsed<T> {
    /// Why a member could not be read, where it is there and could not be; `name` may stand inside of it.
    pub(in crate::connect) fn odd_at(&self, name: &str) -> Option<&Odd> {
        self.odd.iter().find(|odd| {
            let rest = name.strip_prefix(odd.member.as_str());
            rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
        })
    }
}

/// The tenant of an answer.
pub(in crate::connect) fn tenant(body: &[u8], extensions: bool) -> Result<Parsed<Tenant>, Error> {
    parsed(&json(body)?, (TENANT, extensions))
}

/// The branding of an answer; nothing at all is a branding without anything.
pub(in crate::connect) fn brand(body: &[u8], extensions: bool) -> Result<Parsed<Branding<ImagePaths>>, Error> {
    parsed(&json(body)?, (BRANDING, extensions))
}

/// The answer to a create.
pub(in crate::connect) fn created(body: &[u8]) -> Result<Created, Error> {
    let value = json(body)?;
    let Parsed { known, odd, state: _ }: Parsed<Map<String, Value>> = parsed(&value, (CREATED, true))?;
    match serde_json::from_value(Value::Object(known)) {
        Ok(created) => Ok(created),
        Err(_) => Err(Error::malformed(match odd.first() {
            Some(odd) => odd.to_string(),
            None => "it holds no `uniqueId` or no `name`".to_owned(),
        })),
    }
}

/// Any JSON.
pub(in crate::connect) fn json(body: &[u8]) -> Result<Value, Error> {
    serde_json::from_slice(body).map_err(|error| super::unreadable(&error))
}

/// The members of a value that a table names.
pub(super) fn parsed<T: DeserializeOwned>(
    value: &Value,
    (table, extensions): (&'static [Member], bool),
) -> Result<Parsed<T>, Error> {
    let nothing = Map::new();
    let members = match value {
        Value::Object(members) => members,
        Value::Null => &nothing,
        Value::Array(items) if items.is_empty() => &nothing,
        other => return Err(Error::malformed(format!("it is {} where an object is documented", form::kind(other)))),
    };
    let mut walk = Walk { extensions, odd: Vec::new(), state: None };
    let known = walk.object(members, table, "");
    let Walk { extensions: _, odd, state } = walk;
    let known = serde_json::from_value(Value::Object(known))
        .map_err(|_| Error::malformed("its members contradict each other"))?;
    Ok(Parsed { known, odd, state })
}

struct Walk {
    extensions: bool,
    odd: Vec<Odd>,
    state: Option<String>,
}

impl Walk {
    fn object(&mut self, members: &Map<String, Value>, table: &'static [Member], prefix: &str) -> Map<String, Value> {
        let mut known = Map::new();
        for Member { name, other, shape, is_extension } in table {
            // A member of that name on a platform without the extensions is not ours.
            if *is_extension && !self.extensions {
                continue;
            }
            let Some(value) = members.get(*name).or_else(|| members.get((*other)?)) else { continue };
            let path = format!("{prefix}{name}");
            if let Some(value) = self.member(value, shape, path) {
                known.insert((*name).to_owned(), value);
            }
        }
        known
    }

    fn member(&mut self, value: &Value, shape: &Shape, path: String) -> Option<Value> {
        match read(value, shape) {
            Read::Absent => None,
            Read::Known(value) => Some(value),
            Read::Within(members, table) => Some(Value::Object(self.object(members, table, &format!("{path}.")))),
            Read::State(word) => {
                self.state = Some(word);
                None
            }
            Read::Odd { is, documented } => {
                self.odd.push(Odd { member: path, is, documented });
                None
            }
        }
    }
}
