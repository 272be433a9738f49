//! Who asks, as the log names it, and the number of the request.

use std::sync::Arc;

use axum::extract::{FromRequestParts, Request, State};
use axum::http::request::Parts;
use axum::http::{HeaderName, HeaderValue};
use axum::middleware::Next;
use axum::response::Response;
use tracing::Instrument as _;

use super::chain::random_request_id;
use crate::platform::App;
use crate::platform::authorize::RequestScope;
use crate::platform::error::ApiError;
use crate::platform::login_policy::source::RequestSource;
use crate::platform::store::CREDENTIAL_ID;

/// Header that tells the caller under which id the log has the request.
const REQUEST_ID_HEADER: HeaderName = HeaderName::from_static("x-request-id");

/// Id of a request, drawn by the platform: a caller cannot choose what stands in the log. And where it came from.
#[derive(Clone, Debug)]
pub(in crate::platform) struct RequestId(pub(in crate::platform) String, RequestSource);

impl RequestId {
    /// Gives each request its id, and each answer the same.
    pub(in crate::platform) async fn assign_request_id(
        State(app): State<Arc<App>>,
        mut request: Request,
        next: Next,
    ) -> Response {
        let source = RequestSource::from_request(request.extensions(), request.headers(), &app.proxies);
        let id = Self(random_request_id(), source);
        let value = HeaderValue::from_str(&id.0);
        // Of the highest level, so that an error line has the id at every level of the log.
        let span = tracing::error_span!("request", request = id.0);
        request.extensions_mut().insert(id);
        let mut response = next.run(request).instrument(span).await;
        if let Ok(value) = value {
            response.headers_mut().insert(REQUEST_ID_HEADER, value);
        }
        response
    }
}

/// Who did something, and in which request.
#[derive(Clone, Debug)]
pub(in crate::platform) struct Actor {
    /// A credential or a user, by id.
    pub(in crate::platform) name: String,
    /// Id of the request.
    pub(in crate::platform) request: String,
    /// Where it came from.
    pub(in crate::platform) source: RequestSource,
}

impl Actor {
    /// Who asks behind the gate.
    pub(in crate::platform) fn from_scope(scope: &RequestScope, request: Option<&RequestId>) -> Self {
        Self::with_name(scope.caller.audit_name(), request)
    }

    /// Who asks with the key of a credential, by its hash.
    pub(in crate::platform) fn for_credential_key(hash: &str, request: Option<&RequestId>) -> Self {
        Self::with_name(format!("api#{}", hash.get(..CREDENTIAL_ID).unwrap_or_default()), request)
    }

    /// A person, by the id: a login name would outlive the mask that takes it.
    pub(in crate::platform) fn for_user(unique_id: &str, request: Option<&RequestId>) -> Self {
        Self::with_name(format!("user:{unique_id}"), request)
    }

    /// Whoever runs the program beside the database.
    pub(in crate::platform) fn for_console() -> Self {
        Self::with_name("console".to_owned(), None)
    }

    /// Somebody by name.
    pub(in crate::platform) fn with_name(name: String, request: Option<&RequestId>) -> Self {
        let source = request.map_or(RequestSource::UNKNOWN, |RequestId(_, source)| *source);
        Self { name, request: request.map_or_else(String::new, |id| id.0.clone()), source }
    }

    /// A job of the platform, in no request.
    pub(in crate::platform) fn for_platform() -> Self {
        Self::with_name("platform".to_owned(), None)
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Actor {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, ApiError> {
        let scope = parts.extensions.get::<RequestScope>().ok_or(ApiError::Internal)?;
        Ok(Self::from_scope(scope, parts.extensions.get()))
    }
}
