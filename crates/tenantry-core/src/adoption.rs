//! Decides whether an object may adopt a tenant that it did not create.

use tenantry_api::{Adoption, AdoptionPolicy, Reason};
use tenantry_wire::Mark;

use super::{ObservedMark, Plan, is_short_mark_of};

/// Who else owns a tenant, as far as this cluster can determine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OwnerStatus {
    /// No other object.
    Nobody,
    /// An object of this cluster that no longer exists.
    Gone,
    /// An existing object of this cluster that hands the tenant over to the object that adopts it.
    HandsOver,
    /// Like `HandsOver`, but Clients still belong to the Partner that is handed over.
    HasClients,
    /// An existing object of this cluster that does not hand the tenant over to this object. An object that cannot be
    /// read counts as existing.
    KeepsTenant,
    /// An object of another cluster, or one that this cluster cannot find from the mark.
    OtherCluster,
}

/// The current ownership of a tenant that an object requests to adopt.
#[derive(Clone, Copy, Debug)]
pub struct Ownership<'a> {
    /// Mark of the tenant.
    pub observed_mark: &'a ObservedMark,
    /// Who else owns the tenant.
    pub owner: OwnerStatus,
}

/// Checks that the tenant may be adopted; `plan` is what would be written to it.
///
/// # Errors
///
/// Returns the reason and the message of the condition. The message names no other object, because a user who may write
/// one object must not learn from it what exists in other namespaces.
pub fn check_adoption(
    adoption: &Adoption,
    mark: &Mark,
    ownership: Ownership<'_>,
    plan: &Plan,
) -> Result<(), (Reason, String)> {
    let Adoption { policy, unique_id, take_from } = adoption;
    let id = unique_id.as_deref().unwrap_or_default();
    let Ownership { observed_mark: seen, owner } = ownership;
    if *seen == ObservedMark::Unreadable {
        return Err((
            Reason::OwnedElsewhere,
            format!("the mark of tenant `{id}` cannot be read: give the credential the right to read it"),
        ));
    }
    match owner {
        OwnerStatus::Nobody | OwnerStatus::Gone | OwnerStatus::HandsOver => {}
        OwnerStatus::OtherCluster if take_from.as_deref().is_some_and(|from| is_owner_named(from, seen)) => {}
        OwnerStatus::OtherCluster => return Err((Reason::OwnedElsewhere, other_cluster_message(id))),
        OwnerStatus::KeepsTenant => {
            let Mark { namespace, name, .. } = mark;
            return Err((
                Reason::OwnedElsewhere,
                format!(
                    "tenant `{id}` belongs to another object of this cluster: its owner must set `handOver: {{namespace: {namespace}, name: {name}}}` there"
                ),
            ));
        }
        OwnerStatus::HasClients => {
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
                differing_paths(plan)
            ),
        )),
        AdoptionPolicy::IfIdentical | AdoptionPolicy::Adopt => Ok(()),
    }
}

/// Returns the message that explains why a tenant owned by another cluster's object is not adopted.
pub fn other_cluster_message(id: &str) -> String {
    format!(
        "tenant `{id}` carries the mark of an object that is not of this cluster: delete that object there with policy `Retain`, then have `adoption.takeFrom` set to `cluster/kind/namespace/name` of the tenant's `managedBy` on the platform, which needs the verb `take-over`"
    )
}

/// Returns whether `takeFrom` names the owner in a mark. Also accepts a mark that ends with the UID, as earlier
/// releases showed it.
fn is_owner_named(take_from: &str, observed_mark: &ObservedMark) -> bool {
    match observed_mark {
        ObservedMark::Full(mark) => take_from == mark.place() || take_from == mark.to_string(),
        ObservedMark::Short(short) => take_from == short || is_short_mark_of(short, take_from),
        ObservedMark::None | ObservedMark::Occupied | ObservedMark::Unreadable => false,
    }
}

/// Ignores the mark. A write-only setting counts as different, because its value cannot be compared.
fn is_identical(plan: &Plan) -> bool {
    let steps = plan.steps.iter().all(|step| *step == super::PlanStep::Mark);
    steps && plan.differences.is_empty() && plan.deferred.is_empty()
}

