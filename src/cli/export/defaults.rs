//! What all Clients of a Partner have in common, so that it is said once.

use std::collections::BTreeMap;

use serde_json::{Value as Json, json};

use super::fit::{Schemas, put};
use super::unchosen::Unchosen;
use crate::connect::Inspection;
use crate::plan::{Field, Kind, Value};

/// Settings that `clients.defaults` may hold, but for secrets.
const SHARED: [Field; 8] = [
    Field::Timezone,
    Field::Country,
    Field::Packages,
    Field::AddOns,
    Field::AllowedIps,
    Field::TwoFactorAuthentication,
    Field::SkipUserConsentForm,
    Field::ShowCopyClipboard,
];

/// What every one of several Clients has.
pub(super) fn shared(clients: &[&Inspection], schemas: &Schemas, unchosen: Unchosen) -> BTreeMap<Field, Value> {
    let mut shared = BTreeMap::new();
    let [first, _, ..] = clients else { return shared };
    for field in SHARED.into_iter().filter(|field| !unchosen.holds(*field, first)) {
        let Some(value) = first.observed.value(field).filter(|value| **value != Value::Cleared) else { continue };
        let is_common = clients.iter().all(|client| client.observed.value(field) == Some(value));
        // An add-on needs its package beside it.
        let has_packages = field != Field::AddOns || shared.contains_key(&Field::Packages);
        let is_taken = || {
            let packages = shared.get(&Field::Packages).filter(|_| field == Field::AddOns);
            let together =
                [(Field::Packages, packages), (field, Some(value))].map(|(field, value)| Some((field, json(value?))));
            schemas.objection(Kind::Client, field, value).is_none()
                && schemas.refused(Kind::Client, &together.into_iter().flatten().collect::<Vec<_>>()).is_none()
        };
        if is_common && has_packages && is_taken() {
            shared.insert(field, value.clone());
        }
    }
    shared
}

fn json(value: &Value) -> Json {
    serde_json::from_str(&value.json()).unwrap_or_default()
}

/// The block `clients.defaults`.
pub(super) fn block(shared: &BTreeMap<Field, Value>) -> Json {
    let mut block = json!({});
    for (field, value) in shared {
        let path = field.path();
        let path = path.strip_prefix("details.").or_else(|| path.strip_prefix("security.")).unwrap_or(path);
        put(&mut block, path, json(value));
    }
    block
}
