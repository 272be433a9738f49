//! Tenants from the platform's lists: one page holds a hundred. A row can prove that its tenant is unchanged since the
//! operator last found everything as declared. Only the other tenants are read.

use std::collections::BTreeMap;
use std::sync::Arc;

use tenantry_api::UnknownValue;
use tenantry_client::{CallError, PlatformClient};
use tenantry_core::object::TenantResource;
use tenantry_core::{
    DesiredTenant, Field, LifecycleState, ObservedMark, ObservedTenant, ObservedValue, Place, UnknownAnswers, Value,
    ValueType,
};
use tenantry_wire::{TenantSearchItem, WireTenantState};

use crate::output::print_note;

/// Rows of one place by unique id.
pub(crate) type TenantRows = Arc<BTreeMap<String, TenantSearchItem>>;

/// Lists every row of a place, including terminated tenants. A row without a tenant id is reported.
pub(crate) async fn list_tenant_rows(platform: &PlatformClient, place: &Place) -> Result<TenantRows, CallError> {
    let (rows, odd) = platform.for_polling().list_all_rows(place).await?;
    for odd in odd {
        print_note(&format!("the list of tenants under `{}`: {odd}, so that tenant is left out", place.parent_id()));
    }
    Ok(Arc::new(rows))
}

/// Observes a tenant from its row. Returns `None` unless the row proves that the operator found everything on the
/// platform that is declared now, and that the tenant has not changed since.
///
/// The proof rests on the revision alone, which grows with every change under a tenant. On a platform without revisions
/// no row proves anything, and every tenant is read.
pub(crate) fn observe_from_row<K: TenantResource>(
    object: &K,
    desired: &DesiredTenant,
    row: &TenantSearchItem,
) -> Option<ObservedTenant> {
    let status = object.status()?;
    let verified = status.applied.as_ref()?.revision?;
    if row.revision != Some(verified) {
        return None;
    }
    let mut seen: BTreeMap<Field, ObservedValue> = BTreeMap::new();
    for setting in &status.effective {
        let Some(field) = Field::from_path(&setting.path) else { continue };
        let value = Value::from_json(field, &setting.value)?;
        seen.insert(
            field,
            if field.value_type() == ValueType::Secret {
                ObservedValue::Unreadable
            } else {
                ObservedValue::Value(value)
            },
        );
    }
    for path in &status.unsupported {
        seen.insert(Field::from_path(path)?, ObservedValue::Unsupported);
    }
    // A setting that is declared for the first time was never compared.
    if desired.effective.written_settings().any(|(field, _, _)| !seen.contains_key(&field)) {
        return None;
    }
    let life = match row.status? {
        WireTenantState::Active => LifecycleState::Active,
        WireTenantState::Suspended => LifecycleState::Suspended,
        WireTenantState::Terminated => LifecycleState::Terminated,
    };
    Some(ObservedTenant {
        unique_id: row.unique_id.clone(),
        served_images: BTreeMap::new(),
        account_id: status.account_id.clone(),
        name: row.name.clone(),
        lifecycle: life,
        mark: row.managed_by.clone().map_or(ObservedMark::None, ObservedMark::Full),
        values: seen,
        created: None,
        updated: None,
        revision: row.revision,
        url: status.url.clone(),
        api_endpoint: status.api_endpoint.clone(),
        unknown: recorded_unknown(&status.unknown)?,
    })
}

/// Returns the entries that the catalogue does not know, as status records them. Returns `None` if status records one
/// that only a read can show.
fn recorded_unknown(recorded: &[UnknownValue]) -> Option<UnknownAnswers> {
    let mut unknown = UnknownAnswers::default();
    for UnknownValue { path, values, message } in recorded {
        if message.is_some() {
            return None;
        }
        unknown.values.insert(Field::from_path(path)?, values.iter().cloned().collect());
    }
    Some(unknown)
}
