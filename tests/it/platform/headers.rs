//! Tests of the headers of every answer.

use super::TestPlatform;

/// shows: security/asvs/3.4.1
#[tokio::test]
async fn every_answer_is_kept_out_of_caches_frames_and_foreign_types() {
    let platform = TestPlatform::start().await;
    let http = reqwest::Client::new();
    let url = platform.url();
    let token = format!("{url}/tenancy/auth/oauth/token");
    let form = |grant: &'static str| http.post(&token).form(&[("grant_type", grant)]);
    let get = |path: &str| http.get(format!("{url}{path}"));
    let paths = ["/healthz", "/readyz", "/metrics", "/login", "/nowhere", "/api/v2/tenants/x", "/images/org/1/x.png"];
    let mut asked: Vec<_> = paths.iter().map(|path| get(path)).collect();
    asked.extend([form("client_credentials"), form("gossip"), http.delete(&token), get("/api/v2/tenants/%ff/clients")]);
    asked.push(get("/api/v2/cfg/countries").bearer_auth(&platform.sp.token));
    let mut seen = std::collections::BTreeSet::new();
    for request in asked {
        let answer = request.send().await.unwrap();
        let (status, place) = (answer.status().as_u16(), answer.url().path().to_owned());
        seen.insert(status);
        let header = |name: &str| answer.headers().get(name).map_or("", |value| value.to_str().unwrap()).to_owned();
        for (name, part) in [
            ("cache-control", "no-store"),
            ("content-security-policy", "frame-ancestors 'none'"),
            ("content-security-policy", "default-src 'none'"),
            ("strict-transport-security", "max-age=31536000"),
            ("x-content-type-options", "nosniff"),
            ("x-frame-options", "DENY"),
            ("referrer-policy", "same-origin"),
            ("cross-origin-resource-policy", "same-origin"),
        ] {
            assert!(header(name).contains(part), "{status} {place}: {name}: {:?}", header(name));
        }
        assert!(!header("x-request-id").is_empty(), "{place}");
    }
    assert_eq!(seen.into_iter().collect::<Vec<_>>(), [200, 400, 401, 404, 405], "answers of each kind");
}
