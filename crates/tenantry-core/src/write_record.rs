//! Records of the last written values of settings that the platform never shows. A record is comparable but does not
//! reveal the value.

use std::collections::BTreeMap;
use std::fmt;

use hmac::{Hmac, KeyInit, Mac};
use secrecy::{ExposeSecret, SecretString};
use sha2::Sha256;

use super::{Digest, EffectiveSettings, Field, NormalisedForms, SettingsPayload, TenantProperty, Value, ValueType};

/// Prefix of a record made with a key.
const KEYED_PREFIX: &str = "hmac-sha256:";
/// Prefix of a record of releases before 0.2. Anybody who guesses the value can compute such a record.
const LEGACY_PREFIX: &str = "sha256:";
/// The record if no key is available.
const UNKEYED_RECORD: &str = "unkeyed";

/// The key for records. Only the operator has it.
#[derive(Clone)]
pub struct RecordKey(SecretString);

impl RecordKey {
    /// Length of a key in bytes.
    pub const BYTES: usize = 32;

    /// Makes a key from the bytes of the Secret that holds it; `None` if there are too few bytes.
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        use base64::Engine as _;
        (bytes.len() >= Self::BYTES)
            .then(|| Self(SecretString::from(base64::engine::general_purpose::STANDARD.encode(bytes))))
    }

    /// Returns the record of several parts. Each part is preceded by its length, so that bytes cannot move between
    /// parts.
    fn hmac_record(&self, parts: &[&[u8]]) -> String {
        let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(self.0.expose_secret().as_bytes()) else {
            // An HMAC accepts a key of any length.
            return UNKEYED_RECORD.to_owned();
        };
        for part in parts {
            mac.update(&(part.len() as u64).to_be_bytes());
            mac.update(part);
        }
        let bytes = mac.finalize().into_bytes();
        format!("{KEYED_PREFIX}{}", super::digest::to_hex(&bytes))
    }
}

impl fmt::Debug for RecordKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("RecordKey")
    }
}

/// What was last written, as recorded in status.
#[derive(Clone, Debug, Default)]
pub struct WriteRecord {
    /// UID of the object.
    pub uid: String,
    /// Key for records; `None` if it is not available, and in programs other than the operator.
    pub key: Option<RecordKey>,
    /// Settings that were last applied, as status shows them, in JSON.
    pub applied_values: BTreeMap<Field, String>,
    /// Records of settings that the platform never shows.
    pub records: BTreeMap<Field, String>,
    /// Normalised forms that the platform stores.
    pub normalised_forms: NormalisedForms,
    /// Whether the operator suspended the tenant.
    pub was_suspended_by_operator: bool,
    /// Number of writes of the mark since the platform last showed it.
    pub unconfirmed_marks: i64,
    /// The latest "passwords set before" moment that was sent or was about to be sent.
    pub passwords_set_before: Option<String>,
}

impl WriteRecord {
    /// Returns whether this moment or a later one was sent.
    pub(super) fn has_sent(&self, moment: &Value) -> bool {
        matches!((&self.passwords_set_before, moment), (Some(sent), Value::Text(moment)) if sent >= moment)
    }

    /// Returns the record of a value that the platform will not show. It covers the source of the value: a changed
    /// reference to another Secret is always written, so that nobody can find out whether two Secrets hold the same
    /// value.
    pub fn record_value(&self, field: Field, value: &Value, payload: &SettingsPayload) -> String {
        let Some(key) = &self.key else { return UNKEYED_RECORD.to_owned() };
        let (uid, path, json) = (self.uid.as_bytes(), field.path().as_bytes(), value.to_json());
        match (value, payload.secrets.get(&field)) {
            (Value::Secret(source), Some(text)) => key.hmac_record(&[
                uid,
                path,
                source.namespace.as_bytes(),
                source.name.as_bytes(),
                source.key.as_bytes(),
                text.expose_secret().as_bytes(),
            ]),
            _ => key.hmac_record(&[uid, path, json.as_bytes()]),
        }
    }

