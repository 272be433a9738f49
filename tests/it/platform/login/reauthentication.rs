//! Tests of re-authentication before account settings are saved and before a user gets lasting power.

use futures::future::join_all;
use reqwest::Method;
use serde_json::{Value, json};
use tenantry_platform::{ApiRoute, HttpMethod, ROUTES, ReauthPolicy};

use super::pages::{HttpBrowser, redirect_location};
use super::second_factor::{AuthenticatorApp, forget_used_codes, switch_second_factor};
use crate::platform::people::CHOSEN_PASSWORD;
use crate::platform::{ApiCaller, ApiResponse, TestPlatform};

struct ReauthFixture {
    platform: TestPlatform,
    partner: String,
    client: String,
    /// A user of the partner.
    bob: String,
    /// An administrator of the service provider, with a second factor.
    sue: String,
    app: AuthenticatorApp,
    codes: Vec<String>,
    browser: HttpBrowser,
}

impl ReauthFixture {
    async fn new() -> Self {
        let platform = TestPlatform::start().await;
        let partner = platform.create_partner("Acme").await;
        let client = platform.sp.create_client(&partner, "Globex").await;
        let bob = platform.create_user(&partner, "bob", &[]).await;
        let sp = platform.sp_id.clone();
        let (_, sue) = platform.create_logged_in_user(&sp, "sue", &["Service Provider Administrator"]).await;
        let own = json!({ "twoFactorAuthentication": true });
        platform.sp.post(&format!("/tenants/{sp}/users/{sue}"), own).await.json();
        let mut browser = HttpBrowser::new(&platform);
        let (app, codes) = browser.enrol_second_factor("sue").await;
        forget_used_codes(&platform).await;
        // The edited tenants require a second factor of their users.
        for path in [format!("{}/{partner}", platform.partners_path()), format!("/tenants/{partner}/clients/{client}")]
        {
            platform.sp.post(&path, json!({ "twoFactorAuthentication": true })).await.json();
        }
        Self { platform, partner, client, bob, sue, app, codes, browser }
    }

    /// Fills the ids into a path below `/api/v2`.
    fn row_path(&self, path: &str) -> String {
        let tenant = if path.contains("/msps") || path.contains("/cfg") { &self.platform.sp_id } else { &self.partner };
        let tenant = if path.contains("/client/") { &self.client } else { tenant };
        let path = path.strip_prefix("/api/v2").unwrap().replace("{tenant}", tenant).replace("{msp}", &self.partner);
        path.replace("{client}", &self.client).replace("{user}", &self.bob)
    }

    /// Returns an unused code.
    async fn fresh_code(&self) -> String {
        forget_used_codes(&self.platform).await;
        self.app.code_at_step(0)
    }
}

/// Returns settings that change with `number`.
fn changed_settings(number: u32) -> Value {
    json!({ "city": format!("City {number}"), "applicationTitle": format!("Title {number}") })
}

fn is_second_factor_required(answer: &ApiResponse) -> bool {
    let asked = answer.text.contains("two_factor_proof_required");
    assert!(!asked || answer.status == 403, "{}", answer.text);
    assert!(!asked || answer.text.contains("X-Two-Factor-Code") && answer.text.contains("/factor"), "{}", answer.text);
    asked
}

/// Calls every route with a user's session and token. Returns the routes that asked for re-authentication.
async fn routes_requiring_reauth(fixture: &mut ReauthFixture, token: &ApiCaller) -> Vec<String> {
    let mut asking = Vec::new();
    for ApiRoute { method: verb, path, operation: call, .. } in ROUTES {
        // The other ids do not exist, so these calls change nothing.
        let path = ["{role}", "{set}", "{category}", "{record}", "{stream}", "{credential}"]
            .iter()
            .fold(fixture.row_path(path), |path, name| path.replace(name, "none_900"));
        let acts = path.ends_with("ATE") || path.ends_with("/suspend") || path.ends_with("/terminate");
        if acts
            && (call.reauth_policy() != ReauthPolicy::IfTenantRequiresFactor
                || !has_second_factor_required(fixture).await)
        {
            continue;
        }
        let method: Method = verb.name().parse().unwrap();
        let by_page = fixture.browser.call_api(method.clone(), &path, &changed_settings(1), &[]).await;
        let by_token =
            token.send(method, &format!("/api/v2{path}"), changed_settings(1).to_string().into_bytes()).await;
        assert_eq!(is_second_factor_required(&by_page), is_second_factor_required(&by_token), "{path}");
        if is_second_factor_required(&by_page) {
            asking.push(format!("{} {}", verb.name(), path));
        }
    }
    asking
}

