//! Patches an object at the version that was read. After a conflict the object is read again and the patch is computed
//! again.

use clap::ValueEnum;
use kube::api::{Patch, PatchParams};
use kube::{Api, ResourceExt as _};
use serde_json::Value;
use tenantry_core::object::{ParsedObject, TenantResource, namespace, uid};

use super::cluster::Cluster;
use super::failure::Failure;
use super::inventory::{not_understood_failure, object_label};

/// Field manager of the plugin in `managedFields`.
pub(crate) const FIELD_MANAGER: &str = "kubectl-tenantry";

/// Number of tries after conflicts. The operator may write status while a person decides.
const MAX_TRIES: usize = 20;

/// How a verb writes.
#[derive(clap::Args, Clone, Debug)]
pub(crate) struct WriteFlags {
    /// Write nothing: `client` only says what would be written, `server` lets the API server judge it.
    #[arg(long, value_enum, value_name = "WHERE", default_value = "none", hide_default_value = true)]
    dry_run: DryRun,
}

impl WriteFlags {
    /// Returns whether the write is a dry run.
    pub(crate) const fn dry_run(&self) -> DryRun {
        self.dry_run
    }

    /// Returns the cluster that is written to, with the dry-run mode.
    pub(crate) const fn target<'c>(&self, cluster: &'c Cluster) -> WriteTarget<'c> {
        WriteTarget { cluster, dry_run: self.dry_run }
    }
}

/// The target of a write.
#[derive(Clone, Copy)]
pub(crate) struct WriteTarget<'c> {
    pub(crate) cluster: &'c Cluster,
    /// The dry-run mode.
    pub(crate) dry_run: DryRun,
}

/// Where a write ends.
#[derive(ValueEnum, Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum DryRun {
    /// It is carried out.
    None,
    /// Nothing is sent.
    Client,
    /// The API server judges it and keeps nothing.
    Server,
}

impl DryRun {
    /// Returns the suffix of the message that reports a write.
    pub(crate) const fn suffix(self) -> &'static str {
        match self {
            Self::None => "",
            Self::Client => " (client dry run)",
            Self::Server => " (server dry run)",
        }
    }

    /// Returns the parameters of a patch request.
    pub(crate) fn patch_params(self) -> PatchParams {
        let field_manager = Some(FIELD_MANAGER.to_owned());
        PatchParams { field_manager, dry_run: self == Self::Server, ..PatchParams::default() }
    }
}

/// The outcome of a write.
pub(crate) enum WriteOutcome<K> {
    /// The patch was applied; holds the object as it was just before.
    Applied(Box<K>),
    /// The object is gone.
    Gone,
    /// There is nothing left to write.
    Unchanged,
}

/// Writes the merge patch that `decide` computes from the current object. `decide` runs again for each try.
///
/// # Errors
/// Fails if the API server or `decide` refuses, or if the conflicts do not end.
pub(crate) async fn merge_patch_with_retry<K: TenantResource>(
    object: &K,
    target: WriteTarget<'_>,
    decide: impl Fn(&K) -> Result<Option<Value>, Failure>,
) -> Result<WriteOutcome<K>, Failure> {
    let WriteTarget { cluster, dry_run } = target;
    let objects = Api::<ParsedObject<K>>::namespaced(cluster.client.clone(), &namespace(object));
    let params = dry_run.patch_params();
    let mut current = object.clone();
    for _ in 0..MAX_TRIES {
        let decided = decide(&current).map_err(|failure| failure.about(object_label(object)))?;
        let Some(mut patch) = decided else { return Ok(WriteOutcome::Unchanged) };
        if dry_run == DryRun::Client {
            return Ok(WriteOutcome::Applied(Box::new(current)));
        }
        patch["metadata"]["uid"] = uid(&current).into();
        patch["metadata"]["resourceVersion"] = current.resource_version().into();
        match objects.patch_metadata(&current.name_any(), &params, &Patch::Merge(&patch)).await {
            Ok(_) => return Ok(WriteOutcome::Applied(Box::new(current))),
            Err(kube::Error::Api(status)) if status.is_not_found() => return Ok(WriteOutcome::Gone),
            Err(kube::Error::Api(status)) if status.is_conflict() => {}
            Err(error) => return Err(Failure::from(error).about(object_label(object))),
        }
        match objects.get_opt(&object.name_any()).await?.filter(|fresh| fresh.uid() == object.uid()) {
            Some(fresh) => {
                current = fresh.into_understood().map_err(|other| not_understood_failure(K::KIND, &other))?;
            }
            None => return Ok(WriteOutcome::Gone),
        }
    }
    Err(Failure::new("somebody else writes the object without a pause: try again").about(object_label(object)))
}

/// An API server with scripted answers, which records its requests.
#[cfg(test)]
pub(crate) mod fake_api_server {
    use std::sync::{Arc, Mutex};

    use kube::client::Body;
    use serde_json::{Value, json};

    use crate::cluster::Cluster;

