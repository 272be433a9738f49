//! Separates settings that were edited in the spec from settings that somebody else changed on the platform. Pure.

use std::collections::{BTreeMap, BTreeSet};

use tenantry_api::EffectiveSetting;

use super::{TENANT_STATE_PATH, TenantResource};
use crate::{Plan, PlanStep, SettingChange, is_same_status_value};

/// Returns the paths whose declared value differs from the one that was last applied.
pub fn edited_paths<K: TenantResource>(object: &K, effective: &[EffectiveSetting]) -> BTreeSet<String> {
    let applied = object.status().map(|status| status.effective.as_slice()).unwrap_or_default();
    let before: BTreeMap<&str, &str> = applied.iter().map(|one| (one.path.as_str(), one.value.as_str())).collect();
    let now = effective.iter().map(|one| (one.path.as_str(), one.value.as_str()));
    now.filter(|(path, value)| before.get(path).is_none_or(|before| !is_same_status_value(before, value)))
        .map(|(path, _)| path.to_owned())
        .collect()
}

/// Restricts a plan to edited settings, as `drift: Report` requires. The mark is not a setting and stays in the plan.
pub fn restrict_to_edits(mut plan: Plan, edited: &BTreeSet<String>) -> Plan {
    let keep = |changes: Vec<SettingChange>| -> Vec<SettingChange> {
        changes.into_iter().filter(|change| edited.contains(change.field.path())).collect()
    };
    let steps = std::mem::take(&mut plan.steps);
    plan.steps = steps
        .into_iter()
        .filter_map(|step| match step {
            PlanStep::Create(_) | PlanStep::Mark => Some(step),
            PlanStep::Activate | PlanStep::Suspend => edited.contains(TENANT_STATE_PATH).then_some(step),
            PlanStep::Update(changes) => Some(keep(changes)).filter(|kept| !kept.is_empty()).map(PlanStep::Update),
            PlanStep::Brand(changes) => Some(keep(changes)).filter(|kept| !kept.is_empty()).map(PlanStep::Brand),
        })
        .collect();
    plan.differences.retain(|difference| edited.contains(difference.field.path()));
    plan
}
