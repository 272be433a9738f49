//! Tests of permissions: who may do what, in the words of the product's documentation; what a role reaches; and which
//! permissions a caller cannot grant.

use serde_json::{Value, json};

use super::super::ApiResponse;
use super::{ApiCaller, TestPlatform, user_body};

/// Creates a person whose only role has these permissions, each as category and type.
pub(crate) async fn create_person_with_permissions(
    platform: &TestPlatform,
    tenant: &str,
    name: &str,
    permissions: &[(&str, &str)],
    role: Value,
) -> ApiCaller {
    let permissions: Vec<Value> =
        permissions.iter().map(|(category, kind)| json!({ "name": category, "type": kind })).collect();
    let body = json!({ "name": name, "permissions": permissions });
    let set = platform.sp.post(&format!("/tenants/{tenant}/permissionSets"), body).await.json();
    let mut body = json!({ "name": name, "permissions": [{ "id": set["id"] }] });
    body.as_object_mut().unwrap().extend(role.as_object().unwrap().clone());
    platform.sp.post(&format!("/tenants/{tenant}/roles"), body).await.json();
    platform.create_logged_in_user(tenant, name, &[name]).await.0
}

#[track_caller]
fn assert_lacks_permission(answer: &ApiResponse, permission: &str) {
    assert_eq!(answer.status, 403, "{}", answer.text);
    assert!(answer.text.contains(permission), "{}", answer.text);
}

/// shows: seeds/partner-permissions/card, seeds/partner-permissions/add-and-edit, seeds/partner-permissions/view-details
/// shows: seeds/termination/permission
#[tokio::test]
async fn a_service_providers_people_view_manage_and_end_partners_by_permission() {
    let platform = TestPlatform::start().await;
    let (sp, partner) = (platform.sp_id.clone(), platform.create_partner("Acme").await);
    let (list, one) = (platform.partners_path(), format!("{}/{partner}", platform.partners_path()));
    let none = json!({});
    let viewer = create_person_with_permissions(&platform, &sp, "viewer", &[("MSP", "View MSP")], none.clone()).await;
    for path in [format!("{list}/minimal"), format!("{list}/search"), one.clone(), format!("/tenants/{partner}")] {
        assert_eq!(viewer.get(&path).await.status, 200, "{path}");
    }
    assert_lacks_permission(&viewer.post(&list, json!({ "name": "B" })).await, "MSP_Manage");
    assert_lacks_permission(&viewer.post(&one, json!({ "city": "Bonn" })).await, "MSP_Manage");
    let manager = create_person_with_permissions(&platform, &sp, "manager", &[("MSP", "Manage")], none.clone()).await;
    manager.post(&list, json!({ "name": "B" })).await.json();
    let changed = manager.post(&one, json!({ "city": "Bonn" })).await.json();
    assert_eq!(changed["lastUpdatedBy"]["loginName"], "manager");
    assert_lacks_permission(&manager.get(&one).await, "MSP_View");
    assert_lacks_permission(&manager.post_empty(&format!("{one}/terminate")).await, "Partners_Manage");
    let ender = create_person_with_permissions(&platform, &sp, "ender", &[("Partners", "Manage")], none).await;
    ender.post_empty(&format!("{one}/terminate")).await.json();
    assert_eq!(platform.sp.get(&one).await.status, 404);
}

