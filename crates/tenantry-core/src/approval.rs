//! Turns a plan into sentences and a hash, which a person approves.

use tenantry_api::{Approval, ApprovalMode};

use super::diff::{DesiredTenant, Plan, PlanStep, SettingDifference};
use super::{Digest, Field, ObservedTenant, Risk, Value};

/// Advice from the product documentation about password policies.
pub const PASSWORD_POLICY_ADVICE: &str = "It is recommended not to change the password policy frequently, as this will affect the existing and newly created users of your organization, and will not apply to external authenticated users.";

/// A plan that waits for approval.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Proposal {
    /// Hash over the tenant's identity, the observed settings and the desired settings.
    pub hash: String,
    /// The steps as sentences.
    pub steps: Vec<String>,
}

/// Returns the hash and the sentences of a plan. Any change of the tenant, the spec or the place changes the hash.
pub fn propose_plan(desired: &DesiredTenant, observed: Option<&ObservedTenant>, plan: &Plan, parent: &str) -> Proposal {
    let steps = describe_steps(plan, desired);
    let settings: Vec<String> = desired
        .effective
        .written_settings()
        .map(|(field, value, _)| {
            let seen = observed.and_then(|observed| observed.value(field)).map(Value::to_json);
            format!("{}={}<-{}", field.path(), value.to_json(), seen.unwrap_or_default())
        })
        .collect();
    let identity = observed.map_or("", |observed| observed.unique_id.as_str());
    let life = observed.map(|observed| format!("{:?}", observed.lifecycle));
    let text = serde_json::json!([identity, parent, desired.mark.to_string(), life, settings, steps]).to_string();
    Proposal { hash: Digest::of_bytes(text.as_bytes()).to_string(), steps }
}

/// Returns whether the approval mode of the object requires approval of this plan.
pub fn needs_approval(approval: Option<&Approval>, plan: &Plan) -> bool {
    match approval.and_then(|approval| approval.mode).unwrap_or_default() {
        ApprovalMode::Automatic => false,
        ApprovalMode::ManualIfRisky => is_risky(plan),
        ApprovalMode::Manual => !plan.is_empty(),
    }
}

/// Returns whether the plan must wait: it needs approval and exactly this plan has not been approved.
pub fn is_awaiting_approval(approval: Option<&Approval>, plan: &Plan, proposal: &Proposal) -> bool {
    let approved = approval.and_then(|approval| approval.approved_plan.as_deref());
    needs_approval(approval, plan) && approved != Some(proposal.hash.as_str())
}

/// Returns whether a plan interrupts users. A create never does.
fn is_risky(plan: &Plan) -> bool {
    let creates = plan.steps.iter().any(|step| matches!(step, PlanStep::Create(_)));
    let suspends = plan.steps.contains(&PlanStep::Suspend);
    !creates && (suspends || plan.differences.iter().any(|difference| difference.risk() == Risk::Disruptive))
}

fn describe_steps(plan: &Plan, desired: &DesiredTenant) -> Vec<String> {
    let mut words = Vec::new();
    for step in &plan.steps {
        match step {
            PlanStep::Create(_) => {
                let name = desired.effective.value(Field::Name).map(Value::to_json).unwrap_or_default();
                words.push(format!("create tenant {name}"));
                words.extend(describe_changes(plan, false));
            }
            PlanStep::Mark => words.push("write the mark of this object and nothing else".to_owned()),
            PlanStep::Activate => words.push("activate the tenant".to_owned()),
            PlanStep::Update(_) => words.extend(describe_changes(plan, false)),
            PlanStep::Brand(_) => words.extend(describe_changes(plan, true)),
            PlanStep::Suspend => words.push("suspend the tenant (disruptive)".to_owned()),
        }
    }
    if plan.differences.iter().any(|difference| difference.field.path().starts_with("security.passwordPolicy")) {
        words.push(format!("note: {PASSWORD_POLICY_ADVICE}"));
    }
    words
}

fn describe_changes(plan: &Plan, is_branding: bool) -> impl Iterator<Item = String> {
    plan.differences
        .iter()
        .filter(move |difference| difference.field.is_branding() == is_branding)
        .map(describe_difference)
}

