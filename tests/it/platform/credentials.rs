//! Tests of the life of API credentials: list, use, rotate, revoke, and creation by a command.

use std::process::{Command, Output};

use reqwest::Method;
use serde_json::{Value, json};
use sqlx::AssertSqlSafe;
use tenantry_platform::{Config, Credential};

use super::people::CHOSEN_PASSWORD;
use super::{ApiCaller, ApiResponse, CHEAP_HASH, TestFolder, TestPlatform};

/// Requests a token with a key and a secret. Returns the answer.
async fn request_token(platform: &TestPlatform, key: &str, secret: &str) -> ApiResponse {
    let form = [("grant_type", "client_credentials"), ("client_id", key), ("client_secret", secret)];
    let url = format!("{}/tenancy/auth/oauth/token", platform.url());
    let response = reqwest::Client::new().post(url).form(&form).send().await.unwrap();
    let (status, headers) = (response.status(), response.headers().clone());
    ApiResponse { status, headers, text: response.text().await.unwrap() }
}

async fn caller_with_credential(platform: &TestPlatform, key: &str, secret: &str) -> ApiCaller {
    let answer = request_token(platform, key, secret).await.json();
    platform.sp.with_token(answer["access_token"].as_str().unwrap())
}

async fn delete(caller: &ApiCaller, path: &str) -> ApiResponse {
    caller.send(Method::DELETE, &format!("/api/v2{path}"), Vec::new()).await
}

fn text_member(value: &Value, key: &str) -> String {
    value[key].as_str().unwrap_or_else(|| panic!("no {key} in {value}")).to_owned()
}

/// shows: security/pci/8.6.3
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_credential_is_listed_rotated_and_revoked_and_its_tokens_end_with_it() {
    let platform = TestPlatform::start().await;
    let partner = platform.create_partner("Acme").await;
    let list = format!("/tenants/{partner}/credentials");
    let made = platform.sp.post(&list, json!({ "description": "backup job" })).await.json();
    let (id, key, secret) =
        (text_member(&made, "id"), text_member(&made, "clientId"), text_member(&made, "clientSecret"));
    let listed = |page: &Value| page["results"].as_array().unwrap().clone();
    let seen = listed(&platform.sp.get(&list).await.json());
    assert_eq!(seen.len(), 1);
    assert_eq!(
        (text_member(&seen[0], "id"), text_member(&seen[0], "description")),
        (id.clone(), "backup job".to_owned())
    );
    assert!(text_member(&seen[0]["createdBy"], "id").starts_with("api@sp_1#"), "{seen:?}");
    assert!(seen[0].get("lastUsedTime").is_none() && seen[0].get("expiresTime").is_none(), "{seen:?}");
    let caller = caller_with_credential(&platform, &key, &secret).await;
    let page = caller.get(&list).await;
    assert!(listed(&page.json())[0].get("lastUsedTime").is_some(), "{}", page.text);
    for hidden in [&key, &secret] {
        assert!(!page.text.contains(hidden.as_str()), "{}", page.text);
    }

    // Rotation makes a new secret for the same key. The old secret and its tokens are invalid at once.
    let rotated = platform.sp.post_empty(&format!("{list}/{id}/rotate")).await.json();
    assert_eq!((text_member(&rotated, "id"), rotated.get("clientId")), (id.clone(), None));
    assert_eq!(caller.get(&list).await.status, 401);
    assert_eq!(request_token(&platform, &key, &secret).await.status, 401);
    let caller = caller_with_credential(&platform, &key, &text_member(&rotated, "clientSecret")).await;
    assert!(listed(&caller.get(&list).await.json())[0].get("rotatedTime").is_some());

    delete(&platform.sp, &format!("{list}/{id}")).await.json();
    assert_eq!(caller.get(&list).await.status, 401, "its tokens end with it");
    assert_eq!(request_token(&platform, &key, &text_member(&rotated, "clientSecret")).await.status, 401);
    assert!(listed(&platform.sp.get(&list).await.json()).is_empty());
    delete(&platform.sp, &format!("{list}/{id}")).await.assert_error(404, "Credential");
    platform.sp.post_empty(&format!("{list}/{id}/rotate")).await.assert_error(404, "Credential");
    // A credential of another tenant is not found under this tenant.
    let own = listed(&platform.sp.get(&format!("/tenants/{}/credentials", platform.sp_id)).await.json());
    delete(&platform.sp, &format!("{list}/{}", text_member(&own[0], "id"))).await.assert_error(404, "Credential");
    let rows: Vec<String> = super::audit::audit_rows(&platform, &partner)
        .await
        .iter()
        .map(|row| format!("{} {}", text_member(row, "action"), text_member(row, "object")))
        .collect();
    for done in ["credential.create", "credential.rotate", "credential.revoke"] {
        assert!(rows.contains(&format!("{done} {id}")), "{done}: {rows:?}");
    }
}

