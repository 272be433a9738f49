//! Determines which value is effective for a tenant, and its origin.

use std::collections::BTreeMap;

use tenantry_api::{LockedDefault, Reason};

use super::{DeclaredSettings, Field, InheritanceRule, InvalidSetting, SettingsPayload, Value};

/// Origin of a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum ValueOrigin {
    /// The object's own spec.
    Spec,
    /// The Partner's `clients.defaults`.
    PartnerDefault,
    /// The platform shows or applies the Partner's value; nothing is written.
    Platform,
}

impl ValueOrigin {
    /// Returns the word in `status.effective`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Spec => "Spec",
            Self::PartnerDefault => "PartnerDefault",
            Self::Platform => "Platform",
        }
    }
}

/// The effective settings of a tenant.
#[derive(Clone, Debug, Default)]
pub struct EffectiveSettings {
    /// Values by field, each with its origin.
    pub values: BTreeMap<Field, (Value, ValueOrigin)>,
    /// Bytes behind the digests in `values`.
    pub payload: SettingsPayload,
    /// Messages about settings that differ from a recommendation.
    pub advice: Vec<String>,
    /// Settings that are refused when they are new, but are still accepted because they were applied earlier.
    pub tolerated: Vec<InvalidSetting>,
    /// Declared settings that are not applied; all others are.
    pub refused: Vec<InvalidSetting>,
}

impl EffectiveSettings {
    /// Returns the settings that are written to the tenant: all except those that the platform applies itself.
    pub fn written_settings(&self) -> impl Iterator<Item = (Field, &Value, ValueOrigin)> {
        self.values
            .iter()
            .filter(|(_, (_, origin))| *origin != ValueOrigin::Platform)
            .map(|(field, (value, origin))| (*field, value, *origin))
    }

    /// Returns the value of a setting.
    pub fn value(&self, field: Field) -> Option<&Value> {
        self.values.get(&field).map(|(value, _)| value)
    }
}

/// Returns a Partner's effective settings: only its own.
pub fn own_settings(settings: DeclaredSettings) -> EffectiveSettings {
    let DeclaredSettings { values, payload, advice, tolerated } = settings;
    EffectiveSettings {
        values: with_origin(values, ValueOrigin::Spec),
        payload,
        advice,
        tolerated,
        refused: Vec::new(),
    }
}

/// Returns a Client's effective settings: its own, then the Partner's defaults for what it does not set. Values that
/// the platform takes from the Partner are included for status but never written.
pub fn inherit_settings(
    client: DeclaredSettings,
    defaults: DeclaredSettings,
    partner: &BTreeMap<Field, Value>,
) -> EffectiveSettings {
    let DeclaredSettings { values, payload: SettingsPayload { images, secrets }, advice, tolerated } = client;
    // A default that the Client overrides is not reported on the Client.
    let of_defaults = defaults.tolerated.into_iter().filter(|one| values.keys().all(|field| field.path() != one.path));
    let mut result = EffectiveSettings {
        values: BTreeMap::new(),
        payload: SettingsPayload {
            images: images.into_iter().chain(defaults.payload.images).collect(),
            secrets: defaults.payload.secrets,
        },
        advice,
        tolerated: tolerated.into_iter().chain(of_defaults).collect(),
        refused: Vec::new(),
    };
    for (field, value) in partner {
        match field.rule() {
            InheritanceRule::PlatformCascades | InheritanceRule::PartnerOnly => {
                result.values.insert(*field, (value.clone(), ValueOrigin::Platform));
            }
            // The Partner's own settings never apply here: the IP list of its staff would lock out every customer.
            InheritanceRule::Own | InheritanceRule::WithinPartner => {}
        }
    }
    result.values.extend(with_origin(defaults.values, ValueOrigin::PartnerDefault));
    result.values.extend(with_origin(values, ValueOrigin::Spec));
    result.payload.secrets.extend(secrets);
    result
}

/// Returns the Client's settings that differ from a default that its Partner has locked.
pub fn find_locked_violations(
    client: &DeclaredSettings,
    defaults: &DeclaredSettings,
    locked: &[LockedDefault],
) -> Vec<InvalidSetting> {
    let is_locked = |field: &Field| {
        locked.iter().any(|one| match one {
            LockedDefault::Timezone => *field == Field::Timezone,
            LockedDefault::Country => *field == Field::Country,
            LockedDefault::Packages => *field == Field::Packages,
            LockedDefault::AddOns => *field == Field::AddOns,
            LockedDefault::Access => field.path().starts_with("security.access."),
        })
    };
    defaults
        .values
        .iter()
        .filter(|(field, _)| is_locked(field))
        .filter_map(|(field, default)| {
            let own = client.values.get(field).filter(|own| *own != default)?;
            Some(InvalidSetting {
                path: field.path().to_owned(),
                reason: Reason::PolicyViolation,
                message: format!(
                    "is {} and the Partner has locked it at {}: remove it here, or ask the Partner's owner",
                    own.to_json(),
                    default.to_json()
                ),
            })
        })
        .collect()
}

