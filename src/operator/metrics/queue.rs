//! How much is due at this moment, and for how long, counted anew for each look.

use std::sync::atomic::AtomicU64;

use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

use super::OfKind;
use crate::operator::context::Context;
use crate::operator::object::TenantObject;

/// Gauges over what waits for a pass.
#[derive(Default)]
pub(super) struct Queues {
    lengths: Family<OfKind, Gauge>,
    ages: Family<OfKind, Gauge<f64, AtomicU64>>,
}

impl Queues {
    pub(super) fn register(registry: &mut Registry) -> Self {
        let all = Self::default();
        registry.register("queue_length", "Objects that are due", all.lengths.clone());
        let ages = "For how long the object that has been due longest has waited";
        registry.register("queue_oldest_seconds", ages, all.ages.clone());
        all
    }

    /// Counts what is due. For a standby nothing is.
    pub(super) fn count(&self, context: &Context) {
        self.count_of::<crate::api::Partner>(context);
        self.count_of::<crate::api::TenantClient>(context);
    }

    fn count_of<K: TenantObject>(&self, context: &Context) {
        let of = OfKind { kind: K::KIND.name() };
        let (length, age) = if context.claim.holds() { K::room(context).queue() } else { Default::default() };
        self.lengths.get_or_create(&of).set(i64::try_from(length).unwrap_or(i64::MAX));
        self.ages.get_or_create(&of).set(age.as_secs_f64());
    }
}