    /// Returns whether exactly this value was last written.
    pub fn is_recorded(&self, field: Field, value: &Value, payload: &SettingsPayload) -> bool {
        let Some(known) = self.records.get(&field) else { return false };
        if known.starts_with(LEGACY_PREFIX) {
            return *known == self.legacy_record(field, value, payload);
        }
        if known.starts_with(KEYED_PREFIX) && self.key.is_some() {
            return *known == self.record_value(field, value, payload);
        }
        // Without a key, the version of the Secret shows whether anything changed.
        self.applied_values.get(&field) == Some(&value.to_json())
    }

    /// Returns whether the platform shows the normalised form of a value.
    pub(super) fn is_normalised_form(&self, field: Field, value: &Value, seen: &Value) -> bool {
        !TenantProperty::Setting(field).needs_exact_value()
            && self.normalised_forms.get(&field).is_some_and(|echo| echo.is_form_of(value, seen))
    }

    /// Returns the records after these settings were written, for settings that the platform does not show. Records of
    /// an earlier format are dropped, or made again if the value is unchanged.
    #[must_use]
    pub fn after_writing(
        &self,
        written: &[Field],
        effective: &EffectiveSettings,
        is_hidden: impl Fn(Field) -> bool,
    ) -> Self {
        let mut after = self.clone();
        after.records.retain(|field, record| is_hidden(*field) && !record.starts_with(LEGACY_PREFIX));
        for (field, value, _) in effective.written_settings().filter(|(field, _, _)| is_hidden(*field)) {
            let known = self.records.get(&field);
            let is_old = known.is_some_and(|known| !known.starts_with(KEYED_PREFIX));
            let is_same = is_old && self.is_recorded(field, value, &effective.payload);
            if is_same || written.contains(&field) {
                after.applied_values.insert(field, value.to_json());
                after.records.insert(field, self.record_value(field, value, &effective.payload));
            }
        }
        after
    }

    /// Returns the record in the format of releases before 0.2.
    fn legacy_record(&self, field: Field, value: &Value, payload: &SettingsPayload) -> String {
        let json = match (value, payload.secrets.get(&field)) {
            (Value::Secret(_), Some(text)) => format!("\"{}\"", legacy_digest(&self.uid, text)),
            _ => value.to_json(),
        };
        Digest::of_salted_bytes(&self.uid, json.as_bytes()).to_string()
    }
}

/// Returns the digest of a Secret's value that releases before 0.2 showed.
pub(super) fn legacy_digest(uid: &str, text: &SecretString) -> String {
    Digest::of_salted_bytes(uid, text.expose_secret().as_bytes()).to_string()
}

