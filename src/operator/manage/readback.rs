//! What this process wrote and reads back: what is not visible yet is waited for, a form of the platform's own is kept,
//! and what the platform does not take is not written for ever.

use std::collections::BTreeSet;

use kube::ResourceExt;

use super::super::context::Context;
use super::super::object::{TenantObject, asked_adoption, intent, is_held};
use super::super::status::Facts;
use crate::api::{Reason, TenantState};
use crate::object::{missing, never_found};
use crate::plan::{
    Change, Desired, Echo, NewWrite, Observed, Outcome, OwnWrite, Part, Plan, Read, Reading, TenantLife,
    VISIBLE_WITHIN, Value,
};

/// Parts whose last write does not count yet.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Awaited {
    /// The platform does not show the write yet.
    late: Vec<Part>,
    /// The platform shows a form of its own, which a later read must confirm.
    unconfirmed: Vec<Part>,
    /// The platform shows another value; it is written again.
    other: Vec<Part>,
}

impl Awaited {
    /// Parts that are not written again before a later read.
    pub(super) fn held(&self) -> BTreeSet<Part> {
        self.late.iter().chain(&self.unconfirmed).copied().collect()
    }

    /// What is said meanwhile; nothing where nothing of these parts is awaited.
    pub(super) fn outcome(&self, facts: &mut Facts) -> Option<Outcome> {
        let all: Vec<Part> = self.late.iter().chain(&self.unconfirmed).chain(&self.other).copied().collect();
        // People are not safe, or not served, until it is in force.
        facts.is_unconfirmed |= all.iter().any(|part| part.is_exact());
        let clause = |parts: &[Part], what: &str| {
            let paths: Vec<String> = parts.iter().map(|part| format!("`{}`", part.path())).collect();
            (!parts.is_empty()).then(|| format!("{} {what}", paths.join(", ")))
        };
        let clauses = [
            clause(&self.late, "was written and is not visible on the platform yet"),
            clause(&self.unconfirmed, "was written and the platform shows a form of its own"),
            clause(&self.other, "was written and the platform shows another value"),
        ];
        let said: Vec<String> = clauses.into_iter().flatten().collect();
        (!said.is_empty()).then(|| Outcome::Failed(Reason::InProgress, format!("{}: looking again", said.join("; "))))
    }
}

/// A part whose value is not as declared.
struct Differing<'a> {
    part: Part,
    declared: Value,
    seen: Option<&'a Value>,
}

fn shown_state(life: TenantLife) -> Value {
    Part::state(if life == TenantLife::Active { TenantState::Active } else { TenantState::Suspended })
}

/// Notes what was written just now.
pub(super) fn note<K: TenantObject>(object: &K, before: Option<&Observed>, (context, facts): (&Context, &Facts)) {
    let done = &facts.done;
    let at = crate::clock::now();
    let revision = before.and_then(|observed| observed.revision);
    let settings = done.written.iter().map(|Change { field, to }| {
        (Part::Setting(*field), to.clone(), before.and_then(|observed| observed.value(*field)).cloned())
    });
    let state =
        if done.is_suspended { Some(TenantState::Suspended) } else { done.is_activated.then_some(TenantState::Active) };
    let state = state.map(|state| (Part::State, Part::state(state), before.map(|observed| shown_state(observed.life))));
    let all: Vec<_> = settings.chain(state).collect();
    K::room(context).remember(object, |memory| {
        for (part, declared, before) in all {
            let write = NewWrite { declared, before, revision, at };
            let earlier = memory.own_writes.remove(&part);
            memory.own_writes.insert(part, OwnWrite::after(earlier, write));
        }
    });
}

