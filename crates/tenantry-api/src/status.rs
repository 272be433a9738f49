//! What the operator reports; both kinds share it.

use std::collections::BTreeMap;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What the operator last saw and did.
#[derive(Serialize, Deserialize, KubeSchema, Clone, Debug, PartialEq, Default)]
#[serde(rename_all = "camelCase")]
pub struct TenantStatus {
    /// Generation of the spec that this status speaks of; default: -1, nothing seen yet.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// Installation of the operator that manages the object, as namespace and name of its Lease, for example
    /// `tenantry-system/tenantry-operator`; no other writes anything. The annotation `tenantry.dev/operator` names another.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub operator: Option<String>,
    /// Id of the tenant on the platform, set once and for ever, for example `client_93`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unique_id: Option<String>,
    /// Number of the tenant's account on the platform, for example `93`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub account_id: Option<String>,
    /// Address of the tenant's console, for example `https://acme.app.platform.example`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
    /// Address of the tenant's API, derived from the application server, for example `acme.api.platform.example`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub api_endpoint: Option<String>,
    /// When the platform created the tenant, for example `2026-11-22T09:30:00Z`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub created_time: Option<String>,
    /// Where the tenant is in its life, for people, for example `Active`; programs read the conditions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub phase: Option<TenantPhase>,
    /// Every managed setting with its value and where the value comes from.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["path".into()]))]
    pub effective: Vec<EffectiveSetting>,
    /// Modules that the tenant's packages bring, for example `Service Desk`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub modules: Vec<String>,
    /// Menus and permission sets that the tenant does not have because a package is missing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unavailable: Option<UnavailableStatus>,
    /// What waits to be done, while it waits for approval; approve it by its hash.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub plan: Option<PlanStatus>,
    /// Settings that differ on the platform from what is declared.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["path".into()]))]
    pub drift: Vec<DriftStatus>,
    /// Declared settings that this platform cannot hold, by path, for example `details.notificationEmail`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub unsupported: Vec<String>,
    /// Security settings that were declared and no longer are, with what stays in force on the platform.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["path".into()]))]
    pub no_longer_managed: Vec<UnmanagedSetting>,
    /// Images that differ from what is recommended and are used all the same, for example "`branding.logo` is 600 x 64
    /// pixels and 900 bytes, recommended are a height of 512 and a width of at most 512 and less than 10000 bytes".
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub image_advice: Vec<String>,
    /// What the platform answers and this release does not understand, by path; it is kept and never removed.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["path".into()]))]
    pub unknown: Vec<UnknownValue>,
    /// The platform account that the tenant was found or made with; another one is refused.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub connection: Option<ConnectionStatus>,
    /// How far a termination has come, and how to confirm one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub termination: Option<TerminationStatus>,
    /// What was last written to the platform, as digests that reveal nothing about a secret.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub applied: Option<AppliedSettings>,
    /// How many clients a Partner has; absent on a Client.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub clients: Option<ClientCounts>,
    /// Last value of the annotation `tenantry.dev/reconcile-requested-at` that was acted on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_handled_reconcile_at: Option<String>,
    /// The truth for programs: `Ready`, `InSync`, `CredentialsValid`, `ReferencesResolved`, and others while they are True.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["type".into()]))]
    pub conditions: Vec<Condition>,
}

/// State that a manifest asks for.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Copy, Debug, PartialEq, Eq)]
// Empty, so that each field of this type keeps the sentence of its own.
#[schemars(description = "")]
pub enum TenantState {
    /// In service.
    Active,
    /// Stopped; can be activated again.
    Suspended,
}

impl TenantState {
    /// The name people write.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Active => "Active",
            Self::Suspended => "Suspended",
        }
    }
}

/// Where a tenant is in its life.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Copy, Debug, PartialEq, Eq)]
// Empty, so that each field of this type keeps the sentence of its own.
#[schemars(description = "")]
pub enum TenantPhase {
    /// Not yet on the platform.
    Pending,
    /// In service.
    Active,
    /// Stopped.
    Suspended,
    /// About to be ended.
    Terminating,
    /// Ended.
    Terminated,
}