async fn has_second_factor_required(fixture: &ReauthFixture) -> bool {
    let partner = fixture.platform.sp.get(&format!("/tenants/{}", fixture.partner)).await.json();
    partner["twoFactorAuthentication"] == true
}

/// shows: seeds/branding/two-factor-window, seeds/branding/two-factor-window-only-if
/// shows: security/asvs/7.5.1
#[tokio::test]
async fn a_tenant_that_asks_for_a_factor_is_edited_with_a_fresh_proof_and_another_without() {
    let mut world = ReauthFixture::new().await;
    let token = world.platform.sp.login_with("sue", CHOSEN_PASSWORD, &world.codes[0]).await.json();
    let token = world.platform.sp.with_token(token["access_token"].as_str().unwrap());
    let (sp, partner, client) = (world.platform.sp_id.clone(), world.partner.clone(), world.client.clone());
    let (one, other) = (format!("/tenants/{partner}/clients/{client}"), format!("/tenants/{sp}/msps/{partner}"));
    let saves = |one: &str| ["", "/activate", "/suspend", "/terminate"].map(|action| format!("POST {one}{action}"));
    let power = [
        format!("POST /tenants/{partner}/credentials"),
        format!("POST /tenants/{partner}/credentials/none_900/rotate"),
        format!("DELETE /tenants/{partner}/credentials/none_900"),
        format!("POST /tenants/{partner}/users/{}/RESETFACTOR", world.bob),
    ];
    let own = [format!("POST /tenants/{partner}"), format!("PUT /tenants/{partner}/customBranding")];
    let expected = [&saves(&one)[..], &saves(&other)[..], &own[..], &power[..]].concat();
    assert_eq!(routes_requiring_reauth(&mut world, &token).await, expected);
    let city = world.platform.sp.get(&format!("/tenants/{partner}")).await.json();
    assert!(city.get("city").is_none_or(|city| city == ""), "nothing was saved: {city}");
    // The setting of the edited tenant counts, not that of the editor's tenant.
    for path in [&one, &other] {
        world.platform.sp.post(path, json!({ "twoFactorAuthentication": false })).await.json();
    }
    assert_eq!(routes_requiring_reauth(&mut world, &token).await, power);
}

/// Sends a save.
async fn send_save(caller: &ApiCaller, verb: HttpMethod, path: &str, number: u32, code: &str) -> ApiResponse {
    let method: Method = verb.name().parse().unwrap();
    caller
        .send_with_code(method, &format!("/api/v2{path}"), changed_settings(number).to_string().into_bytes(), code)
        .await
}

