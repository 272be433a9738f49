//! Enrolment belongs to its session; and what becomes of a factor when it is taken away or its person goes.

use serde_json::{Value, json};

use super::factor::{App, later, switch};
use super::pages::{Browser, location};
use crate::platform::Platform;
use crate::platform::people::{CHOSEN, user};

async fn count(platform: &Platform, table: &str) -> i64 {
    let text = format!("SELECT COUNT(*) FROM {table}");
    sqlx::query_scalar(sqlx::AssertSqlSafe(text)).fetch_one(&platform.pool().await).await.unwrap()
}

#[tokio::test]
async fn a_secret_that_is_not_confirmed_is_good_in_its_own_session_only() {
    let platform = Platform::start().await;
    let partner = platform.partner("Acme").await;
    platform.logged_in(&partner, "ada", &[]).await;
    switch(&platform, &partner, true).await;
    let (mut one, mut two) = (Browser::new(&platform), Browser::new(&platform));
    for browser in [&mut one, &mut two] {
        browser.log_in("/login", "ada", CHOSEN).await;
    }
    let first = App::scan(&one.get("/factor").await.text);
    let second = App::scan(&two.get("/factor").await.text);
    assert_ne!(first.forms(), second.forms());
    assert_eq!(App::scan(&one.get("/factor").await.text).forms(), first.forms(), "a reload shows the same");
    assert_eq!(two.factor(&first.code(0)).await.status, 401, "the code of another session's secret");
    assert_eq!(platform.sp.login_with("ada", CHOSEN, &first.code(0)).await.status, 403);
    assert_eq!(count(&platform, "factor").await, 0);
    assert_eq!(one.factor(&first.code(0)).await.status, 200);
    later(&platform).await;
    // Whoever was too late has to show what is enrolled.
    assert!(!two.get("/factor").await.text.contains("<svg"));
    assert_eq!(two.factor(&second.code(0)).await.status, 401);
    assert_eq!(location(&two.factor(&first.code(0)).await), "/consent");
}

#[tokio::test]
async fn of_two_enrolments_at_once_one_is_kept() {
    let platform = Platform::start().await;
    let partner = platform.partner("Acme").await;
    platform.logged_in(&partner, "ada", &[]).await;
    switch(&platform, &partner, true).await;
    let mut ready = Vec::new();
    for _ in 0..8 {
        let mut browser = Browser::new(&platform);
        browser.log_in("/login", "ada", CHOSEN).await;
        let app = App::scan(&browser.get("/factor").await.text);
        ready.push((browser, app.code(0)));
    }
    let answers = futures::future::join_all(ready.iter_mut().map(|(browser, code)| browser.factor(code))).await;
    assert_eq!(answers.iter().filter(|answer| answer.status == 200).count(), 1);
    assert_eq!((count(&platform, "factor").await, count(&platform, "recovery_code").await), (1, 10));
}

/// shows: security/asvs/6.4.4, security/asvs/7.4.1
#[tokio::test]
async fn an_administrator_takes_a_lost_factor_away_and_the_next_login_enrols_anew() {
    let platform = Platform::start().await;
    let partner = platform.partner("Acme").await;
    let (_, id) = platform.logged_in(&partner, "ada", &["Partner Administrator"]).await;
    switch(&platform, &partner, true).await;
    let mut browser = Browser::new(&platform);
    let (old, codes) = browser.enrol("ada").await;
    later(&platform).await;
    let path = format!("/tenants/{partner}/users/{id}/RESETFACTOR");
    platform.sp.act(&format!("/tenants/{partner}/users/USR9999999999/RESETFACTOR")).await.is(404, "not found");
    platform.sp.act(&path).await.json();
    assert_eq!(location(&browser.get("/").await), "/login", "every session ended");
    assert_eq!((count(&platform, "factor").await, count(&platform, "recovery_code").await), (0, 0));
    let (new, _) = browser.enrol("ada").await;
    later(&platform).await;
    for gone in [&old.code(0), &codes[0]] {
        let mut other = Browser::new(&platform);
        other.log_in("/login", "ada", CHOSEN).await;
        assert_eq!(other.factor(gone).await.status, 401);
    }
    assert_eq!(location(&browser.get("/").await), "");
    assert_ne!(new.forms(), old.forms());
    let log = crate::platform::audit::lines(&platform, &partner).await;
    let row = log.iter().find(|row| row["action"] == "factor.reset").unwrap();
    assert_eq!((&row["object"], &row["outcome"]), (&json!(id), &json!("done")));
    assert!(log.iter().any(|row| row["action"] == "factor.enrol" && row["outcome"] == "done"));
}

