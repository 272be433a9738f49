//! The fresh proof before account settings are saved.

use futures::future::join_all;
use reqwest::Method;
use serde_json::{Value, json};
use tenantry::platform::{Again, Row, TABLE, Verb};

use super::factor::{App, later};
use super::pages::{Browser, location};
use crate::platform::people::CHOSEN;
use crate::platform::{Answer, Caller, Platform};

struct World {
    platform: Platform,
    partner: String,
    client: String,
    /// A user of the partner.
    bob: String,
    /// An administrator of the service provider, who has enrolled.
    sue: String,
    app: App,
    codes: Vec<String>,
    browser: Browser,
}

impl World {
    async fn new() -> Self {
        let platform = Platform::start().await;
        let partner = platform.partner("Acme").await;
        let client = platform.sp.client(&partner, "Globex").await;
        let bob = platform.user(&partner, "bob", &[]).await;
        let sp = platform.sp_id.clone();
        let (_, sue) = platform.logged_in(&sp, "sue", &["Service Provider Administrator"]).await;
        let own = json!({ "twoFactorAuthentication": true });
        platform.sp.post(&format!("/tenants/{sp}/users/{sue}"), own).await.json();
        let mut browser = Browser::new(&platform);
        let (app, codes) = browser.enrol("sue").await;
        later(&platform).await;
        Self { platform, partner, client, bob, sue, app, codes, browser }
    }

    /// A row's path below `/api/v2`.
    fn path(&self, path: &str) -> String {
        let tenant = if path.contains("/msps") || path.contains("/cfg") { &self.platform.sp_id } else { &self.partner };
        let tenant = if path.contains("/client/") { &self.client } else { tenant };
        let path = path.strip_prefix("/api/v2").unwrap().replace("{tenant}", tenant).replace("{msp}", &self.partner);
        path.replace("{client}", &self.client).replace("{user}", &self.bob)
    }

    /// A fresh code, whatever was used before.
    async fn code(&self) -> String {
        later(&self.platform).await;
        self.app.code(0)
    }
}

/// Something that changes.
fn body(number: u32) -> Value {
    json!({ "city": format!("City {number}"), "applicationTitle": format!("Title {number}") })
}

fn asked(answer: &Answer) -> bool {
    let asked = answer.text.contains("two_factor_proof_required");
    assert!(!asked || answer.status == 403, "{}", answer.text);
    assert!(!asked || answer.text.contains("X-Two-Factor-Code") && answer.text.contains("/factor"), "{}", answer.text);
    asked
}

#[tokio::test]
async fn every_route_that_saves_account_settings_asks_a_person_again_and_no_other_does() {
    let mut world = World::new().await;
    let token = world.platform.sp.login_with("sue", CHOSEN, &world.codes[0]).await.json();
    let token = world.platform.sp.with_token(token["access_token"].as_str().unwrap());
    let mut asking = Vec::new();
    for Row { verb, path, .. } in TABLE {
        // What lies behind the other routes is not there, so nothing happens.
        let path = ["{role}", "{set}", "{category}", "{record}", "{stream}"]
            .iter()
            .fold(world.path(path), |path, name| path.replace(name, "none_900"));
        let ends = path.ends_with("/terminate") || path.ends_with("/TERMINATE") || path.ends_with("/suspend");
        if ends {
            continue;
        }
        let method: Method = verb.name().parse().unwrap();
        let by_page = world.browser.ask((method.clone(), &path), &body(1), &[]).await;
        let by_token = token.raw(method, &format!("/api/v2{path}"), body(1).to_string().into_bytes()).await;
        assert_eq!(asked(&by_page), asked(&by_token), "{path}");
        if asked(&by_page) {
            asking.push(format!("{} {}", verb.name(), path));
        }
    }
    let (sp, partner, client, bob) = (&world.platform.sp_id, &world.partner, &world.client, &world.bob);
    let expected = [
        format!("POST /tenants/{partner}/clients/{client}"),
        format!("POST /tenants/{sp}/msps/{partner}"),
        format!("PUT /tenants/{partner}/customBranding"),
        format!("POST /tenants/{partner}/users/{bob}/RESETFACTOR"),
    ];
    assert_eq!(asking, expected);
    let city = world.platform.sp.get(&format!("/tenants/{partner}")).await.json();
    assert!(city.get("city").is_none_or(|city| city == ""), "nothing was saved: {city}");
}

/// Sends a save.
async fn save(caller: &Caller, verb: Verb, path: &str, (number, code): (u32, &str)) -> Answer {
    let method: Method = verb.name().parse().unwrap();
    caller.raw_with(method, &format!("/api/v2{path}"), (body(number).to_string().into_bytes(), code)).await
}

