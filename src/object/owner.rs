//! Who else of this cluster owns a tenant, and whether it hands the tenant over. Pure: the caller has read the objects.

use kube::ResourceExt;

use super::{Object, intent, is_deleting, is_held, mark, mode, namespace, unique_id};
use crate::api::{HandOver, ManagementMode, Reason};
use crate::plan::{MarkSeen, Outcome, Owner, is_short_of};
use crate::wire::Mark;

/// Where the owner of a tenant is looked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Claimant<'a> {
    /// Nowhere: the tenant carries the mark of the object that asks.
    This,
    /// At this place of this cluster.
    At(&'a Mark),
    /// Among the objects of this cluster, since the mark is a digest of the place or is missing.
    Among,
    /// In another cluster.
    Elsewhere,
}

/// A tenant that an object asks for.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Claimed<'a> {
    /// Its id.
    pub(crate) id: &'a str,
    /// Host of its platform.
    pub(crate) host: &'a str,
    /// Its mark.
    pub(crate) seen: &'a MarkSeen,
    /// Mark of the object that asks.
    pub(crate) ours: &'a Mark,
    /// Owner that the object names to take the tenant from.
    pub(crate) take_from: Option<&'a str>,
}

/// Namespace and name of an object of this cluster.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Spot<'a> {
    /// Namespace.
    pub(crate) namespace: &'a str,
    /// Name.
    pub(crate) name: &'a str,
}

impl<'a> Claimed<'a> {
    /// Where the owner is looked for.
    pub(crate) fn claimant(&self) -> Claimant<'a> {
        match self.seen {
            seen if seen.is_same_place(self.ours) => Claimant::This,
            MarkSeen::Whole(mark) if mark.cluster != self.ours.cluster => Claimant::Elsewhere,
            MarkSeen::Whole(mark) => Claimant::At(mark),
            MarkSeen::Short(_) | MarkSeen::None | MarkSeen::Occupied | MarkSeen::Unreadable => Claimant::Among,
        }
    }

    /// Whether an object of this cluster owns the tenant, by a mark that only shows a digest or by its own record.
    pub(crate) fn is_owned_by<K: Object>(&self, other: &K) -> bool {
        let Self { id, host, seen, ours, take_from: _ } = self;
        let theirs = mark(other, &ours.cluster);
        if theirs.is_same_place(ours) {
            return false;
        }
        if let MarkSeen::Short(short) = seen {
            return is_short_of(short, &theirs.place());
        }
        let connection = other.status().and_then(|status| status.connection.as_ref());
        unique_id(other) == Some(id)
            && is_held(other)
            && mode(other) != ManagementMode::Observe
            && connection.is_none_or(|connection| connection.host == *host)
            // One that has handed it over keeps the id and nothing else.
            && super::ready_reason(other) != Some(Reason::HandedOver.name())
    }

    /// The object of this cluster that `takeFrom` names, where a mark only shows a digest: it is looked at although it
    /// stands where the operator watches nothing.
    pub(crate) fn named_here(&self) -> Option<Spot<'a>> {
        let MarkSeen::Short(short) = self.seen else { return None };
        let mut parts = self.take_from?.splitn(5, '/');
        let (cluster, kind, namespace, name) = (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
        let is_here = cluster == self.ours.cluster && kind == self.ours.kind;
        (is_here && is_short_of(short, &format!("{cluster}/{kind}/{namespace}/{name}")))
            .then_some(Spot { namespace, name })
    }

    /// Who owns it where no object of this cluster was found that does.
    pub(crate) fn unfound(&self) -> Owner {
        match self.seen {
            MarkSeen::Short(_) => Owner::Elsewhere,
            MarkSeen::Whole(_) | MarkSeen::None | MarkSeen::Occupied | MarkSeen::Unreadable => Owner::Nobody,
        }
    }
}

/// What a living owner says to the object that asks. One that is being deleted hands nothing over: its tenant may be
/// about to be ended.
pub(crate) fn answer<K: Object>(owner: &K, receiver: &Mark) -> Owner {
    let is_named = owner.hand_over().is_some_and(|named| is_place(named, &namespace(owner), receiver));
    if K::KIND.name() == receiver.kind && is_named && !is_deleting(owner) { Owner::HandsOver } else { Owner::Keeps }
}

/// Whether a hand-over of an object in namespace `own` names the place of a mark.
fn is_place(hand_over: &HandOver, own: &str, mark: &Mark) -> bool {
    let HandOver { namespace, name } = hand_over;
    namespace.as_deref().unwrap_or(own) == mark.namespace && *name == mark.name
}

/// Namespace and name of the object that the tenant is handed over to; nothing where that is the object itself.
pub(crate) fn receiver<K: Object>(object: &K) -> Option<(String, String)> {
    let HandOver { namespace: named, name } = object.hand_over()?;
    let own = namespace(object);
    let space = named.clone().unwrap_or_else(|| own.clone());
    // What no object can be named must not become a path of a request.
    let is_name = |text: &str| {
        let fits = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
        text.bytes().next().is_some_and(fits) && text.bytes().all(|byte| fits(byte) || b"-.".contains(&byte))
    };
    let is_other = space != own || *name != object.name_any();
    (is_other && is_name(&space) && is_name(name)).then(|| (space, name.clone()))
}

/// Whether an object has taken a tenant over and keeps it.
pub(crate) fn has_taken<K: Object>(object: &K, id: &str) -> bool {
    let noted = intent(object).filter(|_| is_held(object)).and_then(|intent| intent.adopted);
    noted.as_deref() == Some(id) && object.hand_over().is_none()
}

/// Why a tenant is not read for an object of another namespace than that of its owner.
pub(crate) fn not_shown(id: &str) -> Outcome {
    Outcome::Refused(
        Reason::OwnedElsewhere,
        format!(
            "tenant `{id}` belongs to an object in another namespace of this cluster, so nothing of it is shown here: observe it from its owner's namespace, or delete this object"
        ),
    )
}

/// An object that hands its tenant over creates nothing.
///
/// # Errors
/// It hands its tenant over.
pub(crate) fn refuse_to_create<K: Object>(object: &K) -> Result<(), Outcome> {
    if object.hand_over().is_none() {
        return Ok(());
    }
    Err(Outcome::Refused(
        Reason::HandedOver,
        "this object hands its tenant over and has none, so none is created: delete this object, or remove `handOver`"
            .to_owned(),
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::TenantClient;

    fn giver(hand_over: &str) -> TenantClient {
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
        let named = giver(r#"{"namespace": "b", "name": "globex"}"#);
        assert_eq!(answer(&named, &mark("Client", "b", "globex")), Owner::HandsOver);
        for (kind, namespace, name) in [("Client", "b", "x"), ("Client", "c", "globex"), ("Partner", "b", "globex")] {
            assert_eq!(answer(&named, &mark(kind, namespace, name)), Owner::Keeps, "{kind} {namespace}/{name}");
        }
        assert_eq!(answer(&giver(r#"{"name": "new"}"#), &mark("Client", "a", "new")), Owner::HandsOver);
        let mut leaving = named;
        leaving.metadata.deletion_timestamp = serde_json::from_str(r#""2026-11-29T12:00:00Z""#).ok();
        assert_eq!(
            answer(&leaving, &mark("Client", "b", "globex")),
            Owner::Keeps,
            "its tenant may be about to be ended"
        );
    }

    #[test]
    fn a_receiver_is_another_object_and_its_name_is_one() {
        let of = |hand_over: &str| receiver(&giver(hand_over));
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
