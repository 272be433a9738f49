//! Tenants as the platform lists them: one page holds a hundred, and a row proves that its tenant is as it was when the
//! operator last found everything as declared. Only the others are read.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::connect::{Error, Place, Platform};
use crate::object::Object;
use crate::plan::{Desired, Field, Form, MarkSeen, Observed, Seen, TenantLife, Value};
use crate::wire::{SearchItem, State};

/// Rows of one place by unique id.
pub(crate) type Rows = Arc<BTreeMap<String, SearchItem>>;

/// Every row of a place, the terminated ones included.
pub(crate) async fn rows(platform: &Platform, place: &Place) -> Result<Rows, Error> {
    let platform = platform.polling();
    let mut rows = BTreeMap::new();
    let mut number = 1;
    loop {
        let page = platform.page(place, number).await?;
        rows.extend(page.results.into_iter().map(|row| (row.unique_id.clone(), row)));
        if !page.next_page {
            return Ok(Arc::new(rows));
        }
        number = page.next_page_no.filter(|next| *next > number).unwrap_or(number + 1);
    }
}

/// What a row proves about a tenant: everything that is declared now was found on the platform by the operator, and the
/// tenant has not changed since. Nothing where it proves less than that.
///
/// The proof rests on the revision alone, which grows with every change under a tenant; a platform that does not count
/// them has no row that proves anything, and there every tenant is read.
pub(crate) fn proven<K: Object>(object: &K, desired: &Desired, row: &SearchItem) -> Option<Observed> {
    let status = object.status()?;
    let verified = status.applied.as_ref()?.revision?;
    if row.revision != Some(verified) {
        return None;
    }
    let mut seen: BTreeMap<Field, Seen> = BTreeMap::new();
    for setting in &status.effective {
        let Some(field) = Field::from_path(&setting.path) else { continue };
        let value = Value::from_json(field, &setting.value)?;
        seen.insert(field, if field.form() == Form::Secret { Seen::Unreadable } else { Seen::Value(value) });
    }
    for path in &status.unsupported {
        seen.insert(Field::from_path(path)?, Seen::Unsupported);
    }
    // A setting that is declared for the first time was never compared.
    if desired.effective.written().any(|(field, _, _)| !seen.contains_key(&field)) {
        return None;
    }
    let life = match row.status? {
        State::Active => TenantLife::Active,
        State::Suspended => TenantLife::Suspended,
        State::Terminated => TenantLife::Terminated,
    };
    Some(Observed {
        unique_id: row.unique_id.clone(),
        account_id: status.account_id.clone(),
        name: row.name.clone(),
        life,
        mark: row.managed_by.clone().map_or(MarkSeen::None, MarkSeen::Whole),
        seen,
        created: None,
        updated: None,
        revision: row.revision,
        url: status.url.clone(),
        api_endpoint: status.api_endpoint.clone(),
    })
}
