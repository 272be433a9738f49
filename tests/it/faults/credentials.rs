//! Credentials that change, end, or go.

use std::time::Duration;

use serde_json::{Value, json};

use super::{Site, refused, state, with_client};
use crate::proxy::rules::{Answer, Fault, Rule, Seen, When};
use crate::world::World;

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

/// Requests for a token with this key.
fn tries(site: &Site<'_>, key: &Value) -> usize {
    let is_try = |seen: &Seen| seen.target.ends_with("/oauth/token") && seen.body.contains(key.as_str().unwrap());
    site.proxy.seen().iter().filter(|seen| is_try(seen)).count()
}

/// shows: faults/22
#[test]
fn a_rotated_credential_is_used_before_the_next_look_and_the_old_one_is_tried_once() {
    // The next look for drift is an hour away: until then only the new key can make the difference.
    let world = World::start("rotate", |options| {
        super::short_timeout(options);
        "1h".clone_into(&mut options.drift_interval);
    });
    let world = world.unwrap();
    let site = super::site_in(&world, "rotate", Vec::new());
    site.space.partner("acme", &json!({}));
    site.space.client("globex", &json!({"details": {"city": "Berlin"}}));
    let (partner, client) = (site.space.ready("partner/acme"), site.space.ready("client/globex"));
    let new = fresh(&site);
    let old = site.space.credential()["clientId"].as_str().unwrap().to_owned();
    let asked = tokens(&site);
    // The account ends the old key: its token is worth nothing, and there is no other for it.
    site.proxy
        .set(vec![Rule::new("POST", "/oauth/token", refused()).with_body(&old), Rule::new("", "/api/", refused())]);
    site.space.patch("client/globex", &json!({"spec": {"details": {"city": "Bonn"}}}));
    let message = site.space.not_ready("client/globex", "CredentialsRefused");
    let space = &site.space.name;
    for word in [format!("Secret `{space}/platform`"), format!("Partner `{space}/acme`"), "host `127.0.0.1".to_owned()]
    {
        assert!(message.contains(&word), "`{message}` does not say `{word}`");
    }
    std::thread::sleep(Duration::from_secs(3));
    let tried = tokens(&site) - asked;
    assert!(tried <= 1, "{tried} tries with the refused key");
    site.proxy.set(vec![Rule::new("POST", "/oauth/token", refused()).with_body(&old)]);
    site.space.secret("platform", &new);
    site.space.until("the new key is used", || Ok(site.space.platform_client(&partner, &client)["city"] == "Bonn"));
    site.space.ready("client/globex");
    site.space.ready("partner/acme");
    assert_eq!((tries(&site, &new["clientId"]), tokens(&site) - asked), (1, tried + 1), "one token for all objects");
    assert_eq!(site.living(&partner).len(), 1);
}

/// shows: faults/23
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

/// A site whose first tokens are all the same one, which the test knows, and live so many seconds.
fn with_token(prefix: &str, seconds: u32) -> (Site<'static>, String, String) {
    let world = super::world();
    let token = token(world);
    let body = json!({"access_token": token, "token_type": "bearer", "expires_in": seconds}).to_string();
    let headers = [("x-tenantry-extensions", "1"), ("content-type", "application/json")]
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .into();
    let answer = Fault::Answer(Answer { status: 200, headers, body, after: false });
    let site = super::site(prefix, vec![Rule::new("POST", "/oauth/token", answer)]);
    site.space.partner("acme", &json!({}));
    let partner = site.space.ready("partner/acme");
    (site, partner, token)
}

fn token(world: &World) -> String {
    let credential = &world.platform.credential;
    let form = format!(
        "grant_type=client_credentials&client_id={}&client_secret={}",
        credential.client_id, credential.client_secret
    );
    let url = format!("{}/tenancy/auth/oauth/token", world.platform.service.url());
    let headers = [("Content-Type", "application/x-www-form-urlencoded")];
    let answer = crate::http::send("POST", &url, &headers, &form).unwrap().json().unwrap();
    answer["access_token"].as_str().unwrap().to_owned()
}

/// Makes so many clients.
fn batch(site: &Site<'_>, partner: &str, count: usize) {
    for number in 0..count {
        site.space.client(&format!("c{number}"), &json!({}));
    }
    site.space.until("all are there", || Ok(site.living(partner).len() == count));
    site.each_once(partner, count);
}

/// shows: faults/24
#[test]
fn tokens_that_end_in_the_middle_of_a_batch_are_renewed_once_each_for_all() {
    let (site, partner, _) = with_token("expiry", 3);
    // Sixteen creates at a time: the batch takes longer than a token lives.
    site.proxy.add(Rule::new("POST", "/clients$", Fault::Delay(2000)));
    let before = site.proxy.seen().len();
    batch(&site, &partner, 30);
    let seen = site.proxy.seen().split_off(before);
    let is_token = |one: &Seen| one.target.ends_with("/oauth/token");
    // Where each of sixteen renewed it for itself, their requests would come in one row.
    let in_a_row = seen.split(|one| !is_token(one)).map(<[Seen]>::len).max().unwrap_or_default();
    assert!(
        (1..=2).contains(&in_a_row),
        "{in_a_row} tokens in a row, {} in all",
        seen.iter().filter(|one| is_token(one)).count()
    );
    assert_eq!(site.proxy.count("POST", "/clients$"), 30);
}

/// shows: faults/24
#[test]
fn a_token_that_the_platform_forgets_in_the_middle_of_a_batch_is_renewed_once_for_all() {
    let (site, partner, token) = with_token("forgotten", 7199);
    let asked = tokens(&site);
    site.proxy.set(vec![
        // Long enough for all workers to be on their way with it.
        Rule::new("POST", "/clients$", Fault::Delay(700)).when(When::First(12)),
        Rule::new("", "/api/", refused()).with_header(&token),
    ]);
    batch(&site, &partner, 20);
    assert_eq!(tokens(&site) - asked, 1);
    assert_eq!(site.space.condition("partner/acme", "CredentialsValid").unwrap().0, "True");
}
