//! Tests of the effects of the password policy on users.

use serde_json::{Value, json};

use crate::platform::people::{CHOSEN_PASSWORD, PASSWORD, change_password, user_body};
use crate::platform::{ApiResponse, TestPlatform};

async fn set_password_policy(platform: &TestPlatform, partner: &str, body: Value) -> ApiResponse {
    platform.sp.post(&format!("{}/{partner}", platform.partners_path()), json!({ "passwordPolicy": body })).await
}

/// Moves what the platform remembers about its users into the past.
async fn move_into_past(platform: &TestPlatform, statement: &'static str) {
    let pool = platform.pool().await;
    assert!(sqlx::query(statement).execute(&pool).await.unwrap().rows_affected() > 0, "{statement}");
    pool.close().await;
}

/// Logs in through the proxy from an address. Returns the status.
async fn log_in_from_address(platform: &TestPlatform, address: &str, login_name: &str, password: &str) -> u16 {
    let form = [("grant_type", "password"), ("username", login_name), ("password", password)];
    let request = reqwest::Client::new().post(format!("{}/auth/oauth/token", platform.url())).form(&form);
    request.header("x-forwarded-for", address).send().await.unwrap().status().as_u16()
}

/// shows: security/asvs/6.3.1
#[tokio::test]
async fn the_tenth_wrong_password_locks_an_account_for_its_source_only() {
    let platform = TestPlatform::start_with(|config| config.proxies = vec!["127.0.0.1".parse().unwrap()]).await;
    let partner = platform.create_partner("Acme").await;
    platform.create_logged_in_user(&partner, "ada", &[]).await;
    for _ in 0..9 {
        assert_eq!(log_in_from_address(&platform, "203.0.113.9", "ada", "wrong").await, 401);
    }
    assert_eq!(
        log_in_from_address(&platform, "203.0.113.9", "ADA", CHOSEN_PASSWORD).await,
        200,
        "nine failures lock nobody out"
    );
    for _ in 0..10 {
        assert_eq!(log_in_from_address(&platform, "203.0.113.9", "ada", "wrong").await, 401);
    }
    assert_eq!(log_in_from_address(&platform, "203.0.113.9", "ada", CHOSEN_PASSWORD).await, 401, "locked");
    assert_eq!(
        log_in_from_address(&platform, "198.51.100.1", "ada", CHOSEN_PASSWORD).await,
        200,
        "a stranger locks nobody out"
    );
    let before = "UPDATE login_attempt SET last_at = last_at - 1795000 WHERE failures = 10";
    move_into_past(&platform, before).await;
    assert_eq!(
        log_in_from_address(&platform, "203.0.113.9", "ada", CHOSEN_PASSWORD).await,
        401,
        "still locked before 30 minutes are over"
    );
    move_into_past(&platform, "UPDATE login_attempt SET last_at = last_at - 5000 WHERE failures = 10").await;
    assert_eq!(
        log_in_from_address(&platform, "203.0.113.9", "ada", CHOSEN_PASSWORD).await,
        200,
        "open after 30 minutes"
    );
}

/// shows: security/asvs/6.3.1
#[tokio::test]
async fn many_guesses_at_once_are_no_more_than_the_policy_lets_through() {
    let platform = TestPlatform::start().await;
    let partner = platform.create_partner("Acme").await;
    platform.create_logged_in_user(&partner, "ada", &[]).await;
    let guesses = (0..20).map(|_| platform.sp.login("ada", "wrong"));
    assert!(futures::future::join_all(guesses).await.iter().all(|answer| answer.status == 401));
    assert_eq!(platform.sp.login("ada", CHOSEN_PASSWORD).await.status, 401, "locked");
    let history = format!("/tenants/{partner}/users/loginHistory/search?queryString=loginName:ada");
    // Twenty failures of a minute are rows, and twenty of the locked account. The two that succeeded are rows as well.
    let rows = platform.sp.get(&history).await.json()["totalResults"].as_i64().unwrap();
    assert!((22..=23).contains(&rows), "{rows}");
}

