//! Whether a tenant that this object did not create may become its own.

use super::{MarkSeen, Plan};
use crate::api::{Adoption, AdoptionPolicy, Reason};
use crate::wire::Mark;

/// Whether the object that a foreign mark names still exists.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Owner {
    /// It is gone from this cluster.
    Gone,
    /// It exists, or that cannot be told: an owner that may not be read counts as existing.
    Exists,
}

/// Says why the tenant may not be taken over; `plan` is what would be written to it.
///
/// # Errors
/// Reason and sentence of the condition.
pub fn adopt(
    adoption: &Adoption,
    mark: &Mark,
    (seen, owner): (&MarkSeen, Owner),
    plan: &Plan,
) -> Result<(), (Reason, String)> {
    let Adoption { policy, unique_id, take_from } = adoption;
    let id = unique_id.as_deref().unwrap_or_default();
    let foreign = match seen {
        _ if seen.is_same_place(mark) => None,
        MarkSeen::Whole(other) => Some(other.to_string()),
        MarkSeen::Short(other) => Some(other.clone()),
        MarkSeen::None | MarkSeen::Occupied => None,
        MarkSeen::Unreadable => {
            return Err((
                Reason::OwnedElsewhere,
                format!("the mark of tenant `{id}` cannot be read: give the credential the right to read it"),
            ));
        }
    };
    if let Some(other) = foreign
        && owner == Owner::Exists
        && take_from.as_deref() != Some(other.as_str())
    {
        return Err((
            Reason::OwnedElsewhere,
            format!(
                "tenant `{id}` carries the mark of `{other}`: delete that object first, or set `adoption.takeFrom: {other}`"
            ),
        ));
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
        adopt(adoption, &mark("c1"), (seen, owner), plan).map_err(|(reason, _)| reason)
    }

    #[test]
    fn only_an_identical_tenant_is_taken_over_where_that_is_asked() {
        let identical = Plan { steps: vec![Step::Mark], ..Plan::default() };
        let policy = adoption(AdoptionPolicy::IfIdentical, None);
        assert_eq!(decide(&policy, &MarkSeen::None, Owner::Exists, &identical), Ok(()));
        assert_eq!(decide(&policy, &MarkSeen::None, Owner::Exists, &differing_plan()), Err(Reason::NotIdentical));
        let policy = adoption(AdoptionPolicy::Adopt, None);
        assert_eq!(decide(&policy, &MarkSeen::None, Owner::Exists, &differing_plan()), Ok(()));
    }

    #[test]
    fn another_owner_keeps_its_tenant_unless_it_is_gone_or_named() {
        let seen = MarkSeen::Whole(mark("c2"));
        let plan = Plan::default();
        assert_eq!(
            decide(&adoption(AdoptionPolicy::Adopt, None), &seen, Owner::Exists, &plan),
            Err(Reason::OwnedElsewhere)
        );
        assert_eq!(decide(&adoption(AdoptionPolicy::Adopt, None), &seen, Owner::Gone, &plan), Ok(()));
        let named = mark("c2").to_string();
        assert_eq!(decide(&adoption(AdoptionPolicy::Adopt, Some(&named)), &seen, Owner::Exists, &plan), Ok(()));
        let other = mark("c3").to_string();
        assert_eq!(
            decide(&adoption(AdoptionPolicy::Adopt, Some(&other)), &seen, Owner::Exists, &plan),
            Err(Reason::OwnedElsewhere)
        );
    }

    #[test]
    fn never_means_never() {
        assert_eq!(
            decide(&adoption(AdoptionPolicy::Never, None), &MarkSeen::None, Owner::Gone, &Plan::default()),
            Err(Reason::NotAdopted)
        );
    }
}
