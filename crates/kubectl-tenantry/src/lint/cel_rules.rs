//! Evaluates the rules of the definitions as the API server does.

use kube_cel::{CompiledSchema, ErrorKind, ValidationError, ValidationErrors, Validator, compile_schema};
use serde_json::{Value, json};

use super::schema::SchemaViolation;

/// The rules of a kind.
pub(super) struct CelRules {
    validator: Validator,
    compiled: CompiledSchema,
}

/// The result of evaluating the rules for an object.
#[derive(Debug, Default)]
pub(super) struct CelRuleResult {
    /// Every rule that it breaks.
    pub(super) violations: Vec<SchemaViolation>,
    /// Rules that only the API server can evaluate. They do not count as broken.
    pub(super) not_evaluated: Vec<String>,
}

impl CelRules {
    /// Compiles the rules of a definition's schema.
    pub(super) fn new(of_definition: &Value) -> Self {
        let mut schema = of_definition.clone();
        read_old_self(&mut schema);
        Self { validator: Validator::new(), compiled: compile_schema(&schema) }
    }

    /// Evaluates the rules for an object. `old` is the object that it replaces.
    pub(super) fn find_violations(&self, object: &Value, old: Option<&Value>) -> CelRuleResult {
        let known = json!({"metadata": object["metadata"], "spec": without_nulls(&object["spec"])});
        let old = old.map(without_nulls);
        let mut violations = CelRuleResult::default();
        let judged = self.validator.validate_compiled(&self.compiled, &known, old.as_ref());
        for error in judged.err().into_iter().flat_map(ValidationErrors::into_vec) {
            let ValidationError { rule, message, field_path: path, kind, .. } = error;
            if kind == ErrorKind::ValidationFailure {
                violations.violations.push(SchemaViolation { path, message, is_blocking: false });
            } else {
                let note = format!("a rule of the definition could not be evaluated here ({rule}): {message}");
                violations.not_evaluated.push(note);
            }
        }
        violations
    }
}

/// Adapts rules that also apply to new objects: they read the old value as an optional. The library passes the old
/// value itself, or null.
fn read_old_self(schema: &mut Value) {
    match schema {
        Value::Object(members) => {
            let is_optional = members.get("optionalOldSelf") == Some(&Value::Bool(true));
            if let Some(Value::String(rule)) = members.get_mut("rule").filter(|_| is_optional) {
                *rule = rule.replace("oldSelf.hasValue()", "(oldSelf != null)").replace("oldSelf.value()", "oldSelf");
            }
            members.values_mut().for_each(read_old_self);
        }
        Value::Array(entries) => entries.iter_mut().for_each(read_old_self),
        _ => {}
    }
}

/// Removes members that are null, as the API server does before it evaluates rules.
fn without_nulls(value: &Value) -> Value {
    match value {
        Value::Object(members) => {
            let kept = members.iter().filter(|(_, member)| !member.is_null());
            Value::Object(kept.map(|(name, member)| (name.clone(), without_nulls(member))).collect())
        }
        Value::Array(entries) => Value::Array(entries.iter().map(without_nulls).collect()),
        other => other.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn client(spec: &Value) -> Value {
        let mut whole = json!({"partnerRef": {"name": "acme"}, "details": {"name": "Globex"}});
        for (name, value) in spec.as_object().unwrap() {
            whole[name] = value.clone();
        }
        json!({"metadata": {"name": "globex"}, "spec": whole})
    }

    fn broken(object: &Value, old: Option<&Value>) -> Vec<String> {
        let mut crds = tenantry_api::crds().into_iter().map(|crd| serde_json::to_value(crd).unwrap());
        let clients = crds.find(|crd| crd["spec"]["names"]["kind"] == "Client").unwrap();
        let rules = CelRules::new(&clients["spec"]["versions"][0]["schema"]["openAPIV3Schema"]);
        let CelRuleResult { violations: misfits, not_evaluated } = rules.find_violations(object, old);
        assert_eq!(not_evaluated, Vec::<String>::new());
        misfits.into_iter().map(|misfit| misfit.path).collect()
    }

    #[test]
    fn a_rule_that_asks_for_the_old_object_knows_whether_there_is_one() {
        for (switch, add_on) in [("smsVoiceNotification", "SMSAndVoice"), ("remoteAccess", "RemoteAccessManagement")] {
            let path = [format!("spec.details.{switch}")];
            let with = |is_on: bool, add_ons: &Value| {
                client(&json!({
                    "details": {"name": "Globex", switch: is_on}, "addOns": add_ons,
                    "packages": ["EventAndIncidentManagement", "RemediationAndAutomation"],
                }))
            };
            let (with_it, without) = (json!([add_on]), json!(["SLAManagement"]));
            let lacking = with(true, &without);
            assert_eq!(broken(&lacking, None), path, "a new object");
            assert_eq!(broken(&lacking, Some(&lacking)), [""; 0], "it was so before");
            assert_eq!(broken(&lacking, Some(&with(false, &without))), path);
            assert_eq!(broken(&lacking, Some(&with(true, &with_it))), path);
            assert_eq!(broken(&lacking, Some(&with(true, &Value::Null))), path);
            assert_eq!(broken(&with(true, &with_it), None), [""; 0]);
        }
    }

    #[test]
    fn a_client_that_is_moved_to_another_partner_is_refused() {
        let (here, there) = (client(&json!({})), client(&json!({"partnerRef": {"name": "initech"}})));
        assert_eq!(broken(&there, None), [""; 0]);
        assert_eq!(broken(&there, Some(&here)), ["spec"]);
    }
}
