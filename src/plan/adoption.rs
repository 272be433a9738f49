//! Whether a tenant that this object did not create may become its own.

use super::{MarkSeen, Plan, is_short_of};
use crate::api::{Adoption, AdoptionPolicy, Reason};
use crate::wire::Mark;

/// Who else owns a tenant, as far as can be told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Owner {
    /// No other object.
    Nobody,
    /// An object of this cluster that is gone.
    Gone,
    /// A living object of this cluster, which hands the tenant over to the one that asks.
    HandsOver,
    /// The same, but Clients still belong to the Partner that it hands over.
    HasClients,
    /// A living object of this cluster that hands nothing over to the one that asks. What cannot be read counts as living.
    Keeps,
    /// An object of another cluster, or one that the mark does not let this cluster find.
    Elsewhere,
}

/// How a tenant stands that is to be taken over.
#[derive(Clone, Copy, Debug)]
pub struct Standing<'a> {
    /// Its mark.
    pub seen: &'a MarkSeen,
    /// Who else owns it.
    pub owner: Owner,
}

/// Says why the tenant may not be taken over; `plan` is what would be written to it.
///
/// # Errors
/// Reason and sentence of the condition. The sentence names no other object: whoever may write one object must not
/// learn from it what stands in other namespaces.
pub fn adopt(adoption: &Adoption, mark: &Mark, standing: Standing<'_>, plan: &Plan) -> Result<(), (Reason, String)> {
    let Adoption { policy, unique_id, take_from } = adoption;
    let id = unique_id.as_deref().unwrap_or_default();
    let Standing { seen, owner } = standing;
    if *seen == MarkSeen::Unreadable {
        return Err((
            Reason::OwnedElsewhere,
            format!("the mark of tenant `{id}` cannot be read: give the credential the right to read it"),
        ));
    }
    match owner {
        Owner::Nobody | Owner::Gone | Owner::HandsOver => {}
        Owner::Elsewhere if take_from.as_deref().is_some_and(|from| names(from, seen)) => {}
        Owner::Elsewhere => return Err((Reason::OwnedElsewhere, owned_in_another_cluster(id))),
        Owner::Keeps => {
            let Mark { namespace, name, .. } = mark;
            return Err((
                Reason::OwnedElsewhere,
                format!(
                    "tenant `{id}` belongs to another object of this cluster: its owner must set `handOver: {{namespace: {namespace}, name: {name}}}` there"
                ),
            ));
        }
        Owner::HasClients => {
            return Err((
                Reason::OwnedElsewhere,
                format!(
                    "Clients of partner `{id}` are still declared or live on the platform: only a Partner without Clients is handed over"
                ),
            ));
        }
    }
    match policy.unwrap_or_default() {
        AdoptionPolicy::Never => Err((
            Reason::NotAdopted,
            format!("tenant `{id}` was not created by this object: set `adoption.policy` to `IfIdentical` or `Adopt`"),
        )),
        AdoptionPolicy::IfIdentical if !is_identical(plan) => Err((
            Reason::NotIdentical,
            format!(
                "tenant `{id}` differs in {}: correct the spec, or set `adoption.policy` to `Adopt` to have it written",
                differing(plan)
            ),
        )),
        AdoptionPolicy::IfIdentical | AdoptionPolicy::Adopt => Ok(()),
    }
}

/// Why a tenant of an owner that is not of this cluster is left alone.
pub fn owned_in_another_cluster(id: &str) -> String {
    format!(
        "tenant `{id}` carries the mark of an object that is not of this cluster: delete that object there with policy `Retain`, then have `adoption.takeFrom` set to `cluster/kind/namespace/name` of the tenant's `managedBy` on the platform, which needs the verb `take-over`"
    )
}

/// Whether `takeFrom` names the owner of a mark. A mark with the UID at its end, as earlier releases showed it, is read too.
fn names(take_from: &str, seen: &MarkSeen) -> bool {
    match seen {
        MarkSeen::Whole(mark) => take_from == mark.place() || take_from == mark.to_string(),
        MarkSeen::Short(short) => take_from == short || is_short_of(short, take_from),
        MarkSeen::None | MarkSeen::Occupied | MarkSeen::Unreadable => false,
    }
}

/// The mark is no part of what is compared; a write-only setting counts as different, since nobody can compare it.
fn is_identical(plan: &Plan) -> bool {
    let steps = plan.steps.iter().all(|step| *step == super::Step::Mark);
    steps && plan.differences.is_empty() && plan.waiting.is_empty()
}

