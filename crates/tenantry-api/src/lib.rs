//! The custom resources: what people write, the rules the API server holds it to, and status.
//!
//! Doc comments of fields are what `kubectl explain` prints, so they speak to the person who edits YAML.
#![allow(unreachable_pub, reason = "the schema derive repeats each struct inside a function")]
#![allow(clippy::duplicated_attributes, reason = "two printer columns may well have the same type")]

mod branding;
mod client;
mod clients;
mod condition;
mod deletion;
mod details;
mod management;
pub mod names;
mod partner;
mod reference;
mod schema;
mod security;
mod status;

pub use branding::{BrandingSpec, ConfigMapKeyRef, ImageSource, LoginPage};
pub use client::{ClientSpec, TenantClient};
pub use clients::{
    AllowedNamespaces, ClientDefaults, Clients, LabelOperator, LabelRequirement, LabelSelector, NamespacesFrom,
};
pub use condition::{ConditionType, Reason};
pub use deletion::{Acknowledgement, Confirmation, Deletion, DeletionPolicy};
pub use details::{BusinessHours, ClientDetails, PartnerDetails, Phone, Weekday};
pub use management::{
    Adoption, AdoptionPolicy, Approval, ApprovalMode, DriftPolicy, HandOver, LockedDefault, Management, ManagementMode,
};
pub use names::{is_data_key, is_namespace_name, is_object_name};
pub use partner::{Partner, PartnerSpec};
pub use reference::{PartnerRef, SecretKeyRef, SecretRef};
pub use schema::crds;
pub use security::{
    ClientAccess, ClientSecurity, CustomPasswordPolicy, DuoSpec, PartnerAccess, PartnerSecurity, PasswordPolicySpec,
    PciDssPolicy,
};
pub use status::{
    AppliedSettings, ClientCounts, ConnectionStatus, DriftStatus, EffectiveSetting, NormalisedSetting, PlanStatus,
    TenantPhase, TenantState, TenantStatus, TerminationStatus, TerminationStep, UnavailableStatus, UnknownValue,
    UnmanagedSetting, WriteOnlySetting,
};

/// API group of both kinds.
pub const GROUP: &str = "tenantry.dev";
/// API version of both kinds.
pub const VERSION: &str = "v1alpha1";
/// Finalizer that holds an object until its tenant has been dealt with.
pub const FINALIZER: &str = "tenantry.dev/tenant";
/// Annotation with the intent of a create: object UID, nonce, parent id and the name that is sent.
pub const INTENT: &str = "tenantry.dev/intent";
/// Annotation that asks for a pass now; its value is acknowledged in `status.lastHandledReconcileAt`.
pub const RECONCILE_REQUESTED_AT: &str = "tenantry.dev/reconcile-requested-at";
/// Annotation that names the installation of the operator that is to manage the object, as `namespace/lease`.
pub const OPERATOR: &str = "tenantry.dev/operator";
/// Annotation that lets go of an object without touching its tenant: its value is the tenant's unique id, or `none`.
pub const ABANDON: &str = "tenantry.dev/abandon";
/// Label of a `ConfigMap` whose change wakes the objects that use their images.
pub const WATCH_LABEL: &str = "tenantry.dev/watch";
/// Label of a `Secret` whose keys objects may reference for more than the connection; its value is `true`.
pub const ALLOW_REFERENCE: &str = "tenantry.dev/allow-reference";
