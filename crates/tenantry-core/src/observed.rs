//! What the platform reports about a tenant.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;

use super::{Digest, Field, ObservedMark, Value};

/// What the platform reports for a field.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ObservedValue {
    /// The value.
    Value(Value),
    /// The platform accepts writes but never shows the value.
    Unreadable,
    /// The platform has no such setting.
    Unsupported,
}

/// State of a tenant as the platform reports it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum LifecycleState {
    /// Active.
    Active,
    /// Suspended; it can be activated again.
    Suspended,
    /// Suspended or terminated: the documented API does not distinguish them.
    Inactive,
    /// Terminated permanently.
    Terminated,
    /// A state that this release does not know. Nothing that depends on the state is done, and the tenant never counts
    /// as terminated.
    Unknown,
}

/// What the platform returns and this release does not understand.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct UnknownAnswers {
    /// Name of the state.
    pub state: Option<String>,
    /// Entries that the catalogue does not know, as the platform spells them. Every write sends them back.
    pub values: BTreeMap<Field, BTreeSet<String>>,
    /// Settings whose value has a form that cannot be read, each with a description of the form.
    pub unreadable: BTreeMap<Field, String>,
}

/// A publicly served image. A platform may re-encode an upload, so its digest can differ from the upload's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServedImage {
    /// Path of the image on the platform.
    pub path: String,
    /// Digest of its bytes, if known.
    pub digest: Option<Digest>,
}

/// A tenant as it exists on the platform.
#[derive(Clone, Debug, PartialEq)]
pub struct ObservedTenant {
    /// Unique id.
    pub unique_id: String,
    /// Account number.
    pub account_id: Option<String>,
    /// Name on the platform.
    pub name: String,
    /// Lifecycle state.
    pub lifecycle: LifecycleState,
    /// Mark of the owner.
    pub mark: ObservedMark,
    /// Values of every field of the kind.
    pub values: BTreeMap<Field, ObservedValue>,
    /// Images that the platform serves.
    pub served_images: BTreeMap<Field, ServedImage>,
    /// Answers that are not understood.
    pub unknown: UnknownAnswers,
    /// When the tenant was created.
    pub created: Option<Timestamp>,
    /// When anything of the tenant last changed.
    pub updated: Option<Timestamp>,
    /// Revision, which grows with every change; `None` if the platform does not count changes.
    pub revision: Option<i64>,
    /// Address of its console.
    pub url: Option<String>,
    /// Address of its API.
    pub api_endpoint: Option<String>,
}

impl ObservedTenant {
    /// Returns the value of a setting, if the platform shows it.
    pub fn value(&self, field: Field) -> Option<&Value> {
        match self.values.get(&field) {
            Some(ObservedValue::Value(value)) => Some(value),
            Some(ObservedValue::Unreadable | ObservedValue::Unsupported) | None => None,
        }
    }

    /// Returns whether the platform serves the declared image.
    pub fn is_served(&self, field: Field, value: &Value) -> bool {
        let served = self.served_images.get(&field).and_then(|served| served.digest.as_ref());
        matches!((value, served), (Value::Image(declared), Some(served)) if declared == served)
    }
}
