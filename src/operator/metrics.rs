//! Counters of the operator. No label ever holds the name of an object.

mod newer;
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

use super::activity::{Activity, WATCHED};
use super::context::{Context, lock};
use crate::api::Reason;
use crate::connect::Exchange;
use crate::plan::Kind;
use newer::NotUnderstood;
use objects::Objects;
use queue::Queues;

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Pass {
    kind: &'static str,
    outcome: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OfKind {
    kind: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Request {
    operation: &'static str,
    /// HTTP status; `none` where no answer came.
    code: String,
}

/// A request to the API server.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(crate) struct ClusterRequest {
    verb: &'static str,
    /// HTTP status; `none` where no answer came.
    code: String,
}

impl ClusterRequest {
    pub(crate) fn new(verb: &'static str, code: Option<u16>) -> Self {
        Self { verb, code: code.map_or_else(|| "none".to_owned(), |code| code.to_string()) }
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Operation {
    operation: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Budget {
    category: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Version {
    version: &'static str,
}

/// Why a status was not written as it should be.
#[derive(Clone, Copy, Debug)]
pub(crate) enum NotWritten {
    /// The API server refused it for good; the least of it is written instead.
    Refused,
    /// It did not take it this time.
    Failed,
}

impl NotWritten {
    const ALL: [Self; 2] = [Self::Refused, Self::Failed];

    const fn name(self) -> &'static str {
        match self {
            Self::Refused => "refused",
            Self::Failed => FAILED,
        }
    }
}

/// Outcomes of a look for drift.
const DONE: &str = "done";
const FAILED: &str = "failed";

type Histograms<L> = Family<L, Histogram, fn() -> Histogram>;

/// Counters of the operator.
pub(crate) struct Metrics {
    registry: Registry,
    passes: Family<Pass, Counter>,
    seconds: Histograms<OfKind>,
    waits: Histograms<OfKind>,
    releases: Family<Pass, Counter>,
    successes: Family<OfKind, Gauge>,
    requests: Family<Request, Counter>,
    answers: Histograms<Operation>,
    budgets: Family<Budget, Gauge>,
    looks: Family<Pass, Counter>,
    unwritten: Family<Pass, Counter>,
    cluster_requests: Family<ClusterRequest, Counter>,
    watch_failures: Family<OfKind, Counter>,
    watch_events: Family<OfKind, Gauge>,
    last_look: Gauge,
    hanging: Gauge,
    leader: Gauge,
    objects: Objects,
    queues: Queues,
    /// Held while the gauges are counted and told: they are shared, and two scrapes must not count into each other.
    scrape: Mutex<()>,
    not_understood: NotUnderstood,
}

fn seconds() -> Histogram {
    Histogram::new(exponential_buckets(0.001, 4.0, 9))
}

impl Metrics {
    pub(crate) fn new() -> Self {
        let mut registry = Registry::with_prefix("tenantry_operator");
        let metrics = Self {
            passes: Family::default(),
            seconds: Family::new_with_constructor(seconds),
            waits: Family::new_with_constructor(seconds),
            releases: Family::default(),
            successes: Family::default(),
            requests: Family::default(),
            answers: Family::new_with_constructor(seconds),
            budgets: Family::default(),
            looks: Family::default(),
            unwritten: Family::default(),
            cluster_requests: Family::default(),
            watch_failures: Family::default(),
            watch_events: Family::default(),
            last_look: Gauge::default(),
            hanging: Gauge::default(),
            leader: Gauge::default(),
            objects: Objects::register(&mut registry),
            queues: Queues::register(&mut registry),
            not_understood: NotUnderstood::register(&mut registry),
            registry: Registry::default(),
            scrape: Mutex::default(),
        };
        let build = Family::<Version, Gauge>::default();
        build.get_or_create(&Version { version: env!("CARGO_PKG_VERSION") }).set(1);
        registry.register("build_info", "Version of the operator", build);
        let leader = "Whether this operator leads (1) or stands by (0)";
        registry.register("leader", leader, metrics.leader.clone());
        registry.register("reconciles", "Passes by kind and outcome", metrics.passes.clone());
        registry.register("reconcile_duration_seconds", "Duration of passes by kind", metrics.seconds.clone());
        let waits = "Time from a change that makes an object due to the pass over it";
        registry.register("queue_duration_seconds", waits, metrics.waits.clone());
        registry.register(
            "finalizer_releases",
            "Objects that were let go, by kind and reason",
            metrics.releases.clone(),
        );
        let success = "When a pass last found or made a tenant as declared, in seconds since 1970";
        registry.register("last_success_timestamp_seconds", success, metrics.successes.clone());
        let requests = "Requests to platforms by operation and HTTP status";
        registry.register("platform_requests", requests, metrics.requests.clone());
        let answers = "Time until a platform answered, by operation";
        registry.register("platform_request_duration_seconds", answers, metrics.answers.clone());
        let budgets = "Requests that a platform allows before its next minute, as it said last";
        registry.register("platform_rate_limit_remaining", budgets, metrics.budgets.clone());
        let looks = "Looks for drift on a platform, by kind and outcome (done, failed)";
        registry.register("drift_checks", looks, metrics.looks.clone());
        let unwritten = "Status that was not written as it should be, by kind and outcome (refused, failed)";
        registry.register("status_writes_failed", unwritten, metrics.unwritten.clone());
        let cluster = "Requests to the API server by verb and HTTP status";
        registry.register("cluster_requests", cluster, metrics.cluster_requests.clone());
        let failures = "Watches of the API server that failed and were begun again, by kind";
        registry.register("watch_failures", failures, metrics.watch_failures.clone());
        let events = "When the watches of a kind last brought something, in seconds since 1970; the quietest counts";
        registry.register("watch_last_event_timestamp_seconds", events, metrics.watch_events.clone());
        let look = "When a look for drift at all objects last ended, in seconds since 1970; 0 before the first";
        registry.register("drift_last_check_timestamp_seconds", look, metrics.last_look.clone());
        let hanging = "Accounts on platforms that leave requests unanswered and get one at a time";
        registry.register("hanging_accounts", hanging, metrics.hanging.clone());
        metrics.begin();
        Self { registry, ..metrics }
    }

    /// Counters that alerts compare over time are there from the start: the first increase of one that is not would be
    /// missed.
    fn begin(&self) {
        for kind in WATCHED {
            self.watch_failures.get_or_create(&OfKind { kind }).inc_by(0);
        }
        for kind in [Kind::Partner.name(), Kind::Client.name()] {
            self.releases.get_or_create(&Pass { kind, outcome: Reason::Terminated.name() }).inc_by(0);
            for outcome in [DONE, FAILED] {
                self.looks.get_or_create(&Pass { kind, outcome }).inc_by(0);
            }
            for outcome in NotWritten::ALL.map(NotWritten::name) {
                self.unwritten.get_or_create(&Pass { kind, outcome }).inc_by(0);
            }
        }
    }

    /// Counts a pass.
    pub(crate) fn passed(&self, kind: Kind, outcome: &'static str, took: Duration) {
        let kind = kind.name();
        self.passes.get_or_create(&Pass { kind, outcome }).inc();
        self.seconds.get_or_create(&OfKind { kind }).observe(took.as_secs_f64());
        if [Reason::AsDeclared.name(), Reason::Suspended.name()].contains(&outcome) {
            self.successes.get_or_create(&OfKind { kind }).set(crate::clock::now().as_second());
        }
    }

    /// Counts the time for which an object was due.
    pub(crate) fn waited(&self, kind: Kind, time: Duration) {
        self.waits.get_or_create(&OfKind { kind: kind.name() }).observe(time.as_secs_f64());
    }

    /// Counts an object that was let go.
    pub(crate) fn released(&self, kind: Kind, reason: Reason) {
        self.releases.get_or_create(&Pass { kind: kind.name(), outcome: reason.name() }).inc();
    }

    /// Counts a look for drift in one place.
    pub(crate) fn looked(&self, kind: Kind, is_done: bool) {
        let outcome = if is_done { DONE } else { FAILED };
        self.looks.get_or_create(&Pass { kind: kind.name(), outcome }).inc();
    }

    /// Counts a status that was not written as it should be.
    pub(crate) fn status_not_written(&self, kind: Kind, why: NotWritten) {
        self.unwritten.get_or_create(&Pass { kind: kind.name(), outcome: why.name() }).inc();
    }

    /// Counts an exchange with a platform.
    pub(crate) fn exchanged(&self, exchange: &Exchange) {
        let Exchange { operation, request_id: _, code, took, left } = exchange;
        let code = code.map_or_else(|| "none".to_owned(), |code| code.to_string());
        self.requests.get_or_create(&Request { operation, code }).inc();
        self.answers.get_or_create(&Operation { operation }).observe(took.as_secs_f64());
        if let Some((category, left)) = left {
            let left = i64::try_from(*left).unwrap_or(i64::MAX);
            self.budgets.get_or_create(&Budget { category }).set(left);
        }
    }

    /// Counts a request to the API server.
    pub(crate) fn asked_cluster(&self, request: &ClusterRequest) {
        self.cluster_requests.get_or_create(request).inc();
    }

    /// Counts a watch that failed.
    pub(crate) fn watch_failed(&self, kind: &'static str) {
        self.watch_failures.get_or_create(&OfKind { kind }).inc();
    }

    /// Sets the times at which there was progress.
    fn progress(&self, activity: &Activity) {
        let now = crate::clock::now().as_second();
        let at = |since: Duration| now.saturating_sub(i64::try_from(since.as_secs()).unwrap_or(i64::MAX));
        for kind in WATCHED {
            if let Some(since) = activity.since(kind) {
                self.watch_events.get_or_create(&OfKind { kind }).set(at(since));
            }
        }
        self.last_look.set(activity.since_look().map_or(0, at));
    }

    /// All counters in the text form of `OpenMetrics`, with what holds at this moment.
    pub(crate) fn text(&self, context: &Context) -> String {
        let _one_at_a_time = lock(&self.scrape);
        self.leader.set(i64::from(context.claim.holds()));
        self.progress(&context.activity);
        self.hanging.set(i64::try_from(context.accounts.hanging()).unwrap_or(i64::MAX));
        self.objects.count(context);
        self.queues.count(context);
        self.not_understood.count(context);
        let mut text = String::new();
        // Writing to a String cannot fail.
        let _ = encode(&mut text, &self.registry);
        text
    }
}
