//! Maps errors to the outcome of a pass.

use tenantry_api::Reason;

use crate::{EffectiveSettings, Field, InvalidSetting, PassOutcome, Value, ValueOrigin};

/// Returns all invalid settings as one outcome.
pub fn invalid_settings_outcome(invalid: &[InvalidSetting]) -> PassOutcome {
    let reason = invalid.first().map_or(Reason::InvalidValue, |first| first.reason);
    let message = invalid.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ");
    match reason {
        Reason::ImageNotFound | Reason::SecretNotFound | Reason::ReferenceNotAllowed => {
            PassOutcome::Unresolved(reason, message)
        }
        _ => PassOutcome::Refused(reason, message),
    }
}

/// Returns where an unknown country or time zone was declared, and which one was probably meant.
pub fn find_misspelt_value(field: Field, effective: &EffectiveSettings) -> Option<(String, String)> {
    let (Value::Text(text), origin) = effective.values.get(&field)? else { return None };
    let why = match field {
        Field::Country => tenantry_catalog::unknown_country_message(text),
        Field::Timezone => tenantry_catalog::unknown_timezone_message(text),
        _ => None,
    }?;
    let name = field.path().trim_start_matches("details.");
    let path = match origin {
        ValueOrigin::PartnerDefault => format!("spec.clients.defaults.{name}"),
        _ => format!("spec.{}", field.path()),
    };
    Some((path, why))
}