fn differing_paths(plan: &Plan) -> String {
    let paths: Vec<String> =
        plan.differences.iter().map(|difference| format!("`{}`", difference.field.path())).collect();
    if paths.is_empty() { "its state".to_owned() } else { paths.join(", ") }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Field, PlanStep, SettingChange, SettingDifference, Value, ValueOrigin};

    fn mark(cluster: &str) -> Mark {
        format!("{cluster}/Client/ns/globex/u1").parse().unwrap()
    }

    fn adoption(policy: AdoptionPolicy, take_from: Option<&str>) -> Adoption {
        Adoption { policy: Some(policy), unique_id: Some("client_2".into()), take_from: take_from.map(Into::into) }
    }

    fn differing_plan() -> Plan {
        let to = Value::text("Berlin");
        Plan {
            steps: vec![PlanStep::Update(vec![SettingChange { field: Field::City, to: to.clone() }])],
            differences: vec![SettingDifference {
                field: Field::City,
                desired: to,
                observed: None,
                origin: ValueOrigin::Spec,
            }],
            ..Plan::default()
        }
    }

    fn decide(
        adoption: &Adoption,
        observed_mark: &ObservedMark,
        owner: OwnerStatus,
        plan: &Plan,
    ) -> Result<(), Reason> {
        check_adoption(adoption, &mark("c1"), Ownership { observed_mark, owner }, plan).map_err(|(reason, _)| reason)
    }

    #[test]
    fn only_an_identical_tenant_is_taken_over_where_that_is_asked() {
        let identical = Plan { steps: vec![PlanStep::Mark], ..Plan::default() };
        let policy = adoption(AdoptionPolicy::IfIdentical, None);
        assert_eq!(decide(&policy, &ObservedMark::None, OwnerStatus::Nobody, &identical), Ok(()));
        assert_eq!(
            decide(&policy, &ObservedMark::None, OwnerStatus::Nobody, &differing_plan()),
            Err(Reason::NotIdentical)
        );
        let policy = adoption(AdoptionPolicy::Adopt, None);
        assert_eq!(decide(&policy, &ObservedMark::None, OwnerStatus::Nobody, &differing_plan()), Ok(()));
    }

    #[test]
    fn an_owner_of_another_cluster_keeps_its_tenant_unless_it_is_named() {
        let (seen, plan) = (ObservedMark::Full(mark("c2")), Plan::default());
        let short = ObservedMark::Short(crate::short_mark(&mark("c2")));
        let decide =
            |seen, from| decide(&adoption(AdoptionPolicy::Adopt, from), seen, OwnerStatus::OtherCluster, &plan);
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
        let seen = ObservedMark::Full(Mark { name: "other".into(), ..mark("c1") });
        let named = adoption(AdoptionPolicy::Adopt, Some("c1/Client/ns/other"));
        let plain = adoption(AdoptionPolicy::Adopt, None);
        for policy in [&named, &plain] {
            for (owner, decided) in [
                (OwnerStatus::KeepsTenant, Err(Reason::OwnedElsewhere)),
                (OwnerStatus::HasClients, Err(Reason::OwnedElsewhere)),
                (OwnerStatus::HandsOver, Ok(())),
                (OwnerStatus::Gone, Ok(())),
            ] {
                assert_eq!(decide(policy, &seen, owner, &Plan::default()), decided, "{owner:?}");
            }
        }
    }

    #[test]
    fn a_refusal_names_nothing_of_the_other_object() {
        let other: Mark = "c9/Client/theirs/secret-project/0a1b2c3d".parse().unwrap();
        for seen in [ObservedMark::Full(other.clone()), ObservedMark::Short(crate::short_mark(&other))] {
            for owner in [OwnerStatus::KeepsTenant, OwnerStatus::HasClients, OwnerStatus::OtherCluster] {
                let ownership = Ownership { observed_mark: &seen, owner };
                let (_, said) =
                    check_adoption(&adoption(AdoptionPolicy::Adopt, None), &mark("c1"), ownership, &Plan::default())
                        .unwrap_err();
                for word in ["c9", "theirs", "secret-project", "0a1b2c3d", "tny:"] {
                    assert!(!said.contains(word), "`{said}` says `{word}`");
                }
            }
        }
    }

    #[test]
    fn never_means_never() {
        assert_eq!(
            decide(&adoption(AdoptionPolicy::Never, None), &ObservedMark::None, OwnerStatus::Gone, &Plan::default()),
            Err(Reason::NotAdopted)
        );
    }
}
