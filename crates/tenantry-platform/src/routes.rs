//! The routes, and the middleware around them.

use std::any::Any;
use std::sync::Arc;

use axum::Router;
use axum::extract::{MatchedPath, Request, State};
use axum::http::{HeaderName, HeaderValue, Method, StatusCode, Uri, header};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse as _, Response};
use axum::routing::{MethodFilter, MethodRouter, get, on, post};
use tenantry_wire::EXTENSIONS_HEADER;
use tower_http::catch_panic::CatchPanicLayer;

use super::error::{self, ApiError};
use super::export::{batch, schedule, stream};
use super::people::{permission_sets, roles, user_actions, user_factor, user_lists, users};
use super::permission::{ApiRoute, HttpMethod, ROUTES, RouteOperation};
use super::server::MissingHost;
use super::{
    App, audit, authorize, branding, credential, image, impact, lifecycle, limits, memory_budget, metrics, pages,
    records, reference_data, refusal_log, subscription, tenant, tenant_search, token,
};

/// Builds the router of the platform.
pub(super) fn build_router(app: &Arc<App>) -> Router {
    let rows = ROUTES.iter().filter(|row| row.is_documented || app.has_extensions);
    let api = rows.fold(Router::new(), |api, row| api.route(row.path, route_handler(row)));
    let api = api
        .method_not_allowed_fallback(method_not_allowed)
        .route_layer(middleware::from_fn_with_state(Arc::clone(app), audit::audit_forbidden_requests))
        .route_layer(middleware::from_fn_with_state(Arc::clone(app), authorize::authorize_request));
    let mut open = Router::new()
        .route("/tenancy/auth/oauth/token", post(token::issue_token))
        .route("/auth/oauth/token", post(token::issue_token))
        .route("/images/org/{org}/{file}", get(image::serve_image))
        .route("/healthz", get(|| async { "ok" }))
        .route("/readyz", get(serve_readiness))
        .route("/metrics", get(metrics::serve_metrics));
    if app.has_extensions {
        open = open.route("/tenancy/auth/oauth/revoke", post(token::revoke_token)).merge(pages::page_routes());
    }
    let open = open.method_not_allowed_fallback(method_not_allowed);
    with_layers(app, api.merge(open).fallback(path_not_found)).with_state(Arc::clone(app))
}

/// Returns the handler of a row of the route table.
fn route_handler(row: &ApiRoute) -> MethodRouter<Arc<App>> {
    let method = match row.method {
        HttpMethod::Get => MethodFilter::GET,
        HttpMethod::Post => MethodFilter::POST,
        HttpMethod::Put => MethodFilter::PUT,
        HttpMethod::Delete => MethodFilter::DELETE,
    };
    match row.operation {
        RouteOperation::CreateTenant => on(method, tenant::create_tenant),
        RouteOperation::MinimalTenants => on(method, tenant::list_minimal),
        RouteOperation::SearchTenants => on(method, tenant_search::search_tenants),
        RouteOperation::ReadTenant => on(method, tenant::read_tenant),
        RouteOperation::UpdateTenant => on(method, tenant::update_tenant),
        RouteOperation::ActivateTenant => on(method, lifecycle::activate),
        RouteOperation::SuspendTenant => on(method, lifecycle::suspend),
        RouteOperation::TerminateTenant => on(method, lifecycle::terminate),
        RouteOperation::ReadOwnTenant => on(method, tenant::read_itself),
        RouteOperation::UpdateOwnTenant => on(method, tenant::update_itself),
        RouteOperation::ReadBranding => on(method, branding::read_branding),
        RouteOperation::WriteBranding => on(method, branding::update_branding),
        RouteOperation::Countries => on(method, reference_data::list_countries),
        RouteOperation::Timezones => on(method, reference_data::list_timezones),
        RouteOperation::Channels => on(method, reference_data::list_channels),
        RouteOperation::Nocs => on(method, reference_data::list_nocs),
        RouteOperation::Impact => on(method, impact::count_impact),
        RouteOperation::CreateCredential => on(method, credential::create),
        RouteOperation::ListCredentials => on(method, credential::list),
        RouteOperation::RotateCredential => on(method, credential::rotate),
        RouteOperation::RevokeCredential => on(method, credential::revoke),
        RouteOperation::SearchAudit => on(method, audit::list_audit_log),
        RouteOperation::ReadSubscription => on(method, subscription::read_subscription),
        RouteOperation::CreateRecord => on(method, records::create_record),
        RouteOperation::ListRecords => on(method, records::list_records),
        RouteOperation::ReadRecord => on(method, records::read_record),
        RouteOperation::UpdateRecord => on(method, records::update_record),
        RouteOperation::ExportBatch => on(method, batch::export_batch),
        RouteOperation::ListSchedules => on(method, schedule::list_schedules),
        RouteOperation::DeleteSchedule => on(method, schedule::end_schedule),
        RouteOperation::CreateStream => on(method, stream::create_stream),
        RouteOperation::ListStreams => on(method, stream::list_streams),
        RouteOperation::DeleteStream => on(method, stream::end_stream),
        RouteOperation::CreateUser => on(method, users::create_user),
        RouteOperation::MinimalUsers => on(method, user_lists::list_minimal_users),
        RouteOperation::SearchUsers => on(method, user_lists::search_users),
        RouteOperation::SearchLogins => on(method, user_lists::search_logins),
        RouteOperation::ReadUser => on(method, users::read_user),
        RouteOperation::UpdateUser => on(method, users::update_user),
        RouteOperation::ActivateUser => on(method, user_actions::activate),
        RouteOperation::DeactivateUser => on(method, user_actions::deactivate),
        RouteOperation::TerminateUser => on(method, user_actions::terminate),
        RouteOperation::ResetFactor => on(method, user_factor::reset_factor),
        RouteOperation::ChangePassword => on(method, user_actions::change_password),
        RouteOperation::CreateRole => on(method, roles::create_role),
        RouteOperation::SearchRoles => on(method, roles::search_roles),
        RouteOperation::ReadRole => on(method, roles::read_role),
        RouteOperation::UpdateRole => on(method, roles::update_role),
        RouteOperation::DeleteRole => on(method, roles::remove_role),
        RouteOperation::ListPermissionSets => on(method, permission_sets::list_sets),
        RouteOperation::CreatePermissionSet => on(method, permission_sets::create_set),
        RouteOperation::ReadPermissionSet => on(method, permission_sets::read_set),
        RouteOperation::UpdatePermissionSet => on(method, permission_sets::update_set),
        RouteOperation::DeletePermissionSet => on(method, permission_sets::remove_set),
    }
}

