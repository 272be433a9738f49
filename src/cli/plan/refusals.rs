//! What the API server would refuse of a manifest, by the rules that `lint` has.

use super::row::Row;
use crate::cli::ground::Subject;
use crate::cli::lint::Definition;
use crate::object::Object;

/// What the API server calls an object that breaks a rule of its definition.
const INVALID: &str = "Invalid";

/// The definitions of both kinds.
pub(super) struct Definitions(Vec<Definition>);

impl Definitions {
    pub(super) fn new() -> Self {
        Self(Definition::all())
    }

    /// The row of an object, which is refused where the API server would not take its manifest.
    pub(super) fn judge<K: Object>(&self, subject: &Subject<K>, row: Row) -> Row {
        let Some(declared) = &subject.declared else { return row };
        let definition = self.0.iter().find(|definition| definition.name() == K::KIND.name());
        let refusals = definition.map(|definition| definition.refusals(declared.value())).unwrap_or_default();
        if refusals.is_empty() {
            return row;
        }
        let refusals = refusals.iter().map(|refusal| {
            let spot = declared.spot(&refusal.path);
            if refusal.message.contains(&refusal.path) {
                format!("{} ({spot})", refusal.message)
            } else {
                format!("`{}`: {} ({spot})", refusal.path, refusal.message)
            }
        });
        let message = format!("the API server will refuse it: {}", refusals.collect::<Vec<_>>().join("; "));
        row.refused(INVALID, message)
    }
}
