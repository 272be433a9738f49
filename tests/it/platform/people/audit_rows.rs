//! Tests of what the audit log records about users.

use serde_json::{Value, json};
use tenantry_platform::verify_audit;

use super::super::{ApiCaller, TestFolder, audit};
use super::{CHOSEN_PASSWORD, PASSWORD, TestPlatform, change_password, user_body};

/// Returns the rows about users' actions, as actor, action, object and outcome.
async fn people_audit_rows(platform: &TestPlatform, tenant: &str) -> Vec<String> {
    let text = |row: &Value, key: &str| row[key].as_str().unwrap().to_owned();
    let rows = audit::audit_rows(platform, tenant).await;
    let rows = rows.iter().filter(|row| text(row, "actor").starts_with("user:"));
    rows.map(|row| ["actor", "action", "object", "outcome"].map(|key| text(row, key)).join(" ")).collect()
}

/// Logs in through the proxy from an address. Returns the status.
async fn log_in_from_address(platform: &TestPlatform, address: &str, password: &str) -> u16 {
    let form = [("grant_type", "password"), ("username", "zebra"), ("password", password)];
    let request = reqwest::Client::new().post(format!("{}/auth/oauth/token", platform.url())).form(&form);
    request.header("x-forwarded-for", address).send().await.unwrap().status().as_u16()
}

fn text_member(answer: &Value, key: &str) -> String {
    answer[key].as_str().unwrap().to_owned()
}

/// Makes every kind of change of another user, of a role and of a permission set. Returns the expected rows of the log.
async fn make_every_change(caller: &ApiCaller, tenant: &str) -> Vec<String> {
    let of = |what: &str| format!("/tenants/{tenant}/{what}");
    let bob = text_member(&caller.post(&of("users"), user_body("okapi", &[])).await.json(), "id");
    let one = of(&format!("users/{bob}"));
    caller.post(&one, json!({ "firstName": "Okapi" })).await.json();
    caller.post(&one, json!({ "password": "Third-Passw0rd!" })).await.json();
    for action in ["DEACTIVATE", "ACTIVATE", "TERMINATE"] {
        caller.post_empty(&format!("{one}/{action}")).await.json();
    }
    let set = caller.post(&of("permissionSets"), json!({ "name": "Okapi", "permissions": [] })).await.json();
    let role = caller.post(&of("roles"), json!({ "name": "Okapi", "permissions": [{ "id": set["id"] }] })).await.json();
    let (set, role) = (text_member(&set, "uniqueId"), text_member(&role, "uniqueId"));
    caller.post(&of(&format!("roles/{role}")), json!({ "permissions": [] })).await.json();
    caller.put(&of(&format!("permissionSets/{set}")), json!({ "description": "Okapi" })).await.json();
    for path in [format!("roles/{role}"), format!("permissionSets/{set}")] {
        let path = format!("/api/v2{}", of(&path));
        caller.send(reqwest::Method::DELETE, &path, Vec::new()).await.json();
    }
    vec![
        format!("user.create {bob}"),
        format!("user.update {bob}"),
        format!("user.update {bob}"),
        format!("password.set {bob}"),
        format!("user.deactivate {bob}"),
        format!("user.activate {bob}"),
        format!("user.terminate {bob}"),
        format!("permissionSet.create {set}"),
        format!("role.create {role}"),
        format!("role.update {role}"),
        format!("permissionSet.update {set}"),
        format!("role.delete {role}"),
        format!("permissionSet.delete {set}"),
    ]
}

/// shows: security/asvs/16.2.5
#[tokio::test]
async fn logins_and_changes_of_people_are_rows_that_name_them_by_their_ids() {
    let keys = TestFolder::new();
    let platform = TestPlatform::start_with(|config| {
        config.audit_key = Some(keys.path("k"));
        config.proxies = vec!["127.0.0.1".parse().unwrap()];
    })
    .await;
    let partner = platform.create_partner("Acme").await;
    let ada = platform.create_user(&partner, "zebra", &["Partner Administrator"]).await;
    let first = platform.sp.log_in_person("zebra", PASSWORD).await;
    change_password(&first, (&partner, &ada), (PASSWORD, CHOSEN_PASSWORD)).await.json();
    let caller = platform.sp.log_in_person("zebra", CHOSEN_PASSWORD).await;
    let mut expected: Vec<String> =
        ["login TOKEN".to_owned(), format!("password.change {ada}"), "login TOKEN".to_owned()].into();
    expected.extend(make_every_change(&caller, &partner).await);
    let form = [("token", caller.token.as_str())];
    let url = format!("{}/tenancy/auth/oauth/revoke", platform.url());
    for _ in 0..2 {
        assert_eq!(reqwest::Client::new().post(&url).form(&form).send().await.unwrap().status(), 200);
    }
    expected.push("logout session".to_owned());
    let done: Vec<String> = expected.iter().map(|what| format!("user:{ada} {what} done")).collect();
    assert_eq!(people_audit_rows(&platform, &partner).await, done);

    // Denied and failed changes.
    let caller = platform.sp.log_in_person("zebra", CHOSEN_PASSWORD).await;
    caller.get("/tenants/sp_1/users/minimal").await.assert_error(404, "not found");
    let (plain, bob) = platform.create_logged_in_user(&partner, "okapi2", &[]).await;
    assert_eq!(plain.get(&format!("/tenants/{partner}/users/minimal")).await.status, 403);
    let only = json!({ "whiteListedIps": "198.51.100.9" });
    platform.sp.post(&format!("{}/{partner}", platform.partners_path()), only).await.json();
    assert_eq!(caller.get("/cfg/countries").await.status, 403);
    assert_eq!(log_in_from_address(&platform, "203.0.113.9", CHOSEN_PASSWORD).await, 403);
    assert_eq!(log_in_from_address(&platform, "203.0.113.9", "wrong").await, 401);
    platform.sp.login("nobody", "wrong").await;
    platform.execute_sql("UPDATE login_attempt SET failures = 99 WHERE source = '203.0.113.9'").await;
    assert_eq!(log_in_from_address(&platform, "203.0.113.9", CHOSEN_PASSWORD).await, 401);
    let denied: Vec<String> =
        people_audit_rows(&platform, &partner).await.into_iter().filter(|row| row.ends_with("denied")).collect();
    let users = "request GET /api/v2/tenants/{tenant}/users/minimal";
    let expected = [
        format!("user:{ada} {users} sp_1 denied"),
        format!("user:{bob} {users} denied"),
        format!("user:{ada} login.ip_denied session denied"),
        format!("user:{ada} login.ip_denied TOKEN denied"),
        format!("user:{ada} login TOKEN denied"),
        format!("user:{ada} login.locked TOKEN denied"),
    ];
    assert_eq!(denied, expected);

    let text = format!("{:?}", audit::audit_rows(&platform, &partner).await).to_lowercase();
    assert!(!text.contains("zebra") && !text.contains("okapi") && !text.contains("passw0rd"), "{text}");
    let verified = verify_audit(&platform.folder.database(), Some(&keys.path("k"))).await.unwrap();
    assert!(verified.findings.is_empty(), "{verified}");
}
