//! Maps errors of the platform to the outcome of a pass.

use tenantry_api::Reason;
use tenantry_core::object::find_misspelt_value;
use tenantry_core::{EffectiveSettings, Field, PassOutcome, TenantKind};

use super::error::CallError;

/// Returns the outcome for an error of the platform.
pub fn platform_error_outcome(kind: TenantKind, error: &CallError) -> PassOutcome {
    let message = error.to_string();
    match error {
        CallError::Unauthorised { .. } => PassOutcome::Unauthorised(
            Reason::CredentialsRefused,
            format!("{message}: check `clientId` and `clientSecret` in the connection's Secret"),
        ),
        // The credential is valid and may have access to other tenants, so only this object waits.
        CallError::Forbidden { .. } => PassOutcome::Refused(
            Reason::PermissionMissing,
            format!("{message}: give the credential a role that may do this to this tenant"),
        ),
        CallError::Invalid { errors } => PassOutcome::Refused(invalid_reason(kind, errors), invalid_message(errors)),
        CallError::ParentGone { .. } => PassOutcome::Unresolved(
            Reason::PartnerSuspended,
            format!(
                "the partner is suspended on the platform ({message}): activate it, for example with `tenantState: Active` on the Partner"
            ),
        ),
        CallError::NotFound { .. } => PassOutcome::Refused(
            Reason::RefusedByPlatform,
            format!("{message}: check that `tenantId` in the connection's Secret is the tenant above this one"),
        ),
        CallError::Unsupported { .. } => PassOutcome::Refused(
            Reason::PartnerAPIUnavailable,
            format!(
                "{message}: this platform does not offer partners through its API; declare Clients with `partnerUniqueId` instead"
            ),
        ),
        CallError::Throttled { .. } => PassOutcome::Failed(Reason::RateLimited, message),
        CallError::Unavailable { .. } | CallError::Malformed { .. } => {
            PassOutcome::Failed(Reason::PlatformUnavailable, message)
        }
    }
}

/// Replaces the platform's names of country and time zone by the paths of the spec, and adds the declared value and the
/// nearest known one. A platform reports its own members and routes.
pub fn translate_to_spec_paths(error: CallError, effective: &EffectiveSettings) -> CallError {
    let CallError::Invalid { mut errors } = error else { return error };
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
    CallError::Invalid { errors }
}

fn invalid_reason(kind: TenantKind, errors: &[tenantry_wire::FieldError]) -> Reason {
    let Some(first) = errors.first() else { return Reason::RefusedByPlatform };
    let root = first.field_name.split(['.', '[']).next().unwrap_or_default();
    match (kind, root) {
        (_, "addOns") if first.message.contains(tenantry_catalog::CONTACT_SUPPORT) => Reason::AddOnNotPermitted,
        (TenantKind::Partner, "packages" | "addOns") => Reason::ClientsStillUse,
        (TenantKind::Client, "packages") => Reason::PackageNotAvailable,
        (TenantKind::Client, "addOns") => Reason::AddOnNotPermitted,
        (_, "name" | "managedBy") => Reason::NameTaken,
        (_, "logo" | "favIcon" | "loginPageImage") => Reason::ImageInvalid,
        (_, "body" | "uniqueId" | "") => Reason::RefusedByPlatform,
        _ => Reason::InvalidValue,
    }
}

fn invalid_message(errors: &[tenantry_wire::FieldError]) -> String {
    let one = |error: &tenantry_wire::FieldError| {
        let advice =
            if error.field_name.starts_with("addOns") && !error.message.contains(tenantry_catalog::CONTACT_SUPPORT) {
                format!("; ask the platform's support: {}", tenantry_catalog::CONTACT_SUPPORT)
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
        let refused = platform_error_outcome(TenantKind::Client, &CallError::Unauthorised { message: message() });
        assert!(matches!(refused, PassOutcome::Unauthorised(Reason::CredentialsRefused, _)), "{refused:?}");
        let missing = platform_error_outcome(TenantKind::Client, &CallError::Forbidden { message: message() });
        assert!(matches!(missing, PassOutcome::Refused(Reason::PermissionMissing, _)), "{missing:?}");
    }
}
