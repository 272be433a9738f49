//! How many objects this release does not understand, counted at each scrape.

use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

use super::KindLabel;
use crate::context::Context;
use crate::tenant_object::TenantObject;

/// A gauge of the objects that newer releases wrote.
#[derive(Default)]
pub(super) struct NotUnderstoodGauge(Family<KindLabel, Gauge>);

impl NotUnderstoodGauge {
    pub(super) fn register(registry: &mut Registry) -> Self {
        let all = Self::default();
        let help = "Objects with a field or a value that this release does not know, by kind; nothing is done with their tenants";
        registry.register("objects_not_understood", help, all.0.clone());
        all
    }

    /// Counts the objects.
    pub(super) fn count_objects(&self, context: &Context) {
        self.count_kind::<tenantry_api::Partner>(context);
        self.count_kind::<tenantry_api::TenantClient>(context);
    }

    fn count_kind<K: TenantObject>(&self, context: &Context) {
        let count = i64::try_from(K::kind_state(context).not_understood.count()).unwrap_or(i64::MAX);
        self.0.get_or_create(&KindLabel { kind: K::KIND.name() }).set(count);
    }
}