#[tokio::test]
async fn each_of_them_takes_one_code_or_one_confirmation_for_one_save() {
    let mut world = World::new().await;
    let rows: Vec<_> = TABLE.iter().filter(|row| row.call.asks_again() == Again::Always).collect();
    assert_eq!(rows.len(), 4);
    let token = world.platform.sp.login_with("sue", CHOSEN, &world.codes[0]).await.json();
    let token = world.platform.sp.with_token(token["access_token"].as_str().unwrap());
    for Row { verb, path, .. } in rows {
        let path = world.path(path);
        // An API credential is never asked.
        save(&world.platform.sp, *verb, &path, (2, "")).await.json();
        // By a code in the header, once.
        assert!(asked(&save(&token, *verb, &path, (3, &world.app.wrong())).await), "{path}");
        let code = world.code().await;
        save(&token, *verb, &path, (3, &code)).await.json();
        assert!(asked(&save(&token, *verb, &path, (4, &code)).await), "{path}");
        // By the page, once.
        let method: Method = verb.name().parse().unwrap();
        let code = world.code().await;
        let confirmed = world.browser.factor(&code).await;
        assert!(confirmed.status == 200 && confirmed.text.contains("within two minutes"), "{}", confirmed.text);
        world.browser.ask((method.clone(), &path), &body(5), &[]).await.json();
        assert!(asked(&world.browser.ask((method, &path), &body(6), &[]).await), "{path}");
    }
}

#[tokio::test]
async fn one_confirmation_is_good_for_one_save_of_many_at_once_and_for_two_minutes() {
    let mut world = World::new().await;
    let path = format!("{}/{}", world.platform.msps(), world.partner);
    let code = world.code().await;
    world.browser.factor(&code).await;
    let mut browsers: Vec<Browser> = (0..20).map(|_| world.browser.clone()).collect();
    let bodies: Vec<Value> = (0..20).map(|number| body(100 + number)).collect();
    let saves = browsers.iter_mut().zip(&bodies).map(|(browser, body)| browser.ask((Method::POST, &path), body, &[]));
    let answers = join_all(saves).await;
    assert_eq!(answers.iter().filter(|answer| answer.status == 200).count(), 1);
    assert_eq!(answers.iter().filter(|answer| asked(answer)).count(), 19);
    // A save that is refused for another reason uses nothing up.
    let code = world.code().await;
    world.browser.factor(&code).await;
    world.browser.ask((Method::POST, &path), &json!({ "country": "Atlantis" }), &[]).await.refuses("country");
    world.platform.sql("UPDATE session SET verified_until = verified_until - 115000").await;
    world.browser.ask((Method::POST, &path), &body(7), &[]).await.json();
    let code = world.code().await;
    world.browser.factor(&code).await;
    world.platform.sql("UPDATE session SET verified_until = verified_until - 121000").await;
    assert!(asked(&world.browser.ask((Method::POST, &path), &body(8), &[]).await));
}

#[tokio::test]
async fn the_proof_of_the_login_itself_is_no_proof_for_a_save_and_another_session_has_none() {
    let mut world = World::new().await;
    let path = format!("{}/{}", world.platform.msps(), world.partner);
    assert!(asked(&world.browser.ask((Method::POST, &path), &body(1), &[]).await), "she has just logged in");
    let mut other = Browser::new(&world.platform);
    other.log_in("/login", "sue", CHOSEN).await;
    let code = world.code().await;
    assert_eq!(location(&other.factor(&code).await), "/");
    let code = world.code().await;
    other.factor(&code).await;
    assert!(asked(&world.browser.ask((Method::POST, &path), &body(1), &[]).await));
    other.ask((Method::POST, &path), &body(1), &[]).await.json();
}

#[tokio::test]
async fn without_a_second_factor_nobody_is_asked_and_turning_ones_own_off_is_asked() {
    let mut world = World::new().await;
    let sp = world.platform.sp_id.clone();
    let (path, own) =
        (format!("{}/{}", world.platform.msps(), world.partner), format!("/tenants/{sp}/users/{}", world.sue));
    let (eve, _) = world.platform.logged_in(&sp, "eve", &["Service Provider Administrator"]).await;
    eve.post(&path, body(1)).await.json();
    world.browser.ask((Method::POST, &own), &json!({ "city": "Bonn" }), &[]).await.json();
    let off = json!({ "twoFactorAuthentication": false });
    assert!(asked(&world.browser.ask((Method::POST, &own), &off, &[]).await));
    let code = world.code().await;
    world.browser.factor(&code).await;
    world.browser.ask((Method::POST, &own), &off, &[]).await.json();
    world.browser.ask((Method::POST, &path), &body(2), &[]).await.json();
}
