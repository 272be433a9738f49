//! Whether each Secret with a connection can be used, and whether the platform behind it takes the credential.

use std::collections::BTreeMap;

use super::Report;
use crate::api::{Partner, TenantClient};
use crate::cli::cluster::Cluster;
use crate::cli::connection::ConnectionFlags;
use crate::cli::failure::Failure;
use crate::cli::ground::named;
use crate::cli::one::{One, every};
use crate::cli::reach::message;
use crate::cli::references::{Lack, References};
use crate::connect::Platform;
use crate::object::{Object, connection_secret};

/// Tries each connection once.
pub(super) async fn check(
    flags: &ConnectionFlags,
    cluster: &Cluster,
    namespace: Option<&str>,
    report: &mut Report,
) -> Result<(), Failure> {
    let given = flags.given(Some(cluster)).await?;
    if let Some(platform) = &given.platform {
        tried(platform, "the connection that was named", report).await;
        return Ok(());
    }
    let connections = connections(cluster, namespace).await?;
    if connections.is_empty() {
        report.unknown("connection", "no Partner and no Client names a Secret with a connection yet");
    }
    let mut references = References::of_the_cluster(given);
    for (place, object) in connections {
        let (platform, by) = match &object {
            One::Partner(partner) => {
                (references.platform(partner.as_ref(), None, Some(cluster)).await, named(partner.as_ref()))
            }
            One::Client(client) => {
                (references.platform(client.as_ref(), None, Some(cluster)).await, named(client.as_ref()))
            }
        };
        let used = format!("Secret `{place}` of {by}");
        match platform {
            Ok(platform) => tried(&platform, &used, report).await,
            Err(Lack::Failure(failure)) => report.wrong("connection", format!("{used}: {failure}")),
            Err(Lack::Outcome(outcome)) => report.wrong("connection", format!("{used}: {}", message(outcome))),
        }
    }
    Ok(())
}

/// Every Secret with a connection, and the first object that names it: many share one.
async fn connections(cluster: &Cluster, namespace: Option<&str>) -> Result<BTreeMap<String, One>, Failure> {
    let mut connections = BTreeMap::new();
    for partner in every::<Partner>(cluster, namespace).await?.understood {
        if let Some(place) = place(&partner) {
            connections.entry(place).or_insert_with(|| One::Partner(Box::new(partner)));
        }
    }
    for client in every::<TenantClient>(cluster, namespace).await?.understood {
        if let Some(place) = place(&client) {
            connections.entry(place).or_insert_with(|| One::Client(Box::new(client)));
        }
    }
    Ok(connections)
}

fn place<K: Object>(object: &K) -> Option<String> {
    connection_secret(object, None).map(|(namespace, name)| format!("{namespace}/{name}"))
}

async fn tried(platform: &Platform, used: &str, report: &mut Report) {
    let (host, tenant) = (platform.host(), platform.tenant_id().to_owned());
    match platform.check().await {
        Ok(()) => report.well("platform", format!("`{host}` takes the credential of `{tenant}` ({used})")),
        Err(error) => report.wrong("platform", format!("`{host}` as `{tenant}` ({used}): {error}")),
    }
}
