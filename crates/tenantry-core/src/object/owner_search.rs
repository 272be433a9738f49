//! Finds another owner of a tenant in this cluster, and whether it hands the tenant over. Pure: the caller has read the
//! objects.

use kube::ResourceExt;
use tenantry_api::{HandOver, ManagementMode, Reason};
use tenantry_wire::Mark;

use super::{TenantResource, has_finalizer, intent, is_deleting, management_mode, mark_of, namespace, unique_id};
use crate::{ObservedMark, OwnerStatus, PassOutcome, is_short_mark_of};

/// Where to search for the owner of a tenant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OwnerSearchScope<'a> {
    /// Nowhere: the tenant has the mark of the requesting object.
    SameObject,
    /// At this place in this cluster.
    AtPlace(&'a Mark),
    /// Among all objects of this cluster, because the mark is a digest of the place or is missing.
    AnyObject,
    /// In another cluster.
    OtherCluster,
}

/// A tenant that an object requests.
#[derive(Clone, Copy, Debug)]
pub struct RequestedTenant<'a> {
    /// Id of the tenant.
    pub id: &'a str,
    /// Host of the platform.
    pub host: &'a str,
    /// Mark of the tenant.
    pub observed_mark: &'a ObservedMark,
    /// Mark of the requesting object.
    pub ours: &'a Mark,
    /// Owner that the object names in `takeFrom`.
    pub take_from: Option<&'a str>,
}

/// Namespace and name of an object of this cluster.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ObjectName<'a> {
    /// Namespace.
    pub namespace: &'a str,
    /// Name.
    pub name: &'a str,
}

impl<'a> RequestedTenant<'a> {
    /// Returns where to search for the owner.
    pub fn owner_search_scope(&self) -> OwnerSearchScope<'a> {
        match self.observed_mark {
            seen if seen.is_same_place(self.ours) => OwnerSearchScope::SameObject,
            ObservedMark::Full(mark) if mark.cluster != self.ours.cluster => OwnerSearchScope::OtherCluster,
            ObservedMark::Full(mark) => OwnerSearchScope::AtPlace(mark),
            ObservedMark::Short(_) | ObservedMark::None | ObservedMark::Occupied | ObservedMark::Unreadable => {
                OwnerSearchScope::AnyObject
            }
        }
    }

    /// Returns whether an object of this cluster owns the tenant, by a mark that only shows a digest or by the object's
    /// own record.
    pub fn is_owned_by<K: TenantResource>(&self, other: &K) -> bool {
        let Self { id, host, observed_mark: seen, ours, take_from: _ } = self;
        let theirs = mark_of(other, &ours.cluster);
        if theirs.is_same_place(ours) {
            return false;
        }
        if let ObservedMark::Short(short) = seen {
            return is_short_mark_of(short, &theirs.place());
        }
        let connection = other.status().and_then(|status| status.connection.as_ref());
        unique_id(other) == Some(id)
            && has_finalizer(other)
            && management_mode(other) != ManagementMode::Observe
            && connection.is_none_or(|connection| connection.host == *host)
            // An object that has handed the tenant over keeps only its id.
            && super::ready_reason(other) != Some(Reason::HandedOver.name())
    }

    /// Returns the object of this cluster that `takeFrom` names if the mark only shows a digest. This object is read
    /// even if the operator does not watch its namespace.
    pub fn take_from_object(&self) -> Option<ObjectName<'a>> {
        let ObservedMark::Short(short) = self.observed_mark else { return None };
        let mut parts = self.take_from?.splitn(5, '/');
        let (cluster, kind, namespace, name) = (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
        let is_here = cluster == self.ours.cluster && kind == self.ours.kind;
        (is_here && is_short_mark_of(short, &format!("{cluster}/{kind}/{namespace}/{name}")))
            .then_some(ObjectName { namespace, name })
    }

    /// Returns the owner if no object of this cluster was found to own the tenant.
    pub fn owner_if_not_found(&self) -> OwnerStatus {
        match self.observed_mark {
            ObservedMark::Short(_) => OwnerStatus::OtherCluster,
            ObservedMark::Full(_) | ObservedMark::None | ObservedMark::Occupied | ObservedMark::Unreadable => {
                OwnerStatus::Nobody
            }
        }
    }
}

/// Decides whether an existing owner hands the tenant over to the requesting object. An owner that is being deleted
/// does not: its tenant may be about to be terminated.
pub fn judge_hand_over<K: TenantResource>(owner: &K, receiver: &Mark) -> OwnerStatus {
    let is_named = owner.hand_over().is_some_and(|named| is_handed_to(named, &namespace(owner), receiver));
    if K::KIND.name() == receiver.kind && is_named && !is_deleting(owner) {
        OwnerStatus::HandsOver
    } else {
        OwnerStatus::KeepsTenant
    }
}