/// shows: seeds/branding/two-factor-window
#[tokio::test]
async fn each_of_them_takes_one_code_or_one_confirmation_for_one_save() {
    let mut world = ReauthFixture::new().await;
    let saves = |row: &&ApiRoute| {
        let last = row.path.rsplit('/').next().unwrap_or_default();
        let asks = matches!(row.operation.reauth_policy(), ReauthPolicy::IfTenantRequiresFactor | ReauthPolicy::Always);
        asks && !row.path.contains("{credential}") && !["activate", "suspend", "terminate"].contains(&last)
    };
    let rows: Vec<_> = ROUTES.iter().filter(saves).collect();
    assert_eq!(rows.len(), 6, "{rows:?}");
    let token = world.platform.sp.login_with("sue", CHOSEN_PASSWORD, &world.codes[0]).await.json();
    let token = world.platform.sp.with_token(token["access_token"].as_str().unwrap());
    for ApiRoute { method: verb, path, .. } in rows {
        let path = world.row_path(path);
        // An API credential is never asked.
        send_save(&world.platform.sp, *verb, &path, 2, "").await.json();
        // A code in the header allows one save.
        assert!(
            is_second_factor_required(&send_save(&token, *verb, &path, 3, &world.app.wrong_code()).await),
            "{path}"
        );
        let code = world.fresh_code().await;
        send_save(&token, *verb, &path, 3, &code).await.json();
        assert!(is_second_factor_required(&send_save(&token, *verb, &path, 4, &code).await), "{path}");
        // A code on the page allows one save.
        let method: Method = verb.name().parse().unwrap();
        let code = world.fresh_code().await;
        let confirmed = world.browser.send_code(&code).await;
        assert!(confirmed.status == 200 && confirmed.text.contains("within two minutes"), "{}", confirmed.text);
        world.browser.call_api(method.clone(), &path, &changed_settings(5), &[]).await.json();
        assert!(
            is_second_factor_required(&world.browser.call_api(method, &path, &changed_settings(6), &[]).await),
            "{path}"
        );
    }
}

/// shows: security/asvs/7.5.1
#[tokio::test]
async fn one_confirmation_is_good_for_one_save_of_many_at_once_and_for_two_minutes() {
    let mut world = ReauthFixture::new().await;
    let path = format!("{}/{}", world.platform.partners_path(), world.partner);
    let code = world.fresh_code().await;
    world.browser.send_code(&code).await;
    let mut browsers: Vec<HttpBrowser> = (0..20).map(|_| world.browser.clone()).collect();
    let bodies: Vec<Value> = (0..20).map(|number| changed_settings(100 + number)).collect();
    let saves =
        browsers.iter_mut().zip(&bodies).map(|(browser, body)| browser.call_api(Method::POST, &path, body, &[]));
    let answers = join_all(saves).await;
    assert_eq!(answers.iter().filter(|answer| answer.status == 200).count(), 1);
    assert_eq!(answers.iter().filter(|answer| is_second_factor_required(answer)).count(), 19);
    // A save that is refused for another reason does not use the code.
    let code = world.fresh_code().await;
    world.browser.send_code(&code).await;
    world
        .browser
        .call_api(Method::POST, &path, &json!({ "country": "Atlantis" }), &[])
        .await
        .assert_field_refused("country");
    world.platform.execute_sql("UPDATE session SET verified_until = verified_until - 115000").await;
    world.browser.call_api(Method::POST, &path, &changed_settings(7), &[]).await.json();
    let code = world.fresh_code().await;
    world.browser.send_code(&code).await;
    world.platform.execute_sql("UPDATE session SET verified_until = verified_until - 121000").await;
    assert!(is_second_factor_required(&world.browser.call_api(Method::POST, &path, &changed_settings(8), &[]).await));
}

#[tokio::test]
async fn the_proof_of_the_login_itself_is_no_proof_for_a_save_and_another_session_has_none() {
    let mut world = ReauthFixture::new().await;
    let path = format!("{}/{}", world.platform.partners_path(), world.partner);
    assert!(
        is_second_factor_required(&world.browser.call_api(Method::POST, &path, &changed_settings(1), &[]).await),
        "she has just logged in"
    );
    let mut other = HttpBrowser::new(&world.platform);
    other.log_in("/login", "sue", CHOSEN_PASSWORD).await;
    let code = world.fresh_code().await;
    assert_eq!(redirect_location(&other.send_code(&code).await), "/");
    let code = world.fresh_code().await;
    other.send_code(&code).await;
    assert!(is_second_factor_required(&world.browser.call_api(Method::POST, &path, &changed_settings(1), &[]).await));
    other.call_api(Method::POST, &path, &changed_settings(1), &[]).await.json();
}

