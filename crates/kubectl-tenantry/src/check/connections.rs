//! Checks whether each Secret with a connection can be used, and whether the platform behind it accepts the credential.

use std::collections::BTreeMap;

use tenantry_api::{Partner, TenantClient};
use tenantry_client::PlatformClient;
use tenantry_core::object::{TenantResource, connection_secret};

use super::CheckReport;
use crate::cluster::Cluster;
use crate::connection::ConnectionFlags;
use crate::failure::Failure;
use crate::inventory::object_label;
use crate::object_arg::{AnyObject, list_objects};
use crate::object_platform::outcome_message;
use crate::references::{ReferenceError, ReferenceReader};

/// Checks each connection once.
pub(super) async fn check_connections(
    flags: &ConnectionFlags,
    cluster: &Cluster,
    namespace: Option<&str>,
    report: &mut CheckReport,
) -> Result<(), Failure> {
    let given = flags.connection_override(Some(cluster)).await?;
    if let Some(platform) = &given.platform {
        check_platform(platform, "the connection that was named", report).await;
        return Ok(());
    }
    let connections = list_connections(cluster, namespace).await?;
    if connections.is_empty() {
        report.add_unknown("connection", "no Partner and no Client names a Secret with a connection yet");
    }
    let mut references = ReferenceReader::from_cluster_only(given);
    for (place, object) in connections {
        let (platform, by) = match &object {
            AnyObject::Partner(partner) => {
                (references.platform_of(partner.as_ref(), None, Some(cluster)).await, object_label(partner.as_ref()))
            }
            AnyObject::Client(client) => {
                (references.platform_of(client.as_ref(), None, Some(cluster)).await, object_label(client.as_ref()))
            }
        };
        let used = format!("Secret `{place}` of {by}");
        match platform {
            Ok(platform) => check_platform(&platform, &used, report).await,
            Err(ReferenceError::Failure(failure)) => report.add_wrong("connection", format!("{used}: {failure}")),
            Err(ReferenceError::Outcome(outcome)) => {
                report.add_wrong("connection", format!("{used}: {}", outcome_message(outcome)));
            }
        }
    }
    Ok(())
}

/// Lists every Secret with a connection, each with the first object that names it. Many objects share one.
async fn list_connections(cluster: &Cluster, namespace: Option<&str>) -> Result<BTreeMap<String, AnyObject>, Failure> {
    let mut connections = BTreeMap::new();
    for partner in list_objects::<Partner>(cluster, namespace).await?.understood {
        if let Some(place) = connection_secret_name(&partner) {
            connections.entry(place).or_insert_with(|| AnyObject::Partner(Box::new(partner)));
        }
    }
    for client in list_objects::<TenantClient>(cluster, namespace).await?.understood {
        if let Some(place) = connection_secret_name(&client) {
            connections.entry(place).or_insert_with(|| AnyObject::Client(Box::new(client)));
        }
    }
    Ok(connections)
}

fn connection_secret_name<K: TenantResource>(object: &K) -> Option<String> {
    connection_secret(object, None).map(|(namespace, name)| format!("{namespace}/{name}"))
}

async fn check_platform(platform: &PlatformClient, used: &str, report: &mut CheckReport) {
    let (host, tenant) = (platform.host(), platform.tenant_id().to_owned());
    match platform.check_credential().await {
        Ok(()) => report.add_ok("platform", format!("`{host}` takes the credential of `{tenant}` ({used})")),
        Err(error) => report.add_wrong("platform", format!("`{host}` as `{tenant}` ({used}): {error}")),
    }
}
