//! Between plan and apply: what is only reported, what somebody keeps changing back, what waits for a person.

use std::collections::BTreeSet;

use jiff::SignedDuration;

use super::super::context::Context;
use super::super::dereference::Referenced;
use super::super::error::Stop;
use super::super::object::{TenantObject, drift_policy};
use super::super::status::Facts;
use crate::api::{DriftPolicy, Reason};
use crate::object::{edited, only};
use crate::plan::{Desired, Field, Observed, Outcome, Plan, Step, must_wait, needs_approval, propose};

/// Corrections of one setting within an hour after which somebody else is taken to want it otherwise.
const MOST_CORRECTIONS: usize = 3;
/// Time in which they are counted.
const WITHIN: SignedDuration = SignedDuration::from_hours(1);

/// What may be done now, and what is to be said about the rest.
pub(super) struct Gated {
    /// Steps that may be carried out.
    pub(super) plan: Plan,
    /// What others changed and these steps put right.
    corrected: Vec<Field>,
    fought: Vec<Field>,
}

impl Gated {
    /// The outcome, unless somebody keeps changing a setting back.
    pub(super) fn outcome(&self, outcome: Outcome) -> Result<Outcome, Stop> {
        if self.fought.is_empty() {
            return Ok(outcome);
        }
        let paths: Vec<String> = self.fought.iter().map(|field| format!("`{}`", field.path())).collect();
        Err(Outcome::Refused(
            Reason::ConflictingWriter,
            format!(
                "{} was put right {MOST_CORRECTIONS} times within an hour and changed back each time: find out who changes it, or set `management.drift: Report`",
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
    let fought = fought(object, &drifted, context);
    drifted.retain(|field| !fought.contains(field));
    let plan = without(plan, &fought);
    let approval = object.management().and_then(|management| management.approval.as_ref());
    // The hash covers every setting: it is made only for those who asked to be asked.
    if needs_approval(approval, &plan) {
        let proposal = propose(desired, observed, (&plan, referenced.place.parent()));
        if must_wait(approval, &plan, &proposal) {
            return Err(Outcome::Awaiting(proposal).into());
        }
    }
    Ok(Gated { plan, corrected: drifted, fought })
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
            times.retain(|time| now.duration_since(*time) < WITHIN);
            !times.is_empty()
        });
        let often = |field: &Field| memory.corrections.get(field).is_some_and(|times| times.len() >= MOST_CORRECTIONS);
        drifted.iter().copied().filter(often).collect()
    })
}

fn without(mut plan: Plan, fought: &[Field]) -> Plan {
    for step in &mut plan.steps {
        if let Step::Update(changes) | Step::Brand(changes) = step {
            changes.retain(|change| !fought.contains(&change.field));
        }
    }
    plan.steps.retain(|step| !matches!(step, Step::Update(changes) | Step::Brand(changes) if changes.is_empty()));
    plan.differences.retain(|difference| !fought.contains(&difference.field));
    plan
}
