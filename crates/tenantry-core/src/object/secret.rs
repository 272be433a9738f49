//! Secrets as they are read from a cluster or from a manifest.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::Secret;
use kube::ResourceExt;
use secrecy::SecretString;
use tenantry_api::{ALLOW_REFERENCE, SecretKeyRef};

use crate::{SecretLookup, SecretSource};

/// A Secret as it was read.
#[derive(Clone, Default)]
pub struct SecretSnapshot {
    /// Data of the Secret.
    pub data: BTreeMap<String, Vec<u8>>,
    /// `resourceVersion` of the Secret; empty for a Secret that is not in a cluster yet.
    pub version: String,
    /// Whether objects may reference its keys for purposes other than the connection.
    pub is_allowed: bool,
}

impl std::fmt::Debug for SecretSnapshot {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { data, version, is_allowed } = self;
        write!(f, "FoundSecret {{ {} keys, version {version:?}, allowed: {is_allowed} }}", data.len())
    }
}

impl From<Secret> for SecretSnapshot {
    fn from(secret: Secret) -> Self {
        let is_allowed = allows_reference(secret.labels());
        let version = secret.resource_version().unwrap_or_default();
        let data = secret.data.unwrap_or_default().into_iter().map(|(key, value)| (key, value.0)).collect();
        Self { data, version, is_allowed }
    }
}

impl SecretSnapshot {
    /// Reads the key that a reference names.
    pub fn read_key(&self, namespace: &str, reference: &SecretKeyRef) -> SecretLookup {
        let Self { data, version, is_allowed } = self;
        let SecretKeyRef { name, key } = reference.clone();
        let text = data.get(&key).and_then(|bytes| secret_text(bytes));
        let source = SecretSource { namespace: namespace.to_owned(), name, key, version: version.clone() };
        SecretLookup { source, text, is_allowed: *is_allowed }
    }
}

/// Returns whether the labels of a Secret permit objects to reference its keys.
fn allows_reference(labels: &BTreeMap<String, String>) -> bool {
    labels.get(ALLOW_REFERENCE).is_some_and(|value| value == "true")
}

/// Returns the text of a Secret's key without the line feed at its end, which files often have.
fn secret_text(bytes: &[u8]) -> Option<SecretString> {
    let text = std::str::from_utf8(bytes).ok()?;
    Some(SecretString::from(text.trim_end_matches(['\r', '\n']).to_owned()))
}
