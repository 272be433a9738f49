//! Whether an operator runs, as its Lease tells.

use jiff::{SignedDuration, Timestamp};
use k8s_openapi::api::coordination::v1::Lease;
use kube::api::ListParams;
use kube::{Api, ResourceExt as _};

use crate::cli::cluster::{Cluster, sentence};
use crate::object::LEASE;

/// What to know before releasing: who would put the finalizer on again.
pub(super) async fn warnings(cluster: &Cluster) -> Vec<String> {
    let named = ListParams::default().fields(&format!("metadata.name={LEASE}"));
    match Api::<Lease>::all(cluster.client.clone()).list(&named).await {
        Ok(leases) => leases.iter().filter_map(|lease| warning(lease, crate::clock::now())).collect(),
        Err(error) => vec![format!(
            "whether an operator runs cannot be seen ({}); one that runs puts its finalizer on again",
            sentence(&error)
        )],
    }
}

fn warning(lease: &Lease, now: Timestamp) -> Option<String> {
    let spec = lease.spec.as_ref()?;
    let holder = spec.holder_identity.as_deref().filter(|holder| !holder.is_empty())?;
    let duration = SignedDuration::from_secs(spec.lease_duration_seconds.unwrap_or_default().into());
    let until = spec.renew_time.as_ref()?.0.saturating_add(duration).ok()?;
    let namespace = lease.namespace().unwrap_or_default();
    (until > now).then(|| {
        format!(
            "the operator `{holder}` runs in namespace `{namespace}` and will put its finalizer on again: scale it to 0 or uninstall it first"
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lease(holder: &str) -> Lease {
        serde_json::from_value(serde_json::json!({
            "metadata": {"name": LEASE, "namespace": "tenantry-system"},
            "spec": {"holderIdentity": holder, "leaseDurationSeconds": 15, "renewTime": "2026-11-22T09:30:00.000000Z"},
        }))
        .unwrap()
    }

    #[test]
    fn an_operator_runs_while_its_lease_is_fresh() {
        let at = |text: &str| text.parse::<Timestamp>().unwrap();
        let fresh = warning(&lease("one"), at("2026-11-22T09:30:14Z")).unwrap();
        assert!(fresh.starts_with("the operator `one` runs in namespace `tenantry-system`"), "{fresh}");
        assert_eq!(warning(&lease("one"), at("2026-11-22T09:30:15Z")), None, "it has run out");
        assert_eq!(warning(&lease(""), at("2026-11-22T09:30:01Z")), None, "it was given back");
    }
}
