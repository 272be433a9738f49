//! Verifies this process's writes by reading back: waits for writes that are not visible yet, records a normalised form
//! of the platform, and stops writing what the platform does not accept.

use std::collections::BTreeSet;

use kube::ResourceExt;
use tenantry_api::{Reason, TenantState};
use tenantry_core::object::{adoption_target_missing_outcome, tenant_missing_outcome};
use tenantry_core::{
    DesiredTenant, LifecycleState, NormalisedForm, ObservedTenant, OwnWrite, PassOutcome, Plan, READ_LAG_LIMIT,
    ReadBack, ReadBackResult, SettingChange, TenantProperty, Value, WriteAttempt,
};

use super::super::context::Context;
use super::super::status::PassResult;
use super::super::tenant_object::{TenantObject, has_finalizer, intent, requested_adoption};

/// Parts of the tenant whose last write does not count yet.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct PendingWrites {
    /// The platform does not show the write yet.
    not_visible: Vec<TenantProperty>,
    /// The platform shows a normalised form, which a later read must confirm.
    unconfirmed: Vec<TenantProperty>,
    /// The platform shows another value; it is written again.
    different: Vec<TenantProperty>,
}

impl PendingWrites {
    /// Returns the parts that are not written again before a later read.
    pub(super) fn withheld_properties(&self) -> BTreeSet<TenantProperty> {
        self.not_visible.iter().chain(&self.unconfirmed).copied().collect()
    }

    /// Returns the outcome to report meanwhile; `None` if none of these parts is pending.
    pub(super) fn pending_outcome(&self, pass_result: &mut PassResult) -> Option<PassOutcome> {
        let all: Vec<TenantProperty> =
            self.not_visible.iter().chain(&self.unconfirmed).chain(&self.different).copied().collect();
        // The tenant's users are not protected, or not served, until these parts are in force.
        pass_result.is_unconfirmed |= all.iter().any(|part| part.needs_exact_value());
        let clause = |parts: &[TenantProperty], what: &str| {
            let paths: Vec<String> = parts.iter().map(|part| format!("`{}`", part.path())).collect();
            (!parts.is_empty()).then(|| format!("{} {what}", paths.join(", ")))
        };
        let clauses = [
            clause(&self.not_visible, "was written and is not visible on the platform yet"),
            clause(&self.unconfirmed, "was written and the platform shows a form of its own"),
            clause(&self.different, "was written and the platform shows another value"),
        ];
        let clauses_text: Vec<String> = clauses.into_iter().flatten().collect();
        (!clauses_text.is_empty())
            .then(|| PassOutcome::Failed(Reason::InProgress, format!("{}: looking again", clauses_text.join("; "))))
    }
}

/// A part whose value is not as declared.
struct DifferingProperty<'a> {
    property: TenantProperty,
    declared: Value,
    observed: Option<&'a Value>,
}

fn state_value(lifecycle: LifecycleState) -> Value {
    TenantProperty::state_value(if lifecycle == LifecycleState::Active {
        TenantState::Active
    } else {
        TenantState::Suspended
    })
}

/// Records what was written just now.
pub(super) fn record_writes<K: TenantObject>(
    object: &K,
    before: Option<&ObservedTenant>,
    (context, facts): (&Context, &PassResult),
) {
    let done = &facts.applied;
    let at = tenantry_runtime::clock::now();
    let revision = before.and_then(|observed| observed.revision);
    let settings = done.written.iter().map(|SettingChange { field, to }| {
        (TenantProperty::Setting(*field), to.clone(), before.and_then(|observed| observed.value(*field)).cloned())
    });
    let state =
        if done.is_suspended { Some(TenantState::Suspended) } else { done.is_activated.then_some(TenantState::Active) };
    let state = state.map(|state| {
        (
            TenantProperty::State,
            TenantProperty::state_value(state),
            before.map(|observed| state_value(observed.lifecycle)),
        )
    });
    let all: Vec<_> = settings.chain(state).collect();
    K::kind_state(context).with_memory(object, |memory| {
        for (part, declared, before) in all {
            let write = WriteAttempt { declared, value_before: before, revision, at };
            let earlier = memory.own_writes.remove(&part);
            memory.own_writes.insert(part, OwnWrite::after_write(earlier, write));
        }
    });
}