fn differing(plan: &Plan) -> String {
    let paths: Vec<String> =
        plan.differences.iter().map(|difference| format!("`{}`", difference.field.path())).collect();
    if paths.is_empty() { "its state".to_owned() } else { paths.join(", ") }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::{Change, Difference, Field, Origin, Step, Value};

    fn mark(cluster: &str) -> Mark {
        format!("{cluster}/Client/ns/globex/u1").parse().unwrap()
    }

    fn adoption(policy: AdoptionPolicy, take_from: Option<&str>) -> Adoption {
        Adoption { policy: Some(policy), unique_id: Some("client_2".into()), take_from: take_from.map(Into::into) }
    }

    fn differing_plan() -> Plan {
        let to = Value::text("Berlin");
        Plan {
            steps: vec![Step::Update(vec![Change { field: Field::City, to: to.clone() }])],
            differences: vec![Difference { field: Field::City, desired: to, observed: None, origin: Origin::Spec }],
            ..Plan::default()
        }
    }

    fn decide(adoption: &Adoption, seen: &MarkSeen, owner: Owner, plan: &Plan) -> Result<(), Reason> {
        adopt(adoption, &mark("c1"), Standing { seen, owner }, plan).map_err(|(reason, _)| reason)
    }

    #[test]
    fn only_an_identical_tenant_is_taken_over_where_that_is_asked() {
        let identical = Plan { steps: vec![Step::Mark], ..Plan::default() };
        let policy = adoption(AdoptionPolicy::IfIdentical, None);
        assert_eq!(decide(&policy, &MarkSeen::None, Owner::Nobody, &identical), Ok(()));
        assert_eq!(decide(&policy, &MarkSeen::None, Owner::Nobody, &differing_plan()), Err(Reason::NotIdentical));
        let policy = adoption(AdoptionPolicy::Adopt, None);
        assert_eq!(decide(&policy, &MarkSeen::None, Owner::Nobody, &differing_plan()), Ok(()));
    }

    #[test]
    fn an_owner_of_another_cluster_keeps_its_tenant_unless_it_is_named() {
        let (seen, plan) = (MarkSeen::Whole(mark("c2")), Plan::default());
        let short = MarkSeen::Short(crate::plan::short_mark(&mark("c2")));
        let decide = |seen, from| decide(&adoption(AdoptionPolicy::Adopt, from), seen, Owner::Elsewhere, &plan);
        for from in [None, Some("c3/Client/ns/globex"), Some("c3/Client/ns/globex/u1"), Some("c2"), Some("")] {
            assert_eq!(decide(&seen, from), Err(Reason::OwnedElsewhere), "{from:?}");
            assert_eq!(decide(&short, from), Err(Reason::OwnedElsewhere), "{from:?}");
        }
        for from in ["c2/Client/ns/globex", "c2/Client/ns/globex/u1"] {
            assert_eq!(decide(&seen, Some(from)), Ok(()), "{from}");
        }
        assert_eq!(decide(&short, Some("c2/Client/ns/globex")), Ok(()));
    }

    #[test]
    fn a_living_owner_of_this_cluster_hands_its_tenant_over_or_nobody_takes_it() {
        let seen = MarkSeen::Whole(Mark { name: "other".into(), ..mark("c1") });
        let named = adoption(AdoptionPolicy::Adopt, Some("c1/Client/ns/other"));
        let plain = adoption(AdoptionPolicy::Adopt, None);
        for policy in [&named, &plain] {
            for (owner, decided) in [
                (Owner::Keeps, Err(Reason::OwnedElsewhere)),
                (Owner::HasClients, Err(Reason::OwnedElsewhere)),
                (Owner::HandsOver, Ok(())),
                (Owner::Gone, Ok(())),
            ] {
                assert_eq!(decide(policy, &seen, owner, &Plan::default()), decided, "{owner:?}");
            }
        }
    }

    #[test]
    fn a_refusal_names_nothing_of_the_other_object() {
        let other: Mark = "c9/Client/theirs/secret-project/0a1b2c3d".parse().unwrap();
        for seen in [MarkSeen::Whole(other.clone()), MarkSeen::Short(crate::plan::short_mark(&other))] {
            for owner in [Owner::Keeps, Owner::HasClients, Owner::Elsewhere] {
                let standing = Standing { seen: &seen, owner };
                let (_, said) =
                    adopt(&adoption(AdoptionPolicy::Adopt, None), &mark("c1"), standing, &Plan::default()).unwrap_err();
                for word in ["c9", "theirs", "secret-project", "0a1b2c3d", "tny:"] {
                    assert!(!said.contains(word), "`{said}` says `{word}`");
                }
            }
        }
    }

    #[test]
    fn never_means_never() {
        assert_eq!(
            decide(&adoption(AdoptionPolicy::Never, None), &MarkSeen::None, Owner::Gone, &Plan::default()),
            Err(Reason::NotAdopted)
        );
    }
}
