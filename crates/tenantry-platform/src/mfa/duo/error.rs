//! Errors of the Duo flow. Each of them denies access.

use super::id_token::IdTokenError;

/// Why Duo did not authenticate the person.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum DuoError {
    /// The platform does not know its public URL.
    NoAddress,
    /// The tenant's API host is not a host of Duo.
    Host,
    /// The secret key was sealed with another key file.
    Secret,
    /// Duo does not respond, or not with a valid response.
    Unreachable,
    /// The callback matches no login that is pending in this session.
    State,
    /// Duo denied the person, or the person cancelled.
    Denied,
    /// Duo does not know the code, or no longer accepts it.
    Code,
    /// The token of Duo is invalid.
    InvalidIdToken(IdTokenError),
}

impl From<IdTokenError> for DuoError {
    fn from(flaw: IdTokenError) -> Self {
        if flaw == IdTokenError::Result { Self::Denied } else { Self::InvalidIdToken(flaw) }
    }
}

impl DuoError {
    /// Returns the message for the person: one sentence that says what to do.
    pub(crate) const fn message(self) -> &'static str {
        match self {
            Self::NoAddress => {
                "Duo cannot be used as long as the platform does not know its own address: whoever runs it must start it \
                 with --public-url."
            }
            Self::Host => {
                "The API hostname of Duo in your organization's settings is not one that this platform asks: an \
                 administrator must correct it."
            }
            Self::Secret => {
                "The secret key of Duo in your organization's settings cannot be read any more: an administrator must enter \
                 it again."
            }
            Self::Unreachable => {
                "Duo cannot be reached at this moment, and nobody gets in without it: try again in a few minutes, and tell \
                 your administrator if it stays so."
            }
            Self::State => "This answer of Duo belongs to no login that waits in this browser: start again.",
            Self::Denied => "Duo did not let you in: start again, or ask your administrator.",
            Self::Code => "Duo does not know this answer any more: start again.",
            Self::InvalidIdToken(_) => {
                "The answer of Duo could not be verified: start again, and tell your administrator if it stays so."
            }
        }
    }

    /// Returns the object of the audit row; it contains no user data.
    pub(crate) fn audit_object(self) -> String {
        let word = match self {
            Self::NoAddress => "address",
            Self::Host => "host",
            Self::Secret => "secret",
            Self::Unreachable => "unreachable",
            Self::State => "state",
            Self::Denied => "denied",
            Self::Code => "code",
            Self::InvalidIdToken(flaw) => return format!("duo token {}", flaw.as_str()),
        };
        format!("duo {word}")
    }

    /// Returns whether the error affects everyone, not only this person.
    pub(crate) const fn is_service_failure(self) -> bool {
        match self {
            Self::NoAddress | Self::Host | Self::Secret | Self::Unreachable => true,
            Self::State | Self::Denied | Self::Code | Self::InvalidIdToken(_) => false,
        }
    }
}
