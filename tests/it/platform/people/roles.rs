//! Tests of the routes of roles and permission sets.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use tenantry_catalog::{NOT_SUBSCRIBED, Package};

use super::{TestPlatform, user_body};

#[tokio::test]
async fn every_tenant_has_the_default_roles_and_permission_sets_and_nobody_changes_them() {
    let platform = TestPlatform::start().await;
    let partner = platform.create_partner("Acme").await;
    let client = platform.sp.create_client(&partner, "Globex").await;
    let names = |page: &Value| -> Vec<String> {
        page["results"].as_array().unwrap().iter().map(|row| row["name"].as_str().unwrap().to_owned()).collect()
    };
    for (tenant, scope, roles, sets) in [
        (&client, "CLIENT", &["Client Administrator", "Client user", "Client Dashboard Default Share Role"][..], 5),
        (&partner, "MSP", &["Partner Administrator"], 7 + 13),
        (&platform.sp_id, "SP", &["Service Provider Administrator"], 2),
    ] {
        let page = platform.sp.get(&format!("/tenants/{tenant}/roles/search?isDescendingOrder=false")).await.json();
        assert_eq!(names(&page), roles);
        assert_eq!(page["results"][0]["scope"], scope);
        assert_eq!(page["results"][0]["defaultRole"], true);
        let path = format!("/tenants/{tenant}/roles/{}", page["results"][0]["uniqueId"].as_str().unwrap());
        let raw = platform.sp.send(reqwest::Method::DELETE, &format!("/api/v2{path}"), Vec::new()).await;
        assert!(raw.assert_field_refused("uniqueId").contains("default role"));
        let change = json!({ "name": "Mine", "permissions": [] });
        platform.sp.post(&path, change).await.assert_field_refused("permissions");
        let page = platform.sp.get(&format!("/tenants/{tenant}/permissionSets?isDescendingOrder=false")).await.json();
        assert_eq!(page["totalResults"], sets, "{page}");
        let id = &page["results"][0]["id"];
        platform
            .sp
            .put(&format!("/tenants/{tenant}/permissionSets/{id}"), json!({}))
            .await
            .assert_field_refused("uniqueId");
        let body = json!({ "name": roles[0].to_uppercase() });
        let message = platform.sp.post(&format!("/tenants/{tenant}/roles"), body).await.assert_field_refused("name");
        assert!(message.contains("taken by ROLE-"), "{message}");
    }
    let page = platform.sp.get(&format!("/tenants/{partner}/permissionSets?pageSize=3&pageNo=7")).await.json();
    assert_eq!((page["results"].as_array().unwrap().len(), page["nextPage"].as_bool()), (2, Some(false)));
}

#[tokio::test]
async fn a_default_role_is_given_to_users_of_each_tenant_apart() {
    let platform = TestPlatform::start().await;
    let (acme, other) = (platform.create_partner("Acme").await, platform.create_partner("Other").await);
    let theirs = platform.create_user(&other, "bob", &["Partner Administrator"]).await;
    let ours = platform.create_user(&acme, "ada", &[]).await;
    let role = "ROLE-00000000-0000-4000-8000-000000000011";
    let path = |tenant: &str| format!("/tenants/{tenant}/roles/{role}");
    let given = platform.sp.post(&path(&acme), json!({ "users": [{ "id": ours }] })).await.json();
    assert_eq!(given["users"], json!([{ "id": ours, "loginName": "ada" }]));
    assert_eq!(platform.sp.get(&path(&other)).await.json()["users"][0]["id"], theirs.as_str());
    platform.sp.post(&path(&acme), json!({ "users": [{ "id": theirs }] })).await.assert_field_refused("users[0].id");
    assert_eq!(platform.sp.post(&path(&acme), json!({ "users": [] })).await.json()["users"], json!([]));
    assert_eq!(platform.sp.get(&path(&other)).await.json()["users"].as_array().unwrap().len(), 1);
}

