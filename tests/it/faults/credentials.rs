//! Tests of credentials that change, expire or disappear.

use std::time::Duration;

use serde_json::{Value, json};

use super::{FaultSite, refused_credential_fault, site_with_client, tenant_state};
use crate::proxy::rules::{CannedAnswer, FaultRule, FaultTiming, ProxyFault, SeenRequest};
use crate::world::TestWorld;

/// Returns the data of a Secret whose URL is the site's proxy.
fn proxied_secret_data(site: &FaultSite<'_>) -> Value {
    let mut data = site.namespace.credential();
    data["url"] = json!(site.proxy.url());
    data
}

/// Creates another credential of the service provider. Returns the data of its Secret.
fn new_credential_data(site: &FaultSite<'_>) -> Value {
    let tenancy = &site.namespace.world.tenancy;
    let answer = tenancy.call("POST", &format!("{}/credentials", tenancy.provider_id()), None).unwrap();
    let made = answer.json().unwrap();
    let mut data = proxied_secret_data(site);
    data["clientId"] = made["clientId"].clone();
    data["clientSecret"] = made["clientSecret"].clone();
    data
}

fn count_token_requests(site: &FaultSite<'_>) -> usize {
    site.proxy.count_requests("POST", "/oauth/token")
}

/// Returns the number of token requests with this key.
fn count_token_requests_with(site: &FaultSite<'_>, key: &Value) -> usize {
    let is_try =
        |seen: &SeenRequest| seen.target.ends_with("/oauth/token") && seen.body.contains(key.as_str().unwrap());
    site.proxy.seen_requests().iter().filter(|seen| is_try(seen)).count()
}

/// shows: faults/22
#[test]
fn a_rotated_credential_is_used_before_the_next_look_and_the_old_one_is_tried_once() {
    // The next drift check is an hour away. Until then only the new key can make the difference.
    let world = TestWorld::start("rotate", |options| {
        super::short_timeout(options);
        "1h".clone_into(&mut options.drift_interval);
    });
    let world = world.unwrap();
    let site = super::new_site_in(&world, "rotate", Vec::new());
    site.namespace.apply_partner("acme", &json!({}));
    site.namespace.apply_client("globex", &json!({"details": {"city": "Berlin"}}));
    let (partner, client) =
        (site.namespace.wait_until_ready("partner/acme"), site.namespace.wait_until_ready("client/globex"));
    let new = new_credential_data(&site);
    let old = site.namespace.credential()["clientId"].as_str().unwrap().to_owned();
    let asked = count_token_requests(&site);
    // The account revokes the old key: its token is invalid, and it gets no other one.
    site.proxy.set_rules(vec![
        FaultRule::new("POST", "/oauth/token", refused_credential_fault()).with_body(&old),
        FaultRule::new("", "/api/", refused_credential_fault()),
    ]);
    site.namespace.merge_patch("client/globex", &json!({"spec": {"details": {"city": "Bonn"}}}));
    let message = site.namespace.wait_until_not_ready("client/globex", "CredentialsRefused");
    let space = &site.namespace.name;
    for word in [format!("Secret `{space}/platform`"), format!("Partner `{space}/acme`"), "host `127.0.0.1".to_owned()]
    {
        assert!(message.contains(&word), "`{message}` does not say `{word}`");
    }
    std::thread::sleep(Duration::from_secs(3));
    let tried = count_token_requests(&site) - asked;
    assert!(tried <= 1, "{tried} tries with the refused key");
    site.proxy.set_rules(vec![FaultRule::new("POST", "/oauth/token", refused_credential_fault()).with_body(&old)]);
    site.namespace.apply_secret("platform", &new);
    site.namespace.wait_until("the new key is used", || {
        Ok(site.namespace.read_client_tenant(&partner, &client)["city"] == "Bonn")
    });
    site.namespace.wait_until_ready("client/globex");
    site.namespace.wait_until_ready("partner/acme");
    assert_eq!(
        (count_token_requests_with(&site, &new["clientId"]), count_token_requests(&site) - asked),
        (1, tried + 1),
        "one token for all objects"
    );
    assert_eq!(site.living_clients(&partner).len(), 1);
}

