//! Stream exports: each event is sent to a webhook at least once, with a bounded number of retries.

use std::sync::Arc;

use axum::extract::{Path, State};
use axum::{Extension, Json};
use futures::future::join_all;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use tenantry_catalog::AddOn;

use super::allowlist::Destination;
use super::webhook_signature::StreamSecret;
use crate::audit::{Actor, AuditAction, AuditEvent, append_event};
use crate::authorize::{LockedTenant, RequestScope};
use crate::error::{ApiError, field_error};
use crate::json_body::StrictJson;
use crate::limits;
use crate::metrics::{DELIVERED, FAILED, GIVEN_UP};
use crate::store::{
    Delivery, NewStream, TenantRecord, Tx, WebhookStream, delete_stream, enqueue_delivery, insert_stream, next_number,
    tenant_streams,
};
use crate::subscription::Subscription;
use crate::tenant_availability::{TenantOperation, ensure_tenant_accepts};
use crate::{App, name_normalization, time};

/// Attempts before a delivery is given up.
const MAX_ATTEMPTS: i64 = 5;
/// Maximum number of concurrent deliveries.
const MAX_CONCURRENT: i64 = 16;
/// Maximum number of streams per tenant.
const MAX_STREAMS: usize = 10;
/// How long a process holds the lease of a delivery, in milliseconds. It is longer than an attempt.
const DELIVERY_LEASE: i64 = 60_000;

/// Body of a request that creates a stream.
#[derive(Deserialize)]
pub(crate) struct StreamRequest {
    name: String,
    url: String,
}

/// A created stream, with the secret that signs its deliveries. The secret is returned only here.
#[derive(Serialize)]
pub(crate) struct CreatedStream {
    #[serde(flatten)]
    stream: WebhookStream,
    secret: String,
}

/// `POST .../exports/stream`.
pub(crate) async fn create_stream(
    State(app): State<Arc<App>>,
    Extension(scope): Extension<RequestScope>,
    actor: Actor,
    StrictJson(request): StrictJson<StreamRequest, { limits::MAX_JSON_BODY_BYTES }>,
) -> Result<Json<CreatedStream>, ApiError> {
    let StreamRequest { name, url } = request;
    if name.trim().is_empty() || name.chars().count() > limits::MAX_NAME_CHARS || name.chars().any(char::is_control) {
        return Err(ApiError::field("name", "The name must have 1 to 255 printable characters"));
    }
    if let Some(why) = name_normalization::unreadable_character(&name) {
        return Err(ApiError::field("name", why));
    }
    let LockedTenant { mut tx, tenant } = scope.lock_tenant(&app, TenantOperation::Write).await?;
    Subscription::of_tenant(&tenant).ensure_add_on(AddOn::StreamExports)?;
    if !matches!(app.exports.allowlist.find(&url), Some(Destination::Webhook(_))) {
        let message = "The URL is none of those that the platform's `--export-destination` allows for streams";
        return Err(ApiError::field("url", message));
    }
    let streams = tenant_streams(&mut tx, tenant.id).await?;
    if let Some(holder) = streams.iter().find(|stream| stream.name == name.trim()) {
        let mut refusal = field_error("name", "The tenant has a stream of this name; end that one first");
        refusal.holder = Some(holder.id.clone());
        return Err(ApiError::Fields(vec![refusal]));
    }
    if streams.len() >= MAX_STREAMS {
        return Err(ApiError::field("name", format!("The tenant has {MAX_STREAMS} streams; end one first")));
    }
    let id = next_number(&mut tx).await?;
    let stream = WebhookStream::new(id, name.trim().to_owned(), url);
    let secret = StreamSecret::random();
    let sealed = app.stream_vault.encrypt_secret(&secret_owner(id), secret.bytes())?;
    insert_stream(&mut tx, tenant.id, id, NewStream { stream: &stream, sealed: &sealed }).await?;
    append_event(&app.seal, &mut tx, tenant.id, &actor, AuditEvent::success(AuditAction::ExportStream, &stream.id))
        .await?;
    tx.commit().await?;
    Ok(Json(CreatedStream { stream, secret: secret.to_display_text() }))
}

/// Returns the owner that a stream's secret is sealed for.
fn secret_owner(stream: i64) -> String {
    format!("stream {stream}")
}

/// `GET .../exports/stream`.
pub(crate) async fn list_streams(
    State(app): State<Arc<App>>,
    Extension(scope): Extension<RequestScope>,
) -> Result<Json<Vec<WebhookStream>>, ApiError> {
    let tenant = scope.tenant()?;
    ensure_tenant_accepts(tenant, TenantOperation::Read)?;
    Ok(Json(app.store.list_streams(tenant.id).await?))
}