fn describe_difference(difference: &SettingDifference) -> String {
    let SettingDifference { field, desired, observed, origin } = difference;
    let from = observed.as_ref().map_or_else(|| "what is not shown".to_owned(), Value::to_json);
    let risk = if difference.risk() == Risk::Disruptive { ", disruptive" } else { "" };
    format!("update {} from {from} to {} ({}{risk})", field.path(), desired.to_json(), origin.name())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{EffectiveSettings, TenantKind, ValueOrigin, WriteRecord, diff};

    fn desired_tenant(city: &str, ips: &[&str]) -> DesiredTenant {
        let values = [(Field::City, Value::text(city)), (Field::AllowedIps, Value::set(ips.iter().copied()))];
        DesiredTenant {
            kind: TenantKind::Client,
            effective: EffectiveSettings {
                values: values.into_iter().map(|(field, value)| (field, (value, ValueOrigin::Spec))).collect(),
                ..EffectiveSettings::default()
            },
            state: None,
            mark: "c/Client/n/a/u".parse().unwrap(),
        }
    }

    fn observed_tenant(city: &str) -> ObservedTenant {
        ObservedTenant {
            unique_id: "client_2".into(),
            served_images: [].into(),
            account_id: None,
            name: "A".into(),
            lifecycle: crate::LifecycleState::Active,
            mark: crate::ObservedMark::Full("c/Client/n/a/u".parse().unwrap()),
            values: [
                (Field::City, crate::ObservedValue::Value(Value::text(city))),
                (Field::AllowedIps, crate::ObservedValue::Value(Value::set(["10.0.0.1"]))),
            ]
            .into(),
            created: None,
            updated: None,
            revision: None,
            url: None,
            api_endpoint: None,
            unknown: crate::UnknownAnswers::default(),
        }
    }

    fn plan_and_proposal(desired: &DesiredTenant, observed: &ObservedTenant) -> (Plan, Proposal) {
        let plan = diff(desired, Some(observed), &WriteRecord::default());
        let proposal = propose_plan(desired, Some(observed), &plan, "msp_1");
        (plan, proposal)
    }

    #[test]
    fn a_changed_world_or_a_changed_spec_makes_another_hash() {
        let (_, one) = plan_and_proposal(&desired_tenant("Berlin", &["10.0.0.1"]), &observed_tenant("Bonn"));
        let (_, same) = plan_and_proposal(&desired_tenant("Berlin", &["10.0.0.1"]), &observed_tenant("Bonn"));
        let (_, world) = plan_and_proposal(&desired_tenant("Berlin", &["10.0.0.1"]), &observed_tenant("Kiel"));
        let (_, spec) = plan_and_proposal(&desired_tenant("Hamm", &["10.0.0.1"]), &observed_tenant("Bonn"));
        assert_eq!(one, same);
        assert_ne!(one.hash, world.hash);
        assert_ne!(one.hash, spec.hash);
        assert_eq!(one.steps, ["update details.city from \"Bonn\" to \"Berlin\" (Spec)"]);
    }

    #[test]
    fn only_what_interrupts_people_waits_where_that_is_asked() {
        let approval =
            |mode, approved: Option<&str>| Approval { mode: Some(mode), approved_plan: approved.map(Into::into) };
        let (quiet, proposed) = plan_and_proposal(&desired_tenant("Berlin", &["10.0.0.1"]), &observed_tenant("Bonn"));
        assert!(!is_awaiting_approval(Some(&approval(ApprovalMode::ManualIfRisky, None)), &quiet, &proposed));
        assert!(is_awaiting_approval(Some(&approval(ApprovalMode::Manual, None)), &quiet, &proposed));
        let (risky, proposed) = plan_and_proposal(&desired_tenant("Berlin", &["10.0.0.9"]), &observed_tenant("Bonn"));
        assert!(is_awaiting_approval(Some(&approval(ApprovalMode::ManualIfRisky, None)), &risky, &proposed));
        assert!(!is_awaiting_approval(
            Some(&approval(ApprovalMode::ManualIfRisky, Some(&proposed.hash))),
            &risky,
            &proposed
        ));
        assert!(!is_awaiting_approval(None, &risky, &proposed));
    }

    /// Builds a plan with these steps that changes these settings.
    fn plan_with(steps: Vec<PlanStep>, fields: &[Field]) -> Plan {
        let difference = |field: &Field| SettingDifference {
            field: *field,
            desired: Value::set(["new"]),
            observed: Some(Value::set(["old"])),
            origin: ValueOrigin::Spec,
        };
        Plan { steps, differences: fields.iter().map(difference).collect(), ..Plan::default() }
    }

    #[test]
    fn each_change_that_interrupts_people_waits_and_no_other_does() {
        let asks = |plan: &Plan| {
            let approval = Approval { mode: Some(ApprovalMode::ManualIfRisky), approved_plan: None };
            needs_approval(Some(&approval), plan)
        };
        let update = || vec![PlanStep::Update(Vec::new())];
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
            assert_eq!(asks(&plan_with(update(), fields)), waits, "{fields:?}");
        }
        assert!(asks(&plan_with(vec![PlanStep::Suspend], &[])), "a suspension interrupts everybody");
        for step in [PlanStep::Activate, PlanStep::Mark, PlanStep::Create(Vec::new())] {
            assert!(!asks(&plan_with(vec![step.clone()], &[])), "{step:?}");
        }
        assert!(!asks(&plan_with(vec![PlanStep::Create(Vec::new())], &[Field::Name])), "a create interrupts nobody");
        let (risky, no_mode) = (plan_with(vec![PlanStep::Suspend], &[Field::Name]), Approval::default());
        assert!(!needs_approval(None, &risky) && !needs_approval(Some(&no_mode), &risky), "the default is Automatic");
    }
}