/// shows: seeds/client-permissions/view-card, seeds/client-permissions/view-details, seeds/client-permissions/create
/// shows: seeds/client-permissions/manage
#[tokio::test]
async fn a_partners_people_view_create_and_manage_clients_by_permission() {
    let platform = TestPlatform::start().await;
    let partner = platform.create_partner("Acme").await;
    let client = platform.sp.create_client(&partner, "Globex").await;
    let list = format!("/tenants/{partner}/clients");
    let one = format!("{list}/{client}");
    let all = json!({ "allClients": true });
    let viewer =
        create_person_with_permissions(&platform, &partner, "viewer", &[("Clients", "View")], all.clone()).await;
    for path in [format!("{list}/minimal"), format!("{list}/search"), one.clone(), format!("/tenants/client/{client}")]
    {
        assert_eq!(viewer.get(&path).await.status, 200, "{path}");
    }
    assert_lacks_permission(&viewer.post(&list, json!({ "name": "B" })).await, "Client_Create");
    assert_lacks_permission(&viewer.post(&one, json!({ "city": "Bonn" })).await, "Client_Manage or Client_Edit");
    let creator =
        create_person_with_permissions(&platform, &partner, "creator", &[("Clients", "Create")], all.clone()).await;
    creator.post(&list, json!({ "name": "B" })).await.json();
    let one_client = json!({ "clients": [{ "uniqueId": client }] });
    let bound =
        create_person_with_permissions(&platform, &partner, "bound", &[("Clients", "Create")], one_client).await;
    assert_lacks_permission(
        &bound.post(&list, json!({ "name": "C" })).await,
        "Client_Create by a role with access to all clients",
    );
    // The documentation requires Clients, Manage, and nothing more.
    let manager =
        create_person_with_permissions(&platform, &partner, "manager", &[("Clients", "Manage")], all.clone()).await;
    assert_eq!(manager.post(&one, json!({ "city": "Bonn" })).await.json()["city"], "Bonn");
    let short = create_person_with_permissions(&platform, &partner, "short", &[("Clients", "Edit")], all).await;
    assert_lacks_permission(&short.post(&one, json!({ "city": "Bonn" })).await, "Client_Manage or Device_View");
    manager.post_empty(&format!("{one}/terminate")).await.json();
}

#[tokio::test]
async fn data_is_seen_by_whoever_views_a_client_and_changed_by_whoever_manages_it() {
    let platform = TestPlatform::start().await;
    let partner = platform.create_partner("Acme").await;
    let client = platform.sp.create_client(&partner, "Globex").await;
    let all = json!({ "allClients": true });
    let viewer =
        create_person_with_permissions(&platform, &partner, "viewer", &[("Clients", "View")], all.clone()).await;
    let pair = [("Clients", "View"), ("Clients", "Manage"), ("Devices", "View")];
    let manager = create_person_with_permissions(&platform, &partner, "manager", &pair, all).await;
    let list = format!("/tenants/{client}/records/resources");
    assert_lacks_permission(&viewer.post(&list, json!({ "name": "r" })).await, "Client_Manage");
    let made = manager.post(&list, json!({ "name": "r" })).await.json();
    assert_eq!(viewer.get(&list).await.json()["totalResults"], 1);
    let one = format!("{list}/{}", made["id"].as_str().unwrap());
    assert_eq!(viewer.get(&one).await.json()["name"], "r");
    let change = json!({ "revision": 1, "state": "down" });
    assert_lacks_permission(&viewer.post(&one, change.clone()).await, "Client_Manage");
    assert_eq!(manager.post(&one, change).await.json()["state"], "down");
    for (what, body) in [("batch", json!({ "data": ["inventory"], "destination": "/x" })), ("stream", json!({}))] {
        assert_lacks_permission(
            &viewer.post(&format!("/tenants/{client}/exports/{what}"), body).await,
            "Client_Manage",
        );
    }
}

