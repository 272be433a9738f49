//! Tests of the copy buttons.

use serde_json::json;

use super::pages::HttpBrowser;
use crate::platform::TestPlatform;
use crate::platform::people::CHOSEN_PASSWORD;

/// shows: seeds/access/copy-clipboard
#[tokio::test]
async fn copy_buttons_come_by_a_script_of_ours_where_they_are_allowed_and_nowhere_else() {
    let platform = TestPlatform::start().await;
    let partner = platform.create_partner("Acme").await;
    platform.create_logged_in_user(&partner, "ada", &[]).await;
    let mut browser = HttpBrowser::new(&platform);
    browser.log_in("/login", "ada", CHOSEN_PASSWORD).await;
    let path = format!("{}/{partner}", platform.partners_path());
    for on in [false, true, false] {
        platform.sp.post(&path, json!({ "showCopyClipBoard": on })).await.json();
        let home = browser.get("/").await;
        assert_eq!(home.text.contains("<script src=\"/script/copy.js\" defer"), on, "{}", home.text);
        assert_eq!(home.text.matches("<script").count(), usize::from(on));
        let policy = home.headers["content-security-policy"].to_str().unwrap();
        assert_eq!(policy.contains("script-src 'self'"), on, "{policy}");
        assert_eq!(policy.contains("script-src"), on, "{policy}");
        assert!(policy.contains("default-src 'none'") && policy.contains("frame-ancestors 'none'"), "{policy}");
        assert!(!policy.contains("unsafe"), "{policy}");
        assert!(!home.text.contains("class=\"copy\""), "without JavaScript there is no button");
        assert!(home.text.contains(&format!("data-copy=\"unique id\">{partner}<")), "{}", home.text);
        for other in ["/password", "/screens/alerts"] {
            let page = browser.get(other).await;
            let policy = page.headers["content-security-policy"].to_str().unwrap();
            assert!(!page.text.contains("<script") && !policy.contains("script-src"), "{other}");
        }
    }
    let script = browser.get("/script/copy.js").await;
    assert_eq!(script.headers["content-type"], "text/javascript; charset=utf-8");
    assert_eq!(script.headers["x-content-type-options"], "nosniff");
    assert!(script.text.contains("[data-copy]"), "{}", script.text);
}
