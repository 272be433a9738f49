//! Objects of the cluster as tenants: what Partner and Client have in common, and every decision about them that the
//! operator and the plugin must make in the same way. Reads and writes nothing.

mod applied_settings;
mod declared_edits;
mod desired_tenant;
mod error_outcome;
mod name_conflict;
mod owner_search;
mod ownership;
mod parsed_object;
mod reference_checks;
mod reference_names;
mod secret;
mod status_limits;
mod unmanaged_settings;

use std::fmt::Debug;

use jiff::Timestamp;
use k8s_openapi::NamespaceResourceScope;
use kube::{Resource, ResourceExt};
use serde::{Serialize, de::DeserializeOwned};
use tenantry_api::{
    Adoption, AdoptionPolicy, BrandingSpec, ClientAccess, ConditionType, ConfigMapKeyRef, Deletion, DeletionPolicy,
    DriftPolicy, FINALIZER, HandOver, INTENT, ImageSource, Management, ManagementMode, OPERATOR, Partner, SecretKeyRef,
    TenantClient, TenantState, TenantStatus,
};
use tenantry_wire::Mark;

use crate::{
    DeclaredSettings, Intent, InvalidSetting, Pause, ResolvedReferences, TenantKind, client_settings, partner_settings,
};

pub use applied_settings::{
    TENANT_STATE_PATH, applied_images, applied_secrets, effective_settings, settings_digest, unknown_values,
    was_applied_without_add_on, write_record,
};
pub use declared_edits::{edited_paths, restrict_to_edits};
pub use desired_tenant::{SpecSources, ensure_no_used_package_dropped, resolve_desired_tenant};
pub use error_outcome::{find_misspelt_value, invalid_settings_outcome};
pub use name_conflict::name_taken_outcome;
pub use owner_search::{
    ObjectName, OwnerSearchScope, RequestedTenant, ensure_not_handed_over, hand_over_target, has_adopted,
    judge_hand_over, other_namespace_outcome,
};
pub use ownership::{
    RecordedOwnership, adoption_target_missing_outcome, check_recorded_tenant, ensure_not_foreign,
    is_adoption_recorded, tenant_handed_over_outcome, tenant_missing_outcome,
};
pub use parsed_object::{NotUnderstoodObject, ParsedObject, UnderstoodObject, UnknownMember, restore_unknown_members};
pub use reference_checks::{
    NamespacePermission, check_connection_tenant, check_own_connection, check_pinned_connection, connection_secret,
    digest_references, ensure_extensions_not_hidden, ensure_partner_not_deleting, ensure_partner_not_suspended,
    namespace_not_allowed_outcome, namespace_permission, partner_id_not_allowed_outcome, partner_not_found_outcome,
    partner_not_understood_outcome, partners_of_tenant, resolve_place,
};
pub use reference_names::ensure_valid_reference_names;
pub use secret::SecretSnapshot;
pub use status_limits::fit_status_to_limits;
pub use unmanaged_settings::{find_unmanaged_settings, unmanaged_setting_advice};

/// Name of the Lease that records the leading operator.
pub const LEASE_NAME: &str = "tenantry-operator";

/// The parent of a tenant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ParentRef {
    /// The service provider: the tenant of the credential.
    Provider,
    /// A Partner object, by namespace and name.
    Object(String, String),
    /// A partner without an object, by its id.
    Id(String),
}

/// A custom resource that declares a tenant.
pub trait TenantResource:
    Resource<DynamicType = (), Scope = NamespaceResourceScope>
    + Clone
    + Debug
    + DeserializeOwned
    + Serialize
    + Send
    + Sync
    + 'static
{
    /// Kind of the tenant.
    const KIND: TenantKind;

    /// Returns the status, if one was ever written.
    fn status(&self) -> Option<&TenantStatus>;
    /// Returns the status of a copy that is changed only in memory.
    fn status_mut(&mut self) -> &mut Option<TenantStatus>;
    /// Returns the declared name of the tenant.
    fn declared_name(&self) -> &str;
    /// Returns the name of the Secret of the object's own connection.
    fn connection_secret(&self) -> Option<&str>;
    /// Returns the settings for the adoption of an existing tenant.
    fn adoption(&self) -> Option<&Adoption>;
    /// Returns the object that the tenant is handed over to.
    fn hand_over(&self) -> Option<&HandOver>;
    /// Returns how the operator manages the tenant.
    fn management(&self) -> Option<&Management>;
    /// Returns what happens to the tenant when the object is deleted.
    fn deletion(&self) -> Option<&Deletion>;
    /// Returns the desired state.
    fn tenant_state(&self) -> Option<TenantState>;
    /// Returns the branding.
    fn branding(&self) -> Option<&BrandingSpec>;
    /// Returns the access settings, which refer to Secrets.
    fn access(&self) -> Option<&ClientAccess>;
    /// Returns the parent of the tenant.
    fn parent(&self) -> ParentRef;
    /// Returns the settings of the spec.
    fn declared_settings(&self, material: &ResolvedReferences) -> Result<DeclaredSettings, Vec<InvalidSetting>>;
}

