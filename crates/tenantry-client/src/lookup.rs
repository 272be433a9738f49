//! Finds the tenant of an object on the platform. Reads only the platform.

use tenantry_api::{DriftPolicy, ManagementMode, Reason};
use tenantry_core::object::{
    TenantResource, drift_policy, intent, management_mode, mark_of, name_taken_outcome, requested_adoption, unique_id,
};
use tenantry_core::{
    DesiredTenant, Digest, LifecycleState, ObservedMark, ObservedTenant, ObservedValue, PassOutcome, Place,
    TenantCandidate, TenantMatch, TenantNames, Value, WriteRecord, identify_tenant,
};

use super::active_tenants::{ListFreshness, ListedTenant, NameSearchResult};
use super::error::CallError;
use super::error_outcome::platform_error_outcome;
use super::platform_client::PlatformClient;

/// Result of the lookup before a create.
pub enum Lookup {
    /// No tenant: one may be created.
    NotFound,
    /// This object's tenant.
    Owned(String),
    /// The tenant of an earlier object at the same place.
    Reattach(String),
}

/// Searches for the object's tenant among the tenants under the place that are not terminated: by its mark, by the name
/// that was sent and by the name declared now.
pub async fn lookup_tenant<K: TenantResource>(
    object: &K,
    platform: &PlatformClient,
    place: &Place,
    freshness: ListFreshness,
    cluster: &str,
) -> Result<Lookup, PassOutcome> {
    let mark = mark_of(object, cluster);
    let sent = intent(object).map(|intent| intent.name);
    let names = TenantNames { declared: object.declared_name(), sent: sent.as_deref() };
    let stop = |error| platform_error_outcome(K::KIND, &error);
    let search_result = match platform
        .find_tenants_by_name(place, &names.distinct_names(), freshness)
        .await
        .map_err(stop)?
    {
        NameSearchResult::Complete(living) => living,
        NameSearchResult::Inconclusive(why) => {
            return Err(PassOutcome::Failed(
                Reason::InProgress,
                format!(
                    "whether the platform has this tenant already is not known, so none is created: {why}; looking again"
                ),
            ));
        }
    };
    let is_candidate = |listed: &&ListedTenant| {
        names.contains(&listed.name) || listed.mark.as_ref().is_some_and(|seen| seen.is_same_place(&mark))
    };
    let mut candidates = Vec::new();
    for listed in search_result.rows.iter().filter(is_candidate) {
        // The list may be older than the tenant's mark, so each candidate is read separately.
        match platform.read_tenant(place, &listed.unique_id, false).await {
            Ok(None) => return Err(listed_tenant_unreadable_outcome(&listed.unique_id)),
            Ok(Some(tenant)) => {
                candidates.push(TenantCandidate { unique_id: tenant.unique_id, name: tenant.name, mark: tenant.mark });
            }
            Err(CallError::Forbidden { .. }) => candidates.push(TenantCandidate {
                unique_id: listed.unique_id.clone(),
                name: listed.name.clone(),
                mark: ObservedMark::Unreadable,
            }),
            Err(error) => return Err(stop(error)),
        }
    }
    match identify_tenant(&mark, names, &candidates) {
        TenantMatch::NotFound => Ok(Lookup::NotFound),
        TenantMatch::Owned(id) => Ok(Lookup::Owned(id)),
        TenantMatch::Reattach(id) => Ok(Lookup::Reattach(id)),
        TenantMatch::Ambiguous(ids) => Err(PassOutcome::Refused(
            Reason::AmbiguousCreate,
            format!(
                "any of the tenants {} could be this object's, so none is taken and none is created: set `adoption` with the `uniqueId` of the right one",
                ids.join(", ")
            ),
        )),
        TenantMatch::NameTaken(ids) => {
            candidates.retain(|candidate| ids.contains(&candidate.unique_id));
            Err(name_taken_outcome(object.declared_name(), &mark, &candidates))
        }
    }
}

/// Returns the outcome for a tenant that is in the list and not found by a read. It has just been removed, or reads are
/// late and it may be the tenant that this object created. Only a list without the tenant shows that it does not exist.
fn listed_tenant_unreadable_outcome(id: &str) -> PassOutcome {
    PassOutcome::Failed(
        Reason::InProgress,
        format!(
            "the platform's list names tenant `{id}` and a read does not find it, so whether it is this object's is not known and none is created: looking again"
        ),
    )
}

/// Returns whether the comparison with the declared settings needs the branding.
pub fn needs_branding(desired: &DesiredTenant) -> bool {
    desired.effective.written_settings().any(|(field, _, _)| field.is_branding())
}

/// Returns an existing tenant by its id; `None` if there is none.
///
/// # Errors
///
/// Fails if the platform does not answer.
pub async fn read_unterminated_tenant(
    platform: &PlatformClient,
    place: &Place,
    (id, with_branding): (&str, bool),
) -> Result<Option<ObservedTenant>, CallError> {
    let read = match platform.read_tenant(place, id, with_branding).await {
        // The branding of a suspended tenant may be unreadable; the tenant itself is readable.
        Err(CallError::ParentGone { .. }) if with_branding => platform.read_tenant(place, id, false).await,
        read => read,
    };
    Ok(read?.filter(|observed| observed.lifecycle != LifecycleState::Terminated))
}

/// Loads the declared images whose digest is neither shown by the platform nor in a record, and stores the digests of
/// the served images. The operator then does not write an image that is already there. An image that is missing or may
/// not be read counts as different.
///
/// # Errors
///
/// Fails if the platform did not answer, so that it is not known whether an image differs.
pub async fn load_image_digests(
    platform: &PlatformClient,
    observed: &mut ObservedTenant,
    desired: &DesiredTenant,
    written: &WriteRecord,
) -> Result<(), CallError> {
    let payload = &desired.effective.payload;
    for (field, value, _) in desired.effective.written_settings() {
        let is_hidden =
            matches!(value, Value::Image(_)) && observed.values.get(&field) == Some(&ObservedValue::Unreadable);
        let served =
            observed.served_images.get_mut(&field).filter(|_| is_hidden && !written.is_recorded(field, value, payload));
        let Some(served) =
            served.filter(|served| served.digest.is_none() && PlatformClient::is_own_image_path(&served.path))
        else {
            continue;
        };
        match platform.read_image(&served.path).await {
            Ok(bytes) => served.digest = Some(Digest::of_bytes(&bytes)),
            Err(error) if error.is_connection_error() => return Err(error),
            Err(_) => {}
        }
    }
    Ok(())
}

/// Returns whether an image that cannot be loaded is written at once. The record of that write then replaces its
/// digest, and one file delays no other setting. It is not written at once if users see the differences first, because
/// they would see a false one.
pub fn writes_images_it_cannot_load<K: TenantResource>(object: &K) -> bool {
    let is_taken_over = requested_adoption(object).is_some() && unique_id(object).is_none();
    let needs_approval = object.management().is_some_and(|management| management.approval.is_some());
    management_mode(object) == ManagementMode::Manage
        && drift_policy(object) == DriftPolicy::Correct
        && !is_taken_over
        && !needs_approval
}
