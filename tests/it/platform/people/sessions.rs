//! Tests of logins, tokens and sessions.

use std::time::Duration;

use reqwest::Method;
use serde_json::json;
use sha2::Digest as _;
use tenantry_platform::PasswordHashCost;

use super::super::ApiResponse;
use super::{CHOSEN_PASSWORD, TestPlatform, change_password};

/// Sends a browser's request with a session cookie.
async fn browser_request(platform: &TestPlatform, method: Method, path: &str, headers: &[(&str, &str)]) -> ApiResponse {
    let mut request = reqwest::Client::new().request(method, format!("{}/api/v2{path}", platform.url()));
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let response = request.header("cookie", "a=b; __Host-tenantry=key").send().await.unwrap();
    let (status, headers) = (response.status(), response.headers().clone());
    ApiResponse { status, headers, text: response.text().await.unwrap() }
}

/// Inserts a session that a login page would have started, under the key `key`.
async fn insert_session(platform: &TestPlatform, login_name: &str) {
    let hash: Vec<String> = sha2::Sha256::digest(b"key").iter().map(|byte| format!("{byte:02x}")).collect();
    let hash = hash.concat();
    let now = now();
    sqlx::query(
        "INSERT INTO session (hash, public_id, person_id, kind, limited, created_at, seen_at, expires_at) \
         SELECT $1, 'public', id, 'COOKIE', 0, $2, $2, $3 FROM person WHERE login_key = $4",
    )
    .bind(hash)
    .bind(now)
    .bind(now + 3_600_000)
    .bind(login_name)
    .execute(&platform.pool().await)
    .await
    .unwrap();
    platform.execute_sql("UPDATE person SET consented_at = 1").await;
}

fn now() -> i64 {
    i64::try_from(std::time::SystemTime::UNIX_EPOCH.elapsed().unwrap().as_millis()).unwrap()
}

/// shows: security/asvs/3.3.1
#[tokio::test]
async fn a_browsers_session_reads_and_changes_only_for_its_own_site() {
    let platform = TestPlatform::start().await;
    let partner = platform.create_partner("Acme").await;
    platform.create_logged_in_user(&partner, "ada", &["Partner Administrator"]).await;
    insert_session(&platform, "ada").await;
    let list = format!("/tenants/{partner}/clients");
    let host = platform.url().strip_prefix("http://").unwrap().to_owned();
    let origin = platform.url().to_owned();
    assert_eq!(browser_request(&platform, Method::GET, &format!("{list}/minimal"), &[]).await.status, 200);
    for headers in [
        &[][..],
        &[("sec-fetch-site", "cross-site")],
        &[("sec-fetch-site", "same-site"), ("origin", origin.as_str())],
        &[("origin", "https://evil.example")],
    ] {
        let refused = browser_request(&platform, Method::POST, &list, headers).await;
        assert_eq!(refused.status, 403, "{headers:?}: {}", refused.text);
    }
    for headers in [&[("sec-fetch-site", "same-origin")], &[("origin", origin.as_str())]] {
        browser_request(&platform, Method::POST, &list, headers).await.assert_field_refused("body");
    }
    // A token in the same request takes precedence.
    let refused =
        browser_request(&platform, Method::GET, &list, &[("authorization", "Bearer x"), ("host", &host)]).await;
    assert_eq!(refused.status, 401);
}

/// shows: security/asvs/7.3.1
#[tokio::test]
async fn a_browsers_session_ends_when_it_is_idle_and_at_its_latest_hour() {
    let platform = TestPlatform::start().await;
    let partner = platform.create_partner("Acme").await;
    platform.create_logged_in_user(&partner, "ada", &["Partner Administrator"]).await;
    insert_session(&platform, "ada").await;
    let path = format!("/tenants/{partner}/clients/minimal");
    let pool = platform.pool().await;
    let quarter = 15 * 60 * 1000;
    for (idle, status) in [(quarter - 5_000, 200), (quarter + 1_000, 401)] {
        sqlx::query("UPDATE session SET seen_at = $1").bind(now() - idle).execute(&pool).await.unwrap();
        assert_eq!(browser_request(&platform, Method::GET, &path, &[]).await.status, status, "{idle}");
    }
    sqlx::query("UPDATE session SET seen_at = $1").bind(now() - 5_000).execute(&pool).await.unwrap();
    browser_request(&platform, Method::GET, &path, &[]).await.json();
    let seen: i64 =
        sqlx::query_scalar("SELECT seen_at FROM session WHERE kind = 'COOKIE'").fetch_one(&pool).await.unwrap();
    assert!(seen > now() - 4_000, "a request keeps the session alive");
    sqlx::query("UPDATE session SET expires_at = 1").execute(&pool).await.unwrap();
    assert_eq!(browser_request(&platform, Method::GET, &path, &[]).await.status, 401);
}

