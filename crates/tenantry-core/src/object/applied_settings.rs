//! What status records about the effective settings and about writes.

use std::collections::BTreeMap;

use tenantry_api::{EffectiveSetting, NormalisedSetting, UnknownValue};
use tenantry_catalog::AddOn;

use super::{TenantResource, intent, uid};
use crate::{
    AppliedSecrets, DesiredTenant, Digest, Field, NormalisedForm, RecordKey, UnknownAnswers, Value, ValueOrigin,
    ValueType, WriteRecord, to_status_value,
};

/// Path of the tenant's state among the effective settings.
pub const TENANT_STATE_PATH: &str = "tenantState";

/// Returns the effective settings as status shows them.
pub fn effective_settings(desired: &DesiredTenant) -> Vec<EffectiveSetting> {
    let settings = desired.effective.values.iter().map(|(field, (value, origin))| EffectiveSetting {
        path: field.path().to_owned(),
        value: to_status_value(value.to_json()),
        source: origin.name().to_owned(),
    });
    let state = desired.state.map(|state| EffectiveSetting {
        path: TENANT_STATE_PATH.to_owned(),
        value: format!("\"{}\"", state.name()),
        source: ValueOrigin::Spec.name().to_owned(),
    });
    settings.chain(state).collect()
}

/// Returns the digest of the settings that are written.
pub fn settings_digest(desired: &DesiredTenant) -> String {
    let written: Vec<String> = desired
        .effective
        .written_settings()
        .map(|(field, value, _)| format!("{}={}", field.path(), value.to_json()))
        .collect();
    Digest::of_bytes(written.join("\n").as_bytes()).to_string()
}

/// Returns what status records about settings that the platform never shows. `key` is the operator's key.
pub fn write_record<K: TenantResource>(object: &K, key: Option<RecordKey>) -> WriteRecord {
    let status = object.status();
    let applied = status.and_then(|status| status.applied.clone()).unwrap_or_default();
    let records = applied
        .write_only
        .into_iter()
        .filter_map(|one| Field::from_path(&one.path).map(|field| (field, one.digest)))
        .collect();
    // A setting that differed at the last check was not applied.
    let differs = |path: &str| status.is_some_and(|status| status.drift.iter().any(|drift| drift.path == path));
    let shown = settings_in_status(object).filter(|one| !differs(&one.path));
    let echoes = applied.normalised.into_iter().filter_map(|NormalisedSetting { path, declared, shown }| {
        Field::from_path(&path).map(|field| (field, NormalisedForm { declared, shown }))
    });
    WriteRecord {
        uid: uid(object),
        key,
        applied_values: shown.filter_map(|one| Some((Field::from_path(&one.path)?, one.value.clone()))).collect(),
        records,
        normalised_forms: echoes.collect(),
        was_suspended_by_operator: applied.suspended.unwrap_or_default(),
        unconfirmed_marks: applied.marks.unwrap_or_default(),
        passwords_set_before: intent(object).and_then(|intent| intent.passwords_set_before).map(|moment| moment.sent),
    }
}

/// Returns the references to Secrets that status shows as applied with this origin.
pub fn applied_secrets<K: TenantResource>(object: &K, origin: ValueOrigin) -> AppliedSecrets {
    let of_origin = settings_in_status(object).filter(|one| one.source == origin.name());
    let secrets = of_origin.filter_map(|one| {
        let field = Field::from_path(&one.path).filter(|field| field.value_type() == ValueType::Secret)?;
        Some((field, one.value.clone()))
    });
    AppliedSecrets::from_status(&uid(object), secrets)
}

/// Returns the digests of the images that status shows as applied.
pub fn applied_images<K: TenantResource>(object: &K) -> BTreeMap<Field, Digest> {
    let images = settings_in_status(object).filter_map(|one| {
        let field = Field::from_path(&one.path)?;
        match Value::from_json(field, &one.value)? {
            Value::Image(digest) => Some((field, digest)),
            _ => None,
        }
    });
    images.collect()
}

/// Returns whether status shows that the switch was applied as on without its add-on.
pub fn was_applied_without_add_on<K: TenantResource>(object: &K, field: Field, add_on: AddOn) -> bool {
    let applied = |field: Field| {
        let shown = settings_in_status(object).find(|one| one.path == field.path())?;
        Value::from_json(field, &shown.value)
    };
    let lacks_it = |add_ons: Value| add_ons.entries().all(|name| name != add_on.name());
    applied(field) == Some(Value::Flag(true)) && applied(Field::AddOns).is_some_and(lacks_it)
}

fn settings_in_status<K: TenantResource>(object: &K) -> impl Iterator<Item = &EffectiveSetting> {
    object.status().into_iter().flat_map(|status| &status.effective)
}

/// Maximum number of unknown answers, and of values of one setting: status is limited.
const MAX_UNKNOWN_VALUES: usize = 64;

/// Returns the answers of the platform that this release does not understand, as status shows them.
pub fn unknown_values(unknown: &UnknownAnswers) -> Vec<UnknownValue> {
    let UnknownAnswers { state, values, unreadable } = unknown;
    let state = state.iter().map(|word| UnknownValue {
        path: TENANT_STATE_PATH.to_owned(),
        values: vec![truncate_word(word)],
        message: None,
    });
    let values = values.iter().map(|(field, values)| UnknownValue {
        path: field.path().to_owned(),
        values: values.iter().take(MAX_UNKNOWN_VALUES).map(|value| truncate_word(value)).collect(),
        message: (values.len() > MAX_UNKNOWN_VALUES).then(|| format!("{} in all", values.len())),
    });
    let unreadable = unreadable.iter().map(|(field, form)| UnknownValue {
        path: field.path().to_owned(),
        values: Vec::new(),
        message: Some(form.clone()),
    });
    state.chain(values).chain(unreadable).take(MAX_UNKNOWN_VALUES).collect()
}

/// Truncates a word of the platform.
fn truncate_word(word: &str) -> String {
    word.chars().take(256).collect()
}
