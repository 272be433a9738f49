//! References to other objects.

use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A Secret of the same namespace.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, PartialEq, Eq, Default)]
#[serde(rename_all = "camelCase")]
pub struct SecretRef {
    /// Name of the Secret in the object's own namespace, for example `platform`.
    #[schemars(schema_with = "super::names::object_name")]
    pub name: String,
}

/// A key of a Secret of the same namespace.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Default)]
#[serde(rename_all = "camelCase")]
pub struct SecretKeyRef {
    /// Name of the Secret that holds the value, in the object's own namespace, for example `duo`. It must carry the label
    /// `tenantry.dev/allow-reference: "true"`.
    #[schemars(schema_with = "super::names::object_name")]
    pub name: String,
    /// Key inside the Secret whose value is sent, for example `secretKey`.
    #[schemars(schema_with = "super::names::data_key")]
    pub key: String,
}

/// The Partner object that a Client belongs to.
#[derive(Serialize, Deserialize, KubeSchema, Clone, Debug, PartialEq, Eq, Default)]
#[serde(rename_all = "camelCase")]
pub struct PartnerRef {
    /// Name of the Partner object, for example `acme`.
    #[schemars(schema_with = "super::names::object_name")]
    pub name: String,
    /// Namespace of the Partner object; default: the Client's own namespace. Another namespace must be allowed by the
    /// Partner's `spec.clients.allowedNamespaces`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "super::names::namespace_name")]
    pub namespace: Option<String>,
}