/// shows: security/asvs/6.3.8
#[tokio::test]
async fn an_unknown_name_answers_as_a_wrong_password_does() {
    let platform = TestPlatform::start().await;
    let partner = platform.create_partner("Acme").await;
    let (_, id) = platform.create_logged_in_user(&partner, "ada", &[]).await;
    let wrong = platform.sp.login("ada", "wrong").await;
    assert_eq!(wrong.status, 401);
    let unknown = platform.sp.login("nobody", CHOSEN_PASSWORD).await;
    assert_eq!((unknown.status, &unknown.text), (wrong.status, &wrong.text));
    platform.sp.post_empty(&format!("/tenants/{partner}/users/{id}/DEACTIVATE")).await.json();
    let inactive = platform.sp.login("ada", CHOSEN_PASSWORD).await;
    assert_eq!((inactive.status, &inactive.text), (wrong.status, &wrong.text));
    for odd in ["", "\0", "api@sp_1"] {
        assert_eq!(platform.sp.login(odd, "x").await.text, wrong.text, "{odd:?}");
    }
}

/// shows: faults/41, security/asvs/7.4.1
#[tokio::test]
async fn suspending_or_ending_a_tenant_ends_the_sessions_of_its_people_and_of_those_below_for_good() {
    let platform = TestPlatform::start().await;
    let partner = platform.create_partner("Acme").await;
    let client = platform.sp.create_client(&partner, "Globex").await;
    let (ada, _) = platform.create_logged_in_user(&partner, "ada", &["Partner Administrator"]).await;
    let (ann, _) = platform.create_logged_in_user(&client, "ann", &["Client Administrator"]).await;
    let path = format!("{}/{partner}", platform.partners_path());
    platform.sp.post_empty(&format!("{path}/suspend")).await.json();
    for (person, login) in [(&ada, "ada"), (&ann, "ann")] {
        assert_eq!(person.get("/cfg/countries").await.status, 401, "{login}");
        assert_eq!(platform.sp.login(login, CHOSEN_PASSWORD).await.status, 401, "{login}");
    }
    platform.sp.post_empty(&format!("{path}/activate")).await.json();
    assert_eq!(ada.get("/cfg/countries").await.status, 401, "an ended session stays ended");
    let ada = platform.sp.log_in_person("ada", CHOSEN_PASSWORD).await;
    let ann = platform.sp.log_in_person("ann", CHOSEN_PASSWORD).await;
    platform.sp.post_empty(&format!("/tenants/{partner}/clients/{client}/terminate")).await.json();
    assert_eq!(ann.get("/cfg/countries").await.status, 401);
    assert_eq!(platform.sp.login("ann", CHOSEN_PASSWORD).await.status, 401);
    assert_eq!(ada.get("/cfg/countries").await.status, 200);
}

/// shows: faults/41
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_login_beside_the_end_of_its_tenant_leaves_no_session() {
    let platform = TestPlatform::start().await;
    let partner = platform.create_partner("Acme").await;
    let mut sessions = 0;
    for round in 0..12 {
        let client = platform.sp.create_client(&partner, &format!("C{round}")).await;
        let name = format!("ann{round}");
        platform.create_logged_in_user(&client, &name, &["Client Administrator"]).await;
        let path = format!("/tenants/{partner}/clients/{client}/terminate");
        let (login, ended) = tokio::join!(platform.sp.login(&name, CHOSEN_PASSWORD), platform.sp.post_empty(&path));
        ended.json();
        if login.status == 200 {
            sessions += 1;
            let token = login.json()["access_token"].as_str().unwrap().to_owned();
            assert_eq!(platform.sp.with_token(&token).get("/cfg/countries").await.status, 401, "round {round}");
        }
    }
    println!("{sessions} of 12 logins came before the end");
}

