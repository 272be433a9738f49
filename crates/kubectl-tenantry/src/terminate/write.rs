//! Writes the consent to the object, or prints it for Git.
//!
//! The write is a server-side apply of `spec.deletion` alone, on the object as it was read. If another manager owns one
//! of these fields with a different value, the conflict is reported instead of overwritten: a tool that applies the
//! manifest from Git would revert the consent at its next sync. Fields that the manifest does not set are ours and
//! survive its next apply.

use kube::api::{Patch, PatchParams};
use kube::{Api, ResourceExt as _};
use serde::Serialize;
use serde_json::{Value, json};
use tenantry_api::{Deletion, GROUP, VERSION};
use tenantry_core::object::{ParsedObject, TenantResource, namespace, uid};

use crate::failure::Failure;
use crate::inventory::object_label;
use crate::optimistic_patch::{DryRun, WriteTarget};
use crate::output::OutputFormat;

/// Writes the consent.
///
/// # Errors
/// Fails if the object changed meanwhile, if another manager owns a field, or if the API server refuses.
pub(super) async fn apply_consent<K: TenantResource>(
    object: &K,
    deletion: &Deletion,
    is_forced: bool,
    target: WriteTarget<'_>,
) -> Result<(), Failure> {
    let WriteTarget { cluster, dry_run } = target;
    let mut patch = json!(ConsentManifest::new(object, deletion));
    patch["metadata"]["uid"] = json!(uid(object));
    patch["metadata"]["resourceVersion"] = json!(object.resource_version());
    if dry_run == DryRun::Client {
        return Ok(());
    }
    let params = PatchParams { force: is_forced, ..dry_run.patch_params() };
    let objects = Api::<ParsedObject<K>>::namespaced(cluster.client.clone(), &namespace(object));
    match objects.patch(&object.name_any(), &params, &Patch::Apply(&patch)).await {
        Ok(_) => Ok(()),
        Err(error) => Err(apply_failure(error).about(object_label(object))),
    }
}

fn apply_failure(error: kube::Error) -> Failure {
    let kube::Error::Api(status) = &error else { return error.into() };
    let causes = status.details.iter().flat_map(|details| &details.causes);
    let owned: Vec<&str> =
        causes.filter(|cause| cause.reason == "FieldManagerConflict").map(|cause| cause.message.as_str()).collect();
    if !owned.is_empty() {
        return Failure::new(format!(
            "`spec.deletion` belongs to somebody else ({}), who would take the consent back: put it there with `--print`, or take the field with `--force-conflicts`",
            owned.join("; ")
        ));
    }
    if status.is_conflict() {
        return Failure::new("the object was changed meanwhile, so nothing is written: look at it and try again");
    }
    error.into()
}

/// Returns the consent as a manifest that holds nothing else, which is also a patch for a kustomization.
///
/// # Errors
/// Fails if it cannot be serialised as YAML.
pub(super) fn consent_manifest<K: TenantResource>(object: &K, deletion: &Deletion) -> Result<String, Failure> {
    let head = "# Merge this into the manifest, or list it under `patches` in the kustomization.\n";
    Ok(format!("{head}{}", OutputFormat::Yaml.text(&ConsentManifest::new(object, deletion))?))
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ConsentManifest<'a> {
    api_version: String,
    kind: &'static str,
    metadata: Value,
    spec: ConsentSpec<'a>,
}

#[derive(Serialize)]
struct ConsentSpec<'a> {
    deletion: &'a Deletion,
}

impl<'a> ConsentManifest<'a> {
    fn new<K: TenantResource>(object: &K, deletion: &'a Deletion) -> Self {
        Self {
            api_version: format!("{GROUP}/{VERSION}"),
            kind: K::KIND.name(),
            metadata: json!({"name": object.name_any(), "namespace": namespace(object)}),
            spec: ConsentSpec { deletion },
        }
    }
}

/// Warns about other managers of the spec before the object is edited directly.
pub(super) fn other_writer_warnings<K: TenantResource>(object: &K) -> Vec<String> {
    let owners = object.managed_fields().iter().filter(|entry| {
        let owned = entry.fields_v1.as_ref().map(|fields| &fields.0);
        entry.operation.as_deref() == Some("Apply")
            && entry.manager.as_deref().is_some_and(|manager| !manager.starts_with("kubectl"))
            && owned.is_some_and(|owned| owned.pointer("/f:spec").is_some())
    });
    let sentence = |manager: &str| {
        format!(
            "`{manager}` writes this object too: where it takes back what is not in Git, put the consent there with `--print`"
        )
    };
    owners.filter_map(|entry| entry.manager.as_deref().map(sentence)).collect()
}

#[cfg(test)]
mod tests {
    use tenantry_api::{DeletionPolicy, TenantClient};

    use super::*;
    use crate::optimistic_patch::fake_api_server::{client_manifest, cluster_answering, error_status};

    #[tokio::test]
    async fn a_consent_is_for_the_object_that_was_looked_at_and_no_other() {
        let object: TenantClient = serde_json::from_value(client_manifest("7", &[])).unwrap();
        let deletion = Deletion { policy: Some(DeletionPolicy::Terminate), ..Deletion::default() };
        for (is_forced, query) in [(false, "fieldManager"), (true, "force=true")] {
            let (cluster, asked) = cluster_answering(vec![error_status(409, "Conflict")]);
            let failure =
                apply_consent(&object, &deletion, is_forced, WriteTarget { cluster: &cluster, dry_run: DryRun::None })
                    .await
                    .unwrap_err();
            assert!(failure.to_string().contains("changed meanwhile"), "{failure}");
            let asked = asked.lock().unwrap().clone();
            let [(what, patch)] = asked.as_slice() else { panic!("it is asked once: {asked:?}") };
            assert!(what.starts_with("PATCH ") && what.contains("fieldManager=kubectl-tenantry"), "{what}");
            assert!(what.contains(query) && what.contains("force=true") == is_forced, "{what}");
            assert_eq!(patch["metadata"]["uid"], json!("1"));
            assert_eq!(patch["metadata"]["resourceVersion"], json!("7"));
            assert_eq!(patch["spec"], json!({"deletion": {"policy": "Terminate"}}));
        }
    }
}
