//! An object of the cluster as a tenant: what Partner and Client have in common, and every judgement about them that the
//! operator and the plugin must make alike. Reads the platform where a judgement needs it; writes nothing.

mod applied;
mod edits;
mod fit;
mod judge;
mod look;
mod names;
mod outcome;
mod owner;
mod reading;
mod references;
mod resolve;
mod secret;
mod taken;
mod unmanaged;

use std::fmt::Debug;

use jiff::Timestamp;
use k8s_openapi::NamespaceResourceScope;
use kube::{Resource, ResourceExt};
use serde::{Serialize, de::DeserializeOwned};

use crate::api::{
    Adoption, AdoptionPolicy, Branding, ClientAccess, ConditionType, ConfigMapKeyRef, Deletion, DeletionPolicy,
    DriftPolicy, FINALIZER, HandOver, INTENT, Image, Management, ManagementMode, OPERATOR, Partner, SecretKeyRef,
    TenantClient, TenantState, TenantStatus,
};
use crate::plan::{Intent, Invalid, Kind, Material, Pause, Settings, client, partner};
use crate::wire::Mark;

pub(crate) use applied::{
    TENANT_STATE, applied_images, applied_secrets, applied_without, digest, effective, unknown, written,
};
pub(crate) use edits::{edited, only};
pub(crate) use fit::fit;
pub(crate) use judge::{Recorded, handed_over, is_noted, missing, never_found, recorded, refuse_foreign};
pub(crate) use look::{Found, has_branding, load_images, look, read, writes_what_it_cannot_load};
pub(crate) use names::refuse_names;
pub(crate) use outcome::{in_words_of_the_spec, misspelt, outcome, refused, sentence};
pub(crate) use owner::{Claimant, Claimed, Spot, answer, has_taken, not_shown, receiver, refuse_to_create};
pub(crate) use reading::{NotUnderstood, Reading, Understood, Unknown, keep_unknown};
pub(crate) use references::{
    Allows, allows, connection_secret, digest_of, is_connection_of, is_own_connection, no_partner, not_allowed,
    not_allowed_by_id, of_id, partner_not_understood, pinned, refuse_hidden_extensions, refuse_new_under,
    refuse_under_suspended, stands_in,
};
pub(crate) use resolve::{Sources, keep_what_clients_use, resolve};
pub(crate) use secret::FoundSecret;
pub(crate) use taken::name_taken;
pub(crate) use unmanaged::{advice, no_longer_managed};

/// Name of the Lease that says which operator leads.
pub(crate) const LEASE: &str = "tenantry-operator";

/// Who a tenant stands under.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Parent {
    /// The service provider: the tenant of the credential.
    Provider,
    /// A Partner object, by namespace and name.
    Object(String, String),
    /// A partner without an object, by id.
    Id(String),
}

/// A custom resource that stands for a tenant.
pub(crate) trait Object:
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
    const KIND: Kind;

    /// Status, where one was ever written.
    fn status(&self) -> Option<&TenantStatus>;
    /// Status, to be changed on a copy that is only looked at.
    fn status_mut(&mut self) -> &mut Option<TenantStatus>;
    /// Name that the tenant should have.
    fn declared_name(&self) -> &str;
    /// Secret of a connection of its own.
    fn connection_secret(&self) -> Option<&str>;
    /// Taking over a tenant that exists.
    fn adoption(&self) -> Option<&Adoption>;
    /// Object that the tenant is handed over to.
    fn hand_over(&self) -> Option<&HandOver>;
    /// How the operator treats the tenant.
    fn management(&self) -> Option<&Management>;
    /// What is to happen at its end.
    fn deletion(&self) -> Option<&Deletion>;
    /// State that is asked for.
    fn tenant_state(&self) -> Option<TenantState>;
    /// Branding.
    fn branding(&self) -> Option<&Branding>;
    /// Access settings with Secrets in them.
    fn access(&self) -> Option<&ClientAccess>;
    /// Who it stands under.
    fn parent(&self) -> Parent;
    /// Settings of the spec.
    fn declared(&self, material: &Material) -> Result<Settings, Vec<Invalid>>;
}

/// What stands at the same place in both specs.
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
        fn branding(&self) -> Option<&Branding> {
            self.spec.branding.as_ref()
        }
    };
}

impl Object for Partner {
    const KIND: Kind = Kind::Partner;

    both_kinds!();
    fn access(&self) -> Option<&ClientAccess> {
        self.spec.security.as_ref()?.access.as_ref().map(|access| &access.shared)
    }
    fn parent(&self) -> Parent {
        Parent::Provider
    }
    fn declared(&self, material: &Material) -> Result<Settings, Vec<Invalid>> {
        partner(&self.spec, material)
    }
}

impl Object for TenantClient {
    const KIND: Kind = Kind::Client;

    both_kinds!();
    fn access(&self) -> Option<&ClientAccess> {
        self.spec.security.as_ref()?.access.as_ref()
    }
    fn parent(&self) -> Parent {
        match (&self.spec.partner_ref, &self.spec.partner_unique_id) {
            (Some(reference), _) => {
                let namespace = reference.namespace.clone().or_else(|| self.namespace()).unwrap_or_default();
                Parent::Object(namespace, reference.name.clone())
            }
            (None, id) => Parent::Id(id.clone().unwrap_or_default()),
        }
    }
    fn declared(&self, material: &Material) -> Result<Settings, Vec<Invalid>> {
        client(&self.spec, material)
    }
}

