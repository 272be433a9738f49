//! Counters of the operator. No label ever holds the name of an object.

mod newer;
mod objects;
mod queue;

use std::time::Duration;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::registry::Registry;

use super::context::Context;
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
    leader: Gauge,
    objects: Objects,
    queues: Queues,
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
            leader: Gauge::default(),
            objects: Objects::register(&mut registry),
            queues: Queues::register(&mut registry),
            not_understood: NotUnderstood::register(&mut registry),
            registry: Registry::default(),
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
        registry.register("releases", "Objects that were let go, by kind and reason", metrics.releases.clone());
        let success = "When a pass last found or made a tenant as declared, in seconds since 1970";
        registry.register("last_success_timestamp_seconds", success, metrics.successes.clone());
        let requests = "Requests to platforms by operation and HTTP status";
        registry.register("platform_requests", requests, metrics.requests.clone());
        let answers = "Time until a platform answered, by operation";
        registry.register("platform_request_duration_seconds", answers, metrics.answers.clone());
        let budgets = "Requests that a platform allows before its next minute, as it said last";
        registry.register("platform_budget_left", budgets, metrics.budgets.clone());
        let looks = "Looks for drift on a platform, by kind and outcome (done, failed)";
        registry.register("drift_looks", looks, metrics.looks.clone());
        metrics.begin();
        Self { registry, ..metrics }
    }

    /// Counters that alerts compare over time are there from the start: the first increase of one that is not would be
    /// missed.
    fn begin(&self) {
        for kind in [Kind::Partner.name(), Kind::Client.name()] {
            self.releases.get_or_create(&Pass { kind, outcome: Reason::Terminated.name() }).inc_by(0);
            for outcome in [DONE, FAILED] {
                self.looks.get_or_create(&Pass { kind, outcome }).inc_by(0);
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

    /// All counters in the text form of `OpenMetrics`, with what holds at this moment.
    pub(crate) fn text(&self, context: &Context) -> String {
        self.leader.set(i64::from(context.claim.holds()));
        self.objects.count(context);
        self.queues.count(context);
        self.not_understood.count(context);
        let mut text = String::new();
        // Writing to a String cannot fail.
        let _ = encode(&mut text, &self.registry);
        text
    }
}
