//! Without a cluster, the marks on the platform show which object a tenant belongs to.

use kube::ResourceExt as _;
use tenantry_api::{FINALIZER, INTENT, TenantStatus};
use tenantry_core::object::{TenantResource, namespace, requested_adoption};
use tenantry_core::{DesiredTenant, Intent};
use tenantry_wire::{Mark, TenantSearchItem, WireTenantState};

use crate::failure::Failure;
use crate::inventory::object_label;
use crate::tenant_rows::TenantRows;

/// Builds the object as the cluster would hold it, if a live tenant carries the mark of its place.
///
/// # Errors
/// Fails if tenants of several clusters carry such a mark.
pub(super) fn attach_by_mark<K: TenantResource>(
    object: &mut K,
    desired: &mut DesiredTenant,
    rows: &TenantRows,
    cluster: &str,
    parent: &str,
) -> Result<(), Failure> {
    let (own, name) = (namespace(object), object.name_any());
    let is_same = |mark: &Mark| {
        mark.kind == K::KIND.name()
            && mark.namespace == own
            && mark.name == name
            && (cluster.is_empty() || mark.cluster == cluster)
    };
    let is_alive = |row: &&TenantSearchItem| row.status != Some(WireTenantState::Terminated);
    let mut found = rows
        .values()
        .filter(is_alive)
        .filter_map(|row| Some((row, row.managed_by.as_ref().filter(|mark| is_same(mark))?)));
    let Some((row, mark)) = found.next() else { return Ok(()) };
    if let Some((_, other)) = found.next() {
        return Err(Failure::new(format!(
            "objects of this place in the clusters `{}` and `{}` own a tenant each: say which cluster with `--cluster-id`",
            mark.cluster, other.cluster
        ))
        .about(object_label(object)));
    }
    let intent = Intent {
        passwords_set_before: None,
        uid: mark.uid.clone(),
        nonce: String::new(),
        parent_id: parent.to_owned(),
        name: object.declared_name().to_owned(),
        adopted: requested_adoption(object).and_then(|adoption| adoption.unique_id.clone()),
        extensions: None,
        operator: None,
    };
    let meta = object.meta_mut();
    meta.uid = Some(mark.uid.clone());
    meta.finalizers.get_or_insert_default().push(FINALIZER.to_owned());
    let text = serde_json::to_string(&intent).unwrap_or_default();
    object.annotations_mut().insert(INTENT.to_owned(), text);
    let status: &mut TenantStatus = object.status_mut().get_or_insert_default();
    status.unique_id = Some(row.unique_id.clone());
    desired.mark = mark.clone();
    Ok(())
}
