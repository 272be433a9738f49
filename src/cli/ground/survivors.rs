//! What the cluster holds in a spec beside the manifest, and keeps when the manifest is applied: a pause, an approval or
//! an adoption that a person wrote there.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::ManagedFieldsEntry;
use kube::ResourceExt as _;
use serde_json::Value;

use crate::object::Object;

/// The manager of `kubectl apply` without `--server-side`: it takes away what the manifest said before and does not say now.
const CLIENT_SIDE_APPLY: &str = "kubectl-client-side-apply";

/// Adds to a declared object what stays of the one in the cluster. An apply takes away only what an apply wrote.
pub(super) fn keep<K: Object>(declared: &mut K, there: &K) {
    let is_apply = |entry: &ManagedFieldsEntry| entry.operation.as_deref() == Some("Apply");
    let is_client_side = |entry: &ManagedFieldsEntry| entry.manager.as_deref() == Some(CLIENT_SIDE_APPLY);
    let specs = |is_one: &dyn Fn(&ManagedFieldsEntry) -> bool| -> Vec<Value> {
        let entries = there.managed_fields().iter().filter(|entry| !is_apply(entry) && is_one(entry));
        entries.filter_map(|entry| entry.fields_v1.as_ref()?.0.get("f:spec").cloned()).collect()
    };
    // What `kubectl apply` wrote as well goes with the manifest, even if somebody else wrote the same.
    let gone = specs(&is_client_side);
    let written = specs(&|entry| !is_client_side(entry));
    let (Ok(mut object), Ok(there)) = (serde_json::to_value(&*declared), serde_json::to_value(there)) else { return };
    for owned in &written {
        let fields = Fields { owned, gone: gone.iter().collect() };
        copy(&mut object["spec"], &there["spec"], &fields);
    }
    if let Ok(kept) = serde_json::from_value(object) {
        *declared = kept;
    }
}

/// Members of an object, as `managedFields` names them.
struct Fields<'a> {
    /// Those that stay.
    owned: &'a Value,
    /// Those that go with the manifest all the same.
    gone: Vec<&'a Value>,
}

/// Copies the members that stay and that the manifest does not have.
fn copy(into: &mut Value, from: &Value, fields: &Fields<'_>) {
    for (field, owned) in fields.owned.as_object().into_iter().flatten() {
        // Entries of lists stay with the list.
        let Some(name) = field.strip_prefix("f:") else { continue };
        let Some(value) = from.get(name).filter(|value| !value.is_null()) else { continue };
        let gone: Vec<&Value> = fields.gone.iter().filter_map(|gone| gone.get(field)).collect();
        if value.is_object() {
            // An entry without members owns that the object is there, and nothing in it.
            let there = into.get(name).filter(|there| there.is_object()).cloned();
            let mut member = there.unwrap_or_else(|| serde_json::json!({}));
            copy(&mut member, value, &Fields { owned, gone });
            if member.as_object().is_some_and(|member| !member.is_empty()) && into.is_object() {
                into[name] = member;
            }
        } else if gone.is_empty() && into.is_object() && into.get(name).is_none_or(Value::is_null) {
            into[name] = value.clone();
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::api::TenantClient;

    fn client(spec: &Value, managed: &Value) -> TenantClient {
        let mut object = json!({
            "apiVersion": "tenantry.dev/v1alpha1", "kind": "Client",
            "metadata": {"name": "globex", "namespace": "acme", "managedFields": managed},
            "spec": {"partnerRef": {"name": "acme"}, "details": {"name": "Globex"}},
        });
        for (name, value) in spec.as_object().unwrap() {
            object["spec"][name] = value.clone();
        }
        serde_json::from_value(object).unwrap()
    }

    fn entry(manager: &str, operation: &str) -> Value {
        let fields = json!({"f:spec": {"f:management": {"f:mode": {}}, "f:tenantState": {}}});
        json!({"manager": manager, "operation": operation, "fieldsType": "FieldsV1", "fieldsV1": fields})
    }

    #[test]
    fn an_apply_takes_away_what_an_apply_wrote_and_nothing_else() {
        let there = json!({"management": {"mode": "Paused", "drift": "Report"}, "tenantState": "Suspended"});
        let kept = |managed: &Value, declared: &Value| {
            let mut object = client(declared, &json!([]));
            keep(&mut object, &client(&there, managed));
            let spec = serde_json::to_value(&object.spec).unwrap();
            (spec["management"].clone(), spec["tenantState"].clone())
        };
        let (ours, nothing) = (entry("kubectl-tenantry", "Update"), (Value::Null, Value::Null));
        let paused = (json!({"mode": "Paused"}), json!("Suspended"));
        assert_eq!(kept(&json!([ours]), &json!({})), paused);
        assert_eq!(kept(&json!([ours, entry("kubectl", "Apply")]), &json!({})), paused, "both own it");
        assert_eq!(kept(&json!([entry("kubectl", "Apply")]), &json!({})), nothing);
        assert_eq!(kept(&json!([ours, entry(CLIENT_SIDE_APPLY, "Update")]), &json!({})), nothing);
        let declared = json!({"management": {"mode": "Manage", "drift": "Report"}, "tenantState": "Active"});
        let expected = (json!({"mode": "Manage", "drift": "Report"}), json!("Active"));
        assert_eq!(kept(&json!([ours]), &declared), expected, "what is declared counts");
    }
}
