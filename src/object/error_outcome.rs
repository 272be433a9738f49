//! Maps errors to the outcome of a pass.

use crate::api::Reason;
use crate::connect;
use crate::plan::{EffectiveSettings, Field, InvalidSetting, PassOutcome, TenantKind, Value, ValueOrigin};
use crate::{catalog, wire};

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

/// Returns the outcome for an error of the platform.
pub(crate) fn platform_error_outcome(kind: TenantKind, error: &connect::CallError) -> PassOutcome {
    let message = error.to_string();
    match error {
        connect::CallError::Unauthorised { .. } => PassOutcome::Unauthorised(
            Reason::CredentialsRefused,
            format!("{message}: check `clientId` and `clientSecret` in the connection's Secret"),
        ),
        // The credential is valid and may have access to other tenants, so only this object waits.
        connect::CallError::Forbidden { .. } => PassOutcome::Refused(
            Reason::PermissionMissing,
            format!("{message}: give the credential a role that may do this to this tenant"),
        ),
        connect::CallError::Invalid { errors } => {
            PassOutcome::Refused(invalid_reason(kind, errors), invalid_message(errors))
        }
        connect::CallError::ParentGone { .. } => PassOutcome::Unresolved(
            Reason::PartnerSuspended,
            format!(
                "the partner is suspended on the platform ({message}): activate it, for example with `tenantState: Active` on the Partner"
            ),
        ),
        connect::CallError::NotFound { .. } => PassOutcome::Refused(
            Reason::RefusedByPlatform,
            format!("{message}: check that `tenantId` in the connection's Secret is the tenant above this one"),
        ),
        connect::CallError::Unsupported { .. } => PassOutcome::Refused(
            Reason::PartnerAPIUnavailable,
            format!(
                "{message}: this platform does not offer partners through its API; declare Clients with `partnerUniqueId` instead"
            ),
        ),
        connect::CallError::Throttled { .. } => PassOutcome::Failed(Reason::RateLimited, message),
        connect::CallError::Unavailable { .. } | connect::CallError::Malformed { .. } => {
            PassOutcome::Failed(Reason::PlatformUnavailable, message)
        }
    }
}

/// Replaces the platform's names of country and time zone by the paths of the spec, and adds the declared value and the
/// nearest known one. A platform reports its own members and routes.
pub(crate) fn translate_to_spec_paths(error: connect::CallError, effective: &EffectiveSettings) -> connect::CallError {
    let connect::CallError::Invalid { mut errors } = error else { return error };
    for error in &mut errors {
        let field = match error.field_name.as_str() {
            "country" => Field::Country,
            "timeZone" => Field::Timezone,
            _ => continue,
        };
        if let Some((path, why)) = find_misspelt_value(field, effective) {
            (error.field_name, error.message) = (path, why);
        }
    }
    connect::CallError::Invalid { errors }
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

fn invalid_reason(kind: TenantKind, errors: &[wire::FieldError]) -> Reason {
    let Some(first) = errors.first() else { return Reason::RefusedByPlatform };
    let root = first.field_name.split(['.', '[']).next().unwrap_or_default();
    match (kind, root) {
        (_, "addOns") if first.message.contains(catalog::CONTACT_SUPPORT) => Reason::AddOnNotPermitted,
        (TenantKind::Partner, "packages" | "addOns") => Reason::ClientsStillUse,
        (TenantKind::Client, "packages") => Reason::PackageNotAvailable,
        (TenantKind::Client, "addOns") => Reason::AddOnNotPermitted,
        (_, "name" | "managedBy") => Reason::NameTaken,
        (_, "logo" | "favIcon" | "loginPageImage") => Reason::ImageInvalid,
        (_, "body" | "uniqueId" | "") => Reason::RefusedByPlatform,
        _ => Reason::InvalidValue,
    }
}

fn invalid_message(errors: &[wire::FieldError]) -> String {
    let one = |error: &wire::FieldError| {
        let advice = if error.field_name.starts_with("addOns") && !error.message.contains(catalog::CONTACT_SUPPORT) {
            format!("; ask the platform's support: {}", catalog::CONTACT_SUPPORT)
        } else {
            String::new()
        };
        format!("the platform refused `{}`: {}{advice}", error.field_name, error.message)
    };
    errors.iter().map(one).collect::<Vec<_>>().join("; ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refused_credential_is_about_all_its_objects_and_a_missing_permission_about_one() {
        let message = || "no".to_owned();
        let refused =
            platform_error_outcome(TenantKind::Client, &connect::CallError::Unauthorised { message: message() });
        assert!(matches!(refused, PassOutcome::Unauthorised(Reason::CredentialsRefused, _)), "{refused:?}");
        let missing = platform_error_outcome(TenantKind::Client, &connect::CallError::Forbidden { message: message() });
        assert!(matches!(missing, PassOutcome::Refused(Reason::PermissionMissing, _)), "{missing:?}");
    }
}
