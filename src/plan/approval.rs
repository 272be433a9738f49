//! A plan in words and as a hash: what a person approves.

use super::diff::{Desired, Difference, Plan, Step};
use super::{Digest, Field, Observed, Risk, Value};
use crate::api::{Approval, ApprovalMode};

/// The documentation's advice about password policies.
pub const PASSWORD_POLICY_ADVICE: &str = "It is recommended not to change the password policy frequently, as this will affect the existing and newly created users of your organization, and will not apply to external authenticated users.";

/// A plan that waits for a person.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Proposal {
    /// Hash over the tenant's identity, what was observed and what is wanted.
    pub hash: String,
    /// The steps in words.
    pub steps: Vec<String>,
}

/// Hash and words of a plan. Any change of the tenant, of the spec or of the place makes another hash.
pub fn propose(desired: &Desired, observed: Option<&Observed>, (plan, parent): (&Plan, &str)) -> Proposal {
    let steps = words(plan, desired);
    let settings: Vec<String> = desired
        .effective
        .written()
        .map(|(field, value, _)| {
            let seen = observed.and_then(|observed| observed.value(field)).map(Value::json);
            format!("{}={}<-{}", field.path(), value.json(), seen.unwrap_or_default())
        })
        .collect();
    let identity = observed.map_or("", |observed| observed.unique_id.as_str());
    let life = observed.map(|observed| format!("{:?}", observed.life));
    let text = serde_json::json!([identity, parent, desired.mark.to_string(), life, settings, steps]).to_string();
    Proposal { hash: Digest::of(text.as_bytes()).to_string(), steps }
}

/// Whether a plan needs approval at all, by the object's wish.
pub fn needs_approval(approval: Option<&Approval>, plan: &Plan) -> bool {
    match approval.and_then(|approval| approval.mode).unwrap_or_default() {
        ApprovalMode::Automatic => false,
        ApprovalMode::ManualIfRisky => is_risky(plan),
        ApprovalMode::Manual => !plan.is_empty(),
    }
}

/// Whether a plan must wait: it needs approval, and this very plan has none.
pub fn must_wait(approval: Option<&Approval>, plan: &Plan, proposal: &Proposal) -> bool {
    let approved = approval.and_then(|approval| approval.approved_plan.as_deref());
    needs_approval(approval, plan) && approved != Some(proposal.hash.as_str())
}

/// Whether a plan interrupts people. A create interrupts nobody.
fn is_risky(plan: &Plan) -> bool {
    let creates = plan.steps.iter().any(|step| matches!(step, Step::Create(_)));
    let suspends = plan.steps.contains(&Step::Suspend);
    !creates && (suspends || plan.differences.iter().any(|difference| difference.risk() == Risk::Disruptive))
}

fn words(plan: &Plan, desired: &Desired) -> Vec<String> {
    let mut words = Vec::new();
    for step in &plan.steps {
        match step {
            Step::Create(_) => {
                let name = desired.effective.value(Field::Name).map(Value::json).unwrap_or_default();
                words.push(format!("create tenant {name}"));
                words.extend(changes(plan, false));
            }
            Step::Mark => words.push("write the mark of this object and nothing else".to_owned()),
            Step::Activate => words.push("activate the tenant".to_owned()),
            Step::Update(_) => words.extend(changes(plan, false)),
            Step::Brand(_) => words.extend(changes(plan, true)),
            Step::Suspend => words.push("suspend the tenant (disruptive)".to_owned()),
        }
    }
    if plan.differences.iter().any(|difference| difference.field.path().starts_with("security.passwordPolicy")) {
        words.push(format!("note: {PASSWORD_POLICY_ADVICE}"));
    }
    words
}

fn changes(plan: &Plan, is_branding: bool) -> impl Iterator<Item = String> {
    plan.differences.iter().filter(move |difference| difference.field.is_branding() == is_branding).map(sentence)
}