/// Members at the same path in both specs.
macro_rules! both_kinds {
    () => {
        fn status(&self) -> Option<&TenantStatus> {
            self.status.as_ref()
        }
        fn status_mut(&mut self) -> &mut Option<TenantStatus> {
            &mut self.status
        }
        fn declared_name(&self) -> &str {
            &self.spec.details.name
        }
        fn connection_secret(&self) -> Option<&str> {
            self.spec.connection_secret_ref.as_ref().map(|secret| secret.name.as_str())
        }
        fn adoption(&self) -> Option<&Adoption> {
            self.spec.adoption.as_ref()
        }
        fn hand_over(&self) -> Option<&HandOver> {
            self.spec.hand_over.as_ref()
        }
        fn management(&self) -> Option<&Management> {
            self.spec.management.as_ref()
        }
        fn deletion(&self) -> Option<&Deletion> {
            self.spec.deletion.as_ref()
        }
        fn tenant_state(&self) -> Option<TenantState> {
            self.spec.tenant_state
        }
        fn branding(&self) -> Option<&BrandingSpec> {
            self.spec.branding.as_ref()
        }
    };
}

impl TenantResource for Partner {
    const KIND: TenantKind = TenantKind::Partner;

    both_kinds!();
    fn access(&self) -> Option<&ClientAccess> {
        self.spec.security.as_ref()?.access.as_ref().map(|access| &access.shared)
    }
    fn parent(&self) -> ParentRef {
        ParentRef::Provider
    }
    fn declared_settings(&self, material: &ResolvedReferences) -> Result<DeclaredSettings, Vec<InvalidSetting>> {
        partner_settings(&self.spec, material)
    }
}

impl TenantResource for TenantClient {
    const KIND: TenantKind = TenantKind::Client;

    both_kinds!();
    fn access(&self) -> Option<&ClientAccess> {
        self.spec.security.as_ref()?.access.as_ref()
    }
    fn parent(&self) -> ParentRef {
        match (&self.spec.partner_ref, &self.spec.partner_unique_id) {
            (Some(reference), _) => {
                let namespace = reference.namespace.clone().or_else(|| self.namespace()).unwrap_or_default();
                ParentRef::Object(namespace, reference.name.clone())
            }
            (None, id) => ParentRef::Id(id.clone().unwrap_or_default()),
        }
    }
    fn declared_settings(&self, material: &ResolvedReferences) -> Result<DeclaredSettings, Vec<InvalidSetting>> {
        client_settings(&self.spec, material)
    }
}

/// Returns the namespace of an object; both kinds always have one.
pub fn namespace<K: TenantResource>(object: &K) -> String {
    object.namespace().unwrap_or_default()
}

/// Returns the UID of an object.
pub fn uid<K: TenantResource>(object: &K) -> String {
    object.uid().unwrap_or_default()
}

/// Returns `namespace/name`, as messages show it.
pub fn namespaced_name<K: TenantResource>(object: &K) -> String {
    format!("{}/{}", namespace(object), object.name_any())
}

/// Returns the id of the tenant, if one was recorded.
pub fn unique_id<K: TenantResource>(object: &K) -> Option<&str> {
    object.status()?.unique_id.as_deref()
}

/// Returns the reason of the condition Ready that was last written.
pub fn ready_reason<K: TenantResource>(object: &K) -> Option<&str> {
    let conditions = object.status()?.conditions.iter();
    conditions.rev().find(|one| one.type_ == ConditionType::Ready.name()).map(|one| one.reason.as_str())
}