/// Reads back what this process wrote: forms of the platform's own are kept in `facts`, and what does not count yet is
/// returned.
pub(super) fn read_back<K: TenantObject>(
    object: &K,
    (desired, plan): (&Desired, &Plan),
    observed: &Observed,
    (context, facts): (&Context, &mut Facts),
) -> Awaited {
    let differences = plan.differences.iter().map(|one| Differing {
        part: Part::Setting(one.field),
        declared: one.desired.clone(),
        seen: one.observed.as_ref(),
    });
    let seen = shown_state(observed.life);
    let state = desired.state.map(Part::state).filter(|wanted| *wanted != seen);
    let state = state.map(|declared| Differing { part: Part::State, declared, seen: Some(&seen) });
    let differing: Vec<Differing<'_>> = differences.chain(state).collect();
    let (at, revision) = (crate::clock::now(), observed.revision);
    let mut awaited = Awaited::default();
    K::room(context).remember(object, |memory| {
        memory.own_writes.retain(|_, own| !own.is_over(at));
        for (part, own) in &mut memory.own_writes {
            let Some(one) = differing.iter().find(|one| one.part == *part) else {
                // What does not differ was taken, whether in the declared form or in one that counts as it.
                let declared = own.declared().clone();
                own.read(*part, &Read { seen: &declared, revision, at });
                continue;
            };
            let Some(seen) = one.seen.filter(|_| *own.declared() == one.declared) else { continue };
            match (own.read(*part, &Read { seen, revision, at }), *part) {
                (Reading::Late, _) => awaited.late.push(*part),
                (Reading::Unconfirmed, _) => awaited.unconfirmed.push(*part),
                (Reading::Normalised, Part::Setting(field)) => {
                    facts.echoes.insert(field, Echo { declared: one.declared.json(), shown: seen.json() });
                }
                (Reading::NotTaken, _) => awaited.other.push(*part),
                (Reading::Taken | Reading::Changed | Reading::Normalised, _) => {}
            }
        }
    });
    awaited
}

/// Parts that were written as often as they may be and were never shown.
pub(super) fn given_up<K: TenantObject>(object: &K, context: &Context) -> BTreeSet<Part> {
    let now = crate::clock::now();
    K::room(context).remember(object, |memory| {
        let given_up = memory.own_writes.iter().filter(|(_, own)| own.is_given_up(now));
        given_up.map(|(part, _)| *part).collect()
    })
}

/// A tenant whose id is not found: late where this object made it a moment ago, else gone.
pub(super) fn not_found<K: TenantObject>(object: &K, id: &str, context: &Context) -> Outcome {
    if !is_young(object, context) {
        // Without adoption the id is one that this object's own create answered with.
        let is_adopting = object.adoption().is_some();
        return if is_adopting { never_found(object, id) } else { missing(id) };
    }
    let message = format!(
        "tenant `{id}` was created a moment ago and is not visible on the platform yet: looking again, nothing is to be done"
    );
    Outcome::Failed(Reason::InProgress, message)
}

/// A read showed the tenant. One that has a revision comes from a platform whose reads do not fall behind each other.
pub(super) fn saw<K: TenantObject>(object: &K, observed: &Observed, context: &Context) {
    if observed.revision.is_some() {
        K::room(context).remember(object, |memory| memory.is_visible = true);
    }
}

/// Whether this object's tenant was created so short a time ago that reads may not show it yet. After a restart the age
/// of the object tells as much where it created its tenant itself: that came later.
pub(in crate::operator) fn is_young<K: TenantObject>(object: &K, context: &Context) -> bool {
    let now = crate::clock::now();
    let (created, is_visible) = K::room(context).remember(object, |memory| (memory.created, memory.is_visible));
    let has_revision =
        object.status().and_then(|status| status.applied.as_ref()).is_some_and(|one| one.revision.is_some());
    if is_visible || has_revision {
        return false;
    }
    let is_own = is_held(object)
        && asked_adoption(object).is_none()
        && intent(object).is_some_and(|intent| intent.adopted.is_none());
    let declared = object.creation_timestamp().map(|time| time.0).filter(|_| is_own);
    created.into_iter().chain(declared).any(|time| now.duration_since(time) < VISIBLE_WITHIN)
}
