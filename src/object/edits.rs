//! What was edited here, as against what somebody else changed on the platform. Pure.

use std::collections::{BTreeMap, BTreeSet};

use super::{Object, TENANT_STATE};
use crate::api::EffectiveSetting;
use crate::plan::{Change, Plan, Step, is_same_shown};

/// Paths whose declared value is not the one that was last applied.
pub(crate) fn edited<K: Object>(object: &K, effective: &[EffectiveSetting]) -> BTreeSet<String> {
    let applied = object.status().map(|status| status.effective.as_slice()).unwrap_or_default();
    let before: BTreeMap<&str, &str> = applied.iter().map(|one| (one.path.as_str(), one.value.as_str())).collect();
    let now = effective.iter().map(|one| (one.path.as_str(), one.value.as_str()));
    now.filter(|(path, value)| before.get(path).is_none_or(|before| !is_same_shown(before, value)))
        .map(|(path, _)| path.to_owned())
        .collect()
}

/// With `drift: Report` a pass writes only what was edited; the mark is no setting.
pub(crate) fn only(mut plan: Plan, edited: &BTreeSet<String>) -> Plan {
    let keep = |changes: Vec<Change>| -> Vec<Change> {
        changes.into_iter().filter(|change| edited.contains(change.field.path())).collect()
    };
    let steps = std::mem::take(&mut plan.steps);
    plan.steps = steps
        .into_iter()
        .filter_map(|step| match step {
            Step::Create(_) | Step::Mark => Some(step),
            Step::Activate | Step::Suspend => edited.contains(TENANT_STATE).then_some(step),
            Step::Update(changes) => Some(keep(changes)).filter(|kept| !kept.is_empty()).map(Step::Update),
            Step::Brand(changes) => Some(keep(changes)).filter(|kept| !kept.is_empty()).map(Step::Brand),
        })
        .collect();
    plan.differences.retain(|difference| edited.contains(difference.field.path()));
    plan
}
