//! Tests of tokens, credentials and the tenants that a caller can reach.

use reqwest::StatusCode;
use serde_json::{Value, json};
use tenantry_platform::Credential;

use super::{ApiCaller, TestPlatform};

async fn request_token(platform: &TestPlatform, path: &str, form: &[(&str, &str)]) -> (StatusCode, Value) {
    let url = format!("{}{path}", platform.url());
    let response = reqwest::Client::new().post(url).form(form).send().await.unwrap();
    (response.status(), response.json().await.unwrap())
}

fn credential(platform: &TestPlatform) -> Credential {
    platform.credential.clone()
}

#[tokio::test]
async fn both_token_endpoints_answer_alike() {
    let platform = TestPlatform::start().await;
    let Credential { client_id, client_secret, .. } = credential(&platform);
    let form = [("grant_type", "client_credentials"), ("client_id", &client_id), ("client_secret", &client_secret)];
    for path in ["/tenancy/auth/oauth/token", "/auth/oauth/token"] {
        let (status, body) = request_token(&platform, path, &form).await;
        assert_eq!(status, 200, "{body}");
        assert_eq!(body["token_type"], "bearer");
        assert_eq!(body["expires_in"], 7199);
        assert_eq!(body["scope"], "global:manage");
        let caller = platform.sp.with_token(body["access_token"].as_str().unwrap());
        assert_eq!(caller.get("/cfg/countries").await.status, 200);
    }
}

#[tokio::test]
async fn token_requests_fail_in_the_documented_words() {
    let platform = TestPlatform::start().await;
    let Credential { client_id, client_secret, .. } = credential(&platform);
    let path = "/tenancy/auth/oauth/token";
    let form = [("grant_type", "user_password"), ("client_id", &client_id), ("client_secret", &client_secret)];
    let (status, body) = request_token(&platform, path, &form).await;
    assert_eq!(status, 400);
    let text = "Unsupported grant type: user_password";
    assert_eq!(body, json!({ "error": "unsupported_grant_type", "error_description": text }));
    for (id, secret) in [(client_id.as_str(), "wrong"), ("wrong", client_secret.as_str()), ("", "")] {
        let form = [("grant_type", "client_credentials"), ("client_id", id), ("client_secret", secret)];
        let (status, body) = request_token(&platform, path, &form).await;
        assert_eq!(status, 401);
        assert_eq!(body, json!({ "error": "unauthorized", "error_description": "Bad API credentials" }));
    }
}

#[tokio::test]
async fn a_wrong_or_expired_token_is_invalid() {
    let platform = TestPlatform::start().await;
    let invalid = json!({ "error": "invalid_token", "error_description": "Invalid access token" });
    let wrong = platform.sp.with_token("nonsense").get("/cfg/countries").await;
    assert_eq!(wrong.status, 401);
    assert_eq!(serde_json::from_str::<Value>(&wrong.text).unwrap(), invalid);

    platform.execute_sql("UPDATE token SET expires_at = 1").await;
    let expired = platform.sp.get("/cfg/countries").await;
    assert_eq!(expired.status, 401);
    assert_eq!(serde_json::from_str::<Value>(&expired.text).unwrap(), invalid);
}

#[tokio::test]
async fn neither_keys_nor_secrets_nor_tokens_stand_in_the_database() {
    let platform = TestPlatform::start().await;
    let credential = credential(&platform);
    let partner = platform.create_partner("Acme").await;
    let made = platform.sp.post_empty(&format!("/tenants/{partner}/credentials")).await.json();
    let secrets = [&credential.client_id, &credential.client_secret, &platform.sp.token];
    for secret in secrets.map(String::as_str).into_iter().chain([made["clientSecret"].as_str().unwrap()]) {
        assert!(!platform.folder.contains_text(secret), "the database holds a secret");
    }
    assert!(platform.folder.contains_text(&partner), "it was read");
}

#[tokio::test]
async fn the_partner_is_read_by_provider_and_partner_and_a_client_id_is_refused() {
    let platform = TestPlatform::start().await;
    let partner = platform.create_partner("Acme").await;
    let client = platform.sp.create_client(&partner, "Globex").await;
    let acme = platform.caller_for_tenant(&partner).await;
    for caller in [&platform.sp, &acme] {
        let read = caller.get(&format!("/tenants/{partner}")).await.json();
        assert_eq!(read["name"], "Acme");
        assert!(read["mspDetails"].is_object());
        assert_eq!(caller.get(&format!("/tenants/{partner}/")).await.json(), read);
        caller.get(&format!("/tenants/{client}")).await.assert_error(404, "not found");
        assert_eq!(caller.get(&format!("/tenants/client/{client}")).await.json()["name"], "Globex");
        caller.get(&format!("/tenants/client/{partner}")).await.assert_error(404, "not found");
    }
    let globex = platform.caller_for_tenant(&client).await;
    assert_eq!(globex.get(&format!("/tenants/client/{client}")).await.json()["mspId"], partner);
    globex.get(&format!("/tenants/{partner}")).await.assert_error(404, "not found");
}

