//! Security settings that were declared and no longer are. They stay in force: nothing is written for what is not declared.

use std::collections::{BTreeMap, BTreeSet};

use crate::api::{TenantStatus, UnmanagedSetting};
use crate::plan::{Effective, Field, Observed, Origin, Seen, Value};

/// Most characters of a value in status.
const LONGEST: usize = 256;

/// Paths of the figures of a password policy of one's own.
const POLICY: &str = "security.passwordPolicy.";

/// What was declared before `effective` and is not any more, with what the platform then holds.
pub(crate) fn no_longer_managed(
    before: &TenantStatus,
    effective: &Effective,
    observed: &Observed,
) -> Vec<UnmanagedSetting> {
    let was_declared = before.effective.iter().filter(|one| one.source != Origin::Platform.name());
    let paths = was_declared.map(|one| &one.path).chain(before.no_longer_managed.iter().map(|one| &one.path));
    let is_declared: BTreeSet<Field> = effective.written().map(|(field, _, _)| field).collect();
    let has_standard_policy = effective.value(Field::PolicyPciDss) == Some(&Value::Flag(true));
    let fields = paths.filter_map(|path| Field::from_path(path)).filter(|field| {
        // The platform's own policy takes the place of all figures.
        let is_replaced = has_standard_policy && field.path().starts_with(POLICY);
        let is_refused = effective.refused.iter().any(|one| one.path == field.path());
        field.is_security() && !is_declared.contains(field) && !is_replaced && !is_refused
    });
    let kept = fields.filter_map(|field| Some((field, in_force(observed.seen.get(&field)?)?)));
    let kept: BTreeMap<Field, String> = kept.collect();
    kept.into_iter().map(|(field, value)| UnmanagedSetting { path: field.path().to_owned(), value }).collect()
}

/// The sentence about one of them.
pub(crate) fn advice(UnmanagedSetting { path, value }: &UnmanagedSetting) -> String {
    format!("`{path}` is no longer declared and stays at {value} on the platform: declare it again to change it")
}

/// What stays; nothing where nothing does.
fn in_force(seen: &Seen) -> Option<String> {
    match seen {
        Seen::Value(Value::Cleared) | Seen::Unsupported => None,
        Seen::Unreadable => Some("\"not shown\"".to_owned()),
        Seen::Value(value) => Some(cut(&value.json())),
    }
}

fn cut(text: &str) -> String {
    if text.chars().count() <= LONGEST {
        return text.to_owned();
    }
    text.chars().take(LONGEST - 3).chain("...".chars()).collect()
}
