//! Tests of users who are authenticated by an external provider.

use serde_json::json;

use super::{PASSWORD, TestPlatform, user_body};

/// shows: seeds/password/external-users
#[tokio::test]
async fn the_password_policy_is_not_for_people_who_are_authenticated_elsewhere() {
    let platform = TestPlatform::start().await;
    let body = json!({ "name": "Strict", "passwordPolicy": { "defaultPolicy": true } });
    let partner = platform.sp.create_tenant(platform.partners_path(), body).await;
    let client = platform.sp.create_client(&partner, "Globex").await;
    let list = format!("/tenants/{client}/users");
    let mut body = user_body("ada", &["Client Administrator"]);
    body["authType"] = json!("EXTERNAL");
    let message = platform.sp.post(&list, body.clone()).await.assert_field_refused("password");
    assert!(message.contains("authenticated elsewhere"), "{message}");
    body.as_object_mut().unwrap().remove("password");
    let made = platform.sp.post(&list, body.clone()).await.json();
    assert_eq!(made["authType"], "EXTERNAL");
    let one = format!("{list}/{}", made["id"].as_str().unwrap());
    // The user can never get a password or a password policy, and stays with her authentication.
    platform.sp.post(&one, json!({ "password": PASSWORD })).await.assert_field_refused("password");
    platform.sp.post(&one, json!({ "authType": "LOCAL" })).await.assert_field_refused("authType");
    assert_eq!(platform.sp.post(&one, json!({ "city": "Bonn", "authType": "EXTERNAL" })).await.json()["city"], "Bonn");
    assert_eq!(platform.sp.get(&one).await.json()["authType"], "EXTERNAL");
    let (strange, unknown) = (platform.sp.login("ada", PASSWORD).await, platform.sp.login("nobody", PASSWORD).await);
    assert_eq!((strange.status, strange.text), (unknown.status, unknown.text));
    body["loginName"] = json!("bob");
    body["authType"] = json!("LDAP");
    assert!(
        platform.sp.post(&list, body).await.assert_field_refused("authType").contains("neither LOCAL nor EXTERNAL")
    );
}
