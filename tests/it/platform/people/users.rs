//! Tests of the routes of users.

use serde_json::{Value, json};

use super::super::audit::execute_statements;
use super::{CHOSEN_PASSWORD, PASSWORD, TestPlatform, change_password, user_body};

#[tokio::test]
async fn a_user_is_made_read_changed_and_listed() {
    let platform = TestPlatform::start().await;
    let partner = platform.create_partner("Acme").await;
    let list = format!("/tenants/{partner}/users");
    let mut body = user_body("Ada", &["Partner Administrator"]);
    body["timeZone"] = json!({ "name": "America/New_York" });
    body["phoneNumber"] = "408-555-0100".into();
    let made = platform.sp.post(&list, body).await.json();
    assert_eq!(made["id"], "USR0000000001");
    let read = platform.sp.get(&format!("{list}/USR0000000001")).await.json();
    assert_eq!(read, made);
    for (key, value) in [
        ("loginName", json!("Ada")),
        ("authType", json!("LOCAL")),
        ("status", json!("active")),
        ("orgId", json!(partner)),
        ("organizationName", json!("Acme")),
        ("userAccountType", json!("REGULAR")),
        ("phoneNumber", json!("408-555-0100")),
    ] {
        assert_eq!(read[key], value, "{key}");
    }
    assert_eq!(read["timeZone"]["code"], "EST");
    assert_eq!(read["timeZone"]["name"], "America/New_York");
    assert_eq!(read["roles"][0]["name"], "Partner Administrator");
    assert!(read["permissions"].as_array().unwrap().contains(&json!("ADMINISTRATION")));
    assert!(read.get("password").is_none());

    let change = json!({ "lastName": "Byron", "phoneNumber": "" });
    let changed = platform.sp.post(&format!("{list}/USR0000000001"), change).await.json();
    assert_eq!(changed["lastName"], "Byron");
    assert_eq!(changed["firstName"], "Given");
    assert!(changed.get("phoneNumber").is_none());

    platform.create_user(&partner, "bob", &[]).await;
    let names = |rows: &Value| -> Vec<String> {
        rows.as_array().unwrap().iter().map(|row| row["loginName"].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(names(&platform.sp.get(&format!("{list}/minimal")).await.json()), ["Ada", "bob"]);
    for (query, found) in [
        ("", &["bob", "Ada"][..]),
        ("queryString=loginName:ADA", &["Ada"]),
        ("queryString=lastName:Byron+firstName:Given", &["Ada"]),
        ("queryString=mailId:bob@example.org", &["bob"]),
        ("queryString=uniqueId:USR0000000002", &["bob"]),
        ("queryString=status:inactive", &[]),
        ("queryString=startCreationDate:2099-01-01", &[]),
        ("sortName=loginName&isDescendingOrder=false&pageSize=1", &["Ada"]),
        ("sortName=loginName&isDescendingOrder=false&pageSize=1&pageNo=2", &["bob"]),
    ] {
        let page = platform.sp.get(&format!("{list}/search?{query}")).await.json();
        assert_eq!(names(&page["results"]), found, "{query}");
    }
    platform.sp.get(&format!("{list}/search?queryString=colour:red")).await.assert_field_refused("queryString");
    platform.sp.get(&format!("{list}/search?queryString=status:odd")).await.assert_field_refused("queryString");
    platform.sp.get(&format!("{list}/search?sortName=colour")).await.assert_field_refused("sortName");
}

#[tokio::test]
async fn news_have_the_words_that_the_vendors_own_tools_send() {
    let platform = TestPlatform::start().await;
    let partner = platform.create_partner("Acme").await;
    let list = format!("/tenants/{partner}/users");
    // The example user of the vendor's Terraform provider: an address is given only where something is sent.
    let mut news = vec![
        json!({ "notifyType": "Account Information", "notifyMethod": "Email", "notifyInputType": "Primary Email", "notifyRecurringReport": false }),
    ];
    for kind in ["Alert Notification", "Report Notification", "Export Notification", "Login Activity Notification"] {
        news.push(json!({ "notifyType": kind, "notifyMethod": "No Notify", "notifyRecurringReport": false }));
    }
    let mut body = user_body("testadmin", &[]);
    body["userNotifications"] = json!(news);
    let made = platform.sp.post(&list, body).await.json();
    assert_eq!(made["userNotifications"], json!(news));
    let read = platform.sp.get(&format!("{list}/{}", made["id"].as_str().unwrap())).await.json();
    assert_eq!(read["userNotifications"], json!(news));
}

#[tokio::test]
async fn a_user_has_a_hundred_notifications_at_most() {
    let platform = TestPlatform::start().await;
    let partner = platform.create_partner("Acme").await;
    let list = format!("/tenants/{partner}/users");
    let with = |rows: usize| {
        let mut body = user_body(&format!("u{rows}"), &[]);
        body["userNotifications"] = json!(vec![json!({ "notifyType": "x", "notifyMethod": "x" }); rows]);
        body
    };
    platform.sp.post(&list, with(100)).await.json();
    let message = platform.sp.post(&list, with(101)).await.assert_field_refused("userNotifications");
    assert!(message.contains("101 rows; at most 100"), "{message}");
}

#[tokio::test]
async fn a_change_of_a_user_is_later_although_the_clock_was_set_back() {
    let platform = TestPlatform::start().await;
    let partner = platform.create_partner("Acme").await;
    let id = platform.create_user(&partner, "ada", &[]).await;
    let ahead = jiff::Timestamp::now().as_millisecond() + 3_600_000;
    execute_statements(&platform, &[&format!("UPDATE person SET updated_at = {ahead}")]).await;
    platform.sp.post(&format!("/tenants/{partner}/users/{id}"), json!({ "firstName": "Eve" })).await.json();
    let pool = platform.pool().await;
    let later: i64 = sqlx::query_scalar("SELECT updated_at FROM person").fetch_one(&pool).await.unwrap();
    assert_eq!(later, ahead + 1);
}

#[tokio::test]
async fn what_a_user_cannot_be_is_refused_by_field() {
    let platform = TestPlatform::start().await;
    let (acme, other) = (platform.create_partner("Acme").await, platform.create_partner("Other").await);
    platform.create_user(&acme, "Ada", &[]).await;
    let list = format!("/tenants/{other}/users");
    let with = |key: &str, value: Value| {
        let mut body = user_body("bob", &[]);
        body[key] = value;
        body
    };
    for (key, value, field, says) in [
        ("loginName", json!("ada"), "loginName", "\"ada\" is taken"),
        ("loginName", json!(""), "loginName", "required"),
        ("loginName", json!("a b"), "loginName", "no blanks"),
        ("loginName", json!("API@sp_1"), "loginName", "api@"),
        ("password", json!("short"), "password", "at least 12"),
        ("firstName", json!(" "), "firstName", "required"),
        ("email", json!("nobody"), "email", "\"nobody\" is not an e-mail"),
        ("country", json!("Atlantis"), "country", "/api/v2/cfg/countries"),
        ("timeZone", json!({ "code": "XYZ" }), "timeZone", "/api/v2/cfg/timezones"),
        ("timeZone", json!("EST"), "timeZone", ""),
        ("userAccountType", json!("ROYAL"), "userAccountType", "REGULAR"),
        ("userGroupType", json!("SOME"), "userGroupType", "ALL"),
        ("userGroups", json!([{ "name": "G" }]), "userGroups", "no user groups"),
        ("userNotifications", json!([{ "notifyMethod": "Email" }]), "userNotifications[0].notifyType", "required"),
        (
            "userNotifications",
            json!([{ "notifyType": "\u{1}", "notifyMethod": "x" }]),
            "userNotifications[0].notifyType",
            "control",
        ),
        ("roles", json!([{ "name": "King" }]), "roles[0]", "no role \"King\""),
        ("roles", json!([{ "name": "Client Administrator" }]), "roles[0]", "roles/search"),
        ("zip", json!("\u{1}"), "zip", "control"),
        ("city", json!("x".repeat(256)), "city", "longer"),
    ] {
        let message = platform.sp.post(&list, with(key, value)).await.assert_field_refused(field);
        assert!(message.contains(says), "{key}: {message}");
    }
    let id = platform.create_user(&other, "bob", &[]).await;
    let message = platform
        .sp
        .post(&format!("{list}/{id}"), json!({ "loginName": "rob" }))
        .await
        .assert_field_refused("loginName");
    assert!(message.contains("terminate this user"), "{message}");
    platform.sp.get(&format!("/tenants/{acme}/users/{id}")).await.assert_error(404, "User");
}

/// shows: security/asvs/6.2.3, security/asvs/6.4.1
#[tokio::test]
async fn a_password_that_somebody_else_chose_is_good_for_one_change_only() {
    let platform = TestPlatform::start().await;
    let partner = platform.create_partner("Acme").await;
    let id = platform.create_user(&partner, "ada", &["Partner Administrator"]).await;
    let answer = platform.sp.login("ADA", PASSWORD).await.json();
    assert_eq!(answer["scope"], "password:change");
    let first = platform.sp.with_token(answer["access_token"].as_str().unwrap());
    let refused = first.get(&format!("/tenants/{partner}/clients/minimal")).await;
    assert_eq!(refused.status, 403);
    let path = format!("/api/v2/tenants/{partner}/users/{id}/changePassword");
    assert!(refused.text.contains(&path), "{}", refused.text);

    for (from, to, field) in [
        ("wrong", CHOSEN_PASSWORD, "currentPassword"),
        (PASSWORD, "short1", "newPassword"),
        (PASSWORD, PASSWORD, "newPassword"),
        (PASSWORD, "", "newPassword"),
    ] {
        change_password(&first, (&partner, &id), (from, to)).await.assert_field_refused(field);
    }
    let body =
        json!({ "currentPassword": PASSWORD, "newPassword": CHOSEN_PASSWORD, "confirmPassword": "Other-Passw0rd!" });
    first
        .post(&format!("/tenants/{partner}/users/{id}/changePassword"), body)
        .await
        .assert_field_refused("confirmPassword");
    change_password(&first, (&partner, &id), (PASSWORD, CHOSEN_PASSWORD)).await.json();
    assert_eq!(first.get("/cfg/countries").await.status, 401, "the session of the change is over");
    assert_eq!(platform.sp.login("ada", PASSWORD).await.status, 401);
    let ada = platform.sp.log_in_person("ada", CHOSEN_PASSWORD).await;
    assert_eq!(ada.get(&format!("/tenants/{partner}/clients/minimal")).await.status, 200);
    change_password(&ada, (&partner, &id), (CHOSEN_PASSWORD, PASSWORD)).await.assert_field_refused("newPassword");
}

/// shows: seeds/password/held
#[tokio::test]
async fn a_clients_user_is_held_to_the_partners_password_policy() {
    let platform = TestPlatform::start().await;
    let policy = json!({ "defaultPolicy": false, "minPasswordLength": 30, "enablePasswordConstraints": false,
        "changePasswordAtFirstLogin": false, "allowLastFourPasswords": true });
    let body = json!({ "name": "Strict", "passwordPolicy": policy });
    let partner = platform.sp.create_tenant(platform.partners_path(), body).await;
    let client = platform.sp.create_client(&partner, "Globex").await;
    let list = format!("/tenants/{client}/users");
    let message = platform.sp.post(&list, user_body("ada", &[])).await.assert_field_refused("password");
    assert!(message.contains("at least 30"), "{message}");
    let long = "all lower case letters are enough";
    let mut body = user_body("ada", &[]);
    body["password"] = long.into();
    let id = platform.sp.post(&list, body).await.json()["id"].as_str().unwrap().to_owned();
    // This partner does not require a change of the first password, and allows reuse of the last four.
    let ada = platform.sp.log_in_person("ada", long).await;
    change_password(&ada, (&client, &id), (long, CHOSEN_PASSWORD)).await.assert_field_refused("newPassword");
    let other = "all lower case letters are enough too";
    change_password(&ada, (&client, &id), (long, other)).await.json();
    let ada = platform.sp.log_in_person("ada", other).await;
    change_password(&ada, (&client, &id), (other, long)).await.json();
}

/// shows: security/asvs/7.4.1, security/pci/8.2.5
#[tokio::test]
async fn a_user_is_deactivated_activated_and_terminated() {
    let platform = TestPlatform::start().await;
    let partner = platform.create_partner("Acme").await;
    let (ada, id) = platform.create_logged_in_user(&partner, "ada", &["Partner Administrator"]).await;
    let path = format!("/tenants/{partner}/users/{id}");
    assert_eq!(ada.get(&path).await.json()["status"], "active");
    platform.sp.post(&format!("{path}/DEACTIVATE"), json!({ "deactivateReason": "away" })).await.json();
    assert_eq!(ada.get(&path).await.status, 401);
    assert_eq!(platform.sp.login("ada", CHOSEN_PASSWORD).await.status, 401);
    assert_eq!(platform.sp.get(&path).await.json()["status"], "inactive");
    platform.sp.post_empty(&format!("{path}/ACTIVATE")).await.json();
    assert_eq!(ada.get(&path).await.status, 401, "an ended session stays ended");
    let ada = platform.sp.log_in_person("ada", CHOSEN_PASSWORD).await;
    platform
        .sp
        .post(&format!("{path}/TERMINATE"), json!({ "maskType": "SOME" }))
        .await
        .assert_field_refused("maskType");
    platform.sp.post(&format!("{path}/TERMINATE"), json!({ "maskType": "FULL" })).await.json();
    assert_eq!(ada.get(&path).await.status, 401);
    platform.sp.get(&path).await.assert_error(404, "not found");
    platform.sp.post_empty(&format!("{path}/ACTIVATE")).await.assert_error(404, "not found");
    let gone = platform.sp.get(&format!("/tenants/{partner}/users/search?queryString=status:inactive")).await.json();
    assert_eq!(gone["results"][0]["loginName"], id.as_str());
    assert!(!gone.to_string().contains("example.org"), "{gone}");
    // The name is free again.
    platform.create_user(&partner, "ada", &[]).await;
    for segment in ["activate", "DELETE"] {
        assert_eq!(platform.sp.post_empty(&format!("{path}/{segment}")).await.status, 404, "{segment}");
    }
}

#[tokio::test]
async fn every_login_is_in_the_history() {
    let platform = TestPlatform::start().await;
    let partner = platform.create_partner("Acme").await;
    let (_, _) = platform.create_logged_in_user(&partner, "ada", &[]).await;
    assert_eq!(platform.sp.login("ada", "wrong").await.status, 401);
    let path = format!("/tenants/{partner}/users/loginHistory/search");
    let page = platform.sp.get(&path).await.json();
    let rows: Vec<_> = page["results"].as_array().unwrap().iter().collect();
    let seen: Vec<_> = rows.iter().map(|row| (row["status"].as_str().unwrap(), row["logoutType"].as_str())).collect();
    assert_eq!(seen, [("FAILED", None), ("SUCCESS", None), ("SUCCESS", Some("FORCED"))]);
    assert_eq!(rows[0]["sourceIp"], "127.0.0.1");
    assert_eq!(rows[0]["partner"]["uniqueId"], partner.as_str());
    assert_eq!(rows[0]["user"]["loginName"], "ada");
    for (query, found) in [
        ("loginName:ADA", 3),
        ("loginName:bob", 0),
        ("id:1", 1),
        ("startLoginDate:2099-01-01", 0),
        ("endLogoutDate:2099-01-01", 1),
    ] {
        let page = platform.sp.get(&format!("{path}?queryString={query}")).await.json();
        assert_eq!(page["totalResults"], found, "{query}");
    }
}

/// shows: security/asvs/6.2.4
#[tokio::test]
async fn an_easily_guessed_password_is_refused_whoever_chooses_it_and_whatever_the_policy_says() {
    let platform = TestPlatform::start().await;
    for default_policy in [true, false] {
        let policy = json!({ "defaultPolicy": false, "minPasswordLength": 8, "enablePasswordConstraints": false });
        let policy = if default_policy { json!({ "defaultPolicy": true }) } else { policy };
        let body = json!({ "name": format!("Wolpertinger {default_policy}"), "passwordPolicy": policy });
        let partner = platform.sp.create_tenant(platform.partners_path(), body).await;
        let list = format!("/tenants/{partner}/users");
        let name = format!("quillfeather-{default_policy}");
        let mut body = user_body(&name, &[]);
        for guessed in ["password1234", "abcdefgh1234", &format!("{name}1")] {
            body["password"] = json!(guessed);
            let message = platform.sp.post(&list, body.clone()).await.assert_field_refused("password");
            assert!(message.contains("easily guessed"), "{guessed}: {message}");
        }
        let (ada, id) = platform.create_logged_in_user(&partner, &name, &[]).await;
        for guessed in ["password1234", &format!("Wolpertinger {default_policy}1")] {
            let message = change_password(&ada, (&partner, &id), (CHOSEN_PASSWORD, guessed))
                .await
                .assert_field_refused("newPassword");
            assert!(message.contains("easily guessed"), "{guessed}: {message}");
        }
    }
}

/// shows: security/asvs/6.2.3, security/pci/8.3.7
#[tokio::test]
async fn nobody_sets_the_own_password_without_the_one_of_today_nor_a_used_one() {
    let platform = TestPlatform::start().await;
    let partner = platform.create_partner("Acme").await;
    let (ada, id) = platform.create_logged_in_user(&partner, "ada", &["Partner Administrator"]).await;
    let path = format!("/tenants/{partner}/users/{id}");
    for password in [CHOSEN_PASSWORD, "Stolen-Passw0rd!"] {
        let message =
            ada.post(&path, json!({ "password": password, "city": "Bonn" })).await.assert_field_refused("password");
        assert!(message.contains("changePassword"), "{message}");
    }
    assert!(ada.get(&path).await.json().get("city").is_none(), "nothing of it was saved");
    platform.sp.login("ada", CHOSEN_PASSWORD).await.json();
    // Passwords that others set do not count as one of the last four either.
    for password in ["Third-Passw0rd!", "Fourth-Passw0rd!", "Fifth-Passw0rd!"] {
        for used in [CHOSEN_PASSWORD, password] {
            let answer = platform.sp.post(&path, json!({ "password": used })).await;
            if used == CHOSEN_PASSWORD {
                answer.assert_field_refused("password");
            } else {
                answer.json();
            }
        }
    }
    platform.sp.post(&path, json!({ "password": "Fifth-Passw0rd!" })).await.assert_field_refused("password");
    platform.sp.post(&path, json!({ "password": "Sixth-Passw0rd!" })).await.json();
    platform.sp.post(&path, json!({ "password": CHOSEN_PASSWORD })).await.json();
}

/// shows: security/asvs/6.4.4
#[tokio::test]
async fn a_password_or_an_activation_by_an_administrator_unlocks_a_person() {
    let platform = TestPlatform::start_with(|config| config.proxies = vec!["127.0.0.1".parse().unwrap()]).await;
    let partner = platform.create_partner("Acme").await;
    let (_, id) = platform.create_logged_in_user(&partner, "lola", &[]).await;
    let path = format!("/tenants/{partner}/users/{id}");
    let lock = || async {
        for _ in 0..10 {
            assert_eq!(platform.sp.login("lola", "wrong").await.status, 401);
        }
        // Failures from a second source as well.
        let more = "INSERT INTO login_attempt SELECT account, '203.0.113.9', failures, last_at FROM login_attempt \
                    WHERE true ON CONFLICT DO NOTHING";
        platform.execute_sql(more).await;
    };
    lock().await;
    assert_eq!(platform.sp.login("lola", CHOSEN_PASSWORD).await.status, 401, "locked");
    platform.sp.post_empty(&format!("{path}/ACTIVATE")).await.json();
    platform.sp.login("lola", CHOSEN_PASSWORD).await.json();
    lock().await;
    platform.sp.post(&path, json!({ "password": "Third-Passw0rd!" })).await.json();
    let left: i64 =
        sqlx::query_scalar("SELECT COUNT(*) FROM login_attempt").fetch_one(&platform.pool().await).await.unwrap();
    assert_eq!(left, 0);
    platform.sp.login("lola", "Third-Passw0rd!").await.json();
}

#[tokio::test]
async fn a_password_that_somebody_else_chose_ends_after_ten_days() {
    const ALL_BUT_A_MINUTE: &str =
        "UPDATE person SET password_until = password_until - 863940000 WHERE login_name = 'lola'";
    const A_MINUTE: &str = "UPDATE person SET password_until = password_until - 60000 WHERE login_name = 'lola'";
    let platform = TestPlatform::start().await;
    let partner = platform.create_partner("Acme").await;
    let id = platform.create_user(&partner, "lola", &[]).await;
    platform.execute_sql(ALL_BUT_A_MINUTE).await;
    platform.sp.login("lola", PASSWORD).await.json();
    platform.execute_sql(A_MINUTE).await;
    assert_eq!(platform.sp.login("lola", PASSWORD).await.status, 401, "its time is over");

    let path = format!("/tenants/{partner}/users/{id}");
    platform.sp.post(&path, json!({ "password": "Third-Passw0rd!" })).await.json();
    platform.execute_sql(ALL_BUT_A_MINUTE).await;
    platform.sp.login("lola", "Third-Passw0rd!").await.json();
    platform.execute_sql(A_MINUTE).await;
    assert_eq!(platform.sp.login("lola", "Third-Passw0rd!").await.status, 401, "its time is over too");
}
