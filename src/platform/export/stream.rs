//! Stream exports: each event to a webhook, at least once, with bounded retries.

use std::sync::Arc;

use axum::extract::{Path, State};
use axum::{Extension, Json};
use futures::future::join_all;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::allowed::Destination;
use super::signature::StreamSecret;
use crate::catalog::AddOn;
use crate::platform::audit::{Action, Actor, Event, append};
use crate::platform::body::Strict;
use crate::platform::bounds;
use crate::platform::error::{Error, field};
use crate::platform::gate::{Locked, Scope};
use crate::platform::metrics::{ARRIVED, FAILED, GIVEN_UP};
use crate::platform::standing::{Act, admit};
use crate::platform::store::{
    Delivery, NewStream, Record, Stream, Tx, delete_stream, enqueue, insert_stream, next_number, streams_of,
};
use crate::platform::subscription::Subscription;
use crate::platform::{App, names, time};

/// Attempts of a delivery before it is given up.
const ATTEMPTS: i64 = 5;
/// Deliveries at a time.
const AT_ONCE: i64 = 16;
/// Streams of a tenant.
const STREAMS: usize = 10;
/// For how long a process has a delivery to itself: longer than an attempt takes.
const LEASE: i64 = 60_000;

/// A webhook to be set up.
#[derive(Deserialize)]
pub(in crate::platform) struct Request {
    name: String,
    url: String,
}

/// A webhook that was set up, with the secret that its deliveries are signed with: nobody is told it a second time.
#[derive(Serialize)]
pub(in crate::platform) struct Made {
    #[serde(flatten)]
    stream: Stream,
    secret: String,
}

/// `POST .../exports/stream`.
pub(in crate::platform) async fn create(
    State(app): State<Arc<App>>,
    Extension(scope): Extension<Scope>,
    actor: Actor,
    Strict(request): Strict<Request, { bounds::TENANT }>,
) -> Result<Json<Made>, Error> {
    let Request { name, url } = request;
    if name.trim().is_empty() || name.chars().count() > bounds::NAME || name.chars().any(char::is_control) {
        return Err(Error::field("name", "The name must have 1 to 255 printable characters"));
    }
    if let Some(why) = names::unreadable(&name) {
        return Err(Error::field("name", why));
    }
    let Locked { mut tx, tenant } = scope.locked(&app, Act::Write).await?;
    Subscription::of_record(&tenant).need(AddOn::StreamExports)?;
    if !matches!(app.exports.allowed.find(&url), Some(Destination::Webhook(_))) {
        let message = "The URL is none of those that the platform's `--export-destination` allows for streams";
        return Err(Error::field("url", message));
    }
    let streams = streams_of(&mut tx, tenant.id).await?;
    if let Some(holder) = streams.iter().find(|stream| stream.name == name.trim()) {
        let mut refusal = field("name", "The tenant has a stream of this name; end that one first");
        refusal.holder = Some(holder.id.clone());
        return Err(Error::Fields(vec![refusal]));
    }
    if streams.len() >= STREAMS {
        return Err(Error::field("name", format!("The tenant has {STREAMS} streams; end one first")));
    }
    let id = next_number(&mut tx).await?;
    let stream = Stream::new(id, name.trim().to_owned(), url);
    let secret = StreamSecret::random();
    let sealed = app.stream_vault.seal(&whose(id), secret.bytes())?;
    insert_stream(&mut tx, tenant.id, id, NewStream { stream: &stream, sealed: &sealed }).await?;
    append(&app.seal, &mut tx, (tenant.id, &actor), Event::done(Action::ExportStream, &stream.id)).await?;
    tx.commit().await?;
    Ok(Json(Made { stream, secret: secret.shown() }))
}

/// Whose a sealed secret is.
fn whose(stream: i64) -> String {
    format!("stream {stream}")
}

/// `GET .../exports/stream`.
pub(in crate::platform) async fn list(
    State(app): State<Arc<App>>,
    Extension(scope): Extension<Scope>,
) -> Result<Json<Vec<Stream>>, Error> {
    let tenant = scope.tenant()?;
    admit(tenant, Act::Read)?;
    Ok(Json(app.store.streams(tenant.id).await?))
}