/// A managed setting.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct EffectiveSetting {
    /// Path of the setting in the spec, for example `details.timezone`.
    pub path: String,
    /// The value as JSON in a string, for example `"Europe/Berlin"`; an image is its digest, and of a secret it is Secret, key
    /// and `resourceVersion`, as `"duo/secretKey@1234"`; a value of more than 8 KiB is shown as its size and digest.
    pub value: String,
    /// Who says so: `Spec`, `PartnerDefault` or `Platform`, for example `PartnerDefault`.
    pub source: String,
}

/// What a tenant does not have.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, PartialEq, Eq, Default)]
#[serde(rename_all = "camelCase")]
pub struct UnavailableStatus {
    /// Menu entries that do not show, for example `Setup > Alerts`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub menus: Vec<String>,
    /// Permission sets that cannot be granted, for example `Change Request`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub permission_sets: Vec<String>,
}

/// What waits to be done.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, PartialEq, Eq, Default)]
#[serde(rename_all = "camelCase")]
pub struct PlanStatus {
    /// What to copy into `management.approval.approvedPlan`, for example `sha256:9f86d081...`; any change of the tenant or
    /// of the spec makes another.
    pub hash: String,
    /// The steps in order, in words, for example `update details.city from "Bonn" to "Berlin"`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub steps: Vec<String>,
}

/// A setting that differs.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct DriftStatus {
    /// Path of the differing setting in the spec, for example `details.city`.
    pub path: String,
    /// The declared value as JSON in a string, for example `"Berlin"`.
    pub desired: String,
    /// The platform's value as JSON in a string, for example `"Munich"`.
    pub observed: String,
    /// When the difference was first seen, for example `2026-11-22T09:30:00Z`.
    pub since: String,
}

/// A security setting that was declared and no longer is.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct UnmanagedSetting {
    /// Path that the setting had in the spec, for example `security.access.allowedIPs`.
    pub path: String,
    /// What stays in force, as JSON in a string and cut where it is long, for example `["198.51.100.0/24"]`.
    pub value: String,
}

/// What the platform answers for a setting and this release does not understand.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, PartialEq, Eq, Default)]
#[serde(rename_all = "camelCase")]
pub struct UnknownValue {
    /// Path of the setting in the spec, for example `addOns`; `tenantState` for the state of the tenant.
    pub path: String,
    /// The words of the platform that this release does not know, for example `Synthetic Monitoring`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub values: Vec<String>,
    /// Why the value cannot be read, for example "`city` is an object where a text is documented".
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
}

/// The platform account of a tenant.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, PartialEq, Eq, Default)]
#[serde(rename_all = "camelCase")]
pub struct ConnectionStatus {
    /// Host and port of the platform, for example `api.platform.example`.
    pub host: String,
    /// Tenant that the credential belongs to, for example `sp_1`.
    pub tenant_id: String,
    /// Tenant under which this one was made, for example `msp_92`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parent_id: Option<String>,
    /// Whether the platform said that it has Tenantry's extensions, for example `true`. One that had them and says so no
    /// longer is not written to: something on the way may hide it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub extensions: Option<bool>,
}

/// What was last written.
#[derive(Serialize, Deserialize, KubeSchema, Clone, Debug, PartialEq, Eq, Default)]
#[serde(rename_all = "camelCase")]
pub struct AppliedSettings {
    /// Digest over all settings last applied, for example `sha256:9f86d081884c7d65`.
    pub digest: String,
    /// Revision of the tenant at which all of them were last found on the platform, for example `1795334400123`: while the
    /// tenant still has it, nobody has changed anything. Absent: something differed, or the platform does not count.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revision: Option<i64>,
    /// Settings that the platform never shows again, each as an HMAC of what was last written, whose key only the operator
    /// has.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["path".into()]))]
    pub write_only: Vec<WriteOnlySetting>,
    /// Settings that the platform keeps in a form of its own, which it showed after they were written.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["path".into()]))]
    pub normalised: Vec<NormalisedSetting>,
    /// Whether the operator suspended the tenant, so that it may activate it again, for example `true`; absent: it did
    /// not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub suspended: Option<bool>,
    /// How often the mark was written without the platform showing it since, for example `2`: from then on the platform
    /// counts as one that keeps no mark of this object. Absent: it shows the mark.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub marks: Option<i64>,
}

