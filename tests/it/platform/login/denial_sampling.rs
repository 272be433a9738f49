//! Tests of denied attempts that no request budget bounds: they make few rows, and the rows together report the number
//! of attempts.

use reqwest::Method;
use serde_json::{Value, json};

use super::pages::{HttpBrowser, form_token, redirect_location};
use super::second_factor::switch_second_factor;
use crate::platform::TestPlatform;
use crate::platform::audit::audit_rows;
use crate::platform::people::CHOSEN_PASSWORD;

/// How many attempts of each kind are sent.
const ATTEMPT_COUNT: usize = 130;

/// Two minutes in milliseconds.
const TWO_MINUTES: i64 = 120_000;

/// Returns the objects of a tenant's rows about denied attempts of some actions.
async fn denied_objects(platform: &TestPlatform, tenant: &str, actions: &[&str]) -> Vec<String> {
    let is_one = |row: &&Value| row["outcome"] == "denied" && actions.iter().any(|action| row["action"] == *action);
    let log = audit_rows(platform, tenant).await;
    log.iter().filter(is_one).map(|row| row["object"].as_str().unwrap().to_owned()).collect()
}

/// Returns how many attempts a row represents: its own and those before it, or at the end of a minute those without a
/// row.
fn represented_attempts(object: &str) -> usize {
    let number = |text: &str| text.rsplit(' ').next().unwrap().parse::<usize>().unwrap();
    match (object.strip_suffix(" more left out"), object.strip_suffix(" left out")) {
        (Some(before), _) => 1 + number(before),
        (None, Some(before)) => number(before),
        (None, None) => 1,
    }
}

/// Asserts that the first of many attempts is a row, that few others are, and that the rows report the total.
#[track_caller]
fn assert_sampled(objects: &[String], object: &str, sent: usize) {
    let rows: Vec<&String> = objects.iter().filter(|text| text.split(';').next() == Some(object)).collect();
    assert_eq!(rows.first().map(|row| row.as_str()), Some(object), "{objects:?}");
    assert!((20..sent / 2).contains(&rows.len()), "{} rows of {object}", rows.len());
    assert_eq!(rows.iter().map(|row| represented_attempts(row)).sum::<usize>(), sent, "{rows:?}");
}

/// Ends the minute.
async fn end_minute(platform: &TestPlatform) {
    let later = jiff::Timestamp::now().as_millisecond() + TWO_MINUTES;
    platform.running.as_ref().unwrap().run_maintenance(later).await.unwrap();
}

/// shows: security/asvs/16.2.5
#[tokio::test]
async fn wrong_codes_at_the_page_and_at_the_token_endpoint_are_few_rows() {
    let platform = TestPlatform::start().await;
    let partner = platform.create_partner("Acme").await;
    platform.create_logged_in_user(&partner, "ada", &["Partner Administrator"]).await;
    switch_second_factor(&platform, &partner, true).await;
    let (app, _) = HttpBrowser::new(&platform).enrol_second_factor("ada").await;
    let mut browser = HttpBrowser::new(&platform);
    assert_eq!(redirect_location(&browser.log_in("/login", "ada", CHOSEN_PASSWORD).await), "/factor");
    let form = form_token(&browser.get("/factor").await.text);
    let wrong = app.wrong_code();
    for number in 0..ATTEMPT_COUNT {
        let form = [("form", form.as_str()), ("code", wrong.as_str())];
        let same = [("sec-fetch-site", "same-origin")];
        assert_eq!(browser.send((Method::POST, "/factor"), &form, &same).await.status, 401, "{number}");
        assert_eq!(platform.sp.login_with("ada", CHOSEN_PASSWORD, &wrong).await.status, 403, "{number}");
        assert_eq!(platform.sp.login("ada", CHOSEN_PASSWORD).await.status, 403, "{number}");
    }
    end_minute(&platform).await;
    let rows = denied_objects(&platform, &partner, &["factor", "factor.locked"]).await;
    assert_sampled(&rows, "code", 2 * ATTEMPT_COUNT);
    assert_sampled(&rows, "token", ATTEMPT_COUNT);
}

/// shows: security/asvs/16.2.5
#[tokio::test]
async fn wrong_passwords_keys_and_requests_of_other_sites_and_addresses_are_few_rows() {
    let mut platform = TestPlatform::start().await;
    let partner = platform.create_partner("Acme").await;
    platform.create_logged_in_user(&partner, "bob", &["Partner Administrator"]).await;
    platform.create_logged_in_user(&partner, "eve", &["Partner Administrator"]).await;
    let mut browser = HttpBrowser::new(&platform);
    browser.log_in("/login", "bob", CHOSEN_PASSWORD).await;
    let form = form_token(&browser.get("/factor").await.text);
    let clients = format!("/api/v2/tenants/{partner}/clients");
    let (same, other) = ([("sec-fetch-site", "same-origin")], [("sec-fetch-site", "cross-site")]);
    let key = platform.credential.client_id.clone();
    let key = [("grant_type", "client_credentials"), ("client_id", key.as_str()), ("client_secret", "wrong")];
    for number in 0..ATTEMPT_COUNT {
        let form = [("form", form.as_str()), ("password", "Wrong-Passw0rd!")];
        assert_eq!(browser.send((Method::POST, "/factor"), &form, &same).await.status, 401, "{number}");
        assert_eq!(browser.send((Method::POST, &clients), &[], &other).await.status, 403, "{number}");
        assert_eq!(browser.send((Method::POST, "/tenancy/auth/oauth/token"), &key, &[]).await.status, 401, "{number}");
        assert_eq!(platform.sp.login("eve", "Wrong-Passw0rd!").await.status, 401, "{number}");
    }
    platform.execute_sql("DELETE FROM login_attempt").await;
    let list = json!({ "whiteListedIps": "198.51.100.*" });
    platform.sp.post(&format!("{}/{partner}", platform.partners_path()), list).await.json();
    for number in 0..ATTEMPT_COUNT {
        let page = browser.get("/").await;
        assert_eq!(page.status, 403, "{number}: {}", page.text);
        // The right password from a denied address counts as a failed login.
        let status = platform.sp.login("bob", CHOSEN_PASSWORD).await.status;
        assert_eq!(status, if number < 10 { 403 } else { 401 }, "{number}");
    }
    // A platform that stops writes the counts that it has not reported yet.
    platform.restart(|_| ()).await;
    assert_sampled(&denied_objects(&platform, &partner, &["password.prove"]).await, "session", ATTEMPT_COUNT);
    assert_sampled(&denied_objects(&platform, &partner, &["request"]).await, "another site", ATTEMPT_COUNT);
    assert_sampled(&denied_objects(&platform, &platform.sp_id, &["token.issue"]).await, "token", ATTEMPT_COUNT);
    let logins = denied_objects(&platform, &partner, &["login.ip_denied", "login", "login.locked"]).await;
    assert_sampled(&logins, "session", ATTEMPT_COUNT);
    assert_sampled(&logins, "TOKEN", 2 * ATTEMPT_COUNT);
}
