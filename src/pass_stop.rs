//! What ends a pass early.

use std::sync::Arc;

use tenantry_api::Reason;
use tenantry_core::PassOutcome;

pub(crate) use tenantry_runtime::api_error_message;

/// What ends a pass early.
#[derive(Debug)]
pub(crate) enum PassStop {
    /// An outcome to report in status.
    Outcome(PassOutcome),
    /// The object has changed meanwhile, and another pass follows. Status reports this only if it happens repeatedly.
    Stale,
}

impl From<PassOutcome> for PassStop {
    fn from(outcome: PassOutcome) -> Self {
        Self::Outcome(outcome)
    }
}

impl From<kube::Error> for PassStop {
    fn from(error: kube::Error) -> Self {
        Self::from_cluster_error(&error)
    }
}

impl From<Arc<kube::Error>> for PassStop {
    fn from(error: Arc<kube::Error>) -> Self {
        Self::from_cluster_error(&error)
    }
}

impl PassStop {
    fn from_cluster_error(error: &kube::Error) -> Self {
        if let kube::Error::Api(status) = error
            && (status.is_conflict() || status.is_not_found())
        {
            tracing::debug!(error = api_error_message(error), "the pass is begun again");
            return Self::Stale;
        }
        let message = format!("the API server: {}{}", api_error_message(error), cluster_error_remedy(error));
        Self::Outcome(PassOutcome::Failed(Reason::ClusterUnavailable, message))
    }
}

/// Returns what to do about an error of the API server, to append to the message. It names the missing permission.
fn cluster_error_remedy(error: &kube::Error) -> &'static str {
    match error {
        // Nothing can be created in a namespace that is being deleted, with any permission.
        kube::Error::Api(status) if status.is_forbidden() && !status.message.contains("being terminated") => {
            ": give the operator's ServiceAccount this right, as the chart's roles do"
        }
        _ if is_undeclared_field(error) => {
            ": the resource definitions are older than this operator, so nothing new can be recorded; apply those of its release, for example with `kubectl apply -f crds`"
        }
        _ => "",
    }
}

/// Returns whether the API server refused a field that its definitions do not have.
pub(crate) fn is_undeclared_field(error: &kube::Error) -> bool {
    matches!(error, kube::Error::Api(status) if status.message.contains("field not declared in schema"))
}

#[cfg(test)]
mod tests {
    use kube::core::Status;

    use super::*;

    fn stop_message(code: u16, text: &str) -> String {
        let reason = if code == 403 { "Forbidden" } else { "InternalError" }.to_owned();
        let status = Status { code, message: text.to_owned(), reason, ..Status::default() };
        match PassStop::from(kube::Error::Api(Box::new(status))) {
            PassStop::Outcome(PassOutcome::Failed(Reason::ClusterUnavailable, message)) => message,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_right_that_is_missing_is_named_with_what_to_do() {
        let refused = r#"partners.tenantry.dev "acme" is forbidden: User "system:serviceaccount:t:operator" cannot patch resource "partners/status""#;
        let message = stop_message(403, refused);
        assert!(message.contains("cannot patch resource") && message.ends_with("as the chart's roles do"), "{message}");
        assert!(
            !stop_message(403, "unable to create new content in namespace a because it is being terminated")
                .contains("right")
        );
        assert!(!stop_message(500, "etcdserver: leader changed").contains("right"));
    }
}
