//! The actor of an audit row, and the id of the request.

use std::sync::Arc;

use axum::extract::{FromRequestParts, Request, State};
use axum::http::request::Parts;
use axum::http::{HeaderName, HeaderValue};
use axum::middleware::Next;
use axum::response::Response;
use tracing::Instrument as _;

use super::chain::random_request_id;
use crate::App;
use crate::authorize::RequestScope;
use crate::error::ApiError;
use crate::login_policy::request_source::RequestSource;
use crate::store::CREDENTIAL_ID_CHARS;

/// Header that returns the id of the request in the audit log.
const REQUEST_ID_HEADER: HeaderName = HeaderName::from_static("x-request-id");

/// Id and source of a request. The platform generates the id, so that a caller cannot choose what is written to the
/// log.
#[derive(Clone, Debug)]
pub(crate) struct RequestId(pub(crate) String, RequestSource);

impl RequestId {
    /// Assigns an id to each request and returns it in the response.
    pub(crate) async fn assign_request_id(State(app): State<Arc<App>>, mut request: Request, next: Next) -> Response {
        let source = RequestSource::from_request(request.extensions(), request.headers(), &app.proxies);
        let id = Self(random_request_id(), source);
        let value = HeaderValue::from_str(&id.0);
        // The span has the highest level, so that an error line contains the id at every log level.
        let span = tracing::error_span!("request", request = id.0);
        request.extensions_mut().insert(id);
        let mut response = next.run(request).instrument(span).await;
        if let Ok(value) = value {
            response.headers_mut().insert(REQUEST_ID_HEADER, value);
        }
        response
    }
}

/// Who acted, and in which request.
#[derive(Clone, Debug)]
pub(crate) struct Actor {
    /// A credential or a user, by id.
    pub(crate) name: String,
    /// Id of the request.
    pub(crate) request: String,
    /// Source address of the request.
    pub(crate) source: RequestSource,
}

impl Actor {
    /// The authenticated caller of a request.
    pub(crate) fn from_scope(scope: &RequestScope, request: Option<&RequestId>) -> Self {
        Self::with_name(scope.caller.audit_name(), request)
    }

    /// The holder of a credential, by the hash of its key.
    pub(crate) fn for_credential_key(hash: &str, request: Option<&RequestId>) -> Self {
        Self::with_name(format!("api#{}", hash.get(..CREDENTIAL_ID_CHARS).unwrap_or_default()), request)
    }

    /// A person, by id. A login name in the log would survive the masking of the person.
    pub(crate) fn for_user(unique_id: &str, request: Option<&RequestId>) -> Self {
        Self::with_name(format!("user:{unique_id}"), request)
    }

    /// The operator who runs the program on the database.
    pub(crate) fn for_console() -> Self {
        Self::with_name("console".to_owned(), None)
    }

    /// An actor with a given name.
    pub(crate) fn with_name(name: String, request: Option<&RequestId>) -> Self {
        let source = request.map_or(RequestSource::UNKNOWN, |RequestId(_, source)| *source);
        Self { name, request: request.map_or_else(String::new, |id| id.0.clone()), source }
    }

    /// A job of the platform, outside any request.
    pub(crate) fn for_platform() -> Self {
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