/// shows: seeds/clients/isolated
#[tokio::test]
async fn a_foreign_tenant_answers_as_one_that_does_not_exist() {
    let platform = TestPlatform::start().await;
    let (acme, other) = (platform.create_partner("Acme").await, platform.create_partner("Other").await);
    let client = platform.sp.create_client(&other, "Theirs").await;
    let caller = platform.caller_for_tenant(&acme).await;
    let paths = |tenant: &str, child: &str| {
        [
            format!("GET /tenants/{tenant}"),
            format!("GET /tenants/{tenant}/clients/{child}"),
            format!("GET /tenants/{tenant}/clients/minimal"),
            format!("GET /tenants/{tenant}/clients/search"),
            format!("POST /tenants/{tenant}/clients"),
            format!("POST /tenants/{tenant}/clients/{child}"),
            format!("POST /tenants/{tenant}/clients/{child}/suspend"),
            format!("POST /tenants/{tenant}/clients/{child}/terminate"),
            format!("GET /tenants/{tenant}/customBranding"),
            format!("PUT /tenants/{tenant}/customBranding"),
            format!("GET /tenants/{tenant}/impact"),
            format!("POST /tenants/{tenant}/credentials"),
            format!("GET /tenants/{tenant}/subscription"),
            format!("GET /tenants/{tenant}/records/alerts"),
            format!("POST /tenants/{child}/records/alerts"),
            format!("POST /tenants/{child}/records/alerts/1"),
            format!("POST /tenants/{tenant}/exports/batch"),
            format!("GET /tenants/{tenant}/exports/batch"),
            format!("DELETE /tenants/{tenant}/exports/batch/1"),
            format!("POST /tenants/{tenant}/exports/stream"),
            format!("DELETE /tenants/{tenant}/exports/stream/1"),
            format!("GET /tenants/client/{child}"),
            format!("GET /tenants/{child}/customBranding"),
            // A client of another partner, below the caller's own tenant.
            format!("GET /tenants/{acme}/clients/{child}"),
            format!("POST /tenants/{acme}/clients/{child}/terminate"),
        ]
    };
    let nothing = paths("msp_900", "client_901");
    for (foreign, none) in paths(&other, &client).iter().zip(&nothing) {
        let mut answers = Vec::new();
        for path in [foreign, none] {
            let (method, path) = path.split_once(' ').unwrap();
            let body = json!({ "name": "Mine" }).to_string().into_bytes();
            let answer = caller.send(method.parse().unwrap(), &format!("/api/v2{path}"), body).await;
            answer.assert_error(404, "not found");
            answers.push(answer.text.replace("msp_900", &other).replace("client_901", &client));
        }
        assert_eq!(answers[0], answers[1], "{foreign}");
    }
    caller.get(&format!("/tenants/{}/msps/{acme}", platform.sp_id)).await.assert_error(404, "not found");
    assert_eq!(platform.sp.get(&format!("/tenants/{other}/clients/{client}")).await.json()["activated"], true);
}

#[tokio::test]
async fn terminating_a_tenant_ends_its_tokens_and_credentials_at_once() {
    let platform = TestPlatform::start().await;
    let partner = platform.create_partner("Acme").await;
    let caller = platform.caller_for_tenant(&partner).await;
    assert_eq!(caller.get(&format!("/tenants/{partner}")).await.status, 200);
    let made = platform.sp.post_empty(&format!("/tenants/{partner}/credentials")).await.json();
    platform.sp.post_empty(&format!("{}/{partner}/terminate", platform.partners_path())).await.json();
    assert_eq!(caller.get(&format!("/tenants/{partner}")).await.status, 401);
    let form = [
        ("grant_type", "client_credentials"),
        ("client_id", made["clientId"].as_str().unwrap()),
        ("client_secret", made["clientSecret"].as_str().unwrap()),
    ];
    assert_eq!(request_token(&platform, "/auth/oauth/token", &form).await.0, 401);
}

#[tokio::test]
async fn the_first_credential_is_written_once_and_for_its_owner_only() {
    use std::os::unix::fs::PermissionsExt as _;
    let folder = super::TestFolder::new();
    let file = folder.path("credential.json");
    let config = || {
        let mut config = tenantry_platform::Config::new(folder.database());
        config.credential_file = Some(file.clone());
        config
    };
    let first = tenantry_platform::start(config()).await.unwrap();
    let written: Value = serde_json::from_slice(&std::fs::read(&file).unwrap()).unwrap();
    assert_eq!(std::fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    assert_eq!(written["url"], first.url.as_str());
    assert_eq!(written["tenantId"], "sp_1");
    assert_eq!(written["clientId"], first.credential.as_ref().unwrap().client_id.as_str());
    first.stop().await;
    let second = tenantry_platform::start(config()).await.unwrap();
    assert_eq!(serde_json::from_slice::<Value>(&std::fs::read(&file).unwrap()).unwrap(), written);
    ApiCaller::new(&second.url, second.credential.as_ref().unwrap()).await;
    second.stop().await;

    let mut stranger = config();
    stranger.database = folder.path("other.db").display().to_string();
    let error = tenantry_platform::start(stranger).await.err().unwrap().to_string();
    assert!(error.contains("another database"), "{error}");
}

#[tokio::test]
async fn a_credential_in_a_header_is_taken_as_one_in_the_form() {
    let platform = TestPlatform::start().await;
    let Credential { client_id, client_secret, .. } = credential(&platform);
    let url = format!("{}/tenancy/auth/oauth/token", platform.url());
    let ask = |id: &str, secret: &str| {
        let form = [("grant_type", "client_credentials")];
        reqwest::Client::new().post(&url).basic_auth(id, Some(secret)).form(&form).send()
    };
    let answer = ask(&client_id, &client_secret).await.unwrap();
    assert_eq!(answer.status(), 200);
    let body: Value = answer.json().await.unwrap();
    let caller = platform.sp.with_token(body["access_token"].as_str().unwrap());
    assert_eq!(caller.get("/cfg/countries").await.status, 200);
    // Each half is form-encoded: `%61` is an `a`.
    let encoded = client_secret.bytes().fold(String::new(), |text, byte| format!("{text}%{byte:02X}"));
    assert_eq!(ask(&client_id, &encoded).await.unwrap().status(), 200);
    for (id, secret) in [(client_id.as_str(), "wrong"), ("wrong", &client_secret), (&client_id, "")] {
        assert_eq!(ask(id, secret).await.unwrap().status(), 401);
    }
}
