//! Patches of kustomize: parts of objects, of which only the members that they hold can be checked.

use serde_json::Value;

use super::{DocumentFinding, KindDefinition, scalars, schema_findings};
use crate::manifest::{ManifestSource, YamlDocument};

/// Prefix of the members that are directives of kustomize and `kubectl patch`.
const DIRECTIVE_PREFIX: &str = "$";

/// Returns whether a document is a patch: its kustomization lists it as one, or it holds a directive.
pub(super) fn is_patch(source: &ManifestSource, document: &YamlDocument) -> bool {
    source.is_patch || has_directive(&document.value)
}

fn has_directive(value: &Value) -> bool {
    match value {
        Value::Object(members) => {
            members.iter().any(|(name, member)| name.starts_with(DIRECTIVE_PREFIX) || has_directive(member))
        }
        Value::Array(entries) => entries.iter().any(has_directive),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => false,
    }
}

/// Returns what the API server would refuse in the patched object. Missing members and rules are not checked, since the
/// rules apply to complete objects.
pub(super) fn check_patch(kind: &KindDefinition, document: &mut YamlDocument, text: &str) -> Vec<DocumentFinding> {
    remove_directives(&mut document.value);
    let mut misfits = kind.schema.find_violations(&document.value);
    misfits.retain(|misfit| !misfit.is_missing());
    schema_findings(misfits, scalars::find_misread_scalars(document, &kind.schema, text))
}

fn remove_directives(value: &mut Value) {
    match value {
        Value::Object(members) => {
            members.retain(|name, _| !name.starts_with(DIRECTIVE_PREFIX));
            members.values_mut().for_each(remove_directives);
        }
        Value::Array(entries) => entries.iter_mut().for_each(remove_directives),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}
