//! Tests of the consent form.

use reqwest::Method;
use serde_json::json;

use super::pages::{HttpBrowser, redirect_location};
use crate::platform::TestPlatform;
use crate::platform::people::{CHOSEN_PASSWORD, PASSWORD};

async fn set_skip_consent(platform: &TestPlatform, path: &str, skip: bool) {
    platform.sp.post(path, json!({ "skipUserConsentForm": skip })).await.json();
}

#[tokio::test]
async fn the_form_is_shown_at_the_first_login_and_again_until_it_is_accepted() {
    let platform = TestPlatform::start().await;
    let partner = platform.create_partner("Acme").await;
    let (token, id) = platform.create_logged_in_user(&partner, "ada", &["Partner Administrator"]).await;
    let mut browser = HttpBrowser::new(&platform);
    assert_eq!(redirect_location(&browser.send_login("/login", "ada", CHOSEN_PASSWORD).await), "/consent");
    let form = browser.get("/consent").await;
    for text in ["User consent", "Acme", ">ACCEPT</button>", ">DENY</button>"] {
        assert!(form.text.contains(text), "{text}: {}", form.text);
    }
    // All pages redirect to the form until it is accepted. A person's token is not a page and is not asked.
    for path in ["/", "/password", "/factor", "/screens/alerts"] {
        assert_eq!(redirect_location(&browser.get(path).await), "/consent", "{path}");
    }
    let refused = browser.call_api(Method::GET, "/cfg/countries", &json!({}), &[]).await;
    assert!(refused.status == 403 && refused.text.contains("consent_required"), "{}", refused.text);
    assert_eq!(token.get("/cfg/countries").await.status, 200);
    assert_eq!(browser.answer_consent("MAYBE").await.status, 400);

    let denied = browser.answer_consent("DENY").await;
    assert_eq!(redirect_location(&denied), format!("/login/{partner}?consent=denied"));
    assert!(!browser.cookies.contains_key("__Host-tenantry"));
    let page = browser.get(redirect_location(&denied)).await;
    assert!(page.status == 200 && page.text.contains("You denied the consent form"), "{}", page.text);
    assert_eq!(
        redirect_location(&browser.send_login("/login", "ada", CHOSEN_PASSWORD).await),
        "/consent",
        "it is asked again"
    );
    assert_eq!(redirect_location(&browser.answer_consent("ACCEPT").await), "/");
    assert_eq!(browser.get("/").await.status, 200);
    assert_eq!(redirect_location(&browser.get("/consent").await), "/");
    assert_eq!(redirect_location(&browser.send_login("/login", "ada", CHOSEN_PASSWORD).await), "/", "and never again");

    let at: Option<i64> =
        sqlx::query_scalar("SELECT consented_at FROM person").fetch_one(&platform.pool().await).await.unwrap();
    assert!(at.unwrap() > 1_700_000_000_000, "the time stands with the person");
    let log = crate::platform::audit::audit_rows(&platform, &partner).await;
    let rows: Vec<_> = log.iter().filter(|row| row["action"] == "consent").collect();
    let told: Vec<_> =
        rows.iter().map(|row| (row["object"].as_str().unwrap(), row["outcome"].as_str().unwrap())).collect();
    assert_eq!(told, [("DENY", "denied"), ("ACCEPT", "done")]);
    assert!(rows.iter().all(|row| row["actor"] == format!("user:{id}")), "{rows:?}");
}

#[tokio::test]
async fn whoever_denies_has_no_session_left() {
    let platform = TestPlatform::start().await;
    let partner = platform.create_partner("Acme").await;
    platform.create_logged_in_user(&partner, "ada", &[]).await;
    let mut browser = HttpBrowser::new(&platform);
    browser.send_login("/login", "ada", CHOSEN_PASSWORD).await;
    let stolen = browser.cookies.clone();
    browser.answer_consent("DENY").await;
    browser.cookies = stolen;
    assert_eq!(redirect_location(&browser.get("/consent").await), "/login");
}

/// shows: seeds/access/skip-consent
#[tokio::test]
async fn the_form_is_skipped_where_the_tenant_or_else_its_partner_says_so() {
    let platform = TestPlatform::start().await;
    let partner = platform.create_partner("Acme").await;
    let client = platform.sp.create_client(&partner, "Globex").await;
    platform.create_user(&partner, "ada", &[]).await;
    platform.create_logged_in_user(&client, "ann", &[]).await;
    let of_partner = format!("{}/{partner}", platform.partners_path());
    let of_client = format!("/tenants/{partner}/clients/{client}");
    for (partners, clients, next) in
        [(None, None, "/consent"), (Some(true), None, "/"), (None, Some(false), "/consent"), (None, Some(true), "/")]
    {
        if let Some(on) = partners {
            set_skip_consent(&platform, &of_partner, on).await;
        }
        if let Some(on) = clients {
            set_skip_consent(&platform, &of_client, on).await;
        }
        let mut browser = HttpBrowser::new(&platform);
        assert_eq!(
            redirect_location(&browser.send_login("/login", "ann", CHOSEN_PASSWORD).await),
            next,
            "{partners:?} {clients:?}"
        );
    }
    let mut browser = HttpBrowser::new(&platform);
    assert_eq!(redirect_location(&browser.send_login("/login", "ada", PASSWORD).await), "/password");
    // When the setting is off again, users who never accepted are asked at their next request.
    set_skip_consent(&platform, &of_partner, false).await;
    assert_eq!(redirect_location(&browser.get("/password").await), "/consent");
    assert_eq!(redirect_location(&browser.answer_consent("ACCEPT").await), "/password");
}

#[tokio::test]
async fn an_answer_counts_only_from_the_form_itself() {
    let platform = TestPlatform::start().await;
    let partner = platform.create_partner("Acme").await;
    platform.create_logged_in_user(&partner, "ada", &[]).await;
    let mut browser = HttpBrowser::new(&platform);
    browser.send_login("/login", "ada", CHOSEN_PASSWORD).await;
    for extra in [("sec-fetch-site", "cross-site"), ("sec-fetch-site", "same-origin")] {
        let forged = browser.send((Method::POST, "/consent"), &[("answer", "ACCEPT")], &[extra]).await;
        assert_eq!(forged.status, 403, "{extra:?}");
    }
    assert_eq!(redirect_location(&browser.get("/").await), "/consent");
    assert_eq!(
        redirect_location(&browser.submit_form("/consent", "/logout", &[]).await),
        "/login",
        "the way out is open"
    );
}
