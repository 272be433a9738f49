//! Finds what the API server would refuse of a manifest, by the rules of `lint`.

use serde_json::Value;
use tenantry_core::object::TenantResource;

use super::row::PlanRow;
use crate::inventory::InventoryObject;
use crate::lint::{KindDefinition, Refusals};

/// The API server's reason for an object that breaks a rule of its definition.
const INVALID_REASON: &str = "Invalid";

/// The definitions of both kinds.
pub(super) struct KindDefinitions(Vec<KindDefinition>);

impl KindDefinitions {
    pub(super) fn new() -> Self {
        Self(KindDefinition::all_kinds())
    }

    /// Returns the row of an object, refused if the API server would not accept its manifest.
    pub(super) fn with_api_validation<K: TenantResource>(
        &self,
        subject: &InventoryObject<K>,
        mut row: PlanRow,
    ) -> PlanRow {
        let Some(declared) = &subject.declared else { return row };
        let Some(definition) = self.0.iter().find(|one| one.name() == K::KIND.name()) else { return row };
        let mut object = declared.value().clone();
        if subject.replaced.is_some()
            && let Ok(applied) = serde_json::to_value(&subject.object)
        {
            add(&mut object["spec"], &applied["spec"]);
        }
        let Refusals { all, not_evaluated } = definition.refusals(&object, subject.replaced.as_ref());
        row.notes.extend(not_evaluated);
        if all.is_empty() {
            return row;
        }
        let refusals = all.iter().map(|refusal| {
            let spot = declared.location_of(&refusal.path);
            if refusal.message.contains(&refusal.path) {
                format!("{} ({spot})", refusal.message)
            } else {
                format!("`{}`: {} ({spot})", refusal.path, refusal.message)
            }
        });
        let message = format!("the API server will refuse it: {}", refusals.collect::<Vec<_>>().join("; "));
        row.into_refused(INVALID_REASON, message)
    }
}

/// Adds the fields that an apply keeps of the cluster's object: the API server validates the merged object.
fn add(into: &mut Value, kept: &Value) {
    let (Value::Object(into), Value::Object(kept)) = (into, kept) else { return };
    for (name, kept) in kept {
        let member = into.entry(name).or_insert(Value::Null);
        if member.is_null() {
            *member = kept.clone();
        } else {
            add(member, kept);
        }
    }
}