    /// Method with query, and body of each request.
    pub(crate) type RecordedRequests = Arc<Mutex<Vec<(String, Value)>>>;

    /// Returns a cluster that gives these answers in order.
    pub(crate) fn cluster_answering(answers: Vec<(u16, Value)>) -> (Cluster, RecordedRequests) {
        let asked = RecordedRequests::default();
        let kept = Arc::clone(&asked);
        let answers = Arc::new(Mutex::new(answers.into_iter()));
        let serve = move |request: http::Request<Body>| {
            let (kept, answers) = (Arc::clone(&kept), Arc::clone(&answers));
            async move {
                let what = format!("{} {}", request.method(), request.uri().query().unwrap_or_default());
                let body = request.into_body().collect_bytes().await?;
                kept.lock().unwrap().push((what, serde_json::from_slice(&body).unwrap_or_default()));
                let (status, body) = answers.lock().unwrap().next().unwrap_or((500, json!({})));
                let response = http::Response::builder().status(status).body(Body::from(body.to_string().into_bytes()));
                Ok::<_, Box<dyn std::error::Error + Send + Sync>>(response.unwrap())
            }
        };
        let client = kube::Client::new(tower::service_fn(serve), "acme");
        (Cluster { client, namespace: "acme".to_owned() }, asked)
    }

    /// Returns an error response.
    pub(crate) fn error_status(code: u16, reason: &str) -> (u16, Value) {
        let body = json!({"kind": "Status", "apiVersion": "v1", "status": "Failure", "code": code, "reason": reason, "message": reason});
        (code, body)
    }

    /// Returns a Client manifest at a version.
    pub(crate) fn client_manifest(version: &str, finalizers: &[&str]) -> Value {
        json!({
            "apiVersion": "tenantry.dev/v1alpha1", "kind": "Client",
            "metadata": {"name": "globex", "namespace": "acme", "uid": "1", "resourceVersion": version, "finalizers": finalizers},
            "spec": {"partnerRef": {"name": "acme"}, "details": {"name": "Globex"}},
        })
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use tenantry_api::TenantClient;

    use super::fake_api_server::{client_manifest, cluster_answering, error_status};
    use super::*;

    #[allow(clippy::unnecessary_wraps, reason = "what decides may fail")]
    fn finalizers_patch(object: &TenantClient) -> Result<Option<Value>, Failure> {
        let is_held = !object.finalizers().is_empty();
        Ok(is_held.then(|| json!({"metadata": {"finalizers": object.finalizers()}})))
    }

    #[tokio::test]
    async fn a_write_that_comes_second_is_judged_anew_on_the_object_as_it_is() {
        let answers =
            vec![error_status(409, "Conflict"), (200, client_manifest("2", &["b"])), (200, client_manifest("3", &[]))];
        let (cluster, asked) = cluster_answering(answers);
        let object: TenantClient = serde_json::from_value(client_manifest("1", &["a"])).unwrap();
        let Ok(WriteOutcome::Applied(on)) =
            merge_patch_with_retry(&object, WriteTarget { cluster: &cluster, dry_run: DryRun::None }, finalizers_patch)
                .await
        else {
            panic!("it was not written")
        };
        assert_eq!(on.resource_version().as_deref(), Some("2"));
        let patch = |version: &str, finalizer: &str| json!({"metadata": {"uid": "1", "resourceVersion": version, "finalizers": [finalizer]}});
        let write = "PATCH &fieldManager=kubectl-tenantry".to_owned();
        let asked = asked.lock().unwrap().clone();
        assert_eq!(
            asked,
            [(write.clone(), patch("1", "a")), ("GET ".to_owned(), json!(null)), (write, patch("2", "b"))]
        );
    }

    #[tokio::test]
    async fn an_object_that_goes_or_is_another_by_now_is_left_alone() {
        let object: TenantClient = serde_json::from_value(client_manifest("1", &["a"])).unwrap();
        let mut another = client_manifest("2", &["a"]);
        another["metadata"]["uid"] = json!("2");
        for answers in [
            vec![error_status(404, "NotFound")],
            vec![error_status(409, "Conflict"), error_status(404, "NotFound")],
            vec![error_status(409, "Conflict"), (200, another)],
        ] {
            let (cluster, _) = cluster_answering(answers);
            assert!(matches!(
                merge_patch_with_retry(
                    &object,
                    WriteTarget { cluster: &cluster, dry_run: DryRun::None },
                    finalizers_patch
                )
                .await,
                Ok(WriteOutcome::Gone)
            ));
        }
        let (cluster, asked) = cluster_answering(vec![error_status(409, "Conflict"), (200, client_manifest("2", &[]))]);
        assert!(matches!(
            merge_patch_with_retry(&object, WriteTarget { cluster: &cluster, dry_run: DryRun::None }, finalizers_patch)
                .await,
            Ok(WriteOutcome::Unchanged)
        ));
        assert_eq!(asked.lock().unwrap().len(), 2);
    }
}