/// Checks this process's writes against a read. Normalised forms are added to `facts`; the parts that do not count yet
/// are returned.
pub(super) fn check_own_writes<K: TenantObject>(
    object: &K,
    desired: &DesiredTenant,
    plan: &Plan,
    observed: &ObservedTenant,
    context: &Context,
    pass_result: &mut PassResult,
) -> PendingWrites {
    let differences = plan.differences.iter().map(|one| DifferingProperty {
        property: TenantProperty::Setting(one.field),
        declared: one.desired.clone(),
        observed: one.observed.as_ref(),
    });
    let seen = state_value(observed.lifecycle);
    let state = desired.state.map(TenantProperty::state_value).filter(|wanted| *wanted != seen);
    let state =
        state.map(|declared| DifferingProperty { property: TenantProperty::State, declared, observed: Some(&seen) });
    let differing: Vec<DifferingProperty<'_>> = differences.chain(state).collect();
    let (at, revision) = (tenantry_runtime::clock::now(), observed.revision);
    let mut awaited = PendingWrites::default();
    K::kind_state(context).with_memory(object, |memory| {
        memory.own_writes.retain(|_, own| !own.is_expired(at));
        for (part, own) in &mut memory.own_writes {
            let Some(one) = differing.iter().find(|one| one.property == *part) else {
                // A part that does not differ was accepted, in the declared form or in an equivalent one.
                let declared = own.declared_value().clone();
                own.classify_read(*part, &ReadBack { value: &declared, revision, at });
                continue;
            };
            let Some(seen) = one.observed.filter(|_| *own.declared_value() == one.declared) else { continue };
            match (own.classify_read(*part, &ReadBack { value: seen, revision, at }), *part) {
                (ReadBackResult::NotVisibleYet, _) => awaited.not_visible.push(*part),
                (ReadBackResult::Unconfirmed, _) => awaited.unconfirmed.push(*part),
                (ReadBackResult::Normalised, TenantProperty::Setting(field)) => {
                    pass_result
                        .normalised_forms
                        .insert(field, NormalisedForm { declared: one.declared.to_json(), shown: seen.to_json() });
                }
                (ReadBackResult::Ignored, _) => awaited.different.push(*part),
                (ReadBackResult::Shown | ReadBackResult::Changed | ReadBackResult::Normalised, _) => {}
            }
        }
    });
    awaited
}

/// Returns the parts that were written as often as allowed and never shown.
pub(super) fn abandoned_properties<K: TenantObject>(object: &K, context: &Context) -> BTreeSet<TenantProperty> {
    let now = tenantry_runtime::clock::now();
    K::kind_state(context).with_memory(object, |memory| {
        let given_up = memory.own_writes.iter().filter(|(_, own)| own.is_exhausted(now));
        given_up.map(|(part, _)| *part).collect()
    })
}

/// Returns the outcome for a tenant whose id is not found: not visible yet if this object created it a moment ago, else
/// gone.
pub(super) fn not_found_outcome<K: TenantObject>(object: &K, id: &str, context: &Context) -> PassOutcome {
    if !is_recently_created(object, context) {
        // Without adoption, the id came from the answer to this object's own create.
        let is_adopting = object.adoption().is_some();
        return if is_adopting { adoption_target_missing_outcome(object, id) } else { tenant_missing_outcome(id) };
    }
    let message = format!(
        "tenant `{id}` was created a moment ago and is not visible on the platform yet: looking again, nothing is to be done"
    );
    PassOutcome::Failed(Reason::InProgress, message)
}

/// Records that a read showed the tenant. A platform with revisions has consistent reads.
pub(super) fn record_visibility<K: TenantObject>(object: &K, observed: &ObservedTenant, context: &Context) {
    if observed.revision.is_some() {
        K::kind_state(context).with_memory(object, |memory| memory.is_visible = true);
    }
}

/// Returns whether this object's tenant was created so recently that reads may not show it yet. After a restart the age
/// of the object is used if the object created its tenant itself: the tenant is younger than the object.
pub(crate) fn is_recently_created<K: TenantObject>(object: &K, context: &Context) -> bool {
    let now = tenantry_runtime::clock::now();
    let (created, is_visible) =
        K::kind_state(context).with_memory(object, |memory| (memory.created_at, memory.is_visible));
    let has_revision =
        object.status().and_then(|status| status.applied.as_ref()).is_some_and(|one| one.revision.is_some());
    if is_visible || has_revision {
        return false;
    }
    let is_own = has_finalizer(object)
        && requested_adoption(object).is_none()
        && intent(object).is_some_and(|intent| intent.adopted.is_none());
    let declared = object.creation_timestamp().map(|time| time.0).filter(|_| is_own);
    created.into_iter().chain(declared).any(|time| now.duration_since(time) < READ_LAG_LIMIT)
}
