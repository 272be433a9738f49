//! How many objects are due at this moment, and for how long, counted at each scrape.

use std::sync::atomic::AtomicU64;

use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

use super::KindLabel;
use crate::context::Context;
use crate::tenant_object::TenantObject;

/// Gauges over the objects that wait for a pass.
#[derive(Default)]
pub(super) struct QueueGauges {
    lengths: Family<KindLabel, Gauge>,
    ages: Family<KindLabel, Gauge<f64, AtomicU64>>,
}

impl QueueGauges {
    pub(super) fn register(registry: &mut Registry) -> Self {
        let all = Self::default();
        registry.register("queue_length", "Objects that are due", all.lengths.clone());
        let ages = "For how long the object that has been due longest has waited";
        registry.register("queue_oldest_seconds", ages, all.ages.clone());
        all
    }

    /// Counts the objects that are due. A standby has none.
    pub(super) fn count_due(&self, context: &Context) {
        self.count_kind::<tenantry_api::Partner>(context);
        self.count_kind::<tenantry_api::TenantClient>(context);
    }

    fn count_kind<K: TenantObject>(&self, context: &Context) {
        let of = KindLabel { kind: K::KIND.name() };
        let (length, age) =
            if context.claim.is_leading() { K::kind_state(context).queue_stats() } else { Default::default() };
        self.lengths.get_or_create(&of).set(i64::try_from(length).unwrap_or(i64::MAX));
        self.ages.get_or_create(&of).set(age.as_secs_f64());
    }
}
