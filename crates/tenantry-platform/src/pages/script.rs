//! `GET /script/copy.js`: the only script, for the pages of tenants that show copy buttons.

use axum::http::{HeaderValue, header};
use axum::response::{IntoResponse as _, Response};

/// Path of the script.
pub(super) const SCRIPT_PATH: &str = "/script/copy.js";

/// Marks a response whose page contains the script.
#[derive(Clone, Copy, Debug)]
pub(super) struct NeedsScript;

/// Serves the script.
pub(super) async fn serve_script() -> Response {
    let headers = [
        (header::CONTENT_TYPE, HeaderValue::from_static("text/javascript; charset=utf-8")),
        (header::CACHE_CONTROL, HeaderValue::from_static("no-cache")),
    ];
    (headers, include_str!("copy.js")).into_response()
}
