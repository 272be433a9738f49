//! The routes, and the layers around them.

use std::any::Any;
use std::sync::Arc;

use axum::Router;
use axum::extract::{MatchedPath, Request, State};
use axum::http::{HeaderName, HeaderValue, Method, StatusCode, Uri, header};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse as _, Response};
use axum::routing::{MethodFilter, MethodRouter, get, on, post};
use tower_http::catch_panic::CatchPanicLayer;

use super::error::{self, Error};
use super::export::{batch, schedule, stream};
use super::people::{actions, factor, lists, roles, sets, users};
use super::permission::{Call, Row, TABLE, Verb};
use super::server::Hostless;
use super::{
    App, audit, bounds, branding, credential, extensions, gate, held, image, lifecycle, metrics, pages, records,
    reference, refusals, search, subscription, tenant, token,
};
use crate::wire::EXTENSIONS_HEADER;

/// Everything the platform answers.
pub(super) fn router(app: &Arc<App>) -> Router {
    let rows = TABLE.iter().filter(|row| row.documented || app.extensions);
    let api = rows.fold(Router::new(), |api, row| api.route(row.path, answered(row)));
    let api = api
        .method_not_allowed_fallback(no_method)
        .route_layer(middleware::from_fn_with_state(Arc::clone(app), audit::watch))
        .route_layer(middleware::from_fn_with_state(Arc::clone(app), gate::guard));
    let mut open = Router::new()
        .route("/tenancy/auth/oauth/token", post(token::issue))
        .route("/auth/oauth/token", post(token::issue))
        .route("/images/org/{org}/{file}", get(image::show))
        .route("/healthz", get(|| async { "ok" }))
        .route("/readyz", get(ready))
        .route("/metrics", get(metrics::show));
    if app.extensions {
        open = open.route("/tenancy/auth/oauth/revoke", post(token::revoke)).merge(pages::routes());
    }
    let open = open.method_not_allowed_fallback(no_method);
    around(app, api.merge(open).fallback(nothing)).with_state(Arc::clone(app))
}

/// Who answers a row of the table.
fn answered(row: &Row) -> MethodRouter<Arc<App>> {
    let method = match row.verb {
        Verb::Get => MethodFilter::GET,
        Verb::Post => MethodFilter::POST,
        Verb::Put => MethodFilter::PUT,
        Verb::Delete => MethodFilter::DELETE,
    };
    match row.call {
        Call::CreateTenant => on(method, tenant::create),
        Call::MinimalTenants => on(method, tenant::minimal),
        Call::SearchTenants => on(method, search::search),
        Call::ReadTenant => on(method, tenant::read),
        Call::UpdateTenant => on(method, tenant::update),
        Call::ActivateTenant => on(method, lifecycle::activate),
        Call::SuspendTenant => on(method, lifecycle::suspend),
        Call::TerminateTenant => on(method, lifecycle::terminate),
        Call::ReadItself => on(method, tenant::read_itself),
        Call::UpdateItself => on(method, tenant::update_itself),
        Call::ReadBranding => on(method, branding::get),
        Call::WriteBranding => on(method, branding::put),
        Call::Countries => on(method, reference::countries),
        Call::Timezones => on(method, reference::timezones),
        Call::Channels => on(method, reference::channels),
        Call::Nocs => on(method, reference::nocs),
        Call::Impact => on(method, extensions::impact),
        Call::CreateCredential => on(method, credential::create),
        Call::ListCredentials => on(method, credential::list),
        Call::RotateCredential => on(method, credential::rotate),
        Call::RevokeCredential => on(method, credential::revoke),
        Call::SearchAudit => on(method, audit::list),
        Call::ReadSubscription => on(method, subscription::show),
        Call::CreateRecord => on(method, records::create),
        Call::ListRecords => on(method, records::list),
        Call::ReadRecord => on(method, records::read),
        Call::UpdateRecord => on(method, records::update),
        Call::ExportBatch => on(method, batch::write),
        Call::ListSchedules => on(method, schedule::list),
        Call::DeleteSchedule => on(method, schedule::remove),
        Call::CreateStream => on(method, stream::create),
        Call::ListStreams => on(method, stream::list),
        Call::DeleteStream => on(method, stream::remove),
        Call::CreateUser => on(method, users::create),
        Call::MinimalUsers => on(method, lists::minimal),
        Call::SearchUsers => on(method, lists::search),
        Call::SearchLogins => on(method, lists::logins),
        Call::ReadUser => on(method, users::read),
        Call::UpdateUser => on(method, users::update),
        Call::ActivateUser => on(method, actions::activate),
        Call::DeactivateUser => on(method, actions::deactivate),
        Call::TerminateUser => on(method, actions::terminate),
        Call::ResetFactor => on(method, factor::reset),
        Call::ChangePassword => on(method, actions::change_password),
        Call::CreateRole => on(method, roles::create),
        Call::SearchRoles => on(method, roles::search),
        Call::ReadRole => on(method, roles::read),
        Call::UpdateRole => on(method, roles::update),
        Call::DeleteRole => on(method, roles::delete),
        Call::ListSets => on(method, sets::list),
        Call::CreateSet => on(method, sets::create),
        Call::ReadSet => on(method, sets::read),
        Call::UpdateSet => on(method, sets::update),
        Call::DeleteSet => on(method, sets::delete),
    }
}

