//! What a Partner says about its Clients.

use std::collections::BTreeMap;

use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tenantry_catalog::{AddOn, Package};

use super::{ClientAccess, LockedDefault};

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
    #[schemars(length(max = 5))]
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
#[derive(Serialize, Deserialize, KubeSchema, Clone, Debug, PartialEq, Eq, Default)]
#[x_kube(validation = ("has(self.matchLabels) || has(self.matchExpressions)", "set `matchLabels`, `matchExpressions` or both"))]
#[serde(rename_all = "camelCase")]
pub struct LabelSelector {
    /// Labels with their values, all of which the namespace must carry, for example `{team: msp}`.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(extend("maxProperties" = 16, "minProperties" = 1, "additionalProperties" = {"type": "string", "maxLength": 63}))]
    pub match_labels: BTreeMap<String, String>,
    /// Requirements on labels, all of which the namespace must meet, for example
    /// `[{key: team, operator: In, values: [msp, noc]}]`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(min = 1, max = 16))]
    pub match_expressions: Vec<LabelRequirement>,
}

impl LabelSelector {
    /// Whether labels meet all that is asked for. A selector that asks for nothing selects nothing.
    pub fn matches(&self, labels: &BTreeMap<String, String>) -> bool {
        let Self { match_labels, match_expressions } = self;
        let asks = !match_labels.is_empty() || !match_expressions.is_empty();
        asks && match_labels.iter().all(|(key, value)| labels.get(key) == Some(value))
            && match_expressions.iter().all(|requirement| requirement.is_satisfied_by(labels))
    }
}

/// A requirement on one label of a namespace.
#[derive(Serialize, Deserialize, KubeSchema, Clone, Debug, PartialEq, Eq)]
#[x_kube(validation = ("self.operator in ['In', 'NotIn'] ? has(self.values) && size(self.values) > 0 : !has(self.values) || size(self.values) == 0", "set `values` with `In` and `NotIn`, and leave it out with `Exists` and `DoesNotExist`"))]
#[serde(rename_all = "camelCase")]
pub struct LabelRequirement {
    /// Key of the label, for example `team`.
    #[schemars(length(min = 1, max = 317))]
    pub key: String,
    /// `In`, `NotIn`, `Exists` or `DoesNotExist`.
    pub operator: LabelOperator,
    /// Values that the label must have with `In`, and must not have with `NotIn`, for example `[msp, noc]`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16), inner(length(max = 63)))]
    pub values: Vec<String>,
}

impl LabelRequirement {
    /// As Kubernetes reads it: `NotIn` holds for a namespace without the label too.
    fn is_satisfied_by(&self, labels: &BTreeMap<String, String>) -> bool {
        let Self { key, operator, values } = self;
        let value = labels.get(key);
        match operator {
            LabelOperator::In => value.is_some_and(|value| values.contains(value)),
            LabelOperator::NotIn => value.is_none_or(|value| !values.contains(value)),
            LabelOperator::Exists => value.is_some(),
            LabelOperator::DoesNotExist => value.is_none(),
        }
    }
}

/// How a label is compared.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Copy, Debug, PartialEq, Eq)]
// Empty, so that the field of this type keeps the sentence of its own.
#[schemars(description = "")]
pub enum LabelOperator {
    /// The label is there with one of the values.
    In,
    /// The label is not there, or has none of the values.
    NotIn,
    /// The label is there.
    Exists,
    /// The label is not there.
    DoesNotExist,
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
    /// `HybridDiscoveryAndMonitoring` is always added.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 3))]
    pub packages: Option<Vec<Package>>,
    /// Add-ons for Clients that name none, for example `[SLAManagement]`; each needs its package. `LogManagement`, `TraceManagement`,
    /// `OSServiceStartStopActions`, `SMSAndVoice`, `ProcessAutomation` and `ApplicationPatchManagement` only say what the
    /// tenant has: what they do is done elsewhere.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 17))]
    pub add_ons: Option<Vec<AddOn>>,
    /// Access settings for Clients that leave them out, setting by setting, for example
    /// `{twoFactorAuthentication: true}`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub access: Option<ClientAccess>,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is_selected(selector: &str, labels: &[(&str, &str)]) -> bool {
        let selector: LabelSelector = serde_json::from_str(selector).unwrap();
        let labels = labels.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
        selector.matches(&labels)
    }

    #[test]
    fn of_two_labels_one_that_fits_is_not_enough() {
        let both = r#"{"matchLabels": {"team": "msp", "tier": "gold"}}"#;
        assert!(is_selected(both, &[("team", "msp"), ("tier", "gold"), ("other", "x")]));
        for labels in [&[("team", "msp")][..], &[("tier", "gold")], &[("team", "msp"), ("tier", "iron")], &[]] {
            assert!(!is_selected(both, labels), "{labels:?}");
        }
    }

    #[test]
    fn requirements_are_read_as_kubernetes_reads_them_and_all_must_be_met() {
        for (operator, values, missing, msp, noc) in [
            ("In", r#", "values": ["msp"]"#, false, true, false),
            ("NotIn", r#", "values": ["msp"]"#, true, false, true),
            ("Exists", "", false, true, true),
            ("DoesNotExist", "", true, false, false),
        ] {
            let selector = format!(r#"{{"matchExpressions": [{{"key": "team", "operator": "{operator}"{values}}}]}}"#);
            let found = [&[][..], &[("team", "msp")], &[("team", "noc")]].map(|labels| is_selected(&selector, labels));
            assert_eq!(found, [missing, msp, noc], "{operator}");
        }
        let both = r#"{"matchLabels": {"tier": "gold"}, "matchExpressions": [{"key": "team", "operator": "Exists"}]}"#;
        assert!(is_selected(both, &[("team", "x"), ("tier", "gold")]));
        assert!(!is_selected(both, &[("team", "x")]) && !is_selected(both, &[("tier", "gold")]));
        assert!(!is_selected("{}", &[("team", "x")]), "a selector that asks for nothing selects nothing");
    }
}
