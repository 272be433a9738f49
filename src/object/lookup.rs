//! Which tenant on the platform is an object's. Reads the platform and nothing else.

use super::{
    TenantResource, drift_policy, intent, management_mode, mark_of, name_taken, platform_error_outcome,
    requested_adoption, unique_id,
};
use crate::api::{DriftPolicy, ManagementMode, Reason};
use crate::connect::{CallError, Freshness, ListedTenant, NameSearchResult, Place, PlatformClient};
use crate::plan::{
    DesiredTenant, Digest, LifecycleState, ObservedMark, ObservedTenant, ObservedValue, PassOutcome, TenantCandidate,
    TenantMatch, TenantNames, Value, WriteRecord, identify_tenant,
};

/// What the look before a create found.
pub(crate) enum Lookup {
    /// Nothing: a create may follow.
    NotFound,
    /// This object's tenant.
    Owned(String),
    /// The tenant of an earlier object of the same place.
    Reattach(String),
}

/// Looks for the object's tenant among all that live under the place: by its mark, by the name that was sent and by the
/// name declared now.
pub(crate) async fn lookup_tenant<K: TenantResource>(
    object: &K,
    platform: &PlatformClient,
    place: &Place,
    freshness: Freshness,
    cluster: &str,
) -> Result<Lookup, PassOutcome> {
    let mark = mark_of(object, cluster);
    let sent = intent(object).map(|intent| intent.name);
    let names = TenantNames { declared: object.declared_name(), sent: sent.as_deref() };
    let stop = |error| platform_error_outcome(K::KIND, &error);
    let living = match platform.find_tenants_by_name(place, &names.distinct_names(), freshness).await.map_err(stop)? {
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
    for listed in living.rows.iter().filter(is_candidate) {
        // The list may be older than the tenant's mark: each candidate is read on its own.
        match platform.read_tenant(place, &listed.unique_id, false).await {
            Ok(None) => return Err(listed_tenant_not_readable(&listed.unique_id)),
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
            Err(name_taken(object.declared_name(), &mark, &candidates))
        }
    }
}

/// A tenant that a list names and a read does not find: it has just gone, or reads are late, and then it may be the very one
/// that this object created. Only a list without it says that it is not there.
fn listed_tenant_not_readable(id: &str) -> PassOutcome {
    PassOutcome::Failed(
        Reason::InProgress,
        format!(
            "the platform's list names tenant `{id}` and a read does not find it, so whether it is this object's is not known and none is created: looking again"
        ),
    )
}

/// Whether the branding must be read to compare what is declared.
pub(crate) fn needs_branding(desired: &DesiredTenant) -> bool {
    desired.effective.written_settings().any(|(field, _, _)| field.is_branding())
}

/// A living tenant by its id; nothing where there is none.
///
/// # Errors
/// The platform does not answer the question.
pub(crate) async fn read_living_tenant(
    platform: &PlatformClient,
    place: &Place,
    (id, with_branding): (&str, bool),
) -> Result<Option<ObservedTenant>, CallError> {
    let read = match platform.read_tenant(place, id, with_branding).await {
        // The branding of a suspended tenant may not be readable; the tenant itself is.
        Err(CallError::ParentGone { .. }) if with_branding => platform.read_tenant(place, id, false).await,
        read => read,
    };
    Ok(read?.filter(|observed| observed.life != LifecycleState::Terminated))
}

/// Loads the declared images whose digest the platform does not show and no record tells of, and keeps the digests of what
/// it serves: the operator does not write an image that is there already. One that is not there or may not be read counts
/// as another image.
///
/// # Errors
/// The platform could not be asked, and whether an image differs is not known.
pub(crate) async fn load_image_digests(
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
            Err(error) if error.is_of_connection() => return Err(error),
            Err(_) => {}
        }
    }
    Ok(())
}

/// Whether an image that cannot be loaded is written at once: the record of that write stands in for its digest, and one
/// file delays no other setting. Where people see a difference before anything is written, they would see a false one.
pub(crate) fn writes_what_it_cannot_load<K: TenantResource>(object: &K) -> bool {
    let is_taken_over = requested_adoption(object).is_some() && unique_id(object).is_none();
    let needs_approval = object.management().is_some_and(|management| management.approval.is_some());
    management_mode(object) == ManagementMode::Manage
        && drift_policy(object) == DriftPolicy::Correct
        && !is_taken_over
        && !needs_approval
}