/// shows: seeds/client-permissions/all-clients
/// shows: security/asvs/8.2.1
#[tokio::test]
async fn a_role_without_all_clients_reaches_only_its_own() {
    let platform = TestPlatform::start().await;
    let partner = platform.create_partner("Acme").await;
    let mut clients = Vec::new();
    for name in ["A", "B", "C"] {
        clients.push(platform.sp.create_client(&partner, name).await);
    }
    let role = json!({ "clients": [{ "uniqueId": clients[0] }, { "uniqueId": clients[2] }] });
    let permissions =
        [("Clients", "View"), ("Clients", "Manage"), ("Devices", "View"), ("Users", "View"), ("Users", "Manage")];
    let ada = create_person_with_permissions(&platform, &partner, "ada", &permissions, role).await;
    let list = format!("/tenants/{partner}/clients");
    let names = |rows: &Value| -> Vec<String> {
        rows.as_array().unwrap().iter().map(|row| row["name"].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(names(&ada.get(&format!("{list}/minimal")).await.json()), ["A", "C"]);
    let page = ada.get(&format!("{list}/search?isDescendingOrder=false&pageSize=1&pageNo=2")).await.json();
    assert_eq!((names(&page["results"]), page["totalResults"].as_i64()), (vec!["C".to_owned()], Some(2)));
    for path in [format!("{list}/{}", clients[1]), format!("/tenants/client/{}", clients[1])] {
        let none = path.replace(&clients[1], "client_900");
        let (foreign, none) = (ada.get(&path).await, ada.get(&none).await);
        assert_eq!(foreign.status, 404);
        assert_eq!(foreign.text.replace(&clients[1], "client_900"), none.text);
    }
    ada.post(&format!("{list}/{}", clients[1]), json!({ "city": "Bonn" })).await.assert_error(404, "not found");
    ada.post_empty(&format!("{list}/{}/suspend", clients[1])).await.assert_error(404, "not found");
    ada.post(&format!("/tenants/{}/users", clients[1]), user_body("spy", &[])).await.assert_error(404, "not found");
    ada.post(&format!("{list}/{}", clients[2]), json!({ "city": "Bonn" })).await.json();
    // Permissions on one client do not apply to another: a second role sees B and manages nothing there.
    let sees = json!({ "clients": [{ "uniqueId": clients[1] }] });
    let both = create_person_with_permissions(&platform, &partner, "both", &[("Clients", "View")], sees).await;
    let id = platform.sp.get(&format!("/tenants/{partner}/users/search?queryString=loginName:both")).await.json();
    let path = format!("/tenants/{partner}/users/{}", id["results"][0]["id"].as_str().unwrap());
    platform.sp.post(&path, json!({ "roles": [{ "name": "both" }, { "name": "ada" }] })).await.json();
    assert_eq!(both.get(&format!("{list}/{}", clients[1])).await.status, 200);
    assert_lacks_permission(
        &both.post(&format!("{list}/{}", clients[1]), json!({ "city": "Bonn" })).await,
        "Client_Manage",
    );
    both.post(&format!("{list}/{}", clients[0]), json!({ "city": "Bonn" })).await.json();
}

#[tokio::test]
async fn nobody_gives_more_than_she_has_nor_commands_whoever_has_more() {
    let platform = TestPlatform::start().await;
    let partner = platform.create_partner("Acme").await;
    let client = platform.sp.create_client(&partner, "Globex").await;
    let runs = [("Users", "View"), ("Users", "Manage"), ("Roles", "View"), ("Roles", "Manage")];
    let ada = create_person_with_permissions(&platform, &partner, "ada", &runs, json!({ "allClients": true })).await;
    let own = platform.sp.get(&format!("/tenants/{partner}/users/search?queryString=loginName:ada")).await.json();
    let own = format!("/tenants/{partner}/users/{}", own["results"][0]["id"].as_str().unwrap());
    let boss = format!(
        "/tenants/{partner}/users/{}",
        platform.create_user(&partner, "boss", &["Partner Administrator"]).await
    );
    let (users, roles, sets) = (
        format!("/tenants/{partner}/users"),
        format!("/tenants/{partner}/roles"),
        format!("/tenants/{partner}/permissionSets"),
    );
    let admin = json!([{ "name": "Partner Administrator" }]);
    assert_lacks_permission(&ada.post(&own, json!({ "roles": admin })).await, "Client_Manage");
    assert_lacks_permission(&ada.post(&users, user_body("eve", &["Partner Administrator"])).await, "Client_Manage");
    assert_lacks_permission(&ada.post(&boss, json!({ "password": super::CHOSEN_PASSWORD })).await, "Administration");
    assert_lacks_permission(&ada.post_empty(&format!("{boss}/DEACTIVATE")).await, "Administration");
    assert_lacks_permission(
        &ada.post(&roles, json!({ "name": "R", "permissions": [{ "id": 11 }] })).await,
        "Administration",
    );
    let body = json!({ "name": "S", "permissions": [{ "name": "Clients", "type": "Manage" }] });
    assert_lacks_permission(&ada.post(&sets, body).await, "Client_Manage");
    assert_lacks_permission(&ada.post_empty(&format!("/tenants/{partner}/credentials")).await, "Administration");
    let default = "ROLE-00000000-0000-4000-8000-000000000011";
    let id = own.rsplit('/').next().unwrap();
    assert_lacks_permission(
        &ada.post(&format!("{roles}/{default}"), json!({ "users": [{ "id": id }] })).await,
        "Administration",
    );
    // On a client, her permissions there count.
    let administrator = user_body("carol", &["Client Administrator"]);
    assert_lacks_permission(&ada.post(&format!("/tenants/{client}/users"), administrator).await, "Administration");
    ada.post(&users, user_body("bob", &["ada"])).await.json();
    ada.post(&roles, json!({ "name": "R" })).await.json();
    let still = platform.sp.get(&own).await.json();
    assert_eq!(still["roles"].as_array().unwrap().len(), 1);
}

/// shows: seeds/clients/visibility, seeds/partners/users
#[tokio::test]
async fn a_clients_people_see_their_client_whole_and_no_other_tenant() {
    let platform = TestPlatform::start().await;
    let partner = platform.create_partner("Acme").await;
    let client = platform.sp.create_client(&partner, "Globex").await;
    let (ann, _) = platform.create_logged_in_user(&client, "ann", &["Client Administrator"]).await;
    let (ben, _) = platform.create_logged_in_user(&client, "ben", &["Client user"]).await;
    for person in [&ann, &ben] {
        let seen = person.get(&format!("/tenants/client/{client}")).await.json();
        assert_eq!(seen, platform.sp.get(&format!("/tenants/client/{client}")).await.json());
        person.get(&format!("/tenants/{partner}")).await.assert_error(404, "not found");
    }
    // A client manages its own users and branding.
    ann.post(&format!("/tenants/{client}/users"), user_body("cid", &["Client user"])).await.json();
    ann.put(&format!("/tenants/{client}/customBranding"), json!({ "applicationTitle": "Globex" })).await.json();
    assert_lacks_permission(&ben.get(&format!("/tenants/{client}/users/minimal")).await, "Administration");
    let listed = platform.sp.get(&format!("/tenants/{client}/users/minimal")).await.json();
    assert_eq!(listed.as_array().unwrap().len(), 3);
}

/// shows: security/asvs/8.2.1
#[tokio::test]
async fn a_role_that_gives_nothing_does_not_even_show_which_clients_there_are() {
    let platform = TestPlatform::start().await;
    let (acme, other) = (platform.create_partner("Acme").await, platform.create_partner("Other").await);
    let (client, theirs) =
        (platform.sp.create_client(&acme, "Globex").await, platform.sp.create_client(&other, "Theirs").await);
    let ada = create_person_with_permissions(&platform, &acme, "ada", &[], json!({ "allClients": true })).await;
    for path in ["/tenants/client/", "/tenants/"] {
        let rest = if path.ends_with("client/") { "" } else { "/users/minimal" };
        for client in [&client, &theirs] {
            ada.get(&format!("{path}{client}{rest}")).await.assert_error(404, &format!("Tenant {client} not found"));
        }
    }
}

#[tokio::test]
async fn two_partial_updates_of_a_role_at_once_take_nothing_of_each_other_back() {
    let platform = TestPlatform::start().await;
    let partner = platform.create_partner("Acme").await;
    let role = platform.sp.post(&format!("/tenants/{partner}/roles"), json!({ "name": "Base" })).await.json();
    let path = format!("/tenants/{partner}/roles/{}", role["uniqueId"].as_str().unwrap());
    let (mut both, mut changed) = (0, 0);
    for round in 0..30 {
        let (name, words) = (format!("Name {round}"), format!("Words {round}"));
        let (one, other) = tokio::join!(
            platform.sp.post(&path, json!({ "name": name })),
            platform.sp.post(&path, json!({ "description": words }))
        );
        let now = platform.sp.get(&path).await.json();
        for (answer, member, value) in [(&one, "name", name), (&other, "description", words)] {
            match answer.status.as_u16() {
                200 => assert_eq!(now[member], value.as_str(), "round {round}"),
                409 => changed += 1,
                status => panic!("{status}: {}", answer.text),
            }
        }
        both += usize::from(one.status == 200 && other.status == 200);
    }
    println!("{both} rounds with both, {changed} answers 409");
}

/// shows: seeds/details/account-tab
#[tokio::test]
async fn a_partners_own_people_edit_its_account_and_no_other() {
    let platform = TestPlatform::start().await;
    let (acme, other) = (platform.create_partner("Acme").await, platform.create_partner("Other").await);
    let client = platform.sp.create_client(&acme, "Globex").await;
    let sms = json!({ "addOns": ["SMS and Voice"] });
    platform.sp.post(&format!("{}/{acme}", platform.partners_path()), sms).await.json();
    let (ada, _) = platform.create_logged_in_user(&acme, "ada", &["Partner Administrator"]).await;
    let (bob, _) = platform.create_logged_in_user(&acme, "bob", &[]).await;
    let path = format!("/tenants/{acme}");
    let change = json!({ "name": "Acme Two", "notificationEmail": "noc@acme.example", "city": "Bonn", "country": "Germany",
        "state": "NRW", "whiteListedIps": "", "twoFactorAuthentication": false,
        "passwordPolicy": { "defaultPolicy": false, "minPasswordLength": 14 }, "managedBy": {"cluster": "c", "kind": "Partner", "namespace": "n", "name": "x", "uid": "u"} });
    let changed = ada.post(&path, change.clone()).await.json();
    for key in ["name", "notificationEmail", "city", "country", "state"] {
        assert_eq!(changed[key], change[key], "{key}");
    }
    assert_eq!(changed["passwordPolicy"]["minPasswordLength"], 14);
    assert!(changed.get("managedBy").is_none(), "who owns it is not theirs to say");
    assert_eq!(platform.sp.get(&path).await.json(), changed);
    // A partner can give up what it has, and cannot give itself what it does not have.
    let more = json!({ "addOns": ["SMS and Voice", "Batch Exports"] });
    let message = ada.post(&path, more).await.assert_field_refused("addOns");
    assert!(message.contains("Contact Support to change the add-on permission."), "{message}");
    ada.post(&path, json!({ "addOns": [], "packages": ["Event and Incident Management"] })).await.json();
    ada.post(&path, json!({ "packages": ["Remediation and Automation"] })).await.assert_field_refused("packages");
    ada.post(&format!("/tenants/{other}"), json!({ "city": "Rome" })).await.assert_error(404, "not found");
    ada.post(&format!("/tenants/{client}"), json!({ "city": "Rome" })).await.assert_error(404, "not found");
    assert_eq!(bob.post(&path, json!({ "city": "Rome" })).await.status, 403);
    // Policies apply to all clients. An administrator of one client cannot set them.
    let bound = json!({ "clients": [{ "uniqueId": client }] });
    let one = create_person_with_permissions(&platform, &acme, "one", &[("Administration", "Manage")], bound).await;
    let refused = one.post(&path, json!({ "twoFactorAuthentication": false })).await;
    assert_eq!(refused.status, 403, "{}", refused.text);
    assert_eq!(platform.sp.get(&path).await.json()["city"], "Bonn");
}