#[tokio::test]
async fn right_logins_at_once_all_get_in_and_lock_nobody_out() {
    let platform = TestPlatform::start().await;
    let partner = platform.create_partner("Acme").await;
    platform.create_logged_in_user(&partner, "ada", &[]).await;
    set_password_policy(&platform, &partner, json!({ "defaultPolicy": false, "maxAttemptsToLockout": 2 })).await.json();
    let logins = (0..12).map(|_| platform.sp.login("ada", CHOSEN_PASSWORD));
    let statuses: Vec<u16> =
        futures::future::join_all(logins).await.iter().map(|answer| answer.status.as_u16()).collect();
    assert_eq!(statuses, [200; 12]);
    // A wrong password among them does not lock the account either.
    let mixed = (0..12).map(|number| platform.sp.login("ada", if number == 3 { "wrong" } else { CHOSEN_PASSWORD }));
    let answers = futures::future::join_all(mixed).await;
    assert_eq!(answers.iter().filter(|answer| answer.status == 200).count(), 11);
    // A completed wrong attempt still counts.
    for _ in 0..2 {
        assert_eq!(platform.sp.login("ada", "wrong").await.status, 401);
    }
    assert_eq!(platform.sp.login("ada", CHOSEN_PASSWORD).await.status, 401, "locked");
}

#[tokio::test]
async fn a_new_password_that_is_refused_is_no_failed_login() {
    let platform = TestPlatform::start().await;
    let partner = platform.create_partner("Acme").await;
    let (ada, id) = platform.create_logged_in_user(&partner, "ada", &[]).await;
    for _ in 0..11 {
        change_password(&ada, (&partner, &id), (CHOSEN_PASSWORD, PASSWORD)).await.assert_field_refused("newPassword");
    }
    change_password(&ada, (&partner, &id), (CHOSEN_PASSWORD, "Another-Passw0rd")).await.json();
}

/// shows: seeds/password/clients-users, seeds/password/existing-and-new-users, seeds/password/custom
/// shows: security/asvs/6.2.1
#[tokio::test]
async fn a_client_is_held_to_its_partners_policy_and_a_custom_one_to_each_of_its_fields() {
    let platform = TestPlatform::start().await;
    let partner = platform.create_partner("Acme").await;
    let client = platform.sp.create_client(&partner, "Globex").await;
    let list = format!("/tenants/{client}/users");
    let mut short = user_body("carl", &[]);
    short["password"] = json!("Sh0rt-pw");
    platform.sp.post(&list, short.clone()).await.assert_field_refused("password");
    let custom = json!({
        "defaultPolicy": false, "minPasswordLength": 8, "enablePasswordConstraints": true,
        "changePasswordAtFirstLogin": false, "passwordValidity": 30, "allowLastFourPasswords": true,
        "maxAttemptsToLockout": 2,
    });
    set_password_policy(&platform, &partner, custom).await.json();
    let made = platform.sp.post(&list, short).await.json();
    let id = made["id"].as_str().unwrap();
    // The user need not change the password first, and only the current password is refused as the new one.
    let carl = platform.sp.log_in_person("carl", "Sh0rt-pw").await;
    assert_eq!(carl.get("/cfg/countries").await.status, 200);
    change_password(&carl, (&client, id), ("Sh0rt-pw", "nospecial7tree")).await.assert_field_refused("newPassword");
    change_password(&carl, (&client, id), ("Sh0rt-pw", "Sh0rt-pw")).await.assert_field_refused("newPassword");
    change_password(&carl, (&client, id), ("Sh0rt-pw", "0ak+Pl4te")).await.json();
    let carl = platform.sp.log_in_person("carl", "0ak+Pl4te").await;
    change_password(&carl, (&client, id), ("0ak+Pl4te", "Sh0rt-pw")).await.json();
    // Two failures lock the account.
    for _ in 0..2 {
        assert_eq!(platform.sp.login("carl", "wrong").await.status, 401);
    }
    assert_eq!(platform.sp.login("carl", "Sh0rt-pw").await.status, 401);
    move_into_past(&platform, "UPDATE login_attempt SET last_at = last_at - 1800000").await;
    assert_eq!(platform.sp.login("carl", "Sh0rt-pw").await.json()["scope"], "global:manage");
    // After 30 days the password can only be used to change it.
    move_into_past(&platform, "UPDATE person SET password_at = password_at - 2592000001").await;
    assert_eq!(platform.sp.login("carl", "Sh0rt-pw").await.json()["scope"], "password:change");
}

/// shows: security/pci/8.3.7
#[tokio::test]
async fn under_pci_dss_the_fourth_password_back_is_refused_and_the_fifth_is_taken() {
    let platform = TestPlatform::start().await;
    let partner = platform.create_partner("Acme").await;
    let (_, id) = platform.create_logged_in_user(&partner, "ada", &[]).await;
    let mut today = CHOSEN_PASSWORD.to_owned();
    for number in 3..=5 {
        let ada = platform.sp.log_in_person("ada", &today).await;
        let next = format!("Another-Passw0rd-{number}");
        change_password(&ada, (&partner, &id), (&today, &next)).await.json();
        today = next;
    }
    // The current password and the three before it are the last four. The first one is the fifth.
    let ada = platform.sp.log_in_person("ada", &today).await;
    change_password(&ada, (&partner, &id), (&today, CHOSEN_PASSWORD)).await.assert_field_refused("newPassword");
    change_password(&ada, (&partner, &id), (&today, PASSWORD)).await.json();
}