/// Returns whether a hand-over of an object in namespace `own` names the place of a mark.
fn is_handed_to(hand_over: &HandOver, own: &str, mark: &Mark) -> bool {
    let HandOver { namespace, name } = hand_over;
    namespace.as_deref().unwrap_or(own) == mark.namespace && *name == mark.name
}

/// Returns the namespace and name of the object that the tenant is handed over to; `None` if that is the object itself.
pub fn hand_over_target<K: TenantResource>(object: &K) -> Option<(String, String)> {
    let HandOver { namespace: named, name } = object.hand_over()?;
    let own = namespace(object);
    let space = named.clone().unwrap_or_else(|| own.clone());
    // An invalid object name must not become part of a request path.
    let is_name = |text: &str| {
        let fits = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
        text.bytes().next().is_some_and(fits) && text.bytes().all(|byte| fits(byte) || b"-.".contains(&byte))
    };
    let is_other = space != own || *name != object.name_any();
    (is_other && is_name(&space) && is_name(name)).then(|| (space, name.clone()))
}

/// Returns whether an object has adopted a tenant and keeps it.
pub fn has_adopted<K: TenantResource>(object: &K, id: &str) -> bool {
    let noted = intent(object).filter(|_| has_finalizer(object)).and_then(|intent| intent.adopted);
    noted.as_deref() == Some(id) && object.hand_over().is_none()
}

/// Returns the outcome for a tenant whose owner is in another namespace; such a tenant is not read.
pub fn other_namespace_outcome(id: &str) -> PassOutcome {
    PassOutcome::Refused(
        Reason::OwnedElsewhere,
        format!(
            "tenant `{id}` belongs to an object in another namespace of this cluster, so nothing of it is shown here: observe it from its owner's namespace, or delete this object"
        ),
    )
}

/// Refuses to create a tenant for an object that hands its tenant over.
///
/// # Errors
///
/// Fails if the object hands its tenant over.
pub fn ensure_not_handed_over<K: TenantResource>(object: &K) -> Result<(), PassOutcome> {
    if object.hand_over().is_none() {
        return Ok(());
    }
    Err(PassOutcome::Refused(
        Reason::HandedOver,
        "this object hands its tenant over and has none, so none is created: delete this object, or remove `handOver`"
            .to_owned(),
    ))
}

#[cfg(test)]
mod tests {
    use tenantry_api::TenantClient;

    use super::*;

    fn client_with_hand_over(hand_over: &str) -> TenantClient {
        let text = format!(
            r#"{{"apiVersion": "tenantry.dev/v1alpha1", "kind": "Client", "metadata": {{"namespace": "a", "name": "globex"}},
                "spec": {{"partnerRef": {{"name": "acme"}}, "details": {{"name": "G"}}, "handOver": {hand_over}}}}}"#
        );
        serde_json::from_str(&text).unwrap()
    }

    fn mark(kind: &str, namespace: &str, name: &str) -> Mark {
        format!("c1/{kind}/{namespace}/{name}/u1").parse().unwrap()
    }

    #[test]
    fn an_owner_hands_over_to_the_object_that_it_names_and_to_no_other() {
        let named = client_with_hand_over(r#"{"namespace": "b", "name": "globex"}"#);
        assert_eq!(judge_hand_over(&named, &mark("Client", "b", "globex")), OwnerStatus::HandsOver);
        for (kind, namespace, name) in [("Client", "b", "x"), ("Client", "c", "globex"), ("Partner", "b", "globex")] {
            assert_eq!(
                judge_hand_over(&named, &mark(kind, namespace, name)),
                OwnerStatus::KeepsTenant,
                "{kind} {namespace}/{name}"
            );
        }
        assert_eq!(
            judge_hand_over(&client_with_hand_over(r#"{"name": "new"}"#), &mark("Client", "a", "new")),
            OwnerStatus::HandsOver
        );
        let mut leaving = named;
        leaving.metadata.deletion_timestamp = serde_json::from_str(r#""2026-11-29T12:00:00Z""#).ok();
        assert_eq!(
            judge_hand_over(&leaving, &mark("Client", "b", "globex")),
            OwnerStatus::KeepsTenant,
            "its tenant may be about to be ended"
        );
    }

    #[test]
    fn a_receiver_is_another_object_and_its_name_is_one() {
        let of = |hand_over: &str| hand_over_target(&client_with_hand_over(hand_over));
        assert_eq!(of(r#"{"name": "new"}"#), Some(("a".to_owned(), "new".to_owned())));
        for none in [
            r#"{"name": "globex"}"#,
            r#"{"name": "../../x"}"#,
            r#"{"name": ".."}"#,
            r#"{"namespace": "b?", "name": "x"}"#,
        ] {
            assert_eq!(of(none), None, "{none}");
        }
    }
}