/// shows: faults/23
#[test]
fn without_its_secret_an_object_waits_uses_no_other_credential_and_goes_on_when_it_is_back() {
    let (site, partner, client) = site_with_client("emptied", &json!({"deletion": {"policy": "Suspend"}}));
    let mut empty = proxied_secret_data(&site);
    empty["clientSecret"] = json!("");
    site.namespace.apply_secret("platform", &empty);
    assert!(site.namespace.wait_until_not_ready("client/globex", "CredentialsUnavailable").contains("`clientSecret`"));
    site.namespace.kubectl(&["delete", "secret", "platform"]);
    site.namespace.wait_until("the Secret is missed", || {
        let ready = site.namespace.condition("client/globex", "Ready");
        Ok(ready.is_some_and(|(_, _, message)| message.contains("does not exist")))
    });
    let asked = site.proxy.seen_requests().len();
    site.namespace.delete("client/globex");
    site.namespace.wait_until("the deletion waits", || {
        let blocked = site.namespace.condition("client/globex", "DeletionBlocked");
        Ok(blocked.is_some_and(|(_, reason, _)| reason == "CredentialsUnavailable"))
    });
    assert_eq!(tenant_state(&site, &partner, &client), "ACTIVE");
    assert_eq!(site.proxy.seen_requests().len(), asked, "the platform was asked without the Secret");
    site.namespace.apply_secret("platform", &proxied_secret_data(&site));
    site.namespace.wait_until_gone("client/globex");
    assert_eq!(tenant_state(&site, &partner, &client), "SUSPENDED");
    site.namespace.wait_until_ready("partner/acme");
}

/// Creates a site whose first tokens are all the same one, which the test knows and which lives for `seconds`.
fn site_with_fixed_token(prefix: &str, seconds: u32) -> (FaultSite<'static>, String, String) {
    let world = super::shared_world();
    let token = request_token(world);
    let body = json!({"access_token": token, "token_type": "bearer", "expires_in": seconds}).to_string();
    let headers = [("x-tenantry-extensions", "1"), ("content-type", "application/json")]
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .into();
    let answer = ProxyFault::Answer(CannedAnswer { status: 200, headers, body, after: false });
    let site = super::new_site(prefix, vec![FaultRule::new("POST", "/oauth/token", answer)]);
    site.namespace.apply_partner("acme", &json!({}));
    let partner = site.namespace.wait_until_ready("partner/acme");
    (site, partner, token)
}

fn request_token(world: &TestWorld) -> String {
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

/// Creates `count` clients.
fn create_clients(site: &FaultSite<'_>, partner: &str, count: usize) {
    for number in 0..count {
        site.namespace.apply_client(&format!("c{number}"), &json!({}));
    }
    site.namespace.wait_until("all are there", || Ok(site.living_clients(partner).len() == count));
    site.assert_each_once(partner, count);
}

/// shows: faults/24
#[test]
fn tokens_that_end_in_the_middle_of_a_batch_are_renewed_once_each_for_all() {
    let (site, partner, _) = site_with_fixed_token("expiry", 3);
    // Sixteen creates run at a time, and the batch takes longer than a token lives.
    site.proxy.add_rule(FaultRule::new("POST", "/clients$", ProxyFault::Delay(2000)));
    let before = site.proxy.seen_requests().len();
    create_clients(&site, &partner, 30);
    let seen = site.proxy.seen_requests().split_off(before);
    let is_token = |one: &SeenRequest| one.target.ends_with("/oauth/token");
    // If each of sixteen renewed the token separately, their requests would follow each other.
    let in_a_row = seen.split(|one| !is_token(one)).map(<[SeenRequest]>::len).max().unwrap_or_default();
    assert!(
        (1..=2).contains(&in_a_row),
        "{in_a_row} tokens in a row, {} in all",
        seen.iter().filter(|one| is_token(one)).count()
    );
    assert_eq!(site.proxy.count_requests("POST", "/clients$"), 30);
}

/// shows: faults/24
#[test]
fn a_token_that_the_platform_forgets_in_the_middle_of_a_batch_is_renewed_once_for_all() {
    let (site, partner, token) = site_with_fixed_token("forgotten", 7199);
    let asked = count_token_requests(&site);
    site.proxy.set_rules(vec![
        // Long enough for all workers to send a request with it.
        FaultRule::new("POST", "/clients$", ProxyFault::Delay(700)).with_timing(FaultTiming::First(12)),
        FaultRule::new("", "/api/", refused_credential_fault()).with_header(&token),
    ]);
    create_clients(&site, &partner, 20);
    assert_eq!(count_token_requests(&site) - asked, 1);
    assert_eq!(site.namespace.condition("partner/acme", "CredentialsValid").unwrap().0, "True");
}