fn sentence(difference: &Difference) -> String {
    let Difference { field, desired, observed, origin } = difference;
    let from = observed.as_ref().map_or_else(|| "what is not shown".to_owned(), Value::json);
    let risk = if difference.risk() == Risk::Disruptive { ", disruptive" } else { "" };
    format!("update {} from {from} to {} ({}{risk})", field.path(), desired.json(), origin.name())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::{Effective, Kind, Origin, Written, diff};

    fn desired(city: &str, ips: &[&str]) -> Desired {
        let values = [(Field::City, Value::text(city)), (Field::AllowedIps, Value::set(ips.iter().copied()))];
        Desired {
            kind: Kind::Client,
            effective: Effective {
                values: values.into_iter().map(|(field, value)| (field, (value, Origin::Spec))).collect(),
                ..Effective::default()
            },
            state: None,
            mark: "c/Client/n/a/u".parse().unwrap(),
        }
    }

    fn observed(city: &str) -> Observed {
        Observed {
            unique_id: "client_2".into(),
            served: [].into(),
            account_id: None,
            name: "A".into(),
            life: crate::plan::TenantLife::Active,
            mark: crate::plan::MarkSeen::Whole("c/Client/n/a/u".parse().unwrap()),
            seen: [
                (Field::City, crate::plan::Seen::Value(Value::text(city))),
                (Field::AllowedIps, crate::plan::Seen::Value(Value::set(["10.0.0.1"]))),
            ]
            .into(),
            created: None,
            updated: None,
            revision: None,
            url: None,
            api_endpoint: None,
            unknown: crate::plan::Unknown::default(),
        }
    }

    fn proposal(desired: &Desired, observed: &Observed) -> (Plan, Proposal) {
        let plan = diff(desired, Some(observed), &Written::default());
        let proposal = propose(desired, Some(observed), (&plan, "msp_1"));
        (plan, proposal)
    }

    #[test]
    fn a_changed_world_or_a_changed_spec_makes_another_hash() {
        let (_, one) = proposal(&desired("Berlin", &["10.0.0.1"]), &observed("Bonn"));
        let (_, same) = proposal(&desired("Berlin", &["10.0.0.1"]), &observed("Bonn"));
        let (_, world) = proposal(&desired("Berlin", &["10.0.0.1"]), &observed("Kiel"));
        let (_, spec) = proposal(&desired("Hamm", &["10.0.0.1"]), &observed("Bonn"));
        assert_eq!(one, same);
        assert_ne!(one.hash, world.hash);
        assert_ne!(one.hash, spec.hash);
        assert_eq!(one.steps, ["update details.city from \"Bonn\" to \"Berlin\" (Spec)"]);
    }

    #[test]
    fn only_what_interrupts_people_waits_where_that_is_asked() {
        let approval =
            |mode, approved: Option<&str>| Approval { mode: Some(mode), approved_plan: approved.map(Into::into) };
        let (quiet, proposed) = proposal(&desired("Berlin", &["10.0.0.1"]), &observed("Bonn"));
        assert!(!must_wait(Some(&approval(ApprovalMode::ManualIfRisky, None)), &quiet, &proposed));
        assert!(must_wait(Some(&approval(ApprovalMode::Manual, None)), &quiet, &proposed));
        let (risky, proposed) = proposal(&desired("Berlin", &["10.0.0.9"]), &observed("Bonn"));
        assert!(must_wait(Some(&approval(ApprovalMode::ManualIfRisky, None)), &risky, &proposed));
        assert!(!must_wait(Some(&approval(ApprovalMode::ManualIfRisky, Some(&proposed.hash))), &risky, &proposed));
        assert!(!must_wait(None, &risky, &proposed));
    }

    /// A plan of these steps that changes these settings.
    fn plan(steps: Vec<Step>, fields: &[Field]) -> Plan {
        let difference = |field: &Field| Difference {
            field: *field,
            desired: Value::set(["new"]),
            observed: Some(Value::set(["old"])),
            origin: Origin::Spec,
        };
        Plan { steps, differences: fields.iter().map(difference).collect(), ..Plan::default() }
    }

    #[test]
    fn each_change_that_interrupts_people_waits_and_no_other_does() {
        let asks = |plan: &Plan| {
            let approval = Approval { mode: Some(ApprovalMode::ManualIfRisky), approved_plan: None };
            needs_approval(Some(&approval), plan)
        };
        let update = || vec![Step::Update(Vec::new())];
        for (fields, waits) in [
            (&[Field::Name][..], true),
            (&[Field::Packages], true),
            (&[Field::AllowedIps], true),
            (&[Field::PolicyPciDss], true),
            (&[Field::PolicyMinLength], true),
            (&[Field::PolicyAttempts], true),
            (&[Field::PolicyChangeAtNextLogin], true),
            (&[Field::City, Field::Name], true),
            (&[Field::City], false),
            (&[Field::AddOns, Field::Logo, Field::TwoFactorAuthentication], false),
        ] {
            assert_eq!(asks(&plan(update(), fields)), waits, "{fields:?}");
        }
        assert!(asks(&plan(vec![Step::Suspend], &[])), "a suspension interrupts everybody");
        for step in [Step::Activate, Step::Mark, Step::Create(Vec::new())] {
            assert!(!asks(&plan(vec![step.clone()], &[])), "{step:?}");
        }
        assert!(!asks(&plan(vec![Step::Create(Vec::new())], &[Field::Name])), "a create interrupts nobody");
        let (risky, no_mode) = (plan(vec![Step::Suspend], &[Field::Name]), Approval::default());
        assert!(!needs_approval(None, &risky) && !needs_approval(Some(&no_mode), &risky), "the default is Automatic");
    }
}