/// shows: seeds/termination/users-inactive
/// shows: security/pci/8.2.5
#[tokio::test]
async fn all_users_of_an_ended_tenant_are_inactive_at_once() {
    let platform = TestPlatform::start().await;
    let (partner, other) = (platform.create_partner("Acme").await, platform.create_partner("Other").await);
    platform.create_user(&partner, "ada", &[]).await;
    platform.create_user(&partner, "bob", &[]).await;
    platform.create_user(&other, "eve", &[]).await;
    platform.sp.post_empty(&format!("{}/{partner}/terminate", platform.partners_path())).await.json();
    let seen = async |tenant: &str, query: &str| {
        let page = platform.sp.get(&format!("/tenants/{tenant}/users/search?{query}")).await.json();
        let rows = page["results"].as_array().unwrap().clone();
        rows.iter().map(|row| (row["loginName"].clone(), row["status"].clone())).collect::<Vec<_>>()
    };
    let inactive = |name: &str| (json!(name), json!("inactive"));
    assert_eq!(seen(&partner, "isDescendingOrder=false").await, [inactive("ada"), inactive("bob")]);
    assert_eq!(seen(&partner, "queryString=status:inactive").await.len(), 2);
    assert_eq!(seen(&partner, "queryString=status:active").await, []);
    assert_eq!(seen(&other, "").await, [(json!("eve"), json!("active"))]);
    // Nothing else of these users can be read.
    let page = platform.sp.get(&format!("/tenants/{partner}/users/search")).await.json();
    let members: Vec<&String> = page["results"][0].as_object().unwrap().keys().collect();
    assert_eq!(members, ["id", "loginName", "orgId", "status"]);
    for path in ["users/minimal", "users/USR0000000001", "users/loginHistory/search", "roles/search"] {
        platform.sp.get(&format!("/tenants/{partner}/{path}")).await.assert_error(410, "terminated");
    }
}

/// shows: seeds/password/change-at-next-login, seeds/password/sessions-end
#[tokio::test]
async fn a_moment_ends_earlier_sessions_and_asks_for_new_passwords_under_any_policy() {
    let platform = TestPlatform::start().await;
    let (partner, other) = (platform.create_partner("Acme").await, platform.create_partner("Other").await);
    let client = platform.sp.create_client(&partner, "Globex").await;
    let (ada, _) = platform.create_logged_in_user(&partner, "ada", &["Partner Administrator"]).await;
    let (bob, _) = platform.create_logged_in_user(&client, "bob", &["Client Administrator"]).await;
    let (eve, _) = platform.create_logged_in_user(&other, "eve", &["Partner Administrator"]).await;
    let path = format!("{}/{partner}", platform.partners_path());
    let read = platform.sp.get(&path).await.json();
    assert_eq!(read["changePasswordsSetBefore"], "1970-01-01T00:00:00+0000", "nobody set it");
    let at = |seconds: i64| (jiff::Timestamp::now() + jiff::SignedDuration::from_secs(seconds)).to_string();
    let set =
        async |path: &str, moment: &str| platform.sp.post(path, json!({ "changePasswordsSetBefore": moment })).await;
    set(&path, "soon").await.assert_field_refused("changePasswordsSetBefore");
    let message = set(&path, &at(90)).await.assert_field_refused("changePasswordsSetBefore");
    assert!(message.contains("60 seconds ahead"), "{message}");
    // A moment before all logins ends no session.
    set(&path, "2020-01-01T00:00:00Z").await.json();
    for caller in [&ada, &bob, &eve] {
        assert_eq!(caller.get("/cfg/countries").await.status, 200);
    }
    let moment = at(2);
    let shown = set(&path, &moment).await.json()["changePasswordsSetBefore"].clone();
    for caller in [&ada, &bob] {
        assert_eq!(caller.get("/cfg/countries").await.status, 401);
    }
    assert_eq!(eve.get("/cfg/countries").await.status, 200);
    assert_eq!(platform.sp.get(&path).await.json()["passwordPolicy"], read["passwordPolicy"]);
    // The moment never moves back, and what was read may be sent again.
    for same in ["2021-01-01T00:00:00Z", shown.as_str().unwrap()] {
        assert_eq!(set(&path, same).await.json()["changePasswordsSetBefore"], shown);
    }
    tokio::time::sleep(std::time::Duration::from_secs(3)).await;
    for (name, tenant) in [("ada", &partner), ("bob", &client)] {
        let login = platform.sp.login(name, CHOSEN_PASSWORD).await.json();
        assert_eq!(login["scope"], "password:change", "{name}");
        let limited = platform.sp.with_token(login["access_token"].as_str().unwrap());
        let id = if name == "ada" { "USR0000000001" } else { "USR0000000002" };
        change_password(&limited, (tenant, id), (CHOSEN_PASSWORD, "Fourth-Passw0rd!")).await.json();
        let again = platform.sp.log_in_person(name, "Fourth-Passw0rd!").await;
        assert_eq!(again.get("/cfg/countries").await.status, 200, "{name}");
        // Sending the same moment again requires nothing new.
        set(&path, &moment).await.json();
        assert_eq!(again.get("/cfg/countries").await.status, 200, "{name}");
    }
    // A client has its own moment, which applies only to its users, also under a policy without any reset.
    let custom = json!({ "passwordPolicy": {"defaultPolicy": false, "changePasswordAtFirstLogin": false} });
    platform.sp.post(&path, custom).await.json();
    let (ada, bob) = (
        platform.sp.log_in_person("ada", "Fourth-Passw0rd!").await,
        platform.sp.log_in_person("bob", "Fourth-Passw0rd!").await,
    );
    set(&format!("/tenants/{partner}/clients/{client}"), &at(5)).await.json();
    assert_eq!(
        (ada.get("/cfg/countries").await.status.as_u16(), bob.get("/cfg/countries").await.status.as_u16()),
        (200, 401)
    );
    let login = platform.sp.login("bob", "Fourth-Passw0rd!").await;
    let ended = login.status == 200
        && platform.sp.with_token(login.json()["access_token"].as_str().unwrap()).get("/cfg/countries").await.status
            != 200;
    assert!(ended, "a session that begins before the moment does not hold");
}

