//! Maps errors to the outcome of a pass.

use crate::api::Reason;
use crate::catalog;
use crate::plan::{EffectiveSettings, Field, InvalidSetting, PassOutcome, Value, ValueOrigin};

/// Returns the message of an API server error, without the dump of its status.
pub(crate) fn api_error_message(error: &kube::Error) -> String {
    match error {
        kube::Error::Api(status) => status.message.clone(),
        other => other.to_string(),
    }
}

/// Returns all invalid settings as one outcome.
pub(crate) fn invalid_settings_outcome(invalid: &[InvalidSetting]) -> PassOutcome {
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
pub(crate) fn find_misspelt_value(field: Field, effective: &EffectiveSettings) -> Option<(String, String)> {
    let (Value::Text(text), origin) = effective.values.get(&field)? else { return None };
    let why = match field {
        Field::Country => catalog::unknown_country_message(text),
        Field::Timezone => catalog::unknown_timezone_message(text),
        _ => None,
    }?;
    let name = field.path().trim_start_matches("details.");
    let path = match origin {
        ValueOrigin::PartnerDefault => format!("spec.clients.defaults.{name}"),
        _ => format!("spec.{}", field.path()),
    };
    Some((path, why))
}
