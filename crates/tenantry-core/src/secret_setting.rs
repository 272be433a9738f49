//! The source of a secret setting. The source may be shown; the value and anything derived from it may not.

use std::collections::BTreeMap;
use std::fmt;

use secrecy::SecretString;
use tenantry_api::SecretKeyRef;

use super::{Field, write_record};

/// A key of a Secret at one version.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct SecretSource {
    /// Namespace of the Secret.
    pub namespace: String,
    /// Name of the Secret.
    pub name: String,
    /// Key in the Secret's data.
    pub key: String,
    /// `resourceVersion` of the Secret; empty for a Secret that is not in a cluster yet.
    pub version: String,
}

impl fmt::Display for SecretSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { namespace: _, name, key, version } = self;
        let at = if version.is_empty() { "" } else { "@" };
        write!(f, "{name}/{key}{at}{version}")
    }
}

/// Result of reading a reference to a Secret.
#[derive(Clone, Debug)]
pub struct SecretLookup {
    /// Source of the value.
    pub source: SecretSource,
    /// The value; `None` if the Secret does not have the key.
    pub text: Option<SecretString>,
    /// Whether the Secret has the label that permits objects to reference it.
    pub is_allowed: bool,
}

/// The applied reference of a setting, as status shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
enum AppliedReference {
    /// `name/key@version`.
    Source(String),
    /// The digest that releases before 0.2 showed.
    Legacy(String),
}

/// References that were applied, by setting. They are accepted without the label until release 0.3.
#[derive(Clone, Debug, Default)]
pub struct AppliedSecrets {
    /// UID of the object.
    uid: String,
    by_field: BTreeMap<Field, AppliedReference>,
}

impl AppliedSecrets {
    /// Reads references from the settings that status shows for one origin, as JSON by field.
    pub fn from_status(uid: &str, shown: impl IntoIterator<Item = (Field, String)>) -> Self {
        let applied = |(field, json): (Field, String)| {
            let text = json.trim_matches('"').to_owned();
            let is_legacy = write_record::is_legacy_digest(field, &json);
            (field, if is_legacy { AppliedReference::Legacy(text) } else { AppliedReference::Source(text) })
        };
        Self { uid: uid.to_owned(), by_field: shown.into_iter().map(applied).collect() }
    }

    /// Returns whether this reference was already applied to the setting, at any version.
    pub(super) fn has_reference(&self, field: Field, reference: &SecretKeyRef, text: Option<&SecretString>) -> bool {
        match self.by_field.get(&field) {
            None => false,
            Some(AppliedReference::Source(shown)) => {
                let SecretKeyRef { name, key } = reference;
                shown.split('@').next() == Some(format!("{name}/{key}").as_str())
            }
            Some(AppliedReference::Legacy(digest)) => {
                text.is_some_and(|text| write_record::legacy_digest(&self.uid, text) == *digest)
            }
        }
    }
}