/// Namespace of an object; both kinds always have one.
pub(crate) fn namespace<K: Object>(object: &K) -> String {
    object.namespace().unwrap_or_default()
}

/// UID of an object.
pub(crate) fn uid<K: Object>(object: &K) -> String {
    object.uid().unwrap_or_default()
}

/// `namespace/name`, as messages show it.
pub(crate) fn place<K: Object>(object: &K) -> String {
    format!("{}/{}", namespace(object), object.name_any())
}

/// Id of the tenant, where one was recorded.
pub(crate) fn unique_id<K: Object>(object: &K) -> Option<&str> {
    object.status()?.unique_id.as_deref()
}

/// Reason of the condition Ready, as it was last written.
pub(crate) fn ready_reason<K: Object>(object: &K) -> Option<&str> {
    let conditions = object.status()?.conditions.iter();
    conditions.rev().find(|one| one.type_ == ConditionType::Ready.name()).map(|one| one.reason.as_str())
}

/// Whether status speaks of the spec as it is and says which tenant it is about.
pub(crate) fn is_settled<K: Object>(object: &K) -> bool {
    object.status().is_some_and(|status| {
        status.unique_id.is_some()
            && !status.conditions.is_empty()
            && status.observed_generation == object.meta().generation
    })
}

/// Whether the object is being deleted.
pub(crate) fn is_deleting<K: Object>(object: &K) -> bool {
    object.meta().deletion_timestamp.is_some()
}

/// Whether our finalizer holds the object.
pub(crate) fn is_held<K: Object>(object: &K) -> bool {
    object.finalizers().iter().any(|finalizer| finalizer == FINALIZER)
}

/// What is to happen to the tenant at the object's end.
pub(crate) fn deletion_policy<K: Object>(object: &K) -> DeletionPolicy {
    object.deletion().and_then(|deletion| deletion.policy).unwrap_or_default()
}

/// The intent on the object, where it is this object's own: one that was copied from elsewhere counts for nothing.
pub(crate) fn intent<K: Object>(object: &K) -> Option<Intent> {
    let text = object.annotations().get(INTENT)?;
    let intent: Intent = serde_json::from_str(text).ok()?;
    (intent.uid == uid(object)).then_some(intent)
}

/// The installation of the operator that is to manage the object: the one that is asked for, else the one that has
/// written to it.
pub(crate) fn installation<K: Object>(object: &K) -> Option<String> {
    object.annotations().get(OPERATOR).cloned().or_else(|| recorded_installation(object))
}

/// The installation that has written to the object. Its status counts before its intent, which may be from before a move.
pub(crate) fn recorded_installation<K: Object>(object: &K) -> Option<String> {
    let of_status = object.status().and_then(|status| status.operator.clone());
    of_status.or_else(|| intent(object).and_then(|intent| intent.operator))
}

/// What the operator does with the tenant when no pause with an end holds.
pub(crate) fn mode<K: Object>(object: &K) -> ManagementMode {
    object.management().and_then(|management| management.mode).unwrap_or_default()
}

/// The pause that holds now, if one does.
pub(crate) fn pause<K: Object>(object: &K, now: Timestamp) -> Option<Pause> {
    let until = object.management().and_then(|management| management.paused_until.as_deref());
    Pause::of(mode(object) == ManagementMode::Paused, until, now)
}

/// What happens to settings that somebody else changed.
pub(crate) fn drift_policy<K: Object>(object: &K) -> DriftPolicy {
    object.management().and_then(|management| management.drift).unwrap_or_default()
}

/// The adoption that the object asks for; with it nothing is ever created.
pub(crate) fn asked_adoption<K: Object>(object: &K) -> Option<&Adoption> {
    object.adoption().filter(|adoption| adoption.policy.unwrap_or_default() != AdoptionPolicy::Never)
}

/// The mark that the object's tenant carries.
pub(crate) fn mark<K: Object>(object: &K, cluster: &str) -> Mark {
    Mark {
        cluster: cluster.to_owned(),
        kind: K::KIND.name().to_owned(),
        namespace: namespace(object),
        name: object.name_any(),
        uid: uid(object),
    }
}

/// Images that the branding names in ConfigMaps.
pub(crate) fn image_keys(branding: Option<&Branding>) -> Vec<ConfigMapKeyRef> {
    let Some(branding) = branding else { return Vec::new() };
    let background = branding.login_page.as_ref().and_then(|page| page.background_image.as_ref());
    let images: [Option<&Image>; 3] = [branding.logo.as_ref(), branding.favicon.as_ref(), background];
    images.into_iter().flatten().filter_map(|image| image.config_map_key_ref.clone()).collect()
}

/// Secrets that the access settings name.
pub(crate) fn secret_keys(access: Option<&ClientAccess>) -> Vec<SecretKeyRef> {
    access
        .and_then(|access| access.duo.as_ref())
        .map(|duo| vec![duo.integration_key_secret_ref.clone(), duo.secret_key_secret_ref.clone()])
        .unwrap_or_default()
}
