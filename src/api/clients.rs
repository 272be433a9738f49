//! What a Partner says about its Clients.

use std::collections::BTreeMap;

use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{ClientAccess, LockedDefault};
use crate::catalog::{AddOn, Package};

/// What a Partner says about its Clients.
#[derive(Serialize, Deserialize, KubeSchema, Clone, Debug, PartialEq, Eq, Default)]
#[serde(rename_all = "camelCase")]
pub struct Clients {
    /// Namespaces whose Clients may name this Partner; default: only the Partner's own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub allowed_namespaces: Option<AllowedNamespaces>,
    /// What a Client gets that leaves it out, for example `{timezone: Europe/Berlin, country: Germany}`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub defaults: Option<ClientDefaults>,
    /// Defaults that a Client may not set differently, for example `[country, access]`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 5), extend("x-kubernetes-list-type" = "set"))]
    pub locked: Option<Vec<LockedDefault>>,
}

/// Namespaces whose Clients may name the Partner.
#[derive(Serialize, Deserialize, KubeSchema, Clone, Debug, PartialEq, Eq, Default)]
#[x_kube(validation = ("(has(self.from) && self.from == 'Selector') == has(self.selector)", "set `selector` if and only if `from` is `Selector`"))]
#[serde(rename_all = "camelCase")]
pub struct AllowedNamespaces {
    /// `Same`, `All` or `Selector`; default: `Same`, the Partner's own namespace.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<NamespacesFrom>,
    /// Labels that a namespace must carry, with `from: Selector` only, for example `{matchLabels: {team: msp}}`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub selector: Option<LabelSelector>,
}

/// Which namespaces.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Copy, Debug, PartialEq, Eq, Default)]
// Empty, so that each field of this type keeps the sentence of its own.
#[schemars(description = "")]
pub enum NamespacesFrom {
    /// The Partner's own namespace.
    #[default]
    Same,
    /// Every namespace.
    All,
    /// Namespaces with the selector's labels.
    Selector,
}

/// Labels that a namespace must carry.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, PartialEq, Eq, Default)]
#[serde(rename_all = "camelCase")]
pub struct LabelSelector {
    /// Labels with their values, all of which the namespace must carry, for example `{team: msp}`.
    #[schemars(extend("maxProperties" = 16, "minProperties" = 1, "additionalProperties" = {"type": "string", "maxLength": 63}))]
    pub match_labels: BTreeMap<String, String>,
}

/// What a Client gets that leaves it out.
#[derive(Serialize, Deserialize, KubeSchema, Clone, Debug, PartialEq, Eq, Default)]
#[serde(rename_all = "camelCase")]
pub struct ClientDefaults {
    /// IANA name of the time zone for Clients that name none, for example `Europe/Berlin`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 64))]
    pub timezone: Option<String>,
    /// Country for Clients that name none, by its English name or three-letter code, for example `Germany`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 64))]
    pub country: Option<String>,
    /// Packages for Clients that name none, for example `[EventAndIncidentManagement]`; never more than the Partner has.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 3), extend("x-kubernetes-list-type" = "set"))]
    pub packages: Option<Vec<Package>>,
    /// Add-ons for Clients that name none, for example `[SLAManagement]`; each needs its package.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 17), extend("x-kubernetes-list-type" = "set"))]
    pub add_ons: Option<Vec<AddOn>>,
    /// Access settings for Clients that leave them out, setting by setting, for example
    /// `{twoFactorAuthentication: true}`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub access: Option<ClientAccess>,
}