/// `DELETE .../exports/stream/{stream}`: what has not arrived yet goes with it.
pub(in crate::platform) async fn remove(
    State(app): State<Arc<App>>,
    Extension(scope): Extension<Scope>,
    Path((_, id)): Path<(String, String)>,
    actor: Actor,
) -> Result<Json<()>, Error> {
    let Locked { mut tx, tenant } = scope.locked(&app, Act::Write).await?;
    if !delete_stream(&mut tx, tenant.id, id.parse().unwrap_or(-1)).await? {
        return Err(Error::not_found("Stream", &id));
    }
    append(&app.seal, &mut tx, (tenant.id, &actor), Event::done(Action::ExportStreamEnd, &id)).await?;
    tx.commit().await?;
    Ok(Json(()))
}

/// Puts an event on the tenant's streams, in the transaction of what happened. `record` is what the record shows.
pub(in crate::platform) async fn publish(
    tx: &mut Tx,
    tenant: &Record,
    event: &str,
    record: &Value,
) -> Result<(), Error> {
    let streams = streams_of(tx, tenant.id).await?;
    if streams.is_empty() {
        return Ok(());
    }
    let document = json!({ "tenantId": tenant.unique_id, "event": event, "record": record }).to_string();
    for stream in streams {
        let id = next_number(tx).await?;
        enqueue(tx, id, (tenant.id, stream.number), (&document, time::now())).await?;
    }
    Ok(())
}

/// Delivers until the platform stops.
pub(in crate::platform) async fn run(app: Arc<App>) {
    loop {
        match deliver(&app).await {
            Ok(0) => {}
            Ok(_) => continue,
            Err(error) => tracing::warn!(?error, "deliveries wait for the database"),
        }
        // Of an event of this process it is told; of others, and of retries, it finds out.
        let _ = tokio::time::timeout(app.exports.retry, app.deliveries.notified()).await;
    }
}

/// One round; answers how many deliveries were tried.
async fn deliver(app: &App) -> Result<usize, Error> {
    let now = time::now();
    if !app.store.is_due(now).await? {
        return Ok(0);
    }
    let claimed = app.store.claim(now, now + LEASE, AT_ONCE).await?;
    let tried = join_all(claimed.iter().map(|delivery| timed(app, delivery))).await;
    for (delivery, arrived) in claimed.iter().zip(&tried) {
        let again = backoff(app, delivery.attempts);
        let last = *arrived || delivery.attempts >= ATTEMPTS;
        app.metrics.delivered(match (*arrived, last) {
            (true, _) => ARRIVED,
            (false, true) => GIVEN_UP,
            (false, false) => FAILED,
        });
        if last {
            app.store.finish(delivery, *arrived).await?;
        } else {
            app.store.postpone(delivery.id, time::now() + again).await?;
        }
    }
    Ok(tried.len())
}

/// Twice as long after each attempt.
fn backoff(app: &App, attempts: i64) -> i64 {
    let base = i64::try_from(app.exports.retry.as_millis()).unwrap_or(i64::MAX);
    base.saturating_mul(1 << attempts.clamp(0, 10))
}

async fn timed(app: &App, delivery: &Delivery) -> bool {
    let start = std::time::Instant::now();
    let arrived = attempt(app, delivery).await;
    app.metrics.tried(start.elapsed());
    arrived
}

/// What proves one attempt.
struct Signed {
    /// Seconds since 1970.
    timestamp: i64,
    signature: String,
}

fn signed(app: &App, delivery: &Delivery, sealed: &str) -> Option<Signed> {
    let secret = StreamSecret::of(app.stream_vault.open(&whose(delivery.stream), sealed)?);
    let timestamp = time::now() / 1000;
    let signature = secret.sign(&delivery.id.to_string(), timestamp, &delivery.document)?;
    Some(Signed { timestamp, signature })
}

async fn attempt(app: &App, delivery: &Delivery) -> bool {
    // Judged again: the list may have become shorter since.
    let Some(Destination::Webhook(url)) = app.exports.allowed.find(&delivery.destination) else { return false };
    let mut request = app.exports.http.post(url).header("content-type", "application/json");
    request = request.header("x-tenantry-delivery", delivery.id);
    if let Some(sealed) = &delivery.secret {
        let Some(Signed { timestamp, signature }) = signed(app, delivery, sealed) else {
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