/// shows: security/asvs/6.2.3
#[tokio::test]
async fn a_wrong_password_of_today_counts_as_a_failed_login() {
    let platform = TestPlatform::start().await;
    let partner = platform.create_partner("Acme").await;
    let (ada, id) = platform.create_logged_in_user(&partner, "ada", &[]).await;
    for _ in 0..10 {
        change_password(&ada, (&partner, &id), ("wrong", "Another-Passw0rd"))
            .await
            .assert_field_refused("currentPassword");
    }
    let message = change_password(&ada, (&partner, &id), (CHOSEN_PASSWORD, "Another-Passw0rd"))
        .await
        .assert_field_refused("currentPassword");
    assert!(message.contains("30 minutes"), "{message}");
}

/// shows: seeds/password/change-at-next-login, seeds/password/all-users-change, seeds/password/sessions-end
#[tokio::test]
async fn the_switch_ends_all_sessions_once_and_asks_everybody_for_a_new_password() {
    let platform = TestPlatform::start().await;
    let partner = platform.create_partner("Acme").await;
    let (client, other) = (platform.sp.create_client(&partner, "Globex").await, platform.create_partner("Other").await);
    set_password_policy(&platform, &partner, json!({ "defaultPolicy": false, "changePasswordAtFirstLogin": false }))
        .await
        .json();
    let (ada, _) = platform.create_logged_in_user(&partner, "ada", &[]).await;
    let (carl, id) = platform.create_logged_in_user(&client, "carl", &[]).await;
    let (olga, _) = platform.create_logged_in_user(&other, "olga", &[]).await;
    let asks = "/cfg/countries";
    let on = json!({ "changePasswordAtFirstLogin": true });
    set_password_policy(&platform, &partner, on.clone()).await.json();
    for (caller, status) in [(&ada, 401), (&carl, 401), (&olga, 200)] {
        assert_eq!(caller.get(asks).await.status, status);
    }
    assert_eq!(platform.sp.login("carl", CHOSEN_PASSWORD).await.json()["scope"], "password:change");
    let first = platform.sp.log_in_person("carl", CHOSEN_PASSWORD).await;
    change_password(&first, (&client, &id), (CHOSEN_PASSWORD, "Another-Passw0rd1")).await.json();
    let carl = platform.sp.log_in_person("carl", "Another-Passw0rd1").await;
    // Drift correction writes the same value again and again.
    set_password_policy(&platform, &partner, on).await.json();
    set_password_policy(&platform, &partner, json!({ "defaultPolicy": false, "minPasswordLength": 9 })).await.json();
    assert_eq!(carl.get(asks).await.status, 200);
    assert_eq!(platform.sp.login("carl", "Another-Passw0rd1").await.json()["scope"], "global:manage");
    // The default policy has the switch on, but it is on already.
    set_password_policy(&platform, &partner, json!({ "defaultPolicy": true })).await.json();
    assert_eq!(carl.get(asks).await.status, 200);
}

#[tokio::test]
async fn an_activation_that_ends_a_lockout_is_a_row_and_one_without_effect_is_none() {
    let platform = TestPlatform::start().await;
    let partner = platform.create_partner("Acme").await;
    let (_, id) = platform.create_logged_in_user(&partner, "ada", &[]).await;
    let activate = format!("/tenants/{partner}/users/{id}/ACTIVATE");
    let rows = async || {
        let log = crate::platform::audit::audit_rows(&platform, &partner).await;
        let told = |row: &&Value| row["action"] == "user.activate" && row["object"] == id.as_str();
        log.iter().filter(told).count()
    };
    platform.sp.post_empty(&activate).await.json();
    assert_eq!(rows().await, 0, "nothing was done");
    for _ in 0..10 {
        assert_eq!(platform.sp.login("ada", "wrong").await.status, 401);
    }
    assert_eq!(platform.sp.login("ada", CHOSEN_PASSWORD).await.status, 401, "locked");
    platform.sp.post_empty(&activate).await.json();
    assert_eq!(rows().await, 1);
    platform.sp.login("ada", CHOSEN_PASSWORD).await.json();
}
