//! Reads objects of a newer release. Each object is parsed separately, so that one that this release does not
//! understand breaks neither a list nor a watch. Pure.

mod members;

use std::borrow::Cow;

use k8s_openapi::NamespaceResourceScope;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::Resource;
use serde::de::Error as _;
use serde::{Deserialize, Deserializer};
use serde_json::{Map, Value};
use tenantry_api::{ABANDON, DeletionPolicy, FINALIZER, INTENT, OPERATOR};

use super::{ParentRef, TenantResource};
use crate::{Intent, TenantKind};
pub use members::{UnknownMember, restore_unknown_members};
use members::{unknown_in_spec, unknown_in_status};

/// Members of status that decisions about a tenant depend on. A pass rewrites any other member that cannot be read.
const DECISIVE_MEMBERS: [&str; 4] = ["uniqueId", "connection", "termination", "applied"];

/// An object as the API server stores it.
#[derive(Clone, Debug)]
pub enum ParsedObject<K> {
    /// This release understands the complete spec.
    Understood(Box<UnderstoodObject<K>>),
    /// This release does not understand the object, so the tenant must not be changed.
    NotUnderstood(Box<NotUnderstoodObject>),
}

/// An object that this release understands.
#[derive(Clone, Debug)]
pub struct UnderstoodObject<K> {
    /// The object.
    pub object: K,
    /// Members of its status that this release does not know. They are kept when status is written.
    pub unknown_status: Option<Value>,
}

/// An object with members or values that this release does not know.
#[derive(Clone, Debug, PartialEq)]
pub struct NotUnderstoodObject {
    /// Metadata.
    pub metadata: ObjectMeta,
    /// Spec as it was read.
    pub spec: Value,
    /// Status as it was read.
    pub status: Value,
    /// Unknown members and values; never empty.
    pub unknown: Vec<UnknownMember>,
}

impl<K: TenantResource> ParsedObject<K> {
    /// Parses one object.
    ///
    /// # Errors
    ///
    /// Fails if the metadata cannot be read.
    pub(crate) fn from_raw(raw: Value) -> Result<Self, serde_json::Error> {
        let mut raw = match raw {
            Value::Object(raw) => raw,
            other => {
                return Err(serde_json::Error::custom(format!("not an object: {}", members::describe_value(&other))));
            }
        };
        let mut set_aside = Map::new();
        let parsed = loop {
            match parse_typed::<K>(&mut raw) {
                Ok(object) => break Ok(object),
                Err(unknown) => match unknown.derived_status_member() {
                    Some(member) => match take_status_member(&mut raw, &member) {
                        Some(value) => drop(set_aside.insert(member, value)),
                        None => break Err(vec![unknown]),
                    },
                    None => break Err(vec![unknown]),
                },
            }
        };
        let read = parsed.and_then(|object| check_round_trip(object, &raw));
        let unknown = match read {
            Ok(understood) => return Ok(Self::Understood(Box::new(understood))),
            Err(unknown) => unknown,
        };
        let metadata = ObjectMeta::deserialize(raw.get("metadata").unwrap_or(&Value::Null))?;
        let mut status = raw.remove("status").unwrap_or_default();
        if let Some(status) = status.as_object_mut() {
            status.extend(set_aside);
        }
        let spec = raw.remove("spec").unwrap_or_default();
        Ok(Self::NotUnderstood(Box::new(NotUnderstoodObject { metadata, spec, status, unknown })))
    }

    /// Returns the object.
    ///
    /// # Errors
    ///
    /// Returns what is not understood.
    pub fn into_understood(self) -> Result<K, Box<NotUnderstoodObject>> {
        match self {
            Self::Understood(understood) => Ok(understood.object),
            Self::NotUnderstood(other) => Err(other),
        }
    }
}

/// Parses an object by its types. Members that the types do not have are skipped here.
fn parse_typed<K: TenantResource>(raw: &mut Map<String, Value>) -> Result<K, UnknownMember> {
    let whole = Value::Object(std::mem::take(raw));
    let parsed =
        serde_path_to_error::deserialize(&whole).map_err(|error| UnknownMember::from_type_error(&error, &whole));
    if let Value::Object(whole) = whole {
        *raw = whole;
    }
    parsed
}

fn take_status_member(raw: &mut Map<String, Value>, member: &str) -> Option<Value> {
    raw.get_mut("status")?.as_object_mut()?.remove(member)
}

/// Compares an object with the JSON it was parsed from: members that are missing after serialisation are unknown.
fn check_round_trip<K: TenantResource>(
    mut object: K,
    raw: &Map<String, Value>,
) -> Result<UnderstoodObject<K>, Vec<UnknownMember>> {
    let metadata = std::mem::take(object.meta_mut());
    let again = serde_json::to_value(&object).unwrap_or_default();
    *object.meta_mut() = metadata;
    let part = |name: &str| (raw.get(name).unwrap_or(&Value::Null), again.get(name).unwrap_or(&Value::Null));
    let (spec, spec_again) = part("spec");
    let mut unknown = unknown_in_spec(spec, spec_again);
    let (status, status_again) = part("status");
    let unknown_status = unknown_in_status(status, status_again);
    // What a newer release has recorded about a termination may be a reason not to continue it.
    if object.meta().deletion_timestamp.is_some()
        && let Some(Value::Object(termination)) = unknown_status.as_ref().and_then(|rest| rest.get("termination"))
    {
        let named = termination
            .iter()
            .map(|(name, value)| UnknownMember::unknown_field(&format!("status.termination.{name}"), value));
        unknown.extend(named);
    }
    if unknown.is_empty() { Ok(UnderstoodObject { object, unknown_status }) } else { Err(unknown) }
}

