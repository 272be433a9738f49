//! Tenants as the platform lists them: one page holds a hundred, and a row proves that its tenant is as it was when the
//! operator last found everything as declared. Only the others are read.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::api::UnknownValue;
use crate::cli::output::note;
use crate::connect::{Error, Place, Platform};
use crate::object::Object;
use crate::plan::{Desired, Field, Form, MarkSeen, Observed, Seen, TenantLife, Unknown, Value};
use crate::wire::{SearchItem, State};

/// Rows of one place by unique id.
pub(crate) type Rows = Arc<BTreeMap<String, SearchItem>>;

/// Every row of a place, the terminated ones included. A row that does not say which tenant it is about is told of.
pub(crate) async fn rows(platform: &Platform, place: &Place) -> Result<Rows, Error> {
    let (rows, odd) = platform.polling().every(place).await?;
    for odd in odd {
        note(&format!("the list of tenants under `{}`: {odd}, so that tenant is left out", place.parent()));
    }
    Ok(Arc::new(rows))
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
        served: BTreeMap::new(),
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
        unknown: kept(&status.unknown)?,
    })
}

/// Entries that the catalogue does not know, as status records them; nothing where it records what only a read can show.
fn kept(recorded: &[UnknownValue]) -> Option<Unknown> {
    let mut unknown = Unknown::default();
    for UnknownValue { path, values, message } in recorded {
        if message.is_some() {
            return None;
        }
        unknown.values.insert(Field::from_path(path)?, values.iter().cloned().collect());
    }
    Some(unknown)
}
