//! Security settings that are no longer declared. They stay in force, because nothing is written for a setting that is
//! not declared.

use std::collections::{BTreeMap, BTreeSet};

use tenantry_api::{TenantStatus, UnmanagedSetting};

use crate::{EffectiveSettings, Field, ObservedTenant, ObservedValue, Value, ValueOrigin};

/// Maximum number of characters of a value in status.
const MAX_VALUE_LENGTH: usize = 256;

/// Prefix of the paths of a custom password policy.
const PASSWORD_POLICY_PREFIX: &str = "security.passwordPolicy.";

/// Returns the settings that were declared before `effective` and no longer are, with the value that the platform still
/// has.
pub fn find_unmanaged_settings(
    before: &TenantStatus,
    effective: &EffectiveSettings,
    observed: &ObservedTenant,
) -> Vec<UnmanagedSetting> {
    let was_declared = before.effective.iter().filter(|one| one.source != ValueOrigin::Platform.name());
    let paths = was_declared.map(|one| &one.path).chain(before.no_longer_managed.iter().map(|one| &one.path));
    let is_declared: BTreeSet<Field> = effective.written_settings().map(|(field, _, _)| field).collect();
    let has_standard_policy = effective.value(Field::PolicyPciDss) == Some(&Value::Flag(true));
    let fields = paths.filter_map(|path| Field::from_path(path)).filter(|field| {
        // The platform's own policy replaces all values of a custom policy.
        let is_replaced = has_standard_policy && field.path().starts_with(PASSWORD_POLICY_PREFIX);
        let is_refused = effective.refused.iter().any(|one| one.path == field.path());
        field.is_security() && !is_declared.contains(field) && !is_replaced && !is_refused
    });
    let kept = fields.filter_map(|field| Some((field, value_in_force(observed.values.get(&field)?)?)));
    let kept: BTreeMap<Field, String> = kept.collect();
    kept.into_iter().map(|(field, value)| UnmanagedSetting { path: field.path().to_owned(), value }).collect()
}

/// Returns the message about one setting.
pub fn unmanaged_setting_advice(UnmanagedSetting { path, value }: &UnmanagedSetting) -> String {
    format!("`{path}` is no longer declared and stays at {value} on the platform: declare it again to change it")
}

/// Returns the value that stays in force, if any.
fn value_in_force(seen: &ObservedValue) -> Option<String> {
    match seen {
        ObservedValue::Value(Value::Cleared) | ObservedValue::Unsupported => None,
        ObservedValue::Unreadable => Some("\"not shown\"".to_owned()),
        ObservedValue::Value(value) => Some(truncate_value(&value.to_json())),
    }
}

fn truncate_value(text: &str) -> String {
    if text.chars().count() <= MAX_VALUE_LENGTH {
        return text.to_owned();
    }
    text.chars().take(MAX_VALUE_LENGTH - 3).chain("...".chars()).collect()
}
