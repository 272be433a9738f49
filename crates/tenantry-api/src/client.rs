//! The kind Client. Its Rust type is `TenantClient`, so that it never shadows `kube::Client`.

use kube::{CustomResource, KubeSchema};
use serde::{Deserialize, Serialize};
use tenantry_catalog::{AddOn, Package};

use super::{
    Adoption, BrandingSpec, ClientDetails, ClientSecurity, Deletion, HandOver, Management, PartnerRef, SecretRef,
    TenantState, TenantStatus,
};

/// A client of a partner on the platform.
#[derive(CustomResource, KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq, Default)]
#[kube(
    group = "tenantry.dev",
    version = "v1alpha1",
    kind = "Client",
    root = "TenantClient",
    namespaced,
    status = "TenantStatus",
    derive = "PartialEq",
    derive = "Default",
    category = "tenantry",
    shortname = "tclient",
    selectable = ".status.phase",
    selectable = ".status.uniqueId",
    selectable = ".spec.partnerRef.name",
    doc = "A client of a partner: the end customer's own tenant, with its own users.",
    validation = Rule::new("!has(oldSelf.status) || !has(oldSelf.status.uniqueId) || (has(self.spec.adoption) && has(self.spec.adoption.uniqueId) ? self.spec.adoption.uniqueId : oldSelf.status.uniqueId) == oldSelf.status.uniqueId").message("`adoption.uniqueId` differs from `status.uniqueId`: an object stays with its tenant; create another object for the other one"),
    printcolumn(name = "Ready", type_ = "string", json_path = r#".status.conditions[?(@.type=="Ready")].status"#),
    printcolumn(name = "Reason", type_ = "string", json_path = r#".status.conditions[?(@.type=="Ready")].reason"#),
    printcolumn(name = "Paused", type_ = "string", json_path = r#".status.conditions[?(@.type=="Paused")].status"#),
    printcolumn(name = "Status", type_ = "string", json_path = ".status.phase"),
    printcolumn(name = "Tenant", type_ = "string", json_path = ".spec.details.name"),
    printcolumn(name = "Unique-Id", type_ = "string", json_path = ".status.uniqueId"),
    printcolumn(name = "Created", type_ = "string", json_path = ".status.createdTime"),
    printcolumn(name = "Partner", type_ = "string", json_path = ".spec.partnerRef.name"),
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
#[x_kube(validation = ("has(self.partnerRef) != has(self.partnerUniqueId)", "set exactly one of `partnerRef` and `partnerUniqueId`"))]
#[x_kube(validation = Rule::new("!has(self.partnerUniqueId) || has(self.connectionSecretRef)").message("with `partnerUniqueId` there is no Partner object to take the connection from: set `connectionSecretRef` too").field_path(".connectionSecretRef").reason(kube::core::Reason::FieldValueRequired))]
#[x_kube(validation = ("has(self.partnerRef) == has(oldSelf.partnerRef) && (!has(self.partnerRef) || self.partnerRef == oldSelf.partnerRef)", "`partnerRef` cannot be changed: a client stays with its partner; create another Client object instead"))]
#[x_kube(validation = ("has(self.partnerUniqueId) == has(oldSelf.partnerUniqueId) && (!has(self.partnerUniqueId) || self.partnerUniqueId == oldSelf.partnerUniqueId)", "`partnerUniqueId` cannot be changed: a client stays with its partner; create another Client object instead"))]
#[x_kube(validation = Rule::new("!has(self.packages) || !has(self.addOns) || 'EventAndIncidentManagement' in self.packages || !self.addOns.exists(a, a in ['AlertProblemArea','KnowledgeBaseManagement','OSServiceStartStopActions','ScheduledTaskManagement','SLAManagement','SMSAndVoice'])").message("without the package `EventAndIncidentManagement`: add it to `packages` or remove the add-on").field_path(".addOns").reason(kube::core::Reason::FieldValueInvalid))]
#[x_kube(validation = Rule::new("!has(self.packages) || !has(self.addOns) || 'RemediationAndAutomation' in self.packages || !self.addOns.exists(a, a in ['ProcessAutomation','RemoteAccessManagement','ApplicationPatchManagement'])").message("without the package `RemediationAndAutomation`: add it to `packages` or remove the add-on").field_path(".addOns").reason(kube::core::Reason::FieldValueInvalid))]
#[x_kube(validation = Rule::new("!has(self.management) || !has(self.management.mode) || self.management.mode != 'Observe' || (has(self.adoption) && has(self.adoption.uniqueId))").message("`Observe` needs to know which tenant: set `adoption.uniqueId`").field_path(".management.mode").reason(kube::core::Reason::FieldValueInvalid))]
#[x_kube(validation = Rule::new("!has(self.adoption) || !has(self.adoption.uniqueId) || (has(self.adoption.policy) && self.adoption.policy != 'Never') || (has(self.management) && has(self.management.mode) && self.management.mode == 'Observe')").message("`adoption.uniqueId` with policy `Never` only makes sense with `management.mode: Observe`: set `policy` to `IfIdentical` or `Adopt`, or remove the id").field_path(".adoption.uniqueId").reason(kube::core::Reason::FieldValueInvalid))]
#[x_kube(validation = Rule::new("!has(self.addOns) || !has(self.details.smsVoiceNotification) || !self.details.smsVoiceNotification || 'SMSAndVoice' in self.addOns || (oldSelf.hasValue() && has(oldSelf.value().addOns) && !('SMSAndVoice' in oldSelf.value().addOns) && has(oldSelf.value().details.smsVoiceNotification) && oldSelf.value().details.smsVoiceNotification)").optional_old_self(true).message("`smsVoiceNotification` needs the add-on SMSAndVoice: add it to `addOns`, or set `smsVoiceNotification` to false").field_path(".details.smsVoiceNotification").reason(kube::core::Reason::FieldValueInvalid))]
#[x_kube(validation = Rule::new("!has(self.addOns) || !has(self.details.remoteAccess) || !self.details.remoteAccess || 'RemoteAccessManagement' in self.addOns || (oldSelf.hasValue() && has(oldSelf.value().addOns) && !('RemoteAccessManagement' in oldSelf.value().addOns) && has(oldSelf.value().details.remoteAccess) && oldSelf.value().details.remoteAccess)").optional_old_self(true).message("`remoteAccess` needs the add-on RemoteAccessManagement: add it to `addOns`, or set `remoteAccess` to false").field_path(".details.remoteAccess").reason(kube::core::Reason::FieldValueInvalid))]
#[serde(rename_all = "camelCase")]
pub struct ClientSpec {
    /// Secret with a connection of the client's own: `url`, `tenantId` (its partner's unique id), `clientId`,
    /// `clientSecret`, optional `ca.crt`; default: the Partner's connection.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub connection_secret_ref: Option<SecretRef>,
    /// The Partner object that the client belongs to, for example `{name: acme}`; cannot be changed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub partner_ref: Option<PartnerRef>,
    /// Unique id of a partner that has no Partner object, for example `msp_92`; cannot be changed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 64))]
    pub partner_unique_id: Option<String>,
    /// Who the client is and how it is served, for example `{name: Globex GmbH}`.
    pub details: ClientDetails,
    /// Packages the client subscribes to, never more than its partner's, for example `[EventAndIncidentManagement]`;
    /// `HybridDiscoveryAndMonitoring` is always added; default: the Partner's `clients.defaults.packages`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 3))]
    pub packages: Option<Vec<Package>>,
    /// Add-ons of those packages, never more than its partner's, for example `[SLAManagement]`; default: the Partner's
    /// `clients.defaults.addOns`; an empty list removes all. `LogManagement`, `TraceManagement`,
    /// `OSServiceStartStopActions`, `SMSAndVoice`, `ProcessAutomation` and `ApplicationPatchManagement` only say what the
    /// tenant has: what they do is done elsewhere.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 17))]
    pub add_ons: Option<Vec<AddOn>>,
    /// Access management of the client, for example `{access: {twoFactorAuthentication: true}}`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub security: Option<ClientSecurity>,
    /// Theme of the client's console, for example `{websiteTitle: Globex}`; default: each part as its partner's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub branding: Option<BrandingSpec>,
    /// `Active` or `Suspended`; left out: a new client is active, afterwards its state is not managed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tenant_state: Option<TenantState>,
    /// Taking over a tenant that exists already, for example `{policy: IfIdentical, uniqueId: client_93}`; default: never.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub adoption: Option<Adoption>,
    /// Object of the same kind that takes this object's tenant over by `adoption.uniqueId`, for example
    /// `{namespace: acme-eu, name: globex}`; from then on this object writes nothing, and deleting it leaves the tenant
    /// alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hand_over: Option<HandOver>,
    /// Whether the operator writes, and what it asks before, for example `{drift: Report}`; default: it keeps the tenant
    /// as declared.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub management: Option<Management>,
    /// What happens to the client on the platform when this object is deleted; default: it stays.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deletion: Option<Deletion>,
}
