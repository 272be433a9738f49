//! Tests of the pages, as a browser without JavaScript uses them.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use reqwest::Method;
use serde_json::{Value, json};

use crate::platform::branding::png;
use crate::platform::people::{CHOSEN_PASSWORD, PASSWORD};
use crate::platform::{ApiResponse, TestPlatform};

/// An HTTP client that keeps cookies by name and follows no redirect.
#[derive(Clone)]
pub(crate) struct HttpBrowser {
    http: reqwest::Client,
    url: String,
    pub(super) cookies: BTreeMap<String, String>,
}

impl HttpBrowser {
    pub(super) fn new(platform: &TestPlatform) -> Self {
        Self::at_url(platform.url())
    }

    /// Creates a client of the platform at a URL.
    pub(crate) fn at_url(url: &str) -> Self {
        let http = reqwest::Client::builder().redirect(reqwest::redirect::Policy::none()).build().unwrap();
        Self { http, url: url.to_owned(), cookies: BTreeMap::new() }
    }

    pub(super) async fn send(
        &mut self,
        (method, path): (Method, &str),
        form: &[(&str, &str)],
        extra: &[(&str, &str)],
    ) -> ApiResponse {
        let mut request = self.http.request(method.clone(), format!("{}{path}", self.url));
        if method == Method::POST {
            request = request.form(form);
        }
        self.send_with_cookies(request, extra).await
    }

    /// Calls the API as a script of the page does.
    pub(super) async fn call_api(
        &mut self,
        method: Method,
        path: &str,
        body: &Value,
        extra: &[(&str, &str)],
    ) -> ApiResponse {
        let request = self.http.request(method, format!("{}/api/v2{path}", self.url)).body(body.to_string());
        self.send_with_cookies(request.header("sec-fetch-site", "same-origin"), extra).await
    }

    async fn send_with_cookies(&mut self, request: reqwest::RequestBuilder, extra: &[(&str, &str)]) -> ApiResponse {
        let cookies: Vec<String> = self.cookies.iter().map(|(name, value)| format!("{name}={value}")).collect();
        let request = request.header("cookie", cookies.join("; "));
        let request = extra.iter().fold(request, |request, (name, value)| request.header(*name, *value));
        let response = request.send().await.unwrap();
        for line in response.headers().get_all("set-cookie") {
            let line = line.to_str().unwrap();
            for part in ["; Path=/;", "; Secure", "; HttpOnly", "; SameSite="] {
                assert!(line.contains(part), "{line} lacks {part}");
            }
            let (name, value) = line.split(';').next().unwrap().split_once('=').unwrap();
            assert!(name.starts_with("__Host-"), "{line}");
            if line.contains("Max-Age=0;") {
                self.cookies.remove(name);
            } else {
                self.cookies.insert(name.to_owned(), value.to_owned());
            }
        }
        let (status, headers) = (response.status(), response.headers().clone());
        ApiResponse { status, headers, text: response.text().await.unwrap() }
    }

    pub(crate) async fn get(&mut self, path: &str) -> ApiResponse {
        self.send((Method::GET, path), &[], &[]).await
    }

    /// Fills in a page's form and sends it.
    pub(super) async fn submit_form(&mut self, page: &str, action: &str, fields: &[(&str, &str)]) -> ApiResponse {
        let page = self.get(page).await.text;
        let token = form_token(&page);
        let mut form = vec![("form", token.as_str())];
        form.extend_from_slice(fields);
        self.send((Method::POST, action), &form, &[("sec-fetch-site", "same-origin")]).await
    }

    /// Sends the login form and nothing further.
    pub(super) async fn send_login(&mut self, page: &str, name: &str, password: &str) -> ApiResponse {
        self.submit_form(page, page, &[("login", name), ("password", password)]).await
    }

    /// Logs in, and accepts the consent form if it comes next.
    pub(crate) async fn log_in(&mut self, page: &str, name: &str, password: &str) -> ApiResponse {
        let answer = self.send_login(page, name, password).await;
        if redirect_location(&answer) == "/consent" { self.answer_consent("ACCEPT").await } else { answer }
    }

