//! What the objects report at this moment, counted at each scrape.

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;
use tenantry_api::{ConditionType, DeletionPolicy, TerminationStep};
use tenantry_core::{ConditionStatus, Field};

use super::KindLabel;
use crate::context::{Context, KindState};
use crate::installation::is_managed_elsewhere;
use crate::tenant_object::{TenantObject, deletion_policy, is_deleting};

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ConditionLabels {
    kind: &'static str,
    condition: String,
    status: String,
    reason: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct DriftLabels {
    kind: &'static str,
    setting: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct TerminationLabels {
    kind: &'static str,
    state: &'static str,
}

/// Gauges over all objects.
#[derive(Default)]
pub(super) struct ObjectGauges {
    conditions: Family<ConditionLabels, Gauge>,
    drifted_settings: Family<DriftLabels, Gauge>,
    terminations: Family<TerminationLabels, Gauge>,
    managed_elsewhere: Family<KindLabel, Gauge>,
}

impl ObjectGauges {
    pub(super) fn register(registry: &mut Registry) -> Self {
        let all = Self::default();
        let conditions = "Objects by kind, condition, its status and reason";
        registry.register("objects", conditions, all.conditions.clone());
        registry.register(
            "drifted_settings",
            "Settings that differ on the platform, by kind and setting",
            all.drifted_settings.clone(),
        );
        let endings = "Deleted objects whose tenant is to be ended: held until something changes, or pending";
        registry.register("terminations", endings, all.terminations.clone());
        let elsewhere =
            "Objects that name another installation of the operator, by kind; this one writes nothing to them";
        registry.register("objects_managed_elsewhere", elsewhere, all.managed_elsewhere.clone());
        all
    }

    /// Counts all objects.
    pub(super) fn count_objects(&self, context: &Context) {
        self.conditions.clear();
        self.drifted_settings.clear();
        self.terminations.clear();
        self.count_kind(&context.partners, context);
        self.count_kind(&context.clients, context);
    }

    fn count_kind<K: TenantObject>(&self, kind_state: &KindState<K>, context: &Context) {
        let kind = K::KIND.name();
        let elsewhere = self.managed_elsewhere.get_or_create_owned(&KindLabel { kind });
        elsewhere.set(0);
        for state in ["held", "pending"] {
            self.terminations.get_or_create(&TerminationLabels { kind, state }).set(0);
        }
        for object in kind_state.store.state() {
            if is_managed_elsewhere(object.as_ref(), context) {
                elsewhere.inc();
                continue;
            }
            let Some(status) = object.status() else { continue };
            for one in &status.conditions {
                let (condition, status, reason) = (one.type_.clone(), one.status.clone(), one.reason.clone());
                self.conditions.get_or_create(&ConditionLabels { kind, condition, status, reason }).inc();
            }
            for field in status.drift.iter().filter_map(|drift| Field::from_path(&drift.path)) {
                self.drifted_settings.get_or_create(&DriftLabels { kind, setting: field.path() }).inc();
            }
            if is_deleting(object.as_ref()) && deletion_policy(object.as_ref()) == DeletionPolicy::Terminate {
                let is_held = status.conditions.iter().any(|one| {
                    one.type_ == ConditionType::DeletionBlocked.name() && one.status == ConditionStatus::True.name()
                });
                let is_ending =
                    status.termination.as_ref().is_some_and(|one| one.step == Some(TerminationStep::Terminating));
                let state = if is_held && !is_ending { "held" } else { "pending" };
                self.terminations.get_or_create(&TerminationLabels { kind, state }).inc();
            }
        }
    }
}
