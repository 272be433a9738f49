//! Fields of a spec in the cluster that are not in the manifest and survive its apply: a pause, an approval or an
//! adoption that a person wrote there.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::ManagedFieldsEntry;
use kube::ResourceExt as _;
use serde_json::{Value, json};
use tenantry_core::object::TenantResource;

use crate::optimistic_patch::FIELD_MANAGER;

/// Field managers with which people edit single fields beside their manifests; a browser is that of a console. Fields
/// of any other manager are assumed to go with the manifest: a tool that merges removes what it wrote. A plan that
/// shows too much is noticed, one that hides a write is not.
const MANUALLY_WRITTEN_FIELDS: [&str; 4] = [FIELD_MANAGER, "kubectl-edit", "kubectl-patch", "Mozilla"];

/// Annotation in which a client-side apply keeps what it applied. The next apply removes what was there and is no
/// longer in the manifest, no matter who wrote it since.
const LAST_APPLIED: &str = "kubectl.kubernetes.io/last-applied-configuration";

/// Adds to a declared object the fields of the cluster's object that an apply keeps. An apply only removes what an
/// apply wrote.
pub(super) fn preserve_cluster_fields<K: TenantResource>(declared: &mut K, cluster_object: &K) {
    let is_by_hand = |entry: &&ManagedFieldsEntry| {
        entry.manager.as_deref().is_some_and(|manager| MANUALLY_WRITTEN_FIELDS.contains(&manager))
    };
    let updates = cluster_object.managed_fields().iter().filter(|entry| entry.operation.as_deref() != Some("Apply"));
    let (by_hand, merged): (Vec<_>, Vec<_>) = updates.partition(is_by_hand);
    let spec = |entry: &ManagedFieldsEntry| entry.fields_v1.as_ref()?.0.get("f:spec").cloned();
    let written: Vec<Value> = by_hand.into_iter().filter_map(spec).collect();
    let mut gone: Vec<Value> = merged.into_iter().filter_map(spec).collect();
    gone.extend(last_applied(cluster_object));
    let (Ok(mut object), Ok(there)) = (serde_json::to_value(&*declared), serde_json::to_value(cluster_object)) else {
        return;
    };
    for owned in &written {
        let fields = OwnedFields { owned, removed: gone.iter().collect() };
        copy_owned_members(&mut object["spec"], &there["spec"], &fields);
    }
    if let Ok(kept) = serde_json::from_value(object) {
        *declared = kept;
    }
}

/// Returns the spec of the last client-side apply, in the form of `managedFields`.
fn last_applied<K: TenantResource>(cluster_object: &K) -> Option<Value> {
    let applied: Value = serde_json::from_str(cluster_object.annotations().get(LAST_APPLIED)?).ok()?;
    applied.get("spec").map(fields)
}

fn fields(value: &Value) -> Value {
    let members = value.as_object().into_iter().flatten().filter(|(_, member)| !member.is_null());
    members.map(|(name, member)| (format!("f:{name}"), fields(member))).collect()
}

/// Members of an object, in the form of `managedFields`.
struct OwnedFields<'a> {
    /// Members that are kept.
    owned: &'a Value,
    /// Members that are removed with the manifest all the same.
    removed: Vec<&'a Value>,
}

/// Copies the members that are kept and that the manifest does not have.
fn copy_owned_members(into: &mut Value, from: &Value, fields: &OwnedFields<'_>) {
    for (field, owned) in fields.owned.as_object().into_iter().flatten() {
        // List entries are kept or removed with their list.
        let Some(name) = field.strip_prefix("f:") else { continue };
        let Some(value) = from.get(name).filter(|value| !value.is_null()) else { continue };
        let gone: Vec<&Value> = fields.removed.iter().filter_map(|gone| gone.get(field)).collect();
        if value.is_object() {
            // An entry without members owns the existence of the object, and nothing in it.
            let there = into.get(name).filter(|there| there.is_object()).cloned();
            let mut member = there.unwrap_or_else(|| json!({}));
            copy_owned_members(&mut member, value, &OwnedFields { owned, removed: gone });
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
    use tenantry_api::TenantClient;

    use super::*;

    fn client_with_fields(spec: &Value, managed: &Value) -> TenantClient {
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

    fn managed_fields_entry(manager: &str, operation: &str) -> Value {
        let fields = json!({"f:spec": {"f:management": {"f:mode": {}}, "f:tenantState": {}}});
        json!({"manager": manager, "operation": operation, "fieldsType": "FieldsV1", "fieldsV1": fields})
    }

    #[test]
    fn an_apply_takes_away_what_an_apply_wrote_and_nothing_else() {
        let there = json!({"management": {"mode": "Paused", "drift": "Report"}, "tenantState": "Suspended"});
        let kept = |managed: &Value, declared: &Value| {
            let mut object = client_with_fields(declared, &json!([]));
            preserve_cluster_fields(&mut object, &client_with_fields(&there, managed));
            let spec = serde_json::to_value(&object.spec).unwrap();
            (spec["management"].clone(), spec["tenantState"].clone())
        };
        let (ours, nothing) = (managed_fields_entry("kubectl-tenantry", "Update"), (Value::Null, Value::Null));
        let paused = (json!({"mode": "Paused"}), json!("Suspended"));
        assert_eq!(kept(&json!([ours]), &json!({})), paused);
        assert_eq!(kept(&json!([ours, managed_fields_entry("kubectl", "Apply")]), &json!({})), paused, "both own it");
        assert_eq!(kept(&json!([managed_fields_entry("kubectl", "Apply")]), &json!({})), nothing);
        assert_eq!(
            kept(&json!([ours, managed_fields_entry("kubectl-client-side-apply", "Update")]), &json!({})),
            nothing
        );
        let declared = json!({"management": {"mode": "Manage", "drift": "Report"}, "tenantState": "Active"});
        let expected = (json!({"mode": "Manage", "drift": "Report"}), json!("Active"));
        assert_eq!(kept(&json!([ours]), &declared), expected, "what is declared counts");
    }

    #[test]
    fn only_what_is_written_by_hand_stays_and_nothing_that_was_last_applied() {
        let there = json!({"management": {"mode": "Paused"}, "tenantState": "Suspended"});
        let kept = |manager: &str, applied: Option<&Value>| {
            let mut there = client_with_fields(&there, &json!([managed_fields_entry(manager, "Update")]));
            let applied = applied.map(|spec| json!({"spec": spec}).to_string());
            there.annotations_mut().extend(applied.map(|applied| (LAST_APPLIED.to_owned(), applied)));
            let mut object = client_with_fields(&json!({}), &json!([]));
            preserve_cluster_fields(&mut object, &there);
            let spec = serde_json::to_value(&object.spec).unwrap();
            (!spec["management"].is_null(), !spec["tenantState"].is_null())
        };
        for manager in ["kubectl-tenantry", "kubectl-edit", "kubectl-patch", "Mozilla"] {
            assert_eq!(kept(manager, None), (true, true), "{manager}");
            let declared = json!({"management": {"mode": "Manage", "drift": null}});
            assert_eq!(kept(manager, Some(&declared)), (false, true), "{manager} changed what was declared");
            assert_eq!(kept(manager, Some(&json!({"tenantState": null}))), (true, true), "{manager}");
        }
        for manager in ["argocd-controller", "helm", "kubectl-client-side-apply", "kubectl-replace", "terraform"] {
            assert_eq!(kept(manager, None), (false, false), "{manager}");
        }
    }
}