    /// Answers the consent form.
    pub(super) async fn answer_consent(&mut self, word: &str) -> ApiResponse {
        self.submit_form("/consent", "/consent", &[("answer", word)]).await
    }
}

/// Returns the token of the last form of a page.
pub(super) fn form_token(page: &str) -> String {
    let (_, rest) = page.split_once("name=\"form\" value=\"").unwrap_or_else(|| panic!("no token: {page}"));
    rest.split('"').next().unwrap().to_owned()
}

pub(super) fn redirect_location(answer: &ApiResponse) -> &str {
    answer.headers.get("location").map_or("", |place| place.to_str().unwrap())
}

/// shows: security/asvs/3.3.1
#[tokio::test]
async fn a_person_logs_in_changes_the_first_password_sees_the_menus_and_logs_out() {
    let platform = TestPlatform::start().await;
    let partner = platform.create_partner("Acme").await;
    platform.create_user(&partner, "ada", &["Partner Administrator"]).await;
    let mut browser = HttpBrowser::new(&platform);
    assert_eq!(redirect_location(&browser.get("/").await), "/login");
    assert_eq!(redirect_location(&browser.get("/password").await), "/login");
    let wrong = browser.log_in("/login", "ada", "wrong").await;
    assert!(wrong.status == 401 && wrong.text.contains("The login name or the password is wrong."), "{}", wrong.text);
    let unknown = browser.log_in("/login", "nobody", "wrong").await;
    assert_eq!(form_token(&unknown.text), form_token(&wrong.text));
    assert_eq!((unknown.status, &unknown.text), (wrong.status, &wrong.text), "nobody learns who has an account");

    assert_eq!(redirect_location(&browser.log_in("/login", "ada", PASSWORD).await), "/password");
    assert_eq!(redirect_location(&browser.get("/").await), "/password", "nothing before the change");
    assert_eq!(redirect_location(&browser.get("/screens/alerts").await), "/password");
    let fields = [("current", PASSWORD), ("new", "short"), ("again", "short")];
    let refused = browser.submit_form("/password", "/password", &fields).await;
    assert!(refused.status == 400 && refused.text.contains("at least 12 characters"), "{}", refused.text);
    let fields = [("current", PASSWORD), ("new", CHOSEN_PASSWORD), ("again", CHOSEN_PASSWORD)];
    let changed = browser.submit_form("/password", "/password", &fields).await;
    assert!(changed.text.contains("The password was changed"), "{}", changed.text);
    assert_eq!(redirect_location(&browser.get("/").await), "/login", "the session of the change is over");

    assert_eq!(redirect_location(&browser.log_in("/login", "ada", CHOSEN_PASSWORD).await), "/");
    let home = browser.get("/").await;
    for text in ["Acme", "ada", "Setup", "Workspace", "Automation", "Service Desk", "Log out"] {
        assert!(home.text.contains(text), "{text}: {}", home.text);
    }
    let stolen = browser.cookies.clone();
    assert_eq!(redirect_location(&browser.submit_form("/", "/logout", &[]).await), "/login");
    assert!(!browser.cookies.contains_key("__Host-tenantry"));
    browser.cookies = stolen;
    assert_eq!(redirect_location(&browser.get("/").await), "/login", "a session that was ended is dead");
}

/// shows: security/asvs/7.2.3
#[tokio::test]
async fn a_second_login_in_a_browser_ends_the_session_before() {
    let platform = TestPlatform::start().await;
    let partner = platform.create_partner("Acme").await;
    platform.create_logged_in_user(&partner, "ada", &[]).await;
    let mut browser = HttpBrowser::new(&platform);
    browser.log_in("/login", "ada", CHOSEN_PASSWORD).await;
    let before = browser.cookies.clone();
    browser.log_in("/login", "ada", CHOSEN_PASSWORD).await;
    assert_ne!(before["__Host-tenantry"], browser.cookies["__Host-tenantry"]);
    assert_eq!(browser.get("/").await.status, 200);
    browser.cookies = before;
    assert_eq!(redirect_location(&browser.get("/").await), "/login");
}

