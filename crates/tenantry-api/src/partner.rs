//! The kind Partner.

use kube::{CustomResource, KubeSchema};
use serde::{Deserialize, Serialize};
use tenantry_catalog::{AddOn, Package};

use super::{
    Adoption, BrandingSpec, Clients, Deletion, HandOver, Management, PartnerDetails, PartnerSecurity, SecretRef,
    TenantState, TenantStatus,
};

/// A partner (managed service provider) on the platform.
#[derive(CustomResource, KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq, Default)]
#[kube(
    group = "tenantry.dev",
    version = "v1alpha1",
    kind = "Partner",
    namespaced,
    status = "TenantStatus",
    derive = "PartialEq",
    derive = "Default",
    category = "tenantry",
    shortname = "msp",
    selectable = ".status.phase",
    selectable = ".status.uniqueId",
    doc = "A partner (managed service provider, `msp` on the wire) of the service provider: a tenant that has clients.",
    validation = Rule::new("!has(oldSelf.status) || !has(oldSelf.status.uniqueId) || (has(self.spec.adoption) && has(self.spec.adoption.uniqueId) ? self.spec.adoption.uniqueId : oldSelf.status.uniqueId) == oldSelf.status.uniqueId").message("`adoption.uniqueId` differs from `status.uniqueId`: an object stays with its tenant; create another object for the other one"),
    printcolumn(name = "Ready", type_ = "string", json_path = r#".status.conditions[?(@.type=="Ready")].status"#),
    printcolumn(name = "Reason", type_ = "string", json_path = r#".status.conditions[?(@.type=="Ready")].reason"#),
    printcolumn(name = "Paused", type_ = "string", json_path = r#".status.conditions[?(@.type=="Paused")].status"#),
    printcolumn(name = "Status", type_ = "string", json_path = ".status.phase"),
    printcolumn(name = "Tenant", type_ = "string", json_path = ".spec.details.name"),
    printcolumn(name = "Unique-Id", type_ = "string", json_path = ".status.uniqueId"),
    printcolumn(name = "Created", type_ = "string", json_path = ".status.createdTime"),
    printcolumn(name = "On-Delete", type_ = "string", json_path = ".spec.deletion.policy"),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp"),
    printcolumn(
        name = "In-Sync",
        type_ = "string",
        json_path = r#".status.conditions[?(@.type=="InSync")].status"#,
        priority = 1
    ),
    printcolumn(
        name = "Message",
        type_ = "string",
        json_path = r#".status.conditions[?(@.type=="Ready")].message"#,
        priority = 1
    )
)]
#[x_kube(validation = Rule::new("!has(self.addOns) || (has(self.packages) && 'EventAndIncidentManagement' in self.packages) || !self.addOns.exists(a, a in ['AlertProblemArea','KnowledgeBaseManagement','OSServiceStartStopActions','ScheduledTaskManagement','SLAManagement','SMSAndVoice'])").message("without the package `EventAndIncidentManagement`: add it to `packages` or remove the add-on").field_path(".addOns").reason(kube::core::Reason::FieldValueInvalid))]
#[x_kube(validation = Rule::new("!has(self.addOns) || (has(self.packages) && 'RemediationAndAutomation' in self.packages) || !self.addOns.exists(a, a in ['ProcessAutomation','RemoteAccessManagement','ApplicationPatchManagement'])").message("without the package `RemediationAndAutomation`: add it to `packages` or remove the add-on").field_path(".addOns").reason(kube::core::Reason::FieldValueInvalid))]
#[x_kube(validation = Rule::new("!has(self.management) || !has(self.management.mode) || self.management.mode != 'Observe' || (has(self.adoption) && has(self.adoption.uniqueId))").message("`Observe` needs to know which tenant: set `adoption.uniqueId`").field_path(".management.mode").reason(kube::core::Reason::FieldValueInvalid))]
#[x_kube(validation = Rule::new("!has(self.adoption) || !has(self.adoption.uniqueId) || (has(self.adoption.policy) && self.adoption.policy != 'Never') || (has(self.management) && has(self.management.mode) && self.management.mode == 'Observe')").message("`adoption.uniqueId` with policy `Never` only makes sense with `management.mode: Observe`: set `policy` to `IfIdentical` or `Adopt`, or remove the id").field_path(".adoption.uniqueId").reason(kube::core::Reason::FieldValueInvalid))]
#[serde(rename_all = "camelCase")]
pub struct PartnerSpec {
    /// Secret with the connection to the platform: `url`, `tenantId` (the service provider's), `clientId`,
    /// `clientSecret`, optional `ca.crt`; default: the operator's own connection, where this namespace may use it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub connection_secret_ref: Option<SecretRef>,
    /// Who the partner is and where it is reached, for example `{name: Acme Managed Services}`.
    pub details: PartnerDetails,
    /// Packages the partner subscribes to, for example `[EventAndIncidentManagement]`; `HybridDiscoveryAndMonitoring` is
    /// always added. Left out: a new partner gets that one, afterwards packages are not managed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 3))]
    pub packages: Option<Vec<Package>>,
    /// Add-ons of those packages, for example `[SLAManagement]`; an empty list removes all, left out: not managed.
    /// `LogManagement`, `TraceManagement`,
    /// `OSServiceStartStopActions`, `SMSAndVoice`, `ProcessAutomation` and `ApplicationPatchManagement` only say what the
    /// tenant has: what they do is done elsewhere.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 17))]
    pub add_ons: Option<Vec<AddOn>>,
    /// Access management and password policy, for example `{access: {twoFactorAuthentication: true}}`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub security: Option<PartnerSecurity>,
    /// Theme of the console and its login page, for example `{websiteTitle: Acme Console}`; clients without their own
    /// show it too.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub branding: Option<BrandingSpec>,
    /// Which namespaces' Clients may name this Partner, and what they get that they leave out, for example
    /// `{defaults: {country: Germany}}`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub clients: Option<Clients>,
    /// `Active` or `Suspended`; left out: a new partner is active, afterwards its state is not managed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tenant_state: Option<TenantState>,
    /// Taking over a tenant that exists already, for example `{policy: IfIdentical, uniqueId: msp_92}`; default: never.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub adoption: Option<Adoption>,
    /// Object of the same kind that takes this object's tenant over by `adoption.uniqueId`, for example
    /// `{namespace: acme-eu, name: acme}`; from then on this object writes nothing, and deleting it leaves the tenant
    /// alone. Only a Partner without Clients can be handed over.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hand_over: Option<HandOver>,
    /// Whether the operator writes, and what it asks before, for example `{drift: Report}`; default: it keeps the tenant
    /// as declared.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub management: Option<Management>,
    /// What happens to the partner on the platform when this object is deleted; default: it stays.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deletion: Option<Deletion>,
}
