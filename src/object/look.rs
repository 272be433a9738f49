//! Which tenant on the platform is an object's. Reads the platform and nothing else.

use super::{Object, asked_adoption, drift_policy, intent, mark, mode, name_taken, outcome, unique_id};
use crate::api::{DriftPolicy, ManagementMode, Reason};
use crate::connect::{Error, Freshness, Listed, Place, Platform, Sought};
use crate::plan::{
    Candidate, Desired, Digest, Identity, MarkSeen, Names, Observed, Outcome, Seen, TenantLife, Value, Written,
    identify,
};

/// What the look before a create found.
pub(crate) enum Found {
    /// Nothing: a create may follow.
    Free,
    /// This object's tenant.
    Ours(String),
    /// The tenant of an earlier object of the same place.
    Reattach(String),
}

/// Looks for the object's tenant among all that live under the place: by its mark, by the name that was sent and by the
/// name declared now.
pub(crate) async fn look<K: Object>(
    object: &K,
    platform: &Platform,
    place: &Place,
    (freshness, cluster): (Freshness, &str),
) -> Result<Found, Outcome> {
    let mark = mark(object, cluster);
    let sent = intent(object).map(|intent| intent.name);
    let names = Names { declared: object.declared_name(), sent: sent.as_deref() };
    let stop = |error| outcome(K::KIND, &error);
    let living = match platform.sought(place, (&names.all(), freshness)).await.map_err(stop)? {
        Sought::Known(living) => living,
        Sought::Unsettled(why) => {
            return Err(Outcome::Failed(
                Reason::InProgress,
                format!(
                    "whether the platform has this tenant already is not known, so none is created: {why}; looking again"
                ),
            ));
        }
    };
    let is_candidate = |listed: &&Listed| {
        names.contains(&listed.name) || listed.mark.as_ref().is_some_and(|seen| seen.is_same_place(&mark))
    };
    let mut candidates = Vec::new();
    for listed in living.rows.iter().filter(is_candidate) {
        // The list may be older than the tenant's mark: each candidate is read on its own.
        match platform.read(place, &listed.unique_id, false).await {
            Ok(None) => return Err(not_readable(&listed.unique_id)),
            Ok(Some(tenant)) => {
                candidates.push(Candidate { unique_id: tenant.unique_id, name: tenant.name, mark: tenant.mark });
            }
            Err(Error::Forbidden { .. }) => candidates.push(Candidate {
                unique_id: listed.unique_id.clone(),
                name: listed.name.clone(),
                mark: MarkSeen::Unreadable,
            }),
            Err(error) => return Err(stop(error)),
        }
    }
    match identify(&mark, names, &candidates) {
        Identity::Free => Ok(Found::Free),
        Identity::Ours(id) => Ok(Found::Ours(id)),
        Identity::Reattach(id) => Ok(Found::Reattach(id)),
        Identity::Ambiguous(ids) => Err(Outcome::Refused(
            Reason::AmbiguousCreate,
            format!(
                "any of the tenants {} could be this object's, so none is taken and none is created: set `adoption` with the `uniqueId` of the right one",
                ids.join(", ")
            ),
        )),
        Identity::NameTaken(ids) => {
            candidates.retain(|candidate| ids.contains(&candidate.unique_id));
            Err(name_taken(object.declared_name(), &mark, &candidates))
        }
    }
}

/// A tenant that a list names and a read does not find: it has just gone, or reads are late, and then it may be the very one
/// that this object created. Only a list without it says that it is not there.
fn not_readable(id: &str) -> Outcome {
    Outcome::Failed(
        Reason::InProgress,
        format!(
            "the platform's list names tenant `{id}` and a read does not find it, so whether it is this object's is not known and none is created: looking again"
        ),
    )
}

/// Whether the branding must be read to compare what is declared.
pub(crate) fn has_branding(desired: &Desired) -> bool {
    desired.effective.written().any(|(field, _, _)| field.is_branding())
}

/// A living tenant by its id; nothing where there is none.
///
/// # Errors
/// The platform does not answer the question.
pub(crate) async fn read(
    platform: &Platform,
    place: &Place,
    (id, with_branding): (&str, bool),
) -> Result<Option<Observed>, Error> {
    let read = match platform.read(place, id, with_branding).await {
        // The branding of a suspended tenant may not be readable; the tenant itself is.
        Err(Error::ParentGone { .. }) if with_branding => platform.read(place, id, false).await,
        read => read,
    };
    Ok(read?.filter(|observed| observed.life != TenantLife::Terminated))
}

/// Loads the declared images whose digest the platform does not show and no record tells of, and keeps the digests of what
/// it serves: the operator does not write an image that is there already. One that is not there or may not be read counts
/// as another image.
///
/// # Errors
/// The platform could not be asked, and whether an image differs is not known.
pub(crate) async fn load_images(
    platform: &Platform,
    observed: &mut Observed,
    (desired, written): (&Desired, &Written),
) -> Result<(), Error> {
    let payload = &desired.effective.payload;
    for (field, value, _) in desired.effective.written() {
        let is_hidden = matches!(value, Value::Image(_)) && observed.seen.get(&field) == Some(&Seen::Unreadable);
        let served = observed.served.get_mut(&field).filter(|_| is_hidden && !written.has(field, value, payload));
        let Some(served) = served.filter(|served| served.digest.is_none() && Platform::has_image(&served.path)) else {
            continue;
        };
        match platform.image(&served.path).await {
            Ok(bytes) => served.digest = Some(Digest::of(&bytes)),
            Err(error) if error.is_of_connection() => return Err(error),
            Err(_) => {}
        }
    }
    Ok(())
}

/// Whether an image that cannot be loaded is written at once: the record of that write stands in for its digest, and one
/// file delays no other setting. Where people see a difference before anything is written, they would see a false one.
pub(crate) fn writes_what_it_cannot_load<K: Object>(object: &K) -> bool {
    let is_taken_over = asked_adoption(object).is_some() && unique_id(object).is_none();
    let needs_approval = object.management().is_some_and(|management| management.approval.is_some());
    mode(object) == ManagementMode::Manage
        && drift_policy(object) == DriftPolicy::Correct
        && !is_taken_over
        && !needs_approval
}