/// shows: security/asvs/3.4.1
#[tokio::test]
async fn every_page_has_the_headers_that_keep_others_out() {
    let platform = TestPlatform::start().await;
    let partner = platform.create_partner("Acme").await;
    let mut browser = HttpBrowser::new(&platform);
    for path in ["/", "/login", &format!("/login/{partner}"), "/password", "/style/default.css", "/screens/alerts"] {
        let answer = browser.get(path).await;
        let policy = answer.headers["content-security-policy"].to_str().unwrap();
        for part in ["default-src 'none'", "frame-ancestors 'none'", "form-action 'self'", "base-uri 'none'"] {
            assert!(policy.contains(part), "{path}: {policy}");
        }
        assert!(!policy.contains("unsafe") && !policy.contains("script-src"), "{path}: {policy}");
        for (name, value) in [
            ("strict-transport-security", "max-age=31536000; includeSubDomains"),
            ("x-content-type-options", "nosniff"),
            ("x-frame-options", "DENY"),
            ("referrer-policy", "same-origin"),
            ("cross-origin-opener-policy", "same-origin"),
        ] {
            assert_eq!(answer.headers[name], value, "{path}");
        }
        assert!(!answer.text.contains("style=") && !answer.text.contains("<script"), "{path}");
        let kept = if path.starts_with("/style") { "no-cache" } else { "no-store" };
        assert_eq!(answer.headers["cache-control"], kept, "{path}");
    }
}

/// shows: security/asvs/3.5.1
#[tokio::test]
async fn a_form_counts_only_from_a_page_of_ours_in_the_same_browser() {
    let platform = TestPlatform::start().await;
    let partner = platform.create_partner("Acme").await;
    platform.create_logged_in_user(&partner, "ada", &[]).await;
    let mut browser = HttpBrowser::new(&platform);
    let token = form_token(&browser.get("/login").await.text);
    let host = platform.url().trim_start_matches("http://").to_owned();
    let own = format!("http://{host}");
    let form = |token: &'static str| [("form", token), ("login", "ada"), ("password", CHOSEN_PASSWORD)];
    let right = [("form", token.as_str()), ("login", "ada"), ("password", CHOSEN_PASSWORD)];
    for extra in [
        &[("sec-fetch-site", "cross-site")][..],
        &[("sec-fetch-site", "same-site")],
        &[("sec-fetch-site", "none")],
        &[("origin", "https://evil.example")],
        &[("origin", "null")],
        &[],
    ] {
        assert_eq!(browser.send((Method::POST, "/login"), &right, extra).await.status, 403, "{extra:?}");
    }
    let ours: &[(&str, &str)] = &[("sec-fetch-site", "same-origin")];
    for wrong in [form(""), form("0000")] {
        assert_eq!(browser.send((Method::POST, "/login"), &wrong, ours).await.status, 403);
    }
    // The token of another browser.
    let mut other = HttpBrowser::new(&platform);
    other.get("/login").await;
    assert_eq!(other.send((Method::POST, "/login"), &right, ours).await.status, 403);
    other.cookies.clear();
    assert_eq!(other.send((Method::POST, "/login"), &right, ours).await.status, 403);
    assert!(!browser.cookies.contains_key("__Host-tenantry"));
    assert_eq!(browser.send((Method::POST, "/login"), &right, &[("origin", own.as_str())]).await.status, 303);
    browser.answer_consent("ACCEPT").await;
    // This applies to a session's forms as well.
    for path in ["/logout", "/password"] {
        assert_eq!(browser.send((Method::POST, path), &[("form", "0000")], ours).await.status, 403, "{path}");
        assert_eq!(browser.send((Method::POST, path), &right[..1], ours).await.status, 403, "{path}");
    }
    assert_eq!(browser.get("/").await.status, 200, "nothing of that ended the session");
    assert_eq!(browser.get("/logout").await.status, 405, "nothing changes on GET");
}

