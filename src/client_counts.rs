//! Counts of a Partner's clients: declared in the cluster, live on the platform, and live there without an object here.

use std::collections::BTreeSet;

use kube::ResourceExt;
use tenantry_api::{ClientCounts, Partner};
use tenantry_client::{ListFreshness, PlatformClient};
use tenantry_core::Place;
use tenantry_core::object::NotUnderstoodObject;

use super::context::Context;
use super::not_understood::list_clients_under;
use super::tenant_object::{namespace, namespaced_name, unique_id};

/// Counts the clients of a Partner. Returns `None` if the tenant is unknown or the platform does not answer; the
/// previous counts then stay.
pub(crate) async fn count_clients(
    partner: &Partner,
    platform: &PlatformClient,
    context: &Context,
) -> Option<ClientCounts> {
    let msp = unique_id(partner)?.to_owned();
    let active = platform.for_polling().list_live_tenants(&Place::Clients { msp }, ListFreshness::Recent).await.ok()?;
    let clients = context.list_clients_of(partner);
    let mut others = list_clients_under(&namespace(partner), &partner.name_any(), context);
    let is_known = |other: &NotUnderstoodObject| {
        clients.iter().any(|client| namespaced_name(client.as_ref()) == other.namespaced_name())
    };
    others.retain(|other| !is_known(other));
    let claimed: BTreeSet<&str> = clients
        .iter()
        .filter_map(|client| unique_id(client.as_ref()))
        .chain(others.iter().filter_map(|client| client.unique_id()))
        .collect();
    let unmanaged = active.rows.iter().filter(|listed| !claimed.contains(listed.unique_id.as_str())).count();
    let number = |count: usize| i64::try_from(count).unwrap_or(i64::MAX);
    Some(ClientCounts {
        declared: number(clients.len() + others.len()),
        live: number(active.rows.len() + active.unreadable.len()),
        unmanaged: number(unmanaged + active.unreadable.len()),
    })
}