/// Returns whether the status belongs to the current generation and names the tenant.
pub fn is_status_current<K: TenantResource>(object: &K) -> bool {
    object.status().is_some_and(|status| {
        status.unique_id.is_some()
            && !status.conditions.is_empty()
            && status.observed_generation == object.meta().generation
    })
}

/// Returns whether the object is being deleted.
pub fn is_deleting<K: TenantResource>(object: &K) -> bool {
    object.meta().deletion_timestamp.is_some()
}

/// Returns whether the object has our finalizer.
pub fn has_finalizer<K: TenantResource>(object: &K) -> bool {
    object.finalizers().iter().any(|finalizer| finalizer == FINALIZER)
}

/// Returns what happens to the tenant when the object is deleted.
pub fn deletion_policy<K: TenantResource>(object: &K) -> DeletionPolicy {
    object.deletion().and_then(|deletion| deletion.policy).unwrap_or_default()
}

/// Returns the intent on the object. An intent that was copied from another object is ignored.
pub fn intent<K: TenantResource>(object: &K) -> Option<Intent> {
    let text = object.annotations().get(INTENT)?;
    let intent: Intent = serde_json::from_str(text).ok()?;
    (intent.uid == uid(object)).then_some(intent)
}

/// Returns the operator installation that must manage the object: the requested one, else the one that has written to
/// it.
pub fn installation<K: TenantResource>(object: &K) -> Option<String> {
    object.annotations().get(OPERATOR).cloned().or_else(|| recorded_installation(object))
}

/// Returns the operator installation that has written to the object. Its status takes precedence over its intent, which
/// may be older than a move.
pub fn recorded_installation<K: TenantResource>(object: &K) -> Option<String> {
    let of_status = object.status().and_then(|status| status.operator.clone());
    of_status.or_else(|| intent(object).and_then(|intent| intent.operator))
}

/// Returns how the operator manages the tenant; a pause with an end takes precedence.
pub fn management_mode<K: TenantResource>(object: &K) -> ManagementMode {
    object.management().and_then(|management| management.mode).unwrap_or_default()
}

/// Returns the pause that applies now, if any.
pub fn active_pause<K: TenantResource>(object: &K, now: Timestamp) -> Option<Pause> {
    let until = object.management().and_then(|management| management.paused_until.as_deref());
    Pause::from_spec(management_mode(object) == ManagementMode::Paused, until, now)
}

/// Returns what happens to settings that somebody else changed.
pub fn drift_policy<K: TenantResource>(object: &K) -> DriftPolicy {
    object.management().and_then(|management| management.drift).unwrap_or_default()
}

/// Returns the adoption that the object requests. An object that requests one never creates a tenant.
pub fn requested_adoption<K: TenantResource>(object: &K) -> Option<&Adoption> {
    object.adoption().filter(|adoption| adoption.policy.unwrap_or_default() != AdoptionPolicy::Never)
}

/// Returns the mark of the object's tenant.
pub fn mark_of<K: TenantResource>(object: &K, cluster: &str) -> Mark {
    Mark {
        cluster: cluster.to_owned(),
        kind: K::KIND.name().to_owned(),
        namespace: namespace(object),
        name: object.name_any(),
        uid: uid(object),
    }
}

/// Returns the images in ConfigMaps that the branding refers to.
pub fn image_references(branding: Option<&BrandingSpec>) -> Vec<ConfigMapKeyRef> {
    let Some(branding) = branding else { return Vec::new() };
    let background = branding.login_page.as_ref().and_then(|page| page.background_image.as_ref());
    let images: [Option<&ImageSource>; 3] = [branding.logo.as_ref(), branding.favicon.as_ref(), background];
    images.into_iter().flatten().filter_map(|image| image.config_map_key_ref.clone()).collect()
}

/// Returns the Secrets that the access settings refer to.
pub fn secret_references(access: Option<&ClientAccess>) -> Vec<SecretKeyRef> {
    access
        .and_then(|access| access.duo.as_ref())
        .map(|duo| vec![duo.integration_key_secret_ref.clone(), duo.secret_key_secret_ref.clone()])
        .unwrap_or_default()
}
