//! What goes wrong on the way to Duo and back. None of it lets anybody in.

use super::id_token::IdTokenError;

/// Why Duo did not prove anything.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::platform) enum DuoError {
    /// The platform does not know its own address.
    NoAddress,
    /// The tenant's API host is none of Duo's.
    Host,
    /// The secret key was sealed with another key file.
    Secret,
    /// Duo does not answer, or not as Duo does.
    Unreachable,
    /// What came back belongs to no login that waits in this session.
    State,
    /// Duo did not let the person in, or somebody gave up.
    Denied,
    /// Duo knows nothing of the code, or no more.
    Code,
    /// What Duo says does not hold.
    Proof(IdTokenError),
}

impl From<IdTokenError> for DuoError {
    fn from(flaw: IdTokenError) -> Self {
        if flaw == IdTokenError::Result { Self::Denied } else { Self::Proof(flaw) }
    }
}

impl DuoError {
    /// What the person reads: one sentence that says what to do.
    pub(in crate::platform) const fn message(self) -> &'static str {
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
            Self::Proof(_) => {
                "The answer of Duo could not be verified: start again, and tell your administrator if it stays so."
            }
        }
    }

    /// What the audit log says of it; no value of anybody's.
    pub(in crate::platform) fn audit_object(self) -> String {
        let word = match self {
            Self::NoAddress => "address",
            Self::Host => "host",
            Self::Secret => "secret",
            Self::Unreachable => "unreachable",
            Self::State => "state",
            Self::Denied => "denied",
            Self::Code => "code",
            Self::Proof(flaw) => return format!("duo token {}", flaw.as_str()),
        };
        format!("duo {word}")
    }

    /// Whether nobody could have got in, whoever it was.
    pub(in crate::platform) const fn is_service_failure(self) -> bool {
        match self {
            Self::NoAddress | Self::Host | Self::Secret | Self::Unreachable => true,
            Self::State | Self::Denied | Self::Code | Self::Proof(_) => false,
        }
    }
}
