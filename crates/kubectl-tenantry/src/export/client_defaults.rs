//! Finds the settings that all Clients of a Partner have in common, so that they are declared once.

use std::collections::BTreeMap;

use serde_json::{Value as Json, json};
use tenantry_client::TenantInspection;
use tenantry_core::{Field, TenantKind, Value};

use super::declarable::{DeclarableSchemas, set_at_path};
use super::new_tenant_defaults::NewTenantDefaults;

/// Settings that `clients.defaults` may hold, except secrets.
const SHAREABLE_FIELDS: [Field; 8] = [
    Field::Timezone,
    Field::Country,
    Field::Packages,
    Field::AddOns,
    Field::AllowedIps,
    Field::TwoFactorAuthentication,
    Field::SkipUserConsentForm,
    Field::ShowCopyClipboard,
];

/// Returns the settings that several Clients all have with the same value.
pub(super) fn common_settings(
    clients: &[&TenantInspection],
    schemas: &DeclarableSchemas,
    new_tenant_defaults: NewTenantDefaults,
) -> BTreeMap<Field, Value> {
    let mut shared = BTreeMap::new();
    let [first, _, ..] = clients else { return shared };
    for field in SHAREABLE_FIELDS.into_iter().filter(|field| !new_tenant_defaults.should_omit(*field, first)) {
        let Some(value) = first.observed.value(field).filter(|value| **value != Value::Cleared) else { continue };
        let is_common = clients.iter().all(|client| client.observed.value(field) == Some(value));
        // An add-on needs its package in the same place.
        let has_packages = field != Field::AddOns || shared.contains_key(&Field::Packages);
        let is_taken = || {
            let packages = shared.get(&Field::Packages).filter(|_| field == Field::AddOns);
            let together = [(Field::Packages, packages), (field, Some(value))]
                .map(|(field, value)| Some((field, to_json(value?))));
            schemas.undeclarable_reason(TenantKind::Client, field, value).is_none()
                && schemas
                    .settings_refusal(TenantKind::Client, &together.into_iter().flatten().collect::<Vec<_>>())
                    .is_none()
        };
        if is_common && has_packages && is_taken() {
            shared.insert(field, value.clone());
        }
    }
    shared
}

fn to_json(value: &Value) -> Json {
    serde_json::from_str(&value.to_json()).unwrap_or_default()
}

/// Builds the block `clients.defaults`.
pub(super) fn defaults_block(shared: &BTreeMap<Field, Value>) -> Json {
    let mut block = json!({});
    for (field, value) in shared {
        let path = field.path();
        let path = path.strip_prefix("details.").or_else(|| path.strip_prefix("security.")).unwrap_or(path);
        set_at_path(&mut block, path, to_json(value));
    }
    block
}