#[tokio::test]
async fn whoever_may_not_run_users_takes_no_factor_away() {
    let platform = Platform::start().await;
    let partner = platform.partner("Acme").await;
    let (_, ada) = platform.logged_in(&partner, "ada", &["Partner Administrator"]).await;
    let client = platform.sp.client(&partner, "Globex").await;
    let (ben, _) = platform.logged_in(&client, "ben", &["Client user"]).await;
    let (ann, id) = platform.logged_in(&client, "ann", &["Client Administrator"]).await;
    assert_eq!(ben.act(&format!("/tenants/{client}/users/{id}/RESETFACTOR")).await.status, 403);
    ann.act(&format!("/tenants/{partner}/users/{ada}/RESETFACTOR")).await.is(404, "not found");
}

#[tokio::test]
async fn the_factor_of_whoever_is_ended_is_erased_to_the_last_byte() {
    let platform = Platform::start().await;
    let partner = platform.partner("Acme").await;
    let (_, id) = platform.logged_in(&partner, "ada", &[]).await;
    switch(&platform, &partner, true).await;
    Browser::new(&platform).enrol("ada").await;
    let kept: Vec<String> = sqlx::query_scalar("SELECT secret FROM factor UNION ALL SELECT hash FROM recovery_code")
        .fetch_all(&platform.pool().await)
        .await
        .unwrap();
    assert_eq!(kept.len(), 11);
    assert!(kept.iter().all(|text| platform.folder.has(text)));
    platform.sp.act(&format!("/tenants/{partner}/users/{id}/TERMINATE")).await.json();
    assert_eq!((count(&platform, "factor").await, count(&platform, "recovery_code").await), (0, 0));
    let now = jiff::Timestamp::now().as_millisecond();
    platform.running.as_ref().unwrap().housekeep(now).await.unwrap();
    for text in &kept {
        assert!(!platform.folder.has(text), "the database has {text}");
    }
}

#[tokio::test]
async fn a_user_shows_which_factor_is_asked_and_has_a_switch_of_its_own() {
    let platform = Platform::start().await;
    let partner = platform.partner("Acme").await;
    let (_, id) = platform.logged_in(&partner, "ada", &[]).await;
    let path = format!("/tenants/{partner}/users/{id}");
    let shown = |user: &Value| (user["twoFactorAuthentication"].clone(), user["twoFactor"]["provider"].clone());
    let read = platform.sp.get(&path).await.json();
    assert_eq!(shown(&read), (json!(false), Value::Null));
    let on = json!({ "twoFactorAuthentication": true });
    assert_eq!(shown(&platform.sp.post(&path, on.clone()).await.json()), (json!(true), json!("TOTP")));
    assert_eq!(platform.sp.login("ada", CHOSEN).await.status, 403, "her own switch asks her");
    let off = json!({ "twoFactorAuthentication": false });
    assert_eq!(shown(&platform.sp.post(&path, off.clone()).await.json()), (json!(false), Value::Null));
    assert_eq!(platform.sp.login("ada", CHOSEN).await.status, 200);
    // Where the tenant asks all, nobody is let off alone, and what is sent back as shown stays the tenant's.
    switch(&platform, &partner, true).await;
    platform.sp.post(&path, off.clone()).await.refuses("twoFactorAuthentication");
    assert_eq!(shown(&platform.sp.post(&path, on).await.json()), (json!(true), json!("TOTP")));
    switch(&platform, &partner, false).await;
    assert_eq!(shown(&platform.sp.get(&path).await.json()), (json!(false), Value::Null));
    let duo = json!({ "duoSecurity": { "integrationKey": "k", "secretKey": "s", "apiHostName": "h.example" } });
    platform.sp.post(&format!("{}/{partner}", platform.msps()), duo).await.json();
    assert_eq!(shown(&platform.sp.get(&path).await.json()), (json!(true), json!("DUO")));
    let mut body = user("eve", &[]);
    body["twoFactorAuthentication"] = json!(true);
    let made = platform.sp.post(&format!("/tenants/{partner}/users"), body).await.json();
    assert_eq!(shown(&made), (json!(true), json!("DUO")));
    let listed = platform.sp.get(&format!("/tenants/{partner}/users/search?queryString=loginName:ada")).await.json();
    assert_eq!(shown(&listed["results"][0]), (json!(true), json!("DUO")));
}