/// shows: security/asvs/7.4.1
#[tokio::test]
async fn a_revoked_token_and_a_changed_password_end_sessions() {
    let platform = TestPlatform::start().await;
    let partner = platform.create_partner("Acme").await;
    let (ada, id) = platform.create_logged_in_user(&partner, "ada", &["Partner Administrator"]).await;
    let again = platform.sp.log_in_person("ada", CHOSEN_PASSWORD).await;
    let form = [("token", ada.token.as_str())];
    let url = format!("{}/tenancy/auth/oauth/revoke", platform.url());
    assert_eq!(reqwest::Client::new().post(url).form(&form).send().await.unwrap().status(), 200);
    assert_eq!(ada.get("/cfg/countries").await.status, 401);
    assert_eq!(again.get("/cfg/countries").await.status, 200);
    change_password(&again, (&partner, &id), (CHOSEN_PASSWORD, "Third-Passw0rd!")).await.json();
    assert_eq!(again.get("/cfg/countries").await.status, 401);
    let reset = json!({ "password": "Fourth-Passw0rd!" });
    let ada = platform.sp.log_in_person("ada", "Third-Passw0rd!").await;
    platform.sp.post(&format!("/tenants/{partner}/users/{id}"), reset).await.json();
    assert_eq!(ada.get("/cfg/countries").await.status, 401);
    let limited = platform.sp.login("ada", "Fourth-Passw0rd!").await.json();
    assert_eq!(limited["scope"], "password:change");
}

/// shows: security/pci/8.3.2
#[tokio::test]
async fn neither_passwords_nor_keys_of_people_stand_in_the_database() {
    let platform = TestPlatform::start().await;
    let partner = platform.create_partner("Acme").await;
    let (ada, _) = platform.create_logged_in_user(&partner, "ada", &[]).await;
    for secret in [super::PASSWORD, CHOSEN_PASSWORD, ada.token.as_str()] {
        assert!(!platform.folder.contains_text(secret), "the database holds a secret");
    }
    assert!(platform.folder.contains_text("ada"), "it was read");
}

/// shows: security/asvs/6.3.1
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn too_many_logins_at_once_are_sent_away_and_other_requests_are_served() {
    let platform = TestPlatform::start_with(|config| {
        config.login.max_hash_wait = Duration::ZERO;
        config.login.password_hash_cost = PasswordHashCost { memory: 16 * 1024, passes: 20 };
    })
    .await;
    let logins = (0..40).map(|number| {
        let sp = platform.sp.clone();
        tokio::spawn(async move { sp.login(&format!("nobody{number}"), "x").await })
    });
    let logins: Vec<_> = logins.collect();
    platform.sp.get(&format!("{}/minimal", platform.partners_path())).await.json();
    let mut away = 0;
    for login in logins {
        let answer = login.await.unwrap();
        match answer.status.as_u16() {
            401 => {}
            503 => {
                assert_eq!(answer.headers["retry-after"], "2");
                away += 1;
            }
            other => panic!("{other}: {}", answer.text),
        }
    }
    assert!(away > 0, "a queue of no length takes nobody who has to wait");
    assert_eq!(platform.sp.login("nobody", "x").await.status, 401, "the pool is free again");
}
