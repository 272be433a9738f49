//! The view of a record in responses and exports.

use serde_json::{Map, Value, json};
use tenantry_catalog::{AddOn, DataCategory};

use crate::error::ApiError;
use crate::masking;
use crate::store::{Record, TenantRecord};
use crate::subscription::Subscription;
use crate::time;

/// How a tenant's records are shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct RecordView {
    tenant: String,
    masks: bool,
    enriches: bool,
}

/// The content of a record that its tenant wrote: masked, and without the members that the platform writes.
#[derive(Clone, Debug)]
pub(crate) struct RenderedRecord {
    name: Value,
    members: Map<String, Value>,
}

impl RecordView {
    /// Creates the view that the tenant's add-ons determine.
    pub(crate) fn new(tenant: &TenantRecord, subscription: &Subscription) -> Self {
        Self {
            tenant: tenant.unique_id.clone(),
            masks: subscription.has_add_on(AddOn::MaskResourceIdentityManagement),
            enriches: subscription.has_add_on(AddOn::AlertProblemArea),
        }
    }

    /// Renders records on a worker thread, so that no other request waits: masking checks every word.
    pub(crate) async fn render_all(
        &self,
        category: DataCategory,
        records: Vec<Record>,
    ) -> Result<Vec<Value>, ApiError> {
        let shown = self.clone();
        let make = move || records.into_iter().map(|datum| shown.render(category, datum)).collect();
        tokio::task::spawn_blocking(make).await.map_err(|_| ApiError::Internal)
    }

    /// Renders the content of a record before the write that stores it, so that no other write waits for the masking.
    pub(crate) async fn prepare_contents(
        &self,
        category: DataCategory,
        record: &Record,
    ) -> Result<RenderedRecord, ApiError> {
        let (shown, datum) = (self.clone(), record.clone());
        tokio::task::spawn_blocking(move || shown.build_contents(category, datum.name, datum.members))
            .await
            .map_err(|_| ApiError::Internal)
    }

    /// Renders a record.
    fn render(&self, category: DataCategory, mut record: Record) -> Value {
        let (name, members) = (std::mem::take(&mut record.name), std::mem::take(&mut record.members));
        self.render_contents(self.build_contents(category, name, members), category, &record)
    }

    fn build_contents(&self, category: DataCategory, name: String, mut members: Map<String, Value>) -> RenderedRecord {
        if category == DataCategory::Alerts {
            let area = self.problem_area(&members);
            members.extend(area.map(|area| ("problemArea".to_owned(), area)));
        }
        if !self.masks {
            return RenderedRecord { name: name.into(), members };
        }
        // The name of a resource is its host name.
        let own = if category == DataCategory::Resources { "hostName" } else { "name" };
        let mut whole = masking::mask_record(json!({ own: name, "members": members }));
        let members = whole["members"].take();
        RenderedRecord { name: whole[own].take(), members: members.as_object().cloned().unwrap_or_default() }
    }

    /// Adds the members that the platform writes.
    pub(crate) fn render_contents(&self, contents: RenderedRecord, category: DataCategory, record: &Record) -> Value {
        let RenderedRecord { name, mut members } = contents;
        let written = [
            ("name", name),
            ("id", json!(record.id.to_string())),
            ("tenantId", json!(self.tenant)),
            ("category", json!(category.segment())),
            ("time", json!(time::to_wire(record.at))),
            ("revision", json!(record.revision)),
        ];
        members.extend(written.map(|(member, value)| (member.to_owned(), value)));
        Value::Object(members)
    }

    /// Returns the problem area of an alert: the part of the subject before the first colon. Without the add-on, or
    /// without such a part, the field defaults to the metric.
    fn problem_area(&self, alert: &Map<String, Value>) -> Option<Value> {
        let text = |member: &str| alert.get(member).and_then(Value::as_str).map(str::trim);
        let area =
            text("subject").or(text("description")).and_then(|text| text.split_once(':')).map(|(area, _)| area.trim());
        let area = area.filter(|area| self.enriches && !area.is_empty());
        area.or(text("metric")).map(Value::from)
    }
}