/// shows: security/pci/8.6.3
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_credential_ends_on_its_day_and_a_rotation_gives_it_as_long_again() {
    let platform = TestPlatform::start().await;
    let partner = platform.create_partner("Acme").await;
    let list = format!("/tenants/{partner}/credentials");
    for days in [json!(0), json!(-1), json!(3651)] {
        platform.sp.post(&list, json!({ "expiresInDays": days })).await.assert_field_refused("expiresInDays");
    }
    platform.sp.post(&list, json!({ "description": "a\u{1}" })).await.assert_field_refused("description");
    let made = platform.sp.post(&list, json!({ "expiresInDays": 30 })).await.json();
    let (id, key, secret) =
        (text_member(&made, "id"), text_member(&made, "clientId"), text_member(&made, "clientSecret"));
    let caller = caller_with_credential(&platform, &key, &secret).await;
    // Simulates that nearly all days have passed: no token outlives its credential.
    let pool = platform.pool().await;
    let soon = jiff::Timestamp::now().as_millisecond() + 600_000;
    let age =
        format!("UPDATE credential SET created_at = {soon} - 2592000000, expires_at = {soon} WHERE expires_at > 0");
    sqlx::query(AssertSqlSafe(age)).execute(&pool).await.unwrap();
    let seconds = request_token(&platform, &key, &secret).await.json()["expires_in"].as_i64().unwrap();
    assert!((0..600).contains(&seconds), "{seconds}");
    sqlx::query("UPDATE credential SET expires_at = expires_at - 700000 WHERE expires_at > 0")
        .execute(&pool)
        .await
        .unwrap();
    assert_eq!(caller.get(&list).await.status, 401, "a token of before is dead, too");
    assert_eq!(request_token(&platform, &key, &secret).await.status, 401);
    assert_eq!(platform.sp.get(&list).await.json()["results"][0]["expired"], true);
    let rotated = platform.sp.post_empty(&format!("{list}/{id}/rotate")).await.json();
    let page = platform.sp.get(&list).await.json();
    assert_eq!(
        (&page["results"][0]["expired"], &page["results"][0]["expiresTime"]),
        (&json!(false), &rotated["expiresTime"])
    );
    caller_with_credential(&platform, &key, &text_member(&rotated, "clientSecret")).await;
    let left: i64 = sqlx::query_scalar("SELECT expires_at - rotated_at FROM credential WHERE expires_at > 0")
        .fetch_one(&pool)
        .await
        .unwrap();
    assert_eq!(left / 86_400_000, 29, "the days of before, less what this test took off");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_revoked_token_of_a_credential_is_dead_and_its_other_tokens_are_not() {
    let platform = TestPlatform::start().await;
    let partner = platform.create_partner("Acme").await;
    let made = platform.sp.post_empty(&format!("/tenants/{partner}/credentials")).await.json();
    let (key, secret) = (text_member(&made, "clientId"), text_member(&made, "clientSecret"));
    let (one, other) = (
        caller_with_credential(&platform, &key, &secret).await,
        caller_with_credential(&platform, &key, &secret).await,
    );
    let url = format!("{}/tenancy/auth/oauth/revoke", platform.url());
    for _ in 0..2 {
        let form = [("token", one.token.as_str())];
        assert_eq!(reqwest::Client::new().post(&url).form(&form).send().await.unwrap().status(), 200);
        assert_eq!(one.get("/cfg/countries").await.status, 401);
        assert_eq!(other.get("/cfg/countries").await.status, 200);
    }
    let log = super::audit::audit_rows(&platform, &partner).await;
    assert_eq!(log.iter().filter(|row| row["action"] == "token.revoke").count(), 1, "{log:?}");
}

/// shows: security/pci/8.6.3
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_deactivated_person_made_says_so_and_goes_on_until_it_is_revoked() {
    let platform = TestPlatform::start().await;
    let partner = platform.create_partner("Acme").await;
    let (ada, ada_id) = platform.create_logged_in_user(&partner, "ada", &["Partner Administrator"]).await;
    let list = format!("/tenants/{partner}/credentials");
    let made = ada.post_empty(&list).await.json();
    let maker = |page: Value| page["results"][0]["createdBy"].clone();
    let shown = |status: &str| json!({ "id": format!("user:{ada_id}"), "loginName": "ada", "status": status });
    assert_eq!(maker(ada.get(&list).await.json()), shown("active"));
    platform.sp.post_empty(&format!("/tenants/{partner}/users/{ada_id}/DEACTIVATE")).await.json();
    assert_eq!(maker(platform.sp.get(&list).await.json()), shown("inactive"));
    let caller =
        caller_with_credential(&platform, &text_member(&made, "clientId"), &text_member(&made, "clientSecret")).await;
    // A suspended partner's credentials can be revoked but not created.
    platform.sp.post_empty(&format!("{}/{partner}/suspend", platform.partners_path())).await.json();
    platform.sp.post_empty(&list).await.assert_error(410, "suspended");
    assert_eq!(caller.get(&list).await.status, 200);
    delete(&platform.sp, &format!("{list}/{}", text_member(&made, "id"))).await.json();
    assert_eq!(caller.get(&list).await.status, 401);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_tenant_has_a_bounded_number_of_credentials_that_were_not_revoked() {
    let platform = TestPlatform::start().await;
    let partner = platform.create_partner("Acme").await;
    let list = format!("/tenants/{partner}/credentials");
    let first = platform.sp.post_empty(&list).await.json();
    for _ in 1..100 {
        platform.sp.post_empty(&list).await.json();
    }
    let message = platform.sp.post_empty(&list).await.assert_field_refused("body");
    assert!(message.contains("100") && message.contains("revoke"), "{message}");
    delete(&platform.sp, &format!("{list}/{}", text_member(&first, "id"))).await.json();
    platform.sp.post_empty(&list).await.json();
}

fn config_for_file(folder: &TestFolder, file: &str) -> Config {
    let mut config = Config::new(folder.database());
    (config.limits, config.login.password_hash_cost) = (None, CHEAP_HASH);
    config.audit_key = Some(folder.path("tenantry-audit.key"));
    config.credential_file = Some(folder.path(file));
    config
}

async fn count_credentials(folder: &TestFolder) -> i64 {
    sqlx::query_scalar("SELECT COUNT(*) FROM credential").fetch_one(&folder.pool().await).await.unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_start_without_its_file_makes_no_further_credential() {
    let folder = TestFolder::new();
    let first = tenantry_platform::start(config_for_file(&folder, "credential.json")).await.unwrap();
    let credential: Credential = first.credential.clone().unwrap();
    first.stop().await;
    for file in ["credential.json", "lost.json", "lost.json"] {
        let next = tenantry_platform::start(config_for_file(&folder, file)).await.unwrap();
        assert_eq!(next.credential.is_some(), file == "credential.json", "{file}");
        ApiCaller::new(&next.url, &credential).await;
        assert!(!folder.path("lost.json").exists());
        assert_eq!(count_credentials(&folder).await, 1);
        next.stop().await;
    }
    // Two platforms that start at the same time on a new database create one credential.
    let fresh = TestFolder::new();
    assert!(run_platform_program(&fresh, &["admin", "create", "--login", "root"]).status.success());
    let (one, two) = tokio::join!(
        tenantry_platform::start(config_for_file(&fresh, "one.json")),
        tenantry_platform::start(config_for_file(&fresh, "two.json"))
    );
    let made = [one.unwrap(), two.unwrap()].iter().filter(|running| running.credential.is_some()).count();
    assert_eq!((made, count_credentials(&fresh).await), (1, 1));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_start_that_ends_before_its_file_has_its_name_loses_no_credential() {
    let folder = TestFolder::new();
    // The file's folder does not exist: the start fails, and no credential is left that nobody knows.
    let failed = tenantry_platform::start(config_for_file(&folder, "later/credential.json")).await;
    assert!(failed.err().unwrap().to_string().contains("later/credential.json"));
    assert_eq!(count_credentials(&folder).await, 0);
    std::fs::create_dir(folder.path("later")).unwrap();
    let first = tenantry_platform::start(config_for_file(&folder, "later/credential.json")).await.unwrap();
    let credential = first.credential.clone().unwrap();
    first.stop().await;
    // Simulates a crash between the commit and the rename of the file.
    std::fs::rename(folder.path("later/credential.json"), folder.path("later/credential.json.new")).unwrap();
    let next = tenantry_platform::start(config_for_file(&folder, "later/credential.json")).await.unwrap();
    assert_eq!(next.credential.as_ref().map(|found| &found.client_id), Some(&credential.client_id));
    ApiCaller::new(&next.url, &credential).await;
    assert!(folder.path("later/credential.json").exists());
    next.stop().await;
}

fn run_platform_program(folder: &TestFolder, arguments: &[&str]) -> Output {
    let mut command = Command::new(crate::assets::platform_program());
    command
        .args(arguments)
        .args(["--database", &folder.database(), "--audit-key"])
        .arg(folder.path("tenantry-audit.key"));
    command.env_remove("RUST_LOG").env_remove("TENANTRY_LOG").output().unwrap()
}

fn printed_value(output: &Output, word: &str) -> String {
    let text = String::from_utf8(output.stdout.clone()).unwrap();
    let line = text.lines().find_map(|line| line.strip_prefix(&format!("{word}:")).map(str::trim));
    line.unwrap_or_else(|| panic!("no {word} in {output:?}")).to_owned()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_command_makes_lists_and_revokes_credentials_beside_a_running_platform() {
    let folder = TestFolder::new();
    let mut platform = TestPlatform::start().await;
    platform.running.take().unwrap().stop().await;
    platform.running = Some(tenantry_platform::start(config_for_file(&folder, "credential.json")).await.unwrap());
    platform.sp = ApiCaller::new(platform.url(), platform.running.as_ref().unwrap().credential.as_ref().unwrap()).await;
    let made =
        run_platform_program(&folder, &["credential", "create", "--description", "for the operator", "--days", "90"]);
    assert!(made.status.success(), "{made:?}");
    let (id, key, secret) =
        (printed_value(&made, "id"), printed_value(&made, "clientId"), printed_value(&made, "clientSecret"));
    assert_eq!(printed_value(&made, "tenantId"), "sp_1");
    assert!(!String::from_utf8_lossy(&made.stderr).contains(&secret));
    let caller = caller_with_credential(&platform, &key, &secret).await;
    caller.get("/tenants/sp_1/msps/minimal").await.json();

    let listed = String::from_utf8(run_platform_program(&folder, &["credential", "list"]).stdout).unwrap();
    let row = listed.lines().find(|line| line.contains(&id)).unwrap_or_else(|| panic!("{listed}"));
    assert!(row.starts_with("sp_1\t") && row.contains("console") && row.contains("for the operator"), "{row}");
    assert_eq!(listed.lines().count(), 3, "a heading, the first one and this one: {listed}");
    assert!(!listed.contains(&key) && !listed.contains(&secret), "{listed}");
    assert_eq!(
        String::from_utf8(run_platform_program(&folder, &["credential", "list", "--tenant", "msp_9"]).stdout)
            .unwrap()
            .lines()
            .count(),
        1
    );

    assert!(run_platform_program(&folder, &["credential", "revoke", "--id", &id]).status.success());
    assert_eq!(caller.get("/tenants/sp_1/msps/minimal").await.status, 401);
    let again = run_platform_program(&folder, &["credential", "revoke", "--id", &id]);
    assert!(again.status.code() == Some(1) && String::from_utf8_lossy(&again.stderr).contains(&id), "{again:?}");
    let nowhere = run_platform_program(&folder, &["credential", "create", "--tenant", "msp_900"]);
    assert!(
        nowhere.status.code() == Some(1) && String::from_utf8_lossy(&nowhere.stderr).contains("msp_900"),
        "{nowhere:?}"
    );

    // When all credentials are revoked, including that of the file, the platform starts and a new one can be created.
    let first: Vec<&str> = listed.lines().skip(1).map(|line| line.split('\t').nth(1).unwrap()).collect();
    for id in first.into_iter().filter(|first| *first != id) {
        assert!(run_platform_program(&folder, &["credential", "revoke", "--id", id]).status.success());
    }
    platform.running.take().unwrap().stop().await;
    let running = tenantry_platform::start(config_for_file(&folder, "credential.json")).await.unwrap();
    assert!(running.credential.is_none());
    assert!(run_platform_program(&folder, &["credential", "create"]).status.success());
    let verified = tenantry_platform::verify_audit(&folder.database(), Some(&folder.path("tenantry-audit.key"))).await;
    assert!(verified.unwrap().findings.is_empty());
}

/// Runs the command with flags from the environment only, as in a Pod.
fn show_credential(folder: &TestFolder, more: &[(&str, &str)]) -> Output {
    let mut command = Command::new(crate::assets::platform_program());
    command.args(["credential", "show"]).current_dir(folder.path("")).env_remove("RUST_LOG").env_remove("TENANTRY_LOG");
    command.env("TENANTRY_DATABASE", folder.database()).env("TENANTRY_CREDENTIAL_FILE", "credential.json");
    command.envs(more.iter().copied()).output().unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_first_credential_is_shown_as_a_secret_takes_it_with_the_public_url() {
    let folder = TestFolder::new();
    let mut config = config_for_file(&folder, "credential.json");
    config.public_url = Some("https://tenants.example".parse().unwrap());
    let running = tenantry_platform::start(config).await.unwrap();
    let written: Value = serde_json::from_slice(&std::fs::read(folder.path("credential.json")).unwrap()).unwrap();
    assert_eq!(written["url"], "https://tenants.example");

    let shown = show_credential(&folder, &[]);
    assert!(shown.status.success(), "{shown:?}");
    let lines =
        ["url", "tenantId", "clientId", "clientSecret"].map(|key| format!("{key}={}\n", text_member(&written, key)));
    assert_eq!(String::from_utf8(shown.stdout).unwrap(), lines.concat());
    ApiCaller::new(&running.url, running.credential.as_ref().unwrap()).await;
    // The current address is used, not that of the first start.
    let moved = show_credential(&folder, &[("TENANTRY_PUBLIC_URL", "https://moved.example")]);
    assert!(String::from_utf8(moved.stdout).unwrap().starts_with("url=https://moved.example\n"));

    let refused = |output: &Output, words: &str| {
        let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.code() == Some(1) && output.stdout.is_empty() && stderr.contains(words), "{output:?}");
    };
    refused(
        &show_credential(&folder, &[("TENANTRY_CREDENTIAL_FILE", "other.json")]),
        "there is no credential file `other.json`",
    );
    let listed = String::from_utf8(run_platform_program(&folder, &["credential", "list"]).stdout).unwrap();
    let id = listed.lines().nth(1).unwrap().split('\t').nth(1).unwrap();
    assert!(run_platform_program(&folder, &["credential", "revoke", "--id", id]).status.success());
    refused(&show_credential(&folder, &[]), "was revoked or rotated or has ended");
    let other = TestFolder::new();
    tenantry_platform::start(self::config_for_file(&other, "credential.json")).await.unwrap().stop().await;
    refused(&show_credential(&folder, &[("TENANTRY_DATABASE", &other.database())]), "belongs to another database");
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_credential_from_before_says_by_the_audit_log_who_made_it() {
    let platform = TestPlatform::start().await;
    let partner = platform.create_partner("Acme").await;
    let (ada, ada_id) = platform.create_logged_in_user(&partner, "ada", &["Partner Administrator"]).await;
    ada.post_empty(&format!("/tenants/{partner}/credentials")).await.json();
    platform.execute_sql("UPDATE credential SET created_by = ''").await;
    let migration = include_str!("../../../crates/tenantry-platform/migrations/0013_credentials.sql");
    let (_, update) = migration.split_once("UPDATE").unwrap();
    let update = format!("UPDATE{}", update.split(';').next().unwrap());
    sqlx::query(AssertSqlSafe(update)).execute(&platform.pool().await).await.unwrap();
    let page = ada.get(&format!("/tenants/{partner}/credentials")).await.json();
    assert_eq!(page["results"][0]["createdBy"]["id"], format!("user:{ada_id}"));
    platform.sp.log_in_person("ada", CHOSEN_PASSWORD).await;
}

/// Inserts thirty thousand expired tokens of tenant 2's credential.
const EXPIRED_TOKENS_SQL: &str = "INSERT INTO token (hash, tenant_id, expires_at, key_hash) \
                     WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 30000) \
                     SELECT 'ended' || CAST(i AS TEXT), 2, 1, key_hash FROM n, credential WHERE tenant_id = 2";

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn tokens_are_given_while_credentials_and_people_end_without_a_deadlock() {
    let platform = TestPlatform::start().await;
    let partner = platform.create_partner("Acme").await;
    let (_, ada) = platform.create_logged_in_user(&partner, "ada", &[]).await;
    let list = format!("/tenants/{partner}/credentials");
    let made = platform.sp.post(&list, json!({})).await.json();
    let (id, key, mut secret) =
        (text_member(&made, "id"), text_member(&made, "clientId"), text_member(&made, "clientSecret"));
    for _ in 0..6 {
        let issues = || futures::future::join_all([0; 6].map(|_| request_token(&platform, &key, &secret)));
        assert!(issues().await.iter().all(|answer| answer.status == 200));
        let logins = || futures::future::join_all([0; 4].map(|_| platform.sp.login("ada", CHOSEN_PASSWORD)));
        assert!(logins().await.iter().all(|answer| answer.status == 200));
        // Issuing a token deletes all expired ones, which takes time. A rotation ends the tokens of its credential.
        platform.execute_sql(EXPIRED_TOKENS_SQL).await;
        platform.execute_sql("UPDATE session SET expires_at = 1").await;
        let user = format!("/tenants/{partner}/users/{ada}");
        let (rotate, end) = (format!("{list}/{id}/rotate"), format!("{user}/DEACTIVATE"));
        let ended = futures::future::join(platform.sp.post_empty(&rotate), platform.sp.post_empty(&end));
        let (tokens, logged, (rotated, ended)) = tokio::join!(issues(), logins(), ended);
        let expected =
            |answers: &[ApiResponse]| answers.iter().all(|answer| [200, 401].contains(&answer.status.as_u16()));
        assert!(expected(&tokens) && expected(&logged), "{tokens:?} {logged:?}");
        ended.json();
        secret = text_member(&rotated.json(), "clientSecret");
        platform.sp.post_empty(&format!("{user}/ACTIVATE")).await.json();
    }
    assert_eq!(super::audit_anchor::count_deadlocks(&platform).await, 0);
}
