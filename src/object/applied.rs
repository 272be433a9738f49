//! What status records of the settings that hold and of what was written.

use super::{Object, uid};
use crate::api::{EffectiveSetting, NormalisedSetting};
use crate::plan::{Desired, Digest, Echo, Field, Form, Origin, Written, shown};

/// Path of the tenant's state among the effective settings.
pub(crate) const TENANT_STATE: &str = "tenantState";

/// What holds for the tenant, as status shows it.
pub(crate) fn effective(desired: &Desired) -> Vec<EffectiveSetting> {
    let settings = desired.effective.values.iter().map(|(field, (value, origin))| EffectiveSetting {
        path: field.path().to_owned(),
        value: shown(value.json()),
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

/// What status records of the settings that the platform never shows.
pub(crate) fn written<K: Object>(object: &K) -> Written {
    let applied = object.status().and_then(|status| status.applied.clone()).unwrap_or_default();
    let digests = applied
        .write_only
        .into_iter()
        .filter_map(|one| Field::from_path(&one.path).map(|field| (field, one.digest)))
        .filter(|(field, _)| matches!(field.form(), Form::Secret | Form::Image))
        .collect();
    let echoes = applied.normalised.into_iter().filter_map(|NormalisedSetting { path, declared, shown }| {
        Field::from_path(&path).map(|field| (field, Echo { declared, shown }))
    });
    Written {
        salt: uid(object),
        digests,
        echoes: echoes.collect(),
        suspended_by_us: applied.suspended.unwrap_or_default(),
    }
}
