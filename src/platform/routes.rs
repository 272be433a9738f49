//! The routes, and the layers around them.

use std::any::Any;
use std::sync::Arc;

use axum::Router;
use axum::extract::{Request, State};
use axum::http::{HeaderName, HeaderValue, Uri};
use axum::middleware::{self, Next};
use axum::response::Response;
use axum::routing::{get, post};
use tower_http::catch_panic::CatchPanicLayer;

use super::error::{self, Error};
use super::{
    App, audit, branding, export, extensions, gate, image, lifecycle, metrics, records, reference, search, tenant,
    token,
};
use crate::wire::EXTENSIONS_HEADER;

/// Everything the platform answers.
pub(super) fn router(app: &Arc<App>) -> Router {
    let mut api = family("clients", "client").merge(documented());
    if app.extensions {
        api = api.merge(family("msps", "msp")).merge(ours()).merge(records::routes()).merge(export::routes());
    }
    let api = api
        .method_not_allowed_fallback(no_method)
        .route_layer(middleware::from_fn_with_state(Arc::clone(app), audit::watch))
        .route_layer(middleware::from_fn_with_state(Arc::clone(app), gate::guard));
    let open = Router::new()
        .route("/tenancy/auth/oauth/token", post(token::issue))
        .route("/auth/oauth/token", post(token::issue))
        .route("/images/org/{org}/{file}", get(image::show))
        .route("/healthz", get(|| async { "ok" }))
        .route("/metrics", get(metrics::show))
        .method_not_allowed_fallback(no_method);
    around(app, api.merge(open).fallback(nothing)).with_state(Arc::clone(app))
}

/// A level's calls: the same for clients under a partner and for partners under the service provider.
fn family(segment: &str, child: &str) -> Router<Arc<App>> {
    let list = format!("/api/v2/tenants/{{tenant}}/{segment}");
    let one = format!("{list}/{{{child}}}");
    Router::new()
        .route(&list, post(tenant::create))
        .route(&format!("{list}/minimal"), get(tenant::minimal))
        .route(&format!("{list}/search"), get(search::search))
        .route(&one, get(tenant::read).post(tenant::update))
        .route(&format!("{one}/activate"), post(lifecycle::activate))
        .route(&format!("{one}/suspend"), post(lifecycle::suspend))
        .route(&format!("{one}/terminate"), post(lifecycle::terminate))
}

fn documented() -> Router<Arc<App>> {
    Router::new()
        .route("/api/v2/tenants/{tenant}", get(tenant::read_itself))
        .route("/api/v2/tenants/{tenant}/", get(tenant::read_itself))
        .route("/api/v2/tenants/client/{tenant}", get(tenant::read_itself))
        .route("/api/v2/tenants/{tenant}/customBranding", get(branding::get).put(branding::put))
        .route("/api/v2/cfg/countries", get(reference::countries))
        .route("/api/v2/cfg/timezones", get(reference::timezones))
        .route("/api/v2/cfg/tenants/channels", get(reference::channels))
        .route("/api/v2/cfg/tenants/nocs", get(reference::nocs))
}

fn ours() -> Router<Arc<App>> {
    Router::new()
        .route("/api/v2/tenants/{tenant}/impact", get(extensions::impact))
        .route("/api/v2/tenants/{tenant}/credentials", post(extensions::credentials))
}

/// From the inside out: a panic becomes an answer, the answer says what we are, and is counted.
fn around(app: &Arc<App>, router: Router<Arc<App>>) -> Router<Arc<App>> {
    catching(router)
        .layer(middleware::from_fn_with_state(Arc::clone(app), introduce))
        .layer(middleware::from_fn_with_state(Arc::clone(app), metrics::count))
        .layer(middleware::from_fn(audit::RequestId::give))
}

fn catching<S: Clone + Send + Sync + 'static>(router: Router<S>) -> Router<S> {
    router.layer(CatchPanicLayer::custom(|_: Box<dyn Any + Send>| error::internal()))
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
