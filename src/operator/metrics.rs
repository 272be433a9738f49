//! Counters of the operator. No label ever holds the name of an object.

use std::time::Duration;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::registry::Registry;

use crate::plan::Kind;

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Pass {
    kind: &'static str,
    outcome: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OfKind {
    kind: &'static str,
}

/// Counters of the operator.
pub(crate) struct Metrics {
    registry: Registry,
    passes: Family<Pass, Counter>,
    seconds: Family<OfKind, Histogram>,
    leader: Gauge,
}

impl Metrics {
    pub(crate) fn new() -> Self {
        let mut registry = Registry::with_prefix("tenantry_operator");
        let passes = Family::<Pass, Counter>::default();
        let seconds =
            Family::<OfKind, Histogram>::new_with_constructor(|| Histogram::new(exponential_buckets(0.001, 4.0, 9)));
        let leader = Gauge::default();
        registry.register("leader", "Whether this operator leads (1) or stands by (0)", leader.clone());
        registry.register("reconciles", "Passes by kind and outcome", passes.clone());
        registry.register("reconcile_duration_seconds", "Duration of passes by kind", seconds.clone());
        Self { registry, passes, seconds, leader }
    }

    /// Counts a pass.
    pub(crate) fn passed(&self, kind: Kind, outcome: &'static str, took: Duration) {
        let kind = kind.name();
        self.passes.get_or_create(&Pass { kind, outcome }).inc();
        self.seconds.get_or_create(&OfKind { kind }).observe(took.as_secs_f64());
    }

    /// All counters in the text form of `OpenMetrics`, with whether the operator leads at this moment.
    pub(crate) fn text(&self, leads: bool) -> String {
        self.leader.set(i64::from(leads));
        let mut text = String::new();
        // Writing to a String cannot fail.
        let _ = encode(&mut text, &self.registry);
        text
    }
}