/// From the inside out: a panic becomes an answer, the answer says what we are, and is counted.
fn around(app: &Arc<App>, router: Router<Arc<App>>) -> Router<Arc<App>> {
    catching(router)
        .layer(middleware::from_fn_with_state(Arc::clone(app), held::count))
        .layer(middleware::from_fn(shaped))
        .layer(middleware::from_fn(in_time))
        .layer(middleware::from_fn(short))
        .layer(middleware::from_fn_with_state(Arc::clone(app), introduce))
        .layer(middleware::from_fn_with_state(Arc::clone(app), metrics::count))
        .layer(middleware::from_fn_with_state(Arc::clone(app), refusals::watch))
        .layer(middleware::from_fn(pages::add_headers))
        .layer(middleware::from_fn_with_state(Arc::clone(app), audit::RequestId::give))
}

fn catching<S: Clone + Send + Sync + 'static>(router: Router<S>) -> Router<S> {
    router.layer(CatchPanicLayer::custom(|_: Box<dyn Any + Send>| error::internal()))
}

/// What axum itself refuses, such as a path that is not UTF-8, in one of the documented shapes.
async fn shaped(request: Request, next: Next) -> Response {
    let response = next.run(request).await;
    let kind = response.headers().get(header::CONTENT_TYPE);
    if response.status() == StatusCode::BAD_REQUEST
        && kind.is_some_and(|kind| kind.as_bytes().starts_with(b"text/plain"))
    {
        let message = "The path is not UTF-8, or has a text where a number belongs";
        return Error::field("path", message).into_response();
    }
    response
}

/// Refuses addresses beyond the bounds before anybody reads them, and requests that do not say which host they are for.
async fn short(request: Request, next: Next) -> Response {
    if request.extensions().get::<Hostless>().is_some() {
        return Error::field("host", "A request of HTTP/1.1 has the header Host exactly once").into_response();
    }
    match bounds::uri(request.uri()) {
        Ok(()) => next.run(request).await,
        Err(error) => error.into_response(),
    }
}

/// Answers for a handler whose database went silent in the middle. An export is as slow as where it goes to, and bounded there.
async fn in_time(request: Request, next: Next) -> Response {
    let exports =
        request.extensions().get::<MatchedPath>().is_some_and(|path| path.as_str().ends_with("/exports/batch"));
    if exports && request.method() == Method::POST {
        return next.run(request).await;
    }
    let answered = tokio::time::timeout(bounds::ANSWER_TIME, next.run(request)).await;
    answered.unwrap_or_else(|_| {
        tracing::error!("no answer within {:?}", bounds::ANSWER_TIME);
        Error::Unavailable(error::UNKNOWN.to_owned()).into_response()
    })
}

/// `GET /readyz`: whether requests would be served, which takes a database that can be written. `/healthz` fails for nothing that
/// a restart does not mend.
async fn ready(State(app): State<Arc<App>>) -> Result<&'static str, Error> {
    if app.readiness.ask(&app.store).await {
        return Ok("ok");
    }
    Err(Error::Unavailable("The database cannot be written at this moment".to_owned()))
}

async fn introduce(State(app): State<Arc<App>>, request: Request, next: Next) -> Response {
    let mut response = next.run(request).await;
    if app.extensions {
        let name = HeaderName::from_static(EXTENSIONS_HEADER);
        response.headers_mut().insert(name, HeaderValue::from_static("1"));
    }
    response
}

async fn no_method() -> Error {
    Error::Method
}

async fn nothing(uri: Uri) -> Error {
    Error::not_found("Path", uri.path())
}

#[cfg(test)]
mod tests {
    use axum::body::Body;
    use tower::Service as _;

    use super::*;

    /// shows: security/asvs/16.5.1
    #[tokio::test]
    async fn a_panic_becomes_an_answer_without_its_cause() {
        async fn fail() {
            panic!("zebra");
        }
        let mut service = catching(Router::<()>::new().route("/", get(fail))).into_service();
        let request = Request::builder().uri("/").body(Body::empty()).unwrap();
        let response = service.call(request).await.unwrap();
        assert_eq!(response.status(), 500);
        let body = axum::body::to_bytes(response.into_body(), 4096).await.unwrap();
        let body: crate::wire::PlatformError = serde_json::from_slice(&body).unwrap();
        assert_eq!(body.code, "0005");
        assert!(!body.message.contains("zebra"), "{}", body.message);
    }
}
