//! Metrics of the operator. No label ever holds the name of an object.

mod not_understood;
mod objects;
mod queue;
#[cfg(test)]
mod tests;

use std::sync::Mutex;
use std::time::Duration;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::registry::Registry;
use tenantry_api::Reason;
use tenantry_client::Exchange;
use tenantry_core::TenantKind;

use super::activity::{ApiServerActivity, WATCHED_KINDS};
use super::context::{Context, lock};
use not_understood::NotUnderstoodGauge;
use objects::ObjectGauges;
use queue::QueueGauges;

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct PassLabels {
    kind: &'static str,
    outcome: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct KindLabel {
    kind: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct RequestLabels {
    operation: &'static str,
    /// HTTP status; `none` where no answer came.
    code: String,
}

/// Labels of a request to the API server.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(crate) struct ClusterRequestLabels {
    verb: &'static str,
    /// HTTP status; `none` where no answer came.
    code: String,
}

impl ClusterRequestLabels {
    pub(crate) fn new(verb: &'static str, code: Option<u16>) -> Self {
        Self { verb, code: code.map_or_else(|| "none".to_owned(), |code| code.to_string()) }
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OperationLabel {
    operation: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct CategoryLabel {
    category: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct VersionLabel {
    version: &'static str,
}

/// Why a status was not written as intended.
#[derive(Clone, Copy, Debug)]
pub(crate) enum StatusWriteFailure {
    /// The API server refused it for good; a reduced status is written instead.
    Refused,
    /// The write failed this time.
    Failed,
}

impl StatusWriteFailure {
    const ALL: [Self; 2] = [Self::Refused, Self::Failed];

    const fn name(self) -> &'static str {
        match self {
            Self::Refused => "refused",
            Self::Failed => FAILED,
        }
    }
}

/// Outcomes of a drift check.
const DONE: &str = "done";
const FAILED: &str = "failed";

type Histograms<L> = Family<L, Histogram, fn() -> Histogram>;

/// Metrics of the operator.
pub(crate) struct OperatorMetrics {
    registry: Registry,
    passes: Family<PassLabels, Counter>,
    pass_seconds: Histograms<KindLabel>,
    queue_seconds: Histograms<KindLabel>,
    finalizer_releases: Family<PassLabels, Counter>,
    last_success: Family<KindLabel, Gauge>,
    requests: Family<RequestLabels, Counter>,
    request_seconds: Histograms<OperationLabel>,
    rate_limit_remaining: Family<CategoryLabel, Gauge>,
    drift_checks: Family<PassLabels, Counter>,
    failed_status_writes: Family<PassLabels, Counter>,
    cluster_requests: Family<ClusterRequestLabels, Counter>,
    watch_failures: Family<KindLabel, Counter>,
    watch_events: Family<KindLabel, Gauge>,
    last_drift_check: Gauge,
    hanging_accounts: Gauge,
    leader: Gauge,
    objects: ObjectGauges,
    queues: QueueGauges,
    /// Held while the gauges are computed and rendered: they are shared, and two scrapes must not mix.
    scrape: Mutex<()>,
    not_understood: NotUnderstoodGauge,
}

fn seconds_histogram() -> Histogram {
    Histogram::new(exponential_buckets(0.001, 4.0, 9))
}

impl OperatorMetrics {
    pub(crate) fn new() -> Self {
        let mut registry = Registry::with_prefix("tenantry_operator");
        let metrics = Self {
            passes: Family::default(),
            pass_seconds: Family::new_with_constructor(seconds_histogram),
            queue_seconds: Family::new_with_constructor(seconds_histogram),
            finalizer_releases: Family::default(),
            last_success: Family::default(),
            requests: Family::default(),
            request_seconds: Family::new_with_constructor(seconds_histogram),
            rate_limit_remaining: Family::default(),
            drift_checks: Family::default(),
            failed_status_writes: Family::default(),
            cluster_requests: Family::default(),
            watch_failures: Family::default(),
            watch_events: Family::default(),
            last_drift_check: Gauge::default(),
            hanging_accounts: Gauge::default(),
            leader: Gauge::default(),
            objects: ObjectGauges::register(&mut registry),
            queues: QueueGauges::register(&mut registry),
            not_understood: NotUnderstoodGauge::register(&mut registry),
            registry: Registry::default(),
            scrape: Mutex::default(),
        };
        let build = Family::<VersionLabel, Gauge>::default();
        build.get_or_create(&VersionLabel { version: env!("CARGO_PKG_VERSION") }).set(1);
        registry.register("build_info", "Version of the operator", build);
        let leader = "Whether this operator leads (1) or stands by (0)";
        registry.register("leader", leader, metrics.leader.clone());
        registry.register("reconciles", "Passes by kind and outcome", metrics.passes.clone());
        registry.register("reconcile_duration_seconds", "Duration of passes by kind", metrics.pass_seconds.clone());
        let waits = "Time from a change that makes an object due to the pass over it";
        registry.register("queue_duration_seconds", waits, metrics.queue_seconds.clone());
        registry.register(
            "finalizer_releases",
            "Objects that were let go, by kind and reason",
            metrics.finalizer_releases.clone(),
        );
        let success = "When a pass last found or made a tenant as declared, in seconds since 1970";
        registry.register("last_success_timestamp_seconds", success, metrics.last_success.clone());
        let requests = "Requests to platforms by operation and HTTP status";
        registry.register("platform_requests", requests, metrics.requests.clone());
        let answers = "Time until a platform answered, by operation";
        registry.register("platform_request_duration_seconds", answers, metrics.request_seconds.clone());
        let budgets = "Requests that a platform allows before its next minute, as it said last";
        registry.register("platform_rate_limit_remaining", budgets, metrics.rate_limit_remaining.clone());
        let looks = "Looks for drift on a platform, by kind and outcome (done, failed)";
        registry.register("drift_checks", looks, metrics.drift_checks.clone());
        let unwritten = "Status that was not written as it should be, by kind and outcome (refused, failed)";
        registry.register("status_writes_failed", unwritten, metrics.failed_status_writes.clone());
        let cluster = "Requests to the API server by verb and HTTP status";
        registry.register("cluster_requests", cluster, metrics.cluster_requests.clone());
        let failures = "Watches of the API server that failed and were begun again, by kind";
        registry.register("watch_failures", failures, metrics.watch_failures.clone());
        let events = "When the watches of a kind last brought something, in seconds since 1970; the quietest counts";
        registry.register("watch_last_event_timestamp_seconds", events, metrics.watch_events.clone());
        let look = "When a look for drift at all objects last ended, in seconds since 1970; 0 before the first";
        registry.register("drift_last_check_timestamp_seconds", look, metrics.last_drift_check.clone());
        let hanging = "Accounts on platforms that leave requests unanswered and get one at a time";
        registry.register("hanging_accounts", hanging, metrics.hanging_accounts.clone());
        metrics.init_counters();
        Self { registry, ..metrics }
    }

    /// Initialises the counters that alerts compare over time. The first increase of a counter that does not exist yet
    /// would be missed.
    fn init_counters(&self) {
        for kind in WATCHED_KINDS {
            self.watch_failures.get_or_create(&KindLabel { kind }).inc_by(0);
        }
        for kind in [TenantKind::Partner.name(), TenantKind::Client.name()] {
            self.finalizer_releases.get_or_create(&PassLabels { kind, outcome: Reason::Terminated.name() }).inc_by(0);
            for outcome in [DONE, FAILED] {
                self.drift_checks.get_or_create(&PassLabels { kind, outcome }).inc_by(0);
            }
            for outcome in StatusWriteFailure::ALL.map(StatusWriteFailure::name) {
                self.failed_status_writes.get_or_create(&PassLabels { kind, outcome }).inc_by(0);
            }
        }
    }

    /// Counts a pass.
    pub(crate) fn count_pass(&self, kind: TenantKind, outcome: &'static str, took: Duration) {
        let kind = kind.name();
        self.passes.get_or_create(&PassLabels { kind, outcome }).inc();
        self.pass_seconds.get_or_create(&KindLabel { kind }).observe(took.as_secs_f64());
        if [Reason::AsDeclared.name(), Reason::Suspended.name()].contains(&outcome) {
            self.last_success.get_or_create(&KindLabel { kind }).set(tenantry_runtime::clock::now().as_second());
        }
    }

    /// Records the time for which an object was due.
    pub(crate) fn observe_queue_time(&self, kind: TenantKind, time: Duration) {
        self.queue_seconds.get_or_create(&KindLabel { kind: kind.name() }).observe(time.as_secs_f64());
    }

    /// Counts the release of an object's finalizer.
    pub(crate) fn count_release(&self, kind: TenantKind, reason: Reason) {
        self.finalizer_releases.get_or_create(&PassLabels { kind: kind.name(), outcome: reason.name() }).inc();
    }

    /// Counts a drift check in one place.
    pub(crate) fn count_drift_check(&self, kind: TenantKind, is_done: bool) {
        let outcome = if is_done { DONE } else { FAILED };
        self.drift_checks.get_or_create(&PassLabels { kind: kind.name(), outcome }).inc();
    }

    /// Counts a status that was not written as intended.
    pub(crate) fn count_failed_status_write(&self, kind: TenantKind, failure: StatusWriteFailure) {
        self.failed_status_writes.get_or_create(&PassLabels { kind: kind.name(), outcome: failure.name() }).inc();
    }

    /// Counts an exchange with a platform.
    pub(crate) fn record_exchange(&self, exchange: &Exchange) {
        let Exchange { operation, request_id: _, code, duration: took, budget_left: left } = exchange;
        let code = code.map_or_else(|| "none".to_owned(), |code| code.to_string());
        self.requests.get_or_create(&RequestLabels { operation, code }).inc();
        self.request_seconds.get_or_create(&OperationLabel { operation }).observe(took.as_secs_f64());
        if let Some((category, left)) = left {
            let left = i64::try_from(*left).unwrap_or(i64::MAX);
            self.rate_limit_remaining.get_or_create(&CategoryLabel { category }).set(left);
        }
    }

    /// Counts a request to the API server.
    pub(crate) fn count_cluster_request(&self, request: &ClusterRequestLabels) {
        self.cluster_requests.get_or_create(request).inc();
    }

    /// Counts a failure of a watch.
    pub(crate) fn count_watch_failure(&self, kind: &'static str) {
        self.watch_failures.get_or_create(&KindLabel { kind }).inc();
    }

    /// Sets the times of the last progress.
    fn set_progress(&self, activity: &ApiServerActivity) {
        let now = tenantry_runtime::clock::now().as_second();
        let at = |since: Duration| now.saturating_sub(i64::try_from(since.as_secs()).unwrap_or(i64::MAX));
        for kind in WATCHED_KINDS {
            if let Some(since) = activity.time_since_watch_event(kind) {
                self.watch_events.get_or_create(&KindLabel { kind }).set(at(since));
            }
        }
        self.last_drift_check.set(activity.time_since_drift_check().map_or(0, at));
    }

    /// Renders all metrics in the `OpenMetrics` text format, with the gauges as of now.
    pub(crate) fn render(&self, context: &Context) -> String {
        let _one_at_a_time = lock(&self.scrape);
        self.leader.set(i64::from(context.claim.is_leading()));
        self.set_progress(&context.activity);
        self.hanging_accounts.set(i64::try_from(context.accounts.count_hanging()).unwrap_or(i64::MAX));
        self.objects.count_objects(context);
        self.queues.count_due(context);
        self.not_understood.count_objects(context);
        let mut text = String::new();
        // Writing to a String cannot fail.
        let _ = encode(&mut text, &self.registry);
        text
    }
}
