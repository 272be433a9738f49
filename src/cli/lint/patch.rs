//! Patches of kustomize: parts of objects, of which only what they hold can be judged.

use serde_json::Value;

use super::{DocumentFinding, KindDefinition, scalars, schema_findings};
use crate::cli::manifest::{ManifestSource, YamlDocument};

/// Begin of the members that tell kustomize and `kubectl patch` what to do.
const DIRECTIVE_PREFIX: &str = "$";

/// Whether a document is a patch: its kustomization says so, or it holds a directive.
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

/// What the API server would refuse in the object that the patch is put over. What is missing may be there, and the rules
/// speak of whole objects.
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
