//! Builds the desired state of tenants from objects: references, defaults and inheritance, as the operator resolves
//! them.

use std::collections::BTreeSet;

use tenantry_api::{Partner, TenantClient};
use tenantry_client::PlatformClient;
use tenantry_core::object::{
    NamespacePermission, ParentRef, SpecSources, TenantResource, active_pause, check_connection_tenant, edited_paths,
    effective_settings, namespace, namespace_not_allowed_outcome, namespace_permission, partner_id_not_allowed_outcome,
    partner_not_found_outcome, partner_not_understood_outcome, partners_of_tenant, resolve_desired_tenant,
    write_record,
};
use tenantry_core::{DesiredTenant, PassOutcome, WriteRecord};

use crate::failure::Failure;
use crate::inventory::{Inventory, InventoryObject, object_label};
use crate::references::{ReferenceError, ReferenceReader, has_namespace_labels};

/// An object with everything that it refers to.
pub(super) struct PreparedObject {
    /// The desired state of its tenant.
    pub(super) desired: DesiredTenant,
    /// The platform.
    pub(super) platform: PlatformClient,
    /// Notes for people.
    pub(super) notes: Vec<String>,
    /// Earlier writes, as status records them.
    pub(super) written: WriteRecord,
    /// Paths whose declared value differs from the one that was last applied.
    pub(super) edited: BTreeSet<String>,
}

/// An object that is ready for the platform, or the reason why it is not.
pub(super) type PrepareResult = Result<PreparedObject, ReferenceError>;

/// Prepares a Partner, and records for its Clients what it will have.
pub(super) async fn prepare_partner(
    subject: &mut InventoryObject<Partner>,
    inventory: &Inventory,
    references: &mut ReferenceReader,
    cluster: &str,
) -> PrepareResult {
    let prepared = prepare_object(&subject.object, None, inventory, references, cluster).await?;
    let status = subject.object.status_mut().get_or_insert_default();
    status.effective = effective_settings(&prepared.desired);
    Ok(prepared)
}

/// Prepares a Client.
pub(super) async fn prepare_client(
    subject: &InventoryObject<TenantClient>,
    inventory: &Inventory,
    references: &mut ReferenceReader,
    cluster: &str,
) -> PrepareResult {
    let mut notes = Vec::new();
    if let Some(partner) = usable_partner(&subject.object, inventory, &mut notes).await? {
        return prepare_object(&subject.object, Some(partner), inventory, references, cluster).await.map(
            |mut prepared| {
                prepared.notes.append(&mut notes);
                prepared
            },
        );
    }
    prepare_object(&subject.object, None, inventory, references, cluster).await
}

async fn prepare_object<K: TenantResource>(
    object: &K,
    partner: Option<&Partner>,
    inventory: &Inventory,
    references: &mut ReferenceReader,
    cluster: &str,
) -> PrepareResult {
    if let Some(pause) = active_pause(object, tenantry_runtime::clock::now()) {
        return Err(PassOutcome::Paused(pause).into());
    }
    let there = inventory.cluster.as_ref();
    let mut notes = Vec::new();
    let platform = references.platform_of(object, partner, there).await.map_err(|lack| with_object(lack, object))?;
    let partner = match object.parent() {
        ParentRef::Id(id) => {
            if !references.has_connection_override() {
                check_connection_tenant(&id, platform.tenant_id())?;
            }
            usable_partner_by_id(object, (&id, &platform), (inventory, &mut notes)).await?
        }
        ParentRef::Provider | ParentRef::Object(..) => partner,
    };
    let material = references.load_material(object, there).await?;
    let defaults_material = references.load_defaults_material(object, partner, there).await?;
    let sources = SpecSources { partner, references: &material, default_references: &defaults_material };
    let desired =
        resolve_desired_tenant(object, sources, cluster)?.drop_future_password_reset(tenantry_runtime::clock::now());
    // Read before the Partner's status shows its planned state. Only the operator has the key of the records.
    let (written, edited) = (write_record(object, None), edited_paths(object, &effective_settings(&desired)));
    Ok(PreparedObject { desired, platform, notes, written, edited })
}

fn with_object<K: TenantResource>(error: ReferenceError, object: &K) -> ReferenceError {
    match error {
        ReferenceError::Failure(failure) => ReferenceError::Failure(failure.about(object_label(object))),
        ReferenceError::Outcome(outcome) => ReferenceError::Outcome(outcome),
    }
}

/// Returns the Partner of a Client if the Client may use it.
async fn usable_partner<'a>(
    object: &TenantClient,
    inventory: &'a Inventory,
    notes: &mut Vec<String>,
) -> Result<Option<&'a Partner>, ReferenceError> {
    let ParentRef::Object(partner_namespace, name) = object.parent() else { return Ok(None) };
    if let Some(other) = inventory.unsupported_partner(&partner_namespace, &name) {
        return Err(partner_not_understood_outcome(other).into());
    }
    let Some(partner) = inventory.partner_of(object) else {
        return Err(partner_not_found_outcome(object, &partner_namespace, &name).into());
    };
    let own = namespace(object);
    if accepts_namespace(partner, &own, inventory, notes).await? {
        Ok(Some(partner))
    } else {
        Err(namespace_not_allowed_outcome(&partner_namespace, &name, &own).into())
    }
}

/// Returns the Partner object of the tenant that a Client names by its id, if the Client may use it.
async fn usable_partner_by_id<'a, K: TenantResource>(
    object: &K,
    (id, platform): (&str, &PlatformClient),
    (ground, notes): (&'a Inventory, &mut Vec<String>),
) -> Result<Option<&'a Partner>, ReferenceError> {
    let own = namespace(object);
    let known = ground.partners.values().map(|subject| &subject.object).collect();
    let partners = partners_of_tenant(known, id, &platform.host());
    for partner in &partners {
        if !accepts_namespace(partner, &own, ground, notes).await? {
            return Err(partner_id_not_allowed_outcome(id, &own).into());
        }
    }
    Ok(partners.into_iter().next())
}

/// Returns whether a Partner accepts Clients from a namespace.
async fn accepts_namespace(
    partner: &Partner,
    own: &str,
    inventory: &Inventory,
    notes: &mut Vec<String>,
) -> Result<bool, Failure> {
    match (namespace_permission(partner, own), &inventory.cluster) {
        (NamespacePermission::Allowed, _) => Ok(true),
        (NamespacePermission::Denied, _) => Ok(false),
        (NamespacePermission::IfLabelled(wanted), Some(cluster)) => has_namespace_labels(cluster, own, &wanted).await,
        (NamespacePermission::IfLabelled(_), None) => {
            notes.push(format!(
                "whether namespace `{own}` has the labels that the Partner asks for is not known without a cluster"
            ));
            Ok(true)
        }
    }
}
