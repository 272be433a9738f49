//! The platform's metrics: requests by method, route and status, and durations. No label holds the name of a tenant, a
//! person or a destination.

use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::extract::{MatchedPath, Request, State};
use axum::http::{StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::{Registry, Unit};

use super::audit::RequestId;
use super::error::{ApiError, LoadShed};
use super::login_policy::request_source::RequestSource;
use super::password_hashing::PasswordHasher;
use super::store::{PoolUsage, Store};
use super::{App, time};

/// Media type of the exposition.
const OPEN_METRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// Bucket bounds of durations, in seconds.
const DURATION_BUCKETS: [f64; 10] = [0.002, 0.005, 0.01, 0.025, 0.1, 0.25, 1.0, 2.5, 10.0, 60.0];

/// Outcomes of a delivery attempt.
pub(super) const DELIVERED: &str = "arrived";
pub(super) const FAILED: &str = "failed";
pub(super) const GIVEN_UP: &str = "given_up";
const OUTCOMES: [&str; 3] = [DELIVERED, FAILED, GIVEN_UP];

/// Paths that are polled all the time. An access-log line for each would hide the other lines.
pub(super) const PROBES: [&str; 3] = ["/healthz", "/readyz", "/metrics"];

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct HttpRequestLabels {
    method: String,
    route: String,
    status: u16,
    /// Whether a login found no free slot, or there was no memory for a request: not a failure, no matter how often it
    /// happens.
    turned_away: bool,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct RouteLabels {
    method: String,
    route: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OutcomeLabels {
    outcome: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct PoolLabels {
    pool: &'static str,
    state: &'static str,
}

type DurationFamily = Family<RouteLabels, Histogram, fn() -> Histogram>;

/// The platform's metrics.
pub(super) struct PlatformMetrics {
    registry: Registry,
    requests: Family<HttpRequestLabels, Counter>,
    durations: DurationFamily,
    passwords: Gauge,
    connections: Family<PoolLabels, Gauge>,
    deliveries: Family<OutcomeLabels, Counter>,
    attempts: Histogram,
    purges: Counter,
    rounds: Histogram,
    last_round: Gauge,
}

fn duration_histogram() -> Histogram {
    Histogram::new(DURATION_BUCKETS)
}

impl PlatformMetrics {
    /// Returns the metrics, with those of the database and of password hashing.
    pub(super) fn new(store: &Store, hasher: &PasswordHasher) -> Self {
        let new = Self {
            registry: Registry::with_prefix("tenantry_platform"),
            requests: Family::default(),
            durations: Family::new_with_constructor(duration_histogram),
            passwords: Gauge::default(),
            connections: Family::default(),
            deliveries: Family::default(),
            attempts: duration_histogram(),
            purges: Counter::default(),
            rounds: duration_histogram(),
            last_round: Gauge::default(),
        };
        new.register_all(store, hasher)
    }

    fn register_all(mut self, store: &Store, hasher: &PasswordHasher) -> Self {
        let registry = &mut self.registry;
        let mut seconds = |name: &str, help: &str, histogram: Histogram| {
            registry.register_with_unit(name, help, Unit::Seconds, histogram);
        };
        seconds("password_wait", "How long a password waited for its turn to be hashed", hasher.wait_histogram());
        seconds("database_wait", "How long a write waited for its connection", store.wait_histogram());
        seconds("delivery_duration", "How long attempts at a delivery took", self.attempts.clone());
        seconds("housekeeping_duration", "How long rounds of the housekeeping took", self.rounds.clone());
        registry.register("requests", "Requests answered, by route template", self.requests.clone());
        registry.register_with_unit("request_duration", "How long they took", Unit::Seconds, self.durations.clone());
        registry.register("passwords", "Passwords that are hashed or wait for it", self.passwords.clone());
        registry.register("database_connections", "Open connections, by what they do", self.connections.clone());
        registry.register("deliveries", "Attempts at deliveries of streams, by their outcome", self.deliveries.clone());
        registry.register("purges", "Tenants whose data was erased", self.purges.clone());
        let help = "When a round of the housekeeping last ended well, or the platform began";
        registry.register_with_unit("housekeeping_last_timestamp", help, Unit::Seconds, self.last_round.clone());
        // Each outcome starts at 0, so that its first occurrence shows as an increase.
        for outcome in OUTCOMES {
            drop(self.deliveries.get_or_create(&OutcomeLabels { outcome }));
        }
        self
    }

    /// Counts a delivery attempt.
    pub(super) fn count_delivery(&self, outcome: &'static str) {
        self.deliveries.get_or_create(&OutcomeLabels { outcome }).inc();
    }

    /// Records how long a delivery attempt took.
    pub(super) fn observe_attempt(&self, took: Duration) {
        self.attempts.observe(took.as_secs_f64());
    }

    /// Counts a tenant whose data was erased.
    pub(super) fn count_purge(&self) {
        self.purges.inc();
    }

    /// Records that the housekeeping began, so that its first round gets as much time as any other.
    pub(super) fn note_housekeeping_start(&self) {
        self.last_round.set(time::now() / 1000);
    }

    /// Counts a round of the housekeeping and records its duration.
    pub(super) fn observe_housekeeping(&self, took: Duration) {
        self.rounds.observe(took.as_secs_f64());
        self.last_round.set(time::now() / 1000);
    }

    /// Updates the gauges that are computed at the time of the scrape.
    fn update_gauges(&self, app: &App) {
        self.passwords.set(i64::try_from(app.hasher.queue_length()).unwrap_or(i64::MAX));
        for PoolUsage { pool, open, idle } in app.store.pool_usage() {
            let idle = i64::try_from(idle).unwrap_or(i64::MAX);
            let busy = i64::from(open).saturating_sub(idle);
            for (state, count) in [("idle", idle), ("busy", busy)] {
                self.connections.get_or_create(&PoolLabels { pool, state }).set(count);
            }
        }
    }
}

/// Counts a request under its route's template, so that the number of series does not grow with the tenants. Writes the
/// line of the access log.
pub(super) async fn count_requests(State(app): State<Arc<App>>, request: Request, next: Next) -> Response {
    let route = request.extensions().get::<MatchedPath>().map_or("unmatched", MatchedPath::as_str).to_owned();
    let method = match request.method().as_str() {
        known @ ("GET" | "HEAD" | "POST" | "PUT" | "DELETE" | "PATCH" | "OPTIONS") => known.to_owned(),
        _ => "OTHER".to_owned(),
    };
    let source = RequestSource::from_request(request.extensions(), request.headers(), &app.proxies);
    let id = request.extensions().get::<RequestId>().map(|id| id.0.clone()).unwrap_or_default();
    let start = Instant::now();
    let response = next.run(request).await;
    let took = start.elapsed();
    let status = response.status().as_u16();
    let turned_away = response.extensions().get::<LoadShed>().is_some();
    let milliseconds = u64::try_from(took.as_millis()).unwrap_or(u64::MAX);
    if response.status() == StatusCode::OK && PROBES.contains(&route.as_str()) {
        tracing::debug!(target: "access", method, route, status, milliseconds, %source, request = id, "answered");
    } else {
        tracing::info!(target: "access", method, route, status, milliseconds, %source, request = id, "answered");
    }
    let labels = RouteLabels { method: method.clone(), route: route.clone() };
    app.metrics.durations.get_or_create(&labels).observe(took.as_secs_f64());
    app.metrics.requests.get_or_create(&HttpRequestLabels { method, route, status, turned_away }).inc();
    response
}

/// `GET /metrics`.
pub(super) async fn serve_metrics(State(app): State<Arc<App>>) -> Result<Response, ApiError> {
    app.metrics.update_gauges(&app);
    let mut text = String::new();
    prometheus_client::encoding::text::encode(&mut text, &app.metrics.registry).map_err(|_| ApiError::Internal)?;
    Ok(([(header::CONTENT_TYPE, OPEN_METRICS)], text).into_response())
}