/// Moves all logins one hour into the past.
async fn age_sessions_by_an_hour(platform: &TestPlatform) {
    platform.execute_sql("UPDATE session SET created_at = created_at - 3600000").await;
}

fn is_password_required(answer: &ApiResponse) -> bool {
    let asked = answer.text.contains("password_proof_required");
    assert!(!asked || answer.status == 403 && answer.text.contains("/factor"), "{}", answer.text);
    asked
}

/// shows: security/asvs/7.5.1
#[tokio::test]
async fn without_a_second_factor_the_password_is_asked_again() {
    let mut world = ReauthFixture::new().await;
    let sp = world.platform.sp_id.clone();
    let (path, own) =
        (format!("{}/{}", world.platform.partners_path(), world.partner), format!("/tenants/{sp}/users/{}", world.sue));
    let (eve, _) = world.platform.create_logged_in_user(&sp, "eve", &["Service Provider Administrator"]).await;
    let mut page = HttpBrowser::new(&world.platform);
    page.log_in("/login", "eve", CHOSEN_PASSWORD).await;
    eve.post(&path, changed_settings(1)).await.json();
    age_sessions_by_an_hour(&world.platform).await;
    assert!(is_password_required(&eve.post(&path, changed_settings(2)).await));
    assert!(is_password_required(&page.call_api(Method::POST, &path, &changed_settings(2), &[]).await));
    let wrong = page.submit_form("/factor", "/factor", &[("password", "wrong")]).await;
    assert!(wrong.status == 401 && wrong.text.contains("The password is wrong."), "{}", wrong.text);
    let right = page.submit_form("/factor", "/factor", &[("password", CHOSEN_PASSWORD)]).await;
    assert!(right.status == 200 && right.text.contains("within two minutes"), "{}", right.text);
    page.call_api(Method::POST, &path, &changed_settings(2), &[]).await.json();
    assert!(
        is_password_required(&page.call_api(Method::POST, &path, &changed_settings(3), &[]).await),
        "one save for one proof"
    );
    assert!(is_password_required(&eve.post(&path, changed_settings(3)).await), "and another session has none");
    world.platform.sp.log_in_person("eve", CHOSEN_PASSWORD).await.post(&path, changed_settings(3)).await.json();
    let log = crate::platform::audit::audit_rows(&world.platform, &sp).await;
    let proofs: Vec<_> =
        log.iter().filter(|row| row["action"] == "password.prove").map(|row| row["outcome"].clone()).collect();
    assert_eq!(proofs, ["denied", "done"]);

    world.browser.call_api(Method::POST, &own, &json!({ "city": "Bonn" }), &[]).await.json();
    let off = json!({ "twoFactorAuthentication": false });
    assert!(is_second_factor_required(&world.browser.call_api(Method::POST, &own, &off, &[]).await));
    let code = world.fresh_code().await;
    world.browser.send_code(&code).await;
    world.browser.call_api(Method::POST, &own, &off, &[]).await.json();
}

#[tokio::test]
async fn a_stolen_session_enrols_no_second_factor_without_the_password() {
    let platform = TestPlatform::start().await;
    let partner = platform.create_partner("Acme").await;
    let (_, ada) = platform.create_logged_in_user(&partner, "ada", &["Partner Administrator"]).await;
    let mut page = HttpBrowser::new(&platform);
    page.log_in("/login", "ada", CHOSEN_PASSWORD).await;
    age_sessions_by_an_hour(&platform).await;
    let own = json!({ "twoFactorAuthentication": true });
    page.call_api(Method::POST, &format!("/tenants/{partner}/users/{ada}"), &own, &[]).await.json();
    let shown = page.get("/factor").await;
    assert!(shown.text.contains("Enter your password") && !shown.text.contains("class=\"secret\""), "{}", shown.text);
    let tried = page.submit_form("/factor", "/factor", &[("code", "123456")]).await;
    assert!(tried.text.contains("Enter your password"), "{}", tried.text);
    assert_eq!(page.submit_form("/factor", "/factor", &[("password", "wrong")]).await.status, 401);
    let right = page.submit_form("/factor", "/factor", &[("password", CHOSEN_PASSWORD)]).await;
    assert_eq!(redirect_location(&right), "/factor", "{}", right.text);
    let app = AuthenticatorApp::scan_secret(&page.get("/factor").await.text);
    let done = page.send_code(&app.code_at_step(0)).await;
    assert!(done.status == 200 && done.text.contains("Recovery codes"), "{}", done.text);
}

