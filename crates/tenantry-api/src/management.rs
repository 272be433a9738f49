//! How the operator treats a tenant: what it takes over, whether it writes, what it asks before it does.

use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Taking over a tenant that exists already.
#[derive(Serialize, Deserialize, KubeSchema, Clone, Debug, PartialEq, Eq, Default)]
#[x_kube(validation = ("!has(self.policy) || self.policy == 'Never' || has(self.uniqueId)", "nothing is adopted by name: set `uniqueId` to the id of the tenant to take over"))]
#[serde(rename_all = "camelCase")]
pub struct Adoption {
    /// `Never`, `IfIdentical` or `Adopt`; default: `Never`. With another policy than `Never` nothing is ever created.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub policy: Option<AdoptionPolicy>,
    /// Id of the tenant to take over or to observe, for example `client_93`; it never changes hands by name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 64))]
    pub unique_id: Option<String>,
    /// Owner in another cluster that the tenant is taken from, as `cluster/kind/namespace/name`, for example
    /// `prod-eu/Client/acme/globex`; the platform shows it as the tenant's `managedBy`. Setting it needs the verb
    /// `take-over`. An owner that lives in this cluster hands its tenant over itself, with `handOver`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 512))]
    pub take_from: Option<String>,
}

/// The object of the same kind that the tenant is handed over to.
#[derive(Serialize, Deserialize, KubeSchema, Clone, Debug, PartialEq, Eq, Default)]
#[serde(rename_all = "camelCase")]
pub struct HandOver {
    /// Namespace of the object that receives the tenant, for example `acme-eu`; default: this object's own namespace.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "super::names::namespace_name")]
    pub namespace: Option<String>,
    /// Name of the object that receives the tenant, for example `globex`; it names the tenant's id in
    /// `adoption.uniqueId`.
    #[schemars(schema_with = "super::names::object_name")]
    pub name: String,
}

/// When a tenant that exists already is taken over: `Never`, `IfIdentical` or `Adopt`; default: `Never`. With another
/// policy than `Never` nothing is ever created.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum AdoptionPolicy {
    /// Not at all.
    #[default]
    Never,
    /// Only where nothing declared differs, so that not one setting is written.
    IfIdentical,
    /// Each setting that differs is then written.
    Adopt,
}

/// How the operator treats a tenant.
#[derive(Serialize, Deserialize, KubeSchema, Clone, Debug, PartialEq, Eq, Default)]
#[serde(rename_all = "camelCase")]
pub struct Management {
    /// `Manage`, `Observe` or `Paused`; default: `Manage`. `Observe` only reads; `Paused` holds everything, a Suspend or
    /// Terminate at deletion too.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mode: Option<ManagementMode>,
    /// Until when the object is paused, for example `2026-12-01T12:00:00Z`: until then nothing is read, written or ended,
    /// and after it `mode` applies again by itself. With `mode: Paused` the pause has no end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("format" = "date-time"), length(max = 40))]
    pub paused_until: Option<String>,
    /// `Correct` or `Report`; default: `Correct`. With `Report` only what you edit is written, and what others change is
    /// shown in `status.drift`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub drift: Option<DriftPolicy>,
    /// Which plans wait for you, for example `{mode: ManualIfRisky}`; deletion has its own confirmation.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub approval: Option<Approval>,
}

/// What the operator does with the tenant: `Manage`, `Observe` or `Paused`; default: `Manage`. `Observe` only reads;
/// `Paused` holds everything, a Suspend or Terminate at deletion too.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum ManagementMode {
    /// Keeps it as declared.
    #[default]
    Manage,
    /// Reads it and writes nothing.
    Observe,
    /// Does nothing for now.
    Paused,
}

/// What happens to a setting that somebody else changed: `Correct` or `Report`; default: `Correct`. With `Report` only
/// what you edit is written, and what others change is shown in `status.drift`.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum DriftPolicy {
    /// It is put right.
    #[default]
    Correct,
    /// It is reported.
    Report,
}

/// Which plans wait for approval.
#[derive(Serialize, Deserialize, KubeSchema, Clone, Debug, PartialEq, Eq, Default)]
#[serde(rename_all = "camelCase")]
pub struct Approval {
    /// `Automatic`, `ManualIfRisky` or `Manual`; default: `Automatic`. Risky is what interrupts people: suspending,
    /// renaming, removing a package, an IP rule, the password policy.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mode: Option<ApprovalMode>,
    /// Hash of the plan that you approve, copied from `status.plan.hash`, for example `sha256:9f86d081...`; a plan that
    /// has changed since needs a new one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 80))]
    #[x_kube(validation = ("self.matches('^(sha256:[0-9a-f]{64})?$')", "copy the hash from `status.plan.hash`, with `sha256:` in front"))]
    pub approved_plan: Option<String>,
}

/// Which plans wait for approval: `Automatic`, `ManualIfRisky` or `Manual`; default: `Automatic`. Risky is what
/// interrupts people: suspending, renaming, removing a package, an IP rule, the password policy.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum ApprovalMode {
    /// None.
    #[default]
    Automatic,
    /// Those that interrupt people.
    ManualIfRisky,
    /// All, creates too.
    Manual,
}

/// A default that Clients may not set differently.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[serde(rename_all = "camelCase")]
pub enum LockedDefault {
    /// `clients.defaults.timezone`.
    Timezone,
    /// `clients.defaults.country`.
    Country,
    /// `clients.defaults.packages`.
    Packages,
    /// `clients.defaults.addOns`.
    AddOns,
    /// Every setting of `clients.defaults.access`.
    Access,
}
