//! A record as it is read, in answers and in exports alike.

use serde_json::{Value, json};

use crate::catalog::{AddOn, Category};
use crate::platform::masking;
use crate::platform::store::{Datum, Record};
use crate::platform::subscription::Subscription;
use crate::platform::time;

/// How a tenant's records are shown.
pub(in crate::platform) struct Shown<'a> {
    tenant: &'a str,
    masks: bool,
    enriches: bool,
}

impl<'a> Shown<'a> {
    /// As the tenant's add-ons say.
    pub(in crate::platform) fn new(tenant: &'a Record, subscription: &Subscription) -> Self {
        Self {
            tenant: &tenant.unique_id,
            masks: subscription.has_add_on(AddOn::MaskResourceIdentityManagement),
            enriches: subscription.has_add_on(AddOn::AlertProblemArea),
        }
    }

    /// A record.
    pub(in crate::platform) fn of(&self, category: Category, datum: Datum) -> Value {
        let Datum { id, name, at, revision, members, cloud_account: _ } = datum;
        let mut members = members;
        if category == Category::Alerts {
            let area = self.problem_area(&members);
            members.extend(area.map(|area| ("problemArea".to_owned(), area)));
        }
        // The name of a resource is its host name.
        let own = if category == Category::Resources { "hostName" } else { "name" };
        let mut whole = json!({ own: name, "members": members });
        if self.masks {
            whole = masking::mask(whole);
        }
        let mut shown = whole["members"].take();
        shown["name"] = whole[own].take();
        shown["id"] = json!(id.to_string());
        shown["tenantId"] = json!(self.tenant);
        shown["category"] = json!(category.segment());
        shown["time"] = json!(time::wire(at));
        shown["revision"] = json!(revision);
        shown
    }

    /// Alert Problem Area: the subject's part before the first colon; without the add-on, or without such a part, the field
    /// defaults to the metric.
    fn problem_area(&self, alert: &serde_json::Map<String, Value>) -> Option<Value> {
        let text = |member: &str| alert.get(member).and_then(Value::as_str).map(str::trim);
        let area =
            text("subject").or(text("description")).and_then(|text| text.split_once(':')).map(|(area, _)| area.trim());
        let area = area.filter(|area| self.enriches && !area.is_empty());
        area.or(text("metric")).map(Value::from)
    }
}
