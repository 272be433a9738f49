//! Credentials that change, end, or go.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::{Site, state, status, with_client, with_partner};
use crate::proxy::rules::{Answer, Fault, Rule, When};

/// Data of the Secret that leads through the site's proxy.
fn data(site: &Site<'_>) -> Value {
    let mut data = site.space.credential();
    data["url"] = json!(site.proxy.url());
    data
}

/// A further credential of the service provider.
fn fresh(site: &Site<'_>) -> Value {
    let tenancy = &site.space.world.tenancy;
    let answer = tenancy.call("POST", &format!("{}/credentials", tenancy.tenant()), None).unwrap();
    let made = answer.json().unwrap();
    let mut data = data(site);
    data["clientId"] = made["clientId"].clone();
    data["clientSecret"] = made["clientSecret"].clone();
    data
}

fn tokens(site: &Site<'_>) -> usize {
    site.proxy.count("POST", "/oauth/token")
}

#[test]
fn a_rotated_credential_is_used_within_seconds_and_the_old_one_is_tried_once() {
    let (site, partner, client) = with_client("rotate", &json!({"details": {"city": "Berlin"}}));
    let new = fresh(&site);
    let old = site.space.credential()["clientId"].as_str().unwrap().to_owned();
    let asked = tokens(&site);
    // The account ends the old key: its token is worth nothing, and there is no other for it.
    site.proxy.set(vec![
        Rule::new("POST", "/oauth/token", status(401)).with_body(&old),
        Rule::new("", "/api/", status(401)),
    ]);
    site.space.patch("client/globex", &json!({"spec": {"details": {"city": "Bonn"}}}));
    site.space.not_ready("client/globex", "CredentialsRefused");
    std::thread::sleep(Duration::from_secs(3));
    assert!(tokens(&site) - asked <= 1, "{} tries with the refused key", tokens(&site) - asked);
    site.proxy.set(vec![Rule::new("POST", "/oauth/token", status(401)).with_body(&old)]);
    site.space.secret("platform", &new);
    let begin = Instant::now();
    site.space.until("the new key is used", || Ok(site.space.platform_client(&partner, &client)["city"] == "Bonn"));
    assert!(begin.elapsed() < Duration::from_secs(7), "used after {:?}", begin.elapsed());
    site.space.ready("client/globex");
    site.space.ready("partner/acme");
    assert_eq!(site.living(&partner).len(), 1);
}

#[test]
fn without_its_secret_an_object_waits_uses_no_other_credential_and_goes_on_when_it_is_back() {
    let (site, partner, client) = with_client("emptied", &json!({"deletion": {"policy": "Suspend"}}));
    let mut empty = data(&site);
    empty["clientSecret"] = json!("");
    site.space.secret("platform", &empty);
    assert!(site.space.not_ready("client/globex", "CredentialsUnavailable").contains("`clientSecret`"));
    site.space.kubectl(&["delete", "secret", "platform"]);
    site.space.until("the Secret is missed", || {
        let ready = site.space.condition("client/globex", "Ready");
        Ok(ready.is_some_and(|(_, _, message)| message.contains("does not exist")))
    });
    let asked = site.proxy.seen().len();
    site.space.delete("client/globex");
    site.space.until("the deletion waits", || {
        let blocked = site.space.condition("client/globex", "DeletionBlocked");
        Ok(blocked.is_some_and(|(_, reason, _)| reason == "CredentialsUnavailable"))
    });
    assert_eq!(state(&site, &partner, &client), "ACTIVE");
    assert_eq!(site.proxy.seen().len(), asked, "the platform was asked without the Secret");
    site.space.secret("platform", &data(&site));
    site.space.gone("client/globex");
    assert_eq!(state(&site, &partner, &client), "SUSPENDED");
    site.space.ready("partner/acme");
}

/// Forty creates that take about four seconds, whatever happens to the token meanwhile.
fn batch(site: &Site<'_>, partner: &str, mut rules: Vec<Rule>) {
    rules.push(Rule::new("POST", "/clients$", Fault::Delay(1200)));
    site.proxy.set(rules);
    for number in 0..40 {
        site.space.client(&format!("c{number}"), &json!({}));
    }
    site.space.until("all are there", || Ok(site.living(partner).len() == 40));
    site.each_once(partner, 40);
    assert_eq!(site.proxy.count("POST", "/clients$"), 40);
}

#[test]
fn a_token_that_ends_in_the_middle_of_a_batch_is_renewed_once_for_all() {
    let (site, partner) = with_partner("expiry");
    // A token of two seconds first, as the platform would answer it; then its own ones, of two hours.
    let new = fresh(&site);
    let short = json!({"access_token": token(&site, &new), "token_type": "bearer", "expires_in": 2}).to_string();
    let headers = [("x-tenantry-extensions", "1"), ("content-type", "application/json")]
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .into();
    let answer = Fault::Answer(Answer { status: 200, headers, body: short, after: false });
    let asked = tokens(&site);
    let rules = vec![Rule::new("POST", "/oauth/token", answer).when(When::First(1))];
    site.proxy.set(rules.clone());
    site.space.secret("platform", &new);
    batch(&site, &partner, rules);
    assert_eq!(tokens(&site) - asked, 2, "one token that ended, and one in its place");
}

fn token(site: &Site<'_>, data: &Value) -> String {
    let text = |key: &str| data[key].as_str().unwrap().to_owned();
    let form = format!("grant_type=client_credentials&client_id={}&client_secret={}", text("clientId"), text("clientSecret"));
    let url = format!("{}/tenancy/auth/oauth/token", site.space.world.platform.service.url());
    let headers = [("Content-Type", "application/x-www-form-urlencoded")];
    let answer = crate::http::send("POST", &url, &headers, &form).unwrap().json().unwrap();
    answer["access_token"].as_str().unwrap().to_owned()
}

#[test]
fn a_token_that_the_platform_forgets_in_the_middle_of_a_batch_is_renewed_once_for_all() {
    let (site, partner) = with_partner("forgotten");
    let asked = tokens(&site);
    site.proxy.set(vec![
        Rule::new("POST", "/clients$", status(401)).when(When::First(10)),
        Rule::new("POST", "/clients$", Fault::Delay(300)),
    ]);
    for number in 0..20 {
        site.space.client(&format!("c{number}"), &json!({}));
    }
    site.space.until("all are there", || Ok(site.living(&partner).len() == 20));
    site.each_once(&partner, 20);
    let renewed = tokens(&site) - asked;
    assert!((1..=10).contains(&renewed), "{renewed} tokens");
}
