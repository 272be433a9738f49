//! Messages of errors of the API server.

/// Returns the message of an API server error, without the dump of its status.
pub fn api_error_message(error: &kube::Error) -> String {
    match error {
        kube::Error::Api(status) => status.message.clone(),
        other => other.to_string(),
    }
}
