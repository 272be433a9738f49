//! Tests of what a client's users may do with their own client, and what the first package lets them keep.

use serde_json::{Value, json};
use tenantry_catalog::DataCategory;

use super::TestPlatform;
use super::records::{EVENTS, REMEDIATION, create_subscriber, records_path};

/// shows: seeds/clients/autonomy
#[tokio::test]
async fn a_clients_people_manage_devices_configure_policies_and_respond_to_incidents_of_their_own() {
    let platform = TestPlatform::start().await;
    let packages = [EVENTS, REMEDIATION];
    let partner = create_subscriber(&platform, "Acme", &packages, &[]).await;
    let list = format!("/tenants/{partner}/clients");
    let made =
        async |name: &str| platform.sp.create_tenant(list.clone(), json!({ "name": name, "packages": packages })).await;
    let (own, neighbour) = (made("Globex").await, made("Initech").await);
    let (ada, _) = platform.create_logged_in_user(&own, "ada", &["Client Administrator"]).await;
    for (category, body, change) in [
        (DataCategory::Resources, json!({ "name": "router", "kind": "network" }), json!({ "state": "managed" })),
        (DataCategory::DeviceManagementPolicies, json!({ "name": "backup" }), json!({ "hour": 3 })),
        (DataCategory::AlertCorrelationPolicies, json!({ "name": "by site" }), json!({ "window": "5m" })),
        (DataCategory::Tickets, json!({ "name": "disk full", "status": "New" }), json!({ "status": "Resolved" })),
    ] {
        let record = ada.post(&records_path(&own, category), body.clone()).await.json();
        let mut change = change;
        change["revision"] = record["revision"].clone();
        let one = format!("{}/{}", records_path(&own, category), record["id"].as_str().unwrap());
        ada.post(&one, change.clone()).await.json();
        let read = ada.get(&one).await.json();
        let (member, value) = change.as_object().unwrap().iter().find(|(name, _)| *name != "revision").unwrap();
        assert_eq!(read[member], *value, "{read}");
        // Clients are isolated: other clients' and the partner's objects are neither visible nor writable.
        for foreign in [&neighbour, &partner] {
            assert_eq!(ada.get(&records_path(foreign, category)).await.status, 404);
            assert_eq!(ada.post(&records_path(foreign, category), body.clone()).await.status, 404);
            assert_eq!(platform.sp.get(&records_path(foreign, category)).await.json()["totalResults"], 0);
        }
    }
}

/// shows: seeds/monitoring/data-center, seeds/monitoring/public-cloud, seeds/monitoring/cloud-native
/// shows: seeds/monitoring/built-in-monitors
#[tokio::test]
async fn with_the_first_package_alone_resources_of_each_kind_and_their_measured_values_are_kept() {
    let platform = TestPlatform::start().await;
    let partner = create_subscriber(&platform, "Acme", &[], &[]).await;
    let kinds = [
        // Data center; public cloud; cloud native.
        &["application", "url", "container", "server", "network"][..],
        &["compute instance", "database", "load balancer", "paas service"],
        &["orchestrator", "cluster"],
    ]
    .concat();
    for kind in &kinds {
        let resource = json!({ "name": format!("a {kind}"), "kind": kind });
        platform.sp.post(&records_path(&partner, DataCategory::Resources), resource).await.json();
        let measured = json!({ "name": format!("availability of a {kind}"), "value": 99.9 });
        platform.sp.post(&records_path(&partner, DataCategory::Metrics), measured).await.json();
    }
    let list =
        platform.sp.get(&format!("{}?pageSize=100", records_path(&partner, DataCategory::Resources))).await.json();
    let rows = list["results"].as_array().unwrap();
    let found: Vec<&Value> = kinds.iter().filter_map(|kind| rows.iter().find(|row| row["kind"] == **kind)).collect();
    assert_eq!(found.len(), kinds.len(), "{list}");
    let measured = platform.sp.get(&records_path(&partner, DataCategory::Metrics)).await.json();
    assert_eq!(measured["totalResults"], kinds.len());
}