/// shows: seeds/client-permissions/scope
#[tokio::test]
async fn roles_and_permission_sets_are_made_read_changed_and_deleted() {
    let platform = TestPlatform::start().await;
    let partner = platform.create_partner("Acme").await;
    let client = platform.sp.create_client(&partner, "Globex").await;
    let (roles, sets) = (format!("/tenants/{partner}/roles"), format!("/tenants/{partner}/permissionSets"));
    let delete = |path: String| {
        let sp = platform.sp.clone();
        async move { sp.send(reqwest::Method::DELETE, &format!("/api/v2{path}"), Vec::new()).await }
    };
    let body = json!({ "name": "Clerks", "description": "d", "permissions": [{ "name": "clients", "type": "Manage Clients " }] });
    let set = platform.sp.post(&sets, body).await.json();
    assert_eq!(set["permissions"], json!([{ "name": "Clients", "type": "Manage Clients" }]));
    assert_eq!(platform.sp.get(&format!("{sets}/{}", set["id"])).await.json(), set);
    assert_eq!(platform.sp.get(&format!("{sets}/{}", set["uniqueId"].as_str().unwrap())).await.json(), set);

    let body = json!({
        "name": "Clerk", "scope": "MSP", "clients": [{ "uniqueId": client }], "permissions": [{ "id": set["id"] }],
        "allDevices": true, "devices": [],
    });
    let role = platform.sp.post(&roles, body).await.json();
    let one = format!("{roles}/{}", role["uniqueId"].as_str().unwrap());
    assert!(role["uniqueId"].as_str().unwrap().starts_with("ROLE-"));
    assert_eq!(role["clients"], json!([{ "uniqueId": client, "name": "Globex" }]));
    assert_eq!(role["permissions"], json!([{ "id": set["id"], "name": "Clerks" }]));
    assert_eq!((&role["allClients"], &role["defaultRole"]), (&json!(false), &json!(false)));
    assert_eq!(platform.sp.get(&one).await.json(), role);
    let changed = platform.sp.post(&one, json!({ "allClients": true, "description": "new" })).await.json();
    assert_eq!((&changed["allClients"], &changed["clients"]), (&json!(true), &json!([])));
    assert_eq!((&changed["description"], &changed["permissions"]), (&json!("new"), &role["permissions"]));
    let found = platform.sp.get(&format!("{roles}/search?queryString=name:CLERK")).await.json();
    assert_eq!(found["results"][0]["uniqueId"], role["uniqueId"]);

    let id = platform.create_user(&partner, "ada", &["clerk"]).await;
    assert_eq!(platform.sp.get(&one).await.json()["users"][0]["loginName"], "ada");
    let set_path = format!("{sets}/{}", set["id"]);
    assert!(delete(set_path.clone()).await.assert_field_refused("uniqueId").contains("in use by Clerk"));
    delete(one.clone()).await.json();
    platform.sp.get(&one).await.assert_error(404, "Role");
    assert_eq!(platform.sp.get(&format!("/tenants/{partner}/users/{id}")).await.json()["roles"], json!([]));
    delete(set_path.clone()).await.json();
    platform.sp.get(&set_path).await.assert_error(404, "Permission set");
}

/// shows: seeds/client-permissions/scope
#[tokio::test]
async fn what_a_role_cannot_be_is_refused_by_field() {
    let platform = TestPlatform::start().await;
    let (acme, other) = (platform.create_partner("Acme").await, platform.create_partner("Other").await);
    let (client, theirs) = (platform.sp.create_client(&acme, "A").await, platform.sp.create_client(&other, "B").await);
    for (tenant, body, field, says) in [
        (&acme, json!({}), "name", "1 to 255"),
        (&acme, json!({ "name": "R", "scope": "CLIENT" }), "scope", "have scope MSP"),
        (&client, json!({ "name": "R", "scope": "MSP" }), "scope", "have scope CLIENT"),
        (&acme, json!({ "name": "R", "scope": "KING" }), "scope", "\"KING\""),
        (&acme, json!({ "name": "R", "clients": [{ "uniqueId": theirs }] }), "clients[0].uniqueId", "clients/minimal"),
        (
            &acme,
            json!({ "name": "R", "allClients": true, "clients": [{ "uniqueId": client }] }),
            "clients",
            "all clients",
        ),
        (&client, json!({ "name": "R", "clients": [{ "uniqueId": client }] }), "clients", "leave it out"),
        (&platform.sp_id, json!({ "name": "R", "allClients": false }), "allClients", "leave it out"),
        (&acme, json!({ "name": "R", "permissions": [{ "id": 31 }] }), "permissions[0].id", "no permission set 31"),
        (&acme, json!({ "name": "R", "users": [{ "id": "USR9" }] }), "users[0].id", "users/minimal"),
        (&acme, json!({ "name": "R", "devices": [{ "id": 7 }] }), "devices", "none of these"),
        (&acme, json!({ "name": "R", "userGroups": [{}] }), "userGroups", "none of these"),
    ] {
        let message =
            platform.sp.post(&format!("/tenants/{tenant}/roles"), body.clone()).await.assert_field_refused(field);
        assert!(message.contains(says), "{body}: {message}");
    }
    for (tenant, permission) in
        [(&acme, ("MSP", "Manage")), (&client, ("Clients", "View")), (&acme, ("Clients", "Sell"))]
    {
        let body = json!({ "name": "S", "permissions": [{ "name": permission.0, "type": permission.1 }] });
        let path = format!("/tenants/{tenant}/permissionSets");
        let message = platform.sp.post(&path, body).await.assert_field_refused("permissions[0]");
        assert!(message.contains("there are"), "{message}");
    }
}

