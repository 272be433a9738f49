//! Between plan and apply: holds back what is only reported, what somebody keeps changing back, and what awaits
//! approval.

use std::collections::BTreeSet;

use tenantry_api::{DriftPolicy, Reason};
use tenantry_core::object::{edited_paths, restrict_to_edits};
use tenantry_core::{
    DesiredTenant, Field, MAX_WRITES, ObservedTenant, PassOutcome, Plan, PlanStep, TenantProperty, WRITE_COUNT_WINDOW,
    is_awaiting_approval, needs_approval, propose_plan,
};

use super::super::context::Context;
use super::super::pass_stop::PassStop;
use super::super::resolve_references::TenantReferences;
use super::super::status::PassResult;
use super::super::tenant_object::{TenantObject, drift_policy};
use super::readback::abandoned_properties;

/// What may be done now, and what to report about the rest.
pub(super) struct FilteredPlan {
    /// Steps that may be carried out.
    pub(super) plan: Plan,
    /// Settings that others changed and these steps correct.
    corrected: Vec<Field>,
    /// Settings that others changed again after each correction.
    contested: Vec<Field>,
    /// Parts that were written as often as allowed and never shown.
    abandoned: BTreeSet<TenantProperty>,
}

impl FilteredPlan {
    /// Returns the outcome, or an error if a setting was written in vain too often.
    pub(super) fn check_outcome(&self, outcome: PassOutcome) -> Result<PassOutcome, PassStop> {
        if !self.abandoned.is_empty() {
            let paths: Vec<String> = self.abandoned.iter().map(|part| format!("`{}`", part.path())).collect();
            return Err(PassOutcome::Refused(
                Reason::NotTakenByPlatform,
                format!(
                    "{} was written {MAX_WRITES} times within an hour, the platform answered that it took it, and it shows another value each time: declare the value that it shows (`status.drift`), or ask its support",
                    paths.join(", ")
                ),
            )
            .into());
        }
        if self.contested.is_empty() {
            return Ok(outcome);
        }
        let paths: Vec<String> = self.contested.iter().map(|field| format!("`{}`", field.path())).collect();
        Err(PassOutcome::Refused(
            Reason::ConflictingWriter,
            format!(
                "{} was put right {MAX_WRITES} times within an hour and changed back each time: find out who changes it, or set `management.drift: Report`",
                paths.join(", ")
            ),
        )
        .into())
    }

    /// Counts the corrections after they succeeded. A correction that the platform refused has corrected nothing, and
    /// the refusal itself is reported.
    pub(super) fn count_corrections<K: TenantObject>(&self, object: &K, context: &Context) {
        let now = tenantry_runtime::clock::now();
        K::kind_state(context).with_memory(object, |memory| {
            for field in &self.corrected {
                memory.corrections.entry(*field).or_default().push(now);
            }
        });
    }
}

/// Filters out of the plan what must not be written now.
pub(super) fn filter_plan<K: TenantObject>(
    object: &K,
    plan: Plan,
    desired: &DesiredTenant,
    observed: Option<&ObservedTenant>,
    referenced: &TenantReferences,
    context: &Context,
    pass_result: &PassResult,
) -> Result<FilteredPlan, PassStop> {
    let edited = edited_paths(object, pass_result.effective_settings());
    let plan = match (drift_policy(object), observed) {
        (DriftPolicy::Report, Some(_)) => restrict_to_edits(plan, &edited),
        (DriftPolicy::Report | DriftPolicy::Correct, _) => plan,
    };
    let mut drifted = if observed.is_some() { drifted_fields(&plan, &edited) } else { Vec::new() };
    let parts = plan_properties(&plan);
    let given_up: BTreeSet<TenantProperty> =
        abandoned_properties(object, context).intersection(&parts).copied().collect();
    drifted.retain(|field| !given_up.contains(&TenantProperty::Setting(*field)));
    let contested = contested_fields(object, &drifted, context);
    drifted.retain(|field| !contested.contains(field));
    let left = contested.iter().copied().map(TenantProperty::Setting).chain(given_up.iter().copied()).collect();
    let plan = without_properties(plan, &left);
    let approval = object.management().and_then(|management| management.approval.as_ref());
    // The hash covers every setting, so it is computed only for objects with an approval policy.
    if needs_approval(approval, &plan) {
        let proposal = propose_plan(desired, observed, &plan, referenced.place.parent_id());
        if is_awaiting_approval(approval, &plan, &proposal) {
            return Err(PassOutcome::AwaitingApproval(proposal).into());
        }
    }
    Ok(FilteredPlan { plan, corrected: drifted, contested, abandoned: given_up })
}

/// Returns the settings that differ although nobody edited them here: somebody else changed them on the platform.
fn drifted_fields(plan: &Plan, edited: &BTreeSet<String>) -> Vec<Field> {
    let fields = plan.differences.iter().map(|difference| difference.field);
    fields.filter(|field| !edited.contains(field.path()) && !plan.deferred.contains(field)).collect()
}

/// Returns those of them that were corrected too often.
fn contested_fields<K: TenantObject>(object: &K, drifted: &[Field], context: &Context) -> Vec<Field> {
    let now = tenantry_runtime::clock::now();
    K::kind_state(context).with_memory(object, |memory| {
        memory.corrections.retain(|_, times| {
            times.retain(|time| now.duration_since(*time) < WRITE_COUNT_WINDOW);
            !times.is_empty()
        });
        let often = |field: &Field| memory.corrections.get(field).is_some_and(|times| times.len() >= MAX_WRITES);
        drifted.iter().copied().filter(often).collect()
    })
}

/// Returns the parts that a plan would write.
fn plan_properties(plan: &Plan) -> BTreeSet<TenantProperty> {
    let settings = plan.differences.iter().map(|difference| TenantProperty::Setting(difference.field));
    let state = plan
        .steps
        .iter()
        .any(|step| matches!(step, PlanStep::Activate | PlanStep::Suspend))
        .then_some(TenantProperty::State);
    settings.chain(state).collect()
}

/// Removes parts from a plan.
pub(super) fn without_properties(mut plan: Plan, parts: &BTreeSet<TenantProperty>) -> Plan {
    let is_left = |field: Field| parts.contains(&TenantProperty::Setting(field));
    for step in &mut plan.steps {
        if let PlanStep::Update(changes) | PlanStep::Brand(changes) = step {
            changes.retain(|change| !is_left(change.field));
        }
    }
    plan.steps.retain(|step| match step {
        PlanStep::Update(changes) | PlanStep::Brand(changes) => !changes.is_empty(),
        PlanStep::Activate | PlanStep::Suspend => !parts.contains(&TenantProperty::State),
        PlanStep::Create(_) | PlanStep::Mark => true,
    });
    plan.differences.retain(|difference| !is_left(difference.field));
    plan
}