fn with_origin(values: BTreeMap<Field, Value>, origin: ValueOrigin) -> BTreeMap<Field, (Value, ValueOrigin)> {
    values.into_iter().map(|(field, value)| (field, (value, origin))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(values: &[(Field, &str)]) -> DeclaredSettings {
        DeclaredSettings {
            values: values.iter().map(|(field, text)| (*field, Value::text(text))).collect(),
            ..DeclaredSettings::default()
        }
    }

    /// shows: seeds/clients/own-policies
    #[test]
    fn the_client_wins_over_the_default_and_an_empty_value_is_a_value() {
        let client = settings(&[(Field::Country, "France"), (Field::City, "")]);
        let defaults = settings(&[(Field::Country, "Germany"), (Field::Timezone, "Europe/Berlin")]);
        let effective = inherit_settings(client, defaults, &BTreeMap::new());
        assert_eq!(effective.values[&Field::Country], (Value::text("France"), ValueOrigin::Spec));
        assert_eq!(effective.values[&Field::Timezone], (Value::text("Europe/Berlin"), ValueOrigin::PartnerDefault));
        assert_eq!(effective.values[&Field::City], (Value::Cleared, ValueOrigin::Spec));
    }

    #[test]
    fn a_locked_default_may_be_repeated_and_not_changed() {
        let defaults = settings(&[(Field::Country, "Germany"), (Field::Timezone, "Europe/Berlin")]);
        let same = settings(&[(Field::Country, "Germany"), (Field::Timezone, "Europe/Paris")]);
        assert!(find_locked_violations(&same, &defaults, &[LockedDefault::Country]).is_empty());
        let beyond = find_locked_violations(&same, &defaults, &[LockedDefault::Country, LockedDefault::Timezone]);
        assert_eq!(beyond[0].path, "details.timezone");
        assert_eq!(beyond[0].reason, Reason::PolicyViolation);
    }

    #[test]
    fn each_locked_default_locks_its_settings_and_no_other() {
        use LockedDefault::{Access, AddOns, Country, Packages, Timezone};
        let all: BTreeMap<Field, Value> =
            Field::ALL.iter().map(|field| (*field, Value::text("the Partner's"))).collect();
        let defaults = DeclaredSettings { values: all.clone(), ..DeclaredSettings::default() };
        let others = all.keys().map(|field| (*field, Value::text("another"))).collect();
        let client = DeclaredSettings { values: others, ..DeclaredSettings::default() };
        // Listed by hand, not derived from the names of the fields.
        let access = [
            "security.access.allowedIPs",
            "security.access.twoFactorAuthentication",
            "security.access.duo.integrationKeySecretRef",
            "security.access.duo.secretKeySecretRef",
            "security.access.duo.apiHostname",
            "security.access.blockDuplicateCloudAccounts",
            "security.access.skipUserConsentForm",
            "security.access.showCopyClipboard",
        ];
        for one in [Timezone, Country, Packages, AddOns, Access] {
            let locked: &[&str] = match one {
                Timezone => &["details.timezone"],
                Country => &["details.country"],
                Packages => &["packages"],
                AddOns => &["addOns"],
                Access => &access,
            };
            let beyond: Vec<String> =
                find_locked_violations(&client, &defaults, &[one]).into_iter().map(|invalid| invalid.path).collect();
            assert_eq!(beyond, locked, "{one:?}");
        }
    }

    #[test]
    fn the_partners_own_settings_never_reach_a_client_but_what_the_platform_cascades_is_shown() {
        let partner = BTreeMap::from([
            (Field::AllowedIps, Value::set(["198.51.100.1"])),
            (Field::City, Value::text("Munich")),
            (Field::WebsiteTitle, Value::text("Acme")),
            (Field::PolicyMinLength, Value::Number(14)),
        ]);
        let effective = inherit_settings(DeclaredSettings::default(), DeclaredSettings::default(), &partner);
        let shown: Vec<_> = effective.values.iter().map(|(field, (_, origin))| (*field, *origin)).collect();
        assert_eq!(
            shown,
            [(Field::PolicyMinLength, ValueOrigin::Platform), (Field::WebsiteTitle, ValueOrigin::Platform)]
        );
        assert_eq!(effective.written_settings().count(), 0);
    }
}