/// Returns whether a value in status is the digest of a Secret's value, as releases before 0.2 showed it.
pub fn is_legacy_digest(field: Field, json: &str) -> bool {
    field.value_type() == ValueType::Secret && json.trim_matches('"').starts_with(LEGACY_PREFIX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{SecretSource, ValueOrigin};

    const FIELD: Field = Field::DuoSecretKey;

    fn record_key(fill: u8) -> Option<RecordKey> {
        RecordKey::from_bytes(&[fill; RecordKey::BYTES])
    }

    /// Returns settings whose Duo secret key has this text, from a Secret of this name and version.
    fn duo_settings(name: &str, version: &str, text: &str) -> EffectiveSettings {
        let source =
            SecretSource { namespace: "a".into(), name: name.into(), key: "k".into(), version: version.into() };
        EffectiveSettings {
            values: [(FIELD, (Value::Secret(source), ValueOrigin::Spec))].into(),
            payload: SettingsPayload { secrets: [(FIELD, text.into())].into(), ..SettingsPayload::default() },
            ..EffectiveSettings::default()
        }
    }

    fn is_recorded(written: &WriteRecord, effective: &EffectiveSettings) -> bool {
        written.is_recorded(FIELD, effective.value(FIELD).unwrap(), &effective.payload)
    }

    /// Returns the status record after a pass that wrote these settings.
    fn record_after_write(key: Option<RecordKey>, effective: &EffectiveSettings) -> WriteRecord {
        let shown = [(FIELD, effective.value(FIELD).unwrap().to_json())].into();
        WriteRecord { uid: "u1".into(), key, applied_values: shown, ..WriteRecord::default() }.after_writing(
            &[FIELD],
            effective,
            Field::is_write_only,
        )
    }

    #[test]
    fn a_setting_is_written_when_its_value_or_its_reference_changes_and_not_with_the_version_of_its_secret_alone() {
        let written = record_after_write(record_key(1), &duo_settings("duo", "7", "old"));
        assert!(is_recorded(&written, &duo_settings("duo", "7", "old")));
        assert!(is_recorded(&written, &duo_settings("duo", "8", "old")), "a label was added");
        assert!(!is_recorded(&written, &duo_settings("duo", "8", "new")));
        assert!(
            !is_recorded(&written, &duo_settings("other", "9", "old")),
            "who only guesses learns nothing by a write that is missing"
        );
    }

    #[test]
    fn a_record_shows_nothing_to_who_knows_all_but_the_key() {
        let record = |fill, uid: &str| {
            let effective = duo_settings("duo", "7", "sunshine42");
            let written = WriteRecord { uid: uid.into(), ..record_after_write(record_key(fill), &effective) };
            written.after_writing(&[FIELD], &effective, Field::is_write_only).records[&FIELD].clone()
        };
        assert!(record(1, "u1").starts_with(KEYED_PREFIX));
        assert_ne!(record(1, "u1"), record(2, "u1"));
        assert_ne!(record(1, "u1"), record(1, "u2"));
        assert_eq!(record(1, "u1"), record(1, "u1"));
        assert!(
            !format!("{:?}", record_after_write(record_key(1), &duo_settings("duo", "7", "sunshine42")))
                .contains("sunshine42")
        );
    }

    #[test]
    fn a_lost_key_writes_a_setting_once() {
        let now = duo_settings("duo", "7", "old");
        let before = record_after_write(record_key(1), &now);
        let lost = WriteRecord { key: record_key(2), ..before };
        assert!(!is_recorded(&lost, &now));
        assert!(is_recorded(&lost.after_writing(&[FIELD], &now, Field::is_write_only), &now));
    }

    #[test]
    fn a_record_of_an_earlier_release_is_known_again_and_made_anew_without_a_write() {
        let now = duo_settings("duo", "7", "old");
        let digest = legacy_digest("u1", &"old".into());
        let record = Digest::of_salted_bytes("u1", format!("\"{digest}\"").as_bytes()).to_string();
        let old = WriteRecord {
            uid: "u1".into(),
            key: record_key(1),
            applied_values: [(FIELD, format!("\"{digest}\""))].into(),
            records: [(FIELD, record.clone())].into(),
            ..WriteRecord::default()
        };
        assert!(is_recorded(&old, &now));
        let after = old.after_writing(&[], &now, Field::is_write_only);
        assert!(after.records[&FIELD].starts_with(KEYED_PREFIX) && is_recorded(&after, &now));
        let changed = duo_settings("duo", "8", "new");
        assert!(!is_recorded(&old, &changed));
        assert_eq!(
            old.after_writing(&[], &changed, Field::is_write_only).records,
            BTreeMap::new(),
            "no digest stays, whatever became of the write"
        );
        assert!(is_legacy_digest(FIELD, &format!("\"{digest}\"")) && is_legacy_digest(FIELD, &record));
        assert!(!is_legacy_digest(FIELD, &now.value(FIELD).unwrap().to_json()));
    }

    #[test]
    fn without_the_key_the_version_of_the_secret_decides_and_the_key_that_comes_writes_nothing() {
        let now = duo_settings("duo", "7", "old");
        let unkeyed = record_after_write(None, &now);
        assert!(is_recorded(&unkeyed, &now));
        let changed = duo_settings("duo", "8", "old");
        assert!(!is_recorded(&unkeyed, &changed));
        assert!(
            is_recorded(&unkeyed.after_writing(&[FIELD], &changed, Field::is_write_only), &changed),
            "what is read back is what was written"
        );
        let back = WriteRecord { key: record_key(1), ..unkeyed };
        assert!(is_recorded(&back, &now));
        assert!(back.after_writing(&[], &now, Field::is_write_only).records[&FIELD].starts_with(KEYED_PREFIX));
        let keyed = record_after_write(record_key(1), &now);
        let away = WriteRecord { key: None, ..keyed.clone() };
        assert!(is_recorded(&away, &now));
        assert_eq!(
            away.after_writing(&[], &now, Field::is_write_only).records,
            keyed.records,
            "a record that nobody can check now stays"
        );
    }

    #[test]
    fn too_few_bytes_are_no_key() {
        assert!(RecordKey::from_bytes(&[1; 31]).is_none());
    }
}