#[tokio::test]
async fn a_proof_is_used_up_before_the_save_ends_the_session_that_has_it() {
    let platform = TestPlatform::start().await;
    let partner = platform.create_partner("Acme").await;
    platform.create_logged_in_user(&partner, "ada", &["Partner Administrator"]).await;
    switch_second_factor(&platform, &partner, true).await;
    let mut page = HttpBrowser::new(&platform);
    let (app, _) = page.enrol_second_factor("ada").await;
    forget_used_codes(&platform).await;
    assert_eq!(page.send_code(&app.code_at_step(0)).await.status, 200);
    let moment = jiff::Timestamp::now() + jiff::SignedDuration::from_secs(30);
    let moment = moment.strftime("%Y-%m-%dT%H:%M:%S+0000").to_string();
    let change = json!({ "changePasswordsSetBefore": moment });
    let path = format!("/tenants/{partner}");
    page.call_api(Method::POST, &path, &change, &[]).await.json();
    assert_eq!(platform.sp.get(&path).await.json()["changePasswordsSetBefore"], moment.as_str());
}

/// shows: security/asvs/7.5.1
#[tokio::test]
async fn nobody_gets_lasting_power_by_a_session_that_was_stolen() {
    let platform = TestPlatform::start().await;
    let partner = platform.create_partner("Acme").await;
    let (ada, ada_id) = platform.create_logged_in_user(&partner, "ada", &["Partner Administrator"]).await;
    let (_, bob) = platform.create_logged_in_user(&partner, "bob", &[]).await;
    let (_, boss) = platform.create_logged_in_user(&partner, "boss", &["Partner Administrator"]).await;
    let at = |rest: &str| format!("/tenants/{partner}{rest}");
    platform.sp.post_empty(&at(&format!("/users/{boss}/DEACTIVATE"))).await.json();
    let own = json!({ "twoFactorAuthentication": true });
    platform.sp.post(&at(&format!("/users/{bob}")), own).await.json();
    let role = platform.sp.post(&at("/roles"), json!({ "name": "Plain" })).await.json();
    let role = role["uniqueId"].as_str().unwrap();
    let set = platform.sp.post(&at("/permissionSets"), json!({ "name": "Plain", "permissions": [] })).await.json();
    let set = set["uniqueId"].as_str().unwrap();
    let administer = json!([{ "name": "Administration", "type": "Manage" }]);
    let administrators = "/roles/ROLE-00000000-0000-4000-8000-000000000011";
    let with_admin = crate::platform::people::user_body("eve", &["Partner Administrator"]);
    age_sessions_by_an_hour(&platform).await;
    let before = platform.sp.get(&at("/users/minimal")).await.text;
    for (verb, rest, body) in [
        ("POST", "/credentials".to_owned(), json!({})),
        ("POST", format!("/users/{bob}/RESETFACTOR"), json!({})),
        ("POST", format!("/users/{bob}"), json!({ "password": "Stolen-Passw0rd!" })),
        ("POST", format!("/users/{bob}"), json!({ "twoFactorAuthentication": false })),
        ("POST", format!("/users/{bob}"), json!({ "roles": [{ "name": "Partner Administrator" }] })),
        ("POST", format!("/users/{boss}/ACTIVATE"), json!({})),
        ("POST", "/users".to_owned(), with_admin),
        ("POST", "/roles".to_owned(), json!({ "name": "R", "permissions": [{ "id": 11 }] })),
        ("POST", format!("/roles/{role}"), json!({ "permissions": [{ "id": 12 }] })),
        ("POST", administrators.to_owned(), json!({ "users": [{ "id": bob }, { "id": ada_id }] })),
        ("POST", "/permissionSets".to_owned(), json!({ "name": "S", "permissions": administer })),
        ("PUT", format!("/permissionSets/{set}"), json!({ "permissions": administer })),
    ] {
        let path = format!("/api/v2{}", at(&rest));
        let answer = ada.send(verb.parse().unwrap(), &path, body.to_string().into_bytes()).await;
        assert!(is_password_required(&answer), "{verb} {rest} {body}: {} {}", answer.status, answer.text);
    }
    assert_eq!(platform.sp.get(&at("/users/minimal")).await.text, before, "nothing was done");
    let bob_now = platform.sp.get(&at(&format!("/users/{bob}"))).await.json();
    assert_eq!((&bob_now["roles"], &bob_now["twoFactorAuthentication"]), (&json!([]), &json!(true)));
    let login = platform.sp.login("bob", CHOSEN_PASSWORD).await;
    assert!(login.text.contains("two_factor_required"), "the password is the one of before: {}", login.text);
    // An API credential is never asked, and nobody is asked for a change that gives no power.
    for (rest, body) in [
        ("/users".to_owned(), crate::platform::people::user_body("carl", &[])),
        (format!("/users/{bob}"), json!({ "city": "Bonn" })),
        (format!("/users/{bob}"), json!({ "roles": [] })),
        ("/roles".to_owned(), json!({ "name": "Plainer" })),
        (format!("/users/{bob}/DEACTIVATE"), json!({})),
        (format!("/users/{bob}/ACTIVATE"), json!({})),
    ] {
        ada.post(&at(&rest), body).await.json();
    }
    platform.sp.post_empty(&at(&format!("/users/{boss}/ACTIVATE"))).await.json();
    platform.sp.post_empty(&at("/credentials")).await.json();
}

