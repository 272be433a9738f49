//! People who are authenticated elsewhere.

use serde_json::json;

use super::{PASSWORD, Platform, user};

/// shows: seeds/password/external-users
#[tokio::test]
async fn the_password_policy_is_not_for_people_who_are_authenticated_elsewhere() {
    let platform = Platform::start().await;
    let body = json!({ "name": "Strict", "passwordPolicy": { "defaultPolicy": true } });
    let partner = platform.sp.make(platform.msps(), body).await;
    let client = platform.sp.client(&partner, "Globex").await;
    let list = format!("/tenants/{client}/users");
    let mut body = user("ada", &["Client Administrator"]);
    body["authType"] = json!("EXTERNAL");
    let message = platform.sp.post(&list, body.clone()).await.refuses("password");
    assert!(message.contains("authenticated elsewhere"), "{message}");
    body.as_object_mut().unwrap().remove("password");
    let made = platform.sp.post(&list, body.clone()).await.json();
    assert_eq!(made["authType"], "EXTERNAL");
    let one = format!("{list}/{}", made["id"].as_str().unwrap());
    // Neither a password nor its policy is ever hers, and she stays authenticated where she is.
    platform.sp.post(&one, json!({ "password": PASSWORD })).await.refuses("password");
    platform.sp.post(&one, json!({ "authType": "LOCAL" })).await.refuses("authType");
    assert_eq!(platform.sp.post(&one, json!({ "city": "Bonn", "authType": "EXTERNAL" })).await.json()["city"], "Bonn");
    assert_eq!(platform.sp.get(&one).await.json()["authType"], "EXTERNAL");
    let (strange, unknown) = (platform.sp.login("ada", PASSWORD).await, platform.sp.login("nobody", PASSWORD).await);
    assert_eq!((strange.status, strange.text), (unknown.status, unknown.text));
    body["loginName"] = json!("bob");
    body["authType"] = json!("LDAP");
    assert!(platform.sp.post(&list, body).await.refuses("authType").contains("neither LOCAL nor EXTERNAL"));
}
