//! The rules that the definitions carry, evaluated as the API server does.

use kube_cel::{CompiledSchema, ErrorKind, Validator, compile_schema};
use serde_json::{Value, json};

use super::schema::Misfit;

/// The rules of a kind.
pub(super) struct Rules {
    validator: Validator,
    compiled: CompiledSchema,
}

impl Rules {
    /// From the schema of a definition.
    pub(super) fn new(of_definition: &Value) -> Self {
        Self { validator: Validator::new(), compiled: compile_schema(of_definition) }
    }

    /// Every rule that an object breaks. Rules that compare it with what it was before have nothing to compare.
    pub(super) fn judge(&self, object: &Value) -> Vec<Misfit> {
        let known = json!({"metadata": object["metadata"], "spec": pruned(&object["spec"])});
        let Err(errors) = self.validator.validate_compiled(&self.compiled, &known, None) else { return Vec::new() };
        let misfit = |error: kube_cel::ValidationError| {
            let message = match error.kind {
                ErrorKind::ValidationFailure => error.message,
                _ => {
                    format!("a rule of the definition could not be evaluated here ({}): {}", error.rule, error.message)
                }
            };
            Misfit { path: error.field_path, message, is_blocking: false }
        };
        errors.into_vec().into_iter().map(misfit).collect()
    }
}

/// Members that are nothing are dropped before the rules are asked.
fn pruned(value: &Value) -> Value {
    match value {
        Value::Object(members) => {
            let kept = members.iter().filter(|(_, member)| !member.is_null());
            Value::Object(kept.map(|(name, member)| (name.clone(), pruned(member))).collect())
        }
        Value::Array(entries) => Value::Array(entries.iter().map(pruned).collect()),
        other => other.clone(),
    }
}