impl<'de, K: TenantResource> Deserialize<'de> for ParsedObject<K> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::from_raw(Value::deserialize(deserializer)?).map_err(D::Error::custom)
    }
}

impl<K: TenantResource> Resource for ParsedObject<K> {
    type DynamicType = ();
    type Scope = NamespaceResourceScope;

    fn kind(of: &()) -> Cow<'_, str> {
        K::kind(of)
    }

    fn group(of: &()) -> Cow<'_, str> {
        K::group(of)
    }

    fn version(of: &()) -> Cow<'_, str> {
        K::version(of)
    }

    fn plural(of: &()) -> Cow<'_, str> {
        K::plural(of)
    }

    fn meta(&self) -> &ObjectMeta {
        match self {
            Self::Understood(understood) => understood.object.meta(),
            Self::NotUnderstood(other) => &other.metadata,
        }
    }

    fn meta_mut(&mut self) -> &mut ObjectMeta {
        match self {
            Self::Understood(understood) => understood.object.meta_mut(),
            Self::NotUnderstood(other) => &mut other.metadata,
        }
    }
}

impl NotUnderstoodObject {
    /// Describes the unknown members as a clause.
    pub fn unknown_summary(&self) -> String {
        const MAX_LISTED: usize = 3;
        let mut parts: Vec<String> = self.unknown.iter().take(MAX_LISTED).map(ToString::to_string).collect();
        if let Some(more) = self.unknown.len().checked_sub(MAX_LISTED).filter(|more| *more > 0) {
            parts.push(format!("{more} more"));
        }
        parts.join("; ")
    }

    /// Returns the namespace; both kinds always have one.
    pub fn namespace(&self) -> &str {
        self.metadata.namespace.as_deref().unwrap_or_default()
    }

    /// Returns the operator installation that must manage the object.
    pub fn installation(&self) -> Option<String> {
        let annotation = |name: &str| self.metadata.annotations.as_ref().and_then(|all| all.get(name));
        let recorded = || self.status.get("operator").and_then(Value::as_str).map(str::to_owned);
        let intended = || {
            let intent: Intent = serde_json::from_str(annotation(INTENT)?).ok()?;
            intent.operator.filter(|_| self.metadata.uid.as_ref() == Some(&intent.uid))
        };
        annotation(OPERATOR).cloned().or_else(recorded).or_else(intended)
    }

    /// Returns the name.
    pub fn name(&self) -> &str {
        self.metadata.name.as_deref().unwrap_or_default()
    }

    /// Returns `namespace/name`, as messages show it.
    pub fn namespaced_name(&self) -> String {
        format!("{}/{}", self.namespace(), self.name())
    }

    /// Returns whether the object is being deleted.
    pub fn is_deleting(&self) -> bool {
        self.metadata.deletion_timestamp.is_some()
    }

    /// Returns whether the object has our finalizer.
    pub fn has_finalizer(&self) -> bool {
        self.metadata.finalizers.iter().flatten().any(|one| one == FINALIZER)
    }

    /// Returns the id of the tenant, if one was recorded.
    pub fn unique_id(&self) -> Option<&str> {
        self.status.get("uniqueId")?.as_str()
    }

    /// Returns whether the annotation that abandons a tenant names this object's tenant.
    pub fn is_abandoned(&self) -> bool {
        let named = self.metadata.annotations.as_ref().and_then(|all| all.get(ABANDON));
        named.is_some_and(|named| named == self.unique_id().unwrap_or("none"))
    }

    /// Returns whether the tenant is certainly kept when the object is deleted: the policy is `Retain`, `deletion` has
    /// no unknown members, and no termination was ever confirmed.
    pub fn is_certainly_retained(&self) -> bool {
        let known = ["policy", "gracePeriodSeconds", "confirm"];
        let is_retain = match self.spec.get("deletion") {
            None | Some(Value::Null) => true,
            Some(Value::Object(deletion)) => {
                let policy = deletion.get("policy").unwrap_or(&Value::Null);
                let is_named = policy.is_null() || *policy == DeletionPolicy::Retain.name();
                is_named && deletion.keys().all(|name| known.contains(&name.as_str()))
            }
            Some(_) => false,
        };
        is_retain && !self.has_accepted_confirmation()
    }

    /// Returns whether a termination was confirmed. The tenant may then be suspended, so the object is not released
    /// without contacting the platform.
    pub fn has_accepted_confirmation(&self) -> bool {
        let record = self.status.get("termination");
        record.is_some_and(|record| record.get("confirmDigest").is_some_and(|digest| !digest.is_null()))
    }

    /// Returns the parent, if it can be read.
    pub fn parent(&self, kind: TenantKind) -> Option<ParentRef> {
        if kind == TenantKind::Partner {
            return Some(ParentRef::Provider);
        }
        if let Some(id) = self.spec.get("partnerUniqueId").and_then(Value::as_str) {
            return Some(ParentRef::Id(id.to_owned()));
        }
        let reference = self.spec.get("partnerRef")?;
        let name = reference.get("name")?.as_str()?.to_owned();
        let namespace = match reference.get("namespace") {
            None | Some(Value::Null) => self.namespace(),
            Some(namespace) => namespace.as_str()?,
        };
        Some(ParentRef::Object(namespace.to_owned(), name))
    }
}

#[cfg(test)]
mod tests;
