//! Between plan and apply: what is only reported, what somebody keeps changing back, what waits for a person.

use std::collections::BTreeSet;

use super::super::context::Context;
use super::super::dereference::Referenced;
use super::super::error::Stop;
use super::super::object::{TenantObject, drift_policy};
use super::super::status::Facts;
use super::readback::given_up;
use crate::api::{DriftPolicy, Reason};
use crate::object::{edited, only};
use crate::plan::{
    COUNTED_WITHIN, Desired, Field, MOST_WRITES, Observed, Outcome, Part, Plan, Step, must_wait, needs_approval,
    propose,
};

/// What may be done now, and what is to be said about the rest.
pub(super) struct Gated {
    /// Steps that may be carried out.
    pub(super) plan: Plan,
    /// What others changed and these steps put right.
    corrected: Vec<Field>,
    /// What others changed again each time it was put right.
    fought: Vec<Field>,
    /// What was written as often as it may be and was never shown.
    given_up: BTreeSet<Part>,
}

impl Gated {
    /// The outcome, unless a setting was written in vain too often.
    pub(super) fn outcome(&self, outcome: Outcome) -> Result<Outcome, Stop> {
        if !self.given_up.is_empty() {
            let paths: Vec<String> = self.given_up.iter().map(|part| format!("`{}`", part.path())).collect();
            return Err(Outcome::Refused(
                Reason::NotTakenByPlatform,
                format!(
                    "{} was written {MOST_WRITES} times within an hour, the platform answered that it took it, and it shows another value each time: declare the value that it shows (`status.drift`), or ask its support",
                    paths.join(", ")
                ),
            )
            .into());
        }
        if self.fought.is_empty() {
            return Ok(outcome);
        }
        let paths: Vec<String> = self.fought.iter().map(|field| format!("`{}`", field.path())).collect();
        Err(Outcome::Refused(
            Reason::ConflictingWriter,
            format!(
                "{} was put right {MOST_WRITES} times within an hour and changed back each time: find out who changes it, or set `management.drift: Report`",
                paths.join(", ")
            ),
        )
        .into())
    }

    /// Counts the corrections once they are made: one that the platform refused has put nothing right, and whoever made it
    /// impossible is told of by the refusal.
    pub(super) fn count<K: TenantObject>(&self, object: &K, context: &Context) {
        let now = crate::clock::now();
        K::room(context).remember(object, |memory| {
            for field in &self.corrected {
                memory.corrections.entry(*field).or_default().push(now);
            }
        });
    }
}

/// Holds back what must not be written now.
pub(super) fn gate<K: TenantObject>(
    object: &K,
    plan: Plan,
    (desired, observed, referenced): (&Desired, Option<&Observed>, &Referenced),
    (context, facts): (&Context, &Facts),
) -> Result<Gated, Stop> {
    let edited = edited(object, facts.effective());
    let plan = match (drift_policy(object), observed) {
        (DriftPolicy::Report, Some(_)) => only(plan, &edited),
        (DriftPolicy::Report | DriftPolicy::Correct, _) => plan,
    };
    let mut drifted = if observed.is_some() { drifted(&plan, &edited) } else { Vec::new() };
    let parts = parts(&plan);
    let given_up: BTreeSet<Part> = given_up(object, context).intersection(&parts).copied().collect();
    drifted.retain(|field| !given_up.contains(&Part::Setting(*field)));
    let fought = fought(object, &drifted, context);
    drifted.retain(|field| !fought.contains(field));
    let left = fought.iter().copied().map(Part::Setting).chain(given_up.iter().copied()).collect();
    let plan = without(plan, &left);
    let approval = object.management().and_then(|management| management.approval.as_ref());
    // The hash covers every setting: it is made only for those who asked to be asked.
    if needs_approval(approval, &plan) {
        let proposal = propose(desired, observed, (&plan, referenced.place.parent()));
        if must_wait(approval, &plan, &proposal) {
            return Err(Outcome::Awaiting(proposal).into());
        }
    }
    Ok(Gated { plan, corrected: drifted, fought, given_up })
}

/// Settings that differ though nobody edited them here: somebody else changed them.
fn drifted(plan: &Plan, edited: &BTreeSet<String>) -> Vec<Field> {
    let fields = plan.differences.iter().map(|difference| difference.field);
    fields.filter(|field| !edited.contains(field.path()) && !plan.waiting.contains(field)).collect()
}

/// Those of them that have been put right too often.
fn fought<K: TenantObject>(object: &K, drifted: &[Field], context: &Context) -> Vec<Field> {
    let now = crate::clock::now();
    K::room(context).remember(object, |memory| {
        memory.corrections.retain(|_, times| {
            times.retain(|time| now.duration_since(*time) < COUNTED_WITHIN);
            !times.is_empty()
        });
        let often = |field: &Field| memory.corrections.get(field).is_some_and(|times| times.len() >= MOST_WRITES);
        drifted.iter().copied().filter(often).collect()
    })
}

/// Parts that a plan would write.
fn parts(plan: &Plan) -> BTreeSet<Part> {
    let settings = plan.differences.iter().map(|difference| Part::Setting(difference.field));
    let state = plan.steps.iter().any(|step| matches!(step, Step::Activate | Step::Suspend)).then_some(Part::State);
    settings.chain(state).collect()
}

/// A plan that leaves parts alone.
pub(super) fn without(mut plan: Plan, parts: &BTreeSet<Part>) -> Plan {
    let is_left = |field: Field| parts.contains(&Part::Setting(field));
    for step in &mut plan.steps {
        if let Step::Update(changes) | Step::Brand(changes) = step {
            changes.retain(|change| !is_left(change.field));
        }
    }
    plan.steps.retain(|step| match step {
        Step::Update(changes) | Step::Brand(changes) => !changes.is_empty(),
        Step::Activate | Step::Suspend => !parts.contains(&Part::State),
        Step::Create(_) | Step::Mark => true,
    });
    plan.differences.retain(|difference| !is_left(difference.field));
    plan
}