/// shows: security/asvs/7.5.1
#[tokio::test]
async fn a_person_with_a_second_factor_shows_it_to_change_the_own_password() {
    let world = ReauthFixture::new().await;
    let sp = world.platform.sp_id.clone();
    let token = world.platform.sp.login_with("sue", CHOSEN_PASSWORD, &world.codes[0]).await.json();
    let token = world.platform.sp.with_token(token["access_token"].as_str().unwrap());
    let path = format!("/api/v2/tenants/{sp}/users/{}/changePassword", world.sue);
    let to = "Third-Passw0rd!";
    let body = json!({ "currentPassword": CHOSEN_PASSWORD, "newPassword": to, "confirmPassword": to }).to_string();
    assert!(is_second_factor_required(&token.send(Method::POST, &path, body.clone().into_bytes()).await));
    let code = world.fresh_code().await;
    token.send_with_code(Method::POST, &path, body.into_bytes(), &code).await.json();
    // The page has a field for the code.
    let mut page = HttpBrowser::new(&world.platform);
    page.log_in("/login", "sue", to).await;
    let code = world.fresh_code().await;
    page.send_code(&code).await;
    let fields = [("current", to), ("new", "Fourth-Passw0rd!"), ("again", "Fourth-Passw0rd!")];
    let without = page.submit_form("/password", "/password", &fields).await;
    assert_eq!(redirect_location(&without), "/factor", "{}", without.text);
    let wrong = world.app.wrong_code();
    let refused = page.submit_form("/password", "/password", &[&fields[..], &[("code", &*wrong)]].concat()).await;
    assert!(refused.status == 401 && refused.text.contains("The code was not taken."), "{}", refused.text);
    let code = world.fresh_code().await;
    let changed = page.submit_form("/password", "/password", &[&fields[..], &[("code", &*code)]].concat()).await;
    assert!(changed.text.contains("The password was changed"), "{}", changed.text);
}
