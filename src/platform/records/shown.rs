//! A record as it is read, in answers and in exports alike.

use serde_json::{Map, Value, json};

use crate::catalog::{AddOn, Category};
use crate::platform::error::Error;
use crate::platform::masking;
use crate::platform::store::{Datum, Record};
use crate::platform::subscription::Subscription;
use crate::platform::time;

/// How a tenant's records are shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::platform) struct Shown {
    tenant: String,
    masks: bool,
    enriches: bool,
}

/// What a record shows of what its tenant wrote: masked, and without the members that the platform writes.
#[derive(Clone, Debug)]
pub(in crate::platform) struct Contents {
    name: Value,
    members: Map<String, Value>,
}

impl Shown {
    /// As the tenant's add-ons say.
    pub(in crate::platform) fn new(tenant: &Record, subscription: &Subscription) -> Self {
        Self {
            tenant: tenant.unique_id.clone(),
            masks: subscription.has_add_on(AddOn::MaskResourceIdentityManagement),
            enriches: subscription.has_add_on(AddOn::AlertProblemArea),
        }
    }

    /// Records, made where they hold up nobody else's request: masking looks at every word.
    pub(in crate::platform) async fn all(&self, category: Category, data: Vec<Datum>) -> Result<Vec<Value>, Error> {
        let shown = self.clone();
        let make = move || data.into_iter().map(|datum| shown.of(category, datum)).collect();
        tokio::task::spawn_blocking(make).await.map_err(|_| Error::Internal)
    }

    /// What a record shows, made before the write that stores it: nobody else's write waits for the masking.
    pub(in crate::platform) async fn contents(&self, category: Category, datum: &Datum) -> Result<Contents, Error> {
        let (shown, datum) = (self.clone(), datum.clone());
        tokio::task::spawn_blocking(move || shown.read(category, datum.name, datum.members))
            .await
            .map_err(|_| Error::Internal)
    }

    /// A record.
    fn of(&self, category: Category, mut datum: Datum) -> Value {
        let (name, members) = (std::mem::take(&mut datum.name), std::mem::take(&mut datum.members));
        self.complete(self.read(category, name, members), category, &datum)
    }

    fn read(&self, category: Category, name: String, mut members: Map<String, Value>) -> Contents {
        if category == Category::Alerts {
            let area = self.problem_area(&members);
            members.extend(area.map(|area| ("problemArea".to_owned(), area)));
        }
        if !self.masks {
            return Contents { name: name.into(), members };
        }
        // The name of a resource is its host name.
        let own = if category == Category::Resources { "hostName" } else { "name" };
        let mut whole = masking::mask(json!({ own: name, "members": members }));
        let members = whole["members"].take();
        Contents { name: whole[own].take(), members: members.as_object().cloned().unwrap_or_default() }
    }

    /// The same with what the platform writes.
    pub(in crate::platform) fn complete(&self, contents: Contents, category: Category, datum: &Datum) -> Value {
        let Contents { name, mut members } = contents;
        let written = [
            ("name", name),
            ("id", json!(datum.id.to_string())),
            ("tenantId", json!(self.tenant)),
            ("category", json!(category.segment())),
            ("time", json!(time::wire(datum.at))),
            ("revision", json!(datum.revision)),
        ];
        members.extend(written.map(|(member, value)| (member.to_owned(), value)));
        Value::Object(members)
    }

    /// Alert Problem Area: the subject's part before the first colon; without the add-on, or without such a part, the field
    /// defaults to the metric.
    fn problem_area(&self, alert: &Map<String, Value>) -> Option<Value> {
        let text = |member: &str| alert.get(member).and_then(Value::as_str).map(str::trim);
        let area =
            text("subject").or(text("description")).and_then(|text| text.split_once(':')).map(|(area, _)| area.trim());
        let area = area.filter(|area| self.enriches && !area.is_empty());
        area.or(text("metric")).map(Value::from)
    }
}
