//! Who asks, as the log names it, and the number of the request.

use std::sync::Arc;

use axum::extract::{FromRequestParts, Request, State};
use axum::http::request::Parts;
use axum::http::{HeaderName, HeaderValue};
use axum::middleware::Next;
use axum::response::Response;
use tracing::Instrument as _;

use super::chain::random_id;
use crate::platform::App;
use crate::platform::error::Error;
use crate::platform::gate::Scope;
use crate::platform::login::source::Source;
use crate::platform::store::CREDENTIAL_ID;

/// Header that tells the caller under which id the log has the request.
const HEADER: HeaderName = HeaderName::from_static("x-request-id");

/// Id of a request, drawn by the platform: a caller cannot choose what stands in the log. And where it came from.
#[derive(Clone, Debug)]
pub(in crate::platform) struct RequestId(pub(in crate::platform) String, Source);

impl RequestId {
    /// Gives each request its id, and each answer the same.
    pub(in crate::platform) async fn give(State(app): State<Arc<App>>, mut request: Request, next: Next) -> Response {
        let source = Source::of(request.extensions(), request.headers(), &app.proxies);
        let id = Self(random_id(), source);
        let value = HeaderValue::from_str(&id.0);
        // Of the highest level, so that an error line has the id at every level of the log.
        let span = tracing::error_span!("request", request = id.0);
        request.extensions_mut().insert(id);
        let mut response = next.run(request).instrument(span).await;
        if let Ok(value) = value {
            response.headers_mut().insert(HEADER, value);
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
    pub(in crate::platform) source: Source,
}

impl Actor {
    /// Who asks behind the gate.
    pub(in crate::platform) fn of(scope: &Scope, request: Option<&RequestId>) -> Self {
        Self::named(scope.caller.actor(), request)
    }

    /// Who asks with the key of a credential, by its hash.
    pub(in crate::platform) fn key(hash: &str, request: Option<&RequestId>) -> Self {
        Self::named(format!("api#{}", hash.get(..CREDENTIAL_ID).unwrap_or_default()), request)
    }

    /// A person, by the id: a login name would outlive the mask that takes it.
    pub(in crate::platform) fn user(unique_id: &str, request: Option<&RequestId>) -> Self {
        Self::named(format!("user:{unique_id}"), request)
    }

    /// Whoever runs the program beside the database.
    pub(in crate::platform) fn console() -> Self {
        Self::named("console".to_owned(), None)
    }

    /// Somebody by name.
    pub(in crate::platform) fn named(name: String, request: Option<&RequestId>) -> Self {
        let source = request.map_or(Source::UNKNOWN, |RequestId(_, source)| *source);
        Self { name, request: request.map_or_else(String::new, |id| id.0.clone()), source }
    }

    /// A job of the platform, in no request.
    pub(in crate::platform) fn platform() -> Self {
        Self::named("platform".to_owned(), None)
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Actor {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Error> {
        let scope = parts.extensions.get::<Scope>().ok_or(Error::Internal)?;
        Ok(Self::of(scope, parts.extensions.get()))
    }
}
