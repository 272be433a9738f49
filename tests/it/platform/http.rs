//! Tests of routes, bodies, headers and metrics.

use reqwest::Method;
use serde_json::{Value, json};

use super::TestPlatform;

#[tokio::test]
async fn bodies_that_cannot_be_read_name_the_field() {
    let platform = TestPlatform::start().await;
    let partner = platform.create_partner("Acme").await;
    let client = platform.sp.create_client(&partner, "Globex").await;
    for path in [
        format!("/api/v2/tenants/{partner}/clients"),
        format!("/api/v2/tenants/{partner}/clients/{client}"),
        format!("/api/v2{}", platform.partners_path()),
    ] {
        for (body, field) in [
            ("", "body"),
            ("{", "body"),
            ("[]", "body"),
            ("null", "body"),
            ("{\"name\":\"A\"} x", "body"),
            ("{\"name\":\"\u{0}\"}", "body"),
            (r#"{"name":5}"#, "name"),
            (r#"{"name":"A","city":["x"]}"#, "city"),
            (r#"{"name":"A","twoFactorAuthentication":"yes"}"#, "twoFactorAuthentication"),
            (r#"{"name":"A","channel":{"id":"seven"}}"#, "channel.id"),
            (r#"{"name":"A","channel":[7]}"#, "channel"),
            (r#"{"name":"A","packages":"all"}"#, "packages"),
            (r#"{"name":"A","addOns":[1]}"#, "addOns[0]"),
            (r#"{"name":"A","passwordPolicy":{"minPasswordLength":1.5}}"#, "passwordPolicy.minPasswordLength"),
            (r#"{"name":"A","status":"SLEEPING"}"#, "status"),
        ] {
            platform.sp.send(Method::POST, &path, body.as_bytes().to_vec()).await.assert_field_refused(field);
        }
        let long = format!(r#"{{"name":"A","unknown":"{}"}}"#, "x".repeat(1 << 20));
        platform.sp.send(Method::POST, &path, long.into_bytes()).await.assert_field_refused("body");
        platform.sp.send(Method::POST, &path, vec![b'{', 0xff, b'}']).await.assert_field_refused("body");
    }
    let branding = format!("/api/v2/tenants/{partner}/customBranding");
    let body = |size: usize| format!(r#"{{"unknown":"{}"}}"#, "x".repeat(size)).into_bytes();
    platform.sp.send(Method::PUT, &branding, body((1 << 20) + 9)).await.json();
    platform.sp.send(Method::PUT, &branding, body(2 << 20)).await.assert_field_refused("body");
}

#[tokio::test]
async fn paths_and_methods_that_do_not_exist_say_so_in_json() {
    let platform = TestPlatform::start().await;
    let partner = platform.create_partner("Acme").await;
    for path in ["/nope", "/tenants/msp_2/usersx", "/v9"] {
        platform.sp.get(path).await.assert_error(404, "not found");
    }
    for path in [format!("/tenants/{partner}/clients"), platform.partners_path()] {
        let answer = platform.sp.get(&path).await;
        assert_eq!(answer.status, 405, "{path}");
        assert!(serde_json::from_str::<Value>(&answer.text).unwrap()["error"].is_string());
    }
    let answer = platform.sp.send(Method::DELETE, &format!("/api/v2/tenants/{partner}/clients/3"), Vec::new()).await;
    assert_eq!(answer.status, 405);
}

#[tokio::test]
async fn every_answer_says_that_it_has_the_extensions() {
    let platform = TestPlatform::start().await;
    let partner = platform.create_partner("Acme").await;
    for (method, path) in [
        (Method::GET, format!("/api/v2/tenants/{partner}")),
        (Method::GET, "/api/v2/nope".to_owned()),
        (Method::GET, format!("/api/v2/tenants/{partner}/clients")),
        (Method::POST, "/auth/oauth/token".to_owned()),
        (Method::POST, "/tenancy/auth/oauth/token".to_owned()),
        (Method::GET, "/healthz".to_owned()),
    ] {
        let answer = platform.sp.send(method, &path, Vec::new()).await;
        assert_eq!(answer.headers["x-tenantry-extensions"], "1", "{path}");
    }
}

#[tokio::test]
async fn requests_are_counted_by_method_template_and_status() {
    let platform = TestPlatform::start().await;
    let partner = platform.create_partner("Acme").await;
    for name in ["A", "B", "B"] {
        platform.sp.post(&format!("/tenants/{partner}/clients"), json!({ "name": name })).await;
    }
    platform.sp.get("/tenants/msp_2/clients/3").await.json();
    platform.sp.get("/tenants/msp_2/clients/client_4").await.json();
    platform.sp.with_token("x").get("/tenants/msp_2/clients/4").await;
    platform.sp.get("/nothing").await;
    let text = reqwest::get(format!("{}/metrics", platform.url())).await.unwrap().text().await.unwrap();
    for line in [
        r#"{method="POST",route="/api/v2/tenants/{tenant}/clients",status="200",turned_away="false"} 2"#,
        r#"{method="POST",route="/api/v2/tenants/{tenant}/clients",status="400",turned_away="false"} 1"#,
        r#"{method="GET",route="/api/v2/tenants/{tenant}/clients/{client}",status="200",turned_away="false"} 2"#,
        r#"{method="GET",route="/api/v2/tenants/{tenant}/clients/{client}",status="401",turned_away="false"} 1"#,
        r#"{method="POST",route="/api/v2/tenants/{tenant}/msps",status="200",turned_away="false"} 1"#,
        r#"{method="POST",route="/tenancy/auth/oauth/token",status="200",turned_away="false"} 1"#,
        r#"{method="GET",route="unmatched",status="404",turned_away="false"} 1"#,
    ] {
        let line = format!("tenantry_platform_requests_total{line}");
        assert!(text.contains(&line), "{line} is not in\n{text}");
    }
    let health = reqwest::get(format!("{}/healthz", platform.url())).await.unwrap();
    assert_eq!(health.text().await.unwrap(), "ok");
}

#[tokio::test]
async fn a_refusal_before_any_handler_has_one_of_the_three_shapes() {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    let platform = TestPlatform::start().await;
    for path in ["/api/v2/tenants/%ff/users/x", "/images/org/9999999999999999999/x", "/login/%ff"] {
        let answer = platform.sp.send(Method::GET, path, Vec::new()).await;
        assert_eq!(answer.headers["content-type"], "application/json", "{path}");
        answer.assert_field_refused("path");
    }
    let address = platform.url().trim_start_matches("http://").to_owned();
    for (head, status) in [
        ("GET /healthz HTTP/1.1\r\n", "400"),
        ("GET /healthz HTTP/1.1\r\nHost: a\r\nHost: b\r\n", "400"),
        ("GET /healthz HTTP/1.1\r\nHost: a\r\n", "200"),
        ("GET /healthz HTTP/1.0\r\n", "200"),
    ] {
        let mut stream = tokio::net::TcpStream::connect(&address).await.unwrap();
        stream.write_all(format!("{head}Connection: close\r\n\r\n").as_bytes()).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        assert_eq!(answer.split(' ').nth(1), Some(status), "{head}: {answer}");
        assert!(
            status == "200" || answer.contains("\"fieldName\":\"host\"") && answer.contains("x-request-id"),
            "{answer}"
        );
    }
}