/// shows: seeds/access/ip-message
#[tokio::test]
async fn a_page_is_refused_from_elsewhere_in_the_documented_words() {
    let platform = TestPlatform::start().await;
    let partner = platform.create_partner("Acme").await;
    platform.create_logged_in_user(&partner, "ada", &[]).await;
    let mut browser = HttpBrowser::new(&platform);
    browser.log_in("/login", "ada", CHOSEN_PASSWORD).await;
    let path = format!("{}/{partner}", platform.partners_path());
    platform.sp.post(&path, json!({ "whiteListedIps": "198.51.100.7" })).await.json();
    let refused = "Your organization policies restrict you from accessing OpsRamp from your current IP.";
    for path in ["/", "/password", "/screens/alerts"] {
        let answer = browser.get(path).await;
        assert!(answer.status == 403 && answer.text.contains(refused), "{path}: {}", answer.text);
    }
    let login = browser.log_in(&format!("/login/{partner}"), "ada", CHOSEN_PASSWORD).await;
    assert!(login.status == 403 && login.text.contains(refused), "{}", login.text);
}

async fn set_branding(platform: &TestPlatform, tenant: &str, body: Value) -> Value {
    platform.sp.put(&format!("/tenants/{tenant}/customBranding"), body).await.json()
}

/// shows: seeds/branding/documentation, seeds/branding/favicon, seeds/branding/subheader
/// shows: seeds/branding/background-darker, seeds/branding/background-tiled, seeds/branding/login-page
#[tokio::test]
async fn the_login_page_wears_the_tenants_branding_and_a_clients_gaps_show_the_partners() {
    let platform = TestPlatform::start().await;
    let partner = platform.create_partner("Acme").await;
    let client = platform.sp.create_client(&partner, "Globex").await;
    let file = |width, height| json!({ "name": "x.png", "file": STANDARD.encode(png(width, height)) });
    let shown = set_branding(
        &platform,
        &partner,
        json!({
            "applicationTitle": "Acme Cloud", "documentationURL": "https://docs.acme.example/",
            "loginPageHeaderText": "Welcome to Acme", "loginPageSubHeaderText": "We run it",
            "loginPageTextColor": "F9FAFB", "loginPageBackgroundColor": "7C2D12", "headerBackgroundColor": "facc15",
            "logo": file(32, 32), "favIcon": file(16, 16), "loginPageImage": file(64, 64),
        }),
    )
    .await;
    set_branding(&platform, &client, json!({ "loginPageHeaderText": "Welcome to Globex" })).await;
    let mut browser = HttpBrowser::new(&platform);
    for (path, header) in [
        (format!("/login/{partner}"), "Welcome to Acme"),
        (format!("/login?tenant={partner}"), "Welcome to Acme"),
        (format!("/login/{client}"), "Welcome to Globex"),
    ] {
        let page = browser.get(&path).await.text;
        for text in [
            "<title>Acme Cloud</title>",
            header,
            "We run it",
            "href=\"https://docs.acme.example/\"",
            shown["logo"]["logoPath"].as_str().unwrap(),
            shown["favIcon"]["logoPath"].as_str().unwrap(),
        ] {
            assert!(page.contains(text), "{path}: {text}: {page}");
        }
    }
    for tenant in [&partner, &client] {
        let css = browser.get(&format!("/style/{tenant}.css")).await;
        assert_eq!(css.headers["content-type"], "text/css; charset=utf-8");
        for text in [
            ".layer { background-color: #7c2d12; color: #f9fafb; }",
            ".bar { background-color: #facc15; color: #000000; }",
            "rgba(0, 0, 0, 0.45)",
            shown["loginPageImage"]["logoPath"].as_str().unwrap(),
            "background-repeat: repeat; background-size: auto",
        ] {
            assert!(css.text.contains(text), "{text}: {}", css.text);
        }
    }
    set_branding(&platform, &partner, json!({ "loginPageImage": file(1440, 900) })).await;
    let css = browser.get(&format!("/style/{partner}.css")).await.text;
    assert!(css.contains("no-repeat; background-size: cover"), "{css}");
    // The plain page, and the page of a tenant that does not exist, have the default theme.
    for path in ["/login", "/login/msp_99", "/login/%00", "/login?tenant="] {
        let page = browser.get(path).await;
        assert!(page.status == 200 && page.text.contains("<title>OpsRamp</title>"), "{path}: {}", page.text);
    }
    assert!(!browser.get("/style/default.css").await.text.contains("url("));
    platform.create_user(&client, "carl", &[]).await;
    browser.log_in(&format!("/login/{client}"), "carl", PASSWORD).await;
    assert!(browser.get("/password").await.text.contains("Acme Cloud"));
}

