//! What status records of the settings that hold and of what was written.

use super::{Object, uid};
use crate::api::EffectiveSetting;
use crate::plan::{AppliedSecrets, Desired, Digest, Field, Form, Origin, RecordKey, Written};

/// Path of the tenant's state among the effective settings.
pub(crate) const TENANT_STATE: &str = "tenantState";

/// What holds for the tenant, as status shows it.
pub(crate) fn effective(desired: &Desired) -> Vec<EffectiveSetting> {
    let settings = desired.effective.values.iter().map(|(field, (value, origin))| EffectiveSetting {
        path: field.path().to_owned(),
        value: value.json(),
        source: origin.name().to_owned(),
    });
    let state = desired.state.map(|state| EffectiveSetting {
        path: TENANT_STATE.to_owned(),
        value: format!("\"{}\"", state.name()),
        source: Origin::Spec.name().to_owned(),
    });
    settings.chain(state).collect()
}

/// Digest of the settings that are written.
pub(crate) fn digest(desired: &Desired) -> String {
    let written: Vec<String> =
        desired.effective.written().map(|(field, value, _)| format!("{}={}", field.path(), value.json())).collect();
    Digest::of(written.join("\n").as_bytes()).to_string()
}

/// What status records of the settings that the platform never shows. `key` is the operator's.
pub(crate) fn written<K: Object>(object: &K, key: Option<RecordKey>) -> Written {
    let status = object.status();
    let applied = status.and_then(|status| status.applied.clone()).unwrap_or_default();
    let records = applied
        .write_only
        .into_iter()
        .filter_map(|one| Field::from_path(&one.path).map(|field| (field, one.digest)))
        .filter(|(field, _)| field.is_write_only())
        .collect();
    // What differed when it was last looked at was not applied.
    let differs = |path: &str| status.is_some_and(|status| status.drift.iter().any(|drift| drift.path == path));
    let shown = shown(object).filter(|one| !differs(&one.path));
    Written {
        uid: uid(object),
        key,
        shown: shown.filter_map(|one| Some((Field::from_path(&one.path)?, one.value.clone()))).collect(),
        records,
        suspended_by_us: applied.suspended.unwrap_or_default(),
    }
}

/// References to Secrets that status shows as applied, with where they come from.
pub(crate) fn applied_secrets<K: Object>(object: &K, origin: Origin) -> AppliedSecrets {
    let of_origin = shown(object).filter(|one| one.source == origin.name());
    let secrets = of_origin.filter_map(|one| {
        let field = Field::from_path(&one.path).filter(|field| field.form() == Form::Secret)?;
        Some((field, one.value.clone()))
    });
    AppliedSecrets::of(&uid(object), secrets)
}

fn shown<K: Object>(object: &K) -> impl Iterator<Item = &EffectiveSetting> {
    object.status().into_iter().flat_map(|status| &status.effective)
}