#[tokio::test]
async fn only_the_documented_calls_of_people_exist_where_only_documented_ones_do() {
    let platform = TestPlatform::start_with(|config| config.documented_only = true).await;
    let partner = platform.sp_id.clone();
    let sets = format!("/tenants/{partner}/permissionSets");
    assert_eq!(platform.sp.get(&sets).await.json()["totalResults"], 7);
    assert_eq!(platform.sp.post(&sets, json!({ "name": "S" })).await.status, 405);
    platform.sp.get(&format!("{sets}/11")).await.assert_error(404, "not found");
    platform.sp.post(&format!("/tenants/{partner}/roles"), json!({ "name": "R" })).await.json();
    platform.sp.post(&format!("/tenants/{partner}/users"), user_body("ada", &["R"])).await.json();
    let refused = platform.sp.login("ada", super::PASSWORD).await;
    assert_eq!(refused.status, 400);
    assert!(refused.text.contains("Unsupported grant type: password"), "{}", refused.text);
}

/// shows: seeds/without-remediation/jobs, seeds/without-remediation/consoles, seeds/without-remediation/patch-approvals
/// shows: seeds/without-remediation/recording-audits, seeds/without-remediation/scripts
/// shows: seeds/without-remediation/commands, seeds/without-events/opsq, seeds/without-events/incident
/// shows: seeds/without-events/change-request, seeds/without-events/task-request, seeds/without-events/service-request
/// shows: seeds/without-events/problem, seeds/without-events/time-bound-request
#[tokio::test]
async fn the_permission_sets_of_a_package_come_and_go_with_it() {
    let platform = TestPlatform::start().await;
    let (events, remediation) = (Package::EventAndIncidentManagement, Package::RemediationAndAutomation);
    let packages = |packages: &[Package]| json!(packages.iter().map(|package| package.wire_name()).collect::<Vec<_>>());
    let partner = platform
        .sp
        .create_tenant(platform.partners_path(), json!({ "name": "Acme", "packages": packages(&[events]) }))
        .await;
    let subscribe = async |list: &[Package]| {
        let path = format!("{}/{partner}", platform.partners_path());
        platform.sp.post(&path, json!({ "packages": packages(list) })).await.json();
    };
    let list = format!("/tenants/{partner}/clients");
    let body = json!({ "name": "Globex", "packages": packages(&[events]) });
    let client = platform.sp.create_tenant(list, body).await;
    let numbers = async |tenant: &str| -> BTreeMap<String, i64> {
        let page = platform.sp.get(&format!("/tenants/{tenant}/permissionSets?pageSize=500")).await.json();
        let rows = page["results"].as_array().unwrap();
        rows.iter().map(|row| (row["name"].as_str().unwrap().to_owned(), row["id"].as_i64().unwrap())).collect()
    };
    let named = |package: Package| package.unavailable_without().permission_sets;
    for tenant in [&partner, &client] {
        let sets = numbers(tenant).await;
        assert!(named(events).iter().all(|name| sets.contains_key(*name)), "{sets:?}");
        assert!(!named(remediation).iter().any(|name| sets.contains_key(*name)), "{sets:?}");
    }

    subscribe(&[events, remediation]).await;
    let sets = numbers(&partner).await;
    assert!(named(remediation).iter().all(|name| sets.contains_key(*name)), "{sets:?}");
    let roles = format!("/tenants/{partner}/roles");
    let body = json!({ "name": "Ops", "allClients": true, "permissions": [{ "id": sets["Jobs"] }] });
    let role = platform.sp.post(&roles, body.clone()).await.json();
    let path = format!("{roles}/{}", role["uniqueId"].as_str().unwrap());
    let id = platform.create_user(&partner, "ada", &["Ops"]).await;
    let gives = async || -> (usize, bool) {
        let user = platform.sp.get(&format!("/tenants/{partner}/users/{id}")).await.json();
        let sets = platform.sp.get(&path).await.json()["permissions"].as_array().unwrap().len();
        (sets, user["permissions"].as_array().unwrap().contains(&json!("DEVICE_MANAGE")))
    };
    assert_eq!(gives().await, (1, true));

    // Without the package the set is in no list and no role and grants nothing. No new role gets it.
    subscribe(&[events]).await;
    assert!(!numbers(&partner).await.contains_key("Jobs"));
    assert_eq!(gives().await, (0, false));
    let mut second = body;
    second["name"] = json!("Second");
    assert_eq!(platform.sp.post(&roles, second).await.assert_field_refused("permissions[0].id"), NOT_SUBSCRIBED);
    platform.sp.post(&path, json!({ "description": "by jobs" })).await.json();
    subscribe(&[events, remediation]).await;
    assert_eq!(gives().await, (1, true), "it is back with the package");
}
