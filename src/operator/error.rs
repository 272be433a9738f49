//! What ends a pass early.

use crate::api::Reason;
pub(crate) use crate::object::{outcome, sentence};
use crate::plan::Outcome;

/// What ends a pass early.
#[derive(Debug)]
pub(crate) enum Stop {
    /// With something to say in status.
    Outcome(Outcome),
    /// The object has changed meanwhile: another pass is on its way, nothing is to be said.
    Stale,
}

impl From<Outcome> for Stop {
    fn from(outcome: Outcome) -> Self {
        Self::Outcome(outcome)
    }
}

impl From<kube::Error> for Stop {
    fn from(error: kube::Error) -> Self {
        if let kube::Error::Api(status) = &error
            && (status.is_conflict() || status.is_not_found())
        {
            return Self::Stale;
        }
        Self::Outcome(Outcome::Failed(Reason::ClusterUnavailable, format!("the API server: {}", sentence(&error))))
    }
}
