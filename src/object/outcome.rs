//! What a failure means for an object.

use crate::api::Reason;
use crate::connect;
use crate::plan::{Invalid, Kind, Outcome};
use crate::{catalog, wire};

/// What an error of the API server says, without the dump of its status.
pub(crate) fn sentence(error: &kube::Error) -> String {
    match error {
        kube::Error::Api(status) => status.message.clone(),
        other => other.to_string(),
    }
}

/// Everything that cannot be applied, as one outcome.
pub(crate) fn refused(invalid: &[Invalid]) -> Outcome {
    let reason = invalid.first().map_or(Reason::InvalidValue, |first| first.reason);
    let message = invalid.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ");
    match reason {
        Reason::ImageNotFound | Reason::SecretNotFound | Reason::ReferenceNotAllowed => {
            Outcome::Unresolved(reason, message)
        }
        _ => Outcome::Refused(reason, message),
    }
}

/// What an answer of the platform means for the object.
pub(crate) fn outcome(kind: Kind, error: &connect::Error) -> Outcome {
    let message = error.to_string();
    match error {
        connect::Error::Unauthorised { .. } => Outcome::Unauthorised(
            Reason::CredentialsRefused,
            format!("{message}: check `clientId` and `clientSecret` in the connection's Secret"),
        ),
        // The credential is good, and other tenants may well be open to it: only this object waits.
        connect::Error::Forbidden { .. } => Outcome::Refused(
            Reason::PermissionMissing,
            format!("{message}: give the credential a role that may do this to this tenant"),
        ),
        connect::Error::Invalid { errors } => Outcome::Refused(invalid_reason(kind, errors), invalid_message(errors)),
        connect::Error::ParentGone { .. } => Outcome::Unresolved(
            Reason::PartnerSuspended,
            format!(
                "the partner is suspended on the platform ({message}): activate it, for example with `tenantState: Active` on the Partner"
            ),
        ),
        connect::Error::NotFound { .. } => Outcome::Refused(
            Reason::RefusedByPlatform,
            format!("{message}: check that `tenantId` in the connection's Secret is the tenant above this one"),
        ),
        connect::Error::Unsupported { .. } => Outcome::Refused(
            Reason::PartnerAPIUnavailable,
            format!(
                "{message}: this platform does not offer partners through its API; declare Clients with `partnerUniqueId` instead"
            ),
        ),
        connect::Error::Throttled { .. } => Outcome::Failed(Reason::RateLimited, message),
        connect::Error::Unavailable { .. } | connect::Error::Malformed { .. } => {
            Outcome::Failed(Reason::PlatformUnavailable, message)
        }
    }
}

fn invalid_reason(kind: Kind, errors: &[wire::FieldError]) -> Reason {
    let Some(first) = errors.first() else { return Reason::RefusedByPlatform };
    let root = first.field_name.split(['.', '[']).next().unwrap_or_default();
    match (kind, root) {
        (_, "addOns") if first.message.contains(catalog::CONTACT_SUPPORT) => Reason::AddOnNotPermitted,
        (Kind::Partner, "packages" | "addOns") => Reason::ClientsStillUse,
        (Kind::Client, "packages") => Reason::PackageNotAvailable,
        (Kind::Client, "addOns") => Reason::AddOnNotPermitted,
        (_, "name" | "managedBy") => Reason::NameTaken,
        (_, "logo" | "favIcon" | "loginPageImage") => Reason::ImageInvalid,
        (_, "body" | "uniqueId" | "") => Reason::RefusedByPlatform,
        _ => Reason::InvalidValue,
    }
}

fn invalid_message(errors: &[wire::FieldError]) -> String {
    let one = |error: &wire::FieldError| {
        let advice = if error.field_name.starts_with("addOns") && !error.message.contains(catalog::CONTACT_SUPPORT) {
            format!("; {}", catalog::CONTACT_SUPPORT)
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
        let refused = outcome(Kind::Client, &connect::Error::Unauthorised { message: message() });
        assert!(matches!(refused, Outcome::Unauthorised(Reason::CredentialsRefused, _)), "{refused:?}");
        let missing = outcome(Kind::Client, &connect::Error::Forbidden { message: message() });
        assert!(matches!(missing, Outcome::Refused(Reason::PermissionMissing, _)), "{missing:?}");
    }
}