#[tokio::test]
async fn a_hostile_branding_stays_a_text() {
    let platform = TestPlatform::start().await;
    let partner = platform.create_partner("Acme").await;
    let hostile = "\"'></title></style><script>alert(1)</script>";
    let texts = json!({
        "applicationTitle": hostile, "loginPageHeaderText": hostile, "loginPageSubHeaderText": hostile,
        "documentationURL": "https://a.example/\"onmouseover='alert(1)'",
    });
    set_branding(&platform, &partner, texts).await;
    let path = format!("/tenants/{partner}/customBranding");
    platform.sp.put(&path, json!({ "loginPageTextColor": "red;}*{" })).await.assert_field_refused("loginPageTextColor");
    platform
        .sp
        .put(&path, json!({ "documentationURL": "javascript:alert(1)" }))
        .await
        .assert_field_refused("documentationURL");
    // This holds even if the database contains values that no request could have stored.
    let pool = platform.pool().await;
    let row = r#"UPDATE branding SET document = replace(document, '"applicationTitle"',
        '"loginPageBackgroundColor":"red;}*{","loginPageImage":{"logoPath":"/images/org/2/x\");}*{","thumbPath":"","tinyThumbPath":"","imageType":"image/png"},"applicationTitle"')"#;
    sqlx::query(row).execute(&pool).await.unwrap();
    pool.close().await;
    let mut browser = HttpBrowser::new(&platform);
    let page = browser.get(&format!("/login/{partner}")).await.text;
    assert!(!page.contains("<script") && !page.contains("\"onmouseover"), "{page}");
    assert!(page.contains("&lt;script&gt;alert(1)&lt;/script&gt;"), "{page}");
    let css = browser.get(&format!("/style/{partner}.css")).await.text;
    assert!(!css.contains("red") && !css.contains("url("), "{css}");
}

#[tokio::test]
async fn colours_that_nobody_can_read_are_reported() {
    let platform = TestPlatform::start().await;
    let partner = platform.create_partner("Acme").await;
    let pair = |text: &str, layer: &str| json!({ "loginPageTextColor": text, "loginPageBackgroundColor": layer });
    let shown = set_branding(&platform, &partner, pair("777777", "ffffff")).await;
    let warning = shown["contrastWarning"].as_str().unwrap();
    for part in ["#777777", "#ffffff", "4.5:1", "#000000 is readable"] {
        assert!(warning.contains(part), "{warning}");
    }
    assert!(set_branding(&platform, &partner, pair("767676", "ffffff")).await.get("contrastWarning").is_none());
}

#[tokio::test]
async fn only_what_the_public_api_documents_has_no_pages() {
    let platform = TestPlatform::start_with(|config| config.documented_only = true).await;
    let mut browser = HttpBrowser::new(&platform);
    for path in ["/", "/login", "/style/default.css"] {
        assert_eq!(browser.get(path).await.status, 404, "{path}");
    }
}