/// `DELETE .../exports/stream/{stream}`: pending deliveries are deleted too.
pub(crate) async fn end_stream(
    State(app): State<Arc<App>>,
    Extension(scope): Extension<RequestScope>,
    Path((_, id)): Path<(String, String)>,
    actor: Actor,
) -> Result<Json<()>, ApiError> {
    let LockedTenant { mut tx, tenant } = scope.lock_tenant(&app, TenantOperation::Write).await?;
    if !delete_stream(&mut tx, tenant.id, id.parse().unwrap_or(-1)).await? {
        return Err(ApiError::not_found("Stream", &id));
    }
    append_event(&app.seal, &mut tx, tenant.id, &actor, AuditEvent::success(AuditAction::ExportStreamEnd, &id)).await?;
    tx.commit().await?;
    Ok(Json(()))
}

/// Enqueues an event for the tenant's streams, in the transaction of the change. `record` is the record as shown to
/// readers.
pub(crate) async fn publish_event(
    tx: &mut Tx,
    tenant: &TenantRecord,
    event: &str,
    record: &Value,
) -> Result<(), ApiError> {
    let streams = tenant_streams(tx, tenant.id).await?;
    if streams.is_empty() {
        return Ok(());
    }
    let document = json!({ "tenantId": tenant.unique_id, "event": event, "record": record }).to_string();
    for stream in streams {
        let id = next_number(tx).await?;
        enqueue_delivery(tx, id, tenant.id, stream.number, &document, time::now()).await?;
    }
    Ok(())
}

/// Delivers events until the platform stops.
pub(crate) async fn run_deliveries(app: Arc<App>) {
    loop {
        match deliver_due(&app).await {
            Ok(0) => {}
            Ok(_) => continue,
            Err(error) => tracing::warn!(?error, "deliveries wait for the database"),
        }
        // An event of this process notifies this loop. The timeout finds events of other processes and retries.
        let _ = tokio::time::timeout(app.exports.retry, app.deliveries.notified()).await;
    }
}

/// Runs one round. Returns how many deliveries were attempted.
async fn deliver_due(app: &App) -> Result<usize, ApiError> {
    let now = time::now();
    if !app.store.has_due_delivery(now).await? {
        return Ok(0);
    }
    let claimed = app.store.claim_deliveries(now, now + DELIVERY_LEASE, MAX_CONCURRENT).await?;
    let tried = join_all(claimed.iter().map(|delivery| attempt_with_metrics(app, delivery))).await;
    for (delivery, arrived) in claimed.iter().zip(&tried) {
        let again = retry_delay(app, delivery.attempts);
        let last = *arrived || delivery.attempts >= MAX_ATTEMPTS;
        app.metrics.count_delivery(match (*arrived, last) {
            (true, _) => DELIVERED,
            (false, true) => GIVEN_UP,
            (false, false) => FAILED,
        });
        if last {
            app.store.finish_delivery(delivery, *arrived).await?;
        } else {
            app.store.postpone_delivery(delivery.id, time::now() + again).await?;
        }
    }
    Ok(tried.len())
}

/// Doubles the delay after each attempt.
fn retry_delay(app: &App, attempts: i64) -> i64 {
    let base = i64::try_from(app.exports.retry.as_millis()).unwrap_or(i64::MAX);
    base.saturating_mul(1 << attempts.clamp(0, 10))
}

async fn attempt_with_metrics(app: &App, delivery: &Delivery) -> bool {
    let start = std::time::Instant::now();
    let arrived = attempt_delivery(app, delivery).await;
    app.metrics.observe_attempt(start.elapsed());
    arrived
}

/// Signature of one attempt.
struct WebhookSignature {
    /// Seconds since 1970.
    timestamp: i64,
    signature: String,
}

fn sign_delivery(app: &App, delivery: &Delivery, sealed: &str) -> Option<WebhookSignature> {
    let secret = StreamSecret::from_bytes(app.stream_vault.decrypt_secret(&secret_owner(delivery.stream), sealed)?);
    let timestamp = time::now() / 1000;
    let signature = secret.sign(&delivery.id.to_string(), timestamp, &delivery.document)?;
    Some(WebhookSignature { timestamp, signature })
}

async fn attempt_delivery(app: &App, delivery: &Delivery) -> bool {
    // Checked again: the allowlist may have become shorter.
    let Some(Destination::Webhook(url)) = app.exports.allowlist.find(&delivery.destination) else { return false };
    let mut request = app.exports.http.post(url).header("content-type", "application/json");
    request = request.header("x-tenantry-delivery", delivery.id);
    if let Some(sealed) = &delivery.secret {
        let Some(WebhookSignature { timestamp, signature }) = sign_delivery(app, delivery, sealed) else {
            tracing::warn!(
                stream = delivery.stream,
                "the secret of a stream was sealed with another audit key, so nothing is sent; end the stream and make it again"
            );
            return false;
        };
        let id = delivery.id.to_string();
        request = request.header("webhook-id", id).header("webhook-timestamp", timestamp);
        request = request.header("webhook-signature", signature);
    }
    let request = request.body(delivery.document.clone());
    match request.send().await {
        Ok(answer) if answer.status().is_success() => true,
        Ok(answer) => {
            tracing::info!(stream = delivery.stream, status = answer.status().as_u16(), "a delivery was refused");
            false
        }
        Err(error) => {
            tracing::info!(stream = delivery.stream, error = %error.without_url(), "a delivery did not arrive");
            false
        }
    }
}
