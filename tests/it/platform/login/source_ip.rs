//! Tests of the list of allowed source addresses: it applies to users and not to API credentials.

use serde_json::{Value, json};

use crate::platform::people::{CHOSEN_PASSWORD, PASSWORD};
use crate::platform::{ApiCaller, TestPlatform};

const REFUSED_MESSAGE: &str = "Your organization policies restrict you from accessing OpsRamp from your current IP.";

/// Starts a platform behind a proxy on loopback.
async fn start_behind_proxy() -> TestPlatform {
    TestPlatform::start_with(|config| config.proxies = vec!["127.0.0.0/8".parse().unwrap()]).await
}

async fn restrict_addresses(platform: &TestPlatform, partner: &str, list: &str) {
    platform
        .sp
        .post(&format!("{}/{partner}", platform.partners_path()), json!({ "whiteListedIps": list }))
        .await
        .json();
}

/// Sends a user's request with forwarding headers. Returns its status and text.
async fn send_forwarded(platform: &TestPlatform, request: reqwest::RequestBuilder, lines: &[&str]) -> (u16, String) {
    let _ = platform;
    let request = lines.iter().fold(request, |request, line| request.header("x-forwarded-for", *line));
    let response = request.send().await.unwrap();
    (response.status().as_u16(), response.text().await.unwrap())
}

async fn log_in_forwarded(platform: &TestPlatform, password: &str, lines: &[&str]) -> (u16, String) {
    let form = [("grant_type", "password"), ("username", "ada"), ("password", password)];
    let request = reqwest::Client::new().post(format!("{}/tenancy/auth/oauth/token", platform.url())).form(&form);
    send_forwarded(platform, request, lines).await
}

/// shows: seeds/access/ip-refused, seeds/access/ip-message
/// shows: security/asvs/4.1.3
#[tokio::test]
async fn a_login_from_elsewhere_is_refused_in_the_documented_words() {
    let platform = start_behind_proxy().await;
    let partner = platform.create_partner("Acme").await;
    platform.create_logged_in_user(&partner, "ada", &["Partner Administrator"]).await;
    restrict_addresses(&platform, &partner, "198.51.100.*,2001:db8::/32").await;
    for (lines, status) in [
        (&["198.51.100.9"][..], 200),
        (&["2001:db8::9"], 200),
        (&["[2001:db8::9]:1234"], 200),
        (&["203.0.113.9"], 403),
        (&["2001:db9::9"], 403),
        // A stranger sends an allowed address in the header. The proxy appends the real one.
        (&["198.51.100.9, 203.0.113.9"], 403),
        (&["198.51.100.9", "203.0.113.9"], 403),
        (&["203.0.113.9", "198.51.100.9"], 200),
        (&["203.0.113.9, 198.51.100.9, 127.0.0.7"], 200),
        (&["nonsense"], 403),
        (&[], 403),
    ] {
        let (found, text) = log_in_forwarded(&platform, CHOSEN_PASSWORD, lines).await;
        assert_eq!(found, status, "{lines:?}: {text}");
        if status == 403 {
            assert_eq!(serde_json::from_str::<Value>(&text).unwrap()["error_description"], REFUSED_MESSAGE);
        }
    }
    // A caller who does not know the password learns nothing about the list.
    let (status, text) = log_in_forwarded(&platform, PASSWORD, &["203.0.113.9"]).await;
    assert!(status == 401 && !text.contains("organization"), "{text}");
    let page = format!("/tenants/{partner}/users/loginHistory/search?queryString=loginName:ada");
    let history = platform.sp.get(&page).await.json();
    assert!(
        history["results"]
            .as_array()
            .unwrap()
            .iter()
            .any(|row| row["sourceIp"] == "203.0.113.9" && row["status"] == "FAILED")
    );
}

/// shows: seeds/access/ip-refused
#[tokio::test]
async fn a_session_is_refused_elsewhere_and_an_api_credential_never() {
    let platform = start_behind_proxy().await;
    let partner = platform.create_partner("Acme").await;
    let client = platform.sp.create_client(&partner, "Globex").await;
    let (ada, _) = platform.create_logged_in_user(&partner, "ada", &["Partner Administrator"]).await;
    let (carl, _) = platform.create_logged_in_user(&client, "carl", &[]).await;
    let api = platform.caller_for_tenant(&partner).await;
    let path = format!("/tenants/{partner}/clients/minimal");
    assert_eq!(ada.get(&path).await.status, 200);
    restrict_addresses(&platform, &partner, "198.51.100.7").await;
    let refused = ada.get(&path).await;
    assert_eq!(refused.status, 403);
    assert!(refused.text.contains(REFUSED_MESSAGE), "{}", refused.text);
    assert_eq!(api.get(&path).await.status, 200);
    assert_eq!(carl.get("/cfg/countries").await.status, 200, "a partner's list is not its clients'");
    let at =
        |caller: &ApiCaller| caller.http.get(format!("{}/api/v2{path}", platform.url())).bearer_auth(&caller.token);
    assert_eq!(send_forwarded(&platform, at(&ada), &["198.51.100.7"]).await.0, 200);
    assert_eq!(send_forwarded(&platform, at(&ada), &["198.51.100.7, 198.51.100.8"]).await.0, 403);
    restrict_addresses(&platform, &partner, "").await;
    assert_eq!(ada.get(&path).await.status, 200);
}

/// shows: security/asvs/4.1.3
#[tokio::test]
async fn without_a_configured_proxy_the_header_is_anybodys_and_the_product_has_its_own_name() {
    let platform = TestPlatform::start_with(|config| config.product = "Skylight".to_owned()).await;
    let partner = platform.create_partner("Acme").await;
    platform.create_logged_in_user(&partner, "ada", &[]).await;
    restrict_addresses(&platform, &partner, "198.51.100.7").await;
    let (status, text) = log_in_forwarded(&platform, CHOSEN_PASSWORD, &["198.51.100.7"]).await;
    assert_eq!(status, 403);
    assert!(text.contains(&REFUSED_MESSAGE.replace("OpsRamp", "Skylight")), "{text}");
    restrict_addresses(&platform, &partner, "127.0.0.1").await;
    assert_eq!(log_in_forwarded(&platform, CHOSEN_PASSWORD, &["203.0.113.9"]).await.0, 200);
}