/// A setting that the platform never shows again.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct WriteOnlySetting {
    /// Path of the write-only setting in the spec, for example `security.access.duo.secretKeySecretRef`.
    pub path: String,
    /// HMAC of the value last written, for example `hmac-sha256:9f86d081884c7d65`; `unkeyed` where the operator had no key.
    pub digest: String,
}

/// A setting that the platform keeps in a form of its own.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct NormalisedSetting {
    /// Path of the normalised setting in the spec, for example `details.phone.number`.
    pub path: String,
    /// The value that was written, as JSON in a string, for example `"555-0100"`.
    pub declared: String,
    /// The platform's form of it as JSON in a string, for example `"5550100"`; while it shows this, nothing is written.
    pub shown: String,
}

/// How many clients a Partner has.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, PartialEq, Eq, Default)]
#[serde(rename_all = "camelCase")]
pub struct ClientCounts {
    /// Client objects that name this Partner, for example `12`.
    pub declared: i64,
    /// Clients that live on the platform under this partner, for example `14`.
    pub live: i64,
    /// Live clients that no object claims, for example `2`.
    pub unmanaged: i64,
}

/// How far a termination has come.
#[derive(Serialize, Deserialize, KubeSchema, Clone, Debug, PartialEq, Eq, Default)]
#[serde(rename_all = "camelCase")]
pub struct TerminationStatus {
    /// Last step that was done, for example `Suspended`; absent before the confirmation was accepted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub step: Option<TerminationStep>,
    /// When the confirmation was accepted, for example `2026-11-22T09:30:00Z`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub confirmed_at: Option<String>,
    /// Digest of the accepted confirmation and the object's UID, for example `sha256:9f86d081884c7d65`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub confirm_digest: Option<String>,
    /// Whether the operator suspended the tenant for the termination, so that a cancel activates it again, for example
    /// `true`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub suspended_by_us: Option<bool>,
    /// When the operator noted that it suspends the tenant once more, for example `2026-11-22T09:45:12.034517Z`; absent: the
    /// first suspension lasted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub suspending_at: Option<String>,
    /// When the grace period is over and the tenant is ended, for example `2026-11-23T09:30:00Z`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub purge_after: Option<String>,
    /// ConfigMap (`namespace/name`) that keeps what the tenant was and who consented, written before it is ended, for
    /// example `tenantry-system/terminated-6b4a5f03-7d49-4915-9792-2d964806cbd1`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub evidence: Option<String>,
    /// When the operator last wrote that it is about to send the call that ends the tenant, for example
    /// `2026-11-23T09:30:02.034517Z`; the call is sent only on the object as this write left it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub terminating_at: Option<String>,
    /// When the call that ends the tenant was sent, for example `2026-11-23T09:30:03Z`; absent: no call is known to have been
    /// sent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub called_at: Option<String>,
    /// When the platform took the call that ends the tenant, for example `2026-11-23T09:30:04Z`; from then on the tenant is
    /// only read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub accepted_at: Option<String>,
    /// When a cancel was noticed after the call that ends the tenant may have been sent, for example
    /// `2026-11-23T09:30:05Z`; a minute later it shows whether it came in time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cancelled_at: Option<String>,
    /// What the termination would erase or has erased, counted on the platform, for example `{clients: 3}`.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub impact: BTreeMap<String, i64>,
    /// The block to paste under `spec` as consent, with the tenant's own name and id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub how_to_confirm: Option<String>,
}

/// Step of a termination.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Copy, Debug, PartialEq, Eq)]
// Empty, so that each field of this type keeps the sentence of its own.
#[schemars(description = "")]
pub enum TerminationStep {
    /// The confirmation was accepted; the tenant is about to be suspended.
    Confirmed,
    /// The tenant is suspended and the grace period runs.
    Suspended,
    /// The call that ends the tenant is about to be made or was made.
    Terminating,
    /// The tenant is gone.
    Terminated,
}
