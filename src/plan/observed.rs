//! What the platform answers about a tenant.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;

use super::{Digest, Field, ObservedMark, Value};

/// What the platform answers for a field.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ObservedValue {
    /// The value.
    Value(Value),
    /// Written but never shown.
    Unreadable,
    /// The platform has no such setting.
    Unsupported,
}

/// State of a tenant as far as the platform tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum LifecycleState {
    /// In service.
    Active,
    /// Stopped, can be activated again.
    Suspended,
    /// Suspended or ended: the documented wire cannot tell.
    Inactive,
    /// Ended for ever.
    Terminated,
    /// In a state that this release does not know: nothing that depends on the state is done, and no end is believed.
    Unknown,
}

/// What the platform answers and this release does not understand.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct UnknownAnswers {
    /// Word for the state.
    pub state: Option<String>,
    /// Entries that the catalogue does not know, as the platform writes them; they are sent back with every write.
    pub values: BTreeMap<Field, BTreeSet<String>>,
    /// Settings whose value is of a form that cannot be read, each with the form.
    pub unreadable: BTreeMap<Field, String>,
}

/// An image as everybody can load it. A platform may write again what was uploaded, so the digest of the upload is another.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServedImage {
    /// Its path on the platform.
    pub path: String,
    /// Digest of its bytes, where it is known.
    pub digest: Option<Digest>,
}

/// A tenant as it is on the platform.
#[derive(Clone, Debug, PartialEq)]
pub struct ObservedTenant {
    /// Unique id.
    pub unique_id: String,
    /// Number of the account.
    pub account_id: Option<String>,
    /// Name on the platform.
    pub name: String,
    /// State.
    pub life: LifecycleState,
    /// Who owns it.
    pub mark: ObservedMark,
    /// Every field of the kind.
    pub values: BTreeMap<Field, ObservedValue>,
    /// Images that the platform serves.
    pub served_images: BTreeMap<Field, ServedImage>,
    /// What is not understood of it.
    pub unknown: UnknownAnswers,
    /// When it was created.
    pub created: Option<Timestamp>,
    /// When anything under it last changed.
    pub updated: Option<Timestamp>,
    /// Grows with every change under it; nothing where the platform does not count them.
    pub revision: Option<i64>,
    /// Address of its console.
    pub url: Option<String>,
    /// Address of its API.
    pub api_endpoint: Option<String>,
}

impl ObservedTenant {
    /// Name of the settings' values that the platform shows.
    pub fn value(&self, field: Field) -> Option<&Value> {
        match self.values.get(&field) {
            Some(ObservedValue::Value(value)) => Some(value),
            Some(ObservedValue::Unreadable | ObservedValue::Unsupported) | None => None,
        }
    }

    /// Whether a declared image is the one that the platform serves.
    pub fn is_served(&self, field: Field, value: &Value) -> bool {
        let served = self.served_images.get(&field).and_then(|served| served.digest.as_ref());
        matches!((value, served), (Value::Image(declared), Some(served)) if declared == served)
    }
}