/// Adds the middleware, from the inside out: a panic becomes an answer; the answer says whether the extensions are
/// enabled, and it is counted.
fn with_layers(app: &Arc<App>, router: Router<Arc<App>>) -> Router<Arc<App>> {
    with_panic_handler(router)
        .layer(middleware::from_fn_with_state(Arc::clone(app), memory_budget::track_memory))
        .layer(middleware::from_fn(reshape_bad_request))
        .layer(middleware::from_fn(limit_answer_time))
        .layer(middleware::from_fn(check_request_line))
        .layer(middleware::from_fn_with_state(Arc::clone(app), add_extension_header))
        .layer(middleware::from_fn_with_state(Arc::clone(app), metrics::count_requests))
        .layer(middleware::from_fn_with_state(Arc::clone(app), refusal_log::log_refusals))
        .layer(middleware::from_fn(pages::add_headers))
        .layer(middleware::from_fn_with_state(Arc::clone(app), audit::RequestId::assign_request_id))
}

fn with_panic_handler<S: Clone + Send + Sync + 'static>(router: Router<S>) -> Router<S> {
    router.layer(CatchPanicLayer::custom(|_: Box<dyn Any + Send>| error::internal_error()))
}

/// Reshapes the errors of axum itself, such as for a path that is not UTF-8, into one of the documented shapes.
async fn reshape_bad_request(request: Request, next: Next) -> Response {
    let response = next.run(request).await;
    let kind = response.headers().get(header::CONTENT_TYPE);
    if response.status() == StatusCode::BAD_REQUEST
        && kind.is_some_and(|kind| kind.as_bytes().starts_with(b"text/plain"))
    {
        let message = "The path is not UTF-8, or has a text where a number belongs";
        return ApiError::field("path", message).into_response();
    }
    response
}

/// Refuses paths and queries beyond the bounds before a handler reads them, and requests that do not name their host.
async fn check_request_line(request: Request, next: Next) -> Response {
    if request.extensions().get::<MissingHost>().is_some() {
        return ApiError::field("host", "A request of HTTP/1.1 has the header Host exactly once").into_response();
    }
    match limits::check_uri(request.uri()) {
        Ok(()) => next.run(request).await,
        Err(error) => error.into_response(),
    }
}

/// Answers for a handler whose database stops responding during a request. An export is as slow as its destination and
/// has limits there.
async fn limit_answer_time(request: Request, next: Next) -> Response {
    let exports =
        request.extensions().get::<MatchedPath>().is_some_and(|path| path.as_str().ends_with("/exports/batch"));
    if exports && request.method() == Method::POST {
        return next.run(request).await;
    }
    let answered = tokio::time::timeout(limits::ANSWER_TIMEOUT, next.run(request)).await;
    answered.unwrap_or_else(|_| {
        tracing::error!("no answer within {:?}", limits::ANSWER_TIMEOUT);
        ApiError::Unavailable(error::OUTCOME_UNKNOWN_MESSAGE.to_owned()).into_response()
    })
}

/// `GET /readyz`: whether requests can be served, which requires a database that accepts writes. `/healthz` fails only
/// for what a restart can fix.
async fn serve_readiness(State(app): State<Arc<App>>) -> Result<&'static str, ApiError> {
    if app.readiness.is_ready(&app.store).await {
        return Ok("ok");
    }
    Err(ApiError::Unavailable("The database cannot be written at this moment".to_owned()))
}

async fn add_extension_header(State(app): State<Arc<App>>, request: Request, next: Next) -> Response {
    let mut response = next.run(request).await;
    if app.has_extensions {
        let name = HeaderName::from_static(EXTENSIONS_HEADER);
        response.headers_mut().insert(name, HeaderValue::from_static("1"));
    }
    response
}

async fn method_not_allowed() -> ApiError {
    ApiError::MethodNotAllowed
}

async fn path_not_found(uri: Uri) -> ApiError {
    ApiError::not_found("Path", uri.path())
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
        let mut service = with_panic_handler(Router::<()>::new().route("/", get(fail))).into_service();
        let request = Request::builder().uri("/").body(Body::empty()).unwrap();
        let response = service.call(request).await.unwrap();
        assert_eq!(response.status(), 500);
        let body = axum::body::to_bytes(response.into_body(), 4096).await.unwrap();
        let body: tenantry_wire::PlatformError = serde_json::from_slice(&body).unwrap();
        assert_eq!(body.code, "0005");
        assert!(!body.message.contains("zebra"), "{}", body.message);
    }
}
