//! Denied attempts that no budget of requests bounds are few rows, and the rows tell together how many attempts there were.

use reqwest::Method;
use serde_json::{Value, json};

use super::factor::switch;
use super::pages::{Browser, location, token};
use crate::platform::Platform;
use crate::platform::audit::lines;
use crate::platform::people::CHOSEN;

/// How many attempts of each kind are sent.
const MANY: usize = 130;

/// Milliseconds of two minutes.
const TWO_MINUTES: i64 = 120_000;

/// The objects of a tenant's rows about denied attempts of some actions.
async fn denied(platform: &Platform, tenant: &str, actions: &[&str]) -> Vec<String> {
    let is_one = |row: &&Value| row["outcome"] == "denied" && actions.iter().any(|action| row["action"] == *action);
    let log = lines(platform, tenant).await;
    log.iter().filter(is_one).map(|row| row["object"].as_str().unwrap().to_owned()).collect()
}

/// How many attempts a row stands for: its own and those before it, or at the end of a minute those that were left out.
fn stands_for(object: &str) -> usize {
    let number = |text: &str| text.rsplit(' ').next().unwrap().parse::<usize>().unwrap();
    match (object.strip_suffix(" more left out"), object.strip_suffix(" left out")) {
        (Some(before), _) => 1 + number(before),
        (None, Some(before)) => number(before),
        (None, None) => 1,
    }
}

/// Of many attempts the first is a row, few others are, and the rows tell how many there were.
#[track_caller]
fn few(objects: &[String], object: &str, sent: usize) {
    let rows: Vec<&String> = objects.iter().filter(|text| text.split(';').next() == Some(object)).collect();
    assert_eq!(rows.first().map(|row| row.as_str()), Some(object), "{objects:?}");
    assert!((20..sent / 2).contains(&rows.len()), "{} rows of {object}", rows.len());
    assert_eq!(rows.iter().map(|row| stands_for(row)).sum::<usize>(), sent, "{rows:?}");
}

/// Ends the minute.
async fn end_minute(platform: &Platform) {
    let later = jiff::Timestamp::now().as_millisecond() + TWO_MINUTES;
    platform.running.as_ref().unwrap().housekeep(later).await.unwrap();
}

/// shows: security/asvs/16.2.5
#[tokio::test]
async fn wrong_codes_at_the_page_and_at_the_token_endpoint_are_few_rows() {
    let platform = Platform::start().await;
    let partner = platform.partner("Acme").await;
    platform.logged_in(&partner, "ada", &["Partner Administrator"]).await;
    switch(&platform, &partner, true).await;
    let (app, _) = Browser::new(&platform).enrol("ada").await;
    let mut browser = Browser::new(&platform);
    assert_eq!(location(&browser.log_in("/login", "ada", CHOSEN).await), "/factor");
    let form = token(&browser.get("/factor").await.text);
    let wrong = app.wrong();
    for number in 0..MANY {
        let form = [("form", form.as_str()), ("code", wrong.as_str())];
        let same = [("sec-fetch-site", "same-origin")];
        assert_eq!(browser.send((Method::POST, "/factor"), &form, &same).await.status, 401, "{number}");
        assert_eq!(platform.sp.login_with("ada", CHOSEN, &wrong).await.status, 403, "{number}");
        assert_eq!(platform.sp.login("ada", CHOSEN).await.status, 403, "{number}");
    }
    end_minute(&platform).await;
    let rows = denied(&platform, &partner, &["factor", "factor.locked"]).await;
    few(&rows, "code", 2 * MANY);
    few(&rows, "token", MANY);
}

/// shows: security/asvs/16.2.5
#[tokio::test]
async fn wrong_passwords_keys_and_requests_of_other_sites_and_addresses_are_few_rows() {
    let mut platform = Platform::start().await;
    let partner = platform.partner("Acme").await;
    platform.logged_in(&partner, "bob", &["Partner Administrator"]).await;
    platform.logged_in(&partner, "eve", &["Partner Administrator"]).await;
    let mut browser = Browser::new(&platform);
    browser.log_in("/login", "bob", CHOSEN).await;
    let form = token(&browser.get("/factor").await.text);
    let clients = format!("/api/v2/tenants/{partner}/clients");
    let (same, other) = ([("sec-fetch-site", "same-origin")], [("sec-fetch-site", "cross-site")]);
    let key = platform.credential.client_id.clone();
    let key = [("grant_type", "client_credentials"), ("client_id", key.as_str()), ("client_secret", "wrong")];
    for number in 0..MANY {
        let form = [("form", form.as_str()), ("password", "Wrong-Passw0rd!")];
        assert_eq!(browser.send((Method::POST, "/factor"), &form, &same).await.status, 401, "{number}");
        assert_eq!(browser.send((Method::POST, &clients), &[], &other).await.status, 403, "{number}");
        assert_eq!(browser.send((Method::POST, "/tenancy/auth/oauth/token"), &key, &[]).await.status, 401, "{number}");
        assert_eq!(platform.sp.login("eve", "Wrong-Passw0rd!").await.status, 401, "{number}");
    }
    platform.sql("DELETE FROM login_attempt").await;
    let list = json!({ "whiteListedIps": "198.51.100.*" });
    platform.sp.post(&format!("{}/{partner}", platform.msps()), list).await.json();
    for number in 0..MANY {
        let page = browser.get("/").await;
        assert_eq!(page.status, 403, "{number}: {}", page.text);
        // The right password from elsewhere counts as a failed login.
        let status = platform.sp.login("bob", CHOSEN).await.status;
        assert_eq!(status, if number < 10 { 403 } else { 401 }, "{number}");
    }
    // A platform that stops writes what it has not told.
    platform.restart(|_| ()).await;
    few(&denied(&platform, &partner, &["password.prove"]).await, "session", MANY);
    few(&denied(&platform, &partner, &["request"]).await, "another site", MANY);
    few(&denied(&platform, &platform.sp_id, &["token.issue"]).await, "token", MANY);
    let logins = denied(&platform, &partner, &["login.ip_denied", "login", "login.locked"]).await;
    few(&logins, "session", MANY);
    few(&logins, "TOKEN", 2 * MANY);
}
